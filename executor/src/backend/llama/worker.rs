//! The child process: llama.cpp behind the messages of `protocol`. It holds no key and no state worth keeping.
//!
//! Messages go both ways over the socket that the parent gives as standard input; whatever C++ prints goes to
//! standard output and error, which the parent logs.

use super::protocol::{Reply, Request};
use anyhow::{Context, bail, ensure};
use clap::Parser;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

/// Tokens decoded in one call.
const BATCH: u32 = 512;

/// Arguments of the hidden subcommand `llama-worker`.
#[derive(clap::Args, Clone, Debug)]
pub struct WorkerArgs {
    /// The GGUF file.
    #[arg(long)]
    pub model: PathBuf,
    /// Tokens of the cache; the model's own context length where that is less.
    #[arg(long)]
    pub context: u32,
    /// Threads.
    #[arg(long)]
    pub threads: u32,
    /// Layers to put on a GPU, where llama.cpp was built for one.
    #[arg(long)]
    pub gpu_layers: u32,
}

/// What a binary starts itself as; holds no key.
#[derive(Parser)]
#[command(name = "executor llama-worker")]
struct Worker {
    #[command(flatten)]
    args: WorkerArgs,
}

/// The exit code of the worker where this process was started as one. A binary that starts children calls it first.
pub fn run_if_asked() -> Option<ExitCode> {
    if std::env::args_os().nth(1)? != "llama-worker" {
        return None;
    }
    Some(
        match run(&Worker::parse_from(std::env::args_os().skip(1)).args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!(
                    "executor llama-worker: error: {error:#} (the executor starts this by itself)"
                );
                ExitCode::FAILURE
            }
        },
    )
}

/// Serves the parent until it closes the socket.
fn run(args: &WorkerArgs) -> anyhow::Result<()> {
    let mut socket = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let result = serve(args, &mut socket);
    if let Err(error) = &result {
        // The parent learns the reason if it still listens; the exit status tells the rest.
        let _ = Reply::Failed(format!("{error:#}")).write(&mut socket);
    }
    result
}

fn serve(args: &WorkerArgs, socket: &mut File) -> anyhow::Result<()> {
    let backend = LlamaBackend::init()?;
    let params = LlamaModelParams::default().with_n_gpu_layers(args.gpu_layers);
    let model = LlamaModel::load_from_file(&backend, &args.model, &params)
        .with_context(|| format!("llama.cpp can't load {}", args.model.display()))?;
    let context = args.context.min(model.n_ctx_train()).max(1);
    let threads = i32::try_from(args.threads.max(1)).context("too many threads")?;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(context))
        .with_n_batch(BATCH)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let cache = model
        .new_context(&backend, params)
        .context("llama.cpp can't make a context")?;
    let mut drafter = Drafter {
        model: &model,
        cache,
        held: 0,
        room: context,
    };
    Reply::Ready {
        vocab: u32::try_from(model.n_vocab())?,
        context,
    }
    .write(socket)?;
    while let Some(Request::Draft { keep, push, n }) = Request::read(socket)? {
        Reply::Drafted(drafter.draft(keep, &push, n)?).write(socket)?;
    }
    Ok(())
}

struct Drafter<'m> {
    model: &'m LlamaModel,
    cache: LlamaContext<'m>,
    /// Tokens in the cache.
    held: u32,
    /// Tokens that it can hold.
    room: u32,
}

impl Drafter<'_> {
    fn draft(&mut self, keep: u32, push: &[u32], n: u32) -> anyhow::Result<Vec<u32>> {
        ensure!(
            keep <= self.held,
            "asked to keep {keep} of {} tokens",
            self.held
        );
        ensure!(!push.is_empty(), "asked to draft after nothing new");
        let vocab = u32::try_from(self.model.n_vocab())?;
        if let Some(id) = push.iter().find(|id| **id >= vocab) {
            bail!("token id {id} in a vocabulary of {vocab}");
        }
        self.cache.kv_cache_seq_rm(0, Some(keep), None)?;
        self.held = keep;
        let mut drafted = Vec::new();
        if u32::try_from(push.len())? > self.room - keep {
            return Ok(drafted);
        }
        self.decode(push)?;
        while drafted.len() < n as usize {
            let id = self.best();
            drafted.push(id);
            let last = drafted.len() == n as usize || self.held == self.room;
            if last || self.model.vocab().is_eog(token(id)?) {
                break;
            }
            self.decode(&[id])?;
        }
        Ok(drafted)
    }

    /// Appends `ids` to the cache; only the last one's logits are computed.
    fn decode(&mut self, ids: &[u32]) -> anyhow::Result<()> {
        for (i, chunk) in ids.chunks(BATCH as usize).enumerate() {
            let mut batch = LlamaBatch::new(chunk.len(), 1);
            for (j, id) in chunk.iter().enumerate() {
                let last = i * BATCH as usize + j + 1 == ids.len();
                batch.add(token(*id)?, i32::try_from(self.held)?, &[0], last)?;
                self.held += 1;
            }
            self.cache
                .decode(&mut batch)
                .context("llama.cpp can't decode")?;
        }
        Ok(())
    }

    /// The id of the greatest logit, the lowest where several are.
    fn best(&self) -> u32 {
        let logits = self.cache.get_logits();
        let best = logits
            .iter()
            .enumerate()
            .fold(0, |best, (i, x)| if *x > logits[best] { i } else { best });
        best as u32 // a vocabulary's size is an i32
    }
}

fn token(id: u32) -> anyhow::Result<LlamaToken> {
    Ok(LlamaToken::new(i32::try_from(id)?))
}
