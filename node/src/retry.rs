//! Asks an endpoint again that lost a question: a move's rehearsal reads the chain dozens of times, and one lost answer would
//! cost all of it.

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::{RpcError, TransportError, TransportErrorKind};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service};

/// Tries of one question.
const TRIES: u32 = 6;
/// Wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// Puts [`Retry`] around a transport.
#[derive(Clone, Copy, Debug)]
pub struct RetryLayer;

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry(inner)
    }
}

/// A transport that asks again.
#[derive(Clone, Debug)]
pub struct Retry<S>(S);

type Answer = Result<ResponsePacket, TransportError>;

impl<S> Service<RequestPacket> for Retry<S>
where
    S: Service<RequestPacket, Response = ResponsePacket, Error = TransportError>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        // A clone need not be ready where its original is: the one that was polled is taken.
        let clone = self.0.clone();
        let mut inner = std::mem::replace(&mut self.0, clone);
        Box::pin(async move {
            // A transaction whose answer was lost may be in a block, and then its nonce is "too low": who sent it looks for it.
            let tries = if request.method_names().any(|m| m.starts_with("eth_send")) {
                1
            } else {
                TRIES
            };
            let mut wait = FIRST_WAIT;
            for _ in 1..tries {
                let answer = inner.call(request.clone()).await;
                if !lost(&answer) {
                    return answer;
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            inner.call(request).await
        })
    }
}

/// Whether asking again may help: no answer, or one that says so.
fn lost(answer: &Answer) -> bool {
    match answer {
        // An endpoint that is not there at all is told of at once.
        Err(RpcError::Transport(TransportErrorKind::Custom(error))) => {
            !causes(&**error).any(|text| text.contains("Connection refused"))
        }
        Err(RpcError::Transport(kind)) => kind.is_retry_err(),
        Err(_) => false,
        Ok(packet) => packet.as_error().is_some_and(|payload| {
            let message = payload.message.to_lowercase();
            let known = ["try again", "rate limit", "too many requests", "overloaded"];
            payload.code == -32005 || known.iter().any(|words| message.contains(words))
        }),
    }
}

/// An error's text and those of its causes.
fn causes<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(Some(error), |e| e.source()).map(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::rpc::json_rpc::{ErrorPayload, Id, Request, Response, ResponsePayload};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Loses the first `losses` questions in its own way, then answers.
    #[derive(Clone)]
    struct Endpoint {
        asked: Arc<AtomicU32>,
        losses: u32,
        way: fn() -> Answer,
    }

    impl Service<RequestPacket> for Endpoint {
        type Response = ResponsePacket;
        type Error = TransportError;
        type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: RequestPacket) -> Self::Future {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = if asked < self.losses {
                (self.way)()
            } else {
                says(ResponsePayload::internal_error_message("yes".into()))
            };
            Box::pin(async { answer })
        }
    }

    fn says(payload: ResponsePayload) -> Answer {
        let id = Id::Number(1);
        Ok(ResponsePacket::Single(Response { id, payload }))
    }

    fn dropped() -> Answer {
        Err(TransportErrorKind::custom_str("connection closed"))
    }

    fn refused() -> Answer {
        let cause = std::io::Error::other("Connection refused (os error 111)");
        Err(TransportErrorKind::custom(cause))
    }

    fn later() -> Answer {
        let message = "try again later".into();
        says(ResponsePayload::Failure(ErrorPayload {
            code: -32000,
            message,
            data: None,
        }))
    }

    fn reverts() -> Answer {
        let message = "execution reverted".into();
        says(ResponsePayload::Failure(ErrorPayload {
            code: 3,
            message,
            data: None,
        }))
    }

    /// How often `method` was asked until there was an answer, and whether that is the endpoint's last word.
    async fn ask(method: &'static str, losses: u32, way: fn() -> Answer) -> (u32, bool) {
        let asked = Arc::new(AtomicU32::new(0));
        let endpoint = Endpoint {
            asked: asked.clone(),
            losses,
            way,
        };
        let request = Request::new(method, Id::Number(1), ()).serialize();
        let packet = RequestPacket::Single(request.expect("it serializes"));
        let answer = RetryLayer.layer(endpoint).call(packet).await;
        let yes = answer.is_ok_and(|a| a.as_error().is_some_and(|e| e.message == "yes"));
        (asked.load(Ordering::Relaxed), yes)
    }

    #[tokio::test]
    async fn lost_questions_are_asked_again_until_it_is_enough() {
        assert_eq!(ask("eth_call", 0, dropped).await, (1, true));
        assert_eq!(ask("eth_call", 3, dropped).await, (4, true));
        assert_eq!(ask("eth_call", 5, later).await, (6, true));
        assert_eq!(ask("eth_call", 6, dropped).await, (TRIES, false));
    }

    #[tokio::test]
    async fn answers_and_absent_endpoints_are_not_asked_again() {
        assert_eq!(ask("eth_call", 1, reverts).await, (1, false));
        assert_eq!(ask("eth_call", 1, refused).await, (1, false));
    }

    /// INVARIANT: a transaction whose answer is lost is looked for, not sent again blindly: it may be in a block.
    #[tokio::test]
    async fn transactions_are_sent_once() {
        for way in [dropped, later] {
            assert_eq!(ask("eth_sendRawTransaction", 1, way).await, (1, false));
        }
    }
}
