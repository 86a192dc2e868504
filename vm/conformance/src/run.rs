//! Runs a file of the suite: every program of it in the interpreter, in wasmtime, and step by step by its witnesses.

use crate::judge::Judge;
use crate::module::Kind;
use crate::plan::{Ends, Event, Planner, Task};
use crate::program::{Macro, Program, build};
use crate::prove::{Proof, Times, WHOLE};
use crate::report::Tally;
use crate::script::commands;
use crate::store::{Def, Grown, Store};
use crate::suite::{File, taken_back};
use crate::value::extern_cell;
use assay_machine::compiled::{Compiled, CompiledEngine, NoResult};
use assay_machine::lower::{Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::Engine;
use assay_types::hash::keccak256;
use assay_types::params::TABLE_SIZE_BASE;
use assay_types::{Hash, StateRoot, Status};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// How a file is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Tasks of a macro step at most.
    pub batch: usize,
    /// Whether steps are proven.
    pub prove: bool,
}

/// Runs a file.
pub fn file(file: &File, options: Options) -> Tally {
    script(file.text, taken_back(&file.name), options)
}

/// Runs a script; `taken_back` are lines of assertions that don't hold any more.
pub fn script(text: &str, taken_back: BTreeMap<usize, &'static str>, options: Options) -> Tally {
    let mut times = Times::default();
    let commands = match commands(text) {
        Ok(commands) => commands,
        Err(e) => {
            let mut tally = Tally::default();
            tally.fail(0, e);
            return tally;
        }
    };
    let mut planner = Planner::read(commands, taken_back);
    let programs = planner.programs();
    let mut tally = std::mem::take(&mut planner.tally);
    for (members, events) in programs {
        group(
            &planner.store,
            members,
            events,
            options,
            &mut tally,
            &mut times,
        );
    }
    if std::env::var_os("ASSAY_CONFORMANCE_TIMES").is_some() {
        println!("{} steps, {} proven: {times:?}", tally.steps, tally.proven);
    }
    tally
}

/// The memories that anything touches.
fn memories(store: &Store, members: &[usize]) -> Vec<Def> {
    let mut memories: Vec<Def> = members
        .iter()
        .map(|i| &store.instances[*i])
        .filter(|i| i.module.uses.contains(&(Kind::Memory, 0)))
        .map(|i| i.def(Kind::Memory, 0))
        .collect();
    memories.sort_unstable();
    memories.dedup();
    memories
}

fn group(
    store: &Store,
    members: Vec<usize>,
    events: Vec<Event>,
    options: Options,
    tally: &mut Tally,
    times: &mut Times,
) {
    let memories = memories(store, &members);
    if memories.len() > 1 {
        return tally.fail(events[0].line, "its instances have two memories");
    }
    let line = events[0].line;
    let memory = memories.first().copied();
    let program = match build(store, &members, memory, events.clone(), options.batch) {
        Ok(program) => program,
        Err(e) => return tally.fail(line, format!("the linker: {e}")),
    };
    let key = key(store, &program, options);
    if let Some(known) = done().get(&key) {
        return tally.add(known);
    }
    let mut own = Tally::default();
    match whole(store, program, options, &mut own, times) {
        Ok(()) => {}
        Err(Stopped::Wrong(line, reason)) => own.fail(line, reason),
        Err(Stopped::Long) => {
            let alone = Options {
                batch: 1,
                ..options
            };
            return group(store, members, events, alone, tally, times);
        }
    }
    tally.add(&own);
    if own.failures.is_empty() {
        done().insert(key, own);
    }
}

/// Programs that were run without a failure: many stand in several files of the suite.
fn done() -> MutexGuard<'static, BTreeMap<Hash, Tally>> {
    static DONE: Mutex<BTreeMap<Hash, Tally>> = Mutex::new(BTreeMap::new());
    DONE.lock().expect("nothing panics that holds it")
}

/// Names everything that a program's result depends on. What a task does is in the module itself.
fn key(store: &Store, program: &Program, options: Options) -> Hash {
    let mut rest = format!("{options:?}{:?}", program.externs);
    for (event, results) in program.macros.iter().flat_map(|m| &m.tasks) {
        let links = !matches!(event.task, Task::Unlinkable);
        rest += &format!("{links}{:?}{:?}{results:?}", event.end, event.verdict);
        for Grown { def, least } in &event.grown {
            let table = program.tables.get(def);
            let (memory, first) = (program.memory == Some(*def), store.ty(*def));
            rest += &format!("{table:?}{memory}{first:?}{least}");
        }
    }
    keccak256(&[&program.wasm, rest.as_bytes()])
}

/// Why a program's run ends early.
enum Stopped {
    /// At this line, for this reason.
    Wrong(usize, String),
    /// A macro step of several tasks would be proven in samples.
    Long,
}

/// Runs a program to its end.
fn whole(
    store: &Store,
    program: Program,
    options: Options,
    tally: &mut Tally,
    times: &mut Times,
) -> Result<(), Stopped> {
    let line = program.macros[0].tasks[0].0.line;
    let mut run = Run::start(store, program, options).map_err(|e| Stopped::Wrong(line, e))?;
    let macros = std::mem::take(&mut run.program.macros);
    for (number, m) in macros.iter().enumerate() {
        let result = run.macro_step(number as u32, m, tally, times);
        result.map_err(|reason| {
            let lines: Vec<usize> = m.tasks.iter().map(|t| t.0.line).collect();
            Stopped::Wrong(lines[0], format!("{reason}; lines {lines:?}"))
        })?;
        if run.long {
            return Err(Stopped::Long);
        }
    }
    run.compiled().map_err(|e| Stopped::Wrong(line, e))
}

/// A program being run.
struct Run<'s> {
    store: &'s Store,
    program: Program,
    lowered: Arc<Lowered>,
    judge: Judge,
    /// The interpreter.
    machine: Machine,
    /// The same, step by step.
    proof: Option<Proof>,
    /// Roots of the states between macro steps, up to the first trap.
    roots: Vec<StateRoot>,
    after_trap: bool,
    /// A macro step of several tasks is too long to be proven whole.
    long: bool,
}

impl<'s> Run<'s> {
    fn start(store: &'s Store, program: Program, options: Options) -> Result<Run<'s>, String> {
        let lowered = lower(&program.wasm).map_err(|e| format!("the lowerer: {e}"))?;
        let judge = Judge::new(&program, &lowered)?;
        let lowered = Arc::new(lowered);
        let roms = [0; 3].map(|_| Rom::new(&[]));
        let mut machine = Machine::new(lowered.image.clone(), roms);
        for (&n, &global) in &program.externs {
            machine.globals[lowered.globals[global as usize] as usize] = extern_cell(n);
        }
        Ok(Run {
            store,
            proof: options.prove.then(|| Proof::new(&machine)),
            roots: vec![machine.root()],
            after_trap: false,
            long: false,
            machine,
            judge,
            lowered,
            program,
        })
    }

    fn macro_step(
        &mut self,
        number: u32,
        m: &Macro,
        tally: &mut Tally,
        times: &mut Times,
    ) -> Result<(), String> {
        let event = &m.tasks[0].0;
        if !event.grown.is_empty() {
            let fits = event.grown.iter().all(|g| self.size(g.def) >= g.least);
            let links = !matches!(event.task, Task::Unlinkable);
            if fits != links {
                return Err(format!("linking: {fits}"));
            }
        }
        let alone = m.tasks.len() == 1;
        self.execute(number, alone, tally, times)?;
        if self.long {
            return Ok(());
        }
        let returned = self.judge.step();
        let status = self.machine.cpu.status;
        if returned != (status == Status::Yielded) {
            return Err(format!("it is {status:?}, wasmtime returned: {returned}"));
        }
        match (m.traps, status) {
            (true, Status::Trapped) => self.resume(number + 1)?,
            (false, Status::Yielded) => {}
            _ => return Err(format!("it is {status:?}")),
        }
        self.judge.compare(&self.machine, &self.lowered)?;
        for (event, results) in &m.tasks {
            match self.results(event, results) {
                Ok(()) => tally.pass(event.verdict),
                Err(reason) => tally.fail(event.line, reason),
            }
        }
        Ok(())
    }

    /// Executes a macro step in the interpreter at once, and again step by step with witnesses.
    fn execute(
        &mut self,
        number: u32,
        alone: bool,
        tally: &mut Tally,
        times: &mut Times,
    ) -> Result<(), String> {
        let b = self.machine.image.limits.b;
        let index = u64::from(number) << b;
        let before = self.machine.executed;
        self.machine.run(index, 1 << b);
        let steps = self.machine.executed - before;
        if steps > WHOLE && !alone {
            self.long = true;
            return Ok(());
        }
        tally.steps += steps;
        if !self.after_trap {
            self.roots.push(self.machine.root());
        }
        if let Some(proof) = &mut self.proof {
            tally.proven += proof.macro_step(index, steps, times)?;
            if self.machine.root() != proof.root() {
                return Err("step by step it ends in another state".to_owned());
            }
        }
        Ok(())
    }

    /// Compares the states between macro steps with those of the compiled engine, which ends with the first trap.
    fn compiled(&self) -> Result<(), String> {
        // It starts from the program's first state, which holds no externref.
        if !self.program.externs.is_empty() {
            return Ok(());
        }
        let failed = |e: NoResult| format!("the compiled engine: {e}");
        let compiled = Compiled::new(&self.program.wasm, self.lowered.clone()).map_err(failed)?;
        let mut engine = CompiledEngine::new(compiled, self.machine.roms.clone());
        let yields: Vec<u64> = (0..self.roots.len() as u64).collect();
        let roots = engine.roots(&yields).map_err(failed)?;
        match roots.iter().zip(&self.roots).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(y) => Err(format!("the compiled engine differs at yield {y}")),
        }
    }

    /// Goes on after a trap with what it left: the trapped state itself has nothing any more.
    fn resume(&mut self, call: u32) -> Result<(), String> {
        if self
            .proof
            .as_ref()
            .is_some_and(|p| !p.trapped_as(&self.machine))
        {
            return Err("step by step it traps in another state".to_owned());
        }
        let cell = self.lowered.globals[self.program.call as usize] as usize;
        let machine = &mut self.machine;
        let mut globals = std::mem::take(&mut machine.globals);
        globals[cell] = u64::from(call);
        self.machine = Machine::at_yield(
            machine.image.clone(),
            machine.roms.clone(),
            std::mem::take(&mut machine.memory),
            globals,
            &machine.table,
        );
        self.after_trap = true;
        if let Some(proof) = &mut self.proof {
            proof.set(&self.machine);
        }
        self.judge.set_call(call)
    }

    /// Present size of a table or memory.
    fn size(&self, def: Def) -> u64 {
        match self.program.tables.get(&def) {
            Some(&table) => {
                let cell = self.machine.globals[TABLE_SIZE_BASE as usize + table as usize];
                u64::from(cell as u32)
            }
            None if self.program.memory == Some(def) => u64::from(self.machine.cpu.pages),
            // A memory that nothing touches has its first size.
            None => crate::module::size(self.store.ty(def)),
        }
    }

    fn results(&self, event: &Event, globals: &[u32]) -> Result<(), String> {
        let Ends::Returns(Some(expected)) = &event.end else {
            return Ok(());
        };
        if expected.len() != globals.len() {
            return Err(format!("it has {} results", globals.len()));
        }
        for (expected, global) in expected.iter().zip(globals) {
            let cell = self.lowered.globals[*global as usize] as usize;
            let mut bits = u128::from(self.machine.globals[cell]);
            if self.program.is_vector(*global) {
                bits |= u128::from(self.machine.globals[cell + 1]) << 64;
            }
            if !expected.holds(bits) {
                return Err(format!("{bits:#x} is not {expected:x?}"));
            }
        }
        Ok(())
    }
}
