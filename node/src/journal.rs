//! An append-only file for what can't be rebuilt from the chain: signed claims, spent nonces, accepted requests.
//!
//! A record is on the disk when [`Journal::append`] returns, so the caller does its side effect after that. Layout:
//! 8 bytes of magic, then frames `length u32 ‖ sequence u32 ‖ crc32c of these two ‖ crc32c of payload ‖ payload`
//! (little-endian). A crash tears at most the last frame, which was never acknowledged: it is cut off. Anything else that
//! does not check is corruption, and an error.

use crate::crc::crc32c;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ASSAYJ\x01\n";
const HEAD: usize = 16;
const MAX_RECORD: usize = 16 << 20;

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refuses.
    #[error("journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a journal.
    #[error(
        "{path} is not a journal of this version: restore it from a backup; deleting it forgets what this service has \
         signed or accepted"
    )]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// A record does not check, and it isn't the torn end of the last write.
    #[error(
        "journal {path} is corrupted at byte {offset} (record {record}): restore it from a backup; deleting it forgets \
         what this service has signed or accepted"
    )]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: usize,
        /// Which record, from 0.
        record: u32,
    },
    /// A record is whole but not of the expected type.
    #[error("journal {path}: record {record} was written by another version: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Which record, from 0.
        record: u32,
        /// Why.
        reason: String,
    },
    /// A record is too large.
    #[error("a journal record of {0} bytes is over the limit of {MAX_RECORD}")]
    TooLarge(usize),
    /// An earlier write failed; what is on the disk is unknown until the process starts again.
    #[error("journal {path}: an earlier write failed; restart this service")]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
}

/// A journal of records of one type, kept as JSON so that an operator can read it.
#[derive(Debug)]
pub struct Journal<T> {
    file: File,
    path: PathBuf,
    next: u32,
    bytes: u64,
    poisoned: bool,
    kind: PhantomData<fn(T)>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens or creates the file; returns the records that it holds, oldest first.
    pub fn open(path: &Path) -> Result<(Journal<T>, Vec<T>), JournalError> {
        let io = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let (frames, end) = match bytes.len() {
            // A crash while the file was made.
            n if n < MAGIC.len() && MAGIC.starts_with(&bytes) => {
                file.set_len(0).map_err(io)?;
                file.seek(SeekFrom::Start(0)).map_err(io)?;
                file.write_all(MAGIC).map_err(io)?;
                file.sync_all().map_err(io)?;
                sync_parent(path).map_err(io)?;
                (Vec::new(), MAGIC.len())
            }
            _ => scan(&bytes, path)?,
        };
        if end < bytes.len() {
            tracing::warn!(path = %path.display(), bytes = bytes.len() - end, "cut off a record torn by a crash");
            file.set_len(end as u64).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        file.seek(SeekFrom::Start(end as u64)).map_err(io)?;
        let mut records = Vec::with_capacity(frames.len());
        for (record, payload) in (0u32..).zip(&frames) {
            let value = serde_json::from_slice(payload).map_err(|e| JournalError::Unreadable {
                path: path.to_owned(),
                record,
                reason: e.to_string(),
            })?;
            records.push(value);
        }
        let next = records.len() as u32;
        Ok((
            Journal {
                file,
                path: path.to_owned(),
                next,
                bytes: end as u64,
                poisoned: false,
                kind: PhantomData,
            },
            records,
        ))
    }

    /// Writes one record and waits until the disk has it.
    pub fn append(&mut self, record: &T) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned {
                path: self.path.clone(),
            });
        }
        let io = |path: &Path, source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let payload = serde_json::to_vec(record).map_err(|e| io(&self.path, e.into()))?;
        if payload.len() > MAX_RECORD {
            return Err(JournalError::TooLarge(payload.len()));
        }
        let frame = frame(self.next, &payload);
        // After a failed fsync the kernel may drop the dirty pages and report success the next time.
        self.poisoned = true;
        self.file
            .write_all(&frame)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| io(&self.path, e))?;
        self.poisoned = false;
        self.next += 1;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Replaces the file by one that holds `records` alone; a crash leaves the old one or the new one. After an error
    /// nothing more is written: which of the two is there is unknown.
    pub fn rewrite<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<(), JournalError>
    where
        T: 'a,
    {
        let path = self.path.clone();
        if self.poisoned {
            return Err(JournalError::Poisoned { path });
        }
        self.poisoned = true;
        let io = |source| JournalError::Io {
            path: path.clone(),
            source,
        };
        let mut bytes = MAGIC.to_vec();
        for (sequence, record) in (0u32..).zip(records) {
            let payload = serde_json::to_vec(record).map_err(|e| io(e.into()))?;
            bytes.extend_from_slice(&frame(sequence, &payload));
        }
        crate::data_dir::write_durably(&path, &bytes).map_err(io)?;
        *self = Journal::open(&path)?.0;
        Ok(())
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records written so far.
    pub fn len(&self) -> u32 {
        self.next
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }
}

fn frame(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + payload.len());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&crc32c(&[&out]).to_le_bytes());
    out.extend_from_slice(&crc32c(&[payload]).to_le_bytes());
    out.extend_from_slice(payload);
    out
}

/// A frame's head if its checksum holds: length, sequence, checksum of the payload.
fn head(bytes: &[u8]) -> Option<(usize, u32, u32)> {
    let word = |i: usize| {
        Some(u32::from_le_bytes(
            bytes.get(4 * i..4 * i + 4)?.try_into().ok()?,
        ))
    };
    let (length, sequence, own, payload) = (word(0)?, word(1)?, word(2)?, word(3)?);
    (own == crc32c(&[&bytes[..8]])).then_some((length as usize, sequence, payload))
}

/// The payloads of all whole frames and the offset where the last one ends.
fn scan<'a>(bytes: &'a [u8], path: &Path) -> Result<(Vec<&'a [u8]>, usize), JournalError> {
    if !bytes.starts_with(MAGIC) {
        return Err(JournalError::NotAJournal {
            path: path.to_owned(),
        });
    }
    let (mut at, mut out) = (MAGIC.len(), Vec::new());
    while at < bytes.len() {
        let rest = &bytes[at..];
        let record = out.len() as u32;
        let whole = head(rest)
            .filter(|(_, sequence, _)| *sequence == record)
            .and_then(|(length, _, crc)| {
                let payload = rest.get(HEAD..HEAD + length)?;
                (crc32c(&[payload]) == crc).then_some(payload)
            });
        match whole {
            Some(payload) => {
                out.push(payload);
                at += HEAD + payload.len();
            }
            None if is_torn_tail(rest, record) => break,
            None => {
                return Err(JournalError::Corrupted {
                    path: path.to_owned(),
                    offset: at,
                    record,
                });
            }
        }
    }
    Ok((out, at))
}

/// Whether `rest` can be what a crash left of one unacknowledged write: nothing after it is a later frame.
fn is_torn_tail(rest: &[u8], record: u32) -> bool {
    let later = |at: usize| head(&rest[at..]).is_some_and(|(_, sequence, _)| sequence > record);
    match head(rest) {
        Some((length, sequence, _)) if sequence == record => HEAD + length >= rest.len(),
        _ => rest.len() <= HEAD + MAX_RECORD && !(1..rest.len()).any(later),
    }
}

/// Makes a file's existence durable.
pub fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &Path, n: usize) -> Vec<String> {
        let (mut journal, old) = Journal::<String>::open(path).expect("opens");
        assert!(old.is_empty() && journal.is_empty());
        let records: Vec<String> = (0..n)
            .map(|i| format!("record {i} {}", "x".repeat(i)))
            .collect();
        records
            .iter()
            .for_each(|r| journal.append(r).expect("appends"));
        assert_eq!(journal.len() as usize, n);
        records
    }

    #[test]
    fn records_survive_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("j");
        let mut records = filled(&path, 20);
        let (mut journal, read) = Journal::<String>::open(&path).expect("opens again");
        assert_eq!(read, records);
        records.push("more".to_owned());
        journal.append(&records[20]).expect("appends");
        assert_eq!(
            Journal::<String>::open(&path).expect("opens again").1,
            records
        );
    }

    #[test]
    fn torn_tail_is_cut_at_every_length() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("j");
        let records = filled(&path, 4);
        let whole = std::fs::read(&path).expect("read");
        let last = whole.len() - (HEAD + serde_json::to_vec(&records[3]).expect("JSON").len());
        for end in last..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("torn");
            let (mut journal, read) = Journal::<String>::open(&path).expect("opens");
            assert_eq!(read, records[..3], "cut at {end}");
            journal.append(&records[3]).expect("appends");
            drop(journal);
            assert_eq!(std::fs::read(&path).expect("read"), whole, "cut at {end}");
        }
        // The length reached the disk, the bytes did not.
        let mut zeros = whole[..last].to_vec();
        zeros.resize(whole.len(), 0);
        std::fs::write(&path, zeros).expect("torn");
        assert_eq!(
            Journal::<String>::open(&path).expect("opens").1,
            records[..3]
        );
    }

    #[test]
    fn flipped_bit_before_the_last_record_is_corruption_never_a_cut() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("j");
        let records = filled(&path, 4);
        let whole = std::fs::read(&path).expect("read");
        let last = whole.len() - (HEAD + serde_json::to_vec(&records[3]).expect("JSON").len());
        for at in 0..last {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).expect("written");
            match Journal::<String>::open(&path) {
                Err(JournalError::Corrupted { .. } | JournalError::NotAJournal { .. }) => {}
                other => panic!("byte {at}: {other:?}"),
            }
            assert_eq!(std::fs::read(&path).expect("read"), bytes, "left as found");
        }
    }

    #[test]
    fn compaction_keeps_what_is_named_and_takes_more() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("j");
        let records = filled(&path, 5);
        let (mut journal, _) = Journal::<String>::open(&path).expect("opens");
        journal.rewrite(&records[3..]).expect("rewritten");
        let size = || std::fs::metadata(&path).expect("there").len();
        assert_eq!(journal.bytes(), size());
        journal.append(&records[0]).expect("appends");
        assert_eq!(journal.bytes(), size());
        drop(journal);
        let read = Journal::<String>::open(&path).expect("opens").1;
        assert_eq!(
            read,
            [&records[3], &records[4], &records[0]].map(String::clone)
        );
    }

    #[test]
    fn record_of_another_type_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("j");
        filled(&path, 1);
        assert!(matches!(
            Journal::<u64>::open(&path),
            Err(JournalError::Unreadable { record: 0, .. })
        ));
    }
}
