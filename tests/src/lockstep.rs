//! One step four ways: the interpreter, the recorder, the replay of its witness, the contract on the same witness.

use crate::prover::{Prover, StepContext};
use assay_machine::access::replay::FixedRoots;
use assay_machine::image::{Image, Limits};
use assay_machine::isa::Op;
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::step::{record, replay};
use assay_types::params::MAX_WITNESS_BYTES;
use assay_types::{StateRoot, Status};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most execution gas that one step may take.
pub const MAX_GAS: u64 = 300_000;

/// A step's place and witness, with the program it belongs to.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the contract is told besides the witness.
    pub ctx: StepContext,
    /// The same, as the replay takes it: numbers.
    pub limits: Limits,
    /// The same, as the replay takes it: roots.
    pub fixed: FixedRoots,
    /// Trace index.
    pub index: u64,
    /// The recorded witness.
    pub witness: Vec<u8>,
    /// Root before the step.
    pub before: StateRoot,
    /// Root after the step.
    pub after: StateRoot,
}

/// What one opcode has cost so far.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Steps.
    pub steps: u64,
    /// Most execution gas of a step.
    pub gas: u64,
    /// Longest witness, in bytes.
    pub witness: usize,
    /// Most gas of a step's whole transaction, calldata included.
    pub tx_gas: u64,
}

/// Runs steps and compares; keeps what they cost and a sample of each opcode.
#[derive(Default)]
pub struct Lockstep {
    /// The contracts.
    pub prover: Prover,
    /// By name: `i32.add`, `i32.add imm`, `yielded`, `no code`.
    pub costs: BTreeMap<String, Cost>,
    /// Longest witness of each name.
    pub samples: BTreeMap<String, Sample>,
    /// Execution gas of every step.
    pub gas: Vec<u64>,
}

/// Program part of a step's context.
pub fn context(image: &Image, roms: &[Rom; 3]) -> (StepContext, FixedRoots) {
    let (p, l) = (&image.program, &image.limits);
    let fixed = FixedRoots {
        code: p.code,
        segments: p.segments,
        roms: [0, 1, 2].map(|i| roms[i].root()),
    };
    let ctx = StepContext {
        codeRoot: fixed.code.0.into(),
        segmentsRoot: fixed.segments.0.into(),
        romRoots: fixed.roms.map(|r| r.0.into()),
        maxPages: l.max_pages,
        volatileLog2: l.volatile_log2,
        stackCells: l.stack_cells,
        b: l.b,
        entry: l.entry,
    };
    (ctx, fixed)
}

/// What the next step of `machine` does, for counting and for messages.
pub fn describe(machine: &Machine) -> String {
    match machine.cpu.status {
        Status::Yielded => return "yielded".into(),
        Status::Halted(_) => return "halted".into(),
        Status::Trapped => return "trapped".into(),
        Status::Running => {}
    }
    let Some(instr) = machine.image.code.get(machine.cpu.pc as usize) else {
        return "no code".into();
    };
    match instr.opcode() {
        Some((op, imm)) => name(op, imm),
        None => "unknown opcode".into(),
    }
}

/// Name of an opcode in one of its forms.
pub fn name(op: Op, imm_form: bool) -> String {
    format!("{}{}", op.mnemonic(), if imm_form { " imm" } else { "" })
}

/// Every opcode, plain and in its imm form.
pub fn forms() -> impl Iterator<Item = (Op, bool)> {
    let plain = Op::ALL.iter().map(|op| (*op, false));
    let imm = Op::ALL.iter().filter(|op| op.has_imm_form());
    plain.chain(imm.map(|op| (*op, true)))
}

impl Lockstep {
    /// Executes the step at `index` of `direct` in all four ways; panics with the step and the field that differs.
    /// `recorded` is a twin of `direct` and stays one.
    pub fn step(&mut self, direct: &mut Machine, recorded: &mut Machine, index: u64) {
        let what = describe(direct);
        let place = format!(
            "step {index:#x}: {what} at pc {:#x}, fp {:#x}",
            direct.cpu.pc, direct.cpu.fp
        );
        let before = direct.root();
        direct.run(index, 1);
        let witness = record(recorded, index);
        let (want, got) = (direct.header(), recorded.header());
        assert_eq!(
            want, got,
            "{place}: the recorder differs from the interpreter"
        );
        let after = want.root();

        let (ctx, fixed) = context(&direct.image, &direct.roms);
        let limits = direct.image.limits;
        let replayed = replay(&limits, &fixed, index, &witness);
        assert_eq!(
            replayed,
            Ok((before, after)),
            "{place}: the replay differs from the interpreter"
        );
        let (roots, outcome) = self.prover.step(&ctx, index, &witness);
        let roots =
            roots.unwrap_or_else(|| panic!("{place}: the contract fails: {:?}", outcome.result));
        assert_eq!(
            roots,
            (before, after),
            "{place}: the contract differs; the state after is {want:?}"
        );

        assert!(
            witness.len() <= MAX_WITNESS_BYTES,
            "{place}: the witness has {} bytes",
            witness.len()
        );
        assert!(
            outcome.execution_gas <= MAX_GAS,
            "{place}: {} gas",
            outcome.execution_gas
        );
        self.gas.push(outcome.execution_gas);
        let cost = self.costs.entry(what.clone()).or_default();
        cost.steps += 1;
        cost.gas = cost.gas.max(outcome.execution_gas);
        cost.tx_gas = cost.tx_gas.max(outcome.tx_gas);
        if witness.len() > cost.witness {
            cost.witness = witness.len();
            self.samples.insert(
                what,
                Sample {
                    ctx,
                    limits,
                    fixed,
                    index,
                    witness,
                    before,
                    after,
                },
            );
        }
    }

    /// Runs a program from its first state to its end, at most `max` steps, with the steps that change nothing on
    /// the way: the first and last of each padding, and two after the end. Returns the last status.
    pub fn run(&mut self, image: Arc<Image>, roms: [Rom; 3], max: u64) -> Status {
        let mut direct = Machine::new(image, roms);
        let mut recorded = direct.clone();
        let mask = (1u64 << direct.image.limits.b) - 1;
        let (mut index, mut steps) = (0, 0);
        while steps < max && matches!(direct.cpu.status, Status::Running | Status::Yielded) {
            if direct.cpu.status == Status::Yielded && index & mask != 0 {
                self.step(&mut direct, &mut recorded, index);
                index |= mask;
            }
            self.step(&mut direct, &mut recorded, index);
            index += 1;
            steps += 1;
        }
        for index in [index, (index | mask) + 1] {
            self.step(&mut direct, &mut recorded, index);
        }
        direct.cpu.status
    }

    /// Lowers `wat` and runs it as [`Lockstep::run`] does.
    #[track_caller]
    pub fn run_wat(&mut self, wat: &str, roms: [Rom; 3], max: u64) -> Status {
        let wasm = wat::parse_str(wat).unwrap_or_else(|e| panic!("{e}\n{wat}"));
        let lowered = assay_machine::lower::lower(&wasm).unwrap_or_else(|e| panic!("{e}\n{wat}"));
        self.run(lowered.image, roms, max)
    }

    /// Median and greatest execution gas, longest witness, greatest transaction.
    pub fn summary(&self) -> (u64, u64, usize, u64) {
        let mut gas = self.gas.clone();
        gas.sort_unstable();
        let median = gas.get(gas.len() / 2).copied().unwrap_or(0);
        let most = |f: fn(&Cost) -> u64| self.costs.values().map(f).max().unwrap_or(0);
        (
            median,
            most(|c| c.gas),
            most(|c| c.witness as u64) as usize,
            most(|c| c.tx_gas),
        )
    }
}

/// Read-only inputs with different lengths and contents.
pub fn roms() -> [Rom; 3] {
    let bytes = |n: u32, seed: u32| -> Vec<u8> {
        (0..n).map(|i| (i.wrapping_mul(seed) >> 3) as u8).collect()
    };
    [
        Rom::new(&bytes(300, 0x9e37)),
        Rom::new(&bytes(77, 0x85eb)),
        Rom::new(&bytes(5000, 0xc2b3)),
    ]
}
