//! Finalizes claims whose window is over and delivers callbacks: what anyone may do, and somebody has to.

use crate::claim_ref::{ClaimRefError, claim_ref};
use crate::clock::Timestamp;
use crate::ledger::{Ask, Claim, ClaimKey, ClaimStatus, Ledger, Mode};
use crate::responder::Responder;
use alloy::primitives::B256;
use alloy::sol_types::SolCall;
use assay_bindings::Rollup;
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::tx::Call;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Wait until the same thing is tried again: the ledger has not heard of it, or it failed.
const RETRY: Duration = Duration::from_secs(10);
/// Gas of a delivery besides the consumer's and the calldata's.
const DELIVERY_GAS: u64 = 300_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Chore {
    Finalize(ClaimKey),
    /// Claims made so far are part of it: the same callback can be due again for a later claim.
    Deliver(B256, u8, usize),
}

/// Does the chores of a rollup.
pub struct Keeper {
    responder: Arc<Responder>,
    window: u64,
    again: BTreeMap<Chore, Instant>,
    tasks: JoinSet<()>,
    done: Counter,
}

impl Keeper {
    /// Pays for it from `responder`'s account. `window` is in seconds.
    pub fn new(responder: Arc<Responder>, window: u64, metrics: &Metrics) -> Keeper {
        let done = metrics.counter("chores", "Finalizations and deliveries sent");
        Keeper {
            responder,
            window,
            again: BTreeMap::new(),
            tasks: JoinSet::new(),
            done,
        }
    }

    /// Starts what is due at `now`; never waits.
    pub fn tick(&mut self, ledger: &Ledger, now: Timestamp) {
        while self.tasks.try_join_next().is_some() {}
        self.again.retain(|_, at| Instant::now() < *at);
        for (chore, call) in self.due(ledger, now) {
            if self.again.contains_key(&chore) {
                continue;
            }
            self.again.insert(chore, Instant::now() + RETRY);
            let (responder, done) = (self.responder.clone(), self.done.clone());
            self.tasks.spawn(async move {
                match responder.send(call).await {
                    Ok(receipt) => {
                        done.inc();
                        tracing::info!(?chore, tx = %receipt.transaction_hash, "done");
                    }
                    // Another keeper may have been quicker; the next look tells.
                    Err(error) => tracing::debug!(?chore, %error, "not done"),
                }
            });
        }
    }

    fn due(&self, ledger: &Ledger, now: Timestamp) -> Vec<(Chore, Call)> {
        let mut out = Vec::new();
        for claim in ledger.claims.values() {
            let Some(ask) = ledger.asks.get(&claim.request_id) else {
                continue;
            };
            let over = now >= claim.posted_at + self.window;
            let quiet = ledger.open_games(claim.key).next().is_none();
            if claim.status == ClaimStatus::Standing && over && quiet {
                out.extend(self.finalization(ledger, claim, ask));
            }
        }
        for (id, ask) in &ledger.asks {
            out.extend(
                ask.due()
                    .into_iter()
                    .filter_map(|mode| self.delivery(ledger, *id, ask, mode)),
            );
        }
        out
    }

    fn finalization(&self, ledger: &Ledger, claim: &Claim, ask: &Ask) -> Option<(Chore, Call)> {
        let shown = logged(
            claim.key,
            claim_ref(claim, ledger.segments.get(&claim.key.segment)?),
        )?;
        let data = Rollup::finalizeCall {
            req: ask.request.clone(),
            claim: shown,
        }
        .abi_encode();
        Some((
            Chore::Finalize(claim.key),
            Call::new("finalize", self.responder.contracts().rollup, data),
        ))
    }

    fn delivery(&self, ledger: &Ledger, id: B256, ask: &Ask, mode: Mode) -> Option<(Chore, Call)> {
        let claims: Vec<&Claim> = ledger
            .claims
            .values()
            .filter(|c| c.request_id == id)
            .collect();
        let req = ask.request.clone();
        let (label, number, data) = match mode {
            Mode::Result => {
                let claim = claims.iter().rfind(|c| c.status != ClaimStatus::Rejected)?;
                let shown = logged(
                    claim.key,
                    claim_ref(claim, ledger.segments.get(&claim.key.segment)?),
                )?;
                let (output, user_data) = (claim.output.clone(), ask.user_data.clone());
                let call = Rollup::deliverResultCall {
                    req,
                    claim: shown,
                    output,
                    userData: user_data,
                };
                ("deliverResult", 0, call.abi_encode())
            }
            Mode::Finality => (
                "deliverFinality",
                1,
                Rollup::deliverFinalityCall { req }.abi_encode(),
            ),
            Mode::Overturn => (
                "deliverOverturn",
                2,
                Rollup::deliverOverturnCall { req }.abi_encode(),
            ),
        };
        // The contract insists on what the consumer was promised, so an estimate that finds less would do is no use.
        let promised = u64::from(ask.request.params.callbackGas);
        let gas = promised + promised / 32 + DELIVERY_GAS + 40 * data.len() as u64;
        let call = Call::new(label, self.responder.contracts().rollup, data).gas(gas);
        Some((Chore::Deliver(id, number, claims.len()), call))
    }
}

fn logged<T>(key: ClaimKey, result: Result<T, ClaimRefError>) -> Option<T> {
    result
        .inspect_err(|error| tracing::error!(claim = %key, %error, "a claim's leaf can't be shown"))
        .ok()
}
