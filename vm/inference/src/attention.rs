//! Attention of one head of one token over the cached keys and values, in three passes that can stop at any key.

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
    let a_head = u64::from(positions) * keys + u64::from(head_work(config));
    u64::from(CHUNK * config.heads) * a_head / u64::from(BUDGET / 2) + 2
}

/// Macro steps that [`step`] takes from the start of the operator to its end.
pub fn steps(arena: &Arena, config: &Config) -> u64 {
    let (chunk, len) = (arena.get::<u32>(CHUNK_AT), arena.get::<u32>(CHUNK_LEN));
    let (mut steps, mut work) = (1, 0);
    for t in 0..len {
        for _ in 0..config.heads {
            for per_key in key_work(config) {
                let mut left = chunk + t + 1;
                while left > 0 {
                    if work >= BUDGET {
                        (steps, work) = (steps + 1, 0);
                    }
                    let done = left.min(((BUDGET - work) / per_key).max(1));
                    left -= done;
                    work += done * per_key;
                }
            }
            work += head_work(config);
        }
    }
    steps
}

/// One macro step; true once every head of every token is done.
pub fn step(arena: &mut Arena, config: &Config) -> Result<bool, NonFinite> {
    let mut work = 0;
    while work < BUDGET {
        let (t, head) = (arena.get::<u32>(ITEM), arena.get::<u32>(HEAD));
        if t == arena.get(CHUNK_LEN) {
            return Ok(true);
        }
        let stage: u32 = arena.get(ATTENTION_STAGE);
        let per_key = key_work(config)[stage as usize];
        let most = ((BUDGET - work) / per_key).max(1);
        let (from, keys) = (arena.get::<u32>(KEY_AT), arena.get::<u32>(CHUNK_AT) + t + 1);
        let to = keys.min(from + most);
        pass(arena, config, stage, from, to)?;
        work += (to - from) * per_key;
        if to < keys {
            arena.put(KEY_AT, to);
            continue;
        }
        arena.put(KEY_AT, 0u32);
        if stage != MIX {
            arena.put(ATTENTION_STAGE, stage + 1);
            continue;
        }
        finish_head(arena, config, t, head)?;
        work += head_work(config);
        arena.put(ATTENTION_STAGE, SCORES);
        let last = head + 1 == config.heads;
        arena.put(HEAD, if last { 0 } else { head + 1 });
        arena.put(ITEM, if last { t + 1 } else { t });
    }
    Ok(arena.get::<u32>(ITEM) == arena.get(CHUNK_LEN))
}

/// Offset of the head's output.
fn output_at(arena: &Arena, config: &Config, t: u32, head: u32) -> u32 {
    Buffer::Normed.at(arena) + 4 * (t * config.widest() + head * config.head)
}

/// One pass over keys `from .. to` of the current head.
fn pass(
    arena: &mut Arena,
    config: &Config,
    stage: u32,
    from: u32,
    to: u32,
) -> Result<(), NonFinite> {
    let (t, head, layer) = (
        arena.get::<u32>(ITEM),
        arena.get::<u32>(HEAD),
        arena.get::<u32>(LAYER),
    );
    let scores_at = Buffer::Scores.at(arena) + 4 * from;
    let stride = config.kv_dim();
    let first = (layer * arena.get::<u32>(CAPACITY) + from) * stride
        + head / (config.heads / config.kv_heads) * config.head;
    // The last key's row ends with this head.
    let cached = (to - from - 1) * stride + config.head;
    match stage {
        SCORES => {
            let query = Buffer::Query.at(arena) + 4 * (t * config.dim + head * config.head);
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
            let before: f32 = if from == 0 {
                f32::MIN
            } else {
                arena.get(SCORE_MAX)
            };
            arena.put(SCORE_MAX, if largest > before { largest } else { before });
        }
        WEIGHTS => {
            let (largest, sum) = (
                arena.get(SCORE_MAX),
                if from == 0 {
                    0.0
                } else {
                    arena.get(WEIGHT_SUM)
                },
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
            if from == 0 {
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
