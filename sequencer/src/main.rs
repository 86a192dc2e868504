//! `sequencer`: see `--help`.

use assay_node::{config, shell};
use assay_sequencer::flags::Flags;
use assay_sequencer::service;
use std::process::ExitCode;

fn main() -> ExitCode {
    let flags: Flags = config::parse_or_exit();
    shell::run("sequencer", flags.node.clone(), |shell| {
        service::run(shell, flags)
    })
}
