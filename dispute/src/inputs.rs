//! What the program reads for one claim, put together as the contract does it (`docs/encoding.md`, section 7).

use crate::ledger::{Ask, Claim};
use alloy::primitives::Address;
use assay_bindings::GameContext;
use assay_bindings::convert::b256;
use assay_bindings::hashes::rom_header;
use assay_machine::rom::Rom;
use assay_types::{Hash, ModelId, keccak256};

/// The two small read-only inputs of a claim and the model that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inputs {
    /// The model asked.
    pub model: ModelId,
    /// Bytes of the request ROM: header, then payload.
    pub request: Vec<u8>,
    /// Bytes of the output ROM: the claimed output.
    pub output: Vec<u8>,
}

impl Inputs {
    /// The inputs of `claim`, an answer to `ask`; `None` while the entropy of `ask` is not known, when nothing can be claimed,
    /// and where the output's blob can't be had any more.
    pub fn of(chain_id: u64, inbox: Address, ask: &Ask, claim: &Claim) -> Option<Inputs> {
        let output = claim.output.as_ref()?.to_vec();
        let header = rom_header(
            chain_id,
            inbox,
            &ask.request,
            ask.entropy?,
            claim.request_id,
        );
        Some(Inputs {
            model: header.model,
            request: header.rom(&ask.payload),
            output,
        })
    }

    /// Whether the contract, which put them together itself, has the same in its game `context`.
    pub fn are_of(&self, context: &GameContext) -> bool {
        let root = |rom: &[u8]| b256(Rom::new(rom).root());
        root(&self.request) == context.requestRoot && root(&self.output) == context.outputRoot
    }

    /// Tells inputs apart. The request's header names the model.
    pub fn identity(&self) -> Hash {
        keccak256(&[
            &keccak256(&[&self.request]).0,
            &keccak256(&[&self.output]).0,
        ])
    }
}
