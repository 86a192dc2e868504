//! What claims and moves leave in blobs: read as it is announced where it can be, asked for again where not. Nothing else waits
//! for it.

use crate::blobs::KeptBlobs;
use crate::clock::Timestamp;
use crate::ledger::{Claim, ClaimKey, ClaimStatus, InBlob, Ledger};
use alloy::primitives::{Address, B256, Bytes};
use alloy::rpc::types::Log;
use assay_bindings::blob_refs::HEAD;
use assay_node::beacon::{Beacon, BeaconError};
use assay_node::blob::Blob;
use assay_node::chain::BlockRef;
use assay_node::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The answer that an executor's journal has for a request.
pub type Journal = Arc<dyn Fn(B256) -> Option<Bytes> + Send + Sync>;

/// What a service needs of blobs.
#[derive(Clone)]
pub enum Needs {
    /// All: outputs to check them, their blobs to open games, moves to answer them.
    Everything,
    /// Moves, and what one executor answered.
    Own {
        /// The executor.
        executor: Address,
        /// Asked before any node: it has what it signed for as long as there may be games about it.
        journal: Journal,
    },
    /// Nothing: who claimed what and how games end is in events.
    Nothing,
}

/// Something in a blob that was not read yet.
pub struct Unread {
    what: What,
    block: BlockRef,
    tries: u32,
    again_at: Instant,
    error: String,
    missed: bool,
}

enum What {
    Output {
        claim: ClaimKey,
        request: B256,
        place: InBlob,
    },
    Roots {
        game: B256,
        blob: B256,
    },
}

/// What came of a question.
enum Read {
    /// The blob.
    It(Arc<Blob>),
    /// Nothing is asked now.
    NotNow,
    /// The endpoint does not have it, or (`refused`) does not answer as it should.
    No { error: String, refused: bool },
}

/// What was read.
pub enum Found {
    /// A claimed output.
    Output(ClaimKey, Bytes),
    /// Bytes of the blob of a move.
    Roots(Bytes),
}

/// Reads blobs. Those of outputs are kept where [`Needs::Everything`] is needed.
pub struct Reader {
    beacon: Beacon,
    needs: Needs,
    blobs: KeptBlobs,
    allowance: u64,
    /// The blob that was read last: the claims of a segment are in one.
    last: Option<Arc<Blob>>,
    /// By place in the cache of events, so in chain order.
    unread: BTreeMap<Vec<u8>, Unread>,
    /// The same before the cache is folded anew.
    before: BTreeMap<Vec<u8>, Unread>,
    /// When this round of questions began.
    began: Instant,
    /// Blobs that were refused since one was read, and until when nothing is asked because of them.
    refused: BTreeSet<B256>,
    down_until: Option<Instant>,
}

/// Time for the questions of one round: challenges and moves come after them.
const ROUND: Duration = Duration::from_secs(3);
/// Longest wait for one blob.
const PATIENCE: Duration = Duration::from_secs(10);
/// Blobs in a row that an endpoint refuses before it counts as down: of one alone it may have lost a part.
const DOWN: usize = 3;
/// Tries after which what is unread is worth an operator's attention: a beacon node may be a moment behind.
const TROUBLE: u32 = 3;

impl Reader {
    /// Reads from `beacon`, what `needs` says.
    pub fn new(beacon: Beacon, needs: Needs, blobs: KeptBlobs, allowance: u64) -> Reader {
        Reader {
            beacon,
            needs,
            blobs,
            allowance,
            last: None,
            unread: BTreeMap::new(),
            before: BTreeMap::new(),
            began: Instant::now(),
            refused: BTreeSet::new(),
            down_until: None,
        }
    }

    /// Reads from another endpoint.
    pub fn ask_at(&mut self, beacon: Beacon) {
        self.beacon = beacon;
    }

    /// The blobs of claims that can be challenged.
    pub fn blobs(&self) -> &KeptBlobs {
        &self.blobs
    }

    /// The same, to change what is held.
    pub fn blobs_mut(&mut self) -> &mut KeptBlobs {
        &mut self.blobs
    }

    /// The blob read last may be the one that the store has lost.
    pub fn distrust(&mut self) {
        self.last = None;
    }

    /// A new round of questions.
    pub fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// The cache is folded anew: only what is kept from here on is unread.
    pub fn forget(&mut self) {
        self.before = std::mem::take(&mut self.unread);
    }

    /// It was folded.
    pub fn remembered(&mut self) {
        self.before.clear();
    }

    /// What the event `log` of `block` leaves in a blob, if it is needed.
    pub fn announced(&self, ledger: &Ledger, log: &Log, block: BlockRef) -> Option<Unread> {
        let what = match (&self.needs, ledger.claimed_in_blob(log, block.timestamp)) {
            (Needs::Nothing, _) => None,
            (Needs::Own { executor, .. }, Some(claim)) if claim.executor != *executor => None,
            (_, Some(claim)) => output_of(&claim),
            (_, None) => {
                let moved = ledger.blob_of_move(log);
                moved.map(|(game, blob)| What::Roots { game, blob })
            }
        };
        what.map(|what| Unread {
            what,
            block,
            tries: 0,
            again_at: Instant::now(),
            error: "not asked for yet".to_owned(),
            missed: false,
        })
    }

    /// Whether `unread` may be of use at `now` whatever is announced later.
    pub fn is_fresh(&self, unread: &Unread, now: Timestamp) -> bool {
        let time = unread.block.timestamp;
        match unread.what {
            What::Output { .. } => now < self.blobs.closes(time),
            What::Roots { .. } => now <= time.saturating_add(2 * self.allowance),
        }
    }

    /// Keeps `unread`, which the cache has under `key`, for [`Reader::due`].
    pub fn keep(&mut self, key: Vec<u8>, unread: Unread) {
        let known = self.before.remove(&key);
        self.unread.entry(key).or_insert(known.unwrap_or(unread));
    }

    /// Whether moves are missing, so that the mirrors of their games are behind.
    pub fn lacks_moves(&self) -> bool {
        let mut all = self.unread.values();
        matches!(self.needs, Needs::Nothing) || all.any(|u| matches!(u.what, What::Roots { .. }))
    }

    /// What is to be asked for again: moves first, as clocks run, and what failed least, so that nothing bad starves the rest.
    pub fn due(&self) -> Vec<Vec<u8>> {
        let now = Instant::now();
        let due = self.unread.iter().filter(|(_, u)| u.again_at <= now);
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(_, u)| (matches!(u.what, What::Output { .. }), u.tries));
        due.into_iter().map(|(key, _)| key.clone()).collect()
    }

    /// Takes `key` out to be read, if it is of use at `now`.
    // INVARIANT: what can be challenged, and what a game goes on about, is asked for until it is read.
    pub fn take(&mut self, key: &[u8], ledger: &Ledger, now: Timestamp) -> Option<Unread> {
        let mut unread = self.unread.remove(key)?;
        let fresh = self.is_fresh(&unread, now);
        let claim = match &unread.what {
            What::Output { claim, .. } => *claim,
            What::Roots { game, .. } => {
                let play = ledger.games.get(game);
                let open = play.is_some_and(|p| p.game.outcome().is_none());
                return open.then_some(unread);
            }
        };
        let stands = |c: &Claim| c.status == ClaimStatus::Standing;
        let stood = ledger.claims.get(&claim).is_some_and(stands);
        let checks = matches!(self.needs, Needs::Everything);
        if checks && !fresh && !unread.missed && (stood || unread.tries > 0) {
            unread.missed = true;
            tracing::error!(%claim, error = unread.error, "its window is over and it was never read: nobody here checked it");
        }
        let disputed = ledger.open_games(claim).next().is_some();
        (fresh || disputed).then_some(unread)
    }

    /// Reads `unread`; `None` if that is to be tried again.
    ///
    /// # Errors
    /// The store can't be used.
    pub async fn read(&mut self, unread: &mut Unread) -> Result<Option<Found>, StoreError> {
        if let Some(output) = self.journalled(&unread.what) {
            return Ok(Some(output));
        }
        let blob = match self.blob(unread).await? {
            Read::It(blob) => blob,
            Read::NotNow => return Ok(None),
            Read::No { error, refused } => {
                unread.tries += 1;
                unread.again_at = Instant::now() + self.wait(unread.tries);
                if unread.tries == TROUBLE {
                    tracing::warn!(what = %unread.what, error, "not read yet; it is asked for again and again");
                }
                unread.error = error;
                if refused {
                    self.refused.insert(unread.what.blob());
                }
                if self.refused.len() >= DOWN {
                    self.down_until = Some(Instant::now() + self.wait(unread.tries));
                }
                return Ok(None);
            }
        };
        match &unread.what {
            What::Roots { .. } => Ok(Some(Found::Roots(blob.to_bytes()))),
            What::Output { claim, place, .. } => {
                self.blobs.hold(place.blob, unread.block.timestamp);
                let found = place.output(&blob);
                Ok(found.map(|output| Found::Output(*claim, output)))
            }
        }
    }

    fn journalled(&self, what: &What) -> Option<Found> {
        let Needs::Own { journal, .. } = &self.needs else {
            return None;
        };
        let What::Output {
            claim,
            request,
            place,
        } = what
        else {
            return None;
        };
        let output = journal(*request)?;
        let like_it = place.reference.output(|_| B256::ZERO);
        let fits = output.len() == like_it.len() && output[..HEAD] == like_it[..HEAD];
        fits.then_some(Found::Output(*claim, output))
    }

    /// The blob of `unread`, from wherever it is.
    async fn blob(&mut self, unread: &Unread) -> Result<Read, StoreError> {
        let hash = unread.what.blob();
        let is_it = |blob: &&Arc<Blob>| blob.versioned_hash() == hash;
        if let Some(blob) = self.last.as_ref().filter(is_it) {
            return Ok(Read::It(blob.clone()));
        }
        let kept = match self.blobs.get(hash) {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(%error, "a kept blob is read again");
                None
            }
            kept => kept?,
        };
        if let Some(blob) = kept {
            return Ok(Read::It(self.last.insert(Arc::new(blob)).clone()));
        }
        let down = self.down_until.is_some_and(|until| Instant::now() < until);
        if down || self.began.elapsed() >= ROUND {
            return Ok(Read::NotNow);
        }
        let asked = self.beacon.blob(hash, &unread.block);
        let blob = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(blob)) => blob,
            Ok(Err(error)) => {
                return Ok(Read::No {
                    refused: matches!(error, BeaconError::Refused { .. }),
                    error: error.to_string(),
                });
            }
            Err(_) => {
                let error =
                    format!("no answer in {PATIENCE:?}: give a beacon node by --beacon-url");
                return Ok(Read::No {
                    refused: true,
                    error,
                });
            }
        };
        self.refused.clear();
        let keeps = matches!(self.needs, Needs::Everything);
        if keeps && matches!(unread.what, What::Output { .. }) {
            self.blobs.put(&blob)?;
        }
        Ok(Read::It(self.last.insert(Arc::new(blob)).clone()))
    }

    /// How long to wait after so many failures: never a large part of a window.
    fn wait(&self, failures: u32) -> Duration {
        let most = (self.blobs.closes(0) / 16).clamp(1, 60);
        Duration::from_millis(250 << failures.min(8)).min(Duration::from_secs(most))
    }

    /// What can't be read, if it is more than a moment late.
    ///
    /// # Errors
    /// How much, and why.
    pub fn trouble(&self) -> Result<(), String> {
        let mut late = self.unread.values().filter(|u| u.tries >= TROUBLE);
        let Some(first) = late.next() else {
            return Ok(());
        };
        Err(format!(
            "{} claims or moves in blobs are not read, first {}: {}",
            1 + late.count(),
            first.what,
            first.error
        ))
    }
}

impl What {
    fn blob(&self) -> B256 {
        match self {
            What::Output { place, .. } => place.blob,
            What::Roots { blob, .. } => *blob,
        }
    }
}

fn output_of(claim: &Claim) -> Option<What> {
    claim.in_blob.map(|place| What::Output {
        claim: claim.key,
        request: claim.request_id,
        place,
    })
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            What::Output { claim, .. } => write!(f, "claim {claim}"),
            What::Roots { game, .. } => write!(f, "a move of game {game}"),
        }
    }
}
