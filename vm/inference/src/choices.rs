//! Answers out of a list: each choice is tokenized by itself, then scored after the prompt; the best one is the answer.
//!
//! A choice's score is the sum of its ids' log-probabilities. The prompt is computed once; its last logits score every
//! choice's first id. The choices then follow one by one from there on, each over the cache rows of the one before it.

use crate::areas::Area;
use crate::arena::Arena;
use crate::draw::PIECE;
use crate::error::{Due, Stop, Wrong};
use crate::forward::start_chunk;
use crate::host::{Host, Loaded, Rom};
use crate::keys::Key;
use crate::layout::*;
use crate::logits::Pick;
use crate::math::exp;
use crate::model::Config;
use crate::noise::ln;
use crate::ops::CHUNK;
use crate::program::Phase;
use crate::sampler::logits_at;

/// A choice's ids: index of the first among [`Area::Ids`], and how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Index of the first id.
    pub first: u32,
    /// Ids.
    pub count: u32,
}

impl Choice {
    /// The `i`-th choice.
    pub fn read(arena: &Arena, i: u32) -> Choice {
        let words: &[u32] = arena.view(CHOICES + 8 * i, 2);
        Choice {
            first: words[0],
            count: words[1],
        }
    }

    fn write(self, arena: &mut Arena, i: u32) {
        arena
            .view_mut(CHOICES + 8 * i, 2)
            .copy_from_slice(&[self.first, self.count]);
    }

    /// The choice's ids.
    pub fn ids<'a>(&self, arena: &'a Arena) -> &'a [u32] {
        arena.view(Area::Ids.at(arena) + 4 * self.first, self.count)
    }
}

/// How many bytes the `i`-th choice has.
fn len(arena: &Arena, i: u32) -> u32 {
    arena.get(PARTS + 8 * (arena.get::<u32>(PART_COUNT) + i) + 4)
}

/// Every choice's bytes, in order. Choices lie behind the prompt's parts.
pub fn texts<'a>(arena: &'a Arena) -> impl Iterator<Item = &'a [u8]> {
    let part = |i: u32| arena.get::<u32>(PARTS + 8 * i + 4);
    let mut at = INPUT + (0..arena.get(PART_COUNT)).map(part).sum::<u32>();
    (0..arena.get(CHOICE_COUNT)).map(move |i| {
        let text = arena.bytes(at, len(arena, i));
        at += len(arena, i);
        text
    })
}

/// Fails where two choices are the same: one of them could never be the answer.
pub fn check_distinct(arena: &Arena) -> Result<(), Due> {
    for (i, text) in texts(arena).enumerate() {
        if texts(arena).take(i).any(|other| other == text) {
            return Err(Due::BadRequest);
        }
    }
    Ok(())
}

/// After a text was tokenized, the prompt or a choice: goes on to the next choice, or to the plan.
pub fn next_text(arena: &mut Arena) -> Result<(), Due> {
    let done: u32 = arena.get(TEXTS);
    // A byte-level vocabulary may lack every byte of it.
    if done > 0 && Choice::read(arena, done - 1).count == 0 {
        return Err(Due::BadRequest);
    }
    if done == arena.get(CHOICE_COUNT) {
        arena.put(PHASE, Phase::Plan as u32);
        return Ok(());
    }
    // The first choice's ids lie behind the prompt's and those of an answer.
    let first = match done.checked_sub(1) {
        Some(last) => {
            let last = Choice::read(arena, last);
            last.first + last.count
        }
        None => arena.get::<u32>(PROMPT_COUNT) + arena.get::<u32>(TOKENS_WANTED),
    };
    Choice { first, count: 0 }.write(arena, done);
    arena.put(TEXTS, done + 1);
    arena.put(LAST_PART, arena.get::<u32>(PART_COUNT) + done + 1);
    // The tokenizer starts anew: nothing joins across choices.
    for field in [ESCAPED_LEN, ITEM_COUNT, RUN_OPEN, MERGE_ITEM] {
        arena.put(field, 0u32);
    }
    arena.put(PHASE, Phase::Split as u32);
    Ok(())
}

/// Whether a choice is being tokenized: it gets neither a first id nor a space in front.
pub fn is_text_of_choice(arena: &Arena) -> bool {
    arena.get::<u32>(TEXTS) > 0
}

/// Appends one id to the choice being tokenized, which must fit the answer, the context and the size rule.
pub fn push_id(arena: &mut Arena, id: u32) -> Result<(), Stop> {
    let i = arena.get::<u32>(TEXTS) - 1;
    let choice = Choice::read(arena, i);
    let count = choice.count + 1;
    let bytes = arena.get::<u32>(PAYLOAD_LEN) + 5 + 4 * count + len(arena, i);
    if count > arena.get(TOKENS_WANTED)
        || arena.get::<u32>(PROMPT_COUNT) + count > arena.get(Key::Context.at())
        || bytes > MAX_BYTES
    {
        return Err(Due::PromptTooLong.into());
    }
    arena.put(Area::Ids.at(arena) + 4 * (choice.first + choice.count), id);
    Choice { count, ..choice }.write(arena, i);
    Ok(())
}

/// Ids of the longest choice.
pub fn longest(arena: &Arena) -> u32 {
    (0..arena.get(CHOICE_COUNT))
        .map(|i| Choice::read(arena, i).count)
        .fold(0, u32::max)
}

/// Chunks that all passes have.
pub fn chunks(arena: &Arena) -> u64 {
    // Nothing depends on a choice's last id.
    let passes = (0..arena.get(CHOICE_COUNT))
        .map(|i| Choice::read(arena, i).count.saturating_sub(1))
        .chain([arena.get(PROMPT_COUNT)]);
    passes.map(|n| u64::from(n.div_ceil(CHUNK))).sum()
}

/// The macro step that finds the claimed choice: ids and text must both be its own. Then the prompt's pass begins.
pub fn claim<H: Host>(host: &mut H) -> Result<(), Stop> {
    let arena = host.arena();
    let (kind, count) = (arena.get::<u32>(KIND), arena.get::<u32>(COUNT));
    if kind == 0 {
        let len = arena.get::<u32>(OUTPUT_LEN) - 5 - 4 * count;
        if len > MAX_CHOICE_BYTES {
            return Err(Wrong::Text.into());
        }
        let Loaded {
            data, mut arena, ..
        } = host.load(Rom::Output, u64::from(5 + 4 * count), len);
        let i = (0..)
            .zip(texts(&arena))
            .find_map(|(i, text)| (text == data).then_some(i))
            .ok_or(Wrong::Text)?;
        let choice = Choice::read(&arena, i);
        let claimed = Area::Ids.at(&arena) + 4 * arena.get::<u32>(PROMPT_COUNT);
        if choice.count != count {
            return Err(Wrong::Length.into());
        }
        if choice.ids(&arena) != arena.view::<u32>(claimed, count) {
            return Err(Wrong::Token.into());
        }
        arena.put(CLAIMED, i);
    } else if count > 0 {
        // Which choice's pass went non-finite is no part of the answer.
        return Err(Wrong::Kind.into());
    }
    let mut arena = host.arena();
    let prompt: u32 = arena.get(PROMPT_COUNT);
    arena.put(FED, prompt);
    start_chunk(&mut arena, 0);
    arena.put(PHASE, Phase::Forward as u32);
    Ok(())
}

/// Instructions for one id's share of the sum, and for one id's score, about.
const SHARE: u32 = 60;
const SCORE: u32 = 60;

/// Instructions for one row of logits, about.
pub fn row_work(vocab: u32) -> u64 {
    let pieces = vocab.div_ceil(PIECE) + 1;
    u64::from(vocab) * u64::from(SHARE) + u64::from(pieces) * 600 + u64::from(MAX_CHOICES * SCORE)
}

/// Adds `e^(score - largest)` of each score to `sum`, in order.
pub fn add_shares(sum: f64, scores: &[f32], largest: f32) -> f64 {
    // The difference may be below f32's range, where `exp` is 0 as it is from -87 down.
    scores
        .iter()
        .fold(sum, |sum, score| sum + f64::from(exp(score - largest)))
}

/// Log-probability of an id of this score; `sum` is that of all shares, at least 1.
pub fn log_probability(score: f32, sum: f64, largest: f32) -> f64 {
    f64::from(score) - (f64::from(largest) + ln(sum))
}

/// The best of all scores, which are finite; the lowest of equals.
pub fn best(scores: impl Iterator<Item = f64>) -> u32 {
    let mut found = (f64::MIN, 0);
    for (i, score) in (0..).zip(scores) {
        if i == 0 || score > found.0 {
            found = (score, i);
        }
    }
    found.1
}

/// Before a row's first id.
pub fn begin_row(arena: &mut Arena) {
    arena.put(SUMMED, 0u32);
    arena.put(SUM, 0f64.to_bits());
}

/// One piece of the chunk's `row`-th needed position: its sum, and at last the scores of the ids that follow it.
pub fn walk(arena: &mut Arena, row: u32) -> (u32, bool) {
    let vocab = Config::read(arena).vocab;
    let (from, largest) = (arena.get::<u32>(SUMMED), Pick::read(arena, row).best);
    let len = (vocab - from).min(PIECE);
    let scores = arena.view(logits_at(arena, row, vocab) + 4 * from, len);
    let sum = add_shares(f64::from_bits(arena.get(SUM)), scores, largest);
    arena.put(SUM, sum.to_bits());
    arena.put(SUMMED, from + len);
    if from + len < vocab {
        return (500 + len * SHARE, false);
    }
    let logits = logits_at(arena, row, vocab);
    let (pass, prompt) = (arena.get::<u32>(PASS), arena.get::<u32>(PROMPT_COUNT));
    // The prompt's last position scores every first id; position p of a choice's pass, its id p + 1.
    let (range, at) = match pass.checked_sub(1) {
        None => (0..arena.get(CHOICE_COUNT), 0),
        Some(i) => (i..i + 1, arena.get::<u32>(CHUNK_AT) + row - prompt + 1),
    };
    for i in range {
        let choice = Choice::read(arena, i);
        if at < choice.count {
            let id = choice.ids(arena)[at as usize];
            let more = log_probability(arena.get(logits + 4 * id), sum, largest);
            let score = f64::from_bits(arena.get(SCORES + 8 * i)) + more;
            arena.put(SCORES + 8 * i, score.to_bits());
        }
    }
    (500 + len * SHARE + MAX_CHOICES * SCORE, true)
}

/// Moves to the pass's next chunk or to the next pass; after the last one, compares the claimed choice with the best.
pub fn next_chunk(arena: &mut Arena) -> Result<(), Stop> {
    let end = arena.get::<u32>(CHUNK_AT) + arena.get::<u32>(CHUNK_LEN);
    if end < arena.get(FED) {
        start_chunk(arena, end);
        return Ok(());
    }
    let (count, prompt) = (
        arena.get::<u32>(CHOICE_COUNT),
        arena.get::<u32>(PROMPT_COUNT),
    );
    for i in arena.get(PASS)..count {
        let choice = Choice::read(arena, i);
        if choice.count > 1 {
            feed(arena, choice, prompt);
            arena.put(PASS, i + 1);
            return Ok(());
        }
    }
    let scores = (0..count).map(|i| f64::from_bits(arena.get(SCORES + 8 * i)));
    let best = best(scores);
    Err(claimed(arena, best))
}

/// How the program ends where choice `best` is the answer.
pub fn claimed(arena: &mut Arena, best: u32) -> Stop {
    if arena.get::<u32>(KIND) != 0 {
        Wrong::Kind.into()
    } else if best == arena.get(CLAIMED) {
        Stop::Right
    } else {
        Wrong::Token.into()
    }
}

/// Puts a choice's ids, but the last, behind the prompt's.
fn feed(arena: &mut Arena, choice: Choice, prompt: u32) {
    let ids = Area::Ids.at(arena);
    let fed = choice.count - 1;
    for j in 0..fed {
        let id: u32 = arena.get(ids + 4 * (choice.first + j));
        arena.put(ids + 4 * (prompt + j), id);
    }
    arena.put(FED, prompt + fed);
    start_chunk(arena, prompt);
}
