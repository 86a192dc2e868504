//! Answers in blobs on their way through the real binary to the real contracts.

use crate::flow::until_stage;
use crate::support::{FIRST, Peer, SEQUENCER, World, signer};
use alloy::consensus::Transaction as _;
use alloy::primitives::B256;
use alloy::providers::Provider;
use assay_bindings::deploy::Parameters;
use assay_proto::v1::{RequestStage, SegmentStanding};
use assay_sequencer::chain_view::state;
use assay_types::output::Output;

fn answer(text: &str) -> Vec<u8> {
    let (ids, text) = (vec![2], text.as_bytes().to_vec());
    Output::Answer { ids, text }.encode()
}

async fn blob_world() -> World {
    let parameters = Parameters::devnet(signer(SEQUENCER).address());
    World::with(Parameters {
        blobs: true,
        ..parameters
    })
    .await
}

/// Two segments with a blob each share a transaction, one in calldata goes by itself; all are told as they were signed.
#[tokio::test(flavor = "multi_thread")]
async fn segments_in_blobs_are_posted_with_their_blobs_and_apart_from_calldata() {
    let world = blob_world().await;
    let (_sequencer, mut client) = world.sequencer(&["--batch-interval-ms", "6000"]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let mut ids = Vec::new();
    for prompt in ["One?", "Two?", "Three?", "Four?"] {
        world.ask(prompt).await;
        ids.push(peer.assignment().await.0);
    }
    let outputs: Vec<Vec<u8>> = (0..4).map(|i| answer(&"x".repeat(40 * i + 2))).collect();
    let both: Vec<(B256, Vec<u8>)> = ids.iter().copied().zip(outputs.iter().cloned()).collect();
    let now = world.now().await;
    let segments = [
        peer.segment_in_blob(&both[..2], 600, now),
        peer.segment_of(&both[3..], 600, now),
        peer.segment_in_blob(&both[2..3], 600, now),
    ];
    for segment in segments {
        let said = peer.offer(segment).await;
        assert_eq!(said, (SegmentStanding::Accepted, String::new()));
    }
    let mut transactions = Vec::new();
    for (id, output) in &both {
        world.until_state(*id, state::CLAIMED).await;
        let status = until_stage(&world, &mut client, *id, RequestStage::Claimed).await;
        assert_eq!(status.output, *output);
        transactions.push(B256::from_slice(&status.transaction));
    }
    assert_eq!(transactions[..2], [transactions[2]; 2], "one batch");
    assert_ne!(transactions[2], transactions[3]);
    for (i, count) in [(0, 2), (3, 0)] {
        let provider = world.chain.provider();
        let sent = provider.get_transaction_by_hash(transactions[i]).await;
        let sent = sent.expect("asked").expect("mined");
        let hashes = sent.blob_versioned_hashes().unwrap_or_default();
        assert_eq!(hashes.len(), count);
    }
}

/// What another sequencer posted is read from the beacon API.
#[tokio::test(flavor = "multi_thread")]
async fn sequencer_that_knows_nothing_reads_the_outputs_from_their_blobs() {
    let world = blob_world().await;
    let id = {
        let (_sequencer, mut client) = world.sequencer(&[]).await;
        let mut peer = Peer::connect(&world, &mut client, FIRST).await;
        let id = world.ask("One?").await;
        peer.assignment().await;
        let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
        assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
        world.until_state(id, state::CLAIMED).await;
        id
    };
    std::fs::remove_dir_all(world.dir.path().join("data")).expect("its folder");
    std::fs::remove_file(world.dir.path().join("sequencer.log")).expect("its log");
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    world.until_log("requested on chain").await;
    let status = until_stage(&world, &mut client, id, RequestStage::Claimed).await;
    assert_eq!(status.output, answer("yes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_in_a_blob_is_refused_where_the_rollup_takes_none() {
    let world = World::new().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    peer.assignment().await;
    let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    let (standing, reason) = peer.offer(segment).await;
    assert_eq!(standing, SegmentStanding::Refused);
    assert!(reason.contains("--outputs-in-blobs"), "{reason}");
}
