//! Handlers made of arms: one alone, one with the branch that follows it, two in a row.

use super::window::Window;
use super::{Cx, Exit, Handler, Ins, pairs};
use crate::isa::Instr;
use crate::stack::Frame;
use crate::step::{Arm, Cpu, Ctx};
use assay_types::Status;

/// The handlers of an arm.
pub(crate) struct Forms {
    /// Alone; with operand `b` in a slot, then with `b` the immediate.
    pub(super) single: [Handler; 2],
    /// With a branch on its result: in each form a `br_if`, then a `br_unless`.
    pub(super) branch: Option<[[Handler; 2]; 2]>,
}

impl Forms {
    /// Those of an arm that gives a cell, on which a branch may depend.
    pub(crate) fn cell<F: Arm>() -> Forms {
        let branch = if F::IMM_FORM {
            let imm: [Handler; 2] = [branch::<F, true, true>, branch::<F, true, false>];
            [[branch::<F, false, true>, branch::<F, false, false>], imm]
        } else {
            [[branch::<F, false, true>, branch::<F, false, false>]; 2]
        };
        Forms {
            branch: Some(branch),
            ..Forms::other::<F>()
        }
    }

    /// Those of any other arm.
    pub(crate) fn other<F: Arm>() -> Forms {
        let single: [Handler; 2] = if F::IMM_FORM {
            [single::<F, false>, single::<F, true>]
        } else {
            [single::<F, false>; 2]
        };
        Forms {
            single,
            branch: None,
        }
    }

    /// Those of an arm that is a function of its own: what a chain's jump leaves must hold no variables.
    pub(crate) fn outlined<F: Arm>() -> Forms {
        Forms {
            single: [outlined::<F, false>, outlined::<F, true>],
            branch: None,
        }
    }
}

/// Leaves the chain before the instruction at `ip`.
#[inline(always)]
pub(super) fn leave<'c>(ip: &'c [Ins], cx: &mut Cx<'c>, exit: Exit) -> Exit {
    cx.at = ip;
    exit
}

/// Goes on at `ip`.
#[inline(always)]
pub(super) fn next<'c>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    match ip.first() {
        Some(ins) => (ins.handler)(ip, frame, memory, cx),
        None => leave(ip, cx, Exit::Reference),
    }
}

/// Goes from the jump at `from` to `to`.
#[inline(always)]
pub(super) fn jump<'c>(
    from: &[Ins],
    to: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    let executed = cx.executed(from).wrapping_add(1);
    cx.base = executed.wrapping_add(to.len() as u64);
    if executed > cx.cap {
        return leave(to, cx, Exit::Enough);
    }
    next(to, frame, memory, cx)
}

/// Does an arm; false if it stops, and then nothing has changed.
#[inline(always)]
fn apply<F: Arm, const IMM: bool>(
    ins: &Ins,
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'_>,
) -> bool {
    // An arm that has handlers looks at none of these but the frame base, and moves on by one instruction.
    let mut cpu = Cpu {
        status: Status::Running,
        pc: 0,
        fp: 0,
        pages: 0,
    };
    let limits = cx.limits;
    let mut window = Window { frame, memory, cx };
    let mut x = Ctx {
        cpu: &mut cpu,
        limits,
        access: &mut window,
        ins: Instr {
            op: ins.op,
            d: ins.d,
            a: ins.a,
            b: ins.b,
            imm: ins.imm,
        },
        imm_form: IMM,
    };
    F::run(&mut x).is_ok()
}

/// An arm alone. The last instruction of the code is the reference's, so that one check of the length is enough.
fn single<'c, F: Arm, const IMM: bool>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    let [ins, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !apply::<F, IMM>(ins, frame, memory, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    next(&ip[1..], frame, memory, cx)
}

/// As [`single`], the arm in a call.
fn outlined<'c, F: Arm, const IMM: bool>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    #[inline(never)]
    fn call<F: Arm, const IMM: bool>(
        ins: &Ins,
        frame: &mut Frame,
        memory: &mut [u8],
        cx: &mut Cx<'_>,
    ) -> bool {
        apply::<F, IMM>(ins, frame, memory, cx)
    }
    let [ins, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !call::<F, IMM>(ins, frame, memory, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    next(&ip[1..], frame, memory, cx)
}

/// An arm, and the branch on the cell that it gives: `br_if` if `IF`, else `br_unless`.
fn branch<'c, F: Arm, const IMM: bool, const IF: bool>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    let [ins, branch, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !apply::<F, IMM>(ins, frame, memory, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    let cell = u64::from_le_bytes(frame[usize::from(ins.d)]) as u32;
    if (cell != 0) != IF {
        return next(&ip[2..], frame, memory, cx);
    }
    match cx.from(branch.imm as u32) {
        Some(to) => jump(&ip[1..], to, frame, memory, cx),
        None => leave(&ip[1..], cx, Exit::Reference),
    }
}

/// Any arm, and a branch after it on a cell that need not be its own: `br_if` if `IF`, else `br_unless`.
pub(super) fn branch_after<'c, F: Arm, const IMM: bool, const IF: bool>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    let [ins, branch, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !apply::<F, IMM>(ins, frame, memory, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    let cell = u64::from_le_bytes(frame[usize::from(branch.a)]) as u32;
    if (cell != 0) != IF {
        return next(&ip[2..], frame, memory, cx);
    }
    match cx.from(branch.imm as u32) {
        Some(to) => jump(&ip[1..], to, frame, memory, cx),
        None => leave(&ip[1..], cx, Exit::Reference),
    }
}

/// An arm, and the `br` after it.
pub(super) fn br_after<'c, F: Arm, const IMM: bool>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    let [ins, br, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !apply::<F, IMM>(ins, frame, memory, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    match cx.from(br.imm as u32) {
        Some(to) => jump(&ip[1..], to, frame, memory, cx),
        None => leave(&ip[1..], cx, Exit::Reference),
    }
}

/// Two arms in a row; the second reads from the first's destination what it is known to take from there, so that the
/// compiler has it at hand.
pub(super) fn pair<'c, F: Arm, const IMM: bool, G: Arm, const IMM2: bool, const TAKEN: u8>(
    ip: &'c [Ins],
    frame: &mut Frame,
    memory: &mut [u8],
    cx: &mut Cx<'c>,
) -> Exit {
    let [first, second, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !apply::<F, IMM>(first, frame, memory, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    let mut same = *second;
    match TAKEN {
        pairs::A => same.a = first.d,
        pairs::B => same.b = first.d,
        _ => {}
    }
    if !apply::<G, IMM2>(&same, frame, memory, cx) {
        return leave(&ip[1..], cx, Exit::Reference);
    }
    next(&ip[2..], frame, memory, cx)
}
