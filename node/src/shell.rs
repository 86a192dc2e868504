//! Starts a service: logs, deployment, chain, data folder, operator endpoints; ends it in order.

use crate::admin::Admin;
use crate::args::NodeArgs;
use crate::chain::Chain;
use crate::data_dir::{DataDir, write_durably};
use crate::deployment::Deployment;
use crate::health::Health;
use crate::key::Key;
use crate::logs;
use crate::metrics::Metrics;
use crate::revert::ErrorBook;
use crate::shutdown::Shutdown;
use crate::status::StatusBoard;
use crate::store::SledStore;
use crate::tx::{TxManager, TxPolicy};
use anyhow::Context;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// What every service has once it runs. Clones share everything.
#[derive(Clone, Debug)]
pub struct Shell {
    /// Name of the service.
    pub service: &'static str,
    /// The shared flags.
    pub args: NodeArgs,
    /// Where the contracts are.
    pub deployment: Arc<Deployment>,
    /// The chain, checked.
    pub chain: Chain,
    /// The locked data folder.
    pub data: Arc<DataDir>,
    /// For /livez and /readyz.
    pub health: Health,
    /// For /metrics.
    pub metrics: Metrics,
    /// For /status.
    pub status: StatusBoard,
    /// Set by Ctrl-C and SIGTERM.
    pub shutdown: Shutdown,
    endpoints: Arc<Mutex<BTreeMap<String, String>>>,
}

/// The file in the data folder that says where a service listens.
pub const ENDPOINTS_FILE: &str = "endpoints.json";

/// The condition that holds once [`Shell::started`] is called.
const START: &str = "start";

/// Runs a service to its end on a fresh runtime; errors go to standard error with their causes.
pub fn run<F, R>(service: &'static str, args: NodeArgs, main: F) -> ExitCode
where
    F: FnOnce(Shell) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let result = logs::init(args.log_format, &args.log_level)
        .map_err(anyhow::Error::from)
        .and_then(|()| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            let result = runtime.block_on(async {
                let shell = Shell::start(service, args).await?;
                main(shell).await
            });
            // A blocking task (a long computation) must not hold up the exit.
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{service}: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Sets `shutdown` once standard input is at its end. A plain thread: it may wait for ever.
fn end_with_stdin(shutdown: Shutdown) {
    std::thread::spawn(move || {
        let mut buffer = [0u8; 256];
        while std::io::Read::read(&mut std::io::stdin(), &mut buffer).is_ok_and(|n| n > 0) {}
        shutdown.trigger();
    });
}

impl Shell {
    /// Reads the deployment, connects, checks that the contracts are there, locks the data folder, serves /metrics.
    pub async fn start(service: &'static str, args: NodeArgs) -> anyhow::Result<Shell> {
        let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
        if args.exit_on_stdin_eof {
            end_with_stdin(shutdown.clone());
        }
        let deployment = Deployment::load(&args.deployment)?;
        let chain = Chain::connect(
            &args.rpc_url,
            Some(args.chain_id.unwrap_or(deployment.chain_id)),
        )
        .await?;
        if chain.id() != deployment.chain_id {
            let (found, file) = (deployment.chain_id, args.deployment.display());
            anyhow::bail!(
                "{file} is of chain {found}, this is chain {}: pass the right --deployment",
                chain.id()
            );
        }
        chain
            .require_block(deployment.block, deployment.block_hash)
            .await?;
        chain.require_contracts(&deployment.contracts.all()).await?;
        let data = DataDir::open(&args.data_dir, service, &deployment.label())?;
        let shell = Shell {
            service,
            deployment: Arc::new(deployment),
            chain,
            data: Arc::new(data),
            health: Health::default(),
            metrics: Metrics::new(service),
            status: StatusBoard::default(),
            shutdown,
            endpoints: Arc::default(),
            args,
        };
        // Before anybody can ask: what the service itself waits for is not known yet.
        shell.health.expect(START, "starting");
        let admin = Admin {
            health: shell.health.clone(),
            metrics: shell.metrics.clone(),
            status: shell.status.clone(),
        };
        let addr = admin
            .serve(shell.args.metrics_addr, shell.shutdown.clone())
            .await?;
        shell.publish_endpoint("metrics", addr)?;
        tracing::info!(service, chain = shell.chain.id(), rpc = %shell.chain.url(), metrics = %addr, "started");
        Ok(shell)
    }

    /// The service has started; from here on its own conditions say whether it is ready.
    pub fn started(&self) {
        self.health.ok(START);
    }

    /// Writes where `name` listens into the data folder's [`ENDPOINTS_FILE`]: with port 0 nobody else knows.
    pub fn publish_endpoint(&self, name: &str, addr: SocketAddr) -> anyhow::Result<()> {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        endpoints.insert(name.to_owned(), addr.to_string());
        let text = serde_json::to_vec_pretty(&*endpoints)?;
        write_durably(&self.data.join(ENDPOINTS_FILE), &text)
            .context("cannot write the endpoints file")
    }

    /// The key that the flags name.
    pub fn key(&self) -> anyhow::Result<Key> {
        Ok(Key::load(&self.args)?)
    }

    /// A transaction manager for `key`, which knows the contracts' errors.
    pub fn tx_manager(&self, key: Key) -> TxManager {
        TxManager::new(
            self.chain.clone(),
            key,
            ErrorBook::assay(),
            TxPolicy::default(),
        )
    }

    /// The storage `name.sled` in the data folder.
    pub fn store(&self, name: &str) -> anyhow::Result<Arc<SledStore>> {
        Ok(Arc::new(SledStore::open(
            &self.data.join(&format!("{name}.sled")),
        )?))
    }
}
