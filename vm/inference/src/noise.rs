//! Noise for the sampling rule: a counter-based generator and its Gumbel variate, in integers and f64 `+ - * /` alone.
//!
//! Threefry-4x64 with 20 rounds (Salmon, Moraes, Dror and Shaw, SC 2011): its key is as wide as a seed, so that every bit of
//! the seed counts without being folded first, one call serves four ids, and it needs no wide product, which WASM lacks.

/// Rotations of eight rounds; they repeat.
const ROTATIONS: [[u32; 2]; 8] = [
    [14, 16],
    [52, 57],
    [23, 40],
    [5, 37],
    [25, 33],
    [46, 12],
    [58, 22],
    [32, 32],
];
/// Makes the key's words and their parity never all zero.
const PARITY: u64 = 0x1bd1_1bda_a9fc_1a22;

/// Four random words for a key and a counter.
#[inline]
pub fn threefry(key: &[u64; 4], counter: [u64; 4]) -> [u64; 4] {
    let parity = key.iter().fold(PARITY, |parity, word| parity ^ word);
    let schedule = [key[0], key[1], key[2], key[3], parity];
    let mut x = counter;
    inject(&mut x, &schedule, 0);
    for group in 1..=5 {
        let rounds = &ROTATIONS[4 * ((group - 1) % 2)..][..4];
        for pair in rounds.chunks_exact(2) {
            mix(&mut x, 0, 1, pair[0][0]);
            mix(&mut x, 2, 3, pair[0][1]);
            mix(&mut x, 0, 3, pair[1][0]);
            mix(&mut x, 2, 1, pair[1][1]);
        }
        inject(&mut x, &schedule, group);
    }
    x
}

#[inline(always)]
fn mix(x: &mut [u64; 4], a: usize, b: usize, rotation: u32) {
    x[a] = x[a].wrapping_add(x[b]);
    x[b] = x[b].rotate_left(rotation) ^ x[a];
}

#[inline(always)]
fn inject(x: &mut [u64; 4], schedule: &[u64; 5], group: usize) {
    for (i, word) in x.iter_mut().enumerate() {
        *word = word.wrapping_add(schedule[(group + i) % 5]);
    }
    x[3] = x[3].wrapping_add(group as u64);
}

/// The random word of a token `id` at sequence index `position`: word `id mod 4` of the block `id / 4`.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    seed: &'a [u64; 4],
    position: u32,
    block: u32,
    words: Option<[u64; 4]>,
    /// Blocks computed.
    pub blocks: u32,
}

impl<'a> Words<'a> {
    /// Of one position.
    pub fn new(seed: &'a [u64; 4], position: u32) -> Words<'a> {
        Words {
            seed,
            position,
            block: 0,
            words: None,
            blocks: 0,
        }
    }

    /// The word of `id`; the last block is kept.
    #[inline(always)]
    pub fn of(&mut self, id: u32) -> u64 {
        let block = id / 4;
        let words = match self.words {
            Some(words) if self.block == block => words,
            _ => {
                self.blocks += 1;
                let counter = [u64::from(self.position), u64::from(block), 0, 0];
                threefry(self.seed, counter)
            }
        };
        (self.block, self.words) = (block, Some(words));
        words[id as usize % 4]
    }
}

/// 2^-64.
const UNIT: f64 = 1.0 / 18_446_744_073_709_551_616.0;
/// The largest `v`: 1 - 2^-53.
const LAST: f64 = 1.0 - f64::EPSILON / 2.0;

/// Standard Gumbel variate of a random word: `-ln(-ln1p(-v))` with `v = (r + 1/2) / 2^64`, at most `1 - 2^-53`.
pub fn gumbel(r: u64) -> f64 {
    let v = (r as f64 + 0.5) * UNIT;
    let v = if v > LAST { LAST } else { v };
    -ln(-ln_one_minus(v))
}

/// No [`gumbel`] is above it.
pub const GUMBEL_MAX: f64 = 65.0 * BIT;
/// A little over `ln 2`.
const BIT: f64 = 0.6932;

/// At least [`gumbel`], for a tenth of the work: `-ln1p(-v) >= v >= 2^-(z + 1)` where `r` has `z` leading zeros.
#[inline(always)]
pub fn gumbel_bound(r: u64) -> f64 {
    f64::from(r.leading_zeros() + 1) * BIT
}

/// Natural logarithm of a positive, normal, finite `x`.
pub fn ln(x: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    // ln 2 in two parts; the first has 32 bits, so that its products with exponents are exact.
    const HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
    const LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
    // x = m * 2^e with m from sqrt(1/2) up to sqrt(2).
    let e = (x.to_bits().wrapping_sub(ROOT_HALF) as i64) >> 52;
    let m = f64::from_bits(x.to_bits().wrapping_sub((e as u64) << 52));
    let e = e as f64;
    e * HIGH + (near_one(m - 1.0) + e * LOW)
}

/// `ln(1 - v)` for `2^-65 <= v <= 1 - 2^-53`.
pub fn ln_one_minus(v: f64) -> f64 {
    if v < 0.25 {
        return near_one(-v);
    }
    // What rounding 1 - v lost is added to first order.
    let u = 1.0 - v;
    let lost = (1.0 - u) - v;
    ln(u) + lost / u
}

/// `ln(1 + f)` for `1 + f` from sqrt(1/2) to sqrt(2): with `s = f / (2 + f)` it is `2s + 2s^3/3 + 2s^5/5 + ..`, and
/// `2s = f - s * f`, so that `f`, which is exact, is what the rest corrects.
fn near_one(f: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let mut p = 2.0 / 21.0;
    for n in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        p = p * z + 2.0 / n;
    }
    let half = 0.5 * f * f;
    f - (half - s * (half + p * z))
}
