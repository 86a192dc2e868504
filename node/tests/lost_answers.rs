//! A node, or a proxy before it, whose answer to a transaction says nothing: it may have been taken, and its nonce is not
//! given away.

#[path = "support/http.rs"]
mod http;

use alloy::primitives::{Address, Bytes};
use alloy::providers::Provider;
use assay_node::anvil::Anvil;
use assay_node::chain::Chain;
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use http::{Message, forward, serve};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const RICH: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// What is said of the next transaction, once.
#[derive(Clone, Copy, Debug)]
enum Lost {
    /// The connection ends.
    Nothing,
    /// The page of a proxy, under this status.
    Page(&'static str),
    /// JSON-RPC with a result of null.
    Null,
}

type Next = Arc<Mutex<Option<(Lost, bool)>>>;

/// In front of the anvil at `chain`: the next transaction gets the answer in `next`, and reaches the anvil where that says so.
async fn proxy(chain: String, next: Next) -> String {
    let at = serve(move |asked: Message| {
        let (chain, next) = (chain.clone(), next.clone());
        async move {
            let call: Value = serde_json::from_slice(&asked.body)?;
            let lost = match call["method"] == "eth_sendRawTransaction" {
                true => next.lock().expect("whole").take(),
                false => None,
            };
            let Some((lost, reaches)) = lost else {
                return forward(&chain, &asked).await;
            };
            if reaches {
                forward(&chain, &asked).await?;
            }
            match lost {
                Lost::Nothing => Err(io::ErrorKind::ConnectionAborted.into()),
                Lost::Page(status) => Ok(Message::answer(status, b"<html>wait</html>".to_vec())),
                Lost::Null => Ok(Message::json(
                    &json!({ "jsonrpc": "2.0", "id": call["id"], "result": null }),
                )),
            }
        }
    })
    .await;
    format!("http://{at}")
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_whose_answer_says_nothing_keeps_its_nonce_and_is_mined() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let anvil = Anvil::start(root, 0, &[], None).unwrap_or_else(|e| panic!("{e}"));
    let at = anvil.url().to_string();
    let at = at.trim_start_matches("http://").trim_end_matches('/');
    let next = Next::default();
    let url = proxy(at.to_owned(), next.clone()).await;
    let url = url.parse().expect("a URL");
    let chain = Chain::connect(&url, Some(31337)).await.expect("it answers");
    for (method, params) in [
        ("evm_setAutomine", json!([false])),
        ("evm_setIntervalMining", json!([1])),
    ] {
        let told = chain.provider().raw_request::<_, Value>(method.into(), params);
        told.await.expect(method);
    }
    let policy = TxPolicy {
        poll: Duration::from_millis(20),
        give_up_after: Duration::from_secs(20),
        ..TxPolicy::default()
    };
    let key = Key::parse(RICH, "the test").expect("a key");
    let tx = TxManager::new(chain.clone(), key, ErrorBook::assay(), policy);
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("sent.journal");
    tx.resume(&log).await.expect("empty");
    let call = |n: u8| Call::new("plain", Address::repeat_byte(n), Bytes::new());
    let mut hashes = BTreeSet::new();
    for lost in [
        Lost::Nothing,
        Lost::Page("502 Bad Gateway"),
        Lost::Page("200 OK"),
        Lost::Null,
    ] {
        for reaches in [true, false] {
            *next.lock().expect("whole") = Some((lost, reaches));
            // The second call comes while the first one waits, and takes the nonce after it.
            let (first, second) = tokio::join!(tx.send(call(1)), tx.send(call(2)));
            for receipt in [first, second] {
                let receipt = receipt.unwrap_or_else(|e| panic!("{lost:?}, {reaches}: {e}"));
                hashes.insert(receipt.transaction_hash);
            }
            assert!(next.lock().expect("whole").is_none(), "it was said");
        }
    }
    let count = chain.provider().get_transaction_count(tx.address());
    assert_eq!((hashes.len(), count.await.expect("asked")), (16, 16));
}
