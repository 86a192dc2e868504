//! Constant expressions: what globals, tables and segments start from.

use super::{LowerError, refuse};
use crate::lower::accept::check_heap_type;
use wasmparser::{ConstExpr, Operator};

/// A value known before any instruction runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// A number or a null reference, as its cell.
    Cell(u64),
    /// A vector.
    Vector(u128),
    /// A reference to a function, whose cell is known only when all bodies are lowered.
    Function(u32),
}

impl Value {
    /// Its cells, the low half of a vector first, given the cell of each function.
    pub fn cells(self, function: &impl Fn(u32) -> u64) -> Vec<u64> {
        match self {
            Value::Cell(cell) => vec![cell],
            Value::Vector(v) => vec![v as u64, (v >> 64) as u64],
            Value::Function(f) => vec![function(f)],
        }
    }
}

/// Refuses `function` as a reference if it is the import: it has no place in the code.
pub(super) fn check_reference(function: u32, imported: u32, at: u64) -> Result<(), LowerError> {
    if function < imported {
        return refuse(at, "a reference to assay.read");
    }
    Ok(())
}

/// The value of a validated constant expression; `earlier` are the globals before it.
pub(super) fn evaluate(
    expr: &ConstExpr<'_>,
    earlier: &[Value],
    imported: u32,
) -> Result<Value, LowerError> {
    let mut stack = Vec::new();
    let mut reader = expr.get_operators_reader();
    while !reader.eof() {
        let (operator, at) = reader.read_with_offset()?;
        let at = at as u64;
        match operator {
            Operator::I32Const { value } => stack.push(Value::Cell(u64::from(value as u32))),
            Operator::I64Const { value } => stack.push(Value::Cell(value as u64)),
            Operator::F32Const { value } => stack.push(Value::Cell(u64::from(value.bits()))),
            Operator::F64Const { value } => stack.push(Value::Cell(value.bits())),
            Operator::V128Const { value } => stack.push(Value::Vector(value.i128() as u128)),
            Operator::RefNull { hty } => {
                check_heap_type(hty, at)?;
                stack.push(Value::Cell(0));
            }
            Operator::RefFunc { function_index } => {
                check_reference(function_index, imported, at)?;
                stack.push(Value::Function(function_index));
            }
            Operator::GlobalGet { global_index } => stack.push(earlier[global_index as usize]),
            Operator::I32Add => arithmetic(&mut stack, |a, b| narrow(a.wrapping_add(b))),
            Operator::I32Sub => arithmetic(&mut stack, |a, b| narrow(a.wrapping_sub(b))),
            Operator::I32Mul => arithmetic(&mut stack, |a, b| narrow(a.wrapping_mul(b))),
            Operator::I64Add => arithmetic(&mut stack, u64::wrapping_add),
            Operator::I64Sub => arithmetic(&mut stack, u64::wrapping_sub),
            Operator::I64Mul => arithmetic(&mut stack, u64::wrapping_mul),
            Operator::End => {}
            other => {
                let name = super::operators::name(&other);
                return refuse(
                    at,
                    format!("{name} in a constant expression is not supported"),
                );
            }
        }
    }
    Ok(stack
        .pop()
        .expect("a validated expression leaves one value"))
}

/// The cell of an i32 that an operation on cells gave.
fn narrow(value: u64) -> u64 {
    u64::from(value as u32)
}

/// Replaces the top two values by `f` of them. Validated: both are there, and are integers.
fn arithmetic(stack: &mut Vec<Value>, f: impl Fn(u64, u64) -> u64) {
    if let (Some(Value::Cell(b)), Some(Value::Cell(a))) = (stack.pop(), stack.pop()) {
        stack.push(Value::Cell(f(a, b)));
    }
}
