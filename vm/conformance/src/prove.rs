//! One step by its witness: recorded, replayed, and asked of the contract.

use assay_machine::access::replay::FixedRoots;
use assay_machine::image::Image;
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::step::{record, replay};
use assay_prover::prover::{Prover, StepContext, context};
use assay_types::params::MAX_WITNESS_BYTES;
use assay_types::StateRoot;
use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    static PROVER: RefCell<Prover> = RefCell::new(Prover::new());
}

/// What the contract is told of a program besides its steps, as it and as the replay take it.
pub struct Fixed {
    ctx: StepContext,
    roots: FixedRoots,
}

impl Fixed {
    /// Of a program.
    pub fn new(image: &Image, roms: &[Rom; 3]) -> Fixed {
        let (ctx, roots) = context(image, roms);
        Fixed { ctx, roots }
    }
}

/// Where the time of proving goes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// Recording, with the state's roots.
    pub record: Duration,
    /// Replaying.
    pub replay: Duration,
    /// The contract.
    pub contract: Duration,
}

/// Executes the step at `index` of `machine`, whose root is `before`, and has its witness judged by the replay and by
/// the contract; returns the root after it.
pub fn prove(
    fixed: &Fixed,
    machine: &mut Machine,
    index: u64,
    before: StateRoot,
    times: &mut Times,
) -> Result<StateRoot, String> {
    let start = Instant::now();
    let limits = machine.image.limits;
    let witness = record(machine, index);
    let after = machine.root();
    let recorded = Instant::now();
    if witness.len() > MAX_WITNESS_BYTES {
        return Err(format!("the witness has {} bytes", witness.len()));
    }
    let replayed = replay(&limits, &fixed.roots, index, &witness);
    if replayed != Ok((before, after)) {
        return Err(format!("the replay says {replayed:?}"));
    }
    let at = Instant::now();
    let (roots, outcome) = PROVER.with_borrow_mut(|p| p.step(&fixed.ctx, index, &witness));
    if roots != Some((before, after)) {
        let result = outcome.result.map_err(|e| format!("{e:?}"));
        return Err(format!("the contract says {roots:?}, {:?}", result.err()));
    }
    times.record += recorded - start;
    times.replay += at - recorded;
    times.contract += at.elapsed();
    Ok(after)
}
