//! The watchtower: re-checks every claim, challenges the wrong ones, plays its games to the end, collects what it won.

use crate::audit::Auditor;
use crate::blobs::KeptBlobs;
use crate::calls::{opening, opening_from_blob};
use crate::cashier::Cashier;
use crate::claim_ref::claim_ref;
use crate::clock::Timestamp;
use crate::court::Court;
use crate::docket::Limits;
use crate::game::Side;
use crate::keeper::Keeper;
use crate::ledger::{Ask, Claim, ClaimKey, Ledger, Play};
use crate::library::{Library, Replay};
use crate::lies::{Lie, script};
use crate::player::Player;
use crate::purse::{BLOB_GAS, Exposure, GAME_GAS, Terms};
use crate::reader::Needs;
use crate::record::GameRecords;
use crate::responder::Responder;
use crate::service::{confirm_model, learn_models, unix_now};
use crate::watcher::{Watcher, challenger_bond, view};
use alloy::primitives::U256;
use alloy::rpc::types::TransactionReceipt;
use anyhow::{Context, ensure};
use assay_bindings::{ClaimRef, Rollup};
use assay_node::args::{ModelArgs, NodeArgs};
use assay_node::dangerous::WatchtowerLies;
use assay_node::deployment::ModelEntry;
use assay_node::key::Key;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::metrics::prometheus_client::metrics::gauge::Gauge;
use assay_node::outputs::takes_blobs;
use assay_node::revert::ErrorBook;
use assay_node::shell::Shell;
use assay_node::store::{Store, StoreError};
use assay_node::tx::Call;
use assay_types::{Hash, ModelId};
use clap::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
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

    /// Also finalize claims when their window is over, and deliver callbacks whose fee pays for their gas.
    #[arg(long)]
    pub keeper: bool,

    /// File of another private key that pays for the keeper's work; without it the watchtower's account does, above its
    /// reserve for games.
    #[arg(long, value_name = "FILE", requires = "keeper")]
    pub keeper_key_file: Option<PathBuf>,

    /// Deliver callbacks too whose fee does not pay for their gas.
    #[arg(long, requires = "keeper")]
    pub keeper_unpaid: bool,

    /// Gas in any hour that the keeper may spend on what nobody pays for: finalizations, and up to a half on callbacks.
    #[arg(long, value_name = "GAS", default_value_t = 30_000_000)]
    pub keeper_gas_per_hour: u64,

    /// Games beyond those in sight for which the keeper leaves bonds and gas in the watchtower's account.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub spare_games: usize,

    /// Claims that are checked at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub checks: u64,

    /// Wrong claims that the program itself confirms at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub machine_checks: u64,

    /// What computes the roots of its games.
    #[arg(long, value_enum, default_value_t)]
    pub replay: Replay,

    /// Lies, for tests.
    #[command(flatten)]
    pub lies: WatchtowerLies,
}

/// Gas that a keeper's own account should be able to pay, at start-up.
const KEEPER_GAS: u64 = 3_000_000;
/// Wait until a challenge that failed, or that the ledger has not heard of, is sent again.
const RETRY: Duration = Duration::from_secs(4);

/// Runs the service until the shell shuts down.
///
/// # Errors
/// It can't start: what is wrong and what to do.
pub async fn run(shell: Shell, args: WatchtowerArgs) -> anyhow::Result<()> {
    let mut tower = Watchtower::start(shell.clone(), args).await?;
    shell.health.expect("chain", "not looked at yet");
    shell.started();
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
    /// Games to keep money for beyond those in sight; none where the keeper has an account of its own.
    spare_games: Option<usize>,
    cashiers: Vec<Cashier>,
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
        let opening = match takes_blobs(&chain, contracts.rollup).await? {
            true => BLOB_GAS,
            false => 0,
        };
        let gas = U256::from(price) * U256::from(GAME_GAS + opening);
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
            Needs::Everything,
        )
        .await?
        .beacon(shell.args.beacon_url.clone());
        let window = view(&chain, contracts.rollup, "window", Rollup::windowCall {}).await?;
        let tx = Arc::new(shell.tx_manager(key));
        tx.resume(shell.data.path()).await?;
        let responder = Arc::new(Responder::new(
            chain.clone(),
            tx,
            ErrorBook::assay(),
            contracts.clone(),
        ));
        let lying = args.lies.dangerous_lying_challenger;
        let place = (chain.id(), contracts.inbox);
        let metrics = &shell.metrics;
        let payer = keeper_account(&shell, &args, &responder, U256::from(price)).await?;
        let withdrawn = metrics.gauge("withdrawn_gwei", "Credit withdrawn by this process");
        let own = payer.is_some();
        let cashiers = std::iter::once(responder.clone())
            .chain(payer.clone())
            .map(|account| Cashier::new(chain.clone(), account, withdrawn.clone()))
            .collect();
        let keeper = args.keeper.then(|| {
            let terms = Terms {
                unpaid: args.keeper_unpaid,
                gas_per_hour: args.keeper_gas_per_hour,
            };
            let payer = payer.unwrap_or_else(|| responder.clone());
            Keeper::new(chain.clone(), payer, window, terms, metrics)
        });
        let limits = Limits {
            checks: args.checks as usize,
            confirmations: args.machine_checks as usize,
        };
        Ok(Watchtower {
            auditor: Auditor::new(library.clone(), store, place, window, limits, metrics)?,
            player: Player::new(
                chain.id(),
                &[Side::Challenger],
                responder.clone(),
                script(library.clone(), lying.then_some(Lie::MadeUp)),
                GameRecords::new(shell.status.clone(), metrics),
            ),
            keeper,
            spare_games: (!own).then_some(args.spare_games),
            cashiers,
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
        let read = self.watcher.blobs_read();
        let _ = self.shell.health.watch("blobs", read);
        for claim in std::mem::take(&mut self.challenges.lost) {
            self.watcher.read_again(claim)?;
        }
        let head = self.shell.chain.head().await?;
        let wall = unix_now();
        let registry = self.shell.deployment.contracts.registry;
        let (ledger, blobs) = (self.watcher.ledger(), self.watcher.blobs());
        learn_models(&self.shell.chain, registry, ledger, &self.library).await?;

        self.auditor.tick(ledger, head.timestamp)?;
        for (claim, reason) in self.auditor.wrong(ledger, head.timestamp) {
            self.challenges.challenge(ledger, blobs, claim, reason);
        }
        if self.lying {
            for claim in self.auditor.right(ledger, head.timestamp) {
                self.challenges.challenge(
                    ledger,
                    blobs,
                    claim,
                    "DANGEROUS: it is right, this challenge is a lie",
                );
            }
        }
        self.challenges.collect(&self.shell);
        self.player.tick(ledger, head, wall);
        let exposure = self.exposure(head.timestamp);
        let (ledger, bond) = (self.watcher.ledger(), self.challenges.bond);
        if let Some(keeper) = &mut self.keeper {
            keeper.tick(ledger, head.timestamp, exposure, bond).await?;
        }
        self.report(head.number);
        for cashier in &mut self.cashiers {
            cashier.tick().await?;
        }
        Ok(())
    }

    /// What this account may have to play, as far as its keeper must leave money for it.
    fn exposure(&self, now: Timestamp) -> Exposure {
        let Some(spare) = self.spare_games else {
            return Exposure::default();
        };
        let (me, ledger) = (self.challenges.responder.address(), self.watcher.ledger());
        let challenged = |key| ledger.open_games(key).any(|p| p.context.challenger == me);
        let doubtful = self.auditor.doubtful(ledger, now);
        let unchallenged: Vec<&Claim> = doubtful.filter(|c| !challenged(c.key)).collect();
        Exposure {
            open: self.own_games().count(),
            potential: unchallenged.len() + spare,
            in_blobs: unchallenged.iter().filter(|c| c.in_blob.is_some()).count(),
        }
    }

    fn own_games(&self) -> impl Iterator<Item = &Play> {
        let me = self.challenges.responder.address();
        let games = self.watcher.ledger().games.values();
        games.filter(move |p| p.context.challenger == me && p.game.outcome().is_none())
    }

    fn report(&self, head: Timestamp) {
        let ledger = self.watcher.ledger();
        let open = self.own_games().count();
        self.head.set(i64::try_from(head).unwrap_or(i64::MAX));
        self.open.set(open as i64);
        self.shell.status.set("head", head);
        self.shell.status.set("claims", ledger.claims.len());
        self.shell.status.set("checking", self.auditor.busy());
        self.shell.status.set("own_games_open", open);
    }
}

/// The keeper's own account, if it was given one.
async fn keeper_account(
    shell: &Shell,
    args: &WatchtowerArgs,
    watchtower: &Responder,
    price: U256,
) -> anyhow::Result<Option<Arc<Responder>>> {
    let Some(path) = &args.keeper_key_file else {
        return Ok(None);
    };
    let key = Key::from_file(path)?;
    let account = key.address();
    ensure!(
        account != watchtower.address(),
        "--keeper-key-file {} holds the watchtower's own key {account}: pass another one, or none",
        path.display()
    );
    let chain = shell.chain.clone();
    chain
        .require_balance(account, price * U256::from(KEEPER_GAS))
        .await
        .context("the keeper's account pays for finalizations and callbacks")?;
    let tx = Arc::new(shell.tx_manager(key));
    tx.resume(shell.data.path()).await?;
    let contracts = watchtower.contracts().clone();
    let responder = Responder::new(chain, tx, ErrorBook::assay(), contracts);
    Ok(Some(Arc::new(responder)))
}

/// Opens games.
struct Challenges {
    responder: Arc<Responder>,
    bond: U256,
    again: BTreeMap<ClaimKey, Instant>,
    /// Openings that are neither mined nor given up: a second one would only cost gas.
    sending: BTreeSet<ClaimKey>,
    /// Claims whose blobs must be read again.
    lost: BTreeSet<ClaimKey>,
    tasks: JoinSet<(ClaimKey, anyhow::Result<()>)>,
    /// An output in a blob takes seconds to open: a few at a time.
    cores: Arc<Semaphore>,
    opened: Counter,
}

/// The blob that an opening shows elements of was lost.
#[derive(Debug, thiserror::Error)]
#[error("its blob is not kept; it is read again")]
struct NotKept;

/// A game to be opened.
struct Challenge {
    ask: Ask,
    claim: Claim,
    shown: ClaimRef,
    /// Where the claim's blob is, if its output is in one.
    blobs: Option<KeptBlobs>,
    responder: Arc<Responder>,
    bond: U256,
}

impl Challenge {
    async fn send(self, cores: &Semaphore) -> anyhow::Result<TransactionReceipt> {
        let responder = self.responder.clone();
        let call = match self.blobs {
            None => self.call()?,
            Some(_) => {
                let _permit = cores.acquire().await?;
                tokio::task::spawn_blocking(move || self.call()).await??
            }
        };
        Ok(responder.send(call).await?)
    }

    fn call(&self) -> anyhow::Result<Call> {
        let (game, bond) = (self.responder.contracts().game, self.bond);
        let (Some(place), Some(blobs)) = (&self.claim.in_blob, &self.blobs) else {
            return Ok(opening(&self.ask, &self.claim, &self.shown, game, bond));
        };
        let blob = match blobs.get(place.blob) {
            Ok(None) | Err(StoreError::Damaged { .. }) => return Err(NotKept.into()),
            kept => kept?.context(NotKept)?,
        };
        let call = opening_from_blob(&self.ask, place, &blob, &self.shown, game, bond)?;
        Ok(call)
    }
}

impl Challenges {
    fn new(responder: Arc<Responder>, bond: U256, opened: Counter) -> Challenges {
        Challenges {
            responder,
            bond,
            again: BTreeMap::new(),
            sending: BTreeSet::new(),
            lost: BTreeSet::new(),
            tasks: JoinSet::new(),
            cores: Arc::new(Semaphore::new(2)),
            opened,
        }
    }

    /// Opens a game on `claim` unless this account has one: what other challengers do there protects nobody.
    fn challenge(&mut self, ledger: &Ledger, blobs: &KeptBlobs, claim: &Claim, reason: &str) {
        let me = self.responder.address();
        let has_one = ledger
            .games
            .values()
            .any(|p| p.claim() == claim.key && p.context.challenger == me);
        let waits = self
            .again
            .get(&claim.key)
            .is_some_and(|at| Instant::now() < *at);
        if has_one || waits || self.sending.contains(&claim.key) {
            return;
        }
        let Some(challenge) = self.prepare(ledger, blobs, claim) else {
            return;
        };
        self.sending.insert(claim.key);
        tracing::warn!(claim = %claim.key, executor = %claim.executor, reason, "opening a game");
        let (opened, key, cores) = (self.opened.clone(), claim.key, self.cores.clone());
        self.tasks.spawn(async move {
            let result = match challenge.send(&cores).await {
                Ok(receipt) => {
                    opened.inc();
                    tracing::info!(claim = %key, tx = %receipt.transaction_hash, gas = receipt.gas_used, "game opened");
                    Ok(())
                }
                Err(error) => Err(error),
            };
            (key, result)
        });
    }

    fn prepare(&self, ledger: &Ledger, blobs: &KeptBlobs, claim: &Claim) -> Option<Challenge> {
        let ask: &Ask = ledger.asks.get(&claim.request_id)?;
        let shown = claim_ref(claim, ledger.segments.get(&claim.key.segment)?)
            .inspect_err(|error| tracing::error!(claim = %claim.key, %error, "a claim's leaf can't be shown"))
            .ok()?;
        Some(Challenge {
            ask: ask.clone(),
            claim: claim.clone(),
            shown,
            blobs: claim.in_blob.is_some().then(|| blobs.clone()),
            responder: self.responder.clone(),
            bond: self.bond,
        })
    }

    fn collect(&mut self, shell: &Shell) {
        while let Some(joined) = self.tasks.try_join_next() {
            let result = match joined {
                Ok((key, result)) => {
                    self.sending.remove(&key);
                    self.again.insert(key, Instant::now() + RETRY);
                    result.map_err(|error| {
                        if error.is::<NotKept>() {
                            self.lost.insert(key);
                        }
                        format!("claim {key} is not challenged: {error:#}")
                    })
                }
                Err(error) => {
                    self.sending.clear();
                    Err(error.to_string())
                }
            };
            match result {
                Ok(()) => shell.health.ok("challenges"),
                Err(error) => {
                    tracing::error!("{error}");
                    shell.health.fail("challenges", error);
                }
            }
        }
    }
}
