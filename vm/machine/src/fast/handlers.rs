//! Handlers made of arms: one alone, one with the branch that follows it, two in a row.

use super::pairs::{A, B, C, NOTHING};
use super::runs::after;
use super::window::Window;
use super::{Acc, Cx, Exit, Handler, Ins};
use crate::access::Operand;
use crate::isa::Instr;
use crate::stack::Frame;
use crate::step::{Arm, Cpu, Ctx};
use assay_types::Status;

/// The handlers of an arm, each by what is at hand: nothing, operand `a`, `b`, the third ([`pairs::NOTHING`] and so on).
pub(crate) struct Forms {
    /// Alone; with operand `b` in a slot, then with `b` the immediate.
    pub(super) single: [[Handler; 4]; 2],
    /// With a branch on its result: in each form a `br_if`, then a `br_unless`.
    pub(super) branch: Option<[[[Handler; 4]; 2]; 2]>,
    /// Whether operands that are at hand are f64s.
    pub(super) takes_f64: bool,
    /// Whether the cell that it gives is at hand as an f64.
    pub(super) gives_f64: bool,
    /// Whether what it gives is not at hand at all.
    pub(super) outlined: bool,
}

/// A handler by what is at hand: of an immediate form, operand `a` alone may be.
macro_rules! by_hand {
    ($handler:ident::<$F:ident, false $(, $arg:literal)*>) => {
        [
            $handler::<$F, false, $($arg,)* { NOTHING }>,
            $handler::<$F, false, $($arg,)* { A }>,
            $handler::<$F, false, $($arg,)* { B }>,
            $handler::<$F, false, $($arg,)* { C }>,
        ]
    };
    ($handler:ident::<$F:ident, true $(, $arg:literal)*>) => {
        [
            $handler::<$F, true, $($arg,)* { NOTHING }>,
            $handler::<$F, true, $($arg,)* { A }>,
            $handler::<$F, true, $($arg,)* { NOTHING }>,
            $handler::<$F, true, $($arg,)* { NOTHING }>,
        ]
    };
}

impl Forms {
    /// Those of an arm that gives a cell, on which a branch may depend.
    pub(crate) fn cell<F: Arm>() -> Forms {
        let slot: [[Handler; 4]; 2] = [
            by_hand!(branch::<F, false, true>),
            by_hand!(branch::<F, false, false>),
        ];
        let imm = if F::IMM_FORM {
            [
                by_hand!(branch::<F, true, true>),
                by_hand!(branch::<F, true, false>),
            ]
        } else {
            slot
        };
        let slot_single: [Handler; 4] = by_hand!(single::<F, false>);
        let imm_single = if F::IMM_FORM {
            by_hand!(single::<F, true>)
        } else {
            slot_single
        };
        Forms {
            single: [slot_single, imm_single],
            branch: Some([slot, imm]),
            takes_f64: F::TAKES_F64,
            gives_f64: F::GIVES_F64,
            outlined: false,
        }
    }

    /// Those of any other arm.
    pub(crate) fn other<F: Arm>() -> Forms {
        if F::IMM_FORM {
            Forms::of([single::<F, false, NOTHING>, single::<F, true, NOTHING>])
        } else {
            Forms::of([single::<F, false, NOTHING>; 2])
        }
    }

    /// Those of an arm that is a function of its own: what a chain's jump leaves must hold no variables.
    pub(crate) fn outlined<F: Arm>() -> Forms {
        Forms {
            outlined: true,
            ..Forms::of([outlined::<F, false>, outlined::<F, true>])
        }
    }

    fn of(single: [Handler; 2]) -> Forms {
        Forms {
            single: single.map(|handler| [handler; 4]),
            branch: None,
            takes_f64: false,
            gives_f64: false,
            outlined: false,
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
pub(super) fn next<'c>(ip: &'c [Ins], frame: &mut Frame, cx: &mut Cx<'c>, acc: Acc) -> Exit {
    match ip.first() {
        Some(ins) => (ins.handler)(ip, frame, cx, acc),
        None => leave(ip, cx, Exit::Reference),
    }
}

/// Goes from the jump at `from` to `to`.
#[inline(always)]
pub(super) fn jump<'c>(
    from: &[Ins],
    to: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let executed = cx.executed(from).wrapping_add(1);
    cx.base = executed.wrapping_add(to.len() as u64);
    if executed > cx.cap {
        return leave(to, cx, Exit::Enough);
    }
    next(to, frame, cx, acc)
}

/// Does an arm, with an operand at hand; `None` if it stops, and then nothing has changed.
#[inline(always)]
pub(super) fn apply<F: Arm, const IMM: bool, const FROM: u8>(
    ins: &Ins,
    frame: &mut Frame,
    cx: &mut Cx<'_>,
    acc: Acc,
) -> Option<Acc> {
    // An arm that has handlers looks at none of these but the frame base, and moves on by one instruction.
    let mut cpu = Cpu {
        status: Status::Running,
        pc: 0,
        fp: 0,
        pages: 0,
    };
    let limits = cx.limits;
    let mut window = Window {
        frame,
        cx,
        acc,
        at_hand: match FROM {
            A => Some(Operand::A),
            B => Some(Operand::B),
            C => Some(Operand::C),
            _ => None,
        },
        takes_f64: F::TAKES_F64,
        gives_f64: F::GIVES_F64,
    };
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
    F::run(&mut x).is_ok().then_some(window.acc)
}

/// An arm alone. The last instruction of the code is the reference's, so that one check of the length is enough.
fn single<'c, F: Arm, const IMM: bool, const FROM: u8>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [ins, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = apply::<F, IMM, FROM>(ins, frame, cx, acc) else {
        return leave(ip, cx, Exit::Reference);
    };
    next(&ip[1..], frame, cx, acc)
}

/// As [`single`], the arm in a call. What it gives is not at hand.
fn outlined<'c, F: Arm, const IMM: bool>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    #[inline(never)]
    fn call<F: Arm, const IMM: bool>(ins: &Ins, frame: &mut Frame, cx: &mut Cx<'_>) -> bool {
        apply::<F, IMM, NOTHING>(ins, frame, cx, Acc::default()).is_some()
    }
    let [ins, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    if !call::<F, IMM>(ins, frame, cx) {
        return leave(ip, cx, Exit::Reference);
    }
    next(&ip[1..], frame, cx, acc)
}

/// An arm, and the branch on the cell that it gives: `br_if` if `IF`, else `br_unless`.
fn branch<'c, F: Arm, const IMM: bool, const IF: bool, const FROM: u8>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [ins, branch, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = apply::<F, IMM, FROM>(ins, frame, cx, acc) else {
        return leave(ip, cx, Exit::Reference);
    };
    let cell = u64::from_le_bytes(frame[usize::from(ins.d)]) as u32;
    if (cell != 0) != IF {
        return next(&ip[2..], frame, cx, acc);
    }
    match cx.from(branch.imm as u32) {
        Some(to) => jump(&ip[1..], to, frame, cx, acc),
        None => leave(&ip[1..], cx, Exit::Reference),
    }
}

/// Any arm, and a branch after it on a cell that need not be its own: `br_if` if `IF`, else `br_unless`.
pub(super) fn branch_after<'c, F: Arm, const IMM: bool, const IF: bool, const FROM: u8>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [ins, branch, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = apply::<F, IMM, FROM>(ins, frame, cx, acc) else {
        return leave(ip, cx, Exit::Reference);
    };
    let cell = u64::from_le_bytes(frame[usize::from(branch.a)]) as u32;
    if (cell != 0) != IF {
        return next(&ip[2..], frame, cx, acc);
    }
    match cx.from(branch.imm as u32) {
        Some(to) => jump(&ip[1..], to, frame, cx, acc),
        None => leave(&ip[1..], cx, Exit::Reference),
    }
}

/// An arm, and the `br` after it.
pub(super) fn br_after<'c, F: Arm, const IMM: bool, const FROM: u8>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [ins, br, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = apply::<F, IMM, FROM>(ins, frame, cx, acc) else {
        return leave(ip, cx, Exit::Reference);
    };
    match cx.from(br.imm as u32) {
        Some(to) => jump(&ip[1..], to, frame, cx, acc),
        None => leave(&ip[1..], cx, Exit::Reference),
    }
}

/// Two arms in a row; the second reads from the first's destination what it is known to take from there, so that the
/// compiler has it at hand.
pub(super) fn pair<
    'c,
    F: Arm,
    const IMM: bool,
    G: Arm,
    const IMM2: bool,
    const TAKEN: u8,
    const FROM: u8,
>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [first, second, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = apply::<F, IMM, FROM>(first, frame, cx, acc) else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = after::<G, IMM2, TAKEN>(first, second, frame, cx, acc) else {
        return leave(&ip[1..], cx, Exit::Reference);
    };
    next(&ip[2..], frame, cx, acc)
}
