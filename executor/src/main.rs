//! The `executor` binary.

use assay_executor::args::Args;
use assay_executor::backend::llama::worker::{self, WorkerArgs};
use assay_executor::service;
use assay_node::{config, shell};
use clap::Parser;
use std::process::ExitCode;

/// What the executor starts itself as; holds no key.
#[derive(Parser)]
#[command(name = "executor llama-worker")]
struct Worker {
    #[command(flatten)]
    args: WorkerArgs,
}

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == "llama-worker")
    {
        return run_worker(&Worker::parse_from(std::env::args_os().skip(1)).args);
    }
    let args: Args = config::parse_or_exit();
    shell::run("executor", args.node.clone(), |shell| {
        service::run(shell, args)
    })
}

fn run_worker(args: &WorkerArgs) -> ExitCode {
    match worker::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "executor llama-worker: error: {error:#} (the executor starts this by itself)"
            );
            ExitCode::FAILURE
        }
    }
}
