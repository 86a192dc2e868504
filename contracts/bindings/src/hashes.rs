//! Ids and the work of requests (`docs/encoding.md`, section 9); mirrors `contracts/src/rollup/RequestLaws.sol`.

use crate::abi::{Request, SignedRequest};
use crate::convert::{hash, tolerance};
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolValue;
use assay_types::ModelId;
use assay_types::request::RomHeader;

/// `origin` of a request that was asked on chain.
pub const ORIGIN_CHAIN: u8 = 0;
/// `origin` of a signed request.
pub const ORIGIN_SIGNED: u8 = 1;
/// `origin` of a request that was asked on chain and whose seed is bound to a later block: its entropy is that block's number.
pub const ORIGIN_LATER: u8 = 2;

/// Id of a request: `H(abi.encode(chain id, inbox, request))`.
pub fn request_id(chain_id: u64, inbox: Address, request: &Request) -> B256 {
    keccak256((U256::from(chain_id), inbox, request.clone()).abi_encode())
}

/// The block whose `prevrandao` is the entropy of `request`; `None` where the request has it itself.
pub fn seed_block(request: &Request) -> Option<u64> {
    // The inbox wrote a block number, so it fits.
    let number = U256::from_be_bytes(request.entropy.0);
    (request.origin == ORIGIN_LATER).then(|| number.saturating_to())
}

/// Sampler's seed: `H(entropy ‖ request id)`.
pub fn seed(entropy: B256, id: B256) -> B256 {
    keccak256([entropy.0, id.0].concat())
}

/// What the contract writes before the payload in the request ROM. `entropy` is the request's own, or what the inbox has
/// recorded of its [`seed_block`].
pub fn rom_header(
    chain_id: u64,
    inbox: Address,
    request: &Request,
    entropy: B256,
    id: B256,
) -> RomHeader {
    RomHeader {
        chain_id,
        inbox: inbox.into_array(),
        request_id: hash(id),
        model: ModelId(hash(request.params.modelId)),
        seed: hash(seed(entropy, id)),
        tolerance: tolerance(request.tolerance),
    }
}

/// The request that a batch opens when it admits `signed`. `max_tokens` is what [`payload_max_tokens`] reads.
pub fn request_of(
    signed: &SignedRequest,
    max_tokens: u32,
    model_length: u64,
    packed_tolerance: u64,
) -> Request {
    Request {
        requester: signed.payer,
        origin: ORIGIN_SIGNED,
        nonce: signed.nonce,
        entropy: signed.entropy,
        payloadHash: keccak256(&signed.payload),
        payloadLength: signed.payload.len() as u32,
        maxTokens: max_tokens,
        userDataHash: keccak256(&signed.userData),
        modelLength: model_length,
        tolerance: if signed.params.tolerant {
            packed_tolerance
        } else {
            0
        },
        params: signed.params.clone(),
    }
}

/// Max tokens of a payload; `None` where the inbox refuses it.
pub fn payload_max_tokens(payload: &[u8]) -> Option<u32> {
    const MIN_PAYLOAD: usize = 13;
    const MIN_OUTPUT: usize = 5;
    let most = assay_types::params::MAX_REQUEST_OUTPUT_BYTES as usize - MIN_OUTPUT;
    if payload.len() < MIN_PAYLOAD || payload.len() > most || payload[0] != 1 {
        return None;
    }
    let n = u32::from_le_bytes([payload[2], payload[3], payload[4], payload[5]]);
    (1..=assay_types::params::MAX_TOKENS)
        .contains(&n)
        .then_some(n)
}

/// Work of `tokens` of answer to a request, in model bytes x tokens.
pub fn work(model_length: u64, payload_length: u32, tokens: u32) -> u128 {
    u128::from(model_length) * (u128::from(payload_length) + u128::from(tokens))
}

/// Tokens that an output is charged for: those of an answer, `most` for anything else.
pub fn output_tokens(output: &[u8], most: u32) -> u32 {
    match output {
        [0, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]).min(most),
        _ => most,
    }
}
