//! Posts what executors have signed, in batches.

use crate::core::{Core, Shared, now_ms};
use crate::segment::{Offer, Progress};
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use assay_bindings::abi::rollup::Rollup::postBatchCall;
use assay_bindings::hashes::{output_tokens, work};
use assay_bindings::work::Share;
use assay_bindings::{Segment, SegmentResult, SignedRequest};
use assay_node::chain::ChainError;
use assay_node::tx::{Call, TxError, TxManager};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Seconds of life that a segment must have left when its batch is sent.
const LEAST_LIFE: u64 = 5;

/// A batch ready to be sent.
struct Batch {
    segments: Vec<(Address, u64)>,
    call: postBatchCall,
}

/// Posts until shutdown.
pub async fn run(shared: Arc<Shared>, tx: TxManager) {
    let shell = shared.shell.clone();
    while !shell.shutdown.is_set() {
        shell.health.beat(
            "poster",
            Duration::from_secs(600) + shared.flags.batch_interval(),
        );
        tokio::select! {
            () = shared.posting.notified() => {}
            () = tokio::time::sleep(shared.flags.batch_interval()) => {}
            () = shell.shutdown.wait() => break,
        }
        // What arrives within an interval shares a batch.
        if !shell.shutdown.sleep(shared.flags.batch_interval()).await {
            break;
        }
        while !shell.shutdown.is_set() {
            match round(&shared, &tx).await {
                Ok(true) => {}
                Ok(false) => {
                    shell.health.ok("posting");
                    break;
                }
                Err(error) => {
                    shared.counts.post_failures.inc();
                    shell.health.fail("posting", &error);
                    tracing::error!(%error, "cannot post a batch");
                    shell.shutdown.sleep(Duration::from_secs(2)).await;
                    break;
                }
            }
        }
    }
    shell.health.retire("poster");
}

/// Waits until nothing that an earlier run sent is still on its way: it might be the very batch that is due again.
pub async fn wait_for_earlier(tx: &TxManager, patience: Duration) -> Result<(), ChainError> {
    use alloy::eips::BlockNumberOrTag::{Latest, Pending};
    use alloy::providers::Provider;
    let chain = tx.chain();
    let start = std::time::Instant::now();
    while start.elapsed() < patience {
        let count = |tag: alloy::eips::BlockNumberOrTag| async move {
            let count = chain
                .provider()
                .get_transaction_count(tx.address())
                .block_id(tag.into())
                .await;
            count.map_err(|e| chain.error("eth_getTransactionCount", e))
        };
        let (mined, sent) = (count(Latest).await?, count(Pending).await?);
        if mined >= sent {
            return Ok(());
        }
        tracing::info!(
            waiting = sent - mined,
            "transactions of an earlier run are not mined yet"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// Posts one batch; `false` if there was nothing to post.
async fn round(shared: &Shared, tx: &TxManager) -> Result<bool, TxError> {
    drop_spent(shared).await?;
    let share = shared.view.batches().await?;
    let batch = shared.core().next_batch(
        shared.view.now(),
        share,
        shared.flags.max_batch_bytes as usize,
    );
    shared.settle();
    let Some(batch) = batch else { return Ok(false) };
    let data = batch.call.abi_encode();
    let (segments, signed, bytes) = (batch.segments.len(), batch.call.signed.len(), data.len());
    let results: usize = batch.call.batch.iter().map(|s| s.results.len()).sum();
    tracing::info!(segments, results, signed, bytes, "posting a batch");
    match tx
        .send(Call::new("postBatch", shared.view.contracts().rollup, data))
        .await
    {
        Ok(receipt) => {
            shared.counts.batches.inc();
            shared.counts.batch_gas.inc_by(receipt.gas_used);
            let hash = receipt.transaction_hash;
            tracing::info!(transaction = %hash, gas = receipt.gas_used, segments, results, "batch posted");
            let entry = json!({
                "block": receipt.block_number, "gas": receipt.gas_used, "segments": segments, "results": results,
                "signed_requests": signed, "calldata_bytes": bytes,
            });
            shared
                .shell
                .status
                .set_entry("batches", &hash.to_string(), entry);
            // The follower hears from the chain what became of each segment.
            Ok(true)
        }
        Err(error) => {
            let mut core = shared.core();
            for key in &batch.segments {
                if let Some((_, progress)) = core.segments.get_mut(key)
                    && *progress == Progress::Submitted
                {
                    *progress = Progress::Pending;
                }
            }
            Err(error)
        }
    }
}

/// Segments whose number the chain knows were posted by an earlier run.
async fn drop_spent(shared: &Shared) -> Result<(), ChainError> {
    let keys: Vec<(Address, u64)> = shared.core().pending();
    for (executor, number) in keys {
        if shared.view.number_used(executor, number).await? {
            let mut core = shared.core();
            if let Some((_, progress)) = core.segments.get_mut(&(executor, number))
                && *progress == Progress::Pending
            {
                // Its event comes by the follower, or came before this run.
                *progress = Progress::Submitted;
            }
        }
    }
    Ok(())
}

impl Core {
    fn pending(&self) -> Vec<(Address, u64)> {
        self.segments
            .iter()
            .filter(|(_, (_, p))| *p == Progress::Pending)
            .map(|(key, _)| *key)
            .collect()
    }

    /// Whether anything waits for a batch.
    pub fn has_pending(&self) -> bool {
        self.segments.values().any(|(_, p)| *p == Progress::Pending)
    }

    /// The next batch at chain time `now`, of work that `share` takes and `limit` bytes; its segments become Submitted.
    fn next_batch(&mut self, now: u64, mut share: Share, limit: usize) -> Option<Batch> {
        let mut signed: BTreeMap<B256, SignedRequest> = BTreeMap::new();
        let (mut segments, mut keys, mut bytes) = (Vec::new(), Vec::new(), 0usize);
        for key in self.pending() {
            let Some((offer, _)) = self.segments.get(&key) else {
                continue;
            };
            let offer = offer.clone();
            if offer.expiry < now + LEAST_LIFE {
                self.refuse(key.0, key.1, "it expired before it could be posted", 0);
                continue;
            }
            let Some(load) = self.load_of(&offer) else {
                self.refuse(key.0, key.1, "nothing in it is still wanted", now_ms());
                continue;
            };
            let fresh: Vec<_> = load
                .signed
                .into_iter()
                .filter(|(id, _)| !signed.contains_key(id))
                .collect();
            let extra: usize = fresh
                .iter()
                .map(|(_, s)| s.payload.len() + s.userData.len() + 1_024)
                .sum::<usize>()
                + load.bytes;
            // The first one goes even if it alone is over the limit: it won't get smaller.
            if bytes + extra > limit && !segments.is_empty() {
                continue;
            }
            // Invariant: nothing is posted that the rollup would skip, for the segment's number would be spent.
            let mut after = share;
            if let Some(dear) = load.claims.iter().find(|c| !after.claim(c.work, c.fee)) {
                let reason = match share.burn(dear.work) {
                    None => "the window is full".to_owned(),
                    Some(_) => too_dear(dear.fee, share.fee(dear.work)),
                };
                self.book.note(&dear.id, &format!("signed, but {reason}"));
                continue;
            }
            share = after;
            bytes += extra;
            signed.extend(fresh);
            segments.push(load.segment);
            keys.push(key);
        }
        if segments.is_empty() {
            return None;
        }
        for key in &keys {
            if let Some((_, progress)) = self.segments.get_mut(key) {
                *progress = Progress::Submitted;
            }
        }
        let call = postBatchCall {
            batch: segments,
            signed: signed.into_values().collect(),
        };
        Some(Batch {
            segments: keys,
            call,
        })
    }

    /// What posting `offer` takes; `None` if none of its results is still wanted.
    fn load_of(&self, offer: &Offer) -> Option<Load> {
        let (mut results, mut claims, mut signed) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 512usize;
        for (id, output) in &offer.results {
            // The root covers every result, so those no longer wanted are posted too (and skipped there).
            let entry = self.find(id)?;
            if entry.stage.is_open() {
                let r = &entry.request;
                let tokens = output_tokens(output, r.maxTokens);
                claims.push(Due {
                    id: *id,
                    work: U256::from(work(r.modelLength, r.payloadLength, tokens)),
                    fee: U256::from(r.params.fee),
                });
                if let Some(request) = entry.signed.filter(|_| !entry.on_chain) {
                    signed.push((*id, request));
                }
            }
            bytes += 1_024 + output.len();
            results.push(SegmentResult {
                request: entry.request,
                output: output.clone(),
            });
        }
        let segment = Segment {
            executor: offer.executor,
            number: offer.number,
            expiry: offer.expiry,
            results,
            signature: offer.signature.clone(),
        };
        (!claims.is_empty()).then_some(Load {
            segment,
            signed,
            claims,
            bytes,
        })
    }
}

struct Load {
    segment: Segment,
    signed: Vec<(B256, SignedRequest)>,
    claims: Vec<Due>,
    bytes: usize,
}

/// A claim that a segment would make.
struct Due {
    id: B256,
    work: U256,
    fee: U256,
}

/// Why a request waits although somebody would answer it.
pub fn too_dear(fee: U256, needed: Option<U256>) -> String {
    let needed = needed.map_or_else(|| "more".to_owned(), |wei| format!("{wei} wei"));
    format!(
        "the window is so full that its work needs a fee of {needed}, and its fee is {fee} wei: it waits"
    )
}
