//! Generators: everything committed that is made from Rust's tables.
//!
//! `cargo run --release -p xtask -- generate [--check]`

mod generate;
mod guest;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Generators of Assay's committed files")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write Solidity's constants and opcodes, `docs/opcodes.md` and the program's Unicode table.
    Generate {
        /// Write nothing; fail if a committed file differs.
        #[arg(long)]
        check: bool,
    },
    /// Write the program id of `vm/guest/guest.wasm` into `guest.lock`.
    Guest {
        /// Write nothing; fail if it differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Generate { check } => generate::run(check),
        Task::Guest { check } => guest::run(check),
    }
}
