//! Several sequencers, each of which posts in its turn.

use crate::support::{FIRST, Peer, SECOND, SEQUENCER, STRANGER, World, signer};
use alloy::primitives::B256;
use assay_bindings::deploy::Parameters;
use assay_proto::v1::SegmentStanding;
use assay_sequencer::chain_view::state;
use serde_json::json;

/// Seconds of a turn.
const TURN: u64 = 8;

/// A rollup whose turns are first the stranger's, then the sequencer's.
async fn world() -> World {
    let first = signer(STRANGER).address();
    let sequencer = signer(SEQUENCER).address();
    World::with(Parameters {
        sequencers: vec![first, sequencer],
        turn_length: TURN,
        ..Parameters::devnet(sequencer)
    })
    .await
}

/// Moves the chain to the next second in which the turn of the first one begins, and says which that is.
async fn first_turn(world: &World) -> u64 {
    let round = 2 * TURN;
    let start = (world.now().await / round + 2) * round;
    world.raw("evm_setNextBlockTimestamp", json!([start])).await;
    world.raw("evm_mine", json!([])).await;
    start
}

async fn state_of(world: &World, id: B256) -> u8 {
    world.inbox().status(id).call().await.expect("asked").state
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_first_one_is_dead_the_second_one_answers_in_its_turn() {
    let world = world().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let start = first_turn(&world).await;
    let id = world.ask("Is it good?").await;
    assert_eq!(peer.assignment().await.0, id, "it collects meanwhile");
    // Half a minute as ever, and as long as it may wait.
    let brief = peer.segment(&[id], 30 + TURN, world.now().await);
    let (standing, reason) = peer.offer(brief).await;
    assert_eq!(standing, SegmentStanding::Refused, "{reason}");
    assert!(reason.contains("expires"), "{reason}");
    let segment = peer.segment(&[id], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    assert_eq!(state_of(&world, id).await, state::OPEN);
    world.until_state(id, state::CLAIMED).await;
    assert_eq!(peer.verdict().await.0, SegmentStanding::Posted);
    let rollup = world.rollup();
    let posted = rollup.segments(0).call().await.expect("asked");
    let time = posted.postedAt.to::<u64>();
    assert!(time >= start + TURN && time < start + 2 * TURN, "{time}");
    let whose = rollup.sequencerAt(posted.postedAt.to()).call().await;
    assert_eq!(whose.expect("asked"), signer(SEQUENCER).address());
    let log = world.log();
    assert!(log.contains("not this sequencer's turn to post"), "{log}");
    assert!(log.contains("it is this sequencer's turn to post"), "{log}");
    // It waits, it does not try in vain.
    assert!(!log.contains("NotSequencer"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_longer_than_any_segment_may_live_are_refused_at_the_start() {
    let sequencer = signer(SEQUENCER).address();
    let world = World::with(Parameters {
        sequencers: vec![sequencer, signer(STRANGER).address()],
        turn_length: 400,
        ..Parameters::devnet(sequencer)
    })
    .await;
    let mut command = world.command(&["--max-segment-life", "441"]);
    let output = command.output().expect("the binary is built");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("442") && text.contains("--max-segment-life"),
        "{text}"
    );
    let (_running, _client) = world.sequencer(&["--max-segment-life", "442"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_one_has_posted_is_not_posted_again() {
    let world = world().await;
    let (_first, mut first) = world.sequencer_as(STRANGER, &[]).await;
    let (_second, mut second) = world.sequencer(&[]).await;
    let mut here = Peer::connect(&world, &mut first, FIRST).await;
    let mut there = Peer::connect(&world, &mut second, SECOND).await;
    let start = first_turn(&world).await;
    let id = world.ask("Is it good?").await;
    assert_eq!(here.assignment().await.0, id);
    assert_eq!(there.assignment().await.0, id);
    let now = world.now().await;
    let segment = there.segment(&[id], 600, now);
    let number = segment.number;
    assert_eq!(there.offer(segment).await.0, SegmentStanding::Accepted);
    let segment = here.segment(&[id], 600, now);
    assert_eq!(here.offer(segment).await.0, SegmentStanding::Accepted);
    assert_eq!(here.verdict().await.0, SegmentStanding::Posted);
    let (standing, reason) = there.verdict().await;
    assert_eq!(standing, SegmentStanding::Refused, "{reason}");
    assert!(reason.contains("still wanted"), "{reason}");
    // Into the second one's turn.
    while world.now().await < start + TURN + 2 {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        world.raw("evm_mine", json!([])).await;
    }
    let rollup = world.rollup();
    assert_eq!(rollup.segmentCount().call().await.expect("asked"), 1);
    let spent = rollup.numberUsed(there.address(), number).call().await;
    assert!(!spent.expect("asked"), "its number is not spent");
    let time = rollup.segments(0).call().await.expect("asked").postedAt;
    assert!(time.to::<u64>() < start + TURN, "in the first one's turn");
}
