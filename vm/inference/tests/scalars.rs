//! How far the scalar functions are from the true values: the figures that NUMERICS.md states.
//!
//! `ASSAY_EXHAUSTIVE=1` goes over every input there is; else over a part of them that is spread evenly.
//! The references are f64's functions: their own errors are below 1e-8 of an f32's last place.

use assay_inference::math::{exp, sin_cos, sqrt};
use std::ops::Range;

/// Steps between the inputs that are tried; an odd number, so that all mantissas have their turn.
fn stride() -> u64 {
    match std::env::var("ASSAY_EXHAUSTIVE").as_deref() {
        Ok("1") => 1,
        _ => 997,
    }
}

/// How far `x` is from `exact`, in units of the last place that an f32 of `exact`'s size has; not for subnormals.
fn ulps(x: f32, exact: f64) -> f64 {
    let power = f64::from_bits(exact.abs().to_bits() & 0x7ff << 52);
    (f64::from(x) - exact).abs() / power * (1 << 23) as f64
}

/// The largest of `f` over every `stride()`-th of `range`, by all cores, and where it is.
fn worst(range: Range<u64>, f: impl Fn(u64) -> f64 + Sync) -> (f64, u64) {
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    let of = |thread: u64| {
        let mut worst = (0.0, range.start);
        let mut at = range.start + thread * stride();
        while at < range.end {
            let error = f(at);
            // Not a number is the worst of all.
            if error > worst.0 || error.is_nan() {
                worst = (if error.is_nan() { f64::MAX } else { error }, at);
            }
            at += threads * stride();
        }
        worst
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || of(thread)))
            .collect();
        let parts = parts.into_iter().map(|part| part.join().unwrap());
        parts.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    })
}

fn of_bits(bits: u64) -> f32 {
    f32::from_bits(u32::try_from(bits).unwrap())
}

/// Every f32 from -87 to 88: beyond, the result is constant.
#[test]
fn exp_is_within_the_stated_error() {
    let sign = 1 << 31;
    let error = |bits| {
        let x = of_bits(bits);
        ulps(exp(x), f64::from(x).exp())
    };
    let up = worst(0..u64::from(88f32.to_bits()) + 1, error);
    let down = worst(sign..sign + u64::from(87f32.to_bits()) + 1, error);
    for (error, bits) in [up, down] {
        println!("exp: {error:.4} ulp at {:e}", of_bits(bits));
        assert!(error < EXP);
    }
    for edge in [-87f32, 88.0] {
        assert!(ulps(exp(edge), f64::from(edge).exp()) < EXP);
    }
    assert_eq!(exp(-87.000_01), 0.0);
    assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    assert_eq!(exp(88.000_01), exp(88.0));
    assert_eq!(exp(f32::INFINITY), exp(88.0));
}

/// The turns that become the f32 angle number `n` lie between two whole numbers; in both the error is largest, since sine
/// and cosine are monotonous between and the result is one.
fn ends(n: u64) -> [u64; 2] {
    // Up to 2^24 whole numbers are floats; above there are 2^23 floats from one power of two to the next.
    if n <= 1 << 24 {
        return [n, n];
    }
    let (power, rest) = ((n >> 23) - 1, n & 0x7f_ffff);
    let float = (1 << 23 | rest) << power;
    let above = 1u64 << (power - 1);
    let below = if rest == 0 { (above / 2).max(1) } else { above };
    // Half way between two floats the even one is taken.
    let inside = |to: u64, back: u64| {
        let taken = (to as f32).to_bits() == (float as f32).to_bits();
        if taken { to } else { back }
    };
    let (low, high) = (float - below, float + above);
    [inside(low, low + 1), inside(high, high - 1)].map(|turn| turn.min(1 << 61))
}

/// Number of the angle 2^61, an eighth of a turn: the largest that is left of any.
const LAST: u64 = (61 - 23 + 1) << 23;

/// Every f32 that an angle can become after it was reduced to an eighth of a turn, at both ends of what becomes it.
#[test]
fn sine_and_cosine_are_within_the_stated_error() {
    const RADIANS: f64 = std::f64::consts::TAU / 18_446_744_073_709_551_616.0;
    let error = |n: u64, pick: fn(f64, (f32, f32)) -> f64| {
        let of = |turn: u64| {
            assert_eq!(ends_number(turn), n, "{turn}");
            // Turned the other way: there the whole eighth belongs to quadrant 0.
            pick(-(turn as f64) * RADIANS, sin_cos(turn.wrapping_neg()))
        };
        let [low, high] = ends(n).map(of);
        low.max(high)
    };
    let sine = worst(1..LAST + 1, |n| error(n, |a, (s, _)| ulps(s, a.sin())));
    let cosine = worst(1..LAST + 1, |n| error(n, |a, (_, c)| ulps(c, a.cos())));
    println!("sine: {:.4} ulp at {:?}", sine.0, ends(sine.1));
    println!("cosine: {:.4} ulp at {:?}", cosine.0, ends(cosine.1));
    assert!(sine.0 < SINE && cosine.0 < COSINE);
    assert_eq!(sin_cos(0), (0.0, 1.0));
}

/// The number of the f32 that a turn becomes.
fn ends_number(turn: u64) -> u64 {
    let bits = u64::from((turn as f32).to_bits());
    let power = (bits >> 23).saturating_sub(127);
    if power < 24 {
        turn
    } else {
        (power - 22) << 23 | bits & 0x7f_ffff
    }
}

/// What holds of that eighth holds of all: the rest are its values in another order and with other signs.
#[test]
fn the_other_quadrants_are_the_first_one_turned() {
    for n in (1..LAST).step_by(9973) {
        for turn in ends(n) {
            // The end of the eighth belongs to the next one.
            let turn = turn.min((1 << 61) - 1);
            let (s, c) = sin_cos(turn);
            assert_eq!(sin_cos(turn.wrapping_neg()), (-s, c));
            let quadrants = [(c, -s), (-s, -c), (-c, s)];
            for (i, want) in (1..).zip(quadrants) {
                assert_eq!(sin_cos(turn.wrapping_add(i << 62)), want, "{turn} {i}");
            }
        }
    }
}

/// The hardware's root is correctly rounded by its standard.
#[test]
fn the_root_is_correctly_rounded() {
    let differs = |bits| {
        let x = of_bits(bits);
        f64::from(u8::from(sqrt(x).to_bits() != x.sqrt().to_bits()))
    };
    let (wrong, bits) = worst(0..0x7f80_0000, differs);
    assert_eq!(wrong, 0.0, "{:e}", of_bits(bits));
}

/// What NUMERICS.md states: the largest over all inputs, with a little room.
const EXP: f64 = 1.22;
const SINE: f64 = 2.92;
const COSINE: f64 = 1.83;
