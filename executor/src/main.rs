//! The `executor` binary.

use assay_executor::args::Args;
use assay_executor::backend::llama::worker;
use assay_executor::service;
use assay_node::{config, shell};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = worker::run_if_asked() {
        return code;
    }
    let args: Args = config::parse_or_exit();
    shell::run("executor", args.node.clone(), |shell| {
        service::run(shell, args)
    })
}
