//! Requests on their way through the real binary to the real contracts.

use crate::support::{FEE, FIRST, Peer, Running, SECOND, World};
use alloy::primitives::{Address, B256, U256};
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{self, RequestStage, SegmentStanding, from_executor, to_executor::Message};
use assay_sequencer::chain_view::state;
use assay_sequencer::wire;
use assay_types::request::{Part, Payload};
use std::time::{Duration, Instant};
use tonic::Code;
use tonic::transport::Channel;

pub type Client = SequencerClient<Channel>;

pub async fn stage(client: &mut Client, id: B256) -> v1::RequestStatus {
    let request = v1::GetRequestRequest {
        request_id: id.to_vec(),
    };
    client
        .get_request(request)
        .await
        .expect("known")
        .into_inner()
}

pub async fn until_stage(
    world: &World,
    client: &mut Client,
    id: B256,
    wanted: RequestStage,
) -> v1::RequestStatus {
    let start = Instant::now();
    loop {
        let status = stage(client, id).await;
        if status.stage() == wanted {
            return status;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{status:?}\n{}",
            world.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn submit(
    client: &mut Client,
    signed: &assay_bindings::SignedRequest,
) -> Result<B256, tonic::Status> {
    let receipt = client
        .submit_request(wire::signed_request_message(signed))
        .await?
        .into_inner();
    Ok(wire::word("id", &receipt.request_id).expect("an id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn request_from_the_chain_is_routed_answered_and_claimed() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("Is it good?").await;
    let (assigned, request) = peer.assignment().await;
    assert_eq!((assigned, request.requester), (id, world.user.address()));
    assert_eq!(
        until_stage(&world, &mut client, id, RequestStage::Assigned)
            .await
            .executor,
        peer.address().to_vec()
    );
    let segment = peer.segment(&[id], 600, world.now().await);
    let output = segment.results[0].output.clone();
    assert_eq!(
        peer.offer(segment.clone()).await,
        (SegmentStanding::Accepted, String::new())
    );
    assert_eq!(peer.verdict().await.0, SegmentStanding::Posted);
    world.until_state(id, state::CLAIMED).await;
    let status = until_stage(&world, &mut client, id, RequestStage::Claimed).await;
    assert_eq!(
        (status.output, status.executor),
        (output, peer.address().to_vec())
    );
    // Offered again after all: the same verdict, and nothing is posted twice.
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Posted);
    assert_eq!(
        world.rollup().segmentCount().call().await.expect("asked"),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_request_is_taken_once_answered_and_charged() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let signed = world.signed("Is it good?", 77).await;
    let id = submit(&mut client, &signed).await.expect("taken");
    assert_eq!(
        submit(&mut client, &signed).await.expect("the same again"),
        id
    );
    let request = v1::GetRequestRequest {
        request_id: id.to_vec(),
    };
    let mut watched = client
        .watch_request(request)
        .await
        .expect("watched")
        .into_inner();
    assert_eq!(peer.assignment().await.0, id);
    let segment = peer.segment(&[id], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
    let deposit = world
        .inbox()
        .deposits(world.user.address())
        .call()
        .await
        .expect("asked");
    assert_eq!(
        U256::from(deposit.balance),
        U256::from(1_000_000_000_000_000_000u128 - FEE)
    );
    let mut stages = Vec::new();
    while stages.last() != Some(&RequestStage::Claimed) {
        stages.push(
            watched
                .message()
                .await
                .expect("streams")
                .expect("goes on")
                .stage(),
        );
    }
    assert!(stages.contains(&RequestStage::Signed), "{stages:?}");
    // Its nonce is spent on chain now.
    let mut other = signed.clone();
    other.entropy = B256::repeat_byte(1);
    let status = submit(&mut client, &world.sign(other))
        .await
        .expect_err("spent");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_signed_requests_are_refused_with_code_and_reason() {
    let world = World::new().await;
    let (_sequencer, mut client) = world
        .sequencer(&["--min-fee-wei", "10", "--max-request-bytes", "2000"])
        .await;
    let good = world.signed("x", 1).await;
    let mut cases = Vec::new();
    let mut case = |code, word: &'static str, f: &dyn Fn(&mut assay_bindings::SignedRequest)| {
        let mut request = good.clone();
        f(&mut request);
        cases.push((code, word, world.sign(request)));
    };
    case(Code::InvalidArgument, "not registered", &|r| {
        r.params.modelId = B256::repeat_byte(1)
    });
    case(Code::InvalidArgument, "payload is malformed", &|r| {
        r.payload = vec![9; 20].into()
    });
    case(
        Code::InvalidArgument,
        "part 0 of the prompt is not valid UTF-8 from byte 2 on",
        &|r| {
            let mut payload = Payload::greedy("x", 8);
            payload.parts = vec![Part::User(b"Gr\xfc\xdfe".to_vec())];
            r.payload = payload.encode().into();
        },
    );
    case(Code::InvalidArgument, "something follows", &|r| {
        r.payload = [&r.payload[..], b"!"].concat().into()
    });
    case(Code::InvalidArgument, "this sequencer takes 2000", &|r| {
        r.userData = vec![0; 3_000].into()
    });
    case(Code::InvalidArgument, "refund_to", &|r| {
        r.params.refundTo = Address::ZERO
    });
    case(Code::InvalidArgument, "needs a callback", &|r| {
        r.params.callbackFee = 1
    });
    case(Code::FailedPrecondition, "from 10 wei on", &|r| {
        r.params.fee = 9
    });
    case(Code::FailedPrecondition, "present price", &|r| {
        r.params.fee = 10
    });
    case(Code::FailedPrecondition, "inclusion deadline", &|r| {
        r.params.inclusionDeadline = 5
    });
    case(Code::FailedPrecondition, "deposit", &|r| {
        r.params.fee = 2_000_000_000_000_000_000
    });
    let mut forged = good.clone();
    forged.nonce = 2;
    cases.push((Code::InvalidArgument, "signature", forged));
    for (code, word, request) in cases {
        let status = submit(&mut client, &request).await.expect_err(word);
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(word), "{word}: {status}");
    }
    let mut message = wire::signed_request_message(&good);
    message.payer.pop();
    let status = client.submit_request(message).await.expect_err("19 bytes");
    assert!(
        status.code() == Code::InvalidArgument && status.message().contains("payer"),
        "{status}"
    );
    let unknown = v1::GetRequestRequest {
        request_id: vec![5; 32],
    };
    assert_eq!(
        client
            .get_request(unknown)
            .await
            .expect_err("unknown")
            .code(),
        Code::NotFound
    );

    // The deposit pays for what is promised already, too.
    let mut rich = good.clone();
    rich.params.fee = 600_000_000_000_000_000;
    submit(&mut client, &world.sign(rich.clone()))
        .await
        .expect("0.6 of 1 ETH");
    rich.nonce = 2;
    let status = submit(&mut client, &world.sign(rich.clone()))
        .await
        .expect_err("1.2 of 1 ETH");
    assert!(status.message().contains("deposit"), "{status}");
    rich.nonce = 1;
    rich.params.fee = FEE;
    let status = submit(&mut client, &world.sign(rich))
        .await
        .expect_err("another request holds the nonce");
    assert!(status.message().contains("nonce 1"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_or_unwilling_executor_is_passed_over() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&["--work-timeout", "1"]).await;
    let mut silent = Peer::connect(&world, &mut client, FIRST).await;
    let mut other = Peer::connect(&world, &mut client, SECOND).await;
    let id = world.ask("Is it good?").await;
    assert_eq!(
        silent.assignment().await.0,
        id,
        "the first one connected is asked first"
    );
    // Nothing is said: after a second the other one has it.
    assert_eq!(other.assignment().await.0, id);
    assert!(matches!(silent.hear().await, Some(Message::Withdrawal(_))));
    let decline = v1::Decline {
        request_id: id.to_vec(),
        reason: "no time".to_owned(),
    };
    other.say(from_executor::Message::Decline(decline)).await;
    // Both were tried: the next round begins with the first again.
    assert_eq!(silent.assignment().await.0, id);
    // The late answer of the other is as good as any.
    let segment = other.segment(&[id], 600, world.now().await);
    assert_eq!(other.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
    assert!(
        matches!(silent.hear().await, Some(Message::Withdrawal(_))),
        "told that it is not wanted any more"
    );
    let claimed = until_stage(&world, &mut client, id, RequestStage::Claimed).await;
    assert_eq!(claimed.executor, other.address().to_vec());
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_useless_segments_are_refused() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("Is it good?").await;
    peer.assignment().await;
    let now = world.now().await;
    let mut forged = peer.segment(&[id], 600, now);
    forged.results[0].output.push(b'!');
    let (standing, reason) = peer.offer(forged).await;
    assert!(
        standing == SegmentStanding::Refused && reason.contains("signature"),
        "{reason}"
    );
    let brief = peer.segment(&[id], 5, now);
    let (standing, reason) = peer.offer(brief).await;
    assert!(
        standing == SegmentStanding::Refused && reason.contains("expires"),
        "{reason}"
    );
    let stray = peer.segment(&[B256::repeat_byte(3)], 600, now);
    let (standing, reason) = peer.offer(stray).await;
    assert!(
        standing == SegmentStanding::Refused && reason.contains("not known"),
        "{reason}"
    );
    assert_eq!(
        world.rollup().segmentCount().call().await.expect("asked"),
        0
    );
    // A true one still counts.
    let good = peer.segment(&[id], 600, world.now().await);
    assert_eq!(peer.offer(good).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stranger_cannot_speak_for_an_executor() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let (out, stream) = tokio::sync::mpsc::channel(4);
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut incoming = client.work(stream).await.expect("opens").into_inner();
    incoming.message().await.expect("challenged");
    let hello = v1::Hello {
        executor: crate::support::signer(FIRST).address().to_vec(),
        signature: vec![1; 65],
        model_ids: vec![world.model.to_vec()],
        capacity: 1,
    };
    let hello = v1::FromExecutor {
        message: Some(from_executor::Message::Hello(hello)),
    };
    out.send(hello).await.expect("connected");
    let status = incoming.message().await.expect_err("turned away");
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
}

fn kill(sequencer: Running) {
    // Dropping it is SIGKILL.
    drop(sequencer);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_after_acceptance_loses_nothing() {
    let world = World::new().await;
    // No batch is posted in this life.
    let (sequencer, mut client) = world.sequencer(&["--batch-interval-ms", "3600000"]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let answered = submit(&mut client, &world.signed("first", 1).await)
        .await
        .expect("taken");
    assert_eq!(peer.assignment().await.0, answered);
    let segment = peer.segment(&[answered], 600, world.now().await);
    assert_eq!(
        peer.offer(segment.clone()).await.0,
        SegmentStanding::Accepted
    );
    let waiting = submit(&mut client, &world.signed("second", 2).await)
        .await
        .expect("taken");
    assert_eq!(peer.assignment().await.0, waiting);
    kill(sequencer);

    let (_sequencer, mut client) = world.sequencer(&[]).await;
    // The accepted segment is posted though its executor has not come back.
    world.until_state(answered, state::CLAIMED).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    peer.next_number = 2;
    assert_eq!(
        peer.assignment().await.0,
        waiting,
        "the request without an answer is routed anew"
    );
    let second = peer.segment(&[waiting], 600, world.now().await);
    assert_eq!(peer.offer(second).await.0, SegmentStanding::Accepted);
    world.until_state(waiting, state::CLAIMED).await;
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Posted);
    assert_eq!(
        world.rollup().segmentCount().call().await.expect("asked"),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_in_mid_batch_posts_nothing_twice() {
    let world = World::new().await;
    let (sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("Is it good?").await;
    peer.assignment().await;
    // The batch is sent, but no block takes it yet.
    world
        .raw("evm_setAutomine", serde_json::json!([false]))
        .await;
    let segment = peer.segment(&[id], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    let start = Instant::now();
    while world.raw("txpool_status", serde_json::json!([])).await["pending"] != "0x1" {
        assert!(start.elapsed() < Duration::from_secs(20), "{}", world.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    kill(sequencer);
    let restart = tokio::spawn({
        let rpc = world.chain.clone();
        async move {
            use alloy::providers::Provider;
            // The new process starts while the old one's batch still waits.
            tokio::time::sleep(Duration::from_secs(2)).await;
            let mined = rpc
                .provider()
                .raw_request::<_, serde_json::Value>("evm_setAutomine".into(), (true,))
                .await;
            mined.expect("set");
            rpc.provider()
                .raw_request::<_, serde_json::Value>("evm_mine".into(), ())
                .await
                .expect("mined")
        }
    });
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    restart.await.expect("joined");
    world.until_state(id, state::CLAIMED).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    peer.next_number = 1;
    let again = peer.segment(&[id], 600, world.now().await);
    assert_eq!(
        peer.offer(again).await.0,
        SegmentStanding::Posted,
        "its number is spent"
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    use alloy::providers::Provider;
    let sent = world
        .chain
        .provider()
        .get_transaction_count(crate::support::signer(crate::support::SEQUENCER).address())
        .await;
    assert_eq!(
        sent.expect("asked"),
        1,
        "one batch transaction in both lives\n{}",
        world.log()
    );
    assert_eq!(
        world.rollup().segmentCount().call().await.expect("asked"),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn request_of_a_lost_block_is_forgotten_and_its_answer_is_not_posted() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let snapshot = world.raw("evm_snapshot", serde_json::json!([])).await;
    let lost = world.ask("lost").await;
    assert_eq!(peer.assignment().await.0, lost);
    assert_eq!(
        stage(&mut client, lost).await.stage(),
        RequestStage::Assigned
    );
    world.raw("evm_revert", serde_json::json!([snapshot])).await;
    world.raw("anvil_mine", serde_json::json!(["0x3"])).await;
    let start = Instant::now();
    loop {
        let request = v1::GetRequestRequest {
            request_id: lost.to_vec(),
        };
        if client
            .get_request(request)
            .await
            .is_err_and(|s| s.code() == Code::NotFound)
        {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
