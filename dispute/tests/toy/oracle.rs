//! What a game's record means, worked out from scratch from the record alone. Shares no code with `Game`.

use super::World;
use assay_dispute::game::Side;
use assay_types::StateRoot;

/// Something that somebody sends to the contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// A dissection.
    Dissect {
        /// Sender.
        by: Side,
        /// Piece of the standing dissection.
        segment: u32,
        /// Posted roots.
        roots: Vec<StateRoot>,
    },
    /// A one-step proof.
    Prove {
        /// Sender.
        by: Side,
        /// Piece of the standing dissection.
        segment: u32,
        /// Trace index of that piece.
        index: u64,
        /// Witness of its step.
        witness: Vec<u8>,
    },
    /// A timeout, claimed by anyone.
    TimeOut,
}

/// Everything accepted so far, with its time.
pub struct Oracle<'w, W> {
    /// Trace length.
    pub length: u64,
    /// Most pieces in a dissection.
    pub arity: u64,
    /// Seconds a side has.
    pub allowance: u64,
    /// Root that the claim says the trace ends with.
    pub claimed: StateRoot,
    /// The computation in dispute.
    pub world: &'w W,
    /// Time of the opening.
    pub opened: u64,
    /// Accepted attempts.
    pub record: Vec<(u64, Attempt)>,
}

impl<W> Clone for Oracle<'_, W> {
    fn clone(&self) -> Self {
        Oracle {
            record: self.record.clone(),
            ..*self
        }
    }
}

impl<W: World> Oracle<'_, W> {
    /// The posted points that the next move answers: (trace index, root).
    pub fn points(&self) -> Vec<(u64, StateRoot)> {
        let mut points = vec![(0, self.world.truth(0)), (self.length, self.claimed)];
        for (_, attempt) in &self.record {
            if let Attempt::Dissect { segment, roots, .. } = attempt {
                let (from, to) = (points[*segment as usize], points[*segment as usize + 1]);
                let step = (to.0 - from.0) / roots.len() as u64;
                points = vec![from];
                for r in roots {
                    let last = points[points.len() - 1].0;
                    points.push((last + step, *r));
                }
            }
        }
        points
    }

    /// Whose move it is.
    pub fn turn(&self) -> Side {
        if self.record.len().is_multiple_of(2) {
            Side::Challenger
        } else {
            Side::Executor
        }
    }

    /// Seconds that `side` has thought at `now`: every other gap of the record, from the opening to now, is its.
    pub fn thought(&self, side: Side, now: u64) -> u64 {
        let mut times = vec![self.opened];
        times.extend(self.record.iter().map(|(t, _)| *t));
        times.push(now);
        let offset = if side == Side::Challenger { 0 } else { 1 };
        times
            .windows(2)
            .skip(offset)
            .step_by(2)
            .map(|w| w[1] - w[0])
            .sum()
    }

    /// The winner, if the game is over.
    pub fn winner(&self) -> Option<Side> {
        let (_, last) = self.record.last()?;
        match last {
            Attempt::Dissect { .. } => None,
            Attempt::Prove { by, .. } => Some(*by),
            // Whoever was to move after the dissections made so far has lost.
            Attempt::TimeOut => Some(if self.record.len() % 2 == 1 {
                Side::Executor
            } else {
                Side::Challenger
            }),
        }
    }

    /// Whether the contract must accept `attempt` at `now`.
    pub fn accepts(&self, attempt: &Attempt, now: u64) -> bool {
        let late = self.thought(self.turn(), now) >= self.allowance;
        if self.winner().is_some() {
            return false;
        }
        let points = self.points();
        let in_turn = |by: &Side, segment: &u32| {
            !late && *by == self.turn() && (*segment as usize) < points.len() - 1
        };
        match attempt {
            Attempt::TimeOut => late,
            Attempt::Dissect { by, segment, roots } => {
                in_turn(by, segment) && {
                    let (from, to) = (points[*segment as usize], points[*segment as usize + 1]);
                    let length = to.0 - from.0;
                    length > 1
                        && roots.len() as u64 == length.min(self.arity)
                        && roots[roots.len() - 1] != to.1
                }
            }
            Attempt::Prove {
                by,
                segment,
                index,
                witness,
            } => {
                in_turn(by, segment) && {
                    let (from, to) = (points[*segment as usize], points[*segment as usize + 1]);
                    let shown = self.world.run(from.0, witness);
                    to.0 - from.0 == 1
                        && *index == from.0
                        && shown.is_some_and(|(before, after)| before == from.1 && after != to.1)
                }
            }
        }
    }
}
