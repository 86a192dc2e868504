//! Merkle trees over 128-byte leaves with a constant depth (`docs/encoding.md`, section 1).
//!
//! Only a power-of-two prefix that covers the data is stored; everything right of it is zero.

mod batch;

pub use batch::{leaf_hashes, node_hashes};
use batch::{wide_leaf_hashes, wide_node_hashes};

use assay_types::hash::{fold, zero_roots};
use assay_types::params::LEAF_BYTES;
use assay_types::{Hash, leaf_hash, node_hash};
use rayon::prelude::*;
use std::sync::{LazyLock, OnceLock};

/// Leaves or nodes gathered before they are hashed together.
const BATCH: usize = 256;
/// Leaves or nodes from which on all cores hash them.
const MANY: usize = 4096;

/// `ZERO[d]`: root of an all-zero tree of depth d.
pub static ZERO: LazyLock<[Hash; 34]> = LazyLock::new(zero_roots);

/// 128 bytes at leaf `index` of `data`, zero-padded.
pub fn leaf_at(data: &[u8], index: u64) -> [u8; LEAF_BYTES] {
    let mut leaf = [0; LEAF_BYTES];
    let start = usize::try_from(index)
        .ok()
        .and_then(|i| i.checked_mul(LEAF_BYTES));
    if let Some(rest) = start.and_then(|s| data.get(s..)) {
        let n = rest.len().min(LEAF_BYTES);
        leaf[..n].copy_from_slice(&rest[..n]);
    }
    leaf
}

/// The hashes of a tree, stored bottom up.
#[derive(Clone)]
pub struct Tree {
    depth: u32,
    /// Height of the lowest level that is stored; 0 but for trees of [`Tree::build_coarse`].
    base: u32,
    /// `levels[l]` holds the hashes at height `base + l` of the stored prefix; the last level has one.
    levels: Vec<Vec<Hash>>,
    /// The root over the constant depth, once asked for: every step asks for four, and writes one tree or two.
    root: OnceLock<Hash>,
}

impl Tree {
    /// An all-zero tree with room for `leaves` leaves in its stored prefix.
    pub fn zeroed(depth: u32, leaves: u64) -> Tree {
        Tree::zeroed_from(depth, 0, leaves)
    }

    /// One whose lowest level is at height `base`.
    fn zeroed_from(depth: u32, base: u32, leaves: u64) -> Tree {
        let log2 = leaves.max(1).next_power_of_two().trailing_zeros();
        assert!(
            log2.max(base) <= depth,
            "{leaves} leaves do not fit a tree of depth {depth}"
        );
        let top = log2.max(base);
        let levels = (base..=top)
            .map(|l| vec![ZERO[l as usize]; 1 << (top - l)])
            .collect();
        Tree {
            depth,
            base,
            levels,
            root: OnceLock::new(),
        }
    }

    /// The tree of `data`, zero-padded.
    pub fn build(depth: u32, data: &[u8]) -> Tree {
        let leaves = data.len().div_ceil(LEAF_BYTES);
        Tree::build_with(depth, leaves, |i| leaf_at(data, i))
    }

    /// The tree of `leaves` leaves.
    pub fn build_with(
        depth: u32,
        leaves: usize,
        leaf: impl Fn(u64) -> [u8; LEAF_BYTES] + Sync,
    ) -> Tree {
        let mut tree = Tree::zeroed(depth, leaves as u64);
        let zero_leaf = [0; LEAF_BYTES];
        // Some at a time, so that what waits to be hashed is little.
        let fill_leaves = |(first, hashes): (usize, &mut [Hash])| {
            let indices = first * BATCH..leaves.min(first * BATCH + hashes.len());
            let (slots, contents): (Vec<usize>, Vec<_>) = indices
                .map(|i| leaf(i as u64))
                .enumerate()
                .filter(|(_, leaf)| *leaf != zero_leaf)
                .unzip();
            for (slot, hash) in slots.into_iter().zip(wide_leaf_hashes(&contents)) {
                hashes[slot] = hash;
            }
        };
        tree.levels[0]
            .par_chunks_mut(BATCH)
            .with_min_len(MANY / BATCH)
            .enumerate()
            .for_each(fill_leaves);
        tree.fill_nodes();
        tree
    }

    /// The tree of `leaves` leaves without what is below height `base`: [`Tree::node`] and [`Tree::siblings`] have heights from
    /// there on, and nothing in it can be changed. `leaf` gives zeros beyond `leaves`.
    pub fn build_coarse(
        depth: u32,
        base: u32,
        leaves: usize,
        leaf: impl Fn(u64) -> [u8; LEAF_BYTES] + Sync,
    ) -> Tree {
        let mut tree = Tree::zeroed_from(depth, base, leaves as u64);
        let subtrees = leaves.div_ceil(1 << base);
        let together = (BATCH >> base).max(1);
        tree.levels[0][..subtrees]
            .par_chunks_mut(together)
            .with_min_len(MANY / BATCH)
            .enumerate()
            .for_each(|(first, roots)| {
                let indices = (first * together) << base..(first * together + roots.len()) << base;
                let contents: Vec<_> = indices.map(|i| leaf(i as u64)).collect();
                let mut hashes = wide_leaf_hashes(&contents);
                for _ in 0..base {
                    hashes = wide_node_hashes(hashes.as_chunks::<2>().0);
                }
                roots.copy_from_slice(&hashes);
            });
        tree.fill_nodes();
        tree
    }

    /// Hashes the nodes above the lowest level.
    fn fill_nodes(&mut self) {
        for l in 1..self.levels.len() {
            let zero = [ZERO[self.base as usize + l - 1]; 2];
            let (below, above) = self.levels.split_at_mut(l);
            let (pairs, _) = below[l - 1].as_chunks::<2>();
            let fill_nodes = |(hashes, pairs): (&mut [Hash], &[[Hash; 2]])| {
                let (slots, children): (Vec<usize>, Vec<_>) = pairs
                    .iter()
                    .copied()
                    .enumerate()
                    .filter(|(_, pair)| *pair != zero)
                    .unzip();
                for (slot, hash) in slots.into_iter().zip(wide_node_hashes(&children)) {
                    hashes[slot] = hash;
                }
            };
            above[0]
                .par_chunks_mut(BATCH)
                .zip(pairs.par_chunks(BATCH))
                .with_min_len(MANY / BATCH)
                .for_each(fill_nodes);
        }
    }

    /// Grows the stored prefix to at least `leaves` leaves.
    pub fn reserve(&mut self, leaves: u64) {
        assert_eq!(self.base, 0, "a coarse tree stays as it is");
        let old = self.levels[0].len();
        if leaves as usize <= old {
            return;
        }
        let mut grown = Tree::zeroed(self.depth, leaves);
        for (to, from) in grown.levels.iter_mut().zip(&self.levels) {
            to[..from.len()].copy_from_slice(from);
        }
        for l in self.levels.len()..grown.levels.len() {
            grown.levels[l][0] = node_hash(&grown.levels[l - 1][0], &grown.levels[l - 1][1]);
        }
        *self = grown;
    }

    /// Replaces leaves (ascending, distinct indices inside the prefix) and rehashes their ancestors.
    pub fn update(&mut self, leaves: impl Iterator<Item = (u64, [u8; LEAF_BYTES])>) {
        assert_eq!(self.base, 0, "a coarse tree stays as it is");
        let mut dirty = self.set_leaves(leaves);
        if dirty.is_empty() {
            return;
        }
        self.root = OnceLock::new();
        for l in 1..self.levels.len() {
            dirty.iter_mut().for_each(|i| *i >>= 1);
            dirty.dedup();
            self.rehash(l, &dirty);
        }
    }

    /// Replaces the hashes of leaves; their indices.
    fn set_leaves(&mut self, leaves: impl Iterator<Item = (u64, [u8; LEAF_BYTES])>) -> Vec<usize> {
        let mut leaves = leaves.map(|(index, leaf)| (index as usize, leaf));
        let mut indices = Vec::new();
        loop {
            let (some, contents): (Vec<usize>, Vec<_>) = leaves.by_ref().take(MANY).unzip();
            if some.is_empty() {
                return indices;
            }
            let hashes = in_batches(&contents, leaf_hashes, wide_leaf_hashes);
            for (index, hash) in some.iter().zip(hashes) {
                self.levels[0][*index] = hash;
            }
            indices.extend(some);
        }
    }

    /// Hashes these nodes of level `l` anew.
    fn rehash(&mut self, l: usize, nodes: &[usize]) {
        let (below, above) = self.levels.split_at_mut(l);
        let (pairs, _) = below[l - 1].as_chunks::<2>();
        for some in nodes.chunks(MANY) {
            let children: Vec<[Hash; 2]> = some.iter().map(|&i| pairs[i]).collect();
            let hashes = in_batches(&children, node_hashes, wide_node_hashes);
            for (index, hash) in some.iter().zip(hashes) {
                above[0][*index] = hash;
            }
        }
    }

    /// The hash at `height`, `index` within that level.
    ///
    /// # Panics
    /// Where `height` is below what a coarse tree has.
    pub fn node(&self, height: u32, index: u64) -> Hash {
        assert!(height >= self.base, "height {height} is not stored");
        match self.levels.get((height - self.base) as usize) {
            Some(level) => level
                .get(index as usize)
                .copied()
                .unwrap_or(ZERO[height as usize]),
            None if index == 0 => (self.base + self.levels.len() as u32 - 1..height)
                .fold(self.stored_root(), |h, l| node_hash(&h, &ZERO[l as usize])),
            None => ZERO[height as usize],
        }
    }

    /// The root over the constant depth.
    pub fn root(&self) -> Hash {
        *self.root.get_or_init(|| self.node(self.depth, 0))
    }

    /// Siblings, bottom up, of the node at `height`, `index`.
    pub fn siblings(&self, height: u32, index: u64) -> Vec<Hash> {
        (height..self.depth)
            .map(|l| self.node(l, (index >> (l - height)) ^ 1))
            .collect()
    }

    /// Makes the first `2^height` leaves zero.
    pub fn zero_prefix(&mut self, height: u32) {
        self.reserve(1 << height);
        self.root = OnceLock::new();
        for l in 0..=height {
            self.levels[l as usize][..1 << (height - l)].fill(ZERO[l as usize]);
        }
        for l in height as usize + 1..self.levels.len() {
            self.levels[l][0] = node_hash(&self.levels[l - 1][0], &self.levels[l - 1][1]);
        }
    }

    fn stored_root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }
}

/// Hashes in order; by all cores, and `wide`, where there are many.
fn in_batches<T: Sync>(
    items: &[T],
    hashes: fn(&[T]) -> Vec<Hash>,
    wide: fn(&[T]) -> Vec<Hash>,
) -> Vec<Hash> {
    if items.len() < MANY {
        return items.chunks(BATCH).flat_map(hashes).collect();
    }
    items.par_chunks(BATCH).flat_map_iter(wide).collect()
}

/// Whether `leaf` at `index` folds with `siblings` to `root`.
pub fn verify(root: &Hash, leaf: &[u8; LEAF_BYTES], index: u64, siblings: &[Hash]) -> bool {
    fold(leaf_hash(leaf), index, siblings) == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, without any shortcut.
    fn naive(depth: u32, data: &[u8]) -> Hash {
        let mut level: Vec<Hash> = (0..1u64 << depth)
            .map(|i| leaf_hash(&leaf_at(data, i)))
            .collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|p| node_hash(&p[0], &p[1])).collect();
        }
        level[0]
    }

    #[test]
    fn build_update_grow_and_zero_agree_with_the_definition() {
        for len in [0usize, 1, 127, 128, 129, 1000, 1024] {
            let mut data: Vec<u8> = (0..len).map(|i| (i * 7 + 1) as u8).collect();
            let mut tree = Tree::build(6, &data);
            assert_eq!(tree.root(), naive(6, &data), "build {len}");
            tree.reserve(32);
            assert_eq!(tree.root(), naive(6, &data), "grow {len}");
            data.resize(4096, 0);
            data[3000] = 9;
            data[5] = 77;
            tree.update([(0, leaf_at(&data, 0)), (23, leaf_at(&data, 23))].into_iter());
            assert_eq!(tree.root(), naive(6, &data), "update {len}");
            for index in [0u64, 7, 23, 31, 63] {
                assert!(verify(
                    &tree.root(),
                    &leaf_at(&data, index),
                    index,
                    &tree.siblings(0, index)
                ));
            }
            tree.zero_prefix(3);
            data[..1024].fill(0);
            assert_eq!(tree.root(), naive(6, &data), "zero {len}");
        }
    }

    #[test]
    fn updates_of_few_and_of_many_leaves_agree_with_a_tree_built_anew() {
        let leaves = 3 * MANY / 2;
        let mut data: Vec<u8> = (0..leaves * LEAF_BYTES)
            .map(|i| (i * 7 + 1) as u8)
            .collect();
        let mut tree = Tree::build(16, &data);
        for step in [1, 2, 1000] {
            let changed = (0..leaves).step_by(step);
            changed
                .clone()
                .for_each(|i| data[i * LEAF_BYTES + 5] ^= 0x55);
            tree.update(changed.map(|i| (i as u64, leaf_at(&data, i as u64))));
            assert_eq!(tree.root(), Tree::build(16, &data).root(), "one of {step}");
        }
    }

    #[test]
    fn coarse_tree_has_the_upper_nodes_of_the_whole_one() {
        for len in [0usize, 1, 5, 8, 9, 600, 4500] {
            let data: Vec<u8> = (0..len * LEAF_BYTES).map(|i| (i * 7 + 1) as u8).collect();
            let tree = Tree::build(13, &data);
            for base in 0..=4 {
                let coarse = Tree::build_coarse(13, base, len, |i| leaf_at(&data, i));
                assert_eq!(coarse.root(), tree.root(), "{len} leaves from {base}");
                for index in [0, 1, 37, 299, (1 << (13 - base)) - 1] {
                    assert_eq!(coarse.node(base, index), tree.node(base, index));
                    assert_eq!(coarse.siblings(base, index), tree.siblings(base, index));
                }
            }
        }
    }
}
