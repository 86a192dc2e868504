//! Rewrites a module so that its compiled run can be compared with the interpreter's.
//!
//! Adds: a count of register-stack cells that traps where `enter` does; an upper bound of micro steps; a map
//! of written blocks of memory (a byte a block, in a second memory); a flag that says that a table was written; exports of
//! everything a state root needs. Writes are noted by instrumentation: no signal handler, works wherever wasmtime does.

use super::rewrite::rewrite;
use super::stores::mark_function;
use crate::lower::{LowerError, Lowered, Table};
use assay_types::params::{DATA_DROPPED_BASE, ELEM_DROPPED_BASE};
use std::collections::BTreeSet;
use wasm_encoder::reencode::{Error, Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, ExportKind,
    ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection,
    MemoryType, Module, TableSection, TypeSection, ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload, TableSectionReader};

/// log2 of a block's bytes, whose writes are noted together: few enough that little is hashed in vain, and enough that the
/// map of a large memory is soon looked through.
pub(super) const MAP_LOG2: u32 = 9;
/// Pages of the map's memory: a byte for each block of 4 GiB, and one more for an access across the end.
const MAP_PAGES: u64 = (1 << (32 - MAP_LOG2 - 16)) + 1;

/// Export names. None can be a user's: of the user's exports only the driven function is kept.
pub(super) mod names {
    pub const MEMORY: &str = "assay:memory";
    pub const MAP: &str = "assay:map";
    pub const CELLS: &str = "assay:cells";
    pub const STEPS: &str = "assay:steps";
    pub const TABLES_WRITTEN: &str = "assay:tables-written";
    pub const START: &str = "assay:start";
    pub const GLOBAL: &str = "assay:global:";
    pub const TABLE: &str = "assay:table:";
    pub const DATA_DROPPED: &str = "assay:data-dropped:";
    pub const ELEM_DROPPED: &str = "assay:elem-dropped:";
    /// Functions that something refers to, by their index.
    pub const FUNCTION: &str = "assay:function:";
}

/// The instrumented module.
pub(super) fn instrument(wasm: &[u8], lowered: &Lowered) -> Result<Vec<u8>, LowerError> {
    let mut sections = Sections::default();
    for payload in Parser::new(0).parse_all(wasm) {
        sections.payload(payload?, lowered)?;
    }
    sections.build(lowered)
}

pub(super) fn unsupported<E: std::fmt::Debug>(e: E) -> LowerError {
    LowerError {
        offset: 0,
        reason: format!("re-encoding for the compiled engine: {e:?}"),
    }
}

/// Re-encodes as it is, and notes the functions that are referred to.
#[derive(Default)]
struct References(BTreeSet<u32>);

impl Reencode for References {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        self.0.insert(function);
        Ok(function)
    }
}

/// Indices of what is added, and limits.
#[derive(Clone, Copy)]
pub(super) struct Added {
    /// Number of imported functions.
    pub imported: u32,
    pub cells: u32,
    pub steps: u32,
    pub tables_written: u32,
    /// First of the flags that say which data segments have been dropped.
    pub data_dropped: u32,
    /// As `data_dropped`, of element segments.
    pub elem_dropped: u32,
    pub mark: u32,
    pub map: u32,
    pub stack_cells: u32,
    /// Micro steps of a macro step above which the interpreter decides.
    pub step_bound: i64,
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
    references: References,
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
            Payload::TableSection(reader) => self.tables(reader, &lowered.tables)?,
            Payload::MemorySection(reader) => {
                let maximum = u64::from(lowered.image.limits.max_pages);
                for memory in reader {
                    self.memory = Some(memory_type(memory?.initial, maximum));
                }
            }
            Payload::GlobalSection(reader) => self
                .references
                .parse_global_section(&mut self.globals, reader)
                .map_err(unsupported)?,
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    let driven = export.name == lowered.driver.export();
                    if driven && export.kind == wasmparser::ExternalKind::Func {
                        self.exports
                            .export(export.name, ExportKind::Func, export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => self
                .references
                .parse_element_section(&mut self.elements, reader)
                .map_err(unsupported)?,
            Payload::DataCountSection { count, .. } => self.data_count = Some(count),
            Payload::CodeSectionEntry(body) => {
                self.note_references(&body)?;
                self.bodies.push(body);
            }
            Payload::DataSection(reader) => r
                .parse_data_section(&mut self.data, reader)
                .map_err(unsupported)?,
            _ => {}
        }
        Ok(())
    }

    /// Tables that can grow as far as the machine's, and no further.
    fn tables(
        &mut self,
        reader: TableSectionReader<'a>,
        places: &[Table],
    ) -> Result<(), LowerError> {
        for (table, place) in reader.into_iter().zip(places) {
            let mut table = table?;
            table.ty.maximum = Some(u64::from(place.capacity));
            self.references
                .parse_table(&mut self.tables, table)
                .map_err(unsupported)?;
        }
        Ok(())
    }

    fn note_references(&mut self, body: &FunctionBody<'_>) -> Result<(), LowerError> {
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            if let Operator::RefFunc { function_index } = reader.read()? {
                self.references.0.insert(function_index);
            }
        }
        Ok(())
    }

    fn build(mut self, lowered: &Lowered) -> Result<Vec<u8>, LowerError> {
        let added = self.add_globals(lowered);
        self.functions.function(self.types.len());
        self.types.ty().function([ValType::I32, ValType::I32], []);
        let mut memories = MemorySection::new();
        if let Some(memory) = self.memory {
            memories.memory(memory);
        }
        memories.memory(memory_type(MAP_PAGES, MAP_PAGES));
        self.add_exports(&added);

        let mut code = CodeSection::new();
        for ((body, info), params) in self.bodies.iter().zip(&lowered.functions).zip(&self.params) {
            code.function(&rewrite(body, info, *params, &added)?);
        }
        code.function(&mark_function(&added));

        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&self.tables)
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

    /// Adds the counts and the flags, after the user's globals.
    fn add_globals(&mut self, lowered: &Lowered) -> Added {
        let users = self.globals.len();
        let added = Added {
            imported: self.imported,
            cells: users,
            steps: users + 1,
            tables_written: users + 2,
            data_dropped: users + 3,
            elem_dropped: users + 3 + self.data.len(),
            mark: self.imported + self.bodies.len() as u32,
            map: u32::from(self.memory.is_some()),
            stack_cells: lowered.image.limits.stack_cells,
            step_bound: 1 << (lowered.image.limits.b - 1),
        };
        let flag = |base: u32, i: u32| lowered.image.globals[(base + i) as usize] as i32;
        let (i32, i64) = (mutable(ValType::I32), mutable(ValType::I64));
        self.globals.global(i32, &ConstExpr::i32_const(0));
        self.globals.global(i64, &ConstExpr::i64_const(0));
        self.globals.global(i32, &ConstExpr::i32_const(0));
        for i in 0..self.data.len() {
            self.globals
                .global(i32, &ConstExpr::i32_const(flag(DATA_DROPPED_BASE, i)));
        }
        for i in 0..self.elements.len() {
            self.globals
                .global(i32, &ConstExpr::i32_const(flag(ELEM_DROPPED_BASE, i)));
        }
        added
    }

    fn add_exports(&mut self, added: &Added) {
        let exports = &mut self.exports;
        let mut export = |name: &str, kind: ExportKind, index: u32| {
            exports.export(name, kind, index);
        };
        if self.memory.is_some() {
            export(names::MEMORY, ExportKind::Memory, 0);
        }
        export(names::MAP, ExportKind::Memory, added.map);
        export(names::CELLS, ExportKind::Global, added.cells);
        export(names::STEPS, ExportKind::Global, added.steps);
        export(
            names::TABLES_WRITTEN,
            ExportKind::Global,
            added.tables_written,
        );
        // The driver calls the start function itself, after it has set the cell count.
        if let Some(start) = self.start {
            export(names::START, ExportKind::Func, start);
        }
        let mut series = |prefix: &str, kind: ExportKind, first: u32, count: u32| {
            (0..count).for_each(|i| export(&format!("{prefix}{i}"), kind, first + i));
        };
        let (data, elem) = (self.data.len(), self.elements.len());
        series(names::GLOBAL, ExportKind::Global, 0, added.cells);
        series(names::TABLE, ExportKind::Table, 0, self.tables.len());
        series(
            names::DATA_DROPPED,
            ExportKind::Global,
            added.data_dropped,
            data,
        );
        series(
            names::ELEM_DROPPED,
            ExportKind::Global,
            added.elem_dropped,
            elem,
        );
        for &function in &self.references.0 {
            export(
                &format!("{}{function}", names::FUNCTION),
                ExportKind::Func,
                function,
            );
        }
    }
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
