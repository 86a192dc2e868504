//! The line of accepted segments before the next batch. Pure.
//!
//! Rules: executors take turns, whoever's segment came first begins, and each one's segments go oldest first; addresses
//! decide nothing. A batch is in calldata or in blobs, as its first segment is; the others of its kind go along, and one blob
//! goes with each segment. A segment that does not fit the work left holds the line, or smaller ones would pass it for ever; one
//! whose fees don't pay for its work now is passed over. One that the chain refused with others goes alone, so that it
//! can't take them along a second time.

use alloy::primitives::Address;
use assay_node::tx::MOST_BLOBS;
use std::collections::BTreeMap;

/// An executor's segment.
pub type Key = (Address, u64);

/// A segment that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Whose, and which.
    pub key: Key,
    /// Order of arrival among all.
    pub arrival: u64,
    /// Whether it must go alone.
    pub suspect: bool,
    /// Bytes that it takes in a batch.
    pub bytes: usize,
    /// Whether its outputs go into a blob.
    pub in_blob: bool,
}

/// Whether the window takes a segment's work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// It does, and has it.
    Yes,
    /// Not before some of the window has drained.
    NoRoom,
    /// Its fees don't pay for it now.
    Dear,
}

/// The segments of the next batch, for `bytes` at most; `fit` is asked of each that is about to be picked. The first one
/// goes even if it alone has more bytes.
pub fn next_batch(
    waiting: Vec<Waiting>,
    bytes: usize,
    mut fit: impl FnMut(&Waiting) -> Fit,
) -> Vec<Key> {
    let (mut taken, mut picked) = (0usize, Vec::new());
    let mut blobs = None;
    for segment in in_turns(waiting) {
        let first = picked.is_empty();
        let other = blobs.is_some_and(|blobs| blobs != segment.in_blob);
        if other || (segment.in_blob && picked.len() >= MOST_BLOBS) {
            continue;
        }
        if segment.suspect && !first {
            continue;
        }
        if taken + segment.bytes > bytes && !first {
            continue;
        }
        match fit(&segment) {
            Fit::Yes => {}
            Fit::NoRoom => break,
            Fit::Dear => continue,
        }
        taken += segment.bytes;
        blobs = Some(segment.in_blob);
        picked.push(segment.key);
        if segment.suspect {
            break;
        }
    }
    picked
}

fn in_turns(mut waiting: Vec<Waiting>) -> Vec<Waiting> {
    waiting.sort_by_key(|w| w.arrival);
    let mut turns: BTreeMap<Address, usize> = BTreeMap::new();
    let mut line: Vec<(usize, Waiting)> = waiting
        .into_iter()
        .map(|w| {
            let turn = turns.entry(w.key.0).or_default();
            *turn += 1;
            (*turn, w)
        })
        .collect();
    line.sort_by_key(|(turn, w)| (*turn, w.arrival));
    line.into_iter().map(|(_, w)| w).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(executor: u8, number: u64, arrival: u64) -> Waiting {
        Waiting {
            key: (Address::repeat_byte(executor), number),
            arrival,
            suspect: false,
            bytes: 10,
            in_blob: false,
        }
    }

    /// Picks among segments of 10 units of work each.
    fn pick(waiting: &[Waiting], work: u64, bytes: usize) -> Vec<(u8, u64)> {
        pick_with(waiting, work, bytes, |_| 10)
    }

    /// Picks among segments that need what `work_of` says; a need of 0 can't pay.
    fn pick_with(
        waiting: &[Waiting],
        mut left: u64,
        bytes: usize,
        work_of: impl Fn(&Waiting) -> u64,
    ) -> Vec<(u8, u64)> {
        let keys = next_batch(waiting.to_vec(), bytes, |segment| match work_of(segment) {
            0 => Fit::Dear,
            work if work > left => Fit::NoRoom,
            work => {
                left -= work;
                Fit::Yes
            }
        });
        keys.into_iter().map(|(who, n)| (who[0], n)).collect()
    }

    #[test]
    fn executors_take_turns_oldest_first_whatever_their_addresses() {
        // The lowest address has the most, and the highest came first.
        let waiting = [
            segment(1, 5, 2),
            segment(1, 6, 3),
            segment(1, 7, 4),
            segment(9, 0, 1),
            segment(9, 1, 6),
            segment(5, 0, 5),
        ];
        let all = [(9, 0), (1, 5), (5, 0), (1, 6), (9, 1), (1, 7)];
        assert_eq!(pick(&waiting, 1_000, 1_000), all);
        assert_eq!(pick(&waiting, 1_000, 30), all[..3]);
        assert_eq!(pick(&waiting, 30, 1_000), all[..3]);
    }

    #[test]
    fn segment_that_waits_for_work_is_not_passed_by_smaller_ones() {
        let waiting = [segment(1, 0, 1), segment(2, 0, 2), segment(3, 0, 3)];
        let work = |w: &Waiting| if w.arrival == 2 { 50 } else { 10 };
        assert_eq!(pick_with(&waiting, 55, 1_000, work), [(1, 0)]);
        assert_eq!(pick_with(&waiting, 60, 1_000, work), [(1, 0), (2, 0)]);
    }

    #[test]
    fn segment_that_can_not_pay_holds_nobody_up() {
        let waiting = [segment(1, 0, 1), segment(2, 0, 2), segment(3, 0, 3)];
        let work = |w: &Waiting| if w.arrival == 1 { 0 } else { 10 };
        assert_eq!(pick_with(&waiting, 100, 1_000, work), [(2, 0), (3, 0)]);
    }

    #[test]
    fn segment_that_is_too_large_for_this_batch_waits_for_the_next_and_then_leads_it() {
        let mut waiting = [segment(1, 0, 1), segment(2, 0, 2), segment(3, 0, 3)];
        waiting[1].bytes = 95;
        assert_eq!(pick(&waiting, 1_000, 100), [(1, 0), (3, 0)]);
        assert_eq!(pick(&waiting[1..], 1_000, 100), [(2, 0)]);
        assert_eq!(
            pick(&waiting[1..], 1_000, 50),
            [(2, 0)],
            "alone, if need be"
        );
    }

    #[test]
    fn batch_is_of_one_kind_and_has_six_blobs_at_most() {
        let mut waiting: Vec<Waiting> = (1..=10).map(|n| segment(n, 0, n.into())).collect();
        for n in [0, 2, 3, 4, 5, 6, 7, 8] {
            waiting[n].in_blob = true;
        }
        let first = pick(&waiting, 1_000, 1_000);
        assert_eq!(first, [1, 3, 4, 5, 6, 7].map(|n| (n, 0)));
        waiting.retain(|w| !first.contains(&(w.key.0[0], w.key.1)));
        // The one that was left out leads the next batch.
        let second = pick(&waiting, 1_000, 1_000);
        assert_eq!(second, [(2, 0), (10, 0)]);
        waiting.retain(|w| w.in_blob);
        assert_eq!(pick(&waiting, 1_000, 1_000), [(8, 0), (9, 0)]);
    }

    #[test]
    fn suspect_goes_alone_and_holds_nobody_up() {
        let mut waiting = [segment(1, 0, 1), segment(2, 0, 2), segment(3, 0, 3)];
        waiting[1].suspect = true;
        assert_eq!(pick(&waiting, 1_000, 1_000), [(1, 0), (3, 0)]);
        waiting[0].suspect = true;
        assert_eq!(pick(&waiting, 1_000, 1_000), [(1, 0)]);
        assert_eq!(pick(&waiting[1..], 1_000, 1_000), [(2, 0)]);
        assert_eq!(pick(&waiting[2..], 1_000, 1_000), [(3, 0)]);
    }
}
