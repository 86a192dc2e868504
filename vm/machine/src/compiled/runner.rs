//! Runs the instrumented module macro step by macro step and keeps its trees.

use super::instrument::{MAP_LOG2, instrument, names};
use crate::image::GLOBAL_TREE_CELLS;
use crate::lower::{Driver, Lowered};
use crate::machine::Machine;
use crate::rom::Rom;
use crate::trace::{Engine, is_terminal};
use crate::tree::{Tree, leaf_at};
use assay_types::params::{
    DATA_DROPPED_BASE, GLOBALS_DEPTH, LEAF_BYTES, PAGE_BYTES, ROMS, STACK_DEPTH,
};
use assay_types::{Header, StateRoot, Status, leaf_hash};
use std::sync::Arc;
use thiserror::Error;
use wasmtime::{
    Caller, Config, Extern, Instance, Linker, Memory, Module, OptLevel, Store, Trap, TypedFunc,
    Val, WasmBacktraceDetails,
};

/// Native stack of the thread that runs compiled code. The machine's own limit of cells comes first.
const NATIVE_STACK: usize = 512 << 20;
/// Bytes whose writes are noted together.
const MAP_BYTES: usize = 1 << MAP_LOG2;

/// The run failed for a reason of the host's own: there is no result, it is not `Trapped`.
#[derive(Debug, Error)]
pub enum NoResult {
    /// wasmtime refused or failed.
    #[error("the compiled engine failed: {0}")]
    Wasmtime(String),
    /// The native stack ended before the machine's.
    #[error("the compiled engine ran out of native stack")]
    NativeStack,
    /// The instrumented module lacks an export: a bug.
    #[error("the instrumented module lacks what the instrumentation adds")]
    Instrumentation,
    /// The thread that ran it panicked: a bug.
    #[error("the compiled engine's thread panicked")]
    Panic,
}

impl From<wasmtime::Error> for NoResult {
    fn from(e: wasmtime::Error) -> Self {
        NoResult::Wasmtime(format!("{e:#}"))
    }
}

/// A program compiled once, for any number of runs.
#[derive(Clone)]
pub struct Compiled {
    lowered: Arc<Lowered>,
    module: Module,
}

impl Compiled {
    /// Compiles `wasm`, whose lowering is `lowered`.
    pub fn new(wasm: &[u8], lowered: Arc<Lowered>) -> Result<Compiled, NoResult> {
        let mut config = Config::new();
        config.cranelift_nan_canonicalization(true);
        config.cranelift_opt_level(OptLevel::Speed);
        config.wasm_multi_memory(true);
        config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
        // Runs are synchronous, but wasmtime insists that this one be the larger.
        config.async_stack_size(NATIVE_STACK);
        config.max_wasm_stack(NATIVE_STACK - (16 << 20));
        let engine = wasmtime::Engine::new(&config)?;
        let instrumented =
            instrument(wasm, &lowered).map_err(|e| NoResult::Wasmtime(e.to_string()))?;
        Ok(Compiled {
            lowered,
            module: Module::new(&engine, instrumented)?,
        })
    }

    /// The lowering.
    pub fn lowered(&self) -> &Arc<Lowered> {
        &self.lowered
    }
}

/// One run in progress, between macro steps.
struct Run {
    compiled: Compiled,
    store: Store<[Rom; 3]>,
    instance: Instance,
    memory: Option<Memory>,
    map: Memory,
    status: Status,
    tree: Tree,
    /// The interpreter's state, where it had to decide a macro step; then it goes on alone.
    interpreted: Option<Machine>,
    y: u64,
}

/// Copies `len` bytes of rom at `offset` to `dst`; errors become traps, as in the machine.
fn rom_read(
    mut caller: Caller<'_, [Rom; 3]>,
    rom: i32,
    offset: i64,
    dst: i32,
    len: i32,
) -> wasmtime::Result<()> {
    let out_of_bounds = || wasmtime::Error::from(Trap::MemoryOutOfBounds);
    let (rom, offset, dst, len) = (
        rom as u32,
        offset as u64,
        dst as u32 as usize,
        len as u32 as usize,
    );
    let Some(Extern::Memory(memory)) = caller.get_export(names::MEMORY) else {
        return Err(out_of_bounds());
    };
    let Some(Extern::Memory(map)) = caller.get_export(names::MAP) else {
        return Err(out_of_bounds());
    };
    if rom >= ROMS || dst + len > memory.data_size(&caller) {
        return Err(out_of_bounds());
    }
    let source = caller.data()[rom as usize].clone();
    let bytes = source.bytes();
    let end = offset
        .checked_add(len as u64)
        .filter(|&e| e <= bytes.len() as u64)
        .ok_or_else(out_of_bounds)?;
    if len == 0 {
        return Ok(());
    }
    memory.data_mut(&mut caller)[dst..dst + len]
        .copy_from_slice(&bytes[offset as usize..end as usize]);
    map.data_mut(&mut caller)[dst / MAP_BYTES..=(dst + len - 1) / MAP_BYTES].fill(1);
    Ok(())
}

impl Run {
    fn start(compiled: &Compiled, roms: [Rom; 3]) -> Result<Run, NoResult> {
        let mut store = Store::new(compiled.module.engine(), roms);
        let mut linker = Linker::new(compiled.module.engine());
        linker.func_wrap("assay", "read", rom_read)?;
        let instance = linker.instantiate(&mut store, &compiled.module)?;
        let memory = instance.get_memory(&mut store, names::MEMORY);
        let map = instance
            .get_memory(&mut store, names::MAP)
            .ok_or(NoResult::Instrumentation)?;
        let tree = compiled.lowered.image.memory_tree.clone();
        Ok(Run {
            compiled: compiled.clone(),
            store,
            instance,
            memory,
            map,
            status: Status::Yielded,
            tree,
            interpreted: None,
            y: 0,
        })
    }

    fn call(&mut self, name: &str) -> Result<Option<i32>, NoResult> {
        let base = self.compiled.lowered.entry_base;
        self.set_global(names::CELLS, Val::I32(base as i32))?;
        let outcome = match (name, self.compiled.lowered.driver) {
            (names::START, _) | (_, Driver::Start) => {
                let f: TypedFunc<(), ()> = self.instance.get_typed_func(&mut self.store, name)?;
                f.call(&mut self.store, ()).map(|()| 0)
            }
            (_, Driver::Step | Driver::Main) => {
                let f: TypedFunc<(), i32> = self.instance.get_typed_func(&mut self.store, name)?;
                f.call(&mut self.store, ())
            }
        };
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(e) => match e.downcast_ref::<Trap>() {
                Some(Trap::StackOverflow) => Err(NoResult::NativeStack),
                Some(_) => Ok(None),
                None => Err(e.into()),
            },
        }
    }

    fn set_global(&mut self, name: &str, value: Val) -> Result<(), NoResult> {
        let global = self
            .instance
            .get_global(&mut self.store, name)
            .ok_or(NoResult::Instrumentation)?;
        Ok(global.set(&mut self.store, value)?)
    }

    fn steps(&mut self) -> Result<u64, NoResult> {
        let global = self
            .instance
            .get_global(&mut self.store, names::STEPS)
            .ok_or(NoResult::Instrumentation)?;
        match global.get(&mut self.store) {
            Val::I64(steps) => Ok(steps as u64),
            _ => Err(NoResult::Instrumentation),
        }
    }

    /// Runs one macro step, from state y to state y + 1.
    fn advance(&mut self) -> Result<(), NoResult> {
        let b = self.compiled.lowered.image.limits.b;
        if let Some(machine) = &mut self.interpreted {
            machine.run(self.y << b, 1 << b);
            self.status = machine.cpu.status;
            self.y += 1;
            return Ok(());
        }
        self.set_global(names::STEPS, Val::I64(0))?;
        let (name, start) = match self.compiled.lowered.driver {
            Driver::Step => ("step", false),
            Driver::Start => ("_start", true),
            Driver::Main => ("main", true),
        };
        let mut result = Some(0);
        if start
            && self
                .instance
                .get_func(&mut self.store, names::START)
                .is_some()
        {
            result = self.call(names::START)?;
        }
        if result.is_some() {
            result = self.call(name)?;
        }
        if self.steps()? > 1 << (b - 1) {
            return self.interpret_from_here();
        }
        self.y += 1;
        self.status = match (result, self.compiled.lowered.driver) {
            (None, _) => Status::Trapped,
            (Some(0), Driver::Step) => Status::Yielded,
            (Some(v), Driver::Step) => Status::Halted((v as u32).wrapping_sub(1)),
            (Some(_), Driver::Start) => Status::Halted(0),
            (Some(v), Driver::Main) => Status::Halted(v as u32),
        };
        if self.status == Status::Yielded {
            self.clear_volatile();
        }
        Ok(())
    }

    /// The step bound was passed in macro step y: the interpreter runs it again, from a second compiled run
    /// up to y, and goes on alone. Honest programs stay far below the bound, so this is rare.
    fn interpret_from_here(&mut self) -> Result<(), NoResult> {
        let mut again = Run::start(&self.compiled, self.store.data().clone())?;
        while again.y < self.y {
            again.advance()?;
        }
        self.interpreted = Some(again.machine()?);
        self.advance()
    }

    /// Zeroes the written pages of the volatile region.
    fn clear_volatile(&mut self) {
        let log2 = self.compiled.lowered.image.limits.volatile_log2;
        let Some(memory) = self.memory.filter(|_| log2 != 0) else {
            return;
        };
        let bytes = memory.data_size(&self.store).min(1 << log2);
        let pages = bytes.div_ceil(MAP_BYTES);
        for page in 0..pages {
            // A store noted in the page before may have reached into this one.
            let noted = |store: &Store<_>, p: usize| self.map.data(store)[p] != 0;
            if noted(&self.store, page) || (page > 0 && noted(&self.store, page - 1)) {
                let end = bytes.min((page + 1) * MAP_BYTES);
                memory.data_mut(&mut self.store)[page * MAP_BYTES..end].fill(0);
            }
        }
        // The last page's note stays: its store may have reached beyond the region.
        self.map.data_mut(&mut self.store)[..pages.saturating_sub(1)].fill(0);
    }

    /// Rehashes the leaves of noted pages, and the first leaf of the page after each.
    fn update_tree(&mut self) {
        let Some(memory) = self.memory else { return };
        let bytes = memory.data_size(&self.store);
        let log2 = self.compiled.lowered.image.limits.volatile_log2;
        let per_page = MAP_BYTES / LEAF_BYTES;
        self.tree.reserve((bytes / LEAF_BYTES) as u64);
        if log2 != 0 && self.status == Status::Yielded {
            self.tree.zero_prefix(u32::from(log2) - 7);
        }
        let noted = self.map.data(&self.store);
        let mut leaves: Vec<u64> = Vec::new();
        for page in (0..bytes / MAP_BYTES).filter(|&p| noted[p] != 0) {
            let first = (page * per_page) as u64;
            // The page before may have added this page's first leaf already.
            let skip = u64::from(leaves.last() == Some(&first));
            let end = (first + per_page as u64 + 1).min((bytes / LEAF_BYTES) as u64);
            leaves.extend(first + skip..end);
        }
        let data = memory.data(&self.store);
        self.tree.update(
            leaves
                .into_iter()
                .map(|i| (i, leaf_hash(&leaf_at(data, i)))),
        );
        let pages = bytes / MAP_BYTES;
        self.map.data_mut(&mut self.store)[..=pages].fill(0);
    }

    fn globals(&mut self) -> Vec<u64> {
        let mut cells = self.compiled.lowered.image.globals.clone();
        debug_assert_eq!(cells.len(), GLOBAL_TREE_CELLS);
        self.read_globals(names::GLOBAL, &mut cells);
        self.read_globals(names::DROPPED, &mut cells[DATA_DROPPED_BASE as usize..]);
        cells
    }

    /// Reads the exported globals `prefix0`, `prefix1`, ... into cells.
    fn read_globals(&mut self, prefix: &str, cells: &mut [u64]) {
        for (i, cell) in cells.iter_mut().enumerate() {
            let Some(global) = self
                .instance
                .get_global(&mut self.store, &format!("{prefix}{i}"))
            else {
                return;
            };
            *cell = match global.get(&mut self.store) {
                Val::I32(v) => u64::from(v as u32),
                Val::I64(v) => v as u64,
                Val::F32(bits) => u64::from(bits),
                other => unreachable!("lowering admits no global of type {other:?}"),
            };
        }
    }

    fn pages(&self) -> u32 {
        self.memory
            .map_or(0, |m| (m.data_size(&self.store) as u64 / PAGE_BYTES) as u32)
    }

    fn root(&mut self) -> StateRoot {
        if let Some(machine) = &mut self.interpreted {
            return machine.root();
        }
        if is_terminal(self.status) {
            return Header::terminal(self.status).root();
        }
        self.update_tree();
        let image = self.compiled.lowered.image.clone();
        let globals = self.globals();
        Header {
            status: self.status,
            pc: image.limits.entry,
            fp: 0,
            pages: self.pages(),
            memory: self.tree.root(),
            stack: crate::tree::ZERO[STACK_DEPTH as usize],
            globals: Tree::build(GLOBALS_DEPTH, &crate::image::cell_bytes(&globals)).root(),
            table: image.table_tree.root(),
        }
        .root()
    }

    fn machine(&mut self) -> Result<Machine, NoResult> {
        if let Some(machine) = &self.interpreted {
            return Ok(machine.clone());
        }
        self.update_tree();
        let bytes = self
            .memory
            .map_or(Vec::new(), |m| m.data(&self.store).to_vec());
        let (image, roms) = (
            self.compiled.lowered.image.clone(),
            self.store.data().clone(),
        );
        let mut machine =
            Machine::at_yield(image.clone(), roms, bytes, self.globals(), &image.table);
        machine.cpu.status = self.status;
        Ok(machine)
    }
}

/// A compiled program on given inputs, as an [`Engine`].
pub struct CompiledEngine {
    compiled: Compiled,
    roms: [Rom; 3],
    run: Option<Run>,
    /// Number of the first terminal state, once known.
    end: Option<(u64, Status)>,
}

impl CompiledEngine {
    /// A run of `compiled` on `roms`.
    pub fn new(compiled: Compiled, roms: [Rom; 3]) -> CompiledEngine {
        CompiledEngine {
            compiled,
            roms,
            run: None,
            end: None,
        }
    }

    /// Runs to the end: the number of the first terminal state, and its status. `limit` bounds the macro steps.
    pub fn finish(&mut self, limit: u64) -> Result<Option<(u64, Status)>, NoResult> {
        self.on_big_stack(|e| {
            e.seek(limit)?;
            Ok(e.end)
        })
    }

    /// Runs `f` on a thread whose native stack outlasts the machine's.
    fn on_big_stack<T: Send>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<T, NoResult> + Send,
    ) -> Result<T, NoResult> {
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(NATIVE_STACK);
            let thread = builder
                .spawn_scoped(scope, || f(self))
                .map_err(|e| NoResult::Wasmtime(e.to_string()))?;
            thread.join().map_err(|_| NoResult::Panic)?
        })
    }

    /// The run, at state y or at its terminal state.
    fn seek(&mut self, y: u64) -> Result<&mut Run, NoResult> {
        let run = match self.run.take() {
            Some(run) if run.y <= y => run,
            _ => Run::start(&self.compiled, self.roms.clone())?,
        };
        let run = self.run.insert(run);
        while run.y < y && !is_terminal(run.status) {
            run.advance()?;
        }
        if is_terminal(run.status) && self.end.is_none() {
            self.end = Some((run.y, run.status));
        }
        Ok(run)
    }
}

impl Engine for CompiledEngine {
    type Error = NoResult;

    fn b(&self) -> u8 {
        self.compiled.lowered.image.limits.b
    }

    fn roots(&mut self, yields: &[u64]) -> Result<Vec<StateRoot>, NoResult> {
        self.on_big_stack(|e| {
            let mut roots = Vec::with_capacity(yields.len());
            for &y in yields {
                let known = e.end.filter(|end| y >= end.0);
                roots.push(match known {
                    Some((_, status)) => Header::terminal(status).root(),
                    None => e.seek(y)?.root(),
                });
            }
            Ok(roots)
        })
    }

    fn machine(&mut self, y: u64) -> Result<Machine, NoResult> {
        self.on_big_stack(|e| e.seek(y)?.machine())
    }
}
