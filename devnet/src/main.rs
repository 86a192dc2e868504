//! The devnet: a whole Assay on one machine, in one command.

mod accounts;
mod anvil;
mod ask;
mod bench;
mod deploy;
mod events;
mod network;
mod process;
mod report;
mod scenario;
mod show;

use crate::network::{Network, Settings};
use crate::report::Scenario;
use anyhow::{Context, anyhow, bail};
use assay_node::dangerous::{Cheat, Flip};
use assay_node::deployment::Deployment;
use assay_node::shutdown::Shutdown;
use assay_node::url::RpcUrl;
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
    /// Challenge window, seconds.
    #[arg(long, global = true, env = "ASSAY_WINDOW", value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=3600))]
    window: u64,
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
        rpc: RpcUrl,
        /// gRPC endpoint.
        #[arg(long, default_value = "http://127.0.0.1:7400")]
        grpc: RpcUrl,
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
    Ok(Settings {
        model: common
            .model
            .clone()
            .unwrap_or_else(|| root.join("devnet/model/assay-stories.gguf")),
        rpc_port: common.port.unwrap_or(default(8545)),
        grpc_port: common.grpc_port.unwrap_or(default(7400)),
        window: common.window,
        allowance: common.allowance,
        backend: common.backend.clone(),
        root,
        data,
        talk,
    })
}

async fn run_once(
    common: &Common,
    scenario: Scenario,
    shutdown: &Shutdown,
) -> anyhow::Result<report::Report> {
    let started = Instant::now();
    // What is dropped here unfinished ends what it has started.
    let mut net = tokio::select! {
        net = Network::start(settings(common, false, true)?) => net?,
        () = shutdown.wait() => bail!("interrupted"),
    };
    let result = tokio::select! {
        result = scenario::run(&mut net, scenario, started, false) => result,
        () = shutdown.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    let data = net.settings.data.clone();
    net.stop().await;
    result.with_context(|| format!("data and logs are in {}", data.display()))
}

fn write_report(path: &Option<PathBuf>, report: &report::Report) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let text = serde_json::to_string_pretty(report)? + "\n";
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

async fn run(cli: Cli) -> anyhow::Result<bool> {
    // Before anything is started, so that no moment is left in which Ctrl-C or SIGTERM would leave something behind.
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    match cli.command.unwrap_or(Command::Up { no_dispute: false }) {
        Command::Up { no_dispute } => {
            show::up(settings(&cli.common, true, true)?, !no_dispute, &shutdown).await?;
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
            let report = match run_once(&cli.common, scenario.clone(), &shutdown).await {
                Ok(report) => report,
                Err(error) => {
                    // Whoever collects reports needs the failing one most.
                    write_report(&args.json, &report::Report::failed(&scenario, &error))?;
                    return Err(error);
                }
            };
            write_report(&args.json, &report)?;
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
            let prompt = prompt.replace("\\n", "\n");
            let asking = ask::ask(&rpc, &grpc, &deployment, &prompt, max_tokens, wait_final);
            let asked = tokio::select! {
                asked = asking => asked,
                () = shutdown.wait() => bail!("interrupted"),
            };
            // Libraries put whole URLs into their errors.
            asked.map_err(|e| anyhow!("{}", grpc.scrub(&rpc.scrub(&format!("{e:#}")))))?;
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
            let report = run_once(&cli.common, scenario, &shutdown).await?;
            let command =
                "assay-devnet run --once --cheat token:0 --flip random:7 --json report.json";
            Ok(bench::summarize(&report, command, &root(), &out)? && report.honest_side_whole)
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
