//! Questions whose seed is bound to a later block.

use crate::support::{FIRST, Peer, SEQUENCER, World, signer};
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use assay_bindings::deploy::Parameters;
use assay_bindings::hashes::seed_block;
use assay_sequencer::chain_view::state;
use serde_json::json;
use std::time::Duration;

/// Blocks from a question to the one that seeds it.
const DELAY: u64 = 6;
/// Blocks that must stand on that one.
const DEPTH: u64 = 3;
/// Keeps the hashes of the last 8,191 blocks (EIP-2935).
const HISTORY: &str = "0x0000F90827F1C53a10cb7A02335B175320002935";
/// Longer than the sequencer's between two looks.
const PAUSE: Duration = Duration::from_millis(2_500);

async fn world() -> World {
    World::with(Parameters {
        seed_delay: DELAY,
        ..Parameters::devnet(signer(SEQUENCER).address())
    })
    .await
}

async fn recorded(world: &World, number: u64) -> B256 {
    let call = world.inbox().recordedSeed(U256::from(number)).call().await;
    call.expect("asked")
}

async fn mine(world: &World, blocks: u64) {
    world.raw("anvil_mine", json!([blocks])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_goes_out_once_the_randomness_of_its_block_is_recorded_and_deep() {
    let world = world().await;
    let (_sequencer, mut client) = world.sequencer(&["--seed-depth", &DEPTH.to_string()]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("Is it good?").await;
    // Its block is there, and not deep enough.
    mine(&world, DELAY + DEPTH - 1).await;
    tokio::time::sleep(PAUSE).await;
    assert!(!world.log().contains("assigned"), "{}", world.log());
    mine(&world, 1).await;
    let (given, request) = peer.assignment().await;
    assert_eq!(given, id);
    let number = seed_block(&request).expect("bound to a block");
    let block = world.inbox().provider().get_block_by_number(number.into());
    let block = block.await.expect("asked").expect("there");
    let mixed = block.header.mix_hash;
    assert_eq!(recorded(&world, number).await, mixed, "of that very block");
    let segment = peer.segment(&[id], 600, world.now().await);
    peer.offer(segment).await;
    world.until_state(id, state::CLAIMED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_block_seeds_is_recorded_once_for_all_its_questions_and_again_after_a_restart() {
    let world = world().await;
    let flags = ["--seed-depth", "1"];
    let (sequencer, _) = world.sequencer(&flags).await;
    let first = world.ask("One?").await;
    drop(sequencer);
    // Its block came while nobody looked.
    mine(&world, DELAY + 5).await;
    let (_sequencer, mut client) = world.sequencer(&flags).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    assert_eq!(peer.assignment().await.0, first);
    let recordings = world.log().matches("recorded the randomness").count();
    assert_eq!(recordings, 1, "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_block_can_not_be_proven_any_more_is_given_to_nobody() {
    let world = world().await;
    // A chain that keeps no more than 256 hashes: thousands of blocks would take minutes to make.
    world.raw("anvil_setCode", json!([HISTORY, "0x"])).await;
    let id = world.ask("Too late?").await;
    let asked_in = world.inbox().provider().get_block_number().await;
    let number = U256::from(asked_in.expect("asked") + DELAY);
    mine(&world, 300).await;
    assert!(world.inbox().seedLost(number).call().await.expect("asked"));
    let (_sequencer, mut client) = world.sequencer(&["--seed-depth", "1"]).await;
    let _peer = Peer::connect(&world, &mut client, FIRST).await;
    world.until_log("can't be proven any more").await;
    let status = world.inbox().status(id).call().await.expect("asked");
    assert_eq!(status.state, state::OPEN);
    assert!(!world.log().contains("assigned"), "{}", world.log());
}
