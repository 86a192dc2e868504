//! The traces that players use: the honest one, and those of the dangerous flags.

use crate::court::{BoxTrace, Court, CourtError};
use crate::flipped::{FlippedTrace, MadeUpTrace};
use crate::inputs::Inputs;
use crate::library::Library;
use crate::player::Script;
use assay_machine::trace::{Engine, ProgramTrace};
use assay_node::dangerous::Flip;
use assay_types::keccak256;
use assay_types::params::TRACE_LOG2;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How a player lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// One bit of the state flips there; from there on nothing is true.
    Flip(Flip),
    /// Everything is true but the end.
    End,
    /// Roots are made up; there is nothing behind them.
    MadeUp,
}

/// The traces of a player that lies as `lie` says, or not at all.
pub fn script(library: Arc<Library>, lie: Option<Lie>) -> Script {
    Arc::new(move |inputs, _| match lie {
        None => library.trace(inputs),
        Some(Lie::MadeUp) => Ok(BoxTrace::new(MadeUpTrace::new(
            library.trace(inputs)?,
            clock_seed(),
        ))),
        Some(Lie::End) => {
            let at = executed(&library, inputs, None)?;
            flipped(&library, inputs, at, 0)
        }
        Some(Lie::Flip(Flip::At { yield_index, micro })) => {
            let at = (yield_index << library.macro_log2()) + micro;
            flipped(&library, inputs, at, yield_index ^ micro)
        }
        Some(Lie::Flip(Flip::Random(seed))) => {
            let seed = seed.unwrap_or_else(clock_seed);
            let at = executed(&library, inputs, Some(seed))?;
            flipped(&library, inputs, at, seed)
        }
    })
}

fn flipped(library: &Library, inputs: &Inputs, at: u64, seed: u64) -> Result<BoxTrace, CourtError> {
    tracing::warn!(
        at,
        "DANGEROUS: playing with a trace that is false from this index on"
    );
    fn told<E: Engine + Send + 'static>(truth: E, at: u64, seed: u64) -> BoxTrace
    where
        E::Error: std::fmt::Display,
    {
        let truth = ProgramTrace::new(truth);
        BoxTrace::new(FlippedTrace::new(truth, at, seed, TRACE_LOG2).stubborn())
    }
    Ok(match library.twin(inputs)? {
        Some(twin) => told(twin, at, seed),
        None => told(library.engine(inputs)?, at, seed),
    })
}

/// The index after an executed step of the run on `inputs`: one that `seed` chooses, or the last. Most indices are padding
/// between a yield and the next macro step.
///
/// # Errors
/// The run has no result.
pub fn executed(library: &Library, inputs: &Inputs, seed: Option<u64>) -> Result<u64, CourtError> {
    match library.twin(inputs)? {
        Some(mut twin) => {
            let (end, _) = twin.finish(u64::MAX);
            Ok(executed_of(twin, end, seed).unwrap_or_else(|never| match never {}))
        }
        None => {
            let (end, _) = library.finish(inputs, None)?;
            executed_of(library.engine(inputs)?, end, seed)
                .map_err(|e| CourtError::NoResult(e.to_string()))
        }
    }
}

fn executed_of<E: Engine>(engine: E, end: u64, seed: Option<u64>) -> Result<u64, E::Error> {
    let draw = |salt: u8, below: u64| match seed {
        None => below - 1,
        Some(seed) => {
            let hash = keccak256(&[&seed.to_be_bytes(), &[salt]]);
            hash.0
                .first_chunk()
                .map_or(0, |bytes| u64::from_be_bytes(*bytes))
                % below
        }
    };
    let (b, y) = (engine.b(), draw(0, end.max(1)));
    let mut machine = ProgramTrace::new(engine).machine(y << b)?;
    let before = machine.executed;
    machine.run(y << b, 1 << b);
    let steps = (machine.executed - before).max(1);
    Ok((y << b) + 1 + draw(1, steps))
}

fn clock_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos() as u64)
}
