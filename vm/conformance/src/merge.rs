//! The linker's half that writes: instances that are linked with each other become one module without imports.
//!
//! Active segments become passive ones, which the instantiation's own code copies and drops; nothing else of a module
//! changes but the indices.

use crate::module::{Extern, KINDS, Kind};
use crate::store::{Def, Store};
use std::collections::BTreeMap;
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, DataSection, ElementSection, Function, FunctionSection, GlobalSection,
    Instruction, MemorySection, MemoryType, TableSection, TypeSection, ValType,
};
use wasmparser::{DataKind, ElementKind, FuncType, FunctionBody, Parser, Payload};

/// Why a module can't be written.
pub type Failed = Error<Infallible>;

/// Where each instance's own things lie in the merged module.
struct Places {
    /// By instance and kind: the first index.
    first: BTreeMap<(usize, Kind), u32>,
    elems: BTreeMap<usize, u32>,
    datas: BTreeMap<usize, u32>,
    types: Vec<FuncType>,
    counts: [u32; 4],
}

/// A module being written.
pub struct Merged<'s> {
    store: &'s Store,
    places: Places,
    /// The sections.
    pub types: TypeSection,
    /// Type of each function.
    pub functions: FunctionSection,
    /// The tables.
    pub tables: TableSection,
    /// The memory, if there is one.
    pub memories: MemorySection,
    /// Whether there is one.
    pub has_memory: bool,
    /// The globals.
    pub globals: GlobalSection,
    /// The element segments.
    pub elements: ElementSection,
    /// The data segments.
    pub datas: DataSection,
    /// Number of data segments.
    pub data_count: u32,
    /// The bodies.
    pub code: CodeSection,
    /// Of each instance: what instantiating it executes.
    pub inits: BTreeMap<usize, Vec<Instruction<'static>>>,
}

/// Maps one instance's indices.
struct Mapper<'a> {
    store: &'a Store,
    places: &'a Places,
    instance: usize,
}

impl Mapper<'_> {
    fn map(&self, kind: Kind, index: u32) -> u32 {
        let def = self.store.instances[self.instance].def(kind, index);
        self.places.index(def)
    }
}

impl Places {
    fn index(&self, def: Def) -> u32 {
        match def.kind {
            // There is one memory, or none that anything names.
            Kind::Memory => 0,
            kind => self.first[&(def.instance, kind)] + def.index,
        }
    }
}

impl Reencode for Mapper<'_> {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Failed> {
        Ok(self.map(Kind::Func, index))
    }

    fn table_index(&mut self, index: u32) -> Result<u32, Failed> {
        Ok(self.map(Kind::Table, index))
    }

    fn global_index(&mut self, index: u32) -> Result<u32, Failed> {
        Ok(self.map(Kind::Global, index))
    }

    fn memory_index(&mut self, index: u32) -> Result<u32, Failed> {
        Ok(self.map(Kind::Memory, index))
    }

    fn data_index(&mut self, index: u32) -> Result<u32, Failed> {
        Ok(self.places.datas[&self.instance] + index)
    }

    fn element_index(&mut self, index: u32) -> Result<u32, Failed> {
        Ok(self.places.elems[&self.instance] + index)
    }

    fn type_index(&mut self, index: u32) -> Result<u32, Failed> {
        let ty = &self.store.instances[self.instance].module.types[index as usize];
        let place = self.places.types.iter().position(|t| t == ty);
        Ok(place.map_or(index, |p| p as u32))
    }
}

/// An encoded type.
pub fn val_type(ty: wasmparser::ValType) -> Result<ValType, Failed> {
    wasm_encoder::reencode::RoundtripReencoder.val_type(ty)
}

impl<'s> Merged<'s> {
    /// Merges `members`, ascending; `memory` is the one memory that anything touches.
    pub fn new(store: &'s Store, members: &[usize], memory: Option<Def>) -> Result<Self, Failed> {
        let mut merged = Merged {
            store,
            places: places(store, members),
            types: TypeSection::new(),
            functions: FunctionSection::new(),
            tables: TableSection::new(),
            memories: MemorySection::new(),
            has_memory: false,
            globals: GlobalSection::new(),
            elements: ElementSection::new(),
            datas: DataSection::new(),
            data_count: 0,
            code: CodeSection::new(),
            inits: BTreeMap::new(),
        };
        for ty in &merged.places.types {
            let params: Vec<_> = ty
                .params()
                .iter()
                .map(|t| val_type(*t))
                .collect::<Result<_, _>>()?;
            let results: Vec<_> = ty
                .results()
                .iter()
                .map(|t| val_type(*t))
                .collect::<Result<_, _>>()?;
            merged.types.ty().function(params, results);
        }
        if let Some(Extern::Memory(ty)) = memory.map(|def| store.ty(def)) {
            merged.has_memory = true;
            merged.memories.memory(MemoryType {
                minimum: ty.initial,
                maximum: ty.maximum,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        for &instance in members {
            merged.instance(instance)?;
        }
        Ok(merged)
    }

    /// Index of something in the merged module.
    pub fn index(&self, def: Def) -> u32 {
        self.places.index(def)
    }

    /// Number of functions, tables, memories and globals of the instances.
    pub fn count(&self, kind: Kind) -> u32 {
        self.places.counts[kind as usize]
    }

    /// Number of function types.
    pub fn type_count(&self) -> u32 {
        self.places.types.len() as u32
    }

    fn instance(&mut self, instance: usize) -> Result<(), Failed> {
        let module = self.store.instances[instance].module.clone();
        let mut init = Vec::new();
        let (mut elems, mut datas) = (Vec::new(), Vec::new());
        let mut start = None;
        let mut mapper = Mapper {
            store: self.store,
            places: &self.places,
            instance,
        };
        for payload in Parser::new(0).parse_all(&module.wasm) {
            match payload? {
                Payload::FunctionSection(reader) => {
                    for ty in reader {
                        self.functions.function(mapper.type_index(ty?)?);
                    }
                }
                Payload::TableSection(reader) => {
                    mapper.parse_table_section(&mut self.tables, reader)?;
                }
                Payload::GlobalSection(reader) => {
                    mapper.parse_global_section(&mut self.globals, reader)?;
                }
                Payload::StartSection { func, .. } => start = Some(mapper.function_index(func)?),
                Payload::ElementSection(reader) => {
                    for (i, element) in reader.into_iter().enumerate() {
                        element_segment(
                            &mut mapper,
                            i as u32,
                            element?,
                            &mut self.elements,
                            &mut elems,
                        )?;
                    }
                }
                Payload::DataSection(reader) => {
                    for (i, data) in reader.into_iter().enumerate() {
                        data_segment(&mut mapper, i as u32, data?, &mut self.datas, &mut datas)?;
                        self.data_count += 1;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    self.code.function(&function(&mut mapper, &body)?);
                }
                _ => {}
            }
        }
        init.extend(elems);
        init.extend(datas);
        init.extend(start.map(Instruction::Call));
        self.inits.insert(instance, init);
        Ok(())
    }
}

fn places(store: &Store, members: &[usize]) -> Places {
    let mut places = Places {
        first: BTreeMap::new(),
        elems: BTreeMap::new(),
        datas: BTreeMap::new(),
        types: Vec::new(),
        counts: [0; 4],
    };
    let (mut elems, mut datas) = (0, 0);
    for &instance in members {
        let module = &store.instances[instance].module;
        for kind in KINDS {
            let count = &mut places.counts[kind as usize];
            places.first.insert((instance, kind), *count);
            *count += module.definitions(kind).count() as u32;
        }
        places.elems.insert(instance, elems);
        places.datas.insert(instance, datas);
        elems += module.elems;
        datas += module.datas;
        for ty in &module.types {
            if !places.types.contains(ty) {
                places.types.push(ty.clone());
            }
        }
    }
    places
}

fn function(mapper: &mut Mapper<'_>, body: &FunctionBody<'_>) -> Result<Function, Failed> {
    let mut f = mapper.new_function_with_parsed_locals(body)?;
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        f.instruction(&mapper.parse_instruction(&mut reader)?);
    }
    Ok(f)
}

/// The instructions of a constant expression.
fn constant(
    mapper: &mut Mapper<'_>,
    expr: &wasmparser::ConstExpr<'_>,
    out: &mut Vec<Instruction<'static>>,
) -> Result<(), Failed> {
    let mut reader = expr.get_operators_reader();
    while !reader.is_end_then_eof() {
        let instruction = mapper.parse_instruction(&mut reader)?;
        out.push(still(instruction));
    }
    Ok(())
}

/// An instruction of a constant expression, none of which borrows.
fn still(instruction: Instruction<'_>) -> Instruction<'static> {
    match instruction {
        Instruction::I32Const(v) => Instruction::I32Const(v),
        Instruction::GlobalGet(g) => Instruction::GlobalGet(g),
        Instruction::I32Add => Instruction::I32Add,
        Instruction::I32Sub => Instruction::I32Sub,
        Instruction::I32Mul => Instruction::I32Mul,
        other => unreachable!("the validator lets no {other:?} into an i32 constant expression"),
    }
}

fn element_segment(
    mapper: &mut Mapper<'_>,
    index: u32,
    element: wasmparser::Element<'_>,
    section: &mut ElementSection,
    init: &mut Vec<Instruction<'static>>,
) -> Result<(), Failed> {
    let len = match &element.items {
        wasmparser::ElementItems::Functions(items) => items.count(),
        wasmparser::ElementItems::Expressions(_, items) => items.count(),
    };
    let items = mapper.element_items(element.items)?;
    let elem_index = mapper.element_index(index)?;
    match element.kind {
        ElementKind::Declared => {
            section.declared(items);
        }
        ElementKind::Passive => {
            section.passive(items);
        }
        ElementKind::Active {
            table_index,
            offset_expr,
        } => {
            section.passive(items);
            let table = mapper.table_index(table_index.unwrap_or(0))?;
            constant(mapper, &offset_expr, init)?;
            init.push(Instruction::I32Const(0));
            init.push(Instruction::I32Const(len as i32));
            init.push(Instruction::TableInit { elem_index, table });
            init.push(Instruction::ElemDrop(elem_index));
        }
    }
    Ok(())
}

fn data_segment(
    mapper: &mut Mapper<'_>,
    index: u32,
    data: wasmparser::Data<'_>,
    section: &mut DataSection,
    init: &mut Vec<Instruction<'static>>,
) -> Result<(), Failed> {
    section.passive(data.data.iter().copied());
    if let DataKind::Active { offset_expr, .. } = data.kind {
        let data_index = mapper.data_index(index)?;
        constant(mapper, &offset_expr, init)?;
        init.push(Instruction::I32Const(0));
        init.push(Instruction::I32Const(data.data.len() as i32));
        init.push(Instruction::MemoryInit { mem: 0, data_index });
        init.push(Instruction::DataDrop(data_index));
    }
    Ok(())
}
