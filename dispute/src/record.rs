//! What was done in each game, for /status and /metrics. Not needed to play: the chain has it all.

use crate::action::Action;
use crate::game::{Outcome, Side};
use crate::ledger::Play;
use alloy::primitives::B256;
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::status::StatusBoard;
use assay_types::params::{HEADER_BYTES, LEAF_BYTES, LEAF_INSTRUCTIONS};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One mined transaction of a game.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// `move`, `prove`, `timeout` or `settleVoid`.
    pub kind: &'static str,
    /// Its hash.
    pub transaction: B256,
    /// Gas that it used.
    pub gas_used: u64,
    /// Bytes of its calldata.
    pub calldata_bytes: usize,
    /// Seconds until the move was known.
    pub compute_seconds: f64,
    /// Seconds until it was mined.
    pub wall_seconds: f64,
}

/// The step that a game ended in.
#[derive(Clone, Copy, Debug, Serialize)]
struct Proven {
    index: u64,
    opcode: Option<u16>,
    witness_bytes: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Record {
    claim: String,
    side: &'static str,
    sent: Vec<Sent>,
    proven: Option<Proven>,
    outcome: Option<&'static str>,
}

struct Inner {
    records: Mutex<BTreeMap<B256, Record>>,
    status: StatusBoard,
    moves: Counter,
    gas: Counter,
    won: Counter,
    lost: Counter,
    void: Counter,
}

/// Records of all games of a process. Clones are the same records.
#[derive(Clone)]
pub struct GameRecords(Arc<Inner>);

impl GameRecords {
    /// Shows the records at `status` under `games`, and counts at `metrics`.
    pub fn new(status: StatusBoard, metrics: &Metrics) -> GameRecords {
        GameRecords(Arc::new(Inner {
            records: Mutex::default(),
            status,
            moves: metrics.counter("game_transactions", "Transactions mined in games"),
            gas: metrics.counter("game_gas", "Gas used in games"),
            won: metrics.counter("games_won", "Games won"),
            lost: metrics.counter("games_lost", "Games lost"),
            void: metrics.counter(
                "games_void",
                "Games that ended because the claim lost another",
            ),
        }))
    }

    /// A transaction that does `action` was mined.
    pub fn sent(&self, play: &Play, side: Side, sent: Sent, action: &Action) {
        self.0.moves.inc();
        self.0.gas.inc_by(sent.gas_used);
        self.update(play, side, |record| {
            record.sent.push(sent);
            if let Action::Prove { index, witness, .. } = action {
                let (opcode, witness_bytes) = (opcode(witness), witness.len());
                record.proven = Some(Proven {
                    index: *index,
                    opcode,
                    witness_bytes,
                });
            }
        });
    }

    /// The game is over; true the first time.
    pub fn finish(&self, play: &Play, side: Side, outcome: Outcome) -> bool {
        let word = match outcome {
            Outcome::Won(winner) if winner == side => "won",
            Outcome::Won(_) => "lost",
            Outcome::Void => "void",
        };
        let first = self.update(play, side, |record| record.outcome.replace(word).is_none());
        if first {
            match outcome {
                Outcome::Won(winner) if winner == side => self.0.won.inc(),
                Outcome::Won(_) => self.0.lost.inc(),
                Outcome::Void => self.0.void.inc(),
            };
        }
        first
    }

    fn update<R>(&self, play: &Play, side: Side, f: impl FnOnce(&mut Record) -> R) -> R {
        let mut records = self
            .0
            .records
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let record = records.entry(play.id).or_insert_with(|| Record {
            claim: play.claim().to_string(),
            side: match side {
                Side::Challenger => "challenger",
                Side::Executor => "executor",
            },
            sent: Vec::new(),
            proven: None,
            outcome: None,
        });
        let result = f(record);
        self.0
            .status
            .set_entry("games", &play.id.to_string(), &*record);
        result
    }
}

/// The opcode that a witness runs: its first opening is the code leaf at the header's pc.
fn opcode(witness: &[u8]) -> Option<u16> {
    let pc = u32::from_be_bytes(witness.get(5..9)?.try_into().ok()?);
    let leaf = witness.get(HEADER_BYTES..HEADER_BYTES + LEAF_BYTES)?;
    let at = (pc % LEAF_INSTRUCTIONS) as usize * 16;
    Some(u16::from_le_bytes([leaf[at], leaf[at + 1]]) & 0x7fff)
}
