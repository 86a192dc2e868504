//! Transactions, logs and simulation against a real development chain.

use alloy::json_abi::JsonAbi;
use alloy::primitives::{Address, Bytes, U256, bytes, keccak256};
use alloy::providers::Provider;
use assay_node::chain::{Chain, ChainError};
use assay_node::follower::{Follower, Update};
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::store::SledStore;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_node::url::RpcUrl;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Runs `log1(0, 0, 1)` without calldata, reverts with the calldata otherwise.
const ECHO: Bytes =
    bytes!("6017600c60003960176000f336600c57600160006000a1005b366000600037366000fd");

/// First accounts of the mnemonic that development chains ship.
const RICH: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const POOR: &str = "0x00000000000000000000000000000000000000000000000000000000000abcde";

struct Anvil {
    child: Child,
    url: RpcUrl,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    async fn start(args: &[&str]) -> (Anvil, Chain) {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            free.local_addr().expect("bound").port().to_string()
        };
        let local = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../contracts/node_modules/.bin/anvil"
        );
        let program = if std::path::Path::new(local).exists() {
            local
        } else {
            "anvil"
        };
        let child = Command::new(program)
            .args(["--port", &port, "--silent"])
            .args(args)
            .stdout(Stdio::null())
            .spawn()
            .expect("anvil is missing: run `npm ci` in contracts/");
        let url: RpcUrl = format!("http://127.0.0.1:{port}").parse().expect("a URL");
        let anvil = Anvil {
            child,
            url: url.clone(),
        };
        for _ in 0..200 {
            if let Ok(chain) = Chain::connect(&url, Some(31337)).await {
                return (anvil, chain);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("anvil did not answer in 10 s");
    }
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
    let (anvil, _chain) = Anvil::start(&[]).await;
    let error = Chain::connect(&anvil.url, Some(1))
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
    let (_anvil, chain) = Anvil::start(&[]).await;
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
    let (_anvil, chain) = Anvil::start(&[]).await;
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
    let (_anvil, chain) = Anvil::start(&["--no-mining"]).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn unfunded_account_is_told_to_get_money() {
    let (_anvil, chain) = Anvil::start(&[]).await;
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
    let (_anvil, chain) = Anvil::start(&[]).await;
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
