//! Stores: each is followed by a note in the map of written blocks, or waits for one.

use super::instrument::{Added, MAP_LOG2};
use super::marks::{Base, Span};
use super::rewrite::{Rewriter, Scratch};
use wasm_encoder::{BlockType, Function, Instruction, MemArg, ValType};
use wasmparser::Operator;

impl Rewriter<'_> {
    /// Notes all that is not yet noted: here something jumps, or is jumped to.
    pub fn flush(&mut self) {
        for span in self.marks.due(&Operator::End) {
            self.mark(span);
        }
        self.marks.pass(&Operator::End);
    }

    /// A store: its address, and its value of the type of local `value`, are on the stack.
    pub fn store(&mut self, instruction: &Instruction<'_>, value: u32, offset: u64) {
        if let Some((base, offset)) = self.marks.address(offset) {
            self.f.instruction(instruction);
            self.marks.note(base, offset);
            return;
        }
        let address = self.scratch.address;
        self.f
            .instructions()
            .local_set(value)
            .local_tee(address)
            .local_get(value);
        self.f.instruction(instruction);
        self.mark_address(Base::Local(address), offset as u32);
    }

    /// Notes the blocks of stores that have been done. The least and the greatest lie in all of them.
    pub fn mark(&mut self, span: Span) {
        self.mark_address(span.base, span.low);
        if span.high != span.low {
            self.mark_address(span.base, span.high);
        }
    }

    /// Notes a store. It has succeeded, so the sum does not wrap.
    fn mark_address(&mut self, base: Base, offset: u32) {
        let mut f = self.f.instructions();
        match base {
            Base::Zero => f.i32_const((offset >> MAP_LOG2) as i32),
            Base::Local(local) => f
                .local_get(local)
                .i32_const(offset as i32)
                .i32_add()
                .i32_const(MAP_LOG2 as i32)
                .i32_shr_u(),
        };
        f.i32_const(1).i32_store8(map_byte(self.added));
    }
}

/// The scratch local for the value of a store, and the store's offset.
pub(super) fn stored(operator: &Operator<'_>, scratch: &Scratch) -> Option<(u32, u64)> {
    match operator {
        Operator::I32Store { memarg }
        | Operator::I32Store8 { memarg }
        | Operator::I32Store16 { memarg } => Some((scratch.i32, memarg.offset)),
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => Some((scratch.i64, memarg.offset)),
        Operator::F32Store { memarg } => Some((scratch.f32, memarg.offset)),
        Operator::F64Store { memarg } => Some((scratch.f64, memarg.offset)),
        Operator::V128Store { memarg }
        | Operator::V128Store8Lane { memarg, .. }
        | Operator::V128Store16Lane { memarg, .. }
        | Operator::V128Store32Lane { memarg, .. }
        | Operator::V128Store64Lane { memarg, .. } => Some((scratch.v128, memarg.offset)),
        _ => None,
    }
}

fn map_byte(added: &Added) -> MemArg {
    MemArg {
        offset: 0,
        align: 0,
        memory_index: added.map,
    }
}

/// `mark(dst, len)`: notes every page of a bulk write.
pub(super) fn mark_function(added: &Added) -> Function {
    let (dst, len, last) = (0, 1, 2);
    let mut f = Function::new([(1, ValType::I32)]);
    f.instructions()
        .local_get(len)
        .i32_eqz()
        .if_(BlockType::Empty)
        .return_()
        .end()
        .local_get(dst)
        .local_get(len)
        .i32_add()
        .i32_const(1)
        .i32_sub()
        .i32_const(MAP_LOG2 as i32)
        .i32_shr_u()
        .local_set(last)
        .local_get(dst)
        .i32_const(MAP_LOG2 as i32)
        .i32_shr_u()
        .local_set(dst)
        .loop_(BlockType::Empty)
        .local_get(dst)
        .i32_const(1)
        .i32_store8(map_byte(added))
        .local_get(dst)
        .i32_const(1)
        .i32_add()
        .local_tee(dst)
        .local_get(last)
        .i32_le_u()
        .br_if(0)
        .end()
        .end();
    f
}
