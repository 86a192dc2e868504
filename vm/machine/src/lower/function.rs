//! One function body to flat code.
//!
//! Every operand-stack entry has a canonical slot, a function of the types below it, so code from different
//! paths agrees. Reads of locals and constants stay lazy until something needs them in a slot.

use super::module::{Body, Module};
use super::operators::{Plain, plain};
use super::{LowerError, refuse};
use crate::isa::{IMM_FORM, Instr, Op};
use assay_types::params::{FRAME_ALIGN, FRAME_ARGS};
use wasmparser::{BlockType, Operator, ValType};

/// What the compiled engine needs to count stack cells and steps as the interpreter does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Cells checked by the function's `enter`.
    pub frame_cells: u32,
    /// Offset of the callee's frame, one a call instruction in order of occurrence (0 in dead code, and for `assay.read`).
    pub call_bases: Vec<u32>,
    /// Most instructions executed a visit: of the body outside loops, then of each loop without its inner loops.
    pub weights: Vec<u32>,
}

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Loc {
    /// In its canonical slot.
    Temp,
    /// In this local's slot.
    Local(u16),
    /// Nowhere: a constant.
    Const(u64),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: u16,
    loc: Loc,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Function,
    Block,
    Loop,
    If,
    Else,
}

#[derive(Debug)]
struct Control {
    kind: Kind,
    /// Entries below the block's parameters.
    height: usize,
    params: usize,
    results: usize,
    /// Loop: where branches go.
    head: u32,
    /// Instructions whose imm becomes the end of the block.
    to_end: Vec<usize>,
    /// If: the branch to the else part.
    to_else: Option<usize>,
    unreachable: bool,
    /// Index into `weights`.
    region: usize,
}

struct Lowerer<'m, 'a> {
    module: &'m Module<'a>,
    code: &'m mut Vec<Instr>,
    calls: &'m mut Vec<(usize, u32)>,
    /// Slot of each local.
    locals: Vec<u16>,
    /// First slot of the operand stack.
    base: u32,
    stack: Vec<Entry>,
    control: Vec<Control>,
    /// Blocks opened in dead code.
    dead_depth: u32,
    /// Instruction that defined a temp with nothing in between: its destination may still be changed.
    last_def: Option<usize>,
    /// One past the highest slot used.
    top: u32,
    info: FunctionInfo,
    results: usize,
    offset: u64,
}

/// Lowers one body; appends to `code`; `calls` collects (instruction, function index) to patch.
pub(super) fn lower_function(
    module: &Module<'_>,
    body: &Body<'_>,
    _index: u32,
    code: &mut Vec<Instr>,
    calls: &mut Vec<(usize, u32)>,
) -> Result<FunctionInfo, LowerError> {
    let ty = &module.types[body.ty as usize];
    let offset = body.body.range().start as u64;
    let mut types: Vec<ValType> = ty.params().to_vec();
    for local in body.body.get_locals_reader()? {
        let (count, ty) = local?;
        if types.len() + count as usize > 40_000 {
            return refuse(offset, "a function with more than 40000 locals");
        }
        types.extend(std::iter::repeat_n(ty, count as usize));
    }
    ty.results()
        .iter()
        .chain(&types)
        .try_for_each(|t| check_type(*t, offset))?;
    let locals: Vec<u16> = (0..types.len())
        .map(|i| (FRAME_ARGS as usize + i) as u16)
        .collect();
    let base = FRAME_ARGS + types.len() as u32;
    let results = ty.results().len();
    let start = code.len();
    let info = FunctionInfo {
        weights: vec![0],
        ..FunctionInfo::default()
    };
    let mut l = Lowerer {
        module,
        code,
        calls,
        locals,
        base,
        stack: Vec::new(),
        control: Vec::new(),
        dead_depth: 0,
        last_def: None,
        top: base.max(FRAME_ARGS + results as u32),
        info,
        results,
        offset,
    };
    l.control.push(l.frame(Kind::Function, 0, results, 0));
    l.emit(Op::Enter, 0, 0, 0, 0);
    for local in ty.params().len()..types.len() {
        l.emit(Op::Const, l.locals[local], 0, 0, 0);
    }
    let mut reader = body.body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, at) = reader.read_with_offset()?;
        l.offset = at as u64;
        l.operator(&operator)?;
    }
    let frame = l.top.next_multiple_of(FRAME_ALIGN);
    let mut info = l.info;
    if frame > u32::from(u16::MAX) {
        return refuse(
            offset,
            format!("a function needs {frame} stack cells; at most 65535 can be addressed"),
        );
    }
    code[start].imm = u64::from(frame);
    info.frame_cells = frame;
    Ok(info)
}

fn check_type(ty: ValType, offset: u64) -> Result<(), LowerError> {
    match ty {
        ValType::I32 | ValType::I64 | ValType::F32 => Ok(()),
        ValType::F64 | ValType::V128 | ValType::Ref(_) => {
            refuse(offset, format!("values of type {ty} are not supported yet"))
        }
    }
}

impl Lowerer<'_, '_> {
    fn frame(&self, kind: Kind, params: usize, results: usize, region: usize) -> Control {
        Control {
            kind,
            height: self.stack.len() - params,
            params,
            results,
            head: 0,
            to_end: Vec::new(),
            to_else: None,
            unreachable: false,
            region,
        }
    }

    // ---- emission ----

    fn push_code(&mut self, ins: Instr) -> usize {
        let region = self.control.last().map_or(0, |c| c.region);
        self.info.weights[region] = self.info.weights[region].saturating_add(1);
        self.last_def = None;
        self.code.push(ins);
        self.code.len() - 1
    }

    fn emit(&mut self, op: Op, d: u16, a: u16, b: u16, imm: u64) -> usize {
        self.push_code(Instr {
            op: op as u16,
            d,
            a,
            b,
            imm,
        })
    }

    fn touch(&mut self, slot: u32) -> u16 {
        self.top = self.top.max(slot + 1);
        // Too large a slot is refused when the function ends; the truncated value is never used.
        slot as u16
    }

    /// The slot the next pushed entry gets.
    fn next_slot(&self) -> u32 {
        self.stack
            .last()
            .map_or(self.base, |e| u32::from(e.slot) + 1)
    }

    fn push(&mut self, loc: Loc) -> u16 {
        let slot = self.next_slot();
        let slot = self.touch(slot);
        self.stack.push(Entry { slot, loc });
        slot
    }

    /// Pushes a temp and remembers that `at` defines it.
    fn push_def(&mut self, ins: Instr) {
        let slot = self.push(Loc::Temp);
        let at = self.push_code(Instr { d: slot, ..ins });
        self.last_def = Some(at);
    }

    fn pop(&mut self) -> Entry {
        self.stack.pop().expect("the module is validated")
    }

    /// The slot that holds `entry`, putting a constant into its canonical slot.
    fn slot_of(&mut self, entry: Entry) -> u16 {
        match entry.loc {
            Loc::Temp => entry.slot,
            Loc::Local(slot) => slot,
            Loc::Const(value) => {
                self.emit(Op::Const, entry.slot, 0, 0, value);
                entry.slot
            }
        }
    }

    /// Moves a consumed entry to `dest`; redirects the instruction that made it where possible.
    fn move_to(&mut self, dest: u16, entry: Entry) {
        match entry.loc {
            Loc::Temp if entry.slot == dest => {}
            Loc::Temp => match self.last_def {
                Some(at) if at + 1 == self.code.len() && self.code[at].d == entry.slot => {
                    self.code[at].d = dest;
                    self.last_def = None;
                }
                _ => {
                    self.emit(Op::Move, dest, entry.slot, 0, 0);
                }
            },
            Loc::Local(slot) if slot == dest => {}
            Loc::Local(slot) => {
                self.emit(Op::Move, dest, slot, 0, 0);
            }
            Loc::Const(value) => {
                self.emit(Op::Const, dest, 0, 0, value);
            }
        }
    }

    /// Puts entry `i` into its canonical slot.
    fn flush(&mut self, i: usize) {
        let entry = self.stack[i];
        if entry.loc != Loc::Temp {
            self.move_to(entry.slot, entry);
            self.stack[i].loc = Loc::Temp;
        }
    }

    /// Makes the stack independent of locals, and its top `n` entries canonical.
    fn settle(&mut self, n: usize) {
        let canonical_from = self.stack.len() - n;
        for i in 0..self.stack.len() {
            if i >= canonical_from || matches!(self.stack[i].loc, Loc::Local(_)) {
                self.flush(i);
            }
        }
    }

    /// Saves entries that read local `slot` before it changes. True if any did.
    fn preserve(&mut self, slot: u16) -> bool {
        let mut any = false;
        for i in 0..self.stack.len() {
            if self.stack[i].loc == Loc::Local(slot) {
                self.flush(i);
                any = true;
            }
        }
        any
    }

    fn label(&mut self) -> u64 {
        self.last_def = None;
        self.code.len() as u64
    }

    // ---- operators ----

    fn operator(&mut self, operator: &Operator<'_>) -> Result<(), LowerError> {
        if self.control.last().is_some_and(|c| c.unreachable) {
            return self.dead(operator);
        }
        if let Some(plain) = plain(operator) {
            self.plain(plain);
            return Ok(());
        }
        match operator {
            Operator::Nop => {}
            Operator::Unreachable => {
                self.emit(Op::Unreachable, 0, 0, 0, 0);
                self.kill();
            }
            Operator::Block { blockty } => self.open(Kind::Block, blockty)?,
            Operator::Loop { blockty } => self.open(Kind::Loop, blockty)?,
            Operator::If { blockty } => self.open(Kind::If, blockty)?,
            Operator::Else => self.else_(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.kill();
            }
            Operator::BrIf { relative_depth } => self.br_if(*relative_depth),
            Operator::BrTable { targets } => {
                let mut depths = targets.targets().collect::<Result<Vec<u32>, _>>()?;
                depths.push(targets.default());
                self.br_table(&depths);
                self.kill();
            }
            Operator::Return => {
                self.return_();
                self.kill();
            }
            Operator::Call { function_index } => self.call(*function_index),
            Operator::CallIndirect {
                type_index,
                table_index,
            } => self.call_indirect(*type_index, *table_index),
            Operator::Drop => {
                self.pop();
            }
            Operator::Select => self.select(),
            Operator::TypedSelect { ty } => {
                check_type(*ty, self.offset)?;
                self.select();
            }
            Operator::LocalGet { local_index } => {
                let slot = self.locals[*local_index as usize];
                self.push(Loc::Local(slot));
            }
            Operator::LocalSet { local_index } => self.local_set(*local_index),
            Operator::LocalTee { local_index } => {
                self.local_set(*local_index);
                self.push(Loc::Local(self.locals[*local_index as usize]));
            }
            Operator::GlobalGet { global_index } => {
                self.push_def(Instr {
                    op: Op::GlobalGet as u16,
                    imm: u64::from(*global_index),
                    ..Instr::default()
                });
            }
            Operator::GlobalSet { global_index } => {
                let value = self.pop();
                let a = self.slot_of(value);
                self.emit(Op::GlobalSet, 0, a, 0, u64::from(*global_index));
            }
            Operator::I32Const { value } => {
                self.push(Loc::Const(u64::from(*value as u32)));
            }
            Operator::I64Const { value } => {
                self.push(Loc::Const(*value as u64));
            }
            Operator::F32Const { value } => {
                self.push(Loc::Const(u64::from(value.bits())));
            }
            Operator::MemorySize { .. } => {
                self.push_def(Instr {
                    op: Op::MemorySize as u16,
                    ..Instr::default()
                });
            }
            Operator::MemoryGrow { .. } => self.plain(Plain::Unary(Op::MemoryGrow)),
            Operator::MemoryFill { .. } => self.bulk(Op::MemoryFill, 3, 0, 0),
            Operator::MemoryCopy { .. } => self.bulk(Op::MemoryCopy, 3, 0, 0),
            Operator::MemoryInit { data_index, .. } => {
                let segment = self.module.datas[*data_index as usize];
                let imm = u64::from(segment.offset) | u64::from(segment.len) << 32;
                // Fewer than 2048 data segments: checked when parsed.
                self.bulk(Op::MemoryInit, 3, *data_index as u16, imm);
            }
            Operator::DataDrop { data_index } => {
                self.emit(Op::DataDrop, *data_index as u16, 0, 0, 0);
            }
            other => {
                return refuse(
                    self.offset,
                    format!("instruction {} is not supported", name(other)),
                );
            }
        }
        Ok(())
    }

    /// Skips dead code up to the `else` or `end` that closes it.
    fn dead(&mut self, operator: &Operator<'_>) -> Result<(), LowerError> {
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
        Ok(())
    }

    fn kill(&mut self) {
        let control = self.control.last_mut().expect("inside a function");
        control.unreachable = true;
        let height = control.height;
        self.stack.truncate(height);
        self.last_def = None;
    }

    fn plain(&mut self, plain: Plain) {
        match plain {
            Plain::Retype => {}
            Plain::Unary(op) => {
                let a = self.pop();
                let a = self.slot_of(a);
                self.push_def(Instr {
                    op: op as u16,
                    a,
                    ..Instr::default()
                });
            }
            Plain::Binary(op, commutes) => {
                let (mut b, mut a) = (self.pop(), self.pop());
                if commutes && matches!(a.loc, Loc::Const(_)) && !matches!(b.loc, Loc::Const(_)) {
                    (a, b) = (b, a);
                }
                let a_slot = self.slot_of(a);
                let ins = match b.loc {
                    Loc::Const(imm) => Instr {
                        op: op as u16 | IMM_FORM,
                        a: a_slot,
                        imm,
                        ..Instr::default()
                    },
                    Loc::Temp | Loc::Local(_) => Instr {
                        op: op as u16,
                        a: a_slot,
                        b: self.slot_of(b),
                        ..Instr::default()
                    },
                };
                self.push_def(ins);
            }
            Plain::Load(op, memarg) => {
                let a = self.pop();
                let a = self.slot_of(a);
                self.push_def(Instr {
                    op: op as u16,
                    a,
                    imm: memarg.offset,
                    ..Instr::default()
                });
            }
            Plain::Store(op, memarg) => {
                let (b, a) = (self.pop(), self.pop());
                let (a, b) = (self.slot_of(a), self.slot_of(b));
                self.emit(op, 0, a, b, memarg.offset);
            }
        }
    }

    fn local_set(&mut self, local: u32) {
        let slot = self.locals[local as usize];
        let value = self.pop();
        if value.loc == Loc::Local(slot) {
            return;
        }
        // A preserving move must read the old value, so it precedes the write and forbids redirecting it.
        self.preserve(slot);
        self.move_to(slot, value);
    }

    fn select(&mut self) {
        let (c, b, a) = (self.pop(), self.pop(), self.pop());
        let (a, b, c) = (self.slot_of(a), self.slot_of(b), self.slot_of(c));
        self.push_def(Instr {
            op: Op::Select as u16,
            a,
            b,
            imm: u64::from(c),
            ..Instr::default()
        });
    }

    // ---- calls ----

    /// Moves the top `n` entries to consecutive slots from `dest`, highest first (`dest` is above their own).
    fn move_up(&mut self, n: usize, dest: u32) {
        for i in (0..n).rev() {
            let entry = self.pop();
            let slot = self.touch(dest + i as u32);
            self.move_to(slot, entry);
        }
    }

    /// Pushes `n` results that a call left from slot `from` on.
    fn take_results(&mut self, n: usize, from: u32) {
        for i in 0..n as u32 {
            let a = self.touch(from + i);
            self.push_def(Instr {
                op: Op::Move as u16,
                a,
                ..Instr::default()
            });
        }
    }

    /// Where a callee's frame goes when `n` entries are consumed.
    fn callee_base(&self, n: usize) -> u32 {
        let at = self.stack.len() - n;
        let slot = self
            .stack
            .get(at)
            .map_or_else(|| self.next_slot(), |e| u32::from(e.slot));
        slot.next_multiple_of(FRAME_ALIGN)
    }

    fn call(&mut self, function: u32) {
        if function < self.module.imported {
            self.info.call_bases.push(0);
            return self.bulk(Op::RomRead, 4, 0, 0);
        }
        let ty = self.module.func_type(function);
        let (params, results) = (ty.params().len(), ty.results().len());
        let base = self.callee_base(params);
        self.info.call_bases.push(base);
        self.touch(base + FRAME_ARGS + params.max(results) as u32);
        self.move_up(params, base + FRAME_ARGS);
        let at = self.emit(Op::Call, base as u16, 0, 0, 0);
        self.calls.push((at, function));
        self.take_results(results, base + FRAME_ARGS);
    }

    fn call_indirect(&mut self, ty: u32, table: u32) {
        let module = self.module;
        let func = &module.types[ty as usize];
        let (params, results) = (func.params().len(), func.results().len());
        let base = self.callee_base(params + 1);
        self.info.call_bases.push(base);
        let spare = base + FRAME_ARGS + params.max(results) as u32;
        let index = self.pop();
        let a = match index.loc {
            Loc::Local(slot) => slot,
            // Its own slot may be in the way of the arguments.
            Loc::Temp | Loc::Const(_) => {
                let slot = self.touch(spare);
                self.move_to(slot, index);
                slot
            }
        };
        self.touch(spare);
        self.move_up(params, base + FRAME_ARGS);
        let imm =
            u64::from(module.type_id(ty)) | u64::from(module.table_bases[table as usize]) << 32;
        // Fewer than 1024 tables: checked when parsed.
        self.emit(Op::CallIndirect, base as u16, a, table as u16, imm);
        self.take_results(results, base + FRAME_ARGS);
    }

    /// A bulk operation on a block of `n` operands.
    fn bulk(&mut self, op: Op, n: usize, d: u16, imm: u64) {
        let base = self.callee_base(n);
        self.touch(base + 3);
        self.move_up(n, base);
        self.emit(op, d, base as u16, 0, imm);
    }

    // ---- control ----

    fn block_type(&self, ty: &BlockType) -> Result<(usize, usize), LowerError> {
        Ok(match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(ty) => {
                check_type(*ty, self.offset)?;
                (0, 1)
            }
            BlockType::FuncType(index) => {
                let ty = &self.module.types[*index as usize];
                ty.params()
                    .iter()
                    .chain(ty.results())
                    .try_for_each(|t| check_type(*t, self.offset))?;
                (ty.params().len(), ty.results().len())
            }
        })
    }

    fn open(&mut self, kind: Kind, ty: &BlockType) -> Result<(), LowerError> {
        let (params, results) = self.block_type(ty)?;
        let mut to_else = None;
        if kind == Kind::If {
            let (slot, negate) = self.condition();
            self.settle(params);
            // Flushing writes canonical slots below the condition's, or reads locals: the condition stands.
            to_else = Some(self.emit(if negate { Op::BrIf } else { Op::BrUnless }, 0, slot, 0, 0));
        } else {
            self.settle(params);
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
        Ok(())
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
            let results = self.control[at].results;
            self.settle(results);
            let jump = self.emit(Op::Br, 0, 0, 0, 0);
            self.control[at].to_end.push(jump);
        }
        let label = self.label();
        let control = &mut self.control[at];
        control.kind = Kind::Else;
        control.unreachable = false;
        let (height, params) = (control.height, control.params);
        if let Some(jump) = control.to_else.take() {
            self.code[jump].imm = label;
        }
        self.reset_stack(height, params);
    }

    fn reset_stack(&mut self, height: usize, n: usize) {
        self.stack.truncate(height);
        for _ in 0..n {
            self.push(Loc::Temp);
        }
    }

    fn end(&mut self) {
        let at = self.control.len() - 1;
        let (kind, results, unreachable) = (
            self.control[at].kind,
            self.control[at].results,
            self.control[at].unreachable,
        );
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
        self.reset_stack(control.height, results);
    }

    /// Entries a branch to `depth` carries, and the frame's index.
    fn target(&self, depth: u32) -> (usize, usize) {
        let at = self.control.len() - 1 - depth as usize;
        let control = &self.control[at];
        (
            at,
            if control.kind == Kind::Loop {
                control.params
            } else {
                control.results
            },
        )
    }

    /// Emits the moves and the jump of a branch. The operand stack stays as it is.
    fn branch(&mut self, depth: u32) {
        let (at, n) = self.target(depth);
        if self.control[at].kind == Kind::Function {
            return self.return_();
        }
        self.branch_moves(at, n);
        self.jump(at);
    }

    fn branch_moves(&mut self, at: usize, n: usize) {
        let height = self.control[at].height;
        let first = self
            .stack
            .get(height)
            .map_or_else(|| self.next_slot(), |e| u32::from(e.slot));
        let from = self.stack.len() - n;
        for i in 0..n {
            // Ascending: destinations are at or below the sources, so none is overwritten before it is read.
            let entry = self.stack[from + i];
            let dest = self.touch(first + i as u32);
            self.copy_to(dest, entry);
        }
    }

    /// As `move_to`, for an entry that stays on the stack.
    fn copy_to(&mut self, dest: u16, entry: Entry) {
        self.last_def = None;
        self.move_to(dest, entry);
    }

    fn jump(&mut self, at: usize) {
        let head = self.control[at].head;
        let jump = self.emit(Op::Br, 0, 0, 0, u64::from(head));
        if self.control[at].kind != Kind::Loop {
            self.control[at].to_end.push(jump);
        }
    }

    fn br_if(&mut self, depth: u32) {
        let (slot, negate) = self.condition();
        let (at, n) = self.target(depth);
        let (taken, skipped) = if negate {
            (Op::BrUnless, Op::BrIf)
        } else {
            (Op::BrIf, Op::BrUnless)
        };
        let control = &self.control[at];
        if n == 0 && control.kind != Kind::Function {
            let head = control.head;
            let jump = self.emit(taken, 0, slot, 0, u64::from(head));
            if self.control[at].kind != Kind::Loop {
                self.control[at].to_end.push(jump);
            }
            return;
        }
        let skip = self.emit(skipped, 0, slot, 0, 0);
        let saved = self.stack.clone();
        self.branch(depth);
        self.stack = saved;
        self.code[skip].imm = self.label();
    }

    fn br_table(&mut self, depths: &[u32]) {
        let index = self.pop();
        let a = self.slot_of(index);
        self.emit(Op::BrTable, 0, a, 0, depths.len() as u64 - 1);
        let mut stubs: Vec<(u32, usize)> = Vec::new();
        for &depth in depths {
            let (at, n) = self.target(depth);
            if n == 0 && self.control[at].kind != Kind::Function {
                self.jump(at);
            } else {
                let jump = self.emit(Op::Br, 0, 0, 0, 0);
                stubs.push((depth, jump));
            }
        }
        for (depth, jump) in stubs {
            self.code[jump].imm = self.label();
            let saved = self.stack.clone();
            self.branch(depth);
            self.stack = saved;
        }
    }

    /// Moves the results to where the caller looks for them, and returns.
    fn return_(&mut self) {
        let n = self.results;
        let from = self.stack.len() - n;
        if n > 1 {
            // Results may be locals that the moves below overwrite.
            (from..self.stack.len()).for_each(|i| self.flush(i));
        }
        for i in 0..n {
            let entry = self.stack[from + i];
            let dest = (FRAME_ARGS as usize + i) as u16;
            if n == 1 {
                self.move_to(dest, entry)
            } else {
                self.copy_to(dest, entry)
            }
        }
        self.emit(Op::Return, 0, 0, 0, 0);
    }
}

/// An operator's name without its operands.
fn name(operator: &Operator<'_>) -> String {
    let debug = format!("{operator:?}");
    debug.split([' ', '{', '(']).next().unwrap_or("").to_owned()
}
