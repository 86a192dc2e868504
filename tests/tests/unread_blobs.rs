//! Blobs that can't be had, or not now: nothing else waits for them, and what can be challenged is read as soon as it can be.

#[allow(
    dead_code,
    reason = "shared with the games in revm, which use other parts"
)]
mod games_support;

use alloy::primitives::{B256, Bytes};
use assay_bindings::{BlobDisputeGame, DisputeGame, Request, Rollup};
use assay_dispute::ledger::ClaimKey;
use assay_dispute::lies::Lie;
use assay_dispute::reader::Needs;
use assay_dispute::watcher::Watcher;
use assay_node::dangerous::Flip;
use assay_node::store::{SledStore, Store};
use assay_node::url::RpcUrl;
use assay_types::request::Payload;
use games_support::beacon::Stand;
use games_support::network::{Network, Who};
use games_support::services::{defender, defender_of, truth, watchtower};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const GAME: Duration = Duration::from_secs(150);
const LIE: Option<Lie> = Some(Lie::Flip(Flip::Random(Some(7))));

async fn blob_network(window: u64, allowance: u64) -> Network {
    Network::with(window, allowance, |p| {
        (p.blobs, p.arity_log2) = (true, 9);
    })
    .await
}

/// A question and its right answer.
async fn asked(net: &Network, prompt: &str) -> (B256, Request, Vec<u8>) {
    let payload = Payload::greedy(prompt, 4).encode();
    let (id, request) = net.ask(&payload).await;
    let right = truth(net, id, &request, &payload);
    (id, request, right)
}

fn falsely((id, request, mut output): (B256, Request, Vec<u8>)) -> (B256, Request, Vec<u8>) {
    output[6] ^= 1;
    (id, request, output)
}

async fn watcher(net: &Network, store: Arc<SledStore>, beacon: &str, needs: Needs) -> Watcher {
    let watcher = Watcher::open(net.chain.clone(), &net.deployment, store, 0, needs).await;
    let beacon: RpcUrl = beacon.parse().expect("a URL");
    watcher.expect("opens").beacon(Some(beacon))
}

fn store(net: &Network, name: &str) -> Arc<SledStore> {
    Arc::new(SledStore::open(&net.file(name)).expect("opens"))
}

const FIRST: ClaimKey = ClaimKey {
    segment: 0,
    index: 0,
};

/// What `watcher` knows of the output of the first claim.
fn output(watcher: &Watcher) -> Option<Vec<u8>> {
    let output = watcher.ledger().claims[&FIRST].output.as_ref();
    output.map(|bytes| bytes.to_vec())
}

/// INVARIANT: an output that can't be read holds up neither other claims nor games, and is challenged once it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn false_output_whose_blob_comes_late_is_challenged_and_holds_up_nothing() {
    let mut net = blob_network(120, 120).await;
    let beacon = Stand::start(&net, 404).await;
    let in_blob = falsely(asked(&net, "in a blob?").await);
    let in_calldata = falsely(asked(&net, "in calldata?").await);
    let tower = watchtower(&net, Who::Watchtower, &["--beacon-url", &beacon.url]);
    let liar = defender(&net, LIE);
    net.claim_in_blob(&[in_blob]).await;
    net.claim_all(&[in_calldata]).await;
    let opened = net.wait_for::<DisputeGame::GameOpened>(1, GAME).await;
    assert_eq!(opened[0].context.segmentId, 1, "the one that it can read");
    // Its game needs blobs as well: none is read before a beacon node has them.
    beacon.set(503);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(net.game_events::<DisputeGame::GameOpened>().await.len(), 1);
    beacon.set(200);
    net.wait_for::<DisputeGame::GameOpened>(2, GAME).await;
    let won = net.wait_for::<DisputeGame::GameWon>(2, GAME).await;
    let tower_won = won.iter().all(|w| w.winner == net.address(Who::Watchtower));
    assert!(tower_won, "{won:?}");
    assert!(won.iter().all(|w| w.reason == 0), "by proofs: {won:?}");
    tower.abort();
    liar.abort();
}

/// A blob that nodes dropped long ago, first seen now, whatever the endpoint says of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pruned_blob_of_a_closed_window_stops_nobody() {
    let mut net = blob_network(3_000, 60).await;
    let (id, request, right) = asked(&net, "?").await;
    net.claim_in_blob(&[(id, request, right.clone())]).await;
    let opened = {
        let mut early = watcher(
            &net,
            store(&net, "early"),
            &net.chain.url().to_string(),
            Needs::Everything,
        )
        .await;
        early.poll().await.expect("follows");
        output(&early)
    };
    assert_eq!(opened, Some(right), "it can be read");
    // So many blocks that the first piece of history ends within the window and the head lies beyond it.
    for _ in 0..10 {
        net.rpc("anvil_mine", json!([205, 1])).await;
    }
    net.rpc("evm_increaseTime", json!([4_000])).await;
    net.rpc("evm_mine", json!([])).await;
    let later = asked(&net, "later?").await;
    net.claim_all(&[later]).await;
    for status in [404, 503] {
        let beacon = Stand::start(&net, status).await;
        let mut late = watcher(
            &net,
            store(&net, &format!("late-{status}")),
            &beacon.url,
            Needs::Everything,
        )
        .await;
        late.poll().await.expect("follows");
        assert_eq!(late.ledger().claims.len(), 2);
        assert_eq!(output(&late), None);
        assert_eq!(late.blobs_read(), Ok(()), "nobody needs it");
    }
}

/// What was taken in without its blob is read later: by the same process, by the next one, and whoever wrote the cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cache_without_outputs_and_blobs_is_filled_again() {
    let mut net = blob_network(600, 60).await;
    let (id, request, right) = asked(&net, "?").await;
    net.claim_in_blob(&[(id, request, right.clone())]).await;
    let beacon = Stand::start(&net, 404).await;
    let cache = store(&net, "cache");
    let everything = async || watcher(&net, cache.clone(), &beacon.url, Needs::Everything).await;
    let mut first = everything().await;
    // Until it is more than a moment late.
    while first.blobs_read().is_ok() {
        first.poll().await.expect("follows");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let trouble = first.blobs_read().expect_err("it is unread");
    assert!(
        trouble.contains("claim 0.0") && trouble.contains("--beacon-url"),
        "{trouble}"
    );
    assert_eq!(output(&first), None);
    beacon.set(200);
    while first.blobs_read().is_err() {
        first.poll().await.expect("follows");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(output(&first).as_ref(), Some(&right));
    let hash = first.ledger().claims[&FIRST]
        .in_blob
        .expect("in a blob")
        .blob;
    drop(first);

    // As an older version left it: with the event and no output.
    for (key, value) in cache.scan(b"log/").expect("readable") {
        let mut entry: serde_json::Value = serde_json::from_slice(&value).expect("JSON");
        entry.as_object_mut().expect("an object").remove("output");
        cache
            .put(&key, entry.to_string().as_bytes())
            .expect("written");
    }
    let mut second = everything().await;
    assert_eq!(output(&second), None);
    second.poll().await.expect("follows");
    assert_eq!(output(&second).as_ref(), Some(&right));

    // The blob that an opening needs is lost, or bad: by the process that read it, which has it in its hands, and by the next.
    let key = [b"blob/", &hash[..]].concat();
    for (fresh, damage) in [
        (false, None),
        (false, Some([7; 9])),
        (true, None),
        (true, Some([7; 9])),
    ] {
        match damage {
            None => cache.delete(&key).expect("written"),
            Some(bytes) => cache.put(&key, &bytes).expect("written"),
        }
        if fresh {
            second = everything().await;
        }
        second.read_again(FIRST).expect("the cache is readable");
        second.poll().await.expect("follows");
        let kept = second.blobs().get(hash).expect("readable");
        assert_eq!(kept.expect("kept again").versioned_hash(), hash);
        assert_eq!(output(&second).as_ref(), Some(&right));
    }
}

/// A node that lost a part of one blob refuses it for ever, and has the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blob_that_a_node_refuses_starves_no_other() {
    let mut net = blob_network(60, 60).await;
    for prompt in ["one?", "two?", "three?", "four?"] {
        let answer = asked(&net, prompt).await;
        net.claim_in_blob(&[answer]).await;
    }
    let key = |segment| ClaimKey { segment, index: 0 };
    let beacon = Stand::start(&net, 503).await;
    let mut reader = watcher(&net, store(&net, "one"), &beacon.url, Needs::Everything).await;
    while reader.blobs_read().is_ok() {
        reader.poll().await.expect("follows");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let claims = reader.ledger().claims.clone();
    let bad = claims[&key(0)].in_blob.expect("in a blob").blob;
    beacon.refuse(bad);
    beacon.set(200);
    let started = Instant::now();
    while (1..4).any(|n| reader.ledger().claims[&key(n)].output.is_none()) {
        assert!(started.elapsed() < GAME, "starved");
        reader.poll().await.expect("follows");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(output(&reader), None);
    let trouble = reader.blobs_read().expect_err("one is unread");
    assert!(
        trouble.starts_with("1 claims or moves") && trouble.contains("claim 0.0"),
        "{trouble}"
    );
}

/// INVARIANT: an executor needs no blob to defend what it signed, and none to follow its claims.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn executor_defends_an_output_in_a_blob_from_its_journal() {
    let mut net = Network::with(60, 12, |p| p.blobs = true).await;
    let (id, request, right) = asked(&net, "?").await;
    let signed = Bytes::from(right.clone());
    let journal = Arc::new(move |asked| (asked == id).then(|| signed.clone()));
    let beacon = Stand::start(&net, 404).await;
    let liar = watchtower(&net, Who::Liar, &["--dangerous-lying-challenger"]);
    net.claim_in_blob(&[(id, request, right)]).await;

    let mut follows = watcher(&net, store(&net, "direct"), &beacon.url, Needs::Nothing).await;
    follows.poll().await.expect("follows");
    assert_eq!((output(&follows), follows.blobs_read()), (None, Ok(())));
    let own = Needs::Own {
        executor: net.address(Who::Executor),
        journal: journal.clone(),
    };
    let mut knows = watcher(&net, store(&net, "knows"), &beacon.url, own).await;
    knows.poll().await.expect("follows");
    assert!(output(&knows).is_some());

    let honest = defender_of(&net, None, &[], journal);
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(won[0].winner, net.address(Who::Executor));
    net.rpc("evm_increaseTime", json!([60])).await;
    let keeper = watchtower(&net, Who::Watchtower, &["--keeper"]);
    net.wait_for::<Rollup::ClaimFinalized>(1, GAME).await;
    for task in [liar, honest, keeper] {
        task.abort();
    }
}

/// INVARIANT: a clock that ran out is claimed by whoever plays that game, whatever it has not read of the claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn silent_liar_is_timed_out_by_a_watchtower_that_lost_the_output() {
    let mut net = blob_network(600, 20).await;
    let beacon = Stand::start(&net, 200).await;
    let flags = ["--beacon-url", &beacon.url];
    let answer = falsely(asked(&net, "?").await);
    let tower = watchtower(&net, Who::Watchtower, &flags);
    net.claim_in_blob(&[answer]).await;
    net.wait_for::<BlobDisputeGame::BlobMoved>(1, GAME).await;
    let known = store(&net, "known");
    let mut reader = watcher(&net, known, &beacon.url, Needs::Everything).await;
    reader.poll().await.expect("follows");
    let lost = reader.ledger().claims[&FIRST].in_blob.expect("in a blob");
    // Its disk is gone, and the node has dropped that blob.
    tower.abort();
    let _ = tower.await;
    std::fs::remove_dir_all(net.file("Watchtower")).expect("its data");
    beacon.refuse(lost.blob);
    let tower = watchtower(&net, Who::Watchtower, &flags);
    let won = net.wait_for::<DisputeGame::GameWon>(1, GAME).await;
    assert_eq!(won[0].winner, net.address(Who::Watchtower));
    assert_eq!(won[0].reason, 1, "by the clock");
    net.wait_for::<Rollup::ClaimRejected>(1, GAME).await;
    tower.abort();
}
