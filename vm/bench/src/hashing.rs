//! A tree's hashes beside the same hashes by the plain `sha3` crate, one after another.

use crate::samples::{Samples, seconds};
use anyhow::ensure;
use assay_machine::tree::Tree;
use assay_types::params::{LEAF_BYTES, TAG_LEAF, TAG_NODE};
use sha3::{Digest, Keccak256};

/// log2 of the leaves.
const DEPTH: u32 = 13;

fn plain(data: &[u8]) -> [u8; 32] {
    let mut level: Vec<[u8; 32]> = data
        .chunks(LEAF_BYTES)
        .map(|leaf| {
            let mut input = [TAG_LEAF; 1 + LEAF_BYTES];
            input[1..].copy_from_slice(leaf);
            Keccak256::digest(input).into()
        })
        .collect();
    while level.len() > 1 {
        let pairs = level.chunks(2).map(|pair| {
            let mut input = [TAG_NODE; 65];
            input[1..].copy_from_slice(pair.as_flattened());
            Keccak256::digest(input).into()
        });
        level = pairs.collect();
    }
    level[0]
}

/// One sample of each.
pub fn sample(samples: &mut Samples) -> anyhow::Result<()> {
    let data: Vec<u8> = (0..LEAF_BYTES << DEPTH)
        .map(|i| (i * i + i / 7 + 1) as u8)
        .collect();
    let start = seconds();
    let root = Tree::build(DEPTH, &data).root();
    samples.add("tree", seconds() - start);
    let start = seconds();
    let expected = plain(&data);
    samples.add("sha3", seconds() - start);
    ensure!(root.0 == expected, "the tree's root is not sha3's");
    Ok(())
}
