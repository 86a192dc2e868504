//! The dissection's hashes (`docs/encoding.md`, section 8).

use crate::hash::{Hash, keccak256, node_hash};
use crate::state::StateRoot;
use alloc::vec::Vec;

/// Merkle root over a dissection's posted roots (a power of two of them).
pub fn dissection_root(roots: &[StateRoot]) -> Hash {
    assert!(
        roots.len().is_power_of_two(),
        "a dissection has a power of two of roots"
    );
    let mut level: Vec<Hash> = roots.iter().map(|r| r.0).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|p| node_hash(&p[0], &p[1])).collect();
    }
    level[0]
}

/// Siblings (bottom up) of `roots[index]` under [`dissection_root`].
pub fn dissection_proof(roots: &[StateRoot], index: usize) -> Vec<Hash> {
    let mut level: Vec<Hash> = roots.iter().map(|r| r.0).collect();
    let (mut at, mut out) = (index, Vec::new());
    while level.len() > 1 {
        out.push(level[at ^ 1]);
        level = level.chunks(2).map(|p| node_hash(&p[0], &p[1])).collect();
        at >>= 1;
    }
    out
}

/// `history' = keccak(history ‖ segment (u32 BE) ‖ roots)`.
pub fn next_history(history: &Hash, segment: u32, roots: &[StateRoot]) -> Hash {
    let mut parts: Vec<&[u8]> = Vec::with_capacity(2 + roots.len());
    let segment = segment.to_be_bytes();
    parts.push(&history.0);
    parts.push(&segment);
    parts.extend(roots.iter().map(|r| &r.0.0[..]));
    keccak256(&parts)
}

/// A root as it is posted where roots are field elements of a blob: its low 248 bits.
pub fn low_248(root: StateRoot) -> StateRoot {
    let mut hash = root.0;
    hash.0[0] = 0;
    StateRoot(hash)
}

/// `history' = keccak(history ‖ segment (u32 BE) ‖ versioned hash ‖ last root)`: of a dissection in a blob.
pub fn next_blob_history(history: &Hash, segment: u32, blob: &Hash, end: StateRoot) -> Hash {
    keccak256(&[&history.0, &segment.to_be_bytes(), &blob.0, &end.0.0])
}
