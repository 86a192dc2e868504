//! The connection to the sequencer, against a server of the real protocol.

use alloy::primitives::{Address, B256, Signature};
use alloy::signers::local::PrivateKeySigner;
use assay_executor::link::{Link, LinkError, decline};
use assay_proto::hello;
use assay_proto::v1::sequencer_server::{Sequencer, SequencerServer};
use assay_proto::v1::*;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

const NONCE: [u8; 32] = [9; 32];
const ROLLUP: Address = Address::repeat_byte(5);

/// Welcomes whoever proves to be `expected`, then hands out one assignment and reports what comes back.
struct Stage {
    expected: Address,
    heard: mpsc::Sender<from_executor::Message>,
}

type Outgoing = ReceiverStream<Result<ToExecutor, Status>>;

#[tonic::async_trait]
impl Sequencer for Stage {
    type WatchRequestStream = ReceiverStream<Result<RequestStatus, Status>>;
    type WorkStream = Outgoing;

    async fn get_info(&self, _: Request<GetInfoRequest>) -> Result<Response<Info>, Status> {
        Err(Status::unimplemented("not on this stage"))
    }

    async fn submit_request(
        &self,
        _: Request<SignedRequest>,
    ) -> Result<Response<RequestReceipt>, Status> {
        Err(Status::unimplemented("not on this stage"))
    }

    async fn get_request(
        &self,
        _: Request<GetRequestRequest>,
    ) -> Result<Response<RequestStatus>, Status> {
        Err(Status::unimplemented("not on this stage"))
    }

    async fn watch_request(
        &self,
        _: Request<GetRequestRequest>,
    ) -> Result<Response<Self::WatchRequestStream>, Status> {
        Err(Status::unimplemented("not on this stage"))
    }

    async fn quote(&self, _: Request<QuoteRequest>) -> Result<Response<QuoteReply>, Status> {
        Err(Status::unimplemented("not on this stage"))
    }

    async fn work(
        &self,
        request: Request<Streaming<FromExecutor>>,
    ) -> Result<Response<Outgoing>, Status> {
        let (out, queue) = mpsc::channel(8);
        let (expected, heard, mut from) = (self.expected, self.heard.clone(), request.into_inner());
        tokio::spawn(async move {
            let say = async |message| {
                out.send(Ok(ToExecutor {
                    message: Some(message),
                }))
                .await
            };
            let challenge = Challenge {
                nonce: NONCE.to_vec(),
            };
            say(to_executor::Message::Challenge(challenge))
                .await
                .expect("connected");
            let Some(Ok(FromExecutor {
                message: Some(from_executor::Message::Hello(hello)),
            })) = from.next().await
            else {
                return;
            };
            let digest = B256::from(hello::digest(31337, &ROLLUP.into_array(), &NONCE).0);
            let signer = Signature::from_raw(&hello.signature)
                .and_then(|s| s.recover_address_from_prehash(&digest));
            if signer.ok() != Some(expected) || hello.executor != expected.as_slice() {
                let _ = out
                    .send(Err(Status::permission_denied("you are somebody else")))
                    .await;
                return;
            }
            let welcome = Welcome {
                work_timeout: 60,
                min_segment_life: 30,
                max_segment_life: 600,
            };
            say(to_executor::Message::Welcome(welcome))
                .await
                .expect("connected");
            let assignment = Assignment {
                request_id: vec![1; 32],
                ..Default::default()
            };
            say(to_executor::Message::Assignment(assignment))
                .await
                .expect("connected");
            while let Some(Ok(FromExecutor {
                message: Some(message),
            })) = from.next().await
            {
                if heard.send(message).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(queue)))
    }
}

async fn stage(expected: Address) -> (SocketAddr, mpsc::Receiver<from_executor::Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    let (heard, hears) = mpsc::channel(8);
    let server = tonic::transport::Server::builder()
        .add_service(SequencerServer::new(Stage { expected, heard }));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (addr, hears)
}

fn link(addr: SocketAddr, signer: PrivateKeySigner) -> Link {
    Link {
        url: format!("http://{addr}").parse().expect("a URL"),
        chain_id: 31337,
        rollup: ROLLUP,
        signer,
        models: vec![B256::repeat_byte(4)],
        capacity: 2,
    }
}

#[tokio::test]
async fn hello_proves_the_account_and_messages_pass_both_ways() {
    let signer = PrivateKeySigner::random();
    let (addr, mut hears) = stage(signer.address()).await;
    let mut connection = link(addr, signer).connect().await.expect("welcome");
    assert_eq!(connection.welcome.min_segment_life, 30);
    let to_executor::Message::Assignment(assignment) = connection.next().await.expect("work")
    else {
        panic!("no assignment")
    };
    connection
        .send(decline(&assignment.request_id, "no".into()))
        .await;
    let Some(from_executor::Message::Decline(declined)) = hears.recv().await else {
        panic!("no decline")
    };
    assert_eq!(
        (declined.request_id, declined.reason.as_str()),
        (vec![1; 32], "no")
    );
}

#[tokio::test]
async fn a_refusal_is_told_in_the_sequencers_words() {
    let (addr, _hears) = stage(Address::repeat_byte(1)).await;
    let Err(error) = link(addr, PrivateKeySigner::random()).connect().await else {
        panic!("welcomed")
    };
    assert!(
        matches!(&error, LinkError::Ended { reason, .. } if reason.contains("somebody else")),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_there_is_an_error_that_names_the_flag() {
    let addr = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .local_addr()
        .expect("bound");
    let Err(error) = link(addr, PrivateKeySigner::random()).connect().await else {
        panic!("connected")
    };
    assert!(error.to_string().contains("--sequencer-url"), "{error}");
}
