//! Sends transactions for one account. Every one is rehearsed in revm before it is sent.

use crate::rehearsal::{RehearsalError, Stage};
use alloy::primitives::Address;
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolCall;
use assay_bindings::DisputeGame;
use assay_node::chain::Chain;
use assay_node::deployment::Contracts;
use assay_node::revert::{ErrorBook, RevertReason};
use assay_node::tx::{Call, TxError, TxManager};
use std::sync::Arc;

/// Why a transaction did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// The rehearsal says no: nothing was sent.
    #[error("{label} was not sent, it would revert: {reason}")]
    WouldRevert {
        /// Which call.
        label: &'static str,
        /// Why.
        reason: RevertReason,
    },
    /// The rehearsal has no result: nothing was sent.
    #[error("{label} was not sent: {source}")]
    NotRehearsed {
        /// Which call.
        label: &'static str,
        /// Why.
        source: RehearsalError,
    },
    /// It was sent, or refused at the door.
    #[error(transparent)]
    Tx(#[from] TxError),
}

impl RespondError {
    /// The name of the contract error that it ended in, if it did.
    pub fn revert_name(&self) -> Option<&str> {
        match self {
            RespondError::WouldRevert { reason, .. } => Some(&reason.name),
            RespondError::NotRehearsed { .. } => None,
            RespondError::Tx(error) => error.revert_name(),
        }
    }
}

/// Sends for one account.
pub struct Responder {
    tx: Arc<TxManager>,
    stage: Stage,
    errors: ErrorBook,
    contracts: Contracts,
}

impl Responder {
    /// Sends through `tx`; reverts are read with `errors`.
    pub fn new(
        chain: Chain,
        tx: Arc<TxManager>,
        errors: ErrorBook,
        contracts: Contracts,
    ) -> Responder {
        Responder {
            tx,
            stage: Stage::new(chain),
            errors,
            contracts,
        }
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.tx.address()
    }

    /// Where the contracts are.
    pub fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// Rehearses `call`, sends it and waits until it is mined.
    ///
    /// # Errors
    /// It would not succeed (then nothing was sent), or it did not.
    pub async fn send(&self, call: Call) -> Result<TransactionReceipt, RespondError> {
        let label = call.label;
        let rehearsed = self
            .stage
            .rehearse(self.address(), &call)
            .await
            .map_err(|error| match error {
                RehearsalError::Reverts(data) => RespondError::WouldRevert {
                    label,
                    reason: self.errors.decode(&data),
                },
                source => RespondError::NotRehearsed { label, source },
            })?;
        // The state may move before the block: a quarter covers cold slots more.
        let gas = call
            .gas
            .unwrap_or(rehearsed.gas_needed + rehearsed.gas_needed / 4);
        Ok(self.tx.send(call.gas(gas)).await?)
    }

    /// Sends all credit that `bank` holds for this account to it.
    pub fn withdrawal(&self, bank: Address) -> Call {
        let to = self.address();
        Call::new(
            "withdrawCredit",
            bank,
            DisputeGame::withdrawCreditCall { to }.abi_encode(),
        )
    }
}
