//! `assay-machine`: runs, disassembles and proves any program of the machine, without a rollup around it.

mod cli;
mod commands;
mod disassembly;
mod names;
mod place;
mod print;
mod program;
mod progress;
mod seek;
mod walk;
mod witness;

use crate::cli::{Cli, Command};
use crate::commands::{Ended, bench, check, lower, prove, run, trace};
use crate::print::Print;
use clap::Parser;
use std::io::ErrorKind;
use std::process::ExitCode;

fn dispatch(command: &Command, print: &mut Print) -> anyhow::Result<Ended> {
    match command {
        Command::Run(args) => run::run(args, print),
        Command::Lower(args) => lower::run(args, print),
        Command::Trace(args) => trace::run(args, print),
        Command::Prove(args) => prove::run(args, print),
        Command::Check(args) => check::run(args, print),
        Command::Bench(args) => bench::run(args, print),
    }
}

/// Whoever reads our output has read enough (`assay-machine lower FILE | head`).
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut print = Print::new(cli.json);
    match dispatch(&cli.command, &mut print) {
        Ok(ended) => ExitCode::from(ended as u8),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = print.error(&error);
            ExitCode::from(Ended::BadInput as u8)
        }
    }
}
