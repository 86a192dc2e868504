//! Checks an assignment against the chain before a second of work goes into it. The sequencer is not trusted.

use crate::models::{Models, Served};
use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::sol_types::SolValue;
use assay_bindings::convert::packed_tolerance;
use assay_bindings::hashes::{
    ORIGIN_CHAIN, ORIGIN_LATER, ORIGIN_SIGNED, request_id, rom_header, seed_block,
};
use assay_bindings::{Inbox, Request};
use assay_dispute::watcher::{WatchError, view};
use assay_node::chain::ChainError;
use assay_node::seed::Seeds;
use assay_node::shell::Shell;
use assay_types::Tolerance;
use std::sync::Arc;

/// `RequestState.None`.
pub const STATE_NONE: u8 = 0;
/// `RequestState.Open`.
pub const STATE_OPEN: u8 = 1;

/// Why an assignment is declined.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Not the ABI encoding of a request, or not the canonical one.
    #[error("the request does not decode")]
    Malformed,
    /// The request has another id.
    #[error("the request hashes to {0}, another id than it came with")]
    OtherId(B256),
    /// The payload is another.
    #[error("the payload is not the one that the request names")]
    OtherPayload,
    /// The model is not here.
    #[error("model {0} is not served here")]
    UnknownModel(B256),
    /// A field does not follow from the model.
    #[error("the request's {0} is not the model's")]
    OtherModel(&'static str),
    /// The chain does not want an answer.
    #[error("the request is not open: its state is {0}")]
    NotOpen(u8),
    /// A signed request that can't be admitted any more.
    #[error("the payer has used nonce {0} already")]
    NonceSpent(u64),
    /// Nobody can know the right answer yet.
    #[error(
        "its seed is bound to block {0}, whose randomness is not recorded or not deep enough yet"
    )]
    NoSeed(u64),
    /// The chain can't be asked.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The chain can't be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A request that is what it says.
pub struct Fitting {
    id: B256,
    request: Request,
    encoded: Bytes,
    payload: Bytes,
    model: Arc<Served>,
}

/// A request that is what it says, that the chain waits for, and whose seed is known.
pub struct Checked {
    /// Its id.
    pub id: B256,
    /// Its fields.
    pub request: Request,
    /// `abi.encode(Request)`.
    pub encoded: Bytes,
    /// What is asked.
    pub payload: Bytes,
    /// The request ROM's data.
    pub rom: Vec<u8>,
    /// What its seed is made of.
    pub entropy: B256,
    /// The model asked.
    pub model: Arc<Served>,
}

/// Checks everything that needs no chain; but for the entropy of a later block, all that the program reads follows from the
/// id.
///
/// # Errors
/// Says what does not fit.
pub fn check(
    chain_id: u64,
    inbox: Address,
    models: &Models,
    id: B256,
    encoded: Bytes,
    payload: Bytes,
) -> Result<Fitting, Unfit> {
    let request = Request::abi_decode_validate(&encoded).map_err(|_| Unfit::Malformed)?;
    if request.abi_encode() != encoded {
        return Err(Unfit::Malformed);
    }
    let found = request_id(chain_id, inbox, &request);
    if found != id {
        return Err(Unfit::OtherId(found));
    }
    if keccak256(&payload) != request.payloadHash
        || payload.len() as u64 != u64::from(request.payloadLength)
    {
        return Err(Unfit::OtherPayload);
    }
    let model = models
        .get(&request.params.modelId)
        .ok_or(Unfit::UnknownModel(request.params.modelId))?;
    if request.modelLength != model.entry.length {
        return Err(Unfit::OtherModel("model length"));
    }
    let ceiling = Tolerance {
        max_gap: model.entry.max_gap,
        max_flips: model.entry.max_flips,
    };
    let tolerance = if request.params.tolerant {
        packed_tolerance(ceiling)
    } else {
        0
    };
    if request.tolerance != tolerance {
        return Err(Unfit::OtherModel("tolerance"));
    }
    Ok(Fitting {
        id,
        request,
        encoded,
        payload,
        model: model.clone(),
    })
}

impl Fitting {
    /// With the entropy that its seed is made of.
    pub fn seeded(self, chain_id: u64, inbox: Address, entropy: B256) -> Checked {
        let header = rom_header(chain_id, inbox, &self.request, entropy, self.id);
        Checked {
            rom: header.rom(&self.payload),
            entropy,
            id: self.id,
            request: self.request,
            encoded: self.encoded,
            payload: self.payload,
            model: self.model,
        }
    }
}

/// The entropy of a request that fits.
///
/// # Errors
/// Nobody can know it yet, or the chain can't be asked.
pub async fn entropy_of(seeds: &Seeds, fitting: &Fitting) -> Result<B256, Unfit> {
    let request = &fitting.request;
    let unknown = || Unfit::NoSeed(seed_block(request).unwrap_or_default());
    seeds.entropy(request).await?.ok_or_else(unknown)
}

/// Checks that the chain waits for an answer: the request is Open, or signed and can still be admitted.
///
/// # Errors
/// It does not, or can't be asked.
pub async fn check_wanted(shell: &Shell, checked: &Fitting) -> Result<(), Unfit> {
    let inbox = shell.deployment.contracts.inbox;
    let state = view(
        &shell.chain,
        inbox,
        "status",
        Inbox::statusCall { id: checked.id },
    )
    .await?
    .state;
    match (state, checked.request.origin) {
        (STATE_OPEN, ORIGIN_CHAIN | ORIGIN_SIGNED | ORIGIN_LATER) => Ok(()),
        // The batch that carries the answer will open it.
        (STATE_NONE, ORIGIN_SIGNED) => {
            let (payer, nonce) = (checked.request.requester, checked.request.nonce);
            let used = view(
                &shell.chain,
                inbox,
                "nonceUsed",
                Inbox::nonceUsedCall { payer, nonce },
            )
            .await?;
            if used {
                Err(Unfit::NonceSpent(nonce))
            } else {
                Ok(())
            }
        }
        (state, _) => Err(Unfit::NotOpen(state)),
    }
}
