//! Activations as int8 in blocks of 32, laid out so that four tokens share a vector.
//!
//! A block of a group of four tokens is one leaf: eight quads, each four consecutive elements of each token.

use crate::error::NonFinite;
use crate::math::{ROUND, exp2i, finite, from_half, to_half};
use crate::ops::{CHUNK, GROUP, GROUPS};

/// Elements in a block.
pub const BLOCK: usize = 32;
/// Bytes of one block of one group.
pub const GROUP_BYTES: usize = GROUP as usize * BLOCK;
/// Bytes of a block: those of each group.
pub const BLOCK_BYTES: usize = GROUPS as usize * GROUP_BYTES;
/// Scales of a block, one for each token, and as many sums.
pub const BLOCK_SCALES: usize = CHUNK as usize;

/// Some tokens' activations.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    /// Integers: `[group][block][quad 0..8][token of the group][4]`.
    pub quads: &'a [i8],
    /// Scales: `[group][block][token of the group]`.
    pub scales: &'a [f32],
    /// Scale times the sum of the integers: `[group][block][token of the group]`.
    pub sums: &'a [f32],
}

/// Room for some tokens' activations, as [`Packed`] has them.
pub struct PackedMut<'a> {
    /// See [`Packed::quads`].
    pub quads: &'a mut [i8],
    /// See [`Packed::scales`].
    pub scales: &'a mut [f32],
    /// See [`Packed::sums`].
    pub sums: &'a mut [f32],
}

/// Quantizes `x`, whole blocks, as token `t`'s activations.
#[inline(always)]
pub fn quantize(x: &[f32], t: u32, out: &mut PackedMut) -> Result<(), NonFinite> {
    let (first, lane) = (
        (t / GROUP) as usize * (x.len() / BLOCK),
        (t % GROUP) as usize,
    );
    for (b, x) in x.chunks_exact(BLOCK).enumerate() {
        let (scale, inverse) = scale(x)?;
        let mut integers = [0i8; BLOCK];
        let mut sum = 0i32;
        for (q, x) in integers.iter_mut().zip(x) {
            let narrowed = narrow(x * inverse);
            *q = narrowed as i8;
            // 32 * 127 at most.
            sum = sum.wrapping_add(narrowed);
        }
        let leaf = &mut out.quads[(first + b) * GROUP_BYTES..][..GROUP_BYTES];
        for (quad, q) in leaf.chunks_exact_mut(16).zip(integers.chunks_exact(4)) {
            quad[4 * lane..][..4].copy_from_slice(q);
        }
        let cell = (first + b) * GROUP as usize + lane;
        out.scales[cell] = scale;
        out.sums[cell] = scale * sum as f32;
    }
    Ok(())
}

/// Whether [`quantize`] would take `x`.
#[inline(always)]
pub fn check(x: &[f32]) -> Result<(), NonFinite> {
    x.chunks_exact(BLOCK).try_for_each(|x| scale(x).map(|_| ()))
}

/// The scale of a block as binary16 holds it, and what its elements are multiplied with; both 0 for a block below 2^-100.
#[inline(always)]
fn scale(x: &[f32]) -> Result<(f32, f32), NonFinite> {
    let largest = x.iter().fold(0, |m, x| (x.to_bits() & 0x7fff_ffff).max(m));
    let largest = f32::from_bits(largest);
    if !finite(largest) {
        return Err(NonFinite);
    }
    if largest < exp2i(-100) {
        return Ok((0.0, 0.0));
    }
    let scale = from_half(to_half(largest / 127.0));
    if finite(scale) {
        Ok((scale, 127.0 / largest))
    } else {
        Err(NonFinite)
    }
}

/// The nearest integer (ties to even), clamped to +-127.
#[inline(always)]
fn narrow(x: f32) -> i32 {
    let x = if x > 127.0 { 127.0 } else { x };
    let x = if x < -127.0 { -127.0 } else { x };
    (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    fn one(x: &[f32; 32], t: u32) -> Result<([i32; 32], f32), NonFinite> {
        let (mut quads, mut scales, mut sums) = (
            vec![0; BLOCK_BYTES],
            vec![0.0; BLOCK_SCALES],
            vec![0.0; BLOCK_SCALES],
        );
        let mut out = PackedMut {
            quads: &mut quads,
            scales: &mut scales,
            sums: &mut sums,
        };
        quantize(x, t, &mut out)?;
        let at = |i: usize| t as usize / 4 * 128 + i / 4 * 16 + t as usize % 4 * 4 + i % 4;
        let q: [i32; 32] = core::array::from_fn(|i| i32::from(quads[at(i)]));
        let sum = q.iter().sum::<i32>() as f32;
        assert_eq!(sums[t as usize], scales[t as usize] * sum);
        Ok((q, scales[t as usize]))
    }

    #[test]
    fn hostile_blocks_are_zero_clamped_or_refused() {
        for t in 0..CHUNK {
            assert_eq!(one(&[0.0; 32], t), Ok(([0; 32], 0.0)));
            assert_eq!(
                one(&[1e-39; 32], t),
                Ok(([0; 32], 0.0)),
                "subnormals are zeros"
            );
            assert_eq!(one(&[exp2i(-101); 32], t), Ok(([0; 32], 0.0)));
            // From 2^-100 on the integers count, even though the scale rounds to zero.
            assert_eq!(one(&[exp2i(-100); 32], t), Ok(([127; 32], 0.0)));
            assert_eq!(one(&[-1.0; 32], t).map(|r| r.0), Ok([-127; 32]));
            assert_eq!(one(&[8e6; 32], t).map(|r| r.0), Ok([127; 32]));
            for x in [1e7, f32::MAX, f32::INFINITY, f32::NAN] {
                let mut block = [0.25; 32];
                block[7] = x;
                assert_eq!(one(&block, t), Err(NonFinite), "{x}");
            }
        }
    }

    #[test]
    fn rounds_to_even_and_scales_like_binary16() {
        let mut x = [0.0; 32];
        (x[0], x[1], x[2], x[3], x[4]) = (127.0, 0.5, 1.5, -2.5, 63.499);
        let (q, scale) = one(&x, 4).unwrap();
        assert_eq!((&q[..5], scale), (&[127, 0, 2, -2, 63][..], 1.0));
    }
}
