//! The exhaustive games again, on the committed bytecode of the game and of the step contracts, in revm.
//!
//! The computation is a real program of a few instructions; every attempt goes to the contract, which must accept it
//! exactly where the oracle does, and then be in the mirror's state.

use crate::games_support::toy_run::{Run, program};
use crate::games_support::{Court, Moment, account};
use crate::toy::World;
use crate::toy::enumerate::{ALLOWANCE, Board, Setup, Tally, play_all};
use crate::toy::oracle::Attempt;
use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use assay_bindings::DisputeGame;
use assay_bindings::abi::{Move, Proof};
use assay_bindings::convert::{b256, roots as words};
use assay_bindings::game::{claim_key, commitment};
use assay_dispute::game::{Game, Outcome, Side};
use assay_dispute::ledger::ClaimKey;
use assay_machine::rom::Rom;
use assay_machine::step::replay;
use assay_prover::evm::Tx;
use assay_types::request::Payload;
use assay_types::{Hash, Header, StateRoot, Status};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

impl World for Run {
    fn truth(&self, index: u64) -> StateRoot {
        self.states[index as usize]
    }

    fn witness(&self, index: u64) -> Vec<u8> {
        self.witnesses[index as usize].clone()
    }

    fn false_witnesses(&self, index: u64) -> Vec<Vec<u8>> {
        let witness = self.witness(index);
        let mut flipped = witness.clone();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        let longer = [&witness[..], &[0]].concat();
        let halted = |code| Header::terminal(Status::Halted(code)).encode().to_vec();
        vec![
            self.witness(index + 1),
            flipped,
            longer,
            halted(0),
            halted(1),
            Vec::new(),
        ]
    }

    fn run(&self, index: u64, witness: &[u8]) -> Option<(StateRoot, StateRoot)> {
        replay(&self.limits, &self.fixed, index, witness).ok()
    }
}

/// The contract, at one moment of one game.
#[derive(Clone)]
struct Contract {
    court: Rc<RefCell<Court>>,
    id: B256,
    moment: Rc<Moment>,
}

impl Board for Contract {
    fn attempt(
        &mut self,
        before: &Game,
        attempt: &Attempt,
        now: u64,
        accepted: bool,
        after: &Game,
    ) {
        let mut court = self.court.borrow_mut();
        court.go_back(&self.moment);
        court.evm.block().timestamp = U256::from(now);
        let tx = self.transaction(&court, before, attempt);
        if !accepted {
            let outcome = court.evm.try_send(tx);
            assert!(
                outcome.result.is_err(),
                "the contract accepts what it must refuse: {attempt:?} on {before:?}"
            );
            return;
        }
        court.send(tx).expect("a move that the oracle accepts");
        self.compare(&mut court, after);
        self.moment = Rc::new(court.moment());
    }
}

impl Contract {
    fn transaction(&self, court: &Court, before: &Game, attempt: &Attempt) -> Tx {
        let play = court.play(self.id);
        assert_eq!(play.game, *before, "the ledger follows the events");
        let context = play.context.clone();
        let standing = before.standing();
        // A piece that does not exist is shown with the last one's ends.
        let shown = |segment: u32| standing.segment(segment.min(standing.pieces() - 1));
        let (from, data) = match attempt {
            Attempt::TimeOut => (
                account("anyone"),
                DisputeGame::timeoutCall { context }.abi_encode(),
            ),
            Attempt::Dissect { by, segment, roots } => {
                let piece = shown(*segment);
                let m = Move {
                    gameId: self.id,
                    claim: claim_key(context.segmentId, context.index),
                    opponent: play.player(by.other()),
                    history: b256(before.history()),
                    segment: U256::from(*segment),
                    startRoot: b256(piece.standing_start.0),
                    left: b256(piece.start.0),
                    right: b256(piece.end.0),
                    proof: piece.proof.iter().copied().map(b256).collect(),
                    roots: words(roots),
                };
                (play.player(*by), DisputeGame::moveCall { m }.abi_encode())
            }
            Attempt::Prove {
                by,
                segment,
                witness,
                ..
            } => {
                let piece = shown(*segment);
                let p = Proof {
                    history: b256(before.history()),
                    segment: U256::from(*segment),
                    startRoot: b256(piece.standing_start.0),
                    left: b256(piece.start.0),
                    right: b256(piece.end.0),
                    proof: piece.proof.iter().copied().map(b256).collect(),
                    witness: witness.clone().into(),
                };
                (
                    play.player(*by),
                    DisputeGame::proveCall { context, p }.abi_encode(),
                )
            }
        };
        Tx {
            from,
            to: Some(court.addresses.game),
            data: data.into(),
            ..Tx::default()
        }
    }

    /// Slot, commitment and the events' fold against the mirror.
    fn compare(&self, court: &mut Court, after: &Game) {
        let play = court.play(self.id).clone();
        assert_eq!(play.game.outcome(), after.outcome());
        let id = self.id;
        let slot = court
            .evm
            .view(court.addresses.game, &DisputeGame::gameCall { gameId: id });
        let slot = slot.decode::<DisputeGame::gameCall>();
        let status = match (after.outcome(), after.turn()) {
            (None, Side::Challenger) => 1,
            (None, Side::Executor) => 2,
            (Some(Outcome::Won(Side::Challenger)), _) => 3,
            (Some(Outcome::Won(Side::Executor)), _) => 4,
            (Some(Outcome::Void), _) => 5,
        };
        assert_eq!(slot.status, status);
        if after.outcome().is_some() {
            return;
        }
        assert_eq!(play.game, *after);
        let standing = after.standing();
        let now = court.evm.now();
        assert_eq!(slot.start, U256::from(standing.index(0)));
        assert_eq!(slot.strideLog2, U256::from(standing.stride_log2()));
        assert_eq!(slot.piecesLog2, U256::from(standing.pieces().ilog2()));
        assert_eq!(slot.lastAt, U256::from(now));
        let used = |side| U256::from(after.clock().elapsed(side, after.turn(), now));
        assert_eq!(
            (slot.challengerUsed, slot.executorUsed),
            (used(Side::Challenger), used(Side::Executor))
        );
        let (mover, opponent) = (play.player(after.turn()), play.player(after.turn().other()));
        let claim = claim_key(play.context.segmentId, play.context.index);
        let expected = commitment(
            b256(after.history()),
            standing.roots()[0],
            &standing.roots()[1..],
            claim,
            mover,
            opponent,
        );
        let stored = court.evm.view(
            court.addresses.game,
            &DisputeGame::commitmentCall { gameId: id },
        );
        assert_eq!(stored.decode::<DisputeGame::commitmentCall>(), expected);
    }
}

/// Deploys a rollup for the family of games, claims, opens one game, and plays all of them from there.
fn play(setup: &Setup, halts: u64) -> Tally {
    let code = if setup.honest == Side::Executor { 0 } else { 1 };
    let image = Arc::new(program(setup.trace_log2 as u8, halts, code));
    let model = Rom::new(b"a model that nobody reads");
    let mut court = Court::new(&image, &model, setup.arity_log2 as u8, ALLOWANCE);
    let id = court.ask(&Payload::greedy("?", 4).encode());
    let key: ClaimKey = court.claim(id, &[0, 0, 0, 0, 0]);
    let inputs = court.inputs(key);
    let roms = [Rom::new(&inputs.request), Rom::new(&inputs.output), model];
    let world = Run::new(image, roms);
    let game_id = court.open(account("challenger"), key);
    let opened = court.play(game_id).clone();
    assert_eq!(
        opened.context.requestRoot,
        b256(world.fixed.roms[0]),
        "the contract computes the request's ROM"
    );
    assert_eq!(
        opened.context.outputRoot,
        b256(world.fixed.roms[1]),
        "and the output's"
    );
    assert_eq!(opened.game.standing().roots()[0], world.truth(0));
    assert_eq!(opened.game.history(), Hash(game_id.0));
    let now = court.evm.now();
    let moment = Rc::new(court.moment());
    let board = Contract {
        court: Rc::new(RefCell::new(court)),
        id: game_id,
        moment,
    };
    let tally = play_all(setup, &world, opened.game, now, board);
    println!("halts at {halts}: {setup:?}: {tally:?}");
    assert_eq!(tally.longest, setup.trace_log2.div_ceil(setup.arity_log2));
    tally
}

/// All lengths up to 64. The liar breaks rules and plays with the clock where the tree of games is small enough.
fn enumerate(arity_log2: u32, honest: Side) {
    let mut total = Tally::default();
    for trace_log2 in 1..=6 {
        let length = 1u64 << trace_log2;
        for halts in [length / 2 + 1, length] {
            let thorough = trace_log2 <= 2 * arity_log2;
            let wrong_roots = if trace_log2 < 3 * arity_log2 { 2 } else { 1 };
            let setup = Setup {
                trace_log2,
                arity_log2,
                honest,
                wrong_roots,
                thorough,
            };
            total += play(&setup, halts.max(2));
        }
    }
    assert!(
        total.proofs > 100 && total.timeouts > 100 && total.refused > 1_000,
        "{total:?}"
    );
}

#[test]
fn contract_bisection_true_claim_never_loses() {
    enumerate(1, Side::Executor);
}

#[test]
fn contract_bisection_false_claim_never_survives() {
    enumerate(1, Side::Challenger);
}

#[test]
fn contract_dissection_by_four_true_claim_never_loses() {
    enumerate(2, Side::Executor);
}

#[test]
fn contract_dissection_by_four_false_claim_never_survives() {
    enumerate(2, Side::Challenger);
}
