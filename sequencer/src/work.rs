//! One executor's connection: prove who is there, then work out, answers in.

use crate::core::{Shared, now_ms, verdict};
use crate::segment::{Offer, Progress, recover};
use crate::sessions::{Introduction, Outgoing};
use crate::wire;
use alloy::primitives::{Address, B256};
use assay_proto::v1::{self, SegmentStanding, ToExecutor, from_executor, to_executor::Message};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

/// Seconds of life that an offered segment must have left.
pub const MIN_SEGMENT_LIFE: u64 = 30;
const HELLO_WITHIN: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(20);
/// How often free stake is looked up.
const STAKE_EVERY: Duration = Duration::from_secs(5);
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
    let free_stake = shared
        .view
        .free_stake(executor)
        .await
        .map_err(|e| Status::unavailable(e.to_string()))?;
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
    let min_segment_life = MIN_SEGMENT_LIFE as u32;
    send(
        out,
        Message::Welcome(v1::Welcome {
            work_timeout,
            min_segment_life,
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

/// The verdict on an offer; `None` where the chain could not be asked (the executor offers it again).
async fn take(shared: &Shared, offer: Offer) -> Option<v1::SegmentVerdict> {
    let (executor, number) = (offer.executor, offer.number);
    let refused = |reason: String| {
        tracing::warn!(%executor, number, reason, "segment refused");
        Some(verdict(number, SegmentStanding::Refused, &reason, 0))
    };
    let known = shared
        .core()
        .segments
        .get(&(executor, number))
        .map(|(_, progress)| progress.clone());
    match known {
        Some(Progress::Posted { segment_id, .. }) => {
            return Some(verdict(number, SegmentStanding::Posted, "", segment_id));
        }
        Some(Progress::Pending | Progress::Submitted) => {
            return Some(verdict(number, SegmentStanding::Accepted, "", 0));
        }
        None => {}
    }
    match shared.view.number_used(executor, number).await {
        Ok(false) => {}
        // Posted longer ago than is remembered.
        Ok(true) => {
            return Some(verdict(
                number,
                SegmentStanding::Posted,
                "its number is spent on chain",
                0,
            ));
        }
        Err(error) => {
            tracing::warn!(%error, "cannot check a segment");
            return None;
        }
    }
    let contracts = shared.view.contracts();
    let (chain, now) = (shared.view.chain().id(), shared.view.now());
    if let Err(error) = offer.check(chain, contracts.rollup, now, MIN_SEGMENT_LIFE) {
        release(shared, &offer);
        return refused(error.to_string());
    }
    let mut core = shared.core();
    if let Some((id, _)) = offer.results.iter().find(|(id, _)| core.find(id).is_none()) {
        drop(core);
        release(shared, &offer);
        return refused(format!("request {id} is not known here"));
    }
    if !offer
        .results
        .iter()
        .any(|(id, _)| core.book.get(id).is_some_and(|e| e.stage.is_open()))
    {
        return refused("nothing in it is still wanted".to_owned());
    }
    let results = offer.results.len();
    match core.take(offer) {
        Ok(()) => {
            tracing::info!(%executor, number, results, "segment accepted");
            drop(core);
            shared.posting.notify_one();
            Some(verdict(number, SegmentStanding::Accepted, "", 0))
        }
        Err(error) => {
            tracing::error!(%error, "cannot keep a segment");
            shared.shell.health.fail("journal", &error);
            None
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
