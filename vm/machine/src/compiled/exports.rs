//! What an instance exports, looked up once, and the cells it stands for.

use super::engine::NoResult;
use super::growth::Host;
use super::instrument::names;
use crate::lower::{Driver, Lowered};
use assay_types::params::{DATA_DROPPED_BASE, ELEM_DROPPED_BASE, LEAF_CELLS, TABLE_SIZE_BASE};
use std::collections::{BTreeMap, BTreeSet};
use wasmtime::{Func, Global, Instance, Memory, Ref, Store, Table, TypedFunc, Val};

/// The exported function that a macro step calls.
#[derive(Clone)]
pub(super) enum Driven {
    Nothing(TypedFunc<(), ()>),
    Code(TypedFunc<(), i32>),
    /// `main` with parameters.
    Arguments(TypedFunc<(i32, i32), i32>),
}

/// Handles of everything the driver sets or a state root needs.
pub(super) struct Exports {
    pub memory: Option<Memory>,
    pub map: Memory,
    pub start: Option<TypedFunc<(), ()>>,
    pub driven: Driven,
    cells: Global,
    steps: Global,
    tables_written: Global,
    /// First cell of each of the user's globals and of each flag.
    globals: Vec<(usize, Global)>,
    tables: Vec<Table>,
    /// The cell of each function that something refers to. What wasmtime's own function objects are equal by: the
    /// address of the one record that an instance has of a function.
    references: BTreeMap<usize, u64>,
}

impl Exports {
    pub fn find(
        store: &mut Store<Host>,
        instance: &Instance,
        lowered: &Lowered,
    ) -> Result<Exports, NoResult> {
        let name = lowered.driver.export();
        let driven = match lowered.driver {
            Driver::Start => Driven::Nothing(instance.get_typed_func(&mut *store, name)?),
            Driver::Main
                if instance
                    .get_typed_func::<(), i32>(&mut *store, name)
                    .is_err() =>
            {
                Driven::Arguments(instance.get_typed_func(&mut *store, name)?)
            }
            Driver::Step | Driver::Main => {
                Driven::Code(instance.get_typed_func(&mut *store, name)?)
            }
        };
        let start = match instance.get_func(&mut *store, names::START) {
            Some(start) => Some(start.typed(&*store)?),
            None => None,
        };
        let mut global = |name: &str| {
            instance
                .get_global(&mut *store, name)
                .ok_or(NoResult::Instrumentation)
        };
        let cells = global(names::CELLS)?;
        let steps = global(names::STEPS)?;
        let tables_written = global(names::TABLES_WRITTEN)?;
        let mut globals = Vec::new();
        for (i, &cell) in lowered.globals.iter().enumerate() {
            globals.push((cell as usize, global(&format!("{}{i}", names::GLOBAL))?));
        }
        for (prefix, base) in [
            (names::DATA_DROPPED, DATA_DROPPED_BASE),
            (names::ELEM_DROPPED, ELEM_DROPPED_BASE),
        ] {
            let flags = (0..).map_while(|i| global(&format!("{prefix}{i}")).ok());
            globals.extend((base as usize..).zip(flags));
        }
        let tables = (0..lowered.tables.len())
            .map_while(|i| instance.get_table(&mut *store, &format!("{}{i}", names::TABLE)));
        Ok(Exports {
            driven,
            start,
            cells,
            steps,
            tables_written,
            globals,
            tables: tables.collect(),
            memory: instance.get_memory(&mut *store, names::MEMORY),
            map: instance
                .get_memory(&mut *store, names::MAP)
                .ok_or(NoResult::Instrumentation)?,
            references: references(store, instance, lowered),
        })
    }

    pub fn set_cells(&self, store: &mut Store<Host>, cells: u32) -> Result<(), NoResult> {
        Ok(self.cells.set(store, Val::I32(cells as i32))?)
    }

    pub fn reset_steps(&self, store: &mut Store<Host>) -> Result<(), NoResult> {
        Ok(self.steps.set(store, Val::I64(0))?)
    }

    pub fn steps(&self, store: &mut Store<Host>) -> Result<u64, NoResult> {
        match self.steps.get(store) {
            Val::I64(steps) => Ok(steps as u64),
            _ => Err(NoResult::Instrumentation),
        }
    }

    /// Writes the values of globals, flags, and tables' sizes to the globals tree's cells; the leaves that have changed.
    pub fn read_globals(
        &self,
        store: &mut Store<Host>,
        lowered: &Lowered,
        tree: &mut [u64],
    ) -> Result<BTreeSet<u64>, NoResult> {
        let mut changed = BTreeSet::new();
        let mut put = |cell: usize, value: u64| {
            if tree[cell] != value {
                tree[cell] = value;
                changed.insert(cell as u64 / u64::from(LEAF_CELLS));
            }
        };
        for (cell, global) in &self.globals {
            let value = match global.get(&mut *store) {
                Val::I32(v) => u64::from(v as u32),
                Val::I64(v) => v as u64,
                Val::F32(bits) => u64::from(bits),
                Val::F64(bits) => bits,
                Val::V128(v) => {
                    put(*cell + 1, (v.as_u128() >> 64) as u64);
                    v.as_u128() as u64
                }
                Val::FuncRef(function) => self.reference(store, function)?,
                // No host function gives an externref, so every one is null.
                Val::ExternRef(None) => 0,
                Val::ExternRef(Some(_)) | Val::AnyRef(_) | Val::ExnRef(_) | Val::ContRef(_) => {
                    return Err(NoResult::Instrumentation);
                }
            };
            put(*cell, value);
        }
        for (i, (table, place)) in self.tables.iter().zip(&lowered.tables).enumerate() {
            let size = table.size(&*store) as u32;
            put(TABLE_SIZE_BASE as usize + i, place.cell(size));
        }
        Ok(changed)
    }

    /// Whether a table was written since the last time that this was asked.
    pub fn take_tables_written(&self, store: &mut Store<Host>) -> Result<bool, NoResult> {
        let written = matches!(self.tables_written.get(&mut *store), Val::I32(1));
        self.tables_written.set(store, Val::I32(0))?;
        Ok(written)
    }

    /// The table tree's cells, up to the end of the last table.
    pub fn read_tables(
        &self,
        store: &mut Store<Host>,
        lowered: &Lowered,
    ) -> Result<Vec<u64>, NoResult> {
        let mut cells = Vec::new();
        for (table, place) in self.tables.iter().zip(&lowered.tables) {
            cells.resize(place.base as usize, 0);
            for i in 0..table.size(&*store) {
                cells.push(match table.get(&mut *store, i) {
                    Some(Ref::Func(function)) => self.reference(store, function)?,
                    Some(Ref::Extern(None)) => 0,
                    _ => return Err(NoResult::Instrumentation),
                });
            }
        }
        Ok(cells)
    }

    /// The cell of a reference to a function.
    fn reference(&self, store: &mut Store<Host>, function: Option<Func>) -> Result<u64, NoResult> {
        let Some(function) = function else {
            return Ok(0);
        };
        let address = function.to_raw(store) as usize;
        let cell = self.references.get(&address);
        cell.copied().ok_or(NoResult::Instrumentation)
    }
}

fn references(
    store: &mut Store<Host>,
    instance: &Instance,
    lowered: &Lowered,
) -> BTreeMap<usize, u64> {
    let mut references = BTreeMap::new();
    // An import comes before the defined functions in the index space; nothing refers to it.
    for (defined, info) in lowered.functions.iter().enumerate() {
        let index = defined + lowered.imported as usize;
        let name = format!("{}{index}", names::FUNCTION);
        if let Some(function) = instance.get_func(&mut *store, &name) {
            references.insert(function.to_raw(&mut *store) as usize, info.reference);
        }
    }
    references
}
