//! Read-only inputs: `length u64 LE ‖ bytes ‖ zeros` under a tree of depth 33.

use crate::tree::Tree;
use assay_types::Hash;
use assay_types::params::{LEAF_BYTES, ROM_DEPTH};
use std::sync::Arc;

/// Bytes that are shared and never copied: a vector, a mapped file.
pub type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// One read-only input with its tree.
#[derive(Clone)]
pub struct Rom {
    /// The length, which comes before the data.
    prefix: [u8; PREFIX],
    data: Shared,
    /// From height [`BASE`] on: the whole tree would be half as large as the data.
    tree: Arc<Tree>,
}

/// log2 of the leaves whose hashes are found anew where they are asked for.
const BASE: u32 = 4;

/// Bytes of the length prefix.
const PREFIX: usize = 8;

impl Rom {
    /// Commits to a copy of `data`.
    pub fn new(data: &[u8]) -> Rom {
        Rom::shared(Arc::new(data.to_vec()))
    }

    /// Commits to `data`, which must not change.
    pub fn shared(data: Shared) -> Rom {
        let len = (*data).as_ref().len();
        let mut rom = Rom {
            prefix: (len as u64).to_le_bytes(),
            data,
            tree: Arc::new(Tree::zeroed(ROM_DEPTH, 0)),
        };
        let leaves = (len + PREFIX).div_ceil(LEAF_BYTES);
        rom.tree = Arc::new(Tree::build_coarse(ROM_DEPTH, BASE, leaves, |i| rom.leaf(i)));
        rom
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Length of the data, without the prefix, in bytes.
    pub fn data_len(&self) -> u64 {
        u64::from_le_bytes(self.prefix)
    }

    /// The data, without the prefix.
    pub fn data(&self) -> &[u8] {
        (*self.data).as_ref()
    }

    /// The data, to be shared.
    pub fn share(&self) -> Shared {
        self.data.clone()
    }

    /// Copies bytes from `offset` on, the prefix counted, zero beyond the data.
    pub fn copy_to(&self, offset: u64, out: &mut [u8]) {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let prefix = self.prefix.get(from..).unwrap_or_default();
        let (head, tail) = out.split_at_mut(prefix.len().min(out.len()));
        head.copy_from_slice(&prefix[..head.len()]);
        let data = self.data().get(from.saturating_sub(PREFIX)..);
        let data = data.unwrap_or_default();
        let n = data.len().min(tail.len());
        tail[..n].copy_from_slice(&data[..n]);
        tail[n..].fill(0);
    }

    /// Leaf `index`, zero beyond the data.
    pub fn leaf(&self, index: u64) -> [u8; LEAF_BYTES] {
        let mut leaf = [0; LEAF_BYTES];
        self.copy_to(index.saturating_mul(LEAF_BYTES as u64), &mut leaf);
        leaf
    }

    /// Siblings of leaf `index`, bottom up.
    pub fn siblings(&self, index: u64) -> Vec<Hash> {
        let (subtree, within) = (index >> BASE, index % (1 << BASE));
        let leaf = |i| self.leaf((subtree << BASE) + i);
        let mut siblings = Tree::build_with(BASE, 1 << BASE, leaf).siblings(0, within);
        siblings.extend(self.tree.siblings(BASE, subtree));
        siblings
    }
}

/// Root of the read-only input that holds `data`.
pub fn rom_root(data: &[u8]) -> Hash {
    Rom::new(data).root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{leaf_at, verify};

    #[test]
    fn every_leaf_has_the_siblings_of_the_whole_tree() {
        for len in [0usize, 1, 120, 121, 2040, 2041, 9000] {
            let data: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let rom = Rom::new(&data);
            let image = [&(len as u64).to_le_bytes(), &data[..]].concat();
            let tree = Tree::build(ROM_DEPTH, &image);
            assert_eq!(rom.root(), tree.root(), "{len} bytes");
            let leaves = (len as u64 + 8).div_ceil(128);
            let beyond = [leaves, leaves + 1, 16 * leaves, (1 << ROM_DEPTH) - 1];
            for index in (0..leaves).chain(beyond) {
                let (leaf, siblings) = (rom.leaf(index), rom.siblings(index));
                assert_eq!(leaf, leaf_at(&image, index));
                assert_eq!(
                    siblings,
                    tree.siblings(0, index),
                    "{len} bytes, leaf {index}"
                );
                assert!(verify(&rom.root(), &leaf, index, &siblings));
            }
        }
    }
}
