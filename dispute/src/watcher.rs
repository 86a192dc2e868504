//! Follows the contracts' events into a [`Ledger`]; what was read is cached and can be read again at any time.

use crate::blobs::KeptBlobs;
use crate::clock::Timestamp;
use crate::game::Rules;
use crate::ledger::{Beside, InBlob, Ledger};
use alloy::eips::BlockId;
use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Log, TransactionRequest};
use alloy::sol_types::SolCall;
use assay_bindings::{DisputeGame, Rollup};
use assay_node::beacon::{Beacon, BeaconError};
use assay_node::blob::{Blob, BlobError};
use assay_node::chain::{BlockRef, Chain, ChainError};
use assay_node::deployment::Deployment;
use assay_node::follower::{FollowError, Follower, Update};
use assay_node::store::{Change, Store, StoreError};
use assay_node::url::RpcUrl;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why the chain can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The chain can't be reached or refuses.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The follower stopped.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The cache can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The roots of a move, or a claimed output, can't be read.
    #[error(transparent)]
    Blob(#[from] BeaconError),
    /// A contract answered with something else than its interface says.
    #[error(
        "{what} at {address} does not answer as the interface says: is the --deployment file of another version?"
    )]
    Interface {
        /// Which function.
        what: &'static str,
        /// Of which contract.
        address: Address,
    },
}

/// A cached log with the time of its block.
#[derive(Serialize, Deserialize)]
struct Entry {
    log: Log,
    time: Timestamp,
    /// Bytes of the blob that the log, a move, speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blob: Option<Bytes>,
    /// The output in a blob that the log, a claim, speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<Bytes>,
}

/// The ledger as of the newest block looked at.
pub struct Watcher {
    chain: Chain,
    beacon: Beacon,
    follower: Follower,
    store: Arc<dyn Store>,
    blobs: KeptBlobs,
    /// The blob that was read last: the claims of a segment are in one.
    last: Option<Arc<Blob>>,
    empty: Ledger,
    ledger: Ledger,
    through: Option<BlockRef>,
}

impl Watcher {
    /// Reads the rules and the cache. Nothing new is looked at before [`Watcher::poll`].
    ///
    /// # Errors
    /// The chain can't be reached, or the cache is damaged.
    pub async fn open(
        chain: Chain,
        deployment: &Deployment,
        store: Arc<dyn Store>,
        confirmations: u64,
    ) -> Result<Watcher, WatchError> {
        let contracts = deployment.contracts.clone();
        let rules = read_rules(&chain, contracts.game).await?;
        let window = view(&chain, contracts.rollup, "window", Rollup::windowCall {}).await?;
        let addresses = vec![contracts.inbox, contracts.rollup, contracts.game];
        let follower = Follower::open(
            chain.clone(),
            addresses,
            store.clone(),
            "watcher",
            deployment.block,
        )?
        .confirmations(confirmations);
        let empty = Ledger::new(contracts, rules);
        let mut watcher = Watcher {
            beacon: Beacon::new(chain.url().clone()),
            chain,
            follower,
            blobs: KeptBlobs::new(store.clone(), window),
            last: None,
            store,
            ledger: empty.clone(),
            empty,
            through: None,
        };
        // Logs at or after the cursor were written before a crash and the cursor was not: they come again.
        watcher.forget_from(watcher.follower.position())?;
        watcher.refold()?;
        Ok(watcher)
    }

    /// Reads blobs from `beacon` instead of the chain's own endpoint.
    pub fn beacon(mut self, beacon: Option<RpcUrl>) -> Watcher {
        if let Some(url) = beacon {
            self.beacon = Beacon::new(url);
        }
        self
    }

    /// What the events so far add up to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The blobs of claims that can be challenged.
    pub fn blobs(&self) -> &KeptBlobs {
        &self.blobs
    }

    /// The newest block looked at by this process.
    pub fn through(&self) -> Option<BlockRef> {
        self.through
    }

    /// Takes in everything up to the newest block. True if something was new.
    ///
    /// # Errors
    /// The chain can't be reached, or the cache can't be written; what was taken in so far stays.
    pub async fn poll(&mut self) -> Result<bool, WatchError> {
        let mut news = false;
        loop {
            match self.follower.next().await? {
                Update::Idle => return Ok(news),
                Update::Rewind { to } => {
                    tracing::warn!(to, "the chain was reorganized: forgetting later events");
                    self.forget_from(to + 1)?;
                    self.refold()?;
                }
                Update::Logs { logs, through } => {
                    let mut entries = Vec::with_capacity(logs.len());
                    for log in logs {
                        let time = self.time_of(&log, &through).await?;
                        let blob = self.blob_of(&log, time, &through).await?;
                        let output = self.output_of(&log, time, &through).await?;
                        entries.push(Entry {
                            log,
                            time,
                            blob,
                            output,
                        });
                    }
                    self.save(&entries)?;
                    entries
                        .iter()
                        .for_each(|entry| apply(&mut self.ledger, entry));
                    self.blobs.prune(through.timestamp)?;
                    self.through = Some(through);
                }
            }
            self.follower.commit()?;
            news = true;
        }
    }

    async fn time_of(&self, log: &Log, through: &BlockRef) -> Result<Timestamp, WatchError> {
        let number = log.block_number.unwrap_or(through.number);
        if number == through.number {
            return Ok(through.timestamp);
        }
        if let Some(time) = log.block_timestamp {
            return Ok(time);
        }
        let block = self.chain.block(number).await?;
        block.map(|b| b.timestamp).ok_or_else(|| {
            self.chain
                .error("the block of a log", alloy::transports::RpcError::NullResp)
                .into()
        })
    }

    /// The blob that `log` speaks of. One that nobody has any more belongs to a game that is over: its players had it.
    async fn blob_of(
        &self,
        log: &Log,
        time: Timestamp,
        through: &BlockRef,
    ) -> Result<Option<Bytes>, WatchError> {
        let Some(hash) = self.ledger.blob_of_move(log) else {
            return Ok(None);
        };
        let block = block_of_log(log, time, through);
        match self.beacon.blob(hash, &block).await {
            Ok(blob) => Ok(Some(blob.to_bytes())),
            Err(error @ BeaconError::Missing { .. })
                if through.timestamp > time + 2 * self.empty.rules().allowance =>
            {
                tracing::warn!(%error, "the game is over: its moves are not read");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The output in a blob that `log` claims. Nobody can challenge any more what is in one that nobody has any more.
    // INVARIANT: no claim that can be challenged goes by unread: what comes after it waits.
    async fn output_of(
        &mut self,
        log: &Log,
        time: Timestamp,
        through: &BlockRef,
    ) -> Result<Option<Bytes>, WatchError> {
        let Some(place) = self.ledger.claimed_in_blob(log) else {
            return Ok(None);
        };
        let block = block_of_log(log, time, through);
        match self.read_claimed(&place, &block).await {
            Ok(blob) => {
                self.blobs.hold(place.blob, time);
                Ok(place.output(&blob))
            }
            Err(WatchError::Blob(error @ BeaconError::Missing { .. }))
                if through.timestamp >= self.blobs.closes(time) =>
            {
                tracing::warn!(%error, "the claim's window is over: its output is not read");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The blob at `place`, from wherever it is; kept from then on.
    async fn read_claimed(
        &mut self,
        place: &InBlob,
        block: &BlockRef,
    ) -> Result<Arc<Blob>, WatchError> {
        let is_it = |blob: &&Arc<Blob>| blob.versioned_hash() == place.blob;
        if let Some(blob) = self.last.as_ref().filter(is_it) {
            return Ok(blob.clone());
        }
        let blob = match self.blobs.get(place.blob)? {
            Some(blob) => blob,
            None => {
                let blob = self.beacon.blob(place.blob, block).await?;
                self.blobs.put(&blob)?;
                blob
            }
        };
        Ok(self.last.insert(Arc::new(blob)).clone())
    }

    fn save(&self, entries: &[Entry]) -> Result<(), WatchError> {
        let failed = |e: serde_json::Error| StoreError::Failed {
            path: self.store.path().to_owned(),
            reason: e.to_string(),
        };
        let put = |entry: &Entry| {
            let key = key_of(
                entry.log.block_number.unwrap_or(0),
                entry.log.log_index.unwrap_or(0),
            );
            Ok(Change::Put(key, serde_json::to_vec(entry).map_err(failed)?))
        };
        let changes = entries
            .iter()
            .map(put)
            .collect::<Result<Vec<_>, StoreError>>()?;
        self.store.apply(changes)?;
        Ok(())
    }

    fn forget_from(&self, block: u64) -> Result<(), WatchError> {
        let gone = self
            .store
            .scan(PREFIX)?
            .into_iter()
            .filter(|(key, _)| block_of(key) >= block);
        self.store
            .apply(gone.map(|(key, _)| Change::Delete(key)).collect())?;
        Ok(())
    }

    /// Folds the cache from its start.
    fn refold(&mut self) -> Result<(), WatchError> {
        let mut ledger = self.empty.clone();
        for (key, value) in self.store.scan(PREFIX)? {
            let entry: Entry = serde_json::from_slice(&value).map_err(|_| StoreError::Damaged {
                path: self.store.path().to_owned(),
                key: format!("log of block {}", block_of(&key)),
            })?;
            apply(&mut ledger, &entry);
        }
        self.ledger = ledger;
        for claim in self.ledger.claims.values() {
            if let Some(place) = claim.in_blob {
                self.blobs.hold(place.blob, claim.posted_at);
            }
        }
        Ok(())
    }
}

fn block_of_log(log: &Log, time: Timestamp, through: &BlockRef) -> BlockRef {
    BlockRef {
        number: log.block_number.unwrap_or(through.number),
        timestamp: time,
        ..*through
    }
}

fn apply(ledger: &mut Ledger, entry: &Entry) {
    let beside = match &entry.output {
        Some(output) => Beside::Output(output.clone()),
        None => entry.blob.as_ref().and_then(read_blob).into(),
    };
    if let Err(error) = ledger.apply_with(&entry.log, entry.time, beside) {
        tracing::error!(%error, block = entry.log.block_number, "an event contradicts the ledger");
    }
}

fn read_blob(bytes: &Bytes) -> Option<Arc<Blob>> {
    let blob: Result<Blob, BlobError> = Blob::from_bytes(bytes.to_vec());
    blob.map(Arc::new)
        .inspect_err(|error| tracing::error!(%error, "a blob in the cache"))
        .ok()
}

const PREFIX: &[u8] = b"log/";

/// `log/ ‖ block u64 BE ‖ log index u64 BE`: in chain order.
fn key_of(block: u64, index: u64) -> Vec<u8> {
    [PREFIX, &block.to_be_bytes(), &index.to_be_bytes()].concat()
}

fn block_of(key: &[u8]) -> u64 {
    key.get(PREFIX.len()..)
        .and_then(|k| k.first_chunk())
        .map_or(0, |block| u64::from_be_bytes(*block))
}

/// Calls a view function of `address` at the newest block.
///
/// # Errors
/// The chain can't be reached, or the answer does not decode.
pub async fn view<C: SolCall>(
    chain: &Chain,
    address: Address,
    what: &'static str,
    call: C,
) -> Result<C::Return, WatchError> {
    let request = TransactionRequest::default()
        .to(address)
        .input(call.abi_encode().into());
    let answer = chain
        .provider()
        .call(request)
        .block(BlockId::latest())
        .await;
    let answer = answer.map_err(|e| chain.error(what, e))?;
    C::abi_decode_returns(&answer).map_err(|_| WatchError::Interface { what, address })
}

async fn read_rules(chain: &Chain, game: Address) -> Result<Rules, WatchError> {
    Ok(Rules {
        arity_log2: view(chain, game, "arityLog2", DisputeGame::arityLog2Call {})
            .await?
            .into(),
        trace_log2: view(chain, game, "traceLog2", DisputeGame::traceLog2Call {})
            .await?
            .into(),
        allowance: view(chain, game, "allowance", DisputeGame::allowanceCall {}).await?,
        blobs: view(chain, game, "postsBlobs", DisputeGame::postsBlobsCall {}).await?,
    })
}

/// The bond that a challenger sends, in wei.
///
/// # Errors
/// As for [`view`].
pub async fn challenger_bond(chain: &Chain, game: Address) -> Result<U256, WatchError> {
    view(
        chain,
        game,
        "challengerBond",
        DisputeGame::challengerBondCall {},
    )
    .await
}
