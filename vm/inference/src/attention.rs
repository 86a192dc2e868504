//! Attention of one head of one token over the cached keys and values that it sees, in three passes that can stop at any key.

use crate::arena::{Arena, span, view, view_mut};
use crate::error::NonFinite;
use crate::layout::*;
use crate::math::{all_finite, exp, finite};
use crate::model::Config;
use crate::ops::CHUNK;
use crate::plan::Buffer;

/// `q . k * scale` for each key, sequential over the head's elements; keys start `stride` apart.
pub fn scores(query: &[f32], keys: &[f32], stride: usize, scale: f32, out: &mut [f32]) {
    for (out, key) in out.iter_mut().zip(keys.chunks(stride)) {
        *out = query.iter().zip(key).fold(0.0, |sum, (q, k)| sum + q * k) * scale;
    }
}

/// Replaces each score by `e^(score - largest)` and adds them to `sum`, in order.
pub fn weights(scores: &mut [f32], largest: f32, sum: f32) -> f32 {
    scores.iter_mut().fold(sum, |sum, score| {
        *score = exp(*score - largest);
        sum + *score
    })
}

/// Adds each value times its weight to `out`, in order; values start `stride` apart.
pub fn mix(weights: &[f32], values: &[f32], stride: usize, out: &mut [f32]) {
    for (weight, value) in weights.iter().zip(values.chunks(stride)) {
        for (out, v) in out.iter_mut().zip(value) {
            *out += weight * v;
        }
    }
}

/// Passes over the keys.
const SCORES: u32 = 0;
const WEIGHTS: u32 = 1;
const MIX: u32 = 2;

/// Instructions for one key in each pass, about.
fn key_work(config: &Config) -> [u32; 3] {
    [7 * config.head + 30, 50, 10 * config.head + 30]
}

/// Instructions for one head of one token beside its keys.
fn head_work(config: &Config) -> u32 {
    20 * config.head + 800
}

/// At most as many macro steps does a chunk below `positions` take.
pub fn most_steps(config: &Config, positions: u32) -> u64 {
    let keys: u64 = key_work(config).into_iter().map(u64::from).sum();
    // A pass that is cut may stop short of the budget by one key's work.
    let a_head = u64::from(positions.min(config.window)) * keys + u64::from(head_work(config));
    u64::from(CHUNK * config.heads) * a_head / u64::from(BUDGET / 2) + 2
}

/// Where attention stands: before key `key` of pass `stage` of head `head` of token `t`. After the last head, `t` is the chunk's length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Token of the chunk.
    pub t: u32,
    /// Head.
    pub head: u32,
    /// Pass.
    pub stage: u32,
    /// Key position; below the first that the token sees, where the pass has not begun.
    pub key: u32,
}

impl Cursor {
    /// The cursor in the arena.
    pub fn read(arena: &Arena) -> Cursor {
        Cursor {
            t: arena.get(ITEM),
            head: arena.get(HEAD),
            stage: arena.get(ATTENTION_STAGE),
            key: arena.get(KEY_AT),
        }
    }

    /// Stores it in the arena.
    pub fn write(self, arena: &mut Arena) {
        arena.put(ITEM, self.t);
        arena.put(HEAD, self.head);
        arena.put(ATTENTION_STAGE, self.stage);
        arena.put(KEY_AT, self.key);
    }

    /// The next key that the pass reads. The chunk begins at position `at`.
    fn from(self, config: &Config, at: u32) -> u32 {
        self.key.max(config.first_seen(at + self.t))
    }

    /// Whether a head is begun.
    pub fn is_within_head(self) -> bool {
        self.stage != SCORES || self.key != 0
    }

    /// The start of the next head.
    pub fn next_head(self, config: &Config) -> Cursor {
        let last = self.head + 1 == config.heads;
        Cursor {
            t: self.t + u32::from(last),
            head: if last { 0 } else { self.head + 1 },
            stage: SCORES,
            key: 0,
        }
    }

    /// The longest piece of a pass that may come next: its end, its work, and the cursor after it. The chunk begins at position `at`.
    fn piece(self, config: &Config, at: u32, room: u32) -> (u32, u32, Cursor) {
        let per_key = key_work(config)[self.stage as usize];
        let keys = at + self.t + 1;
        let from = self.from(config, at);
        let to = keys.min(from + (room / per_key).max(1));
        let work = (to - from) * per_key;
        if to < keys {
            (to, work, Cursor { key: to, ..self })
        } else if self.stage != MIX {
            let stage = self.stage + 1;
            (
                to,
                work,
                Cursor {
                    stage,
                    key: 0,
                    ..self
                },
            )
        } else {
            (to, work + head_work(config), self.next_head(config))
        }
    }
}

/// At most `most` macro steps from `from` on: how many, and where they end. The chunk begins at position `at` and has `len` tokens.
pub fn walk(config: &Config, (at, len): (u32, u32), from: Cursor, most: u64) -> (u64, Cursor) {
    let (mut cursor, mut steps) = (from, 0);
    while steps < most && (cursor.t < len || steps == 0) {
        let mut work = 0;
        while work < BUDGET && cursor.t < len {
            let (_, more, next) = cursor.piece(config, at, BUDGET - work);
            (work, cursor) = (work + more, next);
        }
        steps += 1;
    }
    (steps, cursor)
}

/// Goes from where attention stands to `to`, in whole passes where it can.
pub fn run_to(arena: &mut Arena, config: &Config, to: Cursor) -> Result<(), NonFinite> {
    let (mut cursor, at) = (Cursor::read(arena), arena.get(CHUNK_AT));
    while cursor != to {
        let is_last = (cursor.t, cursor.head, cursor.stage) == (to.t, to.head, to.stage);
        let per_key = key_work(config)[cursor.stage as usize];
        let room = if is_last {
            (to.key - cursor.from(config, at)) * per_key
        } else {
            u32::MAX
        };
        cursor = advance(arena, config, cursor, room)?.1;
    }
    Ok(())
}

/// Does the next piece; gives its work and the cursor after it.
fn advance(
    arena: &mut Arena,
    config: &Config,
    cursor: Cursor,
    room: u32,
) -> Result<(u32, Cursor), NonFinite> {
    let at = arena.get(CHUNK_AT);
    let (to, work, next) = cursor.piece(config, at, room);
    pass(arena, config, cursor, to)?;
    if (next.t, next.head) != (cursor.t, cursor.head) {
        finish_head(arena, config, cursor.t, cursor.head)?;
    }
    next.write(arena);
    Ok((work, next))
}

/// One macro step; true once every head of every token is done.
pub fn step(arena: &mut Arena, config: &Config) -> Result<bool, NonFinite> {
    let len: u32 = arena.get(CHUNK_LEN);
    let (mut cursor, mut work) = (Cursor::read(arena), 0);
    while work < BUDGET && cursor.t < len {
        let (more, next) = advance(arena, config, cursor, BUDGET - work)?;
        (work, cursor) = (work + more, next);
    }
    Ok(cursor.t == len)
}

/// Offset of the head's output.
fn output_at(arena: &Arena, config: &Config, t: u32, head: u32) -> u32 {
    Buffer::Normed.at(arena) + 4 * (t * config.widest() + head * config.head)
}

/// The cursor's pass over keys up to `to`.
fn pass(arena: &mut Arena, config: &Config, cursor: Cursor, to: u32) -> Result<(), NonFinite> {
    let Cursor { t, head, stage, .. } = cursor;
    let at = arena.get(CHUNK_AT);
    let from = cursor.from(config, at);
    // Scores are kept from the first key seen on: so no head leaves any that the next doesn't overwrite.
    let seen = config.first_seen(at + t);
    let begins = from == seen;
    let layer: u32 = arena.get(LAYER);
    let scores_at = Buffer::Scores.at(arena) + 4 * (from - seen);
    let stride = config.kv_dim();
    let first = (layer * arena.get::<u32>(CAPACITY) + from) * stride
        + head / (config.heads / config.kv_heads) * config.head;
    // The last key's row ends with this head.
    let cached = (to - from - 1) * stride + config.head;
    match stage {
        SCORES => {
            let query = Buffer::Query.at(arena) + 4 * (t * config.query_dim() + head * config.head);
            let keys = Buffer::Keys.at(arena) + 4 * first;
            let scale = arena.get(SCALE);
            let [query, keys, out] = arena.split([
                span::<f32>(query, config.head),
                span::<f32>(keys, cached),
                span::<f32>(scores_at, to - from),
            ]);
            let out: &mut [f32] = view_mut(out);
            scores(view(query), view(keys), stride as usize, scale, out);
            all_finite(out)?;
            let largest = out
                .iter()
                .fold(f32::MIN, |m, x| if *x > m { *x } else { m });
            let before: f32 = if begins {
                f32::MIN
            } else {
                arena.get(SCORE_MAX)
            };
            arena.put(SCORE_MAX, if largest > before { largest } else { before });
        }
        WEIGHTS => {
            let (largest, sum) = (
                arena.get(SCORE_MAX),
                if begins { 0.0 } else { arena.get(WEIGHT_SUM) },
            );
            let sum = weights(arena.view_mut(scores_at, to - from), largest, sum);
            arena.put(WEIGHT_SUM, sum);
        }
        _ => {
            let out = output_at(arena, config, t, head);
            let values = Buffer::Values.at(arena) + 4 * first;
            let [weights, values, out] = arena.split([
                span::<f32>(scores_at, to - from),
                span::<f32>(values, cached),
                span::<f32>(out, config.head),
            ]);
            let out: &mut [f32] = view_mut(out);
            if begins {
                out.fill(0.0);
            }
            mix(view(weights), view(values), stride as usize, out);
            all_finite(out)?;
        }
    }
    Ok(())
}

/// Divides the head's output by the sum of its weights.
fn finish_head(arena: &mut Arena, config: &Config, t: u32, head: u32) -> Result<(), NonFinite> {
    let sum: f32 = arena.get(WEIGHT_SUM);
    let at = output_at(arena, config, t, head);
    let out: &mut [f32] = arena.view_mut(at, config.head);
    divide(out, sum)
}

/// Divides the mixed values by the sum of the weights, which is at least 1.
pub fn divide(out: &mut [f32], sum: f32) -> Result<(), NonFinite> {
    if !finite(sum) {
        return Err(NonFinite);
    }
    out.iter_mut().for_each(|x| *x /= sum);
    all_finite(out)
}
