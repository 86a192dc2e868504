//! A running devnet: the chain, the contracts, the services.

use crate::accounts::Role;
use crate::anvil;
use crate::deploy::{deploy, provider};
use crate::limits;
use crate::process::{Process, peak_mib, require_free};
use alloy::providers::DynProvider;
use anyhow::{Context, bail};
use assay_inference::native::{bytes, inspect};
use assay_node::anvil::Anvil;
use assay_node::deployment::Deployment;
use assay_node::shell::ENDPOINTS_FILE;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The deployment's file in the data folder.
const DEPLOYMENT: &str = "deployment.json";

/// What a devnet is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The repository, for contracts and default files.
    pub root: PathBuf,
    /// The model's GGUF file.
    pub model: PathBuf,
    /// Folder for everything that is kept.
    pub data: PathBuf,
    /// Port of the chain; 0 for a free one.
    pub rpc_port: u16,
    /// Port of the sequencer's gRPC; 0 for a free one.
    pub grpc_port: u16,
    /// Challenge window, seconds.
    pub window: u64,
    /// Bytes of payload and tokens of answer, together, that have to be askable; 0 for the usual ones.
    pub units: u64,
    /// Each player's clock, seconds.
    pub allowance: u64,
    /// log2 of the most pieces of a dissection.
    pub arity_log2: u8,
    /// Dissections travel in blobs.
    pub blobs: bool,
    /// Blocks from a question to the one that seeds it; 0 for its own.
    pub seed_delay: u64,
    /// Backend of the executors.
    pub backend: String,
    /// Print progress for people.
    pub talk: bool,
}

/// A running devnet.
pub struct Network {
    /// How it was made.
    pub settings: Settings,
    /// Its contracts.
    pub deployment: Deployment,
    /// JSON-RPC endpoint.
    pub rpc: String,
    /// gRPC endpoint; known once the sequencer has started.
    pub grpc: String,
    /// Signs as the user.
    pub user: DynProvider,
    chain: Anvil,
    processes: BTreeMap<String, Process>,
    admin: BTreeMap<String, u16>,
    peaks: BTreeMap<String, f64>,
    flags: BTreeMap<String, Vec<String>>,
}

/// A spinner while something takes its time; plain lines where nobody watches.
pub fn spinner(talk: bool, text: &str) -> ProgressBar {
    if !talk {
        return ProgressBar::hidden();
    }
    if !std::io::stderr().is_terminal() {
        eprintln!("{text} ...");
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

impl Network {
    /// Starts chain and contracts; services are started one by one.
    pub async fn start(settings: Settings) -> anyhow::Result<Network> {
        let model = std::fs::read(&settings.model).with_context(|| {
            format!(
                "model {}: pass the right --model PATH",
                settings.model.display()
            )
        })?;
        let model = bytes(model);
        if let Err(unsupported) = inspect(model.clone()) {
            bail!(
                "model {} can't be served: {unsupported}; pass the --model PATH of another one",
                settings.model.display()
            );
        }
        // Before anything runs: a model that can't be asked ends the start.
        let model_length = (*model).as_ref().len() as u64;
        limits::parameters(
            &settings.model,
            model_length,
            settings.units,
            settings.window,
        )?;
        std::fs::create_dir_all(&settings.data).with_context(|| {
            let folder = settings.data.display();
            format!("data folder {folder} can't be made: pass another --data DIR")
        })?;
        // Each devnet is a chain of its own; what an earlier one left belongs to another.
        if settings.data.join(DEPLOYMENT).exists() {
            bail!(
                "data folder {} holds an earlier devnet: pass another --data DIR, or delete it",
                settings.data.display()
            );
        }
        require_free(settings.rpc_port, "--port")?;
        require_free(settings.grpc_port, "--grpc-port")?;
        let wait = spinner(settings.talk, "starting the chain");
        let log = settings.data.join("anvil.log");
        let chain = anvil::start(&settings.root, settings.rpc_port, log).await?;
        wait.finish_and_clear();
        let rpc = chain.url().to_string();

        let wait = spinner(
            settings.talk,
            "deploying the contracts and registering the model",
        );
        let mut parameters = limits::parameters(
            &settings.model,
            model_length,
            settings.units,
            settings.window,
        )?;
        parameters.allowance = settings.allowance;
        (parameters.arity_log2, parameters.blobs) = (settings.arity_log2, settings.blobs);
        parameters.seed_delay = settings.seed_delay;
        parameters.unbonding_delay = settings.window + 2 * settings.allowance + 60;
        let deployment = deploy(&rpc, (*model).as_ref(), &settings.model, &parameters).await?;
        deployment.save(&settings.data.join(DEPLOYMENT))?;
        wait.finish_and_clear();

        let user = provider(&rpc, Role::User).await?;
        let grpc = format!("http://127.0.0.1:{}", settings.grpc_port);
        let (processes, admin, peaks) = Default::default();
        let flags = BTreeMap::new();
        Ok(Network {
            settings,
            deployment,
            rpc,
            grpc,
            user,
            chain,
            processes,
            admin,
            peaks,
            flags,
        })
    }

    /// Starts the service of `role` with these further flags, and waits until it is ready.
    pub async fn service(&mut self, role: Role, more: &[&str]) -> anyhow::Result<()> {
        let binary = match role {
            Role::Sequencer => "sequencer",
            Role::Executor | Role::Liar => "executor",
            Role::Watchtower | Role::LyingChallenger => "watchtower",
            Role::Deployer | Role::User => bail!("{} runs no service", role.name()),
        };
        let data = self.settings.data.join(role.name());
        std::fs::create_dir_all(&data)?;
        let key = self.settings.data.join(format!("{}.key", role.name()));
        // A service that is started again finds its key.
        if !key.exists() {
            assay_node::key::write_key_file(&key, &hex::encode(role.signer()?.to_bytes()))?;
        }
        // Each service takes a free port and says which; an earlier run's word counts no more.
        let endpoints = data.join(ENDPOINTS_FILE);
        if endpoints.exists() {
            std::fs::remove_file(&endpoints)?;
        }
        let path = |p: &Path| p.display().to_string();
        let mut args = vec![
            "--rpc-url".to_owned(),
            self.rpc.clone(),
            "--deployment".to_owned(),
            path(&self.settings.data.join(DEPLOYMENT)),
            "--data-dir".to_owned(),
            path(&data),
            "--key-file".to_owned(),
            path(&key),
            "--metrics-addr".to_owned(),
            "127.0.0.1:0".to_owned(),
            "--poll-ms".to_owned(),
            "250".to_owned(),
            "--exit-on-stdin-eof".to_owned(),
        ];
        if binary == "sequencer" {
            let address = self.grpc.trim_start_matches("http://").to_owned();
            args.extend([
                "--grpc-addr".to_owned(),
                address,
                "--batch-interval-ms".to_owned(),
                "1000".to_owned(),
            ]);
        } else {
            let guest = self.settings.root.join("vm/guest/guest.wasm");
            args.extend([
                "--model".to_owned(),
                path(&self.settings.model),
                "--guest".to_owned(),
                path(&guest),
            ]);
        }
        if matches!(binary, "sequencer" | "executor") {
            // Nobody reorganizes this chain.
            args.extend(["--seed-depth".to_owned(), "1".to_owned()]);
        }
        if binary == "executor" {
            let backend = self.settings.backend.clone();
            args.extend([
                "--sequencer-url".to_owned(),
                self.grpc.clone(),
                "--backend".to_owned(),
                backend,
            ]);
            args.push("--auto-stake".to_owned());
        }
        let more: Vec<String> = more.iter().map(|s| (*s).to_owned()).collect();
        if more.iter().any(|flag| flag == "--keeper") {
            // Nobody here is a stranger, and every callback should be seen.
            args.push("--keeper-unpaid".to_owned());
        }
        args.extend(more.clone());
        self.flags.insert(role.name().to_owned(), more);
        let program = binary_path(binary)?;
        let log = self.settings.data.join(format!("{}.log", role.name()));
        let wait = spinner(self.settings.talk, &format!("starting {}", role.name()));
        let process = Process::start(role.name(), &program, &args, log)?;
        self.processes.insert(role.name().to_owned(), process);
        self.wait_ready(role, &endpoints).await?;
        wait.finish_and_clear();
        Ok(())
    }

    /// Starts a service that was ended, as it was.
    pub async fn start_again(&mut self, role: Role) -> anyhow::Result<()> {
        let more = self.flags.get(role.name()).cloned().unwrap_or_default();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        self.service(role, &more).await
    }

    async fn wait_ready(&mut self, role: Role, endpoints: &Path) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            self.check()?;
            let reason = match self.ready(role, endpoints).await {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            };
            if started.elapsed() > Duration::from_secs(60) {
                bail!("{} is not ready after a minute: {reason}", role.name());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Notes where a service listens; else why it is not ready.
    async fn ready(&mut self, role: Role, endpoints: &Path) -> Result<(), String> {
        let silent = || "it has not said where it listens".to_owned();
        let admin = endpoint(endpoints, "metrics").ok_or_else(silent)?;
        let response = reqwest::get(format!("http://{admin}/readyz")).await;
        let response = response.map_err(|e| e.to_string())?;
        if !response.status().is_success() {
            return Err(response.text().await.unwrap_or_default());
        }
        if role == Role::Sequencer {
            // Whoever is started later, and a sequencer that is started again, keep to its first port.
            let grpc = endpoint(endpoints, "grpc").ok_or_else(silent)?;
            self.grpc = format!("http://{grpc}");
        }
        self.admin.insert(role.name().to_owned(), admin.port());
        Ok(())
    }

    /// Fails if a process has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.chain.check()?;
        self.processes.values_mut().try_for_each(Process::check)
    }

    /// Ends the service of `role`, gently.
    pub async fn stop_service(&mut self, role: Role) {
        if let Some(mut process) = self.processes.remove(role.name()) {
            process.stop().await;
            self.note_peak(&process);
        }
    }

    /// Ends the service of `role` with SIGKILL.
    pub async fn kill_service(&mut self, role: Role) {
        if let Some(mut process) = self.processes.remove(role.name()) {
            process.kill().await;
            self.note_peak(&process);
        }
    }

    /// Process id of a running service.
    pub fn process_id(&self, role: Role) -> Option<u32> {
        self.processes.get(role.name()).and_then(Process::id)
    }

    fn note_peak(&mut self, process: &Process) {
        let peak = self.peaks.entry(process.name.clone()).or_default();
        *peak = peak.max(process.peak_mib());
    }

    /// Peak resident size of each process, MiB.
    pub fn peaks(&mut self) -> BTreeMap<String, f64> {
        self.peaks
            .insert("anvil".to_owned(), peak_mib(self.chain.id()));
        for process in self.processes.values_mut() {
            process.measure();
            let peak = self.peaks.entry(process.name.clone()).or_default();
            *peak = peak.max(process.peak_mib());
        }
        self.peaks.clone()
    }

    /// What a service says at /status; null if it does not answer.
    pub async fn status(&self, role: Role) -> serde_json::Value {
        let Some(admin) = self.admin.get(role.name()) else {
            return serde_json::Value::Null;
        };
        let Ok(response) = reqwest::get(format!("http://127.0.0.1:{admin}/status")).await else {
            return serde_json::Value::Null;
        };
        let text = response.text().await.unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A number among a service's metrics; 0 where it has not said it yet.
    pub async fn metric(&self, role: Role, name: &str) -> f64 {
        let Some(admin) = self.admin.get(role.name()) else {
            return 0.0;
        };
        let Ok(response) = reqwest::get(format!("http://127.0.0.1:{admin}/metrics")).await else {
            return 0.0;
        };
        let text = response.text().await.unwrap_or_default();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or(0.0)
    }

    /// Port of a service's metrics.
    pub fn admin_port(&self, role: Role) -> Option<u16> {
        self.admin.get(role.name()).copied()
    }

    /// Ends everything: services first, the chain last.
    pub async fn stop(mut self) {
        self.processes.values_mut().for_each(Process::dismiss);
        for process in self.processes.values_mut() {
            process.stop().await;
        }
        self.chain.stop();
    }
}

/// Where a service says that it serves `name`.
fn endpoint(file: &Path, name: &str) -> Option<SocketAddr> {
    let text = std::fs::read(file).ok()?;
    let map: BTreeMap<String, SocketAddr> = serde_json::from_slice(&text).ok()?;
    map.get(name).copied()
}

/// A binary beside this one.
fn binary_path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own
        .parent()
        .context("this program has no folder")?
        .join(name);
    if !path.exists() {
        bail!(
            "{} is missing: run `cargo build --release --workspace`",
            path.display()
        );
    }
    Ok(path)
}
