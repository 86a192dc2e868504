//! Everything one step can read or write. The step function is one; its observers are three.

pub mod direct;
pub mod leaves;
pub mod record;
pub mod replay;

use crate::isa::Instr;
use crate::stack::Vector;
use assay_types::params::PAGE_BYTES;

/// Why a step stops early.
#[derive(Debug)]
pub enum Stop<E> {
    /// The machine traps: a state, not an error.
    Trap,
    /// The access failed: in replay, a bad witness.
    Access(E),
}

impl<E> From<E> for Stop<E> {
    fn from(e: E) -> Self {
        Stop::Access(e)
    }
}

/// Which operand of an instruction a cell is read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// `a`.
    A,
    /// `b`, in a slot.
    B,
    /// The third, of those opcodes that have one.
    C,
}

/// Reads and writes of a step, in the order of `docs/encoding.md`, sections 5 and 6.
///
/// Callers have checked every bound: pc and cell indices are inside their trees, memory accesses inside
/// `pages`, a bulk move inside one leaf on each side, and a vector's index even.
pub trait Access {
    /// Whether a step that stops is done again with another access, so that it may stop for what is rare.
    const REFERS: bool = false;
    /// What can go wrong besides a trap.
    type Error;
    /// The instruction at `pc`.
    fn instr(&mut self, pc: u32) -> Result<Instr, Self::Error>;
    /// A cell of the register stack.
    fn cell(&mut self, index: u32) -> Result<u64, Self::Error>;
    /// A cell of the register stack, for an operand.
    #[inline(always)]
    fn operand(&mut self, _which: Operand, index: u32) -> Result<u64, Self::Error> {
        self.cell(index)
    }
    /// Writes a cell; all writes of one step are in one leaf.
    fn set_cell(&mut self, index: u32, value: u64) -> Result<(), Self::Error>;
    /// Cells `index` and `index + 1` of the register stack; `index` is even, so both are in one leaf.
    fn vector(&mut self, index: u32) -> Result<Vector, Self::Error>;
    /// Writes cells `index` and `index + 1`; as [`Access::vector`] and [`Access::set_cell`].
    fn set_vector(&mut self, index: u32, value: Vector) -> Result<(), Self::Error>;
    /// A cell of the globals tree.
    fn global(&mut self, index: u32) -> Result<u64, Self::Error>;
    /// Writes a cell of the globals tree.
    fn set_global(&mut self, index: u32, value: u64) -> Result<(), Self::Error>;
    /// A table element.
    fn element(&mut self, index: u32) -> Result<u64, Self::Error>;
    /// Writes a table element.
    fn set_element(&mut self, index: u32, value: u64) -> Result<(), Self::Error>;
    /// Sets `n` elements inside one leaf.
    fn fill_elements(&mut self, dst: u32, value: u64, n: u32) -> Result<(), Self::Error>;
    /// Copies `n` elements from one leaf to one leaf, as if through a buffer.
    fn copy_elements(&mut self, dst: u32, src: u32, n: u32) -> Result<(), Self::Error>;
    /// Copies `n` elements from byte `offset` of the passive segments, a multiple of 8.
    fn init_elements(&mut self, dst: u32, offset: u64, n: u32) -> Result<(), Self::Error>;
    /// Bytes of linear memory, which has `pages` pages.
    #[inline(always)]
    fn memory_bytes(&self, pages: u32) -> u64 {
        u64::from(pages) * PAGE_BYTES
    }
    /// `N <= 16` bytes of linear memory.
    fn load<const N: usize>(&mut self, address: u64) -> Result<[u8; N], Self::Error>;
    /// Writes `N <= 16` bytes of linear memory.
    fn store<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Result<(), Self::Error>;
    /// Sets `n` bytes inside one leaf.
    fn fill(&mut self, dst: u64, byte: u8, n: u32) -> Result<(), Self::Error>;
    /// Copies `n` bytes from one leaf to one leaf, as if through a buffer.
    fn copy(&mut self, dst: u64, src: u64, n: u32) -> Result<(), Self::Error>;
    /// Copies `n` bytes of the passive segments.
    fn copy_segment(&mut self, dst: u64, offset: u64, n: u32) -> Result<(), Self::Error>;
    /// The length prefix of a read-only input.
    fn rom_length(&mut self, rom: u32) -> Result<u64, Self::Error>;
    /// Copies `n` bytes of a read-only input.
    fn copy_rom(&mut self, dst: u64, rom: u32, offset: u64, n: u32) -> Result<(), Self::Error>;
    /// Linear memory now has `pages` pages.
    fn grow(&mut self, pages: u32) -> Result<(), Self::Error>;
    /// A yield: the register stack and the first `2^volatile_log2` bytes become zero.
    fn reset(&mut self, volatile_log2: u8) -> Result<(), Self::Error>;
}
