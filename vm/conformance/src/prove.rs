//! Macro steps step by step: interpreted, recorded, replayed from the witness, and asked of the contract.

use assay_machine::access::replay::FixedRoots;
use assay_machine::machine::Machine;
use assay_machine::step::{record, replay};
use assay_prover::prover::{Prover, StepContext, context};
use assay_types::StateRoot;
use assay_types::params::MAX_WITNESS_BYTES;
use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    static PROVER: RefCell<Prover> = RefCell::new(Prover::new());
}

/// A macro step of more steps is proven in samples.
pub const WHOLE: u64 = 100_000;
/// Of such a macro step: the first and the last so many steps, and one in so many between.
const ENDS: u64 = 1_000;
const ONE_IN: u64 = 997;

/// Where the time of proving goes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// The interpreter, with the state's root.
    pub interpret: Duration,
    /// Recording, with the state's root.
    pub record: Duration,
    /// Replaying.
    pub replay: Duration,
    /// The contract.
    pub contract: Duration,
}

/// A program's run, step by step.
pub struct Proof {
    ctx: StepContext,
    fixed: FixedRoots,
    /// The interpreter.
    direct: Machine,
    /// Its twin, whose steps are recorded.
    recorded: Machine,
}

impl Proof {
    /// Starts from `machine`.
    pub fn new(machine: &Machine) -> Proof {
        let (ctx, fixed) = context(&machine.image, &machine.roms);
        Proof {
            ctx,
            fixed,
            direct: machine.clone(),
            recorded: machine.clone(),
        }
    }

    /// Goes on from `machine`, a state of the same program.
    pub fn set(&mut self, machine: &Machine) {
        self.direct = machine.clone();
        self.recorded = machine.clone();
    }

    /// Root of the present state.
    pub fn root(&mut self) -> StateRoot {
        self.recorded.root()
    }

    /// Whether it trapped with the same memory, globals and table as `machine`.
    pub fn trapped_as(&self, machine: &Machine) -> bool {
        [&self.direct, &self.recorded].iter().all(|m| {
            m.cpu.status == machine.cpu.status
                && m.memory == machine.memory
                && m.globals == machine.globals
                && m.table == machine.table
        })
    }

    /// Does `steps` steps from trace index `start`; returns how many were proven.
    pub fn macro_step(&mut self, start: u64, steps: u64, times: &mut Times) -> Result<u64, String> {
        let mut proven = 0;
        let mut before = self.root();
        let mut known = true;
        for n in 0..steps {
            let index = start + n;
            if !is_proven(n, steps) {
                self.direct.run(index, 1);
                self.recorded.run(index, 1);
                known = false;
                continue;
            }
            if !known {
                before = self.root();
                known = true;
            }
            let (pc, fp) = (self.direct.cpu.pc, self.direct.cpu.fp);
            before = self
                .step(index, before, times)
                .map_err(|e| format!("step {index:#x} at pc {pc:#x}, fp {fp:#x}: {e}"))?;
            proven += 1;
        }
        Ok(proven)
    }

    /// The step at `index` of a state whose root is `before`; returns the root after it.
    fn step(
        &mut self,
        index: u64,
        before: StateRoot,
        times: &mut Times,
    ) -> Result<StateRoot, String> {
        let start = Instant::now();
        self.direct.run(index, 1);
        let after = self.direct.root();
        let interpreted = Instant::now();
        let limits = self.recorded.image.limits;
        let witness = record(&mut self.recorded, index);
        if self.recorded.root() != after {
            return Err("the recorder differs from the interpreter".to_owned());
        }
        let recorded = Instant::now();
        if witness.len() > MAX_WITNESS_BYTES {
            return Err(format!("the witness has {} bytes", witness.len()));
        }
        let got = replay(&limits, &self.fixed, index, &witness);
        if got != Ok((before, after)) {
            return Err(format!("the replay differs: {got:?}"));
        }
        let replayed = Instant::now();
        let (got, outcome) = PROVER.with_borrow_mut(|p| p.step(&self.ctx, index, &witness));
        if got != Some((before, after)) {
            let failure = outcome.result.err();
            return Err(format!("the contract differs: {got:?}, {failure:?}"));
        }
        times.interpret += interpreted - start;
        times.record += recorded - interpreted;
        times.replay += replayed - recorded;
        times.contract += replayed.elapsed();
        Ok(after)
    }
}

/// Whether step `n` of a macro step of `steps` is proven.
fn is_proven(n: u64, steps: u64) -> bool {
    // Sampled by a multiplicative hash, so that no loop's period hides a part of its body.
    let sampled = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    steps <= WHOLE || n < ENDS || steps - n <= ENDS || sampled.is_multiple_of(ONE_IN)
}
