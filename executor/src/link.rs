//! The connection to the sequencer: says hello, then passes messages both ways.

use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use assay_node::url::RpcUrl;
use assay_proto::hello;
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{
    Decline, FromExecutor, Heartbeat, Hello, SegmentOffer, SegmentResult, ToExecutor, Welcome,
    from_executor, to_executor,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::segment::SignedSegment;

/// Time between heartbeats.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Silence that ends a connection.
const SILENCE: Duration = Duration::from_secs(20);
/// Longest wait for a connection and for the sequencer's word in the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Largest message: an assignment's payload, with room.
const MAX_MESSAGE: usize = 1 << 20;
/// Messages that wait to be sent.
const QUEUE: usize = 256;

/// Why there is no connection (any more).
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It can't be had.
    #[error(
        "the sequencer at {url} does not answer ({reason}): start it, or pass the right --sequencer-url"
    )]
    Unreachable {
        /// Endpoint without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The sequencer ended it.
    #[error("the sequencer at {url} ended the connection: {reason}")]
    Ended {
        /// Endpoint without credentials.
        url: String,
        /// Its words.
        reason: String,
    },
    /// The sequencer says something that it should not.
    #[error("the sequencer at {url} does not speak this protocol: {what}")]
    Protocol {
        /// Endpoint without credentials.
        url: String,
        /// What was odd.
        what: &'static str,
    },
    /// The hello could not be signed.
    #[error("cannot sign: {0}")]
    Sign(#[from] alloy::signers::Error),
}

/// Who connects, and where.
#[derive(Clone, Debug)]
pub struct Link {
    /// The sequencer.
    pub url: RpcUrl,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The rollup.
    pub rollup: Address,
    /// The executor's key.
    pub signer: PrivateKeySigner,
    /// Models that it serves.
    pub models: Vec<B256>,
    /// Requests that it takes at once.
    pub capacity: u32,
}

/// A connection after its handshake.
pub struct Connection {
    url: String,
    /// What the sequencer said.
    pub welcome: Welcome,
    /// To it.
    pub out: mpsc::Sender<FromExecutor>,
    from: Streaming<ToExecutor>,
}

impl Link {
    /// Connects and says hello.
    ///
    /// # Errors
    /// The sequencer can't be reached, refuses, or speaks another protocol.
    pub async fn connect(&self) -> Result<Connection, LinkError> {
        let url = self.url.to_string();
        let unreachable = |reason: String| LinkError::Unreachable {
            url: url.clone(),
            reason,
        };
        let endpoint = Endpoint::from_shared(self.url.secret().to_string())
            .map_err(|e| unreachable(e.to_string()))?;
        let endpoint = endpoint.connect_timeout(HANDSHAKE).tcp_nodelay(true);
        let channel = endpoint
            .connect()
            .await
            .map_err(|e| unreachable(describe(&e)))?;
        let mut client = SequencerClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        let (out, queue) = mpsc::channel(QUEUE);
        let opening = tokio::time::timeout(HANDSHAKE, client.work(ReceiverStream::new(queue)));
        let from = opening
            .await
            .map_err(|_| unreachable("no answer in time".into()))?;
        let from = from.map_err(|status| self.ended(&status))?.into_inner();
        let welcome = Welcome::default();
        let mut connection = Connection {
            url,
            welcome,
            out,
            from,
        };
        let to_executor::Message::Challenge(challenge) = connection.next_within(HANDSHAKE).await?
        else {
            return Err(connection.odd("it does not begin with a challenge"));
        };
        let nonce: [u8; 32] = challenge
            .nonce
            .try_into()
            .map_err(|_| connection.odd("its challenge is not 32 bytes"))?;
        connection
            .send(from_executor::Message::Hello(self.hello(&nonce)?))
            .await;
        let to_executor::Message::Welcome(welcome) = connection.next_within(HANDSHAKE).await?
        else {
            return Err(connection.odd("it does not welcome"));
        };
        connection.welcome = welcome;
        Ok(connection)
    }

    fn hello(&self, nonce: &[u8; 32]) -> Result<Hello, LinkError> {
        let digest = hello::digest(self.chain_id, &self.rollup.into_array(), nonce);
        let signature = self.signer.sign_hash_sync(&B256::from(digest.0))?;
        Ok(Hello {
            executor: self.signer.address().to_vec(),
            signature: signature.as_bytes().to_vec(),
            model_ids: self.models.iter().map(|id| id.to_vec()).collect(),
            capacity: self.capacity,
        })
    }

    fn ended(&self, status: &tonic::Status) -> LinkError {
        LinkError::Ended {
            url: self.url.to_string(),
            reason: words(status),
        }
    }
}

impl Connection {
    /// The next message. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn next(&mut self) -> Result<to_executor::Message, LinkError> {
        self.next_within(SILENCE).await
    }

    async fn next_within(&mut self, limit: Duration) -> Result<to_executor::Message, LinkError> {
        loop {
            let ended = |reason: String| LinkError::Ended {
                url: self.url.clone(),
                reason,
            };
            let message = match tokio::time::timeout(limit, self.from.message()).await {
                Err(_) => return Err(ended(format!("silence for {} s", limit.as_secs()))),
                Ok(Err(status)) => return Err(ended(words(&status))),
                Ok(Ok(None)) => return Err(ended("it hung up".into())),
                Ok(Ok(Some(message))) => message,
            };
            // A kind of message that this version does not know is not for it.
            if let Some(message) = message.message {
                return Ok(message);
            }
        }
    }

    /// Queues a message; one that can't be sent any more is noticed by [`Connection::next`].
    pub async fn send(&self, message: from_executor::Message) {
        let _ = self
            .out
            .send(FromExecutor {
                message: Some(message),
            })
            .await;
    }

    fn odd(&self, what: &'static str) -> LinkError {
        LinkError::Protocol {
            url: self.url.clone(),
            what,
        }
    }
}

/// A heartbeat.
pub fn heartbeat() -> from_executor::Message {
    from_executor::Message::Heartbeat(Heartbeat {})
}

/// "Not by me."
pub fn decline(id: &[u8], reason: String) -> from_executor::Message {
    from_executor::Message::Decline(Decline {
        request_id: id.to_vec(),
        reason,
    })
}

/// A segment as it is offered.
pub fn offer(segment: &SignedSegment) -> from_executor::Message {
    let result = |id: B256, output: &Bytes| SegmentResult {
        request_id: id.to_vec(),
        output: output.to_vec(),
    };
    from_executor::Message::Segment(SegmentOffer {
        number: segment.number,
        expiry: segment.expiry,
        results: segment
            .results
            .iter()
            .map(|a| result(a.request_id, &a.output))
            .collect(),
        signature: segment.signature.to_vec(),
        in_blob: segment.in_blob,
    })
}

fn words(status: &tonic::Status) -> String {
    match status.message() {
        "" => format!("{:?}", status.code()),
        message => format!("{message} ({:?})", status.code()),
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        out = format!("{out}: {cause}");
        next = cause.source();
    }
    out
}
