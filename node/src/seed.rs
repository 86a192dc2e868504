//! Entropy of later blocks: read as the inbox has recorded it, recorded from a block's header where it has not.
//!
//! A deployment may bind a question's seed to a block that comes after it (`docs/encoding.md`, section 9). Until that
//! block's `prevrandao` is recorded nobody can answer; a service also waits until the block is so deep that it stays.

use crate::chain::{BlockRef, Chain, ChainError};
use crate::tx::Call;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use alloy::transports::RpcError;
use alloy_rlp::Encodable;
use assay_bindings::hashes::seed_block;
use assay_bindings::{Inbox, Request};

/// How far the entropy of a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The block is not there, or not deep enough.
    Early,
    /// It can be recorded.
    Due,
    /// It is recorded.
    Recorded(B256),
    /// It was not recorded while that was possible: what is bound to it can only be refunded.
    Lost,
}

/// What one inbox knows of later blocks. Asks the chain each time, so a reorganization leaves nothing stale.
#[derive(Clone, Debug)]
pub struct Seeds {
    chain: Chain,
    inbox: Address,
    depth: u64,
}

impl Seeds {
    /// Entropy in `inbox`. A block counts once `depth` others stand on it: an answer that was signed under the entropy of a
    /// block that is replaced would be false.
    pub fn new(chain: Chain, inbox: Address, depth: u64) -> Seeds {
        Seeds {
            chain,
            inbox,
            depth,
        }
    }

    /// The entropy of `request`: its own, or what is recorded of its block; `None` while that may still change.
    ///
    /// # Errors
    /// The chain can't be reached.
    pub async fn entropy(&self, request: &Request) -> Result<Option<B256>, ChainError> {
        let Some(number) = seed_block(request) else {
            return Ok(Some(request.entropy));
        };
        Ok(match self.standing(number).await? {
            Standing::Recorded(entropy) => Some(entropy),
            Standing::Early | Standing::Due | Standing::Lost => None,
        })
    }

    /// How far the entropy of block `number` is.
    ///
    /// # Errors
    /// The chain can't be reached.
    pub async fn standing(&self, number: u64) -> Result<Standing, ChainError> {
        let BlockRef { number: head, .. } = self.chain.head().await?;
        if head < number.saturating_add(self.depth) {
            return Ok(Standing::Early);
        }
        let at = U256::from(number);
        let call = Inbox::recordedSeedCall { number: at };
        let recorded = self.ask("Inbox.recordedSeed", call).await?;
        if !recorded.is_zero() {
            return Ok(Standing::Recorded(recorded));
        }
        let lost = Inbox::seedLostCall { number: at };
        Ok(match self.ask("Inbox.seedLost", lost).await? {
            true => Standing::Lost,
            false => Standing::Due,
        })
    }

    /// The call that records the entropy of block `number`, which is due.
    ///
    /// # Errors
    /// The chain can't be reached, or its headers are not Ethereum's.
    pub async fn recording(&self, number: u64) -> Result<Call, ChainError> {
        let header = self.header(number).await?;
        let data = Inbox::recordSeedCall { number, header }.abi_encode();
        Ok(Call::new("recordSeed", self.inbox, data))
    }

    async fn ask<C: SolCall>(&self, what: &'static str, call: C) -> Result<C::Return, ChainError> {
        let request = TransactionRequest {
            to: Some(TxKind::Call(self.inbox)),
            ..TransactionRequest::default().input(call.abi_encode().into())
        };
        let answer = self.chain.provider().call(request).await;
        let answer = answer.map_err(|e| self.chain.error(what, e))?;
        C::abi_decode_returns(&answer).map_err(|e| self.odd(what, &e.to_string()))
    }

    /// RLP of the header of block `number`, as its hash commits to it.
    async fn header(&self, number: u64) -> Result<Bytes, ChainError> {
        const WHAT: &str = "the header of a block";
        let block = self
            .chain
            .provider()
            .get_block_by_number(BlockNumberOrTag::Number(number))
            .await
            .map_err(|e| self.chain.error(WHAT, e))?;
        let header = block
            .ok_or_else(|| self.chain.error(WHAT, RpcError::NullResp))?
            .header;
        let mut out = Vec::with_capacity(1_024);
        header.inner.encode(&mut out);
        // A chain whose headers have other fields than Ethereum's: the inbox would refuse these bytes.
        if keccak256(&out) != header.hash {
            return Err(self.odd(WHAT, "its fields do not hash to the block's hash"));
        }
        Ok(out.into())
    }

    fn odd(&self, what: &'static str, reason: &str) -> ChainError {
        self.chain.error(what, RpcError::local_usage_str(reason))
    }
}
