//! The sequencer, as a library and as the real binary on a real chain.
//!
//! One binary, because linking alloy costs more than most of the tests.

mod blobs;
mod flow;
#[path = "../../../node/tests/support/geth.rs"]
mod geth;
#[path = "../../../node/tests/support/http.rs"]
mod http;
mod journal;
mod market;
mod offers;
mod price;
mod prices;
mod promises;
#[path = "../../../node/tests/support/registered.rs"]
mod registered;
mod seeds;
mod start;
mod support;
mod turns;
