//! The inference program run natively, behind the same trace as the machine.

pub mod engine;
pub mod guest;

pub use engine::TwinEngine;
pub use guest::{GUEST_WASM, guest};
