//! The compiled engine: the same module in wasmtime, with roots at yields. The interpreter's independent judge.

mod engine;
mod exports;
mod growth;
mod instrument;
mod marks;
mod rewrite;
mod runner;
mod stores;
mod unroll;

pub use engine::{Compiled, CompiledEngine, NoResult, config};
