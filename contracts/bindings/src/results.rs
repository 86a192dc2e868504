//! The Merkle tree over a segment's results; mirrors `contracts/src/rollup/ResultTree.sol`.

use alloy::primitives::{B256, keccak256};
use assay_types::params::{TAG_NODE, TAG_RESULT};

/// Leaf of one result: `H(0x05 ‖ request id ‖ output hash)`.
pub fn leaf(request_id: B256, output_hash: B256) -> B256 {
    keccak256([&[TAG_RESULT][..], &request_id[..], &output_hash[..]].concat())
}

/// Root over at least one leaf; missing leaves up to the next power of two are zero.
pub fn root(leaves: &[B256]) -> B256 {
    let mut level = padded(leaves);
    while level.len() > 1 {
        level = parents(&level);
    }
    level[0]
}

/// Siblings of leaf `index`, bottom up.
pub fn proof(leaves: &[B256], index: usize) -> Vec<B256> {
    let (mut level, mut at, mut out) = (padded(leaves), index, Vec::new());
    while level.len() > 1 {
        out.push(level[at ^ 1]);
        level = parents(&level);
        at >>= 1;
    }
    out
}

fn padded(leaves: &[B256]) -> Vec<B256> {
    assert!(!leaves.is_empty(), "a segment has at least one result");
    let mut level = leaves.to_vec();
    level.resize(leaves.len().next_power_of_two(), B256::ZERO);
    level
}

fn parents(level: &[B256]) -> Vec<B256> {
    level
        .chunks(2)
        .map(|p| keccak256([&[TAG_NODE][..], &p[0][..], &p[1][..]].concat()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_types::{Hash, hash::fold};

    #[test]
    fn every_proof_of_every_size_folds_to_the_root() {
        for count in 1..=9usize {
            let leaves: Vec<B256> = (0..count)
                .map(|i| leaf(B256::with_last_byte(i as u8), B256::ZERO))
                .collect();
            for i in 0..count {
                let siblings: Vec<Hash> = proof(&leaves, i).iter().map(|b| Hash(b.0)).collect();
                assert_eq!(siblings.len(), count.next_power_of_two().ilog2() as usize);
                assert_eq!(
                    fold(Hash(leaves[i].0), i as u64, &siblings).0,
                    root(&leaves).0,
                    "{count} {i}"
                );
            }
        }
    }
}
