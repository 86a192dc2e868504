//! Access by whole leaves: what record and replay share, with the order and the cache of `docs/encoding.md`, section 6.

use super::Access;
use crate::isa::Instr;
use crate::stack::Vector;
use assay_types::params::{LEAF_BYTES, LEAF_CELLS, LEAF_INSTRUCTIONS};

/// The trees that a step opens leaves of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Flat code.
    Code,
    /// Register stack.
    Stack,
    /// Globals, table sizes, dropped flags.
    Globals,
    /// Table elements.
    Table,
    /// Linear memory.
    Memory,
    /// Passive segments.
    Segments,
    /// A read-only input.
    Rom(u32),
}

/// 128 bytes of a tree.
pub type Leaf = [u8; LEAF_BYTES];

/// Opens leaves one after another.
pub trait Opener {
    /// What can go wrong.
    type Error;
    /// Opens a leaf; the handle names this opening for [`Opener::write`].
    fn open(&mut self, kind: Kind, index: u64) -> Result<(Leaf, usize), Self::Error>;
    /// Replaces the leaf of opening `handle`. Its tree has not changed since it was opened.
    fn write(
        &mut self,
        kind: Kind,
        index: u64,
        handle: usize,
        leaf: &Leaf,
    ) -> Result<(), Self::Error>;
    /// Linear memory now has `pages` pages.
    fn grow(&mut self, pages: u32) -> Result<(), Self::Error>;
    /// A yield.
    fn reset(&mut self, volatile_log2: u8) -> Result<(), Self::Error>;
}

/// [`Access`] over an [`Opener`]; lives for one step.
pub struct ByLeaf<O> {
    /// The opener.
    pub opener: O,
    /// Stack and globals leaves opened in this step.
    cache: Vec<(Kind, u64, Leaf, usize)>,
}

impl<O: Opener> ByLeaf<O> {
    /// Access for one step.
    pub fn new(opener: O) -> Self {
        ByLeaf {
            opener,
            cache: Vec::with_capacity(4),
        }
    }

    fn cached(&mut self, kind: Kind, index: u64) -> Result<usize, O::Error> {
        if let Some(at) = self.cache.iter().position(|c| (c.0, c.1) == (kind, index)) {
            return Ok(at);
        }
        let (leaf, handle) = self.opener.open(kind, index)?;
        self.cache.push((kind, index, leaf, handle));
        Ok(self.cache.len() - 1)
    }

    fn read_cells<const N: usize>(&mut self, kind: Kind, cell: u32) -> Result<[u8; N], O::Error> {
        let at = self.cached(kind, u64::from(cell / LEAF_CELLS))?;
        Ok(bytes_at(&self.cache[at].2, cell))
    }

    fn write_cells(&mut self, kind: Kind, cell: u32, bytes: &[u8]) -> Result<(), O::Error> {
        let index = u64::from(cell / LEAF_CELLS);
        let at = self.cached(kind, index)?;
        let start = (cell % LEAF_CELLS) as usize * 8;
        let (_, _, leaf, handle) = &mut self.cache[at];
        leaf[start..start + bytes.len()].copy_from_slice(bytes);
        let (leaf, handle) = (*leaf, *handle);
        self.opener.write(kind, index, handle, &leaf)
    }

    fn read_range(&mut self, kind: Kind, offset: u64, n: u32) -> Result<Leaf, O::Error> {
        let (leaf, _) = self.opener.open(kind, offset >> 7)?;
        let start = (offset & 127) as usize;
        let mut out = [0; LEAF_BYTES];
        out[..n as usize].copy_from_slice(&leaf[start..start + n as usize]);
        Ok(out)
    }

    fn write_range(&mut self, kind: Kind, dst: u64, bytes: &[u8]) -> Result<(), O::Error> {
        let index = dst >> 7;
        let (mut leaf, handle) = self.opener.open(kind, index)?;
        let start = (dst & 127) as usize;
        leaf[start..start + bytes.len()].copy_from_slice(bytes);
        self.opener.write(kind, index, handle, &leaf)
    }
}

/// `N` bytes from a cell on, in the leaf that holds it.
fn bytes_at<const N: usize>(leaf: &Leaf, cell: u32) -> [u8; N] {
    let start = (cell % LEAF_CELLS) as usize * 8;
    let mut bytes = [0; N];
    bytes.copy_from_slice(&leaf[start..start + N]);
    bytes
}

/// Offset of a table element in its tree, in bytes.
fn element_offset(index: u32) -> u64 {
    u64::from(index) * 8
}

/// Bytes of an `n`-byte access at `address` that lie in its first leaf.
fn first_part(address: u64, n: usize) -> usize {
    n.min(LEAF_BYTES - (address & 127) as usize)
}

impl<O: Opener> Access for ByLeaf<O> {
    type Error = O::Error;

    fn instr(&mut self, pc: u32) -> Result<Instr, O::Error> {
        let (leaf, _) = self
            .opener
            .open(Kind::Code, u64::from(pc / LEAF_INSTRUCTIONS))?;
        let start = (pc % LEAF_INSTRUCTIONS) as usize * 16;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&leaf[start..start + 16]);
        Ok(Instr::decode(&bytes))
    }

    fn cell(&mut self, index: u32) -> Result<u64, O::Error> {
        Ok(u64::from_le_bytes(self.read_cells(Kind::Stack, index)?))
    }

    fn set_cell(&mut self, index: u32, value: u64) -> Result<(), O::Error> {
        self.write_cells(Kind::Stack, index, &value.to_le_bytes())
    }

    fn vector(&mut self, index: u32) -> Result<Vector, O::Error> {
        self.read_cells(Kind::Stack, index)
    }

    fn set_vector(&mut self, index: u32, value: Vector) -> Result<(), O::Error> {
        self.write_cells(Kind::Stack, index, &value)
    }

    fn global(&mut self, index: u32) -> Result<u64, O::Error> {
        Ok(u64::from_le_bytes(self.read_cells(Kind::Globals, index)?))
    }

    fn set_global(&mut self, index: u32, value: u64) -> Result<(), O::Error> {
        self.write_cells(Kind::Globals, index, &value.to_le_bytes())
    }

    fn element(&mut self, index: u32) -> Result<u64, O::Error> {
        let leaf = self.read_range(Kind::Table, element_offset(index), 8)?;
        Ok(u64::from_le_bytes(bytes_at(&leaf, 0)))
    }

    fn set_element(&mut self, index: u32, value: u64) -> Result<(), O::Error> {
        self.write_range(Kind::Table, element_offset(index), &value.to_le_bytes())
    }

    fn fill_elements(&mut self, dst: u32, value: u64, n: u32) -> Result<(), O::Error> {
        let bytes = value.to_le_bytes().repeat(n as usize);
        self.write_range(Kind::Table, element_offset(dst), &bytes)
    }

    fn copy_elements(&mut self, dst: u32, src: u32, n: u32) -> Result<(), O::Error> {
        let bytes = self.read_range(Kind::Table, element_offset(src), n * 8)?;
        self.write_range(Kind::Table, element_offset(dst), &bytes[..n as usize * 8])
    }

    fn init_elements(&mut self, dst: u32, offset: u64, n: u32) -> Result<(), O::Error> {
        let bytes = self.read_range(Kind::Segments, offset, n * 8)?;
        self.write_range(Kind::Table, element_offset(dst), &bytes[..n as usize * 8])
    }

    fn load<const N: usize>(&mut self, address: u64) -> Result<[u8; N], O::Error> {
        let first = first_part(address, N);
        let mut out = [0; N];
        out[..first]
            .copy_from_slice(&self.read_range(Kind::Memory, address, first as u32)?[..first]);
        if first < N {
            let rest = self.read_range(Kind::Memory, address + first as u64, (N - first) as u32)?;
            out[first..].copy_from_slice(&rest[..N - first]);
        }
        Ok(out)
    }

    fn store<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> Result<(), O::Error> {
        let first = first_part(address, N);
        self.write_range(Kind::Memory, address, &bytes[..first])?;
        if first < N {
            self.write_range(Kind::Memory, address + first as u64, &bytes[first..])?;
        }
        Ok(())
    }

    fn fill(&mut self, dst: u64, byte: u8, n: u32) -> Result<(), O::Error> {
        self.write_range(Kind::Memory, dst, &[byte; LEAF_BYTES][..n as usize])
    }

    fn copy(&mut self, dst: u64, src: u64, n: u32) -> Result<(), O::Error> {
        let bytes = self.read_range(Kind::Memory, src, n)?;
        self.write_range(Kind::Memory, dst, &bytes[..n as usize])
    }

    fn copy_segment(&mut self, dst: u64, offset: u64, n: u32) -> Result<(), O::Error> {
        let bytes = self.read_range(Kind::Segments, offset, n)?;
        self.write_range(Kind::Memory, dst, &bytes[..n as usize])
    }

    fn rom_length(&mut self, rom: u32) -> Result<u64, O::Error> {
        let (leaf, _) = self.opener.open(Kind::Rom(rom), 0)?;
        Ok(u64::from_le_bytes(bytes_at(&leaf, 0)))
    }

    fn copy_rom(&mut self, dst: u64, rom: u32, offset: u64, n: u32) -> Result<(), O::Error> {
        let bytes = self.read_range(Kind::Rom(rom), offset, n)?;
        self.write_range(Kind::Memory, dst, &bytes[..n as usize])
    }

    fn grow(&mut self, pages: u32) -> Result<(), O::Error> {
        self.opener.grow(pages)
    }

    fn reset(&mut self, volatile_log2: u8) -> Result<(), O::Error> {
        self.opener.reset(volatile_log2)
    }
}
