//! The whole rollup in the in-process EVM, with claims to dispute; its events are folded into the watcher's ledger.

pub mod beacon;
pub mod case;
pub mod duel;
pub mod network;
pub mod pool;
pub mod program;
pub mod proxy;
pub mod services;
pub mod toy_run;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::Log;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::{SolCall, SolEvent};
use assay_bindings::abi::{BlobSegment, DisputeGame, Program as AbiProgram};
use assay_bindings::blob_refs::BlobRef;
use assay_bindings::deploy::{Addresses, Parameters, plan};
use assay_bindings::hashes::request_id;
use assay_bindings::sign::segment_digest;
use assay_bindings::{
    BlobRollup, ClaimRef, Inbox, ModelRegistry, Request, RequestParams, Rollup, Segment,
    SegmentResult, Staking, results,
};
use assay_dispute::action::Action;
use assay_dispute::calls::{call_for, opening, opening_from_blob};
use assay_dispute::claim_ref::claim_ref;
use assay_dispute::game::{Rules, Side};
use assay_dispute::inputs::Inputs;
use assay_dispute::ledger::{Ask, Claim, ClaimKey, Ledger, Play};
use assay_machine::image::Image;
use assay_machine::rom::Rom;
use assay_node::blob::Blob;
use assay_node::deployment::Contracts;
use assay_node::tx::Call;
use assay_prover::evm::{CHAIN_ID, Evm, Outcome, Snapshot, Tx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Wei that every account starts with.
const PURSE: u128 = 1_000_000_000_000_000_000_000;
/// Wei that an asker pays: more than work burns of it.
const FEE: u128 = 1_000_000_000_000_000;

/// The rollup, one program, one model, one executor.
pub struct Court {
    /// The chain.
    pub evm: Evm,
    /// Where the contracts are.
    pub addresses: Addresses,
    /// What the watcher would know.
    pub ledger: Ledger,
    /// The executor.
    pub executor: PrivateKeySigner,
    parameters: Parameters,
    model: B256,
    bond: U256,
    segments: u64,
    /// Every blob that was sent.
    blobs: BTreeMap<B256, Arc<Blob>>,
}

/// `call` as a transaction of `from`.
pub fn as_tx(from: Address, call: &Call) -> Tx {
    Tx {
        from,
        to: call.to,
        data: call.data.clone(),
        value: call.value,
        blobs: call.blobs.iter().map(|b| b.versioned_hash()).collect(),
        ..Tx::default()
    }
}

/// A moment to come back to.
#[derive(Clone)]
pub struct Moment {
    chain: Snapshot,
    ledger: Ledger,
}

/// An account of the tests.
pub fn account(name: &str) -> Address {
    Address::from_word(keccak256(name))
}

impl Court {
    /// Deploys the committed bytecode and registers `image` with the model `model`. The trace length is the image's.
    pub fn new(image: &Image, model: &Rom, arity_log2: u8, allowance: u64) -> Court {
        Court::posting(image, model, arity_log2, allowance, false)
    }

    /// As [`Court::new`], with dissections in blobs if `blobs`.
    pub fn posting(
        image: &Image,
        model: &Rom,
        arity_log2: u8,
        allowance: u64,
        blobs: bool,
    ) -> Court {
        let mut parameters = Parameters::devnet(account("sequencer"));
        (parameters.arity_log2, parameters.allowance) = (arity_log2, allowance);
        parameters.blobs = blobs;
        Court::with(image, model, parameters)
    }

    /// The same with parameters of one's own; trace length and unbonding delay follow from the rest.
    pub fn with(image: &Image, model: &Rom, mut parameters: Parameters) -> Court {
        let (deployer, sequencer) = (account("deployer"), parameters.sequencers[0]);
        let (arity_log2, allowance) = (parameters.arity_log2, parameters.allowance);
        let blobs = parameters.blobs;
        parameters.trace_log2 = image.limits.a + image.limits.b;
        parameters.unbonding_delay = parameters.window + 2 * allowance + 1;
        let mut evm = Evm::new();
        let executor =
            PrivateKeySigner::from_bytes(&keccak256("executor")).expect("a scalar in range");
        for who in [deployer, sequencer, account("asker")] {
            evm.fund(who, U256::from(PURSE));
        }
        let (addresses, creations) = plan(deployer, 0, &parameters);
        for creation in creations {
            let outcome = evm.send(Tx {
                from: deployer,
                data: creation.init_code,
                ..Tx::default()
            });
            outcome.expect(creation.name);
            assert_eq!(outcome.created, Some(creation.address), "{}", creation.name);
        }
        let contracts = Contracts {
            inbox: addresses.inbox,
            rollup: addresses.rollup,
            game: addresses.game,
            staking: addresses.staking,
            registry: addresses.registry,
            prover: addresses.prover,
            liveness: None,
            review_judge: None,
            market: None,
        };
        let rules = Rules {
            arity_log2: arity_log2.into(),
            trace_log2: parameters.trace_log2.into(),
            allowance,
            blobs,
        };
        let bond = evm
            .view(addresses.game, &DisputeGame::challengerBondCall {})
            .decode::<DisputeGame::challengerBondCall>();
        let mut court = Court {
            evm,
            addresses,
            ledger: Ledger::new(contracts, rules),
            executor,
            parameters,
            model: B256::ZERO,
            bond,
            segments: 0,
            blobs: BTreeMap::new(),
        };
        court.register(image, model);
        court
    }

    /// Gives `executor` money and puts half of it behind its claims.
    pub fn stake(&mut self, executor: Address) {
        self.evm.fund(executor, U256::from(PURSE));
        self.must(
            executor,
            self.addresses.staking,
            &Staking::depositCall { executor },
            PURSE / 2,
        );
    }

    fn register(&mut self, image: &Image, model: &Rom) {
        let p = AbiProgram::from(&image.program);
        let registry = self.addresses.registry;
        self.must(
            account("deployer"),
            registry,
            &ModelRegistry::registerProgramCall { p },
            0,
        );
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
        let outcome = self.must(account("deployer"), registry, &call, 0);
        self.model = outcome.decode::<ModelRegistry::registerModelCall>();
        self.stake(self.executor.address());
    }

    /// Asks `payload` on chain.
    pub fn ask(&mut self, payload: &[u8]) -> B256 {
        let asker = account("asker");
        let params = RequestParams {
            modelId: self.model,
            callback: Address::ZERO,
            callbackGas: 0,
            delivery: 0,
            tolerant: false,
            minBond: 0,
            fee: FEE,
            callbackFee: 0,
            refundTo: asker,
            inclusionDeadline: self.evm.now() + 60,
        };
        let call = Inbox::requestCall {
            params: (&params).into(),
            payload: payload.to_vec().into(),
            userData: Bytes::new(),
        };
        let outcome = self.must(asker, self.addresses.inbox, &call, FEE);
        let id = outcome.decode::<Inbox::requestCall>();
        let ask = &self.ledger.asks[&id];
        assert_eq!(request_id(CHAIN_ID, self.addresses.inbox, &ask.request), id);
        id
    }

    /// The request of `id`.
    pub fn asked(&self, id: B256) -> &Ask {
        &self.ledger.asks[&id]
    }

    /// Posts `output` as the executor's answer to `id`.
    pub fn claim(&mut self, id: B256, output: &[u8]) -> ClaimKey {
        let segment = self.segment(id, output.to_vec(), keccak256(output));
        self.post(segment)
    }

    /// Posts `segment`, whose one result becomes a claim.
    pub fn post(&mut self, segment: Segment) -> ClaimKey {
        let call = Rollup::postBatchCall {
            batch: vec![segment],
            signed: vec![],
        };
        let sequencer = self.parameters.sequencers[0];
        let outcome = self.must(sequencer, self.addresses.rollup, &call, 0);
        let claimed = outcome
            .logs
            .iter()
            .find_map(|log| Rollup::ResultClaimed::decode_log(log).ok());
        let claimed = claimed.expect("the result is claimed");
        ClaimKey {
            segment: claimed.segmentId,
            index: claimed.index,
        }
    }

    /// The same with the output in `blob`, at `place`. What it holds is nobody's business before it is disputed.
    pub fn claim_in_blob(&mut self, id: B256, place: BlobRef, blob: Arc<Blob>) -> ClaimKey {
        let hash = blob.versioned_hash();
        let segment = self.segment(id, place.pack().to_vec(), place.leaf_hash(hash));
        let call = BlobRollup::postBlobBatchCall {
            batch: vec![BlobSegment {
                segment: (&segment).into(),
                blob: U256::ZERO,
            }],
            signed: vec![],
        };
        let call = Call::new("post", self.addresses.rollup, call.abi_encode()).blob(blob);
        let outcome = self.send_call(self.parameters.sequencers[0], call);
        outcome.expect("postBlobBatch");
        let claimed = outcome
            .logs
            .iter()
            .find_map(|log| BlobRollup::ResultClaimedInBlob::decode_log(log).ok());
        let claimed = claimed.expect("the result is claimed");
        ClaimKey {
            segment: claimed.segmentId,
            index: claimed.index,
        }
    }

    /// The executor's one answer to `id`, signed.
    fn segment(&mut self, id: B256, output: Vec<u8>, output_hash: B256) -> Segment {
        let executor = self.executor.clone();
        self.segment_by(&executor, id, output, output_hash)
    }

    /// One answer of `executor` to `id`, signed under a number of its own.
    pub fn segment_by(
        &mut self,
        executor: &PrivateKeySigner,
        id: B256,
        output: Vec<u8>,
        output_hash: B256,
    ) -> Segment {
        let request: Request = self.ledger.asks[&id].request.clone();
        let (number, expiry) = (self.segments, self.evm.now() + 60);
        self.segments += 1;
        let root = results::root(&[results::leaf(id, output_hash)]);
        let digest = segment_digest(CHAIN_ID, self.addresses.rollup, number, expiry, root);
        let signature = executor.sign_hash_sync(&digest).expect("signs");
        Segment {
            executor: executor.address(),
            number,
            expiry,
            results: vec![SegmentResult {
                request,
                output: output.into(),
            }],
            signature: signature.as_bytes().to_vec().into(),
        }
    }

    /// `claim` and what it answers, its leaf shown.
    pub fn shown(&self, claim: ClaimKey) -> (&Ask, &Claim, ClaimRef) {
        let claim = &self.ledger.claims[&claim];
        let shown = claim_ref(claim, &self.ledger.segments[&claim.key.segment]);
        let ask = &self.ledger.asks[&claim.request_id];
        (ask, claim, shown.expect("the leaf is known"))
    }

    /// The call that opens a game on `claim`.
    pub fn opening(&self, claim: ClaimKey) -> Call {
        let (ask, claim, shown) = self.shown(claim);
        let (game, bond) = (self.addresses.game, self.bond);
        match &claim.in_blob {
            None => opening(ask, claim, &shown, game, bond),
            Some(place) => {
                let blob = &self.blobs[&place.blob];
                opening_from_blob(ask, place, blob, &shown, game, bond).expect("opens")
            }
        }
    }

    /// Makes `claim` final.
    pub fn finalize(&mut self, claim: ClaimKey) -> Outcome {
        let (ask, _, shown) = self.shown(claim);
        let call = Rollup::finalizeCall {
            req: ask.request.clone(),
            claim: shown,
        };
        self.must(account("asker"), self.addresses.rollup, &call, 0)
    }

    /// What the program reads for `claim`.
    pub fn inputs(&self, claim: ClaimKey) -> Inputs {
        let claim = &self.ledger.claims[&claim];
        Inputs::of(
            CHAIN_ID,
            self.addresses.inbox,
            &self.ledger.asks[&claim.request_id],
            claim,
        )
        .expect("its seed is known")
    }

    /// `challenger` opens a game on `claim`.
    pub fn open(&mut self, challenger: Address, claim: ClaimKey) -> B256 {
        self.evm.fund(challenger, U256::from(PURSE));
        let outcome = self.send_call(challenger, self.opening(claim));
        outcome.decode::<DisputeGame::openCall>()
    }

    /// The game `id` as the watcher sees it.
    pub fn play(&self, id: B256) -> &Play {
        &self.ledger.games[&id]
    }

    /// Sends what `action` is for `side` of game `id`; the ledger hears of it.
    pub fn act(&mut self, id: B256, side: Side, action: &Action) -> Outcome {
        let play = self.play(id);
        let call = call_for(play, side, action, self.addresses.game);
        let call = call.expect("blobs commit").expect("an action to send");
        let from = play.player(side);
        self.send_call(from, call)
    }

    /// Sends `call` from `from`, with its blob.
    pub fn send_call(&mut self, from: Address, call: Call) -> Outcome {
        self.keep_blob(&call);
        self.send(as_tx(from, &call))
    }

    /// Remembers the blob of `call`, as a beacon node does once it is sent.
    pub fn keep_blob(&mut self, call: &Call) {
        for blob in &call.blobs {
            self.blobs.insert(blob.versioned_hash(), blob.clone());
        }
    }

    /// Sends a transaction; its events go to the ledger.
    pub fn send(&mut self, tx: Tx) -> Outcome {
        let outcome = self.evm.send(tx);
        let now = self.evm.now();
        for log in &outcome.logs {
            let log = Log {
                inner: log.clone(),
                ..Log::default()
            };
            let blob = self.ledger.blob_of_move(&log).map(|(_, blob)| blob);
            let claimed = || self.ledger.claimed_in_blob(&log, now)?.in_blob;
            let blob = blob.or_else(|| claimed().map(|place| place.blob));
            let blob = blob.and_then(|hash| self.blobs.get(&hash).cloned());
            self.ledger
                .apply_with(&log, now, blob.into())
                .expect("the contracts' events make sense");
        }
        outcome
    }

    fn must<C: SolCall>(&mut self, from: Address, to: Address, call: &C, value: u128) -> Outcome {
        let data = call.abi_encode().into();
        let outcome = self.send(Tx {
            from,
            to: Some(to),
            data,
            value: U256::from(value),
            ..Tx::default()
        });
        outcome.expect(C::SIGNATURE);
        outcome
    }

    /// Now, to come back to.
    pub fn moment(&self) -> Moment {
        Moment {
            chain: self.evm.snapshot(),
            ledger: self.ledger.clone(),
        }
    }

    /// Comes back.
    pub fn go_back(&mut self, moment: &Moment) {
        self.evm.restore(&moment.chain);
        self.ledger = moment.ledger.clone();
    }
}
