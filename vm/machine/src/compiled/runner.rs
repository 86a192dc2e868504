//! Runs the instrumented module macro step by macro step and keeps its trees.

use super::engine::{Compiled, NoResult};
use super::exports::{Driven, Exports};
use super::growth::{Growth, Host};
use super::instrument::{MAP_LOG2, names};
use crate::image::cells_leaf;
use crate::lower::Driver;
use crate::machine::Machine;
use crate::rom::Rom;
use crate::trace::is_terminal;
use crate::tree::{Tree, leaf_at};
use assay_types::params::{LEAF_BYTES, LEAF_CELLS, PAGE_BYTES, ROMS, STACK_DEPTH};
use assay_types::{Header, StateRoot, Status};
use wasmtime::{Caller, Extern, Linker, Store, Trap, TypedFunc, WasmParams, WasmResults};

/// Bytes whose writes are noted together.
const MAP_BYTES: usize = 1 << MAP_LOG2;

/// One run in progress, between macro steps.
pub(super) struct Run {
    compiled: Compiled,
    store: Store<Host>,
    exports: Exports,
    pub status: Status,
    /// Tree of linear memory.
    tree: Tree,
    /// The table tree's cells, and the tree, as of the last root.
    table: (Vec<u64>, Tree),
    /// As `table`, of the globals.
    globals: (Vec<u64>, Tree),
    /// The interpreter's state, where it had to decide a macro step; then it goes on alone.
    interpreted: Option<Machine>,
    pub y: u64,
}

/// Copies `len` bytes of rom at `offset` to `dst`; errors become traps, as in the machine.
fn rom_read(
    mut caller: Caller<'_, Host>,
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
    let source = caller.data().roms[rom as usize].clone();
    offset
        .checked_add(len as u64)
        .filter(|&end| end <= 8 + source.data_len())
        .ok_or_else(out_of_bounds)?;
    if len == 0 {
        return Ok(());
    }
    source.copy_to(offset, &mut memory.data_mut(&mut caller)[dst..dst + len]);
    map.data_mut(&mut caller)[dst / MAP_BYTES..=(dst + len - 1) / MAP_BYTES].fill(1);
    Ok(())
}

/// The noted blocks among these of the map, ascending. Most of a map is zero, so it is looked at in large pieces first.
fn noted(map: &[u8]) -> Vec<usize> {
    const PIECE: usize = 256;
    let pieces = map.chunks(PIECE).enumerate();
    let some = pieces.filter(|(_, piece)| **piece != [0; PIECE][..piece.len()]);
    some.flat_map(|(i, piece)| {
        let blocks = (i * PIECE..).zip(piece);
        blocks
            .filter(|(_, note)| **note != 0)
            .map(|(block, _)| block)
    })
    .collect()
}

impl Run {
    pub fn start(compiled: &Compiled, roms: [Rom; 3]) -> Result<Run, NoResult> {
        let host = Host {
            roms,
            growth: Growth,
        };
        let mut store = Store::new(compiled.module().engine(), host);
        store.limiter(|host| &mut host.growth);
        let mut linker = Linker::new(compiled.module().engine());
        linker.func_wrap("assay", "read", rom_read)?;
        let instance = linker.instantiate(&mut store, compiled.module())?;
        let image = &compiled.lowered().image;
        Ok(Run {
            exports: Exports::find(&mut store, &instance, compiled.lowered())?,
            store,
            status: Status::Yielded,
            tree: image.memory_tree.clone(),
            table: (image.table.clone(), image.table_tree.clone()),
            globals: (image.globals.clone(), image.globals_tree.clone()),
            interpreted: None,
            y: 0,
            compiled: compiled.clone(),
        })
    }

    /// Calls an exported function as the entry stub does; `None` if it traps.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        f: &TypedFunc<P, R>,
        arguments: P,
    ) -> Result<Option<R>, NoResult> {
        let base = self.compiled.lowered().entry_base;
        self.exports.set_cells(&mut self.store, base)?;
        match f.call(&mut self.store, arguments) {
            Ok(value) => Ok(Some(value)),
            Err(e) => match e.downcast_ref::<Trap>() {
                Some(Trap::StackOverflow) => Err(NoResult::NativeStack),
                Some(_) => Ok(None),
                None => Err(e.into()),
            },
        }
    }

    /// Calls the start function, if there is one, and the driven function: its result, 0 if it has none.
    fn call_driven(&mut self) -> Result<Option<i32>, NoResult> {
        if let Some(start) = self.exports.start.clone()
            && self.call(&start, ())?.is_none()
        {
            return Ok(None);
        }
        match self.exports.driven.clone() {
            Driven::Nothing(f) => Ok(self.call(&f, ())?.map(|()| 0)),
            Driven::Code(f) => self.call(&f, ()),
            Driven::Arguments(f) => self.call(&f, (0, 0)),
        }
    }

    /// Runs one macro step, from state y to state y + 1.
    pub fn advance(&mut self) -> Result<(), NoResult> {
        let b = self.compiled.lowered().image.limits.b;
        if let Some(machine) = &mut self.interpreted {
            machine.run(self.y << b, 1 << b);
            self.status = machine.cpu.status;
            self.y += 1;
            return Ok(());
        }
        self.exports.reset_steps(&mut self.store)?;
        let result = self.call_driven()?;
        if self.exports.steps(&mut self.store)? > 1 << (b - 1) {
            return self.interpret_from_here();
        }
        self.y += 1;
        self.status = match (result, self.compiled.lowered().driver) {
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
        let mut again = Run::start(&self.compiled, self.store.data().roms.clone())?;
        while again.y < self.y {
            again.advance()?;
        }
        self.interpreted = Some(again.machine()?);
        self.advance()
    }

    pub fn interprets(&self) -> bool {
        self.interpreted.is_some()
    }

    /// Zeroes the written blocks of the volatile region.
    fn clear_volatile(&mut self) {
        let log2 = self.compiled.lowered().image.limits.volatile_log2;
        let Some(memory) = self.exports.memory.filter(|_| log2 != 0) else {
            return;
        };
        let bytes = memory.data_size(&self.store).min(1 << log2);
        let blocks = bytes.div_ceil(MAP_BYTES);
        let noted = noted(&self.exports.map.data(&self.store)[..blocks]);
        for &block in &noted {
            // A store noted in a block may have reached into the next one.
            let end = bytes.min((block + 2) * MAP_BYTES);
            memory.data_mut(&mut self.store)[block * MAP_BYTES..end].fill(0);
        }
        // The last block's note stays: its store may have reached beyond the region.
        let map = self.exports.map.data_mut(&mut self.store);
        for block in noted.into_iter().filter(|block| block + 1 < blocks) {
            map[block] = 0;
        }
    }

    /// Rehashes the leaves of noted blocks, and the first leaf of the block after each.
    fn update_tree(&mut self) {
        let Some(memory) = self.exports.memory else {
            return;
        };
        let bytes = memory.data_size(&self.store);
        let log2 = self.compiled.lowered().image.limits.volatile_log2;
        self.tree.reserve((bytes / LEAF_BYTES) as u64);
        if log2 != 0 && self.status == Status::Yielded {
            self.tree.zero_prefix(u32::from(log2) - 7);
        }
        let map = self.exports.map.data_mut(&mut self.store);
        // An access across the end of memory has trapped, and a state that is hashed comes of no trap.
        let noted = noted(&map[..bytes / MAP_BYTES]);
        for &block in &noted {
            map[block] = 0;
        }
        let per_block = MAP_BYTES / LEAF_BYTES;
        let mut leaves: Vec<u64> = Vec::with_capacity(noted.len() * (per_block + 1));
        for block in noted {
            let first = (block * per_block) as u64;
            // The block before may have added this block's first leaf already.
            let skip = u64::from(leaves.last() == Some(&first));
            let end = (first + per_block as u64 + 1).min((bytes / LEAF_BYTES) as u64);
            leaves.extend(first + skip..end);
        }
        let data = memory.data(&self.store);
        self.tree
            .update(leaves.into_iter().map(|i| (i, leaf_at(data, i))));
    }

    /// Rehashes the table's changed leaves. Tables never get shorter.
    fn update_table(&mut self) -> Result<(), NoResult> {
        if !self.exports.take_tables_written(&mut self.store)? {
            return Ok(());
        }
        let lowered = self.compiled.lowered();
        let now = self.exports.read_tables(&mut self.store, lowered)?;
        let (cells, tree) = &mut self.table;
        let leaves = now.len().div_ceil(LEAF_CELLS as usize) as u64;
        tree.reserve(leaves);
        let changed = (0..leaves).filter(|&i| cells_leaf(cells, i) != cells_leaf(&now, i));
        tree.update(changed.map(|i| (i, cells_leaf(&now, i))));
        *cells = now;
        Ok(())
    }

    /// Rehashes the leaves of globals that have changed.
    fn update_globals(&mut self) -> Result<(), NoResult> {
        let lowered = self.compiled.lowered();
        let (cells, tree) = &mut self.globals;
        let changed = self.exports.read_globals(&mut self.store, lowered, cells)?;
        tree.update(changed.into_iter().map(|i| (i, cells_leaf(cells, i))));
        Ok(())
    }

    fn pages(&self) -> u32 {
        self.exports
            .memory
            .map_or(0, |m| (m.data_size(&self.store) as u64 / PAGE_BYTES) as u32)
    }

    pub fn root(&mut self) -> Result<StateRoot, NoResult> {
        if let Some(machine) = &mut self.interpreted {
            return Ok(machine.root());
        }
        if is_terminal(self.status) {
            return Ok(Header::terminal(self.status).root());
        }
        self.update_tree();
        self.update_table()?;
        self.update_globals()?;
        let header = Header {
            status: self.status,
            pc: self.compiled.lowered().image.limits.entry,
            fp: 0,
            pages: self.pages(),
            memory: self.tree.root(),
            stack: crate::tree::ZERO[STACK_DEPTH as usize],
            globals: self.globals.1.root(),
            table: self.table.1.root(),
        };
        Ok(header.root())
    }

    pub fn machine(&mut self) -> Result<Machine, NoResult> {
        if let Some(machine) = &self.interpreted {
            return Ok(machine.clone());
        }
        self.update_tree();
        self.update_table()?;
        self.update_globals()?;
        let globals = self.globals.0.clone();
        let memory = self.exports.memory;
        let bytes = memory.map_or(Vec::new(), |m| m.data(&self.store).to_vec());
        let image = self.compiled.lowered().image.clone();
        let roms = self.store.data().roms.clone();
        let mut machine = Machine::at_yield(image, roms, bytes, globals, &self.table.0);
        machine.cpu.status = self.status;
        Ok(machine)
    }
}
