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

/// What is said instead of the node's answer.
#[derive(Clone, Copy, Debug)]
enum Lost {
    /// The connection ends.
    Nothing,
    /// The page of a proxy, under this status.
    Page(&'static str),
    /// JSON-RPC with a result of null.
    Null,
    /// JSON-RPC with an error.
    Error(&'static str),
}

/// What is said to the next request of a method, and whether the node hears of that.
type Next = Arc<Mutex<Option<(&'static str, Lost, bool)>>>;

/// In front of the anvil at `chain`; what is in `next` is said once.
async fn proxy(chain: String, next: Next) -> String {
    let at = serve(move |asked: Message| {
        let (chain, next) = (chain.clone(), next.clone());
        async move {
            let call: Value = serde_json::from_slice(&asked.body)?;
            let lost = {
                let mut next = next.lock().expect("whole");
                let its = next.is_some_and(|(method, ..)| call["method"] == method);
                next.take_if(|_| its)
            };
            let Some((_, lost, reaches)) = lost else {
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
                Lost::Error(message) => {
                    let error = json!({ "code": -32000, "message": message });
                    Ok(Message::json(
                        &json!({ "jsonrpc": "2.0", "id": call["id"], "error": error }),
                    ))
                }
            }
        }
    })
    .await;
    format!("http://{at}")
}

struct World {
    _anvil: Anvil,
    chain: Chain,
    next: Next,
}

async fn start() -> World {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let anvil = Anvil::start(root, 0, &[], None).unwrap_or_else(|e| panic!("{e}"));
    let at = anvil.url().to_string();
    let at = at.trim_start_matches("http://").trim_end_matches('/');
    let next = Next::default();
    let url = proxy(at.to_owned(), next.clone()).await;
    let url = url.parse().expect("a URL");
    let chain = Chain::connect(&url, Some(31337)).await;
    World {
        chain: chain.expect("it answers"),
        _anvil: anvil,
        next,
    }
}

async fn raw(chain: &Chain, method: &'static str, params: Value) {
    let told = chain
        .provider()
        .raw_request::<_, Value>(method.into(), params);
    told.await.expect(method);
}

async fn mining_each_second(chain: &Chain) {
    raw(chain, "evm_setAutomine", json!([false])).await;
    raw(chain, "evm_setIntervalMining", json!([1])).await;
}

async fn mined(chain: &Chain, account: Address) -> u64 {
    let count = chain.provider().get_transaction_count(account);
    count.await.expect("asked")
}

fn manager(chain: &Chain) -> TxManager {
    let policy = TxPolicy {
        poll: Duration::from_millis(20),
        give_up_after: Duration::from_secs(20),
        ..TxPolicy::default()
    };
    let key = Key::parse(RICH, "the test").expect("a key");
    TxManager::new(chain.clone(), key, ErrorBook::assay(), policy)
}

fn call(n: u8) -> Call {
    Call::new("plain", Address::repeat_byte(n), Bytes::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_whose_answer_says_nothing_keeps_its_nonce_and_is_mined() {
    let World {
        _anvil,
        chain,
        next,
    } = start().await;
    mining_each_second(&chain).await;
    let tx = manager(&chain);
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path();
    tx.resume(log).await.expect("empty");
    let mut hashes = BTreeSet::new();
    for lost in [
        Lost::Nothing,
        Lost::Page("502 Bad Gateway"),
        Lost::Page("200 OK"),
        Lost::Null,
    ] {
        for reaches in [true, false] {
            *next.lock().expect("whole") = Some(("eth_sendRawTransaction", lost, reaches));
            // The second call comes while the first one waits, and takes the nonce after it.
            let (first, second) = tokio::join!(tx.send(call(1)), tx.send(call(2)));
            for receipt in [first, second] {
                let receipt = receipt.unwrap_or_else(|e| panic!("{lost:?}, {reaches}: {e}"));
                hashes.insert(receipt.transaction_hash);
            }
            assert!(next.lock().expect("whole").is_none(), "it was said");
        }
    }
    assert_eq!((hashes.len(), mined(&chain, tx.address()).await), (16, 16));
}

/// Nobody sends anything with the second manager, and the chain does not say what would become of the call.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_sent_is_mined_though_its_dry_run_fails_and_nobody_waits() {
    let World {
        _anvil,
        chain,
        next,
    } = start().await;
    raw(&chain, "evm_setAutomine", json!([false])).await;
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path();
    let first = manager(&chain);
    first.resume(log).await.expect("empty");
    let account = first.address();
    let killed = tokio::spawn(async move { first.send(call(1)).await });
    let pending = async || {
        let count = chain.provider().get_transaction_count(account).pending();
        count.await.expect("asked")
    };
    while pending().await == 0 {}
    killed.abort();
    drop(killed.await);
    raw(&chain, "anvil_dropAllTransactions", json!([])).await;
    assert_eq!(pending().await, 0, "the node lost it");

    let said = Lost::Error("out of gas");
    *next.lock().expect("whole") = Some(("eth_call", said, false));
    manager(&chain).resume(log).await.expect("it is kept");
    assert!(next.lock().expect("whole").is_none(), "it was said");
    mining_each_second(&chain).await;
    let seen = async { while mined(&chain, account).await == 0 {} };
    let seen = tokio::time::timeout(Duration::from_secs(20), seen).await;
    seen.expect("sent again and mined");
}
