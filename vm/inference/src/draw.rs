//! One draw: the k-th score is found by its bits, then the candidates that masks leave are compared by `score / T + noise`.

use crate::arena::Arena;
use crate::layout::{DRAW, DRAW_BEST};
use crate::noise::{GUMBEL_MAX, Words, gumbel, gumbel_bound};
use crate::sampler::Rule;

/// Ids that one piece of work looks at; a multiple of four, as blocks of noise are.
pub const PIECE: u32 = 1024;
/// Counters of one pass of the selection.
pub const COUNTERS: u32 = 256;
/// Passes of the selection, each over eight bits of the scores.
const PASSES: u32 = 4;

/// Instructions for looking at an id, for a block of random words, and for an id's noise, about.
const LOOK: u32 = 30;
const BLOCK: u32 = 600;
const NOISE: u32 = 220;

/// A number that orders as `x` does; both zeros have one.
#[inline(always)]
fn order(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

/// Where the draw of one position's id stands: first the k-th score is found by its bits, eight in each pass, then the
/// candidates that reach it are compared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Draw {
    /// Pass of the selection; [`PASSES`] while candidates are compared.
    pass: u32,
    /// Id.
    at: u32,
    /// Upper bits of the k-th score's order; at last all of it.
    prefix: u32,
    /// How many of the scores that begin with `prefix` are candidates; the lowest ids are.
    left: u32,
    /// Best `score / T + noise` so far.
    best: f64,
    /// Its id, the lowest.
    id: u32,
}

impl Draw {
    /// Before the first id of `vocab`.
    pub fn new(rule: &Rule, vocab: u32) -> Draw {
        // Every finite score is above order 0, so without a selection all of them pass.
        let selects = (1..vocab).contains(&rule.top_k);
        Draw {
            pass: if selects { 0 } else { PASSES },
            at: 0,
            prefix: 0,
            left: rule.top_k,
            best: f64::MIN,
            id: 0,
        }
    }

    /// The one that a yield interrupted.
    pub fn read(arena: &Arena) -> Draw {
        let words: &[u32] = arena.view(DRAW, 5);
        Draw {
            pass: words[0],
            at: words[1],
            prefix: words[2],
            left: words[3],
            id: words[4],
            best: f64::from_bits(arena.get(DRAW_BEST)),
        }
    }

    /// Keeps it over a yield.
    pub fn write(&self, arena: &mut Arena) {
        arena.view_mut(DRAW, 5).copy_from_slice(&[
            self.pass,
            self.at,
            self.prefix,
            self.left,
            self.id,
        ]);
        arena.put(DRAW_BEST, self.best.to_bits());
    }

    /// The drawn id, once every candidate of `vocab` was looked at.
    pub fn drawn(&self, vocab: u32) -> Option<u32> {
        (self.pass == PASSES && self.at == vocab).then_some(self.id)
    }

    /// Does one piece of work for the id at index `position` of the sequence, whose scores are `row`, at most `largest`.
    /// Returns the instructions, about. `counters` starts as zeros and ends so.
    pub fn advance(
        &mut self,
        rule: &Rule,
        position: u32,
        (row, largest): (&[f32], f32),
        counters: &mut [u32],
    ) -> u32 {
        let end = (self.at + PIECE).min(row.len() as u32);
        let scores = &row[self.at as usize..end as usize];
        let mut work = 300 + (end - self.at) * LOOK;
        if self.pass < PASSES {
            self.count(scores, counters);
            self.at = end;
            if end as usize == row.len() {
                self.narrow(counters);
                work += COUNTERS * 12;
            }
        } else {
            work += self.compare(rule, position, scores, largest);
            self.at = end;
        }
        work
    }

    /// Bits of the order that this pass is not about yet.
    fn shift(&self) -> u32 {
        24 - 8 * self.pass
    }

    fn count(&self, scores: &[f32], counters: &mut [u32]) {
        let shift = self.shift();
        let above = u32::MAX.checked_shl(shift + 8).unwrap_or(0);
        for score in scores {
            let order = order(*score);
            if order & above == self.prefix {
                counters[(order >> shift & 255) as usize] += 1;
            }
        }
    }

    /// Fixes eight more bits: those of the counter in which the last candidate lies.
    fn narrow(&mut self, counters: &mut [u32]) {
        let mut byte = COUNTERS - 1;
        // The counters' sum is at least `left`, which is at least 1, so some byte ends this.
        while byte > 0 && counters[byte as usize] < self.left {
            self.left -= counters[byte as usize];
            byte -= 1;
        }
        self.prefix |= byte << self.shift();
        counters.fill(0);
        self.pass += 1;
        self.at = 0;
    }

    /// Compares the candidates among `scores`, the first of which is that of id `self.at`.
    fn compare(&mut self, rule: &Rule, position: u32, scores: &[f32], largest: f32) -> u32 {
        let temperature = f64::from(rule.temperature) / 1000.0;
        let floor = rule.floor(largest);
        let mut words = Words::new(&rule.seed, position);
        let mut work = 0;
        for (id, score) in (self.at..).zip(scores) {
            let order = order(*score);
            if order < self.prefix {
                continue;
            }
            if order == self.prefix {
                if self.left == 0 {
                    continue;
                }
                self.left -= 1;
            }
            let score = f64::from(*score);
            if score < floor {
                continue;
            }
            let scaled = score / temperature;
            // Rounding keeps order: a bound that does not exceed the best has a key that does not.
            if scaled + GUMBEL_MAX <= self.best {
                continue;
            }
            let word = words.of(id);
            if scaled + gumbel_bound(word) <= self.best {
                continue;
            }
            work += NOISE;
            let key = scaled + gumbel(word);
            if key > self.best {
                (self.best, self.id) = (key, id);
            }
        }
        work + words.blocks * BLOCK
    }
}

/// Instructions of a whole draw at most, about.
pub fn draw_work(rule: &Rule, vocab: u32) -> u64 {
    let (passes, drawn) = if rule.top_k == 0 {
        (1, vocab)
    } else {
        (PASSES + 1, rule.top_k.min(vocab))
    };
    let pieces = vocab.div_ceil(PIECE) * passes;
    let looks = u64::from(vocab) * u64::from(passes * LOOK);
    let blocks = vocab.div_ceil(4).min(drawn);
    let noise = u64::from(drawn) * u64::from(NOISE) + u64::from(blocks) * u64::from(BLOCK);
    looks + noise + u64::from(pieces) * 600 + u64::from(COUNTERS * 12 * PASSES)
}
