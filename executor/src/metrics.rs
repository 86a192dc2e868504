//! What the executor counts.

use crate::backend::Found;
use alloy::primitives::B256;
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::metrics::prometheus_client::metrics::gauge::Gauge;
use assay_node::status::StatusBoard;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Answers that /status tells of, the newest ones.
const SHOWN: usize = 1_000;

type Rate = Gauge<f64, AtomicU64>;

/// Counters and the latest answers. Clones are the same.
#[derive(Clone)]
pub struct Meters {
    /// Requests answered.
    pub answered: Counter,
    /// Requests declined.
    pub declined: Counter,
    /// Segments signed.
    pub signed: Counter,
    /// Segments that the sequencer posted.
    pub posted: Counter,
    /// Segments that it will not post.
    pub refused: Counter,
    /// Requests claimed without the sequencer.
    pub direct: Counter,
    tokens: Counter,
    drafted: Counter,
    accepted: Counter,
    corrected: Counter,
    failed_drafts: Counter,
    restarts: Counter,
    verified: Counter,
    tokens_per_second: Rate,
    drafted_per_second: Rate,
    verified_per_second: Rate,
    acceptance: Rate,
    status: StatusBoard,
    latest: Arc<Mutex<VecDeque<(String, Answer)>>>,
}

/// One answer as /status shows it.
#[derive(Clone, Debug, Serialize)]
struct Answer {
    model: B256,
    backend: &'static str,
    output_kind: u8,
    output_bytes: usize,
    tokens: u32,
    drafted: u32,
    accepted: u32,
    corrected: u32,
    verified: u32,
    acceptance: Option<f64>,
    drafted_per_second: Option<f64>,
    verified_per_second: Option<f64>,
    draft_seconds: f64,
    verify_seconds: f64,
    seconds: f64,
}

impl Meters {
    /// Registers everything.
    pub fn new(metrics: &Metrics, status: StatusBoard) -> Meters {
        let rate = |name: &str, help: &str| {
            let rate = Rate::default();
            metrics.with(|registry| registry.register(name, help, rate.clone()));
            rate
        };
        Meters {
            answered: metrics.counter("requests_answered", "Requests answered"),
            declined: metrics.counter("requests_declined", "Requests declined"),
            signed: metrics.counter("segments_signed", "Segments signed"),
            posted: metrics.counter("segments_posted", "Segments posted by the sequencer"),
            refused: metrics.counter(
                "segments_refused",
                "Segments that the sequencer will not post",
            ),
            direct: metrics.counter("direct_claims", "Requests claimed without the sequencer"),
            tokens: metrics.counter("tokens", "Tokens in answers"),
            drafted: metrics.counter("tokens_drafted", "Tokens drafted"),
            accepted: metrics.counter("tokens_accepted", "Drafted tokens that were right"),
            corrected: metrics.counter("tokens_corrected", "Drafted tokens that were replaced"),
            failed_drafts: metrics.counter(
                "failed_drafts",
                "Drafts given up; the answer was found without",
            ),
            restarts: metrics.counter(
                "llama_restarts",
                "Times that llama.cpp's process was replaced",
            ),
            verified: metrics.counter(
                "tokens_verified",
                "Tokens of prompts and answers fed to the program's rules beside drafts",
            ),
            tokens_per_second: rate(
                "tokens_per_second",
                "Tokens per second of the latest answer",
            ),
            drafted_per_second: rate(
                "drafted_tokens_per_second",
                "Tokens drafted in a second of drafting, latest answer with drafts",
            ),
            verified_per_second: rate(
                "verified_tokens_per_second",
                "Tokens checked in a second of checking, latest answer with drafts",
            ),
            acceptance: rate(
                "draft_acceptance",
                "Share of the drafted tokens that were right, latest answer with drafts",
            ),
            status,
            latest: Arc::default(),
        }
    }

    /// Books an answer to request `id`, found in `time`.
    pub fn book(
        &self,
        id: B256,
        model: B256,
        backend: &'static str,
        found: &Found,
        time: Duration,
    ) {
        let stats = &found.stats;
        self.answered.inc();
        self.tokens.inc_by(stats.tokens.into());
        self.drafted.inc_by(stats.drafted.into());
        self.accepted.inc_by(stats.accepted.into());
        self.corrected.inc_by(stats.corrected.into());
        self.verified.inc_by(stats.verified.into());
        self.failed_drafts.inc_by(stats.failed_drafts.into());
        let seconds = time.as_secs_f64();
        self.tokens_per_second
            .set(f64::from(stats.tokens) / seconds.max(1e-9));
        for (gauge, value) in [
            (&self.drafted_per_second, stats.drafted_per_second()),
            (&self.verified_per_second, stats.verified_per_second()),
            (&self.acceptance, stats.acceptance()),
        ] {
            if let Some(value) = value {
                gauge.set(value);
            }
        }
        let answer = Answer {
            model,
            backend,
            output_kind: found.output.first().copied().unwrap_or_default(),
            output_bytes: found.output.len(),
            tokens: stats.tokens,
            drafted: stats.drafted,
            accepted: stats.accepted,
            corrected: stats.corrected,
            verified: stats.verified,
            acceptance: stats.acceptance(),
            drafted_per_second: stats.drafted_per_second(),
            verified_per_second: stats.verified_per_second(),
            draft_seconds: stats.draft_time.as_secs_f64(),
            verify_seconds: stats.verify_time.as_secs_f64(),
            seconds,
        };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == SHOWN {
            latest.pop_front();
        }
        latest.push_back((id.to_string(), answer));
        let map: serde_json::Map<_, _> = latest
            .iter()
            .map(|(id, answer)| (id.clone(), serde_json::to_value(answer).unwrap_or_default()))
            .collect();
        self.status.set("answers", map);
    }

    /// llama.cpp's process was replaced this many times in all.
    pub fn restarted(&self, times: u64) {
        self.restarts.inc_by(times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Stats;

    #[test]
    fn an_answer_with_drafts_shows_their_speed_and_how_many_were_right() {
        let (metrics, status) = (Metrics::new("executor"), StatusBoard::default());
        let meters = Meters::new(&metrics, status.clone());
        let stats = Stats {
            tokens: 30,
            drafted: 32,
            accepted: 24,
            corrected: 4,
            verified: 50,
            failed_drafts: 0,
            draft_time: Duration::from_secs(4),
            verify_time: Duration::from_secs(2),
        };
        let book = |id: u8, backend, stats| {
            let output = Vec::new();
            let found = Found { output, stats };
            let id = B256::repeat_byte(id);
            meters.book(id, B256::ZERO, backend, &found, Duration::from_secs(10));
            status.snapshot()["answers"][id.to_string()].clone()
        };
        let shown = book(1, "llama", stats);
        let expected = serde_json::json!({
            "acceptance": 0.75, "drafted_per_second": 8.0, "verified_per_second": 25.0,
            "verified": 50, "drafted": 32, "accepted": 24, "corrected": 4,
        });
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(shown[key], *value, "{key}");
        }
        let alone = Stats {
            tokens: 30,
            verify_time: Duration::from_secs(2),
            ..Stats::default()
        };
        let shown = book(2, "exact", alone);
        for key in ["acceptance", "drafted_per_second", "verified_per_second"] {
            assert!(shown[key].is_null(), "{key} of an answer without drafts");
        }
        let text = metrics.render();
        for line in [
            "tokens_per_second 3.0",
            "drafted_tokens_per_second 8.0",
            "verified_tokens_per_second 25.0",
            "draft_acceptance 0.75",
            "tokens_verified_total 50",
            "tokens_corrected_total 4",
        ] {
            assert!(
                text.contains(&format!("assay_executor_{line}\n")),
                "{line}: {text}"
            );
        }
    }
}
