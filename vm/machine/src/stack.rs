//! The register stack: 8-byte cells as the little-endian bytes that its tree hashes.
//!
//! Bytes and not integers, because then a vector is sixteen of them and its lanes are loads, not shifts.

use assay_types::params::{LEAF_BYTES, STACK_CELLS};

/// Bytes of a vector: a pair of cells, low half first.
pub type Vector = [u8; 16];

/// The cells that slots can name from a frame base on.
pub(crate) type Frame = [[u8; 8]; SLOTS];
const SLOTS: usize = 1 << 16;
const CELLS: usize = STACK_CELLS as usize;

/// All cells of the register stack, and as many as a frame has, so that there is a whole frame at every base.
/// INVARIANT: the cells past the stack are zero, for nothing writes them.
#[derive(Clone)]
pub struct Stack(Box<[[u8; 8]; CELLS + SLOTS]>);

impl Default for Stack {
    fn default() -> Stack {
        let cells = vec![[0; 8]; CELLS + SLOTS].into_boxed_slice();
        Stack(cells.try_into().expect("made with that length"))
    }
}

impl Stack {
    /// Cell `index`.
    #[inline(always)]
    pub fn get(&self, index: u32) -> u64 {
        u64::from_le_bytes(self.0[..CELLS][index as usize])
    }

    /// Writes cell `index`.
    #[inline(always)]
    pub fn set(&mut self, index: u32, value: u64) {
        self.0[..CELLS][index as usize] = value.to_le_bytes();
    }

    /// Cells `index` and `index + 1`; `index` is even.
    #[inline(always)]
    pub fn vector(&self, index: u32) -> Vector {
        let (pairs, _) = self.0[..CELLS].as_chunks::<2>();
        let mut out = [0; 16];
        out.copy_from_slice(pairs[index as usize / 2].as_flattened());
        out
    }

    /// Writes cells `index` and `index + 1`; `index` is even.
    #[inline(always)]
    pub fn set_vector(&mut self, index: u32, value: Vector) {
        let (pairs, _) = self.0[..CELLS].as_chunks_mut::<2>();
        pairs[index as usize / 2]
            .as_flattened_mut()
            .copy_from_slice(&value);
    }

    /// The frame at `base`, if its first `slots` cells are in the stack and `base` is even, so that even cells have even
    /// slots.
    #[inline(always)]
    pub(crate) fn frame(&mut self, base: u32, slots: u32) -> Option<&mut Frame> {
        let fits = u64::from(base) + u64::from(slots) <= u64::from(STACK_CELLS);
        let cells = self.0.get_mut(base as usize..);
        let cells = cells.filter(|_| fits && base.is_multiple_of(2))?;
        cells.first_chunk_mut()
    }

    /// The first `cells` cells.
    pub(crate) fn first(&self, cells: usize) -> &[[u8; 8]] {
        &self.0[..cells]
    }

    /// Makes the first `cells` cells zero.
    pub(crate) fn clear(&mut self, cells: usize) {
        self.0[..cells].fill([0; 8]);
    }

    /// Leaf `index` of its tree.
    pub(crate) fn leaf(&self, index: u64) -> [u8; LEAF_BYTES] {
        let mut leaf = [0; LEAF_BYTES];
        leaf.copy_from_slice(self.0[index as usize * 16..][..16].as_flattened());
        leaf
    }
}
