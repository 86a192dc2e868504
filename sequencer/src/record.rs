//! The journal: what was accepted and can't be rebuilt from the chain.

use crate::segment::Offer;
use alloy::primitives::Bytes;
use serde::{Deserialize, Serialize};

/// One journal record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// A request taken by gRPC: `abi.encode(SignedRequest)`.
    Accepted {
        /// The request.
        signed: Bytes,
    },
    /// A segment taken from an executor.
    Segment(Offer),
}
