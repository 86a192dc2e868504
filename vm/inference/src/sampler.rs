//! The sampling rule with a temperature: top-k and min-p mask candidates, then the best `logit / T + noise` is drawn.
//!
//! A chunk's logits lie in [`Buffer::Logits`], a row for each needed position. [`step`] walks them after the matrix product;
//! the engine walks its own rows with the same [`Draw`].

use crate::arena::{Arena, span, view, view_mut};
use crate::choices;
use crate::draw::{COUNTERS, Draw, draw_work};
use crate::error::{Due, Stop};
use crate::forward::next_chunk;
use crate::host::Host;
use crate::layout::*;
use crate::logits::{Pick, check};
use crate::noise::ln;
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
    pub fn floor(&self, largest: f32) -> f64 {
        if self.min_p == 0 {
            f64::MIN
        } else {
            f64::from(largest) + ln(f64::from(self.min_p) / 1000.0)
        }
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
        Sampling::Drawn => draw_work(&Rule::read(arena), vocab),
    };
    // Each step but the chunk's last does the budget.
    u64::from(CHUNK) * per_row / u64::from(BUDGET) + 1
}
