//! Family 0: control, constants, moves, globals, calls. Mirrored by `StepControl.sol`.

use super::arm::arms;
use super::table::Table;
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;
use assay_types::Status;
use assay_types::params::{GLOBALS_CELLS, STACK_CELLS};

// Trap, Unreachable, and nothing else comes to the rest.
arms! {
    |x, op|
    fast cell {
        Move => {
            let value = x.a()?;
            x.set(value)
        },
        Const => x.set(x.ins.imm),
        Select => select(x),
        GlobalGet => {
            let index = global_index(x)?;
            let value = x.access.global(index)?;
            x.set(value)
        },
        GlobalSet => {
            let value = x.a()?;
            let index = global_index(x)?;
            x.access.set_global(index, value)?;
            x.next()
        },
    }
    reference {
        Br => jump(x, true),
        BrIf => {
            let taken = x.a()? as u32 != 0;
            jump(x, taken)
        },
        BrUnless => {
            let taken = x.a()? as u32 == 0;
            jump(x, taken)
        },
        BrTable => {
            let skip = u64::from(x.a()? as u32).min(x.ins.imm);
            goto(x, u64::from(x.cpu.pc) + 1 + skip)
        },
        Call => call(x, x.ins.imm as u32),
        CallIndirect => call_indirect(x),
        Enter => enter(x),
        Return => {
            let link = x.get(0)?;
            x.cpu.pc = link as u32;
            x.cpu.fp = (link >> 32) as u32;
            Ok(())
        },
        Finish => finish(x),
        Halt => {
            let code = x.b()? as u32;
            x.cpu.status = Status::Halted(code);
            Ok(())
        },
    }
    rest (Err(Stop::Trap), None)
}

#[inline(always)]
fn select<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let condition = x.c()? as u32;
    let value = if condition != 0 { x.a()? } else { x.slot_b()? };
    x.set(value)
}

#[inline(always)]
fn jump<A: Access>(x: &mut Ctx<'_, A>, taken: bool) -> Flow<A> {
    if taken {
        x.cpu.pc = x.ins.imm as u32;
        Ok(())
    } else {
        x.next()
    }
}

/// Jumps to a computed pc; one that does not fit 32 bits traps (only hand-made code has such).
#[inline(always)]
fn goto<A: Access>(x: &mut Ctx<'_, A>, pc: u64) -> Flow<A> {
    x.cpu.pc = u32::try_from(pc).map_err(|_| Stop::Trap)?;
    Ok(())
}

#[inline(always)]
fn call<A: Access>(x: &mut Ctx<'_, A>, target: u32) -> Flow<A> {
    let frame = u64::from(x.cpu.fp) + u64::from(x.ins.d);
    if frame >= u64::from(STACK_CELLS) {
        return Err(Stop::Trap);
    }
    let link = u64::from(x.cpu.pc + 1) | u64::from(x.cpu.fp) << 32;
    x.access.set_cell(frame as u32, link)?;
    x.cpu.fp = frame as u32;
    x.cpu.pc = target;
    Ok(())
}

fn call_indirect<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let i = x.a()? as u32;
    let table = Table::read(x, u64::from(x.ins.b))?;
    let index = table.element(i).ok_or(Stop::Trap)?;
    let element = x.access.element(index)?;
    let (pc, type_id) = (element as u32, (element >> 32) as u32);
    if pc == 0 || type_id != x.ins.imm as u32 {
        return Err(Stop::Trap);
    }
    call(x, pc)
}

#[inline(always)]
fn enter<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    match u64::from(x.cpu.fp).checked_add(x.ins.imm) {
        Some(top) if top <= u64::from(x.limits.stack_cells) => x.next(),
        _ => Err(Stop::Trap),
    }
}

#[inline(always)]
fn global_index<A: Access>(x: &Ctx<'_, A>) -> Result<u32, Stop<A::Error>> {
    if x.ins.imm < u64::from(GLOBALS_CELLS) {
        Ok(x.ins.imm as u32)
    } else {
        Err(Stop::Trap)
    }
}

/// `step()` has returned: 0 yields, v halts with v - 1.
fn finish<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let value = x.a()? as u32;
    if value != 0 {
        x.cpu.status = Status::Halted(value - 1);
        return Ok(());
    }
    x.access.reset(x.limits.volatile_log2)?;
    x.cpu.status = Status::Yielded;
    x.cpu.pc = x.limits.entry;
    x.cpu.fp = 0;
    Ok(())
}
