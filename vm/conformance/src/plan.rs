//! From a script to programs: instances that are linked with each other share one program, all others have their own.

use crate::module::Module;
use crate::report::{Tally, Verdict};
use crate::script::{Action, Command, Encoded, End};
use crate::store::{Def, Grown, Store, Unlinkable};
use crate::suite::feature;
use crate::value::{Expected, Value};
use assay_machine::lower::lower;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a program does at one of a script's lines.
#[derive(Clone, Debug)]
pub enum Task {
    /// Instantiates an instance.
    Instantiate(usize),
    /// Calls a function.
    Call(Def, Vec<Value>),
    /// Reads a global.
    Read(Def),
    /// Nothing: only [`Event::grown`] is looked at, and must not hold.
    Unlinkable,
}

/// A task, with what has to be before and after it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Line of the script.
    pub line: usize,
    /// The task.
    pub task: Task,
    /// Sizes that an import asks for.
    pub grown: Vec<Grown>,
    /// How it has to end.
    pub end: Ends,
    /// What it counts as.
    pub verdict: Verdict,
}

/// How a task has to end.
#[derive(Clone, Debug)]
pub enum Ends {
    /// It returns; these are the results, if anyone cares.
    Returns(Option<Vec<Expected>>),
    /// It traps.
    Traps,
}

/// What a script calls an instance by: its number, or why there is none.
type Slot = Result<usize, String>;

/// A script being read.
#[derive(Default)]
pub struct Planner {
    /// All instances.
    pub store: Store,
    /// All tasks, in order, each with the instance whose program does it.
    pub events: Vec<(usize, Event)>,
    /// What needs no program is counted at once.
    pub tally: Tally,
    taken_back: BTreeMap<usize, &'static str>,
    last: Option<Slot>,
    names: BTreeMap<String, Slot>,
}

/// Reasons of the lowerer's that say nothing against a module: it is no program by itself, imports what the linker
/// finds, or traps when it is instantiated, before a program's first state.
fn is_about_programs(reason: &str) -> bool {
    let reasons = [
        "the module exports none of",
        "the only import is",
        "an element segment does not fit its table",
        "a data segment does not fit linear memory",
    ];
    reasons.iter().any(|r| reason.contains(r))
}

/// Why the machine's lowerer refuses a module as such.
fn refusal(wasm: &[u8]) -> Option<String> {
    match lower(wasm) {
        Err(e) if !is_about_programs(&e.reason) => Some(e.reason),
        _ => None,
    }
}

impl Planner {
    /// Reads a whole script; `taken_back` are lines of assertions that don't hold any more.
    pub fn read(
        commands: Vec<(usize, Command)>,
        taken_back: BTreeMap<usize, &'static str>,
    ) -> Planner {
        let mut planner = Planner {
            taken_back,
            ..Planner::default()
        };
        for (line, command) in commands {
            planner.command(line, command);
        }
        for (line, reason) in std::mem::take(&mut planner.taken_back) {
            planner
                .tally
                .fail(line, format!("it holds, or is none: {reason}"));
        }
        planner
    }

    /// Counts a command that needs an unsupported feature; any other reason is a failure.
    fn skip(&mut self, line: usize, reason: &str) {
        match feature(reason) {
            Some(feature) => self.tally.skip(feature),
            None => self.tally.fail(line, reason),
        }
    }

    /// A module is accepted against an assertion.
    fn accepted(&mut self, line: usize, what: &str) {
        match self.taken_back.remove(&line) {
            Some(reason) => self.tally.skip(reason),
            None => self.tally.fail(line, what),
        }
    }

    fn command(&mut self, line: usize, command: Command) {
        match command {
            Command::Module { name, wasm, traps } => self.module(line, name, wasm, traps),
            Command::Register { name, module } => {
                let slot = self.slot(module.as_deref());
                self.store.register(&name, slot);
            }
            Command::Act(action, end) => self.act(line, action, end),
            Command::Invalid(wasm) => self.refused(line, Verdict::Invalid, wasm),
            Command::Malformed(wasm) => self.refused(line, Verdict::Malformed, wasm),
            Command::Unlinkable(wasm) => self.unlinkable(line, wasm),
            Command::Other(what) => self.skip(line, what),
        }
    }

    fn module(&mut self, line: usize, name: Option<String>, wasm: Encoded, traps: bool) {
        let slot = self.instantiate(line, wasm, traps);
        if let Err(reason) = &slot {
            self.skip(line, reason);
        }
        if traps {
            return;
        }
        if let Some(name) = name {
            self.names.insert(name, slot.clone());
        }
        self.last = Some(slot);
    }

    fn instantiate(&mut self, line: usize, wasm: Encoded, traps: bool) -> Slot {
        let wasm = wasm?;
        if let Some(reason) = refusal(&wasm) {
            return Err(reason);
        }
        let module = Module::parse(&wasm)?;
        let (imports, grown) = self.store.link(&module).map_err(|e| match e {
            Unlinkable::Types(reason) | Unlinkable::Skipped(reason) => reason,
        })?;
        let instance = self.store.add(Rc::new(module), &imports);
        let (end, verdict) = match traps {
            true => (Ends::Traps, Verdict::Trap),
            false => (Ends::Returns(None), Verdict::Module),
        };
        let event = Event {
            line,
            task: Task::Instantiate(instance),
            grown,
            end,
            verdict,
        };
        self.events.push((instance, event));
        Ok(instance)
    }

    fn slot(&self, name: Option<&str>) -> Slot {
        let slot = match name {
            Some(name) => self.names.get(name).cloned(),
            None => self.last.clone(),
        };
        slot.unwrap_or_else(|| Err("there is no such instance".to_owned()))
    }

    fn act(&mut self, line: usize, action: Action, end: End) {
        match self.event(line, action, end) {
            Ok(event) => self.events.push(event),
            Err(reason) => self.skip(line, &reason),
        }
    }

    fn event(&mut self, line: usize, action: Action, end: End) -> Result<(usize, Event), String> {
        let no_value = || "a value that the machine lacks".to_owned();
        let (Action::Invoke { module, export, .. } | Action::Get { module, export }) = &action;
        let instance = self.slot(module.as_deref())?;
        let Some(def) = self.store.instances[instance].export(export) else {
            return Err(format!("no export {export}"));
        };
        let task = match action {
            Action::Invoke { args, .. } => Task::Call(def, args.ok_or_else(no_value)?),
            Action::Get { .. } => Task::Read(def),
        };
        let (end, verdict) = match end {
            End::Any => (Ends::Returns(None), Verdict::Action),
            End::Return(results) => {
                let results = results.ok_or_else(no_value)?;
                (Ends::Returns(Some(results)), Verdict::Return)
            }
            End::Trap => (Ends::Traps, Verdict::Trap),
            End::Exhaustion => (Ends::Traps, Verdict::Exhaustion),
        };
        let event = Event {
            line,
            task,
            grown: Vec::new(),
            end,
            verdict,
        };
        // An export may be another instance's, whose state then is its program's. A constant one has none.
        let owner = match self.store.instances[def.instance].constant {
            true => instance,
            false => def.instance,
        };
        Ok((owner, event))
    }

    /// A module that either the text parser or the machine's lowerer has to refuse.
    fn refused(&mut self, line: usize, verdict: Verdict, wasm: Encoded) {
        match wasm {
            Err(_) => self.tally.pass(Verdict::Text),
            Ok(wasm) => match refusal(&wasm) {
                Some(_) => self.tally.pass(verdict),
                None => self.accepted(line, "it is accepted"),
            },
        }
    }

    fn unlinkable(&mut self, line: usize, wasm: Encoded) {
        let module = wasm.and_then(|wasm| match refusal(&wasm) {
            Some(reason) => Err(reason),
            None => Module::parse(&wasm),
        });
        let module = match module {
            Ok(module) => module,
            Err(reason) => return self.skip(line, &reason),
        };
        match self.store.link(&module) {
            Err(Unlinkable::Types(_)) => self.tally.pass(Verdict::Unlinkable),
            Err(Unlinkable::Skipped(reason)) => self.skip(line, &reason),
            Ok((_, grown)) => match grown.first() {
                None => self.accepted(line, "it links"),
                Some(&Grown { def, .. }) => {
                    let event = Event {
                        line,
                        task: Task::Unlinkable,
                        grown,
                        end: Ends::Returns(None),
                        verdict: Verdict::Unlinkable,
                    };
                    self.events.push((def.instance, event));
                }
            },
        }
    }

    /// The events of each program, with the instances that it holds; a constant part is in every program that uses it.
    pub fn programs(&mut self) -> Vec<(Vec<usize>, Vec<Event>)> {
        let n = self.store.instances.len();
        let mut group: Vec<usize> = (0..n).collect();
        let mut join = |a: usize, b: usize| {
            let (from, to) = (group[a], group[b]);
            if !self.store.instances[b].constant {
                group
                    .iter_mut()
                    .filter(|g| **g == from)
                    .for_each(|g| *g = to);
            }
        };
        for (i, instance) in self.store.instances.iter().enumerate() {
            instance.providers().for_each(|provider| join(i, provider));
        }
        for (i, event) in &self.events {
            event.grown.iter().for_each(|g| join(*i, g.def.instance));
        }
        let mut programs: BTreeMap<usize, (Vec<usize>, Vec<Event>)> = BTreeMap::new();
        for (i, &g) in group.iter().enumerate() {
            if !self.store.instances[i].constant {
                programs.entry(g).or_default().0.push(i);
            }
        }
        for (instance, event) in std::mem::take(&mut self.events) {
            let program = programs.entry(group[instance]).or_default();
            program.1.push(event);
        }
        let mut programs: Vec<_> = programs.into_values().collect();
        programs.retain(|p| !p.1.is_empty());
        for (members, events) in &mut programs {
            let uses = |i: &usize| self.store.instances[*i].providers().collect::<Vec<_>>();
            let called = events.iter().filter_map(|e| match &e.task {
                Task::Call(def, _) | Task::Read(def) => Some(def.instance),
                Task::Instantiate(_) | Task::Unlinkable => None,
            });
            let used: Vec<usize> = members.iter().flat_map(uses).chain(called).collect();
            members.extend(
                used.into_iter()
                    .filter(|i| self.store.instances[*i].constant),
            );
            members.sort_unstable();
            members.dedup();
        }
        programs
    }
}
