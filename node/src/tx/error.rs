//! Why a transaction did not do its work.

use crate::chain::ChainError;
use crate::journal::JournalError;
use crate::revert::RevertReason;
use alloy::primitives::{Address, B256};

/// Why a transaction did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// The dry run reverts: nothing was sent.
    #[error("{label} would revert: {reason}")]
    WouldRevert {
        /// Which call.
        label: &'static str,
        /// Why.
        reason: RevertReason,
    },
    /// It was mined and reverted (the state changed after the dry run).
    #[error("{label} reverted in transaction {hash}: {reason}")]
    Reverted {
        /// Which call.
        label: &'static str,
        /// The transaction.
        hash: B256,
        /// Why, as a call of the same block tells.
        reason: RevertReason,
    },
    /// The account can't pay.
    #[error("{label}: account {account} cannot pay for it ({reason}): send it ETH")]
    Unfunded {
        /// Which call.
        label: &'static str,
        /// The account.
        account: Address,
        /// The node's words.
        reason: String,
    },
    /// It was sent and not mined.
    #[error("{label}: transaction {hash} (nonce {nonce}) was not mined in {seconds} s")]
    NotMined {
        /// Which call.
        label: &'static str,
        /// The last one sent.
        hash: B256,
        /// Its nonce.
        nonce: u64,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Another process used the account's nonce.
    #[error(
        "{label}: nonce {nonce} of {account} was used by another transaction: give each service its own account"
    )]
    NonceTaken {
        /// Which call.
        label: &'static str,
        /// The account.
        account: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The account has transactions of the other kind waiting.
    #[error(
        "{label}: nodes take no transaction with blobs beside one without, and {account} has one of the other kind \
         waiting: it is tried again once that is mined; if this service has sent none, another process sends from the \
         account: give each service its own"
    )]
    Reserved {
        /// Which call.
        label: &'static str,
        /// The account.
        account: Address,
    },
    /// The node has no room for it.
    #[error(
        "{label}: the node keeps no more transactions, of {account} or at all ({reason}): it is tried again when some are \
         mined"
    )]
    PoolFull {
        /// Which call.
        label: &'static str,
        /// The account.
        account: Address,
        /// The node's words.
        reason: String,
    },
    /// Signing failed.
    #[error("{label}: cannot sign: {reason}")]
    Sign {
        /// Which call.
        label: &'static str,
        /// Why.
        reason: String,
    },
    /// What is to be sent can't be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The chain can't be reached or refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl TxError {
    /// The name of the contract error that it ended in, if it did.
    pub fn revert_name(&self) -> Option<&str> {
        match self {
            TxError::WouldRevert { reason, .. } | TxError::Reverted { reason, .. } => {
                Some(&reason.name)
            }
            _ => None,
        }
    }

    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            TxError::Chain(_)
                | TxError::NotMined { .. }
                | TxError::NonceTaken { .. }
                | TxError::Reserved { .. }
                | TxError::PoolFull { .. }
        )
    }
}
