//! Watchtower and defender on a real chain: games played by the services' own code, killed and started again in the middle.

#[allow(
    dead_code,
    reason = "shared with the games in revm, which use other parts"
)]
mod games_support;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::Provider;
use assay_bindings::deploy::families;
use assay_bindings::{BlobDisputeGame, DisputeGame, Rollup};
use assay_dispute::action::Action;
use assay_dispute::calls::{call_for, opening};
use assay_dispute::claim_ref::claim_ref;
use assay_dispute::game::Side;
use assay_dispute::lies::Lie;
use assay_dispute::reader::Needs;
use assay_dispute::rehearsal::Stage;
use assay_dispute::responder::RespondError;
use assay_dispute::solver::next_actions;
use assay_dispute::watcher::{Watcher, challenger_bond};
use assay_dispute::watchtower::{WatchtowerArgs, run};
use assay_node::dangerous::Flip;
use assay_node::outputs::takes_blobs;
use assay_node::shell::Shell;
use assay_node::store::SledStore;
use assay_node::tx::Call;
use assay_prover::prover::Prover;
use assay_tests::artifacts::artifact;
use assay_types::request::Payload;
use games_support::network::{Network, Who};
use games_support::services::{arguments, defender, look, run_of, truth, watchtower};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const GAME: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watchtower_killed_in_mid_game_wins_and_collects() {
    let mut net = Network::start(60, 60).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let right = truth(&net, id, &request, &payload);
    let mut wrong = right.clone();
    wrong[6] ^= 1;

    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let liar = defender(&net, Some(Lie::Flip(Flip::Random(Some(7)))));
    net.claim(id, &request, &wrong).await;
    net.wait_for::<DisputeGame::Moved>(4, GAME).await;
    tower.abort();
    let _ = tower.await;
    liar.abort();
    let _ = liar.await;
    // Time passes with nobody there; then both come back and know where they were.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let liar = defender(&net, Some(Lie::Flip(Flip::Random(Some(7)))));
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(won[0].winner, net.address(Who::Watchtower));
    assert_eq!(won[0].reason, 0, "by a one-step proof");
    assert_eq!(net.game_events::<DisputeGame::Moved>().await.len(), 10);
    assert_eq!(
        net.game_events::<DisputeGame::GameOpened>().await.len(),
        1,
        "a restart opens no second game"
    );
    net.wait_for::<DisputeGame::CreditWithdrawn>(1, GAME).await;
    assert!(net.credit(Who::Watchtower).await.is_zero());

    // The question is open again; the right answer is checked, left alone, and made final by the keeper.
    net.claim(id, &request, &right).await;
    net.wait_for::<Rollup::ClaimFinalized>(1, Duration::from_secs(120))
        .await;
    assert_eq!(net.game_events::<DisputeGame::GameOpened>().await.len(), 1);
    tower.abort();
    liar.abort();
}

/// A rollup whose dissections of `1 << arity_log2` roots travel in blobs.
async fn blob_network(arity_log2: u8) -> Network {
    Network::with(90, 90, |p| (p.blobs, p.arity_log2) = (true, arity_log2)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn roots_in_blobs_survive_a_reorganization_and_end_in_a_proof() {
    let mut net = blob_network(9).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let mut wrong = truth(&net, id, &request, &payload);
    wrong[6] ^= 1;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let liar = defender(&net, Some(Lie::Flip(Flip::Random(Some(7)))));
    net.claim(id, &request, &wrong).await;
    net.wait_for::<BlobDisputeGame::BlobMoved>(3, GAME).await;
    // The chain forgets the last blocks, and every blob in them.
    net.rpc("anvil_reorg", json!([2, []])).await;
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(won[0].winner, net.address(Who::Watchtower));
    assert_eq!(won[0].reason, 0, "by a one-step proof");
    let moves = net.game_events::<BlobDisputeGame::BlobMoved>().await;
    assert_eq!(moves.len(), 6, "512 roots a move");
    assert!(moves.iter().all(|m| m.versionedHash[0] == 1));
    net.wait_for::<DisputeGame::CreditWithdrawn>(1, GAME).await;
    tower.abort();
    liar.abort();
}

/// Two answers in one blob, one of them false. The watchtower reads both from the beacon API, opens the false one element by
/// element, is killed, and knows from its cache what it plays about.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn false_output_in_a_blob_is_challenged_and_the_true_one_beside_it_is_final() {
    let mut net = blob_network(9).await;
    assert!(
        takes_blobs(&net.chain, net.deployment.contracts.rollup)
            .await
            .expect("asked")
    );
    let mut answers = Vec::new();
    for prompt in ["true?", "false?"] {
        let payload = Payload::greedy(prompt, 4).encode();
        let (id, request) = net.ask(&payload).await;
        let output = truth(&net, id, &request, &payload);
        answers.push((id, request, output));
    }
    answers[1].2[6] ^= 1;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let liar = defender(&net, Some(Lie::Flip(Flip::Random(Some(7)))));
    net.claim_in_blob(&answers).await;
    net.wait_for::<BlobDisputeGame::BlobMoved>(2, GAME).await;
    tower.abort();
    let _ = tower.await;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(won[0].winner, net.address(Who::Watchtower));
    assert_eq!(won[0].reason, 0, "by a one-step proof");
    let lost = net.game_events::<DisputeGame::ClaimLost>().await;
    assert_eq!(lost[0].requestId, answers[1].0);
    let limit = Duration::from_secs(150);
    let done = net.wait_for::<Rollup::ClaimFinalized>(1, limit).await;
    assert_eq!(done[0].requestId, answers[0].0);
    let games = net.game_events::<DisputeGame::GameOpened>().await.len();
    assert_eq!(games, 1, "the true answer is left alone");
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dissections_of_4096_roots_decide_a_game_in_five_blobs() {
    let mut net = blob_network(12).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let mut wrong = truth(&net, id, &request, &payload);
    wrong[6] ^= 1;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    // Its trace is its own to the end: with five moves the proof would be the liar's, and no step bears it out.
    let liar = defender(&net, Some(Lie::Flip(Flip::Random(Some(7)))));
    net.claim(id, &request, &wrong).await;
    let moves = net.wait_for::<BlobDisputeGame::BlobMoved>(5, GAME).await;
    assert_eq!(moves.len(), 5);
    let won = net
        .wait_for::<DisputeGame::GameWon>(1, Duration::from_secs(200))
        .await;
    assert_eq!(won[0].winner, net.address(Who::Watchtower));
    assert_eq!(
        won[0].reason, 1,
        "the liar can't prove and runs out of time"
    );
    tower.abort();
    liar.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lying_challenger_times_out_against_an_honest_executor() {
    let mut net = Network::start(60, 12).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let right = truth(&net, id, &request, &payload);
    let honest = defender(&net, None);
    let tower = watchtower(&net, Who::Liar, &["--dangerous-lying-challenger"]);
    net.claim(id, &request, &right).await;
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(won[0].winner, net.address(Who::Executor));
    assert_eq!(won[0].reason, 1, "by a timeout");
    let forfeited = net.game_events::<DisputeGame::BondForfeited>().await;
    assert!(!forfeited[0].burned.is_zero() && !forfeited[0].toExecutor.is_zero());
    tower.abort();
    honest.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ledger_follows_a_reorganization_and_a_lost_cache() {
    let mut net = Network::start(600, 600).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let wrong = vec![0; 9];
    let tower = watchtower(&net, Who::Watchtower, &[]);
    let liar = defender(&net, Some(Lie::End));
    net.claim(id, &request, &wrong).await;
    net.wait_for::<DisputeGame::Moved>(6, GAME).await;
    tower.abort();
    liar.abort();
    let _ = (tower.await, liar.await);

    let store = Arc::new(SledStore::open(&net.file("reorg.sled")).expect("opens"));
    let mut watcher = Watcher::open(
        net.chain.clone(),
        &net.deployment,
        store.clone(),
        0,
        Needs::Everything,
    )
    .await
    .expect("opens");
    watcher.poll().await.expect("follows");
    let before = format!("{:?}", watcher.ledger().games);
    let moves = |w: &Watcher| {
        w.ledger()
            .games
            .values()
            .map(|p| p.game.moves())
            .sum::<u32>()
    };
    assert!(moves(&watcher) >= 6);

    // The last blocks are replaced by empty ones.
    net.rpc("evm_setIntervalMining", json!([0])).await;
    net.rpc("anvil_rollback", json!([3])).await;
    net.rpc("anvil_mine", json!([5])).await;
    watcher.poll().await.expect("follows the reorganization");
    assert!(
        moves(&watcher) < 6,
        "the moves of the lost blocks are forgotten"
    );
    let after = format!("{:?}", watcher.ledger().games);
    assert_ne!(before, after);

    // What is left is what a fresh reader sees, and what the cache gives back.
    let fresh = Arc::new(SledStore::open(&net.file("fresh.sled")).expect("opens"));
    let mut reader = Watcher::open(
        net.chain.clone(),
        &net.deployment,
        fresh,
        0,
        Needs::Everything,
    )
    .await
    .expect("opens");
    reader.poll().await.expect("follows");
    assert_eq!(format!("{:?}", reader.ledger().games), after);
    drop(watcher);
    let again = Watcher::open(
        net.chain.clone(),
        &net.deployment,
        store,
        0,
        Needs::Everything,
    )
    .await
    .expect("opens");
    assert_eq!(
        format!("{:?}", again.ledger().games),
        after,
        "from the cache alone"
    );
}

/// Creation code of a consumer that burns all the gas it is given: `JUMPDEST PUSH1 0 JUMP`.
const BURNER: [u8; 13] = [
    0x63, 0x5b, 0x60, 0x00, 0x56, 0x60, 0x00, 0x52, 0x60, 0x04, 0x60, 0x1c, 0xf3,
];

/// Asks for a callback to `consumer` that may burn 2M gas, and claims the right answer; the request's id.
async fn ask_burner(net: &mut Network, consumer: Address, fee: u128, delivery: u8) -> B256 {
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net
        .ask_with(&payload, |p| {
            (p.callback, p.callbackGas, p.callbackFee) = (consumer, 2_000_000, fee);
            p.delivery = delivery;
        })
        .await;
    let right = truth(net, id, &request, &payload);
    net.claim(id, &request, &right).await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeper_makes_no_callback_that_does_not_pay_for_its_gas() {
    let mut net = Network::start(5, 60).await;
    let burner = net.create(&BURNER).await;
    let free = ask_burner(&mut net, burner, 0, 1).await;
    // Half a million gas at 2 gwei would be paid for, 2M are not.
    let cheap = ask_burner(&mut net, burner, 1_000_000_000_000_000, 0).await;
    let paying = ask_burner(&mut net, burner, 50_000_000_000_000_000, 0).await;
    let before = net.wealth(Who::Watchtower).await;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    let finals = net.wait_for::<Rollup::ClaimFinalized>(3, GAME).await;
    assert_eq!(finals.len(), 3, "for {free} and {cheap} too");
    net.wait_for::<Rollup::Delivered>(1, GAME).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let delivered = net.game_events::<Rollup::Delivered>().await;
    let ids: Vec<B256> = delivered.iter().map(|d| d.requestId).collect();
    assert_eq!(ids, [paying]);
    assert!(!delivered[0].success, "it burned all that it was given");
    let after = net.wealth(Who::Watchtower).await;
    assert!(after > before, "{before} -> {after}");
    tower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeper_that_makes_unpaid_callbacks_keeps_to_its_gas_by_the_hour() {
    let mut net = Network::start(5, 60).await;
    let burner = net.create(&BURNER).await;
    for _ in 0..4 {
        ask_burner(&mut net, burner, 0, 1).await;
    }
    // Half of it is for callbacks: room for one of 2.15M gas. Eight are due.
    let flags = ["--keeper", "--keeper-unpaid", "--keeper-gas-per-hour"];
    let tower = watchtower(&net, Who::Watchtower, &[&flags[..], &["5000000"]].concat());
    net.wait_for::<Rollup::ClaimFinalized>(4, GAME).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(net.game_events::<Rollup::Delivered>().await.len(), 1);
    tower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeper_leaves_the_money_for_games_alone() {
    let mut net = Network::start(6, 60).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    let right = truth(&net, id, &request, &payload);
    // Enough for a game, and not for the four that are to be spared for.
    let tower_account = net.address(Who::Watchtower);
    net.rpc(
        "anvil_setBalance",
        json!([tower_account, "0xb1a2bc2ec50000"]),
    )
    .await;
    net.claim(id, &request, &right).await;
    let tower = watchtower(&net, Who::Watchtower, &["--keeper"]);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let sent = || async {
        let count = net.chain.provider().get_transaction_count(tower_account);
        count.await.expect("asked")
    };
    assert_eq!(sent().await, 0, "nothing was spent on chores");

    let (lied, request) = net.ask(&payload).await;
    let mut wrong = truth(&net, lied, &request, &payload);
    wrong[6] ^= 1;
    net.claim(lied, &request, &wrong).await;
    net.wait_for::<DisputeGame::GameOpened>(1, GAME).await;
    assert!(net.game_events::<Rollup::ClaimFinalized>().await.is_empty());
    // With more money the chore is done.
    net.rpc(
        "anvil_setBalance",
        json!([tower_account, "0x8ac7230489e80000"]),
    )
    .await;
    net.wait_for::<Rollup::ClaimFinalized>(1, GAME).await;
    tower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeper_pays_from_an_account_of_its_own() {
    let mut net = Network::start(5, 60).await;
    let burner = net.create(&BURNER).await;
    let key = net.key_file(Who::Liar).display().to_string();
    let flags = ["--keeper", "--keeper-key-file", &key];
    let paying = ask_burner(&mut net, burner, 50_000_000_000_000_000, 0).await;
    let before = (
        net.wealth(Who::Watchtower).await,
        net.wealth(Who::Liar).await,
    );
    let tower = watchtower(&net, Who::Watchtower, &flags);
    let delivered = net.wait_for::<Rollup::Delivered>(1, GAME).await;
    assert_eq!(delivered[0].requestId, paying);
    // The fee's credit is withdrawn, too.
    let started = std::time::Instant::now();
    while !net.inbox_credit(Who::Liar).await.is_zero() {
        assert!(started.elapsed() < GAME);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(net.wealth(Who::Watchtower).await, before.0);
    assert!(net.wealth(Who::Liar).await > before.1);
    tower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn burst_of_lies_in_one_batch_is_challenged_claim_by_claim() {
    let mut net = Network::start(60, 60).await;
    let payload = Payload::greedy("?", 4).encode();
    let mut lies = Vec::new();
    for _ in 0..10 {
        let (id, request) = net.ask(&payload).await;
        let mut wrong = truth(&net, id, &request, &payload);
        wrong[6] ^= 1;
        lies.push((id, request, wrong));
    }
    let tower = watchtower(&net, Who::Watchtower, &[]);
    net.claim_all(&lies).await;
    let opened = net.wait_for::<DisputeGame::GameOpened>(10, GAME).await;
    let challenged: std::collections::BTreeSet<B256> =
        opened.iter().map(|game| game.requestId).collect();
    assert_eq!(challenged, lies.iter().map(|(id, _, _)| *id).collect());
    assert_eq!(opened.len(), 10, "one game a claim");
    tower.abort();
}

/// Why a watchtower with these arguments does not start.
async fn refusal(args: WatchtowerArgs) -> String {
    let started = async {
        let shell = Shell::start("watchtower", args.node.clone()).await?;
        run(shell, args).await
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), started).await;
    format!(
        "{:#}",
        ended
            .expect("it ends by itself")
            .expect_err("it must not run")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operator_errors_say_what_is_wrong_and_what_to_do() {
    let net = Network::start(60, 60).await;
    let with = |name: &str| {
        let mut args = arguments(&net, Who::Watchtower, &[]);
        args.node.data_dir = net.file(name);
        args
    };
    std::fs::write(net.file("other.gguf"), b"other bytes").expect("written");

    let mut args = with("missing-model");
    args.model.models = vec![net.file("none.gguf")];
    let error = refusal(args).await;
    assert!(
        error.contains("none.gguf") && error.contains("--model"),
        "{error}"
    );

    let mut args = with("wrong-model");
    args.model.models = vec![net.file("other.gguf")];
    let error = refusal(args).await;
    let registered = net.deployment.models[0].root.to_string();
    assert!(
        error.contains("other.gguf") && error.contains(&registered),
        "{error}"
    );

    let mut args = with("bad-guest");
    args.model.guest = net.file("model.gguf");
    let error = refusal(args).await;
    assert!(
        error.contains("model.gguf") && error.contains("--guest"),
        "{error}"
    );

    let mut args = with("unfunded");
    let key = net.file("poor.key");
    assay_node::key::write_key_file(&key, &"7".repeat(64)).expect("written");
    args.node.key_file = Some(key);
    let error = refusal(args).await;
    assert!(
        error.contains("bond") && error.contains("send it ETH"),
        "{error}"
    );

    let mut args = with("shared-key");
    (args.keeper, args.keeper_key_file) = (true, Some(net.key_file(Who::Watchtower)));
    let error = refusal(args).await;
    assert!(
        error.contains("--keeper-key-file") && error.contains("own key"),
        "{error}"
    );

    let task = tokio::spawn({
        let args = with("damaged");
        async move {
            let shell = Shell::start("watchtower", args.node.clone())
                .await
                .expect("it starts");
            run(shell, args).await
        }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    task.abort();
    let _ = task.await;
    std::fs::write(net.file("damaged/watchtower.sled/conf"), [0xff; 64]).expect("damaged");
    let error = refusal(with("damaged")).await;
    assert!(
        error.contains("watchtower.sled") && error.contains("delete"),
        "{error}"
    );
}

/// INVARIANT: nothing is sent that would revert, and what is sent costs the gas that the rehearsal found.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn responder_sends_only_what_its_rehearsal_lets_through() {
    let mut net = Network::start(60, 60).await;
    let payload = Payload::greedy("?", 4).encode();
    let (id, request) = net.ask(&payload).await;
    net.claim(id, &request, &[0; 9]).await;
    let mut watcher = look(&net).await;
    let (game, account) = (net.deployment.contracts.game, net.address(Who::Watchtower));
    let responder = net.responder(Who::Watchtower);
    let nonce = async || {
        let provider = net.chain.provider();
        provider
            .get_transaction_count(account)
            .await
            .expect("asked")
    };
    let refused = async |call: Call, name: &str| {
        let before = nonce().await;
        let error = responder.send(call).await.expect_err("it would revert");
        assert!(matches!(error, RespondError::WouldRevert { .. }), "{error}");
        assert_eq!(error.revert_name(), Some(name), "{error}");
        assert_eq!(nonce().await, before, "nothing was sent");
    };

    let ledger = watcher.ledger();
    let (claim, ask) = (
        ledger.claims.values().next().expect("a claim").clone(),
        ledger.asks[&id].clone(),
    );
    let shown = claim_ref(&claim, &ledger.segments[&claim.key.segment]).expect("a leaf");
    let bond = challenger_bond(&net.chain, game).await.expect("a view");
    let open = |wei| opening(&ask, &claim, &shown, game, wei);
    refused(open(bond - U256::ONE), "WrongBond").await;
    let stage = Stage::new(net.chain.clone());
    let rehearsed = stage.rehearse(account, &open(bond)).await.expect("it runs");
    let receipt = responder.send(open(bond)).await.expect("it runs");
    assert_eq!(receipt.gas_used, rehearsed.gas_used);
    refused(open(bond), "GameExists").await;

    watcher.poll().await.expect("follows");
    let play = watcher
        .ledger()
        .games
        .values()
        .next()
        .expect("a game")
        .clone();
    let mut truth = run_of(&net, &ask, &claim);
    let now = net.chain.head().await.expect("a head").timestamp;
    let actions = next_actions(&play.game, &mut truth, Side::Challenger, now).expect("infallible");
    let by_challenger = |action| {
        let call = call_for(&play, Side::Challenger, action, game);
        call.expect("no blob is needed").expect("a call")
    };
    let call = by_challenger(&actions[0]);
    refused(by_challenger(&Action::ClaimTimeout), "ClockRunning").await;
    let rehearsed = stage.rehearse(account, &call).await.expect("it runs");
    let receipt = responder.send(call.clone()).await.expect("it runs");
    assert_eq!(receipt.gas_used, rehearsed.gas_used);
    // The same again shows a piece of a dissection that no longer stands.
    refused(call, "WrongProofLength").await;
}

/// INVARIANT: what lockstep proves is what a chain runs, byte for byte.
#[tokio::test(flavor = "multi_thread")]
async fn code_on_the_chain_is_the_committed_code() {
    let net = Network::start(60, 60).await;
    let provider = net.chain.provider();
    let mut prover = Prover::new();
    let mut of_revm = Vec::new();
    for ((name, _), address) in families().into_iter().zip(prover.families) {
        of_revm.push((name, prover.evm.code(address)));
    }
    let mut names = Vec::new();
    for &(name, address) in &net.deployed {
        let code = provider.get_code_at(address).await.expect("asked");
        let artifact = artifact(name);
        assert_eq!(
            keccak256(artifact.without_immutables(&code)),
            keccak256(&artifact.runtime),
            "{name} at {address}"
        );
        if let Some((_, proven)) = of_revm.iter().find(|(n, _)| *n == name) {
            assert_eq!(keccak256(&code), keccak256(proven), "{name} in revm");
        }
        names.push(name);
    }
    let contracts = &net.deployment.contracts;
    for (name, address) in [
        ("ModelRegistry", contracts.registry),
        ("Staking", contracts.staking),
        ("Inbox", contracts.inbox),
        ("DisputeGame", contracts.game),
        ("Rollup", contracts.rollup),
    ] {
        assert!(
            net.deployed.contains(&(name, address)),
            "{name} is what the services are told"
        );
    }
    // The prover steps by its families and by nothing else.
    let families: Vec<Address> = of_revm
        .iter()
        .map(|(name, _)| {
            net.deployed
                .iter()
                .find(|(n, _)| n == name)
                .expect("deployed")
                .1
        })
        .collect();
    let (_, prover) = net
        .deployed
        .iter()
        .find(|(name, _)| *name == "OneStepProver")
        .expect("deployed");
    let code = provider.get_code_at(*prover).await.expect("asked");
    let mut stepped_by: Vec<Address> = artifact("OneStepProver")
        .immutables
        .iter()
        .map(|&(start, length)| {
            Address::from_word(code[start..start + length].try_into().expect("a word"))
        })
        .collect();
    stepped_by.sort();
    stepped_by.dedup();
    let mut sorted = families.clone();
    sorted.sort();
    assert_eq!(stepped_by, sorted);
}
