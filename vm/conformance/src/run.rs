//! Runs a file of the suite: every program of it in the interpreter, in wasmtime, and step by step by its witnesses.

use crate::execution::Execution;
use crate::module::Kind;
use crate::plan::{Event, Planner, Task};
use crate::program::{Program, build};
use crate::prove::Times;
use crate::report::Tally;
use crate::script::commands;
use crate::store::{Def, Grown, Store};
use crate::suite::{File, taken_back};
use assay_types::Hash;
use assay_types::hash::keccak256;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

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
    let mut run = Execution::start(store, program, options).map_err(|e| Stopped::Wrong(line, e))?;
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
