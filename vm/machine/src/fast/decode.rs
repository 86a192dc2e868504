//! Which handler does which instruction.

use super::control::{br, br_on, br_table, call, call_indirect, checkpoint, enter, reference, ret};
use super::handlers::{br_after, branch_after};
use super::{Handler, Ins, RUN, pairs};
use crate::isa::{Instr, Op};
use crate::step::arms::{Const, I32Add, Move};
use crate::step::forms;
use assay_types::params::CODE_INSTRUCTIONS;

/// A program's code with its handlers.
pub(crate) struct Code {
    ins: Vec<Ins>,
    /// The handlers of the instructions at which checkpoints are.
    kept: Vec<Handler>,
    /// One more than the highest slot, or than what looks like one; a vector's second cell is one.
    pub(super) slots: u32,
}

impl Code {
    /// Chooses handlers. What is past the reach of a pc is left out, and so never run.
    pub(crate) fn new(code: &[Instr]) -> Code {
        let code = &code[..code.len().min(CODE_INSTRUCTIONS as usize)];
        let mut ins: Vec<Ins> = Vec::with_capacity(code.len());
        let mut kept = Vec::with_capacity(code.len() / RUN + 1);
        let mut slots = 2;
        for (pc, i) in code.iter().enumerate() {
            let fused = if (pc + 1) % RUN == 0 {
                // A checkpoint is not passed over.
                None
            } else {
                code.get(pc + 1).and_then(|next| fuse(i, next))
            };
            let mut handler = fused.unwrap_or_else(|| alone(i));
            if pc % RUN == 0 {
                kept.push(handler);
                handler = checkpoint;
            }
            // The third operand's slot of some.
            let c = i.imm as u16;
            let highest = i.d.max(i.a).max(i.b).max(if third(i) { c } else { 0 });
            slots = slots.max(u32::from(highest) + 2);
            ins.push(Ins {
                handler,
                imm: i.imm,
                d: i.d,
                a: i.a,
                b: i.b,
                op: i.op,
            });
        }
        Code { ins, kept, slots }
    }

    /// All instructions.
    pub(super) fn ins(&self) -> &[Ins] {
        &self.ins
    }

    /// The pc of the instruction at `ip`, which is an end of the code.
    #[inline(always)]
    pub(super) fn pc(&self, ip: &[Ins]) -> u32 {
        (self.ins.len() - ip.len()) as u32
    }

    /// The handler in whose place a checkpoint is.
    #[inline(always)]
    pub(super) fn kept(&self, ip: &[Ins]) -> Handler {
        self.kept[(self.ins.len() - ip.len()) / RUN]
    }
}

/// Whether the immediate holds a slot.
fn third(i: &Instr) -> bool {
    let with_third = [
        Op::Select,
        Op::V128Select,
        Op::V128Bitselect,
        Op::I8x16Shuffle,
    ];
    i.opcode().is_some_and(|(op, _)| with_third.contains(&op))
}

/// The handler of one instruction alone.
fn alone(i: &Instr) -> Handler {
    let Some((op, imm_form)) = i.opcode() else {
        return reference;
    };
    match op {
        Op::Br => br,
        Op::BrIf => br_on::<true>,
        Op::BrUnless => br_on::<false>,
        Op::BrTable => br_table,
        Op::Call => call,
        Op::CallIndirect => call_indirect,
        Op::Enter => enter,
        Op::Return => ret,
        _ => match forms(op) {
            Some(forms) => forms.single[usize::from(imm_form)],
            None => reference,
        },
    }
}

/// The handler of an instruction and the next, if there is one for the two.
fn fuse(i: &Instr, next: &Instr) -> Option<Handler> {
    let ((op, imm_form), (next_op, _)) = (i.opcode()?, next.opcode()?);
    match next_op {
        Op::BrIf | Op::BrUnless => {
            let unless = usize::from(next_op == Op::BrUnless);
            match forms(op)?.branch {
                Some(branch) if next.a == i.d => Some(branch[usize::from(imm_form)][unless]),
                _ => Some(before_branch(op, imm_form)?[unless]),
            }
        }
        Op::Br => before_br(op, imm_form),
        _ => pairs::handler(i, next),
    }
}

/// The handlers of an instruction and a `br_if` or a `br_unless` on some other cell.
fn before_branch(op: Op, imm_form: bool) -> Option<[Handler; 2]> {
    Some(match (op, imm_form) {
        (Op::Move, false) => [
            branch_after::<Move, false, true>,
            branch_after::<Move, false, false>,
        ],
        (Op::I32Add, true) => [
            branch_after::<I32Add, true, true>,
            branch_after::<I32Add, true, false>,
        ],
        _ => return None,
    })
}

/// The handler of an instruction and a `br`.
fn before_br(op: Op, imm_form: bool) -> Option<Handler> {
    Some(match (op, imm_form) {
        (Op::Move, false) => br_after::<Move, false>,
        (Op::Const, false) => br_after::<Const, false>,
        (Op::I32Add, true) => br_after::<I32Add, true>,
        _ => return None,
    })
}
