//! Lowers a WASM module to flat code. The lowered program *is* the program; its id commits to all of it.
//!
//! Off chain and once. Whatever can't be proven is refused here, with the reason and the byte offset.

mod function;
mod module;
mod operators;

pub use function::FunctionInfo;

use crate::image::{Image, Limits};
use crate::isa::{IMM_FORM, Instr, Op};
use assay_types::params::{CODE_INSTRUCTIONS, FRAME_ALIGN, FRAME_ARGS};
use function::lower_function;
use module::{Entry, Module};
use std::sync::Arc;
use thiserror::Error;

/// Why a module can't be lowered.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{reason} (at byte {offset:#x} of the module)")]
pub struct LowerError {
    /// Where, in bytes from the module's start.
    pub offset: u64,
    /// What is wrong or unsupported.
    pub reason: String,
}

impl From<wasmparser::BinaryReaderError> for LowerError {
    fn from(e: wasmparser::BinaryReaderError) -> Self {
        LowerError {
            offset: e.offset() as u64,
            reason: e.message().to_owned(),
        }
    }
}

pub(crate) fn refuse<T>(offset: u64, reason: impl Into<String>) -> Result<T, LowerError> {
    Err(LowerError {
        offset,
        reason: reason.into(),
    })
}

/// A lowered module, with what the compiled engine needs to count as the interpreter does.
pub struct Lowered {
    /// The program.
    pub image: Arc<Image>,
    /// One entry a defined function, in order.
    pub functions: Vec<FunctionInfo>,
    /// Cell offset of the entry stub's call frame.
    pub entry_base: u32,
    /// How the module is driven.
    pub driver: Driver,
}

/// How the program is driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// `step() -> i32`, again and again.
    Step,
    /// `_start()`, once.
    Start,
    /// `main() -> i32`, once.
    Main,
}

/// Cells of the entry stub's own frame; its callee's frame starts here.
const STUB_FRAME: u32 = FRAME_ALIGN;

/// Lowers `wasm`.
pub fn lower(wasm: &[u8]) -> Result<Lowered, LowerError> {
    let module = Module::parse(wasm)?;
    let mut code = vec![Instr::default()];
    let entry = code.len() as u32;
    let mut stub_calls = Vec::new();
    let mut stub_call = |code: &mut Vec<Instr>, function: u32| {
        stub_calls.push((code.len(), function));
        code.push(Instr {
            op: Op::Call as u16,
            d: STUB_FRAME as u16,
            ..Instr::default()
        });
    };
    let (driver, function) = match module.entry {
        Entry::Step(f) => (Driver::Step, f),
        Entry::Start(f) => (Driver::Start, f),
        Entry::Main(f) => (Driver::Main, f),
    };
    if let Some(start) = module.start {
        stub_call(&mut code, start);
    }
    stub_call(&mut code, function);
    let result = (STUB_FRAME + FRAME_ARGS) as u16;
    code.push(match driver {
        Driver::Step => Instr {
            op: Op::Finish as u16,
            a: result,
            ..Instr::default()
        },
        Driver::Start => Instr {
            op: Op::Halt as u16 | IMM_FORM,
            ..Instr::default()
        },
        Driver::Main => Instr {
            op: Op::Halt as u16,
            b: result,
            ..Instr::default()
        },
    });

    let (mut functions, mut entries, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for body in &module.bodies {
        entries.push(code.len() as u32);
        let info = lower_function(&module, body, functions.len() as u32, &mut code, &mut calls)?;
        functions.push(info);
        if code.len() as u64 > u64::from(CODE_INSTRUCTIONS) {
            let offset = body.body.range().start as u64;
            return refuse(
                offset,
                format!("the program exceeds {CODE_INSTRUCTIONS} instructions"),
            );
        }
    }
    for (at, function) in calls.into_iter().chain(stub_calls) {
        code[at].imm = u64::from(entries[module.defined(function) as usize]);
    }

    let table = module.table_cells(&entries);
    let limits = Limits {
        pages: module.pages,
        max_pages: module.config.max_pages,
        volatile_log2: module.config.volatile_log2,
        stack_cells: module.config.stack_cells,
        a: module.config.a,
        b: module.config.b,
        entry,
    };
    let image = Image::new(
        limits,
        code,
        table,
        module.segments,
        module.memory,
        module.globals,
    );
    Ok(Lowered {
        image: Arc::new(image),
        functions,
        entry_base: STUB_FRAME,
        driver,
    })
}
