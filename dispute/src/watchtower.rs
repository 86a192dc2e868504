//! The watchtower: re-checks every claim, challenges the wrong ones, plays its games to the end, collects what it won.

use crate::audit::Auditor;
use crate::calls::opening;
use crate::cashier::Cashier;
use crate::claim_ref::claim_ref;
use crate::clock::Timestamp;
use crate::court::Court;
use crate::game::Side;
use crate::keeper::Keeper;
use crate::ledger::{Ask, Claim, ClaimKey, Ledger};
use crate::library::{Library, Replay};
use crate::lies::{Lie, script};
use crate::player::Player;
use crate::record::GameRecords;
use crate::responder::Responder;
use crate::service::{confirm_model, learn_models, unix_now};
use crate::watcher::{Watcher, challenger_bond, view};
use alloy::primitives::U256;
use anyhow::Context;
use assay_bindings::Rollup;
use assay_node::args::{ModelArgs, NodeArgs};
use assay_node::dangerous::WatchtowerLies;
use assay_node::deployment::ModelEntry;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::metrics::prometheus_client::metrics::gauge::Gauge;
use assay_node::revert::ErrorBook;
use assay_node::shell::Shell;
use assay_node::store::Store;
use assay_node::tx::Call;
use assay_types::{Hash, ModelId};
use clap::Parser;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Re-checks every answer on the chain and challenges the wrong ones.
///
/// Follows the rollup's claims, recomputes each with the program and the model's bytes, and where an answer is wrong
/// opens a bisection game, plays it to its one-step proof and collects the reward. Everything that it knows is rebuilt
/// from the chain: it may be stopped, killed and started again at any time. It needs an account with the challenger's bond
/// for every game that it plays at once, and gas.
#[derive(Parser, Clone, Debug)]
#[command(name = "watchtower", version)]
pub struct WatchtowerArgs {
    /// Shared flags.
    #[command(flatten)]
    pub node: NodeArgs,

    /// Program and models.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Also finalize claims when their window is over, and deliver callbacks.
    #[arg(long)]
    pub keeper: bool,

    /// Claims that are checked at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub checks: u64,

    /// What computes the roots of its games.
    #[arg(long, value_enum, default_value_t)]
    pub replay: Replay,

    /// Lies, for tests.
    #[command(flatten)]
    pub lies: WatchtowerLies,
}

/// Wait until a challenge that failed, or that the ledger has not heard of, is sent again.
const RETRY: Duration = Duration::from_secs(4);
/// Gas of a game that the account should be able to pay, at start-up, beside the bond.
const GAME_GAS: u64 = 2_000_000;

/// Runs the service until the shell shuts down.
///
/// # Errors
/// It can't start: what is wrong and what to do.
pub async fn run(shell: Shell, args: WatchtowerArgs) -> anyhow::Result<()> {
    let mut tower = Watchtower::start(shell.clone(), args).await?;
    shell.health.expect("chain", "not looked at yet");
    while !shell.shutdown.is_set() {
        shell.health.beat("watchtower", Duration::from_secs(120));
        if let Err(error) = shell.health.watch("chain", tower.tick().await) {
            tracing::warn!(error = format!("{error:#}"), "waiting for the chain");
        }
        shell.shutdown.sleep(shell.args.poll()).await;
    }
    tracing::info!("stopped; games go on where they are when the watchtower is started again");
    Ok(())
}

struct Watchtower {
    shell: Shell,
    watcher: Watcher,
    library: Arc<Library>,
    auditor: Auditor,
    player: Player,
    keeper: Option<Keeper>,
    cashier: Cashier,
    challenges: Challenges,
    lying: bool,
    head: Gauge,
    open: Gauge,
}

impl Watchtower {
    async fn start(shell: Shell, args: WatchtowerArgs) -> anyhow::Result<Watchtower> {
        let (chain, contracts) = (shell.chain.clone(), shell.deployment.contracts.clone());
        let key = shell.key()?;
        let account = key.address();
        let bond = challenger_bond(&chain, contracts.game).await?;
        let price = alloy::providers::Provider::get_gas_price(chain.provider()).await;
        let price = price.map_err(|e| chain.error("eth_gasPrice", e))?;
        let gas = U256::from(price) * U256::from(GAME_GAS);
        chain
            .require_balance(account, bond + gas)
            .await
            .with_context(|| {
                format!("a challenge locks a bond of {bond} wei and costs about {gas} wei of gas")
            })?;
        let models = shell.deployment.models.clone();
        let (guest, paths) = (args.model.guest.clone(), args.model.models.clone());
        let replay = args.replay;
        let library =
            tokio::task::spawn_blocking(move || Library::load(&guest, &paths, &models, replay))
                .await??;
        let library = Arc::new(library);
        let served = |m: &&ModelEntry| library.serves(ModelId(Hash(m.id.0)));
        for entry in shell.deployment.models.iter().filter(served) {
            confirm_model(&chain, contracts.registry, entry).await?;
        }
        tracing::info!(%account, program = %library.program().0, models = args.model.models.len(), "ready to check");

        let store: Arc<dyn Store> = shell.store("watchtower")?;
        let confirmations = shell.args.confirmations;
        let watcher = Watcher::open(
            chain.clone(),
            &shell.deployment,
            store.clone(),
            confirmations,
        )
        .await?;
        let window = view(&chain, contracts.rollup, "window", Rollup::windowCall {}).await?;
        let tx = Arc::new(shell.tx_manager(key));
        let responder = Arc::new(Responder::new(
            chain.clone(),
            tx,
            ErrorBook::assay(),
            contracts.clone(),
        ));
        let lying = args.lies.dangerous_lying_challenger;
        let place = (chain.id(), contracts.inbox);
        let metrics = &shell.metrics;
        Ok(Watchtower {
            auditor: Auditor::new(
                library.clone(),
                store,
                place,
                window,
                args.checks as usize,
                metrics,
            )?,
            player: Player::new(
                chain.id(),
                &[Side::Challenger],
                responder.clone(),
                script(library.clone(), lying.then_some(Lie::MadeUp)),
                GameRecords::new(shell.status.clone(), metrics),
            ),
            keeper: args
                .keeper
                .then(|| Keeper::new(responder.clone(), window, metrics)),
            cashier: Cashier::new(chain, responder.clone(), metrics),
            challenges: Challenges::new(
                responder,
                bond,
                metrics.counter("games_opened", "Games opened"),
            ),
            head: metrics.gauge("head", "Newest block looked at"),
            open: metrics.gauge("games_open", "Own games under way"),
            lying,
            library,
            watcher,
            shell,
        })
    }

    async fn tick(&mut self) -> anyhow::Result<()> {
        self.watcher.poll().await?;
        let head = self.shell.chain.head().await?;
        let wall = unix_now();
        let registry = self.shell.deployment.contracts.registry;
        let ledger = self.watcher.ledger();
        learn_models(&self.shell.chain, registry, ledger, &self.library).await?;

        self.auditor.tick(ledger, head.timestamp)?;
        for (claim, reason) in self.auditor.wrong(ledger, head.timestamp) {
            self.challenges.challenge(ledger, claim, reason);
        }
        if self.lying {
            for claim in self.auditor.right(ledger, head.timestamp) {
                self.challenges.challenge(
                    ledger,
                    claim,
                    "DANGEROUS: it is right, this challenge is a lie",
                );
            }
        }
        self.challenges.collect(&self.shell);
        self.player.tick(ledger, head, wall);
        if let Some(keeper) = &mut self.keeper {
            keeper.tick(ledger, head.timestamp);
        }
        self.report(head.number);
        self.cashier.tick().await?;
        Ok(())
    }

    fn report(&self, head: Timestamp) {
        let me = self.challenges.responder.address();
        let ledger = self.watcher.ledger();
        let mine =
            |p: &&crate::ledger::Play| p.context.challenger == me && p.game.outcome().is_none();
        let open = ledger.games.values().filter(mine).count();
        self.head.set(i64::try_from(head).unwrap_or(i64::MAX));
        self.open.set(open as i64);
        self.shell.status.set("head", head);
        self.shell.status.set("claims", ledger.claims.len());
        self.shell.status.set("checking", self.auditor.busy());
        self.shell.status.set("own_games_open", open);
    }
}

/// Opens games.
struct Challenges {
    responder: Arc<Responder>,
    bond: U256,
    again: BTreeMap<ClaimKey, Instant>,
    tasks: JoinSet<Result<(), String>>,
    opened: Counter,
}

impl Challenges {
    fn new(responder: Arc<Responder>, bond: U256, opened: Counter) -> Challenges {
        Challenges {
            responder,
            bond,
            again: BTreeMap::new(),
            tasks: JoinSet::new(),
            opened,
        }
    }

    /// Opens a game on `claim` unless this account has one: what other challengers do there protects nobody.
    fn challenge(&mut self, ledger: &Ledger, claim: &Claim, reason: &str) {
        let me = self.responder.address();
        let has_one = ledger
            .games
            .values()
            .any(|p| p.claim() == claim.key && p.context.challenger == me);
        let waits = self
            .again
            .get(&claim.key)
            .is_some_and(|at| Instant::now() < *at);
        if has_one || waits {
            return;
        }
        let Some(call) = self.call(ledger, claim) else {
            return;
        };
        self.again.insert(claim.key, Instant::now() + RETRY);
        tracing::warn!(claim = %claim.key, executor = %claim.executor, reason, "opening a game");
        let (responder, opened, key) = (self.responder.clone(), self.opened.clone(), claim.key);
        self.tasks.spawn(async move {
            let receipt = responder.send(call).await.map_err(|e| format!("claim {key} is not challenged: {e}"))?;
            opened.inc();
            tracing::info!(claim = %key, tx = %receipt.transaction_hash, gas = receipt.gas_used, "game opened");
            Ok(())
        });
    }

    fn call(&self, ledger: &Ledger, claim: &Claim) -> Option<Call> {
        let ask: &Ask = ledger.asks.get(&claim.request_id)?;
        let shown = claim_ref(claim, ledger.segments.get(&claim.key.segment)?)
            .inspect_err(|error| tracing::error!(claim = %claim.key, %error, "a claim's leaf can't be shown"))
            .ok()?;
        Some(opening(
            ask,
            claim,
            &shown,
            self.responder.contracts().game,
            self.bond,
        ))
    }

    fn collect(&mut self, shell: &Shell) {
        while let Some(joined) = self.tasks.try_join_next() {
            match joined.unwrap_or_else(|e| Err(e.to_string())) {
                Ok(()) => shell.health.ok("challenges"),
                Err(error) => {
                    tracing::error!("{error}");
                    shell.health.fail("challenges", error);
                }
            }
        }
    }
}
