//! Promises: "I will have this request answered by then, or lose so much" (docs/stake.md).
//!
//! INVARIANT: what is promised is in hand, and can be claimed directly as things stand, whatever the sequencer does.

use crate::check::Checked;
use alloy::primitives::{Address, B256, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use assay_bindings::hashes::ORIGIN_SIGNED;
use assay_bindings::{Inbox, LivenessPenalty, Request, sign};
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

/// What the chain says of a request whose answer may be promised.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// Claims that were made of it.
    pub claims: u16,
    /// Unix seconds.
    pub now: u64,
    /// Wei that backs no claim.
    pub free: U256,
    /// Least wei that a claim locks.
    pub bond: U256,
    /// Wei that its longest answer burns twice over as a direct claim now.
    pub fee: U256,
}

impl Outlook {
    /// Whether an answer to `request` can be claimed without the sequencer, beside `others` that are promised.
    pub fn allows(&self, request: &Request, others: u64) -> bool {
        let p = &request.params;
        let bonds = self.bond * U256::from(others) + self.bond.max(U256::from(p.minBond));
        // Nothing is promised on what is late, or was claimed before: its time is not what it says.
        let early = self.claims == 0 && self.now < p.inclusionDeadline;
        // The price may rise until then; twice of today's is a window that has filled by a doubling.
        early && bonds <= self.free && self.fee.saturating_mul(U256::from(2)) <= U256::from(p.fee)
    }
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

    /// What is promised on a request beside `others`; nothing on one that no block has, as it may never be asked.
    pub fn promise(&self, checked: &Checked, outlook: &Outlook, others: u64) -> Option<Promised> {
        let request = &checked.request;
        let fits = request.origin != ORIGIN_SIGNED && outlook.allows(request, others);
        fits.then(|| Promised {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_promised_that_the_executor_could_not_claim_itself() {
        let wei = U256::from;
        let mut request = Request::default();
        (request.params.inclusionDeadline, request.params.fee) = (1_000, 20);
        request.params.minBond = 150;
        let good = Outlook {
            claims: 0,
            now: 999,
            free: wei(250u64),
            bond: wei(100u64),
            fee: wei(10u64),
        };
        assert!(good.allows(&request, 1), "150 for it and 100 for another");
        assert!(!good.allows(&request, 2), "its stake backs no third");
        let late = Outlook { now: 1_000, ..good };
        assert!(!late.allows(&request, 0), "past its deadline");
        let claimed = Outlook { claims: 1, ..good };
        assert!(!claimed.allows(&request, 0), "claimed before");
        let dear = Outlook {
            fee: wei(11u64),
            ..good
        };
        assert!(!dear.allows(&request, 0), "its fee may not cover its work");
        request.params.minBond = u128::MAX;
        assert!(!good.allows(&request, 0), "a bond that nobody has");
        let full = Outlook {
            fee: U256::MAX,
            ..good
        };
        assert!(!full.allows(&request, 0), "a full window");
    }
}
