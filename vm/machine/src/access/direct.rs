//! Direct access: the machine's own memory, nothing recorded.

use super::Access;
use crate::isa::Instr;
use crate::machine::Machine;
use crate::stack::Vector;
use crate::tree::leaf_at;
use std::convert::Infallible;

type R<T> = Result<T, Infallible>;

impl Access for Machine {
    type Error = Infallible;

    #[inline(always)]
    fn instr(&mut self, pc: u32) -> R<Instr> {
        Ok(self
            .image
            .code
            .get(pc as usize)
            .copied()
            .unwrap_or_default())
    }

    #[inline(always)]
    fn cell(&mut self, index: u32) -> R<u64> {
        Ok(self.stack.get(index))
    }

    #[inline(always)]
    fn set_cell(&mut self, index: u32, value: u64) -> R<()> {
        self.stack.set(index, value);
        self.stack_top = self.stack_top.max(index + 1);
        Ok(())
    }

    #[inline(always)]
    fn vector(&mut self, index: u32) -> R<Vector> {
        Ok(self.stack.vector(index))
    }

    #[inline(always)]
    fn set_vector(&mut self, index: u32, value: Vector) -> R<()> {
        self.stack.set_vector(index, value);
        self.stack_top = self.stack_top.max(index + 2);
        Ok(())
    }

    #[inline(always)]
    fn global(&mut self, index: u32) -> R<u64> {
        Ok(self.globals[index as usize])
    }

    #[inline(always)]
    fn set_global(&mut self, index: u32, value: u64) -> R<()> {
        self.globals[index as usize] = value;
        Ok(())
    }

    #[inline(always)]
    fn element(&mut self, index: u32) -> R<u64> {
        Ok(self.table.get(index as usize).copied().unwrap_or(0))
    }

    #[inline(always)]
    fn set_element(&mut self, index: u32, value: u64) -> R<()> {
        self.touch_table(index);
        self.table[index as usize] = value;
        Ok(())
    }

    fn fill_elements(&mut self, dst: u32, value: u64, n: u32) -> R<()> {
        self.touch_table(dst);
        self.table[dst as usize..][..n as usize].fill(value);
        Ok(())
    }

    fn copy_elements(&mut self, dst: u32, src: u32, n: u32) -> R<()> {
        // Elements past the end are zero, and a write may make them exist.
        self.touch_table(dst);
        let n = n as usize;
        let from = self.table.len().min(src as usize);
        let present = n.min(self.table.len() - from);
        self.table.copy_within(from..from + present, dst as usize);
        self.table[dst as usize + present..][..n - present].fill(0);
        Ok(())
    }

    fn init_elements(&mut self, dst: u32, offset: u64, n: u32) -> R<()> {
        self.touch_table(dst);
        let leaf = leaf_at(&self.image.segments, offset >> 7);
        let (cells, _) = leaf[(offset & 127) as usize..].as_chunks::<8>();
        let elements = &mut self.table[dst as usize..][..n as usize];
        for (element, bytes) in elements.iter_mut().zip(cells) {
            *element = u64::from_le_bytes(*bytes);
        }
        Ok(())
    }

    #[inline(always)]
    fn load<const N: usize>(&mut self, address: u64) -> R<[u8; N]> {
        let a = address as usize;
        let mut out = [0; N];
        out.copy_from_slice(&self.memory[a..a + N]);
        Ok(out)
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> R<()> {
        let a = address as usize;
        self.memory[a..a + N].copy_from_slice(&bytes);
        self.dirty[a >> 7] = 1;
        self.dirty[(a + N - 1) >> 7] = 1;
        Ok(())
    }

    fn fill(&mut self, dst: u64, byte: u8, n: u32) -> R<()> {
        let dst = dst as usize;
        self.memory[dst..dst + n as usize].fill(byte);
        self.dirty[dst >> 7] = 1;
        Ok(())
    }

    fn copy(&mut self, dst: u64, src: u64, n: u32) -> R<()> {
        let (dst, src) = (dst as usize, src as usize);
        self.memory.copy_within(src..src + n as usize, dst);
        self.dirty[dst >> 7] = 1;
        Ok(())
    }

    fn copy_segment(&mut self, dst: u64, offset: u64, n: u32) -> R<()> {
        let image = self.image.clone();
        let leaf = leaf_at(&image.segments, offset >> 7);
        self.write_from_leaf(dst, &leaf, offset, n);
        Ok(())
    }

    fn rom_length(&mut self, rom: u32) -> R<u64> {
        Ok(self.roms[rom as usize].data_len())
    }

    fn copy_rom(&mut self, dst: u64, rom: u32, offset: u64, n: u32) -> R<()> {
        let leaf = self.roms[rom as usize].leaf(offset >> 7);
        self.write_from_leaf(dst, &leaf, offset, n);
        Ok(())
    }

    fn grow(&mut self, pages: u32) -> R<()> {
        self.resize_memory(pages);
        Ok(())
    }

    fn reset(&mut self, volatile_log2: u8) -> R<()> {
        self.clear_volatile(volatile_log2);
        Ok(())
    }
}
