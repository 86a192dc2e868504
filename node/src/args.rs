//! The flags that services share, so that they are spelled and explained the same everywhere.
//!
//! Each long flag `--some-flag` is mirrored by the environment as `ASSAY_SOME_FLAG` and by the TOML file as
//! `some-flag` (see [`crate::config`]).

use crate::url::RpcUrl;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// One human-readable line for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

/// Flags of every service.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// JSON-RPC endpoint of the chain (http or https).
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545")]
    pub rpc_url: RpcUrl,

    /// Beacon API of the chain, where its games post their roots in blobs or its claims their outputs: every service of such a
    /// deployment reads them there. The node must serve all columns of blobs, of which nodes keep a part unless told otherwise.
    /// The endpoint of --rpc-url if left out (anvil serves both).
    #[arg(long, value_name = "URL")]
    pub beacon_url: Option<RpcUrl>,

    /// Chain id that the endpoint must have; the deployment file's if left out.
    #[arg(long, value_name = "ID")]
    pub chain_id: Option<u64>,

    /// Addresses of the contracts, as `assay-devnet` writes them.
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    pub deployment: PathBuf,

    /// Folder for everything that this service keeps; one process may use it at a time.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,

    /// File that holds the private key: 64 hex digits, 0x allowed.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    pub key_file: Option<PathBuf>,

    /// Name of the environment variable that holds the private key.
    #[arg(long, value_name = "NAME")]
    pub key_env: Option<String>,

    /// Address of /metrics, /livez, /readyz and /status; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub metrics_addr: SocketAddr,

    /// Milliseconds between looks at the chain.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    pub poll_ms: u64,

    /// Blocks on top of an event before it is acted upon.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub confirmations: u64,

    /// How log lines are written (to standard error).
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// Which log lines are written, as `RUST_LOG` has it, for example `info,assay_node=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log_level: String,

    /// End when standard input closes: a supervisor that dies takes its services along.
    #[arg(long)]
    pub exit_on_stdin_eof: bool,

    /// TOML file of flags without their dashes; flags and environment win over it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl NodeArgs {
    /// Time between looks at the chain.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}

/// Flags of the services that re-run the program.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// GGUF file of a model that this service serves; may be repeated.
    #[arg(long = "model", value_name = "FILE", required = true)]
    pub models: Vec<PathBuf>,

    /// The program, compiled to WebAssembly.
    #[arg(long, value_name = "FILE", default_value = "vm/guest/guest.wasm")]
    pub guest: PathBuf,
}
