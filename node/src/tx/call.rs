//! What is to be sent.

use crate::blob::Blob;
use alloy::primitives::{Address, Bytes, U256};
use std::sync::Arc;

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
    /// A blob that travels with it.
    pub blob: Option<Arc<Blob>>,
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
            blob: None,
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
            blob: None,
        }
    }

    /// With wei.
    pub fn value(self, value: U256) -> Call {
        Call { value, ..self }
    }

    /// With a blob.
    pub fn blob(self, blob: Arc<Blob>) -> Call {
        Call {
            blob: Some(blob),
            ..self
        }
    }

    /// With a gas limit instead of an estimate.
    pub fn gas(self, gas: u64) -> Call {
        Call {
            gas: Some(gas),
            ..self
        }
    }
}
