//! What the contracts' events add up to: requests, claims and games. A pure fold, so a reorganization is a re-fold.

pub use crate::ask::{Ask, Callback, Mode, RequestState};
use crate::clock::Timestamp;
use crate::game::{Game, IllegalMove, Outcome, Rules, Side};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use assay_bindings::blob_refs::BlobRef;
use assay_bindings::convert::{b256, hash, state_roots};
use assay_bindings::hashes::seed_block;
use assay_bindings::{BlobDisputeGame, BlobRollup, DisputeGame, GameContext, Inbox, Rollup};
use assay_node::blob::Blob;
use assay_node::deployment::Contracts;
use assay_types::StateRoot;
use assay_types::state::halted_root;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `segmentId << 16 | index`: names a claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClaimKey {
    /// Global number of the segment.
    pub segment: u64,
    /// Leaf in it.
    pub index: u16,
}

impl std::fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.segment, self.index)
    }
}

/// How a claim stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimStatus {
    /// It can be challenged or finalized.
    Standing,
    /// It is final.
    Final,
    /// It lost a game.
    Rejected,
}

/// Where an output is whose bytes are in a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InBlob {
    /// Versioned hash of the blob.
    pub blob: B256,
    /// Where in it.
    pub reference: BlobRef,
}

impl InBlob {
    /// The output, where `blob` is the one meant.
    pub fn output(&self, blob: &Blob) -> Option<Bytes> {
        let it = blob.versioned_hash() == self.blob;
        it.then(|| self.reference.output(|i| blob.element(i)))
    }
}

/// What an event speaks of and does not carry itself.
#[derive(Clone, Debug)]
pub enum Beside {
    /// Nothing, or it can't be had any more.
    Nothing,
    /// The blob.
    Blob(Arc<Blob>),
    /// The claimed output, read from its blob before.
    Output(Bytes),
}

impl From<Option<Arc<Blob>>> for Beside {
    fn from(blob: Option<Arc<Blob>>) -> Beside {
        blob.map_or(Beside::Nothing, Beside::Blob)
    }
}

/// One answer on the chain.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Its name.
    pub key: ClaimKey,
    /// What it answers.
    pub request_id: B256,
    /// Who says so.
    pub executor: Address,
    /// The canonical output claimed; `None` as long as it was not read from its blob.
    pub output: Option<Bytes>,
    /// What its leaf holds of the output.
    pub output_hash: B256,
    /// Where the output is, if not in calldata.
    pub in_blob: Option<InBlob>,
    /// When it was posted, unix seconds: the window's start.
    pub posted_at: Timestamp,
    /// How it stands.
    pub status: ClaimStatus,
}

/// A posted segment.
#[derive(Clone, Debug, Default)]
pub struct PostedSegment {
    /// Root over its leaves; `None` before the event that tells it.
    pub root: Option<B256>,
    /// Number of leaves.
    pub count: u16,
    /// `(request, output hash)` of each leaf, claimed or skipped.
    pub leaves: BTreeMap<u16, (B256, B256)>,
}

/// A game and who plays it.
#[derive(Clone, Debug)]
pub struct Play {
    /// The game's id, its first history.
    pub id: B256,
    /// What never changes.
    pub context: GameContext,
    /// The mirror.
    pub game: Game,
}

impl Play {
    /// The claim in dispute.
    pub fn claim(&self) -> ClaimKey {
        ClaimKey {
            segment: self.context.segmentId,
            index: self.context.index,
        }
    }

    /// The account that plays `side`.
    pub fn player(&self, side: Side) -> Address {
        match side {
            Side::Challenger => self.context.challenger,
            Side::Executor => self.context.executor,
        }
    }

    /// The side that `account` plays. An executor that challenges itself counts as challenger where it is to move as such.
    pub fn side_of(&self, account: Address) -> Option<Side> {
        let turn = self.game.turn();
        [turn, turn.other()]
            .into_iter()
            .find(|side| self.player(*side) == account)
    }
}

/// An event that contradicts what came before it: the mirror, or the chain's history, is wrong.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A log that has the right signature and does not decode.
    #[error("event {0} does not decode: {1}")]
    Malformed(&'static str, alloy::sol_types::Error),
    /// Something was said about an unknown request, claim or game.
    #[error("event {0} names {1}, which no event before did")]
    Unknown(&'static str, String),
    /// The contract accepted a move that the mirror refuses.
    #[error("the contract accepted a move in game {id} that its rules refuse: {reason}")]
    Refused {
        /// The game.
        id: B256,
        /// Why the mirror refuses.
        reason: IllegalMove,
    },
    /// A claim's reference is none within a blob.
    #[error("claim {0} refers to bytes outside a blob")]
    BadReference(ClaimKey),
    /// The inner roots of a move are in a blob that was not read.
    #[error("a move in game {id} is in blob {blob}, which could not be read")]
    NoBlob {
        /// The game.
        id: B256,
        /// The blob.
        blob: B256,
    },
    /// The mirror's history is not the one that the move names.
    #[error("a move in game {id} answers history {found}, but {expected} stands")]
    History {
        /// The game.
        id: B256,
        /// What the event says.
        found: B256,
        /// What the mirror has.
        expected: B256,
    },
}

/// Everything that the events so far add up to.
#[derive(Clone, Debug)]
pub struct Ledger {
    contracts: Contracts,
    rules: Rules,
    /// Requests by id.
    pub asks: BTreeMap<B256, Ask>,
    /// Entropy of later blocks, by number.
    seeds: BTreeMap<u64, B256>,
    /// Segments by number.
    pub segments: BTreeMap<u64, PostedSegment>,
    /// Claims by name.
    pub claims: BTreeMap<ClaimKey, Claim>,
    /// Games by id.
    pub games: BTreeMap<B256, Play>,
}

impl Ledger {
    /// Nothing has happened.
    pub fn new(contracts: Contracts, rules: Rules) -> Ledger {
        Ledger {
            contracts,
            rules,
            asks: BTreeMap::new(),
            seeds: BTreeMap::new(),
            segments: BTreeMap::new(),
            claims: BTreeMap::new(),
            games: BTreeMap::new(),
        }
    }

    /// Takes the next log, whose block has time `now`. Logs of other contracts and other events are nothing.
    ///
    /// # Errors
    /// The log contradicts the ledger, which then keeps what it can and skips the rest.
    pub fn apply(&mut self, log: &Log, now: Timestamp) -> Result<(), LedgerError> {
        self.apply_with(log, now, Beside::Nothing)
    }

    /// The game and the blob that [`Ledger::apply_with`] needs beside `log`, if it is a move in a blob.
    pub fn blob_of_move(&self, log: &Log) -> Option<(B256, B256)> {
        if log.address() != self.contracts.game || !self.rules.blobs {
            return None;
        }
        let moved = decode::<BlobDisputeGame::BlobMoved>(log).ok().flatten();
        moved.map(|e| (e.gameId, e.versionedHash))
    }

    /// The claim that `log` of time `now` makes, its output not read, if that is in a blob.
    pub fn claimed_in_blob(&self, log: &Log, now: Timestamp) -> Option<Claim> {
        if log.address() != self.contracts.rollup {
            return None;
        }
        let claimed = decode::<BlobRollup::ResultClaimedInBlob>(log).ok();
        claim_in_blob(&claimed.flatten()?, now).ok()
    }

    /// Tells what the output of `claim` is, which was not read before.
    pub fn tell(&mut self, claim: ClaimKey, output: Bytes) {
        if let Some(claim) = self.claims.get_mut(&claim) {
            claim.output = Some(output);
        }
    }

    /// As [`Ledger::apply`], with what is in a blob that the log's transaction carried.
    ///
    /// # Errors
    /// As there.
    pub fn apply_with(
        &mut self,
        log: &Log,
        now: Timestamp,
        beside: Beside,
    ) -> Result<(), LedgerError> {
        let address = log.address();
        if address == self.contracts.inbox {
            self.apply_inbox(log)
        } else if address == self.contracts.rollup {
            self.apply_rollup(log, now, beside)
        } else if address == self.contracts.game {
            self.apply_game(log, now, beside)
        } else {
            Ok(())
        }
    }

    /// What the deployment fixes for all games.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Games on `claim` that are not over.
    pub fn open_games(&self, claim: ClaimKey) -> impl Iterator<Item = &Play> {
        self.games
            .values()
            .filter(move |p| p.claim() == claim && p.game.outcome().is_none())
    }

    /// Whether `claim` lost a game.
    pub fn is_lost(&self, claim: ClaimKey) -> bool {
        self.claims
            .get(&claim)
            .is_some_and(|c| c.status == ClaimStatus::Rejected)
    }

    fn apply_inbox(&mut self, log: &Log) -> Result<(), LedgerError> {
        if let Some(e) = decode::<Inbox::Requested>(log)? {
            let mut ask = Ask::open((&e.request).into(), e.payload, e.userData);
            // A block may be recorded for one question before the log of another is read.
            if let Some(number) = seed_block(&ask.request) {
                ask.entropy = self.seeds.get(&number).copied();
            }
            self.asks.insert(e.id, ask);
        } else if let Some(e) = decode::<Inbox::SeedRecorded>(log)? {
            self.seeds.insert(e.number, e.prevrandao);
            let asks = self.asks.values_mut();
            for ask in asks.filter(|ask| seed_block(&ask.request) == Some(e.number)) {
                ask.entropy = Some(e.prevrandao);
            }
        } else if let Some(e) = decode::<Inbox::StateChanged>(log)? {
            // The first change of a request may come before the event that describes it.
            if let Some(ask) = self.asks.get_mut(&e.id) {
                ask.change(RequestState::from_abi(e.to));
            }
        } else if let Some(e) = decode::<Inbox::CallbackChanged>(log)?
            && let Some(ask) = self.asks.get_mut(&e.id)
        {
            ask.progress(Mode::from_abi(e.mode), Callback::from_abi(e.progress));
        }
        Ok(())
    }

    fn apply_rollup(
        &mut self,
        log: &Log,
        now: Timestamp,
        beside: Beside,
    ) -> Result<(), LedgerError> {
        if let Some(e) = decode::<Rollup::ResultClaimed>(log)? {
            self.claim(Claim {
                key: ClaimKey {
                    segment: e.segmentId,
                    index: e.index,
                },
                request_id: e.requestId,
                executor: e.executor,
                output_hash: keccak256(&e.output),
                output: Some(e.output),
                in_blob: None,
                posted_at: now,
                status: ClaimStatus::Standing,
            });
        } else if let Some(e) = decode::<BlobRollup::ResultClaimedInBlob>(log)? {
            let mut claim = claim_in_blob(&e, now)?;
            claim.output = match (beside, &claim.in_blob) {
                (Beside::Output(output), _) => Some(output),
                (Beside::Blob(blob), Some(place)) => place.output(&blob),
                _ => None,
            };
            self.claim(claim);
        } else if let Some(e) = decode::<Rollup::ResultSkipped>(log)? {
            let leaves = &mut self.segments.entry(e.segmentId).or_default().leaves;
            leaves.insert(e.index, (e.requestId, e.outputHash));
        } else if let Some(e) = decode::<Rollup::SegmentPosted>(log)? {
            let segment = self.segments.entry(e.segmentId).or_default();
            (segment.root, segment.count) = (Some(e.root), e.count);
        } else if let Some(e) = decode::<Rollup::ClaimFinalized>(log)? {
            self.close_claim("ClaimFinalized", e.segmentId, e.index, ClaimStatus::Final)?;
        } else if let Some(e) = decode::<Rollup::ClaimRejected>(log)? {
            self.close_claim("ClaimRejected", e.segmentId, e.index, ClaimStatus::Rejected)?;
        }
        Ok(())
    }

    fn claim(&mut self, claim: Claim) {
        let leaves = &mut self.segments.entry(claim.key.segment).or_default().leaves;
        leaves.insert(claim.key.index, (claim.request_id, claim.output_hash));
        // The one change of state that the inbox says nothing of.
        if let Some(ask) = self.asks.get_mut(&claim.request_id) {
            ask.change(RequestState::Claimed);
        }
        self.claims.insert(claim.key, claim);
    }

    fn close_claim(
        &mut self,
        event: &'static str,
        segment: u64,
        index: u16,
        status: ClaimStatus,
    ) -> Result<(), LedgerError> {
        let key = ClaimKey { segment, index };
        let unknown = || LedgerError::Unknown(event, format!("claim {key}"));
        self.claims.get_mut(&key).ok_or_else(unknown)?.status = status;
        if status == ClaimStatus::Rejected {
            let games = self.games.values_mut().filter(|p| p.claim() == key);
            games.for_each(|play| play.game.lose_claim());
        }
        Ok(())
    }

    fn apply_game(&mut self, log: &Log, now: Timestamp, beside: Beside) -> Result<(), LedgerError> {
        if let Some(e) = decode::<DisputeGame::GameOpened>(log)? {
            let (initial, first) = (StateRoot(hash(e.initialRoot)), hash(e.gameId));
            let play = Play {
                id: e.gameId,
                context: e.context,
                game: Game::open(self.rules, initial, halted_root(0), first, now),
            };
            self.games.insert(e.gameId, play);
        } else if let Some(e) = decode::<DisputeGame::Moved>(log)? {
            self.apply_move(e, now)?;
        } else if let Some(e) = decode::<BlobDisputeGame::BlobMoved>(log)? {
            self.apply_blob_move(e, now, beside)?;
        } else if let Some(e) = decode::<DisputeGame::GameWon>(log)? {
            let play = self.play("GameWon", e.gameId)?;
            let winner = if e.winner == play.context.challenger {
                Side::Challenger
            } else {
                Side::Executor
            };
            play.game.settle(Outcome::Won(winner));
        } else if let Some(e) = decode::<DisputeGame::GameVoided>(log)? {
            self.play("GameVoided", e.gameId)?
                .game
                .settle(Outcome::Void);
        } else if let Some(e) = decode::<DisputeGame::ClaimLost>(log)? {
            let key = self.play("ClaimLost", e.gameId)?.claim();
            let games = self.games.values_mut().filter(|p| p.claim() == key);
            games.for_each(|play| play.game.lose_claim());
        }
        Ok(())
    }

    fn apply_move(&mut self, e: DisputeGame::Moved, now: Timestamp) -> Result<(), LedgerError> {
        let (play, turn, segment) = self.answered(e.gameId, e.history, e.segment, e.mover)?;
        let (id, roots) = (play.id, state_roots(&e.roots));
        play.game
            .dissect(turn, segment, &roots, now)
            .map_err(|reason| LedgerError::Refused { id, reason })
    }

    fn apply_blob_move(
        &mut self,
        e: BlobDisputeGame::BlobMoved,
        now: Timestamp,
        beside: Beside,
    ) -> Result<(), LedgerError> {
        let (play, turn, segment) = self.answered(e.gameId, e.history, e.segment, e.mover)?;
        let id = play.id;
        let unread = LedgerError::NoBlob {
            id,
            blob: e.versionedHash,
        };
        let blob = match beside {
            Beside::Blob(blob) if blob.versioned_hash() == e.versionedHash => blob,
            _ => return Err(unread),
        };
        play.game
            .dissect_by_blob(turn, segment, blob, StateRoot(hash(e.end)), now)
            .map_err(|reason| LedgerError::Refused { id, reason })
    }

    /// The game in which `mover` answers `history` on piece `segment`, and the mover's side.
    fn answered(
        &mut self,
        id: B256,
        history: B256,
        segment: U256,
        mover: Address,
    ) -> Result<(&mut Play, Side, u32), LedgerError> {
        let play = self.play("Moved", id)?;
        let expected = b256(play.game.history());
        if history != expected {
            return Err(LedgerError::History {
                id,
                found: history,
                expected,
            });
        }
        let refused = |reason| LedgerError::Refused { id, reason };
        let segment = u32::try_from(segment).map_err(|_| refused(IllegalMove::NoSuchSegment))?;
        let turn = play.game.turn();
        if play.player(turn) != mover {
            return Err(refused(IllegalMove::NotYourTurn));
        }
        Ok((play, turn, segment))
    }

    fn play(&mut self, event: &'static str, id: B256) -> Result<&mut Play, LedgerError> {
        let unknown = || LedgerError::Unknown(event, format!("game {id}"));
        self.games.get_mut(&id).ok_or_else(unknown)
    }
}

/// The claim that `e` of time `now` makes, its output not read.
fn claim_in_blob(
    e: &BlobRollup::ResultClaimedInBlob,
    now: Timestamp,
) -> Result<Claim, LedgerError> {
    let key = ClaimKey {
        segment: e.segmentId,
        index: e.index,
    };
    let place = InBlob {
        blob: e.blob,
        reference: BlobRef::unpack(&e.r#ref[..]).ok_or(LedgerError::BadReference(key))?,
    };
    Ok(Claim {
        key,
        request_id: e.requestId,
        executor: e.executor,
        output: None,
        output_hash: place.reference.leaf_hash(place.blob),
        in_blob: Some(place),
        posted_at: now,
        status: ClaimStatus::Standing,
    })
}

/// The event, if `log` is one of type `E`.
fn decode<E: SolEvent>(log: &Log) -> Result<Option<E>, LedgerError> {
    if log.topic0() != Some(&E::SIGNATURE_HASH) {
        return Ok(None);
    }
    let decoded = E::decode_log(&log.inner).map_err(|e| LedgerError::Malformed(E::SIGNATURE, e))?;
    Ok(Some(decoded.data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::tests::ask;
    use assay_bindings::blob_refs::lay_out;

    const ROLLUP: Address = Address::repeat_byte(2);

    fn ledger() -> Ledger {
        let contracts = Contracts {
            inbox: Address::repeat_byte(1),
            rollup: ROLLUP,
            game: Address::repeat_byte(3),
            staking: Address::repeat_byte(4),
            registry: Address::repeat_byte(5),
            prover: Address::repeat_byte(6),
            liveness: None,
            review_judge: None,
            market: None,
        };
        let rules = Rules {
            arity_log2: 5,
            trace_log2: 50,
            allowance: 60,
            blobs: true,
        };
        Ledger::new(contracts, rules)
    }

    fn log(event: &impl SolEvent) -> Log {
        Log {
            inner: alloy::primitives::Log {
                address: ROLLUP,
                data: event.encode_log_data(),
            },
            ..Log::default()
        }
    }

    /// A batch of two results in one blob and the event of each, the outputs, and the blob.
    fn two_in_a_blob() -> ([Log; 2], [Vec<u8>; 2], Arc<Blob>) {
        let outputs = [vec![1, 0, 0, 0, 0, 7], (0..99).collect::<Vec<u8>>()];
        let (refs, elements) = lay_out(outputs.iter().map(|o| &o[..])).expect("they fit");
        let blob = Blob::of_elements(&elements).expect("below the order");
        let event = |index: u16| BlobRollup::ResultClaimedInBlob {
            requestId: B256::repeat_byte(index as u8 + 1),
            segmentId: 9,
            index,
            executor: Address::repeat_byte(7),
            blob: blob.versioned_hash(),
            r#ref: refs[usize::from(index)].pack(),
        };
        ([0, 1].map(|i| log(&event(i))), outputs, Arc::new(blob))
    }

    #[test]
    fn claim_in_a_blob_has_its_bytes_and_its_own_leaf() {
        let (logs, outputs, blob) = two_in_a_blob();
        let mut ledger = ledger();
        let mut request = ask(0);
        request.entropy = Some(B256::ZERO);
        ledger.asks.insert(B256::repeat_byte(2), request);
        for log in &logs {
            let claimed = ledger.claimed_in_blob(log, 5).expect("it is one");
            let place = claimed.in_blob.expect("in a blob");
            assert_eq!(place.blob, blob.versioned_hash());
            let applied = ledger.apply_with(log, 5, Beside::Blob(blob.clone()));
            applied.expect("it fits");
        }
        let claims: Vec<Claim> = ledger.claims.values().cloned().collect();
        for (claim, output) in claims.iter().zip(&outputs) {
            assert_eq!(claim.output.as_ref().map(|o| &o[..]), Some(&output[..]));
            let place = claim.in_blob.expect("in a blob");
            let leaf = place.reference.leaf_hash(blob.versioned_hash());
            assert_eq!(claim.output_hash, leaf);
            assert_ne!(claim.output_hash, keccak256(output));
            let leaves = &ledger.segments[&9].leaves;
            assert_eq!(leaves[&claim.key.index], (claim.request_id, leaf));
        }
        let state = ledger.asks[&B256::repeat_byte(2)].state;
        assert_eq!(state, RequestState::Claimed);
        // Its leaf is shown under the root over both.
        let leaf = |c: &Claim| assay_bindings::results::leaf(c.request_id, c.output_hash);
        let root = assay_bindings::results::root(&[leaf(&claims[0]), leaf(&claims[1])]);
        let posted = Rollup::SegmentPosted {
            segmentId: 9,
            executor: Address::repeat_byte(7),
            number: 1,
            root,
            count: 2,
            claimed: 2,
            locked: U256::ZERO,
        };
        ledger.apply(&log(&posted), 5).expect("it fits");
        let shown = crate::claim_ref::claim_ref(&claims[1], &ledger.segments[&9]);
        let shown = shown.expect("both leaves are known");
        assert_eq!(shown.outputHash, claims[1].output_hash);
        assert_eq!(shown.proof, [leaf(&claims[0])]);
    }

    /// What was read before is the same without the blob; what was not, and another blob, leave the leaf and no output.
    #[test]
    fn claim_whose_blob_is_gone_keeps_its_leaf_and_is_never_taken_for_another_output() {
        let (logs, outputs, blob) = two_in_a_blob();
        let (mut read, mut cached, mut gone) = (ledger(), ledger(), ledger());
        let other = Arc::new(Blob::of_elements(&[]).expect("zeros"));
        for (i, log) in logs.iter().enumerate() {
            let know = Beside::Output(outputs[i].clone().into());
            let none = [Beside::Nothing, Beside::Blob(other.clone())][i].clone();
            for (ledger, beside) in [
                (&mut read, Beside::Blob(blob.clone())),
                (&mut cached, know),
                (&mut gone, none),
            ] {
                ledger.apply_with(log, 5, beside).expect("it fits");
            }
        }
        let says = |ledger: &Ledger| format!("{:?}", ledger.claims);
        assert_eq!(says(&read), says(&cached));
        for (claim, known) in gone.claims.values().zip(read.claims.values()) {
            assert_eq!(claim.output, None);
            assert_eq!(claim.output_hash, known.output_hash);
            let (place, mut request) = (Address::ZERO, ask(0));
            request.entropy = Some(B256::ZERO);
            let inputs = |claim| crate::inputs::Inputs::of(1, place, &request, claim);
            assert!(inputs(claim).is_none() && inputs(known).is_some());
        }
    }
}
