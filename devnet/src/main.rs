//! The devnet: a whole Assay on one machine, in one command.

mod accounts;
mod anvil;
mod ask;
mod bench;
mod deploy;
mod events;
mod limits;
mod network;
mod process;
mod report;
mod scenario;
mod show;

use crate::network::{Network, Settings};
use crate::report::Scenario;
use anyhow::Context;
use assay_node::dangerous::{Cheat, Flip};
use assay_node::deployment::Deployment;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Runs Assay on a local chain: asks a real model by a contract call, and slashes a liar by one instruction.
#[derive(Parser, Debug)]
#[command(name = "assay-devnet", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Clone, Debug)]
struct Common {
    /// GGUF file of the model (llama architecture; F32, F16 or Q8_0 tensors; SentencePiece tokenizer).
    #[arg(long, global = true, env = "ASSAY_MODEL", value_name = "PATH")]
    model: Option<PathBuf>,
    /// Folder for logs and data; a new one under target/devnet if left out.
    #[arg(long, global = true, env = "ASSAY_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the chain; 0 takes a free one. `up` takes 8545 unless told.
    #[arg(long, global = true, env = "ASSAY_PORT", value_name = "PORT")]
    port: Option<u16>,
    /// Port of the sequencer's gRPC; 0 takes a free one. `up` takes 7400 unless told.
    #[arg(long, global = true, env = "ASSAY_GRPC_PORT", value_name = "PORT")]
    grpc_port: Option<u16>,
    /// Challenge window, seconds; if left out, 30, and more for models over 37 MB.
    #[arg(long, global = true, env = "ASSAY_WINDOW", value_name = "S", value_parser = clap::value_parser!(u64).range(5..=limits::MOST_WINDOW))]
    window: Option<u64>,
    /// Clock of each player of a game, seconds.
    #[arg(long, global = true, env = "ASSAY_ALLOWANCE", value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(10..=3600))]
    allowance: u64,
    /// What finds the answers: llama or exact.
    #[arg(long, global = true, env = "ASSAY_BACKEND", default_value = "llama", value_parser = ["llama", "exact"])]
    backend: String,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start everything, show a question and a dispute, and stay up (the default).
    Up {
        /// Do not show the dispute.
        #[arg(long)]
        no_dispute: bool,
    },
    /// Run one scenario and end; non-zero exit unless the honest side ends whole.
    Run(RunArgs),
    /// Ask a running devnet by gRPC.
    Ask {
        /// The prompt; `\n` stands for a new line.
        prompt: String,
        /// Most tokens of the answer.
        #[arg(long, default_value_t = 48)]
        max_tokens: u32,
        /// Wait until the answer is final.
        #[arg(long = "final")]
        wait_final: bool,
        /// JSON-RPC endpoint.
        #[arg(long, default_value = "http://127.0.0.1:8545")]
        rpc: String,
        /// gRPC endpoint.
        #[arg(long, default_value = "http://127.0.0.1:7400")]
        grpc: String,
        /// Addresses, as the devnet wrote them.
        #[arg(long, default_value = "target/devnet/deployment.json")]
        deployment: PathBuf,
    },
    /// Measure one dispute and write the numbers.
    Bench {
        /// Where to.
        #[arg(long, default_value = "target/bench/summary.json")]
        out: PathBuf,
    },
}

#[derive(Args, Debug)]
struct RunArgs {
    /// Run once and end (the only mode of `run`).
    #[arg(long)]
    once: bool,
    /// How the executor that gets the request first lies: token:N, truncate or silent.
    #[arg(long, value_name = "HOW")]
    cheat: Option<Cheat>,
    /// Where the liar's trace goes wrong: YIELD,MICRO or random or random:SEED.
    #[arg(long, value_name = "WHERE")]
    flip: Option<Flip>,
    /// A challenger attacks the true claim.
    #[arg(long, conflicts_with_all = ["cheat", "flip"])]
    lying_challenger: bool,
    /// kill -9 a process at its worst moment and start it again: watchtower (in mid-game), executor (after it has
    /// signed), sequencer (in mid-batch), or llama (the drafting process, in mid-request).
    #[arg(long, value_name = "WHO", value_parser = ["watchtower", "executor", "sequencer", "llama"])]
    disrupt: Option<String>,
    /// Write the report here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The repository: where this was built, or the working folder.
fn root() -> PathBuf {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if built.join("vm/guest/guest.wasm").exists() {
        built.canonicalize().unwrap_or(built)
    } else {
        PathBuf::from(".")
    }
}

fn settings(common: &Common, fixed_ports: bool, talk: bool) -> anyhow::Result<Settings> {
    let root = root();
    let stamp = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_millis();
    let data = common
        .data
        .clone()
        .unwrap_or_else(|| root.join(format!("target/devnet/{stamp}-{}", std::process::id())));
    let default = |port| if fixed_ports { port } else { 0 };
    let model = common
        .model
        .clone()
        .unwrap_or_else(|| root.join("devnet/model/assay-stories.gguf"));
    let window = match common.window {
        Some(window) => window,
        None => limits::window(&model)?,
    };
    Ok(Settings {
        model,
        window,
        rpc_port: common.port.unwrap_or(default(8545)),
        grpc_port: common.grpc_port.unwrap_or(default(7400)),
        allowance: common.allowance,
        backend: common.backend.clone(),
        root,
        data,
        talk,
    })
}

async fn run_once(common: &Common, scenario: Scenario) -> anyhow::Result<report::Report> {
    let started = Instant::now();
    let mut net = Network::start(settings(common, false, true)?).await?;
    let result = tokio::select! {
        result = scenario::run(&mut net, scenario, started, false) => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let data = net.settings.data.clone();
    net.stop().await;
    result.with_context(|| format!("data and logs are in {}", data.display()))
}

async fn run(cli: Cli) -> anyhow::Result<bool> {
    match cli.command.unwrap_or(Command::Up { no_dispute: false }) {
        Command::Up { no_dispute } => {
            show::up(settings(&cli.common, true, true)?, !no_dispute).await?;
            Ok(true)
        }
        Command::Run(args) => {
            let scenario = Scenario {
                cheat: args.cheat.map(|c| c.to_string()),
                flip: args.flip.map(|f| f.to_string()),
                lying_challenger: args.lying_challenger,
                disrupt: args.disrupt,
                backend: cli.common.backend.clone(),
            };
            let report = run_once(&cli.common, scenario).await?;
            if let Some(path) = &args.json {
                let text = serde_json::to_string_pretty(&report)? + "\n";
                std::fs::write(path, text)
                    .with_context(|| format!("writing {}", path.display()))?;
            }
            report
                .failures
                .iter()
                .for_each(|f| eprintln!("FAILED: {f}"));
            Ok(report.honest_side_whole)
        }
        Command::Ask {
            prompt,
            max_tokens,
            wait_final,
            rpc,
            grpc,
            deployment,
        } => {
            let deployment = Deployment::load(&deployment)?;
            ask::ask(
                &rpc,
                &grpc,
                &deployment,
                &prompt.replace("\\n", "\n"),
                max_tokens,
                wait_final,
            )
            .await?;
            Ok(true)
        }
        Command::Bench { out } => {
            let scenario = Scenario {
                cheat: Some("token:0".to_owned()),
                flip: Some("random:7".to_owned()),
                lying_challenger: false,
                disrupt: None,
                backend: cli.common.backend.clone(),
            };
            let report = run_once(&cli.common, scenario).await?;
            let command =
                "assay-devnet run --once --cheat token:0 --flip random:7 --json report.json";
            Ok(bench::summarize(&report, command, &out)? && report.honest_side_whole)
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
