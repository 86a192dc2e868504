//! Watches the chain for requests that the sequencer let pass its deadline and claims them without it, and for own
//! claims that were lost.

use crate::office::{Office, OfficeError};
use alloy::primitives::{B256, U256};
use alloy::sol_types::{SolCall, SolValue};
use assay_bindings::hashes::{seed_block, work};
use assay_bindings::{Inbox, Rollup};
use assay_dispute::ledger::{Ask, ClaimStatus, RequestState};
use assay_dispute::reader::Needs;
use assay_dispute::watcher::{WatchError, Watcher, view};
use assay_node::journal::JournalError;
use assay_node::seed::Standing;
use assay_node::store::Store;
use assay_node::tx::{Call, TxError, TxManager};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Wait until a request that could not be claimed is looked at again.
const RETRY: Duration = Duration::from_secs(10);

/// Blocks after which a seed that the sequencer has not recorded is recorded here: well before it is lost, at 256 where the chain
/// keeps no longer history, and not beside a sequencer that does its work.
const FORGOTTEN: u64 = 128;

/// Looks after what the sequencer does not.
pub struct Direct {
    office: Arc<Office>,
    tx: Arc<TxManager>,
    watcher: Watcher,
    claims: bool,
    again: HashMap<B256, Instant>,
    recorded_again: HashMap<u64, Instant>,
}

#[derive(Debug, thiserror::Error)]
enum DirectError {
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Chain(#[from] assay_node::chain::ChainError),
    #[error(transparent)]
    Office(#[from] OfficeError),
    #[error(transparent)]
    Tx(#[from] TxError),
}

impl Direct {
    /// Claims from `tx`'s account if `claims`. `store` caches the chain's events and can be deleted at any time.
    ///
    /// # Errors
    /// The chain can't be reached, or the cache is damaged.
    pub async fn new(
        office: Arc<Office>,
        tx: Arc<TxManager>,
        store: Arc<dyn Store>,
        claims: bool,
    ) -> Result<Direct, WatchError> {
        let shell = &office.shell;
        let watcher = Watcher::open(
            shell.chain.clone(),
            &shell.deployment,
            store,
            shell.args.confirmations,
            Needs::Nothing,
        )
        .await?;
        Ok(Direct {
            office,
            tx,
            watcher,
            claims,
            again: HashMap::new(),
            recorded_again: HashMap::new(),
        })
    }

    /// Runs until the shell shuts down. Trouble with the chain is waited out.
    pub async fn run(mut self) {
        let shell = self.office.shell.clone();
        while !shell.shutdown.is_set() {
            shell.health.beat("direct claims", Duration::from_secs(600));
            if let Err(error) = shell.health.watch("chain", self.tick().await) {
                tracing::warn!(%error, "waiting for the chain");
            }
            shell.shutdown.sleep(shell.args.poll()).await;
        }
        shell.health.retire("direct claims");
    }

    async fn tick(&mut self) -> Result<(), DirectError> {
        self.watcher.poll().await?;
        let me = self.tx.address();
        let lost = self.watcher.ledger().claims.values();
        for claim in lost.filter(|c| c.executor == me && c.status == ClaimStatus::Rejected) {
            self.office.lose(claim.request_id)?;
        }
        if self.claims {
            self.record_forgotten().await?;
            self.claim_overdue().await?;
        }
        Ok(())
    }

    /// Records the blocks of questions that this executor could answer where the sequencer has long not done so: a sequencer
    /// that dislikes what a block drew must not have it forgotten.
    async fn record_forgotten(&mut self) -> Result<(), DirectError> {
        self.recorded_again.retain(|_, at| Instant::now() < *at);
        let waiting = self.watcher.ledger().asks.values().filter(|ask| {
            ask.state == RequestState::Open
                && ask.entropy.is_none()
                && self.office.models.contains_key(&ask.request.params.modelId)
        });
        let blocks: BTreeSet<u64> = waiting
            .filter_map(|ask| seed_block(&ask.request))
            .filter(|number| !self.recorded_again.contains_key(number))
            .collect();
        if blocks.is_empty() {
            return Ok(());
        }
        let head = self.office.shell.chain.head().await?.number;
        for number in blocks.into_iter().filter(|n| n + FORGOTTEN < head) {
            self.recorded_again.insert(number, Instant::now() + RETRY);
            if self.office.seeds.standing(number).await? == Standing::Due {
                match self
                    .tx
                    .send(self.office.seeds.recording(number).await?)
                    .await
                {
                    Ok(_) => tracing::info!(
                        block = number,
                        "recorded the randomness that the sequencer left"
                    ),
                    // Somebody else was quicker.
                    Err(error) if !error.is_transient() => {
                        tracing::info!(block = number, %error, "not recorded");
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    async fn claim_overdue(&mut self) -> Result<(), DirectError> {
        let now = self.office.shell.chain.head().await?.timestamp;
        self.again.retain(|_, at| Instant::now() < *at);
        let overdue = |(id, ask): &(&B256, &Ask)| {
            let open =
                ask.state == RequestState::Open && ask.request.params.inclusionDeadline < now;
            open && self.office.models.contains_key(&ask.request.params.modelId)
                && !self.again.contains_key(*id)
        };
        let asks = self.watcher.ledger().asks.iter().filter(overdue);
        let mut asks: Vec<(B256, Ask)> = asks.map(|(id, ask)| (*id, ask.clone())).collect();
        // What was promised costs most if it is late.
        let promised = self.office.promised_at(now);
        asks.sort_by_key(|(id, _)| !promised.contains(id));
        for (id, ask) in asks {
            self.again.insert(id, Instant::now() + RETRY);
            match self.claim(id, &ask, now).await {
                Ok(()) => {}
                // Somebody else was quicker, or it is nothing for this executor.
                Err(DirectError::Office(error)) => {
                    tracing::debug!(request = %id, %error, "not claimed directly")
                }
                Err(DirectError::Tx(error)) if !error.is_transient() => {
                    tracing::info!(request = %id, %error, "not claimed directly");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn claim(&self, id: B256, ask: &Ask, now: u64) -> Result<(), DirectError> {
        let contracts = &self.office.shell.deployment.contracts;
        // A rejected claim gives the sequencer a fresh deadline.
        let status = view(
            &self.office.shell.chain,
            contracts.inbox,
            "status",
            Inbox::statusCall { id },
        )
        .await?;
        if now <= status.deadline.to::<u64>() {
            return Ok(());
        }
        // Not even an answer of one token would be paid for as things stand: no reason to look for it.
        let r = &ask.request;
        let least = U256::from(work(r.modelLength, r.payloadLength, 1));
        let price = Rollup::presentFeeCall { work: least };
        let price = view(
            &self.office.shell.chain,
            contracts.rollup,
            "presentFee",
            price,
        )
        .await?;
        if price.direct > U256::from(r.params.fee) {
            tracing::info!(request = %id, needed = %price.direct, fee = r.params.fee, "too dear to claim directly now");
            return Ok(());
        }
        if let Some(number) = seed_block(r)
            && self.office.seeds.standing(number).await? == Standing::Due
        {
            let recording = self.office.seeds.recording(number).await?;
            self.tx.send(recording).await?;
            tracing::info!(request = %id, block = number, "recorded the randomness of its seed");
        }
        let encoded = ask.request.abi_encode().into();
        let checked = self.office.check(id, encoded, ask.payload.clone()).await?;
        let (answered, account) = self.office.find(&checked).await?;
        let req = self
            .office
            .note_direct(&answered, account.as_ref())
            .map_err(OfficeError::from)?;
        let data = Rollup::claimDirectCall {
            req,
            output: answered.output.clone(),
        }
        .abi_encode();
        let receipt = self
            .tx
            .send(Call::new("claimDirect", contracts.rollup, data))
            .await?;
        self.office.meters.direct.inc();
        tracing::info!(request = %id, tx = %receipt.transaction_hash, "claimed directly");
        Ok(())
    }
}
