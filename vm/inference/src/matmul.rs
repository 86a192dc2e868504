//! Rows of a matrix times the chunk's tokens. Quantized types: exact integer sums in blocks, then f32 over blocks in ascending
//! order, one accumulator per output. Floats: an f32 sum in ascending order.

use crate::arena::view_mut;
use crate::blocks::{Integers, unpack};
use crate::math::from_half;
use crate::ops::{CHUNK, GROUP, GROUPS};
use crate::quantize::{BLOCK, GROUP_BYTES, Packed};
use crate::tensors::Format;

/// One row's output for each token of a chunk.
pub type Outputs = [f32; CHUNK as usize];

/// A row of floats as f32, or of quantized weights as the numbers that they stand for.
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
        Format::BF16 => {
            for (out, b) in out.iter_mut().zip(row.chunks_exact(2)) {
                *out = f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16);
            }
        }
        _ => {
            let mut q: Integers = [0; BLOCK];
            for (b, out) in out.chunks_exact_mut(BLOCK).enumerate() {
                let (scale, offset) = unpack(format, row, b, &mut q);
                for (out, q) in out.iter_mut().zip(&q) {
                    let product = scale * f32::from(*q);
                    *out = if format.has_offset() {
                        product + offset
                    } else {
                        product
                    };
                }
            }
        }
    }
}

/// One f32 row times `tokens` tokens, whose numbers start `stride` apart in `x`.
pub fn float_row(row: &[f32], x: &[f32], stride: usize, tokens: usize) -> Outputs {
    let mut out = [0.0; CHUNK as usize];
    let token = |t: usize| &x[t * stride..][..row.len()];
    for (i, out) in out[..tokens].chunks_mut(GROUP as usize).enumerate() {
        let t = i * GROUP as usize;
        if let [a, b, c, d] = out {
            // Four sums side by side; each is still in index order.
            let (xa, xb, xc, xd) = (token(t), token(t + 1), token(t + 2), token(t + 3));
            for (k, w) in row.iter().enumerate() {
                *a += w * xa[k];
                *b += w * xb[k];
                *c += w * xc[k];
                *d += w * xd[k];
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

/// A row of quantized weights, unpacked.
#[derive(Clone, Copy)]
struct Row<'a> {
    q: &'a [i16],
    scales: &'a [f32],
    /// As many, where the type has offsets; else none.
    offsets: &'a [f32],
}

/// One unpacked row times the chunk's first `groups` groups.
fn packed_row(row: &Row, x: &Packed, groups: usize) -> Outputs {
    let blocks = row.scales.len();
    let cells = groups * blocks * GROUP as usize;
    assert!(row.q.len() == blocks * BLOCK && x.quads.len() >= cells * BLOCK);
    assert!(x.scales.len() >= cells && x.sums.len() >= cells);
    let mut out = [0.0; CHUNK as usize];
    let mut group = 0;
    while group < groups {
        let left = &mut out[group * GROUP as usize..];
        group += match groups - group {
            1 => lanes::<1>(row, x, group, left),
            2 => lanes::<2>(row, x, group, left),
            3 => lanes::<3>(row, x, group, left),
            _ => lanes::<4>(row, x, group, left),
        };
    }
    out
}

/// `G` groups from `first` on; returns `G`.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn lanes<const G: usize>(row: &Row, x: &Packed, first: usize, out: &mut [f32]) -> usize {
    let mut acc = [[0.0f32; GROUP as usize]; G];
    let q = row.q.chunks_exact(BLOCK).zip(row.scales);
    for (b, (q, scale)) in q.enumerate() {
        for (g, acc) in acc.iter_mut().enumerate() {
            let leaf = (first + g) * row.scales.len() + b;
            let quads = &x.quads[leaf * GROUP_BYTES..][..GROUP_BYTES];
            let mut sums = [0i32; GROUP as usize];
            for (q, quad) in q.chunks_exact(4).zip(quads.chunks_exact(16)) {
                for (sum, x) in sums.iter_mut().zip(quad.chunks_exact(4)) {
                    for (q, x) in q.iter().zip(x) {
                        *sum += i32::from(*q) * i32::from(*x);
                    }
                }
            }
            let at = leaf * GROUP as usize;
            for (lane, sum) in sums.into_iter().enumerate() {
                let mut y = (scale * x.scales[at + lane]) * sum as f32;
                if let Some(offset) = row.offsets.get(b) {
                    y += offset * x.sums[at + lane];
                }
                acc[lane] += y;
            }
        }
    }
    out[..G * GROUP as usize].copy_from_slice(acc.as_flattened());
    G
}

/// `G` groups from `first` on; returns `G`.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
fn lanes<const G: usize>(row: &Row, x: &Packed, first: usize, out: &mut [f32]) -> usize {
    use core::arch::wasm32::*;
    let mut acc = [f32x4_splat(0.0); G];
    for (b, (q, scale)) in row.q.chunks_exact(BLOCK).zip(row.scales).enumerate() {
        let leaf = |g: usize| (first + g) * row.scales.len() + b;
        let quads: [&[i8]; G] =
            core::array::from_fn(|g| &x.quads[leaf(g) * GROUP_BYTES..][..GROUP_BYTES]);
        // Tokens 0 and 1 of each group, then 2 and 3, two lanes each.
        let (mut low, mut high) = ([i32x4_splat(0); G], [i32x4_splat(0); G]);
        for quad in 0..8 {
            // SAFETY: 4 quad + 3 < 32, the length of `q`; 16 quad + 15 < 128, that of each group's quads.
            unsafe {
                let w = v128_load64_splat(q.as_ptr().add(4 * quad).cast());
                for g in 0..G {
                    let x = quads[g].as_ptr().add(16 * quad);
                    low[g] = i32x4_add(low[g], i32x4_dot_i16x8(w, i16x8_load_extend_i8x8(x)));
                    let x = x.add(8);
                    high[g] = i32x4_add(high[g], i32x4_dot_i16x8(w, i16x8_load_extend_i8x8(x)));
                }
            }
        }
        for g in 0..G {
            let sum = i32x4_add(
                i32x4_shuffle::<0, 2, 4, 6>(low[g], high[g]),
                i32x4_shuffle::<1, 3, 5, 7>(low[g], high[g]),
            );
            let at = leaf(g) * GROUP as usize;
            let (scales, sums) = (&x.scales[at..][..4], &x.sums[at..][..4]);
            // SAFETY: four numbers are in each.
            let (xs, xsum) = unsafe {
                (
                    v128_load(scales.as_ptr().cast()),
                    v128_load(sums.as_ptr().cast()),
                )
            };
            let mut y = f32x4_mul(f32x4_mul(f32x4_splat(*scale), xs), f32x4_convert_i32x4(sum));
            if let Some(offset) = row.offsets.get(b) {
                y = f32x4_add(y, f32x4_mul(f32x4_splat(*offset), xsum));
            }
            acc[g] = f32x4_add(acc[g], y);
        }
    }
    for (acc, out) in acc.iter().zip(out.chunks_exact_mut(4)) {
        out.copy_from_slice(&[
            f32x4_extract_lane::<0>(*acc),
            f32x4_extract_lane::<1>(*acc),
            f32x4_extract_lane::<2>(*acc),
            f32x4_extract_lane::<3>(*acc),
        ]);
    }
    G
}

/// What a tile of rows is multiplied with.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// Quantized activations, for quantized weights.
    Packed(Packed<'a>),
    /// Numbers, and the distance between tokens.
    Floats(&'a [f32], usize),
}

/// Bytes of scratch that a row of `columns` elements needs, at most.
pub const fn scratch_bytes(columns: u32) -> u32 {
    4 * columns + 64
}

/// Multiplies consecutive rows in `data` with `tokens` tokens; `emit` gets each row's number and outputs.
/// `scratch` has [`scratch_bytes`], 8-aligned.
pub fn rows(
    (format, columns): (Format, u32),
    data: &[u8],
    input: Input,
    tokens: u32,
    scratch: &mut [u8],
    mut emit: impl FnMut(usize, &Outputs),
) {
    let columns = columns as usize;
    let rows = data
        .chunks_exact(format.row_bytes(columns as u32) as usize)
        .enumerate();
    match input {
        Input::Packed(x) => {
            let blocks = columns / BLOCK;
            let (q, rest) = scratch.split_at_mut(2 * columns);
            let (scales, rest) = rest.split_at_mut(4 * blocks);
            let (q, scales): (&mut [i16], &mut [f32]) = (view_mut(q), view_mut(scales));
            let offsets: &mut [f32] = view_mut(&mut rest[..4 * blocks]);
            let groups = tokens.div_ceil(GROUP).min(GROUPS) as usize;
            rows.for_each(|(i, data)| {
                unpack_row(format, data, q, scales, offsets);
                let offsets = if format.has_offset() { &*offsets } else { &[] };
                let row = Row { q, scales, offsets };
                emit(i, &packed_row(&row, &x, groups));
            });
        }
        Input::Floats(x, stride) => {
            let wide: &mut [f32] = view_mut(&mut scratch[..4 * columns]);
            rows.for_each(|(i, row)| {
                widen(format, row, wide);
                emit(i, &float_row(wide, x, stride, tokens as usize));
            });
        }
    }
}

/// Unpacks a whole row. One copy of the loop for each format, so that none asks anew at every block.
fn unpack_row(format: Format, data: &[u8], q: &mut [i16], scales: &mut [f32], offsets: &mut [f32]) {
    macro_rules! each {
        ($($format:ident),*) => {
            match format {
                $(Format::$format => unpack_blocks(Format::$format, data, q, scales, offsets),)*
                Format::F32 | Format::F16 | Format::BF16 => {}
            }
        };
    }
    each!(Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K)
}

#[inline(always)]
fn unpack_blocks(
    format: Format,
    data: &[u8],
    q: &mut [i16],
    scales: &mut [f32],
    offsets: &mut [f32],
) {
    let (blocks, _) = q.as_chunks_mut::<BLOCK>();
    let factors = scales.iter_mut().zip(offsets);
    for (b, (q, (scale, offset))) in blocks.iter_mut().zip(factors).enumerate() {
        (*scale, *offset) = unpack(format, data, b, q);
    }
}
