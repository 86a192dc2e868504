//! Re-checks every claim and says which ones to challenge.
//!
//! A claim that the fast check refuses is confirmed by the machine itself, for at most half of what is left of the
//! window; then it is challenged anyway.

use crate::clock::Timestamp;
use crate::court::{Court, CourtError, Verdict};
use crate::inputs::Inputs;
use crate::ledger::{Ask, Claim, ClaimKey, ClaimStatus, Ledger};
use alloy::primitives::{Address, B256, keccak256};
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Wait after a check that failed for a reason of its own.
const RETRY: Duration = Duration::from_secs(5);

struct Checked {
    key: ClaimKey,
    identity: B256,
    result: Result<Verdict, CourtError>,
}

/// What is known about each claim.
pub struct Auditor {
    court: Arc<dyn Court>,
    store: Arc<dyn Store>,
    chain_id: u64,
    inbox: Address,
    window: u64,
    /// By the claim's identity: a reorganization may put another claim under the same key.
    verdicts: BTreeMap<B256, Verdict>,
    busy: BTreeSet<B256>,
    retry: BTreeMap<B256, Instant>,
    unserved: BTreeSet<B256>,
    tasks: JoinSet<Checked>,
    turns: Arc<Semaphore>,
    right: Counter,
    wrong: Counter,
    failed: Counter,
}

impl Auditor {
    /// Checks with `court`, `parallel` claims at a time; verdicts are cached in `store`. `window` is in seconds.
    ///
    /// # Errors
    /// The cache is damaged.
    pub fn new(
        court: Arc<dyn Court>,
        store: Arc<dyn Store>,
        chain: (u64, Address),
        window: u64,
        parallel: usize,
        metrics: &Metrics,
    ) -> Result<Auditor, StoreError> {
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
        Ok(Auditor {
            court,
            store,
            chain_id: chain.0,
            inbox: chain.1,
            window,
            verdicts,
            busy: BTreeSet::new(),
            retry: BTreeMap::new(),
            unserved: BTreeSet::new(),
            tasks: JoinSet::new(),
            turns: Arc::new(Semaphore::new(parallel.max(1))),
            right: metrics.counter("claims_right", "Claims that were checked and are right"),
            wrong: metrics.counter("claims_wrong", "Claims that were checked and are wrong"),
            failed: metrics.counter("checks_failed", "Checks that gave no verdict"),
        })
    }

    /// Starts checks of claims that can still be challenged at `now`, the most urgent first; never waits.
    ///
    /// # Errors
    /// The cache can't be written.
    pub fn tick(&mut self, ledger: &Ledger, now: Timestamp) -> Result<(), StoreError> {
        self.collect()?;
        let mut due: Vec<(&Claim, &Ask, B256)> = Vec::new();
        for (claim, ask) in challengeable(ledger, self.window, now) {
            let id = identity(claim, ask);
            let waits = self.retry.get(&id).is_some_and(|at| Instant::now() < *at);
            if self.verdicts.contains_key(&id) || self.busy.contains(&id) || waits {
                continue;
            }
            due.push((claim, ask, id));
        }
        due.sort_by_key(|(claim, _, _)| (claim.posted_at, claim.key));
        for (claim, ask, id) in due {
            let inputs = Inputs::of(self.chain_id, self.inbox, ask, claim);
            if !self.court.serves(inputs.model) {
                let model = ask.request.params.modelId;
                if self.unserved.insert(model) {
                    tracing::warn!(%model, "claims on this model are not checked: its file was not given with --model");
                }
                continue;
            }
            self.busy.insert(id);
            let left = (claim.posted_at + self.window).saturating_sub(now);
            let (court, turns) = (self.court.clone(), self.turns.clone());
            self.tasks
                .spawn(check(court, turns, claim.key, id, inputs, left));
        }
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

    /// Checks under way.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }

    fn collect(&mut self) -> Result<(), StoreError> {
        while let Some(joined) = self.tasks.try_join_next() {
            let Checked {
                key,
                identity,
                result,
            } = match joined {
                Ok(checked) => checked,
                Err(error) => {
                    tracing::error!(%error, "a check failed; claims are looked at again");
                    self.failed.inc();
                    self.busy.clear();
                    continue;
                }
            };
            self.busy.remove(&identity);
            match result {
                Ok(verdict) => self.keep(key, identity, verdict)?,
                Err(error) => {
                    self.failed.inc();
                    tracing::error!(claim = %key, %error, "a claim could not be checked");
                    self.retry.insert(identity, Instant::now() + RETRY);
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, key: ClaimKey, identity: B256, verdict: Verdict) -> Result<(), StoreError> {
        let reason = match &verdict {
            Verdict::Right => {
                tracing::info!(claim = %key, "right");
                self.right.inc();
                ""
            }
            Verdict::Wrong(reason) => {
                tracing::warn!(claim = %key, reason, "WRONG");
                self.wrong.inc();
                reason
            }
        };
        self.store
            .put(&[PREFIX, &identity[..]].concat(), reason.as_bytes())?;
        self.verdicts.insert(identity, verdict);
        Ok(())
    }
}

const PREFIX: &[u8] = b"verdict/";

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
            &keccak256(&claim.output)[..],
        ]
        .concat(),
    )
}

async fn check(
    court: Arc<dyn Court>,
    turns: Arc<Semaphore>,
    key: ClaimKey,
    identity: B256,
    inputs: Inputs,
    left: u64,
) -> Checked {
    let asked = Instant::now();
    let Ok(_turn) = turns.acquire_owned().await else {
        return Checked {
            key,
            identity,
            result: Err(CourtError::OutOfTime),
        };
    };
    let run = tokio::task::spawn_blocking(move || {
        judge(&*court, &inputs, key, asked, Duration::from_secs(left))
    });
    let result = run
        .await
        .unwrap_or_else(|e| Err(CourtError::NoResult(e.to_string())));
    Checked {
        key,
        identity,
        result,
    }
}

/// The fast check; where it refuses, the machine's own word, if that comes in half of the time left.
fn judge(
    court: &dyn Court,
    inputs: &Inputs,
    key: ClaimKey,
    asked: Instant,
    left: Duration,
) -> Result<Verdict, CourtError> {
    // A panic of the fast check is a bug of its own and says nothing about the claim: the machine decides.
    let fast = catch_unwind(AssertUnwindSafe(|| court.check(inputs)));
    let reason = match fast {
        Ok(Ok(Verdict::Right)) => return Ok(Verdict::Right),
        Ok(Ok(Verdict::Wrong(reason))) => Some(reason),
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            tracing::error!(claim = %key, "BUG: the fast check panicked");
            None
        }
    };
    let half = left.saturating_sub(asked.elapsed()) / 2;
    match court.confirm(inputs, Instant::now() + half) {
        Ok(Verdict::Wrong(why)) => Ok(Verdict::Wrong(why)),
        Ok(Verdict::Right) => {
            if let Some(reason) = reason {
                tracing::error!(claim = %key, reason, "BUG: the fast check refuses what the machine accepts; not challenged");
            }
            Ok(Verdict::Right)
        }
        Err(error) => {
            let Some(reason) = reason else {
                return Err(error);
            };
            tracing::warn!(claim = %key, %error, "not confirmed by the machine in time: challenged all the same");
            Ok(Verdict::Wrong(reason))
        }
    }
}
