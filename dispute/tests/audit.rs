//! The auditor's queues with courts of every kind: whatever is false is called wrong while it can be challenged.

use alloy::primitives::{Address, B256, Bytes};
use assay_bindings::Request;
use assay_dispute::audit::Auditor;
use assay_dispute::court::{BoxTrace, Court, CourtError, Verdict};
use assay_dispute::docket::Limits;
use assay_dispute::game::Rules;
use assay_dispute::inputs::Inputs;
use assay_dispute::ledger::{Ask, Claim, ClaimKey, ClaimStatus, Ledger};
use assay_node::deployment::Contracts;
use assay_node::metrics::Metrics;
use assay_node::store::SledStore;
use assay_types::ModelId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// When the claims of these tests were posted.
const POSTED: u64 = 1_000;

/// How the machine behaves.
#[derive(Clone, Copy, PartialEq)]
enum Machine {
    /// It agrees with the truth after this long.
    Slow(Duration),
    /// It never answers, whatever its deadline.
    Hangs,
    /// It has no result, at once.
    Fails,
    /// It accepts everything, after this long.
    Accepts(Duration),
}

/// A court for which an output is right if it is empty.
struct Bench {
    machine: Machine,
    check: Duration,
    panics: AtomicBool,
    checks: AtomicUsize,
    released: Mutex<bool>,
    bell: Condvar,
}

impl Bench {
    fn new(machine: Machine) -> Arc<Bench> {
        Arc::new(Bench {
            machine,
            check: Duration::from_millis(10),
            panics: AtomicBool::new(false),
            checks: AtomicUsize::new(0),
            released: Mutex::new(false),
            bell: Condvar::new(),
        })
    }

    fn release(&self) {
        *self.released.lock().expect("no panic") = true;
        self.bell.notify_all();
    }
}

fn truth(inputs: &Inputs) -> Verdict {
    match inputs.output.is_empty() {
        true => Verdict::Right,
        false => Verdict::Wrong("it is not empty".to_owned()),
    }
}

impl Court for Bench {
    fn serves(&self, _: ModelId) -> bool {
        true
    }

    fn check(&self, inputs: &Inputs) -> Result<Verdict, CourtError> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.check);
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants");
        Ok(truth(inputs))
    }

    fn confirm(&self, inputs: &Inputs, deadline: Instant) -> Result<Verdict, CourtError> {
        match self.machine {
            Machine::Slow(time) => {
                let left = deadline.saturating_duration_since(Instant::now());
                std::thread::sleep(time.min(left));
                match time <= left {
                    true => Ok(truth(inputs)),
                    false => Err(CourtError::OutOfTime),
                }
            }
            Machine::Hangs => {
                let mut released = self.released.lock().expect("no panic");
                while !*released {
                    released = self.bell.wait(released).expect("no panic");
                }
                Err(CourtError::OutOfTime)
            }
            Machine::Fails => Err(CourtError::NoResult("as the test wants".to_owned())),
            Machine::Accepts(time) => {
                std::thread::sleep(time);
                Ok(Verdict::Right)
            }
        }
    }

    fn trace(&self, _: &Inputs) -> Result<BoxTrace, CourtError> {
        Err(CourtError::OutOfTime)
    }
}

/// A ledger with `n` claims of one block; those below `lies` are false.
fn ledger(n: u8, lies: u8) -> Ledger {
    let contracts = Contracts {
        inbox: Address::repeat_byte(1),
        rollup: Address::repeat_byte(2),
        game: Address::repeat_byte(3),
        staking: Address::repeat_byte(4),
        registry: Address::repeat_byte(5),
        prover: Address::repeat_byte(6),
        liveness: None,
        review_judge: None,
        market: None,
    };
    let rules = Rules {
        arity_log2: 5,
        trace_log2: 50,
        allowance: 60,
        blobs: false,
    };
    let mut ledger = Ledger::new(contracts, rules);
    for i in 0..n {
        let id = B256::repeat_byte(i);
        let ask = Ask::open(Request::default(), vec![i].into(), Bytes::new());
        ledger.asks.insert(id, ask);
        let key = ClaimKey {
            segment: i.into(),
            index: 0,
        };
        let output = if i < lies { vec![i, 1] } else { Vec::new() };
        let claim = Claim {
            key,
            request_id: id,
            executor: Address::ZERO,
            output_hash: alloy::primitives::keccak256(&output),
            output: Some(output.into()),
            in_blob: None,
            posted_at: POSTED,
            status: ClaimStatus::Standing,
        };
        ledger.claims.insert(key, claim);
    }
    ledger
}

struct Trial {
    auditor: Auditor,
    ledger: Ledger,
    started: Instant,
    _dir: tempfile::TempDir,
}

impl Trial {
    fn new(court: Arc<Bench>, ledger: Ledger, window: u64) -> Trial {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Arc::new(SledStore::open(dir.path()).expect("opens"));
        let limits = Limits {
            checks: 1,
            confirmations: 1,
        };
        let (place, metrics) = ((1, Address::repeat_byte(1)), Metrics::new("test"));
        let auditor = Auditor::new(court, store, place, window, limits, &metrics);
        Trial {
            auditor: auditor.expect("a fresh store"),
            ledger,
            started: Instant::now(),
            _dir: dir,
        }
    }

    /// Looks at the chain as the watchtower does, until `n` claims are called wrong; seconds since they were posted.
    async fn until_wrong(&mut self, n: usize, limit: f64) -> f64 {
        loop {
            let time = self.started.elapsed().as_secs_f64();
            let wrong = self.look();
            if wrong.len() >= n {
                return time;
            }
            assert!(time < limit, "{wrong:?} after {time} s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn look(&mut self) -> Vec<u64> {
        let now = POSTED + self.started.elapsed().as_secs();
        self.auditor.tick(&self.ledger, now).expect("a store");
        let wrong = self.auditor.wrong(&self.ledger, now);
        wrong.map(|(claim, _)| claim.key.segment).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_false_claims_is_challenged_in_time_however_slow_the_confirmation() {
    let slow = Machine::Slow(Duration::from_millis(700));
    for machine in [slow, Machine::Slow(Duration::from_secs(60)), Machine::Fails] {
        // 40 confirmations would take 28 s, or for ever.
        let mut trial = Trial::new(Bench::new(machine), ledger(44, 40), 12);
        let time = trial.until_wrong(40, 11.0).await;
        let wrong = trial.look();
        assert_eq!(wrong, (0..40).collect::<Vec<_>>(), "and no true one");
        assert!(time < 9.0, "half of the window is 6 s, not {time}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_challenged_though_the_machine_never_answers() {
    let court = Bench::new(Machine::Hangs);
    let mut trial = Trial::new(court.clone(), ledger(12, 10), 6);
    let time = trial.until_wrong(10, 6.0).await;
    assert!(
        (3.0..4.5).contains(&time),
        "after half of the window: {time}"
    );
    // The next burst fares no worse, though the first confirmation still hangs.
    let mut next = ledger(12, 10);
    for claim in next.claims.values_mut() {
        let output = claim.output.as_deref().expect("read");
        claim.output = Some([&output[..], &[9]].concat().into());
        claim.posted_at = POSTED + trial.started.elapsed().as_secs();
    }
    let posted = trial.started.elapsed().as_secs_f64();
    trial.ledger = next;
    let time = trial.until_wrong(12, posted + 6.0).await - posted;
    assert!(time < 5.5, "{time}");
    court.release();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claim_that_the_machine_accepts_is_not_challenged() {
    let court = Bench::new(Machine::Accepts(Duration::from_millis(10)));
    let mut trial = Trial::new(court.clone(), ledger(5, 5), 4);
    while trial.auditor.busy() > 0 || court.checks.load(Ordering::SeqCst) < 5 {
        assert_eq!(trial.look(), [0; 0]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(trial.started.elapsed() < Duration::from_secs(4));
    }
    assert_eq!(trial.look(), [0; 0]);
    assert_eq!(court.checks.load(Ordering::SeqCst), 5, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_word_of_the_machine_ends_a_challenge_that_was_not_made_yet() {
    let court = Bench::new(Machine::Accepts(Duration::from_secs(3)));
    let mut trial = Trial::new(court, ledger(1, 1), 4);
    assert!(trial.until_wrong(1, 3.0).await >= 2.0);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    trial.look();
    assert_eq!(trial.look(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_check_panics_the_machine_alone_decides() {
    let court = Bench::new(Machine::Slow(Duration::from_millis(10)));
    court.panics.store(true, Ordering::SeqCst);
    let mut trial = Trial::new(court, ledger(4, 2), 20);
    trial.until_wrong(2, 5.0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(trial.look(), [0, 1]);
    assert_eq!(trial.auditor.busy(), 0);

    let court = Bench::new(Machine::Fails);
    court.panics.store(true, Ordering::SeqCst);
    let mut trial = Trial::new(court, ledger(4, 2), 4);
    while trial.started.elapsed() < Duration::from_millis(3_800) {
        assert_eq!(trial.look(), [0; 0], "nobody says that it is wrong");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
