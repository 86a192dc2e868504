//! Attention on caches laid out for vectors across keys.

use super::engine::Model;
use super::vectors::{self, KEYS};
use crate::attention::divide;
use crate::error::NonFinite;
use crate::forward::{add_bias, norm_heads};
use crate::math::sqrt;
use crate::tensors::{InLayer, in_layer};
use rayon::prelude::*;

/// Keys and values of one head of one layer.
#[derive(Clone, Default)]
pub(super) struct Cache {
    /// In groups of [`KEYS`] positions: `[group][element][position]`.
    keys: Vec<f32>,
    /// A row for each position.
    values: Vec<f32>,
}

/// Where the group of `position` begins, in positions.
fn group_of(position: usize) -> usize {
    position / KEYS * KEYS
}

impl Cache {
    /// Sets position `at`, at most one past the last.
    fn set(&mut self, at: usize, key: &[f32], value: &[f32]) {
        let head = key.len();
        let group = group_of(at) * head;
        if self.keys.len() < group + head * KEYS {
            self.keys.resize(group + head * KEYS, 0.0);
        }
        let slots = self.keys[group + at % KEYS..].iter_mut().step_by(KEYS);
        slots.zip(key).for_each(|(slot, k)| *slot = *k);
        self.values.truncate(at * head);
        self.values.extend_from_slice(value);
    }
}

/// Everything between the products and attention: biases, norms of heads, rotations, for rows of queries, keys and values. Each token has its
/// `angles`, as many as a head has elements.
pub(super) fn ready(
    model: &Model,
    layer: u32,
    products: [&mut [f32]; 3],
    angles: &[f32],
) -> Result<(), NonFinite> {
    let (config, level) = (&model.config, model.level);
    let head = config.head as usize;
    let tokens = angles.len() / head;
    let parts = [
        (InLayer::QueryBias, Some(InLayer::QueryNorm)),
        (InLayer::KeyBias, Some(InLayer::KeyNorm)),
        (InLayer::ValueBias, None),
    ];
    for (x, (bias, norm)) in products.into_iter().zip(parts) {
        vectors::finite(level, x)?;
        let width = x.len() / tokens;
        let bias = model.row(in_layer(layer, bias));
        let norm = norm.map(|norm| model.row(in_layer(layer, norm)));
        x.par_chunks_exact_mut(width)
            .zip(angles.par_chunks_exact(head))
            .with_min_len(4)
            .try_for_each(|(x, angles)| {
                if let Some(bias) = bias {
                    add_bias(x, bias);
                    vectors::finite(level, x)?;
                }
                let Some(norm) = norm else {
                    return Ok(());
                };
                if let Some(weights) = norm {
                    norm_heads(x, weights, config.epsilon)?;
                }
                vectors::rotate(level, config.architecture, x, angles)
            })?;
    }
    Ok(())
}

/// Puts rows of keys and values of all heads of a layer at positions from `start` on.
pub(super) fn keep(
    caches: &mut [Cache],
    start: usize,
    (keys, values): (&[f32], &[f32]),
    head: usize,
) {
    let kv_dim = caches.len() * head;
    for (h, cache) in caches.iter_mut().enumerate() {
        let rows = keys.chunks_exact(kv_dim).zip(values.chunks_exact(kv_dim));
        for (t, (key, value)) in rows.enumerate() {
            let range = h * head..(h + 1) * head;
            cache.set(start + t, &key[range.clone()], &value[range]);
        }
    }
}

/// The last head's largest score, sum of weights and weights, as the program leaves them.
#[derive(Default)]
pub(super) struct Last {
    pub largest: f32,
    pub sum: f32,
    pub weights: Vec<f32>,
}

/// Attention of consecutive heads, of which `query` has the queries: head `first` of those of the token at position `start` is the first. Keys and
/// values are in the layer's `caches`.
pub(super) fn attend(
    model: &Model,
    caches: &[Cache],
    (start, first): (usize, usize),
    query: &[f32],
    last: Option<&mut Last>,
) -> Result<Vec<f32>, NonFinite> {
    let config = &model.config;
    let (head, heads) = (config.head as usize, config.heads as usize);
    let share = heads / config.kv_heads as usize;
    let scale = 1.0 / sqrt(config.head as f32);
    let mut out = vec![0.0; query.len()];
    let one = |pair: usize, out: &mut [f32], scored: &mut Vec<f32>| {
        let (t, h) = ((first + pair) / heads, (first + pair) % heads);
        let (cache, query) = (&caches[h / share], &query[pair * head..][..head]);
        let position = start + t;
        let seen = config.first_seen(position as u32) as usize;
        // The first group may hold positions that are seen no more: their scores are dropped.
        let base = group_of(seen);
        scored.clear();
        scored.resize(position + 1 - base, 0.0);
        vectors::scores(
            model.level,
            query,
            &cache.keys[base * head..],
            scale,
            scored,
        );
        scored.drain(..seen - base);
        vectors::finite(model.level, scored)?;
        let largest = vectors::largest(model.level, scored);
        let sum = vectors::weights(model.level, scored, largest);
        vectors::mix(model.level, scored, &cache.values[seen * head..], out);
        divide(out, sum)?;
        Ok((largest, sum))
    };
    out.par_chunks_exact_mut(head)
        .with_min_len(4)
        .enumerate()
        .map_init(Vec::new, |scored, (pair, out)| {
            one(pair, out, scored).map(|_| ())
        })
        .collect::<Result<(), NonFinite>>()?;
    if let Some(last) = last {
        let (pair, mut out) = (query.len() / head - 1, vec![0.0; head]);
        (last.largest, last.sum) = one(pair, &mut out, &mut last.weights)?;
    }
    Ok(out)
}
