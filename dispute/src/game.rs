//! One game as the contract holds it: standing dissection, history, whose move, clocks, outcome.
//!
//! Pure mirror of `contracts/src/dispute/DisputeGame.sol` (`docs/encoding.md`, section 8); rebuilt from its events.

use crate::clock::{Clock, Timestamp};
use crate::multiproof::segment_proof;
use assay_node::blob::Blob;
use assay_types::game::{dissection_root, low_248, next_blob_history, next_history};
use assay_types::{Hash, StateRoot};
use std::sync::Arc;

/// One of the two players.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// Says that the claim is wrong; moves first.
    Challenger = 0,
    /// Says that the program halts with 0.
    Executor = 1,
}

impl Side {
    /// The opponent.
    pub const fn other(self) -> Side {
        match self {
            Side::Challenger => Side::Executor,
            Side::Executor => Side::Challenger,
        }
    }
}

/// What a deployment fixes for all its games.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// log2 of k, the most pieces of one dissection; at least 1.
    pub arity_log2: u32,
    /// log2 of the number of trace indices; at most 63.
    pub trace_log2: u32,
    /// Seconds each side may think in total.
    pub allowance: u64,
    /// Roots are posted in blobs, as their low 248 bits; else in calldata.
    pub blobs: bool,
}

impl Rules {
    /// The form in which a root is posted and compared.
    pub fn posted(&self, root: StateRoot) -> StateRoot {
        if self.blobs { low_248(root) } else { root }
    }
}

/// `p + 1` roots at equal steps of `2^stride_log2` over `[start, start + p * 2^stride_log2]`, p a power of two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dissection {
    start: u64,
    stride_log2: u32,
    roots: Vec<StateRoot>,
    blob: Option<Arc<Blob>>,
}

impl Dissection {
    /// The opening dissection: one piece over the whole trace.
    pub fn opening(initial: StateRoot, last: StateRoot, trace_log2: u32) -> Dissection {
        Dissection {
            start: 0,
            stride_log2: trace_log2,
            roots: vec![initial, last],
            blob: None,
        }
    }

    /// Number of pieces, p.
    pub fn pieces(&self) -> u32 {
        (self.roots.len() - 1) as u32
    }

    /// log2 of one piece's length.
    pub fn stride_log2(&self) -> u32 {
        self.stride_log2
    }

    /// All `p + 1` roots.
    pub fn roots(&self) -> &[StateRoot] {
        &self.roots
    }

    /// The blob that holds the roots 1 to p - 1 of a dissection that is in one.
    pub fn blob(&self) -> Option<&Blob> {
        self.blob.as_deref()
    }

    /// Trace index of root `i`, `0 <= i <= p`.
    pub fn index(&self, i: u32) -> u64 {
        self.start + (u64::from(i) << self.stride_log2)
    }

    /// Trace indices of all `p + 1` roots.
    pub fn indices(&self) -> Vec<u64> {
        (0..=self.pieces()).map(|i| self.index(i)).collect()
    }

    /// Merkle root over the p posted roots (the first one is not posted).
    pub fn posted_root(&self) -> Hash {
        dissection_root(&self.roots[1..])
    }

    /// What the contract needs to see of piece `i` to know its two ends.
    pub fn segment(&self, i: u32) -> Segment {
        Segment {
            index: i,
            pieces: self.pieces(),
            standing_start: self.roots[0],
            start: self.roots[i as usize],
            end: self.roots[i as usize + 1],
            standing_end: self.roots[self.roots.len() - 1],
            blob: self.blob.clone(),
            proof: match self.blob {
                Some(_) => Vec::new(),
                None => segment_proof(&self.roots[1..], i),
            },
        }
    }
}

/// A piece of the standing dissection, opened: its ends, with the siblings that show them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Which piece, from 0.
    pub index: u32,
    /// Of how many.
    pub pieces: u32,
    /// First root of the standing dissection.
    pub standing_start: StateRoot,
    /// Root at the piece's start.
    pub start: StateRoot,
    /// Root at its end.
    pub end: StateRoot,
    /// Last root of the standing dissection.
    pub standing_end: StateRoot,
    /// The blob with the standing dissection's inner roots, if they are in one.
    pub blob: Option<Arc<Blob>>,
    /// See [`segment_proof`]; empty where there is a blob.
    pub proof: Vec<Hash>,
}

/// How a game ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A one-step proof or a timeout decided it.
    Won(Side),
    /// The claim fell to another game; bonds went back.
    Void,
}

/// Why a move is not one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IllegalMove {
    /// The game is over.
    #[error("the game is over")]
    Over,
    /// The claim lost another game.
    #[error("the claim lost another game: this one is to be settled as void")]
    ClaimLost,
    /// It is the other side's move.
    #[error("it is the other side's move")]
    NotYourTurn,
    /// The mover has no time left.
    #[error("the mover's clock has run out")]
    OutOfTime,
    /// The named piece does not exist.
    #[error("the dissection has no such segment")]
    NoSuchSegment,
    /// The number of roots is not min(k, length).
    #[error("wrong number of roots for this segment")]
    WrongWidth,
    /// A root does not fit a blob's element.
    #[error("a root is not a field element")]
    NoElement,
    /// The last root repeats the end of the named segment: nothing is contested.
    #[error("the last root does not differ from the segment's end")]
    SameEnd,
    /// The pieces have length 1: only a one-step proof can follow.
    #[error("the segment is one step long: it is proven, not dissected")]
    MustProve,
    /// The pieces are longer than one step.
    #[error("the segment is longer than one step: it is dissected, not proven")]
    TooLongToProve,
    /// The claim has lost no game.
    #[error("the claim has lost no game")]
    ClaimStands,
    /// The side to move still has time.
    #[error("the side to move still has time")]
    NotExpired,
}

/// One game, from its opening to its outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Game {
    rules: Rules,
    standing: Dissection,
    history: Hash,
    moves: u32,
    clock: Clock,
    claim_lost: bool,
    outcome: Option<Outcome>,
}

impl Game {
    /// A game opened at `now` on the claim that the trace goes from `initial` to `last`. `history` is the contract's
    /// first history hash.
    pub fn open(
        rules: Rules,
        initial: StateRoot,
        last: StateRoot,
        history: Hash,
        now: Timestamp,
    ) -> Game {
        Game {
            rules,
            standing: Dissection::opening(
                rules.posted(initial),
                rules.posted(last),
                rules.trace_log2,
            ),
            history,
            moves: 0,
            clock: Clock::start(rules.allowance, now),
            claim_lost: false,
            outcome: None,
        }
    }

    /// Rules of the deployment.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The dissection that the side to move answers.
    pub fn standing(&self) -> &Dissection {
        &self.standing
    }

    /// Hash of everything posted so far; every move names it.
    pub fn history(&self) -> Hash {
        self.history
    }

    /// Moves made so far.
    pub fn moves(&self) -> u32 {
        self.moves
    }

    /// The clocks.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How the game ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Whether the claim lost another game: moves are refused from then on, and this game is to be settled as void.
    pub fn claim_lost(&self) -> bool {
        self.claim_lost
    }

    /// Records that the claim lost another game.
    pub fn lose_claim(&mut self) {
        self.claim_lost = true;
    }

    /// Whose move it is. The challenger's is the first.
    pub fn turn(&self) -> Side {
        if self.moves.is_multiple_of(2) {
            Side::Challenger
        } else {
            Side::Executor
        }
    }

    /// Whether the pieces are one step long, so that the side to move has to prove.
    pub fn at_one_step(&self) -> bool {
        self.standing.stride_log2 == 0
    }

    /// log2 of the width of the next dissection: `min(k, length)`.
    pub fn next_width_log2(&self) -> u32 {
        self.rules.arity_log2.min(self.standing.stride_log2)
    }

    /// Whether the side to move has run out of time.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.clock.expired(self.turn(), now)
    }

    /// `side` dissects piece `segment` into `roots`.
    ///
    /// # Errors
    /// Says which rule the move breaks; the game is then unchanged.
    pub fn dissect(
        &mut self,
        side: Side,
        segment: u32,
        roots: &[StateRoot],
        now: Timestamp,
    ) -> Result<(), IllegalMove> {
        if self.rules.blobs {
            let (inner, end) = match roots.split_last() {
                Some((end, inner)) if roots.len() == 1 << self.next_width_log2() => (inner, *end),
                _ => return Err(IllegalMove::WrongWidth),
            };
            let blob = Blob::of_words(inner.iter().map(|root| root.0.0));
            let blob = blob.map_err(|_| IllegalMove::NoElement)?;
            return self.dissect_by_blob(side, segment, Arc::new(blob), end, now);
        }
        let history = next_history(&self.history, segment, roots);
        self.take(side, segment, roots, None, history, now)
    }

    /// As [`Game::dissect`], with the inner roots in `blob` and the last one, `end`, beside it.
    ///
    /// # Errors
    /// As there.
    pub fn dissect_by_blob(
        &mut self,
        side: Side,
        segment: u32,
        blob: Arc<Blob>,
        end: StateRoot,
        now: Timestamp,
    ) -> Result<(), IllegalMove> {
        let hash = Hash(blob.versioned_hash().0);
        let history = next_blob_history(&self.history, segment, &hash, end);
        let inner = (1 << self.next_width_log2()) - 1;
        let roots = (0..inner).map(|i| StateRoot(Hash(blob.element(i).0)));
        let roots: Vec<StateRoot> = roots.chain([end]).collect();
        self.take(side, segment, &roots, Some(blob), history, now)
    }

    fn take(
        &mut self,
        side: Side,
        segment: u32,
        roots: &[StateRoot],
        blob: Option<Arc<Blob>>,
        history: Hash,
        now: Timestamp,
    ) -> Result<(), IllegalMove> {
        self.may_move(side, segment, now)?;
        if self.at_one_step() {
            return Err(IllegalMove::MustProve);
        }
        let width_log2 = self.next_width_log2();
        if roots.len() != 1 << width_log2 {
            return Err(IllegalMove::WrongWidth);
        }
        let first = segment as usize;
        if roots.last() == Some(&self.standing.roots[first + 1]) {
            return Err(IllegalMove::SameEnd);
        }
        self.history = history;
        self.clock.press(side, now);
        self.moves += 1;
        let start_root = self.standing.roots[first];
        self.standing = Dissection {
            start: self.standing.index(segment),
            stride_log2: self.standing.stride_log2 - width_log2,
            roots: std::iter::once(start_root)
                .chain(roots.iter().copied())
                .collect(),
            blob,
        };
        Ok(())
    }

    /// `side` shows that piece `segment`, one step long, does not lead to its end but to `result`.
    ///
    /// # Errors
    /// Says which rule the move breaks; the game is then unchanged.
    pub fn prove(
        &mut self,
        side: Side,
        segment: u32,
        result: StateRoot,
        now: Timestamp,
    ) -> Result<(), IllegalMove> {
        self.may_move(side, segment, now)?;
        if !self.at_one_step() {
            return Err(IllegalMove::TooLongToProve);
        }
        if self.rules.posted(result) == self.standing.roots[segment as usize + 1] {
            return Err(IllegalMove::SameEnd);
        }
        self.outcome = Some(Outcome::Won(side));
        Ok(())
    }

    /// Anyone ends the game against the side that has run out of time.
    ///
    /// # Errors
    /// The game is over, or the side to move has time left.
    pub fn time_out(&mut self, now: Timestamp) -> Result<Side, IllegalMove> {
        match self.outcome {
            Some(_) => Err(IllegalMove::Over),
            None if self.claim_lost => Err(IllegalMove::ClaimLost),
            None if !self.expired(now) => Err(IllegalMove::NotExpired),
            None => {
                let winner = self.turn().other();
                self.outcome = Some(Outcome::Won(winner));
                Ok(winner)
            }
        }
    }

    /// Anyone ends a game on a claim that lost another one.
    ///
    /// # Errors
    /// The game is over, or the claim stands.
    pub fn settle_void(&mut self) -> Result<(), IllegalMove> {
        match self.outcome {
            Some(_) => Err(IllegalMove::Over),
            None if !self.claim_lost => Err(IllegalMove::ClaimStands),
            None => {
                self.outcome = Some(Outcome::Void);
                Ok(())
            }
        }
    }

    /// Records an end that the chain reports.
    pub fn settle(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    fn may_move(&self, side: Side, segment: u32, now: Timestamp) -> Result<(), IllegalMove> {
        if self.outcome.is_some() {
            Err(IllegalMove::Over)
        } else if self.claim_lost {
            Err(IllegalMove::ClaimLost)
        } else if side != self.turn() {
            Err(IllegalMove::NotYourTurn)
        } else if self.expired(now) {
            Err(IllegalMove::OutOfTime)
        } else if segment >= self.standing.pieces() {
            Err(IllegalMove::NoSuchSegment)
        } else {
            Ok(())
        }
    }
}
