//! Panels of eight rows by `sdot`, or by `smull` and `smlal` where the processor lacks it: four rows in a vector, true weights as signed bytes (of
//! four bits as unsigned ones, so that those of Q4_0 stand above by a bias).
//!
//! Activations lie as `sdot` wants them: the quads of a group's four tokens are the four lanes of one vector.

use super::Factors as View;
use super::panels::{Factors, HALVES, Line, NESTED, Panel, SCALE, SCALE_OFFSET, Shape, chunk};
use crate::ops::GROUP;
use crate::quantize::GROUP_BYTES;
use std::arch::aarch64::*;
use std::arch::asm;
use std::ops::Range;

/// Rows of a panel.
pub(super) const HEIGHT: usize = 8;
/// Most tokens of a tile.
pub(super) const MOST: usize = 4;

/// Numbers of rows 0 to 3 and 4 to 7.
type Floats = [float32x4_t; 2];
/// As these.
type Sums = [int32x4_t; 2];

/// One panel times tokens `first ..` (at most [`MOST`], `first` a multiple of 4): eight outputs for each token; with `sdot` if `DOT`.
///
/// # Safety
/// The processor has the features that [`super::Level::Dotprod`] names if `DOT`, else those that [`super::Level::Neon`] does.
#[target_feature(enable = "neon")]
pub(super) unsafe fn tile<const DOT: bool>(
    shape: Shape,
    panel: Panel,
    x: &View,
    first: usize,
    tokens: usize,
    out: &mut [[f32; HEIGHT]; MOST],
) {
    macro_rules! by_tokens {
        ($bits:literal, $nibbles:literal, $factors:ident, $bias:literal) => {
            // SAFETY: the caller's promise.
            unsafe {
                match tokens {
                    1 => run::<DOT, $bits, $nibbles, $factors, $bias, 1>(panel, x, first, out),
                    2 => run::<DOT, $bits, $nibbles, $factors, $bias, 2>(panel, x, first, out),
                    _ => run::<DOT, $bits, $nibbles, $factors, $bias, 4>(panel, x, first, out),
                }
            }
        };
    }
    match (shape.factors, shape.bits, shape.bias) {
        (Factors::Scale, 4, 8) => by_tokens!(4, true, SCALE, 3),
        (Factors::Scale, 5, 0) => by_tokens!(5, false, SCALE, 0),
        (Factors::Scale, 8, 0) => by_tokens!(8, false, SCALE, 0),
        (Factors::ScaleOffset, 4, 0) => by_tokens!(4, true, SCALE_OFFSET, 0),
        (Factors::ScaleOffset, 5, 0) => by_tokens!(5, false, SCALE_OFFSET, 0),
        (Factors::Nested, 4, 0) => by_tokens!(4, true, NESTED, 0),
        (Factors::Nested, 5, 0) => by_tokens!(5, false, NESTED, 0),
        (Factors::Halves, 6, 0) => by_tokens!(6, false, HALVES, 0),
        _ => unreachable!("no type has this shape"),
    }
}

/// Eight binary16 numbers as f32.
#[inline]
#[target_feature(enable = "neon")]
fn halves(bytes: &[u8]) -> Floats {
    let bytes: &[u8; 16] = chunk(bytes);
    // SAFETY: 16 bytes are there.
    let halves = vreinterpretq_f16_u8(unsafe { vld1q_u8(bytes.as_ptr()) });
    [
        vcvt_f32_f16(vget_low_f16(halves)),
        vcvt_high_f32_f16(halves),
    ]
}

/// Eight unsigned bytes as f32.
#[inline]
#[target_feature(enable = "neon")]
fn unsigned(bytes: &[u8]) -> Floats {
    let bytes: &[u8; 8] = chunk(bytes);
    // SAFETY: eight bytes are there.
    let wide = vmovl_u8(unsafe { vld1_u8(bytes.as_ptr()) });
    [
        vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide))),
        vcvtq_f32_u32(vmovl_high_u16(wide)),
    ]
}

/// Eight signed bytes.
#[inline]
#[target_feature(enable = "neon")]
fn signed(bytes: &[u8]) -> Sums {
    let bytes: &[u8; 8] = chunk(bytes);
    // SAFETY: eight bytes are there.
    let wide = vmovl_s8(vreinterpret_s8_u8(unsafe { vld1_u8(bytes.as_ptr()) }));
    [vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide)]
}

/// Numbers of a panel times those of another, or times one number.
#[inline]
#[target_feature(enable = "neon")]
fn times(a: Floats, b: Floats) -> Floats {
    [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "neon")]
fn times_one(a: Floats, b: f32) -> Floats {
    [vmulq_n_f32(a[0], b), vmulq_n_f32(a[1], b)]
}

/// A quad of rows 0 to 3 and of rows 4 to 7.
#[inline]
#[target_feature(enable = "neon")]
fn weights<const NIBBLES: bool>(lines: &[Line], quad: usize) -> [int8x16_t; 2] {
    let stored = if NIBBLES { quad % 4 } else { quad };
    [0, 16].map(|rows| {
        let bytes: &[u8; 16] = chunk(&lines[stored / 2].0[stored % 2 * 32 + rows..]);
        // SAFETY: 16 bytes are there.
        let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
        vreinterpretq_s8_u8(match (NIBBLES, quad / 4) {
            (false, _) => bytes,
            (true, 0) => vandq_u8(bytes, vdupq_n_u8(15)),
            (true, _) => vshrq_n_u8::<4>(bytes),
        })
    })
}

/// A quad of each token.
#[inline]
#[target_feature(enable = "neon")]
fn activations(x: &[i8; GROUP_BYTES], quad: usize) -> int8x16_t {
    let x: &[i8; 16] = chunk(&x[16 * quad..]);
    // SAFETY: 16 bytes are there.
    unsafe { vld1q_s8(x.as_ptr()) }
}

/// Dot products of `quads` of a block of each row with those of the first `T` tokens.
///
/// # Safety
/// As for [`tile`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn dots<const DOT: bool, const BITS: u32, const NIBBLES: bool, const T: usize>(
    lines: &[Line],
    x: &[i8; GROUP_BYTES],
    quads: Range<usize>,
) -> [Sums; T] {
    if !DOT {
        return products::<BITS, NIBBLES, T>(lines, x, quads);
    }
    let mut sums = [[vdupq_n_s32(0); 2]; T];
    for quad in quads {
        let (w, x) = (weights::<NIBBLES>(lines, quad), activations(x, quad));
        for (t, sums) in sums.iter_mut().enumerate() {
            for (sum, w) in sums.iter_mut().zip(w) {
                // SAFETY: the caller's promise.
                *sum = unsafe {
                    match t {
                        0 => sdot::<0>(*sum, w, x),
                        1 => sdot::<1>(*sum, w, x),
                        2 => sdot::<2>(*sum, w, x),
                        _ => sdot::<3>(*sum, w, x),
                    }
                };
            }
        }
    }
    sums
}

/// Adds to each sum the four products of a lane of `w` with lane `LANE` of `x`.
///
/// # Safety
/// The processor has dot products. (The feature is named to the assembler alone, else this could not be inlined where plain NEON is all that
/// the compiler may take.)
#[inline]
#[target_feature(enable = "neon")]
unsafe fn sdot<const LANE: u32>(mut sum: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction on three registers, which the caller's processor has.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[{lane}]",
            sum = inout(vreg) sum,
            w = in(vreg) w,
            x = in(vreg) x,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// How many quads' products are added in 16 bits: `-128 * -127 * 2`, `31 * 127 * 4` and less fit.
const fn together(bits: u32) -> usize {
    if bits == 8 { 2 } else { 4 }
}

/// As [`dots`], without `sdot`.
#[inline]
#[target_feature(enable = "neon")]
fn products<const BITS: u32, const NIBBLES: bool, const T: usize>(
    lines: &[Line],
    x: &[i8; GROUP_BYTES],
    quads: Range<usize>,
) -> [Sums; T] {
    // Two lanes for each row: rows 0 and 1, 2 and 3, and so on.
    let mut twos = [[vdupq_n_s32(0); 4]; T];
    for start in quads.step_by(together(BITS)) {
        let mut products = [[vdupq_n_s16(0); 4]; T];
        for quad in start..start + together(BITS) {
            let w = weights::<NIBBLES>(lines, quad);
            let x = vreinterpretq_s32_s8(activations(x, quad));
            for (t, products) in products.iter_mut().enumerate() {
                let x = vreinterpret_s8_s32(match t {
                    0 => vdup_laneq_s32::<0>(x),
                    1 => vdup_laneq_s32::<1>(x),
                    2 => vdup_laneq_s32::<2>(x),
                    _ => vdup_laneq_s32::<3>(x),
                });
                for (products, w) in products.chunks_exact_mut(2).zip(w) {
                    products[0] = vmlal_s8(products[0], vget_low_s8(w), x);
                    products[1] = vmlal_s8(products[1], vget_high_s8(w), x);
                }
            }
        }
        let all = twos.as_flattened_mut().iter_mut();
        all.zip(products.as_flattened())
            .for_each(|(two, products)| *two = vpadalq_s16(*two, *products));
    }
    twos.map(|[a, b, c, d]| [vpaddq_s32(a, b), vpaddq_s32(c, d)])
}

/// # Safety
/// As for [`tile`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn run<
    const DOT: bool,
    const BITS: u32,
    const NIBBLES: bool,
    const FACTORS: u8,
    const BIAS: u32,
    const T: usize,
>(
    panel: Panel,
    x: &View,
    first: usize,
    out: &mut [[f32; HEIGHT]; MOST],
) {
    let lines_per_block = if NIBBLES { 2 } else { 4 };
    let blocks = panel.blocks;
    assert!(first.is_multiple_of(MOST));
    let (mut outer, mut outer_offset) = ([vdupq_n_f32(0.0); 2], [vdupq_n_f32(0.0); 2]);
    let mut acc = [[vdupq_n_f32(0.0); 2]; T];
    for b in 0..blocks {
        let none = [vdupq_n_s32(0); 2];
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
                let at = &panel.factors[base + HEIGHT * (4 + 2 * (b % 8))..];
                let offset = times(outer_offset, unsigned(&at[HEIGHT..]));
                (times(outer, unsigned(at)), offset, none, none)
            }
            _ => {
                let base = 18 * HEIGHT * (b / 8);
                if b % 8 == 0 {
                    outer = halves(&panel.factors[base..]);
                }
                let at = &panel.factors[base + HEIGHT * (2 + 2 * (b % 8))..];
                (outer, outer, signed(at), signed(&at[HEIGHT..]))
            }
        };
        let leaf = first / GROUP as usize * blocks + b;
        let lines = &panel.lines[b * lines_per_block..][..lines_per_block];
        let quads: &[i8; GROUP_BYTES] = chunk(&x.packed.quads[leaf * GROUP_BYTES..]);
        // One number of each token of the group.
        let cell = leaf * GROUP as usize;
        let scales: &[f32; MOST] = chunk(&x.packed.scales[cell..]);
        let offsets: &[f32; MOST] = chunk(&x.packed.sums[cell..]);
        let totals: &[i32; MOST] = chunk(&x.totals[cell..]);
        // SAFETY: the caller's promise.
        let dots = |quads_of: Range<usize>| unsafe {
            dots::<DOT, BITS, NIBBLES, T>(lines, quads, quads_of)
        };
        let sums: [Sums; T] = if FACTORS == HALVES {
            let (mut sums, second) = (dots(0..4), dots(4..8));
            for (sums, second) in sums.iter_mut().zip(second) {
                for r in 0..2 {
                    let first = vmulq_s32(sums[r], low[r]);
                    sums[r] = vaddq_s32(first, vmulq_s32(second[r], high[r]));
                }
            }
            sums
        } else {
            let mut sums = dots(0..8);
            if BIAS != 0 {
                for (sums, total) in sums.iter_mut().zip(totals) {
                    let bias = vdupq_n_s32(*total << BIAS);
                    *sums = sums.map(|sum| vaddq_s32(sum, bias));
                }
            }
            sums
        };
        for t in 0..T {
            let factor = times_one(scale, scales[t]);
            let mut y = times(factor, sums[t].map(|sum| vcvtq_f32_s32(sum)));
            let more = times_one(offset, offsets[t]);
            for r in 0..2 {
                match FACTORS {
                    SCALE_OFFSET => y[r] = vaddq_f32(y[r], more[r]),
                    NESTED => y[r] = vsubq_f32(y[r], more[r]),
                    _ => {}
                }
                acc[t][r] = vaddq_f32(acc[t][r], y[r]);
            }
        }
    }
    for (acc, out) in acc.iter().zip(out) {
        // SAFETY: eight numbers are there.
        unsafe {
            vst1q_f32(out.as_mut_ptr(), acc[0]);
            vst1q_f32(out[4..].as_mut_ptr(), acc[1]);
        }
    }
}
