//! Which nonce was given to which call, so that a chain that forgets is noticed and put right.
//!
//! INVARIANT: a nonce is given to one call. A call whose caller was told that it is mined, or who still waits, keeps its
//! nonce when a reorganization drops it; the same call is sent again under it, and the chain takes at most one.

use super::Call;
use super::call::Kind;
use super::log::Log;
use super::policy::Fees;
use crate::journal::JournalError;
use alloy::primitives::B256;
use std::collections::BTreeMap;
use std::time::Instant;

/// Mined transactions that are remembered: a reorganization that drops more of one account's is none that we mend.
const DEPTH: u64 = 64;

/// A call and every transaction that was sent for it, all with one nonce.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The call.
    pub call: Call,
    /// Its gas limit.
    pub gas: u64,
    /// What the last transaction offers.
    pub fees: Fees,
    /// Transactions, never empty: those of which the node's answer was lost, then the others, the one that offers most last.
    pub hashes: Vec<B256>,
    /// When fees were last set.
    pub at: Instant,
    /// It was seen in the chain, and not missed since.
    pub settled: bool,
    /// It was said that it offers too much to be replaced.
    pub capped: bool,
}

/// What earlier runs sent and is not mined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Earlier {
    /// Calls that were written down, and are looked after.
    pub kept: usize,
    /// Transactions of which the node alone knew.
    pub others: u64,
}

impl Sent {
    /// The transaction that offers most of those that a node took.
    pub fn last(&self) -> B256 {
        self.hashes.last().copied().unwrap_or_default()
    }

    /// `hash` is about to be sent, and no answer is there yet.
    pub fn doubt(&mut self, hash: B256) {
        self.hashes.retain(|known| *known != hash);
        self.hashes.insert(0, hash);
    }

    /// A node took `hash`, which offers `fees`.
    pub fn took(&mut self, fees: Fees, hash: B256) {
        self.fees = fees;
        self.hashes.retain(|known| *known != hash);
        self.hashes.push(hash);
    }
}

/// The nonces of one account.
#[derive(Debug, Default)]
pub struct Book {
    sent: BTreeMap<u64, Sent>,
    next: Option<u64>,
    /// What is in the book and not mined, on the disk, if it is kept there.
    log: Option<Log>,
    /// The nonce after the last one that an earlier run wrote down.
    resumed: u64,
    /// The account's count with what waited when this run began.
    counted: u64,
    /// The account's count in the newest block, when it was last looked at.
    pub mined: u64,
    /// When everything in the book was last looked after.
    pub tended: Option<Instant>,
}

impl Book {
    /// Whether nothing was sent yet.
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Whether a call of this kind waits to be mined.
    pub fn waits(&self, kind: Kind) -> bool {
        let mut waiting = self.sent.range(self.mined..);
        waiting.any(|(_, sent)| sent.call.kind() == kind)
    }

    /// The next nonce, as far as it is known without asking.
    pub fn next(&self) -> Option<u64> {
        self.next.map(|next| self.next_from(next))
    }

    /// The next nonce, where the chain, asked for its count with what waits, says `pending`: a node may have lost what
    /// waits or never count it, and what is in the book is not given away.
    pub fn next_from(&self, pending: u64) -> u64 {
        let mut nonce = pending;
        while self.sent.contains_key(&nonce) {
            nonce += 1;
        }
        nonce
    }

    /// The next nonce is unknown: ask the chain.
    pub fn forget_next(&mut self) {
        self.next = None;
    }

    /// Goes on with what `log` holds, where the chain counts `counted` transactions with those that wait.
    pub fn resume(&mut self, log: Log, sent: BTreeMap<u64, Sent>, counted: u64) {
        self.resumed = sent.last_key_value().map_or(0, |(nonce, _)| nonce + 1);
        self.counted = counted;
        self.sent.extend(sent);
        (self.log, self.next) = (Some(log), None);
    }

    /// What earlier runs sent and was not mined at the last look. What this one sends after it is none of it.
    pub fn earlier(&self) -> Earlier {
        let end = self.resumed.max(self.mined);
        Earlier {
            kept: self.sent.range(self.mined..end).count(),
            others: self.counted.saturating_sub(end),
        }
    }

    /// Writes down what is about to be sent with `nonce`.
    // INVARIANT: where a log is kept, no node has a transaction that is not in it.
    pub fn about_to_send(&mut self, nonce: u64, sent: &Sent) -> Result<(), JournalError> {
        self.log
            .as_mut()
            .map_or(Ok(()), |log| log.sent(nonce, sent))
    }

    /// Writes down that `nonce` is about to be sent again as `hash`.
    pub fn about_to_bump(
        &mut self,
        nonce: u64,
        fees: Fees,
        hash: B256,
    ) -> Result<(), JournalError> {
        self.log
            .as_mut()
            .map_or(Ok(()), |log| log.again(nonce, fees, hash))
    }

    /// A node took `hash` in place of what was sent with `nonce` before.
    pub fn bumped(&mut self, nonce: u64, fees: Fees, hash: B256) {
        if let Some(sent) = self.sent.get_mut(&nonce) {
            sent.took(fees, hash);
        }
        self.write(|log| log.took(nonce, fees, hash));
    }

    /// No node took what was about to be sent with `nonce`.
    pub fn not_sent(&mut self, nonce: u64) {
        self.write(|log| log.struck(nonce));
    }

    /// Forgetting less than one may is no error of the caller's.
    fn write(&mut self, f: impl FnOnce(&mut Log) -> Result<(), JournalError>) {
        if let Some(log) = &mut self.log
            && let Err(error) = f(log)
        {
            tracing::error!(%error, "cannot write down what became of a transaction");
        }
    }

    /// Notes what was sent with `nonce`.
    pub fn note(&mut self, nonce: u64, sent: Sent) {
        self.sent.insert(nonce, sent);
        self.next = Some(nonce + 1);
    }

    /// What was sent with `nonce`.
    pub fn get(&self, nonce: u64) -> Option<&Sent> {
        self.sent.get(&nonce)
    }

    /// Forgets what was sent with `nonce`, which another's transaction has taken.
    pub fn strike(&mut self, nonce: u64) {
        self.sent.remove(&nonce);
        self.not_sent(nonce);
        self.next = None;
    }

    /// What was sent with `nonce`.
    pub fn get_mut(&mut self, nonce: u64) -> Option<&mut Sent> {
        self.sent.get_mut(&nonce)
    }

    /// The chain's newest block counts `mined` transactions of the account; returns the nonces that it should have or
    /// get and has not: they wait, or were mined in a block that is none any more.
    pub fn look(&mut self, mined: u64) -> Vec<u64> {
        self.mined = mined;
        self.sent.retain(|nonce, _| nonce + DEPTH >= mined);
        self.sent
            .range_mut(..mined)
            .for_each(|(_, sent)| sent.settled = true);
        if self.next.is_some_and(|next| next > mined) && !self.sent.contains_key(&mined) {
            // The chain waits for a nonce that the book knows nothing of. Whatever comes next may fill the gap.
            self.next = None;
        }
        if let Some(log) = &mut self.log
            && let Err(error) = log.trim(self.sent.range(mined..))
        {
            tracing::error!(%error, "cannot trim what was sent");
        }
        self.sent.range(mined..).map(|(nonce, _)| *nonce).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Address;

    fn sent() -> Sent {
        Sent {
            call: Call::new("test", Address::ZERO, vec![]),
            gas: 21_000,
            fees: Fees {
                max: 2,
                tip: 1,
                blob: 0,
            },
            hashes: vec![B256::ZERO],
            at: Instant::now(),
            settled: false,
            capped: false,
        }
    }

    fn book(nonces: std::ops::Range<u64>) -> Book {
        let mut book = Book::default();
        nonces.for_each(|nonce| book.note(nonce, sent()));
        book
    }

    #[test]
    fn what_a_reorganization_dropped_is_named_and_keeps_its_nonce() {
        let mut book = book(3..8);
        assert_eq!(book.look(8), Vec::<u64>::new());
        assert_eq!(book.look(5), [5, 6, 7]);
        assert_eq!(book.next(), Some(8), "the next is still the next");
        // Even where the chain is asked, which has lost them.
        book.forget_next();
        assert_eq!(book.next_from(5), 8);
        assert_eq!(book.next_from(9), 9);
    }

    #[test]
    fn what_was_counted_once_is_known_as_mined_when_it_is_missing() {
        let mut book = book(3..8);
        book.look(5);
        let missing = book.look(4);
        let settled = |nonce: &u64| book.get(*nonce).is_some_and(|sent| sent.settled);
        assert_eq!(missing, [4, 5, 6, 7]);
        assert_eq!(
            missing.iter().filter(|n| settled(n)).count(),
            1,
            "only 4 was"
        );
    }

    #[test]
    fn gap_that_the_book_does_not_know_is_left_to_the_next_call() {
        let mut book = book(3..8);
        assert_eq!(book.look(2), [3, 4, 5, 6, 7]);
        assert_eq!(book.next(), None);
        assert_eq!(book.next_from(2), 2);
        book.note(2, sent());
        assert_eq!(
            book.next(),
            Some(8),
            "what is in the book is not given away"
        );
    }

    #[test]
    fn nonce_that_another_took_is_asked_for_again() {
        let mut book = book(3..5);
        book.strike(4);
        assert_eq!((book.next(), book.next_from(4)), (None, 4));
        assert_eq!(book.look(3), [3]);
    }

    #[test]
    fn what_this_run_sends_is_nothing_of_an_earlier_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let (log, _) = Log::open(&dir.path().join("sent.journal")).expect("opens");
        let mut book = Book::default();
        let left = [(3, sent()), (4, sent())].into();
        book.resume(log, left, 7);
        book.look(3);
        let earlier = |kept, others| Earlier { kept, others };
        assert_eq!(book.earlier(), earlier(2, 2), "5 and 6 are in no log");
        book.note(7, sent());
        assert_eq!(book.earlier(), earlier(2, 2));
        for (mined, left) in [(4, earlier(1, 2)), (6, earlier(0, 1)), (7, earlier(0, 0))] {
            book.look(mined);
            assert_eq!(book.earlier(), left, "{mined}");
        }
    }

    #[test]
    fn book_stays_short_and_holds_what_is_not_mined() {
        let mut book = book(0..1_000);
        book.look(500);
        assert!(book.get(499 - DEPTH).is_none());
        assert!(book.get(500 - DEPTH).is_some() && book.get(999).is_some());
        assert_eq!(book.look(1_000), Vec::<u64>::new());
        assert!(book.get(1_000 - DEPTH).is_some());
    }
}
