//! The `watchtower` binary.

use assay_dispute::watchtower::{WatchtowerArgs, run};
use assay_node::{config, shell};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: WatchtowerArgs = config::parse_or_exit();
    let node = args.node.clone();
    shell::run("watchtower", node, |shell| run(shell, args))
}
