//! The outputs of a segment in one blob: executor and sequencer come to the same one, and so to the same root.

use crate::blob::Blob;
use crate::chain::{Chain, ChainError};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use alloy::transports::RpcError;
use assay_bindings::blob_refs::{BlobRef, lay_out};
use assay_bindings::{BlobRollup, results};
use std::sync::Arc;

/// Outputs in a blob.
#[derive(Clone, Debug)]
pub struct LaidOut {
    /// The blob.
    pub blob: Arc<Blob>,
    /// Where each output is, in their order.
    pub refs: Vec<BlobRef>,
}

impl LaidOut {
    /// `outputs` one behind the other; `None` if one of them, or all, are too much for a blob, or there are none.
    pub fn of(outputs: &[&Bytes]) -> Option<LaidOut> {
        let (refs, elements) = lay_out(outputs.iter().map(|output| &output[..]))?;
        // Elements with 31 bytes are below the order, so only the library can fail.
        let blob = Blob::of_elements(&elements)
            .inspect_err(|error| tracing::error!(%error, "outputs that make no blob"));
        let blob = Arc::new(blob.ok()?);
        (!refs.is_empty()).then_some(LaidOut { blob, refs })
    }

    /// Root over the results: what each of the requests `ids` is answered with, in the order of the outputs.
    pub fn root(&self, ids: impl IntoIterator<Item = B256>) -> B256 {
        let hash = self.blob.versioned_hash();
        let each = ids.into_iter().zip(&self.refs);
        let leaves: Vec<B256> = each
            .map(|(id, place)| results::leaf(id, place.leaf_hash(hash)))
            .collect();
        results::root(&leaves)
    }
}

/// Whether `rollup` takes outputs in blobs. Asked as its caller sees it: a function that it has answers, if only with an error
/// of its own; one that it has not reverts without a word.
///
/// # Errors
/// The chain can't be asked.
pub async fn takes_blobs(chain: &Chain, rollup: Address) -> Result<bool, ChainError> {
    let nothing = BlobRollup::postBlobBatchCall {
        batch: Vec::new(),
        signed: Vec::new(),
    };
    let request = TransactionRequest::default()
        .to(rollup)
        .input(nothing.abi_encode().into());
    match chain.provider().call(request).await {
        Ok(_) => Ok(true),
        Err(RpcError::ErrorResp(payload)) => Ok(payload
            .as_revert_data()
            .is_some_and(|data| !data.is_empty())),
        Err(error) => Err(chain.error("Rollup.postBlobBatch", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_and_root_follow_from_the_outputs_and_their_order() {
        let outputs: Vec<Bytes> = vec![vec![7; 100].into(), vec![8; 6].into()];
        let ids = [B256::repeat_byte(1), B256::repeat_byte(2)];
        let of = |i: usize, j: usize| LaidOut::of(&[&outputs[i], &outputs[j]]).expect("it fits");
        let (one, again, other) = (of(0, 1), of(0, 1), of(1, 0));
        assert_eq!(one.root(ids), again.root(ids));
        assert_ne!(one.root(ids), other.root(ids));
        assert_ne!(one.root(ids), one.root([ids[1], ids[0]]));
        for (place, output) in one.refs.iter().zip(&outputs) {
            assert_eq!(place.output(|i| one.blob.element(i)), *output);
        }
        assert!(LaidOut::of(&[]).is_none());
        assert!(LaidOut::of(&[&vec![0; 5].into()]).is_none());
    }
}
