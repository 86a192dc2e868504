//! Family 10: tables. Mirrored by `StepTable.sol`.
//!
//! All tables share one tree; a globals cell says which part of it is a table's. Only made-up states have parts that
//! leave the tree, so every position is checked against it.

use super::block::{advance, advance_both, block, from_leaf_start, operands, to_leaf_end};
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;
use assay_types::params::{
    ELEM_DROPPED_BASE, LEAF_BYTES, LEAF_CELLS, MAX_ELEMS, MAX_TABLES, TABLE_ELEMENTS,
    TABLE_SIZE_BASE,
};

const LEAF: u64 = LEAF_CELLS as u64;
const ELEMENTS: u64 = TABLE_ELEMENTS as u64;

/// A table: the elements `base .. base + size` of the tree.
#[derive(Clone, Copy)]
pub(super) struct Table {
    /// Its globals cell.
    cell: u32,
    size: u64,
    base: u64,
}

impl Table {
    /// Reads table `number`'s globals cell.
    #[inline(always)]
    pub fn read<A: Access>(x: &mut Ctx<'_, A>, number: u64) -> Result<Table, Stop<A::Error>> {
        if number >= u64::from(MAX_TABLES) {
            return Err(Stop::Trap);
        }
        let cell = TABLE_SIZE_BASE + number as u32;
        let value = x.access.global(cell)?;
        Ok(Table {
            cell,
            size: value & 0xffff_ffff,
            base: value >> 32,
        })
    }

    /// Where element `i` is; `None` if it is none of the table's or outside the tree.
    #[inline(always)]
    pub fn element(self, i: u32) -> Option<u32> {
        let index = self.base + u64::from(i);
        (u64::from(i) < self.size && index < ELEMENTS).then_some(index as u32)
    }

    /// Where elements `start .. start + len` begin; traps if they are not all the table's and inside the tree.
    fn range<A: Access>(self, start: u64, len: u64) -> Result<u64, Stop<A::Error>> {
        if start + len <= self.size && self.base + start + len <= ELEMENTS {
            Ok(self.base + start)
        } else {
            Err(Stop::Trap)
        }
    }
}

#[inline(always)]
pub(super) fn execute<A: Access>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
    match op {
        Op::TableGet => {
            let i = x.a()? as u32;
            let table = Table::read(x, x.ins.imm)?;
            let index = table.element(i).ok_or(Stop::Trap)?;
            let value = x.access.element(index)?;
            x.set(value)
        }
        Op::TableSet => {
            let i = x.a()? as u32;
            let value = x.get(x.ins.b)?;
            let table = Table::read(x, x.ins.imm)?;
            let index = table.element(i).ok_or(Stop::Trap)?;
            x.access.set_element(index, value)?;
            x.next()
        }
        Op::TableSize => {
            let table = Table::read(x, x.ins.imm)?;
            x.set(table.size)
        }
        Op::TableGrow => grow(x),
        Op::TableFill => fill(x),
        Op::TableCopy => copy(x),
        Op::TableInit => init(x),
        Op::ElemDrop => {
            let flag = dropped_flag(x)?;
            x.access.set_global(flag, 1)?;
            x.next()
        }
        // Unreachable: the caller sends family 10 only.
        _ => Err(Stop::Trap),
    }
}

/// The block is left as a `table_fill` of the new elements wants it, with the result in its last cell.
fn grow<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let n = u64::from(x.access.cell(first + 2)? as u32);
    let Table { cell, size, base } = Table::read(x, u64::from(x.ins.b))?;
    if size + n > x.ins.imm.min(ELEMENTS) {
        let refused = [(first, 0), (first + 2, 0), (first + 3, u64::from(u32::MAX))];
        return advance(x, &refused, true);
    }
    x.access.set_global(cell, (size + n) | base << 32)?;
    advance(x, &[(first, size), (first + 3, size)], true)
}

fn fill<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let (dst, _, len) = operands(x, first)?;
    let value = x.access.cell(first + 1)?;
    let to = Table::read(x, u64::from(x.ins.b))?.range::<A>(dst, len)?;
    if len == 0 {
        return x.next();
    }
    let n = len.min(to_leaf_end(to, LEAF));
    x.access.fill_elements(to as u32, value, n as u32)?;
    advance(x, &[(first, dst + n), (first + 2, len - n)], n == len)
}

fn copy<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let (dst, src, len) = operands(x, first)?;
    let (target, source) = (
        Table::read(x, u64::from(x.ins.d))?,
        Table::read(x, u64::from(x.ins.b))?,
    );
    let (to, from) = (target.range::<A>(dst, len)?, source.range::<A>(src, len)?);
    if len == 0 {
        return x.next();
    }
    // The order follows positions in the tree, not indices: two tables may be one in a made-up state.
    if to <= from {
        let n = len.min(to_leaf_end(to, LEAF)).min(to_leaf_end(from, LEAF));
        x.access.copy_elements(to as u32, from as u32, n as u32)?;
        return advance_both(x, first, (dst, src, len), n);
    }
    let (to_end, from_end) = (to + len, from + len);
    let n = len
        .min(from_leaf_start(to_end, LEAF))
        .min(from_leaf_start(from_end, LEAF));
    x.access
        .copy_elements((to_end - n) as u32, (from_end - n) as u32, n as u32)?;
    advance(x, &[(first + 2, len - n)], n == len)
}

fn dropped_flag<A: Access>(x: &Ctx<'_, A>) -> Result<u32, Stop<A::Error>> {
    let segment = u32::from(x.ins.d);
    if segment < MAX_ELEMS {
        Ok(ELEM_DROPPED_BASE + segment)
    } else {
        Err(Stop::Trap)
    }
}

fn init<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let first = block(x)?;
    let (dst, src, len) = operands(x, first)?;
    let table = Table::read(x, u64::from(x.ins.b))?;
    let flag = dropped_flag(x)?;
    let dropped = x.access.global(flag)? != 0;
    let segment_len = if dropped { 0 } else { x.ins.imm >> 32 };
    let to = table.range::<A>(dst, len)?;
    if src + len > segment_len {
        return Err(Stop::Trap);
    }
    if len == 0 {
        return x.next();
    }
    let segment = u64::from(x.ins.imm as u32);
    let offset = segment + 8 * src;
    if segment % LEAF_BYTES as u64 != 0 || offset >= 1 << 32 {
        return Err(Stop::Trap);
    }
    let n = len.min(to_leaf_end(to, LEAF)).min(to_leaf_end(src, LEAF));
    x.access.init_elements(to as u32, offset, n as u32)?;
    advance_both(x, first, (dst, src, len), n)
}
