//! The interpreter, its replay from witnesses, and the compiled engine agree on every state.

mod basics;
mod floats;
mod frames;
mod harness;
mod loops;
mod random;
mod tables;
mod vectors;
