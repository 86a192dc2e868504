//! Activations as int8 in blocks of 32, packed so that one integer multiplication serves three tokens.
//!
//! An activation word is `q0 + q1 * 2^21 + q2 * 2^42` for tokens 3g, 3g + 1, 3g + 2. A block's dot product stays within
//! 32 * 127 * 128 < 2^19, so the three sums never run into each other and come apart exactly.

use crate::error::NonFinite;
use crate::math::{ROUND, exp2i, finite, from_half, to_half};
use crate::ops::{CHUNK, GROUPS, LANES};

/// Elements in a block.
pub const BLOCK: usize = 32;
/// Activation words of a block: 32 for each group of three tokens.
pub const BLOCK_WORDS: usize = GROUPS as usize * BLOCK;
/// Scales of a block, one for each token.
pub const BLOCK_SCALES: usize = CHUNK as usize;
/// Bits between the tokens of a word.
const LANE_BITS: u32 = 21;

/// Quantizes `x`, whole blocks, as token `t`'s activations into `words` and `scales` (`BLOCK_WORDS` and
/// `BLOCK_SCALES` a block). A group's tokens come in ascending order.
pub fn quantize(x: &[f32], t: u32, words: &mut [i64], scales: &mut [f32]) -> Result<(), NonFinite> {
    let (group, lane) = ((t / LANES) as usize, t % LANES);
    let blocks = words
        .chunks_exact_mut(BLOCK_WORDS)
        .zip(scales.chunks_exact_mut(BLOCK_SCALES));
    for (x, (words, scales)) in x.chunks_exact(BLOCK).zip(blocks) {
        let words = &mut words[group * BLOCK..][..BLOCK];
        let (scale, inverse) = scale(x)?;
        scales[t as usize] = scale;
        for (x, word) in x.iter().zip(words) {
            let q = i64::from(narrow(x * inverse)) << (LANE_BITS * lane);
            *word = if lane == 0 { q } else { word.wrapping_add(q) };
        }
    }
    Ok(())
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

/// The three sums in an accumulator.
#[inline(always)]
pub fn unpack(sum: i64) -> [i32; LANES as usize] {
    let first = (sum << (64 - LANE_BITS)) >> (64 - LANE_BITS);
    let rest = sum.wrapping_sub(first) >> LANE_BITS;
    let second = (rest << (64 - LANE_BITS)) >> (64 - LANE_BITS);
    let third = rest.wrapping_sub(second) >> LANE_BITS;
    [first as i32, second as i32, third as i32]
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    fn one(x: &[f32; 32], t: u32) -> Result<([i32; 32], f32), NonFinite> {
        let (mut words, mut scales) = (vec![0; BLOCK_WORDS], vec![0.0; BLOCK_SCALES]);
        quantize(x, t, &mut words, &mut scales)?;
        let q =
            core::array::from_fn(|i| unpack(words[(t / 3) as usize * 32 + i])[(t % 3) as usize]);
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

    #[test]
    fn three_tokens_come_apart() {
        for sums in [
            [0, 0, 0],
            [520_192, -520_192, 520_192],
            [-520_192; 3],
            [520_192; 3],
            [-1, 1, -1],
            [1, -1, 0],
        ] {
            let packed = sums[0] as i64 + ((sums[1] as i64) << 21) + ((sums[2] as i64) << 42);
            assert_eq!(unpack(packed), sums);
        }
    }
}
