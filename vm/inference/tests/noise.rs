//! The noise of the sampling rule: its generator against published answers, its logarithms against sums in twice the
//! precision, its tails against the distribution.

use assay_inference::noise::{GUMBEL_MAX, Words, gumbel, gumbel_bound, ln, ln_one_minus, threefry};
use assay_inference::testing::Random;

/// Known answers of Random123's `kat_vectors` for threefry4x64 with 20 rounds.
#[test]
fn the_generator_gives_the_published_words() {
    let cases = [
        (
            [0; 4],
            [0; 4],
            [
                0x0921_8ebd_e6c8_5537,
                0x5594_1f52_66d8_6105,
                0x4bd2_5e16_2824_34dc,
                0xee29_ec84_6bd2_e40b,
            ],
        ),
        (
            [u64::MAX; 4],
            [u64::MAX; 4],
            [
                0x29c2_4097_942b_ba1b,
                0x0371_bbfb_0f6f_4e11,
                0x3c23_1ffa_33f8_3a1c,
                0xcd29_113f_de32_d168,
            ],
        ),
        (
            [
                0x4528_21e6_38d0_1377,
                0xbe54_66cf_34e9_0c6c,
                0xbe54_66cf_34e9_0c6c,
                0xc0ac_29b7_c97c_50dd,
            ],
            [
                0x243f_6a88_85a3_08d3,
                0x1319_8a2e_0370_7344,
                0xa409_3822_299f_31d0,
                0x082e_fa98_ec4e_6c89,
            ],
            [
                0xa7e8_fde5_9165_1bd9,
                0xbaaf_d0c3_0138_319b,
                0x84a5_c1a7_29e6_85b9,
                0x901d_406c_cebc_1ba4,
            ],
        ),
    ];
    for (key, counter, words) in cases {
        assert_eq!(threefry(&key, counter), words);
    }
}

/// [S] Whoever fixes part of a seed fixes no word: each bit changes about half of every word's bits.
#[test]
fn every_bit_of_seed_position_and_id_matters() {
    let seed = [1, 2, 3, 4];
    let word = |seed: &[u64; 4], position, id| Words::new(seed, position).of(id);
    let base = word(&seed, 77, 1234);
    let mut changed: Vec<u64> = Vec::new();
    for bit in 0..256 {
        let mut other = seed;
        other[bit / 64] ^= 1 << (bit % 64);
        changed.push(word(&other, 77, 1234));
    }
    changed.extend((0..32).map(|bit| word(&seed, 77 ^ 1 << bit, 1234)));
    changed.extend((0..32).map(|bit| word(&seed, 77, 1234 ^ 1 << bit)));
    for other in changed {
        assert!((10..=54).contains(&(base ^ other).count_ones()));
    }
    // Words don't depend on which ids were asked before.
    let mut words = Words::new(&seed, 9);
    let asked = [5, 6, 4096, 5, 0, 7];
    assert_eq!(
        asked.map(|id| words.of(id)),
        asked.map(|id| word(&seed, 9, id))
    );
}

/// A sum of two f64, the second at most half a unit in the first's last place.
#[derive(Clone, Copy)]
struct Double(f64, f64);

impl Double {
    fn sum(a: f64, b: f64) -> Double {
        let s = a + b;
        let t = s - a;
        Double(s, (a - (s - t)) + (b - t))
    }

    fn plus(self, other: Double) -> Double {
        let Double(s, e) = Double::sum(self.0, other.0);
        let Double(t, f) = Double::sum(self.1, other.1);
        let Double(s, e) = Double::sum(s, e + t);
        Double::sum(s, e + f)
    }

    fn times(self, other: Double) -> Double {
        let p = self.0 * other.0;
        let e = self.0.mul_add(other.0, -p);
        Double::sum(p, e + (self.0 * other.1 + self.1 * other.0))
    }

    fn over(self, other: Double) -> Double {
        let mut quotient = Double(0.0, 0.0);
        let mut rest = self;
        for _ in 0..3 {
            let q = rest.0 / other.0;
            quotient = quotient.plus(Double(q, 0.0));
            rest = rest.plus(other.times(Double(-q, 0.0)));
        }
        quotient
    }

    fn negated(self) -> Double {
        Double(-self.0, -self.1)
    }

    /// `2 atanh(s)` by its series, for |s| < 0.2.
    fn twice_atanh(s: Double) -> Double {
        let square = s.times(s);
        let (mut power, mut sum) = (s, Double(0.0, 0.0));
        for n in 0..26 {
            let term = power.over(Double(f64::from(2 * n + 1), 0.0));
            sum = sum.plus(term);
            power = power.times(square);
        }
        sum.plus(sum)
    }

    fn ln(self) -> Double {
        // Scaled by powers of two to between 0.7 and 1.42, which is exact.
        let (mut m, mut e) = (self, 0.0);
        while m.0 > 1.42 {
            (m, e) = (Double(m.0 / 2.0, m.1 / 2.0), e + 1.0);
        }
        while m.0 < 0.7 {
            (m, e) = (Double(m.0 * 2.0, m.1 * 2.0), e - 1.0);
        }
        let one = Double(1.0, 0.0);
        let s = m.plus(one.negated()).over(m.plus(one));
        const LN_2: Double = Double(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);
        Double::twice_atanh(s).plus(LN_2.times(Double(e, 0.0)))
    }

    /// `ln(1 - v)` of a small or large v.
    fn ln_one_minus(v: f64) -> Double {
        let one_minus = Double::sum(1.0, -v);
        if v > 0.25 {
            return one_minus.ln();
        }
        let s = Double(-v, 0.0).over(Double::sum(2.0, -v));
        Double::twice_atanh(s)
    }
}

/// How far `x` is from `exact`, in units of the last place of `exact`.
fn ulps(x: f64, exact: Double) -> f64 {
    let unit = f64::from_bits(exact.0.abs().to_bits() & 0x7ff << 52) * f64::EPSILON;
    ((x - exact.0) - exact.1).abs() / unit
}

#[test]
fn the_reference_knows_logarithms_by_other_means() {
    // ln 10, ln 2 and ln 3 to 32 digits, each as two f64.
    let known = [
        (10.0, std::f64::consts::LN_10, -2.170_756_223_382_249_4e-16),
        (2.0, std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17),
        (3.0, 1.098_612_288_668_109_8, -9.071_297_235_001_53e-17),
    ];
    for (x, high, low) in known {
        let found = Double(x, 0.0).ln();
        assert!(((found.0 - high) + (found.1 - low)).abs() < 1e-30, "{x}");
    }
    // ln(1 - v) of v = 2^-40 by its own series.
    let v = (-40f64).exp2();
    let found = Double::ln_one_minus(v);
    let rest = -v * v / 2.0 - v * v * v / 3.0;
    assert!(((found.0 + v) + found.1 - rest).abs() < 1e-44);
}

/// The bounds are those that NUMERICS.md states.
#[test]
fn logarithms_are_within_the_stated_error() {
    let mut random = Random(5);
    let (mut of_ln, mut of_minus) = (0f64, 0f64);
    let edges = [1.0, 2.0, 0.5, 0.25, 36.8, 1e-3, 2.0 * f64::MIN_POSITIVE];
    for x in edges {
        of_ln = of_ln.max(ulps(ln(x), Double(x, 0.0).ln()));
    }
    assert_eq!(ln(1.0).to_bits(), 0);
    for _ in 0..400_000 {
        // Mantissas everywhere, exponents from 2^-66 up to 2^18; half of them close to 1.
        let bits = random.bits();
        let exponent = match bits & 3 {
            0 => 1022,
            1 => 1023,
            _ => 957 + random.below(85),
        };
        let x = f64::from_bits(exponent << 52 | bits >> 12);
        of_ln = of_ln.max(ulps(ln(x), Double(x, 0.0).ln()));
        let v = (bits as f64 + 0.5) / 18_446_744_073_709_551_616.0;
        let v =
            (v / (random.below(8) * random.below(8)).max(1) as f64).min(1.0 - f64::EPSILON / 2.0);
        of_minus = of_minus.max(ulps(ln_one_minus(v), Double::ln_one_minus(v)));
    }
    println!("ln: {of_ln:.4} ulp, ln(1 - v): {of_minus:.4} ulp");
    assert!(of_ln < 1.25 && of_minus < 1.65);
}

#[test]
fn the_variate_is_within_the_stated_error_and_its_bound() {
    let mut random = Random(6);
    let mut worst = 0f64;
    let edges = [0, 1, 2, 3, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1];
    let bits = (0..64).map(|i| 1 << i);
    let random: Vec<u64> = (0..400_000)
        .map(|_| random.bits() >> random.below(60))
        .collect();
    for r in edges.into_iter().chain(bits).chain(random) {
        let g = gumbel(r);
        assert!(g <= gumbel_bound(r) && g <= GUMBEL_MAX, "{r:#x}");
        // Skipping by the bound is worth it.
        assert!(gumbel_bound(r) - g < 4.4, "{r:#x}");
        let v = ((r as f64 + 0.5) / 18_446_744_073_709_551_616.0).min(1.0 - f64::EPSILON / 2.0);
        let exact = Double::ln_one_minus(v).negated().ln().negated();
        let error = ((g - exact.0) - exact.1).abs();
        worst = worst.max(error / g.abs().max(1.0));
    }
    println!("variate: {:.4} * 2^-52", worst / f64::EPSILON);
    assert!(worst < 1.5 * f64::EPSILON);
    assert!((gumbel(0) - 65.0 * std::f64::consts::LN_2).abs() < 1e-12);
    assert!((gumbel(u64::MAX) + (53.0 * std::f64::consts::LN_2).ln()).abs() < 1e-12);
}

/// Far out as many variates lie as the distribution has there: `P(g > t) = 1 - exp(-exp(-t))`.
#[test]
fn tails_have_the_distributions_weight() {
    let seed = [11, 22, 33, 44];
    let n = 4_000_000u32;
    let levels: Vec<f64> = (-4..=24).map(|i| f64::from(i) * 0.5).collect();
    let mut above = vec![0u32; levels.len()];
    for position in 0..n / 4000 {
        let mut words = Words::new(&seed, position);
        for id in 0..4000 {
            let g = gumbel(words.of(id));
            for (count, level) in above.iter_mut().zip(&levels) {
                *count += u32::from(g > *level);
            }
        }
    }
    for (count, level) in above.iter().zip(&levels) {
        let p = -(-(-level).exp()).exp_m1();
        let (mean, spread) = (f64::from(n) * p, (f64::from(n) * p * (1.0 - p)).sqrt());
        assert!(
            (f64::from(*count) - mean).abs() < 4.0 * spread + 1.0,
            "{count} variates above {level}, {mean:.1} expected"
        );
    }
    assert!(above[levels.len() - 1] > 5, "the far tail was reached");
}
