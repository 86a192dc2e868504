//! What of a validated module is accepted.
//!
//! The validator lets through a little more than the machine has: constant expressions that read the module's own
//! globals, and tables with initial elements, came with the GC and function-reference proposals, so these are on; whatever
//! else they brought is refused here. Dead code is looked at too: what a module may hold does not depend on control flow.

use super::constant::check_reference;
use super::operators::{name, proposal};
use super::{LowerError, refuse};
use wasmparser::{
    BlockType, FuncType, FunctionBody, HeapType, Operator, RefType, ValType, WasmFeatures,
};

/// What the validator allows.
pub(super) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC);

/// Proposals, as the parser's table names them, whose instructions are lowered.
const PROPOSALS: [&str; 6] = [
    "mvp",
    "sign_extension",
    "saturating_float_to_int",
    "bulk_memory",
    "reference_types",
    "simd",
];

/// Refuses values that no cell holds.
pub(super) fn check_type(ty: ValType, at: u64) -> Result<(), LowerError> {
    match ty {
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128 => Ok(()),
        ValType::Ref(RefType::FUNCREF | RefType::EXTERNREF) => Ok(()),
        ValType::Ref(_) => refuse(at, format!("values of type {ty} are not supported")),
    }
}

/// Refuses nulls of other types than funcref and externref.
pub(super) fn check_heap_type(hty: HeapType, at: u64) -> Result<(), LowerError> {
    match RefType::new(true, hty) {
        Some(ty) => check_type(ValType::Ref(ty), at),
        None => refuse(at, "a reference type with too large an index"),
    }
}

/// Refuses function types with values that no cell holds.
pub(super) fn check_func_type(ty: &FuncType, at: u64) -> Result<(), LowerError> {
    let types = ty.params().iter().chain(ty.results());
    types.copied().try_for_each(|t| check_type(t, at))
}

/// Refuses a body with an instruction or a type that is not lowered; tells `grown` each table that it grows.
pub(super) fn check_body(
    body: &FunctionBody<'_>,
    imported: u32,
    mut grown: impl FnMut(u32),
) -> Result<(), LowerError> {
    let mut locals = body.get_locals_reader()?;
    for _ in 0..locals.get_count() {
        let at = locals.original_position() as u64;
        let (_, ty) = locals.read()?;
        check_type(ty, at)?;
    }
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, at) = reader.read_with_offset()?;
        let at = at as u64;
        let proposal = proposal(&operator);
        if !PROPOSALS.contains(&proposal) {
            let name = name(&operator);
            return refuse(
                at,
                format!("instruction {name} (proposal {proposal}) is not supported"),
            );
        }
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                // A block's function type is checked with the type section.
                if let BlockType::Type(ty) = blockty {
                    check_type(ty, at)?;
                }
            }
            Operator::TypedSelect { ty } => check_type(ty, at)?,
            Operator::TypedSelectMulti { .. } => {
                return refuse(at, "a select of several values is not supported");
            }
            Operator::RefNull { hty } => check_heap_type(hty, at)?,
            Operator::RefFunc { function_index } => check_reference(function_index, imported, at)?,
            Operator::TableGrow { table } => grown(table),
            _ => {}
        }
    }
    Ok(())
}
