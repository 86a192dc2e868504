//! Small computations, an oracle for games about them, and the enumeration of every game against a liar.
//!
//! Shared with `tests/tests/games/toy_games.rs`, where a [`enumerate::Board`] plays the same games on the real contract.

pub mod counter;
pub mod enumerate;
pub mod oracle;

use assay_dispute::trace::Trace;
use assay_types::StateRoot;
use assay_types::game::low_248;
use std::convert::Infallible;

/// A computation whose every state is known.
pub trait World {
    /// State root at trace index `index` of the honest run.
    fn truth(&self, index: u64) -> StateRoot;

    /// Witness of the step at `index` of the honest run.
    fn witness(&self, index: u64) -> Vec<u8>;

    /// What else a liar may show at `index`.
    fn false_witnesses(&self, index: u64) -> Vec<Vec<u8>>;

    /// Roots before and after the step at `index` that `witness` shows; `None` if it shows nothing.
    fn run(&self, index: u64, witness: &[u8]) -> Option<(StateRoot, StateRoot)>;
}

/// A world whose roots are their low 248 bits, as blobs have them.
pub struct Low<W>(pub W);

impl<W: World> World for Low<W> {
    fn truth(&self, index: u64) -> StateRoot {
        low_248(self.0.truth(index))
    }

    fn witness(&self, index: u64) -> Vec<u8> {
        self.0.witness(index)
    }

    fn false_witnesses(&self, index: u64) -> Vec<Vec<u8>> {
        self.0.false_witnesses(index)
    }

    fn run(&self, index: u64, witness: &[u8]) -> Option<(StateRoot, StateRoot)> {
        let (before, after) = self.0.run(index, witness)?;
        Some((low_248(before), low_248(after)))
    }
}

/// The honest run of a world.
pub struct Honest<'w, W>(pub &'w W);

impl<W: World> Trace for Honest<'_, W> {
    type Error = Infallible;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Infallible> {
        Ok(indices.iter().map(|i| self.0.truth(*i)).collect())
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, Infallible> {
        Ok(self.0.witness(index))
    }
}
