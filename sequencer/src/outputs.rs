//! Reads the outputs of claims whose bytes are in blobs that others posted. Nothing waits for it: the chain has the claims.
//!
//! A claim without its output is one of these. Its transaction's logs say where the bytes are; they are asked for until they
//! are there, or so old that nodes keep them no longer.

use crate::core::Shared;
use alloy::primitives::{B256, Bytes};
use alloy::providers::Provider;
use alloy::sol_types::SolEvent;
use alloy::transports::RpcError;
use assay_bindings::BlobRollup::ResultClaimedInBlob;
use assay_bindings::blob_refs::BlobRef;
use assay_node::beacon::{Beacon, BeaconError};
use assay_node::chain::{BlockRef, ChainError};
use assay_node::outputs::BLOBS_KEPT;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between two looks at what is missing.
const EVERY: Duration = Duration::from_millis(500);
/// Wait before the second try of one transaction's blobs; doubled for each one after it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A claim without its output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unread {
    /// The request.
    pub id: B256,
    /// Global segment number.
    pub segment_id: u64,
    /// Index in the segment.
    pub index: u16,
}

/// Why outputs are not read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Beacon(#[from] BeaconError),
    #[error("its transaction does not claim it: it may have been mined again in another block")]
    NotThere,
}

/// What became of a claim's output.
enum Found {
    Output(Bytes),
    /// It is in no blob, or in one that nobody has to keep any more.
    Nowhere,
}

/// When a transaction's blobs are asked for again.
struct Try {
    at: Instant,
    wait: Duration,
}

/// Reads until shutdown.
pub async fn run(shared: Arc<Shared>) {
    let shell = shared.shell.clone();
    let url = shell.args.beacon_url.clone();
    let beacon = Beacon::new(url.unwrap_or_else(|| shared.view.chain().url().clone()));
    let mut tries: BTreeMap<B256, Try> = BTreeMap::new();
    while shell.shutdown.sleep(EVERY).await {
        let unread = shared.core().book.unread();
        tries.retain(|transaction, _| unread.contains_key(transaction));
        let due = |transaction: &B256| {
            tries
                .get(transaction)
                .is_none_or(|t| t.at <= Instant::now())
        };
        let due: Vec<_> = unread.into_iter().filter(|(t, _)| due(t)).collect();
        for (transaction, claims) in due {
            let mut found = Vec::new();
            let read = read(&shared, &beacon, transaction, &claims, &mut found);
            let read = tokio::select! {
                read = read => read,
                () = shell.shutdown.wait() => return,
            };
            let mut core = shared.core();
            let read_now = found.len();
            for (claim, found) in found {
                match found {
                    Found::Output(output) => core.book.output(&claim, output),
                    Found::Nowhere => core.book.unreadable(&claim),
                }
            }
            if let Err(error) = read {
                let wait = tries.get(&transaction).map_or(FIRST_WAIT, |t| t.wait);
                tracing::warn!(%error, %transaction, claims = claims.len() - read_now, retry_s = wait.as_secs(),
                    "outputs in blobs are not read");
                for claim in &claims {
                    core.book.note_unread(claim, &error.to_string());
                }
                let (at, wait) = (Instant::now() + wait, (2 * wait).min(LONGEST_WAIT));
                tries.insert(transaction, Try { at, wait });
            }
            drop(core);
            shared.settle();
        }
    }
}

/// The outputs of `claims`, all of one transaction, into `found`. Each blob is asked for once.
async fn read(
    shared: &Shared,
    beacon: &Beacon,
    transaction: B256,
    claims: &[Unread],
    found: &mut Vec<(Unread, Found)>,
) -> Result<(), ReadError> {
    let (chain, rollup) = (shared.view.chain(), shared.view.contracts().rollup);
    let receipt = chain.provider().get_transaction_receipt(transaction).await;
    let receipt = receipt.map_err(|e| chain.error("eth_getTransactionReceipt", e))?;
    let Some(receipt) = receipt else {
        return Err(chain
            .error("the transaction of a claim", RpcError::NullResp)
            .into());
    };
    let block = chain
        .block(receipt.block_number.unwrap_or_default())
        .await?;
    let block: BlockRef =
        block.ok_or_else(|| chain.error("the block of a claim", RpcError::NullResp))?;
    let logs = receipt.logs().iter().filter(|l| l.address() == rollup);
    let events: Vec<_> = logs
        .filter_map(|log| ResultClaimedInBlob::decode_log(&log.inner).ok())
        .collect();
    let old = block.timestamp + BLOBS_KEPT < shared.view.now();
    let mut failed = Ok(());
    let mut places: BTreeMap<B256, Vec<(Unread, BlobRef)>> = BTreeMap::new();
    for claim in claims {
        let its = |e: &&alloy::primitives::Log<ResultClaimedInBlob>| {
            (e.requestId, e.segmentId, e.index) == (claim.id, claim.segment_id, claim.index)
        };
        let place = events.iter().find(its).and_then(|e| {
            let place = BlobRef::unpack(&e.r#ref[..])?;
            Some((e.blob, place))
        });
        match place {
            Some((blob, place)) => places.entry(blob).or_default().push((*claim, place)),
            None if old => found.push((*claim, Found::Nowhere)),
            None => failed = Err(ReadError::NotThere),
        }
    }
    for (hash, claims) in places {
        match beacon.blob(hash, &block).await {
            Ok(blob) => {
                found.extend(claims.into_iter().map(|(claim, place)| {
                    (claim, Found::Output(place.output(|i| blob.element(i))))
                }))
            }
            Err(error) if old => {
                tracing::warn!(%error, "an output was in a blob that nodes keep no longer");
                found.extend(claims.into_iter().map(|(claim, _)| (claim, Found::Nowhere)));
            }
            Err(error) => failed = Err(error.into()),
        }
    }
    failed
}
