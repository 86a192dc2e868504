//! Reads a module's sections, and puts the module together.

use super::config::Settings;
use super::{Body, Declarations, Entry, Module};
use crate::lower::accept::{check_body, check_func_type};
use crate::lower::{LowerError, refuse};
use wasmparser::{ExternalKind, FuncType, Payload, TypeRef, ValType};

#[derive(Default)]
pub(super) struct Builder<'a> {
    types: Vec<FuncType>,
    functions: Vec<u32>,
    imported: u32,
    bodies: Vec<Body<'a>>,
    start: Option<u32>,
    step: Option<u32>,
    start_export: Option<u32>,
    main: Option<u32>,
    declared: Declarations<'a>,
    settings: Settings,
}

impl<'a> Builder<'a> {
    pub fn payload(&mut self, payload: Payload<'a>) -> Result<(), LowerError> {
        match payload {
            Payload::TypeSection(reader) => {
                let places = reader.clone().into_iter_with_offsets();
                for (ty, place) in reader.into_iter_err_on_gc_types().zip(places) {
                    let (ty, (at, _)) = (ty?, place?);
                    check_func_type(&ty, at as u64)?;
                    self.types.push(ty);
                }
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
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        self.export(export.name, export.index);
                    }
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionEntry(body) => {
                let tables = &mut self.declared.tables;
                check_body(&body, self.imported, |table| tables.grow(table))?;
                let ty = self.functions[self.imported as usize + self.bodies.len()];
                self.bodies.push(Body { ty, body });
            }
            Payload::CustomSection(section) if section.name() == "assay" => {
                self.settings
                    .read(section.data_offset() as u64, section.data())?;
            }
            other => self.declared.payload(other, self.imported)?,
        }
        Ok(())
    }

    fn export(&mut self, name: &str, function: u32) {
        match name {
            "step" => self.step = Some(function),
            "_start" => self.start_export = Some(function),
            "main" => self.main = Some(function),
            _ => {}
        }
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

    fn entry(&self) -> Result<Entry, LowerError> {
        let check = |function: u32, name: &str, results: &[ValType]| {
            let ty = &self.types[self.functions[function as usize] as usize];
            // Compilers give `main` the parameters argc and argv, whether it uses them or not.
            let takes_arguments = name == "main" && ty.params() == [ValType::I32; 2];
            let params = ty.params().is_empty() || takes_arguments;
            if function < self.imported || !params || ty.results() != results {
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

    pub fn finish(self) -> Result<Module<'a>, LowerError> {
        let entry = self.entry()?;
        let Declarations { tables, memory, .. } = &self.declared;
        let config = self
            .settings
            .config(matches!(entry, Entry::Step(_)), memory.declared())?;
        Ok(Module {
            entry,
            config,
            pages: memory.pages(),
            memory: memory.initial(config.max_pages, config.volatile_log2)?,
            tables: tables.places()?,
            elems: tables.segments(memory.passive.len())?,
            datas: memory.segments.clone(),
            types: self.types,
            functions: self.functions,
            imported: self.imported,
            bodies: self.bodies,
            start: self.start,
            declared: self.declared,
        })
    }
}
