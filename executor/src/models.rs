//! The models that this executor answers for: files checked against the chain's registry, each with its backends.

use crate::args::{Args, BackendKind};
use crate::backend::Backend;
use crate::backend::auto::faster;
use crate::backend::draft::{DraftAndVerify, Nothing};
use crate::backend::exact::BadModel;
use crate::backend::llama::child::{ChildConfig, LlamaChild};
use alloy::primitives::B256;
use anyhow::{Context, bail};
use assay_dispute::library::ModelFile;
use assay_dispute::service::confirm_model;
use assay_inference::native::Engine;
use assay_node::deployment::ModelEntry;
use assay_node::shell::Shell;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// One registered model whose bytes are here.
pub struct Served {
    /// What the deployment says of it, checked against the registry.
    pub entry: ModelEntry,
    /// The program's rules; `None` where they refuse the model.
    pub engine: Option<Engine>,
    backends: Arc<Backends>,
}

impl Served {
    /// A model with a backend for each of the requests that are answered at once.
    pub fn new(
        entry: ModelEntry,
        engine: Option<Engine>,
        backends: Vec<Box<dyn Backend>>,
    ) -> Served {
        Served {
            entry,
            engine,
            backends: Arc::new(Backends::new(backends)),
        }
    }

    /// A backend, once one is free. Blocks.
    pub fn backend(&self) -> Lent<'_> {
        self.backends.lend()
    }
}

/// Backends of one model that are free.
struct Backends {
    free: Mutex<Vec<Box<dyn Backend>>>,
    returned: Condvar,
}

impl Backends {
    fn new(backends: Vec<Box<dyn Backend>>) -> Backends {
        Backends {
            free: Mutex::new(backends),
            returned: Condvar::new(),
        }
    }

    fn lend(&self) -> Lent<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.returned.wait_while(free, |free| free.is_empty());
        Lent {
            backend: free.unwrap_or_else(PoisonError::into_inner).pop(),
            to: self,
        }
    }
}

/// A backend that goes back when this is dropped.
pub struct Lent<'a> {
    /// There until then.
    backend: Option<Box<dyn Backend>>,
    to: &'a Backends,
}

impl Deref for Lent<'_> {
    type Target = dyn Backend;

    fn deref(&self) -> &Self::Target {
        self.backend.as_deref().expect("it is there until dropped")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.backend
            .as_deref_mut()
            .expect("it is there until dropped")
    }
}

impl Drop for Lent<'_> {
    // After a panic in it too, which is a bug and leaves nothing half done that the next request would see.
    fn drop(&mut self) {
        let mut free = self.to.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.backend.take());
        self.to.returned.notify_one();
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
    let backends = backends(args, &file.path, engine.as_ref())?;
    let backends = Arc::new(Backends::new(backends));
    let serve = |entry: &ModelEntry| Served {
        entry: entry.clone(),
        engine: engine.clone(),
        backends: backends.clone(),
    };
    Ok(entries.into_iter().map(serve).collect())
}

/// A backend for each request that is answered at once. Several cost little more than one: the weights are read once for all.
fn backends(
    args: &Args,
    path: &Path,
    engine: Option<&Engine>,
) -> anyhow::Result<Vec<Box<dyn Backend>>> {
    let Some(engine) = engine else {
        return Ok(vec![Box::new(BadModel)]);
    };
    let shown = path.display();
    let start = || {
        let threads = u32::try_from(args.thread_count().get()).unwrap_or(u32::MAX);
        let (context, layers) = (args.draft_context, args.gpu_layers);
        LlamaChild::start_slots(ChildConfig {
            slots: args.parallel,
            ..ChildConfig::new(path.to_owned(), context, threads, layers)
        })
    };
    match args.backend {
        BackendKind::Auto => {
            let _named = tracing::info_span!("backend", model = %shown).entered();
            Ok(faster(engine, start(), args.draft_tokens, args.parallel))
        }
        BackendKind::Exact => {
            let nothing = vec![Nothing; args.parallel as usize];
            Ok(DraftAndVerify::each(engine, nothing, 0))
        }
        BackendKind::Llama => {
            let slots = start().with_context(|| {
                format!("cannot draft with {shown}; --backend exact needs no llama.cpp")
            })?;
            Ok(DraftAndVerify::each(engine, slots, args.draft_tokens))
        }
    }
}
