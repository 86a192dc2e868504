//! The machine's step in all its implementations: interpreter, recorder, replay, contract; and its engines.
//!
//! One binary, because linking alloy and revm costs more than most of the tests.

mod bulk;
mod code;
mod corpus;
mod edges;
mod floats;
mod floats_soft;
mod fuzz;
mod gas;
mod guest;
mod lockstep;
mod mutations;
mod parity;
mod smith;
mod tables;
mod tokenizer;
mod vectors;
