//! Whole operators of the forward phase on the arena: its bytes at each yield, without going through every one.
//!
//! INVARIANT: after [`Bulk::run`] the arena is what as many macro steps leave. An operator that goes non-finite is not done here, so that
//! the very step at which it does is found.

use super::attend::{Cache, Last, attend, keep, ready};
use super::engine::Model;
use super::host::NativeHost;
use super::kernels::{Factors, Out, can_quantize, quantize_token, sums_of};
use super::vectors;
use crate::arena::{Arena, span, view, view_mut};
use crate::attention::{self, Cursor};
use crate::error::{NonFinite, Stop};
use crate::forward::{cache_at, destination, next, packed_spans};
use crate::host::Host;
use crate::layout::{self, *};
use crate::logits::Picks;
use crate::matmul::Outputs;
use crate::model::Config;
use crate::ops::{CHUNK, GROUP, Op, Walk};
use crate::plan::Buffer;
use crate::quantize::{BLOCK, GROUP_BYTES, Packed, PackedMut};
use crate::sampler::kept_rows;
use crate::tensors::{Global, InLayer, Tensor, global, in_layer};
use rayon::prelude::*;
use std::sync::Arc;

/// A model's kernels, and a copy of the arena's keys and values laid out for them.
pub(super) struct Bulk {
    model: Arc<Model>,
    /// `[layer][kv head]`.
    caches: Vec<Cache>,
    /// Positions in each layer's caches.
    filled: Vec<u32>,
    /// Room for outputs, kept so that it is not asked of the system for every operator.
    room: Vec<f32>,
}

impl Clone for Bulk {
    /// Without the copy, which is made again from the arena.
    fn clone(&self) -> Bulk {
        Bulk::new(self.model.clone())
    }
}

/// Where an operator stands.
struct Place {
    config: Config,
    op: Op,
    layer: u32,
    item: u32,
    tokens: u32,
}

impl Bulk {
    pub fn new(model: Arc<Model>) -> Bulk {
        let (layers, heads) = (model.config.layers as usize, model.config.kv_heads as usize);
        Bulk {
            model,
            caches: vec![Cache::default(); layers * heads],
            filled: vec![0; layers],
            room: Vec::new(),
        }
    }

    /// Forgets the positions from the chunk's first on, which are written anew.
    // INVARIANT: called at every macro step of the forward pass, so no position outlives a choice that goes back before it, whoever
    //            computes that choice's chunks.
    pub fn forget(&mut self, host: &mut NativeHost) {
        let at: u32 = host.arena().get(CHUNK_AT);
        self.filled.iter_mut().for_each(|n| *n = at.min(*n));
    }

    /// Does what is left of the operator that is due, at most `most` macro steps of it; gives how many these are, and how the last one ends.
    /// None where it is better done step by step.
    pub fn run(&mut self, host: &mut NativeHost, most: u64) -> Option<(u64, Result<(), Stop>)> {
        let model = self.model.clone();
        model.pool.inside(|| self.run_here(host, most))
    }

    fn run_here(&mut self, host: &mut NativeHost, most: u64) -> Option<(u64, Result<(), Stop>)> {
        let arena = host.arena();
        let (op, config) = (Op::from_number(arena.get(OP)), Config::read(&arena));
        let place = Place {
            op,
            layer: arena.get(LAYER),
            item: arena.get(ITEM),
            tokens: op.tokens(arena.get(CHUNK_LEN), arena.get(NEED_FROM)),
            config,
        };
        let (steps, end, done) = match op.walk(&arena, &config, place.layer, place.tokens) {
            Walk::Once => return None,
            Walk::Rows(tensor, each) => {
                let left = tensor.rows - place.item;
                let steps = most.min(left.div_ceil(each).into());
                // At most a step's rows more than are left.
                let count = left.min(steps as u32 * each);
                self.product(host, &place, &tensor, count).ok()?;
                let end = place.item + count;
                (steps, end, end == tensor.rows)
            }
            Walk::Attention => {
                let chunk = (arena.get(CHUNK_AT), place.tokens);
                let from = Cursor::read(&arena);
                let (steps, to) = attention::walk(&config, chunk, from, most);
                self.attention(host, &place, from, to).ok()?;
                (steps, to.t, to.t == place.tokens)
            }
            Walk::Tokens(each) => {
                let left = place.tokens - place.item;
                let steps = most.min(left.div_ceil(each).into());
                let end = place.tokens.min(place.item + steps as u32 * each);
                match op {
                    Op::AttentionNorm | Op::FfnNorm | Op::OutputNorm => {
                        self.norm(host, &place, end).ok()?
                    }
                    Op::Rotate => self.rotate(host, &place, end).ok()?,
                    Op::Attended => self.pack(host, &place, end, config.query_dim()).ok()?,
                    Op::Activate => self.activate(host, &place, end).ok()?,
                    _ => return None,
                }
                (steps, end, end == place.tokens)
            }
        };
        let mut arena = host.arena();
        arena.put(YIELDS, arena.get::<u64>(YIELDS) + steps);
        arena.put(ITEM, end);
        let outcome = if done {
            next(host, &config, op)
        } else {
            Ok(())
        };
        Some((steps, outcome))
    }

    fn product(
        &mut self,
        host: &mut NativeHost,
        place: &Place,
        tensor: &Tensor,
        count: u32,
    ) -> Result<(), NonFinite> {
        let (config, op, model) = (&place.config, place.op, &self.model);
        let (tokens, count) = (place.tokens as usize, count as usize);
        if self.room.len() < tokens * count {
            self.room.resize(tokens * count, 0.0);
        }
        let outputs = &mut self.room[..tokens * count];
        let (_, matrix) = match op.matrix(place.layer) {
            Some(slot) => model.matrix(slot),
            None => model.logits(),
        };
        let mut arena = host.arena();
        let [quads, scales, sums] = packed_spans(&arena, tensor.columns);
        let floats = span::<f32>(
            Buffer::Normed.at(&arena),
            (place.tokens - 1) * config.widest() + tensor.columns,
        );
        let [quads, scales, sums, floats] = arena.split([quads, scales, sums, floats]);
        let blocks = tensor.columns as usize / BLOCK;
        let used = tokens.div_ceil(4) * 4 * blocks * BLOCK;
        let quads = &view(quads)[..used];
        let (totals, halves) = sums_of(model.level, quads);
        let x = Factors {
            tokens,
            floats: (view(floats), config.widest() as usize),
            packed: Packed {
                quads,
                scales: view(scales),
                sums: view(sums),
            },
            totals: &totals,
            halves: &halves,
        };
        let first = place.item as usize;
        let data = model.rows(tensor, 0..tensor.rows as usize);
        matrix.multiply(
            (tensor, data),
            first..first + count,
            &x,
            &Out::new(outputs, count, false),
            &model.pool,
        );
        if op == Op::Logits {
            compare(host, place.item, outputs, count)?;
            if kept_rows(&host.arena()) == 0 {
                return Ok(());
            }
        }
        let mut arena = host.arena();
        let (to, stride) = destination(&arena, config, op, place.layer);
        let to: &mut [f32] = arena.view_mut(to, place.tokens * stride);
        let rows = || {
            to.chunks_exact(stride as usize)
                .map(|row| &row[first..][..count])
        };
        if op.adds() {
            for (y, row) in outputs.chunks_exact_mut(count).zip(rows()) {
                y.iter_mut().zip(row).for_each(|(y, x)| *y += x);
            }
        }
        vectors::finite(model.level, outputs)?;
        let rows = to.chunks_exact_mut(stride as usize);
        for (y, row) in outputs.chunks_exact(count).zip(rows) {
            row[first..][..count].copy_from_slice(y);
        }
        Ok(())
    }

    /// From one cursor to another. Where it fails, all is as it was.
    fn attention(
        &mut self,
        host: &mut NativeHost,
        place: &Place,
        from: Cursor,
        to: Cursor,
    ) -> Result<(), NonFinite> {
        let config = &place.config;
        let mut arena = host.arena();
        let kept = [
            (0, layout::TENSORS),
            (
                Buffer::Scores.at(&arena),
                4 * (arena.get::<u32>(CHUNK_AT) + place.tokens),
            ),
            (
                Buffer::Normed.at(&arena),
                4 * place.tokens * config.widest(),
            ),
        ];
        let before = kept.map(|(at, len)| arena.bytes(at, len).to_vec());
        let result = self.heads(&mut arena, place, from, to);
        if result.is_err() {
            for ((at, len), bytes) in kept.into_iter().zip(&before) {
                arena.bytes_mut(at, len).copy_from_slice(bytes);
            }
        }
        result
    }

    /// What is begun of a head, whole heads in bulk, what is to be begun of another.
    fn heads(
        &mut self,
        arena: &mut Arena,
        place: &Place,
        from: Cursor,
        to: Cursor,
    ) -> Result<(), NonFinite> {
        let config = &place.config;
        let pair = |cursor: Cursor| cursor.t * config.heads + cursor.head;
        let mut first = from;
        if from.is_within_head() {
            first = from.next_head(config);
            if pair(to) < pair(first) {
                return attention::run_to(arena, config, to);
            }
            attention::run_to(arena, config, first)?;
        }
        if pair(first) < pair(to) {
            self.whole_heads(arena, place, pair(first)..pair(to))?;
        }
        let whole = Cursor {
            stage: 0,
            key: 0,
            ..to
        };
        whole.write(arena);
        attention::run_to(arena, config, to)
    }

    /// Heads by number, those of a token following each other.
    fn whole_heads(
        &mut self,
        arena: &mut Arena,
        place: &Place,
        pairs: std::ops::Range<u32>,
    ) -> Result<(), NonFinite> {
        let (config, layer) = (&place.config, place.layer as usize);
        let (start, capacity) = (arena.get::<u32>(CHUNK_AT), arena.get::<u32>(CAPACITY));
        let (head, kv_dim) = (config.head, config.kv_dim());
        let heads = config.kv_heads as usize;
        // This chunk's positions, and before them what a copy of this machine had.
        let from = self.filled[layer].min(start);
        let caches = &mut self.caches[layer * heads..][..heads];
        let row = place.layer * capacity + from;
        let rows = (start + place.tokens - from) * kv_dim;
        let keys = arena.view(Buffer::Keys.at(arena) + 4 * row * kv_dim, rows);
        let values = arena.view(Buffer::Values.at(arena) + 4 * row * kv_dim, rows);
        keep(caches, from as usize, (keys, values), head as usize);
        self.filled[layer] = start + place.tokens;
        let query = Buffer::Query.at(arena) + 4 * pairs.start * head;
        let query = arena.view(query, pairs.len() as u32 * head);
        let mut last = Last::default();
        let first = pairs.start as usize;
        let out = attend(
            &self.model,
            caches,
            (start as usize, first),
            query,
            Some(&mut last),
        )?;
        arena.put(SCORE_MAX, last.largest);
        arena.put(WEIGHT_SUM, last.sum);
        let scores = Buffer::Scores.at(arena);
        let count = last.weights.len() as u32;
        arena.view_mut(scores, count).copy_from_slice(&last.weights);
        let normed = Buffer::Normed.at(arena);
        for (pair, out) in pairs.zip(out.chunks_exact(head as usize)) {
            let (t, h) = (pair / config.heads, pair % config.heads);
            let at = normed + 4 * (t * config.widest() + h * head);
            arena.view_mut(at, head).copy_from_slice(out);
        }
        Ok(())
    }

    fn norm(&self, host: &mut NativeHost, place: &Place, end: u32) -> Result<(), NonFinite> {
        let (config, model) = (&place.config, &self.model);
        let arena = host.arena();
        let (slot, shift) = match place.op {
            Op::AttentionNorm => (in_layer(place.layer, InLayer::AttentionNorm), 0),
            Op::FfnNorm => (in_layer(place.layer, InLayer::FfnNorm), 0),
            _ => (global(Global::Norm), arena.get::<u32>(NEED_FROM)),
        };
        let at = Buffer::Stream.at(&arena) + 4 * (shift + place.item) * config.dim;
        let x = arena.view(at, (end - place.item) * config.dim);
        let mut out = vec![0.0; x.len()];
        let weights = model.rows(model.tensor(slot), 0..1);
        // Four rows are summed side by side.
        let four = 4 * config.dim as usize;
        x.par_chunks(four)
            .zip(out.par_chunks_mut(four))
            .try_for_each(|(x, out)| vectors::norm(model.level, x, weights, config.epsilon, out))?;
        self.put_normed(host, place, &out, config.dim)?;
        self.pack(host, place, end, config.dim)
    }

    fn activate(&self, host: &mut NativeHost, place: &Place, end: u32) -> Result<(), NonFinite> {
        let config = &place.config;
        let arena = host.arena();
        let [gate, up] = [Buffer::Gate, Buffer::Up].map(|b| {
            let at = b.at(&arena) + 4 * place.item * config.ffn;
            arena.view::<f32>(at, (end - place.item) * config.ffn)
        });
        let mut out = gate.to_vec();
        out.par_chunks_mut(2048)
            .zip(up.par_chunks(2048))
            .try_for_each(|(gate, up)| vectors::activate(self.model.level, gate, up))?;
        self.put_normed(host, place, &out, config.ffn)?;
        self.pack(host, place, end, config.ffn)
    }

    /// Stores rows of `columns` numbers from the operator's token on, if they can be quantized.
    fn put_normed(
        &self,
        host: &mut NativeHost,
        place: &Place,
        rows: &[f32],
        columns: u32,
    ) -> Result<(), NonFinite> {
        if columns.is_multiple_of(BLOCK as u32) {
            can_quantize(self.model.level, rows)?;
        }
        let mut arena = host.arena();
        let normed = Buffer::Normed.at(&arena);
        for (t, row) in (place.item..).zip(rows.chunks_exact(columns as usize)) {
            let at = normed + 4 * t * place.config.widest();
            arena.view_mut(at, columns).copy_from_slice(row);
        }
        Ok(())
    }

    /// Quantizes tokens up to `end`.
    fn pack(
        &self,
        host: &mut NativeHost,
        place: &Place,
        end: u32,
        columns: u32,
    ) -> Result<(), NonFinite> {
        if !columns.is_multiple_of(BLOCK as u32) {
            return Ok(());
        }
        let mut arena = host.arena();
        let widest = place.config.widest();
        let [quads, scales, sums] = packed_spans(&arena, columns);
        let x = span::<f32>(Buffer::Normed.at(&arena), (end - 1) * widest + columns);
        let [x, quads, scales, sums] = arena.split([x, quads, scales, sums]);
        let x: &[f32] = view(x);
        let token = |t: u32| &x[(t * widest) as usize..][..columns as usize];
        let (level, tokens) = (self.model.level, place.item..end);
        // All or nothing: what a failure leaves would be seen.
        tokens
            .clone()
            .into_par_iter()
            .try_for_each(|t| can_quantize(level, token(t)))?;
        // A group's blocks follow each other, so groups are apart.
        let blocks = columns as usize / BLOCK;
        let quads = view_mut::<i8>(quads).par_chunks_mut(blocks * GROUP_BYTES);
        let scales = view_mut::<f32>(scales).par_chunks_mut(blocks * GROUP as usize);
        let sums = view_mut::<f32>(sums).par_chunks_mut(blocks * GROUP as usize);
        let groups = quads.zip(scales).zip(sums).enumerate();
        groups.try_for_each(|(g, ((quads, scales), sums))| {
            let mut out = PackedMut {
                quads,
                scales,
                sums,
            };
            (0..GROUP)
                .map(|lane| (g as u32 * GROUP + lane, lane))
                .filter(|(t, _)| tokens.contains(t))
                .try_for_each(|(t, lane)| quantize_token(level, token(t), lane, &mut out))
        })
    }

    /// Biases, norms of heads and rotations of the tokens up to `end`.
    fn rotate(&self, host: &mut NativeHost, place: &Place, end: u32) -> Result<(), NonFinite> {
        let config = &place.config;
        let mut arena = host.arena();
        let (first, tokens) = (place.item, end - place.item);
        let cached = |buffer| {
            let row = cache_at(&arena, config, buffer, place.layer);
            (row + 4 * first * config.kv_dim(), tokens * config.kv_dim())
        };
        let rows = [
            (
                Buffer::Query.at(&arena) + 4 * first * config.query_dim(),
                tokens * config.query_dim(),
            ),
            cached(Buffer::Keys),
            cached(Buffer::Values),
        ];
        let mut products = rows.map(|(at, len)| arena.view::<f32>(at, len).to_vec());
        let angles = Buffer::Table.at(&arena) + 4 * first * config.head;
        let angles = arena.view(angles, tokens * config.head);
        let parts = products.each_mut().map(|x| &mut x[..]);
        ready(&self.model, place.layer, parts, angles)?;
        for ((at, len), x) in rows.into_iter().zip(&products) {
            arena.view_mut(at, len).copy_from_slice(x);
        }
        Ok(())
    }
}

/// Shows logits of `count` ids from `first` on to the picks.
fn compare(
    host: &mut NativeHost,
    first: u32,
    outputs: &[f32],
    count: usize,
) -> Result<(), NonFinite> {
    let mut picks = Picks::load(&host.arena(), first);
    let mut row: Outputs = [0.0; CHUNK as usize];
    for i in 0..count {
        for (row, outputs) in row.iter_mut().zip(outputs.chunks_exact(count)) {
            *row = outputs[i];
        }
        picks.see(first + i as u32, &row)?;
    }
    picks.store(&mut host.arena());
    Ok(())
}
