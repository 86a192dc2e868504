//! Transactions that are seen before they are mined, and what can be made of them.

use super::network::{Network, Who};
use alloy::primitives::Address;
use alloy::sol_types::SolCall;
use assay_bindings::DisputeGame;
use assay_bindings::convert::state_roots;
use assay_dispute::action::Action;
use assay_dispute::calls::call_for;
use assay_dispute::game::Side;
use assay_dispute::ledger::Play;
use assay_node::tx::Call;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The most that anything here waits for.
const LIMIT: Duration = Duration::from_secs(150);

/// A JSON-RPC quantity.
pub fn number(hex: &Value) -> u128 {
    let hex = hex.as_str().expect("hex").trim_start_matches("0x");
    u128::from_str_radix(hex, 16).expect("hex")
}

/// The transaction to the game that `from` has pending and that begins with `selector`.
pub async fn pending(net: &Network, from: Address, selector: [u8; 4]) -> Option<Value> {
    let pool = net.rpc("txpool_content", json!([])).await;
    let wanted = format!("0x{}", alloy::hex::encode(selector));
    let pool = pool["pending"].as_object().expect("accounts").clone();
    let of = pool
        .into_iter()
        .filter(|(account, _)| account.parse::<Address>() == Ok(from));
    let mut txs = of.flat_map(|(_, txs)| txs.as_object().cloned().unwrap_or_default());
    let found = txs.find(|(_, tx)| tx["input"].as_str().is_some_and(|i| i.starts_with(&wanted)));
    found.map(|(_, tx)| tx)
}

/// Sends `input` to the game with the gas of `tx` and a tip that nobody else offers; its hash.
pub async fn overtake(net: &Network, from: Who, tx: &Value, input: &Value) -> Value {
    let copied = json!([{
        "from": net.address(from), "to": net.deployment.contracts.game, "input": input, "gas": tx["gas"],
        "maxFeePerGas": "0x174876e800", "maxPriorityFeePerGas": "0x174876e800",
    }]);
    net.rpc("eth_sendTransaction", copied).await
}

/// The receipt of a transaction; null while it is not mined.
pub async fn receipt(net: &Network, hash: &Value) -> Value {
    net.rpc("eth_getTransactionReceipt", json!([hash])).await
}

/// Wei of gas that a mined transaction cost.
pub async fn fee(net: &Network, hash: &Value) -> u128 {
    let receipt = receipt(net, hash).await;
    number(&receipt["gasUsed"]) * number(&receipt["effectiveGasPrice"])
}

/// One transaction ran before the other in one block; whether each succeeded.
pub async fn assert_in_front(net: &Network, first: &Value, second: &Value) -> [Value; 2] {
    let both = [receipt(net, first).await, receipt(net, second).await];
    assert_eq!(both[0]["blockNumber"], both[1]["blockNumber"]);
    let places = both.each_ref().map(|r| number(&r["transactionIndex"]));
    assert!(places[0] < places[1], "it did run in front");
    both.map(|r| r["status"].clone())
}

/// A block every so many seconds; at 0, by hand.
pub async fn mine(net: &Network, seconds: u64) {
    net.rpc("evm_setIntervalMining", json!([seconds])).await;
}

/// Makes a block once `n` transactions are in the pool.
pub async fn block_of(net: &Network, n: u128) {
    let started = Instant::now();
    while number(&net.rpc("txpool_status", json!([])).await["pending"]) < n {
        assert!(started.elapsed() < LIMIT, "no {n} transactions");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    net.rpc("evm_mine", json!([])).await;
}

/// What the watchtower sends, mined or not, once it is to be seen.
pub async fn shown(net: &Network, nonce: u64) -> Value {
    let which = json!([net.address(Who::Watchtower), format!("{nonce:#x}")]);
    let started = Instant::now();
    loop {
        let method = "eth_getTransactionBySenderAndNonce";
        let tx = net.rpc(method, which.clone()).await;
        if !tx.is_null() {
            return tx;
        }
        assert!(started.elapsed() < LIMIT, "no transaction {nonce}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same in the copycat's own game. Only the history that it answers is another.
pub fn copied(play: &Play, tx: &Value, game: Address) -> Call {
    let input = tx["input"].as_str().expect("hex");
    let input = alloy::hex::decode(input).expect("hex");
    let (standing, history) = (play.game.standing(), play.game.history());
    let action = match DisputeGame::moveCall::abi_decode(&input) {
        Ok(DisputeGame::moveCall { m }) => Action::Dissect {
            history,
            segment: standing.segment(m.segment.to()),
            roots: state_roots(&m.roots),
        },
        Err(_) => {
            let proof = DisputeGame::proveCall::abi_decode(&input);
            let proof = proof.expect("neither move nor proof").p;
            Action::Prove {
                history,
                segment: standing.segment(proof.segment.to()),
                index: 0,
                witness: proof.witness.to_vec(),
            }
        }
    };
    let call = call_for(play, Side::Challenger, &action, game);
    call.expect("no blob is needed").expect("a call")
}
