//! The devnet's chain: anvil with a block a second.

use crate::accounts::MNEMONIC;
use anyhow::Context;
use assay_node::anvil::Anvil;
use std::path::{Path, PathBuf};

/// The devnet's chain id.
pub const CHAIN_ID: u64 = 31337;

/// Starts a chain on `port` (0 takes a free one) that listens when this returns.
pub async fn start(root: &Path, port: u16, log: PathBuf) -> anyhow::Result<Anvil> {
    let root = root.to_owned();
    let start = move || {
        let id = CHAIN_ID.to_string();
        let args = [
            ["--block-time", "1"],
            ["--mnemonic", MNEMONIC],
            ["--accounts", "10"],
            ["--chain-id", &id],
        ];
        Anvil::start(&root, port, args.as_flattened(), Some(&log))
    };
    // On a thread of its own: Ctrl-C is heard meanwhile.
    let started = tokio::task::spawn_blocking(start).await?;
    started.context("the chain did not start")
}
