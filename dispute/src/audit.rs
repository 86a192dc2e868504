//! Re-checks every claim and says which ones to challenge. In which order is [`Docket`]'s business; here it is run.

use crate::clock::Timestamp;
use crate::court::{Court, CourtError, Verdict};
use crate::docket::{Decision, Docket, Finding, Ground, Job, Limits, Moment};
use crate::inputs::Inputs;
use crate::ledger::{Ask, Claim, ClaimStatus, Ledger};
use alloy::primitives::{Address, B256, keccak256};
use assay_bindings::convert::hash;
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::store::{Store, StoreError};
use assay_types::ModelId;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// What is known about each claim.
pub struct Auditor {
    bench: Arc<Bench>,
    store: Arc<dyn Store>,
    chain_id: u64,
    inbox: Address,
    window: u64,
    /// By the claim's identity: a reorganization may put another claim under the same key.
    verdicts: BTreeMap<B256, Verdict>,
    unserved: BTreeSet<B256>,
    right: Counter,
    wrong: Counter,
}

/// What the running jobs share.
struct Bench {
    court: Arc<dyn Court>,
    failed: Counter,
    state: Mutex<State>,
}

struct State {
    docket: Docket,
    inputs: BTreeMap<B256, Arc<Inputs>>,
    decided: Vec<Decision>,
    time: ChainTime,
    closed: bool,
}

/// The chain's time between two blocks.
struct ChainTime {
    head: Timestamp,
    seen: Instant,
}

impl ChainTime {
    fn now(&self) -> Moment {
        self.head * 1_000 + self.seen.elapsed().as_millis() as u64
    }
}

impl Auditor {
    /// Checks with `court`, as many claims at a time as `limits` says; verdicts are cached in `store`. `window` is in
    /// seconds.
    ///
    /// # Errors
    /// The cache is damaged.
    pub fn new(
        court: Arc<dyn Court>,
        store: Arc<dyn Store>,
        chain: (u64, Address),
        window: u64,
        limits: Limits,
        metrics: &Metrics,
    ) -> Result<Auditor, StoreError> {
        let verdicts = read_verdicts(&*store)?;
        let state = State {
            docket: Docket::new(limits),
            inputs: BTreeMap::new(),
            decided: Vec::new(),
            time: ChainTime {
                head: 0,
                seen: Instant::now(),
            },
            closed: false,
        };
        let bench = Bench {
            court,
            failed: metrics.counter("checks_failed", "Checks that gave no verdict"),
            state: Mutex::new(state),
        };
        Ok(Auditor {
            bench: Arc::new(bench),
            store,
            chain_id: chain.0,
            inbox: chain.1,
            window,
            verdicts,
            unserved: BTreeSet::new(),
            right: metrics.counter("claims_right", "Claims that were checked and are right"),
            wrong: metrics.counter("claims_wrong", "Claims that were checked and are wrong"),
        })
    }

    /// Takes in claims that can still be challenged at `now` and what was found of them; never waits.
    ///
    /// # Errors
    /// The cache can't be written.
    pub fn tick(&mut self, ledger: &Ledger, now: Timestamp) -> Result<(), StoreError> {
        let mut alive = BTreeSet::new();
        let mut fresh = Vec::new();
        for (claim, ask) in challengeable(ledger, self.window, now) {
            let id = identity(claim, ask);
            if self.verdicts.contains_key(&id) {
                continue;
            }
            let Some(inputs) = Inputs::of(self.chain_id, self.inbox, ask, claim) else {
                // What is in a blob that was not read yet is read again, and health says so.
                if claim.output.is_some() {
                    tracing::error!(claim = %claim.key, "a claim before its seed was recorded");
                }
                continue;
            };
            if !self.bench.court.serves(inputs.model) {
                let model = ask.request.params.modelId;
                if self.unserved.insert(model) {
                    tracing::warn!(%model, "claims on this model are not checked: its file was not given with --model");
                }
                continue;
            }
            alive.insert(id);
            fresh.push((id, claim, inputs));
        }
        let decided = {
            let mut state = self.bench.lock();
            state.time = ChainTime {
                head: now,
                seen: Instant::now(),
            };
            let now = state.time.now();
            state.docket.retain(&alive);
            let mut decided = std::mem::take(&mut state.decided);
            decided.extend(state.docket.overdue(now));
            for d in &decided {
                alive.remove(&d.id);
            }
            state.inputs.retain(|id, _| alive.contains(id));
            for (id, claim, inputs) in fresh {
                if alive.contains(&id) {
                    let closes_at = (claim.posted_at + self.window) * 1_000;
                    state.docket.enter(id, claim.key, closes_at, now);
                    state.inputs.entry(id).or_insert_with(|| Arc::new(inputs));
                }
            }
            decided
        };
        decided
            .into_iter()
            .try_for_each(|decision| self.keep(decision))?;
        self.bench.pump(&Handle::current());
        Ok(())
    }

    /// Claims that are wrong, and can be challenged at `now`.
    pub fn wrong<'a>(
        &'a self,
        ledger: &'a Ledger,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'a Claim, &'a str)> {
        challengeable(ledger, self.window, now).filter_map(|(claim, ask)| {
            match self.verdicts.get(&identity(claim, ask))? {
                Verdict::Wrong(reason) => Some((claim, reason.as_str())),
                Verdict::Right => None,
            }
        })
    }

    /// Claims that are right, and can be challenged at `now` by somebody who lies.
    pub fn right<'a>(
        &'a self,
        ledger: &'a Ledger,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Claim> {
        challengeable(ledger, self.window, now)
            .filter(|(claim, ask)| {
                self.verdicts.get(&identity(claim, ask)) == Some(&Verdict::Right)
            })
            .map(|(claim, _)| claim)
    }

    /// Claims that can be challenged at `now` and that are not known to be right, as far as they are checked here.
    pub fn doubtful<'a>(
        &'a self,
        ledger: &'a Ledger,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Claim> {
        let court = &self.bench.court;
        challengeable(ledger, self.window, now)
            .filter(|(claim, ask)| {
                self.verdicts.get(&identity(claim, ask)) != Some(&Verdict::Right)
                    && court.serves(ModelId(hash(ask.request.params.modelId)))
            })
            .map(|(claim, _)| claim)
    }

    /// Claims without a verdict.
    pub fn busy(&self) -> usize {
        self.bench.lock().docket.len()
    }

    fn keep(&mut self, decision: Decision) -> Result<(), StoreError> {
        let (claim, ground) = (decision.key, decision.ground);
        let reason = match &decision.verdict {
            Verdict::Right => {
                match ground {
                    Ground::Checked | Ground::Unconfirmed => tracing::info!(%claim, "right"),
                    Ground::Confirmed | Ground::Overruled => {
                        tracing::error!(%claim, "BUG: the fast check does not accept what the machine accepts; not challenged from now on")
                    }
                }
                self.right.inc();
                ""
            }
            Verdict::Wrong(reason) => {
                if ground == Ground::Unconfirmed {
                    tracing::warn!(%claim, "not confirmed by the machine in time: challenged all the same");
                }
                tracing::warn!(%claim, reason, "WRONG");
                self.wrong.inc();
                reason
            }
        };
        self.store
            .put(&[PREFIX, &decision.id[..]].concat(), reason.as_bytes())?;
        self.verdicts.insert(decision.id, decision.verdict);
        Ok(())
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        // Blocking jobs can't be stopped, but none shall start another.
        self.bench.lock().closed = true;
    }
}

impl Bench {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves no half-made change that the next tick does not mend.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts every job that may run now.
    fn pump(self: &Arc<Self>, handle: &Handle) {
        loop {
            let (job, inputs) = {
                let mut state = self.lock();
                let now = state.time.now();
                if state.closed {
                    return;
                }
                let Some(job) = state.docket.next(now) else {
                    return;
                };
                let (Job::Check(id) | Job::Confirm { id, .. }) = job;
                // Whatever is on the docket has its inputs here.
                let Some(inputs) = state.inputs.get(&id).cloned() else {
                    return;
                };
                (job, inputs)
            };
            let (bench, again) = (self.clone(), handle.clone());
            handle.spawn_blocking(move || {
                bench.run(job, &inputs);
                // Whoever ends makes room: the next one starts at once, not with the next block.
                bench.pump(&again);
            });
        }
    }

    fn run(&self, job: Job, inputs: &Inputs) {
        match job {
            Job::Check(id) => {
                let finding = self.check(id, inputs);
                let mut state = self.lock();
                let now = state.time.now();
                let decision = state.docket.checked(id, finding, now);
                state.decided.extend(decision);
            }
            Job::Confirm { id, until } => {
                let left = until.saturating_sub(self.lock().time.now());
                let deadline = Instant::now() + Duration::from_millis(left);
                let word = self.confirm(id, inputs, deadline);
                let mut state = self.lock();
                let now = state.time.now();
                let decision = state.docket.confirmed(id, word, now);
                state.decided.extend(decision);
            }
        }
    }

    fn check(&self, id: B256, inputs: &Inputs) -> Finding {
        match catch_unwind(AssertUnwindSafe(|| self.court.check(inputs))) {
            Ok(Ok(Verdict::Right)) => Finding::Right,
            Ok(Ok(Verdict::Wrong(reason))) => Finding::Wrong(reason),
            Ok(Err(error)) => {
                self.failed.inc();
                tracing::error!(%id, %error, "a claim could not be checked");
                Finding::Failed
            }
            // A bug of its own, which says nothing about the claim: the machine decides.
            Err(_) => {
                self.failed.inc();
                tracing::error!(%id, "BUG: the fast check panicked");
                Finding::Broken
            }
        }
    }

    fn confirm(&self, id: B256, inputs: &Inputs, deadline: Instant) -> Option<Verdict> {
        let run = catch_unwind(AssertUnwindSafe(|| self.court.confirm(inputs, deadline)));
        let panicked = |_| Err(CourtError::NoResult("it panicked".to_owned()));
        match run.unwrap_or_else(panicked) {
            Ok(verdict) => Some(verdict),
            Err(error) => {
                tracing::warn!(%id, %error, "the machine has no word on a claim");
                None
            }
        }
    }
}

const PREFIX: &[u8] = b"verdict/";

fn read_verdicts(store: &dyn Store) -> Result<BTreeMap<B256, Verdict>, StoreError> {
    let mut verdicts = BTreeMap::new();
    for (key, value) in store.scan(PREFIX)? {
        let damaged = || StoreError::Damaged {
            path: store.path().to_owned(),
            key: "a verdict".to_owned(),
        };
        let id = B256::try_from(&key[PREFIX.len()..]).map_err(|_| damaged())?;
        let reason = String::from_utf8(value).map_err(|_| damaged())?;
        verdicts.insert(
            id,
            if reason.is_empty() {
                Verdict::Right
            } else {
                Verdict::Wrong(reason)
            },
        );
    }
    Ok(verdicts)
}

/// Claims whose window is open at `now` and that have lost no game.
fn challengeable(
    ledger: &Ledger,
    window: u64,
    now: Timestamp,
) -> impl Iterator<Item = (&Claim, &Ask)> {
    ledger
        .claims
        .values()
        .filter(move |c| c.status == ClaimStatus::Standing && now < c.posted_at + window)
        .filter_map(|c| Some((c, ledger.asks.get(&c.request_id)?)))
}

/// Everything that decides a verdict.
fn identity(claim: &Claim, ask: &Ask) -> B256 {
    let model = ask.request.params.modelId;
    keccak256(
        [
            &claim.request_id[..],
            &model[..],
            // A reorganization may leave a question's id and change its seed.
            &ask.entropy.unwrap_or_default()[..],
            // Of the bytes, wherever they are: the same answer again is known.
            &claim.output.as_ref().map(keccak256).unwrap_or_default()[..],
        ]
        .concat(),
    )
}
