//! llama.cpp in a child process, the default drafter.

pub mod batching;
pub mod child;
pub mod protocol;
pub mod worker;

use super::draft::{DraftError, Drafter};
use child::LlamaChild;

impl Drafter for LlamaChild {
    fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, DraftError> {
        LlamaChild::draft(self, sequence, n).map_err(|e| DraftError(e.to_string()))
    }

    fn name(&self) -> &'static str {
        "llama"
    }

    fn restarts(&self) -> u64 {
        self.restarts
    }
}
