//! The `executor` binary.

use assay_executor::backend::llama::worker;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}
#[derive(Subcommand)]
enum Command {
    #[command(hide = true)]
    LlamaWorker(worker::WorkerArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::LlamaWorker(args) => worker::run(&args),
    }
}
