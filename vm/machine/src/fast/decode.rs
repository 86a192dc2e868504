//! Which handler does which instruction.

use super::control::{br, br_on, br_table, call, call_indirect, checkpoint, enter, reference, ret};
use super::handlers::{br_after, branch_after};
use super::pairs::{A, B, C, NOTHING};
use super::{Acc, Handler, Ins, RUN, pairs, runs};
use crate::isa::{Format, Instr, Op};
use crate::stack::Frame;
use crate::step::arms::{Const, I32Add, Move};
use crate::step::forms;
use assay_types::params::CODE_INSTRUCTIONS;

/// A program's code with its handlers.
pub(crate) struct Code {
    ins: Vec<Ins>,
    /// The handlers of the instructions at which checkpoints are.
    kept: Vec<Handler>,
    /// What the handler of each instruction may take to be at hand.
    hands: Vec<Hand>,
    /// One more than the highest slot, or than what looks like one; a vector's second cell is one.
    pub(super) slots: u32,
}

impl Code {
    /// Chooses handlers. What is past the reach of a pc is left out, and so never run.
    pub(crate) fn new(code: &[Instr]) -> Code {
        let code = &code[..code.len().min(CODE_INSTRUCTIONS as usize)];
        let targets = targets(code);
        let mut ins: Vec<Ins> = Vec::with_capacity(code.len());
        let mut kept = Vec::with_capacity(code.len() / RUN + 1);
        let mut hands = Vec::with_capacity(code.len());
        let mut hand = Hand::default();
        let mut slots = 2;
        for (pc, i) in code.iter().enumerate() {
            if targets[pc] {
                hand = Hand::default();
            }
            // A checkpoint is not passed over.
            let fused = fuse(&code[pc..], RUN - pc % RUN, &hand);
            let mut handler = fused.unwrap_or_else(|| alone(i, &hand));
            if pc % RUN == 0 {
                kept.push(handler);
                handler = checkpoint;
            }
            hands.push(hand);
            hand.pass(i);
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
        Code {
            ins,
            kept,
            hands,
            slots,
        }
    }

    /// What is to be at hand where the chain starts at `ip`, wherever it comes from.
    #[inline(always)]
    pub(super) fn at_hand(&self, ip: &[Ins], frame: &Frame) -> Acc {
        let hand = self.hands.get(self.pc(ip) as usize).copied();
        let Hand { cell, f64 } = hand.unwrap_or_default();
        let value =
            |slot: Option<u16>| slot.map_or(0, |slot| u64::from_le_bytes(frame[usize::from(slot)]));
        Acc {
            cell: value(cell),
            f64: f64::from_bits(value(f64)),
        }
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

/// The instructions that others in the chain may jump to.
fn targets(code: &[Instr]) -> Vec<bool> {
    let mut targets = vec![false; code.len()];
    // The instructions after a `br_table`, as many as it may skip.
    let mut landings = 0;
    for (pc, i) in code.iter().enumerate() {
        targets[pc] |= (pc as u64) < landings;
        match i.opcode() {
            Some((Op::Br | Op::BrIf | Op::BrUnless, _)) => {
                if let Some(target) = targets.get_mut(i.imm as u32 as usize) {
                    *target = true;
                }
            }
            Some((Op::BrTable, _)) => {
                landings = landings.max((pc as u64 + 2).saturating_add(i.imm));
            }
            _ => {}
        }
    }
    targets
}

/// The slots whose values are at hand before an instruction that is reached from the one before it.
#[derive(Clone, Copy, Default)]
struct Hand {
    cell: Option<u16>,
    f64: Option<u16>,
}

impl Hand {
    /// Goes past `i`.
    fn pass(&mut self, i: &Instr) {
        let Some((op, _)) = i.opcode() else {
            *self = Hand::default();
            return;
        };
        match op.format() {
            Format::Store | Format::VecStore | Format::Branch => {}
            Format::Const
            | Format::Unary
            | Format::Binary
            | Format::Load
            | Format::VecTest
            | Format::VecExtract => self.give(op, i.d),
            Format::Special if matches!(op, Op::Select | Op::GlobalGet) => self.give(op, i.d),
            Format::Special if op == Op::GlobalSet => {}
            Format::VecUnary
            | Format::VecBinary
            | Format::VecTernary
            | Format::VecShift
            | Format::VecSplat
            | Format::VecReplace
            | Format::VecLoad => {
                self.lose(i.d);
                self.lose(i.d.saturating_add(1));
            }
            Format::None | Format::Jump | Format::Block | Format::Special => {
                *self = Hand::default();
            }
        }
    }

    /// Slot `d` has been written by `op`.
    fn give(&mut self, op: Op, d: u16) {
        self.lose(d);
        match forms(op) {
            Some(forms) if forms.outlined => {}
            Some(forms) if forms.gives_f64 => self.f64 = Some(d),
            Some(_) => self.cell = Some(d),
            // The reference does it, and the chain starts anew.
            None => {}
        }
    }

    fn lose(&mut self, slot: u16) {
        self.cell.take_if(|cell| *cell == slot);
        self.f64.take_if(|f64| *f64 == slot);
    }

    /// Which operand of `i` is at hand.
    fn from(&self, i: &Instr, imm_form: bool, takes_f64: bool) -> usize {
        let slot = if takes_f64 { self.f64 } else { self.cell };
        let from = match slot {
            Some(slot) if slot == i.a => A,
            Some(slot) if slot == i.b && !imm_form => B,
            Some(slot) if slot == i.imm as u16 && third(i) => C,
            _ => NOTHING,
        };
        usize::from(from)
    }
}

/// The handler of one instruction alone.
fn alone(i: &Instr, hand: &Hand) -> Handler {
    let Some((op, imm_form)) = i.opcode() else {
        return reference;
    };
    match op {
        Op::Br => br,
        Op::BrIf if hand.cell == Some(i.a) => br_on::<true, A>,
        Op::BrIf => br_on::<true, NOTHING>,
        Op::BrUnless if hand.cell == Some(i.a) => br_on::<false, A>,
        Op::BrUnless => br_on::<false, NOTHING>,
        Op::BrTable => br_table,
        Op::Call => call,
        Op::CallIndirect => call_indirect,
        Op::Enter => enter,
        Op::Return => ret,
        _ => match forms(op) {
            Some(forms) => {
                let from = hand.from(i, imm_form, forms.takes_f64);
                forms.single[usize::from(imm_form)][from]
            }
            None => reference,
        },
    }
}

/// The handler of the first instruction and those after it, at most so many, if there is one for them together.
fn fuse(code: &[Instr], most: usize, hand: &Hand) -> Option<Handler> {
    let [i, next, ..] = code else {
        return None;
    };
    if most < 2 {
        return None;
    }
    let ((op, imm_form), (next_op, _)) = (i.opcode()?, next.opcode()?);
    let from = |takes_f64: bool| hand.from(i, imm_form, takes_f64);
    let branches = || runs::branches(code).filter(|_| most >= 3);
    if let Some(handlers) = runs::handlers(code, most).or_else(branches) {
        return Some(handlers[from(forms(op)?.takes_f64)]);
    }
    match next_op {
        Op::BrIf | Op::BrUnless => {
            let unless = usize::from(next_op == Op::BrUnless);
            let forms = forms(op)?;
            match forms.branch {
                Some(branch) if next.a == i.d => {
                    Some(branch[usize::from(imm_form)][unless][from(forms.takes_f64)])
                }
                _ => Some(before_branch(op, imm_form, from(false) == usize::from(A))?[unless]),
            }
        }
        Op::Br => before_br(op, imm_form, from(false) == usize::from(A)),
        _ => Some(pairs::handlers(i, next)?[from(forms(op)?.takes_f64)]),
    }
}

/// The handlers of an instruction and a `br_if` or a `br_unless` on some other cell.
fn before_branch(op: Op, imm_form: bool, at_hand: bool) -> Option<[Handler; 2]> {
    Some(match (op, imm_form, at_hand) {
        (Op::Move, false, false) => [
            branch_after::<Move, false, true, NOTHING>,
            branch_after::<Move, false, false, NOTHING>,
        ],
        (Op::Move, false, true) => [
            branch_after::<Move, false, true, A>,
            branch_after::<Move, false, false, A>,
        ],
        (Op::I32Add, true, false) => [
            branch_after::<I32Add, true, true, NOTHING>,
            branch_after::<I32Add, true, false, NOTHING>,
        ],
        (Op::I32Add, true, true) => [
            branch_after::<I32Add, true, true, A>,
            branch_after::<I32Add, true, false, A>,
        ],
        _ => return None,
    })
}

/// The handler of an instruction and a `br`.
fn before_br(op: Op, imm_form: bool, at_hand: bool) -> Option<Handler> {
    Some(match (op, imm_form, at_hand) {
        (Op::Move, false, false) => br_after::<Move, false, NOTHING>,
        (Op::Move, false, true) => br_after::<Move, false, A>,
        (Op::Const, false, _) => br_after::<Const, false, NOTHING>,
        (Op::I32Add, true, false) => br_after::<I32Add, true, NOTHING>,
        (Op::I32Add, true, true) => br_after::<I32Add, true, A>,
        _ => return None,
    })
}
