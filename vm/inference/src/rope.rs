//! Rotary positions: adjacent pairs of a head are rotated by angles that fall off geometrically.

use crate::math::sin_cos;

/// Sine and cosine of each pair of one position: `2 * turns.len()` numbers.
pub fn table(position: u32, turns: &[u64], out: &mut [f32]) {
    for (out, turn) in out.chunks_exact_mut(2).zip(turns) {
        // The angle wraps at whole turns, exactly.
        let (sin, cos) = sin_cos(turn.wrapping_mul(u64::from(position)));
        (out[0], out[1]) = (sin, cos);
    }
}

/// Rotates each head of `x` by one position's table.
#[inline(always)]
pub fn rotate(x: &mut [f32], table: &[f32]) {
    for head in x.chunks_exact_mut(table.len()) {
        for (pair, angle) in head.chunks_exact_mut(2).zip(table.chunks_exact(2)) {
            let (a, b, sin, cos) = (pair[0], pair[1], angle[0], angle[1]);
            pair[0] = a * cos - b * sin;
            pair[1] = a * sin + b * cos;
        }
    }
}
