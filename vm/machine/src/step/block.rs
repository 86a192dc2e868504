//! Operand blocks of bulk operations (`docs/encoding.md`, section 5): four cells of one leaf that keep what remains.
//! Mirrored by `StepBulk.sol`.

use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use assay_types::params::{FRAME_ALIGN, STACK_CELLS};

/// First cell of the operand block; its four cells are in one leaf.
pub(super) fn block<A: Access>(x: &Ctx<'_, A>) -> Result<u32, Stop<A::Error>> {
    let first = u64::from(x.cpu.fp) + u64::from(x.ins.a);
    if first < u64::from(STACK_CELLS) && first % u64::from(FRAME_ALIGN) == 0 {
        Ok(first as u32)
    } else {
        Err(Stop::Trap)
    }
}

/// The low 32 bits of the block's first three cells: where to, where from, how many.
pub(super) fn operands<A: Access>(
    x: &mut Ctx<'_, A>,
    first: u32,
) -> Result<(u64, u64, u64), Stop<A::Error>> {
    let mut low = |cell| Ok::<_, Stop<A::Error>>(u64::from(x.access.cell(cell)? as u32));
    Ok((low(first)?, low(first + 1)?, low(first + 2)?))
}

/// Writes the block's progress and goes on when everything is moved.
pub(super) fn advance<A: Access>(x: &mut Ctx<'_, A>, cells: &[(u32, u64)], done: bool) -> Flow<A> {
    for &(cell, value) in cells {
        x.access.set_cell(cell, value)?;
    }
    if done { x.next() } else { Ok(()) }
}

/// Writes back that `n` of `len` were moved from `src` to `dst`, forward.
pub(super) fn advance_both<A: Access>(
    x: &mut Ctx<'_, A>,
    first: u32,
    (dst, src, len): (u64, u64, u64),
    n: u64,
) -> Flow<A> {
    advance(
        x,
        &[(first, dst + n), (first + 1, src + n), (first + 2, len - n)],
        n == len,
    )
}

/// Units from `offset` to the end of its leaf of `leaf` units.
pub(super) fn to_leaf_end(offset: u64, leaf: u64) -> u64 {
    leaf - offset % leaf
}

/// Units from the start of its leaf of `leaf` units to `end`, at least one.
pub(super) fn from_leaf_start(end: u64, leaf: u64) -> u64 {
    (end - 1) % leaf + 1
}
