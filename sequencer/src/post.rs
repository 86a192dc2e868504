//! Posts what executors have signed, in batches.

use crate::core::{Core, Shared, now_ms};
use crate::entry::Worth;
use crate::line::{Fit, Key, Waiting, next_batch};
use crate::segment::{Offer, Progress};
use crate::work::affordable;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;
use assay_bindings::abi::BlobSegment;
use assay_bindings::abi::blob_rollup::BlobRollup::postBlobBatchCall;
use assay_bindings::abi::rollup::Rollup::postBatchCall;
use assay_bindings::hashes::{output_tokens, work};
use assay_bindings::work::Share;
use assay_bindings::{Segment, SegmentResult, SignedRequest};
use assay_node::chain::ChainError;
use assay_node::shell::Shell;
use assay_node::tx::{Call, Earlier, TxError, TxManager};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Seconds of life that a segment must have left when its batch is sent.
const LEAST_LIFE: u64 = 5;
/// Milliseconds that an executor has to offer in calldata what is too dear in a blob, before others are asked.
const FOR_CALLDATA_MS: u64 = 5_000;
/// Times that the chain may refuse a segment alone before it is dropped.
const MOST_STRIKES: u32 = 3;
/// Milliseconds until the second try of a segment that was refused alone; doubled for the third.
const SUSPECT_PAUSE_MS: u64 = 1_000;

/// A batch ready to be sent.
struct Batch {
    keys: Vec<Key>,
    /// What was signed of each segment whose outputs go into a blob: all of them or none.
    in_blobs: Vec<Offer>,
    segments: Vec<Segment>,
    signed: Vec<SignedRequest>,
}

impl Batch {
    /// The transaction; takes a moment for each blob. `None` if an output fits no blob, which was looked at before it was
    /// taken.
    fn call(mut self, rollup: Address) -> Option<Call> {
        if self.in_blobs.is_empty() {
            let call = postBatchCall {
                batch: self.segments,
                signed: self.signed,
            };
            return Some(Call::new("postBatch", rollup, call.abi_encode()));
        }
        let mut blobs = Vec::new();
        for (offer, segment) in self.in_blobs.iter().zip(&mut self.segments) {
            let laid = offer.laid_out()?;
            for (result, place) in segment.results.iter_mut().zip(&laid.refs) {
                result.output = Bytes::copy_from_slice(&place.pack()[..]);
            }
            blobs.push(laid.blob);
        }
        let numbered = self.segments.iter().zip(0u64..);
        let call = postBlobBatchCall {
            batch: numbered
                .map(|(segment, i)| BlobSegment {
                    segment: segment.into(),
                    blob: U256::from(i),
                })
                .collect(),
            signed: self.signed.iter().map(Into::into).collect(),
        };
        let call = Call::new("postBlobBatch", rollup, call.abi_encode());
        Some(blobs.into_iter().fold(call, Call::blob))
    }
}

/// Posts until shutdown.
pub async fn run(shared: Arc<Shared>, tx: TxManager) {
    let shell = shared.shell.clone();
    let mut turn = None;
    wait_for_earlier(&shell, &tx, None).await;
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
            if !is_my_turn(&shared, tx.address(), &mut turn) {
                // What waits in vain is told so all the same.
                let now = shared.view.now();
                shared.core().sift(now, now_ms());
                shared.settle();
                break;
            }
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

/// Waits until nothing that an earlier run sent is still on its way: it might be the very batch that is due again. For
/// `patience`, whether that run wrote it down or not; without, for what it did write down, which is sent again for more until
/// it is mined. Nothing could be mined before it. What this run sends meanwhile, others' randomness, is not waited for.
pub async fn wait_for_earlier(shell: &Shell, tx: &TxManager, patience: Option<Duration>) {
    let start = Instant::now();
    let mut told = false;
    loop {
        match tx.look_after().await {
            Ok(Earlier { kept: 0, others: 0 }) => break,
            Ok(Earlier { kept: 0, .. }) if patience.is_none() => break,
            Ok(Earlier { kept, others }) => {
                let waiting = kept as u64 + others;
                if !told {
                    tracing::info!(waiting, "transactions of an earlier run are not mined yet");
                    told = true;
                }
                let text =
                    "what an earlier run sent is not mined yet, and nothing is posted before it is";
                shell.health.fail("posting", text);
            }
            Err(error) => tracing::warn!(%error, "cannot look after what an earlier run sent"),
        }
        let over = patience.is_some_and(|patience| start.elapsed() > patience);
        if over || !shell.shutdown.sleep(Duration::from_millis(500)).await {
            return;
        }
        shell.health.beat("poster", Duration::from_secs(600));
    }
    shell.health.ok("posting");
}

/// Whether a batch may be sent now; says so where that is news. `told` is what it said last.
fn is_my_turn(shared: &Shared, me: Address, told: &mut Option<bool>) -> bool {
    let (turns, now) = (shared.view.turns(), shared.view.now());
    let wait = turns.wait(me, now);
    let mine = wait == Some(0);
    shared.counts.turn.set(mine.into());
    if *told != Some(mine) && turns.sequencers().len() > 1 {
        match mine {
            true => tracing::info!("it is this sequencer's turn to post"),
            false => {
                tracing::info!(of = %turns.at(now), seconds = wait, "not this sequencer's turn to post: it collects")
            }
        }
    }
    *told = Some(mine);
    let entry = json!({ "mine": mine, "of": turns.at(now), "wait_s": wait });
    shared.shell.status.set("turn", entry);
    mine
}

/// Posts one batch; `false` if there was nothing to post.
async fn round(shared: &Shared, tx: &TxManager) -> Result<bool, TxError> {
    drop_spent(shared).await?;
    let blobs = shared.core().waits_in_blob();
    if blobs && let Err(dear) = affordable(shared).await {
        let until = now_ms() + FOR_CALLDATA_MS;
        shared.core().refuse_blobs(&dear.to_string(), until);
    }
    let share = shared.view.batches().await?;
    let batch = shared.core().next_batch(
        shared.view.now(),
        now_ms(),
        share,
        shared.flags.max_batch_bytes as usize,
    );
    shared.settle();
    let Some(batch) = batch else { return Ok(false) };
    let (keys, segments, signed) = (batch.keys.clone(), batch.keys.len(), batch.signed.len());
    let results: usize = batch.segments.iter().map(|s| s.results.len()).sum();
    let rollup = shared.view.contracts().rollup;
    let call = tokio::task::spawn_blocking(move || batch.call(rollup)).await;
    let Some(call) = call.ok().flatten() else {
        let mut core = shared.core();
        core.put_back(&keys);
        core.suspect(&keys, "its outputs make no blob", now_ms());
        return Ok(true);
    };
    let (bytes, blobs) = (call.data.len(), call.blobs.len());
    tracing::info!(segments, results, signed, bytes, blobs, "posting a batch");
    match tx.send(call).await {
        Ok(receipt) => {
            shared.counts.batches.inc();
            shared.counts.batch_gas.inc_by(receipt.gas_used);
            let hash = receipt.transaction_hash;
            tracing::info!(transaction = %hash, gas = receipt.gas_used, segments, results, "batch posted");
            let entry = json!({
                "block": receipt.block_number, "gas": receipt.gas_used, "segments": segments, "results": results,
                "signed_requests": signed, "calldata_bytes": bytes, "blobs": blobs,
            });
            shared
                .shell
                .status
                .set_entry("batches", &hash.to_string(), entry);
            // The follower hears from the chain what became of each segment.
            Ok(true)
        }
        Err(error) => {
            let at_fault = blames_batch(&error) && posts_at_all(shared, tx).await;
            let mut core = shared.core();
            core.put_back(&keys);
            if !at_fault {
                return Err(error);
            }
            shared.counts.post_failures.inc();
            tracing::warn!(%error, segments, "the chain does not take this batch: its segments go alone from now on");
            core.suspect(&keys, &error.to_string(), now_ms());
            drop(core);
            shared.settle();
            Ok(true)
        }
    }
}

/// Whether the error may be what the batch holds: the contract or the node read it and said no.
fn blames_batch(error: &TxError) -> bool {
    match error {
        TxError::WouldRevert { .. } | TxError::Reverted { .. } => true,
        TxError::Chain(ChainError::Refused { .. }) => true,
        TxError::Chain(_)
        | TxError::Unfunded { .. }
        | TxError::NotMined { .. }
        | TxError::NonceTaken { .. }
        | TxError::Reserved { .. }
        | TxError::PoolFull { .. }
        | TxError::Sign { .. }
        | TxError::Journal(_) => false,
    }
}

/// Whether a batch of nothing passes. Where it does not, the trouble is this service's and no segment's.
async fn posts_at_all(shared: &Shared, tx: &TxManager) -> bool {
    let nothing = postBatchCall {
        batch: Vec::new(),
        signed: Vec::new(),
    };
    let rollup = shared.view.contracts().rollup;
    let call = Call::new("postBatch", rollup, nothing.abi_encode());
    tx.dry_run(&call).await.is_ok()
}

/// Segments whose number the chain knows were posted by an earlier run.
async fn drop_spent(shared: &Shared) -> Result<(), ChainError> {
    let keys: Vec<Key> = shared.core().pending();
    for (executor, number) in keys {
        if shared.view.number_used(executor, number).await? {
            let mut core = shared.core();
            if let Some(held) = core.segments.get_mut(&(executor, number))
                && held.progress == Progress::Pending
            {
                // Its event comes by the follower, or came before this run.
                held.progress = Progress::Submitted;
            }
        }
    }
    Ok(())
}

impl Core {
    fn pending(&self) -> Vec<Key> {
        self.segments
            .iter()
            .filter(|(_, held)| held.progress == Progress::Pending)
            .map(|(key, _)| *key)
            .collect()
    }

    fn waits_in_blob(&self) -> bool {
        let mut held = self.segments.values();
        held.any(|held| held.offer.in_blob && held.progress == Progress::Pending)
    }

    /// A batch was not posted: its segments wait again.
    fn put_back(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(held) = self.segments.get_mut(key)
                && held.progress == Progress::Submitted
            {
                held.progress = Progress::Pending;
            }
        }
    }

    /// The chain refused a batch of these segments for what it held. Together, any may be at fault; alone, that one is.
    // INVARIANT: a segment that can't be posted costs the others one failed try together, and is gone after its own.
    fn suspect(&mut self, keys: &[Key], reason: &str, now_ms: u64) {
        let alone = keys.len() == 1;
        for key in keys {
            let Some(held) = self.segments.get_mut(key) else {
                continue;
            };
            held.suspect = true;
            if !alone {
                continue;
            }
            held.not_before_ms = now_ms + (SUSPECT_PAUSE_MS << held.strikes);
            held.strikes += 1;
            if held.strikes < MOST_STRIKES {
                continue;
            }
            let requests: Vec<_> = held.offer.results.iter().map(|(id, _)| *id).collect();
            tracing::error!(executor = %key.0, number = key.1, reason, "a segment that the chain does not take is dropped");
            for id in requests {
                self.book.exclude(&id, key.0);
            }
            let reason = format!("the chain does not take it: {reason}");
            self.refuse(key.0, key.1, &reason, now_ms);
        }
    }

    /// The segments that may go into a batch at chain time `now`, and what each takes. Those that never will are refused.
    fn sift(&mut self, now: u64, now_ms: u64) -> (Vec<Waiting>, BTreeMap<Key, Load>) {
        let (mut waiting, mut loads) = (Vec::new(), BTreeMap::new());
        for key in self.pending() {
            let Some(held) = self.segments.get(&key) else {
                continue;
            };
            if held.offer.expiry < now + LEAST_LIFE {
                self.refuse(key.0, key.1, "it expired before it could be posted", 0);
                continue;
            }
            let Some(load) = self.load_of(&held.offer) else {
                self.refuse(key.0, key.1, "nothing in it is still wanted", now_ms);
                continue;
            };
            if held.not_before_ms > now_ms {
                continue;
            }
            waiting.push(Waiting {
                key,
                arrival: held.arrival,
                suspect: held.suspect,
                bytes: load.bytes,
                in_blob: load.in_blob.is_some(),
            });
            loads.insert(key, load);
        }
        (waiting, loads)
    }

    /// The next batch at chain time `now`, of work that `share` takes and `limit` bytes; its segments become Submitted.
    fn next_batch(
        &mut self,
        now: u64,
        now_ms: u64,
        mut share: Share,
        limit: usize,
    ) -> Option<Batch> {
        let (waiting, mut loads) = self.sift(now, now_ms);
        let mut notes = Vec::new();
        let keys = next_batch(waiting, limit, |segment| {
            let claims = &loads[&segment.key].claims;
            let (fit, note) = fit(&mut share, claims);
            notes.extend(note);
            fit
        });
        for (id, note) in notes {
            self.book.note(&id, &note);
        }
        let (mut segments, mut in_blobs) = (Vec::new(), Vec::new());
        // A request comes along once.
        let mut signed = BTreeMap::new();
        for key in &keys {
            if let Some(load) = loads.remove(key) {
                segments.push(load.segment);
                in_blobs.extend(load.in_blob);
                signed.extend(load.signed);
            }
            if let Some(held) = self.segments.get_mut(key) {
                held.progress = Progress::Submitted;
            }
        }
        let signed = signed.into_values().collect();
        (!keys.is_empty()).then_some(Batch {
            keys,
            in_blobs,
            segments,
            signed,
        })
    }

    /// What posting `offer` takes; `None` if none of its results is still wanted.
    fn load_of(&self, offer: &Offer) -> Option<Load> {
        let (mut results, mut claims, mut signed) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = offer.bytes();
        for (id, output) in &offer.results {
            // The root covers every result, so those no longer wanted are posted too (and skipped there).
            let entry = self.find(id)?;
            if entry.worth_of(offer.executor) == Worth::Wanted {
                let r = &entry.request;
                let tokens = output_tokens(output, r.maxTokens);
                claims.push(Due {
                    id: *id,
                    work: U256::from(work(r.modelLength, r.payloadLength, tokens)),
                    fee: U256::from(r.params.fee),
                });
                bytes += entry.carried();
                if let Some(request) = entry.signed.filter(|_| !entry.on_chain) {
                    signed.push((*id, request));
                }
            }
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
        (!claims.is_empty()).then(|| Load {
            in_blob: offer.in_blob.then(|| offer.clone()),
            segment,
            signed,
            claims,
            bytes,
        })
    }
}

struct Load {
    in_blob: Option<Offer>,
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

/// Whether `share` takes all of `claims`, and adds them if so; else what to say of the request in the way.
// INVARIANT: nothing is posted that the rollup would skip, for the segment's number would be spent.
fn fit(share: &mut Share, claims: &[Due]) -> (Fit, Option<(B256, String)>) {
    let mut after = *share;
    let Some(dear) = claims.iter().find(|c| !after.claim(c.work, c.fee)) else {
        *share = after;
        return (Fit::Yes, None);
    };
    let (fit, reason) = match after.burn(dear.work) {
        None => (Fit::NoRoom, "the window is full".to_owned()),
        Some(_) => (Fit::Dear, too_dear(dear.fee, after.fee(dear.work))),
    };
    (fit, Some((dear.id, format!("signed, but {reason}"))))
}

/// Why a request waits although somebody would answer it.
pub fn too_dear(fee: U256, needed: Option<U256>) -> String {
    let needed = needed.map_or_else(|| "more".to_owned(), |wei| format!("{wei} wei"));
    format!(
        "the window is so full that its work needs a fee of {needed}, and its fee is {fee} wei: it waits"
    )
}
