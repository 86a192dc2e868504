//! Starts the sequencer's parts and ends them in order.

use crate::chain_view::{ChainView, state};
use crate::core::{Core, Counts, Shared, now_ms};
use crate::flags::Flags;
use crate::market_view::MarketView;
use crate::record::Record;
use crate::segment::{Offer, Seal};
use crate::work::least_life;
use crate::{follow, grpc, intake, outputs, post, seeds};
use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use anyhow::{Context, bail, ensure};
use assay_bindings::SignedRequest;
use assay_bindings::work::Share;
use assay_node::admin::listen;
use assay_node::chain::ChainError;
use assay_node::deployment::Contracts;
use assay_node::follower::Follower;
use assay_node::journal::Journal;
use assay_node::key::Key;
use assay_node::shell::Shell;
use assay_node::tx::TxManager;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_stream::wrappers::TcpListenerStream;

/// Wei that the poster's account must have to be of any use.
const LEAST_BALANCE: u64 = 10_000_000_000_000_000;

/// How long the start waits for what an earlier run sent: once it is mined, the chain knows its segments.
const FOR_EARLIER: Duration = Duration::from_secs(60);

/// Runs until shutdown.
pub async fn run(shell: Shell, flags: Flags) -> anyhow::Result<()> {
    for condition in ["chain", "recovery"] {
        shell.health.expect(condition, "starting");
    }
    if flags.dangerous_censor {
        tracing::warn!("DANGEROUS: this sequencer leaves every request out");
    }
    let key = shell.key()?;
    let view = ChainView::open(shell.chain.clone(), shell.deployment.contracts.clone()).await?;
    let market = MarketView::open(&shell.chain, view.contracts()).await?;
    let sequencer = key.address();
    let list = view.turns().sequencers();
    if !list.contains(&sequencer) {
        let list: Vec<String> = list.iter().map(Address::to_string).collect();
        bail!(
            "this key is {sequencer}'s, but the rollup takes batches from {} alone: pass the key of one of them",
            list.join(", ")
        );
    }
    let (least, most) = (least_life(view.turns()), flags.max_segment_life.into());
    if least > most {
        bail!(
            "a segment must live for {least} s to outlast the other sequencers' turns, and --max-segment-life is {most}: \
             raise it"
        );
    }
    shell
        .chain
        .require_balance(sequencer, U256::from(LEAST_BALANCE))
        .await?;
    let tx = shell.tx_manager(key).max_blob_fee(flags.max_blob_fee());
    tx.resume(shell.data.path()).await?;
    let recorder = match &flags.seed_key_file {
        Some(path) => recorder(&shell, path, sequencer).await?,
        None => tx.clone(),
    };
    let store = shell.store("requests")?;
    let (journal, records) = Journal::<Record>::open(&shell.data.join("accepted.journal"))?;
    let counts = Counts::new(&shell.metrics);
    let mut core = Core::new(journal, store.clone(), counts);
    core.load()?;
    post::wait_for_earlier(&shell, &tx, Some(FOR_EARLIER)).await;
    recover(&mut core, &view, records)
        .await
        .context("cannot check the journal against the chain")?;
    core.compact()?;
    let (contracts, cursor) = followed(view.contracts());
    let start = shell.deployment.block;
    let follower = Follower::open(shell.chain.clone(), contracts, store, cursor, start)?
        .confirmations(shell.args.confirmations);
    // Taken before anything runs, so that a taken port ends the start.
    let listener = listen(flags.grpc_addr, "--grpc-addr").await?;
    let addr = listener.local_addr()?;
    let shared = Arc::new(Shared::new(core, view, market, flags, shell.clone()));
    shell.publish_endpoint("grpc", addr)?;
    shell.health.ok("recovery");
    shell.started();
    tracing::info!(grpc = %addr, sequencer = %sequencer, "serving");

    let poster = tokio::spawn(post::run(shared.clone(), tx.clone()));
    let recorder = tokio::spawn(seeds::run(shared.clone(), recorder, sequencer));
    let reader = tokio::spawn(outputs::run(shared.clone()));
    let router = tokio::spawn(routing(shared.clone()));
    let server = tonic::transport::Server::builder()
        .add_service(grpc::service(shared.clone()))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), {
            let shutdown = shell.shutdown.clone();
            async move { shutdown.wait().await }
        });
    let server = tokio::spawn(server);
    let followed = follow::run(shared.clone(), follower).await;
    shell.shutdown.trigger();
    // A batch that is on its way is waited for a moment; the journal has it either way.
    let ended = tokio::time::timeout(Duration::from_secs(5), async {
        drop(poster.await);
        drop(recorder.await);
        drop(reader.await);
        drop(router.await);
        drop(server.await);
    });
    if ended.await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    shared.settle();
    followed
}

/// Another account that records randomness, so that no batch keeps it from that.
async fn recorder(shell: &Shell, path: &Path, sequencer: Address) -> anyhow::Result<TxManager> {
    let key = Key::from_file(path)?;
    let account = key.address();
    ensure!(
        account != sequencer,
        "--seed-key-file {} holds the sequencer's own key {account}: pass another one, or none",
        path.display()
    );
    shell
        .chain
        .require_balance(account, U256::from(LEAST_BALANCE))
        .await
        .context("the account of --seed-key-file pays for recording randomness")?;
    let tx = shell.tx_manager(key);
    tx.resume(shell.data.path()).await?;
    Ok(tx)
}

/// What is followed, and its cursor's name: a market that a deployment file names only now is read from the beginning.
fn followed(contracts: &Contracts) -> (Vec<Address>, &'static str) {
    let rollup = vec![contracts.inbox, contracts.rollup];
    match &contracts.market {
        None => (rollup, "inbox-and-rollup"),
        Some(market) => {
            let all = [rollup, vec![market.hub, market.asks]].concat();
            (all, "inbox-rollup-and-market")
        }
    }
}

async fn routing(shared: Arc<Shared>) {
    let shell = shared.shell.clone();
    while !shell.shutdown.is_set() {
        tokio::select! {
            () = shared.routing.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
            () = shell.shutdown.wait() => return,
        }
        let (bond, timeout) = (shared.view.claim_bond(), shared.flags.work_timeout * 1_000);
        let waiting = !shared.core().book.queued().is_empty();
        let share = match waiting {
            true => present(&shared).await.map(Some),
            false => Ok(None),
        };
        let share = share.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot ask how full the window is and what executors ask");
            None
        });
        let mut core = shared.core();
        if !shared.flags.dangerous_censor {
            core.route(bond, share.as_ref(), timeout, now_ms(), shared.view.now());
        }
        let (queued, executors) = (core.book.queued().len(), core.sessions.len());
        if let Ok(changed) = core.persist() {
            drop(core);
            changed.into_iter().for_each(|id| shared.announce(id));
        }
        shell.status.set("queued", queued);
        shell.status.set("executors", executors);
    }
}

/// How full the window is, once prices are known too: an order must not go to a dear executor because the chain was not asked.
async fn present(shared: &Shared) -> Result<Share, ChainError> {
    if let Some(market) = &shared.market {
        market.refresh(shared).await?;
    }
    shared.view.batches().await
}

/// A journaled segment with what the chain calls it.
async fn sealed(offer: Offer) -> anyhow::Result<(Offer, Seal)> {
    let sealing = tokio::task::spawn_blocking(move || offer.seal().map(|seal| (offer, seal)));
    let sealed = sealing.await.context("cannot commit to a blob")?;
    sealed.context("a journaled segment fits no blob")
}

/// Puts back what the journal holds and the chain does not know yet.
async fn recover(core: &mut Core, view: &ChainView, records: Vec<Record>) -> anyhow::Result<()> {
    let (mut requests, mut segments) = (0, 0);
    for record in records {
        match record {
            Record::Accepted { signed } => {
                let signed = SignedRequest::abi_decode(&signed)
                    .context("a journaled request does not decode")?;
                let Some(entry) = intake::restore(view, &signed).await? else {
                    continue;
                };
                // What the inbox knows comes back by its events, or is in the store.
                if view.status(entry.id).await?.state == state::NONE {
                    requests += 1;
                    core.book.add(entry);
                }
            }
            Record::Segment(offer) => {
                let spent = view.number_used(offer.executor, offer.number).await?;
                let expired = offer.expiry < view.now();
                if !spent && expired {
                    continue;
                }
                let (offer, seal) = sealed(offer).await?;
                match (spent, seal.blob) {
                    (false, _) => {
                        segments += 1;
                        core.restore_segment(offer, seal);
                    }
                    (true, Some(_)) => {
                        core.keep_posted(offer, seal, view.chain().block_number().await?);
                    }
                    // Its output comes with its event.
                    (true, None) => {}
                }
            }
        }
    }
    tracing::info!(requests, segments, "restored from the journal");
    Ok(())
}
