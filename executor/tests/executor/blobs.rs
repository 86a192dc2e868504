//! Answers that share a blob, and calldata where blobs are too dear, against the real contracts.

use crate::registered;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolValue};
use assay_bindings::deploy::{Parameters, plan};
use assay_bindings::{Inbox, RequestParams};
use assay_dispute::library::{Library, Replay};
use assay_executor::args::Args;
use assay_executor::backend::{Backend, Found};
use assay_executor::book::ClaimBook;
use assay_executor::models::{Models, Served};
use assay_executor::office::Office;
use assay_executor::segment::Signatory;
use assay_node::anvil::Anvil;
use assay_node::chain::Chain;
use assay_node::deployment::{Contracts, Deployment};
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::shell::Shell;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_proto::v1::{Assignment, FromExecutor, SegmentOffer, Welcome, from_executor::Message};
use assay_types::output::Output;
use assay_types::request::Payload;
use clap::Parser;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// First account of the mnemonic that development chains ship: it asks, and answers.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const FEE: u128 = 1_000_000_000;
/// `--blob-wait-ms`.
const WAIT: Duration = Duration::from_millis(1_500);

/// Says yes.
struct Yes;

impl Backend for Yes {
    fn answer(&mut self, _: &[u8]) -> Found {
        let (ids, text) = (vec![2], b" yes".to_vec());
        Found {
            output: Output::Answer { ids, text }.encode(),
            stats: Default::default(),
        }
    }

    fn name(&self) -> &'static str {
        "yes"
    }
}

struct World {
    _anvil: Anvil,
    _dir: tempfile::TempDir,
    user: TxManager,
    inbox: Address,
    model: B256,
    office: Arc<Office>,
    heard: mpsc::Receiver<FromExecutor>,
}

async fn world() -> World {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let anvil = Anvil::start(root, 0, &[], None).unwrap_or_else(|e| panic!("{e}"));
    let chain = Chain::connect(&anvil.url(), Some(31_337)).await;
    let key = Key::parse(KEY, "the test").expect("a key");
    let policy = TxPolicy {
        poll: Duration::from_millis(20),
        ..TxPolicy::default()
    };
    let user = TxManager::new(
        chain.expect("it answers"),
        key.clone(),
        ErrorBook::assay(),
        policy,
    );
    let parameters = Parameters {
        blobs: true,
        ..Parameters::devnet(user.address())
    };
    let (to, creations) = plan(user.address(), 0, &parameters);
    for creation in creations {
        let call = Call::create(creation.name, creation.init_code);
        user.send(call).await.expect(creation.name);
    }
    let entry = registered::register(&user, to.registry).await;
    let model = entry.id;
    let contracts = Contracts {
        inbox: to.inbox,
        rollup: to.rollup,
        game: to.game,
        staking: to.staking,
        registry: to.registry,
        prover: to.prover,
        liveness: None,
        review_judge: None,
        market: None,
    };
    let dir = tempfile::tempdir().expect("a folder");
    let first = user.chain().block(1).await.expect("asked").expect("mined");
    let deployment = Deployment {
        chain_id: 31_337,
        block: 1,
        block_hash: first.hash,
        contracts,
        models: vec![entry.clone()],
    };
    let file = dir.path().join("deployment.json");
    deployment.save(&file).expect("saved");
    let (file, data) = (file.display().to_string(), dir.path().join("data"));
    let (data, url) = (data.display().to_string(), anvil.url().to_string());
    let wait = WAIT.as_millis().to_string();
    let args = Args::parse_from([
        "executor",
        "--model",
        "none",
        "--rpc-url",
        &url,
        "--deployment",
        &file,
        "--data-dir",
        &data,
        "--outputs-in-blobs",
        "--blob-wait-ms",
        &wait,
        "--recheck-percent",
        "0",
        "--seed-depth",
        "0",
    ]);
    let shell = Shell::start("executor", args.node.clone())
        .await
        .expect("started");
    let guest = root.join("vm/guest/guest.wasm");
    let library = Library::with_files(&guest, vec![], &[], Replay::default()).expect("compiled");
    let signatory = Signatory {
        chain_id: 31_337,
        rollup: to.rollup,
        signer: key.signer().clone(),
        in_blobs: true,
    };
    let book = ClaimBook::open(&shell.data.join("claims.journal")).expect("opens");
    let served = Served::new(entry, None, vec![Box::new(Yes)]);
    let models = Models::from([(model, Arc::new(served))]);
    let library = Arc::new(library);
    let office = Office::new(shell, &args, models, library, signatory, book, U256::MAX);
    let office = Arc::new(office);
    let (out, heard) = mpsc::channel(16);
    office.connected(out).await;
    World {
        _anvil: anvil,
        _dir: dir,
        user,
        inbox: to.inbox,
        model,
        office,
        heard,
    }
}

const WELCOME: Welcome = Welcome {
    work_timeout: 60,
    min_segment_life: 30,
    max_segment_life: 600,
};

impl World {
    /// Asks on chain; the assignment that the sequencer would make of it, due in `left`.
    async fn assignment(&self, prompt: &str, left: Duration) -> Assignment {
        let params = RequestParams {
            modelId: self.model,
            fee: FEE,
            refundTo: self.user.address(),
            inclusionDeadline: self.user.chain().head().await.expect("a block").timestamp + 600,
            ..Default::default()
        };
        let payload: Bytes = Payload::greedy(prompt, 8).encode().into();
        let data = Inbox::requestCall {
            params: (&params).into(),
            payload: payload.clone(),
            userData: Bytes::new(),
        };
        let call = Call::new("request", self.inbox, data.abi_encode()).value(U256::from(FEE));
        let receipt = self.user.send(call).await.expect("asked");
        let event = receipt.decoded_log::<Inbox::Requested>().expect("an event");
        let request: assay_bindings::Request = (&event.request).into();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("a clock");
        Assignment {
            request_id: event.id.to_vec(),
            request: request.abi_encode(),
            payload: payload.to_vec(),
            deadline_ms: (now + left).as_millis() as u64,
        }
    }

    fn work(&self, assignment: Assignment) {
        tokio::spawn(self.office.clone().work(assignment, WELCOME));
    }

    /// The next segment offered.
    async fn offered(&mut self) -> SegmentOffer {
        let heard = tokio::time::timeout(Duration::from_secs(20), self.heard.recv());
        match heard.await.expect("soon").and_then(|m| m.message) {
            Some(Message::Segment(offer)) => offer,
            other => panic!("{other:?}"),
        }
    }
}

fn ids(offer: &SegmentOffer) -> Vec<Vec<u8>> {
    let mut ids: Vec<_> = offer.results.iter().map(|r| r.request_id.clone()).collect();
    ids.sort();
    ids
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn answers_share_a_blob_and_go_in_calldata_by_themselves_where_it_is_too_dear() {
    let mut world = world().await;
    let mut wanted = Vec::new();
    for prompt in ["One?", "Two?", "Three?"] {
        let assignment = world.assignment(prompt, LONG).await;
        wanted.push(assignment.request_id.clone());
        world.work(assignment);
    }
    wanted.sort();
    let offer = world.offered().await;
    assert!(offer.in_blob);
    assert_eq!(ids(&offer), wanted, "one segment");

    // As on the verdict of a sequencer that would not pay.
    world.office.offer_in_calldata(offer.number, WELCOME).await;
    let mut again = Vec::new();
    for _ in 0..3 {
        let alone = world.offered().await;
        assert!(!alone.in_blob && alone.number > offer.number);
        let [result] = &alone.results[..] else {
            panic!("{alone:?}")
        };
        assert!(offer.results.contains(result), "the same answer");
        again.push(result.request_id.clone());
    }
    again.sort();
    assert_eq!(again, wanted);
    // And what comes next, at once.
    let assignment = world.assignment("Four?", LONG).await;
    let started = Instant::now();
    world.work(assignment);
    assert!(!world.offered().await.in_blob);
    assert!(
        started.elapsed() < WAIT,
        "nothing is waited for in calldata"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_waits_for_others_as_long_as_its_deadline_leaves_and_not_where_all_are_there() {
    let mut world = world().await;
    let alone = world.assignment("One?", LONG).await;
    let started = Instant::now();
    world.work(alone);
    assert_eq!(world.offered().await.results.len(), 1);
    assert!(started.elapsed() >= WAIT, "it waited");
    // A quarter of what is left.
    let hasty = world.assignment("Two?", Duration::from_secs(2)).await;
    let started = Instant::now();
    world.work(hasty);
    assert!(world.offered().await.in_blob);
    assert!(started.elapsed() < WAIT, "{:?}", started.elapsed());
    // --capacity is 4: no fifth can come.
    let mut four = Vec::new();
    for n in 0..4 {
        four.push(world.assignment(&format!("All {n}?"), LONG).await);
    }
    let started = Instant::now();
    for assignment in four {
        world.work(assignment);
    }
    assert_eq!(world.offered().await.results.len(), 4);
    assert!(started.elapsed() < WAIT, "{:?}", started.elapsed());
}

/// What is withdrawn while it waits is not signed, and takes nobody along.
#[tokio::test(flavor = "multi_thread")]
async fn answer_that_is_withdrawn_while_it_waits_leaves_the_others() {
    let mut world = world().await;
    let (one, two) = (
        world.assignment("One?", LONG).await,
        world.assignment("Two?", LONG).await,
    );
    let (gone, kept) = (one.request_id.clone(), two.request_id.clone());
    world.work(one);
    world.work(two);
    tokio::time::sleep(WAIT / 2).await;
    world.office.withdraw(B256::from_slice(&gone));
    assert_eq!(ids(&world.offered().await), [kept]);
}
