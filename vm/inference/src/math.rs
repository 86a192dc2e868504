//! Scalar arithmetic without libm: every function is integer operations and correctly rounded f32 `+ - * /`.

use crate::error::NonFinite;

/// Adding and subtracting it rounds |x| < 2^22 to the nearest integer, ties to even: 1.5 * 2^23.
pub const ROUND: f32 = 12_582_912.0;

/// Whether `x` is neither infinite nor NaN.
#[inline(always)]
pub fn finite(x: f32) -> bool {
    x.to_bits() & 0x7f80_0000 != 0x7f80_0000
}

/// Fails if any of `xs` is not finite.
#[inline(always)]
pub fn all_finite(xs: &[f32]) -> Result<(), NonFinite> {
    // The magnitude as an integer orders like the number, so one maximum decides.
    let worst = xs.iter().fold(0, |m, x| (x.to_bits() & 0x7fff_ffff).max(m));
    if worst < 0x7f80_0000 {
        Ok(())
    } else {
        Err(NonFinite)
    }
}

/// Square root, correctly rounded; `x` is finite and not negative.
pub fn sqrt(x: f32) -> f32 {
    let bits = x.to_bits();
    if bits == 0 {
        return 0.0;
    }
    let (mut mantissa, mut exponent) = (u64::from(bits & 0x7f_ffff), (bits >> 23) as i32);
    if exponent == 0 {
        let shift = mantissa.leading_zeros() as i32 - 40;
        mantissa <<= shift;
        exponent = 1 - shift;
    } else {
        mantissa |= 0x80_0000;
    }
    // x = mantissa * 2^e with an even e; 26 more bits leave the root at least 25.
    let mut e = exponent - 150;
    if e & 1 != 0 {
        mantissa <<= 1;
        e -= 1;
    }
    let square = mantissa << 26;
    let root = square.isqrt();
    let sticky = u64::from(root * root != square);
    // The conversion rounds to nearest even, and the sticky bit breaks false ties.
    ((root << 1) | sticky) as f32 * exp2i((e - 26) / 2 - 1)
}

/// `2^n` for -126 <= n <= 127.
#[inline(always)]
pub fn exp2i(n: i32) -> f32 {
    // No overflow check: this is within vectorized loops.
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `e^x`: 0 below -87, and as `e^88` above 88. Not for NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x > 88.0 { 88.0 } else { x };
    let low = x < -87.0;
    let x = if low { 0.0 } else { x };
    let shifted = x * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // The same as an integer: a conversion that must care for NaN would not be one vector instruction.
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    // ln 2 = 355/512 - 2.1219444e-4; n * 355/512 is exact.
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    let y = p * exp2i(power);
    if low { 0.0 } else { y }
}

/// Sine and cosine of `turn * 2^-64` turns.
pub fn sin_cos(turn: u64) -> (f32, f32) {
    const RADIANS: f32 = core::f32::consts::TAU / 18_446_744_073_709_551_616.0;
    let quadrant = turn.wrapping_add(1 << 61) >> 62;
    let a = turn.wrapping_sub(quadrant << 62) as i64 as f32 * RADIANS;
    let z = a * a;
    let s =
        (((z * (1.0 / 362_880.0) - 1.0 / 5040.0) * z + 1.0 / 120.0) * z - 1.0 / 6.0) * z * a + a;
    let c = (((z * (1.0 / 40_320.0) - 1.0 / 720.0) * z + 1.0 / 24.0) * z - 0.5) * z + 1.0;
    match quadrant {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

/// Upper 64 bits of a product.
fn mul_high(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

/// `base^(-2/dims)` in units of 2^-63, rounded down by integer steps; `1 <= base < 2^40`, `dims > 0`.
pub fn rope_ratio(base: f32, dims: u32) -> u64 {
    const LN_2: u64 = 0xb172_17f7_d1cf_79ab; // * 2^-64
    let bits = base.to_bits();
    // log2 in units of 2^-56: the exponent, then one bit for each squaring of the mantissa (in units of 2^-63).
    let mut log = u64::from((bits >> 23) - 127) << 56;
    let mut m = u64::from(bits & 0x7f_ffff | 0x80_0000) << 40;
    for i in 1..=56 {
        let high = mul_high(m, m);
        if high >> 63 != 0 {
            log |= 1 << (56 - i);
            m = high;
        } else {
            m = high << 1;
        }
    }
    let log = 2 * log / u64::from(dims);
    let t = mul_high(log << 8, LN_2);
    // e^-t = 1 - t/1 (1 - t/2 (1 - t/3 ...)), innermost first.
    let mut sum = 1u64 << 63;
    for k in (1..=24).rev() {
        sum = (1 << 63) - mul_high(t, sum) / k;
    }
    let whole = log >> 56;
    if whole > 63 { 0 } else { sum >> whole }
}

/// `base^(-2i/dims) / 2 pi` for i = 0, 1, ..: the turns per position of each rotated pair, in units of 2^-64.
pub fn rope_turns(ratio: u64, turns: &mut [u64]) {
    const INVERSE_TAU: u64 = 0x28be_60db_9391_054a; // * 2^-64
    let mut power = 1u64 << 63;
    for turn in turns {
        *turn = mul_high(power, INVERSE_TAU) << 1;
        power = mul_high(power, ratio) << 1;
    }
}

/// `turn / factor`, rounded down; `1 <= factor < 2^24`.
pub fn divide_turn(turn: u64, factor: f32) -> u64 {
    let bits = factor.to_bits();
    let (mantissa, exponent) = (bits & 0x7f_ffff | 0x80_0000, bits >> 23);
    // factor = mantissa * 2^(exponent - 150), and the exponent is 127 to 150.
    ((u128::from(turn) << (150 - exponent)) / u128::from(mantissa)) as u64
}

/// The number that IEEE binary16 bits spell.
#[inline(always)]
pub fn from_half(half: u16) -> f32 {
    let bits = u32::from(half & 0x7fff) << 13;
    // The bits as binary32 are 2^112 too small, subnormals included; infinity and NaN keep the largest exponent.
    let magnitude = f32::from_bits(bits) * exp2i(112);
    let magnitude = if half & 0x7c00 == 0x7c00 {
        f32::from_bits(bits | 0x7f80_0000)
    } else {
        magnitude
    };
    f32::from_bits(magnitude.to_bits() | u32::from(half & 0x8000) << 16)
}

/// The nearest IEEE binary16 (ties to even) of a finite `x >= 0`, as bits; infinity from 65520 on.
#[inline(always)]
pub fn to_half(x: f32) -> u16 {
    if x >= 65_520.0 {
        return 0x7c00;
    }
    if x < exp2i(-14) {
        // Subnormal: an integer times 2^-24, and 2^23 has a unit of 1 in its last place.
        return ((x * exp2i(24) + 8_388_608.0).to_bits() & 0xffff) as u16;
    }
    let bits = x.to_bits() - (112 << 23);
    ((bits + 0xfff + (bits >> 13 & 1)) >> 13) as u16
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    fn random(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) ^ (*state << 17)
    }

    #[test]
    fn sqrt_equals_the_hardware() {
        let mut seed = 1;
        let edges = [
            0u32,
            1,
            2,
            3,
            0x7f_ffff,
            0x80_0000,
            0x80_0001,
            0x3f80_0000,
            0x3f7f_ffff,
            0x7f7f_ffff,
        ];
        let random = (0..2_000_000).map(|_| random(&mut seed) as u32 & 0x7fff_ffff);
        for bits in edges.into_iter().chain(random).filter(|b| *b < 0x7f80_0000) {
            let x = f32::from_bits(bits);
            assert_eq!(sqrt(x).to_bits(), x.sqrt().to_bits(), "{x:e}");
        }
    }

    #[test]
    fn exp_is_close_everywhere() {
        for i in -870_000..880_000 {
            let x = i as f32 * 1e-4;
            let want = f64::from(x).exp();
            assert!((f64::from(exp(x)) - want).abs() <= want * 3e-7, "{x}");
        }
        assert_eq!(
            (exp(0.0), exp(-0.0), exp(-87.5), exp(1e30)),
            (1.0, 1.0, 0.0, exp(88.0))
        );
        assert!(exp(f32::MAX).is_finite() && exp(f32::MIN) == 0.0);
    }

    #[test]
    fn rotations_are_close_at_long_context() {
        for (base, dims) in [(10_000.0f32, 64u32), (500_000.0, 128), (1.0, 2), (1e6, 80)] {
            let mut turns = vec![0; dims as usize / 2];
            rope_turns(rope_ratio(base, dims), &mut turns);
            for (i, turn) in turns.iter().enumerate() {
                let frequency = f64::from(base).powf(-2.0 * i as f64 / f64::from(dims));
                for position in [0u64, 1, 7, 511, 4095, 131_071] {
                    let (s, c) = sin_cos(turn.wrapping_mul(position));
                    let (want_s, want_c) = (position as f64 * frequency).sin_cos();
                    assert!(
                        (f64::from(s) - want_s).abs() < 3e-7
                            && (f64::from(c) - want_c).abs() < 3e-7
                    );
                }
            }
        }
    }

    #[test]
    fn halves_convert_both_ways() {
        for half in 0..=u16::MAX {
            let x = from_half(half);
            let (sign, exponent, fraction) = (
                half >> 15,
                i32::from(half >> 10 & 31),
                f64::from(half & 0x3ff),
            );
            if exponent == 31 {
                assert!(!x.is_finite() && x.is_nan() == (fraction != 0.0));
                continue;
            }
            let magnitude = if exponent == 0 {
                fraction / 1024.0 * 2f64.powi(-14)
            } else {
                (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15)
            };
            assert_eq!(f64::from(x).abs(), magnitude);
            assert_eq!(x.is_sign_negative(), sign == 1);
            if sign == 0 {
                assert_eq!(to_half(x), half);
            }
        }
        // Nearest even between neighbours: exactly half way, and one ulp beside it.
        for half in 0..0x7bffu16 {
            let middle =
                ((f64::from(from_half(half)) + f64::from(from_half(half + 1))) / 2.0) as f32;
            assert_eq!(to_half(middle), half + (half & 1));
            assert_eq!(to_half(f32::from_bits(middle.to_bits() - 1)), half);
            assert_eq!(to_half(f32::from_bits(middle.to_bits() + 1)), half + 1);
        }
        assert_eq!(
            (
                to_half(65_519.996),
                to_half(65_520.0),
                to_half(f32::MAX),
                to_half(0.0)
            ),
            (0x7bff, 0x7c00, 0x7c00, 0)
        );
        assert_eq!(to_half(f32::from_bits(1)), 0);
    }
}
