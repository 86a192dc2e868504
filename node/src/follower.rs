//! Follows the logs of some contracts from a saved cursor, across small reorganizations.
//!
//! [`Follower::next`] gives logs in order, at least once: the cursor moves when the caller says that it has dealt with
//! them ([`Follower::commit`]), so after a crash the last ones come again.

use crate::chain::{BlockRef, Chain, ChainError};
use crate::store::{Store, StoreError, get_json, put_json};
use alloy::primitives::Address;
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Blocks whose hashes are remembered: the deepest reorganization that is followed.
const MEMORY: usize = 128;
/// Blocks asked for at once.
const STRIDE: u64 = 2_000;

/// Why the follower stopped.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The chain can't be reached or refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The cursor can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain went back further than is remembered.
    #[error(
        "the chain was reorganized below block {0}, deeper than is followed: delete this service's .sled folders and \
         start it again"
    )]
    TooDeep(u64),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Update {
    /// Logs of the blocks up to and including `through`.
    Logs {
        /// In chain order.
        logs: Vec<Log>,
        /// The last block looked at.
        through: BlockRef,
    },
    /// The blocks after `to` are gone: forget what came from them.
    Rewind {
        /// Last block that still stands.
        to: u64,
    },
    /// Nothing new.
    Idle,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cursor {
    /// First block ever looked at.
    start: u64,
    /// Next block to look at.
    next: u64,
    /// Blocks looked at, oldest first.
    seen: VecDeque<BlockRef>,
}

/// A reader of logs.
pub struct Follower {
    chain: Chain,
    addresses: Vec<Address>,
    store: Arc<dyn Store>,
    key: Vec<u8>,
    confirmations: u64,
    cursor: Cursor,
    pending: Option<Cursor>,
}

impl Follower {
    /// Follows `addresses` from where `name` left off in `store`, or from block `start`.
    pub fn open(
        chain: Chain,
        addresses: Vec<Address>,
        store: Arc<dyn Store>,
        name: &str,
        start: u64,
    ) -> Result<Follower, FollowError> {
        let key = [b"cursor/", name.as_bytes()].concat();
        let cursor = get_json(&*store, &key)?.unwrap_or(Cursor {
            start,
            next: start,
            seen: VecDeque::new(),
        });
        Ok(Follower {
            chain,
            addresses,
            store,
            key,
            confirmations: 0,
            cursor,
            pending: None,
        })
    }

    /// With logs held back until this many blocks are on top.
    pub fn confirmations(self, confirmations: u64) -> Follower {
        Follower {
            confirmations,
            ..self
        }
    }

    /// Next block that it will look at.
    pub fn position(&self) -> u64 {
        self.cursor.next
    }

    /// Looks for what is new. Without a [`Follower::commit`] in between it gives the same again.
    pub async fn next(&mut self) -> Result<Update, FollowError> {
        if let Some(to) = self.fork_point().await? {
            let mut cursor = self.cursor.clone();
            cursor.seen.retain(|b| b.number <= to);
            cursor.next = to + 1;
            self.pending = Some(cursor);
            return Ok(Update::Rewind { to });
        }
        let head = self
            .chain
            .block_number()
            .await?
            .saturating_sub(self.confirmations);
        let from = self.cursor.next;
        if head < from {
            return Ok(Update::Idle);
        }
        let to = head.min(from + STRIDE - 1);
        // The block is read before its logs: if it is replaced in between, the next look sees its hash gone.
        let Some(through) = self.chain.block(to).await? else {
            return Ok(Update::Idle);
        };
        let filter = Filter::new()
            .address(self.addresses.clone())
            .from_block(from)
            .to_block(to);
        let logs = self
            .chain
            .provider()
            .get_logs(&filter)
            .await
            .map_err(|e| self.chain.error("eth_getLogs", e))?;
        if logs
            .iter()
            .any(|l| l.block_number == Some(to) && l.block_hash != Some(through.hash))
        {
            return Ok(Update::Idle);
        }
        let mut cursor = self.cursor.clone();
        cursor.seen.push_back(through);
        while cursor.seen.len() > MEMORY {
            cursor.seen.pop_front();
        }
        cursor.next = to + 1;
        self.pending = Some(cursor);
        Ok(Update::Logs { logs, through })
    }

    /// The caller has dealt with the last update: the cursor moves on and is saved.
    pub fn commit(&mut self) -> Result<(), FollowError> {
        if let Some(cursor) = self.pending.take() {
            put_json(&*self.store, &self.key, &cursor)?;
            self.store.flush()?;
            self.cursor = cursor;
        }
        Ok(())
    }

    /// The last block that still stands, if the newest one seen does not.
    async fn fork_point(&self) -> Result<Option<u64>, FollowError> {
        let mut standing = self.cursor.seen.iter().rev();
        let Some(newest) = standing.next() else {
            return Ok(None);
        };
        if self
            .chain
            .block(newest.number)
            .await?
            .is_some_and(|b| b.hash == newest.hash)
        {
            return Ok(None);
        }
        for block in standing {
            if self
                .chain
                .block(block.number)
                .await?
                .is_some_and(|b| b.hash == block.hash)
            {
                return Ok(Some(block.number));
            }
        }
        match self.cursor.seen.front() {
            // Everything remembered is gone, and nothing before it was ever looked at.
            Some(first) if self.cursor.seen.len() == MEMORY => {
                Err(FollowError::TooDeep(first.number))
            }
            _ => Ok(Some(self.cursor.start.saturating_sub(1))),
        }
    }
}
