//! Calls with blobs and without from one account, on a node that keeps the two apart as geth does.

#[path = "support/geth.rs"]
mod geth;
#[path = "support/http.rs"]
mod http;

use alloy::primitives::{Address, Bytes};
use alloy::providers::Provider;
use assay_node::anvil::Anvil;
use assay_node::blob::Blob;
use assay_node::chain::Chain;
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxError, TxManager, TxPolicy};
use geth::Geth;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const RICH: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const NOBODY: Address = Address::repeat_byte(0x77);

struct World {
    _anvil: Anvil,
    geth: Geth,
    chain: Chain,
}

async fn start() -> World {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let anvil = Anvil::start(root, 0, &[], None).unwrap_or_else(|e| panic!("{e}"));
    let geth = Geth::start(&anvil.url()).await;
    let chain = Chain::connect(&geth.url, Some(31337))
        .await
        .expect("it answers");
    World {
        _anvil: anvil,
        geth,
        chain,
    }
}

fn manager(chain: &Chain, policy: TxPolicy) -> TxManager {
    let key = Key::parse(RICH, "the test").expect("a key");
    TxManager::new(chain.clone(), key, ErrorBook::assay(), policy)
}

fn quick() -> TxPolicy {
    TxPolicy {
        poll: Duration::from_millis(20),
        ..TxPolicy::default()
    }
}

fn plain() -> Call {
    Call::new("plain", NOBODY, Bytes::new())
}

fn with_blob(n: u8) -> Call {
    let blob = Blob::of_words([[n; 32]]).expect("a blob");
    Call::new("with a blob", NOBODY, Bytes::new()).blob(Arc::new(blob))
}

async fn raw(chain: &Chain, method: &'static str, params: serde_json::Value) -> serde_json::Value {
    let answer = chain.provider().raw_request(method.into(), params);
    answer.await.expect(method)
}

/// Types of the account's transactions that wait.
async fn waiting(chain: &Chain) -> Vec<u8> {
    let pool = raw(chain, "txpool_content", serde_json::json!([])).await;
    let accounts = pool["pending"].as_object().into_iter().flatten();
    let each = accounts.flat_map(|(_, by_nonce)| by_nonce.as_object().into_iter().flatten());
    each.map(|(_, tx)| match tx["type"].as_str() {
        Some("0x3") => 3,
        _ => 2,
    })
    .collect()
}

async fn until_waiting(chain: &Chain, types: &[u8]) {
    let start = Instant::now();
    while waiting(chain).await != types {
        let patience = Duration::from_secs(30);
        assert!(start.elapsed() < patience, "{:?}", waiting(chain).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Without, with and without blobs, from tasks that share the manager: each waits for the one before it, the third too, or those
/// with blobs would never get a turn. The node never has to refuse one.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_both_kinds_wait_for_each_other_in_turns() {
    let world = start().await;
    let chain = &world.chain;
    raw(chain, "evm_setAutomine", serde_json::json!([false])).await;
    let tx = manager(chain, quick());
    let blob = with_blob(1);
    // So that it is sent at once where nothing holds it.
    blob.blobs[0].cell_proofs().expect("proven");
    let send = |call: Call| {
        let tx = tx.clone();
        tokio::spawn(async move { tx.send(call).await })
    };
    let mut sends = vec![send(plain())];
    until_waiting(chain, &[2]).await;
    for call in [blob, plain()] {
        sends.push(send(call));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(waiting(chain).await, [2]);
    }
    for next in [&[3][..], &[2], &[]] {
        raw(chain, "evm_mine", serde_json::json!([])).await;
        until_waiting(chain, next).await;
    }
    for send in sends {
        send.await.expect("joined").expect("mined");
    }
    assert_eq!(world.geth.refused(), 0);
}

/// Another process sends from the account: an error of its own, which says what to do, and passes.
#[tokio::test(flavor = "multi_thread")]
async fn account_reserved_by_another_process_is_an_error_that_passes() {
    let world = start().await;
    raw(&world.chain, "evm_setAutomine", serde_json::json!([false])).await;
    let (tx, other) = (
        manager(&world.chain, quick()),
        manager(&world.chain, quick()),
    );
    let waiting = tokio::spawn(async move { other.send(plain()).await });
    let pool = async || raw(&world.chain, "txpool_status", serde_json::json!([])).await;
    while pool().await["pending"] != "0x1" {}
    let error = tx.send(with_blob(1)).await.expect_err("reserved");
    assert!(matches!(error, TxError::Reserved { .. }), "{error}");
    assert!(
        error.is_transient() && error.to_string().contains("its own"),
        "{error}"
    );
    raw(&world.chain, "evm_setAutomine", serde_json::json!([true])).await;
    raw(&world.chain, "evm_mine", serde_json::json!([])).await;
    waiting.await.expect("joined").expect("mined");
    tx.send(with_blob(1)).await.expect("mined");
}

/// What waits for ever holds the other kind up no longer than a call may wait, and then by name.
#[tokio::test(flavor = "multi_thread")]
async fn call_that_never_gets_its_turn_says_so() {
    let world = start().await;
    raw(&world.chain, "evm_setAutomine", serde_json::json!([false])).await;
    let policy = TxPolicy {
        give_up_after: Duration::from_secs(1),
        ..quick()
    };
    let tx = manager(&world.chain, policy);
    let stuck = tx.send(plain()).await.expect_err("nothing is mined");
    assert!(matches!(stuck, TxError::NotMined { .. }), "{stuck}");
    let error = tx.send(with_blob(1)).await.expect_err("nothing is mined");
    assert!(matches!(error, TxError::Reserved { .. }), "{error}");
    assert_eq!(world.geth.refused(), 0, "it was not even tried");
}

/// A node has room for so many of an account's: the next is an error that passes, and takes no nonce with it.
#[tokio::test(flavor = "multi_thread")]
async fn transaction_that_a_full_pool_refuses_is_an_error_that_passes() {
    let world = start().await;
    let chain = &world.chain;
    let tx = manager(chain, quick());
    for (call, types, words) in [
        (with_blob as fn(u8) -> Call, [3, 3], "account limit"),
        (|_| plain(), [2, 2], "pool is full"),
    ] {
        raw(chain, "evm_setAutomine", serde_json::json!([false])).await;
        world.geth.set_most(2);
        let sends: Vec<_> = [1, 2]
            .map(|n| (tx.clone(), call(n)))
            .map(|(tx, call)| tokio::spawn(async move { tx.send(call).await }))
            .into();
        until_waiting(chain, &types).await;
        let error = tx.send(call(3)).await.expect_err("there is no room");
        assert!(matches!(error, TxError::PoolFull { .. }), "{error}");
        assert!(
            error.is_transient() && error.to_string().contains(words),
            "{error}"
        );
        raw(chain, "evm_setAutomine", serde_json::json!([true])).await;
        raw(chain, "evm_mine", serde_json::json!([])).await;
        for send in sends {
            send.await.expect("joined").expect("mined");
        }
        tx.send(call(3)).await.expect("there is room again");
    }
}
