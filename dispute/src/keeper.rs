//! Finalizes claims whose window is over and delivers callbacks: what anyone may do, and somebody has to.
//!
//! What it may spend on that is [`Purse`]'s business: a consumer is a stranger that decides how much gas a callback burns.

use crate::claim_ref::{ClaimRefError, claim_ref};
use crate::clock::Timestamp;
use crate::ledger::{Ask, Claim, ClaimKey, ClaimStatus, Ledger, Mode};
use crate::purse::{Exposure, Funds, Objection, Offer, Outcome, Purse, Terms, Ticket};
use crate::responder::{RespondError, Responder};
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use assay_bindings::Rollup;
use assay_node::chain::{Chain, ChainError};
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::metrics::prometheus_client::metrics::gauge::Gauge;
use assay_node::tx::{Call, TxError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Wait until the same thing is tried again: the ledger has not heard of it, or it failed.
const RETRY: Duration = Duration::from_secs(10);
/// Gas limit of a delivery besides the consumer's and the calldata's.
const DELIVERY_GAS: u64 = 300_000;
/// Gas that a delivery uses besides the consumer's and the calldata's, at most.
const DELIVERY_OVERHEAD: u64 = 150_000;
/// Gas that a finalization uses besides its calldata, at most.
const FINALIZE_GAS: u64 = 150_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Chore {
    Finalize(ClaimKey),
    /// Claims made so far are part of it: the same callback can be due again for a later claim.
    Deliver(B256, u8, usize),
}

/// Something to do.
struct Task {
    chore: Chore,
    call: Call,
    offer: Offer,
}

/// Does the chores of a rollup.
pub struct Keeper {
    chain: Chain,
    responder: Arc<Responder>,
    window: u64,
    purse: Purse,
    /// For the purse: seconds since then.
    started: Instant,
    again: BTreeMap<Chore, Instant>,
    objections: BTreeMap<Chore, Objection>,
    tasks: JoinSet<(Ticket, Outcome)>,
    done: Counter,
    declined: Gauge,
}

impl Keeper {
    /// Pays for it from `responder`'s account, on these terms. `window` is in seconds.
    pub fn new(
        chain: Chain,
        responder: Arc<Responder>,
        window: u64,
        terms: Terms,
        metrics: &Metrics,
    ) -> Keeper {
        let done = metrics.counter("chores", "Finalizations and deliveries sent");
        let declined = metrics.gauge("chores_declined", "Chores that are due and not paid for");
        Keeper {
            chain,
            responder,
            window,
            purse: Purse::new(terms),
            started: Instant::now(),
            again: BTreeMap::new(),
            objections: BTreeMap::new(),
            tasks: JoinSet::new(),
            done,
            declined,
        }
    }

    /// Starts what is due at `now` and may be paid for; never waits for it. What `exposure` may cost, at a bond of `bond`
    /// wei, stays in the account.
    ///
    /// # Errors
    /// The chain can't be reached.
    pub async fn tick(
        &mut self,
        ledger: &Ledger,
        now: Timestamp,
        exposure: Exposure,
        bond: U256,
    ) -> Result<(), ChainError> {
        while let Some(ended) = self.tasks.try_join_next() {
            // A task that panicked leaves its worst price set aside.
            if let Ok((ticket, outcome)) = ended {
                self.purse.settle(ticket, outcome);
            }
        }
        self.again.retain(|_, at| Instant::now() < *at);
        let mut due = self.due(ledger, now);
        due.retain(|task| !self.again.contains_key(&task.chore));
        self.objections
            .retain(|chore, _| due.iter().any(|task| task.chore == *chore));
        if !due.is_empty() {
            let funds = self.funds(exposure, bond).await?;
            for task in due {
                self.consider(task, &funds);
            }
        }
        self.declined.set(self.objections.len() as i64);
        Ok(())
    }

    async fn funds(&self, exposure: Exposure, bond: U256) -> Result<Funds, ChainError> {
        let price = self.chain.provider().get_gas_price().await;
        let price = price.map_err(|e| self.chain.error("eth_gasPrice", e))?;
        Ok(Funds {
            balance: self.chain.balance(self.responder.address()).await?,
            price,
            reserve: exposure.reserve(bond, price),
        })
    }

    fn consider(&mut self, task: Task, funds: &Funds) {
        let Task { chore, call, offer } = task;
        let seconds = self.started.elapsed().as_secs();
        let ticket = match self.purse.admit(offer, funds, seconds) {
            Ok(ticket) => ticket,
            Err(objection) => {
                if self.objections.insert(chore, objection) != Some(objection) {
                    tracing::info!(
                        ?chore,
                        ?offer,
                        price = funds.price,
                        "left alone: {objection}"
                    );
                }
                return;
            }
        };
        self.objections.remove(&chore);
        self.again.insert(chore, Instant::now() + RETRY);
        let (responder, done) = (self.responder.clone(), self.done.clone());
        self.tasks.spawn(async move {
            match responder.send(call).await {
                Ok(receipt) => {
                    done.inc();
                    tracing::info!(?chore, tx = %receipt.transaction_hash, gas = receipt.gas_used, "done");
                    (ticket, Outcome::Done(receipt.gas_used))
                }
                // Another keeper may have been quicker; the next look tells.
                Err(error) => {
                    tracing::debug!(?chore, %error, "not done");
                    (ticket, cost_of(&error))
                }
            }
        });
    }

    /// What is due, claims first, the oldest before the others.
    fn due(&self, ledger: &Ledger, now: Timestamp) -> Vec<Task> {
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

    fn finalization(&self, ledger: &Ledger, claim: &Claim, ask: &Ask) -> Option<Task> {
        let shown = logged(
            claim.key,
            claim_ref(claim, ledger.segments.get(&claim.key.segment)?),
        )?;
        let data = Rollup::finalizeCall {
            req: ask.request.clone(),
            claim: shown,
        }
        .abi_encode();
        let gas = worst_gas(FINALIZE_GAS, &data);
        Some(Task {
            chore: Chore::Finalize(claim.key),
            call: Call::new("finalize", self.responder.contracts().rollup, data),
            offer: Offer::Finalize { gas },
        })
    }

    fn delivery(&self, ledger: &Ledger, id: B256, ask: &Ask, mode: Mode) -> Option<Task> {
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
                let (output, user_data) = (claim.output.clone()?, ask.user_data.clone());
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
        let limit = promised + promised / 32 + DELIVERY_GAS + 40 * data.len() as u64;
        let offer = Offer::Callback {
            gas: worst_gas(promised + DELIVERY_OVERHEAD, &data),
            fee: U256::from(ask.fee_of(mode)),
        };
        Some(Task {
            chore: Chore::Deliver(id, number, claims.len()),
            call: Call::new(label, self.responder.contracts().rollup, data).gas(limit),
            offer,
        })
    }
}

/// Gas of a transaction whose execution takes at most `execution`, the 21,000 counted (EIP-7623).
fn worst_gas(execution: u64, data: &[u8]) -> u64 {
    let bytes = data.len() as u64;
    (execution + 16 * bytes).max(21_000 + 40 * bytes)
}

/// What a chore that did not do its work may have cost.
fn cost_of(error: &RespondError) -> Outcome {
    match error {
        RespondError::WouldRevert { .. } | RespondError::NotRehearsed { .. } => Outcome::NotSent,
        RespondError::Tx(TxError::WouldRevert { .. } | TxError::Unfunded { .. }) => {
            Outcome::NotSent
        }
        RespondError::Tx(_) => Outcome::Lost,
    }
}

fn logged<T>(key: ClaimKey, result: Result<T, ClaimRefError>) -> Option<T> {
    result
        .inspect_err(|error| tracing::error!(claim = %key, %error, "a claim's leaf can't be shown"))
        .ok()
}
