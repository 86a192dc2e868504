//! The forward pass, teacher-forced over prompt and answer: one macro step is one tile of one operator for one chunk.

use crate::areas::Area;
use crate::arena::{Arena, span, view, view_mut};
use crate::attention;
use crate::error::{NonFinite, Stop};
use crate::host::{Host, Loaded, Rom};
use crate::layout::*;
use crate::logits::Picks;
use crate::math::{all_finite, exp, sqrt};
use crate::matmul::{Input, rows, widen};
use crate::model::Config;
use crate::ops::{CHUNK, Op, Walk};
use crate::plan::Buffer;
use crate::quantize::{BLOCK, BLOCK_BYTES, BLOCK_SCALES, Packed, PackedMut, quantize};
use crate::rope::{rotate_as, table};
use crate::sampler::{after_logits, kept_rows};
use crate::tensors::{Global, InLayer, Tensor, global, in_layer};

/// Sets the cursor to the chunk at position `at`.
pub fn start_chunk(arena: &mut Arena, at: u32) {
    let fed: u32 = arena.get(FED);
    // The last position of a `non_finite` output is alone.
    let end = if arena.get::<u32>(ALONE) != 0 && at + 1 < fed {
        fed - 1
    } else {
        fed
    };
    let len = (end - at).min(CHUNK);
    arena.put(CHUNK_AT, at);
    arena.put(CHUNK_LEN, len);
    let first_needed = arena.get::<u32>(PROMPT_COUNT) - 1;
    arena.put(NEED_FROM, first_needed.saturating_sub(at).min(len));
    arena.put(LAYER, 0u32);
    enter(arena, Op::Embed);
}

fn enter(arena: &mut Arena, op: Op) {
    arena.put(OP, op as u32);
    arena.put(ITEM, 0u32);
}

/// One macro step.
pub fn step<H: Host>(host: &mut H) -> Result<(), Stop> {
    let arena = host.arena();
    let config = Config::read(&arena);
    let op = Op::from_number(arena.get(OP));
    let (layer, item) = (arena.get::<u32>(LAYER), arena.get::<u32>(ITEM));
    let (len, need) = (arena.get::<u32>(CHUNK_LEN), arena.get::<u32>(NEED_FROM));
    let tokens = op.tokens(len, need);
    let done = match op.walk(&arena, &config, layer, tokens) {
        Walk::Once => {
            rope_table(&mut host.arena(), &config);
            true
        }
        Walk::Attention => attention::step(&mut host.arena(), &config)?,
        Walk::Tokens(most) => {
            let end = tokens.min(item + most);
            for t in item..end {
                token(host, &config, op, layer, t)?;
            }
            host.arena().put(ITEM, end);
            end == tokens
        }
        Walk::Rows(tensor, most) => {
            let count = most.min(tensor.rows - item);
            product(host, &config, op, &tensor, (item, count), tokens)?;
            host.arena().put(ITEM, item + count);
            item + count == tensor.rows
        }
    };
    if done {
        next(host, &config, op)
    } else {
        Ok(())
    }
}

/// Moves past a finished operator.
pub(crate) fn next<H: Host>(host: &mut H, config: &Config, op: Op) -> Result<(), Stop> {
    let mut arena = host.arena();
    let layer: u32 = arena.get(LAYER);
    let last = Op::from_number(op as u32 + u32::from(op != Op::Logits));
    match op {
        Op::Down if layer + 1 < config.layers => {
            arena.put(LAYER, layer + 1);
            enter(&mut arena, Op::AttentionNorm);
        }
        // A chunk within the prompt needs no logits.
        Op::Down if arena.get::<u32>(NEED_FROM) == arena.get(CHUNK_LEN) => {
            return next_chunk(&mut arena);
        }
        Op::Logits => return after_logits(host),
        _ => enter(&mut arena, last),
    }
    Ok(())
}

/// Moves to the next chunk; `Err` says that there is none, so that the output is right.
pub fn next_chunk(arena: &mut Arena) -> Result<(), Stop> {
    let end = arena.get::<u32>(CHUNK_AT) + arena.get::<u32>(CHUNK_LEN);
    if end == arena.get(FED) {
        return Err(Stop::Right);
    }
    start_chunk(arena, end);
    Ok(())
}

fn rope_table(arena: &mut Arena, config: &Config) {
    let (at, len) = (arena.get::<u32>(CHUNK_AT), arena.get::<u32>(CHUNK_LEN));
    let [turns, out] = [Buffer::Turns, Buffer::Table].map(|b| b.at(arena));
    let [turns, out] = arena.split([
        span::<u64>(turns, config.head / 2),
        span::<f32>(out, len * config.head),
    ]);
    for (t, out) in view_mut::<f32>(out)
        .chunks_exact_mut(config.head as usize)
        .enumerate()
    {
        table(at + t as u32, view(turns), out);
    }
}

/// An operator's work for token `t` of the chunk (of the needed ones, for the output norm).
fn token<H: Host>(host: &mut H, config: &Config, op: Op, layer: u32, t: u32) -> Result<(), Stop> {
    match op {
        Op::Embed => embed(host, config, t)?,
        Op::AttentionNorm => norm(host, config, in_layer(layer, InLayer::AttentionNorm), t, t)?,
        Op::FfnNorm => norm(host, config, in_layer(layer, InLayer::FfnNorm), t, t)?,
        Op::OutputNorm => {
            let from: u32 = host.arena().get(NEED_FROM);
            norm(host, config, global(Global::Norm), from + t, t)?;
        }
        Op::Rotate => rotate_token(host, config, layer, t)?,
        Op::Attended => pack(&mut host.arena(), config, config.query_dim(), t)?,
        Op::Activate => activate(&mut host.arena(), config, t)?,
        Op::Table
        | Op::Attend
        | Op::Query
        | Op::Key
        | Op::Value
        | Op::AttentionOut
        | Op::Gate
        | Op::Up
        | Op::Down
        | Op::Logits => {}
    }
    Ok(())
}

fn embed<H: Host>(host: &mut H, config: &Config, t: u32) -> Result<(), NonFinite> {
    let arena = host.arena();
    let tensor = Tensor::get(&arena, global(Global::Embedding));
    let id: u32 = arena.get(Area::Ids.at(&arena) + 4 * (arena.get::<u32>(CHUNK_AT) + t));
    let at = Buffer::Stream.at(&arena) + 4 * t * config.dim;
    let row = tensor.at + u64::from(id) * u64::from(tensor.row_bytes());
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Model, row, tensor.row_bytes());
    let out = arena.view_mut(at, config.dim);
    widen(tensor.format, data, out);
    all_finite(out)
}

/// Root-mean-square norm of `x` by the F32 weights in `weights`.
pub fn rms_norm(x: &[f32], weights: &[u8], epsilon: f32, out: &mut [f32]) -> Result<(), NonFinite> {
    scale_norm(
        x,
        x.iter().fold(0.0, |sum, x| sum + x * x),
        weights,
        epsilon,
        out,
    )
}

/// [`rms_norm`] with the sum of squares known.
#[inline(always)]
pub fn scale_norm(
    x: &[f32],
    squares: f32,
    weights: &[u8],
    epsilon: f32,
    out: &mut [f32],
) -> Result<(), NonFinite> {
    let square = squares / x.len() as f32 + epsilon;
    all_finite(&[square])?;
    let scale = 1.0 / sqrt(square);
    for ((out, x), w) in out.iter_mut().zip(x).zip(weights.chunks_exact(4)) {
        *out = (x * scale) * f32::from_le_bytes([w[0], w[1], w[2], w[3]]);
    }
    all_finite(out)
}

/// Norms token `from` of the stream into place `to`, and quantizes it.
fn norm<H: Host>(
    host: &mut H,
    config: &Config,
    slot: u32,
    from: u32,
    to: u32,
) -> Result<(), NonFinite> {
    let tensor = Tensor::get(&host.arena(), slot);
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Model, tensor.at, tensor.row_bytes());
    let x = Buffer::Stream.at(&arena) + 4 * from * config.dim;
    let out = Buffer::Normed.at(&arena) + 4 * to * config.widest();
    let [x, out] = arena.split([span::<f32>(x, config.dim), span::<f32>(out, config.dim)]);
    rms_norm(view(x), data, config.epsilon, view_mut(out))?;
    pack(&mut arena, config, config.dim, to)
}

/// Where the quantized form of rows of `columns` numbers is: integers, scales, sums.
pub(crate) fn packed_spans(arena: &Arena, columns: u32) -> [core::ops::Range<usize>; 3] {
    let blocks = columns / BLOCK as u32;
    let [quads, scales, sums] = [Buffer::Quads, Buffer::Scales, Buffer::Sums].map(|b| b.at(arena));
    [
        span::<i8>(quads, blocks * BLOCK_BYTES as u32),
        span::<f32>(scales, blocks * BLOCK_SCALES as u32),
        span::<f32>(sums, blocks * BLOCK_SCALES as u32),
    ]
}

/// Quantizes the first `columns` numbers of token `t` in [`Buffer::Normed`]. Rows that aren't whole blocks have no reader of a
/// quantized type.
fn pack(arena: &mut Arena, config: &Config, columns: u32, t: u32) -> Result<(), NonFinite> {
    if !columns.is_multiple_of(BLOCK as u32) {
        return Ok(());
    }
    let x = Buffer::Normed.at(arena) + 4 * t * config.widest();
    let [quads, scales, sums] = packed_spans(arena, columns);
    let [x, quads, scales, sums] = arena.split([span::<f32>(x, columns), quads, scales, sums]);
    let mut out = PackedMut {
        quads: view_mut(quads),
        scales: view_mut(scales),
        sums: view_mut(sums),
    };
    quantize(view(x), t, &mut out)
}

/// Adds a bias of F32.
#[inline(always)]
pub fn add_bias(x: &mut [f32], bias: &[u8]) {
    for (x, b) in x.iter_mut().zip(bias.chunks_exact(4)) {
        *x += f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    }
}

/// Norms each head of `x` by the weights of one.
pub fn norm_heads(x: &mut [f32], weights: &[u8], epsilon: f32) -> Result<(), NonFinite> {
    for head in x.chunks_exact_mut(weights.len() / 4) {
        let squares = head.iter().fold(0.0, |sum, x| sum + x * x);
        let square = squares / head.len() as f32 + epsilon;
        all_finite(&[square])?;
        let scale = 1.0 / sqrt(square);
        for (x, w) in head.iter_mut().zip(weights.chunks_exact(4)) {
            *x = (*x * scale) * f32::from_le_bytes([w[0], w[1], w[2], w[3]]);
        }
    }
    all_finite(x)
}

/// Everything between the products and attention, for one token's queries, keys and values.
fn rotate_token<H: Host>(
    host: &mut H,
    config: &Config,
    layer: u32,
    t: u32,
) -> Result<(), NonFinite> {
    let arena = host.arena();
    let table = Buffer::Table.at(&arena) + 4 * t * config.head;
    let row = |buffer| cache_at(&arena, config, buffer, layer) + 4 * t * config.kv_dim();
    let rows = [
        (
            Buffer::Query.at(&arena) + 4 * t * config.query_dim(),
            config.query_dim(),
            InLayer::QueryBias,
            Some(InLayer::QueryNorm),
        ),
        (
            row(Buffer::Keys),
            config.kv_dim(),
            InLayer::KeyBias,
            Some(InLayer::KeyNorm),
        ),
        (
            row(Buffer::Values),
            config.kv_dim(),
            InLayer::ValueBias,
            None,
        ),
    ];
    for (at, len, bias, norm) in rows {
        if let Some(tensor) = Tensor::find(&host.arena(), in_layer(layer, bias)) {
            let mut loaded = host.load(Rom::Model, tensor.at, tensor.row_bytes());
            let x = loaded.arena.view_mut(at, len);
            add_bias(x, loaded.data);
            all_finite(x)?;
        }
        let Some(norm) = norm else {
            continue;
        };
        if let Some(tensor) = Tensor::find(&host.arena(), in_layer(layer, norm)) {
            let mut loaded = host.load(Rom::Model, tensor.at, tensor.row_bytes());
            let x = loaded.arena.view_mut(at, len);
            norm_heads(x, loaded.data, config.epsilon)?;
        }
        let mut arena = host.arena();
        let [x, table] = arena.split([span::<f32>(at, len), span::<f32>(table, config.head)]);
        let x = view_mut(x);
        rotate_as(config.architecture, x, view(table));
        all_finite(x)?;
    }
    Ok(())
}

/// Offset of the chunk's first row in the cache.
pub(crate) fn cache_at(arena: &Arena, config: &Config, buffer: Buffer, layer: u32) -> u32 {
    let row = layer * arena.get::<u32>(CAPACITY) + arena.get::<u32>(CHUNK_AT);
    buffer.at(arena) + 4 * row * config.kv_dim()
}

/// `x / (1 + e^-x) * up`.
#[inline(always)]
pub fn silu_times(x: f32, up: f32) -> f32 {
    x / (1.0 + exp(-x)) * up
}

fn activate(arena: &mut Arena, config: &Config, t: u32) -> Result<(), NonFinite> {
    let [gate, up] = [Buffer::Gate, Buffer::Up].map(|b| b.at(arena) + 4 * t * config.ffn);
    let out = Buffer::Normed.at(arena) + 4 * t * config.widest();
    let [gate, up, out] = arena.split([gate, up, out].map(|at| span::<f32>(at, config.ffn)));
    let out: &mut [f32] = view_mut(out);
    for ((out, gate), up) in out.iter_mut().zip(view(gate)).zip(view(up)) {
        *out = silu_times(*gate, *up);
    }
    all_finite(out)?;
    pack(arena, config, config.ffn, t)
}

/// Where a product's outputs go, and how far apart tokens are there. Logits that are only
/// compared go nowhere.
pub(crate) fn destination(arena: &Arena, config: &Config, op: Op, layer: u32) -> (u32, u32) {
    match op {
        Op::Logits if kept_rows(arena) > 0 => (Buffer::Logits.at(arena), config.vocab),
        Op::Query => (Buffer::Query.at(arena), config.query_dim()),
        Op::Key => (
            cache_at(arena, config, Buffer::Keys, layer),
            config.kv_dim(),
        ),
        Op::Value => (
            cache_at(arena, config, Buffer::Values, layer),
            config.kv_dim(),
        ),
        Op::Gate => (Buffer::Gate.at(arena), config.ffn),
        Op::Up => (Buffer::Up.at(arena), config.ffn),
        _ => (Buffer::Stream.at(arena), config.dim),
    }
}

/// Multiplies `count` rows from `first` with the chunk's tokens, and stores, adds or compares the outputs.
fn product<H: Host>(
    host: &mut H,
    config: &Config,
    op: Op,
    tensor: &Tensor,
    (first, count): (u32, u32),
    tokens: u32,
) -> Result<(), NonFinite> {
    let at = tensor.at + u64::from(first) * u64::from(tensor.row_bytes());
    let Loaded {
        data,
        mut arena,
        scratch,
    } = host.load(Rom::Model, at, count * tensor.row_bytes());
    let layer: u32 = arena.get(LAYER);
    let packed = packed_spans(&arena, tensor.columns);
    let floats = span::<f32>(
        Buffer::Normed.at(&arena),
        (tokens - 1) * config.widest() + tensor.columns,
    );
    let mut picks = (op == Op::Logits).then(|| Picks::load(&arena, first));
    let keeps = op == Op::Logits && kept_rows(&arena) > 0;
    let (out, stride) = destination(&arena, config, op, layer);
    let [quads, scales, sums] = packed;
    let out = span::<f32>(out, tokens * stride);
    let [quads, scales, sums, floats, out] = arena.split([quads, scales, sums, floats, out]);
    let input = if tensor.format.is_float() {
        Input::Floats(view(floats), config.widest() as usize)
    } else {
        Input::Packed(Packed {
            quads: view(quads),
            scales: view(scales),
            sums: view(sums),
        })
    };
    let (out, adds): (&mut [f32], bool) = (view_mut(out), op.adds());
    let mut result = Ok(());
    rows(
        (tensor.format, tensor.columns),
        data,
        input,
        tokens,
        scratch,
        |i, outputs| {
            if let Some(picks) = &mut picks {
                result = result.and(picks.see(first + i as u32, outputs));
                if !keeps {
                    return;
                }
            }
            let column = out[(first as usize + i)..]
                .iter_mut()
                .step_by(stride as usize);
            for (out, y) in column.zip(&outputs[..tokens as usize]) {
                *out = if adds { *out + y } else { *y };
                result = result.and(all_finite(&[*out]));
            }
        },
    );
    if let Some(picks) = picks {
        picks.store(&mut arena);
    }
    result
}
