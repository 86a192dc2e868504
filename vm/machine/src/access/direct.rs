//! Direct access: the machine's own memory, nothing recorded.

use super::Access;
use crate::isa::Instr;
use crate::machine::Machine;
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
        Ok(self.stack[index as usize])
    }

    #[inline(always)]
    fn set_cell(&mut self, index: u32, value: u64) -> R<()> {
        self.stack[index as usize] = value;
        self.stack_top = self.stack_top.max(index + 1);
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
        Ok(self.image.table.get(index as usize).copied().unwrap_or(0))
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
        self.write_zero_padded(dst, &image.segments, offset, n);
        Ok(())
    }

    fn rom_length(&mut self, rom: u32) -> R<u64> {
        Ok(self.roms[rom as usize].data_len())
    }

    fn copy_rom(&mut self, dst: u64, rom: u32, offset: u64, n: u32) -> R<()> {
        let rom = self.roms[rom as usize].clone();
        self.write_zero_padded(dst, rom.bytes(), offset, n);
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
