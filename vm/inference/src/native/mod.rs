//! The native side: the program run on plain buffers, and an engine that answers and checks with all cores.

mod answer;
mod attend;
mod bulk;
mod engine;
mod float;
mod host;
mod inspect;
mod kernels;
mod machine;
mod pool;
mod sampling;
mod session;
mod vectors;

pub use answer::Answer;
pub use engine::{CheckError, Engine, LoadError, Prepared, Verdict};
pub use host::{Bytes, NativeHost, bytes, map_file};
pub use inspect::{ModelInfo, Unsupported, inspect};
pub use kernels::Level;
pub use machine::NativeMachine;
pub use session::{Feed, Pick, Session, feed_many};
