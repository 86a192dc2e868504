//! Promises: "I will have this request answered by then, or lose so much" (docs/stake.md).

use crate::check::Checked;
use alloy::primitives::{Address, B256, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use assay_bindings::hashes::ORIGIN_SIGNED;
use assay_bindings::{Inbox, LivenessPenalty, sign};
use assay_dispute::watcher::view;
use assay_node::shell::Shell;
use assay_proto::v1;
use serde::{Deserialize, Serialize};

/// A promise that was given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Promised {
    /// What is promised to be answered.
    pub request_id: B256,
    /// Unix seconds, the last one in which the answer is in time.
    pub deadline: u64,
    /// Wei.
    pub penalty: u128,
}

/// Gives promises.
#[derive(Clone, Debug)]
pub struct Promiser {
    chain_id: u64,
    liveness: Address,
    signer: PrivateKeySigner,
    penalty: u128,
    direct_period: u64,
}

impl Promiser {
    /// One that puts `wei` on each answer, as far as the deployment lets it.
    ///
    /// # Errors
    /// The deployment has no liveness contract, or the chain can't be asked.
    pub async fn open(
        shell: &Shell,
        signer: PrivateKeySigner,
        wei: u128,
    ) -> anyhow::Result<Promiser> {
        let contracts = &shell.deployment.contracts;
        let liveness = contracts.liveness.context(
            "this deployment has no contract that takes what a broken promise costs: leave --promise-wei out",
        )?;
        let cap = LivenessPenalty::capCall {};
        let cap = view(&shell.chain, liveness, "cap", cap).await?;
        let period = Inbox::directPeriodCall {};
        let direct_period = view(&shell.chain, contracts.inbox, "directPeriod", period).await?;
        Ok(Promiser {
            chain_id: shell.chain.id(),
            liveness,
            signer,
            // INVARIANT: no more is promised than can be taken.
            penalty: U256::from(wei).min(cap).to(),
            direct_period,
        })
    }

    /// What is promised on a request; nothing on one that no block has, as it may never be asked.
    pub fn promise(&self, checked: &Checked) -> Option<Promised> {
        let request = &checked.request;
        (request.origin != ORIGIN_SIGNED).then(|| Promised {
            request_id: checked.id,
            // A sequencer that holds the answer back must not make this executor break it: half of the time for direct claims is
            // its own.
            deadline: request.params.inclusionDeadline + self.direct_period / 2,
            penalty: self.penalty,
        })
    }

    /// The signed message.
    ///
    /// # Errors
    /// The signer's.
    pub fn sign(&self, promised: &Promised) -> Result<v1::Promise, alloy::signers::Error> {
        let Promised {
            request_id,
            deadline,
            penalty,
        } = *promised;
        let digest =
            sign::promise_digest(self.chain_id, self.liveness, request_id, deadline, penalty);
        Ok(v1::Promise {
            request_id: request_id.to_vec(),
            executor: self.signer.address().to_vec(),
            deadline,
            penalty: penalty.to_string(),
            signature: self.signer.sign_hash_sync(&digest)?.as_bytes().to_vec(),
        })
    }
}
