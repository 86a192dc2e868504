//! How answers are found: by the program's own rules alone, or by llama.cpp with every token checked by them.
//!
//! Invariant: all backends give the same output bytes; they differ in time.

pub mod auto;
pub mod draft;
pub mod exact;
pub mod joint;
pub mod llama;

use std::time::Duration;

/// Finds the one right output of a request. It blocks for as long as the model runs.
pub trait Backend: Send {
    /// The canonical output of a request ROM's data (`docs/encoding.md`, section 7), and how it was found.
    fn answer(&mut self, request: &[u8]) -> Found;

    /// What logs call it.
    fn name(&self) -> &'static str;

    /// Times that something it relies on had to be started again.
    fn restarts(&self) -> u64 {
        0
    }
}

/// An answer and what it took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The canonical output's bytes.
    pub output: Vec<u8>,
    /// What it took.
    pub stats: Stats,
}

/// What an answer took. Of an answer's ids, `accepted` were drafted right, `corrected` were drafted wrong, and the rest
/// were not drafted at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Ids in the output.
    pub tokens: u32,
    /// Ids that the drafter proposed, also those that came after a wrong one and were never looked at.
    pub drafted: u32,
    /// Proposed ids that are the program's.
    pub accepted: u32,
    /// Proposed ids that were replaced.
    pub corrected: u32,
    /// Ids that the program's rules were fed to check drafts: the prompt, what was drafted, what was picked instead. 0
    /// where nothing is drafted.
    pub verified: u32,
    /// Drafts that failed; the program's rules went on without.
    pub failed_drafts: u32,
    /// Time spent waiting for drafts.
    pub draft_time: Duration,
    /// Time spent on the program's rules.
    pub verify_time: Duration,
}

impl Stats {
    /// Ids drafted in a second of drafting; `None` where none was drafted.
    pub fn drafted_per_second(&self) -> Option<f64> {
        (self.drafted > 0).then(|| per_second(self.drafted, self.draft_time))
    }

    /// Ids checked in a second of the program's rules; `None` where none was checked.
    pub fn verified_per_second(&self) -> Option<f64> {
        (self.verified > 0).then(|| per_second(self.verified, self.verify_time))
    }

    /// Share of the drafted ids that are the program's, 0 to 1; `None` where none was drafted.
    pub fn acceptance(&self) -> Option<f64> {
        (self.drafted > 0).then(|| f64::from(self.accepted) / f64::from(self.drafted))
    }
}

fn per_second(ids: u32, time: Duration) -> f64 {
    f64::from(ids) / time.as_secs_f64().max(1e-9)
}
