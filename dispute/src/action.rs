//! What a player does next.

use crate::game::Segment;
use assay_types::{Hash, StateRoot};

/// One thing to do on chain, or the knowledge that there is nothing honest left to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Post `roots` over `segment`.
    Dissect {
        /// History that this answers.
        history: Hash,
        /// The contested piece of the standing dissection.
        segment: Segment,
        /// Own roots at the ends of its equal pieces.
        roots: Vec<StateRoot>,
    },
    /// Prove that `segment`, one step long, does not lead to its end.
    Prove {
        /// History that this answers.
        history: Hash,
        /// The contested piece.
        segment: Segment,
        /// Trace index of the step.
        index: u64,
        /// Witness of the step.
        witness: Vec<u8>,
    },
    /// End the game: the opponent ran out of time.
    ClaimTimeout,
    /// Settle this game as void, which gives the challenger's bond back: the claim lost another one.
    SettleVoid,
    /// Nothing can be contested: the own trace has every root that the opponent posted, or not the first one.
    /// An honest player never gets here.
    Concede,
}
