//! What the tests between crates share. Each test is a file under `tests/`.

pub mod artifacts;
pub mod evm;
pub mod floats;
pub mod handmade;
pub mod lockstep;
pub mod prover;
