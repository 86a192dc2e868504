//! A challenger that plays what another one shows.

use crate::games_support::network::{Network, Who};
use crate::games_support::pool::{
    assert_in_front, block_of, copied, fee, mine, overtake, receipt, shown,
};
use crate::games_support::services::{defender, look, watchtower};
use crate::{ETHER, GAME, GAS, LIE, ask, assert_lost_to, assert_rejected, opening_call, purse};
use alloy::primitives::U256;
use assay_bindings::DisputeGame;
use assay_dispute::ledger::Play;
use assay_dispute::watcher::{Watcher, challenger_bond};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A copycat's game on a false claim, in which it repeats what the watchtower does in its own.
struct Copycat {
    net: Network,
    /// What the watchtower had.
    before: U256,
    tower: JoinHandle<()>,
    liar: JoinHandle<()>,
    watcher: Watcher,
}

impl Copycat {
    /// Plays until the proof is left to copy: with each move in the original's block (`in_time`), or in the next. From its
    /// opening on blocks are made by hand.
    async fn start(in_time: bool) -> Copycat {
        let mut net = Network::start(120, 300).await;
        let asked = ask(&net).await;
        let liar = defender(&net, LIE);
        net.claim(asked.id, &asked.request, &asked.wrong).await;
        let before = purse(&net, Who::Watchtower).await;
        let sender = net.responder(Who::Liar);
        sender.send(opening_call(&net).await).await.expect("opened");
        mine(&net, 0).await;
        let tower = watchtower(&net, Who::Watchtower, &[]);
        block_of(&net, 1).await;
        let watcher = look(&net).await;
        let mut cat = Copycat {
            net,
            before,
            tower,
            liar,
            watcher,
        };
        if !in_time {
            block_of(&cat.net, 1).await;
        }
        for nonce in 1..=5 {
            let tx = shown(&cat.net, nonce).await;
            cat.copy(&tx).await;
            block_of(&cat.net, 2).await;
            // The last answer to a copy that is late meets the proof, and may be withheld or revert.
            if in_time || nonce < 5 {
                block_of(&cat.net, 2).await;
            }
        }
        cat
    }

    async fn play(&mut self) -> Play {
        self.watcher.poll().await.expect("follows");
        let me = self.net.address(Who::Liar);
        let mut games = self.watcher.ledger().games.values();
        let play = games.find(|p| p.context.challenger == me);
        play.expect("its game").clone()
    }

    /// Sends, at any price, what `tx` says; its hash.
    async fn copy(&mut self, tx: &Value) -> Value {
        let play = self.play().await;
        let call = copied(&play, tx, self.net.deployment.contracts.game);
        let input = json!(alloy::hex::encode_prefixed(&call.data));
        overtake(&self.net, Who::Liar, tx, &input).await
    }

    /// All is over: both games went the same way; `loser`'s is void and gives its bond back, and its gas, which is returned.
    // INVARIANT: there is one prize for a claim; a void game costs its challenger no more than the gas of its end.
    async fn assert_void(&self, loser: Who) -> U256 {
        let net = &self.net;
        let voided = net.wait_for::<DisputeGame::GameVoided>(1, GAME).await;
        let won = net.game_events::<DisputeGame::GameWon>().await;
        let lost = net.game_events::<DisputeGame::ClaimLost>().await;
        assert_eq!((voided.len(), won.len()), (1, 1));
        let (void, won, lost) = (&voided[0], &won[0], &lost[0]);
        assert_eq!(void.challenger, net.address(loser));
        let bond = challenger_bond(&net.chain, net.deployment.contracts.game).await;
        assert_eq!(void.returned, bond.expect("a view"));
        assert_eq!(void.gasRepaid + won.challengerGas, lost.pool, "in full");
        assert_eq!(lost.toWinner, U256::from(ETHER / 4));
        let of_cat = match loser {
            Who::Liar => void.gasRepaid,
            _ => won.challengerGas + lost.toWinner,
        };
        assert_eq!(net.credit(Who::Liar).await, void.returned + of_cat);
        let moved = net.game_events::<DisputeGame::Moved>().await;
        let [theirs, its] = [won.gameId, void.gameId].map(|id| {
            let of = moved.iter().filter(|m| m.gameId == id);
            of.map(|m| (m.segment, &m.roots)).collect::<Vec<_>>()
        });
        assert!(theirs.len() == 10 && its.len() >= 9 && theirs.starts_with(&its));
        self.tower.abort();
        self.liar.abort();
        void.gasRepaid
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn copycat_a_step_behind_has_its_bond_back_and_no_prize() {
    let mut cat = Copycat::start(false).await;
    // INVARIANT: the original ends the claim, so its copy wins nothing.
    let proof = shown(&cat.net, 6).await;
    block_of(&cat.net, 1).await;
    let late = cat.copy(&proof).await;
    block_of(&cat.net, 1).await;
    assert_eq!(receipt(&cat.net, &late).await["status"], "0x0");
    mine(&cat.net, 1).await;
    let context = cat.play().await.context;
    let settling = DisputeGame::settleVoidCall { context };
    let game = cat.net.deployment.contracts.game;
    cat.net.send(Who::Liar, game, settling, 0).await;
    assert_rejected(&cat.net, cat.before, 0).await;
    cat.assert_void(Who::Liar).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes on a chain of its own: make zoo"]
async fn copycat_whose_proof_runs_in_front_leaves_the_watchtower_whole() {
    let mut cat = Copycat::start(true).await;
    let proof = shown(&cat.net, 6).await;
    let copy = cat.copy(&proof).await;
    block_of(&cat.net, 2).await;
    let ran = assert_in_front(&cat.net, &copy, &proof["hash"]).await;
    assert_eq!(ran, ["0x1", "0x0"], "the original comes too late");
    mine(&cat.net, 1).await;
    assert_lost_to(&cat.net, Who::Liar, 0).await;
    let repaid = cat.assert_void(Who::Watchtower).await;
    // INVARIANT: what the rules count is no less than what its opening and its moves cost.
    let mut paid = 0;
    for nonce in 0..=5 {
        paid += fee(&cat.net, &shown(&cat.net, nonce).await["hash"]).await;
    }
    assert!(repaid >= U256::from(paid), "{paid}, {repaid}");
    let after = purse(&cat.net, Who::Watchtower).await;
    assert!(after < cat.before, "no prize");
    assert!(after + U256::from(GAS) > cat.before, "{after}");
}
