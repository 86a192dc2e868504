//! Rewrites function bodies: they count cells and steps, and note what they write.

use super::instrument::{Added, unsupported};
use super::marks::Marks;
use super::stores::stored;
use super::unroll::unrollable;
use crate::lower::{FunctionInfo, LowerError};
use std::slice::Iter;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Function, Instruction, ValType};
use wasmparser::{FunctionBody, Operator};

/// log2 of bytes, and of table elements, in half a leaf: a bulk operation takes at most two steps a leaf, and a few.
const HALF_LEAF_BYTES_LOG2: i32 = 6;
const HALF_LEAF_ELEMENTS_LOG2: i32 = 3;

/// Scratch locals of a rewritten function.
pub(super) struct Scratch {
    pub address: u32,
    pub second: u32,
    pub third: u32,
    pub i32: u32,
    pub i64: u32,
    pub f32: u32,
    pub f64: u32,
    pub v128: u32,
    /// Steps so far: what the global holds, and what has come since. The global is written where the function is left.
    pub steps: u32,
}

impl Scratch {
    fn new(first: u32) -> Scratch {
        Scratch {
            address: first,
            second: first + 1,
            third: first + 2,
            i32: first + 3,
            i64: first + 4,
            f32: first + 5,
            f64: first + 6,
            v128: first + 7,
            steps: first + 8,
        }
    }

    const TYPES: [(u32, ValType); 6] = [
        (4, ValType::I32),
        (1, ValType::I64),
        (1, ValType::F32),
        (1, ValType::F64),
        (1, ValType::V128),
        (1, ValType::I64),
    ];
}

/// A function being rewritten.
pub(super) struct Rewriter<'a> {
    pub f: Function,
    pub added: &'a Added,
    pub scratch: Scratch,
    /// Blocks open around the next instruction, each with whether a branch to it takes no operands; a branch past them all
    /// leaves the function.
    pub labels: Vec<bool>,
    bases: Iter<'a, u32>,
    pub weights: Iter<'a, u32>,
    pub marks: Marks,
}

/// Rewrites one body of a function with `params` parameters.
pub(super) fn rewrite(
    body: &FunctionBody<'_>,
    info: &FunctionInfo,
    params: u32,
    added: &Added,
) -> Result<Function, LowerError> {
    let mut encoder = RoundtripReencoder;
    let mut locals = Vec::new();
    let mut count = params;
    for local in body.get_locals_reader()? {
        let (n, ty) = local?;
        locals.push((n, encoder.val_type(ty).map_err(unsupported)?));
        count += n;
    }
    locals.extend(Scratch::TYPES);
    let mut rewriter = Rewriter {
        f: Function::new(locals),
        added,
        scratch: Scratch::new(count),
        labels: Vec::new(),
        bases: info.call_bases.iter(),
        weights: info.weights.iter(),
        marks: Marks::default(),
    };
    rewriter.enter(info.frame_cells);
    let reader = body.get_operators_reader()?;
    let operators = reader.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut rest = operators.as_slice();
    while let [first, others @ ..] = rest {
        rest = match unrollable(rest, &rewriter.labels) {
            Some(len) => {
                rewriter.unrolled(&rest[..len])?;
                &rest[len..]
            }
            None => {
                rewriter.operator(first)?;
                others
            }
        };
    }
    Ok(rewriter.f)
}

impl Rewriter<'_> {
    pub fn operator(&mut self, operator: &Operator<'_>) -> Result<(), LowerError> {
        let instruction = RoundtripReencoder
            .instruction(operator.clone())
            .map_err(unsupported)?;
        for span in self.marks.due(operator) {
            self.mark(span);
        }
        self.instrumented(operator, &instruction);
        self.marks.pass(operator);
        Ok(())
    }

    fn instrumented(&mut self, operator: &Operator<'_>, instruction: &Instruction<'_>) {
        match operator {
            Operator::Loop { blockty } => {
                self.labels
                    .push(!matches!(blockty, wasmparser::BlockType::FuncType(_)));
                self.f.instruction(instruction);
                self.count_visit();
            }
            Operator::Block { blockty } | Operator::If { blockty } => {
                self.labels.push(*blockty == wasmparser::BlockType::Empty);
                self.f.instruction(instruction);
            }
            Operator::End => {
                if self.labels.pop().is_none() {
                    self.keep_steps();
                }
                self.f.instruction(instruction);
            }
            Operator::Return => self.leave(instruction),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth }
                if self.leaves(*relative_depth) =>
            {
                self.leave(instruction);
            }
            Operator::BrTable { targets }
                if self.leaves(targets.default())
                    || targets.targets().any(|t| t.is_ok_and(|t| self.leaves(t))) =>
            {
                self.leave(instruction);
            }
            Operator::Call { function_index } if *function_index < self.added.imported => {
                let _ = self.bases.next();
                self.moves(instruction, HALF_LEAF_BYTES_LOG2);
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                let base = self.bases.next().copied().unwrap_or(0) as i32;
                self.move_frame(base);
                self.leave(instruction);
                self.take_steps();
                self.move_frame(-base);
            }
            Operator::MemoryFill { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryInit { .. } => self.bulk_write(instruction),
            Operator::DataDrop { data_index } => {
                self.f.instruction(instruction);
                self.set_flag(self.added.data_dropped + data_index);
            }
            Operator::ElemDrop { elem_index } => {
                self.f.instruction(instruction);
                self.set_flag(self.added.elem_dropped + elem_index);
            }
            Operator::TableSet { .. } => {
                self.f.instruction(instruction);
                self.set_flag(self.added.tables_written);
            }
            Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. } => {
                self.moves(instruction, HALF_LEAF_ELEMENTS_LOG2);
                self.set_flag(self.added.tables_written);
            }
            Operator::TableGrow { .. } => self.table_grow(instruction),
            other => match stored(other, &self.scratch) {
                Some((value, offset)) => self.store(instruction, value, offset),
                None => {
                    self.f.instruction(instruction);
                }
            },
        }
    }

    /// Whether a branch leaves the function.
    fn leaves(&self, relative_depth: u32) -> bool {
        relative_depth as usize == self.labels.len()
    }

    /// Traps exactly where the machine's `enter` traps.
    fn enter(&mut self, frame_cells: u32) {
        self.f
            .instructions()
            .global_get(self.added.cells)
            .i32_const(frame_cells as i32)
            .i32_add()
            .i32_const(self.added.stack_cells as i32)
            .i32_gt_u()
            .if_(BlockType::Empty)
            .unreachable()
            .end();
        self.take_steps();
        self.count_visit();
    }

    /// Reads the count of steps from its global.
    fn take_steps(&mut self) {
        self.f
            .instructions()
            .global_get(self.added.steps)
            .local_set(self.scratch.steps);
    }

    /// Writes the count of steps to its global.
    fn keep_steps(&mut self) {
        self.f
            .instructions()
            .local_get(self.scratch.steps)
            .global_set(self.added.steps);
    }

    /// An instruction that may leave the function. A trap leaves the global behind, which only matters past the bound:
    /// there either engine's macro step ends trapped.
    fn leave(&mut self, instruction: &Instruction<'_>) {
        self.keep_steps();
        self.f.instruction(instruction);
    }

    /// Counts the instructions of a visit to the function, or to the loop just entered.
    fn count_visit(&mut self) {
        let weight = self.weights.next().copied().unwrap_or(0);
        self.count(i64::from(weight));
    }

    /// Counts steps.
    pub fn count(&mut self, steps: i64) {
        // Past the bound the interpreter decides; stopping here ends loops that would not.
        self.f
            .instructions()
            .local_get(self.scratch.steps)
            .i64_const(steps)
            .i64_add()
            .local_tee(self.scratch.steps)
            .i64_const(self.added.step_bound)
            .i64_gt_s()
            .if_(BlockType::Empty)
            .local_get(self.scratch.steps)
            .global_set(self.added.steps)
            .unreachable()
            .end();
    }

    /// A bulk operation whose length is on the stack.
    fn moves(&mut self, instruction: &Instruction<'_>, half_leaf_log2: i32) {
        self.f.instructions().local_tee(self.scratch.third);
        self.f.instruction(instruction);
        self.count_moves(half_leaf_log2);
    }

    /// Counts the steps of a bulk operation that has been done; its length is in the third scratch local. One that traps
    /// does so at its first step, which its own instruction counts for.
    fn count_moves(&mut self, half_leaf_log2: i32) {
        self.f
            .instructions()
            .local_get(self.scratch.third)
            .i32_const(half_leaf_log2)
            .i32_shr_u()
            .i64_extend_i32_u()
            .i64_const(6)
            .i64_add()
            .local_get(self.scratch.steps)
            .i64_add()
            .local_set(self.scratch.steps);
    }

    /// The callee's frame starts `cells` further on.
    fn move_frame(&mut self, cells: i32) {
        self.f
            .instructions()
            .global_get(self.added.cells)
            .i32_const(cells)
            .i32_add()
            .global_set(self.added.cells);
    }

    /// Sets an i32 global to 1.
    fn set_flag(&mut self, global: u32) {
        self.f.instructions().i32_const(1).global_set(global);
    }

    /// A bulk write to memory: dst, something and length are on the stack.
    fn bulk_write(&mut self, instruction: &Instruction<'_>) {
        let Scratch {
            address,
            second,
            third,
            ..
        } = self.scratch;
        self.f
            .instructions()
            .local_set(third)
            .local_set(second)
            .local_tee(address)
            .local_get(second)
            .local_get(third);
        self.f.instruction(instruction);
        self.f
            .instructions()
            .local_get(address)
            .local_get(third)
            .call(self.added.mark);
        self.count_moves(HALF_LEAF_BYTES_LOG2);
    }

    /// A growing table is filled step by step only if it does grow, so only then the length counts.
    fn table_grow(&mut self, instruction: &Instruction<'_>) {
        let Scratch { second, third, .. } = self.scratch;
        self.f.instructions().local_tee(third);
        self.f.instruction(instruction);
        self.f
            .instructions()
            .local_tee(second)
            .local_get(second)
            .i32_const(-1)
            .i32_ne()
            .if_(BlockType::Empty);
        self.count_moves(HALF_LEAF_ELEMENTS_LOG2);
        self.f.instructions().end();
        self.set_flag(self.added.tables_written);
    }
}
