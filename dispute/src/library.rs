//! The program and the models on this machine, as a [`Court`].
//!
//! Where the program is the guest that this was built with, the native engine checks and the twin traces; what wasmtime
//! runs is always the file itself, and confirms.

use crate::court::{BoxTrace, Court, CourtError, Verdict};
use crate::inputs::Inputs;
use assay_inference::native::{Engine as Native, Verdict as NativeVerdict, map_file};
use assay_machine::compiled::{Compiled, CompiledEngine, NoResult};
use assay_machine::lower::lower;
use assay_machine::rom::Rom;
use assay_machine::trace::ProgramTrace;
use assay_node::deployment::ModelEntry;
use assay_twin::{TwinEngine, guest};
use assay_types::{Hash, ModelId, ProgramId, Status};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// Macro steps between two looks at the time.
const SLICE: u64 = 64;

/// Why program or models can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// A file can't be read.
    #[error("cannot read {path}: {source}; pass the right {flag} FILE")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// The flag that names it.
        flag: &'static str,
    },
    /// The program does not lower or compile.
    #[error("{path} is not a program of this machine: {reason}; pass the right --guest FILE")]
    Program {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The program is not the registered one.
    #[error(
        "{path} has program id {found}, but the registered model {name} names {expected}; pass the right --guest FILE"
    )]
    WrongProgram {
        /// The program's file.
        path: PathBuf,
        /// Its id.
        found: Hash,
        /// The model's name.
        name: String,
        /// The id that the model names.
        expected: Hash,
    },
    /// No registered model has these bytes.
    #[error(
        "{path} has model root {found}, which no model of the deployment has ({known}): the file is damaged or is another model; pass the right --model FILE"
    )]
    UnknownModel {
        /// The model's file.
        path: PathBuf,
        /// Its root.
        found: Hash,
        /// Names and roots of the registered models.
        known: String,
    },
}

/// What computes the roots of a game.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Replay {
    /// The native twin of the program: fast.
    #[default]
    Native,
    /// The program itself in wasmtime: slower, and independent of the twin.
    Wasmtime,
}

/// What the chain's registry says about a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Root of the model's ROM.
    pub root: Hash,
    /// The program that checks its answers.
    pub program: ProgramId,
}

/// A model's bytes, committed to and made ready: what takes time and memory, and is shared by all that use the model.
pub struct ModelFile {
    /// Where they are.
    pub path: PathBuf,
    /// The bytes with their tree.
    pub rom: Rom,
    /// The native engine; why not where the program would answer `bad_model`: then the machine alone decides.
    pub native: Result<Native, String>,
}

impl ModelFile {
    /// Maps and hashes the file at `path`, and loads it into an engine of `threads` threads.
    ///
    /// # Errors
    /// It can't be read.
    pub fn load(path: &Path, threads: NonZeroUsize) -> Result<ModelFile, LibraryError> {
        let data = map_file(path).map_err(unreadable(path, "--model"))?;
        Ok(ModelFile {
            path: path.to_owned(),
            rom: Rom::shared(data.clone()),
            native: Native::load(data, threads).map_err(|e| e.to_string()),
        })
    }
}

/// The program, compiled, and the models whose bytes are here.
pub struct Library {
    compiled: Compiled,
    program: ProgramId,
    /// Whether the program is the one that the native engine imitates.
    has_twin: bool,
    replay: Replay,
    /// By model root.
    files: BTreeMap<Hash, Arc<ModelFile>>,
    /// Model ids to model roots.
    served: RwLock<BTreeMap<Hash, Hash>>,
    /// Model ids that the registry was asked for.
    heard: RwLock<BTreeSet<Hash>>,
}

impl Library {
    /// Reads the program at `path` and the models at `models`; each must be one of `registered`.
    ///
    /// # Errors
    /// Says which file is wrong and what to do.
    pub fn load(
        path: &Path,
        models: &[PathBuf],
        registered: &[ModelEntry],
        replay: Replay,
    ) -> Result<Library, LibraryError> {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let load = |model: &PathBuf| ModelFile::load(model, threads).map(Arc::new);
        let files = models.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        Library::with_files(path, files, registered, replay)
    }

    /// Reads the program at `path` and takes models that are loaded; each must be one of `registered`.
    ///
    /// # Errors
    /// Says which file is wrong and what to do.
    pub fn with_files(
        path: &Path,
        files: Vec<Arc<ModelFile>>,
        registered: &[ModelEntry],
        replay: Replay,
    ) -> Result<Library, LibraryError> {
        let wasm = read(path, "--guest")?;
        let refused = |reason: String| LibraryError::Program {
            path: path.to_owned(),
            reason,
        };
        let lowered = Arc::new(lower(&wasm).map_err(|e| refused(e.to_string()))?);
        let program = lowered.image.program.id();
        let compiled = Compiled::new(&wasm, lowered).map_err(|e| refused(e.to_string()))?;
        let library = Library {
            has_twin: guest().image.program.id() == program,
            compiled,
            program,
            replay,
            files: BTreeMap::new(),
            served: RwLock::default(),
            heard: RwLock::default(),
        };
        files.into_iter().try_fold(library, |library, file| {
            library.with_model(path, file, registered)
        })
    }

    fn with_model(
        mut self,
        program: &Path,
        file: Arc<ModelFile>,
        registered: &[ModelEntry],
    ) -> Result<Library, LibraryError> {
        let (path, root) = (&file.path, file.rom.root());
        let entries: Vec<&ModelEntry> = registered.iter().filter(|m| m.root.0 == root.0).collect();
        if entries.is_empty() {
            let known: Vec<String> = registered
                .iter()
                .map(|m| format!("{} has {}", m.name, m.root))
                .collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(LibraryError::UnknownModel {
                path: path.to_owned(),
                found: root,
                known,
            });
        }
        for entry in entries {
            if entry.program_id.0 != self.program.0.0 {
                let (path, found, name) = (program.to_owned(), self.program.0, entry.name.clone());
                return Err(LibraryError::WrongProgram {
                    path,
                    found,
                    name,
                    expected: Hash(entry.program_id.0),
                });
            }
            self.learn(
                ModelId(Hash(entry.id.0)),
                Registered {
                    root,
                    program: self.program,
                },
            );
        }
        if let (true, Err(error)) = (self.has_twin, &file.native) {
            tracing::warn!(path = %path.display(), %error, "the only right answer is bad_model");
        }
        self.files.insert(root, file);
        Ok(self)
    }

    /// Takes `model` in, if its bytes and its program are here.
    pub fn learn(&self, model: ModelId, registered: Registered) {
        let mut heard = self.heard.write().unwrap_or_else(PoisonError::into_inner);
        heard.insert(model.0);
        if registered.program == self.program {
            self.served
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(model.0, registered.root);
        }
    }

    /// Whether the registry's word on `model` was heard. A registration never changes.
    pub fn has_heard_of(&self, model: ModelId) -> bool {
        let heard = self.heard.read().unwrap_or_else(PoisonError::into_inner);
        heard.contains(&model.0)
    }

    /// log2 of the micro steps in a macro step.
    pub fn macro_log2(&self) -> u8 {
        self.compiled.lowered().image.limits.b
    }

    /// The program's id.
    pub fn program(&self) -> ProgramId {
        self.program
    }

    fn model(&self, model: ModelId) -> Result<&ModelFile, CourtError> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let file = served.get(&model.0).and_then(|root| self.files.get(root));
        file.map(|file| &**file)
            .ok_or(CourtError::UnknownModel(model))
    }

    /// The model's engine, where the program is the one that it imitates and takes the model.
    fn native(&self, model: ModelId) -> Result<Option<&Native>, CourtError> {
        let file = self.model(model)?;
        Ok(file.native.as_ref().ok().filter(|_| self.has_twin))
    }

    fn roms(&self, inputs: &Inputs) -> Result<[Rom; 3], CourtError> {
        let model = self.model(inputs.model)?.rom.clone();
        Ok([Rom::new(&inputs.request), Rom::new(&inputs.output), model])
    }

    /// The compiled program on `inputs`, as an engine.
    ///
    /// # Errors
    /// The model is not here.
    pub fn engine(&self, inputs: &Inputs) -> Result<CompiledEngine, CourtError> {
        Ok(CompiledEngine::new(
            self.compiled.clone(),
            self.roms(inputs)?,
        ))
    }

    /// The program's twin on `inputs`; `None` where roots come from wasmtime.
    ///
    /// # Errors
    /// The model is not here.
    pub fn twin(&self, inputs: &Inputs) -> Result<Option<TwinEngine>, CourtError> {
        if !self.has_twin || self.replay != Replay::Native {
            return Ok(None);
        }
        let roms = self.roms(inputs)?;
        Ok(Some(match self.native(inputs.model)? {
            Some(native) => TwinEngine::with_kernels(native.clone(), roms),
            None => TwinEngine::new(roms),
        }))
    }

    /// Number and status of the first terminal state among the macro steps, given up at `deadline`.
    ///
    /// # Errors
    /// There is no result in time.
    pub fn finish(
        &self,
        inputs: &Inputs,
        deadline: Option<Instant>,
    ) -> Result<(u64, Status), CourtError> {
        let mut engine = self.engine(inputs)?;
        let last = 1u64 << self.compiled.lowered().image.limits.a;
        let mut limit = 0;
        while limit < last {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(CourtError::OutOfTime);
            }
            limit = (limit + SLICE).min(last);
            let no_result = |e: NoResult| CourtError::NoResult(e.to_string());
            if let Some(end) = engine.finish(limit).map_err(no_result)? {
                return Ok(end);
            }
        }
        Ok((last, Status::Yielded))
    }
}

impl Court for Library {
    fn serves(&self, model: ModelId) -> bool {
        self.model(model).is_ok()
    }

    fn check(&self, inputs: &Inputs) -> Result<Verdict, CourtError> {
        let Some(native) = self.native(inputs.model)? else {
            return self.finish(inputs, None).map(|(_, status)| verdict(status));
        };
        Ok(match native.check(&inputs.request, &inputs.output) {
            NativeVerdict::Right => Verdict::Right,
            NativeVerdict::Wrong(wrong) => verdict(Status::Halted(wrong as u32)),
        })
    }

    fn confirm(&self, inputs: &Inputs, deadline: Instant) -> Result<Verdict, CourtError> {
        self.finish(inputs, Some(deadline))
            .map(|(_, status)| verdict(status))
    }

    fn trace(&self, inputs: &Inputs) -> Result<BoxTrace, CourtError> {
        if let Some(twin) = self.twin(inputs)? {
            return Ok(BoxTrace::new(ProgramTrace::new(twin)));
        }
        Ok(BoxTrace::new(ProgramTrace::new(self.engine(inputs)?)))
    }
}

/// What the program's end means (`docs/encoding.md`, section 7).
fn verdict(status: Status) -> Verdict {
    let reason = match status {
        Status::Halted(0) => return Verdict::Right,
        Status::Halted(1) => "the output is not canonical".to_owned(),
        Status::Halted(2) => "another error is due, or an answer".to_owned(),
        Status::Halted(3) => "a token is wrong".to_owned(),
        Status::Halted(4) => "the output stops too early or too late".to_owned(),
        Status::Halted(5) => "the text is not that of the tokens".to_owned(),
        Status::Halted(code) => format!("the program halts with {code}"),
        Status::Trapped => "the program traps".to_owned(),
        Status::Running | Status::Yielded => "the program does not end".to_owned(),
    };
    Verdict::Wrong(reason)
}

fn read(path: &Path, flag: &'static str) -> Result<Vec<u8>, LibraryError> {
    std::fs::read(path).map_err(unreadable(path, flag))
}

fn unreadable(path: &Path, flag: &'static str) -> impl FnOnce(std::io::Error) -> LibraryError {
    move |source| LibraryError::Read {
        path: path.to_owned(),
        source,
        flag,
    }
}
