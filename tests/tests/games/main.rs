//! Whole games on the committed bytecode in revm: every small game, and liars in real programs' runs.
//!
//! One binary, because linking alloy and revm costs more than most of the tests.

mod blob_claims;
mod examples;
#[allow(
    dead_code,
    reason = "shared with games_chain.rs, which uses other parts"
)]
#[path = "../games_support/mod.rs"]
mod games_support;
mod guest;
mod program;
#[allow(
    dead_code,
    reason = "shared with the run without a contract, which uses other parts"
)]
#[path = "../../../dispute/tests/toy/mod.rs"]
mod toy;
mod toy_games;
