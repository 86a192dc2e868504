//! One function body to flat code.
//!
//! Every operand-stack entry has a canonical slot, a function of the types below it, so code from different
//! paths agrees. Reads of locals and constants stay lazy until something needs them in a slot.

mod bulk;
mod calls;
mod control;
mod stack;
mod vectors;

use super::layout::{lay_out, widths};
use super::module::{Body, Module};
use super::operators::{Plain, cell_access, name, plain};
use super::{LowerError, Patch, refuse};
use crate::isa::{IMM_FORM, Instr, Op};
use assay_types::params::{FRAME_ALIGN, FRAME_ARGS};
use control::{Control, Kind};
use stack::{Entry, Loc};
use wasmparser::{Operator, ValType};

/// What the compiled engine needs to count stack cells and steps as the interpreter does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Cell of a reference to it.
    pub reference: u64,
    /// Cells checked by the function's `enter`.
    pub frame_cells: u32,
    /// Offset of the callee's frame, one a call instruction in order of occurrence (0 in dead code, and for `assay.read`).
    pub call_bases: Vec<u32>,
    /// Most instructions executed a visit: of the body outside loops, then of each loop without its inner loops.
    pub weights: Vec<u32>,
}

/// A local's place.
#[derive(Clone, Copy, Debug)]
struct Local {
    slot: u16,
    width: u32,
}

struct Lowerer<'m, 'a> {
    module: &'m Module<'a>,
    code: &'m mut Vec<Instr>,
    patches: &'m mut Vec<Patch>,
    locals: Vec<Local>,
    /// First slot of the operand stack.
    base: u32,
    stack: Vec<Entry>,
    control: Vec<Control>,
    /// Blocks opened in dead code.
    dead_depth: u32,
    /// Instruction that alone defined a temp, with nothing in between: its destination may still be changed.
    last_def: Option<usize>,
    /// One past the highest slot used.
    top: u32,
    info: FunctionInfo,
    offset: u64,
}

/// Types of the parameters, then of the other locals.
fn local_types(body: &Body<'_>, params: &[ValType]) -> Result<Vec<ValType>, LowerError> {
    let mut types = params.to_vec();
    for local in body.body.get_locals_reader()? {
        let (count, ty) = local?;
        if types.len() + count as usize > 40_000 {
            let offset = body.body.range().start as u64;
            return refuse(offset, "a function with more than 40000 locals");
        }
        types.extend(std::iter::repeat_n(ty, count as usize));
    }
    Ok(types)
}

/// Lowers one body; appends to `code`; `patches` collects what waits for the places of functions.
pub(super) fn lower_function(
    module: &Module<'_>,
    body: &Body<'_>,
    code: &mut Vec<Instr>,
    patches: &mut Vec<Patch>,
) -> Result<FunctionInfo, LowerError> {
    let ty = &module.types[body.ty as usize];
    let offset = body.body.range().start as u64;
    let local_widths = widths(&local_types(body, ty.params())?);
    // Parameters come first, so they lie where a caller puts them.
    let (places, base) = lay_out(FRAME_ARGS, &local_widths);
    let locals = places
        .iter()
        .zip(&local_widths)
        .map(|(&slot, &width)| Local {
            slot: slot as u16,
            width,
        });
    let results = widths(ty.results());
    let (_, results_end) = lay_out(FRAME_ARGS, &results);
    let start = code.len();
    let mut l = Lowerer {
        module,
        code,
        patches,
        locals: locals.collect(),
        base,
        stack: Vec::new(),
        control: Vec::new(),
        dead_depth: 0,
        last_def: None,
        top: base.max(results_end),
        info: FunctionInfo {
            weights: vec![0],
            ..FunctionInfo::default()
        },
        offset,
    };
    l.control
        .push(l.frame(Kind::Function, Vec::new(), results, 0));
    l.emit(Op::Enter, 0, 0, 0, 0);
    for i in ty.params().len()..l.locals.len() {
        let local = l.locals[i];
        l.constant(local.slot, local.width, 0);
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

impl Lowerer<'_, '_> {
    fn operator(&mut self, operator: &Operator<'_>) -> Result<(), LowerError> {
        if self.control.last().is_some_and(|c| c.unreachable) {
            self.dead(operator);
        } else if let Some(plain) = plain(operator) {
            self.plain(plain);
        } else if let Some(access) = cell_access(operator) {
            self.cell_access(access);
        } else if !(self.control_operator(operator)?
            || self.call_operator(operator)
            || self.bulk_operator(operator)
            || self.vector_operator(operator)
            || self.variable(operator))
        {
            return refuse(
                self.offset,
                format!("instruction {} is not supported", name(operator)),
            );
        }
        Ok(())
    }

    fn plain(&mut self, plain: Plain) {
        match plain {
            Plain::Retype => {}
            Plain::Unary(op) => {
                let a = self.pop_slot();
                self.define(op, a, 0, 0);
            }
            Plain::Binary(op, commutes) => self.binary(op, commutes),
            Plain::Extract(op, lane) => {
                let a = self.pop_slot();
                self.define(op, a, 0, u64::from(lane));
            }
            Plain::Replace(op, lane) => {
                let (b, a) = (self.pop_slot(), self.pop_slot());
                self.define(op, a, b, u64::from(lane));
            }
            Plain::Load(op, memarg) => {
                let a = self.pop_slot();
                self.define(op, a, 0, memarg.offset);
            }
            Plain::Store(op, memarg) => {
                let (b, a) = (self.pop_slot(), self.pop_slot());
                self.emit(op, 0, a, b, memarg.offset);
            }
        }
    }

    fn binary(&mut self, op: Op, commutes: bool) {
        let (mut b, mut a) = (self.pop(), self.pop());
        if commutes && matches!(a.loc, Loc::Const(_)) && !matches!(b.loc, Loc::Const(_)) {
            (a, b) = (b, a);
        }
        let a_slot = self.slot_of(a);
        match b.loc {
            Loc::Const(imm) if op.has_imm_form() => {
                let at = self.define(op, a_slot, 0, imm as u64);
                self.code[at].op |= IMM_FORM;
            }
            Loc::Temp | Loc::Local(_) | Loc::Const(_) => {
                let b_slot = self.slot_of(b);
                self.define(op, a_slot, b_slot, 0);
            }
        }
    }

    /// Locals, globals, constants, and choosing between values.
    fn variable(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::Nop => {}
            Operator::Drop => {
                self.pop();
            }
            Operator::Select | Operator::TypedSelect { .. } => self.select(),
            Operator::LocalGet { local_index } => self.local_get(*local_index),
            Operator::LocalSet { local_index } => self.local_set(*local_index),
            Operator::LocalTee { local_index } => {
                self.local_set(*local_index);
                self.local_get(*local_index);
            }
            Operator::GlobalGet { global_index } => self.global_get(*global_index),
            Operator::GlobalSet { global_index } => self.global_set(*global_index),
            Operator::I32Const { value } => self.push_const(u128::from(*value as u32), 1),
            Operator::I64Const { value } => self.push_const(u128::from(*value as u64), 1),
            Operator::F32Const { value } => self.push_const(u128::from(value.bits()), 1),
            Operator::F64Const { value } => self.push_const(u128::from(value.bits()), 1),
            Operator::V128Const { value } => self.push_const(u128::from(*value), 2),
            Operator::RefNull { .. } => self.push_const(0, 1),
            Operator::RefFunc { function_index } => {
                let at = self.define(Op::Const, 0, 0, 0);
                self.patches.push(Patch::Reference(at, *function_index));
            }
            _ => return false,
        }
        true
    }

    fn push_const(&mut self, value: u128, width: u32) {
        self.push(Loc::Const(value), width);
    }

    fn local_get(&mut self, local: u32) {
        let Local { slot, width } = self.locals[local as usize];
        self.push(Loc::Local(slot), width);
    }

    fn local_set(&mut self, local: u32) {
        let slot = self.locals[local as usize].slot;
        let value = self.pop();
        if value.loc == Loc::Local(slot) {
            return;
        }
        // A preserving move must read the old value, so it precedes the write and forbids redirecting it.
        self.preserve(slot);
        self.move_to(slot, value);
    }

    fn global_get(&mut self, global: u32) {
        let (cell, width) = self.module.global(global);
        if width == 1 {
            self.define(Op::GlobalGet, 0, 0, u64::from(cell));
            return;
        }
        let d = self.push(Loc::Temp, width);
        self.emit(Op::GlobalGet, d, 0, 0, u64::from(cell));
        self.emit(Op::GlobalGet, d.wrapping_add(1), 0, 0, u64::from(cell + 1));
    }

    fn global_set(&mut self, global: u32) {
        let (cell, width) = self.module.global(global);
        let a = self.pop_slot();
        for half in 0..width {
            let slot = a.wrapping_add(half as u16);
            self.emit(Op::GlobalSet, 0, slot, 0, u64::from(cell + half));
        }
    }

    fn select(&mut self) {
        let (c, b, a) = (self.pop(), self.pop(), self.pop());
        let op = if a.width == 2 {
            Op::V128Select
        } else {
            Op::Select
        };
        let (a, b, c) = (self.slot_of(a), self.slot_of(b), self.slot_of(c));
        self.define(op, a, b, u64::from(c));
    }
}
