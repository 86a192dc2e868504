//! Where a player gets its own view of the computation.

pub use assay_machine::trace::Trace;
