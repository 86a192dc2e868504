//! The honest player: contest the first piece whose end differs from one's own trace.
//!
//! Why it wins: at each of its turns the standing dissection starts with a root of its own trace (the opponent must
//! start where it stood) and ends with another one (a mover must contest the end). So some piece starts right and ends
//! wrong, its own roots there contest it, and a piece of length 1 that starts right and ends wrong is refuted by one step.

use crate::action::Action;
use crate::clock::Timestamp;
use crate::game::{Game, Side};
use crate::trace::Trace;

/// What `me` does at `now` whatever the trace is; `None` if it owes the game a move.
pub fn without_trace(game: &Game, me: Side, now: Timestamp) -> Option<Vec<Action>> {
    if game.outcome().is_some() {
        return Some(Vec::new());
    }
    if game.claim_lost() {
        // Only the challenger has anything to get back.
        return Some(if me == Side::Challenger {
            vec![Action::SettleVoid]
        } else {
            Vec::new()
        });
    }
    if game.expired(now) {
        // The contract refuses late moves, so the side that is late has nothing to send.
        return Some(if game.turn() == me {
            Vec::new()
        } else {
            vec![Action::ClaimTimeout]
        });
    }
    (game.turn() != me).then(Vec::new)
}

/// Every move that an honest `me` makes at `now`. Touches no chain; only `trace` may fail.
///
/// # Errors
/// Those of `trace`.
pub fn next_actions<T: Trace>(
    game: &Game,
    trace: &mut T,
    me: Side,
    now: Timestamp,
) -> Result<Vec<Action>, T::Error> {
    if let Some(actions) = without_trace(game, me, now) {
        return Ok(actions);
    }
    let action = match contested(game, trace)? {
        None => Action::Concede,
        Some(piece) => answer(game, trace, piece)?,
    };
    Ok(vec![action])
}

/// The first piece of the standing dissection that starts as `trace` does and ends otherwise.
///
/// # Errors
/// Those of `trace`.
pub fn contested<T: Trace>(game: &Game, trace: &mut T) -> Result<Option<u32>, T::Error> {
    let standing = game.standing();
    let own = trace.roots(&standing.indices())?;
    let first_difference = standing
        .roots()
        .iter()
        .zip(&own)
        .position(|(theirs, ours)| *theirs != game.rules().posted(*ours));
    // A difference at root 0 means that the game is about another run.
    Ok(first_difference
        .and_then(|i| i.checked_sub(1))
        .map(|piece| piece as u32))
}

fn answer<T: Trace>(game: &Game, trace: &mut T, piece: u32) -> Result<Action, T::Error> {
    let (standing, history) = (game.standing(), game.history());
    let (segment, index) = (standing.segment(piece), standing.index(piece));
    if game.at_one_step() {
        return Ok(Action::Prove {
            history,
            segment,
            index,
            witness: trace.witness(index)?,
        });
    }
    let width_log2 = game.next_width_log2();
    let stride_log2 = standing.stride_log2() - width_log2;
    let indices: Vec<u64> = (1..=1u64 << width_log2)
        .map(|j| index + (j << stride_log2))
        .collect();
    let roots = trace.roots(&indices)?;
    Ok(Action::Dissect {
        history,
        segment,
        roots: roots.iter().map(|r| game.rules().posted(*r)).collect(),
    })
}
