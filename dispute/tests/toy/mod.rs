//! A toy machine that counts, an oracle for its games, and the enumeration of every game against a liar.
//!
//! Shared with `tests/tests/games_toy.rs`, where a [`Board`] plays the same games on the real contract.

pub mod enumerate;
pub mod oracle;

use assay_dispute::trace::Trace;
use assay_types::{StateRoot, keccak256};
use std::convert::Infallible;

/// State of the toy machine after it accepted the claim.
pub const HALTED_0: u64 = 1_000_000;
/// State of the toy machine after it refused the claim.
pub const HALTED_1: u64 = 1_000_001;

/// The toy machine: counts up from 0, or from anywhere a liar put it, and halts when the count is a multiple of `period`.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Counts to the first multiple of this.
    pub period: u64,
    /// State in which it then stays.
    pub end: u64,
}

impl Machine {
    /// One step; total.
    pub fn step(&self, state: u64) -> u64 {
        match state {
            HALTED_0 | HALTED_1 => state,
            running if (running + 1).is_multiple_of(self.period) => self.end,
            running => running + 1,
        }
    }

    /// State at trace index `index` of the honest run.
    pub fn at(&self, index: u64) -> u64 {
        (0..index).fold(0, |state, _| self.step(state))
    }
}

/// Root of a toy state.
pub fn root(state: u64) -> StateRoot {
    StateRoot(keccak256(&[b"toy", &state.to_le_bytes()]))
}

/// The honest run.
pub struct Toy(pub Machine);

impl Trace for Toy {
    type Error = Infallible;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Infallible> {
        Ok(indices.iter().map(|i| root(self.0.at(*i))).collect())
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, Infallible> {
        Ok(self.0.at(index).to_le_bytes().to_vec())
    }
}
