//! anvil: found, checked, started.

use crate::accounts::MNEMONIC;
use crate::process::{Process, tail};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The devnet's chain id.
pub const CHAIN_ID: u64 = 31337;
/// Version that this devnet was made for.
const VERSION: &str = "1.7.";

/// anvil from PATH in a fitting version, else the one that `npm ci` puts into `contracts/`.
pub fn find(root: &Path) -> anyhow::Result<PathBuf> {
    let npm = root.join("contracts/node_modules/.bin/anvil");
    let mut other = None;
    for candidate in [PathBuf::from("anvil"), npm] {
        let Ok(output) = std::process::Command::new(&candidate)
            .arg("--version")
            .output()
        else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains(&format!(" {VERSION}")) || text.contains(&format!("v{VERSION}")) {
            return Ok(candidate);
        }
        other = text.lines().next().map(str::to_owned);
    }
    match other {
        Some(version) => bail!(
            "anvil {VERSION}x is needed, found only '{version}': run `npm ci` in contracts/, or `make devnet`"
        ),
        None => bail!(
            "anvil is missing: run `npm ci` in contracts/ (or `make devnet`, which does), or put anvil {VERSION}x on PATH"
        ),
    }
}

/// Starts a chain with 1 s blocks and waits until it answers.
pub async fn start(root: &Path, port: u16, log: PathBuf) -> anyhow::Result<Process> {
    let program = find(root)?;
    let args = [
        "--host",
        "127.0.0.1",
        "--block-time",
        "1",
        "--mnemonic",
        MNEMONIC,
        "--accounts",
        "10",
    ];
    let mut args: Vec<String> = args.map(str::to_owned).to_vec();
    args.extend([
        "--port".to_owned(),
        port.to_string(),
        "--chain-id".to_owned(),
        CHAIN_ID.to_string(),
    ]);
    let mut process = Process::start("anvil", &program, &args, log)?;
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        process.check().context("anvil did not start")?;
        if started.elapsed() > Duration::from_secs(20) {
            bail!(
                "anvil does not listen on port {port}; the end of its log:\n{}",
                tail(&process.log)
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(process)
}
