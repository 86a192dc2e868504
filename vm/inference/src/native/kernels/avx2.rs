//! Panels of eight rows by `vpmaddubsw`: products of unsigned and signed bytes, added in pairs of 16 bits.
//!
//! Up to six bits the stored weights are the unsigned side, and as many pairs are added in 16 bits as can't overflow. Of eight bits
//! their magnitudes are, and the activations take the signs: 128 * 127 * 2 still fits.

use super::Factors as View;
use super::panels::{Factors, HALVES, NESTED, Panel, SCALE, SCALE_OFFSET, Shape, chunk};
use crate::ops::GROUP;
use crate::quantize::{BLOCK, GROUP_BYTES};
use std::arch::x86_64::*;

/// Rows of a panel.
pub(super) const HEIGHT: usize = 8;
/// Most tokens of a tile.
pub(super) const MOST: usize = 4;

/// One panel times tokens `first ..` (at most [`MOST`], `first` a multiple of 4): eight outputs for each token.
///
/// # Safety
/// The processor has the features that [`super::Level::Avx2`] names.
#[target_feature(enable = "avx2,f16c")]
pub(super) fn tile(
    shape: Shape,
    panel: Panel,
    x: &View,
    first: usize,
    tokens: usize,
    out: &mut [[f32; HEIGHT]; MOST],
) {
    macro_rules! by_tokens {
        ($bits:literal, $nibbles:literal, $factors:ident, $bias:literal) => {
            match tokens {
                1 => run::<$bits, $nibbles, $factors, $bias, 1>(panel, x, first, out),
                2 => run::<$bits, $nibbles, $factors, $bias, 2>(panel, x, first, out),
                _ => run::<$bits, $nibbles, $factors, $bias, 4>(panel, x, first, out),
            }
        };
    }
    match (shape.factors, shape.bits, shape.bias) {
        (Factors::Scale, 4, 8) => by_tokens!(4, true, SCALE, 3),
        (Factors::Scale, 5, 16) => by_tokens!(5, false, SCALE, 4),
        (Factors::Scale, 8, 0) => by_tokens!(8, false, SCALE, 0),
        (Factors::ScaleOffset, 4, 0) => by_tokens!(4, true, SCALE_OFFSET, 0),
        (Factors::ScaleOffset, 5, 0) => by_tokens!(5, false, SCALE_OFFSET, 0),
        (Factors::Nested, 4, 0) => by_tokens!(4, true, NESTED, 0),
        (Factors::Nested, 5, 0) => by_tokens!(5, false, NESTED, 0),
        (Factors::Halves, 6, 32) => by_tokens!(6, false, HALVES, 5),
        _ => unreachable!("no type has this shape"),
    }
}

/// Blocks from the one that is multiplied to the one that is fetched.
const AHEAD: usize = 8;

/// Eight binary16 numbers as f32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(bytes: &[u8]) -> __m256 {
    let bytes: &[u8; 16] = chunk(bytes);
    // SAFETY: 16 bytes are there.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// Eight bytes, in the lower half.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn eight(bytes: &[u8]) -> __m128i {
    let bytes: &[u8; 8] = chunk(bytes);
    _mm_cvtsi64_si128(i64::from_le_bytes(*bytes))
}

/// How many quads' pairs of products are added in 16 bits.
const fn together(bits: u32) -> usize {
    match bits {
        4 => 8,
        5 => 4,
        6 => 2,
        _ => 1,
    }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn run<const BITS: u32, const NIBBLES: bool, const FACTORS: u8, const BIAS: i32, const T: usize>(
    panel: Panel,
    x: &View,
    first: usize,
    out: &mut [[f32; HEIGHT]; MOST],
) {
    let lines_per_block = if NIBBLES { 2 } else { 4 };
    let blocks = panel.blocks;
    assert!(first.is_multiple_of(MOST));
    assert!(panel.lines.len() == blocks * lines_per_block);
    // Cells up to the end of the tile's last group.
    let cells = (first + T).div_ceil(GROUP as usize) * blocks * GROUP as usize;
    assert!(x.packed.quads.len() >= cells * BLOCK);
    assert!(x.packed.scales.len() >= cells && x.packed.sums.len() >= cells);
    assert!(x.totals.len() >= cells && x.halves.len() >= cells);
    let (nibble, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let mut acc = [_mm256_setzero_ps(); T];
    let (mut outer, mut outer_offset) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for b in 0..blocks {
        let none = _mm256_setzero_si256();
        let (scale, offset, low, high) = match FACTORS {
            SCALE => (halves(&panel.factors[16 * b..]), outer, none, none),
            SCALE_OFFSET => {
                let at = &panel.factors[32 * b..];
                (halves(at), halves(&at[16..]), none, none)
            }
            NESTED => {
                let base = 20 * HEIGHT * (b / 8);
                if b % 8 == 0 {
                    outer = halves(&panel.factors[base..]);
                    outer_offset = halves(&panel.factors[base + 16..]);
                }
                let at = base + HEIGHT * (4 + 2 * (b % 8));
                let wide = |at: usize| {
                    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight(&panel.factors[at..])))
                };
                let offset = _mm256_mul_ps(outer_offset, wide(at + HEIGHT));
                (_mm256_mul_ps(outer, wide(at)), offset, none, none)
            }
            _ => {
                let base = 18 * HEIGHT * (b / 8);
                if b % 8 == 0 {
                    outer = halves(&panel.factors[base..]);
                }
                let at = base + HEIGHT * (2 + 2 * (b % 8));
                let low = _mm256_cvtepi8_epi32(eight(&panel.factors[at..]));
                let high = _mm256_cvtepi8_epi32(eight(&panel.factors[at + HEIGHT..]));
                (outer, outer, low, high)
            }
        };
        let leaf = |t: usize| (first + t) / 4 * blocks + b;
        // SAFETY: leaf and cell of a token of the tile are below what the assertions above cover.
        let activation = |quad: usize, t: usize| unsafe {
            let at = GROUP_BYTES * leaf(t) + 16 * quad + 4 * (t % 4);
            _mm256_set1_epi32(
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
            _mm256_set1_epi32(*cells.get_unchecked(4 * leaf(t) + t % 4))
        };
        // SAFETY: as above.
        let number = |cells: &[f32], t: usize| unsafe {
            _mm256_set1_ps(*cells.get_unchecked(4 * leaf(t) + t % 4))
        };
        // SAFETY: the panel has that many lines, which are aligned; half a line is 32 bytes.
        let weights = |quad: usize| unsafe {
            let lines: *const u8 = panel.lines.as_ptr().add(b * lines_per_block).cast();
            let stored = if NIBBLES { quad % 4 } else { quad };
            let bytes = _mm256_load_si256(lines.add(32 * stored).cast());
            match (NIBBLES, quad / 4) {
                (false, _) => bytes,
                (true, 0) => _mm256_and_si256(bytes, nibble),
                (true, _) => _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble),
            }
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
        let mut sums = [_mm256_setzero_si256(); T];
        if FACTORS == SCALE && BIAS != 0 {
            for (t, sum) in sums.iter_mut().enumerate() {
                *sum = _mm256_slli_epi32::<BIAS>(cell(x.totals, t));
            }
        }
        // In Q6_K the first half's scale, then the second's, stands where else ones do.
        let scales = _mm256_or_si256(
            _mm256_and_si256(low, _mm256_set1_epi32(0xffff)),
            _mm256_slli_epi32::<16>(high),
        );
        let twice = |v: __m256i| {
            _mm256_or_si256(
                _mm256_and_si256(v, _mm256_set1_epi32(0xffff)),
                _mm256_slli_epi32::<16>(v),
            )
        };
        let (low, high) = (twice(low), twice(high));
        let mut quad = 0;
        while quad < 8 {
            let mut pairs = [_mm256_setzero_si256(); T];
            for i in quad..quad + together(BITS) {
                let w = weights(i);
                for (t, pairs) in pairs.iter_mut().enumerate() {
                    let x = activation(i, t);
                    let products = if BITS == 8 {
                        _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
                    } else {
                        _mm256_maddubs_epi16(w, x)
                    };
                    *pairs = _mm256_add_epi16(*pairs, products);
                }
            }
            let times = match FACTORS {
                HALVES if quad < 4 => low,
                HALVES => high,
                _ => ones,
            };
            for (sum, pairs) in sums.iter_mut().zip(pairs) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, times));
            }
            quad += together(BITS);
        }
        for t in 0..T {
            if FACTORS == HALVES {
                let biases = _mm256_madd_epi16(scales, cell(x.halves, t));
                sums[t] = _mm256_sub_epi32(sums[t], _mm256_slli_epi32::<BIAS>(biases));
            }
            let factor = _mm256_mul_ps(scale, number(x.packed.scales, t));
            let mut y = _mm256_mul_ps(factor, _mm256_cvtepi32_ps(sums[t]));
            if FACTORS == SCALE_OFFSET {
                y = _mm256_add_ps(y, _mm256_mul_ps(offset, number(x.packed.sums, t)));
            }
            if FACTORS == NESTED {
                y = _mm256_sub_ps(y, _mm256_mul_ps(offset, number(x.packed.sums, t)));
            }
            acc[t] = _mm256_add_ps(acc[t], y);
        }
    }
    for (acc, out) in acc.iter().zip(out) {
        // SAFETY: eight numbers are there.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), *acc) };
    }
}
