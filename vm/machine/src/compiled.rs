//! The compiled engine: the same module in wasmtime, with roots at yields. The interpreter's independent judge.

mod growth;
mod instrument;
mod runner;

pub use runner::{Compiled, CompiledEngine, NoResult};
