//! One executor's connection: prove who is there, then work out, answers in.

use crate::admit::{Refusal, Terms, admit};
use crate::core::{Core, Shared, now_ms, verdict};
use crate::segment::{BadOffer, Limits, Offer, Progress, Seal, recover};
use crate::sessions::{Introduction, Outgoing};
use crate::turn::Turns;
use crate::wire;
use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, ensure};
use assay_bindings::abi::SignedAsk;
use assay_bindings::sign;
use assay_node::chain::ChainError;
use assay_node::journal::JournalError;
use assay_proto::v1::{self, SegmentStanding, ToExecutor, from_executor, to_executor::Message};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

/// Seconds of life that an offered segment must have left when it may be posted.
const MIN_SEGMENT_LIFE: u64 = 30;
const HELLO_WITHIN: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(20);
/// How often free stake is looked up.
const STAKE_EVERY: Duration = Duration::from_secs(5);
/// Signed asks that are kept for an executor.
const MOST_ASKS: usize = 64;
/// How often its asks are read again whatever was heard: a block that was never followed may have been taken back.
const ASKS_EVERY: Duration = Duration::from_secs(60);
/// Time that an executor gets no work after it declined some.
const REST_MS: u64 = 2_000;

/// Runs a connection; its last message is the reason why it ended.
pub async fn serve(shared: Arc<Shared>, mut incoming: Streaming<v1::FromExecutor>, out: Outgoing) {
    let (executor, ticket) = match greet(&shared, &mut incoming, &out).await {
        Ok(welcome) => welcome,
        Err(status) => {
            tracing::warn!(reason = status.message(), "an executor was turned away");
            drop(out.send(Err(status)).await);
            return;
        }
    };
    tracing::info!(%executor, "executor connected");
    shared.routing.notify_one();
    let end = converse(&shared, executor, &mut incoming, &out).await;
    if shared.core().sessions.leave(executor, ticket) {
        release_all(&shared, executor, "its executor is gone");
    }
    tracing::info!(%executor, reason = end.message(), "executor disconnected");
    drop(out.send(Err(end)).await);
}

fn release_all(shared: &Shared, executor: Address, reason: &str) {
    let mut core = shared.core();
    for id in core.book.assigned_to(executor) {
        core.book.released(&id, executor, reason);
    }
    drop(core);
    shared.settle();
}

async fn send(out: &Outgoing, message: Message) -> Result<(), Status> {
    let gone = |_| Status::unavailable("the connection is closed");
    out.send(Ok(ToExecutor {
        message: Some(message),
    }))
    .await
    .map_err(gone)
}

/// Challenge, Hello, Welcome.
async fn greet(
    shared: &Shared,
    incoming: &mut Streaming<v1::FromExecutor>,
    out: &Outgoing,
) -> Result<(Address, u64), Status> {
    let nonce = B256::new(rand::random());
    send(
        out,
        Message::Challenge(v1::Challenge {
            nonce: nonce.to_vec(),
        }),
    )
    .await?;
    let first = tokio::time::timeout(HELLO_WITHIN, incoming.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no Hello came within 10 s"))??;
    let Some(from_executor::Message::Hello(hello)) = first.and_then(|m| m.message) else {
        return Err(Status::failed_precondition(
            "the first message must be Hello",
        ));
    };
    let bad = |e: wire::BadField| Status::invalid_argument(e.to_string());
    let executor = wire::address("executor", &hello.executor).map_err(bad)?;
    let contracts = shared.view.contracts();
    let digest = assay_proto::hello::digest(
        shared.view.chain().id(),
        &contracts.rollup.into_array(),
        &nonce.0,
    );
    if recover(&hello.signature, B256::new(digest.0)) != Some(executor) {
        return Err(Status::unauthenticated(format!(
            "the signature is not {executor}'s for this chain, rollup and challenge"
        )));
    }
    let models: Result<Vec<B256>, _> = hello
        .model_ids
        .iter()
        .map(|m| wire::word("model_ids", m))
        .collect();
    let unavailable = |e: ChainError| Status::unavailable(e.to_string());
    let stake = shared.view.stake(executor).await.map_err(unavailable)?;
    if stake.is_zero() {
        // Whoever has claims has stake: this is a stranger, and may cost nothing.
        let (bond, staking) = (shared.view.claim_bond(), contracts.staking);
        return Err(Status::failed_precondition(format!(
            "{executor} has no stake: deposit at least {bond} wei at {staking}, what one claim locks"
        )));
    }
    let free_stake = shared
        .view
        .free_stake(executor)
        .await
        .map_err(unavailable)?;
    if free_stake < shared.view.claim_bond() {
        // It may still have claims and signed segments, so it is let in; it gets no work until the stake is there.
        tracing::warn!(%executor, %free_stake, needed = %shared.view.claim_bond(), "too little free stake for a claim");
    }
    let who = Introduction {
        executor,
        models: models.map_err(bad)?,
        capacity: hello.capacity as usize,
        free_stake,
    };
    // Welcome goes out before the session can be given work, so it is the first thing heard.
    let work_timeout = u32::try_from(shared.flags.work_timeout).unwrap_or(u32::MAX);
    let min_segment_life = least_life(shared.view.turns()) as u32;
    send(
        out,
        Message::Welcome(v1::Welcome {
            work_timeout,
            min_segment_life,
            max_segment_life: shared.flags.max_segment_life,
        }),
    )
    .await?;
    let mut core = shared.core();
    let ticket = core.sessions.join(who, out.clone());
    // A reconnect: what the old connection was working on is not known any more.
    for id in core.book.assigned_to(executor) {
        core.book
            .released(&id, executor, "its executor connected anew");
    }
    Ok((executor, ticket))
}

async fn converse(
    shared: &Shared,
    executor: Address,
    incoming: &mut Streaming<v1::FromExecutor>,
    out: &Outgoing,
) -> Status {
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    let mut stake = tokio::time::interval(STAKE_EVERY);
    let mut asks = tokio::time::interval(ASKS_EVERY);
    let mut heard = tokio::time::Instant::now();
    loop {
        let message = tokio::select! {
            message = incoming.message() => message,
            _ = heartbeat.tick() => {
                if heard.elapsed() > SILENCE {
                    return Status::deadline_exceeded("nothing was heard for 20 s");
                }
                match send(out, Message::Heartbeat(v1::Heartbeat {})).await {
                    Ok(()) => continue,
                    Err(status) => return status,
                }
            }
            _ = stake.tick() => {
                refresh_stake(shared, executor).await;
                continue;
            }
            _ = asks.tick() => {
                if let Some(session) = shared.core().sessions.get_mut(&executor) {
                    session.asks.doubt();
                }
                continue;
            }
            () = shared.shell.shutdown.wait() => return Status::unavailable("the sequencer is shutting down"),
        };
        heard = tokio::time::Instant::now();
        match message {
            Ok(Some(v1::FromExecutor {
                message: Some(message),
            })) => handle(shared, executor, message).await,
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok("the executor closed the connection"),
            Err(status) => return status,
        }
    }
}

async fn refresh_stake(shared: &Shared, executor: Address) {
    match shared.view.free_stake(executor).await {
        Ok(free) => {
            let mut core = shared.core();
            let changed = core.sessions.get_mut(&executor).is_some_and(|s| {
                let changed = s.free_stake != free;
                s.free_stake = free;
                changed
            });
            drop(core);
            if changed {
                shared.routing.notify_one();
            }
        }
        Err(error) => tracing::debug!(%error, "cannot look up stake"),
    }
}

async fn handle(shared: &Shared, executor: Address, message: from_executor::Message) {
    match message {
        from_executor::Message::Heartbeat(_) | from_executor::Message::Hello(_) => {}
        from_executor::Message::SignedAsks(asks) => keep_asks(shared, executor, &asks).await,
        from_executor::Message::Promise(promise) => {
            match keep_promise(shared, executor, &promise) {
                Ok(id) => tracing::info!(request = %id, %executor, "promised"),
                Err(reason) => tracing::warn!(%executor, %reason, "its promise is not taken"),
            }
            shared.settle();
        }
        from_executor::Message::Decline(decline) => {
            let Ok(id) = wire::word("request_id", &decline.request_id) else {
                return;
            };
            tracing::warn!(request = %id, %executor, reason = decline.reason, "declined");
            shared
                .core()
                .fail(&id, executor, &decline.reason, now_ms() + REST_MS);
            shared.settle();
        }
        from_executor::Message::Segment(segment) => {
            let number = segment.number;
            let said = match wire::offer(executor, &segment) {
                Ok(offer) => take(shared, offer).await,
                Err(error) => Some(verdict(
                    number,
                    SegmentStanding::Refused,
                    &error.to_string(),
                    0,
                )),
            };
            if let Some(said) = said {
                let core = shared.core();
                core.tell(executor, Message::Verdict(said));
            }
            shared.settle();
        }
    }
}

/// Keeps a promise for the asker, if it is `executor`'s and on a request that it was given.
fn keep_promise(shared: &Shared, executor: Address, message: &v1::Promise) -> anyhow::Result<B256> {
    let liveness = shared.view.contracts().liveness;
    let liveness = liveness.context("nobody takes here what a broken promise costs")?;
    let (id, promise) = wire::promise(message)?;
    let (chain_id, penalty) = (shared.view.chain().id(), promise.penalty);
    let digest = sign::promise_digest(chain_id, liveness, id, promise.deadline, penalty);
    let signed = recover(&promise.signature, digest) == Some(executor);
    ensure!(
        signed && promise.executor == executor,
        "it is not signed by this executor"
    );
    let mut core = shared.core();
    let given = core
        .book
        .get(&id)
        .is_some_and(|e| e.asked.contains(&executor));
    ensure!(given, "request {id} was not given to it");
    core.book.promised(&id, promise);
    Ok(id)
}

/// Keeps the asks that `executor` left, if every one of them may be carried by an order.
async fn keep_asks(shared: &Shared, executor: Address, message: &v1::SignedAsks) {
    match checked_asks(shared, executor, message).await {
        Ok(asks) => {
            tracing::info!(%executor, asks = asks.len(), "holds its signed asks");
            if let Some(session) = shared.core().sessions.get_mut(&executor) {
                session.signed_asks = asks;
            }
        }
        Err(reason) => tracing::warn!(%executor, %reason, "its signed asks are not taken"),
    }
}

async fn checked_asks(
    shared: &Shared,
    executor: Address,
    message: &v1::SignedAsks,
) -> anyhow::Result<Vec<SignedAsk>> {
    let market = shared.market.as_ref().context("there is no market")?;
    let count = message.asks.len();
    ensure!(
        count <= MOST_ASKS,
        "{count} asks, at most {MOST_ASKS} are kept"
    );
    let mut out = Vec::new();
    for ask in &message.asks {
        let ask = wire::signed_ask(ask)?;
        let whose = ask.executor;
        ensure!(whose == executor, "one of them is {whose}'s");
        market.verify(&ask).await?;
        out.push(ask);
    }
    Ok(out)
}

/// The verdict on an offer; `None` where the chain could not be asked (the executor offers it again).
async fn take(shared: &Shared, offer: Offer) -> Option<v1::SegmentVerdict> {
    let (executor, number) = (offer.executor, offer.number);
    if let Some(said) = known(shared, executor, number) {
        return Some(said);
    }
    let (used, free_stake) = tokio::join!(
        shared.view.number_used(executor, number),
        shared.view.free_stake(executor)
    );
    let (used, free_stake) = match used.and_then(|used| Ok((used, free_stake?))) {
        Ok(both) => both,
        Err(error) => {
            tracing::warn!(%error, "cannot check a segment");
            return None;
        }
    };
    if used {
        // Posted longer ago than is remembered.
        let reason = "its number is spent on chain";
        return Some(verdict(number, SegmentStanding::Posted, reason, 0));
    }
    match receive(shared, &offer, free_stake).await {
        Ok(Ok(())) => {
            let results = offer.results.len();
            tracing::info!(%executor, number, results, "segment accepted");
            shared.posting.notify_one();
            Some(verdict(number, SegmentStanding::Accepted, "", 0))
        }
        Err(refusal) => {
            tracing::warn!(%executor, number, reason = %refusal, "segment refused");
            let dear = matches!(refusal, Refusal::BlobTooDear { .. });
            if !dear {
                release(shared, &offer);
            }
            let reason = refusal.to_string();
            Some(v1::SegmentVerdict {
                blob_refused: dear,
                ..verdict(number, SegmentStanding::Refused, &reason, 0)
            })
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot keep a segment");
            shared.shell.health.fail("journal", &error);
            None
        }
    }
}

/// What was said of this number before.
fn known(shared: &Shared, executor: Address, number: u64) -> Option<v1::SegmentVerdict> {
    let core = shared.core();
    let held = core.segments.get(&(executor, number))?;
    Some(match held.progress {
        Progress::Posted { segment_id, .. } => {
            verdict(number, SegmentStanding::Posted, "", segment_id)
        }
        Progress::Pending | Progress::Submitted => {
            verdict(number, SegmentStanding::Accepted, "", 0)
        }
    })
}

/// Seconds of life that an offered segment must have left: it may have to wait for the others' turns.
pub fn least_life(turns: &Turns) -> u64 {
    turns.longest_wait().saturating_add(MIN_SEGMENT_LIFE)
}

/// Takes a new offer, if it may be taken.
// INVARIANT: no blob is committed to but for requests that this executor was given and has the stake for.
async fn receive(
    shared: &Shared,
    offer: &Offer,
    free_stake: U256,
) -> Result<Result<(), JournalError>, Refusal> {
    let limits = Limits {
        least_life: least_life(shared.view.turns()),
        most_life: shared.flags.max_segment_life.into(),
        bytes: shared.flags.max_segment_bytes(),
        blobs: shared.view.takes_blobs(),
    };
    let (chain, rollup) = (shared.view.chain().id(), shared.view.contracts().rollup);
    offer.check(shared.view.now(), &limits)?;
    let terms = Terms {
        claim_bond: shared.view.claim_bond(),
        most_bytes: limits.bytes,
        most_work: shared.view.max_segment_work(),
        most_waiting: shared.flags.max_waiting_segments as usize,
    };
    if offer.in_blob {
        affordable(shared).await?;
    }
    let fits = |core: &Core| admit(&core.book, &core.segments, offer, free_stake, &terms);
    fits(&shared.core())?;
    let signed = offer.clone();
    let sealing = tokio::task::spawn_blocking(move || signed.sealed(chain, rollup));
    // A library that panics makes no blob.
    let seal: Seal = sealing.await.unwrap_or(Err(BadOffer::NotForBlob))?;
    let mut core = shared.core();
    // Again: others went on meanwhile.
    fits(&core)?;
    Ok(core.take(offer.clone(), seal))
}

/// An error where a blob costs more than is paid. While the chain can't be asked the poster finds out.
pub async fn affordable(shared: &Shared) -> Result<(), Refusal> {
    let most = shared.flags.max_blob_fee();
    match shared.view.blob_fee().await {
        Ok(fee) if fee > most => Err(Refusal::BlobTooDear { fee, most }),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "cannot ask what a blob costs");
            Ok(())
        }
    }
}

/// A bad offer answers nothing: its requests go to somebody else.
fn release(shared: &Shared, offer: &Offer) {
    let mut core = shared.core();
    for (id, _) in &offer.results {
        core.fail(
            id,
            offer.executor,
            "its segment was refused",
            now_ms() + REST_MS,
        );
    }
}

/// A channel wide enough that only a dead connection fills it.
pub fn channel() -> (Outgoing, mpsc::Receiver<Result<ToExecutor, Status>>) {
    mpsc::channel(4_096)
}
