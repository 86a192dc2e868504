//! Shows a claim's leaf in its segment.

use crate::ledger::{Claim, PostedSegment};
use alloy::primitives::B256;
use assay_bindings::{ClaimRef, results};

/// Why a claim's leaf can't be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClaimRefError {
    /// Some of the segment's events were not seen.
    #[error("leaf {0} of the segment was never announced")]
    MissingLeaf(u16),
    /// The leaves do not hash to the posted root.
    #[error("the segment's leaves hash to {found}, but {posted} was posted")]
    WrongRoot {
        /// What the leaves give.
        found: B256,
        /// What the chain says.
        posted: B256,
    },
}

/// `claim`, with the siblings of its leaf in `segment`.
///
/// # Errors
/// The ledger's view of the segment is not whole, or not the chain's.
pub fn claim_ref(claim: &Claim, segment: &PostedSegment) -> Result<ClaimRef, ClaimRefError> {
    let leaf = |i: u16| {
        let known = segment.leaves.get(&i);
        known
            .map(|(id, output)| results::leaf(*id, *output))
            .ok_or(ClaimRefError::MissingLeaf(i))
    };
    // An empty segment is never posted, and a claim has its own leaf in any case.
    let count = segment.count.max(claim.key.index + 1);
    let leaves = (0..count).map(leaf).collect::<Result<Vec<B256>, _>>()?;
    let found = results::root(&leaves);
    match segment.root {
        Some(posted) if posted != found => Err(ClaimRefError::WrongRoot { found, posted }),
        _ => Ok(ClaimRef {
            segmentId: claim.key.segment,
            index: claim.key.index,
            outputHash: claim.output_hash,
            proof: results::proof(&leaves, usize::from(claim.key.index)),
        }),
    }
}
