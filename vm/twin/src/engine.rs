//! States at yields from a native run: constants from the image, the arena from the native machine, all else zero.

use crate::guest::guest;
use assay_inference::layout::ARENA_ADDRESS;
use assay_inference::native::{self, Bytes, NativeMachine};
use assay_machine::image::Image;
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Engine, is_terminal};
use assay_machine::tree::{Tree, ZERO, leaf_at};
use assay_types::params::{LEAF_BYTES, STACK_DEPTH};
use assay_types::{Header, StateRoot, Status};
use rayon::prelude::*;
use std::convert::Infallible;
use std::sync::Arc;

/// First memory leaf of the arena.
const ARENA_LEAF: usize = ARENA_ADDRESS as usize / LEAF_BYTES;

/// The guest's run on given inputs, computed natively.
///
/// At a yield the guest's memory is: zeros in the volatile region, the module's constants, the arena; its globals are what
/// they were at first (the stack pointer is back). `tests/tests/machine/parity.rs` compares every yield with both other engines.
///
/// With [`TwinEngine::with_kernels`] whole operators are computed at once. Either way copies of the machine are kept on the way, so that going
/// back costs a part of the run only.
pub struct TwinEngine {
    image: Arc<Image>,
    roms: [Rom; 3],
    kernels: Option<native::Engine>,
    native: NativeMachine,
    y: u64,
    status: Status,
    kept: Kept,
    tree: Tree,
    /// The arena as the tree last saw it.
    seen: Vec<u8>,
}

fn start(roms: &[Rom; 3], kernels: Option<&native::Engine>) -> NativeMachine {
    let [request, output, model]: [Bytes; 3] = roms.each_ref().map(Rom::share);
    match kernels {
        Some(engine) => engine.machine(request, output),
        None => NativeMachine::new(request, output, model),
    }
}

/// Copies of a running machine, about evenly spread over what was run.
struct Kept {
    /// Macro steps and the machine after them, ascending.
    copies: Vec<(u64, NativeMachine)>,
}

/// About as many copies are kept of a run as long as its plan; each has an arena of its own.
const COPIES: u64 = 20;

impl Kept {
    fn new() -> Kept {
        Kept { copies: Vec::new() }
    }

    /// Keeps a copy if the last one is far enough back.
    fn offer(&mut self, y: u64, machine: &NativeMachine) {
        let last = self.copies.last().map_or(0, |(y, _)| *y);
        // Nothing that costs much comes before the plan, and no run has more macro steps than it.
        let planned = machine.planned_steps();
        if planned > 0 && y >= last + (planned / COPIES).max(64) {
            self.copies.push((y, machine.clone()));
        }
    }

    /// The last one at or before `y`.
    fn before(&self, y: u64) -> Option<&(u64, NativeMachine)> {
        self.copies.iter().rfind(|(at, _)| *at <= y)
    }
}

impl TwinEngine {
    /// Request, output and model of the run.
    pub fn new(roms: [Rom; 3]) -> TwinEngine {
        TwinEngine::of(None, roms)
    }

    /// Request, output and model of the run; `kernels` has the same model loaded.
    pub fn with_kernels(kernels: native::Engine, roms: [Rom; 3]) -> TwinEngine {
        TwinEngine::of(Some(kernels), roms)
    }

    fn of(kernels: Option<native::Engine>, roms: [Rom; 3]) -> TwinEngine {
        let image = guest().image.clone();
        TwinEngine {
            native: start(&roms, kernels.as_ref()),
            kernels,
            y: 0,
            status: Status::Yielded,
            kept: Kept::new(),
            tree: image.memory_tree.clone(),
            seen: Vec::new(),
            image,
            roms,
        }
    }

    /// Where the run stands: macro steps done, and the status after them.
    pub fn position(&self) -> (u64, Status) {
        (self.y, self.status)
    }

    /// Runs to the end or to state `limit`; returns [`TwinEngine::position`].
    pub fn finish(&mut self, limit: u64) -> (u64, Status) {
        self.seek(limit);
        self.position()
    }

    fn seek(&mut self, y: u64) {
        if y < self.y {
            (self.y, self.native) = match self.kept.before(y) {
                Some((at, machine)) => (*at, machine.clone()),
                None => (0, start(&self.roms, self.kernels.as_ref())),
            };
            self.status = Status::Yielded;
        }
        while self.y < y && !is_terminal(self.status) {
            let (steps, value) = self.native.advance(y - self.y);
            self.status = match value {
                0 => Status::Yielded,
                value => Status::Halted(value - 1),
            };
            self.y += steps;
            if self.status == Status::Yielded {
                self.kept.offer(self.y, &self.native);
            }
        }
    }

    fn pages(&self) -> u32 {
        self.native.pages().max(self.image.limits.pages)
    }

    /// Linear memory at the present yield.
    fn memory(&self) -> Vec<u8> {
        let mut memory = vec![0; self.pages() as usize * assay_types::params::PAGE_BYTES as usize];
        memory[..self.image.memory.len()].copy_from_slice(&self.image.memory);
        let arena = self.native.arena();
        memory[ARENA_ADDRESS as usize..][..arena.len()].copy_from_slice(arena);
        memory
    }

    fn update_tree(&mut self) {
        let arena = self.native.arena();
        // A restarted run's arena is shorter than what the tree saw; the rest is zero again.
        let length = arena.len().max(self.seen.len());
        self.tree.reserve((ARENA_LEAF + length / LEAF_BYTES) as u64);
        self.seen.resize(length, 0);
        // Most pages are what they were, and comparing a page costs little.
        const PAGE: usize = 32 * LEAF_BYTES;
        let changed_in = |(page, old): (usize, &mut [u8])| {
            let mut changed = Vec::new();
            if arena.get(page * PAGE..page * PAGE + old.len()) == Some(old) {
                return changed;
            }
            for (i, old) in (page as u64 * 32..).zip(old.chunks_mut(LEAF_BYTES)) {
                let new = leaf_at(arena, i);
                if *old != new {
                    old.copy_from_slice(&new);
                    changed.push(i);
                }
            }
            changed
        };
        let pages = self.seen.par_chunks_mut(PAGE).with_min_len(64);
        let changed: Vec<u64> = pages.enumerate().flat_map_iter(changed_in).collect();
        let leaves = changed.into_iter();
        self.tree
            .update(leaves.map(|i| (ARENA_LEAF as u64 + i, leaf_at(arena, i))));
    }

    fn root(&mut self) -> StateRoot {
        if is_terminal(self.status) {
            return Header::terminal(self.status).root();
        }
        self.update_tree();
        Header {
            status: Status::Yielded,
            pc: self.image.limits.entry,
            fp: 0,
            pages: self.pages(),
            memory: self.tree.root(),
            stack: ZERO[STACK_DEPTH as usize],
            globals: self.image.globals_tree.root(),
            table: self.image.table_tree.root(),
        }
        .root()
    }
}

impl Engine for TwinEngine {
    type Error = Infallible;

    fn b(&self) -> u8 {
        self.image.limits.b
    }

    fn roots(&mut self, yields: &[u64]) -> Result<Vec<StateRoot>, Infallible> {
        let root = |&y: &u64| {
            self.seek(y);
            self.root()
        };
        Ok(yields.iter().map(root).collect())
    }

    fn machine(&mut self, y: u64) -> Result<Machine, Infallible> {
        self.seek(y);
        let mut machine = Machine::at_yield(
            self.image.clone(),
            self.roms.clone(),
            self.memory(),
            self.image.globals.clone(),
            &self.image.table,
        );
        machine.cpu.status = self.status;
        Ok(machine)
    }
}
