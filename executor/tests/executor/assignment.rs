//! What the executor refuses to work on, whatever the sequencer says.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::sol_types::SolValue;
use assay_bindings::hashes::{request_id, seed};
use assay_bindings::{Request, RequestParams};
use assay_executor::backend::exact::BadModel;
use assay_executor::check::{Unfit, check};
use assay_executor::models::{Models, Served};
use assay_node::deployment::ModelEntry;
use assay_types::request::Payload;
use std::sync::Arc;

const CHAIN: u64 = 31337;
const INBOX: Address = Address::repeat_byte(7);
const ENTROPY: B256 = B256::repeat_byte(3);
const MODEL: B256 = B256::repeat_byte(8);

fn models() -> Models {
    let entry = ModelEntry {
        id: MODEL,
        name: "m".into(),
        program_id: B256::repeat_byte(1),
        root: B256::repeat_byte(2),
        length: 1000,
        max_gap: 50,
        max_flips: 2,
    };
    Models::from([(
        MODEL,
        Arc::new(Served::new(entry, None, vec![Box::new(BadModel)])),
    )])
}

fn payload() -> Bytes {
    Payload::greedy("Once", 4).encode().into()
}

fn request() -> Request {
    let payload = payload();
    Request {
        entropy: ENTROPY,
        payloadHash: keccak256(&payload),
        payloadLength: payload.len() as u32,
        maxTokens: 4,
        modelLength: 1000,
        params: RequestParams {
            modelId: MODEL,
            ..Default::default()
        },
        ..Default::default()
    }
}

fn check_encoded(id: B256, encoded: Vec<u8>, payload: Bytes) -> Result<Vec<u8>, Unfit> {
    let fitting = check(CHAIN, INBOX, &models(), id, encoded.into(), payload)?;
    Ok(fitting.seeded(CHAIN, INBOX, ENTROPY).rom)
}

fn check_request(request: &Request) -> Result<Vec<u8>, Unfit> {
    check_encoded(
        request_id(CHAIN, INBOX, request),
        request.abi_encode(),
        payload(),
    )
}

#[test]
fn the_seed_comes_from_the_request_that_the_chain_knows() {
    let request = request();
    let rom = check_request(&request).expect("fits");
    let id = request_id(CHAIN, INBOX, &request);
    assert_eq!(rom[64..96], id[..]);
    assert_eq!(rom[128..160], seed(ENTROPY, id)[..]);
    assert_eq!(rom[192..], payload()[..]);
    // Other entropy is another request: under the old id it is refused.
    let other = Request {
        entropy: B256::repeat_byte(4),
        ..request
    };
    assert!(matches!(
        check_encoded(id, other.abi_encode(), payload()),
        Err(Unfit::OtherId(_))
    ));
}

#[test]
fn another_payload_than_the_request_names_is_refused() {
    let request = request();
    let id = request_id(CHAIN, INBOX, &request);
    let other: Bytes = Payload::greedy("Twice", 4).encode().into();
    assert!(matches!(
        check_encoded(id, request.abi_encode(), other),
        Err(Unfit::OtherPayload)
    ));
    let lying = Request {
        payloadLength: 5,
        ..request
    };
    assert!(matches!(check_request(&lying), Err(Unfit::OtherPayload)));
}

#[test]
fn bytes_that_are_not_the_encoding_of_a_request_are_refused() {
    let request = request();
    let id = request_id(CHAIN, INBOX, &request);
    let mut long = request.abi_encode();
    long.extend([0; 32]);
    let mut dirty = request.abi_encode();
    dirty[0] = 1;
    for encoded in [vec![], request.abi_encode()[..64].to_vec(), long, dirty] {
        assert!(matches!(
            check_encoded(id, encoded, payload()),
            Err(Unfit::Malformed)
        ));
    }
}

#[test]
fn model_length_and_tolerance_must_be_the_models() {
    let with_model = Request {
        modelLength: 999,
        ..request()
    };
    assert!(matches!(
        check_request(&with_model),
        Err(Unfit::OtherModel("model length"))
    ));
    let loose = Request {
        tolerance: 1 << 32,
        ..request()
    };
    assert!(matches!(
        check_request(&loose),
        Err(Unfit::OtherModel("tolerance"))
    ));
    let mut tolerant = request();
    tolerant.params.tolerant = true;
    assert!(matches!(
        check_request(&tolerant),
        Err(Unfit::OtherModel("tolerance"))
    ));
    tolerant.tolerance = 50 << 32 | 2;
    let rom = check_request(&tolerant).expect("fits");
    assert_eq!(rom[184..192], [0, 0, 0, 50, 0, 0, 0, 2]);
    let mut unknown = request();
    unknown.params.modelId = B256::ZERO;
    assert!(matches!(
        check_request(&unknown),
        Err(Unfit::UnknownModel(_))
    ));
}
