//! Calls: arguments into the callee's frame, results out of it.

use super::stack::{Loc, move_op};
use super::{FRAME_ALIGN, FRAME_ARGS, Lowerer, Op, Patch};
use crate::lower::layout::{lay_out, widths};
use wasmparser::{FuncType, Operator};

impl Lowerer<'_, '_> {
    /// True if `operator` is a call.
    pub(super) fn call_operator(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Call { function_index } => self.call(*function_index),
            Operator::CallIndirect {
                type_index,
                table_index,
            } => self.call_indirect(*type_index, *table_index),
            _ => return false,
        }
        true
    }

    /// Where a callee's frame, or a block, goes when `n` entries are consumed: at or above the end of the others.
    pub(super) fn callee_base(&self, n: usize) -> u32 {
        self.end_of(self.stack.len() - n)
            .next_multiple_of(FRAME_ALIGN)
    }

    /// Moves the top `n` entries to where they are laid out from `dest` on.
    ///
    /// `dest` is at or above the start of their own layout, as every `callee_base` is: descending, none is overwritten
    /// before it is read (see `layout`).
    pub(super) fn move_up(&mut self, n: usize, dest: u32) {
        let (places, _) = lay_out(dest, &self.top_widths(n));
        for place in places.into_iter().rev() {
            let entry = self.pop();
            let slot = self.touch(place, entry.width);
            self.move_to(slot, entry);
        }
    }

    /// Pushes results that a call left from slot `from` on.
    ///
    /// `from` is above a `callee_base`, so above the start of the entries pushed: ascending, none is overwritten before
    /// it is read.
    fn take_results(&mut self, widths: &[u32], from: u32) {
        let (places, _) = lay_out(from, widths);
        for (place, &width) in places.into_iter().zip(widths) {
            let a = self.touch(place, width);
            self.define(move_op(width), a, 0, 0);
        }
    }

    fn call(&mut self, function: u32) {
        if function < self.module.imported {
            self.info.call_bases.push(0);
            return self.bulk(Op::RomRead, 4, 0, 0, 0);
        }
        let func = self.module.func_type(function);
        let frame = Frame::new(func, self.callee_base(func.params().len()));
        self.info.call_bases.push(frame.base);
        self.reach(frame.end);
        self.move_up(frame.params, frame.args);
        let at = self.emit(Op::Call, frame.base as u16, 0, 0, 0);
        self.patches.push(Patch::Call(at, function));
        self.take_results(&frame.results, frame.args);
    }

    fn call_indirect(&mut self, ty: u32, table: u32) {
        let module = self.module;
        let func = &module.types[ty as usize];
        let frame = Frame::new(func, self.callee_base(func.params().len() + 1));
        self.info.call_bases.push(frame.base);
        let index = self.pop();
        let a = match index.loc {
            Loc::Local(slot) => slot,
            // Its own slot may be in the way of the arguments; above all of these, it is in the way of none.
            Loc::Temp | Loc::Const(_) => {
                let slot = self.touch(frame.end, 1);
                self.move_to(slot, index);
                slot
            }
        };
        self.reach(frame.end);
        self.move_up(frame.params, frame.args);
        let imm = u64::from(module.type_id(ty));
        // Fewer than 1024 tables: checked when parsed.
        self.emit(Op::CallIndirect, frame.base as u16, a, table as u16, imm);
        self.take_results(&frame.results, frame.args);
    }
}

/// A callee's frame, seen from its caller.
struct Frame {
    base: u32,
    /// Where parameters and results are laid out from.
    args: u32,
    /// One past both.
    end: u32,
    params: usize,
    results: Vec<u32>,
}

impl Frame {
    fn new(ty: &FuncType, base: u32) -> Frame {
        let args = base + FRAME_ARGS;
        let results = widths(ty.results());
        let (_, params_end) = lay_out(args, &widths(ty.params()));
        let (_, results_end) = lay_out(args, &results);
        Frame {
            base,
            args,
            end: params_end.max(results_end),
            params: ty.params().len(),
            results,
        }
    }
}
