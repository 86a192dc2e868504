//! A case is what its bytes choose. Bytes that aren't there are zeros, and a zero chooses what is plain: so a failing case gets
//! simpler by cutting and zeroing its bytes.

use assay_inference::testing::Random;

/// Reads choices from the front of a case's bytes.
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices { bytes }
    }

    /// A number of that many bytes.
    pub fn number(&mut self, bytes: usize) -> u64 {
        let (head, rest) = self.bytes.split_at(bytes.min(self.bytes.len()));
        self.bytes = rest;
        head.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// From 0 up to, and without, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let bytes = if end <= 1 << 8 { 1 } else { 4 };
        (self.number(bytes) % end as u64) as usize
    }

    /// True once in `n` times.
    pub fn chance(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of these; the first where bytes are zeros.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// Many numbers from a few bytes.
    pub fn random(&mut self) -> Random {
        Random(self.number(4))
    }
}

/// The bytes that a seed stands for.
pub fn bytes_of(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..400).map(|_| random.bits() as u8).collect()
}

/// A simpler case of which `holds` is still true: shorter, and with more zeros. Tries so many times.
pub fn minimise(case: &[u8], mut tries: usize, mut holds: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = case.to_vec();
    let mut attempt = |best: &mut Vec<u8>, other: Vec<u8>| {
        if tries > 0 && other != *best {
            tries -= 1;
            if holds(&other) {
                *best = other;
            }
        }
    };
    let mut piece = best.len().div_ceil(2);
    while piece > 0 {
        let kept = best.len().saturating_sub(piece);
        let shorter = best[..kept].to_vec();
        attempt(&mut best, shorter);
        for at in (0..best.len()).step_by(piece) {
            if at >= best.len() {
                break;
            }
            let mut other = best.clone();
            let end = other.len().min(at + piece);
            other[at..end].fill(0);
            attempt(&mut best, other);
        }
        piece /= 2;
    }
    while best.last() == Some(&0) {
        best.pop();
    }
    best
}
