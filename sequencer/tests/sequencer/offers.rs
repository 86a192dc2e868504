//! What executors may offer to the real binary: nobody takes another's work, and nobody can stop the posting.

use crate::support::{ETHER, FIRST, Peer, SECOND, STRANGER, World};
use alloy::primitives::B256;
use alloy::sol_types::SolCall;
use assay_bindings::Rollup;
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{GetRequestRequest, SegmentStanding, to_executor::Message};
use assay_sequencer::chain_view::state;
use serde_json::json;
use std::time::{Duration, Instant};
use tonic::Code;
use tonic::transport::Channel;

/// Offers a segment that must be refused; the reason.
async fn refusal(peer: &mut Peer, segment: assay_proto::v1::SegmentOffer) -> String {
    let (standing, reason) = peer.offer(segment).await;
    assert_eq!(standing, SegmentStanding::Refused, "{reason}");
    reason
}

/// Waits until the sequencer has heard of a request.
async fn until_known(client: &mut SequencerClient<Channel>, id: B256) {
    let started = Instant::now();
    let request = || GetRequestRequest {
        request_id: id.to_vec(),
    };
    while client.get_request(request()).await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Who holds the claim of a request.
async fn claimant(world: &World, id: B256) -> alloy::primitives::Address {
    world.until_state(id, state::CLAIMED).await;
    let status = world.inbox().status(id).call().await.expect("asked");
    let segment = world.rollup().segments(status.segmentId).call().await;
    segment.expect("asked").executor
}

#[tokio::test(flavor = "multi_thread")]
async fn executor_without_stake_is_refused() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let Err(status) = Peer::try_connect(&world, &mut client, STRANGER).await else {
        panic!("a stranger is let in");
    };
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("has no stake"), "{status}");

    // Half a bond is somebody, but backs no claim.
    world.stake(STRANGER, ETHER / 2).await;
    let mut peer = Peer::connect(&world, &mut client, STRANGER).await;
    let id = world.ask("Is it good?").await;
    until_known(&mut client, id).await;
    let segment = peer.segment(&[id], 600, world.now().await);
    let reason = refusal(&mut peer, segment).await;
    assert!(
        reason.contains("free stake is 500000000000000000 wei"),
        "{reason}"
    );

    world.stake(STRANGER, ETHER / 2).await;
    let segment = peer.segment(&[id], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    assert_eq!(claimant(&world, id).await, peer.address());
    assert_eq!(peer.verdict().await.0, SegmentStanding::Posted);
    // All of it is locked now.
    let second = world.ask("And this?").await;
    until_known(&mut client, second).await;
    let segment = peer.segment(&[second], 600, world.now().await);
    let reason = refusal(&mut peer, segment).await;
    assert!(reason.contains("free stake is 0 wei"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_that_is_too_large_or_never_expires_is_refused() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&["--max-segment-life", "1000"]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let (one, two) = (world.ask("one").await, world.ask("two").await);
    let now = world.now().await;

    for life in [1_100, u64::MAX - now] {
        let lasting = peer.segment(&[one], life, now);
        let reason = refusal(&mut peer, lasting).await;
        assert!(reason.contains("at most 1000 s are taken"), "{reason}");
    }
    // Each of the two fits, both do not.
    let large = vec![7; 60_000];
    let both = [(one, large.clone()), (two, large)];
    let both = peer.segment_of(&both, 600, now);
    let reason = refusal(&mut peer, both).await;
    assert!(reason.contains("bytes in a batch"), "{reason}");
    // The contract would skip it.
    let over = peer.segment_of(&[(one, vec![7; 65_536])], 600, now);
    let reason = refusal(&mut peer, over).await;
    assert!(reason.contains("more than 64 KiB"), "{reason}");
    assert_eq!(
        world.rollup().segmentCount().call().await.expect("asked"),
        0
    );

    let largest = peer.segment_of(&[(one, vec![7; 60_000])], 600, now);
    assert_eq!(peer.offer(largest).await.0, SegmentStanding::Accepted);
    assert_eq!(claimant(&world, one).await, peer.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn executor_cannot_withdraw_work_that_another_was_given() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&["--batch-interval-ms", "3000"]).await;
    let mut first = Peer::connect(&world, &mut client, FIRST).await;
    let mut second = Peer::connect(&world, &mut client, SECOND).await;
    let id = world.ask("Is it good?").await;
    assert_eq!(first.assignment().await.0, id);

    let theft = second.segment(&[id], 600, world.now().await);
    let reason = refusal(&mut second, theft).await;
    assert!(
        reason.contains("was not given to this executor"),
        "{reason}"
    );
    let answer = first.segment(&[id], 600, world.now().await);
    first
        .say(assay_proto::v1::from_executor::Message::Segment(answer))
        .await;
    // The very next thing that it hears: it was not told to stop.
    match first.hear().await {
        Some(Message::Verdict(v)) => assert_eq!(v.standing(), SegmentStanding::Accepted),
        other => panic!("{other:?}"),
    }
    // Nor can a signed answer be replaced while it waits for its batch.
    let theft = second.segment(&[id], 600, world.now().await);
    let reason = refusal(&mut second, theft).await;
    assert!(
        reason.contains("was not given to this executor"),
        "{reason}"
    );
    assert_eq!(claimant(&world, id).await, first.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_that_the_chain_does_not_take_starves_nobody_and_is_dropped() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&["--batch-interval-ms", "1500"]).await;
    let mut first = Peer::connect(&world, &mut client, FIRST).await;
    let poisoned = [world.ask("one").await, world.ask("two").await];
    for id in poisoned {
        assert_eq!(first.assignment().await.0, id);
    }
    let mut second = Peer::connect(&world, &mut client, SECOND).await;
    let good = world.ask("three").await;
    assert_eq!(second.assignment().await.0, good);
    // No block has room for 60 KB of calldata any more.
    world.raw("evm_setBlockGasLimit", json!(["0x16e360"])).await;
    let now = world.now().await;
    for id in poisoned {
        let poison = first.segment_of(&[(id, vec![7; 60_000])], 600, now);
        assert_eq!(first.offer(poison).await.0, SegmentStanding::Accepted);
    }
    let answer = second.segment(&[good], 600, now);
    assert_eq!(second.offer(answer).await.0, SegmentStanding::Accepted);

    let started = Instant::now();
    assert_eq!(claimant(&world, good).await, second.address());
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{}",
        world.log()
    );
    for _ in poisoned {
        let (standing, reason) = first.verdict().await;
        assert_eq!(standing, SegmentStanding::Refused, "{reason}");
        assert!(reason.contains("the chain does not take it"), "{reason}");
    }
    // What it could not answer goes to somebody else, and it can't come again with the same.
    let poison = first.segment_of(&[(poisoned[0], vec![7; 60_000])], 600, now);
    let reason = refusal(&mut first, poison).await;
    assert!(reason.contains("not asked again"), "{reason}");
    assert_eq!(second.verdict().await.0, SegmentStanding::Posted);
    let mut passed_on = Vec::new();
    for _ in poisoned {
        passed_on.push(second.assignment().await.0);
    }
    for id in passed_on {
        let answer = second.segment(&[id], 600, world.now().await);
        assert_eq!(second.offer(answer).await.0, SegmentStanding::Accepted);
        assert_eq!(claimant(&world, id).await, second.address());
        assert_eq!(second.verdict().await.0, SegmentStanding::Posted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executor_is_excluded_from_the_request_that_it_lost() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut liar = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("Is it good?").await;
    assert_eq!(liar.assignment().await.0, id);
    let segment = liar.segment(&[id], 600, world.now().await);
    assert_eq!(liar.offer(segment).await.0, SegmentStanding::Accepted);
    assert_eq!(claimant(&world, id).await, liar.address());
    assert_eq!(liar.verdict().await.0, SegmentStanding::Posted);

    // The game contract says that the claim lost.
    let game = world.contracts.game;
    world.raw("anvil_impersonateAccount", json!([game])).await;
    world
        .raw("anvil_setBalance", json!([game, "0xde0b6b3a7640000"]))
        .await;
    let reject = Rollup::rejectCall {
        requestId: id,
        segmentId: 0,
        index: 0,
    };
    let data = alloy::primitives::Bytes::from(reject.abi_encode());
    let call = json!([{ "from": game, "to": world.contracts.rollup, "data": data }]);
    world.raw("eth_sendTransaction", call).await;
    world.until_state(id, state::OPEN).await;

    // It is as quick as before, but it is not asked and not heard.
    let started = Instant::now();
    loop {
        let again = liar.segment(&[id], 600, world.now().await);
        let reason = refusal(&mut liar, again).await;
        if reason.contains("was rejected: it is not asked again") {
            break;
        }
        // The sequencer hears of the rejection a moment later.
        assert!(started.elapsed() < Duration::from_secs(5), "{reason}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut honest = Peer::connect(&world, &mut client, SECOND).await;
    assert_eq!(honest.assignment().await.0, id);
    let segment = honest.segment(&[id], 600, world.now().await);
    assert_eq!(honest.offer(segment).await.0, SegmentStanding::Accepted);
    assert_eq!(claimant(&world, id).await, honest.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn executor_has_a_limited_number_of_segments_waiting() {
    let world = World::new().await;
    let flags = [
        "--max-waiting-segments",
        "2",
        "--batch-interval-ms",
        "3600000",
    ];
    let (_sequencer, mut client) = world.sequencer(&flags).await;
    let mut first = Peer::connect(&world, &mut client, FIRST).await;
    let mut second = Peer::connect(&world, &mut client, SECOND).await;
    let mut ids = Vec::new();
    for prompt in ["1", "2", "3", "4"] {
        ids.push(world.ask(prompt).await);
    }
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        mine.push(first.assignment().await.0);
        theirs.push(second.assignment().await.0);
    }
    let now = world.now().await;
    for id in &mine {
        let segment = first.segment(&[*id], 600, now);
        assert_eq!(first.offer(segment).await.0, SegmentStanding::Accepted);
    }
    let third = world.ask("5").await;
    assert_eq!(first.assignment().await.0, third);
    let segment = first.segment(&[third], 600, now);
    let reason = refusal(&mut first, segment).await;
    assert!(
        reason.contains("2 segments of this executor wait"),
        "{reason}"
    );
    // Another one's limit is its own.
    let segment = second.segment(&[theirs[0]], 600, now);
    assert_eq!(second.offer(segment).await.0, SegmentStanding::Accepted);
}
