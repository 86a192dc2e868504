//! The compiled engine: a program compiled once, and runs of it.

use super::instrument::instrument;
use super::runner::Run;
use crate::lower::Lowered;
use crate::machine::Machine;
use crate::rom::Rom;
use crate::trace::{Engine, is_terminal};
use assay_types::{Header, StateRoot, Status};
use std::sync::Arc;
use thiserror::Error;
use wasmtime::{Config, Module, OptLevel, WasmBacktraceDetails};

/// Native stack of the thread that runs compiled code. The machine's own limit of cells comes first.
const NATIVE_STACK: usize = 512 << 20;

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

/// How wasmtime is to run programs.
pub fn config() -> Config {
    let mut config = Config::new();
    config.cranelift_nan_canonicalization(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.wasm_multi_memory(true);
    config.wasm_relaxed_simd(false);
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    // Runs are synchronous, but wasmtime insists that this one be the larger.
    config.async_stack_size(NATIVE_STACK);
    config.max_wasm_stack(NATIVE_STACK - (16 << 20));
    config
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
        let engine = wasmtime::Engine::new(&config())?;
        let instrumented =
            instrument(wasm, &lowered).map_err(|e| NoResult::Wasmtime(e.to_string()))?;
        Ok(Compiled {
            lowered,
            module: Module::new(&engine, instrumented)?,
        })
    }

    pub(super) fn module(&self) -> &Module {
        &self.module
    }

    /// The lowering.
    pub fn lowered(&self) -> &Arc<Lowered> {
        &self.lowered
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

    /// Whether the run came to a macro step with so many steps that the interpreter had to decide it.
    pub fn interprets(&self) -> bool {
        self.run.as_ref().is_some_and(Run::interprets)
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
                    None => e.seek(y)?.root()?,
                });
            }
            Ok(roots)
        })
    }

    fn machine(&mut self, y: u64) -> Result<Machine, NoResult> {
        self.on_big_stack(|e| e.seek(y)?.machine())
    }
}
