//! The native side: the program run on plain buffers, and an engine that answers and checks with all cores.

mod answer;
mod engine;
mod float;
mod host;
mod inspect;
mod machine;
mod sampling;
mod session;
mod threads;

pub use answer::Answer;
pub use engine::{CheckError, Engine, LoadError, Prepared, Verdict};
pub use host::{Bytes, NativeHost, bytes};
pub use inspect::{ModelInfo, Unsupported, inspect};
pub use machine::NativeMachine;
pub use session::{Pick, Session};
