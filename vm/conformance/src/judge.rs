//! The judge: the same module in wasmtime, and its state beside the machine's.

use crate::program::Program;
use crate::value::extern_cell;
use assay_machine::lower::Lowered;
use assay_machine::machine::Machine;
use assay_types::params::TABLE_SIZE_BASE;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use wasmtime::{
    Config, Engine, ExternRef, Func, Global, Instance, Memory, Module, OptLevel, Ref, Store, Table,
    TypedFunc, Val,
};

/// The compiled engine's settings, as far as they change a result.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.cranelift_nan_canonicalization(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.wasm_relaxed_simd(false);
    Engine::new(&config).expect("a host that wasmtime compiles for")
});

/// A program's module in wasmtime.
pub struct Judge {
    store: Store<()>,
    step: TypedFunc<(), i32>,
    memory: Option<Memory>,
    globals: Vec<Global>,
    tables: Vec<Table>,
    call: Global,
    /// The cell of each function, by the address of the one record that an instance has of it.
    references: BTreeMap<usize, u64>,
}

fn text<E: std::fmt::Display>(e: E) -> String {
    format!("wasmtime: {e:#}")
}

impl Judge {
    /// Instantiates a program's module.
    pub fn new(program: &Program, lowered: &Lowered) -> Result<Judge, String> {
        let module = Module::new(&ENGINE, &program.wasm).map_err(text)?;
        let mut store = Store::new(&ENGINE, ());
        let instance = Instance::new(&mut store, &module, &[]).map_err(text)?;
        let [functions, tables, globals] = program.counts;
        let missing = || "wasmtime: an export is missing".to_owned();
        let mut references = BTreeMap::new();
        for i in 0..functions {
            let f = instance.get_func(&mut store, &format!("f{i}"));
            let address = f.ok_or_else(missing)?.to_raw(&mut store) as usize;
            references.insert(address, lowered.functions[i as usize].reference);
        }
        let mut global = |i| instance.get_global(&mut store, &format!("g{i}"));
        let globals: Option<Vec<Global>> = (0..globals).map(&mut global).collect();
        let globals = globals.ok_or_else(missing)?;
        let table = |i| instance.get_table(&mut store, &format!("t{i}"));
        let tables: Option<Vec<Table>> = (0..tables).map(table).collect();
        let mut judge = Judge {
            step: instance.get_typed_func(&mut store, "step").map_err(text)?,
            memory: instance.get_memory(&mut store, "memory"),
            call: globals[program.call as usize],
            globals,
            tables: tables.ok_or_else(missing)?,
            references,
            store,
        };
        for (&n, &global) in &program.externs {
            let external = ExternRef::new(&mut judge.store, n).map_err(text)?;
            judge.globals[global as usize]
                .set(&mut judge.store, Val::ExternRef(Some(external)))
                .map_err(text)?;
        }
        Ok(judge)
    }

    /// Does one macro step; whether it returned.
    pub fn step(&mut self) -> bool {
        self.step.call(&mut self.store, ()).is_ok()
    }

    /// Names the next macro step.
    pub fn set_call(&mut self, call: u32) -> Result<(), String> {
        self.call
            .set(&mut self.store, Val::I32(call as i32))
            .map_err(text)
    }

    /// Compares everything that can be seen of a state.
    pub fn compare(&mut self, machine: &Machine, lowered: &Lowered) -> Result<(), String> {
        for (i, &cell) in lowered.globals.iter().enumerate() {
            let value = self.globals[i].get(&mut self.store);
            let low = u128::from(machine.globals[cell as usize]);
            let (got, here) = match self.bits(value)? {
                (bits, 2) => {
                    let high = u128::from(machine.globals[cell as usize + 1]);
                    (bits, low | high << 64)
                }
                (bits, _) => (bits, low),
            };
            if got != here {
                return Err(format!("global {i} is {here:#x}, wasmtime has {got:#x}"));
            }
        }
        for (i, place) in lowered.tables.iter().enumerate() {
            self.table(i, place.base, machine)?;
        }
        let memory = self.memory.map_or(&[][..], |m| m.data(&self.store));
        if memory != &machine.memory[..] {
            let differs = memory.iter().zip(&machine.memory).position(|(a, b)| a != b);
            return Err(format!(
                "memory differs from wasmtime's: {} and {} bytes, first at {differs:x?}",
                machine.memory.len(),
                memory.len()
            ));
        }
        Ok(())
    }

    fn table(&mut self, i: usize, base: u32, machine: &Machine) -> Result<(), String> {
        let table = self.tables[i];
        let here = machine.globals[TABLE_SIZE_BASE as usize + i] as u32;
        let size = table.size(&self.store);
        if size != u64::from(here) {
            return Err(format!(
                "table {i} has {here} elements, wasmtime has {size}"
            ));
        }
        for at in 0..size {
            let value = match table.get(&mut self.store, at) {
                Some(Ref::Func(f)) => Val::FuncRef(f),
                Some(Ref::Extern(e)) => Val::ExternRef(e),
                other => return Err(format!("wasmtime: element {other:?}")),
            };
            let got = self.bits(value)?.0;
            let here = machine.table.get(base as usize + at as usize);
            let here = u128::from(here.copied().unwrap_or(0));
            if got != here {
                return Err(format!(
                    "element {at} of table {i} is {here:#x}, wasmtime has {got:#x}"
                ));
            }
        }
        Ok(())
    }

    /// The cells of a value, and how many they are.
    fn bits(&mut self, value: Val) -> Result<(u128, u32), String> {
        Ok(match value {
            Val::I32(v) => (u128::from(v as u32), 1),
            Val::I64(v) => (u128::from(v as u64), 1),
            Val::F32(bits) => (u128::from(bits), 1),
            Val::F64(bits) => (u128::from(bits), 1),
            Val::V128(v) => (v.as_u128(), 2),
            Val::FuncRef(None) | Val::ExternRef(None) => (0, 1),
            Val::FuncRef(Some(f)) => (self.function(f)?, 1),
            Val::ExternRef(Some(external)) => {
                let data = external.data(&self.store).map_err(text)?;
                let n = data.and_then(|d| d.downcast_ref::<u32>());
                let n = n.ok_or("wasmtime: an externref of nobody's")?;
                (u128::from(extern_cell(*n)), 1)
            }
            other => return Err(format!("wasmtime: a global holds {other:?}")),
        })
    }

    fn function(&mut self, function: Func) -> Result<u128, String> {
        let address = function.to_raw(&mut self.store) as usize;
        let cell = self.references.get(&address);
        let cell = cell.ok_or("wasmtime: a function of nobody's")?;
        Ok(u128::from(*cell))
    }
}
