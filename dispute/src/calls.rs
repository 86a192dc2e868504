//! The game contract's calldata.

use crate::action::Action;
use crate::game::{Segment, Side};
use crate::ledger::{Ask, Claim, InBlob, Play};
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use assay_bindings::abi::{BlobMove, BlobOpening, BlobPiece, BlobProof, Move, Proof};
use assay_bindings::convert::{b256, roots as words};
use assay_bindings::game::claim_key;
use assay_bindings::{BlobDisputeGame, ClaimRef, DisputeGame};
use assay_node::blob::{Blob, BlobError};
use assay_node::tx::Call;
use assay_types::{Hash, StateRoot};
use std::sync::Arc;

/// Opens a game at contract `game` on `claim`, an answer to `ask`; `shown` is the claim's leaf.
pub fn opening(ask: &Ask, claim: &Claim, shown: &ClaimRef, game: Address, bond: U256) -> Call {
    let call = DisputeGame::openCall {
        req: (&ask.request).into(),
        claim: shown.into(),
        payload: ask.payload.clone(),
        output: claim.output.clone().unwrap_or_default(),
    };
    Call::new("open", game, call.abi_encode()).value(bond)
}

/// The same on a claim whose output is at `place` in `blob`, shown element by element: a proof takes some 30 ms each, and an
/// output has 133 elements at most.
///
/// # Errors
/// It is another blob, or the library that opens it fails.
pub fn opening_from_blob(
    ask: &Ask,
    place: &InBlob,
    blob: &Blob,
    shown: &ClaimRef,
    game: Address,
    bond: U256,
) -> Result<Call, CallError> {
    let (found, expected) = (blob.versioned_hash(), place.blob);
    if found != expected {
        return Err(BlobError::Other { found, expected }.into());
    }
    let (reference, element) = (place.reference, |i: usize| blob.element(i));
    let mut openings = blob.commitment().to_vec();
    for i in reference.elements() {
        openings.extend(blob.open(i)?.proof);
    }
    let call = DisputeGame::openFromBlobCall {
        req: (&ask.request).into(),
        claim: shown.into(),
        payload: ask.payload.clone(),
        output: reference.output(element),
        opening: BlobOpening {
            versionedHash: expected,
            first: reference.first(),
            rest: reference.rest(element),
            openings: openings.into(),
        },
    };
    Ok(Call::new("openFromBlob", game, call.abi_encode()).value(bond))
}

/// Why there is no transaction.
#[derive(Debug, thiserror::Error)]
#[error("the blob: {0}")]
pub struct CallError(#[from] BlobError);

/// The transaction that does `action` for the player of `side`; nothing for [`Action::Concede`].
///
/// # Errors
/// A root is no field element, which no honest root is, or the library that commits to blobs fails.
pub fn call_for(
    play: &Play,
    side: Side,
    action: &Action,
    game: Address,
) -> Result<Option<Call>, CallError> {
    let context = || play.context.clone();
    let blobs = play.game.rules().blobs;
    let (label, data) = match action {
        Action::Dissect {
            history,
            segment,
            roots,
        } if blobs => return by_blob(play, side, *history, segment, roots, game).map(Some),
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
        } => ("prove", proof(play, *history, segment, witness)?),
        Action::ClaimTimeout => (
            "timeout",
            DisputeGame::timeoutCall { context: context() }.abi_encode(),
        ),
        Action::SettleVoid => (
            "settleVoid",
            DisputeGame::settleVoidCall { context: context() }.abi_encode(),
        ),
        Action::Concede => return Ok(None),
    };
    Ok(Some(Call::new(label, game, data)))
}

fn proof(
    play: &Play,
    history: Hash,
    segment: &Segment,
    witness: &[u8],
) -> Result<Vec<u8>, CallError> {
    let (context, history) = (play.context.clone(), b256(history));
    let witness = witness.to_vec().into();
    if play.game.rules().blobs {
        let p = BlobProof {
            history,
            piece: piece(segment)?,
            witness,
        };
        let context = (&context).into();
        return Ok(BlobDisputeGame::proveCall { context, p }.abi_encode());
    }
    let p = Proof {
        history,
        segment: U256::from(segment.index),
        startRoot: b256(segment.standing_start.0),
        left: b256(segment.start.0),
        right: b256(segment.end.0),
        proof: segment.proof.iter().copied().map(b256).collect(),
        witness,
    };
    Ok(DisputeGame::proveCall { context, p }.abi_encode())
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

/// The same with the inner roots in a blob.
fn by_blob(
    play: &Play,
    side: Side,
    history: Hash,
    segment: &Segment,
    roots: &[StateRoot],
    game: Address,
) -> Result<Call, CallError> {
    let (inner, end) = roots.split_at(roots.len().saturating_sub(1));
    let inner: Vec<B256> = inner.iter().map(|root| b256(root.0)).collect();
    let blob = Arc::new(Blob::of_elements(&inner)?);
    let m = BlobMove {
        gameId: play.id,
        claim: claim_key(play.context.segmentId, play.context.index),
        opponent: play.player(side.other()),
        history: b256(history),
        piece: piece(segment)?,
        end: end.first().map_or(B256::ZERO, |root| b256(root.0)),
        blob: U256::ZERO,
    };
    let data = BlobDisputeGame::moveCall { m }.abi_encode();
    Ok(Call::new("move", game, data).blob(blob))
}

/// A piece with the openings that show its ends.
fn piece(segment: &Segment) -> Result<BlobPiece, CallError> {
    let mut openings: Vec<u8> = Vec::new();
    let (index, blob) = (segment.index as usize, segment.blob.as_deref());
    if let Some(blob) = blob {
        let first = index == 0;
        // The end of the last piece is the last root, which is not in the blob.
        let last = index + 1 == segment.pieces as usize;
        let left = (!first).then(|| blob.open(index - 1)).transpose()?;
        let right = (!last).then(|| blob.open(index)).transpose()?;
        if left.is_some() || right.is_some() {
            openings.extend(blob.commitment());
        }
        for opening in [left, right].into_iter().flatten() {
            openings.extend(opening.proof);
        }
    }
    Ok(BlobPiece {
        segment: U256::from(segment.index),
        startRoot: b256(segment.standing_start.0),
        versionedHash: blob.map_or(B256::ZERO, Blob::versioned_hash),
        endRoot: b256(segment.standing_end.0),
        left: b256(segment.start.0),
        right: b256(segment.end.0),
        openings: openings.into(),
    })
}
