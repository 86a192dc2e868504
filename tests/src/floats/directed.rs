//! Seeded operands that are likelier than uniform ones to meet a carry, a tie, a cancellation or a border.

use super::Pair;
use super::format::Format;
use rand::Rng;
use rand::rngs::SmallRng;

/// Two numbers of a format.
pub fn numbers(format: Format, rng: &mut SmallRng) -> Pair {
    let a = rng.random::<u64>() & format.mask();
    let (p, bias) = (format.fraction_bits as i32, format.bias());
    let exponent = format.exponent_of(a);
    let near = |rng: &mut SmallRng, exponent: i32| {
        let away = rng.random_range(-(p + 3)..=p + 3);
        format.with_exponent(rng.random(), exponent + away)
    };
    let b = match rng.random_range(0..8) {
        0 => rng.random::<u64>() & format.mask(),
        1 => near(rng, exponent),
        // Cancellation down to a few bits.
        2 => (a ^ format.sign()).wrapping_add(rng.random_range(0..8)) & format.mask(),
        // The product, or the quotient, near the least normal, and near the greatest.
        3 => near(rng, bias - exponent),
        4 => near(rng, bias + exponent),
        5 => near(rng, 3 * bias - exponent),
        // Short significands tie.
        6 => short(format, near(rng, exponent), rng),
        _ => format.with_exponent(rng.random(), 0),
    };
    let a = match rng.random_range(0..6) {
        0 => short(format, a, rng),
        1 => format.with_exponent(a, 0),
        // An exponent at which conversions and roundings do something.
        2 => format.with_exponent(a, bias + rng.random_range(-3..67)),
        // Or one at which the other format ends.
        3 => format.with_exponent(a, bias + rng.random_range(-152..-124)),
        _ => a,
    };
    (a, b)
}

/// A number without its last bits, some of them.
fn short(format: Format, a: u64, rng: &mut SmallRng) -> u64 {
    let dropped = rng.random_range(0..format.fraction_bits);
    a >> dropped << dropped
}

/// A 64-bit integer of any length with a run of ones or zeros in it.
pub fn integer(rng: &mut SmallRng) -> u64 {
    let value = rng.random::<u64>() >> rng.random_range(0..64);
    let tail = (1u64 << rng.random_range(0..48)) - 1;
    match rng.random_range(0..4) {
        0 => value,
        1 => value | tail,
        2 => value & !tail,
        _ => (value & !tail).wrapping_neg(),
    }
}
