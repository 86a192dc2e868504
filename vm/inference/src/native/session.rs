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
use std::ops::Range;
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
        let fed = self.feed_rest(ids, 0, from, &mut picks);
        (picks, fed)
    }

    /// Feeds `ids` from index `at` on.
    fn feed_rest(
        &mut self,
        ids: &[u32],
        mut at: usize,
        from: usize,
        picks: &mut Vec<Pick>,
    ) -> Result<(), NonFinite> {
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
                Err(NonFinite) => return Err(NonFinite),
            }
        }
        Ok(())
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
        range: Range<usize>,
        from: usize,
    ) -> Result<Vec<Pick>, NonFinite> {
        let logits = self.logits(&ids[range.clone()], from - range.start)?;
        self.picks(logits, ids, range, from)
    }

    /// The picks of logits that belong to the positions `from..range.end` of `ids`; `range` is fed with that.
    fn picks(
        &mut self,
        logits: Vec<f32>,
        ids: &[u32],
        range: Range<usize>,
        from: usize,
    ) -> Result<Vec<Pick>, NonFinite> {
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
        let mut parts = [Part {
            session: self,
            ids,
            need,
        }];
        compute(&model, &mut parts)
    }
}

/// Ids for a session of [`feed_many`].
pub struct Feed<'a> {
    /// The session.
    pub session: &'a mut Session,
    /// Ids to feed.
    pub ids: &'a [u32],
    /// Index of the first id that a pick is wanted after.
    pub from: usize,
}

/// As [`Session::feed`] for each, whose results these are; but weights are read from memory once for all of them. The
/// sessions are of one engine.
pub fn feed_many(feeds: &mut [Feed]) -> Vec<(Vec<Pick>, Result<(), NonFinite>)> {
    let Some(model) = feeds.first().map(|feed| feed.session.model.clone()) else {
        return Vec::new();
    };
    let same = |feed: &Feed| Arc::ptr_eq(&feed.session.model, &model);
    assert!(feeds.iter().all(same), "sessions of several engines");
    let mut found: Vec<_> = feeds.iter().map(|_| (Vec::new(), Ok(()))).collect();
    let mut at = vec![0; feeds.len()];
    loop {
        // As many as fit, of the first that has some left, then of the next.
        let mut room = BATCH;
        let mut ranges = Vec::new();
        for (feed, at) in feeds.iter().zip(&at) {
            let end = feed.ids.len().min(at + room);
            room -= end - at;
            ranges.push(*at..end);
        }
        if room == BATCH {
            return found;
        }
        let need = |feed: &Feed, range: &Range<usize>| {
            feed.from.clamp(range.start, range.end) - range.start
        };
        let mut parts: Vec<Part> = feeds
            .iter_mut()
            .zip(&ranges)
            .filter(|(_, range)| !range.is_empty())
            .map(|(feed, range)| Part {
                need: need(feed, range),
                ids: &feed.ids[range.clone()],
                session: feed.session,
            })
            .collect();
        let mut rows = compute(&model, &mut parts).map(Vec::into_iter);
        for (((feed, range), at), (picks, fed)) in
            feeds.iter_mut().zip(ranges).zip(&mut at).zip(&mut found)
        {
            if range.is_empty() {
                continue;
            }
            let from = feed.from.clamp(range.start, range.end);
            let logits = (range.end - from) * feed.session.vocab() as usize;
            let own = rows.as_mut().map_err(|_| NonFinite);
            let own = own.map(|rows| rows.by_ref().take(logits).collect::<Vec<f32>>());
            let end = range.end;
            match own.and_then(|own| feed.session.picks(own, feed.ids, range, from)) {
                Ok(more) => {
                    picks.extend(more);
                    *at = end;
                }
                // One of them left the finite numbers; each finds alone where, if it was that one.
                Err(NonFinite) => {
                    *fed = feed.session.feed_rest(feed.ids, *at, feed.from, picks);
                    *at = feed.ids.len();
                }
            }
        }
    }
}

/// Some ids of a session that are computed together with those of others.
struct Part<'a> {
    session: &'a mut Session,
    ids: &'a [u32],
    /// Index of the first id whose logits are wanted.
    need: usize,
}

/// The logits after each of the parts' ids from `need` on: a row for each, part by part. Nothing is fed yet.
fn compute(model: &Model, parts: &mut [Part]) -> Result<Vec<f32>, NonFinite> {
    model.pool.inside(|| compute_here(model, parts))
}

fn compute_here(model: &Model, parts: &mut [Part]) -> Result<Vec<f32>, NonFinite> {
    let (config, level) = (&model.config, model.level);
    let (query_dim, ffn) = (config.query_dim() as usize, config.ffn as usize);
    let dim = config.dim as usize;
    let (head, kv_dim) = (config.head as usize, config.kv_dim() as usize);
    let tokens: usize = parts.iter().map(|part| part.ids.len()).sum();
    let mut stream = embed(model, parts, tokens)?;
    let positions = parts
        .iter()
        .flat_map(|part| (part.session.len..).take(part.ids.len()));
    let mut angles = vec![0.0; tokens * head];
    for (position, out) in positions.zip(angles.chunks_exact_mut(head)) {
        table(position as u32, &model.turns, out);
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
        let attended = attend_all(model, layer, parts, [&query, &keys, &values])?;
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
    let (mut wanted, mut at) = (Vec::new(), 0);
    for part in parts.iter() {
        wanted.extend_from_slice(&stream[(at + part.need) * dim..(at + part.ids.len()) * dim]);
        at += part.ids.len();
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut logits = vec![0.0; wanted.len() / dim * config.vocab as usize];
    let normed = norm(model, &wanted, global(Global::Norm))?;
    multiply(model, model.logits(), &normed, &mut logits);
    Ok(logits)
}

/// Attention of all heads of the parts' tokens, each part in its own cache, where its keys and values go first.
fn attend_all(
    model: &Model,
    layer: u32,
    parts: &mut [Part],
    [query, keys, values]: [&[f32]; 3],
) -> Result<Vec<f32>, NonFinite> {
    let config = &model.config;
    let (head, kv_heads) = (config.head as usize, config.kv_heads as usize);
    let (query_dim, kv_dim) = (config.query_dim() as usize, config.kv_dim() as usize);
    let mut at = 0;
    let mut tasks = Vec::new();
    for part in parts.iter_mut() {
        let (tokens, start) = (at..at + part.ids.len(), part.session.len);
        at = tokens.end;
        let kv = tokens.start * kv_dim..tokens.end * kv_dim;
        let caches = &mut part.session.caches[layer as usize * kv_heads..][..kv_heads];
        keep(caches, start, (&keys[kv.clone()], &values[kv]), head);
        tasks.push((
            &*caches,
            start,
            tokens.start * query_dim..tokens.end * query_dim,
        ));
    }
    let run = |(caches, start, range): &(&[Cache], usize, Range<usize>)| {
        attend(model, caches, (*start, 0), &query[range.clone()], None)
    };
    match &tasks[..] {
        [one] => run(one),
        several => {
            let rows: Vec<_> = several.par_iter().map(run).collect::<Result<_, _>>()?;
            Ok(rows.concat())
        }
    }
}

fn embed(model: &Model, parts: &[Part], tokens: usize) -> Result<Vec<f32>, NonFinite> {
    let tensor = model.tensor(global(Global::Embedding));
    let dim = model.config.dim as usize;
    let mut out = vec![0.0; tokens * dim];
    let ids = parts.iter().flat_map(|part| part.ids);
    for (id, out) in ids.zip(out.chunks_exact_mut(dim)) {
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
