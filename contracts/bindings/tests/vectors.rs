//! Ids, digests and roots of one fixed request, segment and game. `contracts/test/Vectors.t.sol` asserts the same values of
//! the contracts, so the two languages agree.

use alloy::primitives::aliases::{U40, U96};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use assay_bindings::abi::{GameContext, Request, RequestParams, SignedAsk, SignedRequest};
use assay_bindings::blob_refs::{BlobRef, lay_out};
use assay_bindings::work::WorkLaw;
use assay_bindings::{convert, game, hashes, results, sign};
use assay_types::request::{Payload, Sampling};
use assay_types::{Hash, StateRoot};

const CHAIN_ID: u64 = 31337;

fn deployer() -> Address {
    Address::repeat_byte(0x11)
}

/// Inbox, rollup, game, liveness and market are their deployer's first five contracts, in that order.
fn contract(nonce: u64) -> Address {
    deployer().create(nonce)
}

fn params() -> RequestParams {
    RequestParams {
        modelId: keccak256("model"),
        callback: Address::repeat_byte(0x22),
        callbackGas: 123_456,
        delivery: 1,
        tolerant: true,
        minBond: 5,
        fee: 1_000_000_007,
        callbackFee: 77,
        refundTo: Address::repeat_byte(0x33),
        inclusionDeadline: 1_700_000_100,
    }
}

fn payload() -> Vec<u8> {
    Payload::greedy("hello", 16).encode()
}

fn request() -> Request {
    Request {
        requester: Address::repeat_byte(0x44),
        origin: hashes::ORIGIN_CHAIN,
        nonce: 9,
        entropy: keccak256("entropy"),
        payloadHash: keccak256(payload()),
        payloadLength: payload().len() as u32,
        maxTokens: 16,
        userDataHash: keccak256("order 7"),
        modelLength: 1000,
        tolerance: 500 << 32 | 3,
        params: params(),
    }
}

fn signed() -> SignedRequest {
    SignedRequest {
        payer: Address::repeat_byte(0x55),
        nonce: 700,
        entropy: keccak256("payer's own"),
        params: params(),
        payload: payload().into(),
        userData: Bytes::from_static(b"order 7"),
        signature: Bytes::new(),
    }
}

/// Prices beyond 64 bits, and a nonce and an end beyond 32.
fn ask() -> SignedAsk {
    SignedAsk {
        executor: Address::repeat_byte(0x66),
        modelId: keccak256("model"),
        token: Address::repeat_byte(0x88),
        hardware: 4,
        capacity: 3_000_000_019,
        promptPrice: U96::from(30_000_000_000_000_000_001u128),
        tokenPrice: U96::from(40_000_000_000_000_000_007u128),
        nonce: 5_000_000_011,
        validUntil: U40::from(17_000_000_400u64),
        signature: Bytes::new(),
    }
}

fn context() -> GameContext {
    GameContext {
        requestId: hashes::request_id(CHAIN_ID, contract(0), &request()),
        segmentId: 6,
        index: 2,
        executor: Address::repeat_byte(0x66),
        challenger: Address::repeat_byte(0x77),
        claimBond: 1_000_000,
        modelId: keccak256("model"),
        requestRoot: keccak256("request root"),
        outputRoot: keccak256("output root"),
    }
}

#[test]
fn payload_is_the_fixtures() {
    assert_eq!(
        alloy::primitives::hex::encode(payload()),
        "01001000000000000000000100000500000068656c6c6f"
    );
    assert_eq!(hashes::payload_max_tokens(&payload()), Some(16));
    assert_eq!(hashes::payload_max_tokens(&payload()[..12]), None);
}

/// In the order of the constants in `Vectors.t.sol`.
/// The same bytes as in `contracts/test/consumer/RequestLib.t.sol`.
#[test]
fn sampled_payloads_are_those_of_the_library() {
    let encoded = |prompt, most, sampling| {
        let payload = Payload {
            sampling,
            ..Payload::greedy(prompt, most)
        };
        alloy::primitives::hex::encode(payload.encode())
    };
    let drawn = Sampling::Drawn {
        temperature: 1500,
        top_k: 40,
        min_p: 50,
    };
    assert_eq!(
        encoded("hello", 16, drawn),
        "010110000000dc05000028003200000100000500000068656c6c6f"
    );
    let choice = Sampling::Choice(vec![b" yes".to_vec(), b" no".to_vec()]);
    assert_eq!(
        encoded("ok?", 4, choice),
        "0102040000000000000000010000030000006f6b3f020400207965730300206e6f"
    );
}

fn computed() -> [(&'static str, B256); 11] {
    let id = hashes::request_id(CHAIN_ID, contract(0), &request());
    let header =
        hashes::rom_header(CHAIN_ID, contract(0), &request(), request().entropy, id).encode();
    let leaves: Vec<B256> = (0u8..3)
        .map(|i| results::leaf(B256::repeat_byte(i), keccak256([i])))
        .collect();
    let (c, root) = (context(), |i: u8| StateRoot(Hash([i; 32])));
    let game = game::game_id(CHAIN_ID, contract(2), &c);
    let posted: Vec<StateRoot> = (1u8..=4).map(root).collect();
    let claim = convert::claim_key_of(&c);
    let (reference, blob) = (blob_ref(), B256::repeat_byte(0x01));
    [
        ("REQUEST_ID", id),
        ("SEED", hashes::seed(request().entropy, id)),
        ("ROM_HEADER", keccak256(header)),
        (
            "REQUEST_DIGEST",
            sign::request_digest(CHAIN_ID, contract(0), &signed()),
        ),
        (
            "SEGMENT_DIGEST",
            sign::segment_digest(CHAIN_ID, contract(1), 7, 1_700_000_200, keccak256("root")),
        ),
        (
            "PROMISE_DIGEST",
            sign::promise_digest(
                CHAIN_ID,
                contract(3),
                id,
                1_700_000_300,
                20_000_000_000_000_000_003,
            ),
        ),
        (
            "ASK_DIGEST",
            sign::ask_digest(CHAIN_ID, contract(4), &ask()),
        ),
        ("RESULTS_ROOT", results::root(&leaves)),
        ("BLOB_LEAF", reference.leaf_hash(blob)),
        ("GAME_ID", game),
        (
            "COMMITMENT",
            game::commitment(game, root(0), &posted, claim, c.challenger, c.executor),
        ),
    ]
}

/// The second of two outputs in one blob.
fn blob_ref() -> BlobRef {
    let outputs = [
        &[0; 6 + 31][..],
        b"\x00\x02\x00\x00\x00 and forty bytes that stand in two elements",
    ];
    let (refs, elements) = lay_out(outputs).expect("they fit");
    assert_eq!(elements.len(), 4);
    assert_eq!(refs[1].output(|i| elements[i])[..], *outputs[1]);
    refs[1]
}

#[test]
fn reference_is_the_fixtures() {
    assert_eq!(
        alloy::primitives::hex::encode(blob_ref().pack()),
        "0002002b0002000000"
    );
}

#[test]
fn values_are_those_of_the_contracts() {
    let solidity = include_str!("../../test/Vectors.t.sol");
    for (name, value) in computed() {
        let line = format!("bytes32 private constant {name} = {value};");
        assert!(
            solidity.contains(&line),
            "the contracts' test does not have: {line}"
        );
    }
}

/// What work burns at some levels of both shares, in the order of `BURNS` in `Vectors.t.sol`.
#[test]
fn burns_are_those_of_the_contracts() {
    let law = WorkLaw {
        per_window: U256::from(150_000_000_000u64),
        floor: U256::from(1_000_000_000),
        doublings: 15,
    };
    let solidity = include_str!("../../test/Vectors.t.sol");
    // Level, work, and whether it is claimed directly.
    for (level, work, direct) in [
        (0u64, 238_000_000u64, false),
        (59_762_000_000, 238_000_000, false),
        (45_000_000_000, 15_000_000_000, false),
        (7_999_999_999, 1, false),
        (0, 15_000_000_000, true),
        (1_234_567_890, 987_654_321, true),
    ] {
        let cap = if direct {
            15_000_000_000
        } else {
            60_000_000_000
        };
        let left = U256::from(cap - level);
        let share = if direct {
            law.direct(left)
        } else {
            law.batches(left)
        };
        let burn = share.burn(U256::from(work)).expect("it fits");
        let line = format!("_burns({level}, {work}, {direct}, {burn});");
        assert!(
            solidity.contains(&line),
            "the contracts' test does not have: {line}"
        );
    }
}

/// Both ends of every piece fold to the posted root with the combined proof.
#[test]
fn piece_proofs_have_the_contracts_lengths() {
    let posted: Vec<StateRoot> = (0u8..32).map(|i| StateRoot(Hash([i; 32]))).collect();
    let length = |i: usize| game::piece_proof(&posted, i).len();
    // Piece 0 has one path; an odd piece's leaves are siblings; 16 splits at the root.
    assert_eq!(
        (length(0), length(1), length(2), length(16), length(31)),
        (5, 4, 5, 8, 4)
    );
}
