//! An anvil with the rollup on it: the small program, a model nobody reads, an executor with a stake.

use super::FEE;
use super::program::PROGRAM;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::SignerSync;
use alloy::sol_types::{SolCall, SolEvent};
use assay_bindings::abi::BlobSegment;
use assay_bindings::deploy::{Addresses, Parameters, plan};
use assay_bindings::sign::segment_digest;
use assay_bindings::{
    BlobRollup, DisputeGame, Inbox, ModelRegistry, Request, RequestParams, Rollup, Segment,
    SegmentResult, Staking, results,
};
use assay_dispute::responder::Responder;
use assay_machine::lower::lower;
use assay_machine::rom::Rom;
use assay_node::anvil::Anvil;
use assay_node::chain::Chain;
use assay_node::deployment::{Contracts, Deployment, ModelEntry};
use assay_node::key::{Key, write_key_file};
use assay_node::outputs::LaidOut;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the model file.
pub const MODEL: &[u8] = b"a model that nobody reads";

/// Who has which of anvil's accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Deploys.
    Deployer = 0,
    /// Posts batches.
    Sequencer = 1,
    /// Asks.
    User = 2,
    /// Answers.
    Executor = 3,
    /// Watches.
    Watchtower = 4,
    /// Watches, and lies.
    Liar = 5,
}

/// The chain, the contracts and the files that services need.
pub struct Network {
    /// Connection.
    pub chain: Chain,
    /// Addresses.
    pub deployment: Deployment,
    /// Every contract of the deployment: its name in `contracts/abi` and where it is.
    pub deployed: Vec<(&'static str, Address)>,
    /// A folder for everything.
    pub dir: tempfile::TempDir,
    keys: Vec<String>,
    model: B256,
    segments: u64,
    _anvil: Anvil,
}

impl Network {
    /// Starts anvil with a block every second and deploys.
    pub async fn start(window: u64, allowance: u64) -> Network {
        Network::with(window, allowance, |_| {}).await
    }

    /// As [`Network::start`], with other parameters changed by `change`.
    pub async fn with(
        window: u64,
        allowance: u64,
        change: impl FnOnce(&mut Parameters),
    ) -> Network {
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join("anvil.json");
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let args = ["--config-out", &config.display().to_string()];
        let anvil = Anvil::start(root, 0, &args, None).unwrap_or_else(|e| panic!("{e}"));
        let chain = Chain::connect(&anvil.url(), None).await;
        let chain = chain.expect("it answers");
        let text = std::fs::read_to_string(config).expect("anvil writes its configuration");
        let config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let keys = config["private_keys"].as_array().expect("keys").iter();
        let keys: Vec<String> = keys
            .map(|k| k.as_str().expect("a key").to_owned())
            .collect();
        let deployer = key(&keys, Who::Deployer);
        let mut parameters = Parameters::devnet(key(&keys, Who::Sequencer).address());
        (parameters.window, parameters.allowance) = (window, allowance);
        parameters.unbonding_delay = window + 2 * allowance + 60;
        change(&mut parameters);
        let (addresses, creations) = plan(deployer.address(), 0, &parameters);
        let tx = manager(&chain, deployer);
        let deployed = creations.iter().map(|c| (c.name, c.address)).collect();
        for creation in creations {
            tx.send(Call::create(creation.name, creation.init_code))
                .await
                .expect("deployed");
        }
        let mut network = Network {
            deployment: Deployment {
                chain_id: chain.id(),
                block: 0,
                block_hash: chain
                    .block(0)
                    .await
                    .expect("read")
                    .expect("there is a first block")
                    .hash,
                contracts: contracts(&addresses),
                models: Vec::new(),
            },
            chain,
            deployed,
            dir,
            keys,
            model: B256::ZERO,
            segments: 0,
            _anvil: anvil,
        };
        network.register().await;
        network.rpc("evm_setAutomine", json!([false])).await;
        network.rpc("evm_setIntervalMining", json!([1])).await;
        network
    }

    async fn register(&mut self) {
        let wasm = wat::parse_str(PROGRAM).expect("the program is WebAssembly");
        let image = lower(&wasm).expect("it lowers").image.clone();
        std::fs::write(self.file("program.wasm"), &wasm).expect("written");
        std::fs::write(self.file("model.gguf"), MODEL).expect("written");
        let registry = self.deployment.contracts.registry;
        let call = ModelRegistry::registerProgramCall {
            p: (&image.program).into(),
        };
        self.send(Who::Deployer, registry, call, 0).await;
        let model = Rom::new(MODEL);
        let siblings: Vec<B256> = model.siblings(0).iter().map(|h| B256::new(h.0)).collect();
        let call = ModelRegistry::registerModelCall {
            modelRoot: B256::new(model.root().0),
            length: model.data_len(),
            programId: B256::new(image.program.id().0.0),
            maxGap: 0,
            maxFlips: 0,
            leaf: model.leaf(0).to_vec().into(),
            siblings: siblings.try_into().expect("a ROM's tree has depth 33"),
            uri: String::new(),
        };
        let receipt = self.send(Who::Deployer, registry, call, 0).await;
        let registered = event::<ModelRegistry::ModelRegistered>(&receipt).expect("registered");
        self.model = registered.modelId;
        self.deployment.models.push(ModelEntry {
            id: self.model,
            name: "model.gguf".to_owned(),
            program_id: registered.programId,
            root: registered.modelRoot,
            length: registered.length,
            max_gap: 0,
            max_flips: 0,
        });
        self.deployment
            .save(&self.file("deployment.json"))
            .expect("saved");
        let executor = self.address(Who::Executor);
        let staking = self.deployment.contracts.staking;
        self.send(
            Who::Executor,
            staking,
            Staking::depositCall { executor },
            100_000_000_000_000_000_000,
        )
        .await;
    }

    /// A path in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The key file of `who`, written on demand.
    pub fn key_file(&self, who: Who) -> PathBuf {
        let path = self.file(&format!("{who:?}.key"));
        if !path.exists() {
            write_key_file(&path, &self.keys[who as usize]).expect("written");
        }
        path
    }

    /// The account of `who`.
    pub fn address(&self, who: Who) -> Address {
        key(&self.keys, who).address()
    }

    /// Sends for `who` as the services do.
    pub fn responder(&self, who: Who) -> Responder {
        let tx = manager(&self.chain, key(&self.keys, who));
        let contracts = self.deployment.contracts.clone();
        Responder::new(
            self.chain.clone(),
            Arc::new(tx),
            ErrorBook::assay(),
            contracts,
        )
    }

    /// Sends for the account of a private key that is nobody's of anvil, with `wei` in it; in no hurry, as there may be many.
    pub async fn stranger(&self, secret: B256, wei: u128) -> TxManager {
        let key = Key::parse(&secret.to_string(), "a test").expect("a scalar in range");
        let wei = format!("{wei:#x}");
        self.rpc("anvil_setBalance", json!([key.address(), wei]))
            .await;
        let policy = TxPolicy {
            poll: Duration::from_millis(500),
            ..TxPolicy::default()
        };
        TxManager::new(self.chain.clone(), key, ErrorBook::assay(), policy)
    }

    /// Sends a call and waits for it.
    pub async fn send<C: SolCall>(
        &self,
        who: Who,
        to: Address,
        call: C,
        value: u128,
    ) -> TransactionReceipt {
        let tx = manager(&self.chain, key(&self.keys, who));
        let call = Call::new(C::SIGNATURE, to, call.abi_encode()).value(U256::from(value));
        tx.send(call)
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", C::SIGNATURE))
    }

    /// A raw JSON-RPC call, for anvil's own methods.
    pub async fn rpc(&self, method: &'static str, params: serde_json::Value) -> serde_json::Value {
        let answer = self
            .chain
            .provider()
            .raw_request::<serde_json::Value, serde_json::Value>(method.into(), params)
            .await;
        answer.unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Asks `payload`; the request and its id.
    pub async fn ask(&self, payload: &[u8]) -> (B256, Request) {
        self.ask_with(payload, |_| {}).await
    }

    /// The call that asks `payload` with parameters of one's own.
    pub async fn request_call(
        &self,
        payload: &[u8],
        change: impl FnOnce(&mut RequestParams),
    ) -> Inbox::requestCall {
        let head = self.chain.head().await.expect("a head");
        let mut params = RequestParams {
            modelId: self.model,
            callback: Address::ZERO,
            callbackGas: 0,
            delivery: 0,
            tolerant: false,
            minBond: 0,
            fee: FEE,
            callbackFee: 0,
            refundTo: self.address(Who::User),
            inclusionDeadline: head.timestamp + 600,
        };
        change(&mut params);
        Inbox::requestCall {
            params: (&params).into(),
            payload: payload.to_vec().into(),
            userData: Bytes::new(),
        }
    }

    /// Asks `payload` with parameters of one's own.
    pub async fn ask_with(
        &self,
        payload: &[u8],
        change: impl FnOnce(&mut RequestParams),
    ) -> (B256, Request) {
        let call = self.request_call(payload, change).await;
        let value = call.params.fee + call.params.callbackFee;
        let receipt = self
            .send(Who::User, self.deployment.contracts.inbox, call, value)
            .await;
        let asked = event::<Inbox::Requested>(&receipt).expect("asked");
        (asked.id, (&asked.request).into())
    }

    /// Posts `output` as the executor's answer.
    pub async fn claim(&mut self, id: B256, request: &Request, output: &[u8]) {
        self.claim_all(&[(id, request.clone(), output.to_vec())])
            .await;
    }

    /// Posts the executor's answers in one segment.
    pub async fn claim_all(&mut self, answers: &[(B256, Request, Vec<u8>)]) {
        let number = self.segments;
        self.segments += 1;
        let segment = self.segment(number, answers).await;
        let receipt = self.post(vec![segment]).await;
        let claimed = events::<Rollup::ResultClaimed>(&receipt).len();
        assert_eq!(claimed, answers.len(), "every result is claimed");
    }

    /// Posts the executor's answers in one segment whose outputs are in a blob.
    pub async fn claim_in_blob(&mut self, answers: &[(B256, Request, Vec<u8>)]) {
        let number = self.segments;
        self.segments += 1;
        let outputs: Vec<Bytes> = answers.iter().map(|a| a.2.clone().into()).collect();
        let laid = LaidOut::of(&outputs.iter().collect::<Vec<_>>()).expect("they fit");
        let root = laid.root(answers.iter().map(|a| a.0));
        let referred: Vec<_> = answers
            .iter()
            .zip(&laid.refs)
            .map(|((id, request, _), place)| (*id, request.clone(), place.pack().to_vec()))
            .collect();
        let segment = self.signed(number, root, &referred).await;
        let call = BlobRollup::postBlobBatchCall {
            batch: vec![BlobSegment {
                segment: (&segment).into(),
                blob: U256::ZERO,
            }],
            signed: vec![],
        };
        let rollup = self.deployment.contracts.rollup;
        let tx = manager(&self.chain, key(&self.keys, Who::Sequencer));
        let call = Call::new("postBlobBatch", rollup, call.abi_encode()).blob(laid.blob);
        let receipt = tx.send(call).await.expect("posted");
        let claimed = events::<BlobRollup::ResultClaimedInBlob>(&receipt).len();
        assert_eq!(claimed, answers.len(), "every result is claimed");
    }

    /// The executor's answers in one signed segment, not sent.
    pub async fn segment(&self, number: u64, answers: &[(B256, Request, Vec<u8>)]) -> Segment {
        let leaves: Vec<B256> = answers
            .iter()
            .map(|(id, _, output)| results::leaf(*id, keccak256(output)))
            .collect();
        self.signed(number, results::root(&leaves), answers).await
    }

    async fn signed(
        &self,
        number: u64,
        root: B256,
        answers: &[(B256, Request, Vec<u8>)],
    ) -> Segment {
        let rollup = self.deployment.contracts.rollup;
        let expiry = self.chain.head().await.expect("a head").timestamp + 600;
        let digest = segment_digest(self.chain.id(), rollup, number, expiry, root);
        let executor = key(&self.keys, Who::Executor);
        Segment {
            executor: executor.address(),
            number,
            expiry,
            results: answers
                .iter()
                .map(|(_, request, output)| SegmentResult {
                    request: request.clone(),
                    output: output.clone().into(),
                })
                .collect(),
            signature: executor
                .signer()
                .sign_hash_sync(&digest)
                .expect("signs")
                .as_bytes()
                .to_vec()
                .into(),
        }
    }

    /// Posts a batch.
    pub async fn post(&self, batch: Vec<Segment>) -> TransactionReceipt {
        let call = Rollup::postBatchCall {
            batch,
            signed: vec![],
        };
        let rollup = self.deployment.contracts.rollup;
        self.send(Who::Sequencer, rollup, call, 0).await
    }

    /// Puts a contract on the chain.
    pub async fn create(&self, init_code: &[u8]) -> Address {
        let tx = manager(&self.chain, key(&self.keys, Who::Deployer));
        let receipt = tx.send(Call::create("contract", init_code.to_vec())).await;
        let receipt = receipt.expect("created");
        receipt.contract_address.expect("a creation")
    }

    /// Wei that `who` has, credit at the inbox counted.
    pub async fn wealth(&self, who: Who) -> U256 {
        let balance = self.chain.balance(self.address(who)).await;
        balance.expect("asked") + self.inbox_credit(who).await
    }

    /// What `who` may withdraw from the inbox.
    pub async fn inbox_credit(&self, who: Who) -> U256 {
        let account = self.address(who);
        let call = Inbox::creditCall { account };
        let inbox = self.deployment.contracts.inbox;
        let credit = assay_dispute::watcher::view(&self.chain, inbox, "credit", call).await;
        credit.expect("a view")
    }

    /// Every event `E` of the game contract so far.
    pub async fn game_events<E: SolEvent>(&self) -> Vec<E> {
        let filter = alloy::rpc::types::Filter::new()
            .address(vec![
                self.deployment.contracts.game,
                self.deployment.contracts.rollup,
            ])
            .event_signature(E::SIGNATURE_HASH)
            .from_block(0);
        let logs = self.chain.provider().get_logs(&filter).await.expect("logs");
        logs.iter()
            .map(|log| E::decode_log(&log.inner).expect("decodes").data)
            .collect()
    }

    /// Waits until there are `n` events `E`.
    pub async fn wait_for<E: SolEvent>(&self, n: usize, limit: Duration) -> Vec<E> {
        let started = Instant::now();
        loop {
            let events = self.game_events::<E>().await;
            if events.len() >= n {
                return events;
            }
            assert!(
                started.elapsed() < limit,
                "no {} after {limit:?}",
                E::SIGNATURE
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What `who` may withdraw from the game contract.
    pub async fn credit(&self, who: Who) -> U256 {
        let call = DisputeGame::creditCall {
            account: self.address(who),
        };
        let game = self.deployment.contracts.game;
        assay_dispute::watcher::view(&self.chain, game, "credit", call)
            .await
            .expect("a view")
    }
}

fn key(keys: &[String], who: Who) -> Key {
    Key::parse(&keys[who as usize], "anvil").expect("anvil's keys are keys")
}

fn manager(chain: &Chain, key: Key) -> TxManager {
    let policy = TxPolicy {
        poll: Duration::from_millis(50),
        ..TxPolicy::default()
    };
    TxManager::new(chain.clone(), key, ErrorBook::assay(), policy)
}

fn contracts(a: &Addresses) -> Contracts {
    Contracts {
        inbox: a.inbox,
        rollup: a.rollup,
        game: a.game,
        staking: a.staking,
        registry: a.registry,
        prover: a.prover,
        liveness: None,
        review_judge: None,
        market: None,
    }
}

fn event<E: SolEvent>(receipt: &TransactionReceipt) -> Option<E> {
    events(receipt).into_iter().next()
}

/// Every event `E` of a transaction.
pub fn events<E: SolEvent>(receipt: &TransactionReceipt) -> Vec<E> {
    let logs = receipt.inner.logs().iter();
    logs.filter_map(|log| E::decode_log(&log.inner).ok())
        .map(|log| log.data)
        .collect()
}
