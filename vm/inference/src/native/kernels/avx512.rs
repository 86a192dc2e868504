//! Panels of 16 rows by `vpdpbusd`: four products of unsigned weights and signed activations for each of 16 rows at once.
//!
//! The unsigned weights are above the true ones by a bias, a power of two, so sums start at the negative total of the
//! activations times that.

use super::Factors as View;
use super::panels::{Factors, HALVES, NESTED, Panel, SCALE, SCALE_OFFSET, Shape, chunk};
use crate::ops::GROUP;
use crate::quantize::{BLOCK, GROUP_BYTES};
use std::arch::x86_64::*;

/// Rows of a panel.
pub(super) const HEIGHT: usize = 16;
/// Most tokens of a tile.
pub(super) const MOST: usize = 8;

/// One panel times tokens `first ..` (at most [`MOST`], `first` a multiple of 8): 16 outputs for each token.
///
/// # Safety
/// The processor has the features that [`super::Level::Avx512`] names.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
pub(super) fn tile(
    shape: Shape,
    panel: Panel,
    x: &View,
    first: usize,
    tokens: usize,
    out: &mut [[f32; HEIGHT]; MOST],
) {
    macro_rules! by_tokens {
        ($nibbles:literal, $factors:ident, $bias:literal) => {
            match tokens {
                1 => run::<$nibbles, $factors, $bias, 1>(panel, x, first, out),
                2 => run::<$nibbles, $factors, $bias, 2>(panel, x, first, out),
                3..=4 => run::<$nibbles, $factors, $bias, 4>(panel, x, first, out),
                _ => run::<$nibbles, $factors, $bias, 8>(panel, x, first, out),
            }
        };
    }
    match (shape.factors, shape.nibbles, shape.bias) {
        (Factors::Scale, true, 8) => by_tokens!(true, SCALE, 3),
        (Factors::Scale, false, 16) => by_tokens!(false, SCALE, 4),
        (Factors::Scale, false, 128) => by_tokens!(false, SCALE, 7),
        (Factors::ScaleOffset, true, 0) => by_tokens!(true, SCALE_OFFSET, 0),
        (Factors::ScaleOffset, false, 0) => by_tokens!(false, SCALE_OFFSET, 0),
        (Factors::Nested, true, 0) => by_tokens!(true, NESTED, 0),
        (Factors::Nested, false, 0) => by_tokens!(false, NESTED, 0),
        (Factors::Halves, false, 32) => by_tokens!(false, HALVES, 5),
        _ => unreachable!("no type has this shape"),
    }
}

/// Blocks from the one that is multiplied to the one that is fetched.
const AHEAD: usize = 4;

/// 16 binary16 numbers as f32.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn halves(bytes: &[u8]) -> __m512 {
    let bytes: &[u8; 32] = chunk(bytes);
    // SAFETY: 32 bytes are there.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) })
}

/// 16 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn sixteen(bytes: &[u8]) -> __m128i {
    let bytes: &[u8; 16] = chunk(bytes);
    // SAFETY: 16 bytes are there.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c")]
fn run<const NIBBLES: bool, const FACTORS: u8, const BIAS: u32, const T: usize>(
    panel: Panel,
    x: &View,
    first: usize,
    out: &mut [[f32; HEIGHT]; MOST],
) {
    let lines_per_block = if NIBBLES { 4 } else { 8 };
    let blocks = panel.blocks;
    assert!(first.is_multiple_of(MOST));
    assert!(panel.lines.len() == blocks * lines_per_block);
    // Cells up to the end of the tile's last group.
    let cells = (first + T).div_ceil(GROUP as usize) * blocks * GROUP as usize;
    assert!(x.packed.quads.len() >= cells * BLOCK);
    assert!(x.packed.scales.len() >= cells && x.packed.sums.len() >= cells);
    assert!(x.totals.len() >= cells && x.halves.len() >= cells);
    let nibble = _mm512_set1_epi8(15);
    let mut acc = [_mm512_setzero_ps(); T];
    let (mut outer, mut outer_offset) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for b in 0..blocks {
        // The block's factors.
        let none = _mm512_setzero_si512();
        let (scale, offset, low, high) = match FACTORS {
            SCALE => (halves(&panel.factors[32 * b..]), outer, none, none),
            SCALE_OFFSET => {
                let at = &panel.factors[64 * b..];
                (halves(at), halves(&at[32..]), none, none)
            }
            NESTED => {
                let base = 20 * HEIGHT * (b / 8);
                if b % 8 == 0 {
                    outer = halves(&panel.factors[base..]);
                    outer_offset = halves(&panel.factors[base + 32..]);
                }
                let at = base + HEIGHT * (4 + 2 * (b % 8));
                let wide = |at: usize| {
                    _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(sixteen(&panel.factors[at..])))
                };
                let offset = _mm512_mul_ps(outer_offset, wide(at + HEIGHT));
                (_mm512_mul_ps(outer, wide(at)), offset, none, none)
            }
            _ => {
                let base = 18 * HEIGHT * (b / 8);
                if b % 8 == 0 {
                    outer = halves(&panel.factors[base..]);
                }
                let at = base + HEIGHT * (2 + 2 * (b % 8));
                let low = _mm512_cvtepi8_epi32(sixteen(&panel.factors[at..]));
                let high = _mm512_cvtepi8_epi32(sixteen(&panel.factors[at + HEIGHT..]));
                (outer, outer, low, high)
            }
        };
        let leaf = |t: usize| (first + t) / 4 * blocks + b;
        // SAFETY: leaf and cell of a token of the tile are below what the assertions above cover.
        let activation = |quad: usize, t: usize| unsafe {
            let at = GROUP_BYTES * leaf(t) + 16 * quad + 4 * (t % 4);
            _mm512_set1_epi32(
                x.packed
                    .quads
                    .as_ptr()
                    .add(at)
                    .cast::<i32>()
                    .read_unaligned(),
            )
        };
        // SAFETY: as above.
        let cell = |cells: &[i32], t: usize| unsafe {
            _mm512_set1_epi32(*cells.get_unchecked(4 * leaf(t) + t % 4))
        };
        // SAFETY: as above.
        let number = |cells: &[f32], t: usize| unsafe {
            _mm512_set1_ps(*cells.get_unchecked(4 * leaf(t) + t % 4))
        };
        // SAFETY: the panel has that many lines, which are aligned.
        let line = |i: usize| unsafe {
            _mm512_load_si512(panel.lines.as_ptr().add(b * lines_per_block + i).cast())
        };
        if T == 1 {
            // One token uses each line once: it should be under way well before. Only a hint, so past the end is no harm.
            let ahead = panel
                .lines
                .as_ptr()
                .wrapping_add((b + AHEAD) * lines_per_block);
            for i in 0..lines_per_block {
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(i).cast());
            }
        }
        let mut sums = [_mm512_setzero_si512(); T];
        if FACTORS == HALVES {
            let mut second = [_mm512_setzero_si512(); T];
            for quad in 0..4 {
                let (w, v) = (line(quad), line(quad + 4));
                for t in 0..T {
                    sums[t] = _mm512_dpbusd_epi32(sums[t], w, activation(quad, t));
                    second[t] = _mm512_dpbusd_epi32(second[t], v, activation(quad + 4, t));
                }
            }
            // Each half's scale times its sum less its bias.
            let scales = _mm512_or_si512(
                _mm512_and_si512(low, _mm512_set1_epi32(0xffff)),
                _mm512_slli_epi32::<16>(high),
            );
            for t in 0..T {
                let biases = _mm512_madd_epi16(scales, cell(x.halves, t));
                let products = _mm512_add_epi32(
                    _mm512_mullo_epi32(low, sums[t]),
                    _mm512_mullo_epi32(high, second[t]),
                );
                sums[t] = _mm512_sub_epi32(products, _mm512_slli_epi32::<BIAS>(biases));
            }
        } else {
            if FACTORS == SCALE {
                for (t, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_slli_epi32::<BIAS>(cell(x.totals, t));
                }
            }
            if NIBBLES {
                for i in 0..4 {
                    let both = line(i);
                    let w = _mm512_and_si512(both, nibble);
                    let v = _mm512_and_si512(_mm512_srli_epi16::<4>(both), nibble);
                    for (t, sum) in sums.iter_mut().enumerate() {
                        *sum = _mm512_dpbusd_epi32(*sum, w, activation(i, t));
                        *sum = _mm512_dpbusd_epi32(*sum, v, activation(i + 4, t));
                    }
                }
            } else {
                for quad in 0..8 {
                    let w = line(quad);
                    for (t, sum) in sums.iter_mut().enumerate() {
                        *sum = _mm512_dpbusd_epi32(*sum, w, activation(quad, t));
                    }
                }
            }
        }
        for t in 0..T {
            let factor = _mm512_mul_ps(scale, number(x.packed.scales, t));
            let mut y = _mm512_mul_ps(factor, _mm512_cvtepi32_ps(sums[t]));
            if FACTORS == SCALE_OFFSET {
                y = _mm512_add_ps(y, _mm512_mul_ps(offset, number(x.packed.sums, t)));
            }
            if FACTORS == NESTED {
                y = _mm512_sub_ps(y, _mm512_mul_ps(offset, number(x.packed.sums, t)));
            }
            acc[t] = _mm512_add_ps(acc[t], y);
        }
    }
    for (acc, out) in acc.iter().zip(out) {
        // SAFETY: 16 numbers are there.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *acc) };
    }
}
