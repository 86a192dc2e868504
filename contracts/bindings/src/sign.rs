//! EIP-712 digests: what executors sign for a segment, a promise and an ask, and payers for a request.

use crate::abi::{SignedAsk, SignedRequest};
use alloy::primitives::{Address, B256};
use alloy::sol_types::{Eip712Domain, SolStruct, eip712_domain};

mod typed {
    #![allow(missing_docs)]
    alloy::sol! {
        struct Segment {
            uint64 number;
            uint64 expiry;
            bytes32 root;
        }

        struct Promise {
            bytes32 requestId;
            uint64 deadline;
            uint128 penalty;
        }

        struct Ask {
            address executor;
            bytes32 modelId;
            address token;
            uint8 hardware;
            uint32 capacity;
            uint96 promptPrice;
            uint96 tokenPrice;
            uint64 nonce;
            uint40 validUntil;
        }

        struct InferenceRequest {
            address payer;
            uint64 nonce;
            bytes32 entropy;
            bytes32 modelId;
            address callback;
            uint32 callbackGas;
            uint8 delivery;
            bool tolerant;
            uint128 minBond;
            uint128 fee;
            uint128 callbackFee;
            address refundTo;
            uint64 inclusionDeadline;
            bytes payload;
            bytes userData;
        }
    }
}

/// The domain of `contract` on `chain_id`: name `Assay`, version `1`.
pub fn domain(chain_id: u64, contract: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Assay",
        version: "1",
        chain_id: chain_id,
        verifying_contract: contract,
    }
}

/// Digest that an executor signs; `contract` is the rollup.
pub fn segment_digest(
    chain_id: u64,
    contract: Address,
    number: u64,
    expiry: u64,
    root: B256,
) -> B256 {
    typed::Segment {
        number,
        expiry,
        root,
    }
    .eip712_signing_hash(&domain(chain_id, contract))
}

/// Digest that an executor signs for a promise; `contract` is the liveness contract.
pub fn promise_digest(
    chain_id: u64,
    contract: Address,
    request_id: B256,
    deadline: u64,
    penalty: u128,
) -> B256 {
    typed::Promise {
        requestId: request_id,
        deadline,
        penalty,
    }
    .eip712_signing_hash(&domain(chain_id, contract))
}

/// Digest that a payer signs; `contract` is the inbox. The signature in `request` is not looked at.
pub fn request_digest(chain_id: u64, contract: Address, request: &SignedRequest) -> B256 {
    let p = &request.params;
    typed::InferenceRequest {
        payer: request.payer,
        nonce: request.nonce,
        entropy: request.entropy,
        modelId: p.modelId,
        callback: p.callback,
        callbackGas: p.callbackGas,
        delivery: p.delivery,
        tolerant: p.tolerant,
        minBond: p.minBond,
        fee: p.fee,
        callbackFee: p.callbackFee,
        refundTo: p.refundTo,
        inclusionDeadline: p.inclusionDeadline,
        payload: request.payload.clone(),
        userData: request.userData.clone(),
    }
    .eip712_signing_hash(&domain(chain_id, contract))
}

/// Digest that an executor signs for an ask; `contract` is the market. The signature in `ask` is not looked at.
pub fn ask_digest(chain_id: u64, contract: Address, ask: &SignedAsk) -> B256 {
    typed::Ask {
        executor: ask.executor,
        modelId: ask.modelId,
        token: ask.token,
        hardware: ask.hardware,
        capacity: ask.capacity,
        promptPrice: ask.promptPrice,
        tokenPrice: ask.tokenPrice,
        nonce: ask.nonce,
        validUntil: ask.validUntil,
    }
    .eip712_signing_hash(&domain(chain_id, contract))
}
