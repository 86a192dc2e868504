//! A deterministic WASM machine whose every step a contract can check: lowering, interpreter, witnesses, traces.

pub mod access;
#[cfg(feature = "wasmtime")]
pub mod compiled;
mod dirty;
mod fast;
pub mod image;
pub mod isa;
pub mod lower;
pub mod machine;
pub mod rom;
pub mod stack;
pub mod step;
pub mod trace;
pub mod tree;
