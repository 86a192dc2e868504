//! What work burns rises as the window fills: the sequencer posts nothing that the rollup would skip for it.

use crate::support::{FIRST, Peer, SECOND, SEQUENCER, World, signer};
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use assay_bindings::Rollup;
use assay_bindings::deploy::Parameters;
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{self, RequestStage, SegmentStanding};
use assay_sequencer::chain_view::state;
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// Answers that take three quarters of the batches' share: 100 bytes of model x (29 of payload + 1 token) each.
const MANY: usize = 10;
/// Twice what the longest answer burns in an idle direct share is 25,458 wei; in a share that [`MANY`] have filled, 300,000.
const POOR: u128 = 30_000;

/// A window of ten small requests. A unit of work burns a wei in an idle share and 256 in a full one.
async fn narrow() -> World {
    let parameters = Parameters {
        max_work: 10_000,
        work_per_window: 100_000,
        work_price_floor: 1 << 20,
        work_price_doublings: 8,
        // Long enough that little drains while it is filled.
        window: 120,
        unbonding_delay: 400,
        // Fifty claims of an executor at a time.
        claim_bond: 100_000_000_000_000_000,
        penalty_cap: 50_000_000_000_000_000,
        ..Parameters::devnet(signer(SEQUENCER).address())
    };
    World::with(parameters).await
}

/// What the sequencer says about a request; nothing before it has heard of it.
async fn status(client: &mut SequencerClient<Channel>, id: B256) -> v1::RequestStatus {
    let request_id = id.to_vec();
    let answer = client
        .get_request(v1::GetRequestRequest { request_id })
        .await;
    answer.map_or_else(|_| v1::RequestStatus::default(), |a| a.into_inner())
}

/// Waits until the sequencer says this about a request.
async fn until_said(
    world: &World,
    client: &mut SequencerClient<Channel>,
    id: B256,
    stage: RequestStage,
    words: &str,
) {
    let start = Instant::now();
    loop {
        let said = status(client, id).await;
        if said.stage() == stage && said.message.contains(words) {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{said:?}\n{}",
            world.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Has `peer` answer the request that it is given next.
async fn answer(world: &World, peer: &mut Peer, id: B256) {
    assert_eq!(peer.assignment().await.0, id);
    let segment = peer.segment(&[id], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
    assert_eq!(peer.verdict().await.0, SegmentStanding::Posted);
}

async fn fill(world: &World, peer: &mut Peer) {
    for _ in 0..MANY {
        let id = world.ask("Is it good?").await;
        answer(world, peer, id).await;
    }
    let needed = world.rollup().presentFee(U256::from(3_000)).call().await;
    assert!(needed.expect("asked").batch > U256::from(POOR));
}

/// The window drains.
async fn pass(world: &World) {
    world
        .raw("evm_increaseTime", serde_json::json!([200]))
        .await;
    world.raw("evm_mine", serde_json::json!([])).await;
}

async fn nothing_was_skipped(world: &World) {
    let filter = Filter::new()
        .address(world.contracts.rollup)
        .event_signature(Rollup::ResultSkipped::SIGNATURE_HASH)
        .from_block(0);
    let skipped = world.chain.provider().get_logs(&filter).await;
    assert_eq!(skipped.expect("asked").len(), 0, "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn request_too_poor_for_the_fill_is_given_to_nobody_until_the_window_has_drained() {
    let world = narrow().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    fill(&world, &mut peer).await;
    let poor = world.ask_for("Is it good?", POOR).await;
    until_said(
        &world,
        &mut client,
        poor,
        RequestStage::Queued,
        "its fee is 30000 wei",
    )
    .await;
    // A later one that pays is not held up.
    let rich = world.ask("Is it bad??").await;
    answer(&world, &mut peer, rich).await;
    pass(&world).await;
    answer(&world, &mut peer, poor).await;
    nothing_was_skipped(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_answer_that_became_too_dear_is_kept_until_its_fee_covers_it() {
    let world = narrow().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut first = Peer::connect(&world, &mut client, FIRST).await;
    let poor = world.ask_for("Is it good?", POOR).await;
    assert_eq!(first.assignment().await.0, poor);
    // Others are quicker.
    let mut second = Peer::connect(&world, &mut client, SECOND).await;
    fill(&world, &mut second).await;
    let segment = first.segment(&[poor], 600, world.now().await);
    let number = segment.number;
    assert_eq!(first.offer(segment).await.0, SegmentStanding::Accepted);
    until_said(
        &world,
        &mut client,
        poor,
        RequestStage::Signed,
        "signed, but",
    )
    .await;
    let used = || async {
        let used = world
            .rollup()
            .numberUsed(first.address(), number)
            .call()
            .await;
        used.expect("asked")
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!used().await, "its number is not wasted");
    pass(&world).await;
    world.until_state(poor, state::CLAIMED).await;
    assert!(used().await);
    nothing_was_skipped(&world).await;
}
