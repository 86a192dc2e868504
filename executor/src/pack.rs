//! Answers that wait a moment to share a blob: it costs the same however full it is. Pure: the caller has the clock.

use crate::segment::Answered;
use alloy::primitives::{B256, KECCAK256_EMPTY, U256};
use alloy::sol_types::SolValue;
use assay_bindings::Request;
use assay_bindings::blob_refs::{HEAD, PER_ELEMENT};
use assay_bindings::hashes::{ORIGIN_SIGNED, output_tokens, work};
use assay_node::blob::ELEMENTS;
use std::time::{Duration, Instant};

/// Results of a segment that every sequencer takes.
const MOST_RESULTS: usize = 64;
/// Bytes of a batch that a segment may take with every sequencer, and those that one result takes at most beside the request's
/// payload: request and reference, and the same again where the request was signed.
const MOST_BYTES: usize = 65_536;
const RESULT_BYTES: usize = 2_112;

/// What an answer takes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Load {
    results: usize,
    elements: usize,
    bytes: usize,
    work: U256,
}

impl Load {
    /// `None` if it had better not share: what comes along with it is not known here.
    fn of(answered: &Answered) -> Option<Load> {
        let r = Request::abi_decode(&answered.request).ok()?;
        if r.origin == ORIGIN_SIGNED && r.userDataHash != KECCAK256_EMPTY {
            return None;
        }
        let tokens = output_tokens(&answered.output, r.maxTokens);
        Some(Load {
            results: 1,
            elements: answered
                .output
                .len()
                .saturating_sub(HEAD)
                .div_ceil(PER_ELEMENT),
            bytes: RESULT_BYTES + answered.payload.len(),
            work: U256::from(work(r.modelLength, r.payloadLength, tokens)),
        })
    }

    fn and(self, other: Load) -> Load {
        Load {
            results: self.results + other.results,
            elements: self.elements + other.elements,
            bytes: self.bytes + other.bytes,
            work: self.work + other.work,
        }
    }
}

/// What waits, with something of the caller's for each.
#[derive(Debug)]
pub struct Pack<T> {
    waiting: Vec<(Answered, T)>,
    load: Load,
    due: Option<Instant>,
    most_results: usize,
    most_work: U256,
}

/// What becomes of an answer that is handed in.
#[derive(PartialEq, Eq, Debug)]
pub enum Handed<T> {
    /// It goes at once, with these.
    Now(Vec<(Answered, T)>),
    /// It waits until then for others; those that were in its way go now.
    Later(Instant, Vec<(Answered, T)>),
}

impl<T> Pack<T> {
    /// Segments of `most_results` at most, as many as may be at work at once, and of `most_work` at most.
    pub fn new(most_results: usize, most_work: U256) -> Pack<T> {
        Pack {
            waiting: Vec::new(),
            load: Load::default(),
            due: None,
            most_results: most_results.min(MOST_RESULTS),
            most_work,
        }
    }

    fn fits(&self, load: Load) -> bool {
        load.results <= self.most_results
            && load.elements <= ELEMENTS
            && load.bytes <= MOST_BYTES
            && load.work <= self.most_work
    }

    /// Hands in an answer that may wait until `until`. It takes the place of one to the same request that waits: a request that
    /// was withdrawn meanwhile may come again.
    // INVARIANT: one answer at most waits for each request.
    pub fn hand_in(&mut self, answered: Answered, with: T, until: Instant) -> Handed<T> {
        self.forget(answered.request_id);
        let Some(load) = Load::of(&answered).filter(|load| self.fits(*load)) else {
            return Handed::Now(vec![(answered, with)]);
        };
        let mut out = Vec::new();
        if !self.fits(self.load.and(load)) {
            out = self.take();
        }
        self.load = self.load.and(load);
        self.waiting.push((answered, with));
        // INVARIANT: none waits for longer than it may, whoever it shares with.
        let due = self.due.map_or(until, |due| due.min(until));
        self.due = Some(due);
        // Nobody else is at work, so nobody else comes.
        if self.waiting.len() >= self.most_results {
            out.extend(self.take());
            return Handed::Now(out);
        }
        Handed::Later(due, out)
    }

    /// All that waits, if its time has come.
    pub fn take_due(&mut self, now: Instant) -> Vec<(Answered, T)> {
        match self.due {
            Some(due) if due <= now => self.take(),
            _ => Vec::new(),
        }
    }

    fn forget(&mut self, request_id: B256) {
        let before = self.waiting.len();
        self.waiting.retain(|(a, _)| a.request_id != request_id);
        if self.waiting.len() == before {
            return;
        }
        let loads = self.waiting.iter().filter_map(|(a, _)| Load::of(a));
        self.load = loads.fold(Load::default(), Load::and);
        if self.waiting.is_empty() {
            self.due = None;
        }
    }

    fn take(&mut self) -> Vec<(Answered, T)> {
        (self.load, self.due) = (Load::default(), None);
        std::mem::take(&mut self.waiting)
    }
}

/// How long an answer may wait: as long as `wanted`, and a quarter at most of the milliseconds that are left of each deadline.
pub fn patience(wanted: Duration, left_ms: impl IntoIterator<Item = u64>) -> Duration {
    let least = left_ms.into_iter().min().unwrap_or(u64::MAX);
    wanted.min(Duration::from_millis(least / 4))
}

/// Ids of answers, for logs.
pub fn ids<T>(pack: &[(Answered, T)]) -> Vec<B256> {
    pack.iter().map(|(a, _)| a.request_id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Bytes;

    fn answered(n: u8, output: usize, payload: usize) -> Answered {
        let request = Request {
            modelLength: 10,
            maxTokens: 7,
            userDataHash: KECCAK256_EMPTY,
            ..Default::default()
        };
        Answered {
            request_id: B256::repeat_byte(n),
            request: request.abi_encode().into(),
            payload: vec![0; payload].into(),
            // An error: it counts max tokens, 70 units of work.
            output: vec![255; output].into(),
            entropy: None,
        }
    }

    fn pack(most_results: usize) -> Pack<()> {
        Pack::new(most_results, U256::from(1_000))
    }

    /// Ids by their first byte.
    fn firsts(pack: Vec<(Answered, ())>) -> Vec<u8> {
        ids(&pack).iter().map(|id| id[0]).collect()
    }

    #[test]
    fn answers_wait_together_until_the_first_of_them_may_wait_no_longer() {
        let (mut pack, start) = (pack(4), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let first = pack.hand_in(answered(1, 40, 0), (), at(900));
        assert_eq!(first, Handed::Later(at(900), vec![]));
        let second = pack.hand_in(answered(2, 40, 0), (), at(500));
        assert_eq!(second, Handed::Later(at(500), vec![]));
        let third = pack.hand_in(answered(3, 40, 0), (), at(800));
        assert_eq!(third, Handed::Later(at(500), vec![]));
        assert!(pack.take_due(at(499)).is_empty());
        assert_eq!(firsts(pack.take_due(at(500))), [1, 2, 3]);
        assert!(pack.take_due(at(5_000)).is_empty(), "each goes once");
    }

    #[test]
    fn answer_to_a_request_that_came_again_takes_the_place_of_the_first_one() {
        let (mut pack, start) = (pack(4), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        pack.hand_in(answered(1, 40, 0), (), at(100));
        let alone = pack.hand_in(answered(1, 50, 0), (), at(900));
        assert_eq!(alone, Handed::Later(at(900), vec![]), "nobody else waits");
        pack.hand_in(answered(2, 40, 0), (), at(800));
        pack.hand_in(answered(1, 60, 0), (), at(1_000));
        let one = Load::of(&answered(2, 40, 0)).expect("it shares");
        assert_eq!(
            pack.load,
            one.and(Load::of(&answered(1, 60, 0)).expect("it shares"))
        );
        let all = pack.take_due(at(800));
        let lengths: Vec<_> = all.iter().map(|(a, _)| a.output.len()).collect();
        assert_eq!((lengths, firsts(all)), (vec![40, 60], vec![2, 1]));
        // Also where the second one goes alone.
        pack.hand_in(answered(3, 40, 0), (), at(100));
        let big = answered(3, 40, 70_000);
        let handed = pack.hand_in(big.clone(), (), at(100));
        assert_eq!(handed, Handed::Now(vec![(big, ())]));
        assert!(pack.take_due(at(5_000)).is_empty());
    }

    #[test]
    fn segment_that_can_hold_no_more_goes_and_the_next_one_begins() {
        let now = Instant::now();
        // As many as are at work at once.
        let mut full = pack(2);
        full.hand_in(answered(1, 40, 0), (), now);
        let Handed::Now(all) = full.hand_in(answered(2, 40, 0), (), now) else {
            panic!("nobody else comes");
        };
        assert_eq!(firsts(all), [1, 2]);
        // 31 of 4 KiB are 4123 elements; 31 of 2,112 bytes are 65,472; 15 of 70 are 1,050 units of work.
        for (most_work, output, payload, fit) in [
            (100_000, 4_101, 0, 30),
            (100_000, 40, 0, 31),
            (100_000, 40, 1_000, 21),
            (1_000, 40, 0, 14),
        ] {
            let mut pack = Pack::new(64, U256::from(most_work));
            for n in 0..fit {
                let handed = pack.hand_in(answered(n, output, payload), (), now);
                assert_eq!(handed, Handed::Later(now, vec![]), "{n}");
            }
            let Handed::Later(_, gone) = pack.hand_in(answered(99, output, payload), (), now)
            else {
                panic!("it begins the next");
            };
            assert_eq!(firsts(gone), (0..fit).collect::<Vec<_>>());
            assert_eq!(firsts(pack.take_due(now)), [99]);
        }
    }

    #[test]
    fn what_can_not_be_told_to_fit_goes_alone() {
        let (mut pack, now) = (pack(4), Instant::now());
        let mut signed = answered(1, 40, 0);
        let request = Request {
            origin: ORIGIN_SIGNED,
            userDataHash: B256::repeat_byte(1),
            ..Default::default()
        };
        signed.request = request.abi_encode().into();
        let mut odd = answered(2, 40, 0);
        odd.request = Bytes::new();
        for alone in [signed, odd, answered(3, 40, 70_000)] {
            let handed = pack.hand_in(alone.clone(), (), now);
            assert_eq!(handed, Handed::Now(vec![(alone, ())]));
        }
    }

    #[test]
    fn nobody_waits_past_a_quarter_of_what_is_left() {
        let wanted = Duration::from_millis(1_000);
        assert_eq!(patience(wanted, [60_000, 9_000]), wanted);
        assert_eq!(patience(wanted, [60_000, 800]), Duration::from_millis(200));
        assert_eq!(patience(wanted, [0, 9_000]), Duration::ZERO);
    }
}
