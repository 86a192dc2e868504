//! What the sequencer asks the contracts, with what never changes remembered.

use crate::turn::Turns;
use alloy::contract;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::transports::RpcError;
use assay_bindings::abi::inbox::Inbox::InboxInstance;
use assay_bindings::abi::model_registry::ModelRegistry::ModelRegistryInstance;
use assay_bindings::abi::rollup::Rollup::RollupInstance;
use assay_bindings::abi::staking::Staking::StakingInstance;
use assay_bindings::abi::{Model, RequestStatus};
use assay_bindings::work::{Share, WorkLaw};
use assay_node::chain::{BlockRef, Chain, ChainError};
use assay_node::deployment::Contracts;
use assay_node::outputs::takes_blobs;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// States of a request as the inbox numbers them.
pub mod state {
    /// Never heard of.
    pub const NONE: u8 = 0;
    /// Waits for an answer.
    pub const OPEN: u8 = 1;
    /// Answered, can be challenged.
    pub const CLAIMED: u8 = 2;
    /// The answer stands.
    pub const FINAL: u8 = 3;
    /// The money is back.
    pub const REFUNDED: u8 = 4;
}

/// A payer's account.
#[derive(Clone, Copy, Debug)]
pub struct Deposit {
    /// Wei in it.
    pub balance: U256,
    /// Wei of it that may leave.
    pub leaving: U256,
    /// Unix seconds from which they may.
    pub available_at: u64,
}

/// The contracts.
#[derive(Debug)]
pub struct ChainView {
    chain: Chain,
    contracts: Contracts,
    inbox: InboxInstance<DynProvider>,
    rollup: RollupInstance<DynProvider>,
    staking: StakingInstance<DynProvider>,
    registry: ModelRegistryInstance<DynProvider>,
    claim_bond: U256,
    max_work: U256,
    law: WorkLaw,
    turns: Turns,
    blobs: bool,
    models: Mutex<BTreeMap<B256, Model>>,
    head: Mutex<(BlockRef, Instant)>,
}

impl ChainView {
    /// Reads the deployment's constants.
    pub async fn open(chain: Chain, contracts: Contracts) -> Result<ChainView, ChainError> {
        let provider = || chain.provider().clone();
        let inbox = InboxInstance::new(contracts.inbox, provider());
        let rollup = RollupInstance::new(contracts.rollup, provider());
        let staking = StakingInstance::new(contracts.staking, provider());
        let registry = ModelRegistryInstance::new(contracts.registry, provider());
        let chain = &chain;
        let fail = |what| move |e| error(chain, what, e);
        let claim_bond = rollup
            .claimBond()
            .call()
            .await
            .map_err(fail("Rollup.claimBond"))?;
        let max_work = inbox
            .maxWork()
            .call()
            .await
            .map_err(fail("Inbox.maxWork"))?;
        let law = WorkLaw {
            per_window: rollup
                .workPerWindow()
                .call()
                .await
                .map_err(fail("Rollup.workPerWindow"))?,
            floor: rollup
                .workPriceFloor()
                .call()
                .await
                .map_err(fail("Rollup.workPriceFloor"))?,
            doublings: rollup
                .workPriceDoublings()
                .call()
                .await
                .map_err(fail("Rollup.workPriceDoublings"))?,
        };
        let list = rollup.sequencers().call().await;
        let length = rollup.turnLength().call().await;
        let turns = Turns::new(
            list.map_err(fail("Rollup.sequencers"))?,
            length.map_err(fail("Rollup.turnLength"))?,
        );
        let turns = turns.ok_or_else(|| {
            let none = RpcError::local_usage_str("it names no sequencer");
            chain.error("Rollup.sequencers", none)
        })?;
        let blobs = takes_blobs(chain, contracts.rollup).await?;
        let head = Mutex::new((chain.head().await?, Instant::now()));
        let (claim_bond, models) = (U256::from(claim_bond), Mutex::default());
        Ok(ChainView {
            contracts,
            inbox,
            rollup,
            staking,
            registry,
            claim_bond,
            max_work,
            law,
            turns,
            models,
            head,
            blobs,
            chain: chain.clone(),
        })
    }

    fn fail(&self, what: &'static str) -> impl FnOnce(contract::Error) -> ChainError + '_ {
        move |e| error(&self.chain, what, e)
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether the rollup takes outputs in blobs.
    pub fn takes_blobs(&self) -> bool {
        self.blobs
    }

    /// Wei for a unit of blob gas now.
    pub async fn blob_fee(&self) -> Result<u128, ChainError> {
        let fee = self.chain.provider().get_blob_base_fee().await;
        fee.map_err(|e| self.chain.error("eth_blobBaseFee", e))
    }

    /// Addresses.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Least wei that a claim locks.
    pub fn claim_bond(&self) -> U256 {
        self.claim_bond
    }

    /// Most work of one request.
    pub fn max_work(&self) -> U256 {
        self.max_work
    }

    /// How much work a window takes and what it burns.
    pub fn law(&self) -> WorkLaw {
        self.law
    }

    /// Who posts batches, and when.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Most work of one segment: a tenth of a window, which the largest request fits (the rollup's constructor sees to
    /// it) and four of which fit what batches may claim at one time.
    pub fn max_segment_work(&self) -> U256 {
        self.law.per_window / U256::from(10)
    }

    /// A newer block was seen.
    pub fn see(&self, head: BlockRef) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = (head, Instant::now());
    }

    /// The chain's time now, unix seconds: the newest block's, and what has passed since it was seen.
    pub fn now(&self) -> u64 {
        let (head, seen) = *self.head.lock().unwrap_or_else(PoisonError::into_inner);
        head.timestamp + seen.elapsed().as_secs()
    }

    /// A registered model; `None` if there is none.
    pub async fn model(&self, id: B256) -> Result<Option<Model>, ChainError> {
        if let Some(model) = self
            .models
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
        {
            return Ok(Some(model.clone()));
        }
        let model = self
            .registry
            .model(id)
            .call()
            .await
            .map_err(self.fail("ModelRegistry.model"))?;
        if model.programId.is_zero() {
            return Ok(None);
        }
        self.models
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, model.clone());
        Ok(Some(model))
    }

    /// A payer's deposit.
    pub async fn deposit(&self, payer: Address) -> Result<Deposit, ChainError> {
        let d = self
            .inbox
            .deposits(payer)
            .call()
            .await
            .map_err(self.fail("Inbox.deposits"))?;
        Ok(Deposit {
            balance: U256::from(d.balance),
            leaving: U256::from(d.leaving),
            available_at: d.availableAt.into(),
        })
    }

    /// Whether `payer` has spent `nonce`.
    pub async fn nonce_used(&self, payer: Address, nonce: u64) -> Result<bool, ChainError> {
        self.inbox
            .nonceUsed(payer, nonce)
            .call()
            .await
            .map_err(self.fail("Inbox.nonceUsed"))
    }

    /// How a request stands.
    pub async fn status(&self, id: B256) -> Result<RequestStatus, ChainError> {
        self.inbox
            .status(id)
            .call()
            .await
            .map_err(self.fail("Inbox.status"))
    }

    /// Whether `executor` has spent segment number `number`.
    pub async fn number_used(&self, executor: Address, number: u64) -> Result<bool, ChainError> {
        self.rollup
            .numberUsed(executor, number)
            .call()
            .await
            .map_err(self.fail("Rollup.numberUsed"))
    }

    /// Stake of `executor` that backs nothing.
    pub async fn free_stake(&self, executor: Address) -> Result<U256, ChainError> {
        self.staking
            .freeStake(executor)
            .call()
            .await
            .map_err(self.fail("Staking.freeStake"))
    }

    /// All stake of `executor`, locked and leaving counted.
    pub async fn stake(&self, executor: Address) -> Result<U256, ChainError> {
        let account = self
            .staking
            .accounts(executor)
            .call()
            .await
            .map_err(self.fail("Staking.accounts"))?;
        Ok(U256::from(account.staked))
    }

    /// How full the batches' share of the window is. In its turn nobody else adds to it and it only drains, so what fits and
    /// is paid for now still does when the next batch is mined.
    pub async fn batches(&self) -> Result<Share, ChainError> {
        let left = self
            .rollup
            .workLeft()
            .call()
            .await
            .map_err(self.fail("Rollup.workLeft"))?
            .batch;
        Ok(self.law.batches(left))
    }
}

/// An error of a call, by what was asked.
pub fn error(chain: &Chain, what: &'static str, error: contract::Error) -> ChainError {
    match error {
        contract::Error::TransportError(e) => chain.error(what, e),
        other => chain.error(what, RpcError::local_usage_str(&other.to_string())),
    }
}
