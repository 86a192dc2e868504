//! The inference program under random input: the guest in wasmtime, the native run and the engine's kernels say the same of every
//! file and every request, at every yield. `docs/conformance.md` says how to run it at length.

mod ask;
mod choices;
mod compare;
mod corpus;
mod file;
mod fuzz;
mod model;
mod twist;
