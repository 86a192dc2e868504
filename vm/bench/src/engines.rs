//! The contestants: each runs a program from its first state to its result, and says how long its `step`s took.

use crate::samples::seconds;
use anyhow::{Context, anyhow, bail, ensure};
use assay_machine::compiled::{self, CompiledEngine};
use assay_machine::lower::{Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::step::record;
use assay_machine::trace::Engine;
use assay_types::{StateRoot, Status};
use std::sync::Arc;

/// How often each program yields or halts.
pub const YIELDS: u64 = 20;
/// Steps between two roots.
const ROOT_EVERY: u64 = 1 << 20;

/// What a run gave.
pub struct Run {
    pub result: u32,
    pub seconds: f64,
}

fn roms() -> [Rom; 3] {
    [b"".as_slice(); 3].map(Rom::new)
}

/// Calls `step` until it gives a result.
fn drive(mut step: impl FnMut() -> anyhow::Result<i32>) -> anyhow::Result<Run> {
    let start = seconds();
    for _ in 0..YIELDS {
        let value = step()?;
        if value != 0 {
            let seconds = seconds() - start;
            let result = (value as u32).wrapping_sub(1);
            return Ok(Run { result, seconds });
        }
    }
    bail!("no result after {YIELDS} steps")
}

/// The machine's interpreter.
pub struct Interpreter {
    lowered: Arc<Lowered>,
    steps: u64,
}

impl Interpreter {
    pub fn new(wasm: &[u8]) -> anyhow::Result<Interpreter> {
        let lowered = Arc::new(lower(wasm)?);
        let mut interpreter = Interpreter { lowered, steps: 0 };
        let mut machine = interpreter.machine();
        machine.run(0, YIELDS << interpreter.b());
        interpreter.steps = machine.executed;
        Ok(interpreter)
    }

    pub fn lowered(&self) -> Arc<Lowered> {
        self.lowered.clone()
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn b(&self) -> u8 {
        self.lowered.image.limits.b
    }

    fn machine(&self) -> Machine {
        Machine::new(self.lowered.image.clone(), roms())
    }

    fn finished(&self, machine: &Machine, start: f64) -> anyhow::Result<Run> {
        let seconds = seconds() - start;
        match machine.cpu.status {
            Status::Halted(result) => Ok(Run { result, seconds }),
            status => bail!("the interpreter ends {status:?}"),
        }
    }

    pub fn run(&self) -> anyhow::Result<Run> {
        let mut machine = self.machine();
        let start = seconds();
        machine.run(0, YIELDS << self.b());
        self.finished(&machine, start)
    }

    /// As [`Interpreter::run`], with a root every 2^20 steps and at every yield.
    pub fn run_with_roots(&self) -> anyhow::Result<Run> {
        let mut machine = self.machine();
        let start = seconds();
        for y in 0..YIELDS {
            let (first, next) = (y << self.b(), (y + 1) << self.b());
            for at in (first..next).step_by(ROOT_EVERY as usize) {
                machine.run(at, ROOT_EVERY);
                machine.root();
                if machine.cpu.status != Status::Running {
                    break;
                }
            }
        }
        self.finished(&machine, start)
    }

    /// The roots at all yields.
    pub fn yield_roots(&self) -> Vec<StateRoot> {
        let mut machine = self.machine();
        let roots = (0..YIELDS).map(|y| {
            machine.run(y << self.b(), 1 << self.b());
            machine.root()
        });
        roots.collect()
    }

    /// Seconds to record the witness of a step, which costs that one step and hashes.
    pub fn record(&self) -> anyhow::Result<f64> {
        const STEPS: u64 = 1000;
        let mut machine = self.machine();
        let at = 1 << 20;
        machine.run(0, at);
        machine.root();
        let executed = machine.executed;
        let start = seconds();
        for index in at..at + STEPS {
            record(&mut machine, index);
        }
        let seconds = (seconds() - start) / STEPS as f64;
        ensure!(
            machine.executed == executed + STEPS,
            "a witness cost {} steps",
            (machine.executed - executed) as f64 / STEPS as f64
        );
        Ok(seconds)
    }
}

/// wasmi.
pub struct Wasmi(wasmi::Module);

impl Wasmi {
    pub fn new(wasm: &[u8]) -> anyhow::Result<Wasmi> {
        let engine = wasmi::Engine::default();
        Ok(Wasmi(wasmi::Module::new(&engine, wasm)?))
    }

    pub fn run(&self) -> anyhow::Result<Run> {
        let mut store = wasmi::Store::new(self.0.engine(), ());
        let linker = wasmi::Linker::new(self.0.engine());
        let instance = linker.instantiate_and_start(&mut store, &self.0)?;
        let step = instance.get_typed_func::<(), i32>(&store, "step")?;
        drive(|| Ok(step.call(&mut store, ())?))
    }
}

/// The machine's compiled engine, with a root at every yield.
pub struct Compiled(compiled::Compiled);

impl Compiled {
    pub fn new(wasm: &[u8], lowered: Arc<Lowered>) -> anyhow::Result<Compiled> {
        Ok(Compiled(compiled::Compiled::new(wasm, lowered)?))
    }

    /// A run that stands at its first state.
    fn start(&self) -> anyhow::Result<CompiledEngine> {
        let mut engine = CompiledEngine::new(self.0.clone(), roms());
        engine.roots(&[0])?;
        Ok(engine)
    }

    pub fn run(&self) -> anyhow::Result<Run> {
        let mut engine = self.start()?;
        let yields: Vec<u64> = (1..=YIELDS).collect();
        let start = seconds();
        engine.roots(&yields)?;
        let seconds = seconds() - start;
        ensure!(
            !engine.interprets(),
            "the compiled engine left the run to the interpreter"
        );
        match engine.finish(YIELDS)? {
            Some((YIELDS, Status::Halted(result))) => Ok(Run { result, seconds }),
            end => bail!("the compiled engine ends with {end:?}"),
        }
    }

    /// The roots at all yields.
    pub fn yield_roots(&self) -> anyhow::Result<Vec<StateRoot>> {
        let yields: Vec<u64> = (1..=YIELDS).collect();
        Ok(self.start()?.roots(&yields)?)
    }
}

/// wasmtime alone, configured as the compiled engine configures it.
pub struct Plain(wasmtime::Module);

impl Plain {
    pub fn new(wasm: &[u8]) -> anyhow::Result<Plain> {
        let error = |e: wasmtime::Error| anyhow!("{e:?}");
        let engine = wasmtime::Engine::new(&compiled::config()).map_err(error)?;
        Ok(Plain(wasmtime::Module::new(&engine, wasm).map_err(error)?))
    }

    pub fn run(&self) -> anyhow::Result<Run> {
        let run = || {
            let mut store = wasmtime::Store::new(self.0.engine(), ());
            let instance = wasmtime::Instance::new(&mut store, &self.0, &[])?;
            let step = instance.get_typed_func::<(), i32>(&mut store, "step")?;
            Ok::<_, wasmtime::Error>((store, step))
        };
        let (mut store, step) = run().map_err(|e| anyhow!("{e:?}"))?;
        drive(|| {
            step.call(&mut store, ())
                .map_err(|e| anyhow!("{e:?}"))
                .context("wasmtime")
        })
    }
}
