//! Rewrites a module so that its compiled run can be compared with the interpreter's.
//!
//! Adds: a count of register-stack cells that traps where `enter` does; an upper bound of micro steps; a map
//! of written 4 KiB pages (a byte a page, in a second memory); exports of everything a state root needs.
//! Written pages are noted by instrumentation: no signal handler, works wherever wasmtime does.

use crate::lower::{FunctionInfo, LowerError, Lowered};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction as I, MemArg, MemorySection, MemoryType, Module, TableSection, TypeSection,
    ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

/// log2 of the bytes whose writes are noted together.
pub(super) const MAP_LOG2: u32 = 12;
/// Pages of the map's memory: a byte for each 4 KiB of 4 GiB, and one more for an access across the end.
const MAP_PAGES: u64 = 17;

/// Export names; none can be a user's, since names of exports are the module's own and these are checked.
pub(super) mod names {
    pub const MEMORY: &str = "assay:memory";
    pub const MAP: &str = "assay:map";
    pub const CELLS: &str = "assay:cells";
    pub const STEPS: &str = "assay:steps";
    pub const START: &str = "assay:start";
    pub const GLOBAL: &str = "assay:global:";
    pub const DROPPED: &str = "assay:dropped:";
}

/// The instrumented module.
pub(super) fn instrument(wasm: &[u8], lowered: &Lowered) -> Result<Vec<u8>, LowerError> {
    let mut sections = Sections::default();
    for payload in Parser::new(0).parse_all(wasm) {
        sections.payload(payload?, lowered)?;
    }
    sections.build(lowered)
}

fn unsupported<E: std::fmt::Debug>(e: E) -> LowerError {
    LowerError {
        offset: 0,
        reason: format!("re-encoding for the compiled engine: {e:?}"),
    }
}

/// The module's sections, re-encoded, in the order they are written.
#[derive(Default)]
struct Sections<'a> {
    types: TypeSection,
    type_params: Vec<u32>,
    imports: ImportSection,
    imported: u32,
    functions: FunctionSection,
    /// Number of parameters of each defined function.
    params: Vec<u32>,
    tables: TableSection,
    memory: Option<MemoryType>,
    globals: GlobalSection,
    exports: ExportSection,
    start: Option<u32>,
    elements: ElementSection,
    data_count: Option<u32>,
    bodies: Vec<FunctionBody<'a>>,
    data: DataSection,
}

impl<'a> Sections<'a> {
    fn payload(&mut self, payload: Payload<'a>, lowered: &Lowered) -> Result<(), LowerError> {
        let mut r = RoundtripReencoder;
        match payload {
            Payload::TypeSection(reader) => {
                for ty in reader.clone().into_iter_err_on_gc_types() {
                    self.type_params.push(ty?.params().len() as u32);
                }
                r.parse_type_section(&mut self.types, reader)
                    .map_err(unsupported)?;
            }
            Payload::ImportSection(reader) => {
                self.imported = reader.clone().into_imports().count() as u32;
                r.parse_import_section(&mut self.imports, reader)
                    .map_err(unsupported)?;
            }
            Payload::FunctionSection(reader) => {
                for ty in reader.clone() {
                    self.params.push(self.type_params[ty? as usize]);
                }
                r.parse_function_section(&mut self.functions, reader)
                    .map_err(unsupported)?;
            }
            Payload::TableSection(reader) => r
                .parse_table_section(&mut self.tables, reader)
                .map_err(unsupported)?,
            Payload::MemorySection(reader) => {
                for memory in reader {
                    self.memory = Some(memory_type(
                        memory?.initial,
                        u64::from(lowered.image.limits.max_pages),
                    ));
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?;
                    let ty = r.global_type(global.ty).map_err(unsupported)?;
                    self.globals
                        .global(ty, &r.const_expr(global.init_expr).map_err(unsupported)?);
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    let driven = matches!(export.name, "step" | "_start" | "main");
                    if driven && export.kind == wasmparser::ExternalKind::Func {
                        self.exports
                            .export(export.name, ExportKind::Func, export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => r
                .parse_element_section(&mut self.elements, reader)
                .map_err(unsupported)?,
            Payload::DataCountSection { count, .. } => self.data_count = Some(count),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(reader) => r
                .parse_data_section(&mut self.data, reader)
                .map_err(unsupported)?,
            _ => {}
        }
        Ok(())
    }

    fn build(mut self, lowered: &Lowered) -> Result<Vec<u8>, LowerError> {
        let users = self.globals.len();
        let added = Added {
            cells: users,
            steps: users + 1,
            dropped: users + 2,
            mark: self.imported + self.bodies.len() as u32,
            map: u32::from(self.memory.is_some()),
            stack_cells: lowered.image.limits.stack_cells,
            step_bound: 1 << (lowered.image.limits.b - 1),
        };
        self.functions.function(self.types.len());
        self.types.ty().function([ValType::I32, ValType::I32], []);
        self.globals
            .global(mutable(ValType::I32), &ConstExpr::i32_const(0));
        self.globals
            .global(mutable(ValType::I64), &ConstExpr::i64_const(0));

        let mut memories = MemorySection::new();
        if let Some(memory) = self.memory {
            memories.memory(memory);
            self.exports.export(names::MEMORY, ExportKind::Memory, 0);
        }
        memories.memory(memory_type(MAP_PAGES, MAP_PAGES));
        self.exports
            .export(names::MAP, ExportKind::Memory, added.map);
        self.exports
            .export(names::CELLS, ExportKind::Global, added.cells);
        self.exports
            .export(names::STEPS, ExportKind::Global, added.steps);
        (0..users).for_each(|i| {
            self.exports
                .export(&format!("{}{i}", names::GLOBAL), ExportKind::Global, i);
        });
        for i in 0..self.data.len() {
            self.globals
                .global(mutable(ValType::I64), &ConstExpr::i64_const(0));
            self.exports.export(
                &format!("{}{i}", names::DROPPED),
                ExportKind::Global,
                added.dropped + i,
            );
        }
        // The driver calls the start function itself, after it has set the cell count.
        if let Some(start) = self.start {
            self.exports.export(names::START, ExportKind::Func, start);
        }

        let mut code = CodeSection::new();
        for ((body, info), params) in self.bodies.iter().zip(&lowered.functions).zip(&self.params) {
            code.function(&rewrite(body, info, *params, &added, self.imported)?);
        }
        code.function(&mark_function(&added));

        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&self.tables);
        module
            .section(&memories)
            .section(&self.globals)
            .section(&self.exports)
            .section(&self.elements);
        if let Some(count) = self.data_count {
            module.section(&DataCountSection { count });
        }
        module.section(&code).section(&self.data);
        Ok(module.finish())
    }
}

/// Indices of what is added, and the stack limit.
#[derive(Clone, Copy)]
struct Added {
    cells: u32,
    steps: u32,
    /// First of the flags that say which data segments have been dropped.
    dropped: u32,
    mark: u32,
    map: u32,
    stack_cells: u32,
    /// Micro steps of a macro step above which the interpreter decides.
    step_bound: i64,
}

fn memory_type(minimum: u64, maximum: u64) -> MemoryType {
    MemoryType {
        minimum,
        maximum: Some(maximum),
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

fn mutable(val_type: ValType) -> GlobalType {
    GlobalType {
        val_type,
        mutable: true,
        shared: false,
    }
}

/// Scratch locals of a rewritten function.
struct Scratch {
    address: u32,
    second: u32,
    third: u32,
    i32: u32,
    i64: u32,
    f32: u32,
}

fn rewrite(
    body: &FunctionBody<'_>,
    info: &FunctionInfo,
    params: u32,
    added: &Added,
    imported: u32,
) -> Result<Function, LowerError> {
    let mut r = RoundtripReencoder;
    let mut locals = Vec::new();
    let mut count = params;
    for local in body.get_locals_reader()? {
        let (n, ty) = local?;
        locals.push((n, r.val_type(ty).map_err(unsupported)?));
        count += n;
    }
    locals.extend([(4, ValType::I32), (1, ValType::I64), (1, ValType::F32)]);
    let scratch = Scratch {
        address: count,
        second: count + 1,
        third: count + 2,
        i32: count + 3,
        i64: count + 4,
        f32: count + 5,
    };
    let mut f = Function::new(locals);
    enter(&mut f, info, added);
    let (mut bases, mut weights) = (info.call_bases.iter(), info.weights.iter().skip(1));
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let operator = reader.read()?;
        let instruction = r.instruction(operator.clone()).map_err(unsupported)?;
        match &operator {
            Operator::Loop { .. } => {
                f.instruction(&instruction);
                count_steps(&mut f, added, weights.next().copied().unwrap_or(0));
            }
            Operator::Call { function_index } if *function_index < imported => {
                let _ = bases.next();
                count_bulk(&mut f, added, &scratch);
                f.instruction(&instruction);
            }
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                let base = bases.next().copied().unwrap_or(0);
                move_frame(&mut f, added, base, &I::I32Add);
                f.instruction(&instruction);
                move_frame(&mut f, added, base, &I::I32Sub);
            }
            Operator::MemoryFill { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryInit { .. } => {
                count_bulk(&mut f, added, &scratch);
                f.instruction(&I::LocalSet(scratch.third))
                    .instruction(&I::LocalSet(scratch.second));
                f.instruction(&I::LocalTee(scratch.address));
                f.instruction(&I::LocalGet(scratch.second))
                    .instruction(&I::LocalGet(scratch.third));
                f.instruction(&instruction);
                f.instruction(&I::LocalGet(scratch.address))
                    .instruction(&I::LocalGet(scratch.third));
                f.instruction(&I::Call(added.mark));
            }
            Operator::DataDrop { data_index } => {
                f.instruction(&instruction).instruction(&I::I64Const(1));
                f.instruction(&I::GlobalSet(added.dropped + data_index));
            }
            other => match stored(other, &scratch) {
                Some((value, offset)) => {
                    f.instruction(&I::LocalSet(value))
                        .instruction(&I::LocalTee(scratch.address));
                    f.instruction(&I::LocalGet(value)).instruction(&instruction);
                    mark_store(&mut f, added, scratch.address, offset);
                }
                None => {
                    f.instruction(&instruction);
                }
            },
        }
    }
    Ok(f)
}

/// The scratch local for the value of a store, and the store's offset.
fn stored(operator: &Operator<'_>, scratch: &Scratch) -> Option<(u32, u64)> {
    match operator {
        Operator::I32Store { memarg }
        | Operator::I32Store8 { memarg }
        | Operator::I32Store16 { memarg } => Some((scratch.i32, memarg.offset)),
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => Some((scratch.i64, memarg.offset)),
        Operator::F32Store { memarg } => Some((scratch.f32, memarg.offset)),
        _ => None,
    }
}

/// Traps exactly where the machine's `enter` traps.
fn enter(f: &mut Function, info: &FunctionInfo, added: &Added) {
    f.instruction(&I::GlobalGet(added.cells))
        .instruction(&I::I32Const(info.frame_cells as i32));
    f.instruction(&I::I32Add)
        .instruction(&I::I32Const(added.stack_cells as i32))
        .instruction(&I::I32GtU);
    f.instruction(&I::If(BlockType::Empty))
        .instruction(&I::Unreachable)
        .instruction(&I::End);
    count_steps(f, added, info.weights.first().copied().unwrap_or(0));
}

fn count_steps(f: &mut Function, added: &Added, weight: u32) {
    f.instruction(&I::GlobalGet(added.steps))
        .instruction(&I::I64Const(i64::from(weight)));
    f.instruction(&I::I64Add)
        .instruction(&I::GlobalSet(added.steps));
    // Past the bound the interpreter decides; stopping here ends loops that would not.
    f.instruction(&I::GlobalGet(added.steps))
        .instruction(&I::I64Const(added.step_bound))
        .instruction(&I::I64GtS);
    f.instruction(&I::If(BlockType::Empty))
        .instruction(&I::Unreachable)
        .instruction(&I::End);
}

/// Counts the steps of a bulk operation, whose length is on the stack: at most two for each 128 bytes, and a few.
fn count_bulk(f: &mut Function, added: &Added, scratch: &Scratch) {
    f.instruction(&I::LocalTee(scratch.i32))
        .instruction(&I::LocalGet(scratch.i32))
        .instruction(&I::I32Const(6));
    f.instruction(&I::I32ShrU)
        .instruction(&I::I64ExtendI32U)
        .instruction(&I::I64Const(6))
        .instruction(&I::I64Add);
    f.instruction(&I::GlobalGet(added.steps))
        .instruction(&I::I64Add)
        .instruction(&I::GlobalSet(added.steps));
}

fn move_frame(f: &mut Function, added: &Added, base: u32, op: &I<'_>) {
    f.instruction(&I::GlobalGet(added.cells))
        .instruction(&I::I32Const(base as i32));
    f.instruction(op).instruction(&I::GlobalSet(added.cells));
}

fn map_byte(added: &Added) -> MemArg {
    MemArg {
        offset: 0,
        align: 0,
        memory_index: added.map,
    }
}

/// Notes the page of a store that has just succeeded.
fn mark_store(f: &mut Function, added: &Added, address: u32, offset: u64) {
    f.instruction(&I::LocalGet(address))
        .instruction(&I::I32Const(offset as u32 as i32))
        .instruction(&I::I32Add);
    f.instruction(&I::I32Const(MAP_LOG2 as i32))
        .instruction(&I::I32ShrU)
        .instruction(&I::I32Const(1));
    f.instruction(&I::I32Store8(map_byte(added)));
}

/// `mark(dst, len)`: notes every page of a bulk write.
fn mark_function(added: &Added) -> Function {
    let (dst, len, last) = (0, 1, 2);
    let mut f = Function::new([(1, ValType::I32)]);
    f.instruction(&I::LocalGet(len)).instruction(&I::I32Eqz);
    f.instruction(&I::If(BlockType::Empty))
        .instruction(&I::Return)
        .instruction(&I::End);
    f.instruction(&I::LocalGet(dst))
        .instruction(&I::LocalGet(len))
        .instruction(&I::I32Add);
    f.instruction(&I::I32Const(1)).instruction(&I::I32Sub);
    f.instruction(&I::I32Const(MAP_LOG2 as i32))
        .instruction(&I::I32ShrU)
        .instruction(&I::LocalSet(last));
    f.instruction(&I::LocalGet(dst))
        .instruction(&I::I32Const(MAP_LOG2 as i32))
        .instruction(&I::I32ShrU);
    f.instruction(&I::LocalSet(dst))
        .instruction(&I::Loop(BlockType::Empty));
    f.instruction(&I::LocalGet(dst))
        .instruction(&I::I32Const(1))
        .instruction(&I::I32Store8(map_byte(added)));
    f.instruction(&I::LocalGet(dst))
        .instruction(&I::I32Const(1))
        .instruction(&I::I32Add)
        .instruction(&I::LocalTee(dst));
    f.instruction(&I::LocalGet(last))
        .instruction(&I::I32LeU)
        .instruction(&I::BrIf(0))
        .instruction(&I::End);
    f.instruction(&I::End);
    f
}
