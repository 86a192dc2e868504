//! Where claims are judged: whatever can re-run the program on a claim's inputs.

use crate::inputs::Inputs;
use crate::trace::Trace;
use assay_types::{ModelId, StateRoot};
use std::time::Instant;

/// What re-running says about a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The program accepts the output.
    Right,
    /// The program refuses it, for this reason.
    Wrong(String),
}

/// Why there is no verdict or trace. Never that the program trapped.
#[derive(Debug, thiserror::Error)]
pub enum CourtError {
    /// The model's bytes are not here.
    #[error("model {} is not served here: pass its file with --model", .0.0)]
    UnknownModel(ModelId),
    /// The run was cut off.
    #[error("no verdict in time")]
    OutOfTime,
    /// What runs the program failed for a reason of its own.
    #[error("the run has no result: {0}")]
    NoResult(String),
}

/// A trace that is handed from thread to thread.
pub struct BoxTrace(Box<dyn Trace<Error = CourtError> + Send>);

impl BoxTrace {
    /// Hides the type of `trace` and of its error.
    pub fn new<T>(trace: T) -> BoxTrace
    where
        T: Trace + Send + 'static,
        T::Error: std::fmt::Display,
    {
        BoxTrace(Box::new(Plain(trace)))
    }
}

impl Trace for BoxTrace {
    type Error = CourtError;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, CourtError> {
        self.0.roots(indices)
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, CourtError> {
        self.0.witness(index)
    }
}

struct Plain<T>(T);

impl<T> Trace for Plain<T>
where
    T: Trace,
    T::Error: std::fmt::Display,
{
    type Error = CourtError;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, CourtError> {
        self.0
            .roots(indices)
            .map_err(|e| CourtError::NoResult(e.to_string()))
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, CourtError> {
        self.0
            .witness(index)
            .map_err(|e| CourtError::NoResult(e.to_string()))
    }
}

/// Judges claims. All of it blocks for as long as the program runs.
pub trait Court: Send + Sync + 'static {
    /// Whether the model's bytes are here.
    fn serves(&self, model: ModelId) -> bool;

    /// The fast check.
    ///
    /// # Errors
    /// There is no verdict.
    fn check(&self, inputs: &Inputs) -> Result<Verdict, CourtError>;

    /// The independent check, by the machine itself, given up at `deadline`.
    ///
    /// # Errors
    /// There is no verdict.
    fn confirm(&self, inputs: &Inputs, deadline: Instant) -> Result<Verdict, CourtError>;

    /// The trace to play with.
    ///
    /// # Errors
    /// There is none.
    fn trace(&self, inputs: &Inputs) -> Result<BoxTrace, CourtError>;
}
