//! The gRPC service.

use crate::core::Shared;
use crate::entry::{Claim, Entry, Stage};
use crate::quote::quote;
use crate::{intake, wire, work};
use alloy::primitives::{B256, U256};
use assay_proto::v1::sequencer_server::{Sequencer, SequencerServer};
use assay_proto::v1::{self, RequestStage};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

type Out<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves [`Sequencer`].
pub struct Service(Arc<Shared>);

/// Largest message: what a segment or a request may be at most, and room to say why a larger one is refused.
const MAX_MESSAGE: usize = 1 << 20;

/// The tonic service over `shared`.
pub fn service(shared: Arc<Shared>) -> SequencerServer<Service> {
    SequencerServer::new(Service(shared)).max_decoding_message_size(MAX_MESSAGE)
}

fn request_id(m: &v1::GetRequestRequest) -> Result<B256, Status> {
    wire::word("request_id", &m.request_id).map_err(|e| Status::invalid_argument(e.to_string()))
}

/// How a request stands, as a message.
pub fn status_message(e: &Entry) -> v1::RequestStatus {
    let of = |stage: RequestStage| v1::RequestStatus {
        request_id: e.id.to_vec(),
        stage: stage.into(),
        attempts: e.attempts,
        rejections: e.rejections,
        message: e.message.clone(),
        promises: e
            .promises
            .iter()
            .map(|p| wire::promise_message(&e.id, p))
            .collect(),
        ..Default::default()
    };
    let claimed = |stage, c: &Claim| v1::RequestStatus {
        executor: c.executor.to_vec(),
        output: c.output.to_vec(),
        segment_id: c.segment_id,
        index: c.index.into(),
        transaction: c.transaction.to_vec(),
        ..of(stage)
    };
    match &e.stage {
        Stage::Queued => of(RequestStage::Queued),
        Stage::Assigned { executor, .. } => v1::RequestStatus {
            executor: executor.to_vec(),
            ..of(RequestStage::Assigned)
        },
        Stage::Signed { executor, .. } => v1::RequestStatus {
            executor: executor.to_vec(),
            ..of(RequestStage::Signed)
        },
        Stage::Claimed(claim) => claimed(RequestStage::Claimed, claim),
        Stage::Final(claim) => claimed(RequestStage::Final, claim),
        Stage::Refunded => of(RequestStage::Refunded),
        Stage::Dropped => of(RequestStage::Dropped),
    }
}

impl Service {
    fn find(&self, id: B256) -> Result<Entry, Status> {
        let unknown = || {
            Status::not_found(format!(
                "request {id} is neither on chain nor submitted here"
            ))
        };
        self.0.core().find(&id).ok_or_else(unknown)
    }
}

#[tonic::async_trait]
impl Sequencer for Service {
    type WatchRequestStream = Out<v1::RequestStatus>;
    type WorkStream = Out<v1::ToExecutor>;

    async fn get_info(&self, _: Request<v1::GetInfoRequest>) -> Result<Response<v1::Info>, Status> {
        let contracts = self.0.view.contracts();
        Ok(Response::new(v1::Info {
            chain_id: self.0.view.chain().id(),
            inbox: contracts.inbox.to_vec(),
            rollup: contracts.rollup.to_vec(),
            min_fee_wei: self.0.flags.min_fee_wei.to_string(),
            batch_interval: self.0.flags.batch_interval().as_secs_f64(),
            executors: u32::try_from(self.0.core().sessions.len()).unwrap_or(u32::MAX),
            max_request_bytes: self.0.flags.max_request_bytes,
        }))
    }

    async fn submit_request(
        &self,
        request: Request<v1::SignedRequest>,
    ) -> Result<Response<v1::RequestReceipt>, Status> {
        let signed = wire::signed_request(request.get_ref()).map_err(intake::Refusal::from)?;
        let id = intake::submit(&self.0, signed)
            .await
            .inspect_err(|e| tracing::info!(reason = %e, "refused"))?;
        tracing::info!(request = %id, "accepted");
        Ok(Response::new(v1::RequestReceipt {
            request_id: id.to_vec(),
        }))
    }

    async fn get_request(
        &self,
        request: Request<v1::GetRequestRequest>,
    ) -> Result<Response<v1::RequestStatus>, Status> {
        let entry = self.find(request_id(request.get_ref())?)?;
        Ok(Response::new(status_message(&entry)))
    }

    async fn watch_request(
        &self,
        request: Request<v1::GetRequestRequest>,
    ) -> Result<Response<Self::WatchRequestStream>, Status> {
        let id = request_id(request.get_ref())?;
        // Subscribed before the first look, so no change falls in between.
        let changes = self.0.changes();
        let first = self.find(id)?;
        let (out, stream) = mpsc::channel(16);
        tokio::spawn(watch(self.0.clone(), id, first, changes, out));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn quote(
        &self,
        request: Request<v1::QuoteRequest>,
    ) -> Result<Response<v1::QuoteReply>, Status> {
        if self.0.market.is_none() {
            return Err(Status::failed_precondition(
                "this deployment has no market: ask the inbox itself",
            ));
        }
        let bad = |e: wire::BadField| Status::invalid_argument(e.to_string());
        let inquiry = wire::inquiry(request.get_ref()).map_err(bad)?;
        let (bond, now) = (self.0.view.claim_bond(), self.0.view.now());
        let core = self.0.core();
        let found = quote(&core.book, &core.sessions, &inquiry, bond, now);
        let message = |(ask, price): &(_, U256)| v1::QuotedAsk {
            ask: Some(wire::signed_ask_message(ask)),
            price: price.to_string(),
        };
        Ok(Response::new(v1::QuoteReply {
            asks: found.iter().map(message).collect(),
        }))
    }

    async fn work(
        &self,
        request: Request<Streaming<v1::FromExecutor>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (out, stream) = work::channel();
        tokio::spawn(work::serve(self.0.clone(), request.into_inner(), out));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn watch(
    shared: Arc<Shared>,
    id: B256,
    first: Entry,
    mut changes: broadcast::Receiver<B256>,
    out: mpsc::Sender<Result<v1::RequestStatus, Status>>,
) {
    let mut entry = first;
    let mut last = None;
    loop {
        let status = status_message(&entry);
        if last.as_ref() != Some(&status) {
            if out.send(Ok(status.clone())).await.is_err() {
                return;
            }
            last = Some(status);
        }
        if entry.stage.is_over() && !shared.core().book.awaits_output(&id) {
            return;
        }
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(changed) if changed != id => {}
                    // Missed some: look again.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = out.closed() => return,
                () = shared.shell.shutdown.wait() => {
                    drop(out.send(Err(Status::unavailable("the sequencer is shutting down"))).await);
                    return;
                }
            }
        }
        match shared.core().find(&id) {
            Some(next) => entry = next,
            // Its block is gone and with it the request.
            None => return,
        }
    }
}
