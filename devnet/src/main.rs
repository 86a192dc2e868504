//! The devnet: a whole Assay on one machine, in one command.

mod accounts;
mod anvil;
mod ask;
mod bench;
mod deploy;
mod disrupt;
mod events;
mod limits;
mod network;
mod price;
mod process;
mod release;
mod report;
mod sampling;
mod scenario;
mod show;
mod sizes;

use crate::disrupt::CENSOR;
use crate::network::{Network, Settings, spinner};
use crate::report::Scenario;
use anyhow::{Context, bail, ensure};
use assay_node::dangerous::{Cheat, Flip};
use assay_node::shutdown::Shutdown;
use assay_types::params::MAX_TOKENS;
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Runs Assay on a local chain: asks a real model by a contract call, and slashes a liar by one instruction.
#[derive(Parser, Debug)]
#[command(name = "assay-devnet", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten, next_help_heading = "The chain and its services")]
    common: Common,
}

#[derive(Args, Clone, Debug)]
struct Common {
    /// GGUF file of the model (llama, qwen2 or qwen3; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K tensors).
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
    /// Most pieces of a dissection in a game, a power of two from 2 to 4096; if left out, 32, and 4096 in blobs.
    #[arg(long, global = true, env = "ASSAY_ARITY", value_name = "K", value_parser = arity)]
    arity: Option<u8>,
    /// Post the dissections of games in blobs (EIP-4844) instead of calldata.
    #[arg(long, global = true, env = "ASSAY_BLOBS")]
    blobs: bool,
    /// Seed each question by the randomness of the block this many after its own, which is recorded before it is answered;
    /// 0 takes its own.
    #[arg(long, global = true, env = "ASSAY_SEED_DELAY", value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    seed_delay: u64,
    /// What finds the answers: llama, exact, or the faster of both.
    #[arg(long, global = true, env = "ASSAY_BACKEND", default_value = "llama", value_parser = ["llama", "exact", "auto"])]
    backend: String,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start everything, show a question and a dispute, and stay up (the default).
    Up {
        /// Do not show the dispute.
        #[arg(long, env = "ASSAY_NO_DISPUTE")]
        no_dispute: bool,
    },
    /// Run one scenario and end; non-zero exit unless the honest side ends whole.
    Run(RunArgs),
    /// Ask a running devnet by gRPC.
    Ask(Box<ask::Question>),
    /// Deploy the contracts on any chain, with the parameters of docs/parameters.md, and write the deployment file.
    Deploy(Box<release::Release>),
    /// Measure one dispute and write the numbers.
    Bench {
        /// Where to.
        #[arg(
            long,
            env = "ASSAY_OUT",
            value_name = "FILE",
            default_value = "target/bench/summary.json"
        )]
        out: PathBuf,
    },
    /// Measure whole disputes over random models of several sizes and answers of several lengths.
    BenchSizes(sizes::Sizes),
}

#[derive(Args, Debug)]
struct RunArgs {
    /// Run once and end (the only mode of `run`).
    #[arg(long)]
    once: bool,
    /// How the executor that gets the request first lies: token:N, truncate or silent.
    #[arg(long, env = "ASSAY_CHEAT", value_name = "HOW")]
    cheat: Option<Cheat>,
    /// Where the liar's trace goes wrong: YIELD,MICRO (macro step and step in it), random or random:SEED (after a step
    /// that is executed).
    #[arg(long, env = "ASSAY_FLIP", value_name = "WHERE")]
    flip: Option<Flip>,
    /// A challenger attacks the true claim.
    #[arg(long, env = "ASSAY_LYING_CHALLENGER", conflicts_with_all = ["cheat", "flip"])]
    lying_challenger: bool,
    /// kill -9 a process at its worst moment and start it again: watchtower (in mid-game), executor (after it has
    /// signed and before anybody has the answer), sequencer (while its batch waits for a block), or llama (the drafting
    /// process, in mid-request). Or censor: the sequencer leaves the question out, the chain's clock jumps past its inclusion
    /// deadline, and once an executor has claimed it directly the sequencer is killed for good.
    #[arg(long, env = "ASSAY_DISRUPT", value_name = "WHO", value_parser = ["watchtower", "executor", "sequencer", "llama", CENSOR])]
    disrupt: Option<String>,
    /// Ask this, straight from the inbox and without a callback, instead of the sample dApp's question; `\n` stands for a new
    /// line.
    #[arg(long, env = "ASSAY_PROMPT", value_name = "TEXT")]
    prompt: Option<String>,
    /// Most tokens of the answer to --prompt.
    #[arg(long, env = "ASSAY_MAX_TOKENS", value_name = "N", requires = "prompt", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKENS)))]
    max_tokens: u32,
    /// Once nothing but the challenge window is waited for, let the chain's clock jump to its end.
    #[arg(long, env = "ASSAY_SKIP_WINDOW")]
    skip_window: bool,
    /// Write the report here (devnet/report.schema.json says what it holds).
    #[arg(long, env = "ASSAY_JSON", value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The repository: the working folder if it is one, else where this was built.
fn root() -> PathBuf {
    let built = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let here = Path::new(".");
    let is_one = |folder: &&Path| folder.join("vm/guest/guest.wasm").exists();
    let root = [here, built].into_iter().find(is_one).unwrap_or(here);
    root.canonicalize().unwrap_or(root.to_owned())
}

fn settings(common: &Common, units: u64, fixed_ports: bool) -> anyhow::Result<Settings> {
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
        None => limits::window(&model, units)?,
    };
    Ok(Settings {
        model,
        window,
        units,
        rpc_port: common.port.unwrap_or(default(8545)),
        grpc_port: common.grpc_port.unwrap_or(default(7400)),
        allowance: common.allowance,
        arity_log2: common.arity.unwrap_or(if common.blobs { 12 } else { 5 }),
        blobs: common.blobs,
        seed_delay: common.seed_delay,
        backend: common.backend.clone(),
        root,
        data,
        talk: true,
    })
}

/// log2 of `--arity`.
fn arity(text: &str) -> Result<u8, String> {
    match text.parse::<u16>() {
        Ok(k) if k.is_power_of_two() && (2..=4096).contains(&k) => Ok(k.ilog2() as u8),
        _ => Err("a power of two from 2 to 4096".to_owned()),
    }
}

/// What can't work is said before anything is started.
fn check(args: &RunArgs, backend: &str) -> anyhow::Result<()> {
    if let Some(folder) = args.json.as_deref().and_then(Path::parent) {
        ensure!(
            folder.as_os_str().is_empty() || folder.is_dir(),
            "there is no folder {}: make it, or pass another --json",
            folder.display()
        );
    }
    let lies = args.cheat.is_some() || args.flip.is_some() || args.lying_challenger;
    ensure!(
        !(args.skip_window && args.disrupt.as_deref() == Some("watchtower")),
        "--skip-window waits for what this run of the watchtower has found, which --disrupt watchtower ends: leave one of them out"
    );
    match args.disrupt.as_deref() {
        Some("watchtower") => ensure!(
            lies && args.cheat != Some(Cheat::Silent),
            "--disrupt watchtower needs a game with moves: add --cheat token:0, or --lying-challenger"
        ),
        Some(who @ ("executor" | "llama")) => ensure!(
            backend == "llama",
            "--disrupt {who} stops the drafting process for a moment, so it needs --backend llama"
        ),
        _ => {}
    }
    Ok(())
}

async fn run_once(
    common: &Common,
    scenario: Scenario,
    shutdown: &Shutdown,
) -> anyhow::Result<report::Report> {
    let started = Instant::now();
    // What is dropped here unfinished ends what it has started.
    let mut net = tokio::select! {
        net = Network::start(settings(common, scenario.units(), false)?) => net?,
        () = shutdown.wait() => bail!("interrupted"),
    };
    let result = tokio::select! {
        result = scenario::run(&mut net, scenario, started, false) => result,
        () = shutdown.wait() => Err(anyhow::anyhow!("interrupted")),
    };
    let data = net.settings.data.clone();
    let wait = spinner(net.settings.talk, "stopping");
    net.stop().await;
    wait.finish_and_clear();
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
            show::up(settings(&cli.common, 0, true)?, !no_dispute, &shutdown).await?;
            Ok(true)
        }
        Command::Run(args) => {
            check(&args, &cli.common.backend)?;
            let scenario = Scenario {
                cheat: args.cheat.map(|c| c.to_string()),
                flip: args.flip.map(|f| f.to_string()),
                lying_challenger: args.lying_challenger,
                disrupt: args.disrupt,
                backend: cli.common.backend.clone(),
                max_tokens: args.prompt.as_ref().map(|_| args.max_tokens),
                prompt: args.prompt.map(|text| text.replace("\\n", "\n")),
                skip_window: args.skip_window,
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
            println!("\n{}", report.summary());
            if let Some(path) = &args.json {
                println!("   {:<10}{}", "report", path.display());
            }
            Ok(report.honest_side_whole)
        }
        Command::Ask(question) => {
            tokio::select! {
                asked = ask::ask(&question) => asked?,
                () = shutdown.wait() => bail!("interrupted"),
            }
            Ok(true)
        }
        Command::Deploy(flags) => {
            tokio::select! {
                deployed = release::deploy(&flags, cli.common.arity, cli.common.blobs) => deployed?,
                () = shutdown.wait() => bail!("interrupted: deploy again, all of it"),
            }
            Ok(true)
        }
        Command::Bench { out } => {
            let scenario = Scenario {
                cheat: Some("token:0".to_owned()),
                flip: Some("random:7".to_owned()),
                lying_challenger: false,
                disrupt: None,
                backend: cli.common.backend.clone(),
                prompt: None,
                max_tokens: None,
                skip_window: false,
            };
            let report = run_once(&cli.common, scenario, &shutdown).await?;
            let command =
                "assay-devnet run --once --cheat token:0 --flip random:7 --json report.json";
            Ok(bench::summarize(&report, command, &root(), &out)? && report.honest_side_whole)
        }
        Command::BenchSizes(sizes) => {
            let (mut figures, mut missed) = (serde_json::Map::new(), Vec::new());
            for case in sizes.cases()? {
                let common = Common {
                    model: Some(case.model.clone()),
                    backend: case.scenario.backend.clone(),
                    // Each is a devnet of its own.
                    data: cli.common.data.as_ref().map(|data| data.join(&case.name)),
                    ..cli.common.clone()
                };
                let report = run_once(&common, case.scenario.clone(), &shutdown).await?;
                missed.extend(sizes::book(&case, &report, &mut figures)?);
                sizes::add(&sizes.out, &figures)?;
            }
            for what in &missed {
                println!("EXCEEDED: {what}");
            }
            Ok(missed.is_empty())
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
