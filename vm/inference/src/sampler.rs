//! The sampling rule with a temperature: top-k and min-p mask candidates, then the best `logit / T + noise` is drawn.
//!
//! A chunk's logits lie in [`Buffer::Logits`], a row for each needed position. [`step`] walks them after the matrix product;
//! the engine walks its own rows with the same [`Draw`].

use crate::arena::{Arena, span, view, view_mut};
use crate::choices;
use crate::error::{Due, Stop};
use crate::forward::next_chunk;
use crate::host::Host;
use crate::layout::*;
use crate::logits::{Pick, check};
use crate::noise::{GUMBEL_MAX, Words, gumbel, gumbel_bound, ln};
use crate::ops::CHUNK;
use crate::plan::Buffer;
use crate::program::Phase;

/// How ids are found: the payload's second byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Sampling {
    /// The best score.
    Greedy = 0,
    /// Drawn with a temperature.
    Drawn = 1,
    /// One of a list of answers.
    Choice = 2,
}

impl Sampling {
    /// That of a number.
    pub fn from_number(number: u32) -> Option<Sampling> {
        use Sampling::*;
        [Greedy, Drawn, Choice]
            .into_iter()
            .find(|s| *s as u32 == number)
    }

    /// That of the request.
    pub fn read(arena: &Arena) -> Sampling {
        // Only numbers that are known were stored.
        Sampling::from_number(arena.get(SAMPLING)).unwrap_or(Sampling::Greedy)
    }
}

/// The parameters of [`Sampling::Drawn`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// In thousandths, 1 to [`MAX_TEMPERATURE`].
    pub temperature: u32,
    /// Candidates by score; 0 for all.
    pub top_k: u32,
    /// Least share of the best candidate's probability, in thousandths; 0 for none.
    pub min_p: u32,
    /// The request's seed, words big-endian.
    pub seed: [u64; 4],
}

impl Rule {
    /// The request's.
    pub fn read(arena: &Arena) -> Rule {
        let seed = arena.view(SEED, 4);
        Rule {
            temperature: arena.get(TEMPERATURE),
            top_k: arena.get(TOP_K),
            min_p: arena.get(MIN_P),
            seed: [seed[0], seed[1], seed[2], seed[3]],
        }
    }

    /// Stores parameters that are in range.
    pub fn accept(
        arena: &mut Arena,
        sampling: u32,
        [temperature, top_k, min_p]: [u32; 3],
    ) -> Result<Sampling, Due> {
        let sampling = Sampling::from_number(sampling).ok_or(Due::BadRequest)?;
        let fits = match sampling {
            Sampling::Greedy | Sampling::Choice => temperature == 0,
            Sampling::Drawn => {
                (1..=MAX_TEMPERATURE).contains(&temperature)
                    && top_k <= MAX_TOP_K
                    && min_p <= MAX_MIN_P
            }
        };
        if !fits {
            return Err(Due::BadRequest);
        }
        arena.put(SAMPLING, sampling as u32);
        arena.put(TEMPERATURE, temperature);
        arena.put(TOP_K, top_k);
        arena.put(MIN_P, min_p);
        Ok(sampling)
    }

    /// Score below which min-p masks. Never above `largest`: the logarithm is at most 0.
    fn floor(&self, largest: f32) -> f64 {
        if self.min_p == 0 {
            f64::MIN
        } else {
            f64::from(largest) + ln(f64::from(self.min_p) / 1000.0)
        }
    }
}

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

    fn read(arena: &Arena) -> Draw {
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

    fn write(&self, arena: &mut Arena) {
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

/// After a chunk's last logits: compares them with the claimed ids at once, or goes on to walk them.
pub fn after_logits<H: Host>(host: &mut H) -> Result<(), Stop> {
    let mut arena = host.arena();
    if Sampling::read(&arena) == Sampling::Greedy {
        check(host)?;
        return next_chunk(&mut host.arena());
    }
    begin_row(&mut arena, 0);
    arena.put(PHASE, Phase::Sample as u32);
    Ok(())
}

fn begin_row(arena: &mut Arena, row: u32) {
    arena.put(ROW, row);
    match Sampling::read(arena) {
        Sampling::Greedy => {}
        Sampling::Drawn => {
            let vocab = crate::model::Config::read(arena).vocab;
            Draw::new(&Rule::read(arena), vocab).write(arena);
        }
        Sampling::Choice => choices::begin_row(arena),
    }
}

/// One macro step over the logits of a chunk.
pub fn step<H: Host>(host: &mut H) -> Result<(), Stop> {
    let is_choice = Sampling::read(&host.arena()) == Sampling::Choice;
    let mut work = 0;
    while work < BUDGET {
        let mut arena = host.arena();
        let row: u32 = arena.get(ROW);
        if row == arena.get::<u32>(CHUNK_LEN) - arena.get::<u32>(NEED_FROM) {
            arena.put(PHASE, Phase::Forward as u32);
            if is_choice {
                return choices::next_chunk(&mut arena);
            }
            check(host)?;
            return next_chunk(&mut host.arena());
        }
        let (more, done) = if is_choice {
            choices::walk(&mut arena, row)
        } else {
            walk(&mut arena, row)
        };
        work += more;
        if done {
            begin_row(&mut arena, row + 1);
        }
    }
    Ok(())
}

/// One piece of a row's draw; keeps what is drawn where the best id was.
fn walk(arena: &mut Arena, row: u32) -> (u32, bool) {
    let vocab = crate::model::Config::read(arena).vocab;
    let rule = Rule::read(arena);
    let (mut draw, mut pick) = (Draw::read(arena), Pick::read(arena, row));
    let position = arena.get::<u32>(CHUNK_AT) + arena.get::<u32>(NEED_FROM) + row + 1;
    let logits = logits_at(arena, row, vocab);
    let [row_bytes, counters] =
        arena.split([span::<f32>(logits, vocab), span::<u32>(HISTOGRAM, COUNTERS)]);
    let work = draw.advance(
        &rule,
        position,
        (view(row_bytes), pick.best),
        view_mut(counters),
    );
    draw.write(arena);
    let drawn = draw.drawn(vocab);
    if let Some(id) = drawn {
        pick.id = id;
        pick.write(arena, row);
    }
    (work + 300, drawn.is_some())
}

/// Where the logits of the chunk's `row`-th needed position are.
pub fn logits_at(arena: &Arena, row: u32, vocab: u32) -> u32 {
    Buffer::Logits.at(arena) + 4 * row * vocab
}

/// Positions whose logits are kept: none where they are compared as they come.
pub fn kept_rows(arena: &Arena) -> u32 {
    match Sampling::read(arena) {
        Sampling::Greedy => 0,
        Sampling::Drawn | Sampling::Choice => CHUNK,
    }
}

/// At most as many macro steps walk the logits of one chunk.
pub fn most_steps(arena: &Arena, vocab: u32) -> u64 {
    let per_row = match Sampling::read(arena) {
        Sampling::Greedy => return 0,
        Sampling::Choice => choices::row_work(vocab),
        Sampling::Drawn => {
            let rule = Rule::read(arena);
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
    };
    // Each step but the chunk's last does the budget.
    u64::from(CHUNK) * per_row / u64::from(BUDGET) + 1
}
