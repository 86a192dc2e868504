//! The operators beside matrix products, compiled for each level. INVARIANT: each gives the bits of the program's own function; what
//! is a sum there is one in the same order here, and vectors go across independent sums.

use super::kernels::for_levels;
use crate::error::NonFinite;
use crate::forward::{scale_norm, silu_times};
use crate::math::{all_finite, exp};
use crate::model::Architecture;
use crate::rope;

/// Keys whose scores are computed together.
pub const KEYS: usize = 16;

for_levels! {
    /// Fails if any is not finite.
    pub fn finite(xs: &[f32]) -> Result<(), NonFinite> = all_finite;
    /// Norms rows of `weights.len() / 4` numbers.
    pub fn norm(x: &[f32], weights: &[u8], epsilon: f32, out: &mut [f32]) -> Result<(), NonFinite> = norm_rows;
    /// Rotates each head of `x`.
    pub fn rotate(architecture: Architecture, x: &mut [f32], table: &[f32]) -> Result<(), NonFinite> = rotate_checked;
    /// `silu(gate) * up`, in place of the gate.
    pub fn activate(gate: &mut [f32], up: &[f32]) -> Result<(), NonFinite> = activate_each;
    /// `q . k * scale` for `out.len()` keys, kept in groups of [`KEYS`]: `[group][element][key]`.
    pub fn scores(query: &[f32], keys: &[f32], scale: f32, out: &mut [f32]) = score_keys;
    /// The greatest score.
    pub fn largest(scores: &[f32]) -> f32 = greatest;
    /// Replaces each score by `e^(score - largest)`; gives their sum in order.
    pub fn weights(scores: &mut [f32], largest: f32) -> f32 = weigh;
    /// Sums each value times its weight, in order; values are as long as `out` and follow each other.
    pub fn mix(weights: &[f32], values: &[f32], out: &mut [f32]) = mix_values;
}

#[inline(always)]
fn norm_rows(x: &[f32], weights: &[u8], epsilon: f32, out: &mut [f32]) -> Result<(), NonFinite> {
    let width = weights.len() / 4;
    for (x, out) in x.chunks(4 * width).zip(out.chunks_mut(4 * width)) {
        let mut squares = [0.0f32; 4];
        if x.len() == 4 * width {
            // Four sums side by side: each waits for its own last addition only.
            let (a, rest) = x.split_at(width);
            let (b, rest) = rest.split_at(width);
            let (c, d) = rest.split_at(width);
            for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
                squares[0] += a * a;
                squares[1] += b * b;
                squares[2] += c * c;
                squares[3] += d * d;
            }
        } else {
            for (square, x) in squares.iter_mut().zip(x.chunks(width)) {
                *square = x.iter().fold(0.0, |sum, x| sum + x * x);
            }
        }
        let rows = x.chunks(width).zip(out.chunks_mut(width));
        for ((x, out), squares) in rows.zip(squares) {
            scale_norm(x, squares, weights, epsilon, out)?;
        }
    }
    Ok(())
}

#[inline(always)]
fn rotate_checked(
    architecture: Architecture,
    x: &mut [f32],
    table: &[f32],
) -> Result<(), NonFinite> {
    rope::rotate_as(architecture, x, table);
    all_finite(x)
}

#[inline(always)]
fn activate_each(gate: &mut [f32], up: &[f32]) -> Result<(), NonFinite> {
    gate.iter_mut()
        .zip(up)
        .for_each(|(gate, up)| *gate = silu_times(*gate, *up));
    all_finite(gate)
}

#[inline(always)]
fn score_keys(query: &[f32], keys: &[f32], scale: f32, out: &mut [f32]) {
    let group = query.len() * KEYS;
    let twos = out.chunks_mut(2 * KEYS).zip(keys.chunks(2 * group));
    for (out, keys) in twos {
        if out.len() == 2 * KEYS {
            score_groups::<2>(query, keys, scale, out);
        } else {
            for (out, keys) in out.chunks_mut(KEYS).zip(keys.chunks(group)) {
                score_groups::<1>(query, keys, scale, out);
            }
        }
    }
}

/// The scores of `G` groups of keys, of which `out` may want fewer.
#[inline(always)]
fn score_groups<const G: usize>(query: &[f32], keys: &[f32], scale: f32, out: &mut [f32]) {
    let head = query.len();
    let groups: [&[f32]; G] = core::array::from_fn(|g| &keys[g * head * KEYS..][..head * KEYS]);
    let mut acc = [[0.0f32; KEYS]; G];
    for (d, q) in query.iter().enumerate() {
        for (acc, keys) in acc.iter_mut().zip(groups) {
            let keys = &keys[d * KEYS..][..KEYS];
            for (acc, k) in acc.iter_mut().zip(keys) {
                *acc += q * k;
            }
        }
    }
    for (out, acc) in out.iter_mut().zip(acc.as_flattened()) {
        *out = acc * scale;
    }
}

#[inline(always)]
fn greatest(scores: &[f32]) -> f32 {
    scores
        .iter()
        .fold(f32::MIN, |m, x| if *x > m { *x } else { m })
}

#[inline(always)]
fn weigh(scores: &mut [f32], largest: f32) -> f32 {
    scores
        .iter_mut()
        .for_each(|score| *score = exp(*score - largest));
    scores.iter().fold(0.0, |sum, w| sum + w)
}

#[inline(always)]
fn mix_values(weights: &[f32], values: &[f32], out: &mut [f32]) {
    const LANES: usize = 32;
    let head = out.len();
    for (i, out) in out.chunks_mut(LANES).enumerate() {
        if let Ok(out) = <&mut [f32; LANES]>::try_from(&mut *out) {
            let mut acc = [0.0f32; LANES];
            for (w, value) in weights.iter().zip(values.chunks_exact(head)) {
                let value = &value[i * LANES..][..LANES];
                for (acc, v) in acc.iter_mut().zip(value) {
                    *acc += w * v;
                }
            }
            *out = acc;
        } else {
            out.fill(0.0);
            for (w, value) in weights.iter().zip(values.chunks_exact(head)) {
                for (out, v) in out.iter_mut().zip(&value[i * LANES..]) {
                    *out += w * v;
                }
            }
        }
    }
}
