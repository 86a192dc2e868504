//! Handlers of jumps, calls and returns: what `step/control.rs` does to the pc and the frame base, done to the chain.

use super::handlers::{jump, leave, next};
use super::pairs;
use super::{Acc, Cx, Exit, Ins};
use crate::stack::Frame;
use assay_types::params::{MAX_TABLES, TABLE_ELEMENTS, TABLE_SIZE_BASE};

/// An instruction for the reference.
pub(super) fn reference<'c>(ip: &'c [Ins], _: &mut Frame, cx: &mut Cx<'c>, _: Acc) -> Exit {
    leave(ip, cx, Exit::Reference)
}

/// A place where the chain may leave though no jump is there; the instruction's own handler is kept elsewhere.
pub(super) fn checkpoint<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, acc: Acc) -> Exit {
    if cx.executed(ip) > cx.cap {
        return leave(ip, cx, Exit::Enough);
    }
    (cx.code.kept(ip))(ip, frame, cx, acc)
}

pub(super) fn br<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, acc: Acc) -> Exit {
    let [ins, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    match cx.from(ins.imm as u32) {
        Some(to) => jump(ip, to, frame, cx, acc),
        None => leave(ip, cx, Exit::Reference),
    }
}

/// `br_if` if `IF`, else `br_unless`; the condition is at hand if it is taken `FROM` [`pairs::A`].
pub(super) fn br_on<'c, const IF: bool, const FROM: u8>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [ins, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let cell = match FROM {
        pairs::A => acc.cell,
        _ => u64::from_le_bytes(frame[usize::from(ins.a)]),
    };
    if (cell as u32 != 0) != IF {
        return next(&ip[1..], frame, cx, acc);
    }
    match cx.from(ins.imm as u32) {
        Some(to) => jump(ip, to, frame, cx, acc),
        None => leave(ip, cx, Exit::Reference),
    }
}

pub(super) fn br_table<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, acc: Acc) -> Exit {
    let [ins, rest @ ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let cell = u64::from_le_bytes(frame[usize::from(ins.a)]) as u32;
    // What is not inside the code is the reference's: a pc past it, or of 33 bits.
    match rest.get(u64::from(cell).min(ins.imm) as usize..) {
        Some(to) => jump(ip, to, frame, cx, acc),
        None => leave(ip, cx, Exit::Reference),
    }
}

pub(super) fn enter<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, acc: Acc) -> Exit {
    let [ins, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    match u64::from(cx.fp).checked_add(ins.imm) {
        Some(top) if top <= u64::from(cx.limits.stack_cells) => next(&ip[1..], frame, cx, acc),
        _ => leave(ip, cx, Exit::Reference),
    }
}

/// Leaves with another frame base, at `to`.
#[inline(always)]
fn to_frame<'c>(ip: &[Ins], to: &'c [Ins], fp: u32, cx: &mut Cx<'c>) -> Exit {
    cx.base = cx.executed(ip).wrapping_add(1 + to.len() as u64);
    cx.fp = fp;
    leave(to, cx, Exit::Frame)
}

/// Calls the function at `to`, whose frame starts at slot `d`; the code's slots fit the stack from here, so it does too.
#[inline(always)]
fn call_to<'c>(ip: &[Ins], to: &'c [Ins], d: u16, frame: &mut Frame, cx: &mut Cx<'c>) -> Exit {
    let link = u64::from(cx.code.pc(ip) + 1) | u64::from(cx.fp) << 32;
    frame[usize::from(d)] = link.to_le_bytes();
    to_frame(ip, to, cx.fp + u32::from(d), cx)
}

pub(super) fn call<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, _: Acc) -> Exit {
    let [ins, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    match cx.from(ins.imm as u32) {
        Some(to) => call_to(ip, to, ins.d, frame, cx),
        None => leave(ip, cx, Exit::Reference),
    }
}

pub(super) fn call_indirect<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, _: Acc) -> Exit {
    let target = ip.first().and_then(|ins| {
        let i = u64::from_le_bytes(frame[usize::from(ins.a)]) as u32;
        Some((ins.d, target(ins, i, cx)?))
    });
    match target {
        Some((d, to)) => call_to(ip, to, d, frame, cx),
        None => leave(ip, cx, Exit::Reference),
    }
}

/// Where the function in element `i` starts; `None` where anything is amiss.
#[inline(always)]
fn target<'c>(ins: &Ins, i: u32, cx: &Cx<'c>) -> Option<&'c [Ins]> {
    if u32::from(ins.b) >= MAX_TABLES {
        return None;
    }
    let table = cx.globals[TABLE_SIZE_BASE as usize + usize::from(ins.b)];
    let (size, index) = (table as u32, (table >> 32) + u64::from(i));
    if i >= size || index >= u64::from(TABLE_ELEMENTS) {
        return None;
    }
    let element = cx.table.get(index as usize)?;
    let (pc, type_id) = (*element as u32, (element >> 32) as u32);
    if pc == 0 || type_id != ins.imm as u32 {
        return None;
    }
    cx.from(pc)
}

pub(super) fn ret<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, _: Acc) -> Exit {
    let link = u64::from_le_bytes(frame[0]);
    match cx.from(link as u32) {
        Some(to) => to_frame(ip, to, (link >> 32) as u32, cx),
        None => leave(ip, cx, Exit::Reference),
    }
}
