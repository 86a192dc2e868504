//! The official WebAssembly test suite against the machine: interpreter, wasmtime as the judge, and every step by its
//! witness, replayed and asked of the contract. `docs/conformance.md` says how.

mod execution;
mod judge;
mod merge;
mod module;
mod plan;
mod program;
mod prove;
pub mod report;
pub mod run;
mod script;
mod spectest;
mod store;
pub mod suite;
pub mod value;
