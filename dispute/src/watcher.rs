//! Follows the contracts' events into a [`Ledger`]; what was read is cached and can be read again at any time.

use crate::blobs::KeptBlobs;
use crate::clock::Timestamp;
use crate::game::Rules;
use crate::ledger::{Beside, ClaimKey, Ledger, LedgerError};
use crate::reader::{Found, Needs, Reader, Unread};
use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Log, TransactionRequest};
use alloy::sol_types::SolCall;
use assay_bindings::{DisputeGame, Rollup};
use assay_node::beacon::Beacon;
use assay_node::blob::{Blob, BlobError};
use assay_node::chain::{BlockRef, Chain, ChainError};
use assay_node::deployment::Deployment;
use assay_node::follower::{FollowError, Follower, Update};
use assay_node::store::{Change, Store, StoreError};
use assay_node::url::RpcUrl;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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
    follower: Follower,
    store: Arc<dyn Store>,
    reader: Reader,
    empty: Ledger,
    ledger: Ledger,
    through: Option<BlockRef>,
}

impl Watcher {
    /// Reads the rules and the cache. Nothing new is looked at before [`Watcher::poll`], and of blobs what `needs` says.
    ///
    /// # Errors
    /// The chain can't be reached, or the cache is damaged.
    pub async fn open(
        chain: Chain,
        deployment: &Deployment,
        store: Arc<dyn Store>,
        confirmations: u64,
        needs: Needs,
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
        let kept = KeptBlobs::new(store.clone(), window);
        let beacon = Beacon::new(chain.url().clone());
        let mut watcher = Watcher {
            chain,
            follower,
            reader: Reader::new(beacon, needs, kept, rules.allowance),
            store,
            ledger: empty.clone(),
            empty,
            through: None,
        };
        // Logs at or after the cursor were written before a crash and the cursor was not: they come again.
        watcher.forget_from(watcher.follower.position())?;
        watcher.refold(&BTreeSet::new())?;
        Ok(watcher)
    }

    /// Reads blobs from `beacon` instead of the chain's own endpoint.
    pub fn beacon(mut self, beacon: Option<RpcUrl>) -> Watcher {
        if let Some(url) = beacon {
            self.reader.ask_at(Beacon::new(url));
        }
        self
    }

    /// What the events so far add up to.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The blobs of claims that can be challenged.
    pub fn blobs(&self) -> &KeptBlobs {
        self.reader.blobs()
    }

    /// Whether everything is read that claims and moves leave in blobs.
    ///
    /// # Errors
    /// What is not, if it is more than a moment late, and why.
    pub fn blobs_read(&self) -> Result<(), String> {
        self.reader.trouble()
    }

    /// The newest block looked at by this process.
    pub fn through(&self) -> Option<BlockRef> {
        self.through
    }

    /// Takes in everything up to the newest block, and what is in blobs as far as it can be had. True if something was new.
    ///
    /// # Errors
    /// The chain can't be reached, or the cache can't be written; what was taken in so far stays.
    pub async fn poll(&mut self) -> Result<bool, WatchError> {
        let mut news = false;
        let mut head = None;
        self.reader.begin();
        loop {
            match self.follower.next().await? {
                Update::Idle => break,
                Update::Rewind { to } => {
                    tracing::warn!(to, "the chain was reorganized: forgetting later events");
                    self.forget_from(to + 1)?;
                    self.refold(&BTreeSet::new())?;
                }
                Update::Logs { logs, through } => {
                    self.take_in(logs, &through, &mut head).await?;
                    self.reader.blobs_mut().prune(through.timestamp)?;
                    self.through = Some(through);
                }
            }
            self.follower.commit()?;
            news = true;
        }
        Ok(self.read_blobs(&mut head).await? || news)
    }

    async fn take_in(
        &mut self,
        logs: Vec<Log>,
        through: &BlockRef,
        head: &mut Option<Timestamp>,
    ) -> Result<(), WatchError> {
        let (mut entries, mut later) = (Vec::with_capacity(logs.len()), Vec::new());
        for log in logs {
            let time = self.time_of(&log, through).await?;
            let block = block_of_log(&log, time, through);
            let unread = self.reader.announced(&self.ledger, &log, block);
            let mut entry = Entry {
                log,
                time,
                blob: None,
                output: None,
            };
            if let Some(mut unread) = unread {
                let now = self.head_time(head).await?;
                let found = match self.reader.is_fresh(&unread, now) {
                    true => self.reader.read(&mut unread).await?,
                    false => None,
                };
                match found {
                    Some(found) => entry.put(found),
                    None => later.push((entry.key(), unread)),
                }
            }
            entries.push(entry);
        }
        self.save(&entries)?;
        later
            .into_iter()
            .for_each(|(key, unread)| self.reader.keep(key, unread));
        let behind = self.reader.lacks_moves();
        entries
            .iter()
            .for_each(|entry| apply(&mut self.ledger, entry, behind));
        Ok(())
    }

    /// The time of the chain's head, asked for once in a round.
    async fn head_time(&self, known: &mut Option<Timestamp>) -> Result<Timestamp, WatchError> {
        if let Some(time) = known {
            return Ok(*time);
        }
        Ok(*known.insert(self.chain.head().await?.timestamp))
    }

    /// Reads what could not be read when it was announced. True if something was.
    async fn read_blobs(&mut self, head: &mut Option<Timestamp>) -> Result<bool, WatchError> {
        let due = self.reader.due();
        if due.is_empty() {
            return Ok(false);
        }
        let now = self.head_time(head).await?;
        let (mut news, mut moves, mut result) = (false, false, Ok(()));
        for key in due {
            match self.read_one(&key, now).await {
                Ok(None) => {}
                Ok(Some(moved)) => (news, moves) = (true, moves || moved),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        // What comes after a move makes sense only now. Games that are over stay so.
        if moves {
            let games = self.ledger.games.iter();
            let over = games.filter(|(_, play)| play.game.outcome().is_some());
            self.refold(&over.map(|(id, _)| *id).collect())?;
        }
        result.map(|()| news)
    }

    /// Reads what the cache lacks under `key`: whether it was a move, or `None` if there is nothing new.
    async fn read_one(&mut self, key: &[u8], now: Timestamp) -> Result<Option<bool>, WatchError> {
        let Some(mut unread) = self.reader.take(key, &self.ledger, now) else {
            return Ok(None);
        };
        let read = self.reader.read(&mut unread).await;
        let noted = read.map_err(WatchError::from).and_then(|found| {
            let entry = self.entry(key)?;
            Ok(found.zip(entry))
        });
        let (found, mut entry) = match noted {
            Ok(Some(noted)) => noted,
            other => {
                self.reader.keep(key.to_vec(), unread);
                return other.map(|_| None);
            }
        };
        let told = match &found {
            Found::Output(claim, output) => Some((*claim, output.clone())),
            Found::Roots(_) => None,
        };
        entry.put(found);
        if let Err(error) = self.save(&[entry]) {
            self.reader.keep(key.to_vec(), unread);
            return Err(error);
        }
        let moved = told.is_none();
        if let Some((claim, output)) = told {
            self.ledger.tell(claim, output);
        }
        Ok(Some(moved))
    }

    /// Has the blob of `claim` read again, which was kept and is damaged or gone.
    ///
    /// # Errors
    /// The cache is damaged.
    pub fn read_again(&mut self, claim: ClaimKey) -> Result<(), WatchError> {
        self.reader.distrust();
        for (key, value) in self.store.scan(PREFIX)? {
            let entry = self.decode(&key, &value)?;
            let claimed = self.ledger.claimed_in_blob(&entry.log, entry.time);
            if claimed.is_some_and(|c| c.key == claim)
                && let Some(unread) = self.announced(&entry)
            {
                self.reader.keep(key, unread);
            }
        }
        Ok(())
    }

    fn announced(&self, entry: &Entry) -> Option<Unread> {
        let block = BlockRef {
            number: entry.log.block_number.unwrap_or_default(),
            hash: entry.log.block_hash.unwrap_or_default(),
            timestamp: entry.time,
        };
        self.reader.announced(&self.ledger, &entry.log, block)
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

    fn save(&self, entries: &[Entry]) -> Result<(), WatchError> {
        let failed = |e: serde_json::Error| StoreError::Failed {
            path: self.store.path().to_owned(),
            reason: e.to_string(),
        };
        let put = |entry: &Entry| {
            let value = serde_json::to_vec(entry).map_err(failed)?;
            Ok(Change::Put(entry.key(), value))
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

    fn entry(&self, key: &[u8]) -> Result<Option<Entry>, WatchError> {
        let value = self.store.get(key)?;
        value.map(|value| self.decode(key, &value)).transpose()
    }

    fn decode(&self, key: &[u8], value: &[u8]) -> Result<Entry, WatchError> {
        let entry = serde_json::from_slice(value).map_err(|_| StoreError::Damaged {
            path: self.store.path().to_owned(),
            key: format!("log of block {}", block_of(key)),
        });
        Ok(entry?)
    }

    /// Folds the cache from its start, without the moves of games in `over`: what is in blobs takes long to commit to.
    // INVARIANT: what an entry lacks is asked for again, whoever wrote it.
    fn refold(&mut self, over: &BTreeSet<B256>) -> Result<(), WatchError> {
        let mut ledger = self.empty.clone();
        self.reader.forget();
        for (key, value) in self.store.scan(PREFIX)? {
            let entry = self.decode(&key, &value)?;
            if entry.output.is_none()
                && entry.blob.is_none()
                && let Some(unread) = self.announced(&entry)
            {
                self.reader.keep(key, unread);
            }
            let moved = ledger.blob_of_move(&entry.log);
            if !moved.is_some_and(|(game, _)| over.contains(&game)) {
                apply(&mut ledger, &entry, self.reader.lacks_moves());
            }
        }
        self.reader.remembered();
        self.ledger = ledger;
        for claim in self.ledger.claims.values() {
            if let Some(place) = claim.in_blob {
                self.reader.blobs_mut().hold(place.blob, claim.posted_at);
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Where the cache has it.
    fn key(&self) -> Vec<u8> {
        key_of(
            self.log.block_number.unwrap_or(0),
            self.log.log_index.unwrap_or(0),
        )
    }

    fn put(&mut self, found: Found) {
        match found {
            Found::Output(_, output) => self.output = Some(output),
            Found::Roots(blob) => self.blob = Some(blob),
        }
    }
}

fn block_of_log(log: &Log, time: Timestamp, through: &BlockRef) -> BlockRef {
    BlockRef {
        number: log.block_number.unwrap_or(through.number),
        timestamp: time,
        ..*through
    }
}

/// `behind`: moves are missing, so others may contradict what is known.
fn apply(ledger: &mut Ledger, entry: &Entry, behind: bool) {
    let beside = match &entry.output {
        Some(output) => Beside::Output(output.clone()),
        None => entry.blob.as_ref().and_then(read_blob).into(),
    };
    let block = entry.log.block_number;
    match ledger.apply_with(&entry.log, entry.time, beside) {
        Ok(()) => {}
        Err(error @ (LedgerError::NoBlob { .. } | LedgerError::History { .. })) if behind => {
            tracing::debug!(%error, block, "an event after a move that was not read");
        }
        Err(error) => tracing::error!(%error, block, "an event contradicts the ledger"),
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
