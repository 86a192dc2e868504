//! The program's rules alone: what every other backend is measured against.

use super::{Backend, Found, Stats};
use assay_inference::native::Engine;
use assay_types::output::{ErrorCode, Output};
use std::time::Instant;

/// Generates with the program's own arithmetic.
pub struct Exact {
    engine: Engine,
}

impl Exact {
    /// Answers with `engine`.
    pub fn new(engine: Engine) -> Exact {
        Exact { engine }
    }
}

impl Backend for Exact {
    fn answer(&mut self, request: &[u8]) -> Found {
        let started = Instant::now();
        let output = self.engine.answer_exact(request);
        let stats = Stats {
            tokens: tokens(&output),
            verify_time: started.elapsed(),
            ..Stats::default()
        };
        Found {
            output: output.encode(),
            stats,
        }
    }

    fn name(&self) -> &'static str {
        "exact"
    }
}

/// Answers for a model that the program refuses: every request is due `bad_model`.
pub struct BadModel;

impl Backend for BadModel {
    fn answer(&mut self, _: &[u8]) -> Found {
        let output = Output::Error {
            code: ErrorCode::BadModel,
            ids: Vec::new(),
        };
        Found {
            output: output.encode(),
            stats: Stats::default(),
        }
    }

    fn name(&self) -> &'static str {
        "bad_model"
    }
}

pub(super) fn tokens(output: &Output) -> u32 {
    let (Output::Answer { ids, .. } | Output::Error { ids, .. }) = output;
    ids.len() as u32 // at most MAX_TOKENS
}
