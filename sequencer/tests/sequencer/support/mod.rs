//! A chain with the real contracts, the real binary, and a peer that speaks the executor's side of the protocol.
#![allow(dead_code)]

use crate::registered;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolValue};
use assay_bindings::abi::inbox::Inbox::InboxInstance;
use assay_bindings::abi::rollup::Rollup::RollupInstance;
use assay_bindings::deploy::{Parameters, plan};
use assay_bindings::{Inbox, Request, RequestParams, SignedRequest, Staking, results, sign};
use assay_node::anvil::Anvil;
use assay_node::chain::Chain;
use assay_node::deployment::{Contracts, Deployment, Market};
use assay_node::key::{Key, write_key_file};
use assay_node::outputs::LaidOut;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{self, FromExecutor, SegmentStanding, from_executor, to_executor::Message};
use assay_sequencer::wire;
use assay_types::output::Output;
use assay_types::request::Payload;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// First accounts of the mnemonic that development chains ship: user, sequencer, two executors, one without stake.
pub const KEYS: [&str; 5] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
];
pub const USER: usize = 0;
pub const SEQUENCER: usize = 1;
pub const FIRST: usize = 2;
pub const SECOND: usize = 3;
pub const STRANGER: usize = 4;
pub const ETHER: u128 = 1_000_000_000_000_000_000;
/// Wei that a request pays for its answer, a hundred times what its work needs in an idle window.
pub const FEE: u128 = 1_000_000_000;

pub fn signer(account: usize) -> PrivateKeySigner {
    KEYS[account].parse().expect("a key")
}

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// A chain with everything deployed, a model registered, two executors staked, the user's deposit paid.
pub struct World {
    pub anvil: Anvil,
    pub dir: tempfile::TempDir,
    pub rpc: String,
    pub chain: Chain,
    pub contracts: Contracts,
    pub user: TxManager,
    pub model: B256,
}

impl World {
    pub async fn new() -> World {
        World::with(Parameters::devnet(signer(SEQUENCER).address())).await
    }

    /// A world of these parameters.
    pub async fn with(parameters: Parameters) -> World {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let anvil = Anvil::start(root, 0, &[], None).unwrap_or_else(|e| panic!("{e}"));
        let chain = Chain::connect(&anvil.url(), Some(31_337)).await;
        let (rpc, chain) = (anvil.url().to_string(), chain.expect("it answers"));
        let key = Key::parse(KEYS[USER], "the test").expect("a key");
        let policy = TxPolicy {
            poll: Duration::from_millis(20),
            ..TxPolicy::default()
        };
        let user = TxManager::new(chain.clone(), key, ErrorBook::assay(), policy);
        let (to, creations) = plan(user.address(), 0, &parameters);
        for creation in creations {
            user.send(Call::create(creation.name, creation.init_code))
                .await
                .expect(creation.name);
        }
        let contracts = Contracts {
            inbox: to.inbox,
            rollup: to.rollup,
            game: to.game,
            staking: to.staking,
            registry: to.registry,
            prover: to.prover,
            liveness: Some(to.liveness),
            review_judge: None,
            market: Some(Market {
                hub: to.market.hub,
                asks: to.market.asks,
                catalog: to.market.catalog,
                subscriptions: to.market.subscriptions,
            }),
        };
        let entry = registered::register(&user, contracts.registry).await;
        let model = entry.id;
        for account in [FIRST, SECOND] {
            stake(&user, contracts.staking, account, 5 * ETHER).await;
        }
        let call = Call::new(
            "deposit",
            contracts.inbox,
            Inbox::depositCall {
                payer: user.address(),
            }
            .abi_encode(),
        );
        user.send(call.value(U256::from(ETHER)))
            .await
            .expect("deposited");
        let dir = tempfile::tempdir().expect("a folder");
        let first = chain.block(1).await.expect("asked").expect("mined");
        let deployment = Deployment {
            chain_id: 31_337,
            block: 1,
            block_hash: first.hash,
            contracts: contracts.clone(),
            models: vec![entry],
        };
        deployment
            .save(&dir.path().join("deployment.json"))
            .expect("saved");
        World {
            anvil,
            dir,
            rpc,
            chain,
            contracts,
            user,
            model,
        }
    }

    /// The sequencer's command line with these further flags.
    pub fn command(&self, more: &[&str]) -> Command {
        self.command_as(SEQUENCER, more)
    }

    /// Name of a sequencer's folder within the test's; its key and its log are called the same.
    fn name(account: usize) -> String {
        match account {
            SEQUENCER => "sequencer".to_owned(),
            other => format!("sequencer-{other}"),
        }
    }

    fn data(account: usize) -> String {
        match account {
            SEQUENCER => "data".to_owned(),
            other => format!("data-{other}"),
        }
    }

    /// The command line of the sequencer with the key of `account`.
    pub fn command_as(&self, account: usize, more: &[&str]) -> Command {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sequencer"));
        command.args([
            "--rpc-url",
            &self.rpc,
            "--deployment",
            &path("deployment.json"),
        ]);
        command.args([
            "--data-dir",
            &path(&World::data(account)),
            "--poll-ms",
            "50",
        ]);
        if !more.contains(&"--batch-interval-ms") {
            command.args(["--batch-interval-ms", "100"]);
        }
        command.args(more);
        if !more.contains(&"--log-level") {
            command.args(["--log-level", "debug"]);
        }
        if !more.contains(&"--key-file") {
            let file = path(&format!("{}.key", World::name(account)));
            if !Path::new(&file).exists() {
                write_key_file(Path::new(&file), KEYS[account]).expect("written");
            }
            command.args(["--key-file", &file]);
        }
        if !more.contains(&"--grpc-addr") {
            command.args(["--grpc-addr", "127.0.0.1:0"]);
        }
        command
    }

    /// Starts the sequencer and connects to it.
    pub async fn sequencer(&self, more: &[&str]) -> (Running, SequencerClient<Channel>) {
        self.sequencer_as(SEQUENCER, more).await
    }

    /// Starts the sequencer with the key of `account` and connects to it.
    pub async fn sequencer_as(
        &self,
        account: usize,
        more: &[&str],
    ) -> (Running, SequencerClient<Channel>) {
        let endpoints = self.dir.path().join(World::data(account));
        let endpoints = endpoints.join("endpoints.json");
        let _ = std::fs::remove_file(&endpoints);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.path().join(World::name(account) + ".log"));
        let child = self
            .command_as(account, more)
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the binary is built");
        let mut child = Running(child);
        let start = Instant::now();
        loop {
            assert!(
                child.0.try_wait().expect("a child").is_none(),
                "it ended:\n{}",
                self.log_of(account)
            );
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "it does not listen:\n{}",
                self.log_of(account)
            );
            if let Some(address) = grpc_address(&endpoints) {
                let client = SequencerClient::connect(format!("http://{address}"))
                    .await
                    .expect("connects");
                return (child, client);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn log(&self) -> String {
        self.log_of(SEQUENCER)
    }

    /// Waits until the sequencer's log has these words.
    pub async fn until_log(&self, words: &str) {
        let start = Instant::now();
        while !self.log().contains(words) {
            let log = self.log();
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "no {words:?} in:\n{log}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn log_of(&self, account: usize) -> String {
        let path = self.dir.path().join(World::name(account) + ".log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    pub fn inbox(&self) -> InboxInstance<alloy::providers::DynProvider> {
        InboxInstance::new(self.contracts.inbox, self.chain.provider().clone())
    }

    pub fn rollup(&self) -> RollupInstance<alloy::providers::DynProvider> {
        RollupInstance::new(self.contracts.rollup, self.chain.provider().clone())
    }

    /// Adds to an executor's stake.
    pub async fn stake(&self, account: usize, wei: u128) {
        stake(&self.user, self.contracts.staking, account, wei).await;
    }

    pub async fn raw(&self, method: &'static str, params: serde_json::Value) -> serde_json::Value {
        self.chain
            .provider()
            .raw_request(method.into(), params)
            .await
            .expect(method)
    }

    pub async fn now(&self) -> u64 {
        self.chain.head().await.expect("a block").timestamp
    }

    pub async fn params(&self) -> RequestParams {
        RequestParams {
            modelId: self.model,
            callback: Address::ZERO,
            callbackGas: 0,
            delivery: 0,
            tolerant: false,
            minBond: 0,
            fee: FEE,
            callbackFee: 0,
            refundTo: self.user.address(),
            inclusionDeadline: self.now().await + 600,
        }
    }

    /// Asks on chain; returns the request's id.
    pub async fn ask(&self, prompt: &str) -> B256 {
        self.ask_for(prompt, FEE).await
    }

    /// Asks on chain for this fee.
    pub async fn ask_for(&self, prompt: &str, fee: u128) -> B256 {
        let params = RequestParams {
            fee,
            ..self.params().await
        };
        let params: Inbox::RequestParams = (&params).into();
        let payload = Payload::greedy(prompt, 8).encode().into();
        let call = Inbox::requestCall {
            params,
            payload,
            userData: Bytes::new(),
        };
        let call =
            Call::new("request", self.contracts.inbox, call.abi_encode()).value(U256::from(fee));
        let receipt = self.user.send(call).await.expect("asked");
        receipt
            .decoded_log::<Inbox::Requested>()
            .expect("an event")
            .data
            .id
    }

    /// A signed request.
    pub async fn signed(&self, prompt: &str, nonce: u64) -> SignedRequest {
        let request = SignedRequest {
            payer: self.user.address(),
            nonce,
            entropy: B256::repeat_byte(9),
            params: self.params().await,
            payload: Payload::greedy(prompt, 8).encode().into(),
            userData: Bytes::new(),
            signature: Bytes::new(),
        };
        self.sign(request)
    }

    pub fn sign(&self, request: SignedRequest) -> SignedRequest {
        let digest = sign::request_digest(31_337, self.contracts.inbox, &request);
        let signature = signer(USER).sign_hash_sync(&digest).expect("signs");
        SignedRequest {
            signature: signature.as_bytes().to_vec().into(),
            ..request
        }
    }

    /// Waits until the chain says that `id` is in `state`.
    pub async fn until_state(&self, id: B256, state: u8) {
        let start = Instant::now();
        while self.inbox().status(id).call().await.expect("asked").state != state {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "not in state {state}:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn stake(user: &TxManager, staking: Address, account: usize, wei: u128) {
    let executor = signer(account).address();
    let data = Staking::depositCall { executor }.abi_encode();
    let call = Call::new("stake", staking, data).value(U256::from(wei));
    user.send(call).await.expect("staked");
}

fn grpc_address(endpoints: &PathBuf) -> Option<String> {
    let text = std::fs::read(endpoints).ok()?;
    let map: serde_json::Value = serde_json::from_slice(&text).ok()?;
    map["grpc"].as_str().map(str::to_owned)
}

/// The executor's side of a connection.
pub struct Peer {
    signer: PrivateKeySigner,
    rollup: Address,
    out: mpsc::Sender<FromExecutor>,
    incoming: Streaming<v1::ToExecutor>,
    pub next_number: u64,
}

impl Peer {
    /// Connects and says hello.
    pub async fn connect(
        world: &World,
        client: &mut SequencerClient<Channel>,
        account: usize,
    ) -> Peer {
        let peer = Peer::try_connect(world, client, account).await;
        peer.expect("welcome")
    }

    /// Connects and says hello; the reason, if it is not welcome.
    pub async fn try_connect(
        world: &World,
        client: &mut SequencerClient<Channel>,
        account: usize,
    ) -> Result<Peer, Status> {
        let signer = signer(account);
        let (out, stream) = mpsc::channel(16);
        let incoming = client
            .work(ReceiverStream::new(stream))
            .await
            .expect("opens")
            .into_inner();
        let rollup = world.contracts.rollup;
        let mut peer = Peer {
            signer,
            rollup,
            out,
            incoming,
            next_number: 1,
        };
        let Some(Message::Challenge(challenge)) = peer.hear().await else {
            panic!("no challenge")
        };
        let nonce: [u8; 32] = challenge.nonce.try_into().expect("32 bytes");
        let digest = assay_proto::hello::digest(31_337, &rollup.into_array(), &nonce);
        let signature = peer
            .signer
            .sign_hash_sync(&B256::new(digest.0))
            .expect("signs");
        let hello = v1::Hello {
            executor: peer.signer.address().to_vec(),
            signature: signature.as_bytes().to_vec(),
            model_ids: vec![world.model.to_vec()],
            capacity: 4,
        };
        peer.say(from_executor::Message::Hello(hello)).await;
        match peer.incoming.message().await?.and_then(|m| m.message) {
            Some(Message::Welcome(_)) => Ok(peer),
            other => panic!("{other:?}"),
        }
    }

    pub fn address(&self) -> Address {
        self.signer.address()
    }

    pub async fn say(&self, message: from_executor::Message) {
        self.out
            .send(FromExecutor {
                message: Some(message),
            })
            .await
            .expect("connected");
    }

    /// The next message that isn't a heartbeat; `None` at the end.
    pub async fn hear(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(30), self.incoming.message()).await;
            match next
                .expect("something is heard within 30 s")
                .ok()
                .flatten()?
                .message
            {
                Some(Message::Heartbeat(_)) | None => {}
                Some(message) => return Some(message),
            }
        }
    }

    /// The next request to answer.
    pub async fn assignment(&mut self) -> (B256, Request) {
        let Some(Message::Assignment(a)) = self.hear().await else {
            panic!("not an assignment")
        };
        let request = Request::abi_decode(&a.request).expect("decodes");
        assert_eq!(keccak256(&a.payload), request.payloadHash);
        (wire::word("id", &a.request_id).expect("an id"), request)
    }

    /// A signed segment with one answer of one token to each request.
    pub fn segment(&mut self, ids: &[B256], life: u64, now: u64) -> v1::SegmentOffer {
        let output = Output::Answer {
            ids: vec![2],
            text: b" positive".to_vec(),
        }
        .encode();
        let results: Vec<_> = ids.iter().map(|id| (*id, output.clone())).collect();
        self.segment_of(&results, life, now)
    }

    /// A signed segment with these answers.
    pub fn segment_of(
        &mut self,
        answers: &[(B256, Vec<u8>)],
        life: u64,
        now: u64,
    ) -> v1::SegmentOffer {
        let leaves: Vec<B256> = answers
            .iter()
            .map(|(id, output)| results::leaf(*id, keccak256(output)))
            .collect();
        self.signed(answers, results::root(&leaves), now + life)
    }

    /// A signed segment with these answers in one blob.
    pub fn segment_in_blob(
        &mut self,
        answers: &[(B256, Vec<u8>)],
        life: u64,
        now: u64,
    ) -> v1::SegmentOffer {
        let outputs: Vec<Bytes> = answers.iter().map(|a| a.1.clone().into()).collect();
        let laid = LaidOut::of(&outputs.iter().collect::<Vec<_>>()).expect("they fit");
        let root = laid.root(answers.iter().map(|a| a.0));
        v1::SegmentOffer {
            in_blob: true,
            ..self.signed(answers, root, now + life)
        }
    }

    fn signed(&mut self, answers: &[(B256, Vec<u8>)], root: B256, expiry: u64) -> v1::SegmentOffer {
        let number = self.next_number;
        self.next_number += 1;
        let digest = sign::segment_digest(31_337, self.rollup, number, expiry, root);
        let signature = self
            .signer
            .sign_hash_sync(&digest)
            .expect("signs")
            .as_bytes()
            .to_vec();
        let result = |(id, output): &(B256, Vec<u8>)| v1::SegmentResult {
            request_id: id.to_vec(),
            output: output.clone(),
        };
        v1::SegmentOffer {
            number,
            expiry,
            results: answers.iter().map(result).collect(),
            signature,
            in_blob: false,
        }
    }

    /// Offers a segment and hears its first verdict; one on an earlier segment may come before.
    pub async fn offer(&mut self, segment: v1::SegmentOffer) -> (SegmentStanding, String) {
        let number = segment.number;
        self.say(from_executor::Message::Segment(segment)).await;
        loop {
            match self.hear().await {
                Some(Message::Verdict(v)) if v.number == number => return (v.standing(), v.reason),
                Some(Message::Verdict(_) | Message::Withdrawal(_) | Message::Assignment(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn verdict(&mut self) -> (SegmentStanding, String) {
        loop {
            match self.hear().await {
                Some(Message::Verdict(v)) => return (v.standing(), v.reason),
                Some(Message::Withdrawal(_) | Message::Assignment(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
