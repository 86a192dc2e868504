//! The service: starts everything in order, keeps the connection to the sequencer, ends in order.

use crate::args::{Args, BackendKind};
use crate::ask::{self, SIGN_EVERY, Signed};
use crate::book::ClaimBook;
use crate::direct::Direct;
use crate::link::{Connection, HEARTBEAT, Link, LinkError, heartbeat};
use crate::models;
use crate::office::Office;
use crate::promise::Promiser;
use crate::segment::Signatory;
use crate::stake::{self, Stake};
use alloy::primitives::{B256, U256};
use anyhow::{Context, ensure};
use assay_bindings::Rollup;
use assay_dispute::defender::Defender;
use assay_dispute::library::Library;
use assay_dispute::lies::Lie;
use assay_dispute::watcher::view;
use assay_node::dangerous::{Cheat, ExecutorLies};
use assay_node::outputs::takes_blobs;
use assay_node::shell::Shell;
use assay_proto::v1::{SegmentStanding, SegmentVerdict, to_executor};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Wait before the second try to connect; doubled for each one after it.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A segment takes at most one part in so many of a window's work, as the sequencer sees to.
const SHARE_OF_SEGMENT: u64 = 10;
/// Time between looks at the stake.
const STAKE_EVERY: Duration = Duration::from_secs(10);

/// Runs the service until the shell shuts down.
///
/// # Errors
/// It can't start: what is wrong and what to do.
pub async fn run(shell: Shell, args: Args) -> anyhow::Result<()> {
    let key = shell.key()?;
    let asked = args.ask.ask()?;
    if asked.is_some() {
        // Before models are loaded, which takes longer.
        ask::market(&shell)?;
    }
    let tx = Arc::new(shell.tx_manager(key.clone()));
    let book = ClaimBook::open(&shell.data.join("claims.journal"))?;
    warn_of_lies(&args.lies);
    shell.health.expect("sequencer", "not connected yet");

    let files = models::files(&args).await?;
    let (guest, loaded, known) = (
        args.model.guest.clone(),
        files.clone(),
        shell.deployment.models.clone(),
    );
    let replay = args.replay;
    // Compiling the program and starting llama.cpp take seconds each: side by side.
    let compiling =
        tokio::task::spawn_blocking(move || Library::with_files(&guest, loaded, &known, replay));
    let (library, models) = if args.backend == BackendKind::Auto {
        // What is measured has the machine for itself.
        let library = compiling.await??;
        (library, models::load(&shell, &args, files).await?)
    } else {
        let models = models::load(&shell, &args, files).await?;
        (compiling.await??, models)
    };
    let library = Arc::new(library);
    let stake = stake::prepare(&shell, &tx, args.stake_claims, args.auto_stake).await?;

    let mut most_segment_work = U256::ZERO;
    if args.outputs_in_blobs {
        let rollup = shell.deployment.contracts.rollup;
        ensure!(
            takes_blobs(&shell.chain, rollup).await?,
            "the rollup at {rollup} takes no outputs in blobs: leave --outputs-in-blobs out, or deploy with --blobs"
        );
        let call = Rollup::workPerWindowCall {};
        let per_window = view(&shell.chain, rollup, "workPerWindow", call).await?;
        most_segment_work = per_window / U256::from(SHARE_OF_SEGMENT);
    }
    let ids: Vec<B256> = models.keys().copied().collect();
    let (chain_id, rollup) = (shell.chain.id(), shell.deployment.contracts.rollup);
    let mut signed = None;
    match asked {
        None => {}
        Some(ask) if args.ask.ask_signed => {
            signed = Some(Signed {
                chain_id,
                market: ask::market(&shell)?.asks,
                signer: key.signer().clone(),
                models: ids.clone(),
                ask,
            });
        }
        Some(ask) => ask::post(&shell, &tx, &ids, ask).await?,
    }
    let signatory = Signatory {
        chain_id,
        rollup,
        signer: key.signer().clone(),
        in_blobs: args.outputs_in_blobs,
    };
    let promiser = match args.promise_wei {
        0 => None,
        wei => Some(Promiser::open(&shell, key.signer().clone(), wei).await?),
    };
    let office = Office::new(
        shell.clone(),
        &args,
        models,
        library.clone(),
        signatory,
        promiser,
        book,
    );
    let office = Arc::new(office.sharing(most_segment_work));
    office
        .reconcile()
        .await
        .context("cannot bring the signed segments up to the chain")?;
    tracing::info!(account = %key.address(), models = ids.len(), backend = ?args.backend, stake = %stake.total, "ready");

    let mut tasks = tokio::task::JoinSet::new();
    if args.lies.dangerous_cheat != Some(Cheat::Silent) {
        let store = shell.store("defender")?;
        let lie = lie_in_games(&args.lies);
        tasks.spawn(
            Defender::new(&shell, tx.clone(), store, library.clone(), lie)
                .await?
                .run(),
        );
    }
    shell.started();
    let claims = !args.no_direct_claims;
    tasks.spawn(
        Direct::new(office.clone(), tx.clone(), shell.store("direct")?, claims)
            .await?
            .run(),
    );
    tasks.spawn(watch_stake(shell.clone(), key.address()));

    let link = Link {
        url: args.sequencer_url.clone(),
        chain_id,
        rollup,
        signer: key.signer().clone(),
        models: ids,
        capacity: args.capacity,
    };
    keep_connected(&shell, &link, &office, signed.as_ref()).await;
    tasks.shutdown().await;
    tracing::info!(
        "stopped; claims that can still be challenged need this executor: start it again soon"
    );
    Ok(())
}

fn warn_of_lies(lies: &ExecutorLies) {
    if let Some(cheat) = lies.dangerous_cheat {
        tracing::warn!(%cheat, "DANGEROUS: this executor gives false answers and will lose its stake");
    }
    if let Some(flip) = lies.dangerous_flip {
        tracing::warn!(%flip, "DANGEROUS: this executor defends its claims with a false trace and will lose its stake");
    }
}

/// How the games are played: as asked, else a liar says that everything is true but the end.
fn lie_in_games(lies: &ExecutorLies) -> Option<Lie> {
    lies.dangerous_flip
        .map(Lie::Flip)
        .or(lies.dangerous_cheat.map(|_| Lie::End))
}

async fn watch_stake(shell: Shell, account: alloy::primitives::Address) {
    let free = shell
        .metrics
        .gauge("free_stake_gwei", "Stake that backs no claim, in gwei");
    loop {
        match Stake::read(&shell, account).await {
            Ok(stake) => {
                free.set(
                    i64::try_from(stake.free / alloy::primitives::U256::from(1_000_000_000))
                        .unwrap_or(i64::MAX),
                );
                match stake.complaint() {
                    None => shell.health.ok("stake"),
                    Some(complaint) => shell.health.fail("stake", complaint),
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look at the stake"),
        }
        if !shell.shutdown.sleep(STAKE_EVERY).await {
            return;
        }
    }
}

async fn keep_connected(shell: &Shell, link: &Link, office: &Arc<Office>, asks: Option<&Signed>) {
    let mut wait = FIRST_WAIT;
    while !shell.shutdown.is_set() {
        let connecting = tokio::select! {
            connecting = link.connect() => connecting,
            () = shell.shutdown.wait() => return,
        };
        let error = match connecting {
            Ok(connection) => {
                shell.health.ok("sequencer");
                tracing::info!(url = %link.url, "connected to the sequencer");
                wait = FIRST_WAIT;
                let ended = serve(shell, office, asks, connection).await;
                office.disconnected();
                let Err(error) = ended else { return };
                error
            }
            Err(error) => error,
        };
        tracing::warn!(%error, retry_ms = wait.as_millis() as u64, "no sequencer");
        shell.health.fail("sequencer", &error);
        shell.shutdown.sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Passes messages until the connection ends (an error) or the shell shuts down.
async fn serve(
    shell: &Shell,
    office: &Arc<Office>,
    asks: Option<&Signed>,
    mut connection: Connection,
) -> Result<(), LinkError> {
    office.connected(connection.out.clone()).await;
    let mut beats = tokio::time::interval(HEARTBEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    let mut signing = tokio::time::interval(SIGN_EVERY);
    loop {
        let message = tokio::select! {
            message = connection.next() => message?,
            _ = beats.tick() => {
                connection.send(heartbeat()).await;
                continue;
            }
            _ = signing.tick(), if asks.is_some() => {
                match asks.map(Signed::message).transpose() {
                    Ok(Some(message)) => connection.send(message).await,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "cannot sign asks"),
                }
                continue;
            }
            () = shell.shutdown.wait() => return Ok(()),
        };
        match message {
            to_executor::Message::Assignment(assignment) => {
                tokio::spawn(office.clone().work(assignment, connection.welcome));
            }
            to_executor::Message::Verdict(verdict) if verdict.blob_refused => {
                tracing::warn!(number = verdict.number, reason = verdict.reason, "no blob");
                let (office, welcome) = (office.clone(), connection.welcome);
                tokio::spawn(
                    async move { office.offer_in_calldata(verdict.number, welcome).await },
                );
            }
            to_executor::Message::Verdict(verdict) => hear(office, &verdict),
            to_executor::Message::Withdrawal(withdrawal) => {
                if let Ok(id) = B256::try_from(&withdrawal.request_id[..]) {
                    office.withdraw(id);
                }
            }
            to_executor::Message::Heartbeat(_)
            | to_executor::Message::Challenge(_)
            | to_executor::Message::Welcome(_) => {}
        }
    }
}

fn hear(office: &Office, verdict: &SegmentVerdict) {
    let (number, reason) = (verdict.number, verdict.reason.as_str());
    let closed = match verdict.standing() {
        SegmentStanding::Accepted => {
            tracing::info!(number, "the sequencer will post the segment");
            Ok(())
        }
        SegmentStanding::Posted => {
            tracing::info!(
                number,
                segment = verdict.segment_id,
                "the segment is on chain"
            );
            office.meters.posted.inc();
            office.close(number, &format!("posted as segment {}", verdict.segment_id))
        }
        SegmentStanding::Refused => {
            tracing::warn!(number, reason, "the sequencer will not post the segment");
            office.meters.refused.inc();
            office.close(number, &format!("refused: {reason}"))
        }
        SegmentStanding::Unspecified => Ok(()),
    };
    if let Err(error) = closed {
        tracing::error!(%error, number, "cannot write the verdict down; the segment will be offered again");
    }
}
