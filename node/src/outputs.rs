//! The outputs of a segment in one blob: executor and sequencer come to the same one, and so to the same root.

use crate::blob::Blob;
use crate::chain::{Chain, ChainError};
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use alloy::rpc::json_rpc::ErrorPayload;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use assay_bindings::blob_refs::{BlobRef, lay_out};
use assay_bindings::{BlobRollup, results};
use std::sync::Arc;

/// Seconds that nodes keep a blob at least: 4096 epochs of 32 slots of 12 seconds (EIP-4844).
pub const BLOBS_KEPT: u64 = 4096 * 32 * 12;

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
/// of its own; one that it has not reverts without a word. Whatever else a node says is no answer.
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
    let Err(error) = chain.provider().call(request).await else {
        return Ok(true);
    };
    let reverted = error.as_error_resp().and_then(revert);
    reverted.map(|data| !data.is_empty()).ok_or_else(|| {
        let what = "the question whether the rollup takes outputs in blobs";
        chain.error(what, error)
    })
}

/// What a call reverted with; `None` where the node says something else. Some say nothing of data that is empty.
fn revert(payload: &ErrorPayload) -> Option<Bytes> {
    if let Some(data) = payload.as_revert_data() {
        return Some(data);
    }
    let text: Option<String> = payload.try_data_as().and_then(Result::ok);
    // As Nethermind says it.
    if let Some(data) = text.as_deref().and_then(|t| t.strip_prefix("Reverted ")) {
        return data.trim().parse().ok();
    }
    let reverted = payload
        .message
        .to_lowercase()
        .contains("execution reverted");
    (reverted && text.is_none_or(|text| text == "0x")).then(Bytes::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::url::RpcUrl;
    use axum::Router;
    use axum::extract::State;
    use axum::routing::post;
    use serde_json::{Value, json};

    /// A chain that answers every call with this.
    async fn chain(answer: Value) -> Chain {
        let answers = async |State(answer): State<Value>, body: String| {
            let asked: Value = serde_json::from_str(&body).expect("JSON");
            let mut said = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": "0x7a69" });
            if asked["method"] == "eth_call" {
                let fields = answer.as_object().expect("an object");
                let said = said.as_object_mut().expect("an object");
                said.remove("result");
                said.extend(fields.clone());
            }
            said.to_string()
        };
        let router = Router::new().route("/", post(answers)).with_state(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let url: RpcUrl = format!("http://{at}").parse().expect("a URL");
        Chain::connect(&url, None).await.expect("it answers")
    }

    async fn asked(answer: Value) -> Option<bool> {
        takes_blobs(&chain(answer).await, Address::ZERO).await.ok()
    }

    #[tokio::test]
    async fn only_an_empty_revert_says_that_a_rollup_takes_no_blobs() {
        let error =
            |code: i64, message: &str| json!({ "error": { "code": code, "message": message } });
        let with = |message: &str, data: &str| json!({ "error": { "code": 3, "message": message, "data": data } });
        assert_eq!(asked(json!({ "result": "0x" })).await, Some(true));
        assert_eq!(
            asked(with("execution reverted", "0x1f2a2005")).await,
            Some(true)
        );
        assert_eq!(
            asked(with("VM execution error.", "Reverted 0x1f2a2005")).await,
            Some(true)
        );
        for no in [
            with("execution reverted", "0x"),
            with("VM execution error.", "Reverted 0x"),
            error(-32000, "execution reverted"),
        ] {
            assert_eq!(asked(no.clone()).await, Some(false), "{no}");
        }
        for unknown in [
            error(-32603, "internal error"),
            error(-32000, "missing trie node"),
            error(-32601, "the method eth_call does not exist"),
            error(429, "daily limit"),
            with("execution timeout", "0x"),
            with("execution reverted", "no hex"),
        ] {
            assert_eq!(asked(unknown.clone()).await, None, "{unknown}");
        }
    }

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
