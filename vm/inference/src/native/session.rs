//! The forward pass on the engine's own buffers: the same kernels as the program, on all cores, with a cache that can be cut.

use super::engine::Model;
use super::sampling::Kept;
use super::threads::spread;
use crate::attention::{divide, mix, scores, weights};
use crate::error::NonFinite;
use crate::forward::{rms_norm, silu_times};
use crate::math::{all_finite, sqrt};
use crate::matmul::{Input, Outputs, rows, widen};
use crate::ops::CHUNK;
use crate::quantize::{BLOCK, BLOCK_SCALES, BLOCK_WORDS, quantize};
use crate::rope::{rotate, table};
use crate::sampler::Rule;
use crate::tensors::{Format, Global, InLayer, Tensor, global, in_layer};
use std::sync::Arc;

pub use crate::logits::Pick;

/// Keys and values of one layer: a row of `kv_dim` numbers for each position.
#[derive(Clone, Default)]
struct Cache {
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// A sequence of tokens under computation. Results don't depend on how they are fed.
#[derive(Clone)]
pub struct Session {
    model: Arc<Model>,
    caches: Vec<Cache>,
    len: usize,
    /// How picks are drawn; the best score is picked where there is none.
    rule: Option<Rule>,
}

/// A chunk's numbers, `stride` apart, and packed where a Q8_0 matrix will read them.
struct Rows {
    x: Vec<f32>,
    stride: usize,
    words: Vec<i64>,
    scales: Vec<f32>,
}

impl Rows {
    /// Packs `x`, rows of `stride` numbers.
    fn pack(x: Vec<f32>, stride: usize) -> Result<Rows, NonFinite> {
        let blocks = if stride.is_multiple_of(BLOCK) {
            stride / BLOCK
        } else {
            0
        };
        let (mut words, mut scales) = (
            vec![0; blocks * BLOCK_WORDS],
            vec![0.0; blocks * BLOCK_SCALES],
        );
        if blocks > 0 {
            for (t, x) in (0..CHUNK).zip(x.chunks_exact(stride)) {
                quantize(x, t, &mut words, &mut scales)?;
            }
        }
        Ok(Rows {
            x,
            stride,
            words,
            scales,
        })
    }

    fn tokens(&self) -> usize {
        self.x.len() / self.stride
    }
}

impl Session {
    pub(super) fn new(model: Arc<Model>) -> Session {
        let caches = vec![Cache::default(); model.config.layers as usize];
        Session {
            model,
            caches,
            len: 0,
            rule: None,
        }
    }

    /// The same, whose picks follow `rule`.
    pub(super) fn drawing(self, rule: Option<Rule>) -> Session {
        Session { rule, ..self }
    }

    pub(super) fn vocab(&self) -> u32 {
        self.model.config.vocab
    }

    /// Positions fed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was fed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        let numbers = self.len * self.model.config.kv_dim() as usize;
        for cache in &mut self.caches {
            cache.keys.truncate(numbers);
            cache.values.truncate(numbers);
        }
    }

    /// Feeds `ids`; for each from `ids[from]` on, gives the pick of the position after it. `claimed` in a pick is the
    /// score of the id that follows in `ids` (0 after the last). Each id is below the vocabulary's size.
    ///
    /// Stops at the first position that goes non-finite: then fewer picks come back, and [`Session::len`] says where.
    pub fn feed(&mut self, ids: &[u32], from: usize) -> (Vec<Pick>, Result<(), NonFinite>) {
        let mut picks = Vec::new();
        let mut at = 0;
        let mut size = CHUNK as usize;
        while at < ids.len() {
            let end = (at + size).min(ids.len());
            match self.feed_chunk(ids, at..end, from.clamp(at, end)) {
                Ok(more) => {
                    picks.extend(more);
                    at = end;
                }
                // Find the very position.
                Err(NonFinite) if size > 1 => size = 1,
                Err(NonFinite) => return (picks, Err(NonFinite)),
            }
        }
        (picks, Ok(()))
    }

    /// Feeds one id; gives the score of every vocabulary entry at the position after it.
    pub fn scores(&mut self, id: u32) -> Result<Vec<f32>, NonFinite> {
        let mut scores = Vec::with_capacity(self.model.config.vocab as usize);
        self.chunk(&[id], 0, |_, logits| {
            scores.push(logits[0]);
            Ok(())
        })?;
        Ok(scores)
    }

    fn feed_chunk(
        &mut self,
        ids: &[u32],
        range: std::ops::Range<usize>,
        from: usize,
    ) -> Result<Vec<Pick>, NonFinite> {
        let mut picks = vec![Pick::START; range.end - from];
        let mut kept = self.rule.map(|_| Kept::new(self.vocab(), picks.len()));
        self.chunk(&ids[range.clone()], from - range.start, |id, logits| {
            for (i, (pick, logit)) in picks.iter_mut().zip(logits).enumerate() {
                pick.see(
                    id,
                    *logit,
                    ids.get(from + i + 1).copied().unwrap_or(u32::MAX),
                )?;
            }
            if let Some(kept) = &mut kept {
                kept.see(id, logits);
            }
            Ok(())
        })?;
        if let (Some(rule), Some(kept)) = (&self.rule, &kept) {
            let first = self.len - picks.len() + 1;
            kept.draw(rule, first as u32, &mut picks, self.model.threads);
        }
        Ok(picks)
    }

    /// Computes one chunk of at most [`CHUNK`] ids and shows `see` each vocabulary entry's logits for the positions from `need` on.
    /// Where it fails, nothing was fed.
    pub(super) fn chunk(
        &mut self,
        ids: &[u32],
        need: usize,
        see: impl FnMut(u32, &Outputs) -> Result<(), NonFinite>,
    ) -> Result<(), NonFinite> {
        let start = self.len;
        self.len += ids.len();
        let result = self.compute(start, ids, need, see);
        if result.is_err() {
            self.truncate(start);
        }
        result
    }

    fn compute(
        &mut self,
        start: usize,
        ids: &[u32],
        need: usize,
        mut see: impl FnMut(u32, &Outputs) -> Result<(), NonFinite>,
    ) -> Result<(), NonFinite> {
        let model = self.model.clone();
        let (config, dim) = (&model.config, model.config.dim as usize);
        let mut stream = self.embed(ids)?;
        let head = config.head as usize;
        let mut angles = vec![0.0; ids.len() * head];
        for (t, out) in angles.chunks_exact_mut(head).enumerate() {
            table((start + t) as u32, &model.turns, out);
        }
        for layer in 0..config.layers {
            let tensor = |t: InLayer| model.tensor(in_layer(layer, t));
            let normed = self.norm(&stream, in_layer(layer, InLayer::AttentionNorm))?;
            let mut query = self.multiply(tensor(InLayer::Query), &normed);
            let mut keys = self.multiply(tensor(InLayer::Key), &normed);
            let values = self.multiply(tensor(InLayer::Value), &normed);
            for (x, width) in [(&mut query, dim), (&mut keys, config.kv_dim() as usize)] {
                for (x, angles) in x.chunks_exact_mut(width).zip(angles.chunks_exact(head)) {
                    rotate(x, angles);
                }
                all_finite(x)?;
            }
            all_finite(&values)?;
            let cache = &mut self.caches[layer as usize];
            cache.keys.extend_from_slice(&keys);
            cache.values.extend_from_slice(&values);
            let attended = Rows::pack(self.attend(layer as usize, start, &query)?, dim)?;
            add(
                &mut stream,
                &self.multiply(tensor(InLayer::AttentionOut), &attended),
            )?;
            let normed = self.norm(&stream, in_layer(layer, InLayer::FfnNorm))?;
            let (mut gate, up) = (
                self.multiply(tensor(InLayer::Gate), &normed),
                self.multiply(tensor(InLayer::Up), &normed),
            );
            all_finite(&gate).and(all_finite(&up))?;
            gate.iter_mut()
                .zip(&up)
                .for_each(|(gate, up)| *gate = silu_times(*gate, *up));
            all_finite(&gate)?;
            let active = Rows::pack(gate, config.ffn as usize)?;
            add(&mut stream, &self.multiply(tensor(InLayer::Down), &active))?;
        }
        if need == ids.len() {
            return Ok(());
        }
        let normed = self.norm(&stream[need * dim..], global(Global::Norm))?;
        let logits = self.outputs(&model.output, &normed);
        (0..)
            .zip(logits.iter().flatten())
            .try_for_each(|(id, logits)| see(id, logits))
    }

    fn embed(&self, ids: &[u32]) -> Result<Vec<f32>, NonFinite> {
        let (tensor, dim) = (
            self.model.tensor(global(Global::Embedding)),
            self.model.config.dim as usize,
        );
        let mut out = vec![0.0; ids.len() * dim];
        for (id, out) in ids.iter().zip(out.chunks_exact_mut(dim)) {
            widen(
                tensor.format,
                self.model.rows(tensor, *id as usize..*id as usize + 1),
                out,
            );
        }
        all_finite(&out)?;
        Ok(out)
    }

    fn norm(&self, x: &[f32], slot: u32) -> Result<Rows, NonFinite> {
        let dim = self.model.config.dim as usize;
        let weights = self.model.rows(self.model.tensor(slot), 0..1);
        let mut out = vec![0.0; x.len()];
        for (x, out) in x.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
            rms_norm(x, weights, self.model.config.epsilon, out)?;
        }
        Rows::pack(out, dim)
    }

    /// A matrix times each token, row-major by token.
    fn multiply(&self, tensor: &Tensor, input: &Rows) -> Vec<f32> {
        let (tokens, width) = (input.tokens(), tensor.rows as usize);
        let mut out = vec![0.0; tokens * width];
        for (row, outputs) in self.outputs(tensor, input).iter().flatten().enumerate() {
            out[row..]
                .iter_mut()
                .step_by(width)
                .zip(outputs)
                .for_each(|(out, y)| *out = *y);
        }
        out
    }

    /// A matrix times each token, row by row, in pieces.
    fn outputs(&self, tensor: &Tensor, input: &Rows) -> Vec<Vec<Outputs>> {
        let (tokens, columns) = (input.tokens() as u32, tensor.columns);
        let cost = u64::from(tensor.rows) * u64::from(columns) * u64::from(tokens.div_ceil(3));
        spread(self.model.threads, tensor.rows as usize, cost, |range| {
            let mut out = Vec::with_capacity(range.len());
            let kernel_input = match tensor.format {
                Format::Q8 => Input::Packed(&input.words, &input.scales),
                Format::F16 | Format::F32 => Input::Floats(&input.x, input.stride),
            };
            let mut scratch = vec![
                0.0;
                if tensor.format == Format::Q8 {
                    0
                } else {
                    columns as usize
                }
            ];
            let data = self.model.rows(tensor, range);
            rows(
                (tensor.format, columns),
                data,
                kernel_input,
                tokens,
                &mut scratch,
                |_, outputs| out.push(*outputs),
            );
            out
        })
    }

    /// Attention of all heads of the chunk's tokens, the first at position `start`.
    fn attend(&self, layer: usize, start: usize, query: &[f32]) -> Result<Vec<f32>, NonFinite> {
        let config = &self.model.config;
        let (cache, head, stride) = (
            &self.caches[layer],
            config.head as usize,
            config.kv_dim() as usize,
        );
        let (heads, share) = (
            config.heads as usize,
            (config.heads / config.kv_heads) as usize,
        );
        let scale = 1.0 / sqrt(config.head as f32);
        let pairs = query.len() / head;
        let cost = pairs as u64 * (start as u64 + u64::from(CHUNK)) * head as u64 * 4;
        let parts = spread(
            self.model.threads,
            pairs,
            cost,
            |range| -> Result<Vec<f32>, NonFinite> {
                let mut out = vec![0.0; range.len() * head];
                for (pair, out) in range.zip(out.chunks_exact_mut(head)) {
                    let (keys, at) = (start + pair / heads + 1, pair % heads / share * head);
                    let mut scored = vec![0.0; keys];
                    scores(
                        &query[pair * head..][..head],
                        &cache.keys[at..],
                        stride,
                        scale,
                        &mut scored,
                    );
                    all_finite(&scored)?;
                    let largest = scored
                        .iter()
                        .fold(f32::MIN, |m, x| if *x > m { *x } else { m });
                    let sum = weights(&mut scored, largest, 0.0);
                    mix(&scored, &cache.values[at..], stride, out);
                    divide(out, sum)?;
                }
                Ok(out)
            },
        );
        Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }
}

fn add(stream: &mut [f32], more: &[f32]) -> Result<(), NonFinite> {
    stream.iter_mut().zip(more).for_each(|(x, y)| *x += y);
    all_finite(stream)
}
