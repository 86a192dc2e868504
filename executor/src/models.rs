//! The models that this executor answers for: files checked against the chain's registry, each with its backend.

use crate::args::{Args, BackendKind};
use crate::backend::Backend;
use crate::backend::auto::faster;
use crate::backend::draft::DraftAndVerify;
use crate::backend::exact::{BadModel, Exact};
use crate::backend::llama::child::{ChildConfig, LlamaChild};
use alloy::primitives::B256;
use anyhow::{Context, bail};
use assay_dispute::library::ModelFile;
use assay_dispute::service::confirm_model;
use assay_inference::native::Engine;
use assay_node::deployment::ModelEntry;
use assay_node::shell::Shell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One registered model whose bytes are here.
pub struct Served {
    /// What the deployment says of it, checked against the registry.
    pub entry: ModelEntry,
    /// The program's rules; `None` where they refuse the model.
    pub engine: Option<Engine>,
    backend: Arc<Mutex<Box<dyn Backend>>>,
}

impl Served {
    /// A model with its backend.
    pub fn new(entry: ModelEntry, engine: Option<Engine>, backend: Box<dyn Backend>) -> Served {
        Served {
            entry,
            engine,
            backend: Arc::new(Mutex::new(backend)),
        }
    }

    /// The backend, once it is free. Blocks.
    pub fn backend(&self) -> MutexGuard<'_, Box<dyn Backend>> {
        // A panic in a backend is a bug, and leaves nothing half done that the next request would see.
        self.backend.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Models by id.
pub type Models = BTreeMap<B256, Arc<Served>>;

/// Loads every `--model` file.
///
/// # Errors
/// One can't be read.
pub async fn files(args: &Args) -> anyhow::Result<Vec<Arc<ModelFile>>> {
    let mut files = Vec::new();
    for path in args.model.models.clone() {
        let threads = args.thread_count();
        let loading = tokio::task::spawn_blocking(move || ModelFile::load(&path, threads));
        files.push(Arc::new(loading.await??));
    }
    Ok(files)
}

/// Starts a backend for each of `files`.
///
/// # Errors
/// A file is not what the registry says, is not supported, or llama.cpp can't load it: which, and what to do.
pub async fn load(
    shell: &Shell,
    args: &Args,
    files: Vec<Arc<ModelFile>>,
) -> anyhow::Result<Models> {
    let mut models = Models::new();
    for file in files {
        let (args, known) = (args.clone(), shell.deployment.models.clone());
        let loading = tokio::task::spawn_blocking(move || load_one(&args, &file, &known));
        for served in loading.await?? {
            let registry = shell.deployment.contracts.registry;
            confirm_model(&shell.chain, registry, &served.entry).await?;
            models.insert(served.entry.id, Arc::new(served));
        }
    }
    Ok(models)
}

fn load_one(args: &Args, file: &ModelFile, known: &[ModelEntry]) -> anyhow::Result<Vec<Served>> {
    let shown = file.path.display();
    let root = B256::from(file.rom.root().0);
    let entries: Vec<&ModelEntry> = known.iter().filter(|m| m.root == root).collect();
    if entries.is_empty() {
        let named =
            |m: &ModelEntry| format!("{} with root {} and {} bytes", m.name, m.root, m.length);
        let list: Vec<String> = known.iter().map(named).collect();
        bail!(
            "{shown} ({} bytes) has model root {root}, but this deployment registers {}: the file is damaged or is another \
             model; pass the right --model FILE, or register it",
            file.rom.data_len(),
            if list.is_empty() {
                "no model".to_owned()
            } else {
                list.join("; ")
            }
        );
    }
    let engine = match &file.native {
        Ok(engine) => Some(engine.clone()),
        Err(error) if args.answer_bad_model => {
            tracing::warn!(model = %shown, %error, "unsupported: every request for it is answered with bad_model");
            None
        }
        Err(error) => bail!(
            "{shown} is registered but unsupported: {error}; serve another --model, or pass --answer-bad-model to answer \
             its requests with the error that they are due"
        ),
    };
    let backend = Arc::new(Mutex::new(backend(args, &file.path, engine.as_ref())?));
    let serve = |entry: &ModelEntry| Served {
        entry: entry.clone(),
        engine: engine.clone(),
        backend: backend.clone(),
    };
    Ok(entries.into_iter().map(serve).collect())
}

fn backend(args: &Args, path: &Path, engine: Option<&Engine>) -> anyhow::Result<Box<dyn Backend>> {
    let Some(engine) = engine else {
        return Ok(Box::new(BadModel));
    };
    let shown = path.display();
    let start = || {
        let threads = u32::try_from(args.thread_count().get()).unwrap_or(u32::MAX);
        let (context, layers) = (args.draft_context, args.gpu_layers);
        LlamaChild::start(ChildConfig::new(path.to_owned(), context, threads, layers))
    };
    match args.backend {
        BackendKind::Auto => {
            let _named = tracing::info_span!("backend", model = %shown).entered();
            Ok(faster(engine, start(), args.draft_tokens))
        }
        BackendKind::Exact => Ok(Box::new(Exact::new(engine.clone()))),
        BackendKind::Llama => {
            let child = start().with_context(|| {
                format!("cannot draft with {shown}; --backend exact needs no llama.cpp")
            })?;
            Ok(Box::new(DraftAndVerify::new(
                engine.clone(),
                child,
                args.draft_tokens,
            )))
        }
    }
}
