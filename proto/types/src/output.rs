//! The canonical output (`docs/encoding.md`, section 7): `kind ‖ n ‖ n ids ‖ text`.

use alloc::vec::Vec;

/// Why a request can't be answered; the lowest that applies is the only valid output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ErrorCode {
    /// The model file is malformed or of an unsupported kind.
    BadModel = 1,
    /// The payload is malformed or a parameter is out of range.
    BadRequest = 2,
    /// A prompt part is not UTF-8.
    NotUtf8 = 3,
    /// The prompt leaves no room for one token of answer.
    PromptTooLong = 4,
    /// Checking it could take more yields than the program has.
    PlanTooLong = 5,
    /// The model's arithmetic left the finite numbers.
    NonFinite = 255,
}

impl ErrorCode {
    /// The error of this kind byte.
    pub fn from_kind(kind: u8) -> Option<ErrorCode> {
        use ErrorCode::*;
        [
            BadModel,
            BadRequest,
            NotUtf8,
            PromptTooLong,
            PlanTooLong,
            NonFinite,
        ]
        .into_iter()
        .find(|c| *c as u8 == kind)
    }
}

/// A decoded output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Token ids and the text they spell.
    Answer {
        /// Token ids, the end-of-generation id included.
        ids: Vec<u32>,
        /// The text, cut by the stop rule.
        text: Vec<u8>,
    },
    /// An error; ids only for `NonFinite`.
    Error {
        /// Which.
        code: ErrorCode,
        /// Ids before the position that went non-finite.
        ids: Vec<u32>,
    },
}

impl Output {
    /// The output's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, ids, text): (u8, &[u32], &[u8]) = match self {
            Output::Answer { ids, text } => (0, ids, text),
            Output::Error { code, ids } => (*code as u8, ids, &[]),
        };
        let mut out = Vec::with_capacity(5 + 4 * ids.len() + text.len());
        out.push(kind);
        out.extend_from_slice(&(ids.len() as u32).to_le_bytes());
        ids.iter()
            .for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
        out.extend_from_slice(text);
        out
    }

    /// Inverse of [`Output::encode`]; `None` where `bytes` is not an encoding.
    pub fn decode(bytes: &[u8]) -> Option<Output> {
        let (&kind, rest) = bytes.split_first()?;
        let (n, rest) = rest.split_first_chunk::<4>()?;
        let n = usize::try_from(u32::from_le_bytes(*n)).ok()?;
        if rest.len() / 4 < n {
            return None;
        }
        let (ids, text) = rest.split_at(4 * n);
        let ids = ids
            .chunks_exact(4)
            .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]))
            .collect();
        if kind == 0 {
            return Some(Output::Answer {
                ids,
                text: text.to_vec(),
            });
        }
        let code = ErrorCode::from_kind(kind)?;
        (text.is_empty() && (n == 0 || code == ErrorCode::NonFinite))
            .then_some(Output::Error { code, ids })
    }
}
