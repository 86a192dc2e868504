//! Family 1: linear memory, bulk operations, read-only inputs. Mirrored by `StepMemory.sol`.

use super::arm::arms;
use super::block::{advance, advance_both, block, from_leaf_start, operands, to_leaf_end};
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;
use assay_types::params::{DATA_DROPPED_BASE, LEAF_BYTES, MAX_DATAS, ROM_BYTES, ROMS};

const LEAF: u64 = LEAF_BYTES as u64;
/// Bit of a rom_read block's first cell: bounds have been checked.
const CHECKED: u64 = 1 << 32;

// Nothing else comes here.
arms! {
    |x, op|
    fast cell {
        Load8U => load::<A, 1>(x, |b| u64::from(b[0])),
        Load16U => load::<A, 2>(x, |b| u64::from(u16::from_le_bytes(b))),
        Load32U => load::<A, 4>(x, |b| u64::from(u32::from_le_bytes(b))),
        Load64 => load::<A, 8>(x, u64::from_le_bytes),
        Load8S32 => load::<A, 1>(x, |b| u64::from(b[0] as i8 as u32)),
        Load16S32 => load::<A, 2>(x, |b| u64::from(i16::from_le_bytes(b) as u32)),
        Load8S64 => load::<A, 1>(x, |b| b[0] as i8 as u64),
        Load16S64 => load::<A, 2>(x, |b| i16::from_le_bytes(b) as u64),
        Load32S64 => load::<A, 4>(x, |b| i32::from_le_bytes(b) as u64),
        Store8 => store::<A, 1>(x, |v| [v as u8]),
        Store16 => store::<A, 2>(x, |v| (v as u16).to_le_bytes()),
        Store32 => store::<A, 4>(x, |v| (v as u32).to_le_bytes()),
        Store64 => store::<A, 8>(x, u64::to_le_bytes),
    }
    reference {
        MemorySize => x.set(u64::from(x.cpu.pages)),
        MemoryGrow => grow(x),
        MemoryFill => fill(x),
        MemoryCopy => copy(x),
        MemoryInit => init(x),
        DataDrop => {
            let index = data_flag(x)?;
            x.access.set_global(index, 1)?;
            x.next()
        },
        RomRead => rom_read(x),
    }
    rest (Err(Stop::Trap), None)
}

/// Checks `start + len <= memory size`.
#[inline(always)]
pub(super) fn in_memory<A: Access>(
    x: &Ctx<'_, A>,
    start: u64,
    len: u64,
) -> Result<(), Stop<A::Error>> {
    if start + len <= x.access.memory_bytes(x.cpu.pages) {
        Ok(())
    } else {
        Err(Stop::Trap)
    }
}

#[inline(always)]
pub(super) fn address<A: Access>(x: &mut Ctx<'_, A>) -> Result<u64, Stop<A::Error>> {
    Ok(u64::from(x.a()? as u32) + u64::from(x.ins.imm as u32))
}

#[inline(always)]
fn load<A: Access, const N: usize>(x: &mut Ctx<'_, A>, widen: impl Fn([u8; N]) -> u64) -> Flow<A> {
    let address = address(x)?;
    in_memory(x, address, N as u64)?;
    let bytes = x.access.load::<N>(address)?;
    x.set(widen(bytes))
}

#[inline(always)]
fn store<A: Access, const N: usize>(
    x: &mut Ctx<'_, A>,
    narrow: impl Fn(u64) -> [u8; N],
) -> Flow<A> {
    let address = address(x)?;
    let value = x.slot_b()?;
    in_memory(x, address, N as u64)?;
    x.access.store(address, narrow(value))?;
    x.next()
}

fn grow<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let old = x.cpu.pages;
    let new = u64::from(old) + u64::from(x.a()? as u32);
    if new > u64::from(x.limits.max_pages) {
        return x.set(u64::from(u32::MAX));
    }
    x.access.grow(new as u32)?;
    x.cpu.pages = new as u32;
    x.set(u64::from(old))
}

fn fill<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let (dst, byte, len) = operands(x, first)?;
    in_memory(x, dst, len)?;
    if len == 0 {
        return x.next();
    }
    let n = len.min(to_leaf_end(dst, LEAF));
    x.access.fill(dst, byte as u8, n as u32)?;
    advance(x, &[(first, dst + n), (first + 2, len - n)], n == len)
}

fn copy<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let (dst, src, len) = operands(x, first)?;
    in_memory(x, dst, len)?;
    in_memory(x, src, len)?;
    if len == 0 {
        return x.next();
    }
    if dst <= src {
        let n = len.min(to_leaf_end(dst, LEAF)).min(to_leaf_end(src, LEAF));
        x.access.copy(dst, src, n as u32)?;
        return advance_both(x, first, (dst, src, len), n);
    }
    // Overlap with the destination above the source: from the end, as memmove.
    let (src_end, dst_end) = (src + len, dst + len);
    let n = len
        .min(from_leaf_start(src_end, LEAF))
        .min(from_leaf_start(dst_end, LEAF));
    x.access.copy(dst_end - n, src_end - n, n as u32)?;
    advance(x, &[(first + 2, len - n)], n == len)
}

fn data_flag<A: Access>(x: &Ctx<'_, A>) -> Result<u32, Stop<A::Error>> {
    let index = u32::from(x.ins.d);
    if index < MAX_DATAS {
        Ok(DATA_DROPPED_BASE + index)
    } else {
        Err(Stop::Trap)
    }
}

fn init<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let (dst, src, len) = operands(x, first)?;
    let flag = data_flag(x)?;
    let dropped = x.access.global(flag)? != 0;
    let segment_len = if dropped { 0 } else { x.ins.imm >> 32 };
    if src + len > segment_len {
        return Err(Stop::Trap);
    }
    in_memory(x, dst, len)?;
    if len == 0 {
        return x.next();
    }
    let offset = u64::from(x.ins.imm as u32) + src;
    if offset >= 1 << 32 {
        return Err(Stop::Trap);
    }
    let n = len
        .min(to_leaf_end(dst, LEAF))
        .min(to_leaf_end(offset, LEAF));
    x.access.copy_segment(dst, offset, n as u32)?;
    advance_both(x, first, (dst, src, len), n)
}

fn rom_read<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let head = x.access.cell(first)?;
    let offset = x.access.cell(first + 1)?;
    let dst = u64::from(x.access.cell(first + 2)? as u32);
    let len = u64::from(x.access.cell(first + 3)? as u32);
    let rom = head as u32;
    if rom >= ROMS {
        return Err(Stop::Trap);
    }
    in_memory(x, dst, len)?;
    if head & CHECKED == 0 {
        let length = x.access.rom_length(rom)?;
        // The proof of a length is part of registering a model; a length near 2^64 still must not wrap.
        let limit = u128::from(length) + 8;
        if u128::from(offset) + u128::from(len) > limit {
            return Err(Stop::Trap);
        }
        return advance(x, &[(first, head | CHECKED)], false);
    }
    if offset > ROM_BYTES || offset + len > ROM_BYTES {
        return Err(Stop::Trap);
    }
    if len == 0 {
        return x.next();
    }
    let n = len
        .min(to_leaf_end(dst, LEAF))
        .min(to_leaf_end(offset, LEAF));
    x.access.copy_rom(dst, rom, offset, n as u32)?;
    advance(
        x,
        &[
            (first + 1, offset + n),
            (first + 2, dst + n),
            (first + 3, len - n),
        ],
        n == len,
    )
}
