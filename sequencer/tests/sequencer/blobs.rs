//! Answers in blobs on their way through the real binary to the real contracts.

use crate::flow::{Client, stage, until_stage};
use crate::geth::Geth;
use crate::http::{Message, forward, serve};
use crate::support::{
    FIRST, KEYS, Peer, Running, SECOND, SEQUENCER, STRANGER, World, free_port, signer,
};
use alloy::consensus::Transaction as _;
use alloy::primitives::{B256, Bytes, U256};
use alloy::providers::Provider;
use assay_bindings::deploy::Parameters;
use assay_node::chain::Chain;
use assay_node::key::{Key, write_key_file};
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_proto::v1::{RequestStage, SegmentStanding, SegmentVerdict, from_executor, to_executor};
use assay_sequencer::chain_view::state;
use assay_types::output::Output;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn answer(text: &str) -> Vec<u8> {
    let (ids, text) = (vec![2], text.as_bytes().to_vec());
    Output::Answer { ids, text }.encode()
}

async fn blob_world() -> World {
    seeded_blob_world(0).await
}

/// A rollup with blobs whose questions are seeded `seed_delay` blocks later.
async fn seeded_blob_world(seed_delay: u64) -> World {
    let parameters = Parameters::devnet(signer(SEQUENCER).address());
    World::with(Parameters {
        blobs: true,
        seed_delay,
        ..parameters
    })
    .await
}

/// The same, seen through geth's pools by everybody who is told its address from now on.
async fn behind_geth(seed_delay: u64) -> (World, Geth) {
    let mut world = seeded_blob_world(seed_delay).await;
    let geth = Geth::start(&world.anvil.url()).await;
    world.rpc = geth.url.to_string();
    (world, geth)
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
    let output = until_output(&world, &mut client, id).await;
    assert_eq!(output, answer("yes"));
}

/// Waits until the sequencer tells an output.
async fn until_output(world: &World, client: &mut Client, id: B256) -> Vec<u8> {
    let start = Instant::now();
    loop {
        let status = stage(client, id).await;
        if !status.output.is_empty() {
            return status.output;
        }
        let patience = Duration::from_secs(30);
        assert!(start.elapsed() < patience, "{status:?}\n{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A beacon node with slots of a second that misses a blob once, then hangs until it is told to go on.
struct Beacon {
    url: String,
    /// Times that a blob was asked for.
    asked: Arc<AtomicUsize>,
    open: Arc<AtomicBool>,
}

impl Beacon {
    /// It has the blobs of the anvil of `world`, those of block `number` in the slot of that block's time alone.
    async fn start(world: &World, number: u64) -> Beacon {
        let block = world.chain.block(number).await.expect("asked");
        let slot = block.expect("mined").timestamp;
        let (asked, open) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let anvil = world.anvil.url().to_string();
        let anvil = anvil
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let (times, gate) = (asked.clone(), open.clone());
        let at = serve(move |mut request| {
            let (anvil, times, gate) = (anvil.clone(), times.clone(), gate.clone());
            async move {
                let data = match request.path() {
                    "/eth/v1/config/spec" => json!({ "SECONDS_PER_SLOT": "1" }),
                    "/eth/v1/beacon/genesis" => json!({ "genesis_time": "0" }),
                    _ => {
                        if times.fetch_add(1, SeqCst) == 0 {
                            return Ok(Message::answer("404 Not Found", Vec::new()));
                        }
                        while !gate.load(SeqCst) {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        let (timed, numbered) = (format!("/{slot}?"), format!("/{number}?"));
                        assert!(request.line.contains(&timed), "{}", request.line);
                        request.line = request.line.replace(&timed, &numbered);
                        return forward(&anvil, &request).await;
                    }
                };
                Ok(Message::json(&json!({ "data": data })))
            }
        })
        .await;
        let url = format!("http://{at}");
        Beacon { url, asked, open }
    }
}

/// A beacon node that is behind, then hangs: the chain is followed all the same, and the outputs come once it answers, all of a
/// blob by one question.
#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_are_not_read_at_once_are_read_later_and_nothing_waits_for_them() {
    let world = blob_world().await;
    let mut ids = Vec::new();
    {
        let (_sequencer, mut client) = world.sequencer(&[]).await;
        let mut peer = Peer::connect(&world, &mut client, FIRST).await;
        for prompt in ["One?", "Two?", "Three?"] {
            world.ask(prompt).await;
            ids.push(peer.assignment().await.0);
        }
        let answers: Vec<_> = ids
            .iter()
            .map(|id| (*id, answer(&id.to_string())))
            .collect();
        let segment = peer.segment_in_blob(&answers, 600, world.now().await);
        assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
        world.until_state(ids[2], state::CLAIMED).await;
    }
    let number = world.chain.head().await.expect("a block").number;
    // The follower's next look ends in a later block, whose slot is another one.
    world.raw("anvil_mine", json!([20])).await;
    std::fs::remove_dir_all(world.dir.path().join("data")).expect("its folder");
    std::fs::remove_file(world.dir.path().join("sequencer.log")).expect("its log");
    let beacon = Beacon::start(&world, number).await;
    let (_sequencer, mut client) = world.sequencer(&["--beacon-url", &beacon.url]).await;
    for id in &ids {
        world.until_log(&id.to_string()).await;
        let status = until_stage(&world, &mut client, *id, RequestStage::Claimed).await;
        assert_eq!(status.output, Vec::<u8>::new());
    }
    world.until_log("outputs in blobs are not read").await;
    let status = stage(&mut client, ids[0]).await;
    assert!(
        status.message.contains("could not be read yet"),
        "{status:?}"
    );
    let start = Instant::now();
    while beacon.asked.load(SeqCst) < 2 {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", world.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It hangs.
    let more = world.ask("Four?").await;
    world.until_log(&more.to_string()).await;
    until_stage(&world, &mut client, more, RequestStage::Queued).await;
    beacon.open.store(true, SeqCst);
    for id in &ids {
        assert_eq!(
            until_output(&world, &mut client, *id).await,
            answer(&id.to_string())
        );
        assert_eq!(stage(&mut client, *id).await.message, "");
    }
    assert_eq!(beacon.asked.load(SeqCst), 2, "one missing, one whole blob");
}

/// Killed between its post and the look at it: it had the outputs, and no beacon node is asked.
#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_an_earlier_run_posted_are_known_without_a_beacon_node() {
    let world = blob_world().await;
    let (sequencer, mut client) = world.sequencer(&["--confirmations", "4"]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    world.raw("anvil_mine", json!([4])).await;
    peer.assignment().await;
    let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
    assert_eq!(stage(&mut client, id).await.stage(), RequestStage::Signed);
    drop(sequencer);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (_sequencer, mut client) = world.sequencer(&["--beacon-url", &nobody]).await;
    let status = until_stage(&world, &mut client, id, RequestStage::Claimed).await;
    assert_eq!(status.output, answer("yes"));
}

/// One account records seeds and posts batches: a node that keeps both kinds apart refuses neither, and no executor pays for it.
#[tokio::test(flavor = "multi_thread")]
async fn batch_in_blobs_waits_for_a_recording_that_is_not_mined_yet() {
    let (world, geth) = behind_geth(3).await;
    let (_sequencer, mut client) = world.sequencer(&["--seed-depth", "1"]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    world.raw("anvil_mine", json!([4])).await;
    assert_eq!(peer.assignment().await.0, id);
    world.ask("Two?").await;
    world.raw("evm_setAutomine", json!([false])).await;
    world.raw("anvil_mine", json!([4])).await;
    until_pending(&world, 1).await;
    let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_log("posting a batch").await;
    // Long enough for three tries, after which the segment would be dropped.
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.raw("anvil_mine", json!([1])).await;
    until_pending(&world, 1).await;
    world.raw("anvil_mine", json!([1])).await;
    world.until_state(id, state::CLAIMED).await;
    assert_eq!(geth.refused(), 0);
    assert!(!world.log().contains("go alone"), "{}", world.log());
}

/// With an account of its own, what a block drew is recorded while a batch waits that offers too little for any block.
#[tokio::test(flavor = "multi_thread")]
async fn randomness_is_recorded_from_another_account_while_a_batch_waits() {
    let (world, geth) = behind_geth(3).await;
    let file = world.dir.path().join("recorder.key");
    write_key_file(&file, KEYS[STRANGER]).expect("written");
    let file = file.display().to_string();
    let flags = ["--seed-depth", "1", "--seed-key-file", &file];
    let (_sequencer, mut client) = world.sequencer(&flags).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    world.raw("anvil_mine", json!([4])).await;
    assert_eq!(peer.assignment().await.0, id);
    world.ask("Two?").await;
    let asked = world.chain.block_number().await.expect("asked");
    world.raw("evm_setAutomine", json!([false])).await;
    let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    until_pending(&world, 1).await;
    // Also when it was sent again for twice as much.
    let dear = offered(&world).await * 10;
    let number = U256::from(asked + 3);
    let seed = async || world.inbox().recordedSeed(number).call().await;
    let start = Instant::now();
    while seed().await.expect("asked").is_zero() {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", world.log());
        let fee = json!([format!("{dear:#x}")]);
        world.raw("anvil_setNextBlockBaseFeePerGas", fee).await;
        world.raw("evm_mine", json!([])).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let status = world.inbox().status(id).call().await.expect("asked");
    assert_eq!(status.state, state::OPEN, "the batch waits");
    world.raw("evm_setAutomine", json!([true])).await;
    let cheap = json!(["0x1"]);
    world.raw("anvil_setNextBlockBaseFeePerGas", cheap).await;
    world.raw("evm_mine", json!([])).await;
    world.until_state(id, state::CLAIMED).await;
    assert_eq!(geth.refused(), 0);
}

/// The same where the transaction that waits is another process's: the node's refusal strikes no segment.
#[tokio::test(flavor = "multi_thread")]
async fn account_in_two_hands_delays_a_batch_in_blobs_and_strikes_no_segment() {
    let (world, geth) = behind_geth(0).await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    peer.assignment().await;
    world.raw("evm_setAutomine", json!([false])).await;
    let key = Key::parse(KEYS[SEQUENCER], "the test").expect("a key");
    let chain = Chain::connect(&geth.url, None).await.expect("it answers");
    let other = TxManager::new(chain, key, ErrorBook::assay(), TxPolicy::default());
    let call = Call::new("other", world.user.address(), Bytes::new());
    let sending = tokio::spawn(async move { other.send(call).await });
    until_pending(&world, 1).await;
    let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_log("give each service its own").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(geth.refused() > 1);
    world.raw("evm_setAutomine", json!([true])).await;
    world.raw("anvil_mine", json!([1])).await;
    sending.await.expect("joined").expect("mined");
    world.until_state(id, state::CLAIMED).await;
    assert!(!world.log().contains("go alone"), "{}", world.log());
}

/// A node without room for a transaction strikes no segment, in a blob or not.
#[tokio::test(flavor = "multi_thread")]
async fn full_pool_delays_batches_and_strikes_no_segment() {
    let (world, geth) = behind_geth(0).await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    for (blob, words) in [(true, "account limit exceeded"), (false, "txpool is full")] {
        let id = world.ask("One?").await;
        // Verdicts on the one before may come first.
        while !matches!(peer.hear().await, Some(to_executor::Message::Assignment(_))) {}
        geth.set_most(0);
        let (answers, now) = ([(id, answer("yes"))], world.now().await);
        let segment = match blob {
            true => peer.segment_in_blob(&answers, 600, now),
            false => peer.segment_of(&answers, 600, now),
        };
        assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
        world.until_log(words).await;
        // Long enough for three tries, after which the segment would be dropped.
        tokio::time::sleep(Duration::from_secs(8)).await;
        geth.set_most(16);
        world.until_state(id, state::CLAIMED).await;
    }
    assert!(!world.log().contains("go alone"), "{}", world.log());
}

/// Killed while its batch offers too little for any block: the next run offers more for the same batch, and sends no other.
#[tokio::test(flavor = "multi_thread")]
async fn batch_in_blobs_that_a_killed_run_left_behind_is_sent_again_for_more_and_mined_once() {
    let (world, _geth) = behind_geth(0).await;
    let (sequencer, mut client) = world.sequencer(&[]).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    peer.assignment().await;
    let poster = signer(SEQUENCER).address();
    let count = async || world.chain.provider().get_transaction_count(poster).await;
    let before = count().await.expect("asked");
    world.raw("evm_setAutomine", json!([false])).await;
    let segment = peer.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    until_pending(&world, 1).await;
    drop(sequencer);
    let dear = offered(&world).await * 3 / 2;
    let mine = async || {
        let fee = json!([format!("{dear:#x}")]);
        world.raw("anvil_setNextBlockBaseFeePerGas", fee).await;
        world.raw("evm_mine", json!([])).await;
    };
    mine().await;
    assert_eq!(
        count().await.expect("asked"),
        before,
        "it offers too little"
    );
    // It serves nobody before that is settled.
    let log = world.dir.path().join("sequencer.log");
    let log = std::fs::File::options().append(true).open(log);
    let mut command = world.command(&[]);
    let child = command.stderr(log.expect("a log")).spawn();
    let _sequencer = Running(child.expect("the binary is built"));
    let start = Instant::now();
    while count().await.expect("asked") == before {
        assert!(start.elapsed() < Duration::from_secs(80), "{}", world.log());
        mine().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    world.until_state(id, state::CLAIMED).await;
    // Long enough for another batch.
    tokio::time::sleep(Duration::from_secs(2)).await;
    mine().await;
    assert_eq!(count().await.expect("asked"), before + 1, "{}", world.log());
    let segments = world.rollup().segmentCount().call().await;
    assert_eq!(segments.expect("asked"), 1);
    assert!(world.log().contains("sent again for more"));
}

/// Wei for a unit of gas that the transaction offers that waits.
async fn offered(world: &World) -> u128 {
    let pool = world.raw("txpool_content", json!([])).await;
    let sent = pool["pending"].as_object().and_then(|p| p.values().next());
    let offer = sent.and_then(|s| s.as_object()?.values().next()?["maxFeePerGas"].as_str());
    let offer = offer.expect("it is there").trim_start_matches("0x");
    u128::from_str_radix(offer, 16).expect("wei")
}

async fn until_pending(world: &World, count: u64) {
    let start = Instant::now();
    let wanted = format!("{count:#x}");
    while world.raw("txpool_status", json!([])).await["pending"] != wanted[..] {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", world.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// While a blob costs more than the sequencer pays, it says so and takes the same outputs in calldata, from the same executor.
#[tokio::test(flavor = "multi_thread")]
async fn segment_in_a_blob_that_is_too_dear_is_refused_and_its_request_stays_for_calldata() {
    let (world, geth) = behind_geth(0).await;
    let flags = ["--max-blob-fee-gwei", "3", "--batch-interval-ms", "1000"];
    let (_sequencer, mut client) = world.sequencer(&flags).await;
    let mut peer = Peer::connect(&world, &mut client, FIRST).await;
    let (id, now) = (world.ask("One?").await, world.now().await);
    peer.assignment().await;
    geth.set_blob_fee(3_000_000_001);
    let answers = [(id, answer("yes"))];
    let segment = peer.segment_in_blob(&answers, 600, now);
    peer.say(from_executor::Message::Segment(segment)).await;
    let said = blob_verdict(&mut peer).await;
    assert!(
        said.blob_refused && said.reason.contains("--max-blob-fee-gwei"),
        "{said:?}"
    );
    let status = stage(&mut client, id).await;
    assert_eq!(status.stage(), RequestStage::Assigned, "{status:?}");
    // One that was taken before the price rose.
    geth.set_blob_fee(3_000_000_000);
    let segment = peer.segment_in_blob(&answers, 600, now);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    geth.set_blob_fee(u128::MAX);
    let said = blob_verdict(&mut peer).await;
    assert!(
        said.blob_refused && said.standing() == SegmentStanding::Refused,
        "{said:?}"
    );
    let segment = peer.segment_of(&answers, 600, now);
    assert_eq!(peer.offer(segment).await.0, SegmentStanding::Accepted);
    world.until_state(id, state::CLAIMED).await;
}

async fn blob_verdict(peer: &mut Peer) -> SegmentVerdict {
    loop {
        if let Some(to_executor::Message::Verdict(said)) = peer.hear().await {
            return said;
        }
    }
}

/// Whoever was not given a request has no blob made for it, whatever the signature.
#[tokio::test(flavor = "multi_thread")]
async fn segment_in_a_blob_for_a_request_of_others_is_refused_before_its_blob_is_made() {
    let world = blob_world().await;
    let (_sequencer, mut client) = world.sequencer(&[]).await;
    let mut first = Peer::connect(&world, &mut client, FIRST).await;
    let id = world.ask("One?").await;
    first.assignment().await;
    let mut second = Peer::connect(&world, &mut client, SECOND).await;
    let mut segment = second.segment_in_blob(&[(id, answer("yes"))], 600, world.now().await);
    segment.signature[40] ^= 1;
    let (standing, reason) = second.offer(segment).await;
    assert_eq!(standing, SegmentStanding::Refused);
    assert!(reason.contains("was not given"), "{reason}");
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
