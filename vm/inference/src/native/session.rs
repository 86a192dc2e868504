//! The forward pass on the engine's own buffers: the program's arithmetic on all cores, with a cache that can be cut.

use super::attend::{Cache, attend, keep, ready};
use super::engine::Model;
use super::kernels::{Activations, Matrix, Out};
use super::sampling::Kept;
use super::vectors;
use crate::error::NonFinite;
use crate::math::all_finite;
use crate::matmul::widen;
use crate::rope::table;
use crate::sampler::Rule;
use crate::tensors::{Global, InLayer, Tensor, global, in_layer};
use rayon::prelude::*;
use std::sync::Arc;

pub use crate::logits::Pick;

/// Most tokens that are computed together: weights are read from memory once for all of them.
const BATCH: usize = 128;

/// A sequence of tokens under computation. Results don't depend on how they are fed.
#[derive(Clone)]
pub struct Session {
    model: Arc<Model>,
    /// `[layer][kv head]`.
    caches: Vec<Cache>,
    len: usize,
    /// How picks are drawn; the best score is picked where there is none.
    rule: Option<Rule>,
}

impl Session {
    pub(super) fn new(model: Arc<Model>) -> Session {
        let heads = model.config.layers * model.config.kv_heads;
        Session {
            caches: vec![Cache::default(); heads as usize],
            model,
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
        // What the caches hold beyond is overwritten before it is read.
        self.len = self.len.min(len);
    }

    /// Feeds `ids`; for each from `ids[from]` on, gives the pick of the position after it. `claimed` in a pick is the
    /// score of the id that follows in `ids` (0 after the last). Each id is below the vocabulary's size.
    ///
    /// Stops at the first position that goes non-finite: then fewer picks come back, and [`Session::len`] says where.
    pub fn feed(&mut self, ids: &[u32], from: usize) -> (Vec<Pick>, Result<(), NonFinite>) {
        let mut picks = Vec::new();
        let mut at = 0;
        let mut size = BATCH;
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
        let scores = self.logits(&[id], 0)?;
        all_finite(&scores)?;
        self.len += 1;
        Ok(scores)
    }

    fn feed_chunk(
        &mut self,
        ids: &[u32],
        range: std::ops::Range<usize>,
        from: usize,
    ) -> Result<Vec<Pick>, NonFinite> {
        let logits = self.logits(&ids[range.clone()], from - range.start)?;
        let kept = Kept::new(logits, self.vocab());
        let mut picks = kept.picks(|i| ids.get(from + i + 1).copied())?;
        self.len += range.len();
        if let Some(rule) = &self.rule {
            let first = self.len - picks.len() + 1;
            kept.draw(rule, first as u32, &mut picks, &self.model.pool);
        }
        Ok(picks)
    }

    /// Computes some ids; gives the logits of the positions from `need` on. Where it fails, nothing was fed.
    pub(super) fn kept(&mut self, ids: &[u32], need: usize) -> Result<Kept, NonFinite> {
        let kept = Kept::new(self.logits(ids, need)?, self.vocab());
        self.len += ids.len();
        Ok(kept)
    }

    /// The logits after each of `ids` from `need` on: a row of the vocabulary's size for each. Nothing is fed yet.
    fn logits(&mut self, ids: &[u32], need: usize) -> Result<Vec<f32>, NonFinite> {
        let model = self.model.clone();
        model.pool.inside(|| self.compute(&model, ids, need))
    }

    fn compute(&mut self, model: &Model, ids: &[u32], need: usize) -> Result<Vec<f32>, NonFinite> {
        let (config, level) = (&model.config, model.level);
        let (query_dim, ffn) = (config.query_dim() as usize, config.ffn as usize);
        let dim = config.dim as usize;
        let (head, kv_dim) = (config.head as usize, config.kv_dim() as usize);
        let tokens = ids.len();
        let mut stream = embed(model, ids)?;
        let mut angles = vec![0.0; tokens * head];
        for (t, out) in angles.chunks_exact_mut(head).enumerate() {
            table((self.len + t) as u32, &model.turns, out);
        }
        let mut query = vec![0.0; tokens * query_dim];
        let (mut keys, mut values) = (vec![0.0; tokens * kv_dim], vec![0.0; tokens * kv_dim]);
        let (mut gate, mut up) = (vec![0.0; tokens * ffn], vec![0.0; tokens * ffn]);
        for layer in 0..config.layers {
            let matrix = |t: InLayer| model.matrix(in_layer(layer, t));
            let normed = norm(model, &stream, in_layer(layer, InLayer::AttentionNorm))?;
            multiply(model, matrix(InLayer::Query), &normed, &mut query);
            multiply(model, matrix(InLayer::Key), &normed, &mut keys);
            multiply(model, matrix(InLayer::Value), &normed, &mut values);
            let products = [&mut query[..], &mut keys, &mut values];
            ready(model, layer, products, &angles)?;
            let attended = self.attend(model, layer, &query, &keys, &values)?;
            let attended = Activations::new(level, attended, query_dim)?;
            add_product(model, matrix(InLayer::AttentionOut), &attended, &mut stream)?;
            let normed = norm(model, &stream, in_layer(layer, InLayer::FfnNorm))?;
            multiply(model, matrix(InLayer::Gate), &normed, &mut gate);
            multiply(model, matrix(InLayer::Up), &normed, &mut up);
            vectors::finite(level, &gate).and(vectors::finite(level, &up))?;
            gate.par_chunks_mut(2048)
                .zip(up.par_chunks(2048))
                .map(|(gate, up)| vectors::activate(level, gate, up))
                .collect::<Result<(), NonFinite>>()?;
            let active = Activations::new(level, std::mem::take(&mut gate), ffn)?;
            add_product(model, matrix(InLayer::Down), &active, &mut stream)?;
            gate = active.x;
        }
        if need == tokens {
            return Ok(Vec::new());
        }
        let normed = norm(model, &stream[need * dim..], global(Global::Norm))?;
        let mut logits = vec![0.0; (tokens - need) * config.vocab as usize];
        multiply(model, model.logits(), &normed, &mut logits);
        Ok(logits)
    }

    /// Attention of all heads of the chunk's tokens; their keys and values go to the cache first.
    fn attend(
        &mut self,
        model: &Model,
        layer: u32,
        query: &[f32],
        keys: &[f32],
        values: &[f32],
    ) -> Result<Vec<f32>, NonFinite> {
        let (start, head) = (self.len, model.config.head as usize);
        let kv_heads = model.config.kv_heads as usize;
        let caches = &mut self.caches[layer as usize * kv_heads..][..kv_heads];
        keep(caches, start, (keys, values), head);
        attend(model, caches, (start, 0), query, None)
    }
}

fn embed(model: &Model, ids: &[u32]) -> Result<Vec<f32>, NonFinite> {
    let tensor = model.tensor(global(Global::Embedding));
    let dim = model.config.dim as usize;
    let mut out = vec![0.0; ids.len() * dim];
    for (id, out) in ids.iter().zip(out.chunks_exact_mut(dim)) {
        let row = model.rows(tensor, *id as usize..*id as usize + 1);
        widen(tensor.format, row, out);
    }
    all_finite(&out)?;
    Ok(out)
}

fn norm(model: &Model, x: &[f32], slot: u32) -> Result<Activations, NonFinite> {
    let weights = model.rows(model.tensor(slot), 0..1);
    let mut out = vec![0.0; x.len()];
    vectors::norm(model.level, x, weights, model.config.epsilon, &mut out)?;
    Activations::new(model.level, out, model.config.dim as usize)
}

/// A matrix times each token, row-major by token.
fn multiply(model: &Model, matrix: (&Tensor, &Matrix), x: &Activations, to: &mut [f32]) {
    product(model, matrix, x, to, false);
}

/// Adds a matrix times each token to the stream.
fn add_product(
    model: &Model,
    matrix: (&Tensor, &Matrix),
    x: &Activations,
    stream: &mut [f32],
) -> Result<(), NonFinite> {
    product(model, matrix, x, stream, true);
    vectors::finite(model.level, stream)
}

fn product(
    model: &Model,
    (tensor, matrix): (&Tensor, &Matrix),
    x: &Activations,
    to: &mut [f32],
    adds: bool,
) {
    let rows = tensor.rows as usize;
    let out = Out::new(to, rows, adds);
    let data = model.rows(tensor, 0..rows);
    matrix.multiply((tensor, data), 0..rows, &x.factors(), &out, &model.pool);
}
