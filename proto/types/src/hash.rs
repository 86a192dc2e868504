//! Keccak-256 and the two tree hashes. Leaf and node each fit one permutation (136-byte rate).

use crate::params::{LEAF_BYTES, TAG_LEAF, TAG_NODE};
use sha3::{Digest, Keccak256};

/// A 32-byte hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The all-zero hash, which no input is known to have.
    pub const ZERO: Hash = Hash([0; 32]);
}

impl core::fmt::Debug for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::fmt::Display for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Keccak-256 of `parts` concatenated.
pub fn keccak256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// Hash of a tree leaf: `keccak(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8; LEAF_BYTES]) -> Hash {
    let mut buf = [0u8; 1 + LEAF_BYTES];
    buf[0] = TAG_LEAF;
    buf[1..].copy_from_slice(leaf);
    Hash(Keccak256::digest(buf).into())
}

/// Hash of an inner node: `keccak(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut buf = [0u8; 65];
    buf[0] = TAG_NODE;
    buf[1..33].copy_from_slice(&left.0);
    buf[33..].copy_from_slice(&right.0);
    Hash(Keccak256::digest(buf).into())
}

/// Folds a leaf hash at `index` with its siblings (bottom up) to a root.
pub fn fold(leaf: Hash, index: u64, siblings: &[Hash]) -> Hash {
    siblings
        .iter()
        .enumerate()
        .fold(leaf, |acc, (level, sibling)| {
            if (index >> level) & 1 == 0 {
                node_hash(&acc, sibling)
            } else {
                node_hash(sibling, &acc)
            }
        })
}

/// Root of an all-zero tree of each depth: `zero_roots()[d]` covers `2^d` leaves.
pub fn zero_roots() -> [Hash; 34] {
    let mut roots = [leaf_hash(&[0; LEAF_BYTES]); 34];
    for depth in 1..roots.len() {
        roots[depth] = node_hash(&roots[depth - 1], &roots[depth - 1]);
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn keccak_is_ethereums() {
        assert_eq!(
            format!("{}", keccak256(&[])),
            "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
    }

    #[test]
    fn fold_binds_position() {
        let leaf = leaf_hash(&[7; 128]);
        let siblings = [leaf_hash(&[1; 128]), leaf_hash(&[2; 128])];
        let roots = [0, 1, 2, 3].map(|i| fold(leaf, i, &siblings));
        for i in 0..4 {
            for j in 0..i {
                assert_ne!(roots[i], roots[j]);
            }
        }
    }
}
