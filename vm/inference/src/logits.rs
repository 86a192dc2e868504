//! Logits are compared as they come: for each position the best score with the lowest id, and the claimed id's score.

use crate::areas::Area;
use crate::arena::Arena;
use crate::error::{Due, NonFinite, Stop, Wrong};
use crate::host::Host;
use crate::layout::*;
use crate::math::finite;
use crate::matmul::Outputs;
use crate::ops::CHUNK;
use crate::sampler::Sampling;
use crate::text::would_refuse;

/// The best token of a position so far, and the score of the one claimed there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pick {
    /// Best score; the lowest finite number before the first.
    pub best: f32,
    /// Lowest id with that score; with a temperature, at last the drawn id.
    pub id: u32,
    /// Score of the claimed id, once seen.
    pub claimed: f32,
}

impl Pick {
    /// Before the first logit.
    pub const START: Pick = Pick {
        best: f32::MIN,
        id: 0,
        claimed: 0.0,
    };

    /// Takes the logit of the next id.
    #[inline(always)]
    pub fn see(&mut self, id: u32, logit: f32, claimed: u32) -> Result<(), NonFinite> {
        if !finite(logit) {
            return Err(NonFinite);
        }
        if logit > self.best {
            (self.best, self.id) = (logit, id);
        }
        if id == claimed {
            self.claimed = logit;
        }
        Ok(())
    }

    /// Whether `claimed` stands, and if so whether it took a flip. `max_gap` is in thousandths of a logit.
    pub fn allows(&self, claimed: u32, max_gap: u32) -> Option<bool> {
        if self.id == claimed {
            return Some(false);
        }
        // Written so that a NaN is refused.
        (self.best - self.claimed <= max_gap as f32 / 1000.0).then_some(true)
    }

    /// That of the chunk's `i`-th needed position.
    pub fn read(arena: &Arena, i: u32) -> Pick {
        let words: &[u32] = arena.view(PICKS + 12 * i, 3);
        Pick {
            best: f32::from_bits(words[0]),
            id: words[1],
            claimed: f32::from_bits(words[2]),
        }
    }

    /// Keeps it as that of the chunk's `i`-th needed position.
    pub fn write(&self, arena: &mut Arena, i: u32) {
        arena.view_mut(PICKS + 12 * i, 3).copy_from_slice(&[
            self.best.to_bits(),
            self.id,
            self.claimed.to_bits(),
        ]);
    }
}

/// The picks of a chunk's needed positions, while rows come in.
pub struct Picks {
    picks: [Pick; CHUNK as usize],
    claimed: [u32; CHUNK as usize],
    count: usize,
}

impl Picks {
    /// The picks so far; fresh ones where `row` is the first.
    pub fn load(arena: &Arena, row: u32) -> Picks {
        let (from, len) = (arena.get::<u32>(NEED_FROM), arena.get::<u32>(CHUNK_LEN));
        let mut picks = Picks {
            picks: [Pick::START; CHUNK as usize],
            claimed: [u32::MAX; CHUNK as usize],
            count: (len - from) as usize,
        };
        for i in 0..len - from {
            if row > 0 {
                picks.picks[i as usize] = Pick::read(arena, i);
            }
            // Position p gives the id at p + 1; past the claimed ids there is none to compare.
            let next = arena.get::<u32>(CHUNK_AT) + from + i + 1;
            if next < arena.get::<u32>(PROMPT_COUNT) + arena.get::<u32>(COUNT) {
                picks.claimed[i as usize] = arena.get(Area::Ids.at(arena) + 4 * next);
            }
        }
        picks
    }

    /// The id claimed after each position; one beyond any vocabulary where there is none.
    pub fn claimed(&self) -> [u32; CHUNK as usize] {
        self.claimed
    }

    /// Takes the logits of token `id` at all positions.
    #[inline(always)]
    pub fn see(&mut self, id: u32, logits: &Outputs) -> Result<(), NonFinite> {
        let all = self.picks.iter_mut().zip(logits).zip(self.claimed);
        all.take(self.count)
            .try_for_each(|((pick, logit), claimed)| pick.see(id, *logit, claimed))
    }

    /// Keeps them over a yield.
    pub fn store(&self, arena: &mut Arena) {
        for (i, pick) in self.picks[..self.count].iter().enumerate() {
            pick.write(arena, i as u32);
        }
    }
}

/// Checks the chunk's claimed ids against its picks.
pub fn check<H: Host>(host: &mut H) -> Result<(), Stop> {
    let mut arena = host.arena();
    let (first, from, len) = (
        arena.get::<u32>(CHUNK_AT),
        arena.get::<u32>(NEED_FROM),
        arena.get::<u32>(CHUNK_LEN),
    );
    let end = arena.get::<u32>(PROMPT_COUNT) + arena.get::<u32>(COUNT);
    let is_error = arena.get::<u32>(KIND) == Due::NonFinite as u32;
    // Ids before a non-finite position count as exact, and drawn ones always do: whoever may stray from a draw picks its outcome.
    let (gap, most) = if is_error || Sampling::read(&arena) != Sampling::Greedy {
        (0, 0)
    } else {
        (arena.get(MAX_GAP), arena.get(MAX_FLIPS))
    };
    for i in 0..len - from {
        let next = first + from + i + 1;
        let pick = Pick::read(&arena, i);
        if next < end {
            let flip = pick
                .allows(arena.get(Area::Ids.at(&arena) + 4 * next), gap)
                .ok_or(Wrong::Token)?;
            let flips = arena.get::<u32>(FLIPS) + u32::from(flip);
            arena.put(FLIPS, flips);
            if flips > most {
                return Err(Wrong::Token.into());
            }
        } else if is_error {
            return Err(Wrong::Kind.into());
        } else if would_refuse(host, pick.id) {
            return Ok(());
        } else {
            return Err(Wrong::Length.into());
        }
    }
    Ok(())
}
