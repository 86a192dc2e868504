//! ABI types to and from `assay-types`, and between the copies of one struct in different contracts' modules.

use crate::abi::{
    ClaimRef, GameContext, LivenessPenalty, Model, Program, Request, RequestParams, Segment,
    SegmentResult, SignedAsk, SignedRequest,
};
use crate::abi::{blob_dispute_game::BlobDisputeGame, blob_rollup::BlobRollup};
use crate::abi::{dispute_game::DisputeGame, inbox::Inbox};
use crate::abi::{inference_hub::InferenceHub, inference_market::InferenceMarket};
use alloy::primitives::B256;
use assay_types::{Hash, ModelId, ProgramId, StateRoot, Tolerance, program};

/// A hash as the ABI has it.
pub const fn b256(hash: Hash) -> B256 {
    B256::new(hash.0)
}

/// Inverse of [`b256`].
pub const fn hash(word: B256) -> Hash {
    Hash(word.0)
}

/// State roots as the ABI has them.
pub fn roots(roots: &[StateRoot]) -> Vec<B256> {
    roots.iter().map(|r| b256(r.0)).collect()
}

/// Inverse of [`roots`].
pub fn state_roots(words: &[B256]) -> Vec<StateRoot> {
    words.iter().map(|w| StateRoot(hash(*w))).collect()
}

impl From<&program::Program> for Program {
    fn from(p: &program::Program) -> Program {
        Program {
            codeRoot: b256(p.code),
            segmentsRoot: b256(p.segments),
            tableRoot: b256(p.table),
            memoryRoot: b256(p.memory),
            globalsRoot: b256(p.globals),
            pages: p.pages,
            maxPages: p.max_pages,
            volatileLog2: p.volatile_log2,
            stackCells: p.stack_cells,
            a: p.a,
            b: p.b,
            entry: p.entry,
        }
    }
}

impl From<&Program> for program::Program {
    fn from(p: &Program) -> program::Program {
        program::Program {
            code: hash(p.codeRoot),
            segments: hash(p.segmentsRoot),
            table: hash(p.tableRoot),
            memory: hash(p.memoryRoot),
            globals: hash(p.globalsRoot),
            pages: p.pages,
            max_pages: p.maxPages,
            volatile_log2: p.volatileLog2,
            stack_cells: p.stackCells,
            a: p.a,
            b: p.b,
            entry: p.entry,
        }
    }
}

/// A registered model's id, from what the registry holds.
pub fn model_id(model: &Model) -> ModelId {
    let ceiling = Tolerance {
        max_gap: model.maxGap,
        max_flips: model.maxFlips,
    };
    program::model_id(
        hash(model.modelRoot),
        model.length,
        ProgramId(hash(model.programId)),
        ceiling,
    )
}

/// The tolerance in force, as a request packs it: `max_gap << 32 | max_flips`.
pub const fn tolerance(packed: u64) -> Tolerance {
    Tolerance {
        max_gap: (packed >> 32) as u32,
        max_flips: packed as u32,
    }
}

/// Inverse of [`tolerance`].
pub const fn packed_tolerance(t: Tolerance) -> u64 {
    ((t.max_gap as u64) << 32) | t.max_flips as u64
}

/// One struct, several generated copies: field by field, so that a difference does not compile.
macro_rules! same_struct {
    ($($from:ty => $to:path { $($field:ident),* $(; $($nested:ident),*)? })*) => {$(
        impl From<&$from> for $to {
            fn from(x: &$from) -> $to {
                $to { $($field: x.$field.clone(),)* $($($nested: (&x.$nested).into(),)*)? }
            }
        }
    )*};
}

same_struct! {
    RequestParams => Inbox::RequestParams {
        modelId, callback, callbackGas, delivery, tolerant, minBond, fee, callbackFee, refundTo, inclusionDeadline
    }
    Inbox::RequestParams => RequestParams {
        modelId, callback, callbackGas, delivery, tolerant, minBond, fee, callbackFee, refundTo, inclusionDeadline
    }
    RequestParams => DisputeGame::RequestParams {
        modelId, callback, callbackGas, delivery, tolerant, minBond, fee, callbackFee, refundTo, inclusionDeadline
    }
    Request => Inbox::Request {
        requester, origin, nonce, entropy, payloadHash, payloadLength, maxTokens, userDataHash, modelLength, tolerance;
        params
    }
    Inbox::Request => Request {
        requester, origin, nonce, entropy, payloadHash, payloadLength, maxTokens, userDataHash, modelLength, tolerance;
        params
    }
    Request => DisputeGame::Request {
        requester, origin, nonce, entropy, payloadHash, payloadLength, maxTokens, userDataHash, modelLength, tolerance;
        params
    }
    SignedRequest => Inbox::SignedRequest { payer, nonce, entropy, payload, userData, signature; params }
    GameContext => BlobDisputeGame::GameContext {
        requestId, segmentId, index, executor, challenger, claimBond, modelId, requestRoot, outputRoot
    }
    ClaimRef => DisputeGame::ClaimRef { segmentId, index, outputHash, proof }
    RequestParams => BlobRollup::RequestParams {
        modelId, callback, callbackGas, delivery, tolerant, minBond, fee, callbackFee, refundTo, inclusionDeadline
    }
    Request => BlobRollup::Request {
        requester, origin, nonce, entropy, payloadHash, payloadLength, maxTokens, userDataHash, modelLength, tolerance;
        params
    }
    SegmentResult => BlobRollup::Result { output; request }
    SignedRequest => BlobRollup::SignedRequest { payer, nonce, entropy, payload, userData, signature; params }
    RequestParams => InferenceHub::RequestParams {
        modelId, callback, callbackGas, delivery, tolerant, minBond, fee, callbackFee, refundTo, inclusionDeadline
    }
    Request => InferenceHub::Request {
        requester, origin, nonce, entropy, payloadHash, payloadLength, maxTokens, userDataHash, modelLength, tolerance;
        params
    }
    ClaimRef => InferenceHub::ClaimRef { segmentId, index, outputHash, proof }
    RequestParams => LivenessPenalty::RequestParams {
        modelId, callback, callbackGas, delivery, tolerant, minBond, fee, callbackFee, refundTo, inclusionDeadline
    }
    Request => LivenessPenalty::Request {
        requester, origin, nonce, entropy, payloadHash, payloadLength, maxTokens, userDataHash, modelLength, tolerance;
        params
    }
    SignedAsk => InferenceMarket::SignedAsk {
        executor, modelId, token, hardware, capacity, promptPrice, tokenPrice, nonce, validUntil, signature
    }
}

impl From<&Segment> for BlobRollup::Segment {
    fn from(s: &Segment) -> BlobRollup::Segment {
        BlobRollup::Segment {
            executor: s.executor,
            number: s.number,
            expiry: s.expiry,
            results: s.results.iter().map(Into::into).collect(),
            signature: s.signature.clone(),
        }
    }
}

/// Everything about a game that its claim and request already say.
pub fn claim_key_of(context: &GameContext) -> alloy::primitives::U256 {
    crate::game::claim_key(context.segmentId, context.index)
}
