//! Looks after what was sent until its receipt is there: sends again what the chain forgot, and for more what it leaves.

use super::book::{Book, Earlier, Sent};
use super::manager::Taken;
use super::{TxError, TxManager};
use crate::chain::ChainError;
use crate::revert::RevertReason;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::Bytes;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use std::time::Instant;

/// Looks for a receipt between two looks at the whole account.
pub(super) const LOOKS: u32 = 8;

impl TxManager {
    /// Waits for the receipt of what was sent with `nonce`.
    pub(super) async fn wait(
        &self,
        nonce: u64,
        mut sent: Sent,
    ) -> Result<TransactionReceipt, TxError> {
        let (start, mut passed) = (Instant::now(), None);
        let label = sent.call.label;
        loop {
            match self.receipt(&sent).await {
                Ok(Some(receipt)) => {
                    if let Some(sent) = self.book.lock().await.get_mut(nonce) {
                        sent.settled = true;
                    }
                    return match receipt.status() {
                        true => Ok(receipt),
                        false => Err(self.why_reverted(&sent, &receipt).await),
                    };
                }
                Ok(None) => {}
                // The chain may come back: only the deadline ends the wait.
                Err(error) => tracing::warn!(call = label, %error, "cannot look for the receipt"),
            }
            let waited = start.elapsed();
            let mut book = self.book.lock().await;
            if waited > self.policy.give_up_after {
                // It stays in the book: nodes may have it, and what comes after it waits for it.
                book.forget_next();
                return Err(TxError::NotMined {
                    label,
                    hash: sent.last(),
                    nonce,
                    seconds: waited.as_secs(),
                });
            }
            let due = self.policy.poll * LOOKS;
            if book.tended.is_none_or(|at| at.elapsed() > due)
                && let Err(error) = self.tend(&mut book).await
            {
                tracing::warn!(call = label, %error, "cannot look after what was sent");
            }
            // Fees may have been raised, whoever looked.
            if let Some(now) = book.get(nonce) {
                sent = now.clone();
            }
            if book.mined <= nonce {
                passed = None;
            } else if passed.get_or_insert_with(Instant::now).elapsed() > self.policy.bump_after {
                // The chain is past the nonce, and none of ours did that.
                book.strike(nonce);
                return Err(TxError::NonceTaken {
                    label,
                    account: self.address(),
                    nonce,
                });
            }
            drop(book);
            tokio::time::sleep(self.policy.poll).await;
        }
    }

    /// Sends again whatever a reorganization dropped of what was mined already, if it did.
    pub(super) async fn mend(&self) -> Result<(), TxError> {
        let mut book = self.book.lock().await;
        if book.is_empty() {
            return Ok(());
        }
        let missing = book.look(self.chain_nonce(BlockNumberOrTag::Latest).await?);
        let settled = |nonce| book.get(nonce).is_some_and(|sent: &Sent| sent.settled);
        if missing.into_iter().any(settled) {
            self.tend(&mut book).await?;
        }
        Ok(())
    }

    /// Looks after everything in the book that is not in the chain.
    pub(super) async fn tend(&self, book: &mut Book) -> Result<(), TxError> {
        book.tended = Some(Instant::now());
        let mined = self.chain_nonce(BlockNumberOrTag::Latest).await?;
        let mut kind = None;
        for nonce in book.look(mined) {
            let Some(sent) = book.get_mut(nonce) else {
                continue;
            };
            let label = sent.call.label;
            // A reorganization may have dropped both kinds: the second waits until the first is mined again.
            if *kind.get_or_insert(sent.call.kind()) != sent.call.kind() {
                break;
            }
            let known = self.chain.provider().get_transaction_by_hash(sent.last());
            let known = known.await;
            let known = known.map_err(|e| self.chain.error("eth_getTransactionByHash", e))?;
            let again = if known.is_none() && sent.settled {
                self.revive(nonce, sent).await
            } else if sent.at.elapsed() > self.policy.bump_after {
                self.bump(nonce, book).await
            } else if known.is_none() {
                self.send_again(nonce, sent).await
            } else {
                Ok(())
            };
            if let Err(error) = again {
                tracing::warn!(call = label, nonce, %error, "cannot send again");
            }
        }
        Ok(())
    }

    /// It was mined, in a block that is none any more, and the node did not keep it.
    async fn revive(&self, nonce: u64, sent: &mut Sent) -> Result<(), TxError> {
        tracing::warn!(call = sent.call.label, hash = %sent.last(), nonce, "dropped by a reorganization: sent again");
        self.send_again(nonce, sent).await?;
        (sent.settled, sent.at) = (false, Instant::now());
        Ok(())
    }

    async fn send_again(&self, nonce: u64, sent: &Sent) -> Result<(), TxError> {
        let (_, raw) = self.sign(&sent.call, nonce, sent.gas, sent.fees)?;
        // Where it is refused because the nonce is spent, the next look tells by whom.
        self.broadcast(sent.call.label, &raw).await.map(drop)
    }

    /// Nobody took it in time.
    async fn bump(&self, nonce: u64, book: &mut Book) -> Result<(), TxError> {
        let Some(sent) = book.get_mut(nonce) else {
            return Ok(());
        };
        sent.at = Instant::now();
        let fees = match sent.fees.bumped(&self.policy) {
            Ok(fees) => fees,
            Err(capped) => {
                if !std::mem::replace(&mut sent.capped, true) {
                    tracing::warn!(call = sent.call.label, hash = %sent.last(), nonce, %capped,
                        "not mined in time, and not to be replaced: it waits, and so does whatever the account sends after it");
                }
                // The node may have dropped it meanwhile.
                return self.send_again(nonce, sent).await;
            }
        };
        let (hash, raw) = self.sign(&sent.call, nonce, sent.gas, fees)?;
        let label = sent.call.label;
        if hash == sent.last() {
            tracing::warn!(call = label, %hash, "not mined, and fees are at the limit");
            return self.broadcast(label, &raw).await.map(drop);
        }
        // Its receipt is looked for whatever the answer: a lost one may hide that the node took it.
        sent.doubt(hash);
        book.about_to_bump(nonce, fees, hash)?;
        match self.broadcast(label, &raw).await? {
            Taken::Yes => {
                tracing::warn!(call = label, %hash, nonce, "not mined in time: sent again for more");
                book.bumped(nonce, fees, hash);
            }
            // Where it was taken it is known the next time.
            Taken::Unknown | Taken::Spent | Taken::Underpriced => {}
        }
        Ok(())
    }

    /// Looks after what was sent, whoever waits for it; returns what of earlier runs is not mined.
    ///
    /// # Errors
    /// The chain can't be asked.
    pub async fn look_after(&self) -> Result<Earlier, TxError> {
        let mut book = self.book.lock().await;
        if book.is_empty() {
            book.look(self.chain_nonce(BlockNumberOrTag::Latest).await?);
        } else {
            self.tend(&mut book).await?;
        }
        Ok(book.earlier())
    }

    /// Looks after what an earlier run sent until all of it is mined.
    pub(super) async fn see_through(self) {
        let every = self.policy.poll * LOOKS;
        loop {
            match self.look_after().await {
                Ok(Earlier { kept: 0, .. }) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot look after what an earlier run sent");
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn receipt(&self, sent: &Sent) -> Result<Option<TransactionReceipt>, ChainError> {
        for hash in sent.hashes.iter().rev() {
            let receipt = self.chain.provider().get_transaction_receipt(*hash).await;
            if let Some(receipt) =
                receipt.map_err(|e| self.chain.error("eth_getTransactionReceipt", e))?
            {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    async fn why_reverted(&self, sent: &Sent, receipt: &TransactionReceipt) -> TxError {
        let call = &sent.call;
        let hash = receipt.transaction_hash;
        if receipt.gas_used >= sent.gas {
            let text = format!("out of gas ({} of {})", receipt.gas_used, sent.gas);
            let reason = RevertReason {
                name: "OutOfGas".to_owned(),
                text,
                data: Bytes::new(),
            };
            return TxError::Reverted {
                label: call.label,
                hash,
                reason,
            };
        }
        let at = receipt.block_number.unwrap_or_default();
        let again = self
            .chain
            .provider()
            .call(self.request(call))
            .block(at.into())
            .await;
        let reason = match again.err().map(|e| self.refused(call.label, "eth_call", e)) {
            Some(TxError::WouldRevert { reason, .. }) => reason,
            _ => self.errors.decode(&Bytes::new()),
        };
        TxError::Reverted {
            label: call.label,
            hash,
            reason,
        }
    }
}
