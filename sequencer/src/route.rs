//! Which executor answers which request. Pure.
//!
//! Rules: an executor is asked if it serves the model, has room and free stake for the bond, was not tried in this round
//! and is not excluded for this request. Among these the one whose price suits the request's order best (`ask`); of equals,
//! and where there is no order, the least busy; ties go to the one connected first. When everybody
//! was tried, a new round starts after a pause that doubles. A request whose fee does not cover its longest answer at the
//! window's present fill waits: nobody works for what could not be posted.

use crate::admit::bond_of;
use crate::ask::suit;
use crate::book::Book;
use crate::entry::{Entry, Stage};
use crate::post::too_dear;
use crate::sessions::{Session, Sessions};
use alloy::primitives::{Address, B256, U256};
use assay_bindings::work::Share;
use std::collections::BTreeMap;

/// Pause after the first round, in milliseconds.
const FIRST_PAUSE_MS: u64 = 1_000;
/// Longest pause between rounds, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Give the request to this executor.
    Assign(B256, Address),
    /// Everybody was tried: begin anew at this time (unix milliseconds).
    NextRound(B256, u64),
    /// Its fee is too low for now; this is to be said about it.
    TooDear(B256, String),
}

/// Decides for every queued request. `claim_bond` is the least bond of a claim, in wei; `share` the part of the window that
/// batches may fill; `chain_now` the chain's time, unix seconds.
pub fn route(
    book: &Book,
    sessions: &Sessions,
    claim_bond: U256,
    share: &Share,
    now_ms: u64,
    chain_now: u64,
) -> Vec<Decision> {
    let mut load: BTreeMap<Address, (usize, U256)> = sessions
        .iter()
        .map(|s| (s.executor, burden(book, s.executor, claim_bond)))
        .collect();
    let mut out = Vec::new();
    for entry in book
        .queued()
        .into_iter()
        .filter(|e| e.not_before_ms <= now_ms && e.waits_for().is_none())
    {
        let (fee, needed) = (
            U256::from(entry.request.params.fee),
            share.fee(entry.most_work()),
        );
        if needed.is_none_or(|needed| needed > fee) {
            out.push(Decision::TooDear(entry.id, too_dear(fee, needed)));
            continue;
        }
        let bond = bond_of(entry, claim_bond);
        let suits = |s: &&Session| {
            let (busy, locked) = load[&s.executor];
            s.models.contains(&entry.request.params.modelId)
                && busy < s.capacity
                && s.free_stake >= locked + bond
                && s.resting_until_ms <= now_ms
                && !entry.excluded.contains(&s.executor)
        };
        let able: Vec<&Session> = sessions.iter().filter(suits).collect();
        let fresh = able.iter().filter(|s| !entry.tried.contains(&s.executor));
        let rank = |s: &&&Session| {
            let suit = suit(entry, s.executor, &s.asks, chain_now);
            (suit, load[&s.executor].0, s.order)
        };
        match fresh.min_by_key(rank) {
            Some(session) => {
                let burden = load.entry(session.executor).or_default();
                *burden = (burden.0 + 1, burden.1 + bond);
                out.push(Decision::Assign(entry.id, session.executor));
            }
            None if !able.is_empty() => out.push(Decision::NextRound(
                entry.id,
                now_ms + pause(entry.attempts),
            )),
            None => {}
        }
    }
    out
}

/// Requests at work and wei that the answers of `executor` will lock once they are claimed.
pub fn burden(book: &Book, executor: Address, claim_bond: U256) -> (usize, U256) {
    let bond = |e: &Entry| bond_of(e, claim_bond);
    book.iter()
        .fold((0, U256::ZERO), |(busy, locked), e| match e.stage {
            Stage::Assigned { executor: who, .. } if who == executor => {
                (busy + 1, locked + bond(e))
            }
            Stage::Signed { executor: who, .. } if who == executor => (busy, locked + bond(e)),
            _ => (busy, locked),
        })
}

fn pause(attempts: u32) -> u64 {
    (FIRST_PAUSE_MS << attempts.min(16)).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Claim, Entry};
    use crate::sessions::Introduction;
    use assay_bindings::Request;
    use assay_bindings::work::WorkLaw;

    const BOND: U256 = U256::from_limbs([100, 0, 0, 0]);
    /// By the chain's clock, seconds.
    const NOW: u64 = 1_000;

    /// Ten units of work in the whole share, 2 wei each at first and 2^10 wei at last.
    fn share(left: u64) -> Share {
        let law = WorkLaw {
            per_window: U256::from(25),
            floor: U256::from(2u64 << 20),
            doublings: 10,
        };
        law.batches(U256::from(left))
    }

    fn idle() -> Share {
        share(10)
    }

    fn who(n: u8) -> Address {
        Address::repeat_byte(n)
    }

    fn add(book: &mut Book, n: u8) -> B256 {
        let mut request = Request::default();
        request.params.modelId = B256::repeat_byte(0xaa);
        book.add(Entry::new(
            B256::repeat_byte(n),
            request,
            Default::default(),
        ));
        B256::repeat_byte(n)
    }

    fn join(sessions: &mut Sessions, n: u8, capacity: usize, stake: u64) {
        let (out, _) = tokio::sync::mpsc::channel(1);
        let models = vec![B256::repeat_byte(0xaa)];
        let who = Introduction {
            executor: who(n),
            models,
            capacity,
            free_stake: U256::from(stake),
        };
        sessions.join(who, out);
    }

    #[test]
    fn first_connected_is_asked_first_then_the_least_busy() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        join(&mut sessions, 9, 4, 1_000);
        join(&mut sessions, 1, 4, 1_000);
        let ids: Vec<B256> = (1..=3).map(|n| add(&mut book, n)).collect();
        assert_eq!(
            route(&book, &sessions, BOND, &idle(), 0, NOW),
            [
                Decision::Assign(ids[0], who(9)),
                Decision::Assign(ids[1], who(1)),
                Decision::Assign(ids[2], who(9))
            ]
        );
    }

    #[test]
    fn nobody_is_asked_beyond_capacity_or_stake() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        join(&mut sessions, 1, 2, 1_000);
        join(&mut sessions, 2, 9, 150);
        for n in 1..=5 {
            add(&mut book, n);
        }
        let decisions = route(&book, &sessions, BOND, &idle(), 0, NOW);
        let given = |n: u8| {
            decisions
                .iter()
                .filter(|d| matches!(d, Decision::Assign(_, e) if *e == who(n)))
                .count()
        };
        assert_eq!((given(1), given(2), decisions.len()), (2, 1, 3));
    }

    #[test]
    fn signed_answers_still_hold_stake() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        join(&mut sessions, 1, 2, 150);
        let first = add(&mut book, 1);
        book.signed(&first, who(1), 0);
        add(&mut book, 2);
        assert_eq!(route(&book, &sessions, BOND, &idle(), 0, NOW), []);
    }

    #[test]
    fn failure_goes_to_the_next_and_then_begins_anew_after_a_pause() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        join(&mut sessions, 1, 2, 1_000);
        join(&mut sessions, 2, 2, 1_000);
        let id = add(&mut book, 1);
        for n in [1, 2] {
            assert_eq!(
                route(&book, &sessions, BOND, &idle(), 0, NOW),
                [Decision::Assign(id, who(n))]
            );
            book.assigned(&id, who(n), 10);
            book.released(&id, who(n), "failed");
        }
        let again = route(&book, &sessions, BOND, &idle(), 50, NOW);
        assert_eq!(again, [Decision::NextRound(id, 50 + 4 * FIRST_PAUSE_MS)]);
        book.next_round(&id, 4_050);
        assert_eq!(route(&book, &sessions, BOND, &idle(), 4_049, NOW), []);
        assert_eq!(
            route(&book, &sessions, BOND, &idle(), 4_050, NOW),
            [Decision::Assign(id, who(1))]
        );
    }

    #[test]
    fn liar_is_never_asked_about_the_same_request_again() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        join(&mut sessions, 1, 2, 1_000);
        let id = add(&mut book, 1);
        book.claimed(
            &id,
            Claim {
                executor: who(1),
                ..Claim::default()
            },
            1,
        );
        book.rejected(&id, 0, who(1), 1);
        assert_eq!(route(&book, &sessions, BOND, &idle(), 0, NOW), []);
        join(&mut sessions, 2, 2, 1_000);
        assert_eq!(
            route(&book, &sessions, BOND, &idle(), 0, NOW),
            [Decision::Assign(id, who(2))]
        );
    }

    #[test]
    fn other_models_executors_are_not_asked() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        let mut request = Request::default();
        request.params.modelId = B256::repeat_byte(0xbb);
        book.add(Entry::new(
            B256::repeat_byte(1),
            request,
            Default::default(),
        ));
        join(&mut sessions, 1, 2, 1_000);
        assert_eq!(route(&book, &sessions, BOND, &idle(), 0, NOW), []);
    }

    #[test]
    fn request_whose_fee_does_not_cover_its_longest_answer_waits_and_holds_nobody_up() {
        let (mut book, mut sessions) = (Book::default(), Sessions::default());
        join(&mut sessions, 1, 4, 1_000);
        let mut request = Request {
            modelLength: 1,
            payloadLength: 1,
            ..Default::default()
        };
        (request.params.modelId, request.params.fee) = (B256::repeat_byte(0xaa), 6);
        let poor = B256::repeat_byte(1);
        book.add(Entry::new(poor, request.clone(), Default::default()));
        request.params.fee = 6_000;
        let rich = B256::repeat_byte(2);
        book.add(Entry::new(rich, request, Default::default()));
        let given = |decisions: Vec<Decision>| -> Vec<B256> {
            let assigned = |d| match d {
                Decision::Assign(id, _) => Some(id),
                Decision::NextRound(..) | Decision::TooDear(..) => None,
            };
            decisions.into_iter().filter_map(assigned).collect()
        };
        // The first unit burns 3 wei, so 6 are needed; the second one burns 6.
        assert_eq!(
            given(route(&book, &sessions, BOND, &idle(), 0, NOW)),
            [poor, rich]
        );
        let full = route(&book, &sessions, BOND, &share(9), 0, NOW);
        assert!(
            matches!(&full[0], Decision::TooDear(id, why) if *id == poor && why.contains("a fee of 12 wei")),
            "{full:?}"
        );
        assert_eq!(given(full), [rich]);
    }
}
