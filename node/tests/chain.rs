//! Transactions, logs and simulation against a real development chain.

use alloy::json_abi::JsonAbi;
use alloy::primitives::{Address, Bytes, U256, bytes, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use assay_node::anvil::Anvil;
use assay_node::chain::{Chain, ChainError};
use assay_node::follower::{Follower, Update};
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::store::SledStore;
use assay_node::tx::{Call, TxError, TxManager, TxPolicy};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Runs `log1(0, 0, 1)` without calldata, reverts with the calldata otherwise.
const ECHO: Bytes =
    bytes!("6017600c60003960176000f336600c57600160006000a1005b366000600037366000fd");

/// First accounts of the mnemonic that development chains ship.
const RICH: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const POOR: &str = "0x00000000000000000000000000000000000000000000000000000000000abcde";

async fn start(args: &[&str]) -> (Anvil, Chain) {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let anvil = Anvil::start(root, 0, args, None).unwrap_or_else(|e| panic!("{e}"));
    let chain = Chain::connect(&anvil.url(), Some(31337)).await;
    (anvil, chain.expect("it answers"))
}

fn manager(chain: &Chain, key: &str, policy: TxPolicy) -> TxManager {
    let abi = JsonAbi::parse(["error Nope(uint256 code)"]).expect("an ABI");
    TxManager::new(
        chain.clone(),
        Key::parse(key, "the test").expect("a key"),
        ErrorBook::new([&abi]),
        policy,
    )
}

async fn deploy(tx: &TxManager) -> Address {
    let receipt = tx
        .send(Call::create("deploy", ECHO))
        .await
        .expect("deployed");
    receipt.contract_address.expect("a creation has an address")
}

async fn raw(chain: &Chain, method: &'static str, params: serde_json::Value) -> serde_json::Value {
    chain
        .provider()
        .raw_request(method.into(), params)
        .await
        .expect(method)
}

fn nope(code: u64) -> Bytes {
    [
        &keccak256("Nope(uint256)")[..4],
        &U256::from(code).to_be_bytes::<32>(),
    ]
    .concat()
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_chain_id_is_refused_with_both_ids() {
    let (anvil, _chain) = start(&[]).await;
    let error = Chain::connect(&anvil.url(), Some(1))
        .await
        .expect_err("another chain");
    assert!(
        matches!(
            error,
            ChainError::WrongChain {
                found: 31337,
                expected: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reverting_call_is_named_and_never_sent() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(&chain, RICH, TxPolicy::default());
    let to = deploy(&tx).await;
    let before = chain
        .provider()
        .get_transaction_count(tx.address())
        .await
        .expect("nonce");
    let error = tx
        .send(Call::new("echo", to, nope(7)))
        .await
        .expect_err("reverts");
    assert_eq!(error.revert_name(), Some("Nope"));
    assert_eq!(error.to_string(), "echo would revert: Nope(code: 7)");
    assert_eq!(
        chain
            .provider()
            .get_transaction_count(tx.address())
            .await
            .expect("nonce"),
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sends_use_every_nonce_once() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(
        &chain,
        RICH,
        TxPolicy {
            poll: Duration::from_millis(20),
            ..TxPolicy::default()
        },
    );
    let to = deploy(&tx).await;
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let tx = tx.clone();
            tokio::spawn(async move { tx.send(Call::new("echo", to, Bytes::new())).await })
        })
        .collect();
    for send in sends {
        send.await.expect("joined").expect("mined");
    }
    assert_eq!(
        chain
            .provider()
            .get_transaction_count(tx.address())
            .await
            .expect("nonce"),
        21
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unmined_transaction_is_replaced_not_doubled() {
    let (_anvil, chain) = start(&["--no-mining"]).await;
    let policy = TxPolicy {
        poll: Duration::from_millis(20),
        bump_after: Duration::from_millis(300),
        ..TxPolicy::default()
    };
    let tx = manager(&chain, RICH, policy);
    let sending = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send(Call::create("deploy", ECHO)).await }
    });
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let pool = raw(&chain, "txpool_status", serde_json::json!([])).await;
    assert_eq!(pool["pending"], "0x1", "{pool}");
    raw(&chain, "evm_mine", serde_json::json!([])).await;
    let receipt = sending.await.expect("joined").expect("mined");
    assert!(
        receipt.effective_gas_price > 1_000_000_000,
        "paid more than the first offer"
    );
    assert_eq!(
        chain
            .provider()
            .get_transaction_count(tx.address())
            .await
            .expect("nonce"),
        1
    );
}

async fn count(chain: &Chain, tx: &TxManager) -> u64 {
    let count = chain.provider().get_transaction_count(tx.address()).await;
    count.expect("a nonce")
}

async fn mined_in(chain: &Chain, receipt: &TransactionReceipt) -> Option<u64> {
    let hash = receipt.transaction_hash;
    let found = chain.provider().get_transaction_receipt(hash).await;
    let found = found.expect("asked").filter(TransactionReceipt::status);
    found.and_then(|receipt| receipt.block_number)
}

/// A policy that would wait for longer than any test does.
fn patient() -> TxPolicy {
    TxPolicy {
        poll: Duration::from_millis(20),
        ..TxPolicy::default()
    }
}

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganization_drops_is_mined_again_before_the_next_call() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(&chain, RICH, patient());
    let to = deploy(&tx).await;
    let echo = || tx.send(Call::new("echo", to, Bytes::new()));
    let mut lost = Vec::new();
    for _ in 0..3 {
        lost.push(echo().await.expect("mined"));
    }
    // The last two blocks are replaced by empty ones, and the node keeps nothing of what was in them.
    raw(&chain, "anvil_reorg", serde_json::json!([2, []])).await;
    assert_eq!(count(&chain, &tx).await, 2);
    assert!(mined_in(&chain, &lost[0]).await.is_some());
    for receipt in &lost[1..] {
        assert_eq!(mined_in(&chain, receipt).await, None);
    }

    let next = tokio::time::timeout(SOON, echo()).await;
    let next = next.expect("soon").expect("mined");
    assert_eq!(count(&chain, &tx).await, 5);
    let (first, second) = (
        mined_in(&chain, &lost[1]).await,
        mined_in(&chain, &lost[2]).await,
    );
    assert!(first.is_some() && first < second && second < next.block_number);
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_after_a_reorganization_sees_what_was_dropped() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(&chain, RICH, patient());
    let to = deploy(&tx).await;
    raw(&chain, "anvil_reorg", serde_json::json!([1, []])).await;
    let code = async || chain.provider().get_code_at(to).await.expect("asked");
    assert!(code().await.is_empty(), "the contract is gone");
    // Where there is no contract, nothing reverts.
    let error = tx
        .send(Call::new("echo", to, nope(7)))
        .await
        .expect_err("the contract is back and refuses");
    assert_eq!(error.to_string(), "echo would revert: Nope(code: 7)");
    assert!(!code().await.is_empty());
    assert_eq!(count(&chain, &tx).await, 1, "the call was never sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganization_under_a_waiting_transaction_is_mended_while_it_waits() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(&chain, RICH, patient());
    let to = deploy(&tx).await;
    let snapshot = raw(&chain, "evm_snapshot", serde_json::json!([])).await;
    let lost = tx.send(Call::new("echo", to, Bytes::new())).await;
    let lost = lost.expect("mined");
    raw(&chain, "evm_setAutomine", serde_json::json!([false])).await;
    let waiting = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send(Call::new("echo", to, Bytes::new())).await }
    });
    let pool = async || raw(&chain, "txpool_status", serde_json::json!([])).await;
    while pool().await["pending"] != "0x1" {}

    raw(&chain, "evm_revert", serde_json::json!([snapshot])).await;
    assert_eq!(count(&chain, &tx).await, 1);
    let started = std::time::Instant::now();
    while !waiting.is_finished() {
        assert!(started.elapsed() < SOON, "not mended in {SOON:?}");
        raw(&chain, "evm_mine", serde_json::json!([])).await;
    }
    let receipt = waiting.await.expect("joined").expect("mined");
    assert_eq!(count(&chain, &tx).await, 3);
    let again = mined_in(&chain, &lost).await;
    assert!(again.is_some() && again <= receipt.block_number);
}

/// A key in two hands: what the other sends is never taken for ours.
#[tokio::test(flavor = "multi_thread")]
async fn nonce_that_another_took_is_an_error_and_the_next_call_goes_on() {
    let (_anvil, chain) = start(&[]).await;
    let policy = TxPolicy {
        poll: Duration::from_millis(400),
        bump_after: Duration::from_millis(400),
        ..TxPolicy::default()
    };
    let (tx, other) = (
        manager(&chain, RICH, policy),
        manager(&chain, RICH, patient()),
    );
    let to = deploy(&tx).await;
    raw(&chain, "evm_setAutomine", serde_json::json!([false])).await;
    let waiting = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send(Call::new("echo", to, Bytes::new())).await }
    });
    let pool = async || raw(&chain, "txpool_status", serde_json::json!([])).await;
    while pool().await["pending"] != "0x1" {}
    // It looks after what it has sent at once, and then every eight polls: the nonce is taken between the two.
    tokio::time::sleep(Duration::from_millis(200)).await;
    raw(&chain, "anvil_dropAllTransactions", serde_json::json!([])).await;
    raw(&chain, "evm_setAutomine", serde_json::json!([true])).await;
    let call = Call::new("other", to, Bytes::new()).gas(90_000);
    other.send(call).await.expect("mined");

    let error = waiting.await.expect("joined").expect_err("taken");
    assert!(
        matches!(error, TxError::NonceTaken { nonce: 1, .. }) && error.is_transient(),
        "{error}"
    );
    let next = tx.send(Call::new("echo", to, Bytes::new())).await;
    next.expect("mined");
    assert_eq!(count(&chain, &tx).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn unfunded_account_is_told_to_get_money() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(&chain, POOR, TxPolicy::default());
    let error = tx
        .send(Call::create("deploy", ECHO))
        .await
        .expect_err("no money")
        .to_string();
    assert!(
        error.contains("send it ETH") && error.contains(&tx.address().to_string()),
        "{error}"
    );
    let error = chain
        .require_balance(tx.address(), U256::from(1))
        .await
        .expect_err("no money")
        .to_string();
    assert!(error.contains("send it ETH"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn follower_resumes_and_follows_a_reorganization() {
    let (_anvil, chain) = start(&[]).await;
    let tx = manager(
        &chain,
        RICH,
        TxPolicy {
            poll: Duration::from_millis(20),
            ..TxPolicy::default()
        },
    );
    let to = deploy(&tx).await;
    let dir = tempfile::tempdir().expect("a folder");
    let store = Arc::new(SledStore::open(&dir.path().join("a.sled")).expect("opens"));
    let open = || Follower::open(chain.clone(), vec![to], store.clone(), "logs", 1).expect("opens");
    let echo = || tx.send(Call::new("echo", to, Bytes::new()));

    echo().await.expect("mined");
    let mut follower = open();
    // Not committed: the same comes again.
    for _ in 0..2 {
        match follower.next().await.expect("followed") {
            Update::Logs { logs, through } => assert_eq!((logs.len(), through.number), (1, 2)),
            other => panic!("{other:?}"),
        }
    }
    follower.commit().expect("saved");
    assert!(matches!(
        follower.next().await.expect("followed"),
        Update::Idle
    ));

    let snapshot = raw(&chain, "evm_snapshot", serde_json::json!([])).await;
    echo().await.expect("mined");
    echo().await.expect("mined");
    let mut follower = open();
    assert_eq!(follower.position(), 3, "resumed");
    assert!(
        matches!(follower.next().await.expect("followed"), Update::Logs { logs, .. } if logs.len() == 2)
    );
    follower.commit().expect("saved");

    // Two blocks vanish, one other comes.
    raw(&chain, "evm_revert", serde_json::json!([snapshot])).await;
    let fresh = manager(&chain, RICH, TxPolicy::default());
    fresh
        .send(Call::new("echo", to, Bytes::new()).gas(90_000))
        .await
        .expect("mined");
    match follower.next().await.expect("followed") {
        Update::Rewind { to } => assert_eq!(to, 2),
        other => panic!("{other:?}"),
    }
    follower.commit().expect("saved");
    match follower.next().await.expect("followed") {
        Update::Logs { logs, through } => assert_eq!((logs.len(), through.number), (1, 3)),
        other => panic!("{other:?}"),
    }
}
