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
    tree: Arc<Tree>,
}

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
        rom.tree = Arc::new(Tree::build_with(ROM_DEPTH, leaves, |i| rom.leaf(i)));
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
        self.tree.siblings(0, index)
    }
}

/// Root of the read-only input that holds `data`.
pub fn rom_root(data: &[u8]) -> Hash {
    Rom::new(data).root()
}
