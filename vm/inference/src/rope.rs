//! Rotary positions: pairs of a head's elements are rotated by angles that fall off geometrically.

use crate::math::{divide_turn, rope_ratio, rope_turns, sin_cos};
use crate::model::{Architecture, Config};

/// Sine and cosine of each pair of one position: `2 * turns.len()` numbers.
pub fn table(position: u32, turns: &[u64], out: &mut [f32]) {
    for (out, turn) in out.chunks_exact_mut(2).zip(turns) {
        // The angle wraps at whole turns, exactly.
        let (sin, cos) = sin_cos(turn.wrapping_mul(u64::from(position)));
        (out[0], out[1]) = (sin, cos);
    }
}

/// Turns per position of each pair, as the model has them; `factors` (F32) divide them where there are any.
pub fn turns(config: &Config, factors: &[u8], out: &mut [u64]) {
    rope_turns(rope_ratio(config.rope_base, config.head), out);
    for (i, turn) in out.iter_mut().enumerate() {
        if let Some(b) = factors.get(4 * i..4 * i + 4) {
            *turn = divide_turn(*turn, f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        }
        *turn = divide_turn(*turn, config.rope_factor);
    }
}

/// Rotates each head of `x` by one position's table, where pairs are element i of the first half and element i of the second.
#[inline(always)]
pub fn rotate_halves(x: &mut [f32], table: &[f32]) {
    for head in x.chunks_exact_mut(table.len()) {
        let (first, second) = head.split_at_mut(table.len() / 2);
        let pairs = first.iter_mut().zip(second);
        for ((x, y), angle) in pairs.zip(table.chunks_exact(2)) {
            let (a, b, sin, cos) = (*x, *y, angle[0], angle[1]);
            *x = a * cos - b * sin;
            *y = a * sin + b * cos;
        }
    }
}

/// Rotates each head of `x` as the architecture does.
#[inline(always)]
pub fn rotate_as(architecture: Architecture, x: &mut [f32], table: &[f32]) {
    match architecture {
        Architecture::Llama => rotate(x, table),
        Architecture::Qwen2 | Architecture::Qwen3 => rotate_halves(x, table),
    }
}

/// Rotates each head of `x` by one position's table, where pairs are adjacent elements.
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
