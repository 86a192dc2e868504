//! Matrix products at the processor's speed: weights repacked once in panels of rows, activations as the program has them.
//!
//! INVARIANT: every level gives the bits of [`crate::matmul::rows`]. Integers are exact however they are summed; the float
//! operations of one output are the same in the same order, and vectors go across outputs.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod floats;
mod matrix;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panels;
mod portable;
#[cfg(test)]
mod tests;

pub(super) use matrix::{Matrix, Out};

use crate::error::NonFinite;
use crate::ops::GROUP;
use crate::quantize::{BLOCK, GROUP_BYTES, Packed, PackedMut, check, quantize};
use rayon::prelude::*;
use std::fmt;

/// What the processor can do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Whatever the compiler makes of plain code.
    Portable,
    /// x86 with AVX2 and F16C.
    Avx2,
    /// x86 with AVX-512 F, BW, VL and VNNI.
    Avx512,
    /// 64-bit ARM with NEON, which all have.
    Neon,
    /// 64-bit ARM with NEON's dot products.
    Dotprod,
}

impl Level {
    /// Every level; a processor's better ones come later.
    pub const ALL: [Level; 5] = [
        Level::Portable,
        Level::Avx2,
        Level::Avx512,
        Level::Neon,
        Level::Dotprod,
    ];

    /// The best one that this processor has.
    pub fn best() -> Level {
        Level::ALL
            .into_iter()
            .rfind(|level| level.is_here())
            .unwrap_or(Level::Portable)
    }

    /// Whether this processor has it.
    pub fn is_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            match self {
                Level::Portable => true,
                Level::Avx2 => avx2,
                Level::Avx512 => avx512,
                Level::Neon | Level::Dotprod => false,
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use std::arch::is_aarch64_feature_detected;
            match self {
                Level::Portable => true,
                Level::Neon => is_aarch64_feature_detected!("neon"),
                Level::Dotprod => {
                    is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod")
                }
                Level::Avx2 | Level::Avx512 => false,
            }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            self == Level::Portable
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Portable => "portable",
            Level::Avx2 => "AVX2",
            Level::Avx512 => "AVX-512 VNNI",
            Level::Neon => "NEON",
            Level::Dotprod => "NEON dotprod",
        })
    }
}

/// Compiles a function for each level. `$inner` must be `#[inline(always)]` and so must be what it calls.
macro_rules! for_levels {
    ($($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? = $inner:path;)*) => {$(
        $(#[$doc])*
        $vis fn $name(level: $crate::native::kernels::Level, $($arg: $ty),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $ty),*) $(-> $out)? { $inner($($arg),*) }
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
                fn avx512($($arg: $ty),*) $(-> $out)? { $inner($($arg),*) }
                use $crate::native::kernels::Level;
                // SAFETY: a level is only used where `Level::is_here`.
                match level {
                    Level::Avx2 => return unsafe { avx2($($arg),*) },
                    Level::Avx512 => return unsafe { avx512($($arg),*) },
                    Level::Portable | Level::Neon | Level::Dotprod => {}
                }
            }
            // Elsewhere the compiler's own target has all that it can use: on ARM that is NEON.
            #[cfg(not(target_arch = "x86_64"))]
            let _ = level;
            $inner($($arg),*)
        }
    )*};
}
pub(super) use for_levels;

for_levels! {
    /// Whether whole blocks can be quantized.
    pub(super) fn can_quantize(x: &[f32]) -> Result<(), NonFinite> = check;
    /// Quantizes one token.
    pub(super) fn quantize_token(x: &[f32], t: u32, out: &mut PackedMut) -> Result<(), NonFinite> = quantize;
    fn quantize_rows(x: &[f32], stride: usize, out: &mut PackedMut) -> Result<(), NonFinite> = quantize_each;
}

/// Up to four rows, the tokens of a group.
#[inline(always)]
fn quantize_each(x: &[f32], stride: usize, out: &mut PackedMut) -> Result<(), NonFinite> {
    (0..)
        .zip(x.chunks_exact(stride))
        .try_for_each(|(t, x)| quantize(x, t, out))
}

/// Numbers of some tokens, and their quantized form with sums that the kernels take biases from.
pub(super) struct Activations {
    /// Numbers, `stride` apart.
    pub x: Vec<f32>,
    /// Elements of a token.
    pub stride: usize,
    quads: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    /// Where scales are: the negative sum of the integers.
    totals: Vec<i32>,
    /// Where scales are: the sums of elements 0 to 15 and 16 to 31, each 16 bits.
    halves: Vec<i32>,
}

impl Activations {
    /// Quantizes `x`, rows of `stride` numbers, where the rows are whole blocks.
    pub fn new(level: Level, x: Vec<f32>, stride: usize) -> Result<Activations, NonFinite> {
        let blocks = if stride.is_multiple_of(BLOCK) {
            stride / BLOCK
        } else {
            0
        };
        let groups = (x.len() / stride).div_ceil(GROUP as usize);
        let cells = groups * blocks * GROUP as usize;
        let mut out = Activations {
            quads: vec![0; cells * BLOCK],
            scales: vec![0.0; cells],
            sums: vec![0.0; cells],
            totals: vec![0; cells],
            halves: vec![0; cells],
            x,
            stride,
        };
        if blocks > 0 {
            let leaves = blocks * GROUP_BYTES;
            let cells = blocks * GROUP as usize;
            let sums = out
                .totals
                .par_chunks_mut(cells)
                .zip(out.halves.par_chunks_mut(cells));
            out.quads
                .par_chunks_mut(leaves)
                .zip(out.scales.par_chunks_mut(cells))
                .zip(out.sums.par_chunks_mut(cells))
                .zip(sums)
                .zip(out.x.par_chunks(GROUP as usize * stride))
                .map(|((((quads, scales), sums), (totals, halves)), x)| {
                    let mut packed = PackedMut {
                        quads,
                        scales,
                        sums,
                    };
                    quantize_rows(level, x, stride, &mut packed)?;
                    add_up(level, packed.quads, totals, halves);
                    Ok(())
                })
                .collect::<Result<(), NonFinite>>()?;
        }
        Ok(out)
    }

    /// What a product reads.
    pub fn factors(&self) -> Factors<'_> {
        Factors {
            tokens: self.x.len() / self.stride,
            floats: (&self.x, self.stride),
            packed: Packed {
                quads: &self.quads,
                scales: &self.scales,
                sums: &self.sums,
            },
            totals: &self.totals,
            halves: &self.halves,
        }
    }
}

/// Some tokens as a product reads them.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    /// Tokens.
    pub tokens: usize,
    /// Numbers and the distance between tokens, for float weights.
    pub floats: (&'a [f32], usize),
    /// Their quantized form, of rows as long as the matrix's.
    pub packed: Packed<'a>,
    /// See [`Activations`]; from [`sums_of`].
    pub totals: &'a [i32],
    /// As the totals; NEON needs none.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    pub halves: &'a [i32],
}

/// Totals and halves of quantized tokens.
pub(super) fn sums_of(level: Level, quads: &[i8]) -> (Vec<i32>, Vec<i32>) {
    let cells = quads.len() / BLOCK;
    let (mut totals, mut halves) = (vec![0; cells], vec![0; cells]);
    add_up(level, quads, &mut totals, &mut halves);
    (totals, halves)
}

for_levels! {
    fn add_up(quads: &[i8], totals: &mut [i32], halves: &mut [i32]) = add_up_each;
}

#[inline(always)]
fn add_up_each(quads: &[i8], totals: &mut [i32], halves: &mut [i32]) {
    let leaves = quads.chunks_exact(GROUP_BYTES);
    let sums = totals.chunks_exact_mut(4).zip(halves.chunks_exact_mut(4));
    for (leaf, (totals, halves)) in leaves.zip(sums) {
        // Eight quads of four tokens of four elements, added without overflow checks: 32 * 127 at most.
        let (mut low, mut high) = ([0i32; 4], [0i32; 4]);
        for (quad, q) in leaf.chunks_exact(16).enumerate() {
            let sums = if quad < 4 { &mut low } else { &mut high };
            for (sum, q) in sums.iter_mut().zip(q.chunks_exact(4)) {
                *sum = q
                    .iter()
                    .fold(*sum, |sum, q| sum.wrapping_add(i32::from(*q)));
            }
        }
        for lane in 0..4 {
            totals[lane] = low[lane].wrapping_add(high[lane]).wrapping_neg();
            // Each within 16 * 127.
            halves[lane] = (low[lane] & 0xffff) | high[lane] << 16;
        }
    }
}
