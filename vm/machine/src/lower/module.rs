//! The parts of a module outside its function bodies.

mod builder;
mod config;
mod globals;
mod memory;
mod tables;

use super::accept::FEATURES;
use super::{LowerError, Table, refuse};
use crate::image::GLOBAL_TREE_CELLS;
use builder::Builder;
pub(super) use config::Config;
use globals::Globals;
use memory::Memory;
use tables::Tables;
use wasmparser::{FuncType, FunctionBody, Parser, Payload, Validator};

/// What the module exports to be driven by (function indices, imports counted).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entry {
    Step(u32),
    Start(u32),
    Main(u32),
}

/// A segment's place in the segments tree, if it is not dropped before the first state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// First byte.
    offset: u32,
    /// Bytes of a data segment, elements of an element segment.
    len: u32,
    dropped: bool,
}

impl Segment {
    fn dropped() -> Segment {
        Segment {
            offset: 0,
            len: 0,
            dropped: true,
        }
    }

    fn place(module_offset: u64, start: u64, len: usize) -> Result<Segment, LowerError> {
        let (Ok(offset), Ok(len)) = (u32::try_from(start), u32::try_from(len)) else {
            return refuse(module_offset, "passive segments exceed 4 GiB");
        };
        Ok(Segment {
            offset,
            len,
            dropped: false,
        })
    }

    /// The immediate of an instruction that reads it.
    pub fn imm(self) -> u64 {
        u64::from(self.offset) | u64::from(self.len) << 32
    }
}

/// One function body with its place.
pub(super) struct Body<'a> {
    pub ty: u32,
    pub body: FunctionBody<'a>,
}

/// What a program commits to besides its code, its memory and its numbers.
pub(super) struct Parts {
    pub table: Vec<u64>,
    pub segments: Vec<u8>,
    pub globals: Vec<u64>,
}

/// A parsed, validated module.
pub(super) struct Module<'a> {
    pub types: Vec<FuncType>,
    /// Type index of each function, imports first.
    functions: Vec<u32>,
    /// Number of imported functions (0 or 1: `assay.read`).
    pub imported: u32,
    pub bodies: Vec<Body<'a>>,
    pub start: Option<u32>,
    pub entry: Entry,
    pub config: Config,
    pub pages: u32,
    pub memory: Vec<u8>,
    pub tables: Vec<Table>,
    pub elems: Vec<Segment>,
    pub datas: Vec<Segment>,
    declared: Declarations<'a>,
}

/// What the sections before the code declare.
#[derive(Default)]
struct Declarations<'a> {
    globals: Globals,
    tables: Tables,
    memory: Memory<'a>,
}

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
    pub fn defined(&self, index: u32) -> usize {
        (index - self.imported) as usize
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

    /// First cell of a global, and its width.
    pub fn global(&self, index: u32) -> (u32, u32) {
        self.declared.globals.place(index)
    }

    /// First cell of each global.
    pub fn global_cells(&self) -> &[u32] {
        &self.declared.globals.cells
    }

    /// Table, segments and globals, given the cell of a reference to each function.
    pub fn parts(&self, function: &impl Fn(u32) -> u64) -> Parts {
        let Declarations {
            globals,
            tables,
            memory,
        } = &self.declared;
        let mut segments = memory.passive.clone();
        tables.write_segments(&mut segments, function);
        let mut tree = vec![0; GLOBAL_TREE_CELLS];
        globals.write(&mut tree, function);
        tables.write_globals(&self.tables, &mut tree);
        memory.write_flags(&mut tree);
        Parts {
            table: tables.cells(&self.tables, function),
            segments,
            globals: tree,
        }
    }
}

impl<'a> Declarations<'a> {
    fn payload(&mut self, payload: Payload<'a>, imported: u32) -> Result<(), LowerError> {
        match payload {
            Payload::TableSection(reader) => {
                for table in reader.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    self.tables
                        .declare(offset as u64, &table, &self.globals.values, imported)?;
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    self.memory.declare(offset as u64, &memory)?;
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader.into_iter_with_offsets() {
                    let (offset, global) = global?;
                    self.globals.add(offset as u64, &global, imported)?;
                }
            }
            Payload::ElementSection(reader) => {
                for element in reader.into_iter_with_offsets() {
                    let (offset, element) = element?;
                    let globals = &self.globals.values;
                    self.tables
                        .add_segment(offset as u64, element, globals, imported)?;
                }
            }
            Payload::DataSection(reader) => {
                for data in reader.into_iter_with_offsets() {
                    let (offset, data) = data?;
                    self.memory
                        .add_segment(offset as u64, data, &self.globals.values)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
