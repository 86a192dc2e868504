//! The executor, part by part.
//!
//! One binary, because linking alloy and llama.cpp costs more than most of the tests.

mod assignment;
mod backends;
mod blobs;
mod cheat;
mod link;
mod llama_child;
#[path = "../../../node/tests/support/registered.rs"]
mod registered;
