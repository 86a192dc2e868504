//! What the sequencer asks the contracts of the market.

use crate::chain_view::error;
use crate::core::Shared;
use alloy::contract;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::DynProvider;
use anyhow::ensure;
use assay_bindings::abi::inference_hub::InferenceHub::InferenceHubInstance;
use assay_bindings::abi::inference_market::InferenceMarket::InferenceMarketInstance;
use assay_bindings::abi::model_catalog::ModelCatalog::ModelCatalogInstance;
use assay_bindings::abi::{Checkpoint, SignedAsk};
use assay_node::chain::{Chain, ChainError};
use assay_node::deployment::Contracts;
use std::collections::BTreeSet;

/// Checkpoints of an ask that are read, from the last one back. Of an executor that changed its ask more often since an order
/// was made, today's price is reckoned with, which the hub only lowers.
const HISTORY: u64 = 16;

/// The market's contracts.
#[derive(Debug)]
pub struct MarketView {
    chain: Chain,
    asks: InferenceMarketInstance<DynProvider>,
    catalog: ModelCatalogInstance<DynProvider>,
}

impl MarketView {
    /// The deployment's market, if it has one.
    ///
    /// # Errors
    /// Its hub belongs to other contracts, or the chain can't be asked.
    pub async fn open(chain: &Chain, contracts: &Contracts) -> anyhow::Result<Option<MarketView>> {
        let Some(market) = &contracts.market else {
            return Ok(None);
        };
        let provider = || chain.provider().clone();
        let hub = InferenceHubInstance::new(market.hub, provider());
        let (inbox, asks, catalog) = (hub.inbox(), hub.market(), hub.catalog());
        let (inbox, asks, catalog) = tokio::join!(inbox.call(), asks.call(), catalog.call());
        let found = [
            ("Inbox", inbox, contracts.inbox),
            ("InferenceMarket", asks, market.asks),
            ("ModelCatalog", catalog, market.catalog),
        ];
        for (name, found, expected) in found {
            let found = found.map_err(|e| error(chain, "InferenceHub's contracts", e))?;
            ensure!(
                found == expected,
                "the deployment file's InferenceHub {} belongs to the {name} {found}, not to {expected}: pass the right \
                 --deployment FILE",
                market.hub
            );
        }
        Ok(Some(MarketView {
            chain: chain.clone(),
            asks: InferenceMarketInstance::new(market.asks, provider()),
            catalog: ModelCatalogInstance::new(market.catalog, provider()),
        }))
    }

    fn fail(&self, what: &'static str) -> impl FnOnce(contract::Error) -> ChainError + '_ {
        move |e| error(&self.chain, what, e)
    }

    /// The last checkpoints of an executor's ask, oldest first.
    async fn checkpoints(
        &self,
        executor: Address,
        model: B256,
    ) -> Result<Vec<Checkpoint>, ChainError> {
        let count = self.asks.checkpointCount(executor, model).call().await;
        let count: u64 = count
            .map_err(self.fail("InferenceMarket.checkpointCount"))?
            .saturating_to();
        let mut out = Vec::new();
        for index in count.saturating_sub(HISTORY)..count {
            let one = self
                .asks
                .checkpoint(executor, model, U256::from(index))
                .call()
                .await;
            out.push(one.map_err(self.fail("InferenceMarket.checkpoint"))?);
        }
        Ok(out)
    }

    /// What a listing earns, in hundredths of a per cent.
    async fn royalty(&self, model: B256, publisher: Address) -> Result<u16, ChainError> {
        let royalty = self.catalog.royalty(model, publisher).call().await;
        Ok(royalty.map_err(self.fail("ModelCatalog.royalty"))?.bps)
    }

    /// Whether an order may carry `ask` now: it is signed by its executor, not over and not cancelled.
    ///
    /// # Errors
    /// It may not, or the chain can't be asked.
    pub async fn verify(&self, ask: &SignedAsk) -> Result<(), ChainError> {
        let verified = self.asks.verify(ask.into()).call().await;
        verified.map_err(self.fail("InferenceMarket.verify"))?;
        Ok(())
    }

    /// Reads what the orders that wait are routed by and is not known.
    ///
    /// # Errors
    /// The chain can't be asked; what is missing is asked for the next time.
    pub async fn refresh(&self, shared: &Shared) -> Result<(), ChainError> {
        let unknown: Vec<(B256, B256, Address)> = {
            let core = shared.core();
            let queued = core.book.queued().into_iter();
            let held = queued.filter_map(|e| Some((e, e.hub_order.as_ref()?)));
            held.filter(|(_, held)| held.royalty.is_none())
                .map(|(e, held)| (e.id, e.request.params.modelId, held.order.publisher))
                .collect()
        };
        for (id, model, publisher) in unknown {
            let bps = self.royalty(model, publisher).await?;
            shared.core().book.royalty(&id, bps);
        }
        while let Some((executor, model, version)) = unread(shared) {
            let checkpoints = self.checkpoints(executor, model).await?;
            // It may be gone meanwhile.
            if let Some(session) = shared.core().sessions.get_mut(&executor) {
                session.asks.learn(model, version, checkpoints);
            }
        }
        Ok(())
    }
}

/// An executor's ask for a model that an order waits for, which is to be read.
fn unread(shared: &Shared) -> Option<(Address, B256, u64)> {
    let core = shared.core();
    let queued = core.book.queued();
    let ordered = queued.iter().filter(|e| e.hub_order.is_some());
    let wanted: BTreeSet<B256> = ordered.map(|e| e.request.params.modelId).collect();
    core.sessions.iter().find_map(|s| {
        let mut models = s.models.iter();
        let model = models.find(|m| wanted.contains(*m) && !s.asks.is_known(m))?;
        Some((s.executor, *model, s.asks.version()))
    })
}
