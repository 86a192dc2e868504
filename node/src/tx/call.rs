//! What is to be sent.

use crate::blob::Blob;
use alloy::primitives::{Address, Bytes, U256};
use std::sync::Arc;

/// Most blobs of one transaction (EIP-7594).
pub const MOST_BLOBS: usize = 6;

/// What pools keep apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No blobs.
    Plain,
    /// With blobs.
    Blobs,
}

impl Kind {
    /// The other one.
    pub fn other(self) -> Kind {
        match self {
            Kind::Plain => Kind::Blobs,
            Kind::Blobs => Kind::Plain,
        }
    }
}

/// A transaction to send.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is, for logs and errors, for example `postBatch`.
    pub label: &'static str,
    /// The contract; `None` creates one.
    pub to: Option<Address>,
    /// Calldata or creation code.
    pub data: Bytes,
    /// Wei to send.
    pub value: U256,
    /// Gas limit; estimated if `None`.
    pub gas: Option<u64>,
    /// Blobs that travel with it, at most [`MOST_BLOBS`].
    pub blobs: Vec<Arc<Blob>>,
}

impl Call {
    /// A call of `to` without value.
    pub fn new(label: &'static str, to: Address, data: impl Into<Bytes>) -> Call {
        Call {
            label,
            to: Some(to),
            data: data.into(),
            value: U256::ZERO,
            gas: None,
            blobs: Vec::new(),
        }
    }

    /// A contract creation.
    pub fn create(label: &'static str, code: impl Into<Bytes>) -> Call {
        Call {
            label,
            to: None,
            data: code.into(),
            value: U256::ZERO,
            gas: None,
            blobs: Vec::new(),
        }
    }

    /// Whether it carries blobs.
    pub fn kind(&self) -> Kind {
        match self.blobs.is_empty() {
            true => Kind::Plain,
            false => Kind::Blobs,
        }
    }

    /// With wei.
    pub fn value(self, value: U256) -> Call {
        Call { value, ..self }
    }

    /// With one blob more.
    pub fn blob(mut self, blob: Arc<Blob>) -> Call {
        self.blobs.push(blob);
        self
    }

    /// With a gas limit instead of an estimate.
    pub fn gas(self, gas: u64) -> Call {
        Call {
            gas: Some(gas),
            ..self
        }
    }
}
