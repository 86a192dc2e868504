//! A claim about a program on the chain, with its true run and the liars that dispute it.

use super::duel::{Report, duel};
use super::{Court, Moment, account};
use alloy::primitives::B256;
use assay_dispute::flipped::FlippedTrace;
use assay_dispute::game::Side;
use assay_dispute::ledger::ClaimKey;
use assay_dispute::memo::Memo;
use assay_dispute::trace::Trace;
use assay_machine::lower::lower;
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Interpreter, ProgramTrace, is_terminal};
use assay_types::params::{MAX_WITNESS_BYTES, TRACE_LOG2};
use assay_types::request::Payload;
use assay_types::{Header, Status};
use rand::Rng;
use rand::rngs::SmallRng;

/// Clock of each player, seconds.
pub const ALLOWANCE: u64 = 120;

/// A program to dispute: it halts with 0 on the right output, and with 1 on an output with a wrong byte.
pub struct Disputed {
    /// The module.
    pub wasm: Vec<u8>,
    /// The model input.
    pub model: Vec<u8>,
    /// The right output for a request's bytes and the model.
    pub right: fn(&[u8], &[u8]) -> Vec<u8>,
}

/// A claim on the chain, with its run.
pub struct Case {
    /// The chain.
    pub court: Court,
    posted: Moment,
    /// The claim.
    pub claim: ClaimKey,
    /// The first state.
    pub machine: Machine,
    /// Who says the truth.
    pub honest: Side,
    /// The honest trace; many games ask for the same roots.
    pub truth: Memo<ProgramTrace<Interpreter>>,
    /// Start and number of the steps of each macro step.
    pub executed: Vec<(u64, u64)>,
}

impl Case {
    /// Claims the right output if the executor is the honest side, else one with a wrong byte.
    pub fn new(program: &Disputed, honest: Side, arity_log2: u8) -> Case {
        Case::claimed(program, honest, arity_log2, false, Court::claim)
    }

    /// The same on a rollup with blobs if `blobs`, the output being claimed by `claim`.
    pub fn claimed(
        program: &Disputed,
        honest: Side,
        arity_log2: u8,
        blobs: bool,
        claim: impl Fn(&mut Court, B256, &[u8]) -> ClaimKey,
    ) -> Case {
        let image = lower(&program.wasm).expect("the program lowers").image;
        let model = Rom::new(&program.model);
        let mut court = Court::posting(&image, &model, arity_log2, ALLOWANCE, blobs);
        let id = court.ask(&Payload::greedy("?", 4).encode());
        // What the program reads is known once the request has its id.
        let probe = court.moment();
        let first = court.claim(id, &[0; 9]);
        let mut output = (program.right)(&court.inputs(first).request, &program.model);
        court.go_back(&probe);
        if honest == Side::Challenger {
            output[8] ^= 0x40;
        }
        let claim = claim(&mut court, id, &output);
        let inputs = court.inputs(claim);
        let roms = [Rom::new(&inputs.request), Rom::new(&inputs.output), model];
        let machine = Machine::new(image, roms);
        let executed = executed(&machine);
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
        assert_eq!(end[0], Header::terminal(status).root());
    }

    /// A liar that leaves the truth at `at`; it interprets `patience` steps of its false run, then makes roots up.
    pub fn liar(&self, at: u64, seed: u64, patience: u64) -> FlippedTrace<Interpreter> {
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

    /// Plays a game about the claim; panics unless the honest side wins.
    pub fn play<L: Trace<Error: std::fmt::Debug>>(&mut self, liar: &mut L) -> Report {
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

    /// The special places of a run: what is there, and its index. A run of one macro step has no yields.
    pub fn special(&self) -> Vec<(&'static str, u64)> {
        let (last, end) = self.executed[self.executed.len() - 1];
        let b = self.machine.image.limits.b;
        let trace = 1 << TRACE_LOG2;
        let mut places = vec![
            ("the first index", 1),
            ("the halting step", last + end),
            ("the step after the halt", last + end + 1),
            ("the last index", trace - 1),
            ("the end", trace),
        ];
        if let [_, _, (start, steps), _, ..] = self.executed[..] {
            places.extend([
                ("a yield", start),
                ("a resume", start + 1),
                ("the first step of padding", start + steps + 1),
                ("padding", start + steps + 12_345),
                ("the end of padding", start + (1 << b) - 1),
                ("after the halt", last + (7 << b) + 99),
            ]);
        }
        places
    }

    /// An index after a step that the run executes.
    pub fn random_executed(&self, rng: &mut SmallRng) -> u64 {
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
pub struct Summary {
    /// Games played.
    pub games: u32,
    most_moves: u32,
    most_transactions: u32,
    most_gas: u64,
    most_proof_gas: u64,
    longest_witness: usize,
}

impl Summary {
    /// One more game.
    pub fn add(&mut self, report: &Report) {
        self.games += 1;
        self.most_moves = self.most_moves.max(report.moves);
        self.most_transactions = self.most_transactions.max(report.transactions + 1);
        self.most_gas = self.most_gas.max(report.gas);
        self.most_proof_gas = self.most_proof_gas.max(report.proof_gas);
        self.longest_witness = self.longest_witness.max(report.witness);
    }

    /// All of them are within the limits of a game.
    pub fn check(&self) {
        println!("{self:?}");
        assert!(self.most_moves <= 10 && self.most_transactions <= 14);
        assert!(self.longest_witness <= MAX_WITNESS_BYTES && self.most_proof_gas <= 450_000);
        assert!(self.most_gas < 1_500_000);
    }
}
