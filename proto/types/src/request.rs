//! The payload of a request and the request ROM (`docs/encoding.md`, section 7).

use crate::hash::Hash;
use crate::program::{ModelId, Tolerance};
use alloc::vec::Vec;

/// One piece of a prompt. Only template text may form control tokens, so user text can't spell them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// Text from the user.
    User(Vec<u8>),
    /// Text from a chat template.
    Template(Vec<u8>),
}

/// What a dApp asks: the decoded payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// Most ids to generate, 1 ..= [`crate::params::MAX_TOKENS`].
    pub max_tokens: u32,
    /// Stop strings, at most 8 of 1 ..= 256 bytes.
    pub stops: Vec<Vec<u8>>,
    /// The prompt, 1 ..= 64 parts.
    pub parts: Vec<Part>,
}

impl Payload {
    /// A greedy request of one user part and no stop string.
    pub fn greedy(prompt: &str, max_tokens: u32) -> Payload {
        Payload {
            max_tokens,
            stops: Vec::new(),
            parts: alloc::vec![Part::User(prompt.as_bytes().to_vec())],
        }
    }

    /// The payload's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = alloc::vec![1u8, 0];
        out.extend_from_slice(&self.max_tokens.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        out.push(self.stops.len() as u8);
        for stop in &self.stops {
            out.extend_from_slice(&(stop.len() as u16).to_le_bytes());
            out.extend_from_slice(stop);
        }
        out.extend_from_slice(&(self.parts.len() as u16).to_le_bytes());
        for part in &self.parts {
            let (kind, bytes) = match part {
                Part::User(b) => (0u8, b),
                Part::Template(b) => (1, b),
            };
            out.push(kind);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        out
    }
}

/// What the contract writes before the payload in the request ROM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RomHeader {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the inbox.
    pub inbox: [u8; 20],
    /// The request.
    pub request_id: Hash,
    /// The model asked.
    pub model: ModelId,
    /// Seed of the sampler.
    pub seed: Hash,
    /// The tolerance in force for this request.
    pub tolerance: Tolerance,
}

/// Bytes of an encoded [`RomHeader`].
pub const ROM_HEADER_BYTES: usize = 192;

impl RomHeader {
    /// Six 32-byte big-endian words.
    pub fn encode(&self) -> [u8; ROM_HEADER_BYTES] {
        let mut out = [0; ROM_HEADER_BYTES];
        out[24..32].copy_from_slice(&self.chain_id.to_be_bytes());
        out[44..64].copy_from_slice(&self.inbox);
        out[64..96].copy_from_slice(&self.request_id.0);
        out[96..128].copy_from_slice(&self.model.0.0);
        out[128..160].copy_from_slice(&self.seed.0);
        out[184..188].copy_from_slice(&self.tolerance.max_gap.to_be_bytes());
        out[188..192].copy_from_slice(&self.tolerance.max_flips.to_be_bytes());
        out
    }

    /// The request ROM's data: header, then payload.
    pub fn rom(&self, payload: &[u8]) -> Vec<u8> {
        [&self.encode()[..], payload].concat()
    }
}
