//! A machine in memory: registers, stack, linear memory, and trees that follow them.

use crate::access::Stop;
use crate::dirty::Dirty;
use crate::fast;
use crate::image::{GLOBAL_TREE_CELLS, Image, Limits, cell_bytes, cells_leaf};
use crate::rom::Rom;
use crate::stack::Stack;
use crate::step::{Cpu, execute};
use crate::tree::{Tree, leaf_at};
use assay_types::params::{LEAF_BYTES, LEAF_CELLS, MEMORY_DEPTH, PAGE_BYTES, STACK_DEPTH};
use assay_types::{Header, StateRoot, Status};
use std::sync::Arc;

/// Trees of the parts of a state that change.
#[derive(Clone)]
pub struct Trees {
    /// Linear memory.
    pub memory: Tree,
    /// Register stack.
    pub stack: Tree,
    /// Globals.
    pub globals: Tree,
    /// Table elements.
    pub table: Tree,
}

/// One machine state, runnable.
#[derive(Clone)]
pub struct Machine {
    /// The program.
    pub image: Arc<Image>,
    /// Request, output, model.
    pub roms: [Rom; 3],
    /// Registers.
    pub cpu: Cpu,
    /// Linear memory, `cpu.pages * 65536` bytes.
    pub memory: Vec<u8>,
    /// Register stack.
    pub stack: Stack,
    /// Globals tree's cells.
    pub globals: Vec<u64>,
    /// Table tree's cells, whole leaves of them; zero beyond.
    pub table: Vec<u64>,
    /// Trees as of the last update.
    pub trees: Trees,
    /// One byte a memory leaf: written since the last update.
    pub(crate) dirty: Vec<u8>,
    /// Cells at and above this one are zero.
    pub(crate) stack_top: u32,
    /// What the stack tree last saw.
    stack_seen: Vec<[u8; 8]>,
    /// What the globals tree last saw.
    globals_seen: Vec<u64>,
    /// Table leaves written since the last update.
    table_dirty: Dirty,
    /// Steps at which this machine was not yet at a fixpoint or yield, in all.
    pub executed: u64,
}

impl Machine {
    /// The program's first state.
    pub fn new(image: Arc<Image>, roms: [Rom; 3]) -> Machine {
        let limits = image.limits;
        let mut memory = image.memory.clone();
        memory.resize(limits.pages as usize * PAGE_BYTES as usize, 0);
        let mut trees = Trees {
            memory: image.memory_tree.clone(),
            stack: Tree::zeroed(STACK_DEPTH, 1 << STACK_DEPTH),
            globals: image.globals_tree.clone(),
            table: image.table_tree.clone(),
        };
        trees.memory.reserve((memory.len() / LEAF_BYTES) as u64);
        let mut table = image.table.clone();
        table.resize(table.len().next_multiple_of(LEAF_CELLS as usize), 0);
        Machine {
            cpu: Cpu {
                status: Status::Yielded,
                pc: limits.entry,
                fp: 0,
                pages: limits.pages,
            },
            dirty: vec![0; memory.len() / LEAF_BYTES],
            memory,
            stack: Stack::default(),
            globals: image.globals.clone(),
            table,
            trees,
            stack_top: 0,
            stack_seen: Vec::new(),
            globals_seen: image.globals.clone(),
            table_dirty: Dirty::default(),
            executed: 0,
            image,
            roms,
        }
    }

    /// A Yielded state of the program with this memory, these globals and this table, which may be shorter than its
    /// tree (stack zero, volatile region as given).
    pub fn at_yield(
        image: Arc<Image>,
        roms: [Rom; 3],
        memory: Vec<u8>,
        globals: Vec<u64>,
        table: &[u64],
    ) -> Machine {
        assert_eq!(globals.len(), GLOBAL_TREE_CELLS, "globals cover their tree");
        let mut machine = Machine::new(image, roms);
        machine.cpu.pages = (memory.len() as u64 / PAGE_BYTES) as u32;
        machine.trees.memory = Tree::build(MEMORY_DEPTH, &memory);
        machine
            .trees
            .memory
            .reserve((memory.len() / LEAF_BYTES) as u64);
        machine.dirty = vec![0; memory.len() / LEAF_BYTES];
        machine.memory = memory;
        machine.globals = globals;
        for index in 0..table.len().max(machine.table.len()) {
            let value = table.get(index).copied().unwrap_or(0);
            if machine.table.get(index).copied().unwrap_or(0) != value {
                machine.touch_table(index as u32);
                machine.table[index] = value;
            }
        }
        machine
    }

    /// Executes steps `index .. index + n`, skipping over fixpoints. `index` is the trace index of the present state.
    pub fn run(&mut self, index: u64, n: u64) {
        let end = index + n;
        let mask = (1u64 << self.image.limits.b) - 1;
        let mut at = index;
        while at < end {
            match self.cpu.status {
                Status::Halted(_) | Status::Trapped => return,
                Status::Yielded => {
                    at = (at + mask) & !mask;
                    if at < end {
                        self.cpu.status = Status::Running;
                        self.executed += 1;
                        at += 1;
                    }
                }
                Status::Running => {
                    let macro_end = (at | mask) + 1;
                    at = self.run_micro(at, end.min(macro_end));
                    if at == macro_end && self.cpu.status == Status::Running {
                        self.trap();
                    }
                }
            }
        }
    }

    /// Executes while Running; returns the index reached.
    fn run_micro(&mut self, start: u64, end: u64) -> u64 {
        let image = self.image.clone();
        let mut cpu = self.cpu;
        let mut at = start;
        while at < end {
            at += fast::run(&image.fast, &image.limits, &mut cpu, self, end - at);
            if at == end || !self.refer(&image.limits, &mut cpu, &mut at) {
                break;
            }
        }
        self.executed += at - start;
        self.cpu = cpu;
        at
    }

    /// Executes one step by the reference; whether the machine is still Running.
    fn refer(&mut self, limits: &Limits, cpu: &mut Cpu, at: &mut u64) -> bool {
        *at += 1;
        match execute(cpu, limits, self) {
            Ok(()) => cpu.status == Status::Running,
            Err(Stop::Trap) => {
                cpu.status = Status::Trapped;
                false
            }
            Err(Stop::Access(never)) => match never {},
        }
    }

    /// Makes the state Trapped.
    pub fn trap(&mut self) {
        self.cpu.status = Status::Trapped;
    }

    /// Flips the bits `mask` of the memory byte at `address` (no step does this: for tests and for lying players).
    pub fn poke(&mut self, address: u32, mask: u8) {
        self.memory[address as usize] ^= mask;
        self.dirty[address as usize >> 7] = 1;
    }

    /// Flips the bits `mask` of stack cell `cell`; see [`Machine::poke`].
    pub fn poke_stack(&mut self, cell: u32, mask: u64) {
        self.stack.set(cell, self.stack.get(cell) ^ mask);
        self.stack_top = self.stack_top.max(cell + 1);
    }

    /// Flips the bits `mask` of table element `index`; see [`Machine::poke`].
    pub fn poke_table(&mut self, index: u32, mask: u64) {
        self.touch_table(index);
        self.table[index as usize] ^= mask;
    }

    /// The header of the present state.
    pub fn header(&mut self) -> Header {
        if let Status::Halted(_) | Status::Trapped = self.cpu.status {
            return Header::terminal(self.cpu.status);
        }
        self.update_trees();
        Header {
            status: self.cpu.status,
            pc: self.cpu.pc,
            fp: self.cpu.fp,
            pages: self.cpu.pages,
            memory: self.trees.memory.root(),
            stack: self.trees.stack.root(),
            globals: self.trees.globals.root(),
            table: self.trees.table.root(),
        }
    }

    /// The root of the present state.
    pub fn root(&mut self) -> StateRoot {
        self.header().root()
    }

    /// Brings the trees up to the memory, stack, globals and table.
    pub fn update_trees(&mut self) {
        let dirty = self.dirty.iter_mut().enumerate().filter(|(_, d)| **d != 0);
        let memory = &self.memory;
        self.trees.memory.update(dirty.map(|(i, d)| {
            *d = 0;
            (i as u64, leaf_at(memory, i as u64))
        }));
        let cells = (self.stack_top as usize)
            .next_multiple_of(16)
            .max(self.stack_seen.len());
        update_cells(
            &mut self.trees.stack,
            &mut self.stack_seen,
            self.stack.first(cells),
            |leaf| leaf.concat(),
        );
        update_cells(
            &mut self.trees.globals,
            &mut self.globals_seen,
            &self.globals,
            cell_bytes,
        );
        let table = &self.table;
        let dirty = self.table_dirty.take().into_iter().map(u64::from);
        self.trees
            .table
            .update(dirty.map(|i| (i, cells_leaf(table, i))));
    }

    /// Notes a write to the table leaf that holds element `index`, and makes room for it.
    #[inline(always)]
    pub(crate) fn touch_table(&mut self, index: u32) {
        let leaf = index / LEAF_CELLS;
        let end = ((leaf + 1) * LEAF_CELLS) as usize;
        if self.table.len() < end {
            self.table.resize(end, 0);
            self.trees.table.reserve(u64::from(leaf) + 1);
        }
        self.table_dirty.add(leaf);
    }

    /// Makes linear memory `pages` pages long (never shorter).
    pub(crate) fn resize_memory(&mut self, pages: u32) {
        let bytes = pages as usize * PAGE_BYTES as usize;
        if bytes > self.memory.len() {
            self.memory.resize(bytes, 0);
            self.dirty.resize(bytes / LEAF_BYTES, 0);
            self.trees.memory.reserve((bytes / LEAF_BYTES) as u64);
        }
    }

    /// Zeroes the register stack and the volatile region.
    pub(crate) fn clear_volatile(&mut self, volatile_log2: u8) {
        self.stack.clear(self.stack_top as usize);
        self.stack_top = 0;
        if volatile_log2 != 0 {
            let bytes = self.memory.len().min(1 << volatile_log2);
            self.memory[..bytes].fill(0);
            self.dirty[..bytes / LEAF_BYTES].fill(0);
            self.trees.memory.zero_prefix(u32::from(volatile_log2) - 7);
        }
    }

    /// Writes `n` bytes of `source` at `offset` (zeros beyond its end) to memory.
    pub(crate) fn write_from_leaf(
        &mut self,
        dst: u64,
        leaf: &[u8; LEAF_BYTES],
        offset: u64,
        n: u32,
    ) {
        let dst = dst as usize;
        let start = (offset & 127) as usize;
        self.memory[dst..dst + n as usize].copy_from_slice(&leaf[start..start + n as usize]);
        self.dirty[dst >> 7] = 1;
    }
}

/// Rehashes the leaves in which `cells` differs from `seen`, and makes `seen` equal.
fn update_cells<T: Copy + Default + PartialEq>(
    tree: &mut Tree,
    seen: &mut Vec<T>,
    cells: &[T],
    bytes: impl Fn(&[T]) -> Vec<u8>,
) {
    seen.resize(cells.len(), T::default());
    // One long comparison is cheaper than many short ones, and most steps write no global.
    if seen == cells {
        return;
    }
    let changed = seen
        .chunks_mut(LEAF_CELLS as usize)
        .zip(cells.chunks(LEAF_CELLS as usize))
        .enumerate()
        .filter(|(_, (old, new))| old != new);
    tree.update(changed.map(|(i, (old, new))| {
        old.copy_from_slice(new);
        (i as u64, leaf_at(&bytes(new), 0))
    }));
}
