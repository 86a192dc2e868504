//! A program being run: interpreter, wasmtime, and every step by its witness, macro step by macro step.

use crate::judge::Judge;
use crate::plan::{Ends, Event, Task};
use crate::program::{Macro, Program};
use crate::prove::{Proof, Times, WHOLE};
use crate::report::{Tally, Verdict};
use crate::run::Options;
use crate::store::{Def, Store};
use crate::value::extern_cell;
use assay_machine::compiled::{Compiled, CompiledEngine, NoResult};
use assay_machine::isa::Op;
use assay_machine::lower::{Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::Engine;
use assay_types::params::TABLE_SIZE_BASE;
use assay_types::{StateRoot, Status};
use std::sync::Arc;

/// A program being run.
pub struct Execution<'s> {
    store: &'s Store,
    /// The program.
    pub program: Program,
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
    pub long: bool,
}

impl<'s> Execution<'s> {
    /// A program at its first state.
    pub fn start(
        store: &'s Store,
        program: Program,
        options: Options,
    ) -> Result<Execution<'s>, String> {
        let lowered = lower(&program.wasm).map_err(|e| format!("the lowerer: {e}"))?;
        let judge = Judge::new(&program, &lowered)?;
        let lowered = Arc::new(lowered);
        let roms = [0; 3].map(|_| Rom::new(&[]));
        let mut machine = Machine::new(lowered.image.clone(), roms);
        for (&n, &global) in &program.externs {
            machine.globals[lowered.globals[global as usize] as usize] = extern_cell(n);
        }
        Ok(Execution {
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

    /// Does a macro step, and counts what holds.
    pub fn macro_step(
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
            (true, Status::Trapped) => {
                self.cause(event.verdict)?;
                self.resume(number + 1)?;
            }
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

    /// A machine is out of stack where it enters a function, and only there.
    fn cause(&self, verdict: Verdict) -> Result<(), String> {
        let pc = self.machine.cpu.pc;
        let op = self.machine.image.code.get(pc as usize).map(|i| i.op);
        let exhausted = op == Some(Op::Enter as u16);
        match exhausted == (verdict == Verdict::Exhaustion) {
            true => Ok(()),
            false => Err(format!("it traps at pc {pc:#x}, out of stack: {exhausted}")),
        }
    }

    /// Compares the states between macro steps with those of the compiled engine, which ends with the first trap.
    pub fn compiled(&self) -> Result<(), String> {
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
