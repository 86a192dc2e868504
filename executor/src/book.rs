//! What this executor has signed, on disk before anybody hears of it.
//!
//! Invariants: one segment number never names two segments, and one request never gets two outputs. A crash after the
//! write offers the very same segment again.

use crate::promise::Promised;
use crate::segment::{Answered, SignedSegment};
use alloy::primitives::B256;
use assay_node::journal::{Journal, JournalError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One line of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    /// A segment was signed and may have been sent.
    Signed(SignedSegment),
    /// A segment needs no more offers.
    Closed {
        /// Its number.
        number: u64,
        /// Why.
        why: String,
    },
    /// An answer was claimed without the sequencer, or will be in a moment.
    Direct(Answered),
    /// An answer was promised.
    Promised(Promised),
    /// A claim of this request was lost in a game; it isn't answered again.
    Lost {
        /// The request.
        request_id: B256,
    },
}

/// Why nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The disk.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The signer.
    #[error("cannot sign: {0}")]
    Sign(#[from] alloy::signers::Error),
    /// The request was answered with something else before.
    #[error("request {0} was answered with another output before: two answers can't both be right")]
    SecondAnswer(B256),
    /// The request is in the segment twice.
    #[error("request {0} is answered twice in one segment: one of the two answers is one too many")]
    Twice(B256),
    /// The earlier answer was refuted.
    #[error("request {0} was answered before and that claim was lost in a game")]
    Lost(B256),
}

/// The journal and what it adds up to.
#[derive(Debug)]
pub struct ClaimBook {
    journal: Journal<Record>,
    open: BTreeMap<u64, SignedSegment>,
    answers: BTreeMap<B256, Answered>,
    lost: BTreeSet<B256>,
    promised: BTreeMap<B256, Promised>,
    next: u64,
}

impl ClaimBook {
    /// Opens or creates the journal.
    ///
    /// # Errors
    /// The file can't be read or is damaged.
    pub fn open(path: &Path) -> Result<ClaimBook, JournalError> {
        let (journal, records) = Journal::open(path)?;
        let mut book = ClaimBook {
            journal,
            open: BTreeMap::new(),
            answers: BTreeMap::new(),
            lost: BTreeSet::new(),
            promised: BTreeMap::new(),
            next: 0,
        };
        records.into_iter().for_each(|record| book.apply(record));
        Ok(book)
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Signed(segment) => {
                self.next = self.next.max(segment.number + 1);
                let answers = segment.results.iter().map(|a| (a.request_id, a.clone()));
                self.answers.extend(answers);
                self.open.insert(segment.number, segment);
            }
            Record::Closed { number, .. } => drop(self.open.remove(&number)),
            Record::Direct(answered) => drop(self.answers.insert(answered.request_id, answered)),
            Record::Promised(promised) => {
                self.promised.insert(promised.request_id, promised);
            }
            Record::Lost { request_id } => drop(self.lost.insert(request_id)),
        }
    }

    fn write(&mut self, record: Record) -> Result<(), JournalError> {
        self.journal.append(&record)?;
        self.apply(record);
        Ok(())
    }

    /// The number of the next segment, or more: the chain may know of higher ones (see [`ClaimBook::skip_to`]).
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Numbers below `number` are spent: the chain says so.
    pub fn skip_to(&mut self, number: u64) {
        self.next = self.next.max(number);
    }

    /// The answer given to a request before, if any.
    ///
    /// # Errors
    /// That answer was refuted.
    pub fn answer(&self, request_id: B256) -> Result<Option<&Answered>, BookError> {
        match self.lost.contains(&request_id) {
            true => Err(BookError::Lost(request_id)),
            false => Ok(self.answers.get(&request_id)),
        }
    }

    /// All that is needed to defend an answer, refuted or not.
    pub fn evidence(&self, request_id: B256) -> Option<&Answered> {
        self.answers.get(&request_id)
    }

    /// Segments without a final verdict, by number.
    pub fn open_segments(&self) -> impl Iterator<Item = &SignedSegment> {
        self.open.values()
    }

    /// The newest open segment that answers a request.
    pub fn open_segment_of(&self, request_id: B256) -> Option<&SignedSegment> {
        let answers = |s: &&SignedSegment| s.results.iter().any(|a| a.request_id == request_id);
        self.open.values().rev().find(answers)
    }

    /// Signs `results` under the next number. The disk has the segment when this returns.
    ///
    /// # Errors
    /// One of them contradicts an earlier answer, was lost or is there twice, or the disk or the signer fails: then nothing was signed
    /// that may be sent.
    pub fn sign(
        &mut self,
        results: Vec<Answered>,
        sign: impl FnOnce(u64, Vec<Answered>) -> Result<SignedSegment, alloy::signers::Error>,
    ) -> Result<SignedSegment, BookError> {
        let mut ids = BTreeSet::new();
        for answered in &results {
            self.admit(answered)?;
            // The book has neither of the two yet.
            if !ids.insert(answered.request_id) {
                return Err(BookError::Twice(answered.request_id));
            }
        }
        let segment = sign(self.next, results)?;
        self.write(Record::Signed(segment.clone()))?;
        Ok(segment)
    }

    /// Notes an answer that will be claimed directly.
    ///
    /// # Errors
    /// As for [`ClaimBook::sign`].
    pub fn note_direct(&mut self, answered: Answered) -> Result<(), BookError> {
        self.admit(&answered)?;
        if self.answers.get(&answered.request_id) != Some(&answered) {
            self.write(Record::Direct(answered))?;
        }
        Ok(())
    }

    fn admit(&self, answered: &Answered) -> Result<(), BookError> {
        let id = answered.request_id;
        match self.answer(id)? {
            Some(earlier) if earlier.output != answered.output => Err(BookError::SecondAnswer(id)),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes a promise down before anybody hears of it. A request that was promised before keeps its first promise.
    ///
    /// # Errors
    /// The disk's.
    pub fn promise(&mut self, promised: Promised) -> Result<Promised, JournalError> {
        if let Some(earlier) = self.promised.get(&promised.request_id) {
            return Ok(earlier.clone());
        }
        self.write(Record::Promised(promised.clone()))?;
        Ok(promised)
    }

    /// Promises by request.
    pub fn promises(&self) -> impl Iterator<Item = &Promised> {
        self.promised.values()
    }

    /// A segment needs no more offers.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&mut self, number: u64, why: &str) -> Result<(), JournalError> {
        match self.open.contains_key(&number) {
            true => self.write(Record::Closed {
                number,
                why: why.to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// A claim of this request was lost in a game.
    ///
    /// # Errors
    /// The disk's.
    pub fn lose(&mut self, request_id: B256) -> Result<(), JournalError> {
        match self.lost.contains(&request_id) {
            true => Ok(()),
            false => self.write(Record::Lost { request_id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Signatory;
    use alloy::primitives::{Address, Bytes};
    use alloy::signers::local::PrivateKeySigner;

    fn answered(n: u8, output: &[u8]) -> Answered {
        Answered {
            request_id: B256::repeat_byte(n),
            request: Bytes::from_static(b"request"),
            payload: Bytes::from_static(b"payload"),
            output: Bytes::copy_from_slice(output),
            entropy: None,
        }
    }

    fn sign(book: &mut ClaimBook, answers: Vec<Answered>) -> Result<SignedSegment, BookError> {
        let signer = PrivateKeySigner::from_slice(&[1; 32]).expect("a key");
        let signatory = Signatory {
            chain_id: 1,
            rollup: Address::ZERO,
            signer,
            in_blobs: false,
        };
        book.sign(answers, |number, results| {
            signatory.sign(number, 1000, results)
        })
    }

    #[test]
    fn a_crash_after_signing_offers_the_same_segment_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("claims.journal");
        let mut book = ClaimBook::open(&path).expect("opens");
        let first = sign(&mut book, vec![answered(1, b"one")]).expect("signed");
        let second = sign(&mut book, vec![answered(2, b"two")]).expect("signed");
        assert_eq!((first.number, second.number), (0, 1));
        book.close(first.number, "posted").expect("closed");
        drop(book);

        let mut book = ClaimBook::open(&path).expect("opens again");
        assert_eq!(
            book.open_segments().cloned().collect::<Vec<_>>(),
            std::slice::from_ref(&second)
        );
        assert_eq!(book.open_segment_of(B256::repeat_byte(2)), Some(&second));
        let third = sign(&mut book, vec![answered(3, b"three")]).expect("signed");
        assert_eq!(third.number, 2, "no number twice");
    }

    #[test]
    fn a_second_different_answer_is_never_signed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("claims.journal");
        let mut book = ClaimBook::open(&path).expect("opens");
        sign(&mut book, vec![answered(1, b"one")]).expect("signed");
        drop(book);

        let mut book = ClaimBook::open(&path).expect("opens again");
        let refused = sign(&mut book, vec![answered(2, b"two"), answered(1, b"other")]);
        assert!(matches!(refused, Err(BookError::SecondAnswer(id)) if id == B256::repeat_byte(1)));
        assert!(matches!(
            book.note_direct(answered(1, b"other")),
            Err(BookError::SecondAnswer(_))
        ));
        assert!(
            sign(&mut book, vec![answered(1, b"one")]).is_ok(),
            "the same answer under a new number"
        );
    }

    #[test]
    fn two_answers_to_one_request_are_never_signed_together() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut book = ClaimBook::open(&dir.path().join("claims.journal")).expect("opens");
        for second in [b"one", b"two"] {
            let both = vec![answered(1, b"one"), answered(2, b"x"), answered(1, second)];
            let refused = sign(&mut book, both);
            assert!(matches!(refused, Err(BookError::Twice(id)) if id == B256::repeat_byte(1)));
        }
        assert_eq!((book.next_number(), book.open_segments().count()), (0, 0));
    }

    #[test]
    fn a_refuted_answer_is_not_given_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("claims.journal");
        let mut book = ClaimBook::open(&path).expect("opens");
        book.note_direct(answered(1, b"one")).expect("noted");
        book.lose(B256::repeat_byte(1)).expect("lost");
        drop(book);
        let mut book = ClaimBook::open(&path).expect("opens again");
        assert!(matches!(
            sign(&mut book, vec![answered(1, b"one")]),
            Err(BookError::Lost(_))
        ));
        assert!(
            book.evidence(B256::repeat_byte(1)).is_some(),
            "still defended elsewhere"
        );
    }

    #[test]
    fn a_promise_survives_a_crash_and_is_given_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("claims.journal");
        let promised = |deadline| Promised {
            request_id: B256::repeat_byte(1),
            deadline,
            penalty: 7,
        };
        let mut book = ClaimBook::open(&path).expect("opens");
        assert_eq!(book.promise(promised(5)).expect("written"), promised(5));
        drop(book);
        let mut book = ClaimBook::open(&path).expect("opens again");
        assert_eq!(book.promises().collect::<Vec<_>>(), [&promised(5)]);
        let again = book.promise(promised(9)).expect("known");
        assert_eq!(again, promised(5), "the first one stands");
    }

    #[test]
    fn numbers_that_the_chain_knows_are_skipped() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut book = ClaimBook::open(&dir.path().join("claims.journal")).expect("opens");
        book.skip_to(7);
        assert_eq!(
            sign(&mut book, vec![answered(1, b"one")])
                .expect("signed")
                .number,
            7
        );
    }
}
