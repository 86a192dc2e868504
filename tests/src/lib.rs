//! What the tests between crates share. Each test is a file under `tests/`.

pub mod artifacts;
pub mod binaries;
pub mod dearest;
pub mod evm;
pub mod floats;
pub mod handmade;
pub mod lockstep;
pub mod programs;
pub mod prover;
