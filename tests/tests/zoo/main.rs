//! A zoo of hostile actors against the services' own code on a real chain: whatever they try, a false claim falls, a true one
//! becomes final, and those who are honest lose nothing.

#[allow(
    dead_code,
    reason = "shared with the games in revm, which use other parts"
)]
#[path = "../games_support/mod.rs"]
mod games_support;

mod copycat;
mod poison;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use assay_bindings::{BlobDisputeGame, DisputeGame, Request, Rollup, Staking};
use assay_dispute::action::Action;
use assay_dispute::calls::{call_for, opening};
use assay_dispute::claim_ref::claim_ref;
use assay_dispute::clock::Timestamp;
use assay_dispute::flipped::{FlippedTrace, MadeUpTrace};
use assay_dispute::game::Side;
use assay_dispute::ledger::Play;
use assay_dispute::lies::Lie;
use assay_dispute::solver::next_actions;
use assay_dispute::trace::Trace;
use assay_dispute::watcher::{Watcher, challenger_bond, view};
use assay_node::dangerous::Flip;
use assay_node::tx::Call;
use assay_types::params::TRACE_LOG2;
use assay_types::request::Payload;
use games_support::network::{Network, Who, events};
use games_support::pool::{assert_in_front, mine, number, overtake, pending, receipt};
use games_support::proxy::{Fault, Proxy};
use games_support::services::{
    arguments, defender, look, run_of, truth, watchtower, watchtower_of,
};
use serde_json::json;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

const GAME: Duration = Duration::from_secs(150);
/// The executor's deposit.
const STAKE: u128 = 100 * ETHER;
const ETHER: u128 = 1_000_000_000_000_000_000;
/// What a watchtower may pay beyond what the rules repay: openings that a reorganization made void, and withdrawals.
const GAS: u128 = ETHER / 100;

/// A question and its two answers.
struct Asked {
    id: B256,
    request: Request,
    right: Vec<u8>,
    wrong: Vec<u8>,
}

async fn ask(net: &Network) -> Asked {
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let right = truth(net, id, &request, &payload);
    let mut wrong = right.clone();
    wrong[6] ^= 1;
    Asked {
        id,
        request,
        right,
        wrong,
    }
}

const LIE: Option<Lie> = Some(Lie::Flip(Flip::Random(Some(7))));

/// The call that opens a game on the first claim.
async fn opening_call(net: &Network) -> Call {
    let watcher = look(net).await;
    let ledger = watcher.ledger();
    let claim = ledger.claims.values().next().expect("a claim");
    let ask = &ledger.asks[&claim.request_id];
    let shown = claim_ref(claim, &ledger.segments[&claim.key.segment]).expect("a leaf");
    let game = net.deployment.contracts.game;
    let bond = challenger_bond(&net.chain, game).await.expect("a view");
    opening(ask, claim, &shown, game, bond)
}

async fn free_stake(net: &Network) -> U256 {
    let executor = net.address(Who::Executor);
    let call = Staking::freeStakeCall { executor };
    let staking = net.deployment.contracts.staking;
    let free = view(&net.chain, staking, "freeStake", call).await;
    free.expect("a view")
}

/// Balance and credit at the game.
async fn purse(net: &Network, who: Who) -> U256 {
    let balance = net.chain.balance(net.address(who)).await;
    balance.expect("asked") + net.credit(who).await
}

/// The only claim there was is lost to a game of `who`: rejected once, its bond slashed once.
async fn assert_lost_to(net: &Network, who: Who, reason: u8) {
    let lost = net.wait_for::<DisputeGame::ClaimLost>(1, GAME).await;
    assert_eq!(lost.len(), 1);
    let won = net.game_events::<DisputeGame::GameWon>().await;
    let winner = net.address(who);
    let its: Vec<_> = won.iter().filter(|w| w.winner == winner).collect();
    assert_eq!(its.len(), 1);
    assert_eq!(its[0].reason, reason);
    let rejected = net.game_events::<Rollup::ClaimRejected>().await;
    assert_eq!(rejected.len(), 1);
    assert_eq!(free_stake(net).await, U256::from(STAKE - ETHER));
}

/// The watchtower has won the only claim there was.
// INVARIANT: an honest challenger has its bond back, its gas repaid and a quarter of the claim's bond.
async fn assert_rejected(net: &Network, before: U256, reason: u8) {
    assert_lost_to(net, Who::Watchtower, reason).await;
    let after = purse(net, Who::Watchtower).await;
    let least = before + U256::from(ETHER / 4 - GAS);
    assert!(after >= least, "{before} -> {after}");
    assert!(after <= before + U256::from(ETHER / 2));
}

/// A false claim, the liar who defends it, and the watchtower that will see it.
struct Dispute {
    net: Network,
    /// What the watchtower had.
    before: U256,
    tower: JoinHandle<()>,
    liar: JoinHandle<()>,
}

impl Dispute {
    async fn start(window: u64, allowance: u64) -> Dispute {
        let mut net = Network::start(window, allowance).await;
        let asked = ask(&net).await;
        let before = purse(&net, Who::Watchtower).await;
        let tower = watchtower(&net, Who::Watchtower, &[]);
        let liar = defender(&net, LIE);
        net.claim(asked.id, &asked.request, &asked.wrong).await;
        Dispute {
            net,
            before,
            tower,
            liar,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn game_goes_on_after_a_reorganization_of_seven_blocks() {
    // A clock that a busy machine does not use up: the end is to be the proof.
    let Dispute {
        net,
        before,
        tower,
        liar,
    } = Dispute::start(120, 300).await;
    // Deep in the game, so that seven blocks hold moves of both and not the claim.
    net.wait_for::<DisputeGame::Moved>(8, GAME).await;
    net.rpc("anvil_reorg", json!([7, []])).await;
    let left = net.game_events::<DisputeGame::Moved>().await.len();
    assert!(left < 8, "the reorganization took no move: {left}");
    net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_rejected(&net, before, 0).await;
    assert_eq!(net.game_events::<DisputeGame::Moved>().await.len(), 10);
    tower.abort();
    liar.abort();
}

/// The same where moves and the answer are in blobs, which the chain forgets with their blocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn game_in_blobs_goes_on_after_a_reorganization_of_seven_blocks() {
    let mut net = Network::with(120, 300, |p| p.blobs = true).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    let tower = watchtower(&net, Who::Watchtower, &[]);
    let liar = defender(&net, LIE);
    net.claim_in_blob(&[(asked.id, asked.request, asked.wrong)])
        .await;
    net.wait_for::<BlobDisputeGame::BlobMoved>(8, GAME).await;
    net.rpc("anvil_reorg", json!([7, []])).await;
    let left = net.game_events::<BlobDisputeGame::BlobMoved>().await.len();
    assert!(left < 8, "the reorganization took no move: {left}");
    net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_rejected(&net, before, 0).await;
    let moves = net.game_events::<BlobDisputeGame::BlobMoved>().await;
    assert_eq!(moves.len(), 10);
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn claim_that_a_reorganization_drops_is_challenged_again() {
    let mut net = Network::start(120, 120).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    let tower = watchtower(&net, Who::Watchtower, &[]);
    let liar = defender(&net, LIE);
    let posted = net.chain.block_number().await.expect("a head");
    net.claim(asked.id, &asked.request, &asked.wrong).await;
    net.wait_for::<DisputeGame::Moved>(3, GAME).await;
    mine(&net, 0).await;
    let depth = net.chain.block_number().await.expect("a head") - posted;
    net.rpc("anvil_reorg", json!([depth, []])).await;
    let claims = net.game_events::<Rollup::ResultClaimed>().await;
    assert!(claims.is_empty(), "the batch is gone");
    let games = net.game_events::<DisputeGame::GameOpened>().await;
    assert!(games.is_empty(), "and the game");
    mine(&net, 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The sequencer posts it again unless it comes back by itself.
    if net.game_events::<Rollup::ResultClaimed>().await.is_empty() {
        net.claim(asked.id, &asked.request, &asked.wrong).await;
    }
    net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_rejected(&net, before, 0).await;
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn sham_game_that_the_liar_loses_to_itself_saves_no_claim() {
    let mut net = Network::start(600, 60).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    net.claim(asked.id, &asked.request, &asked.wrong).await;
    let liar = defender(&net, LIE);
    let sham = net.responder(Who::Liar);
    let poor = purse(&net, Who::Liar).await;
    let bond = opening_call(&net).await.value;
    sham.send(opening_call(&net).await).await.expect("opened");
    net.rpc("evm_increaseTime", json!([61])).await;
    let lost = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(lost[0].winner, net.address(Who::Executor));
    let claims = net.game_events::<DisputeGame::ClaimLost>().await;
    assert!(claims.is_empty(), "the claim stands after the sham");
    let split = net.game_events::<DisputeGame::BondForfeited>().await;
    // INVARIANT: a sham game costs the liar at least half a bond.
    assert!(split[0].burned >= bond / U256::from(2));
    assert_eq!(split[0].burned + split[0].toExecutor, bond);
    assert!(purse(&net, Who::Liar).await <= poor - bond);

    let tower = watchtower(&net, Who::Watchtower, &[]);
    net.wait_for::<DisputeGame::GameWon>(2, GAME).await;
    assert_rejected(&net, before, 0).await;
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn proof_in_the_hands_of_a_front_runner_reverts() {
    let Dispute {
        net,
        before,
        tower,
        liar,
    } = Dispute::start(120, 120).await;
    net.wait_for::<DisputeGame::Moved>(8, GAME).await;
    // From here blocks are made by hand, so that the proof is seen before it is mined.
    mine(&net, 0).await;
    let started = Instant::now();
    let account = net.address(Who::Watchtower);
    let proof = loop {
        let found = pending(&net, account, DisputeGame::proveCall::SELECTOR).await;
        if let Some(tx) = found {
            break tx;
        }
        assert!(started.elapsed() < GAME, "no proof");
        let moved = net.game_events::<DisputeGame::Moved>().await.len();
        if moved < 10 {
            net.rpc("evm_mine", json!([])).await;
        }
        tokio::time::sleep(Duration::from_millis(1000)).await;
    };
    let stolen = overtake(&net, Who::User, &proof, &proof["input"]).await;
    mine(&net, 1).await;
    net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    let ran = assert_in_front(&net, &stolen, &proof["hash"]).await;
    assert_eq!(ran, ["0x0", "0x1"], "the thief's reverts");
    assert!(net.credit(Who::User).await.is_zero());
    assert_rejected(&net, before, 0).await;
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn hundredfold_base_fee_in_mid_game_is_paid_and_the_game_won() {
    let Dispute {
        net,
        before,
        tower,
        liar,
    } = Dispute::start(150, 150).await;
    net.wait_for::<DisputeGame::Moved>(3, GAME).await;
    let head = net.rpc("eth_getBlockByNumber", json!(["latest", false]));
    let fee = number(&head.await["baseFeePerGas"]);
    mine(&net, 0).await;
    let players = [net.address(Who::Watchtower), net.address(Who::Executor)];
    let stuck = loop {
        let mut found = None;
        for account in players {
            found = found.or(pending(&net, account, DisputeGame::moveCall::SELECTOR).await);
        }
        if let Some(tx) = found {
            break tx;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let at = net.game_events::<DisputeGame::Moved>().await.len();
    // A hundredfold for some blocks, then a little over what was offered: only who raises the offer gets in.
    let little = number(&stuck["maxFeePerGas"]) * 11 / 10;
    let started = Instant::now();
    for block in 0.. {
        let next = if block < 5 { 100 * fee } else { little };
        let next = format!("{next:#x}");
        net.rpc("anvil_setNextBlockBaseFeePerGas", json!([next]))
            .await;
        net.rpc("evm_mine", json!([])).await;
        if net.game_events::<DisputeGame::Moved>().await.len() > at {
            break;
        }
        assert!(started.elapsed() < GAME, "stuck");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    mine(&net, 1).await;
    let receipt = receipt(&net, &stuck["hash"]).await;
    assert!(receipt.is_null(), "its bumped successor was mined");
    net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_rejected(&net, before, 0).await;
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn two_answers_signed_under_one_number_or_two_make_one_claim() {
    let net = Network::start(60, 60).await;
    let asked = ask(&net).await;
    let answer = |output: &[u8]| [(asked.id, asked.request.clone(), output.to_vec())];
    let first = net.segment(0, &answer(&asked.right)).await;
    let same = net.segment(0, &answer(&asked.wrong)).await;
    let other = net.segment(1, &answer(&asked.wrong)).await;
    assert_ne!(first.signature, same.signature);
    let receipt = net.post(vec![first, same, other.clone()]).await;
    let claimed = events::<Rollup::ResultClaimed>(&receipt);
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].output, asked.right);
    let segments = events::<Rollup::SegmentSkipped>(&receipt);
    assert_eq!((segments.len(), segments[0].number), (1, 0));
    assert_eq!(segments[0].reason, 4, "NumberUsed");
    let results = events::<Rollup::ResultSkipped>(&receipt);
    assert_eq!((results.len(), results[0].reason), (1, 1), "NotOpen");
    // Nor in a later batch; and one bond is locked.
    let receipt = net.post(vec![other]).await;
    assert!(events::<Rollup::ResultClaimed>(&receipt).is_empty());
    assert_eq!(free_stake(&net).await, U256::from(STAKE - ETHER));
    // The one that stands becomes final, once, and its bond is free again.
    net.rpc("evm_increaseTime", json!([60])).await;
    let keeper = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let done = net.wait_for::<Rollup::ClaimFinalized>(1, GAME).await;
    assert_eq!((done.len(), done[0].requestId), (1, asked.id));
    assert_eq!(free_stake(&net).await, U256::from(STAKE));
    let games = net.game_events::<DisputeGame::GameOpened>().await;
    assert!(games.is_empty(), "it is true");
    keeper.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn amounts_at_their_limits_harm_nothing_else_in_a_batch() {
    let net = Network::start(60, 60).await;
    let payload = Payload::greedy("?", 4).encode();
    let mut answers = Vec::new();
    // More than the stake by one wei; exactly what the other two leave; more than anybody has.
    for bond in [
        STAKE + 1,
        ETHER,
        u128::MAX,
        STAKE - 2 * ETHER + 1,
        STAKE - 2 * ETHER,
        ETHER,
    ] {
        let (id, request) = net.ask_with(&payload, |p| p.minBond = bond).await;
        let right = truth(&net, id, &request, &payload);
        answers.push((id, request, right));
    }
    // The last is left for a second segment, which has nothing left to lock.
    let last = answers.split_off(5);
    let (first, second) = (net.segment(0, &answers).await, net.segment(1, &last).await);
    let receipt = net.post(vec![first, second]).await;
    let claimed = events::<Rollup::ResultClaimed>(&receipt);
    let claimed: Vec<_> = claimed.iter().map(|c| (c.segmentId, c.index)).collect();
    let skipped = events::<Rollup::ResultSkipped>(&receipt);
    assert!(skipped.iter().all(|s| s.reason == 2), "NoStake");
    assert_eq!(claimed, [(0, 1), (0, 3)], "{skipped:?}");
    assert_eq!(free_stake(&net).await, U256::from(ETHER - 1));

    // A bond one wei off, either way, opens no game.
    let call = opening_call(&net).await;
    for value in [call.value - U256::ONE, call.value + U256::ONE] {
        let mut off = call.clone();
        off.value = value;
        let error = net.responder(Who::Liar).send(off).await;
        let error = error.expect_err("refused");
        assert_eq!(error.revert_name(), Some("WrongBond"), "{error}");
    }
    // Fees whose sum overflows are refused at the door, with whatever value.
    for (fee, callback) in [(u128::MAX, 1), (u128::MAX, u128::MAX), (0, 0)] {
        let refused = refused_ask(&net, &payload, fee, callback).await;
        assert!(refused, "{fee} + {callback}");
    }
    net.responder(Who::Liar)
        .send(call)
        .await
        .expect("the exact bond");

    // That game is lost in time, and both claims become final with their bonds free.
    let executor = net.wealth(Who::Executor).await;
    net.rpc("evm_increaseTime", json!([120])).await;
    let honest = defender(&net, None);
    let keeper = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    let winner = (won[0].winner, won[0].reason);
    assert_eq!(winner, (net.address(Who::Executor), 1), "by the clock");
    net.wait_for::<Rollup::ClaimFinalized>(2, GAME).await;
    assert_eq!(free_stake(&net).await, U256::from(STAKE));
    let after = net.wealth(Who::Executor).await;
    assert!(after + U256::from(GAS) > executor, "{executor} -> {after}");
    honest.abort();
    keeper.abort();
}

/// Whether the inbox refuses a request with these fees, though all of the account's money is shown.
async fn refused_ask(net: &Network, payload: &[u8], fee: u128, callback: u128) -> bool {
    let inbox = net.deployment.contracts.inbox;
    let call = net
        .request_call(payload, |p| {
            (p.fee, p.callbackFee) = (fee, callback);
            p.callback = inbox;
        })
        .await;
    // As solidity would wrap the sum, and none.
    for value in [0, fee.wrapping_add(callback).min(ETHER)] {
        let tx = Call::new("request", inbox, call.abi_encode()).value(U256::from(value));
        if net.responder(Who::User).send(tx).await.is_ok() {
            return false;
        }
    }
    true
}

/// Opens a game with a stranger's account.
async fn sybil(net: &Network, call: &Call, name: u64) -> Address {
    let secret = keccak256(name.to_be_bytes());
    let tx = net.stranger(secret, 2 * ETHER).await;
    tx.send(call.clone()).await.expect("opened");
    tx.address()
}

/// A stranger's only move: roots that nothing stands behind.
async fn nonsense(net: &Network, watcher: &Watcher, play: &Play, name: u64) {
    let ledger = watcher.ledger();
    let claim = &ledger.claims[&play.claim()];
    let ask = &ledger.asks[&claim.request_id];
    let mut lies = MadeUpTrace::new(run_of(net, ask, claim), name);
    let now = net.chain.head().await.expect("a head").timestamp;
    let actions = next_actions(&play.game, &mut lies, Side::Challenger, now).expect("infallible");
    assert!(
        matches!(actions[..], [Action::Dissect { .. }]),
        "{actions:?}"
    );
    let game = net.deployment.contracts.game;
    let call = call_for(play, Side::Challenger, &actions[0], game);
    let call = call.expect("no blob is needed").expect("a call");
    let tx = net.stranger(keccak256(name.to_be_bytes()), ETHER).await;
    tx.send(call).await.expect("moved");
}

/// Strangers that challenge one true claim at the same time; every second one also moves, once.
const SYBILS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn hundred_sybils_on_a_true_claim_pay_for_their_games() {
    let mut net = Network::start(60, 45).await;
    let asked = ask(&net).await;
    net.claim(asked.id, &asked.request, &asked.right).await;
    let before = purse(&net, Who::Executor).await;
    let honest = defender(&net, None);
    let call = opening_call(&net).await;
    let opened = (0..SYBILS).map(|name| sybil(&net, &call, name));
    let sybils = at_once(opened).await;
    let watcher = look(&net).await;
    let games = &watcher.ledger().games;
    assert_eq!(games.len() as u64, SYBILS);
    let movers = (0..SYBILS).step_by(2).map(|name| {
        let account = sybils[name as usize];
        let play = games.values().find(|p| p.context.challenger == account);
        nonsense(&net, &watcher, play.expect("its game"), name)
    });
    at_once(movers).await;
    let answers = net
        .wait_for::<DisputeGame::Moved>(SYBILS as usize, GAME)
        .await;
    assert_eq!(
        answers.len() as u64,
        SYBILS,
        "a move and its answer in every second game"
    );
    let won = net
        .wait_for::<DisputeGame::GameWon>(SYBILS as usize, GAME)
        .await;
    let executor = net.address(Who::Executor);
    assert!(won.iter().all(|w| w.winner == executor && w.reason == 1));
    let split = net.game_events::<DisputeGame::BondForfeited>().await;
    assert!(split.iter().all(|s| s.burned + s.toExecutor == call.value));
    let keeper = watchtower(&net, Who::Watchtower, &["--keeper"]);
    net.wait_for::<Rollup::ClaimFinalized>(1, GAME).await;
    // INVARIANT: games against an honest executor cost it nothing, and its bond is free again.
    assert_eq!(free_stake(&net).await, U256::from(STAKE));
    let after = purse(&net, Who::Executor).await;
    assert!(after >= before, "{before} -> {after}");
    keeper.abort();
    honest.abort();
}

/// All of them at once.
async fn at_once<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut all {
            if done.is_none()
                && let std::task::Poll::Ready(out) = future.as_mut().poll(context)
            {
                *done = Some(out);
            }
        }
        match all.iter().all(|(_, done)| done.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    all.into_iter().filter_map(|(_, done)| done).collect()
}

/// Creation code of a contract that runs `runtime`, which is at most 32 bytes: `PUSH32 PUSH0 MSTORE PUSH1 n PUSH0 RETURN`.
fn creation(runtime: &[u8]) -> Vec<u8> {
    let mut word = [0; 32];
    word[..runtime.len()].copy_from_slice(runtime);
    let tail = [0x5f, 0x52, 0x60, runtime.len() as u8, 0x5f, 0xf3];
    [&[0x7f][..], &word, &tail].concat()
}

/// A call that `consumer` receives once it pays 0.05 ETH for it, and the delivery that anybody can send.
async fn ask_back(net: &mut Network, consumer: Address) -> (Asked, Rollup::deliverResultCall) {
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net
        .ask_with(&payload, |p| {
            (p.callback, p.callbackGas) = (consumer, 2_000_000);
            p.callbackFee = ETHER / 20;
        })
        .await;
    let right = truth(net, id, &request, &payload);
    net.claim(id, &request, &right).await;
    let watcher = look(net).await;
    let ledger = watcher.ledger();
    let claim = ledger.claims.values().find(|c| c.request_id == id);
    let claim = claim.expect("claimed");
    let delivery = Rollup::deliverResultCall {
        req: request.clone(),
        claim: claim_ref(claim, &ledger.segments[&claim.key.segment]).expect("a leaf"),
        output: claim.output.clone().expect("in calldata"),
        userData: vec![].into(),
    };
    let wrong = Vec::new();
    let asked = Asked {
        id,
        request,
        right,
        wrong,
    };
    (asked, delivery)
}

/// Code that calls `to` with `data`, notes in slot 0 whether that went well and in slot 1 that it was here.
fn reentrant(to: Address, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    let tail = [0x5a, 0xf1, 0x5f, 0x55, 0x60, 1, 0x60, 1, 0x55, 0x00];
    let at = 3 + 3 + 2 + 2 + 3 + 2 + 21 + tail.len() as u16;
    let at = at.to_be_bytes();
    let copy = [0x61, length[0], length[1], 0x61, at[0], at[1], 0x5f, 0x39];
    let call = [0x5f, 0x5f, 0x61, length[0], length[1], 0x5f, 0x5f, 0x73];
    [&copy[..], &call, to.as_slice(), &tail, data].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn consumers_that_revert_or_reenter_block_nothing() {
    let mut net = Network::start(8, 60).await;
    let rollup = net.deployment.contracts.rollup;
    // PUSH0 PUSH0 REVERT, and a contract whose code is put there once the delivery is known.
    let reverting = net.create(&creation(&[0x5f, 0x5f, 0xfd])).await;
    let entering = net.create(&creation(&[0x00])).await;
    let (refused, retry) = ask_back(&mut net, reverting).await;
    let (entered, again) = ask_back(&mut net, entering).await;
    let code = alloy::hex::encode_prefixed(reentrant(rollup, &again.abi_encode()));
    net.rpc("anvil_setCode", json!([entering, code])).await;
    let plain = ask(&net).await;
    net.claim(plain.id, &plain.request, &plain.right).await;

    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    net.wait_for::<Rollup::ClaimFinalized>(3, GAME).await;
    let delivered = net.wait_for::<Rollup::Delivered>(2, GAME).await;
    let success = |id| {
        let all: Vec<bool> = delivered
            .iter()
            .filter(|d| d.requestId == id)
            .map(|d| d.success)
            .collect();
        all
    };
    assert_eq!(success(refused.id), [false], "recorded");
    assert_eq!(success(entered.id), [true], "delivered once");
    let slot = async |n: u64| {
        let slot = net.rpc(
            "eth_getStorageAt",
            json!([entering, format!("{n:#x}"), "latest"]),
        );
        number(&slot.await)
    };
    assert_eq!(
        (slot(1).await, slot(0).await),
        (1, 0),
        "the inner call failed"
    );
    assert_eq!(free_stake(&net).await, U256::from(STAKE));
    tower.abort();
    let _ = tower.await;

    // Anybody tries again, with success once the consumer lets it.
    net.rpc("anvil_setCode", json!([reverting, "0x00"])).await;
    net.send(Who::User, rollup, retry.clone(), 0).await;
    let delivered = net.game_events::<Rollup::Delivered>().await;
    assert_eq!(delivered.len(), 3);
    assert!(delivered[2].success && delivered[2].requestId == refused.id);
    let once_more = Call::new("deliverResult", rollup, retry.abi_encode());
    let error = net.responder(Who::User).send(once_more).await;
    let error = error.expect_err("delivered already");
    assert_eq!(error.revert_name(), Some("NotDue"), "{error}");
}

/// Plays the executor's side with a false trace, every move as late as its clock lets it, until no move is in time.
async fn move_at_the_last_second(net: &Network) {
    let mut watcher = look(net).await;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        watcher.poll().await.expect("follows");
        let ledger = watcher.ledger();
        let Some(play) = ledger.games.values().next() else {
            continue;
        };
        let now = net.chain.head().await.expect("a head").timestamp;
        // A move sent now is in the next block.
        if play.game.turn() == Side::Challenger || !play.game.expired(now + 3) {
            continue;
        }
        let claim = &ledger.claims[&play.claim()];
        let truth = run_of(net, &ledger.asks[&claim.request_id], claim);
        let mut lies = FlippedTrace::new(truth, 1, 7, TRACE_LOG2).stubborn();
        answer_by(net, play, &mut lies, now).await;
    }
}

/// Sends whatever the executor's side of `play` does by this trace; a refusal is its own affair.
async fn answer_by(
    net: &Network,
    play: &Play,
    trace: &mut impl Trace<Error = Infallible>,
    now: Timestamp,
) {
    let game = net.deployment.contracts.game;
    let actions = next_actions(&play.game, trace, Side::Executor, now);
    for action in actions.expect("infallible") {
        let call = call_for(play, Side::Executor, &action, game).expect("no blob");
        if let Some(call) = call {
            drop(net.responder(Who::Executor).send(call).await);
        }
    }
}

/// The watchtower, which sees the chain through `proxy`.
fn watchtower_behind(net: &Network, proxy: &Proxy) -> JoinHandle<()> {
    let mut args = arguments(net, Who::Watchtower, &[]);
    args.node.rpc_url = proxy.url.clone();
    watchtower_of(args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn liar_that_moves_at_the_last_second_and_then_idles_runs_out_of_time() {
    let mut net = Network::start(120, 20).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    let tower = watchtower(&net, Who::Watchtower, &[]);
    net.claim(asked.id, &asked.request, &asked.wrong).await;
    let won = tokio::select! {
        won = net.wait_for::<DisputeGame::GameWon>(1, GAME) => won,
        () = move_at_the_last_second(&net) => unreachable!("it never ends"),
    };
    assert_eq!(won[0].winner, net.address(Who::Watchtower));
    let moves = net.game_events::<DisputeGame::Moved>().await.len();
    assert!(moves >= 3, "the liar did move, and was answered: {moves}");
    assert_rejected(&net, before, 1).await;
    tower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn watchtower_behind_a_flaky_and_stale_endpoint_wins() {
    let mut net = Network::start(120, 120).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    let proxy = Proxy::start(net.chain.url()).await;
    let tower = watchtower_behind(&net, &proxy);
    let liar = defender(&net, LIE);
    // Long enough to start: an endpoint that is down by then is the operator's to see.
    tokio::time::sleep(Duration::from_secs(3)).await;
    proxy.set(Fault::Flaky);
    net.claim(asked.id, &asked.request, &asked.wrong).await;
    net.wait_for::<DisputeGame::Moved>(2, GAME).await;
    proxy.set(Fault::Stale);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let stuck = net.game_events::<DisputeGame::Moved>().await.len();
    assert!(stuck < 10, "it was not stale: {stuck}");
    proxy.set(Fault::Flaky);
    net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert!(proxy.faults() > 20, "{} faults", proxy.faults());
    assert_rejected(&net, before, 0).await;
    tower.abort();
    liar.abort();
}

/// INVARIANT: whoever lies to a watchtower about what was claimed makes it pay nothing: what it would send is rehearsed first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn endpoint_that_lies_about_a_claim_costs_the_watchtower_nothing() {
    let mut net = Network::start(12, 60).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    let proxy = Proxy::start(net.chain.url()).await;
    let [right, wrong] = [&asked.right, &asked.wrong].map(alloy::hex::encode);
    proxy.set(Fault::Lie(right, wrong));
    let tower = watchtower_behind(&net, &proxy);
    let keeper = watchtower(&net, Who::Liar, &["--keeper"]);
    net.claim(asked.id, &asked.request, &asked.right).await;
    net.wait_for::<Rollup::ClaimFinalized>(1, GAME).await;
    assert!(proxy.faults() > 0, "it was told the truth");
    assert!(!tower.is_finished(), "it goes on");
    let account = net.address(Who::Watchtower);
    let sent = net.chain.provider().get_transaction_count(account).await;
    assert_eq!(sent.expect("asked"), 0, "nothing was sent");
    assert_eq!(purse(&net, Who::Watchtower).await, before);
    assert_eq!(free_stake(&net).await, U256::from(STAKE));
    tower.abort();
    keeper.abort();
}
