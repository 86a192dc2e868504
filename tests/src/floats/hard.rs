//! Operands whose exact results are ties, or nearest to one, so that a single bit of the remainder decides. All of them by
//! arithmetic modulo a power of two: what is dropped of a result is prescribed, and an operand is solved for.

use super::Pair;
use super::format::{F32, F64, Format};
use rand::Rng;
use rand::rngs::SmallRng;

/// `significand * 2^power` of up to `fraction_bits + 1` bits, if it is a normal number.
fn scaled(format: Format, significand: u64, power: i32) -> u64 {
    let up = significand.leading_zeros() as i32 - (63 - format.fraction_bits as i32);
    let biased = power - up + format.bias() + format.fraction_bits as i32;
    assert!(up >= 0 && biased > 0 && biased < format.exponents() - 1);
    format.number(significand << up, biased)
}

/// A random significand with its hidden bit.
fn significand(format: Format, rng: &mut SmallRng) -> u64 {
    format.hidden() | rng.random::<u64>() & (format.hidden() - 1)
}

fn is_whole(format: Format, significand: u64) -> bool {
    significand >> format.fraction_bits == 1
}

/// The inverse of an odd number modulo 2^64.
fn inverse(odd: u64) -> u64 {
    // Three bits are right at first, and each step doubles them.
    (0..5).fold(odd, |inverse, _| {
        inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)))
    })
}

/// A root of `residue`, which is 1 modulo 8, modulo 2^bits.
fn root(residue: u64, bits: u32) -> u64 {
    (3..bits).fold(1u64, |root, bit| {
        let wrong = root.wrapping_mul(root).wrapping_sub(residue) >> bit & 1;
        root + (wrong << (bit - 1))
    })
}

/// Numbers whose square roots come closest to the middle of two neighbours.
pub fn squares(format: Format) -> Vec<Pair> {
    let p = format.fraction_bits;
    let mut out = Vec::new();
    // A middle is an odd q of p + 2 bits; q^2 is x * 2^shift and a residue that is as small as residues of squares are.
    for shift in [p + 2, p + 3] {
        for residue in (-4095i64..4096).filter(|r| r.rem_euclid(8) == 1) {
            let q = root(residue as u64, shift);
            let half = 1u64 << (shift - 1);
            for q in [
                q,
                q.wrapping_neg(),
                q.wrapping_add(half),
                half.wrapping_sub(q),
            ] {
                let q = q & (2 * half - 1);
                let square = i128::from(q) * i128::from(q) - i128::from(residue);
                let x = square >> shift;
                let in_range = q >> (p + 1) == 1 && (0..1 << (p + 1)).contains(&x);
                if in_range && is_whole(format, x as u64) {
                    assert_eq!(x << shift, square);
                    let powers = [-60, 0, 22].map(|even| shift as i32 + even);
                    out.extend(powers.map(|power| (scaled(format, x as u64, power), 0)));
                }
            }
        }
    }
    out
}

/// Pairs whose products have `100..0` in the bits that are dropped, or a neighbour of it.
pub fn products(format: Format, n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let (p, bias) = (format.fraction_bits, format.bias());
    let mut out = Vec::new();
    while out.len() < n {
        let x = significand(format, rng) | 1;
        let drop = rng.random_range(p..=p + 1);
        let modulus = 1u64 << drop;
        let beside = rng.random_range(-2..=2i64);
        let target = (modulus / 2).wrapping_add_signed(beside);
        let mut y = target.wrapping_mul(inverse(x)) & (modulus - 1);
        if drop == p {
            // 2^p times x changes none of the bits that are prescribed.
            y |= format.hidden();
        }
        let product = u128::from(x) * u128::from(y);
        if is_whole(format, y) && product >> (p + drop) == 1 {
            let e = rng.random_range(-20..20);
            out.push((format.number(x, bias + e), format.number(y, bias)));
        }
    }
    out
}

/// Pairs whose quotients come closest to the middle of two neighbours; no quotient of normal numbers is one.
pub fn quotients(format: Format, n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let (p, bias) = (format.fraction_bits, format.bias());
    let mut out = Vec::new();
    while out.len() < n {
        // x * 2^shift = middle * y - rest
        let middle = (significand(format, rng) * 2) | 1;
        let shift = rng.random_range(p + 1..=p + 2);
        let rest = rng.random_range(-3..=3i64);
        let y = (rest as u64).wrapping_mul(inverse(middle)) & ((1 << shift) - 1);
        let x = (i128::from(middle) * i128::from(y) - i128::from(rest)) >> shift;
        if rest != 0 && is_whole(format, y) && x > 0 && is_whole(format, x as u64) {
            let e = rng.random_range(-20..20);
            out.push((format.number(x as u64, bias + e), format.number(y, bias)));
        }
    }
    out
}

/// Pairs of which the lower one, where it stands below the upper one's last bit, is `100..0`, or a neighbour of it.
pub fn sums(format: Format, n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let (p, bias) = (format.fraction_bits, format.bias());
    let mut out = Vec::new();
    while out.len() < n {
        let x = match rng.random_range(0..4) {
            0 => format.hidden(),
            1 => 2 * format.hidden() - 1,
            _ => significand(format, rng),
        };
        let distance = rng.random_range(1..=p + 3);
        let low = (1u64 << distance.min(p + 1)) - 1;
        let pattern = (low / 2 + 1).wrapping_add_signed(rng.random_range(-2..=2)) & low;
        let y = significand(format, rng) & !low | pattern | format.hidden();
        let e = bias + rng.random_range(0..40);
        let signs = [0, format.sign()];
        let (sx, sy) = (signs[rng.random_range(0..2)], signs[rng.random_range(0..2)]);
        out.push((
            format.number(x, e) | sx,
            format.number(y, e - distance as i32) | sy,
        ));
    }
    out
}

/// Odd numbers of a few bits, whose product has no more bits than a significand.
fn short(format: Format, rng: &mut SmallRng) -> (u64, u64) {
    let bits = rng.random_range(1..format.fraction_bits);
    let more = format.fraction_bits + 1 - bits;
    let odd = |bits: u32, rng: &mut SmallRng| rng.random::<u64>() >> (64 - bits) | 1;
    (odd(bits, rng), odd(more, rng))
}

/// Pairs whose products end in half of the least subnormal, and their neighbours.
pub fn subnormal_products(format: Format, n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let half = -(format.bias() + format.fraction_bits as i32);
    let mut out = Vec::new();
    while out.len() < n {
        let (a, b) = short(format, rng);
        let power = half / 2;
        let (a, b) = (scaled(format, a, power), scaled(format, b, half - power));
        out.extend([a - 1, a, a + 1].map(|a| (a, b)));
    }
    out
}

/// Pairs whose quotients end in half of the least subnormal, and their neighbours.
pub fn subnormal_quotients(format: Format, n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let half = -(format.bias() + format.fraction_bits as i32);
    let mut out = Vec::new();
    while out.len() < n {
        let (quotient, b) = short(format, rng);
        let power = half / 2;
        let a = scaled(format, quotient * b, power);
        let b = scaled(format, b, power - half);
        out.extend([a - 1, a, a + 1].map(|a| (a, b)));
    }
    out
}

/// Numbers whose bits below the point are `100..0` or `000..0`, or a neighbour of it, up to 2^66.
pub fn halves(format: Format, n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let p = format.fraction_bits;
    let mut out = Vec::new();
    while out.len() < n {
        let power = rng.random_range(-1..=66);
        let below = (p as i32 - power).clamp(0, p as i32) as u32;
        let low = (1u64 << below) - 1;
        let pattern = [0, low / 2 + 1][rng.random_range(0..2)];
        let number = format.with_exponent(rng.random(), format.bias() + power);
        let number = (number & !low | pattern & low).wrapping_add_signed(rng.random_range(-1..=1));
        out.push((number & format.mask(), 0));
    }
    out
}

/// Integers whose bits below a significand of either format are `100..0`, or a neighbour of it.
pub fn integers(n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let mut out = Vec::new();
    while out.len() < n {
        let format = [F32, F64][rng.random_range(0..2)];
        let length = rng.random_range(format.fraction_bits + 2..=64);
        let low = (1u64 << (length - format.fraction_bits - 1)) - 1;
        let value = rng.random::<u64>() >> (64 - length) | 1 << (length - 1);
        let value = (value & !low | (low / 2 + 1)).wrapping_add_signed(rng.random_range(-1..=1));
        out.extend([(value, 0), (value.wrapping_neg(), 0)]);
    }
    out
}

/// Numbers of f64 in the middle of two of f32, and their neighbours.
pub fn between_f32s(n: usize, rng: &mut SmallRng) -> Vec<Pair> {
    let mut out = Vec::new();
    while out.len() < n {
        let bits = match rng.random_range(0..3) {
            0 => rng.random_range(0..F32.hidden()),
            _ => rng.random_range(0..F32.infinity()),
        } as u32;
        let here = f64::from(f32::from_bits(bits));
        let next = f64::from(f32::from_bits(bits + 1));
        // The one above the greatest is infinity, and then this too.
        let middle = ((here + next) / 2.0).to_bits() | (rng.random_range(0..2u64) * F64.sign());
        out.extend([middle - 1, middle, middle + 1].map(|a| (a, 0)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// What is dropped of `exact` to keep `kept` bits, and half of what could be.
    fn dropped(exact: u128, kept: u32) -> (u128, u128) {
        let drop = 128 - exact.leading_zeros() - kept;
        (exact & ((1 << drop) - 1), 1 << (drop - 1))
    }

    #[test]
    fn products_are_within_two_of_a_tie() {
        let mut rng = SmallRng::seed_from_u64(1);
        for format in [F32, F64] {
            let whole = |n: u64| u128::from(n & (format.hidden() - 1) | format.hidden());
            for (a, b) in products(format, 1000, &mut rng) {
                let (rest, half) = dropped(whole(a) * whole(b), format.fraction_bits + 1);
                assert!(rest.abs_diff(half) <= 2, "{a:x} {b:x}");
            }
        }
    }

    #[test]
    fn quotients_are_within_a_few_units_of_the_dividend_of_a_tie() {
        let mut rng = SmallRng::seed_from_u64(2);
        for format in [F32, F64] {
            let whole = |n: u64| u128::from(n & (format.hidden() - 1) | format.hidden());
            for (a, b) in quotients(format, 1000, &mut rng) {
                // One bit more than is kept, and what remains then: nothing is nearer than 1.
                let shift = format.fraction_bits + 1 + u32::from(whole(a) < whole(b));
                let middle = ((whole(a) << shift) + 4) / whole(b);
                assert_eq!(middle % 2, 1, "{a:x} {b:x}");
                assert!((whole(a) << shift).abs_diff(middle * whole(b)) <= 3);
            }
        }
    }

    #[test]
    fn squares_are_as_many_as_residues_allow() {
        // The roots of f32 can be listed whole: all middles whose squares are within 4095 of an f32 times a power of two.
        let listed = ((1u64 << 24) + 1..1 << 25)
            .step_by(2)
            .filter(|q| {
                let shift = if q * q >= 1 << 49 { 26 } else { 25 };
                let below = (q * q) & ((1 << shift) - 1);
                below < 4096 || below > (1 << shift) - 4096
            })
            .count();
        assert_eq!(squares(F32).len(), 3 * listed);
        assert!(squares(F64).len() >= 3000);
    }
}
