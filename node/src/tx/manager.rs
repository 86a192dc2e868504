//! Sends the transactions of one account.

use super::book::{Book, Sent};
use super::lane::Lane;
use super::log::Log;
use super::policy::Fees;
use super::{Call, TxError, TxPolicy};
use crate::blob::sidecar;
use crate::chain::Chain;
use crate::key::Key;
use crate::revert::ErrorBook;
use alloy::consensus::{
    SignableTransaction, Signed, TxEip1559, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar,
    TxEnvelope,
};
use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip2718::Encodable2718;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind};
use alloy::providers::Provider;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::SignerSync;
use alloy::transports::{RpcError, TransportError};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// What a node did with a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It has it.
    Yes,
    /// Its answer was lost, or was another's: it may have it.
    Unknown,
    /// The nonce is spent already.
    Spent,
    /// It has another with the nonce, or none at all, and wants more.
    Underpriced,
}

/// Sends transactions of one account. Clones share its nonces.
#[derive(Clone, Debug)]
pub struct TxManager {
    pub(super) chain: Chain,
    pub(super) errors: ErrorBook,
    pub(super) policy: TxPolicy,
    pub(super) book: Arc<Mutex<Book>>,
    pub(super) lane: Arc<Lane>,
    key: Key,
}

impl TxManager {
    /// A manager for the account of `key`, which nothing else may use meanwhile.
    pub fn new(chain: Chain, key: Key, errors: ErrorBook, policy: TxPolicy) -> TxManager {
        TxManager {
            chain,
            key,
            errors,
            policy,
            book: Arc::default(),
            lane: Arc::default(),
        }
    }

    /// With at most `wei` for a unit of blob gas.
    pub fn max_blob_fee(mut self, wei: u128) -> TxManager {
        self.policy.max_fee_per_blob_gas = wei;
        self
    }

    /// Writes what is sent down in `folder` from now on, in a file of this account's, and goes on with what an earlier run left
    /// there: what is not mined is looked after as its own until it is, and nothing is sent in its place.
    ///
    /// # Errors
    /// The file can't be used, or the chain can't be asked.
    pub async fn resume(&self, folder: &Path) -> Result<(), TxError> {
        // Of another key's nothing may be sent again.
        let opening = folder.join(format!("sent-{:x}.journal", self.address()));
        let opened = tokio::task::spawn_blocking(move || Log::open(&opening)).await;
        let (mut log, mut sent) = opened.map_err(|e| TxError::Sign {
            label: "resume",
            reason: e.to_string(),
        })??;
        let mined = self.chain_nonce(BlockNumberOrTag::Latest).await?;
        sent.retain(|nonce, _| *nonce >= mined);
        let mut left = BTreeMap::new();
        for (nonce, sent) in sent {
            if self.is_void(&sent).await? {
                tracing::warn!(nonce, hash = %sent.last(), "sent by an earlier run, and no node has it nor would take it");
                log.struck(nonce)?;
                continue;
            }
            tracing::info!(nonce, hash = %sent.last(), blobs = sent.call.blobs.len(), "sent by an earlier run, not mined yet");
            prove(&sent.call).await?;
            left.insert(nonce, sent);
        }
        log.trim(left.iter())?;
        let counted = self.chain_nonce(BlockNumberOrTag::Pending).await?;
        let waits = !left.is_empty();
        self.book.lock().await.resume(log, left, counted);
        if waits {
            // What is due now may not be sent before it is mined, and then nobody else looks.
            tokio::spawn(self.clone().see_through());
        }
        Ok(())
    }

    /// Whether the node has nothing of it, and it would revert by now.
    async fn is_void(&self, sent: &Sent) -> Result<bool, TxError> {
        for hash in &sent.hashes {
            let known = self.chain.provider().get_transaction_by_hash(*hash).await;
            let known = known.map_err(|e| self.chain.error("eth_getTransactionByHash", e))?;
            if known.is_some() {
                return Ok(false);
            }
        }
        match self.dry_run(&sent.call).await {
            Ok(_) => Ok(false),
            Err(TxError::WouldRevert { .. }) => Ok(true),
            // Anything else may pass, and what was sent must not keep the service from starting.
            Err(error) => {
                tracing::warn!(hash = %sent.last(), %error, "cannot tell what became of what an earlier run sent: it is kept");
                Ok(false)
            }
        }
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The errors that it can name.
    pub fn errors(&self) -> &ErrorBook {
        &self.errors
    }

    /// Runs the call on the newest state without sending it; returns what it returns.
    pub async fn dry_run(&self, call: &Call) -> Result<Bytes, TxError> {
        let result = self
            .chain
            .provider()
            .call(self.request(call))
            .block(BlockNumberOrTag::Pending.into())
            .await;
        result.map_err(|e| self.refused(call.label, "eth_call", e))
    }

    /// Dry run, send, wait; returns the receipt of the mined, successful transaction.
    pub async fn send(&self, call: Call) -> Result<TransactionReceipt, TxError> {
        let (nonce, sent) = self.submit(call).await?;
        self.wait(nonce, sent).await
    }

    pub(super) fn request(&self, call: &Call) -> TransactionRequest {
        let request = TransactionRequest::default()
            .with_from(self.address())
            .with_input(call.data.clone())
            .with_value(call.value);
        let mut request = match call.to {
            Some(to) => request.with_to(to),
            None => request.into_create(),
        };
        if !call.blobs.is_empty() {
            request.blob_versioned_hashes = Some(hashes(call));
        }
        request
    }

    async fn submit(&self, call: Call) -> Result<(u64, Sent), TxError> {
        // Before the dry run, which then sees what a reorganization had dropped.
        prove(&call).await?;
        let _pass = self.enter(&call).await?;
        self.dry_run(&call).await?;
        let gas = match call.gas {
            Some(gas) => gas,
            None => {
                let estimate = self
                    .chain
                    .provider()
                    .estimate_gas(self.request(&call))
                    // As the dry run: in the newest block's time a call may still be refused that the next one takes.
                    .block(BlockNumberOrTag::Pending.into())
                    .await;
                let estimate =
                    estimate.map_err(|e| self.refused(call.label, "eth_estimateGas", e))?;
                // The state may move between estimate and block; a quarter covers cold slots and an event more.
                estimate + estimate / 4
            }
        };
        let fees = self.chain.provider().estimate_eip1559_fees().await;
        let fees = fees.map_err(|e| self.chain.error("eth_feeHistory", e))?;
        let max = fees.max_fee_per_gas.min(self.policy.max_fee_per_gas);
        let fees = Fees {
            max,
            tip: fees.max_priority_fee_per_gas.min(max),
            blob: self.blob_fee(&call).await?,
        };

        let mut book = self.book.lock().await;
        for _ in 0..3 {
            let nonce = match book.next() {
                Some(nonce) => nonce,
                None => book.next_from(self.chain_nonce(BlockNumberOrTag::Pending).await?),
            };
            let (hash, raw) = self.sign(&call, nonce, gas, fees)?;
            let sent = Sent {
                call: call.clone(),
                gas,
                fees,
                hashes: vec![hash],
                at: Instant::now(),
                settled: false,
                capped: false,
            };
            book.about_to_send(nonce, &sent)?;
            match self.broadcast(call.label, &raw).await {
                Ok(taken @ (Taken::Yes | Taken::Unknown)) => {
                    // INVARIANT: the nonce of what a node may have is not given away. Where it has not, it is sent again.
                    tracing::debug!(call = call.label, %hash, nonce, gas, ?taken, "sent");
                    book.note(nonce, sent.clone());
                    return Ok((nonce, sent));
                }
                // The count is behind the chain (a restart, or a replacement was mined): ask the chain.
                Ok(Taken::Spent | Taken::Underpriced) => {
                    book.not_sent(nonce);
                    book.forget_next();
                }
                Err(error) => {
                    book.not_sent(nonce);
                    book.forget_next();
                    return Err(error);
                }
            }
        }
        let nonce = self.chain_nonce(BlockNumberOrTag::Latest).await?;
        Err(TxError::NonceTaken {
            label: call.label,
            account: self.address(),
            nonce,
        })
    }

    /// What is offered for a unit of blob gas, for a call with blobs.
    async fn blob_fee(&self, call: &Call) -> Result<u128, TxError> {
        if call.blobs.is_empty() {
            return Ok(0);
        }
        let fee = self.chain.provider().get_blob_base_fee().await;
        let fee = fee.map_err(|e| self.chain.error("eth_blobBaseFee", e))?;
        Ok(self.policy.first_blob_fee(fee))
    }

    pub(super) async fn chain_nonce(&self, at: BlockNumberOrTag) -> Result<u64, TxError> {
        let nonce = self
            .chain
            .provider()
            .get_transaction_count(self.address())
            .block_id(at.into())
            .await;
        Ok(nonce.map_err(|e| self.chain.error("eth_getTransactionCount", e))?)
    }

    pub(super) fn sign(
        &self,
        call: &Call,
        nonce: u64,
        gas: u64,
        fees: Fees,
    ) -> Result<(B256, Vec<u8>), TxError> {
        if let (false, Some(to)) = (call.blobs.is_empty(), call.to) {
            return self.sign_with_blobs(call, to, nonce, gas, fees);
        }
        let tx = TxEip1559 {
            chain_id: self.chain.id(),
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: call.to.map_or(TxKind::Create, TxKind::Call),
            value: call.value,
            access_list: Default::default(),
            input: call.data.clone(),
        };
        let signed = self.signed(call, tx)?;
        let envelope = TxEnvelope::from(signed);
        Ok((*envelope.tx_hash(), envelope.encoded_2718()))
    }

    fn sign_with_blobs(
        &self,
        call: &Call,
        to: Address,
        nonce: u64,
        gas: u64,
        fees: Fees,
    ) -> Result<(B256, Vec<u8>), TxError> {
        let sidecar = sidecar(&call.blobs).map_err(|e| TxError::Sign {
            label: call.label,
            reason: e.to_string(),
        })?;
        let tx = TxEip4844 {
            chain_id: self.chain.id(),
            nonce,
            gas_limit: gas,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to,
            value: call.value,
            access_list: Default::default(),
            blob_versioned_hashes: hashes(call),
            max_fee_per_blob_gas: fees.blob,
            input: call.data.clone(),
        };
        let tx = TxEip4844Variant::TxEip4844WithSidecar(TxEip4844WithSidecar { tx, sidecar });
        let envelope = TxEnvelope::from(self.signed(call, tx)?);
        Ok((*envelope.tx_hash(), envelope.encoded_2718()))
    }

    fn signed<T: SignableTransaction<Signature>>(
        &self,
        call: &Call,
        tx: T,
    ) -> Result<Signed<T>, TxError> {
        let signature = self.key.signer().sign_hash_sync(&tx.signature_hash());
        let signature = signature.map_err(|e| TxError::Sign {
            label: call.label,
            reason: e.to_string(),
        })?;
        Ok(tx.into_signed(signature))
    }

    /// Gives it to the node.
    ///
    /// # Errors
    /// The node says no, or it was never asked: it has not got it.
    pub(super) async fn broadcast(
        &self,
        label: &'static str,
        raw: &[u8],
    ) -> Result<Taken, TxError> {
        let Err(error) = self.chain.provider().send_raw_transaction(raw).await else {
            return Ok(Taken::Yes);
        };
        let message = match &error {
            RpcError::ErrorResp(payload) => payload.message.to_lowercase(),
            RpcError::UnsupportedFeature(_)
            | RpcError::LocalUsageError(_)
            | RpcError::SerError(_) => {
                return Err(self.chain.error("eth_sendRawTransaction", error).into());
            }
            RpcError::Transport(_) | RpcError::NullResp | RpcError::DeserError { .. } => {
                let error = self.chain.error("eth_sendRawTransaction", error);
                tracing::warn!(call = label, %error, "whether the node took it is unknown");
                return Ok(Taken::Unknown);
            }
        };
        if message.contains("already known") || message.contains("already imported") {
            return Ok(Taken::Yes);
        }
        if message.contains("nonce too low") {
            return Ok(Taken::Spent);
        }
        if message.contains("underpriced") {
            let error = self.chain.error("eth_sendRawTransaction", error);
            tracing::warn!(call = label, %error, "the node wants more for it");
            return Ok(Taken::Underpriced);
        }
        // geth and reth, then Nethermind.
        if message.contains("already reserved") || message.contains("conflicting") {
            return Err(TxError::Reserved {
                label,
                account: self.address(),
            });
        }
        let reason = self.refused(label, "eth_sendRawTransaction", error);
        // geth's limit of an account's with blobs; geth's, reth's and Erigon's of all.
        if message.contains("account limit exceeded") || message.contains("pool is full") {
            return Err(TxError::PoolFull {
                label,
                account: self.address(),
                reason: reason.to_string(),
            });
        }
        Err(reason)
    }

    pub(super) fn refused(
        &self,
        label: &'static str,
        what: &'static str,
        error: TransportError,
    ) -> TxError {
        if let RpcError::ErrorResp(payload) = &error {
            let message = payload.message.to_lowercase();
            if message.contains("insufficient funds") || message.contains("insufficient balance") {
                let reason = payload.message.to_string();
                return TxError::Unfunded {
                    label,
                    account: self.address(),
                    reason,
                };
            }
            if let Some(data) = payload.as_revert_data() {
                return TxError::WouldRevert {
                    label,
                    reason: self.errors.decode(&data),
                };
            }
            if message.contains("revert") {
                return TxError::WouldRevert {
                    label,
                    reason: self.errors.decode(&Bytes::new()),
                };
            }
        }
        self.chain.error(what, error).into()
    }
}

/// Has the call's blobs prove their cells, on a thread for it: under the book's lock they have their proofs.
pub(super) async fn prove(call: &Call) -> Result<(), TxError> {
    if call.blobs.is_empty() {
        return Ok(());
    }
    let blobs = call.blobs.clone();
    let proving = move || blobs.iter().try_for_each(|b| b.cell_proofs().map(drop));
    let proven = tokio::task::spawn_blocking(proving).await;
    let reason = match proven {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Err(TxError::Sign {
        label: call.label,
        reason,
    })
}

fn hashes(call: &Call) -> Vec<B256> {
    call.blobs.iter().map(|b| b.versioned_hash()).collect()
}
