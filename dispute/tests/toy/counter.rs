//! A machine that counts until it halts.

use super::World;
use assay_types::state::halted_root;
use assay_types::{StateRoot, keccak256};

const HALTED_0: u64 = 1_000_000;
const HALTED_1: u64 = 1_000_001;

/// Counts up from 0, or from anywhere a liar put it, and halts when the count is a multiple of `period`.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Counts to the first multiple of this.
    pub period: u64,
    /// Whether it then accepts the claim.
    pub accepts: bool,
}

impl Counter {
    fn step(&self, state: u64) -> u64 {
        match state {
            HALTED_0 | HALTED_1 => state,
            running if !(running + 1).is_multiple_of(self.period) => running + 1,
            _ if self.accepts => HALTED_0,
            _ => HALTED_1,
        }
    }

    fn at(&self, index: u64) -> u64 {
        (0..index).fold(0, |state, _| self.step(state))
    }
}

fn root(state: u64) -> StateRoot {
    match state {
        HALTED_0 => halted_root(0),
        HALTED_1 => halted_root(1),
        running => StateRoot(keccak256(&[b"count", &running.to_le_bytes()])),
    }
}

impl World for Counter {
    fn truth(&self, index: u64) -> StateRoot {
        root(self.at(index))
    }

    fn witness(&self, index: u64) -> Vec<u8> {
        self.at(index).to_le_bytes().to_vec()
    }

    fn false_witnesses(&self, index: u64) -> Vec<Vec<u8>> {
        [self.at(index) + 1, HALTED_0, HALTED_1]
            .map(|state| state.to_le_bytes().to_vec())
            .into()
    }

    fn run(&self, _: u64, witness: &[u8]) -> Option<(StateRoot, StateRoot)> {
        let state = u64::from_le_bytes(witness.try_into().ok()?);
        Some((root(state), root(self.step(state))))
    }
}
