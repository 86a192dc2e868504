//! A liar whose program starts from other inputs than the chain's: everything that it says follows from a poisoned prestate.

use crate::games_support::network::{Network, Who};
use crate::games_support::services::{look, run_of, watchtower};
use crate::{GAME, answer_by, ask, assert_rejected, purse};
use alloy::primitives::Bytes;
use assay_bindings::DisputeGame;
use assay_dispute::calls::opening;
use assay_dispute::claim_ref::claim_ref;
use assay_dispute::game::Side;
use assay_dispute::ledger::{Ask, Claim};
use assay_dispute::solver::contested;
use assay_dispute::trace::Trace;
use assay_dispute::watcher::challenger_bond;
use std::time::Duration;

fn with_output(claim: &Claim, output: &[u8]) -> Claim {
    Claim {
        output: Some(Bytes::copy_from_slice(output)),
        ..claim.clone()
    }
}

/// Defends the first claim by the run that reads `output` in place of the claimed bytes, and accepts it.
async fn defend(net: &Network, output: &[u8]) {
    let mut watcher = look(net).await;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        watcher.poll().await.expect("follows");
        let ledger = watcher.ledger();
        let Some(play) = ledger.games.values().next() else {
            continue;
        };
        if play.game.turn() == Side::Challenger || play.game.outcome().is_some() {
            continue;
        }
        let claim = &ledger.claims[&play.claim()];
        let ask = &ledger.asks[&claim.request_id];
        let mut poisoned = run_of(net, ask, &with_output(claim, output));
        let now = net.chain.head().await.expect("a head").timestamp;
        answer_by(net, play, &mut poisoned, now).await;
    }
}

/// It is true to the step that reads what differs, and that step is shown to the contract with what the claim says there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn run_from_a_poisoned_prestate_falls_where_it_is_read() {
    let mut net = Network::start(120, 300).await;
    let asked = ask(&net).await;
    let before = purse(&net, Who::Watchtower).await;
    let tower = watchtower(&net, Who::Watchtower, &[]);
    net.claim(asked.id, &asked.request, &asked.wrong).await;
    tokio::select! {
        _ = net.wait_for::<DisputeGame::GameWon>(1, GAME) => {}
        () = defend(&net, &asked.right) => unreachable!("it never ends"),
    }
    assert_rejected(&net, before, 0).await;
    let moved = net.game_events::<DisputeGame::Moved>().await;
    assert_eq!(moved.len(), 10);
    let watcher = look(&net).await;
    let ledger = watcher.ledger();
    let play = ledger.games.values().next().expect("a game");
    let (claim, ask) = (&ledger.claims[&play.claim()], &ledger.asks[&asked.id]);
    let mut truth = run_of(&net, ask, claim);
    let mut poisoned = run_of(&net, ask, &with_output(claim, &asked.right));
    let proven = contested(&play.game, &mut truth).expect("infallible");
    let at = play.game.standing().index(proven.expect("the last move"));
    let after = [at, at + 1];
    let runs = [truth.roots(&after), poisoned.roots(&after)].map(|r| r.expect("infallible"));
    assert!(at > 0 && runs[0][0] == runs[1][0] && runs[0][1] != runs[1][1]);
    tower.abort();
}

/// Nor does a challenger have a true claim judged by other inputs: the contract takes none but the claim's.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn game_from_a_poisoned_prestate_is_never_opened() {
    let mut net = Network::start(120, 300).await;
    let asked = ask(&net).await;
    net.claim(asked.id, &asked.request, &asked.right).await;
    let watcher = look(&net).await;
    let ledger = watcher.ledger();
    let claim = ledger.claims.values().next().expect("a claim");
    let ask = &ledger.asks[&asked.id];
    let shown = claim_ref(claim, &ledger.segments[&claim.key.segment]).expect("a leaf");
    let game = net.deployment.contracts.game;
    let bond = challenger_bond(&net.chain, game).await.expect("a view");
    let poisoned = |f: fn(&mut Ask, &mut Claim)| {
        let (mut ask, mut claim) = (ask.clone(), claim.clone());
        f(&mut ask, &mut claim);
        opening(&ask, &claim, &shown, game, bond)
    };
    let calls = [
        poisoned(|_, claim| claim.output = Some(Bytes::from_static(b"another"))),
        poisoned(|ask, _| ask.payload = Bytes::from_static(b"another")),
        poisoned(|ask, _| ask.request.params.modelId = [7; 32].into()),
        poisoned(|ask, _| ask.request.entropy = [7; 32].into()),
        poisoned(|ask, _| ask.request.modelLength += 1),
    ];
    let mut refusals = Vec::new();
    for call in calls {
        let error = net.responder(Who::Liar).send(call).await;
        let error = error.expect_err("refused");
        refusals.push(error.revert_name().unwrap_or_default().to_owned());
    }
    let other = "NotTheClaim";
    assert_eq!(
        refusals,
        ["HashMismatch", "HashMismatch", other, other, other]
    );
    // The same without the poison.
    let call = opening(ask, claim, &shown, game, bond);
    net.responder(Who::Liar).send(call).await.expect("opened");
}
