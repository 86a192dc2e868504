//! Blocks and branches.

use super::stack::{Entry, Loc};
use super::{FRAME_ARGS, LowerError, Lowerer, Op};
use crate::lower::layout::{lay_out, width, widths};
use wasmparser::{BlockType, BrTable, Operator};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Function,
    Block,
    Loop,
    If,
    Else,
}

#[derive(Debug)]
pub(super) struct Control {
    kind: Kind,
    /// Entries below the block's parameters.
    height: usize,
    /// Widths of its parameters.
    params: Vec<u32>,
    /// Widths of its results.
    results: Vec<u32>,
    /// Loop: where branches go.
    head: u32,
    /// Instructions whose imm becomes the end of the block.
    to_end: Vec<usize>,
    /// If: the branch to the else part.
    to_else: Option<usize>,
    pub unreachable: bool,
    /// Index into `weights`.
    pub region: usize,
}

impl Control {
    /// Number of entries that a branch to it carries.
    fn carried(&self) -> usize {
        if self.kind == Kind::Loop {
            self.params.len()
        } else {
            self.results.len()
        }
    }
}

impl Lowerer<'_, '_> {
    pub(super) fn frame(
        &self,
        kind: Kind,
        params: Vec<u32>,
        results: Vec<u32>,
        region: usize,
    ) -> Control {
        Control {
            kind,
            height: self.stack.len() - params.len(),
            params,
            results,
            head: 0,
            to_end: Vec::new(),
            to_else: None,
            unreachable: false,
            region,
        }
    }

    /// True if `operator` is of control flow, calls apart.
    pub(super) fn control_operator(&mut self, operator: &Operator<'_>) -> Result<bool, LowerError> {
        match operator {
            Operator::Unreachable => {
                self.emit(Op::Unreachable, 0, 0, 0, 0);
                self.kill();
            }
            Operator::Block { blockty } => self.open(Kind::Block, blockty),
            Operator::Loop { blockty } => self.open(Kind::Loop, blockty),
            Operator::If { blockty } => self.open(Kind::If, blockty),
            Operator::Else => self.else_(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.kill();
            }
            Operator::BrIf { relative_depth } => self.br_if(*relative_depth),
            Operator::BrTable { targets } => self.br_table(targets)?,
            Operator::Return => {
                self.return_();
                self.kill();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Skips dead code up to the `else` or `end` that closes it.
    pub(super) fn dead(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. } | Operator::If { .. } => self.dead_depth += 1,
            Operator::Loop { .. } => {
                self.dead_depth += 1;
                self.info.weights.push(0);
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } => self.info.call_bases.push(0),
            Operator::End if self.dead_depth > 0 => self.dead_depth -= 1,
            Operator::End => self.end(),
            Operator::Else if self.dead_depth == 0 => self.else_(),
            _ => {}
        }
    }

    fn kill(&mut self) {
        let control = self.control.last_mut().expect("inside a function");
        control.unreachable = true;
        let height = control.height;
        self.stack.truncate(height);
        self.last_def = None;
    }

    // ---- blocks ----

    /// Widths of a block's parameters and results.
    fn block_type(&self, ty: &BlockType) -> (Vec<u32>, Vec<u32>) {
        match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), vec![width(*ty)]),
            BlockType::FuncType(index) => {
                let ty = &self.module.types[*index as usize];
                (widths(ty.params()), widths(ty.results()))
            }
        }
    }

    fn open(&mut self, kind: Kind, ty: &BlockType) {
        let (params, results) = self.block_type(ty);
        let mut to_else = None;
        if kind == Kind::If {
            let (slot, negate) = self.condition();
            self.settle(params.len());
            // Flushing writes canonical slots below the condition's, or reads locals: the condition stands.
            to_else = Some(self.emit(if negate { Op::BrIf } else { Op::BrUnless }, 0, slot, 0, 0));
        } else {
            self.settle(params.len());
        }
        let mut region = self.control.last().map_or(0, |c| c.region);
        if kind == Kind::Loop {
            region = self.info.weights.len();
            self.info.weights.push(0);
        }
        let mut control = self.frame(kind, params, results, region);
        control.head = self.label() as u32;
        control.to_else = to_else;
        self.control.push(control);
    }

    /// Pops a condition: its slot, and whether it is to be negated (an `i32.eqz` just before is folded away).
    fn condition(&mut self) -> (u16, bool) {
        let entry = self.pop();
        if let (Loc::Temp, Some(at)) = (entry.loc, self.last_def)
            && at + 1 == self.code.len()
            && self.code[at].op == Op::I32Eqz as u16
            && self.code[at].d == entry.slot
        {
            let a = self.code[at].a;
            self.code.pop();
            self.last_def = None;
            return (a, true);
        }
        (self.slot_of(entry), false)
    }

    fn else_(&mut self) {
        let at = self.control.len() - 1;
        if !self.control[at].unreachable {
            self.settle(self.control[at].results.len());
            let jump = self.emit(Op::Br, 0, 0, 0, 0);
            self.control[at].to_end.push(jump);
        }
        let label = self.label();
        let control = &mut self.control[at];
        control.kind = Kind::Else;
        control.unreachable = false;
        let (height, params) = (control.height, control.params.clone());
        if let Some(jump) = control.to_else.take() {
            self.code[jump].imm = label;
        }
        self.reset_stack(height, &params);
    }

    fn reset_stack(&mut self, height: usize, widths: &[u32]) {
        self.stack.truncate(height);
        for &width in widths {
            self.push(Loc::Temp, width);
        }
    }

    fn end(&mut self) {
        let control = self.control.last().expect("inside a function");
        let (kind, unreachable) = (control.kind, control.unreachable);
        let results = control.results.len();
        if kind == Kind::Function {
            if !unreachable {
                self.return_();
            }
            self.control.pop();
            return;
        }
        if !unreachable {
            self.settle(results);
        }
        let label = self.label();
        let control = self.control.pop().expect("checked above");
        for jump in control.to_end.into_iter().chain(control.to_else) {
            self.code[jump].imm = label;
        }
        self.reset_stack(control.height, &control.results);
    }

    // ---- branches ----

    /// Index of the block that `depth` names.
    fn target(&self, depth: u32) -> usize {
        self.control.len() - 1 - depth as usize
    }

    /// Whether a branch to block `at` is one jump.
    fn is_jump(&self, at: usize) -> bool {
        self.control[at].carried() == 0 && self.control[at].kind != Kind::Function
    }

    /// Emits the moves and the jump of a branch. The operand stack stays as it is.
    fn branch(&mut self, depth: u32) {
        let at = self.target(depth);
        if self.control[at].kind == Kind::Function {
            return self.return_();
        }
        let start = self.end_of(self.control[at].height);
        self.move_down(self.control[at].carried(), start);
        self.jump(Op::Br, 0, at);
    }

    /// Moves the top `n` entries to where they are laid out from `start` on; the stack stays as it is, for its paths that
    /// do not branch: these are behind a label, so no instruction of theirs is redirected here.
    ///
    /// `start` is at or below the start of their own layout: ascending, none is overwritten before it is read (see
    /// `layout`). An entry that is a local is read from below `start`, which is at or above all locals, or there is none.
    fn move_down(&mut self, n: usize, start: u32) {
        let from = self.stack.len() - n;
        let (places, _) = lay_out(start, &self.top_widths(n));
        for (i, place) in places.into_iter().enumerate() {
            let entry = self.stack[from + i];
            let dest = self.touch(place, entry.width);
            self.move_to(dest, entry);
        }
    }

    fn jump(&mut self, op: Op, condition: u16, at: usize) {
        let head = self.control[at].head;
        let jump = self.emit(op, 0, condition, 0, u64::from(head));
        if self.control[at].kind != Kind::Loop {
            self.control[at].to_end.push(jump);
        }
    }

    /// A branch that another path goes round: what it does to entries holds on it alone.
    fn branch_aside(&mut self, depth: u32) {
        let saved: Vec<Entry> = self.stack.clone();
        self.branch(depth);
        self.stack = saved;
    }

    fn br_if(&mut self, depth: u32) {
        let (slot, negate) = self.condition();
        let at = self.target(depth);
        let (taken, skipped) = if negate {
            (Op::BrUnless, Op::BrIf)
        } else {
            (Op::BrIf, Op::BrUnless)
        };
        if self.is_jump(at) {
            return self.jump(taken, slot, at);
        }
        let skip = self.emit(skipped, 0, slot, 0, 0);
        self.branch_aside(depth);
        self.code[skip].imm = self.label();
    }

    fn br_table(&mut self, targets: &BrTable<'_>) -> Result<(), LowerError> {
        let mut depths = targets.targets().collect::<Result<Vec<u32>, _>>()?;
        depths.push(targets.default());
        let a = self.pop_slot();
        self.emit(Op::BrTable, 0, a, 0, depths.len() as u64 - 1);
        let mut stubs: Vec<(u32, usize)> = Vec::new();
        for &depth in &depths {
            let at = self.target(depth);
            if self.is_jump(at) {
                self.jump(Op::Br, 0, at);
            } else {
                let jump = self.emit(Op::Br, 0, 0, 0, 0);
                stubs.push((depth, jump));
            }
        }
        for (depth, jump) in stubs {
            self.code[jump].imm = self.label();
            self.branch_aside(depth);
        }
        self.kill();
        Ok(())
    }

    /// Moves the results to where the caller looks for them, and returns.
    fn return_(&mut self) {
        let results = self.control[0].results.clone();
        let n = results.len();
        let from = self.stack.len() - n;
        if n == 1 {
            let dest = lay_out(FRAME_ARGS, &results).0[0];
            self.move_to(dest as u16, self.stack[from]);
        } else {
            // Results may be locals that the moves below overwrite; canonical slots are above all locals.
            (from..self.stack.len()).for_each(|i| self.flush(i));
            self.move_down(n, FRAME_ARGS);
        }
        self.emit(Op::Return, 0, 0, 0, 0);
    }
}
