//! Decides whether a request taken by gRPC is accepted: what the inbox would refuse later is refused here, with words.

use crate::chain_view::ChainView;
use crate::core::Shared;
use crate::entry::Entry;
use crate::payload::{self, Defect};
use crate::segment::recover;
use crate::wire::BadField;
use alloy::primitives::{Address, B256, U256};
use assay_bindings::hashes::{payload_max_tokens, request_id, request_of, work};
use assay_bindings::{SignedRequest, convert, sign};
use assay_node::chain::ChainError;
use assay_node::journal::JournalError;
use assay_types::Tolerance;
use assay_types::params::MAX_TOKENS;
use tonic::{Code, Status};

/// Seconds that a request must have left, or no answer can reach the chain in time.
const LEAST_LIFE: u64 = 10;
/// Seconds ahead that the inbox accepts a deadline.
const MOST_LIFE: u64 = 7 * 24 * 3600;
/// Bytes of user data that the inbox accepts.
const MAX_USER_DATA: usize = 4_096;
/// Gas that the inbox accepts for a callback.
const MAX_CALLBACK_GAS: u32 = 2_000_000;

/// Why a request is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A field of the message does not fit.
    #[error(transparent)]
    Field(#[from] BadField),
    /// The payload is not one.
    #[error(
        "the payload is malformed: version 1 and 1 to {MAX_TOKENS} max tokens are accepted (docs/encoding.md, section 7)"
    )]
    Payload,
    /// The payload can only be answered with an error.
    #[error(transparent)]
    Defect(#[from] Defect),
    /// More bytes than this sequencer takes.
    #[error(
        "payload and user data are {bytes} bytes, this sequencer takes {limit}: shorten the prompt"
    )]
    TooLarge {
        /// Bytes given.
        bytes: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// A parameter that the inbox refuses.
    #[error("{0}")]
    Params(&'static str),
    /// Nobody registered the model.
    #[error(
        "model {0} is not registered on this chain: ask a model that is (the deployment file lists some), or register it"
    )]
    UnknownModel(B256),
    /// More work than one request may ask for.
    #[error(
        "{max_tokens} tokens of answer to a payload of {payload} bytes are {work} units of work, the chain allows {limit}: shorten the prompt or ask for fewer tokens"
    )]
    TooMuchWork {
        /// Tokens asked for.
        max_tokens: u32,
        /// Bytes of payload.
        payload: usize,
        /// Model bytes x tokens.
        work: u128,
        /// The inbox's limit.
        limit: U256,
    },
    /// Not the payer's signature.
    #[error(
        "the signature is not {0}'s over this request (EIP-712, domain Assay 1, this chain and inbox)"
    )]
    Signature(Address),
    /// The fee is below this sequencer's.
    #[error(
        "the fee is {fee} wei, this sequencer takes requests from {least} wei on: offer that much"
    )]
    FeeTooLow {
        /// Fee offered.
        fee: u128,
        /// Least fee.
        least: u128,
    },
    /// The fee does not pay for the work.
    #[error(
        "the fee is {fee} wei, but {work} units of work need {now} wei at the window's present price ({idle} wei while it is idle): offer more, or ask again later"
    )]
    WorkTooDear {
        /// Fee offered.
        fee: u128,
        /// Model bytes x tokens, at most.
        work: U256,
        /// Least fee now.
        now: U256,
        /// Least fee of the inbox.
        idle: U256,
    },
    /// The nonce was used.
    #[error("nonce {0} was used already: sign with a new one")]
    NonceUsed(u64),
    /// The nonce belongs to a request that waits.
    #[error(
        "nonce {nonce} belongs to request {id}, which waits for its answer: sign with a new one"
    )]
    NonceHeld {
        /// The nonce.
        nonce: u64,
        /// The other request.
        id: B256,
    },
    /// The deposit does not pay for it.
    #[error("the deposit of {payer} can pay {free} wei more, {due} wei are due: deposit {} wei more in the inbox", due.saturating_sub(*free))]
    Deposit {
        /// Whose.
        payer: Address,
        /// Wei free.
        free: U256,
        /// Wei due.
        due: U256,
    },
    /// The inclusion deadline does not suit.
    #[error(
        "the inclusion deadline {deadline} must be {LEAST_LIFE} s to 7 days after the chain's time {now}"
    )]
    Deadline {
        /// The request's.
        deadline: u64,
        /// Chain time.
        now: u64,
    },
    /// Too much waits.
    #[error("{0} requests wait already: try again later")]
    Full(usize),
    /// The chain can't be asked.
    #[error("the request cannot be checked now: {0}")]
    Chain(#[from] ChainError),
    /// It can't be kept.
    #[error("the request cannot be stored now: {0}")]
    Journal(#[from] JournalError),
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let code = match &refusal {
            Refusal::Field(_)
            | Refusal::Payload
            | Refusal::Defect(_)
            | Refusal::TooLarge { .. }
            | Refusal::Params(_)
            | Refusal::UnknownModel(_)
            | Refusal::TooMuchWork { .. }
            | Refusal::Signature(_) => Code::InvalidArgument,
            Refusal::FeeTooLow { .. }
            | Refusal::WorkTooDear { .. }
            | Refusal::NonceUsed(_)
            | Refusal::NonceHeld { .. }
            | Refusal::Deposit { .. }
            | Refusal::Deadline { .. } => Code::FailedPrecondition,
            Refusal::Full(_) => Code::ResourceExhausted,
            Refusal::Chain(_) => Code::Unavailable,
            Refusal::Journal(_) => Code::Internal,
        };
        // What ails this machine is for its log: endpoints and paths are nobody else's business.
        let words = match &refusal {
            Refusal::Chain(_) => "the sequencer cannot reach its chain, so the request cannot be checked; nothing was \
                                  accepted: try again in a moment"
                .to_owned(),
            Refusal::Journal(_) => "the sequencer cannot write to its disk; nothing was accepted: tell its operator, \
                                    or ask another one"
                .to_owned(),
            told => told.to_string(),
        };
        Status::new(code, words)
    }
}

/// Checks a signed request and accepts it; when this returns it is on the disk. The same request again is fine.
pub async fn submit(shared: &Shared, signed: SignedRequest) -> Result<B256, Refusal> {
    let entry = complete(
        &shared.view,
        &signed,
        shared.flags.max_request_bytes as usize,
    )
    .await?;
    let id = entry.id;
    if shared.core().knows_signed(&id) {
        return Ok(id);
    }
    // Here and not in `complete`: what an earlier version accepted stays accepted.
    payload::check(&signed.payload)?;
    let p = &signed.params;
    if p.fee < shared.flags.min_fee_wei {
        return Err(Refusal::FeeTooLow {
            fee: p.fee,
            least: shared.flags.min_fee_wei,
        });
    }
    check_price(shared, &entry).await?;
    let now = shared.view.now();
    if p.inclusionDeadline < now + LEAST_LIFE || p.inclusionDeadline > now + MOST_LIFE {
        return Err(Refusal::Deadline {
            deadline: p.inclusionDeadline,
            now,
        });
    }
    if shared.view.nonce_used(signed.payer, signed.nonce).await? {
        return Err(Refusal::NonceUsed(signed.nonce));
    }
    let deposit = shared.view.deposit(signed.payer).await?;
    // Announced money still pays, but not after it may leave.
    let leaves_first = deposit.available_at <= p.inclusionDeadline;
    let balance = deposit.balance
        - if leaves_first {
            deposit.leaving.min(deposit.balance)
        } else {
            U256::ZERO
        };

    let mut core = shared.core();
    // Looked at again under the lock: two submissions may have raced to here.
    if core.knows_signed(&id) {
        return Ok(id);
    }
    if let Some(other) = core.book.by_nonce(signed.payer, signed.nonce) {
        return Err(Refusal::NonceHeld {
            nonce: signed.nonce,
            id: other.id,
        });
    }
    if core.book.pending_signed() >= shared.flags.max_pending {
        return Err(Refusal::Full(core.book.pending_signed()));
    }
    let (free, due) = (
        balance.saturating_sub(core.book.owed_by(signed.payer)),
        entry.due(),
    );
    if due > free {
        return Err(Refusal::Deposit {
            payer: signed.payer,
            free,
            due,
        });
    }
    core.accept(entry, &signed)?;
    drop(core);
    shared.settle();
    Ok(id)
}

/// Whether the fee covers the longest answer, as things stand. It burns half of the fee at most, or nobody may claim it.
async fn check_price(shared: &Shared, entry: &Entry) -> Result<(), Refusal> {
    let work = entry.most_work();
    let share = shared.view.batches().await?;
    // Every share takes the largest request once, or the rollup would not stand.
    let idle = shared.view.law().least_fee(work).unwrap_or(U256::MAX);
    let now = share.fee(work).unwrap_or(U256::MAX).max(idle);
    let fee = entry.request.params.fee;
    if U256::from(fee) < now {
        return Err(Refusal::WorkTooDear {
            fee,
            work,
            now,
            idle,
        });
    }
    Ok(())
}

/// Everything that depends on the request and the chain's constants alone.
async fn complete(
    view: &ChainView,
    signed: &SignedRequest,
    limit: usize,
) -> Result<Entry, Refusal> {
    let bytes = signed.payload.len() + signed.userData.len();
    if bytes > limit {
        return Err(Refusal::TooLarge { bytes, limit });
    }
    if signed.userData.len() > MAX_USER_DATA {
        return Err(Refusal::TooLarge {
            bytes: signed.userData.len(),
            limit: MAX_USER_DATA,
        });
    }
    let max_tokens = payload_max_tokens(&signed.payload).ok_or(Refusal::Payload)?;
    let p = &signed.params;
    if p.refundTo.is_zero() {
        return Err(Refusal::Params("refund_to must be an account"));
    }
    if p.callback.is_zero() && p.callbackFee != 0 {
        return Err(Refusal::Params("a callback fee needs a callback"));
    }
    if !p.callback.is_zero() && p.callbackGas > MAX_CALLBACK_GAS {
        return Err(Refusal::Params("callback_gas is at most 2,000,000"));
    }
    let chain = view.chain().id();
    let inbox = view.contracts().inbox;
    let digest = sign::request_digest(chain, inbox, signed);
    if recover(&signed.signature, digest) != Some(signed.payer) {
        return Err(Refusal::Signature(signed.payer));
    }
    let model = view
        .model(p.modelId)
        .await?
        .ok_or(Refusal::UnknownModel(p.modelId))?;
    let work = work(model.length, signed.payload.len() as u32, max_tokens);
    if U256::from(work) > view.max_work() {
        let (payload, limit) = (signed.payload.len(), view.max_work());
        return Err(Refusal::TooMuchWork {
            max_tokens,
            payload,
            work,
            limit,
        });
    }
    let ceiling = Tolerance {
        max_gap: model.maxGap,
        max_flips: model.maxFlips,
    };
    let request = request_of(
        signed,
        max_tokens,
        model.length,
        convert::packed_tolerance(ceiling),
    );
    let id = request_id(chain, inbox, &request);
    let mut entry = Entry::new(id, request, signed.payload.clone());
    entry.signed = Some(signed.clone());
    Ok(entry)
}

/// A journaled request as an entry; `None` if its model can't be found any more.
pub async fn restore(
    view: &ChainView,
    signed: &SignedRequest,
) -> Result<Option<Entry>, ChainError> {
    match complete(view, signed, usize::MAX).await {
        Ok(entry) => Ok(Some(entry)),
        Err(Refusal::Chain(error)) => Err(error),
        Err(other) => {
            tracing::warn!(payer = %signed.payer, nonce = signed.nonce, reason = %other, "a journaled request is void");
            Ok(None)
        }
    }
}
