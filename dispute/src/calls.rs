//! The game contract's calldata.

use crate::action::Action;
use crate::game::{Segment, Side};
use crate::ledger::{Ask, Claim, Play};
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use assay_bindings::abi::{Move, Proof};
use assay_bindings::convert::{b256, roots as words};
use assay_bindings::game::claim_key;
use assay_bindings::{ClaimRef, DisputeGame};
use assay_node::tx::Call;
use assay_types::{Hash, StateRoot};

/// Opens a game at contract `game` on `claim`, an answer to `ask`; `shown` is the claim's leaf.
pub fn opening(ask: &Ask, claim: &Claim, shown: &ClaimRef, game: Address, bond: U256) -> Call {
    let call = DisputeGame::openCall {
        req: (&ask.request).into(),
        claim: shown.into(),
        payload: ask.payload.clone(),
        output: claim.output.clone(),
    };
    Call::new("open", game, call.abi_encode()).value(bond)
}

/// The transaction that does `action` for the player of `side`; nothing for [`Action::Concede`].
pub fn call_for(play: &Play, side: Side, action: &Action, game: Address) -> Option<Call> {
    let context = || play.context.clone();
    let (label, data) = match action {
        Action::Dissect {
            history,
            segment,
            roots,
        } => {
            let m = dissection(play, side, *history, segment, roots);
            ("move", DisputeGame::moveCall { m }.abi_encode())
        }
        Action::Prove {
            history,
            segment,
            witness,
            ..
        } => {
            let p = Proof {
                history: b256(*history),
                segment: U256::from(segment.index),
                startRoot: b256(segment.standing_start.0),
                left: b256(segment.start.0),
                right: b256(segment.end.0),
                proof: segment.proof.iter().copied().map(b256).collect(),
                witness: witness.clone().into(),
            };
            (
                "prove",
                DisputeGame::proveCall {
                    context: context(),
                    p,
                }
                .abi_encode(),
            )
        }
        Action::ClaimTimeout => (
            "timeout",
            DisputeGame::timeoutCall { context: context() }.abi_encode(),
        ),
        Action::SettleVoid => (
            "settleVoid",
            DisputeGame::settleVoidCall { context: context() }.abi_encode(),
        ),
        Action::Concede => return None,
    };
    Some(Call::new(label, game, data))
}

fn dissection(
    play: &Play,
    side: Side,
    history: Hash,
    segment: &Segment,
    roots: &[StateRoot],
) -> Move {
    Move {
        gameId: play.id,
        claim: claim_key(play.context.segmentId, play.context.index),
        opponent: play.player(side.other()),
        history: b256(history),
        segment: U256::from(segment.index),
        startRoot: b256(segment.standing_start.0),
        left: b256(segment.start.0),
        right: b256(segment.end.0),
        proof: segment.proof.iter().copied().map(b256).collect(),
        roots: words(roots),
    }
}
