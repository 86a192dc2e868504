//! What claims and moves leave in blobs: read as it is announced where it can be, asked for again where not. Nothing else waits
//! for it.

use crate::blobs::KeptBlobs;
use crate::clock::Timestamp;
use crate::ledger::{Claim, ClaimKey, InBlob, Ledger};
use alloy::primitives::{Address, B256, Bytes};
use alloy::rpc::types::Log;
use assay_bindings::blob_refs::HEAD;
use assay_node::beacon::{Beacon, BeaconError};
use assay_node::blob::Blob;
use assay_node::chain::BlockRef;
use assay_node::store::StoreError;
use std::collections::BTreeMap;
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
    /// Questions put to the endpoint in this round.
    asked: u32,
    /// Refusals in a row, and until when nothing is asked because of them.
    refusals: u32,
    down_until: Option<Instant>,
}

/// Most questions put to the endpoint in one round: what comes after them must not wait for minutes.
const ROUND: u32 = 32;
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
            asked: 0,
            refusals: 0,
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

    /// A new round of questions.
    pub fn begin(&mut self) {
        self.asked = 0;
    }

    /// Forgets what is unread.
    pub fn forget(&mut self) {
        self.unread.clear();
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
        self.unread.insert(key, unread);
    }

    /// Whether moves are missing, so that the mirrors of their games are behind.
    pub fn lacks_moves(&self) -> bool {
        let mut all = self.unread.values();
        matches!(self.needs, Needs::Nothing) || all.any(|u| matches!(u.what, What::Roots { .. }))
    }

    /// What is to be asked for again, in chain order.
    pub fn due(&self) -> Vec<Vec<u8>> {
        let now = Instant::now();
        let due = self.unread.iter().filter(|(_, u)| u.again_at <= now);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Takes `key` out to be read, if it is of use at `now`.
    // INVARIANT: what can be challenged, and what a game goes on about, is asked for until it is read.
    pub fn take(&mut self, key: &[u8], ledger: &Ledger, now: Timestamp) -> Option<Unread> {
        let mut unread = self.unread.remove(key)?;
        let fresh = self.is_fresh(&unread, now);
        let in_dispute = match &unread.what {
            What::Output { claim, .. } => ledger.open_games(*claim).next().is_some(),
            What::Roots { game, .. } => {
                let play = ledger.games.get(game);
                return play
                    .is_some_and(|p| p.game.outcome().is_none())
                    .then_some(unread);
            }
        };
        if !fresh && unread.tries > 0 && !unread.missed {
            unread.missed = true;
            tracing::error!(what = %unread.what, error = unread.error, "its window is over and it was never read: nobody here checked it");
        }
        (fresh || in_dispute).then_some(unread)
    }

    /// Reads `unread`. Hands it back if that is to be tried again.
    ///
    /// # Errors
    /// The store can't be used.
    pub async fn read(&mut self, mut unread: Unread) -> Result<Result<Found, Unread>, StoreError> {
        if let Some(output) = self.journalled(&unread.what) {
            return Ok(Ok(output));
        }
        if let Some(until) = self.down_until.filter(|until| Instant::now() < *until) {
            unread.again_at = until;
            return Ok(Err(unread));
        }
        let blob = match self.blob(&unread).await? {
            Some(Ok(blob)) => blob,
            // The round is over: first of the next.
            None => return Ok(Err(unread)),
            Some(Err(error)) => {
                unread.tries += 1;
                unread.again_at = Instant::now() + self.wait(unread.tries);
                unread.error = error.to_string();
                if unread.tries == TROUBLE {
                    tracing::warn!(what = %unread.what, error = unread.error, "not read yet; it is asked for again and again");
                }
                if let BeaconError::Refused { .. } = error {
                    self.refusals += 1;
                    self.down_until = Some(Instant::now() + self.wait(self.refusals));
                } else {
                    self.refusals = 0;
                }
                return Ok(Err(unread));
            }
        };
        self.refusals = 0;
        match &unread.what {
            What::Roots { .. } => Ok(Ok(Found::Roots(blob.to_bytes()))),
            What::Output { claim, place, .. } => {
                self.blobs.hold(place.blob, unread.block.timestamp);
                let found = place.output(&blob).map(|o| Found::Output(*claim, o));
                Ok(found.ok_or(unread))
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

    /// The blob of `unread`, from wherever it is; `None` if nothing more is asked for in this round.
    async fn blob(
        &mut self,
        unread: &Unread,
    ) -> Result<Option<Result<Arc<Blob>, BeaconError>>, StoreError> {
        let (hash, keeps) = match &unread.what {
            What::Output { place, .. } => (place.blob, matches!(self.needs, Needs::Everything)),
            What::Roots { blob, .. } => (*blob, false),
        };
        let is_it = |blob: &&Arc<Blob>| blob.versioned_hash() == hash;
        if let Some(blob) = self.last.as_ref().filter(is_it).cloned() {
            return Ok(Some(Ok(blob)));
        }
        let kept = match self.blobs.get(hash) {
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(%error, "a kept blob is read again");
                None
            }
            kept => kept?,
        };
        if let Some(blob) = kept {
            return Ok(Some(Ok(self.last.insert(Arc::new(blob)).clone())));
        }
        if self.asked >= ROUND {
            return Ok(None);
        }
        self.asked += 1;
        match self.beacon.blob(hash, &unread.block).await {
            Ok(blob) => {
                if keeps {
                    self.blobs.put(&blob)?;
                }
                Ok(Some(Ok(self.last.insert(Arc::new(blob)).clone())))
            }
            Err(error) => Ok(Some(Err(error))),
        }
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
