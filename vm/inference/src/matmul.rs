//! Rows of a matrix times the chunk's tokens. Q8_0: exact integer sums in blocks, then f32 over blocks in ascending order, one
//! accumulator per output. F16, F32: an f32 sum in ascending order.

use crate::math::from_half;
use crate::ops::{CHUNK, GROUPS, LANES};
use crate::quantize::{BLOCK, BLOCK_SCALES, BLOCK_WORDS, unpack};
use crate::tensors::Format;

/// One row's output for each token of a chunk.
pub type Outputs = [f32; CHUNK as usize];

/// Bytes of a Q8_0 block: a binary16 scale, then 32 int8.
const Q8_BYTES: usize = 34;

/// One Q8_0 row times `groups` groups of three tokens.
#[inline(always)]
pub fn q8_row(row: &[u8], words: &[i64], scales: &[f32], groups: usize) -> Outputs {
    let mut out = [0.0; CHUNK as usize];
    let activations = words
        .chunks_exact(BLOCK_WORDS)
        .zip(scales.chunks_exact(BLOCK_SCALES));
    for (block, (words, scales)) in row.chunks_exact(Q8_BYTES).zip(activations) {
        let weight = from_half(u16::from_le_bytes([block[0], block[1]]));
        let quants = &block[2..];
        let lanes = out
            .chunks_exact_mut(LANES as usize)
            .zip(scales.chunks_exact(LANES as usize));
        for (words, (out, scales)) in words.chunks_exact(BLOCK).zip(lanes).take(groups) {
            let sum = quants.iter().zip(words).fold(0i64, |sum, (q, x)| {
                sum.wrapping_add(i64::from(*q as i8).wrapping_mul(*x))
            });
            for (lane, sum) in unpack(sum).into_iter().enumerate() {
                out[lane] += (weight * scales[lane]) * sum as f32;
            }
        }
    }
    out
}

/// A row of F16 or F32 as f32.
pub fn widen(format: Format, row: &[u8], out: &mut [f32]) {
    match format {
        Format::F32 => {
            for (out, b) in out.iter_mut().zip(row.chunks_exact(4)) {
                *out = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            }
        }
        Format::F16 => {
            for (out, b) in out.iter_mut().zip(row.chunks_exact(2)) {
                *out = from_half(u16::from_le_bytes([b[0], b[1]]));
            }
        }
        Format::Q8 => {
            for (out, block) in out.chunks_exact_mut(BLOCK).zip(row.chunks_exact(Q8_BYTES)) {
                let scale = from_half(u16::from_le_bytes([block[0], block[1]]));
                for (out, q) in out.iter_mut().zip(&block[2..]) {
                    *out = scale * f32::from(*q as i8);
                }
            }
        }
    }
}

/// One f32 row times `tokens` tokens, whose numbers start `stride` apart in `x`.
pub fn float_row(row: &[f32], x: &[f32], stride: usize, tokens: usize) -> Outputs {
    let mut out = [0.0; CHUNK as usize];
    let token = |t: usize| &x[t * stride..][..row.len()];
    for (i, out) in out[..tokens].chunks_mut(GROUPS as usize).enumerate() {
        let t = i * GROUPS as usize;
        if let [a, b, c, d, e] = out {
            // Five sums side by side; each is still in index order.
            let (xa, xb, xc, xd, xe) = (
                token(t),
                token(t + 1),
                token(t + 2),
                token(t + 3),
                token(t + 4),
            );
            for (k, w) in row.iter().enumerate() {
                *a += w * xa[k];
                *b += w * xb[k];
                *c += w * xc[k];
                *d += w * xd[k];
                *e += w * xe[k];
            }
        } else {
            for (j, out) in out.iter_mut().enumerate() {
                *out = row
                    .iter()
                    .zip(token(t + j))
                    .fold(0.0, |sum, (w, x)| sum + w * x);
            }
        }
    }
    out
}

/// What a tile of rows is multiplied with.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// Packed activations and their scales, for Q8_0.
    Packed(&'a [i64], &'a [f32]),
    /// Numbers, and the distance between tokens.
    Floats(&'a [f32], usize),
}

/// Multiplies consecutive rows in `data` with `tokens` tokens; `emit` gets each row's number and outputs.
pub fn rows(
    (format, columns): (Format, u32),
    data: &[u8],
    input: Input,
    tokens: u32,
    scratch: &mut [f32],
    mut emit: impl FnMut(usize, &Outputs),
) {
    let rows = data
        .chunks_exact(format.row_bytes(columns) as usize)
        .enumerate();
    match input {
        Input::Packed(words, scales) => {
            let groups = tokens.div_ceil(LANES) as usize;
            rows.for_each(|(i, row)| emit(i, &q8_row(row, words, scales, groups)));
        }
        Input::Floats(x, stride) => {
            let wide = &mut scratch[..columns as usize];
            rows.for_each(|(i, row)| {
                widen(format, row, wide);
                emit(i, &float_row(wide, x, stride, tokens as usize));
            });
        }
    }
}
