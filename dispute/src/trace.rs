//! Where a player gets its own view of the computation.

use assay_types::StateRoot;

/// One deterministic run, from its initial state (index 0) on; fixpoints continue for ever.
pub trait Trace {
    /// Why a root could not be had.
    type Error;

    /// State roots at `indices` (ascending), in their order.
    ///
    /// # Errors
    /// The run itself has no error (a trap is a state); only what computes it can fail.
    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Self::Error>;

    /// Witness of the step from `index` to `index + 1` (`docs/encoding.md`, section 6).
    ///
    /// # Errors
    /// As for [`Trace::roots`].
    fn witness(&mut self, index: u64) -> Result<Vec<u8>, Self::Error>;
}
