//! geth's pools in front of anvil, which has one pool for all: a transaction with blobs is refused while its account has others
//! waiting, and the other way round; one that replaces another has to offer 10 % more, and twice as much of everything with blobs.
#![allow(dead_code)]

use super::http::{Message, forward, serve};
use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, Bytes};
use assay_node::url::RpcUrl;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// What an account has waiting, by nonce: whether it has blobs, and what it offers.
type Waiting = BTreeMap<u64, (bool, [u128; 3])>;

/// A running stand-in. Clones are the same one.
#[derive(Clone)]
pub struct Geth {
    /// Where it listens.
    pub url: RpcUrl,
    inner: Arc<Inner>,
}

struct Inner {
    chain: String,
    pools: Mutex<BTreeMap<Address, Waiting>>,
    refused: Mutex<u64>,
    blob_fee: Mutex<Option<u128>>,
    most: Mutex<usize>,
}

impl Geth {
    /// In front of the anvil at `chain`.
    pub async fn start(chain: &RpcUrl) -> Geth {
        let chain = chain.to_string();
        let chain = chain.trim_start_matches("http://").trim_end_matches('/');
        let inner = Arc::new(Inner {
            chain: chain.to_owned(),
            pools: Mutex::default(),
            refused: Mutex::default(),
            blob_fee: Mutex::default(),
            most: Mutex::new(usize::MAX),
        });
        let serving = inner.clone();
        let at = serve(move |asked| {
            let inner = serving.clone();
            async move { inner.answer(asked).await }
        })
        .await;
        let url = format!("http://{at}").parse().expect("a URL");
        Geth { url, inner }
    }

    /// Transactions that were refused for the kind of those that waited.
    pub fn refused(&self) -> u64 {
        *self.inner.refused.lock().expect("whole")
    }

    /// From now on a unit of blob gas is said to cost this.
    pub fn set_blob_fee(&self, wei: u128) {
        *self.inner.blob_fee.lock().expect("whole") = Some(wei);
    }

    /// From now on an account has room for this many, in either pool.
    pub fn set_most(&self, waiting: usize) {
        *self.inner.most.lock().expect("whole") = waiting;
    }
}

impl Inner {
    async fn answer(&self, asked: Message) -> io::Result<Message> {
        let Ok(call) = serde_json::from_slice::<Value>(&asked.body) else {
            // The beacon API.
            return forward(&self.chain, &asked).await;
        };
        let fee = *self.blob_fee.lock().expect("whole");
        if let ("eth_blobBaseFee", Some(fee)) = (method(&call), fee) {
            let answer =
                json!({ "jsonrpc": "2.0", "id": call["id"], "result": format!("{fee:#x}") });
            return Ok(Message::json(&answer));
        }
        if method(&call) != "eth_sendRawTransaction" {
            return forward(&self.chain, &asked).await;
        }
        let raw: Bytes = serde_json::from_value(call["params"][0].clone())?;
        let tx = TxEnvelope::decode_2718(&mut &raw[..]).map_err(io::Error::other)?;
        let signer = tx
            .signature()
            .recover_address_from_prehash(&tx.signature_hash());
        let from = signer.map_err(io::Error::other)?;
        let count = json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionCount", "params": [from, "latest"],
        });
        let asks = Message {
            line: asked.line.clone(),
            body: count.to_string().into_bytes(),
        };
        let count: Value = serde_json::from_slice(&forward(&self.chain, &asks).await?.body)?;
        let count = count["result"].as_str().unwrap_or("0x0");
        let mined = u64::from_str_radix(count.trim_start_matches("0x"), 16).unwrap_or_default();

        let blobs = tx.is_eip4844();
        let offer = [
            tx.max_fee_per_gas(),
            tx.max_priority_fee_per_gas().unwrap_or_default(),
            tx.max_fee_per_blob_gas().unwrap_or_default(),
        ];
        let refusal = {
            let mut pools = self.pools.lock().expect("whole");
            let waiting = pools.entry(from).or_default();
            waiting.retain(|nonce, _| *nonce >= mined);
            let (more, of) = if blobs { (2, 1) } else { (11, 10) };
            let cheap = |old: &[u128; 3]| {
                old.iter()
                    .zip(&offer)
                    .any(|(old, new)| new * of < old * more)
            };
            if waiting.values().any(|(with, _)| *with != blobs) {
                *self.refused.lock().expect("whole") += 1;
                Some("address already reserved")
            } else if let Some((_, old)) = waiting.get(&tx.nonce())
                && *old != offer
                && cheap(old)
            {
                Some("replacement transaction underpriced")
            } else if !waiting.contains_key(&tx.nonce())
                && waiting.len() >= *self.most.lock().expect("whole")
            {
                Some(match blobs {
                    true => "account limit exceeded: pooled 16 txs",
                    false => "txpool is full",
                })
            } else {
                None
            }
        };
        if let Some(message) = refusal {
            let error = json!({ "code": -32000, "message": message });
            let answer = json!({ "jsonrpc": "2.0", "id": call["id"], "error": error });
            return Ok(Message::json(&answer));
        }
        let said = forward(&self.chain, &asked).await?;
        let taken: Value = serde_json::from_slice(&said.body)?;
        if taken["result"].is_string() {
            let mut pools = self.pools.lock().expect("whole");
            pools
                .entry(from)
                .or_default()
                .insert(tx.nonce(), (blobs, offer));
        }
        Ok(said)
    }
}

fn method(call: &Value) -> &str {
    call["method"].as_str().unwrap_or_default()
}
