//! The parts of a module outside its function bodies.

use super::{LowerError, refuse};
use assay_types::params::{
    DATA_DROPPED_BASE, ELEM_DROPPED_BASE, FRAME_ALIGN, GLOBALS_CELLS, LEAF_BYTES, MAX_DATAS,
    MAX_ELEMS, MAX_TABLES, PAGE_BYTES, STACK_CELLS, TABLE_ELEMENTS, TABLE_SIZE_BASE, TRACE_LOG2,
};
use wasmparser::{
    ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FuncType, FunctionBody, Operator,
    Parser, Payload, TypeRef, ValType, Validator, WasmFeatures,
};

/// What the module exports to be driven by (function indices, imports counted).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Step(u32),
    Start(u32),
    Main(u32),
}

/// Numbers from the custom section `assay`, or their defaults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub max_pages: u32,
    pub volatile_log2: u8,
    pub stack_cells: u32,
    pub a: u8,
    pub b: u8,
}

/// A passive or dropped data segment, placed in the segments tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub offset: u32,
    pub len: u32,
}

/// One function body with its place.
pub(super) struct Body<'a> {
    pub ty: u32,
    pub body: FunctionBody<'a>,
}

/// A parsed, validated module.
pub(super) struct Module<'a> {
    pub types: Vec<FuncType>,
    /// Type index of each function, imports first.
    pub functions: Vec<u32>,
    /// Number of imported functions (0 or 1: `assay.read`).
    pub imported: u32,
    pub bodies: Vec<Body<'a>>,
    pub start: Option<u32>,
    pub entry: Entry,
    pub config: Config,
    pub pages: u32,
    pub memory: Vec<u8>,
    pub globals: Vec<u64>,
    /// First cell of each table in the table tree.
    pub table_bases: Vec<u32>,
    /// (cell, function index) of each initial element.
    elements: Vec<(u32, u32)>,
    table_cells: u32,
    pub segments: Vec<u8>,
    pub datas: Vec<Segment>,
}

const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES);

impl<'a> Module<'a> {
    pub fn parse(wasm: &'a [u8]) -> Result<Module<'a>, LowerError> {
        Validator::new_with_features(FEATURES).validate_all(wasm)?;
        let mut b = Builder::default();
        for payload in Parser::new(0).parse_all(wasm) {
            b.payload(payload?)?;
        }
        b.finish()
    }

    /// Index among the defined functions of function `index`.
    pub fn defined(&self, index: u32) -> u32 {
        index - self.imported
    }

    pub fn func_type(&self, function: u32) -> &FuncType {
        &self.types[self.functions[function as usize] as usize]
    }

    /// Structural id of a function type: the first index that has it.
    pub fn type_id(&self, ty: u32) -> u32 {
        let wanted = &self.types[ty as usize];
        self.types
            .iter()
            .position(|t| t == wanted)
            .map_or(ty, |p| p as u32)
    }

    /// The table tree's cells, given each defined function's pc.
    pub fn table_cells(&self, entries: &[u32]) -> Vec<u64> {
        let mut cells = vec![0; self.table_cells as usize];
        for &(cell, function) in &self.elements {
            let pc = entries[self.defined(function) as usize];
            let ty = self.type_id(self.functions[function as usize]);
            cells[cell as usize] = u64::from(pc) | u64::from(ty) << 32;
        }
        cells
    }
}

#[derive(Default)]
struct Builder<'a> {
    types: Vec<FuncType>,
    functions: Vec<u32>,
    imported: u32,
    bodies: Vec<Body<'a>>,
    start: Option<u32>,
    step: Option<u32>,
    start_export: Option<u32>,
    main: Option<u32>,
    memory_limits: Option<(u32, Option<u32>)>,
    active: Vec<(u32, &'a [u8], u64)>,
    datas: Vec<Segment>,
    globals: Vec<u64>,
    global_count: usize,
    tables: Vec<(u32, u32)>,
    elements: Vec<(u32, u32)>,
    elems: u32,
    segments: Vec<u8>,
    settings: Vec<(String, u64, u64)>,
}

impl<'a> Builder<'a> {
    fn payload(&mut self, payload: Payload<'a>) -> Result<(), LowerError> {
        match payload {
            Payload::TypeSection(reader) => {
                self.types = reader
                    .into_iter_err_on_gc_types()
                    .collect::<Result<_, _>>()?;
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.import(offset as u64, &import)?;
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    self.table(offset as u64, &table)?;
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    let pages = |p: u64| {
                        u32::try_from(p).or_else(|_| refuse(offset as u64, "64-bit memory"))
                    };
                    self.memory_limits = Some((
                        pages(memory.initial)?,
                        memory.maximum.map(pages).transpose()?,
                    ));
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader.into_iter_with_offsets() {
                    let (offset, global) = global?;
                    let value = constant(&global.init_expr, offset as u64)?;
                    self.globals.push(value);
                }
                if self.globals.len() > GLOBALS_CELLS as usize {
                    return refuse(0, format!("more than {GLOBALS_CELLS} globals"));
                }
                self.global_count = self.globals.len();
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    if export.kind != ExternalKind::Func {
                        continue;
                    }
                    match export.name {
                        "step" => self.step = Some(export.index),
                        "_start" => self.start_export = Some(export.index),
                        "main" => self.main = Some(export.index),
                        _ => {}
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => {
                for element in reader.into_iter_with_offsets() {
                    let (offset, element) = element?;
                    self.element(offset as u64, element)?;
                }
            }
            Payload::DataSection(reader) => {
                for data in reader.into_iter_with_offsets() {
                    let (offset, data) = data?;
                    self.data(offset as u64, data)?;
                }
            }
            Payload::CodeSectionEntry(body) => {
                let ty = self.functions[self.imported as usize + self.bodies.len()];
                self.bodies.push(Body { ty, body });
            }
            Payload::CustomSection(section) if section.name() == "assay" => {
                self.custom(section.data_offset() as u64, section.data())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, offset: u64, import: &wasmparser::Import<'_>) -> Result<(), LowerError> {
        let name = format!("import {}.{}", import.module, import.name);
        let TypeRef::Func(ty) = import.ty else {
            return refuse(
                offset,
                format!("{name}: the only import is the function assay.read"),
            );
        };
        let wanted = FuncType::new([ValType::I32, ValType::I64, ValType::I32, ValType::I32], []);
        if (import.module, import.name) != ("assay", "read")
            || self.types[ty as usize] != wanted
            || self.imported != 0
        {
            return refuse(
                offset,
                format!("{name}: the only import is assay.read(i32, i64, i32, i32), once"),
            );
        }
        self.functions.push(ty);
        self.imported = 1;
        Ok(())
    }

    fn table(&mut self, offset: u64, table: &wasmparser::Table<'_>) -> Result<(), LowerError> {
        if !matches!(table.init, wasmparser::TableInit::RefNull)
            || table.ty.element_type != wasmparser::RefType::FUNCREF
        {
            return refuse(offset, "only tables of null funcrefs are supported");
        }
        let base = self.tables.last().map_or(0, |&(base, size)| base + size);
        let size = u32::try_from(table.ty.initial).unwrap_or(u32::MAX);
        if self.tables.len() as u32 >= MAX_TABLES || size > TABLE_ELEMENTS - base {
            return refuse(
                offset,
                format!("more than {MAX_TABLES} tables or {TABLE_ELEMENTS} elements in all"),
            );
        }
        self.tables.push((base, size));
        Ok(())
    }

    fn element(&mut self, offset: u64, element: wasmparser::Element<'a>) -> Result<(), LowerError> {
        let index = self.elems;
        self.elems += 1;
        if index >= MAX_ELEMS {
            return refuse(offset, format!("more than {MAX_ELEMS} element segments"));
        }
        let (table, start) = match element.kind {
            ElementKind::Active {
                table_index,
                offset_expr,
            } => (table_index.unwrap_or(0), constant(&offset_expr, offset)?),
            // Nothing reads these before table.init is supported.
            ElementKind::Passive | ElementKind::Declared => return Ok(()),
        };
        let (base, size) = self.tables[table as usize];
        let functions: Vec<Option<u32>> = match element.items {
            ElementItems::Functions(items) => items
                .into_iter()
                .map(|f| f.map(Some))
                .collect::<Result<_, _>>()?,
            ElementItems::Expressions(_, items) => items
                .into_iter()
                .map(|e| function_of(&e?, offset))
                .collect::<Result<_, _>>()?,
        };
        if start + functions.len() as u64 > u64::from(size) {
            return refuse(offset, "an element segment does not fit its table");
        }
        for (i, function) in functions.into_iter().enumerate() {
            let cell = base + start as u32 + i as u32;
            self.elements.retain(|e| e.0 != cell);
            if let Some(function) = function {
                if function < self.imported {
                    return refuse(offset, "assay.read can't be a table element");
                }
                self.elements.push((cell, function));
            }
        }
        Ok(())
    }

    fn data(&mut self, offset: u64, data: wasmparser::Data<'a>) -> Result<(), LowerError> {
        if self.datas.len() as u32 >= MAX_DATAS {
            return refuse(offset, format!("more than {MAX_DATAS} data segments"));
        }
        match data.kind {
            DataKind::Active { offset_expr, .. } => {
                let at = constant(&offset_expr, offset)? as u32;
                self.active.push((at, data.data, offset));
                self.datas.push(Segment::default());
            }
            DataKind::Passive => {
                let start = self.segments.len().next_multiple_of(LEAF_BYTES);
                let (Ok(at), Ok(len)) = (u32::try_from(start), u32::try_from(data.data.len()))
                else {
                    return refuse(offset, "passive data segments exceed 4 GiB");
                };
                self.segments.resize(start, 0);
                self.segments.extend_from_slice(data.data);
                self.datas.push(Segment { offset: at, len });
            }
        }
        Ok(())
    }

    fn custom(&mut self, offset: u64, data: &[u8]) -> Result<(), LowerError> {
        let Ok(text) = std::str::from_utf8(data) else {
            return refuse(offset, "custom section assay is not UTF-8");
        };
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let parsed = line
                .split_once('=')
                .and_then(|(k, v)| Some((k.trim(), v.trim().parse::<u64>().ok()?)));
            match parsed {
                Some((
                    key @ ("max_pages" | "volatile_log2" | "stack_cells" | "a" | "b"),
                    value,
                )) if self.settings.iter().all(|s| s.0 != key) => {
                    self.settings.push((key.to_owned(), value, offset));
                }
                _ => {
                    return refuse(
                        offset,
                        format!(
                            "custom section assay: line {line:?} is not key=number, or is given twice"
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    fn setting(&self, key: &str, default: u64, low: u64, high: u64) -> Result<u64, LowerError> {
        let Some((_, value, offset)) = self.settings.iter().find(|s| s.0 == key) else {
            return Ok(default);
        };
        if *value < low || *value > high {
            return refuse(
                *offset,
                format!("custom section assay: {key} = {value} is outside {low}..={high}"),
            );
        }
        Ok(*value)
    }

    fn config(&self, has_step: bool) -> Result<Config, LowerError> {
        let declared = self
            .memory_limits
            .map_or(0, |(_, max)| u64::from(max.unwrap_or(65536)));
        let volatile_log2 = self.setting("volatile_log2", 0, 0, 31)? as u8;
        if (1..7).contains(&volatile_log2) {
            return refuse(0, "custom section assay: volatile_log2 is 0 or at least 7");
        }
        let (a, b) = if has_step { (25, 25) } else { (0, 50) };
        let config = Config {
            max_pages: self.setting("max_pages", declared, 0, declared)? as u32,
            volatile_log2,
            stack_cells: self.setting(
                "stack_cells",
                u64::from(STACK_CELLS),
                64,
                u64::from(STACK_CELLS),
            )? as u32,
            a: self.setting("a", a, 0, 50)? as u8,
            b: self.setting("b", b, 1, 50)? as u8,
        };
        if u32::from(config.a) + u32::from(config.b) != TRACE_LOG2 {
            return refuse(
                0,
                format!("custom section assay: a + b is not {TRACE_LOG2}"),
            );
        }
        if !config.stack_cells.is_multiple_of(FRAME_ALIGN) {
            return refuse(
                0,
                format!("custom section assay: stack_cells is not a multiple of {FRAME_ALIGN}"),
            );
        }
        Ok(config)
    }

    fn entry(&self) -> Result<Entry, LowerError> {
        let check = |function: u32, name: &str, results: &[ValType]| {
            let ty = &self.types[self.functions[function as usize] as usize];
            if function < self.imported || !ty.params().is_empty() || ty.results() != results {
                return refuse(
                    0,
                    format!("export {name} has type {ty}, not () -> {results:?}"),
                );
            }
            Ok(function)
        };
        match (self.step, self.start_export, self.main) {
            (Some(_), _, _) if self.start.is_some() => refuse(0, "a start function beside step"),
            (Some(f), _, _) => Ok(Entry::Step(check(f, "step", &[ValType::I32])?)),
            (None, Some(f), _) => Ok(Entry::Start(check(f, "_start", &[])?)),
            (None, None, Some(f)) => Ok(Entry::Main(check(f, "main", &[ValType::I32])?)),
            (None, None, None) => refuse(0, "the module exports none of step, _start, main"),
        }
    }

    fn finish(mut self) -> Result<Module<'a>, LowerError> {
        let entry = self.entry()?;
        let config = self.config(matches!(entry, Entry::Step(_)))?;
        let pages = self.memory_limits.map_or(0, |(initial, _)| initial);
        if pages > config.max_pages {
            return refuse(
                0,
                format!(
                    "the memory starts with {pages} pages, above max_pages {}",
                    config.max_pages
                ),
            );
        }
        let memory = self.initial_memory(pages, config.volatile_log2)?;
        self.fill_globals();
        Ok(Module {
            types: self.types,
            functions: self.functions,
            imported: self.imported,
            bodies: self.bodies,
            start: self.start,
            entry,
            config,
            pages,
            memory,
            globals: self.globals,
            table_cells: self.tables.last().map_or(0, |&(base, size)| base + size),
            table_bases: self.tables.iter().map(|t| t.0).collect(),
            elements: self.elements,
            segments: self.segments,
            datas: self.datas,
        })
    }

    fn initial_memory(&self, pages: u32, volatile_log2: u8) -> Result<Vec<u8>, LowerError> {
        let volatile = if volatile_log2 == 0 {
            0
        } else {
            1u64 << volatile_log2
        };
        let mut memory = Vec::new();
        for &(at, bytes, offset) in &self.active {
            let end = u64::from(at) + bytes.len() as u64;
            if end > u64::from(pages) * PAGE_BYTES {
                return refuse(offset, "a data segment does not fit linear memory");
            }
            if u64::from(at) < volatile && !bytes.is_empty() {
                return refuse(offset, "an active data segment lies in the volatile region");
            }
            if memory.len() < end as usize {
                memory.resize(end as usize, 0);
            }
            memory[at as usize..end as usize].copy_from_slice(bytes);
        }
        Ok(memory)
    }

    /// Table sizes and the flags of segments that instantiation drops.
    fn fill_globals(&mut self) {
        self.globals
            .resize((DATA_DROPPED_BASE + MAX_DATAS) as usize, 0);
        for (i, &(_, size)) in self.tables.iter().enumerate() {
            self.globals[TABLE_SIZE_BASE as usize + i] = u64::from(size);
        }
        // No instruction reads element flags yet; active and declared segments will start dropped.
        let _ = ELEM_DROPPED_BASE;
    }
}

/// The value of a constant expression of one constant.
fn constant(expr: &ConstExpr<'_>, offset: u64) -> Result<u64, LowerError> {
    let mut reader = expr.get_operators_reader();
    let value = match reader.read()? {
        Operator::I32Const { value } => u64::from(value as u32),
        Operator::I64Const { value } => value as u64,
        Operator::F32Const { value } => u64::from(value.bits()),
        other => {
            return refuse(
                offset,
                format!("constant expression {other:?} is not supported"),
            );
        }
    };
    match reader.read()? {
        Operator::End => Ok(value),
        other => refuse(
            offset,
            format!("constant expression {other:?} is not supported"),
        ),
    }
}

fn function_of(expr: &ConstExpr<'_>, offset: u64) -> Result<Option<u32>, LowerError> {
    match expr.get_operators_reader().read()? {
        Operator::RefFunc { function_index } => Ok(Some(function_index)),
        Operator::RefNull { .. } => Ok(None),
        other => refuse(
            offset,
            format!("element expression {other:?} is not supported"),
        ),
    }
}
