//! What the tests between crates share. Each test is a file under `tests/`.

pub mod artifacts;
pub mod binaries;
pub mod dearest;
pub mod floats;
pub mod handmade;
pub mod lockstep;
pub mod longest;
pub mod programs;
