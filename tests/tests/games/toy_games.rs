//! The exhaustive games again, on the committed bytecode of the game and of the step contracts, in revm.
//!
//! The computation is a real program of a few instructions; every attempt goes to the contract, which must accept it
//! exactly where the oracle does, and then be in the mirror's state.

use crate::games_support::toy_run::{Run, program};
use crate::games_support::{Court, Moment, account, as_tx};
use crate::toy::enumerate::{ALLOWANCE, Board, Setup, Tally, play_all};
use crate::toy::oracle::Attempt;
use crate::toy::{Low, World};
use alloy::primitives::{B256, U256};
use alloy::sol_types::{SolCall, SolError};
use assay_bindings::abi::{BlobMove, Move, Proof};
use assay_bindings::convert::{b256, roots as words};
use assay_bindings::game::{blob_commitment, claim_key, commitment};
use assay_bindings::{BlobDisputeGame, DisputeGame};
use assay_dispute::action::Action;
use assay_dispute::calls::call_for;
use assay_dispute::game::{Game, Outcome, Side};
use assay_dispute::ledger::ClaimKey;
use assay_machine::rom::Rom;
use assay_machine::step::replay;
use assay_node::blob::Blob;
use assay_prover::evm::{Failure, Tx};
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
        let tx = if before.rules().blobs {
            self.with_blob(&mut court, before, attempt)
        } else {
            self.transaction(&court, before, attempt)
        };
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

    /// The same where roots are in blobs.
    fn with_blob(&self, court: &mut Court, before: &Game, attempt: &Attempt) -> Tx {
        let play = court.play(self.id);
        assert_eq!(play.game, *before, "the ledger follows the events");
        let history = before.history();
        let (by, action) = match attempt.clone() {
            Attempt::TimeOut => (before.turn().other(), Action::ClaimTimeout),
            Attempt::Dissect { by, segment, roots } => (
                by,
                Action::Dissect {
                    history,
                    segment: before.standing().segment(segment),
                    roots,
                },
            ),
            Attempt::Prove {
                by,
                segment,
                index,
                witness,
            } => (
                by,
                Action::Prove {
                    history,
                    segment: before.standing().segment(segment),
                    index,
                    witness,
                },
            ),
        };
        let from = play.player(by);
        let call = call_for(play, by, &action, court.addresses.game);
        let call = call.expect("blobs commit").expect("an action to send");
        court.keep_blob(&call);
        as_tx(from, &call)
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
        let (history, roots) = (b256(after.history()), standing.roots());
        let expected = if after.rules().blobs {
            let blob = standing.blob().map(Blob::versioned_hash);
            let end = roots[roots.len() - 1];
            blob_commitment(
                history,
                roots[0],
                blob.unwrap_or_default(),
                end,
                claim,
                mover,
                opponent,
            )
        } else {
            commitment(history, roots[0], &roots[1..], claim, mover, opponent)
        };
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
    let arity_log2 = setup.arity_log2 as u8;
    let mut court = Court::posting(&image, &model, arity_log2, ALLOWANCE, setup.blobs);
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
    let first = opened.game.rules().posted(world.truth(0));
    assert_eq!(opened.game.standing().roots()[0], first);
    assert_eq!(opened.game.history(), Hash(game_id.0));
    let now = court.evm.now();
    let moment = Rc::new(court.moment());
    let board = Contract {
        court: Rc::new(RefCell::new(court)),
        id: game_id,
        moment,
    };
    let tally = if setup.blobs {
        play_all(setup, &Low(world), opened.game, now, board)
    } else {
        play_all(setup, &world, opened.game, now, board)
    };
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
                blobs: false,
            };
            total += play(&setup, halts.max(2));
        }
    }
    assert!(
        total.proofs > 100 && total.timeouts > 100 && total.refused > 1_000,
        "{total:?}"
    );
}

/// Games whose roots are in blobs, on the contract that opens them with the chain's own precompile: one root a place that
/// belongs to nothing, and no broken rules, since each move costs proofs that take milliseconds.
fn enumerate_blobs(arity_log2: u32, most: u32, honest: Side) {
    let mut total = Tally::default();
    for trace_log2 in 1..=most {
        let length = 1u64 << trace_log2;
        let setup = Setup {
            trace_log2,
            arity_log2,
            honest,
            wrong_roots: 1,
            thorough: false,
            blobs: true,
        };
        total += play(&setup, (length / 2 + 1).max(2));
    }
    assert!(
        total.proofs > 2 && total.timeouts > 2 && total.refused > 50,
        "{total:?}"
    );
}

#[test]
fn contract_blobs_by_two_true_claim_never_loses() {
    enumerate_blobs(1, 3, Side::Executor);
}

#[test]
fn contract_blobs_by_two_false_claim_never_survives() {
    enumerate_blobs(1, 3, Side::Challenger);
}

#[test]
fn contract_blobs_by_four_true_claim_never_loses() {
    enumerate_blobs(2, 3, Side::Executor);
}

#[test]
fn contract_blobs_by_four_false_claim_never_survives() {
    enumerate_blobs(2, 3, Side::Challenger);
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

/// What a blob move can't do: each of these differs from a good move in one thing.
#[test]
fn blob_moves_that_break_a_rule_are_refused() {
    let image = Arc::new(program(4, 9, 1));
    let model = Rom::new(b"a model that nobody reads");
    let mut court = Court::posting(&image, &model, 2, ALLOWANCE, true);
    let id = court.ask(&Payload::greedy("?", 4).encode());
    let key = court.claim(id, &[0, 0, 0, 0, 0]);
    let inputs = court.inputs(key);
    let roms = [Rom::new(&inputs.request), Rom::new(&inputs.output), model];
    let world = Low(Run::new(image, roms));
    let game = court.open(account("challenger"), key);
    let good = |court: &Court, segment: u32, roots: Vec<StateRoot>| {
        let play = court.play(game);
        let action = Action::Dissect {
            history: play.game.history(),
            segment: play.game.standing().segment(segment),
            roots,
        };
        let by = play.game.turn();
        let call = call_for(play, by, &action, court.addresses.game);
        (play.player(by), call.expect("commits").expect("a move"))
    };
    let truths = |from: u64, step: u64| (1..=4).map(|i| world.truth(from + i * step)).collect();
    let (from, first) = good(&court, 0, truths(0, 4));
    court.keep_blob(&first);
    let refused = |court: &mut Court, tx: Tx, error: &[u8]| {
        let outcome = court.evm.try_send(tx);
        match outcome.result {
            Err(Failure::Revert(data)) => assert_eq!(data[..4], *error),
            other => panic!("not refused as it should be: {other:?}"),
        }
    };
    let mut bare = as_tx(from, &first);
    bare.blobs.clear();
    refused(&mut court, bare, &BlobDisputeGame::NoSuchBlob::SELECTOR);
    court.send_call(from, first).expect("the first move");

    // The answer contests piece 1: both ends are elements of the standing blob.
    let mut lies: Vec<StateRoot> = truths(4, 1);
    lies[3] = world.truth(15);
    let (from, answer) = good(&court, 1, lies);
    let change = |f: &dyn Fn(&mut BlobMove)| {
        let mut call = BlobDisputeGame::moveCall::abi_decode(&answer.data).expect("a move");
        f(&mut call.m);
        let mut tx = as_tx(from, &answer);
        tx.data = call.abi_encode().into();
        tx
    };
    let flip = |at: usize| {
        change(&|m| {
            let mut bytes = m.piece.openings.to_vec();
            bytes[at] ^= 1;
            m.piece.openings = bytes.into();
        })
    };
    let bad = BlobDisputeGame::BadOpening::SELECTOR;
    for at in [10, 58, 106] {
        refused(&mut court, flip(at), &bad);
    }
    let stale = BlobDisputeGame::StaleMove::SELECTOR;
    let other = B256::with_last_byte(7);
    refused(&mut court, change(&|m| m.piece.left = other), &bad);
    refused(&mut court, change(&|m| m.piece.right = other), &bad);
    refused(
        &mut court,
        change(&|m| m.piece.segment = U256::from(2)),
        &bad,
    );
    refused(&mut court, change(&|m| m.piece.startRoot = other), &stale);
    refused(&mut court, change(&|m| m.piece.endRoot = other), &stale);
    refused(
        &mut court,
        change(&|m| m.piece.versionedHash = other),
        &stale,
    );
    refused(&mut court, change(&|m| m.history = other), &stale);
    refused(&mut court, change(&|m| m.opponent = account("x")), &stale);
    let same = BlobDisputeGame::NothingContested::SELECTOR;
    refused(&mut court, change(&|m| m.end = m.piece.right), &same);
    let none = BlobDisputeGame::NoSuchSegment::SELECTOR;
    refused(
        &mut court,
        change(&|m| m.piece.segment = U256::from(4)),
        &none,
    );
    let short = BlobDisputeGame::WrongProofLength::SELECTOR;
    let cut = |m: &mut BlobMove| m.piece.openings = m.piece.openings.slice(..96);
    refused(&mut court, change(&cut), &short);
    // The first piece starts where the dissection does and the last ends where it does, whatever is shown.
    let first_piece = |m: &mut BlobMove| {
        m.piece.segment = U256::ZERO;
        m.piece.left = other;
    };
    refused(&mut court, change(&first_piece), &stale);
    let last_piece = |m: &mut BlobMove| {
        m.piece.segment = U256::from(3);
        m.piece.right = other;
    };
    refused(&mut court, change(&last_piece), &stale);
    let mut longer = as_tx(from, &answer);
    longer.data = [&longer.data[..], &[0; 32]].concat().into();
    let exact = BlobDisputeGame::NonCanonicalCalldata::SELECTOR;
    refused(&mut court, longer, &exact);
    court
        .send_call(from, answer.clone())
        .expect("unchanged, it is a move");
}
