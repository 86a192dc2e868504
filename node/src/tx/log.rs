//! What was sent and is not mined, on the disk before a node has it: a service that was killed goes on looking after it.
//!
//! Without it a transaction that offers too little would wait for ever after a kill, and everything behind it: nobody else
//! knows its nonce's blobs, and nodes want the same kind in its place.

use super::Call;
use super::book::Sent;
use super::policy::Fees;
use crate::blob::{BLOB_BYTES, Blob, BlobError};
use crate::journal::{Journal, JournalError};
use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Bytes after which the file is rewritten although something in it waits.
const MOST_BYTES: u64 = 32 << 20;
/// What logs call what an earlier run sent.
const LABEL: &str = "call of an earlier run";

/// One line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    /// A call gets this nonce.
    Sent(Line),
    /// It is about to be sent again for more.
    Again {
        nonce: u64,
        fees: Fees,
        hash: B256,
        at: u64,
    },
    /// A node took that.
    Took { nonce: u64, fees: Fees, hash: B256 },
    /// The nonce is free again, or another's.
    Struck { nonce: u64 },
}

/// A call, as it was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    nonce: u64,
    to: Option<Address>,
    data: Bytes,
    value: U256,
    /// Without the zeros at their ends.
    blobs: Vec<Bytes>,
    gas: u64,
    fees: Fees,
    hashes: Vec<B256>,
    /// Unix seconds of the last transaction.
    at: u64,
}

/// The journal.
#[derive(Debug)]
pub struct Log {
    journal: Journal<Record>,
}

impl Log {
    /// Opens or creates the file; returns what may still wait, by nonce.
    pub fn open(path: &Path) -> Result<(Log, BTreeMap<u64, Sent>), JournalError> {
        let (journal, records) = Journal::open(path)?;
        let mut kept: BTreeMap<u64, Sent> = BTreeMap::new();
        for record in records {
            match record {
                Record::Sent(line) => {
                    let nonce = line.nonce;
                    match line.sent() {
                        Ok(sent) => drop(kept.insert(nonce, sent)),
                        Err(error) => {
                            tracing::error!(nonce, %error, "was sent with what is no blob");
                        }
                    }
                }
                // INVARIANT: only what a node took is the base of the next offer; one that was refused would be doubled.
                Record::Again {
                    nonce, hash, at, ..
                } => {
                    if let Some(sent) = kept.get_mut(&nonce) {
                        sent.doubt(hash);
                        sent.at = instant(at);
                    }
                }
                Record::Took { nonce, fees, hash } => {
                    if let Some(sent) = kept.get_mut(&nonce) {
                        sent.took(fees, hash);
                    }
                }
                Record::Struck { nonce } => drop(kept.remove(&nonce)),
            }
        }
        Ok((Log { journal }, kept))
    }

    /// A transaction of `sent` is about to be sent with `nonce`.
    pub fn sent(&mut self, nonce: u64, sent: &Sent) -> Result<(), JournalError> {
        self.journal.append(&Record::Sent(Line::of(nonce, sent)))
    }

    /// It is about to be sent again as `hash`, for more.
    pub fn again(&mut self, nonce: u64, fees: Fees, hash: B256) -> Result<(), JournalError> {
        let at = now();
        self.journal.append(&Record::Again {
            nonce,
            fees,
            hash,
            at,
        })
    }

    /// A node took `hash`.
    pub fn took(&mut self, nonce: u64, fees: Fees, hash: B256) -> Result<(), JournalError> {
        self.journal.append(&Record::Took { nonce, fees, hash })
    }

    /// No node took it, or the chain took another's.
    pub fn struck(&mut self, nonce: u64) -> Result<(), JournalError> {
        self.journal.append(&Record::Struck { nonce })
    }

    /// Of what was written, `waiting` is left: the rest need not be kept.
    pub fn trim<'a>(
        &mut self,
        waiting: impl Iterator<Item = (&'a u64, &'a Sent)>,
    ) -> Result<(), JournalError> {
        let mut waiting = waiting.peekable();
        let over = waiting.peek().is_none() && !self.journal.is_empty();
        if !over && self.journal.bytes() <= MOST_BYTES {
            return Ok(());
        }
        let left: Vec<Record> = waiting
            .map(|(nonce, sent)| Record::Sent(Line::of(*nonce, sent)))
            .collect();
        self.journal.rewrite(&left)
    }
}

impl Line {
    fn of(nonce: u64, sent: &Sent) -> Line {
        let Sent { call, .. } = sent;
        let short = |blob: &Arc<Blob>| {
            let length = blob
                .bytes()
                .iter()
                .rposition(|b| *b != 0)
                .map_or(0, |i| i + 1);
            Bytes::copy_from_slice(&blob.bytes()[..length])
        };
        Line {
            nonce,
            to: call.to,
            data: call.data.clone(),
            value: call.value,
            blobs: call.blobs.iter().map(short).collect(),
            gas: sent.gas,
            fees: sent.fees,
            hashes: sent.hashes.clone(),
            at: now().saturating_sub(sent.at.elapsed().as_secs()),
        }
    }

    fn sent(self) -> Result<Sent, BlobError> {
        let whole = |short: &Bytes| {
            let mut bytes = short.to_vec();
            bytes.resize(BLOB_BYTES.max(bytes.len()), 0);
            Blob::from_bytes(bytes).map(Arc::new)
        };
        let blobs = self.blobs.iter().map(whole).collect::<Result<_, _>>()?;
        Ok(Sent {
            call: Call {
                label: LABEL,
                to: self.to,
                data: self.data,
                value: self.value,
                gas: Some(self.gas),
                blobs,
            },
            gas: self.gas,
            fees: self.fees,
            hashes: self.hashes,
            at: instant(self.at),
            settled: false,
            capped: false,
        })
    }
}

/// When the Unix clock was at `at`.
fn instant(at: u64) -> Instant {
    let (age, present) = (now().saturating_sub(at), Instant::now());
    // A clock that began later than that is not a reason to wait.
    present
        .checked_sub(Duration::from_secs(age))
        .unwrap_or(present)
}

/// Unix seconds.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(n: u8) -> Sent {
        let blob = Blob::of_words([[n; 32], [0; 32], [n; 32]]).expect("a blob");
        let call = Call::new("test", Address::repeat_byte(n), vec![n; 9]);
        Sent {
            call: call.blob(Arc::new(blob)).value(U256::from(n)),
            gas: 5,
            fees: Fees {
                max: 2,
                tip: 1,
                blob: 3,
            },
            hashes: vec![B256::repeat_byte(n)],
            at: Instant::now(),
            settled: false,
            capped: false,
        }
    }

    #[test]
    fn what_was_sent_is_there_after_a_kill_whole_and_as_it_was_last_sent() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("sent.journal");
        let (mut log, none) = Log::open(&path).expect("opens");
        assert!(none.is_empty());
        for n in [1, 2, 3] {
            log.sent(n, &sent(n as u8)).expect("written");
        }
        let more = sent(2).fees.bumped(&Default::default()).expect("room");
        let hash = B256::repeat_byte(9);
        log.again(2, more, hash).expect("written");
        log.took(2, more, hash).expect("written");
        log.struck(3).expect("written");
        drop(log);
        let (mut log, kept) = Log::open(&path).expect("opens again");
        assert_eq!(kept.keys().copied().collect::<Vec<_>>(), [1, 2]);
        let (first, second) = (&kept[&1], &kept[&2]);
        assert_eq!(first.call.blobs, sent(1).call.blobs);
        assert_eq!(
            (&first.call.data, first.call.value),
            (&sent(1).call.data, U256::from(1))
        );
        assert_eq!((second.fees, second.last()), (more, B256::repeat_byte(9)));
        assert_eq!(second.hashes.len(), 2);

        log.trim(kept.iter()).expect("nothing to do");
        log.trim(std::iter::empty()).expect("rewritten");
        assert!(Log::open(&path).expect("opens").1.is_empty());
    }

    #[test]
    fn bump_that_was_refused_is_looked_for_once_and_not_the_base_of_the_next() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("sent.journal");
        let (mut log, _) = Log::open(&path).expect("opens");
        log.sent(1, &sent(1)).expect("written");
        let more = sent(1).fees.bumped(&Default::default()).expect("room");
        let hash = B256::repeat_byte(9);
        for _ in 0..3 {
            log.again(1, more, hash).expect("written");
        }
        drop(log);
        let (mut log, kept) = Log::open(&path).expect("opens again");
        assert_eq!(
            (kept[&1].fees, kept[&1].last()),
            (sent(1).fees, sent(1).last())
        );
        assert_eq!(kept[&1].hashes, [hash, sent(1).last()]);
        // It is taken the fourth time.
        log.again(1, more, hash).expect("written");
        log.took(1, more, hash).expect("written");
        drop(log);
        let (_, kept) = Log::open(&path).expect("opens again");
        assert_eq!(kept[&1].fees, more);
        assert_eq!(kept[&1].hashes, [sent(1).last(), hash]);
    }
}
