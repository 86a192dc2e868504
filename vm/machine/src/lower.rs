//! Lowers a WASM module to flat code. The lowered program *is* the program; its id commits to all of it.
//!
//! Off chain and once. Whatever can't be proven is refused here, with the reason and the byte offset.

mod accept;
mod constant;
mod function;
mod layout;
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
    /// Number of imported functions; they come first in the index space.
    pub imported: u32,
    /// One entry a defined function, in order.
    pub functions: Vec<FunctionInfo>,
    /// First globals cell of each global.
    pub globals: Vec<u32>,
    /// Where each table lies.
    pub tables: Vec<Table>,
    /// Cell offset of the entry stub's call frame.
    pub entry_base: u32,
    /// How the module is driven.
    pub driver: Driver,
}

/// Where a table lies in the table tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// Cell of element 0.
    pub base: u32,
    /// Most elements it can have.
    pub capacity: u32,
}

impl Table {
    /// Its globals cell when it has `size` elements.
    pub fn cell(&self, size: u32) -> u64 {
        u64::from(size) | u64::from(self.base) << 32
    }
}

/// How the program is driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// `step() -> i32`, again and again.
    Step,
    /// `_start()`, once.
    Start,
    /// `main() -> i32` or `main(i32, i32) -> i32`, once; the arguments are 0.
    Main,
}

impl Driver {
    /// The export that is called.
    pub fn export(self) -> &'static str {
        match self {
            Driver::Step => "step",
            Driver::Start => "_start",
            Driver::Main => "main",
        }
    }
}

/// Cells of the entry stub's own frame; its callee's frame starts here.
const STUB_FRAME: u32 = FRAME_ALIGN;

/// What is written into an instruction's immediate once all functions have their places: instruction, function index.
enum Patch {
    /// The pc to call.
    Call(usize, u32),
    /// The cell of a reference.
    Reference(usize, u32),
}

/// Lowers `wasm`.
pub fn lower(wasm: &[u8]) -> Result<Lowered, LowerError> {
    let module = Module::parse(wasm)?;
    let (mut code, mut patches) = (vec![Instr::default()], Vec::new());
    let entry = code.len() as u32;
    let driver = entry_stub(&module, &mut code, &mut patches);

    let (mut functions, mut entries) = (Vec::new(), Vec::new());
    for body in &module.bodies {
        let pc = code.len() as u64;
        let mut info = lower_function(&module, body, &mut code, &mut patches)?;
        info.reference = pc | u64::from(module.type_id(body.ty)) << 32;
        entries.push(pc);
        functions.push(info);
        if code.len() as u64 > u64::from(CODE_INSTRUCTIONS) {
            let offset = body.body.range().start as u64;
            return refuse(
                offset,
                format!("the program exceeds {CODE_INSTRUCTIONS} instructions"),
            );
        }
    }
    let reference = |function: u32| functions[module.defined(function)].reference;
    for patch in patches {
        match patch {
            Patch::Call(at, function) => code[at].imm = entries[module.defined(function)],
            Patch::Reference(at, function) => code[at].imm = reference(function),
        }
    }

    let parts = module.parts(&reference);
    let limits = Limits {
        pages: module.pages,
        max_pages: module.config.max_pages,
        volatile_log2: module.config.volatile_log2,
        stack_cells: module.config.stack_cells,
        a: module.config.a,
        b: module.config.b,
        entry,
    };
    let globals = module.global_cells().to_vec();
    let (imported, tables) = (module.imported, module.tables);
    let image = Image::new(
        limits,
        code,
        parts.table,
        parts.segments,
        module.memory,
        parts.globals,
    );
    Ok(Lowered {
        image: Arc::new(image),
        imported,
        functions,
        globals,
        tables,
        entry_base: STUB_FRAME,
        driver,
    })
}

/// Emits the code that a macro step starts with: it calls what the module exports and ends the macro step.
fn entry_stub(module: &Module<'_>, code: &mut Vec<Instr>, patches: &mut Vec<Patch>) -> Driver {
    let (driver, function) = match module.entry {
        Entry::Step(f) => (Driver::Step, f),
        Entry::Start(f) => (Driver::Start, f),
        Entry::Main(f) => (Driver::Main, f),
    };
    for function in module.start.into_iter().chain([function]) {
        // A start function may have left something where the arguments of `main` are.
        for i in 0..module.func_type(function).params().len() as u32 {
            code.push(Instr {
                op: Op::Const as u16,
                d: (STUB_FRAME + FRAME_ARGS + i) as u16,
                ..Instr::default()
            });
        }
        patches.push(Patch::Call(code.len(), function));
        code.push(Instr {
            op: Op::Call as u16,
            d: STUB_FRAME as u16,
            ..Instr::default()
        });
    }
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
    driver
}
