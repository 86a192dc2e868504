//! A module as the linker sees it: what it imports, defines and exports.

use std::collections::BTreeSet;
use std::convert::Infallible;
use wasm_encoder::reencode::{Error, Reencode};
use wasmparser::{
    DataKind, ElementKind, ExternalKind, FuncType, GlobalType, MemoryType, Parser, Payload,
    TableInit, TableType, TypeRef,
};

/// What can be imported and exported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A function.
    Func,
    /// A table.
    Table,
    /// A memory.
    Memory,
    /// A global.
    Global,
}

/// All kinds, in the order of their index spaces.
pub const KINDS: [Kind; 4] = [Kind::Func, Kind::Table, Kind::Memory, Kind::Global];

/// The type of something that can be imported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extern {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

impl Extern {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Extern::Func(_) => Kind::Func,
            Extern::Table(_) => Kind::Table,
            Extern::Memory(_) => Kind::Memory,
            Extern::Global(_) => Kind::Global,
        }
    }
}

/// An import.
pub struct Import {
    /// First name.
    pub module: String,
    /// Second name.
    pub name: String,
    /// What it has to be.
    pub ty: Extern,
}

/// A parsed module with its bytes.
#[derive(Default)]
pub struct Module {
    /// The bytes.
    pub wasm: Vec<u8>,
    /// Its function types.
    pub types: Vec<FuncType>,
    /// Its imports.
    pub imports: Vec<Import>,
    /// Types of what it defines itself, by kind.
    pub defined: Vec<Extern>,
    /// Name, kind, index in that kind's index space.
    pub exports: Vec<(String, Kind, u32)>,
    /// Number of element segments.
    pub elems: u32,
    /// Number of data segments.
    pub datas: u32,
    /// What its own instructions and segments name, by kind and index: an import that it only exports again is not.
    pub uses: BTreeSet<(Kind, u32)>,
}

impl Module {
    /// Parses a valid module of the supported features.
    pub fn parse(wasm: &[u8]) -> Result<Module, String> {
        let mut module = Module {
            wasm: wasm.to_vec(),
            ..Module::default()
        };
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(|e| e.to_string())?;
            module.payload(&payload).map_err(|e| e.to_string())?;
            module.uses(&payload).map_err(|e| e.to_string())?;
        }
        Ok(module)
    }

    fn payload(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(reader) => {
                for ty in reader.clone().into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.clone().into_imports() {
                    let import = import?;
                    let ty = match import.ty {
                        TypeRef::Func(ty) => Extern::Func(self.types[ty as usize].clone()),
                        TypeRef::Table(ty) => Extern::Table(ty),
                        TypeRef::Memory(ty) => Extern::Memory(ty),
                        TypeRef::Global(ty) => Extern::Global(ty),
                        other => unreachable!("the machine's lowerer refuses {other:?}"),
                    };
                    self.imports.push(Import {
                        module: import.module.to_owned(),
                        name: import.name.to_owned(),
                        ty,
                    });
                }
            }
            Payload::FunctionSection(reader) => {
                for ty in reader.clone() {
                    let ty = self.types[ty? as usize].clone();
                    self.defined.push(Extern::Func(ty));
                }
            }
            Payload::TableSection(reader) => {
                for table in reader.clone() {
                    self.defined.push(Extern::Table(table?.ty));
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader.clone() {
                    self.defined.push(Extern::Memory(memory?));
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader.clone() {
                    self.defined.push(Extern::Global(global?.ty));
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader.clone() {
                    let export = export?;
                    let kind = match export.kind {
                        ExternalKind::Func => Kind::Func,
                        ExternalKind::Table => Kind::Table,
                        ExternalKind::Memory => Kind::Memory,
                        ExternalKind::Global => Kind::Global,
                        other => unreachable!("the machine's lowerer refuses {other:?}"),
                    };
                    self.exports
                        .push((export.name.to_owned(), kind, export.index));
                }
            }
            Payload::StartSection { func, .. } => {
                self.uses.insert((Kind::Func, *func));
            }
            Payload::ElementSection(reader) => self.elems = reader.count(),
            Payload::DataSection(reader) => self.datas = reader.count(),
            _ => {}
        }
        Ok(())
    }

    /// Notes what a part of the module names.
    fn uses(&mut self, payload: &Payload<'_>) -> Result<(), Error<Infallible>> {
        let mut uses = Uses(&mut self.uses);
        match payload {
            Payload::TableSection(reader) => {
                for table in reader.clone() {
                    if let TableInit::Expr(expr) = table?.init {
                        uses.const_expr(expr)?;
                    }
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader.clone() {
                    uses.const_expr(global?.init_expr)?;
                }
            }
            Payload::ElementSection(reader) => {
                for element in reader.clone() {
                    let element = element?;
                    uses.element_items(element.items)?;
                    if let ElementKind::Active {
                        table_index,
                        offset_expr,
                    } = element.kind
                    {
                        uses.table_index(table_index.unwrap_or(0))?;
                        uses.const_expr(offset_expr)?;
                    }
                }
            }
            Payload::DataSection(reader) => {
                for data in reader.clone() {
                    if let DataKind::Active {
                        memory_index,
                        offset_expr,
                    } = data?.kind
                    {
                        uses.memory_index(memory_index)?;
                        uses.const_expr(offset_expr)?;
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut reader = body.get_operators_reader()?;
                while !reader.eof() {
                    uses.instruction(reader.read()?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Types of its definitions of one kind, in order.
    pub fn definitions(&self, kind: Kind) -> impl Iterator<Item = &Extern> {
        self.defined.iter().filter(move |d| d.kind() == kind)
    }
}

/// Re-encodes as it is, and notes what is named.
struct Uses<'a>(&'a mut BTreeSet<(Kind, u32)>);

impl Reencode for Uses<'_> {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error<Infallible>> {
        self.0.insert((Kind::Func, index));
        Ok(index)
    }

    fn table_index(&mut self, index: u32) -> Result<u32, Error<Infallible>> {
        self.0.insert((Kind::Table, index));
        Ok(index)
    }

    fn memory_index(&mut self, index: u32) -> Result<u32, Error<Infallible>> {
        self.0.insert((Kind::Memory, index));
        Ok(index)
    }

    fn global_index(&mut self, index: u32) -> Result<u32, Error<Infallible>> {
        self.0.insert((Kind::Global, index));
        Ok(index)
    }
}

/// Whether something of type `actual` may be imported as `wanted`, sizes apart: those change as a program runs.
pub fn matches(wanted: &Extern, actual: &Extern) -> bool {
    let within = |wanted: Option<u64>, actual: Option<u64>| match (wanted, actual) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(actual)) => actual <= wanted,
    };
    match (wanted, actual) {
        (Extern::Func(wanted), Extern::Func(actual)) => wanted == actual,
        (Extern::Global(wanted), Extern::Global(actual)) => wanted == actual,
        (Extern::Table(wanted), Extern::Table(actual)) => {
            wanted.element_type == actual.element_type && within(wanted.maximum, actual.maximum)
        }
        (Extern::Memory(wanted), Extern::Memory(actual)) => within(wanted.maximum, actual.maximum),
        _ => false,
    }
}

/// First size of a table, in elements, or of a memory, in pages; 0 for what has no size.
pub fn size(ty: &Extern) -> u64 {
    match ty {
        Extern::Table(ty) => ty.initial,
        Extern::Memory(ty) => ty.initial,
        Extern::Func(_) | Extern::Global(_) => 0,
    }
}
