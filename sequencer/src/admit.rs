//! Which segments are taken from executors. Pure.
//!
//! Rules: every answer in it was given to this executor or to nobody, at least one is wanted, none is of a request that the
//! executor lost; its free stake backs what it has waiting and this; a batch can carry it; and not too many wait already.

use crate::book::Book;
use crate::entry::{Entry, Worth};
use crate::segment::{BadOffer, Held, Offer, Progress};
use alloy::primitives::{Address, B256, U256};
use assay_bindings::hashes::{output_tokens, work};
use assay_types::params::MAX_REQUEST_OUTPUT_BYTES;
use std::collections::BTreeMap;

/// What a rollup and its sequencer ask of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Least wei that a claim locks.
    pub claim_bond: U256,
    /// Most bytes that a segment takes in a batch, signed requests that come along counted.
    pub most_bytes: usize,
    /// Most work of one segment; not less than that of any one request.
    pub most_work: U256,
    /// Most segments of one executor that wait for their batch.
    pub most_waiting: usize,
}

/// Why a segment is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// By itself.
    #[error(transparent)]
    Bad(#[from] BadOffer),
    /// A request that isn't waited for.
    #[error("request {0} is not known here, or over for long")]
    Unknown(B256),
    /// A request that somebody else was given.
    #[error("request {0} was not given to this executor")]
    Foreign(B256),
    /// A request that the executor is excluded from.
    #[error("this executor's claim of request {0} was rejected: it is not asked again")]
    Excluded(B256),
    /// The contract would skip it.
    #[error("payload and output for request {0} are more than 64 KiB")]
    Oversized(B256),
    /// The contract would skip it.
    #[error("the consumer of request {0} needs its output in calldata, not in a blob")]
    Consumer(B256),
    /// Its blob costs more than is paid.
    #[error(
        "a unit of blob gas costs {fee} wei, and this sequencer pays {most} at most (--max-blob-fee-gwei): offer the outputs in calldata"
    )]
    BlobTooDear {
        /// Wei that it costs.
        fee: u128,
        /// Wei that are paid.
        most: u128,
    },
    /// Nothing new in it.
    #[error("nothing in it is still wanted")]
    Unwanted,
    /// Stake.
    #[error(
        "free stake is {free} wei, {needed} wei are needed for what waits and this: deposit stake"
    )]
    Stake {
        /// Wei free.
        free: U256,
        /// Wei needed.
        needed: U256,
    },
    /// Work.
    #[error("it takes {work} units of work, at most {limit} are taken: sign fewer results at once")]
    Work {
        /// Its work.
        work: U256,
        /// Work taken.
        limit: U256,
    },
    /// Too many wait.
    #[error("{0} segments of this executor wait for a batch already")]
    Waiting(usize),
}

/// Whether `offer`, which is right by itself, is taken. `free_stake`: its executor's, in wei, as the chain has it.
///
/// # Errors
/// Why not.
pub fn admit(
    book: &Book,
    held: &BTreeMap<(Address, u64), Held>,
    offer: &Offer,
    free_stake: U256,
    terms: &Terms,
) -> Result<(), Refusal> {
    let mine = || held.values().filter(|h| h.offer.executor == offer.executor);
    let waiting = mine()
        .filter(|h| !matches!(h.progress, Progress::Posted { .. }))
        .count();
    if waiting >= terms.most_waiting {
        return Err(Refusal::Waiting(waiting));
    }
    let (mut wanted, mut bond, mut total) = (false, U256::ZERO, U256::ZERO);
    let mut bytes = offer.bytes();
    for (id, output) in &offer.results {
        let entry = book.get(id).ok_or(Refusal::Unknown(*id))?;
        match entry.worth_of(offer.executor) {
            Worth::Wanted => {
                wanted = true;
                bond += bond_of(entry, terms.claim_bond);
            }
            Worth::Late => {}
            Worth::Foreign => return Err(Refusal::Foreign(*id)),
            Worth::Excluded => return Err(Refusal::Excluded(*id)),
        }
        bytes += entry.carried();
        let r = &entry.request;
        if r.payloadLength as usize + output.len() > MAX_REQUEST_OUTPUT_BYTES as usize {
            return Err(Refusal::Oversized(*id));
        }
        if offer.in_blob && !r.params.callback.is_zero() {
            return Err(Refusal::Consumer(*id));
        }
        let tokens = output_tokens(output, r.maxTokens);
        total += U256::from(work(r.modelLength, r.payloadLength, tokens));
    }
    if !wanted {
        return Err(Refusal::Unwanted);
    }
    if bytes > terms.most_bytes {
        let limit = terms.most_bytes;
        return Err(BadOffer::TooLarge { bytes, limit }.into());
    }
    if total > terms.most_work {
        let (work, limit) = (total, terms.most_work);
        return Err(Refusal::Work { work, limit });
    }
    // What is submitted may be locked on chain already, so it would count twice.
    let pledged = mine()
        .filter(|h| h.progress == Progress::Pending)
        .flat_map(|h| &h.offer.results)
        .filter_map(|(id, _)| book.get(id))
        .filter(|entry| !offer.results.iter().any(|(id, _)| *id == entry.id))
        .filter(|entry| entry.worth_of(offer.executor) == Worth::Wanted)
        .map(|entry| bond_of(entry, terms.claim_bond))
        .sum::<U256>();
    let needed = pledged + bond;
    if free_stake < needed {
        let free = free_stake;
        return Err(Refusal::Stake { free, needed });
    }
    Ok(())
}

/// Wei that a claim of `entry` locks.
pub fn bond_of(entry: &Entry, claim_bond: U256) -> U256 {
    claim_bond.max(U256::from(entry.request.params.minBond))
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_bindings::{Request, SignedRequest};

    fn id(n: u8) -> B256 {
        B256::repeat_byte(n)
    }

    fn who(n: u8) -> Address {
        Address::repeat_byte(n)
    }

    fn book() -> Book {
        let mut book = Book::default();
        for n in 1..=3 {
            let mut request = Request {
                modelLength: 10,
                payloadLength: 100,
                maxTokens: 50,
                ..Default::default()
            };
            request.params.minBond = if n == 3 { 500 } else { 0 };
            book.add(Entry::new(id(n), request, Default::default()));
        }
        book
    }

    fn offer(executor: u8, number: u64, ids: &[u8]) -> Offer {
        // An answer of two tokens.
        let output = vec![0, 2, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
        Offer {
            executor: who(executor),
            number,
            expiry: 1_000,
            results: ids
                .iter()
                .map(|n| (id(*n), output.clone().into()))
                .collect(),
            signature: Default::default(),
            in_blob: false,
        }
    }

    fn held(offer: Offer, progress: Progress) -> ((Address, u64), Held) {
        let held = Held {
            offer,
            seal: Default::default(),
            progress,
            arrival: 1,
            suspect: false,
            strikes: 0,
            not_before_ms: 0,
        };
        ((held.offer.executor, held.offer.number), held)
    }

    const TERMS: Terms = Terms {
        claim_bond: U256::from_limbs([100, 0, 0, 0]),
        most_bytes: 70_000,
        most_work: U256::from_limbs([2_040, 0, 0, 0]),
        most_waiting: 2,
    };

    fn check(book: &Book, offer: &Offer, free: u64) -> Result<(), Refusal> {
        admit(book, &BTreeMap::new(), offer, U256::from(free), &TERMS)
    }

    #[test]
    fn stake_must_back_every_wanted_result_by_what_each_demands() {
        let book = book();
        assert_eq!(check(&book, &offer(1, 0, &[1, 2]), 200), Ok(()));
        let stake = |free, needed| {
            let (free, needed) = (U256::from(free), U256::from(needed));
            Err(Refusal::Stake { free, needed })
        };
        assert_eq!(check(&book, &offer(1, 0, &[1, 2]), 199), stake(199, 200));
        assert_eq!(check(&book, &offer(1, 0, &[3]), 499), stake(499, 500));
        assert_eq!(check(&book, &offer(1, 0, &[1]), 0), stake(0, 100));
    }

    #[test]
    fn stake_backs_what_waits_too_but_not_twice_what_is_submitted() {
        let mut book = book();
        let earlier = offer(1, 0, &[1]);
        book.signed(&id(1), who(1), 0);
        let next = offer(1, 1, &[2]);
        let with = |progress| {
            let map = BTreeMap::from([held(earlier.clone(), progress)]);
            admit(&book, &map, &next, U256::from(100), &TERMS)
        };
        let (free, needed) = (U256::from(100), U256::from(200));
        assert_eq!(
            with(Progress::Pending),
            Err(Refusal::Stake { free, needed })
        );
        assert_eq!(with(Progress::Submitted), Ok(()));
    }

    #[test]
    fn only_what_was_given_or_is_nobodys_is_taken() {
        let mut book = book();
        book.assigned(&id(1), who(1), 10);
        assert_eq!(
            check(&book, &offer(2, 0, &[2, 1]), 1_000),
            Err(Refusal::Foreign(id(1)))
        );
        assert_eq!(check(&book, &offer(1, 0, &[1, 2]), 1_000), Ok(()));
        assert_eq!(
            check(&book, &offer(1, 0, &[1, 9]), 1_000),
            Err(Refusal::Unknown(id(9)))
        );
        book.exclude(&id(2), who(1));
        assert_eq!(
            check(&book, &offer(1, 0, &[1, 2]), 1_000),
            Err(Refusal::Excluded(id(2)))
        );
        // Late, and nothing else in it.
        book.claimed(&id(1), Default::default(), 3);
        assert_eq!(
            check(&book, &offer(1, 0, &[1]), 1_000),
            Err(Refusal::Unwanted)
        );
    }

    #[test]
    fn size_work_and_number_of_segments_are_limited() {
        let book = book();
        let mut large = offer(1, 0, &[1]);
        large.results[0].1 = vec![0; MAX_REQUEST_OUTPUT_BYTES as usize - 100].into();
        assert_eq!(check(&book, &large, 1_000), Ok(()));
        large.results[0].1 = vec![0; MAX_REQUEST_OUTPUT_BYTES as usize - 99].into();
        assert_eq!(check(&book, &large, 1_000), Err(Refusal::Oversized(id(1))));
        // 2 x 10 x (100 + 2) is the limit; an error counts as the longest answer.
        let mut busy = offer(1, 0, &[1, 2]);
        assert_eq!(check(&book, &busy, 1_000), Ok(()));
        busy.results[1].1 = vec![1, 0, 0, 0, 0].into();
        let (work, limit) = (U256::from(10 * (102 + 150)), TERMS.most_work);
        assert_eq!(
            check(&book, &busy, 1_000),
            Err(Refusal::Work { work, limit })
        );
        let mut heavy = Entry::new(id(4), Request::default(), Default::default());
        heavy.signed = Some(SignedRequest {
            payload: vec![0; 70_000].into(),
            ..Default::default()
        });
        let (mut signed, offered) = (self::book(), offer(1, 0, &[4]));
        signed.add(heavy);
        assert!(matches!(
            check(&signed, &offered, 1_000),
            Err(Refusal::Bad(BadOffer::TooLarge { limit: 70_000, .. }))
        ));
        signed.opened(&id(4), 1);
        assert_eq!(check(&signed, &offered, 1_000), Ok(()), "the chain has it");
        let map = BTreeMap::from([
            held(offer(1, 0, &[1]), Progress::Pending),
            held(offer(1, 1, &[2]), Progress::Submitted),
        ]);
        let again = |n| admit(&book, &map, &offer(n, 7, &[2]), U256::from(900), &TERMS);
        assert_eq!(again(1), Err(Refusal::Waiting(2)));
        assert_eq!(again(2), Ok(()), "the limit is each executor's own");
    }
}
