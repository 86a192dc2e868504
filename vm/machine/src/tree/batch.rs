//! Many leaves or nodes hashed at once: four Keccak states in the lanes of 256-bit vectors, where the processor has them.
//!
//! A leaf and a node each fit one permutation of 136 bytes, so four of either are four lanes of the same work.
//! `assay_types`' hashes are the definition, and what does the work elsewhere.

use assay_types::Hash;
use assay_types::params::{LEAF_BYTES, TAG_LEAF, TAG_NODE};
use assay_types::{leaf_hash, node_hash};

/// Hashes of leaves, in their order.
pub fn leaf_hashes(leaves: &[[u8; LEAF_BYTES]]) -> Vec<Hash> {
    hashes(leaves, TAG_LEAF, leaf_hash)
}

/// Hashes of nodes given by their children, in their order.
pub fn node_hashes(children: &[[Hash; 2]]) -> Vec<Hash> {
    hashes(children, TAG_NODE, |[left, right]| node_hash(left, right))
}

/// What a tag is hashed with.
trait Input {
    /// The bytes after the tag, at the start of a block.
    fn write(&self, block: &mut [u8]) -> usize;
}

impl Input for [u8; LEAF_BYTES] {
    fn write(&self, block: &mut [u8]) -> usize {
        block[..LEAF_BYTES].copy_from_slice(self);
        LEAF_BYTES
    }
}

impl Input for [Hash; 2] {
    fn write(&self, block: &mut [u8]) -> usize {
        block[..32].copy_from_slice(&self[0].0);
        block[32..64].copy_from_slice(&self[1].0);
        64
    }
}

#[cfg(target_arch = "x86_64")]
fn hashes<T: Input>(inputs: &[T], tag: u8, one: impl Fn(&T) -> Hash) -> Vec<Hash> {
    let Some(simd) = pulp::x86::V3::try_new() else {
        return inputs.iter().map(one).collect();
    };
    let mut hashes = Vec::with_capacity(inputs.len());
    for four in inputs.chunks(4) {
        match four {
            [single] => hashes.push(one(single)),
            _ => hashes.extend_from_slice(&x86::four(simd, four, tag)[..four.len()]),
        }
    }
    hashes
}

#[cfg(not(target_arch = "x86_64"))]
fn hashes<T: Input>(inputs: &[T], _: u8, one: impl Fn(&T) -> Hash) -> Vec<Hash> {
    inputs.iter().map(one).collect()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Input;
    use assay_types::Hash;
    use pulp::NullaryFnOnce;
    use pulp::x86::V3;
    use std::arch::x86_64::__m256i;
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

    /// Hashes of at most four inputs; what is beyond them is of no use.
    pub(super) fn four<T: Input>(simd: V3, inputs: &[T], tag: u8) -> [Hash; 4] {
        let mut words = [[0u64; 4]; 25];
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
        let mut state = words.map(pulp::cast);
        simd.vectorize(Permutation {
            simd,
            state: &mut state,
        });
        let mut hashes = [Hash::ZERO; 4];
        for (i, word) in state[..4].iter().enumerate() {
            let lanes: [u64; 4] = pulp::cast(*word);
            for (hash, lane) in hashes.iter_mut().zip(lanes) {
                hash.0[8 * i..][..8].copy_from_slice(&lane.to_le_bytes());
            }
        }
        hashes
    }

    /// Keccak-f[1600] of four states.
    struct Permutation<'a> {
        simd: V3,
        state: &'a mut [__m256i; 25],
    }

    impl NullaryFnOnce for Permutation<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let (avx, avx2) = (self.simd.avx, self.simd.avx2);
            let xor = |a, b| avx2._mm256_xor_si256(a, b);
            macro_rules! rotate {
                ($a:expr, 0) => {
                    $a
                };
                ($a:expr, $n:literal) => {{
                    let a = $a;
                    let (left, right) = (
                        avx2._mm256_slli_epi64::<$n>(a),
                        avx2._mm256_srli_epi64::<{ 64 - $n }>(a),
                    );
                    avx2._mm256_or_si256(left, right)
                }};
            }
            let mut s = *self.state;
            for round in ROUNDS {
                let parity: [_; 5] = from_fn(|x| {
                    xor(
                        xor(xor(s[x], s[x + 5]), xor(s[x + 10], s[x + 15])),
                        s[x + 20],
                    )
                });
                let theta: [_; 5] =
                    from_fn(|x| xor(parity[(x + 4) % 5], rotate!(parity[(x + 1) % 5], 1)));
                // A row of the result: where each lane comes from and how far it is turned (rho and pi), then chi.
                macro_rules! row {
                    ($($from:literal $by:tt)*) => {{
                        let row = [$(rotate!(xor(s[$from], theta[$from % 5]), $by)),*];
                        from_fn(|x| {
                            let (next, after) = (row[(x + 1) % 5], row[(x + 2) % 5]);
                            xor(row[x], avx2._mm256_andnot_si256(next, after))
                        })
                    }};
                }
                let rows: [[__m256i; 5]; 5] = [
                    row!(0 0 6 44 12 43 18 21 24 14),
                    row!(3 28 9 20 10 3 16 45 22 61),
                    row!(1 1 7 6 13 25 19 8 20 18),
                    row!(4 27 5 36 11 10 17 15 23 56),
                    row!(2 62 8 55 14 39 15 41 21 2),
                ];
                s.copy_from_slice(rows.as_flattened());
                s[0] = xor(s[0], avx._mm256_set1_epi64x(round as i64));
            }
            *self.state = s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_all_lengths_are_hashed_as_one_by_one() {
        for len in 0..=9usize {
            let byte = |i: usize, j: usize| (i * 151 + j * j * 7 + len) as u8;
            let leaves: Vec<[u8; LEAF_BYTES]> = (0..len)
                .map(|i| std::array::from_fn(|j| byte(i, j)))
                .collect();
            let expected: Vec<Hash> = leaves.iter().map(leaf_hash).collect();
            assert_eq!(leaf_hashes(&leaves), expected);
            let children: Vec<[Hash; 2]> = (0..len)
                .map(|i| [0, 32].map(|from| Hash(std::array::from_fn(|j| byte(i, from + j)))))
                .collect();
            let expected: Vec<Hash> = children.iter().map(|[l, r]| node_hash(l, r)).collect();
            assert_eq!(node_hashes(&children), expected);
        }
    }
}
