//! Which claim is looked at next, and until when. Pure: no chain, no clock of its own, no threads.
//!
//! Rules: every claim gets its fast check before any gets its confirmation, the one whose window closes first before the
//! others. What the fast check refuses is confirmed by the machine while half of the time lasts that was left of the window
//! when the claim was first seen. Then it is accused all the same, whether its confirmation runs, waits or failed. So one
//! claim's confirmation never takes another's time, and a burst of false claims is accused in the first half of its window.

use crate::court::Verdict;
use crate::ledger::ClaimKey;
use alloy::primitives::B256;
use std::collections::{BTreeMap, BTreeSet};

/// Chain time in milliseconds.
pub type Moment = u64;

/// Wait after a check that failed for a reason of its own.
const RETRY: Moment = 5_000;

/// How much runs at one time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Fast checks.
    pub checks: usize,
    /// Confirmations.
    pub confirmations: usize,
}

/// Something to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// The fast check of a claim.
    Check(B256),
    /// The machine's own word on a claim.
    Confirm {
        /// Which.
        id: B256,
        /// When it is of no use any more.
        until: Moment,
    },
}

/// What a fast check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The claim is right.
    Right,
    /// It is wrong, for this reason.
    Wrong(String),
    /// The check broke down on it: only the machine can tell.
    Broken,
    /// There is no result; trying again may bring one.
    Failed,
}

/// What is held of a claim from now on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Which.
    pub id: B256,
    /// Its name.
    pub key: ClaimKey,
    /// Right or wrong.
    pub verdict: Verdict,
    /// Who says so.
    pub ground: Ground,
}

/// Why a decision was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// The fast check accepts it.
    Checked,
    /// The machine has spoken.
    Confirmed,
    /// The fast check refuses it, and the machine had no word in time.
    Unconfirmed,
    /// The machine has spoken after all, and against what was decided.
    Overruled,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Checking,
    /// Refused by the fast check for a reason, or without one where that broke down.
    Suspect(Option<String>),
    Confirming(Option<String>),
}

#[derive(Clone, Debug)]
struct Case {
    key: ClaimKey,
    closes_at: Moment,
    deadline: Moment,
    not_before: Moment,
    stage: Stage,
}

impl Case {
    /// When the machine's word is of no use any more. Without a reason nothing is accused, so that word is worth waiting for.
    fn until(&self, reason: &Option<String>) -> Moment {
        match reason {
            Some(_) => self.deadline,
            None => self.closes_at,
        }
    }
}

/// The claims that are not decided.
#[derive(Debug)]
pub struct Docket {
    limits: Limits,
    cases: BTreeMap<B256, Case>,
    /// A job holds its place until it ends, whatever became of its case: those that never end are few.
    checking: BTreeSet<B256>,
    confirming: BTreeMap<B256, ClaimKey>,
}

impl Docket {
    /// Nothing to do yet.
    pub fn new(limits: Limits) -> Docket {
        Docket {
            limits,
            cases: BTreeMap::new(),
            checking: BTreeSet::new(),
            confirming: BTreeMap::new(),
        }
    }

    /// A claim without a verdict whose window closes at `closes_at`. Told again, it changes nothing.
    pub fn enter(&mut self, id: B256, key: ClaimKey, closes_at: Moment, now: Moment) {
        // INVARIANT: absolute, and set once, so no claim's deadline depends on how long others took.
        let deadline = now + closes_at.saturating_sub(now) / 2;
        let case = Case {
            key,
            closes_at,
            deadline,
            not_before: now,
            stage: Stage::Waiting,
        };
        let known = self.cases.entry(id).or_insert_with(|| case.clone());
        // The same answer again, under another name and with a window of its own.
        if (known.key, known.closes_at) != (key, closes_at) {
            let stage = known.stage.clone();
            *known = Case { stage, ..case };
        }
    }

    /// Forgets every claim that is not among `alive`.
    pub fn retain(&mut self, alive: &BTreeSet<B256>) {
        self.cases.retain(|id, _| alive.contains(id));
    }

    /// Claims without a decision.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether every claim is decided.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Takes the next job that may run at `now`, if there is a place for it.
    pub fn next(&mut self, now: Moment) -> Option<Job> {
        let ready = |c: &Case| c.not_before <= now && now < c.closes_at;
        let waiting = |(id, c): &(&B256, &Case)| {
            c.stage == Stage::Waiting && ready(c) && !self.checking.contains(*id)
        };
        let first = self.cases.iter().filter(waiting);
        if let Some((&id, _)) = first.min_by_key(|(_, c)| (c.closes_at, c.key)) {
            if self.checking.len() >= self.limits.checks {
                return None;
            }
            self.set(&id, Stage::Checking);
            self.checking.insert(id);
            return Some(Job::Check(id));
        }
        if self.confirming.len() >= self.limits.confirmations {
            return None;
        }
        let suspects = self.cases.iter().filter_map(|(id, c)| match &c.stage {
            Stage::Suspect(reason) if ready(c) && now < c.until(reason) => Some((*id, c, reason)),
            _ => None,
        });
        let (id, case, reason) = suspects
            .filter(|(id, _, _)| !self.confirming.contains_key(id))
            .min_by_key(|(_, c, _)| (c.deadline, c.key))?;
        let (until, key, reason) = (case.until(reason), case.key, reason.clone());
        self.set(&id, Stage::Confirming(reason));
        self.confirming.insert(id, key);
        Some(Job::Confirm { id, until })
    }

    /// A fast check has ended.
    pub fn checked(&mut self, id: B256, finding: Finding, now: Moment) -> Option<Decision> {
        self.checking.remove(&id);
        match finding {
            Finding::Right => self.decide(&id, Verdict::Right, Ground::Checked),
            Finding::Wrong(reason) => self.set(&id, Stage::Suspect(Some(reason))),
            Finding::Broken => self.set(&id, Stage::Suspect(None)),
            Finding::Failed => self.later(&id, Stage::Waiting, now),
        }
    }

    /// A confirmation has ended; `None`: without a result.
    pub fn confirmed(&mut self, id: B256, word: Option<Verdict>, now: Moment) -> Option<Decision> {
        let key = self.confirming.remove(&id)?;
        let Some(case) = self.cases.get(&id) else {
            // Accused without the machine's word, which comes now. It counts.
            return (word == Some(Verdict::Right)).then_some(Decision {
                id,
                key,
                verdict: Verdict::Right,
                ground: Ground::Overruled,
            });
        };
        let Stage::Confirming(reason) = case.stage.clone() else {
            return None;
        };
        match (word, reason) {
            (Some(verdict), _) => self.decide(&id, verdict, Ground::Confirmed),
            (None, Some(reason)) => self.decide(&id, Verdict::Wrong(reason), Ground::Unconfirmed),
            (None, None) => self.later(&id, Stage::Suspect(None), now),
        }
    }

    /// Claims whose time for a confirmation is over at `now`, the most urgent first.
    // INVARIANT: what the fast check refused is accused at its deadline at the latest.
    pub fn overdue(&mut self, now: Moment) -> Vec<Decision> {
        let late = |(id, c): (&B256, &Case)| match &c.stage {
            Stage::Suspect(Some(reason)) | Stage::Confirming(Some(reason)) if c.deadline <= now => {
                Some((c.deadline, c.key, *id, reason.clone()))
            }
            _ => None,
        };
        let mut late: Vec<_> = self.cases.iter().filter_map(late).collect();
        late.sort();
        late.into_iter()
            .filter_map(|(_, _, id, why)| {
                self.decide(&id, Verdict::Wrong(why), Ground::Unconfirmed)
            })
            .collect()
    }

    fn decide(&mut self, id: &B256, verdict: Verdict, ground: Ground) -> Option<Decision> {
        let case = self.cases.remove(id)?;
        Some(Decision {
            id: *id,
            key: case.key,
            verdict,
            ground,
        })
    }

    fn set(&mut self, id: &B256, stage: Stage) -> Option<Decision> {
        if let Some(case) = self.cases.get_mut(id) {
            case.stage = stage;
        }
        None
    }

    fn later(&mut self, id: &B256, stage: Stage, now: Moment) -> Option<Decision> {
        if let Some(case) = self.cases.get_mut(id) {
            case.not_before = now + RETRY;
        }
        self.set(id, stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> B256 {
        B256::repeat_byte(n)
    }

    fn key(n: u8) -> ClaimKey {
        ClaimKey {
            segment: n.into(),
            index: 0,
        }
    }

    fn docket(checks: usize, confirmations: usize) -> Docket {
        Docket::new(Limits {
            checks,
            confirmations,
        })
    }

    fn wrong(why: &str) -> Finding {
        Finding::Wrong(why.to_owned())
    }

    fn verdicts(decisions: Vec<Decision>) -> Vec<(u64, Ground)> {
        decisions
            .iter()
            .map(|d| (d.key.segment, d.ground))
            .collect()
    }

    #[test]
    fn every_claim_is_checked_before_any_is_confirmed_the_most_urgent_first() {
        let mut docket = docket(1, 1);
        for (n, closes_at) in [(1, 300), (2, 100), (3, 200)] {
            docket.enter(id(n), key(n), closes_at, 0);
        }
        for n in [2, 3, 1] {
            assert_eq!(docket.next(10), Some(Job::Check(id(n))));
            if n != 1 {
                assert_eq!(docket.next(10), None, "one at a time, and checks first");
            }
            assert_eq!(docket.checked(id(n), wrong("x"), 10), None);
        }
        let first = Job::Confirm {
            id: id(2),
            until: 50,
        };
        assert_eq!(docket.next(10), Some(first));
        assert_eq!(docket.next(10), None, "one at a time");
        // A newcomer's check does not wait for the confirmation, and the next confirmation waits for the newcomer.
        docket.enter(id(4), key(4), 400, 10);
        assert_eq!(docket.next(10), Some(Job::Check(id(4))));
        docket.confirmed(id(2), Some(Verdict::Wrong("y".to_owned())), 20);
        docket.enter(id(5), key(5), 400, 20);
        assert_eq!(docket.next(20), None);
        docket.checked(id(4), Finding::Right, 20);
        assert_eq!(docket.next(20), Some(Job::Check(id(5))));
        let second = Job::Confirm {
            id: id(3),
            until: 100,
        };
        assert_eq!(docket.next(20), Some(second));
    }

    #[test]
    fn deadline_is_half_of_what_was_left_when_first_seen_and_never_moves() {
        let mut docket = docket(1, 1);
        for n in 1..=3 {
            docket.enter(id(n), key(n), 1_000, 200);
        }
        for _ in 1..=3 {
            let Some(Job::Check(id)) = docket.next(250) else {
                panic!("a check")
            };
            docket.checked(id, wrong("x"), 300);
        }
        docket.enter(id(1), key(1), 1_000, 500);
        let job = docket.next(500);
        let until = 600;
        assert_eq!(job, Some(Job::Confirm { id: id(1), until }));
        assert_eq!(docket.overdue(599), []);
        // One is being confirmed, two wait for their turn: all are accused.
        let late = verdicts(docket.overdue(600));
        assert_eq!(late, [1, 2, 3].map(|n| (n, Ground::Unconfirmed)));
        assert!(docket.is_empty());
        assert_eq!(docket.next(600), None);
    }

    #[test]
    fn check_that_ends_after_the_deadline_accuses_at_once() {
        let mut docket = docket(1, 1);
        docket.enter(id(1), key(1), 1_000, 0);
        docket.next(0);
        docket.checked(id(1), wrong("x"), 700);
        assert_eq!(docket.next(700), None, "too late to be confirmed");
        assert_eq!(verdicts(docket.overdue(700)), [(1, Ground::Unconfirmed)]);
    }

    #[test]
    fn machine_has_the_last_word_even_if_it_is_late() {
        let mut docket = docket(1, 1);
        let accused = |docket: &mut Docket| {
            docket.enter(id(1), key(1), 1_000, 0);
            assert_eq!(docket.next(0), Some(Job::Check(id(1))));
            docket.checked(id(1), wrong("x"), 0);
            docket.next(0).expect("confirmed");
        };
        accused(&mut docket);
        let right = docket.confirmed(id(1), Some(Verdict::Right), 10);
        let right = right.expect("decided");
        assert_eq!(
            (right.verdict, right.ground),
            (Verdict::Right, Ground::Confirmed)
        );
        accused(&mut docket);
        let why = docket.confirmed(id(1), Some(Verdict::Wrong("y".to_owned())), 10);
        assert_eq!(
            why.expect("decided").verdict,
            Verdict::Wrong("y".to_owned())
        );
        accused(&mut docket);
        let failed = docket.confirmed(id(1), None, 10).expect("decided");
        assert_eq!(failed.verdict, Verdict::Wrong("x".to_owned()));
        assert_eq!(failed.ground, Ground::Unconfirmed);
        accused(&mut docket);
        assert_eq!(docket.overdue(500).len(), 1);
        let late = docket.confirmed(id(1), Some(Verdict::Right), 900);
        let late = late.expect("decided anew");
        assert_eq!(
            (late.verdict, late.ground),
            (Verdict::Right, Ground::Overruled)
        );
        accused(&mut docket);
        assert_eq!(docket.overdue(500).len(), 1);
        assert_eq!(docket.confirmed(id(1), None, 900), None);
    }

    #[test]
    fn confirmation_that_never_ends_holds_one_place_and_nobody_else() {
        let mut docket = docket(1, 1);
        docket.enter(id(1), key(1), 1_000, 0);
        docket.next(0);
        docket.checked(id(1), wrong("x"), 0);
        docket.next(0).expect("confirmed");
        assert_eq!(docket.overdue(500).len(), 1);
        docket.enter(id(2), key(2), 2_000, 600);
        assert_eq!(docket.next(600), Some(Job::Check(id(2))));
        docket.checked(id(2), wrong("x"), 600);
        assert_eq!(docket.next(600), None, "its place is still taken");
        assert_eq!(verdicts(docket.overdue(1_300)), [(2, Ground::Unconfirmed)]);
    }

    #[test]
    fn claim_on_which_the_check_breaks_down_is_never_accused_without_the_machine() {
        let mut docket = docket(1, 1);
        docket.enter(id(1), key(1), 10_000, 0);
        docket.next(0);
        docket.checked(id(1), Finding::Broken, 0);
        let job = Job::Confirm {
            id: id(1),
            until: 10_000,
        };
        assert_eq!(docket.next(0), Some(job));
        assert_eq!(docket.confirmed(id(1), None, 100), None);
        assert_eq!(docket.next(100), None);
        assert_eq!(docket.next(100 + RETRY), Some(job), "tried again");
        assert_eq!(docket.overdue(9_999), []);
        let word = docket.confirmed(id(1), Some(Verdict::Wrong("y".to_owned())), 9_999);
        assert_eq!(word.expect("decided").ground, Ground::Confirmed);
    }

    #[test]
    fn failed_check_is_tried_again_and_forgotten_claims_are_not() {
        let mut docket = docket(2, 1);
        docket.enter(id(1), key(1), 60_000, 0);
        docket.enter(id(2), key(2), 60_000, 0);
        assert_eq!(docket.next(0), Some(Job::Check(id(1))));
        docket.checked(id(1), Finding::Failed, 10);
        assert_eq!(docket.next(10), Some(Job::Check(id(2))));
        assert_eq!(docket.next(10), None);
        assert_eq!(docket.next(10 + RETRY), Some(Job::Check(id(1))));
        docket.retain(&BTreeSet::from([id(1)]));
        assert_eq!(docket.checked(id(2), wrong("x"), 20), None);
        assert_eq!((docket.len(), docket.next(60_000)), (1, None));
    }

    /// Plays `claims` false claims of one block against a watchtower with one place of each kind. Returns when each was
    /// accused.
    fn burst(claims: u8, window: Moment, check: Moment, confirm: Option<Moment>) -> Vec<Moment> {
        let mut docket = docket(1, 1);
        let mut ends: BTreeMap<Moment, Vec<Job>> = BTreeMap::new();
        let mut accused = Vec::new();
        for n in 0..claims {
            docket.enter(id(n), key(n), window, 0);
        }
        for now in 0..window {
            for job in ends.remove(&now).unwrap_or_default() {
                let word = Verdict::Wrong("y".to_owned());
                let decided = match job {
                    Job::Check(id) => docket.checked(id, wrong("x"), now),
                    Job::Confirm { id, .. } => docket.confirmed(id, Some(word), now),
                };
                accused.extend(decided.map(|_| now));
            }
            accused.extend(docket.overdue(now).iter().map(|_| now));
            while let Some(job) = docket.next(now) {
                let takes = match job {
                    Job::Check(_) => check,
                    // At most until it is of no use any more, but it may also never end.
                    Job::Confirm { until, .. } => match confirm {
                        Some(takes) => takes.min(until - now),
                        None => continue,
                    },
                };
                ends.entry(now + takes).or_default().push(job);
            }
        }
        accused
    }

    #[test]
    fn burst_of_false_claims_is_accused_in_the_first_half_of_its_window() {
        // What one epoch of the devnet can hold: 41 claims, 30 s, 0.15 s a check, 1.5 s a confirmation.
        for confirm in [Some(1), Some(1_500), Some(100_000), None] {
            let accused = burst(41, 30_000, 150, confirm);
            assert_eq!(accused.len(), 41, "{confirm:?}");
            assert!(accused.iter().all(|at| *at <= 15_000), "{accused:?}");
        }
    }
}
