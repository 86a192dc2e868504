//! Read-only inputs: `length u64 LE ‖ bytes ‖ zeros` under a tree of depth 33.

use crate::tree::{Tree, leaf_at};
use assay_types::Hash;
use assay_types::params::{LEAF_BYTES, ROM_DEPTH};
use std::sync::Arc;

/// One read-only input with its tree.
#[derive(Clone)]
pub struct Rom {
    /// Length prefix, then the data.
    bytes: Arc<[u8]>,
    tree: Arc<Tree>,
}

impl Rom {
    /// Commits to `data`.
    pub fn new(data: &[u8]) -> Rom {
        let bytes: Arc<[u8]> = [&(data.len() as u64).to_le_bytes(), data].concat().into();
        let tree = Arc::new(Tree::build(ROM_DEPTH, &bytes));
        Rom { bytes, tree }
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Length of the data, without the prefix, in bytes.
    pub fn data_len(&self) -> u64 {
        self.bytes.len() as u64 - 8
    }

    /// The data, without the prefix.
    pub fn data(&self) -> &[u8] {
        &self.bytes[8..]
    }

    /// Length prefix and data.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Leaf `index`, zero beyond the data.
    pub fn leaf(&self, index: u64) -> [u8; LEAF_BYTES] {
        leaf_at(&self.bytes, index)
    }

    /// Siblings of leaf `index`, bottom up.
    pub fn siblings(&self, index: u64) -> Vec<Hash> {
        self.tree.siblings(0, index)
    }
}

/// Root of the read-only input that holds `data`.
pub fn rom_root(data: &[u8]) -> Hash {
    Rom::new(data).root()
}
