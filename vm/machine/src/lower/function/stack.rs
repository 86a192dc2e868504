//! The operand stack: where each entry is, and how values get into slots.

use super::{Instr, Lowerer, Op};
use crate::lower::layout::place;
use crate::lower::operators::result_width;

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loc {
    /// In its canonical slot.
    Temp,
    /// In this local's slot.
    Local(u16),
    /// Nowhere: a constant.
    Const(u128),
}

/// An operand. Entries are laid out (see `layout`) from the operand stack's base on, so a vector's slot is even.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub slot: u16,
    pub width: u32,
    pub loc: Loc,
}

/// The opcode that moves a value `width` cells wide.
pub(super) fn move_op(width: u32) -> Op {
    if width == 2 { Op::V128Move } else { Op::Move }
}

impl Lowerer<'_, '_> {
    // ---- emission ----

    pub(super) fn push_code(&mut self, ins: Instr) -> usize {
        let region = self.control.last().map_or(0, |c| c.region);
        self.info.weights[region] = self.info.weights[region].saturating_add(1);
        self.last_def = None;
        self.code.push(ins);
        self.code.len() - 1
    }

    pub(super) fn emit(&mut self, op: Op, d: u16, a: u16, b: u16, imm: u64) -> usize {
        self.push_code(Instr {
            op: op as u16,
            d,
            a,
            b,
            imm,
        })
    }

    /// Pushes a temp that this one instruction defines, all its cells, and remembers so.
    pub(super) fn define(&mut self, op: Op, a: u16, b: u16, imm: u64) -> usize {
        let d = self.push(Loc::Temp, result_width(op));
        let at = self.emit(op, d, a, b, imm);
        self.last_def = Some(at);
        at
    }

    /// Writes a constant, low half first.
    pub(super) fn constant(&mut self, dest: u16, width: u32, value: u128) {
        self.emit(Op::Const, dest, 0, 0, value as u64);
        if width == 2 {
            let high = dest.wrapping_add(1);
            self.emit(Op::Const, high, 0, 0, (value >> 64) as u64);
        }
    }

    /// Forbids redirecting what was emitted so far: code may come to this place from elsewhere.
    pub(super) fn label(&mut self) -> u64 {
        self.last_def = None;
        self.code.len() as u64
    }

    // ---- slots ----

    /// Notes that cells up to `end` are used.
    pub(super) fn reach(&mut self, end: u32) {
        self.top = self.top.max(end);
    }

    /// Notes that the value at `slot` is used.
    pub(super) fn touch(&mut self, slot: u32, width: u32) -> u16 {
        self.reach(slot + width);
        // Too large a slot is refused when the function ends; the truncated value is never used.
        slot as u16
    }

    /// The end of the first `n` entries: what is above them is laid out from here.
    pub(super) fn end_of(&self, n: usize) -> u32 {
        match n.checked_sub(1) {
            Some(last) => u32::from(self.stack[last].slot) + self.stack[last].width,
            None => self.base,
        }
    }

    /// Widths of the top `n` entries.
    pub(super) fn top_widths(&self, n: usize) -> Vec<u32> {
        let from = self.stack.len() - n;
        self.stack[from..].iter().map(|e| e.width).collect()
    }

    pub(super) fn push(&mut self, loc: Loc, width: u32) -> u16 {
        let slot = place(self.end_of(self.stack.len()), width);
        let slot = self.touch(slot, width);
        self.stack.push(Entry { slot, width, loc });
        slot
    }

    pub(super) fn pop(&mut self) -> Entry {
        self.stack.pop().expect("the module is validated")
    }

    /// Pops an entry; the slot that holds it.
    pub(super) fn pop_slot(&mut self) -> u16 {
        let entry = self.pop();
        self.slot_of(entry)
    }

    /// The slot that holds `entry`, putting a constant into its canonical slot.
    pub(super) fn slot_of(&mut self, entry: Entry) -> u16 {
        match entry.loc {
            Loc::Temp => entry.slot,
            Loc::Local(slot) => slot,
            Loc::Const(value) => {
                self.constant(entry.slot, entry.width, value);
                entry.slot
            }
        }
    }

    // ---- moves ----

    /// Moves an entry that is not used again, on this path, to `dest`; redirects the instruction that made it where
    /// possible.
    pub(super) fn move_to(&mut self, dest: u16, entry: Entry) {
        match entry.loc {
            Loc::Temp if entry.slot == dest => {}
            Loc::Temp => match self.last_def {
                // It defines the whole value: what takes several instructions sets no `last_def`.
                Some(at) if at + 1 == self.code.len() && self.code[at].d == entry.slot => {
                    self.code[at].d = dest;
                    self.last_def = None;
                }
                _ => {
                    self.emit(move_op(entry.width), dest, entry.slot, 0, 0);
                }
            },
            Loc::Local(slot) if slot == dest => {}
            Loc::Local(slot) => {
                self.emit(move_op(entry.width), dest, slot, 0, 0);
            }
            Loc::Const(value) => self.constant(dest, entry.width, value),
        }
    }

    /// Puts entry `i` into its canonical slot.
    pub(super) fn flush(&mut self, i: usize) {
        let entry = self.stack[i];
        if entry.loc != Loc::Temp {
            self.move_to(entry.slot, entry);
            self.stack[i].loc = Loc::Temp;
        }
    }

    /// Makes the stack independent of locals, and its top `n` entries canonical.
    pub(super) fn settle(&mut self, n: usize) {
        let canonical_from = self.stack.len() - n;
        for i in 0..self.stack.len() {
            if i >= canonical_from || matches!(self.stack[i].loc, Loc::Local(_)) {
                self.flush(i);
            }
        }
    }

    /// Saves entries that read local `slot` before it changes.
    pub(super) fn preserve(&mut self, slot: u16) {
        for i in 0..self.stack.len() {
            if self.stack[i].loc == Loc::Local(slot) {
                self.flush(i);
            }
        }
    }
}
