//! Keccak-f[1600] of as many states as a vector has 64-bit lanes.

use super::Input;
use assay_types::Hash;
use pulp::x86::{V3, V4};
use pulp::{NullaryFnOnce, Simd};
use std::arch::x86_64::{__m256i, __m512i};
use std::array::from_fn;

/// Bytes that a permutation takes in.
const RATE: usize = 136;

/// FIPS 202, section 3.2.5.
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Vectors of `N` lanes of 64 bits.
pub(super) trait Lanes<const N: usize>: Simd {
    type Vector: Copy;

    fn vector(lanes: [u64; N]) -> Self::Vector;
    fn lanes(vector: Self::Vector) -> [u64; N];
    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn xor3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a ^ (!b & c)`.
    fn chi(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Turned left by `LEFT`; `RIGHT` is 64 - `LEFT`.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: Self::Vector) -> Self::Vector;
}

impl Lanes<4> for V3 {
    type Vector = __m256i;

    #[inline(always)]
    fn vector(lanes: [u64; 4]) -> __m256i {
        pulp::cast(lanes)
    }

    #[inline(always)]
    fn lanes(vector: __m256i) -> [u64; 4] {
        pulp::cast(vector)
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        self.avx2._mm256_xor_si256(a, b)
    }

    #[inline(always)]
    fn xor3(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(self.xor(a, b), c)
    }

    #[inline(always)]
    fn chi(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(a, self.avx2._mm256_andnot_si256(b, c))
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: __m256i) -> __m256i {
        let left = self.avx2._mm256_slli_epi64::<LEFT>(a);
        let right = self.avx2._mm256_srli_epi64::<RIGHT>(a);
        self.avx2._mm256_or_si256(left, right)
    }
}

impl Lanes<8> for V4 {
    type Vector = __m512i;

    #[inline(always)]
    fn vector(lanes: [u64; 8]) -> __m512i {
        pulp::cast(lanes)
    }

    #[inline(always)]
    fn lanes(vector: __m512i) -> [u64; 8] {
        pulp::cast(vector)
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        self.avx512f._mm512_xor_si512(a, b)
    }

    // The constants are truth tables, bit 4a + 2b + c for a, b, c.
    #[inline(always)]
    fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f
            ._mm512_ternarylogic_epi64::<0b1001_0110>(a, b, c)
    }

    #[inline(always)]
    fn chi(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f
            ._mm512_ternarylogic_epi64::<0b1101_0010>(a, b, c)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: __m512i) -> __m512i {
        self.avx512f._mm512_rol_epi64::<LEFT>(a)
    }
}

/// Hashes of at most `N` inputs; what is beyond them is of no use.
pub(super) fn together<const N: usize, L: Lanes<N>, T: Input>(
    simd: L,
    inputs: &[T],
    tag: u8,
) -> [Hash; N] {
    let mut words = [[0u64; N]; 25];
    for (lane, input) in inputs.iter().enumerate() {
        let mut block = [0; RATE];
        block[0] = tag;
        let len = 1 + input.write(&mut block[1..]);
        // Keccak's own padding, not SHA-3's.
        block[len] = 1;
        block[RATE - 1] |= 0x80;
        let (bytes, _) = block.as_chunks::<8>();
        for (word, bytes) in words.iter_mut().zip(bytes) {
            word[lane] = u64::from_le_bytes(*bytes);
        }
    }
    let mut state = words.map(L::vector);
    let state = &mut state;
    simd.vectorize(Permutation { simd, state });
    let mut hashes = [Hash::ZERO; N];
    for (i, word) in state[..4].iter().enumerate() {
        for (hash, lane) in hashes.iter_mut().zip(L::lanes(*word)) {
            hash.0[8 * i..][..8].copy_from_slice(&lane.to_le_bytes());
        }
    }
    hashes
}

/// Keccak-f[1600] of `N` states.
struct Permutation<'a, const N: usize, L: Lanes<N>> {
    simd: L,
    state: &'a mut [L::Vector; 25],
}

impl<const N: usize, L: Lanes<N>> NullaryFnOnce for Permutation<'_, N, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let simd = self.simd;
        macro_rules! rotate {
            ($a:expr, 0) => {
                $a
            };
            ($a:expr, $n:literal) => {
                simd.rotate::<$n, { 64 - $n }>($a)
            };
        }
        let mut s = *self.state;
        for round in ROUNDS {
            let parity: [_; 5] =
                from_fn(|x| simd.xor3(simd.xor3(s[x], s[x + 5], s[x + 10]), s[x + 15], s[x + 20]));
            let theta: [_; 5] =
                from_fn(|x| simd.xor(parity[(x + 4) % 5], rotate!(parity[(x + 1) % 5], 1)));
            // A row of the result: where each lane comes from and how far it is turned (rho and pi), then chi.
            macro_rules! row {
                ($($from:literal $by:tt)*) => {{
                    let row = [$(rotate!(simd.xor(s[$from], theta[$from % 5]), $by)),*];
                    from_fn(|x| simd.chi(row[x], row[(x + 1) % 5], row[(x + 2) % 5]))
                }};
            }
            let rows: [[L::Vector; 5]; 5] = [
                row!(0 0 6 44 12 43 18 21 24 14),
                row!(3 28 9 20 10 3 16 45 22 61),
                row!(1 1 7 6 13 25 19 8 20 18),
                row!(4 27 5 36 11 10 17 15 23 56),
                row!(2 62 8 55 14 39 15 41 21 2),
            ];
            s.copy_from_slice(rows.as_flattened());
            s[0] = simd.xor(s[0], L::vector([round; N]));
        }
        *self.state = s;
    }
}
