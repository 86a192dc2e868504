//! Many leaves or nodes hashed at once: Keccak states in the lanes of vectors, four (AVX2) or eight (AVX-512) of them, where the
//! processor has them.
//!
//! A leaf and a node each fit one permutation of 136 bytes, so some of either are lanes of the same work.
//! `assay_types`' hashes are the definition, and what does the work elsewhere.

use assay_types::Hash;
use assay_types::params::{LEAF_BYTES, TAG_LEAF, TAG_NODE};
use assay_types::{leaf_hash, node_hash};

/// Hashes of leaves, in their order.
pub fn leaf_hashes(leaves: &[[u8; LEAF_BYTES]]) -> Vec<Hash> {
    hashes(leaves, TAG_LEAF, false, leaf_hash)
}

/// Hashes of nodes given by their children, in their order.
pub fn node_hashes(children: &[[Hash; 2]]) -> Vec<Hash> {
    let one = |[left, right]: &[Hash; 2]| node_hash(left, right);
    hashes(children, TAG_NODE, false, one)
}

/// As [`leaf_hashes`], for many: 512-bit vectors lower the processor's clock for whatever comes after, which few hashes don't repay.
pub(super) fn wide_leaf_hashes(leaves: &[[u8; LEAF_BYTES]]) -> Vec<Hash> {
    hashes(leaves, TAG_LEAF, true, leaf_hash)
}

/// As [`node_hashes`], likewise.
pub(super) fn wide_node_hashes(children: &[[Hash; 2]]) -> Vec<Hash> {
    let one = |[left, right]: &[Hash; 2]| node_hash(left, right);
    hashes(children, TAG_NODE, true, one)
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
fn hashes<T: Input>(inputs: &[T], tag: u8, wide: bool, one: impl Fn(&T) -> Hash) -> Vec<Hash> {
    let mut hashes = Vec::with_capacity(inputs.len());
    let mut rest = inputs;
    if let (true, Some(simd)) = (wide, pulp::x86::V4::try_new()) {
        // Half a vector and less is left to shorter ones.
        while rest.len() > 4 {
            let (some, more) = rest.split_at(rest.len().min(8));
            hashes.extend_from_slice(&x86::together(simd, some, tag)[..some.len()]);
            rest = more;
        }
    }
    if let Some(simd) = pulp::x86::V3::try_new() {
        while rest.len() > 1 {
            let (some, more) = rest.split_at(rest.len().min(4));
            hashes.extend_from_slice(&x86::together(simd, some, tag)[..some.len()]);
            rest = more;
        }
    }
    hashes.extend(rest.iter().map(one));
    hashes
}

#[cfg(not(target_arch = "x86_64"))]
fn hashes<T: Input>(inputs: &[T], _: u8, _: bool, one: impl Fn(&T) -> Hash) -> Vec<Hash> {
    inputs.iter().map(one).collect()
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_all_lengths_are_hashed_as_one_by_one() {
        for len in 0..=17usize {
            let byte = |i: usize, j: usize| (i * 151 + j * j * 7 + len) as u8;
            let leaves: Vec<[u8; LEAF_BYTES]> = (0..len)
                .map(|i| std::array::from_fn(|j| byte(i, j)))
                .collect();
            let expected: Vec<Hash> = leaves.iter().map(leaf_hash).collect();
            assert_eq!(leaf_hashes(&leaves), expected);
            assert_eq!(wide_leaf_hashes(&leaves), expected);
            let children: Vec<[Hash; 2]> = (0..len)
                .map(|i| [0, 32].map(|from| Hash(std::array::from_fn(|j| byte(i, from + j)))))
                .collect();
            let expected: Vec<Hash> = children.iter().map(|[l, r]| node_hash(l, r)).collect();
            assert_eq!(node_hashes(&children), expected);
            assert_eq!(wide_node_hashes(&children), expected);
        }
    }
}
