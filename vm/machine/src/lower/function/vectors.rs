//! Vector operators that are more than one opcode, or have three operands.
//!
//! Scratch cells are the canonical slots of entries just consumed, or lie above the whole stack: nothing else is there.

use super::stack::Loc;
use super::{Lowerer, Op};
use crate::lower::layout::place;
use crate::lower::operators::CellAccess;
use wasmparser::Operator;

impl Lowerer<'_, '_> {
    /// True if `operator` is one of these.
    pub(super) fn vector_operator(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::V128Bitselect => {
                let (c, b, a) = (self.pop_slot(), self.pop_slot(), self.pop_slot());
                self.define(Op::V128Bitselect, a, b, u64::from(c));
            }
            Operator::I8x16Shuffle { lanes } => self.shuffle(u128::from_le_bytes(*lanes)),
            _ => return false,
        }
        true
    }

    fn shuffle(&mut self, lanes: u128) {
        let mask = place(self.end_of(self.stack.len()), 2);
        let mask = self.touch(mask, 2);
        self.constant(mask, 2, lanes);
        let (b, a) = (self.pop_slot(), self.pop_slot());
        self.define(Op::I8x16Shuffle, a, b, u64::from(mask));
    }

    /// An access to memory by way of a cell.
    pub(super) fn cell_access(&mut self, access: CellAccess) {
        match access {
            CellAccess::Widen(load, widen, memarg) => {
                let a = self.pop_slot();
                // The vector's own low cell holds the loaded one; the high cell is not looked at.
                let at = place(self.end_of(self.stack.len()), 2);
                let scratch = self.touch(at, 2);
                self.emit(load, scratch, a, 0, memarg.offset);
                self.define(widen, scratch, 0, 0);
            }
            CellAccess::Zero(load, memarg) => {
                let a = self.pop_slot();
                let d = self.push(Loc::Temp, 2);
                self.emit(load, d, a, 0, memarg.offset);
                self.emit(Op::Const, d.wrapping_add(1), 0, 0, 0);
            }
            CellAccess::LoadLane(load, replace, memarg, lane) => {
                let (vector, address) = (self.pop(), self.pop());
                let (b, scratch) = (self.slot_of(address), address.slot);
                let a = self.slot_of(vector);
                self.emit(load, scratch, b, 0, memarg.offset);
                self.define(replace, a, scratch, u64::from(lane));
            }
            CellAccess::StoreLane(extract, store, memarg, lane) => {
                let (vector, address) = (self.pop(), self.pop());
                let (b, scratch) = (self.slot_of(vector), vector.slot);
                let a = self.slot_of(address);
                self.emit(extract, scratch, b, 0, u64::from(lane));
                self.emit(store, 0, a, scratch, memarg.offset);
            }
        }
    }
}
