//! What happens on the chain, as one line a thing, and as data for the report.

use crate::accounts::name_of;
use crate::deploy::eth;
use alloy::consensus::Transaction as _;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::{SolEvent, SolEventInterface};
use assay_bindings::BlobDisputeGame::BlobMoved;
use assay_bindings::BlobRollup::BlobRollupEvents as R;
use assay_bindings::DisputeGame::DisputeGameEvents as G;
use assay_bindings::Inbox::InboxEvents as I;
use assay_bindings::ReviewJudge::ReviewJudgeEvents as J;
use assay_bindings::Staking::StakingEvents as S;
use assay_node::deployment::Contracts;
use assay_types::output::Output;
use assay_types::params::{GAME_ARITY, TRACE_LOG2};
use assay_types::request::{Part, Payload};
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::time::Instant;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Transaction.
    pub tx: B256,
    /// Block time, unix seconds.
    pub time: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A question, with its prompt.
    Requested { id: B256, prompt: String },
    /// A segment of a batch.
    Batch {
        segment: u64,
        executor: Address,
        claimed: u16,
    },
    /// An answer with a bond on it.
    Claim {
        id: B256,
        executor: Address,
        output: Vec<u8>,
    },
    /// The same with its bytes in a blob.
    ClaimInBlob {
        id: B256,
        executor: Address,
        blob: B256,
    },
    /// A game opened.
    Opened {
        game: B256,
        id: B256,
        challenger: Address,
    },
    /// A move.
    Moved {
        game: B256,
        mover: Address,
        segment: u64,
        blob: bool,
    },
    /// The one-step proof.
    Proven { game: B256, index: u64 },
    /// A game's end.
    Won {
        game: B256,
        winner: Address,
        loser: Address,
        by_proof: bool,
    },
    /// A claim's bond, split.
    ClaimLost {
        game: B256,
        burned: U256,
        pool: U256,
        to_winner: U256,
    },
    /// A challenger's bond, split.
    Forfeited {
        game: B256,
        burned: U256,
        to_executor: U256,
    },
    /// Stake destroyed.
    Slashed { executor: Address, amount: U256 },
    /// A claim stands.
    Final { id: B256, executor: Address },
    /// A callback was made.
    Delivered { id: B256, mode: u8, success: bool },
    /// The dApp speaks.
    Verdict {
        id: B256,
        word: &'static str,
        text: String,
    },
}

/// Follows the contracts.
pub struct Events {
    provider: DynProvider,
    addresses: Vec<(Address, &'static str)>,
    next: u64,
    started: Instant,
    quiet: bool,
    /// What the lines are printed above.
    bar: ProgressBar,
    /// The transaction of the last line: its gas is told once.
    told: B256,
    gas: BTreeMap<B256, (u64, usize)>,
    moves: BTreeMap<B256, u32>,
    arity_log2: u32,
}

impl Events {
    /// Follows from `block` on; `quiet` prints nothing.
    pub fn new(provider: DynProvider, contracts: &Contracts, block: u64, quiet: bool) -> Events {
        let mut addresses = vec![
            (contracts.inbox, "inbox"),
            (contracts.rollup, "rollup"),
            (contracts.game, "game"),
            (contracts.staking, "staking"),
        ];
        addresses.extend(contracts.review_judge.map(|a| (a, "judge")));
        Events {
            provider,
            addresses,
            next: block,
            started: Instant::now(),
            quiet,
            bar: ProgressBar::hidden(),
            told: B256::ZERO,
            gas: BTreeMap::new(),
            moves: BTreeMap::new(),
            arity_log2: GAME_ARITY.ilog2(),
        }
    }

    /// Games split by `1 << arity_log2`, not by the usual number.
    pub fn arity(self, arity_log2: u8) -> Events {
        Events {
            arity_log2: arity_log2.into(),
            ..self
        }
    }

    /// From now on lines are printed above `bar`.
    pub fn print_above(&mut self, bar: &ProgressBar) {
        self.bar = bar.clone();
    }

    /// Gas used and calldata bytes of a transaction that an event was in.
    pub fn cost(&self, tx: &B256) -> (u64, usize) {
        self.gas.get(tx).copied().unwrap_or_default()
    }

    /// What is new, in order; each is printed.
    pub async fn poll(&mut self) -> anyhow::Result<Vec<Event>> {
        let head = self.provider.get_block_number().await?;
        if head < self.next {
            return Ok(Vec::new());
        }
        let addresses: Vec<Address> = self.addresses.iter().map(|a| a.0).collect();
        let filter = Filter::new()
            .address(addresses)
            .from_block(self.next)
            .to_block(head);
        let logs = self.provider.get_logs(&filter).await?;
        self.next = head + 1;
        let mut out = Vec::new();
        for log in logs {
            let (Some(tx), Some(what)) = (log.transaction_hash, self.decode(&log)) else {
                continue;
            };
            let time = match log.block_timestamp {
                Some(time) => time,
                None => self.time_of(log.block_number.unwrap_or(head)).await?,
            };
            self.price(tx).await?;
            let event = Event { tx, time, what };
            self.print(&event);
            out.push(event);
        }
        Ok(out)
    }

    async fn time_of(&self, block: u64) -> anyhow::Result<u64> {
        let block = self.provider.get_block_by_number(block.into()).await?;
        Ok(block.map_or(0, |b| b.header.timestamp))
    }

    async fn price(&mut self, tx: B256) -> anyhow::Result<()> {
        if self.gas.contains_key(&tx) {
            return Ok(());
        }
        let gas = self
            .provider
            .get_transaction_receipt(tx)
            .await?
            .map_or(0, |r| r.gas_used);
        let bytes = self
            .provider
            .get_transaction_by_hash(tx)
            .await?
            .map_or(0, |t| t.input().len());
        self.gas.insert(tx, (gas, bytes));
        Ok(())
    }

    fn decode(&self, log: &Log) -> Option<What> {
        let (_, kind) = self.addresses.iter().find(|a| a.0 == log.address())?;
        match *kind {
            "inbox" => match I::decode_log(&log.inner).ok()?.data {
                I::Requested(e) => Some(What::Requested {
                    id: e.id,
                    prompt: prompt_of(&e.payload),
                }),
                _ => None,
            },
            "rollup" => match R::decode_log(&log.inner).ok()?.data {
                R::SegmentPosted(e) => Some(What::Batch {
                    segment: e.segmentId,
                    executor: e.executor,
                    claimed: e.claimed,
                }),
                R::ResultClaimed(e) => Some(What::Claim {
                    id: e.requestId,
                    executor: e.executor,
                    output: e.output.to_vec(),
                }),
                R::ResultClaimedInBlob(e) => Some(What::ClaimInBlob {
                    id: e.requestId,
                    executor: e.executor,
                    blob: e.blob,
                }),
                R::ClaimFinalized(e) => Some(What::Final {
                    id: e.requestId,
                    executor: e.executor,
                }),
                R::Delivered(e) => Some(What::Delivered {
                    id: e.requestId,
                    mode: e.mode,
                    success: e.success,
                }),
                _ => None,
            },
            "game" => self.decode_game(log),
            "staking" => match S::decode_log(&log.inner).ok()?.data {
                S::Slashed(e) => Some(What::Slashed {
                    executor: e.executor,
                    amount: e.amount,
                }),
                _ => None,
            },
            _ => match J::decode_log(&log.inner).ok()?.data {
                J::VerdictGiven(e) => Some(What::Verdict {
                    id: e.id,
                    word: "answer",
                    text: e.text,
                }),
                J::VerdictSettled(e) => Some(What::Verdict {
                    id: e.id,
                    word: "settled",
                    text: e.text,
                }),
                J::VerdictOverturned(e) => Some(What::Verdict {
                    id: e.id,
                    word: "overturned",
                    text: e.text,
                }),
                J::VerdictFailed(e) => Some(What::Verdict {
                    id: e.id,
                    word: "error",
                    text: format!("code {}", e.errorCode),
                }),
                _ => None,
            },
        }
    }

    fn decode_game(&self, log: &Log) -> Option<What> {
        if let Ok(moved) = BlobMoved::decode_log(&log.inner) {
            return Some(What::Moved {
                game: moved.gameId,
                mover: moved.mover,
                segment: moved.segment.saturating_to(),
                blob: true,
            });
        }
        Some(match G::decode_log(&log.inner).ok()?.data {
            G::GameOpened(e) => What::Opened {
                game: e.gameId,
                id: e.requestId,
                challenger: e.challenger,
            },
            G::Moved(e) => What::Moved {
                game: e.gameId,
                mover: e.mover,
                segment: e.segment.saturating_to(),
                blob: false,
            },
            G::StepProven(e) => What::Proven {
                game: e.gameId,
                index: e.index.saturating_to(),
            },
            G::GameWon(e) => What::Won {
                game: e.gameId,
                winner: e.winner,
                loser: e.loser,
                by_proof: e.reason == 0,
            },
            G::ClaimLost(e) => What::ClaimLost {
                game: e.gameId,
                burned: e.burned,
                pool: e.pool,
                to_winner: e.toWinner,
            },
            G::BondForfeited(e) => What::Forfeited {
                game: e.gameId,
                burned: e.burned,
                to_executor: e.toExecutor,
            },
            _ => return None,
        })
    }

    fn print(&mut self, event: &Event) {
        let (word, text) = match &event.what {
            What::Requested { id, prompt } => {
                ("request", format!("{} asks {:?}", short(id), prompt))
            }
            What::Batch {
                segment,
                executor,
                claimed,
            } => (
                "batch",
                format!(
                    "segment {segment} of {}: {claimed} claim(s)",
                    name_of(*executor)
                ),
            ),
            What::Claim {
                id,
                executor,
                output,
            } => (
                "claim",
                format!(
                    "{} by {}: {}",
                    short(id),
                    name_of(*executor),
                    describe(output)
                ),
            ),
            What::ClaimInBlob { id, executor, blob } => (
                "claim",
                format!(
                    "{} by {}: in blob {}",
                    short(id),
                    name_of(*executor),
                    short(blob)
                ),
            ),
            What::Opened { id, challenger, .. } => (
                "challenge",
                format!(
                    "{} by {}: 2^50 steps are in dispute",
                    short(id),
                    name_of(*challenger)
                ),
            ),
            What::Moved {
                game,
                mover,
                segment,
                blob,
            } => {
                let n = self.moves.entry(*game).or_default();
                let left = |moves: u32| TRACE_LOG2.saturating_sub(self.arity_log2 * moves);
                let roots = 1u64 << (left(*n) - left(*n + 1));
                *n += 1;
                let left = match left(*n) {
                    0 => "1 step".to_owned(),
                    left => format!("2^{left} steps"),
                };
                let who = name_of(*mover);
                let place = if *blob { " in a blob" } else { "" };
                (
                    "move",
                    format!(
                        "{n:2} by {who}: piece {segment}, {roots} roots{place}, {left} a piece"
                    ),
                )
            }
            What::Proven { index, .. } => (
                "proof",
                format!("the contract executed step {index} and disagrees with its claim"),
            ),
            What::Won {
                winner,
                loser,
                by_proof,
                ..
            } => {
                let how = if *by_proof {
                    "one-step proof"
                } else {
                    "timeout"
                };
                (
                    "verdict",
                    format!(
                        "{} wins against {} by {how}",
                        name_of(*winner),
                        name_of(*loser)
                    ),
                )
            }
            What::ClaimLost {
                burned, to_winner, ..
            } => (
                "rejected",
                format!("{} burned, {} to the winner", eth(*burned), eth(*to_winner)),
            ),
            What::Forfeited {
                burned,
                to_executor,
                ..
            } => (
                "forfeit",
                format!(
                    "{} burned, {} to the executor",
                    eth(*burned),
                    eth(*to_executor)
                ),
            ),
            What::Slashed { executor, amount } => (
                "slash",
                format!("{} loses {}", name_of(*executor), eth(*amount)),
            ),
            What::Final { id, executor } => (
                "final",
                format!("{} stands; {} is paid", short(id), name_of(*executor)),
            ),
            What::Delivered { id, mode, success } => {
                let what = ["result", "finality", "overturn"]
                    .get(usize::from(*mode))
                    .unwrap_or(&"callback");
                (
                    "callback",
                    format!(
                        "{} {what}: {}",
                        short(id),
                        if *success {
                            "done"
                        } else {
                            "the consumer reverted"
                        }
                    ),
                )
            }
            What::Verdict { id, word, text } => (*word, format!("{} {text:?}", short(id))),
        };
        if self.quiet {
            return;
        }
        let gas = if self.told == event.tx {
            String::new()
        } else {
            format!("  [{} gas]", thousands(self.cost(&event.tx).0))
        };
        self.told = event.tx;
        let seconds = self.started.elapsed().as_secs_f64();
        self.bar
            .suspend(|| println!("{seconds:7.1}s  {word:<10} {text}{gas}"));
    }
}

/// First bytes of an id.
pub fn short(id: &B256) -> String {
    format!("{}…", &id.to_string()[..10])
}

/// A number for people: 1,234,567.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An output for people.
pub fn describe(output: &[u8]) -> String {
    match Output::decode(output) {
        Some(Output::Answer { ids, text }) => format!(
            "{:?} ({} tokens)",
            String::from_utf8_lossy(&text),
            ids.len()
        ),
        Some(Output::Error { code, .. }) => format!("error {code:?}"),
        None => "bytes that are no output".to_owned(),
    }
}

/// The text of a payload's parts.
pub fn prompt_of(payload: &[u8]) -> String {
    let Ok(payload) = Payload::decode(payload) else {
        return "(malformed payload)".to_owned();
    };
    let text = |part: &Part| {
        let (Part::User(bytes) | Part::Template(bytes)) = part;
        String::from_utf8_lossy(bytes).into_owned()
    };
    payload.parts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_types::request::Sampling;

    #[test]
    fn numbers_are_grouped_by_threes() {
        let shown = [0, 999, 1000, 123_456, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn prompt_is_read_back_from_its_payload() {
        let payload = Payload {
            max_tokens: 3,
            stops: vec![b"stop".to_vec()],
            parts: vec![
                Part::Template(b"<s>".to_vec()),
                Part::User("Grüße".as_bytes().to_vec()),
            ],
            sampling: Sampling::Drawn {
                temperature: 700,
                top_k: 40,
                min_p: 50,
            },
        };
        assert_eq!(prompt_of(&payload.encode()), "<s>Grüße");
        assert_eq!(prompt_of(&[1, 2, 3]), "(malformed payload)");
    }
}
