//! Liars at hundreds of places of a real program's run, against the honest player, on the committed bytecode in revm.

use crate::games_support::duel::{Report, duel};
use crate::games_support::program::{PROGRAM, ROUNDS, right_output};
use crate::games_support::{Court, Moment, account};
use assay_dispute::flipped::FlippedTrace;
use assay_dispute::game::Side;
use assay_dispute::ledger::ClaimKey;
use assay_dispute::memo::Memo;
use assay_dispute::trace::Trace;
use assay_machine::lower::{Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Interpreter, ProgramTrace, is_terminal};
use assay_types::params::{MAX_WITNESS_BYTES, TRACE_LOG2};
use assay_types::request::Payload;
use assay_types::{StateRoot, Status};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

const ALLOWANCE: u64 = 120;
/// Steps of a false run that a liar interprets: more than enough for any of these.
const PATIENCE: u64 = 200_000_000;
/// A claim on the chain, with its run.
struct Case {
    court: Court,
    posted: Moment,
    claim: ClaimKey,
    machine: Machine,
    honest: Side,
    /// The honest trace; many games ask for the same roots.
    truth: Memo<ProgramTrace<Interpreter>>,
    /// Start and number of the steps of each macro step.
    executed: Vec<(u64, u64)>,
}

impl Case {
    fn new(honest: Side, arity_log2: u8) -> Case {
        let wasm = wat::parse_str(PROGRAM).expect("the program is WebAssembly");
        let lowered: Arc<Lowered> = Arc::new(lower(&wasm).expect("the program lowers"));
        let image = lowered.image.clone();
        let model = Rom::new(b"no model");
        let mut court = Court::new(&image, &model, arity_log2, ALLOWANCE);
        let id = court.ask(&Payload::greedy("?", 4).encode());
        // What the program reads is known once the request has its id.
        let probe = court.moment();
        let first = court.claim(id, &[0; 9]);
        let mut output = right_output(&court.inputs(first).request);
        court.go_back(&probe);
        if honest == Side::Challenger {
            output[8] ^= 0x40;
        }
        let claim = court.claim(id, &output);
        let inputs = court.inputs(claim);
        let machine = Machine::new(
            image,
            [Rom::new(&inputs.request), Rom::new(&inputs.output), model],
        );
        let executed = executed(&machine);
        assert_eq!(executed.len(), ROUNDS as usize);
        let posted = court.moment();
        let truth = Memo::new(ProgramTrace::new(Interpreter::new(machine.clone())));
        let mut case = Case {
            court,
            posted,
            claim,
            machine,
            honest,
            truth,
            executed,
        };
        case.check_truth();
        case
    }

    /// The honest run ends as the claim's truth says: otherwise nothing below shows anything.
    fn check_truth(&mut self) {
        let status = if self.honest == Side::Executor {
            Status::Halted(0)
        } else {
            Status::Halted(1)
        };
        let end = self.truth.roots(&[1 << TRACE_LOG2]).expect("infallible");
        assert_eq!(end[0], assay_types::Header::terminal(status).root());
    }

    /// A liar that leaves the truth at `at`; it interprets `patience` steps of its false run, then makes roots up.
    fn liar(&self, at: u64, seed: u64, patience: u64) -> FlippedTrace<Interpreter> {
        let truth = ProgramTrace::new(Interpreter::new(self.machine.clone()));
        let ending = if self.honest == Side::Executor {
            Status::Halted(1)
        } else {
            Status::Halted(0)
        };
        FlippedTrace::new(truth, at, seed, TRACE_LOG2)
            .with_patience(patience)
            .ending(ending)
    }

    fn play<L: Trace<Error: std::fmt::Debug>>(&mut self, liar: &mut L) -> Report {
        self.court.go_back(&self.posted);
        let id = self.court.open(account("challenger"), self.claim);
        duel(
            &mut self.court,
            id,
            (self.honest, &mut self.truth),
            liar,
            ALLOWANCE,
        )
    }

    /// The special places of a run: what is there, and its index.
    fn special(&self) -> Vec<(&'static str, u64)> {
        let (start, steps) = self.executed[2];
        let (last, end) = self.executed[self.executed.len() - 1];
        let b = self.machine.image.limits.b;
        vec![
            ("the first index", 1),
            ("a yield", start),
            ("a resume", start + 1),
            ("the first step of padding", start + steps + 1),
            ("padding", start + steps + 12_345),
            ("the end of padding", start + (1 << b) - 1),
            ("the halting step", last + end),
            ("the step after the halt", last + end + 1),
            ("after the halt", last + (7 << b) + 99),
            ("the last index", (1 << TRACE_LOG2) - 1),
            ("the end", 1 << TRACE_LOG2),
        ]
    }

    fn random_executed(&self, rng: &mut SmallRng) -> u64 {
        let (start, steps) = self.executed[rng.random_range(0..self.executed.len())];
        start + rng.random_range(1..=steps)
    }
}

/// Start index and number of executed steps of each macro step of a run.
fn executed(first: &Machine) -> Vec<(u64, u64)> {
    let (mut machine, mut out) = (first.clone(), Vec::new());
    let b = machine.image.limits.b;
    while !is_terminal(machine.cpu.status) {
        let (start, before) = ((out.len() as u64) << b, machine.executed);
        machine.run(start, 1 << b);
        out.push((start, machine.executed - before));
    }
    out
}

/// Figures of many games.
#[derive(Default, Debug)]
struct Summary {
    games: u32,
    most_moves: u32,
    most_transactions: u32,
    most_gas: u64,
    most_proof_gas: u64,
    longest_witness: usize,
}

impl Summary {
    fn add(&mut self, report: &Report) {
        self.games += 1;
        self.most_moves = self.most_moves.max(report.moves);
        self.most_transactions = self.most_transactions.max(report.transactions + 1);
        self.most_gas = self.most_gas.max(report.gas);
        self.most_proof_gas = self.most_proof_gas.max(report.proof_gas);
        self.longest_witness = self.longest_witness.max(report.witness);
    }

    fn check(&self) {
        println!("{self:?}");
        assert!(self.most_moves <= 10 && self.most_transactions <= 14);
        assert!(self.longest_witness <= MAX_WITNESS_BYTES && self.most_proof_gas <= 450_000);
        assert!(self.most_gas < 1_500_000);
    }
}

#[test]
fn lying_executor_loses_wherever_it_leaves_the_truth() {
    let mut case = Case::new(Side::Challenger, 5);
    let mut rng = SmallRng::seed_from_u64(1);
    let mut places = case.special();
    places.extend((0..200).map(|_| ("an executed index", case.random_executed(&mut rng))));
    let mut summary = Summary::default();
    for (what, at) in places {
        let seed = rng.random();
        // Runs on from its flipped state to the end, and says Halted(0) there.
        let report = case.play(&mut case.liar(at, seed, PATIENCE));
        let proven = report
            .proven
            .unwrap_or_else(|| panic!("{what}, {at}: a proof ends it: {report:?}"));
        assert!(
            proven >= at - 1,
            "{what}, {at}: before it, both say the same, but {proven} was proven"
        );
        summary.add(&report);

        // Makes up every root from there on: the first false step is the one that is proven.
        let report = case.play(&mut case.liar(at, seed, 0));
        assert_eq!(report.proven, Some(at - 1), "{what}");
        summary.add(&report);
    }
    assert_eq!(summary.games, 2 * 211);
    summary.check();
}

#[test]
fn lying_challenger_loses_wherever_it_leaves_the_truth() {
    let mut case = Case::new(Side::Executor, 5);
    let mut rng = SmallRng::seed_from_u64(2);
    let mut places = case.special();
    places.extend((0..200).map(|_| ("an executed index", case.random_executed(&mut rng))));
    let mut summary = Summary::default();
    for (what, at) in places {
        for patience in [PATIENCE, 0] {
            let report = case.play(&mut case.liar(at, rng.random(), patience));
            // With k = 32 it is the challenger who would have to prove.
            assert_eq!(
                (report.proven, report.moves),
                (None, 10),
                "{what}, {at}: it ends in the liar's timeout"
            );
            summary.add(&report);
        }
    }
    assert_eq!(summary.games, 2 * 211);
    summary.check();
}

#[test]
fn executor_proves_where_the_number_of_moves_is_odd() {
    // k = 64: nine moves, the last of which halves twice; then it is the executor's turn.
    let mut case = Case::new(Side::Executor, 6);
    let mut rng = SmallRng::seed_from_u64(3);
    let mut places = case.special();
    places.extend((0..20).map(|_| ("an executed index", case.random_executed(&mut rng))));
    for (what, at) in places {
        let report = case.play(&mut case.liar(at, rng.random(), 0));
        assert_eq!(
            (report.proven, report.moves),
            (Some(at - 1), 9),
            "{what}, {at}"
        );
    }

    let mut case = Case::new(Side::Challenger, 6);
    for (what, at) in case.special() {
        let report = case.play(&mut case.liar(at, rng.random(), 0));
        assert_eq!(
            (report.proven, report.moves),
            (None, 9),
            "{what}, {at}: the liar can't prove"
        );
    }
}

/// Has no true root but the first, and this ending.
struct AllDifferent(ProgramTrace<Interpreter>, Status);

impl Trace for AllDifferent {
    type Error = std::convert::Infallible;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Self::Error> {
        let truth = self.0.roots(indices)?;
        let lie = |(i, root): (&u64, StateRoot)| match *i {
            0 => root,
            i if i == 1 << TRACE_LOG2 => assay_types::Header::terminal(self.1).root(),
            i => StateRoot(assay_types::keccak256(&[&root.0.0, &i.to_be_bytes()])),
        };
        Ok(indices.iter().zip(truth).map(lie).collect())
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, Self::Error> {
        self.0.witness(index)
    }
}

#[test]
fn liar_with_no_true_root_loses_at_the_first_step() {
    for (honest, ending) in [
        (Side::Challenger, Status::Halted(0)),
        (Side::Executor, Status::Trapped),
    ] {
        let mut case = Case::new(honest, 5);
        let truth = ProgramTrace::new(Interpreter::new(case.machine.clone()));
        let report = case.play(&mut AllDifferent(truth, ending));
        let expected = (honest == Side::Challenger).then_some(0);
        assert_eq!(
            report.proven, expected,
            "the first state is the one thing that is not disputed"
        );
    }
}
