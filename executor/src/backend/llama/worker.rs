//! The child process: llama.cpp behind the messages of `protocol`. It holds no key and no state worth keeping.
//!
//! Messages go both ways over the socket that the parent gives as standard input; whatever C++ prints goes to
//! standard output and error, which the parent logs.

use super::batching::{BATCH, Drafter};
use super::protocol::{Reply, Request};
use anyhow::Context;
use clap::Parser;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

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
    /// Sequences worked on at once.
    #[arg(long)]
    pub slots: u32,
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
    let slots = args.slots.max(1);
    // One cache for all slots: a long answer has the room that short ones leave.
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(context))
        .with_n_batch(BATCH)
        .with_n_seq_max(slots)
        .with_kv_unified(true)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let cache = model
        .new_context(&backend, params)
        .context("llama.cpp can't make a context")?;
    let mut drafter = Drafter::new(&model, cache, context, slots)?;
    let vocab = u32::try_from(model.n_vocab())?;
    Reply::Ready { vocab, context }.write(socket)?;
    let requests = reader(socket.try_clone()?);
    loop {
        // While sequences are worked on, new ones join between two steps.
        let next = if drafter.is_idle() {
            let Ok(request) = requests.recv() else {
                return Ok(());
            };
            Some(request)
        } else {
            match requests.try_recv() {
                Ok(request) => Some(request),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        };
        let done = match next {
            Some(Request::Draft { slot, sequence, n }) => drafter.begin(slot, sequence, n)?,
            None => drafter.step()?,
        };
        for (slot, ids) in done {
            Reply::Drafted { slot, ids }.write(socket)?;
        }
    }
}

/// What the parent asks, read on a thread of its own; the channel closes when the parent does.
fn reader(mut socket: File) -> Receiver<Request> {
    let (to, requests) = channel();
    std::thread::spawn(move || {
        while let Ok(Some(request)) = Request::read(&mut socket) {
            if to.send(request).is_err() {
                return;
            }
        }
    });
    requests
}
