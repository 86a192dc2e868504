//! Where blobs are read from: the beacon API (`/eth/v1/beacon/blobs`), which anvil serves as well.
//!
//! The endpoint is not trusted: what it hands out is committed to again, so it can withhold a blob and not forge one.

use crate::blob::{Blob, BlobError};
use crate::chain::BlockRef;
use crate::url::RpcUrl;
use alloy::primitives::{B256, Bytes};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::OnceLock;
use std::time::Duration;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a blob could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BeaconError {
    /// No answer, or a refusal.
    #[error("{url} does not serve {what} ({reason}): give a beacon node by --beacon-url")]
    Refused {
        /// The endpoint, without credentials.
        url: RpcUrl,
        /// What was asked for.
        what: &'static str,
        /// Its words.
        reason: String,
    },
    /// The endpoint answers and has no such blob: nodes drop them after 18 days, and keep a part of each unless told to keep all.
    #[error(
        "{url} has no blob {hash} (block {block}): give a beacon node that serves all columns by --beacon-url"
    )]
    Missing {
        /// The endpoint.
        url: RpcUrl,
        /// The blob.
        hash: B256,
        /// Where it was posted.
        block: u64,
    },
    /// It handed out something else.
    #[error("{url} handed out a wrong blob: {source}")]
    Forged {
        /// The endpoint.
        url: RpcUrl,
        /// What is wrong.
        source: BlobError,
    },
}

/// How slots follow from blocks.
#[derive(Clone, Copy, Debug)]
enum Slots {
    /// `genesis + seconds * slot` is a block's time.
    Timed { genesis: u64, seconds: u64 },
    /// anvil: a slot is a block's number.
    Numbered,
}

impl Slots {
    fn of(self, block: &BlockRef) -> u64 {
        match self {
            Slots::Timed { genesis, seconds } => block.timestamp.saturating_sub(genesis) / seconds,
            Slots::Numbered => block.number,
        }
    }
}

/// A beacon node, or anvil.
#[derive(Clone, Debug)]
pub struct Beacon {
    url: RpcUrl,
    client: Client,
    slots: OnceLock<Slots>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "SECONDS_PER_SLOT")]
    seconds_per_slot: String,
}

impl Beacon {
    /// The endpoint at `url`. Nothing is asked before the first blob is wanted.
    pub fn new(url: RpcUrl) -> Beacon {
        let mut builder = Client::builder().timeout(TIMEOUT);
        if url.is_loopback() {
            builder = builder.no_proxy();
        }
        Beacon {
            url,
            // It fails only where no TLS backend starts, as chain access would then too.
            client: builder.build().unwrap_or_default(),
            slots: OnceLock::new(),
        }
    }

    /// The blob `hash` that a transaction of `block` carried.
    ///
    /// # Errors
    /// The endpoint does not answer, does not have it, or hands out another one.
    pub async fn blob(&self, hash: B256, block: &BlockRef) -> Result<Blob, BeaconError> {
        let slots = self.read_slots().await?;
        let path = format!("eth/v1/beacon/blobs/{}", slots.of(block));
        let query = Some(format!("versioned_hashes={hash}"));
        let missing = || BeaconError::Missing {
            url: self.url.clone(),
            hash,
            block: block.number,
        };
        let answer: Option<Answer<Vec<Bytes>>> = self.get("blobs", &path, query).await?;
        // Some endpoints hand out all blobs of a block, whatever is asked for.
        let blobs = answer.ok_or_else(missing)?.data;
        let found = tokio::task::spawn_blocking(move || find(blobs, hash)).await;
        let found = found.map_err(|e| self.refused("blobs", e.to_string()))?;
        let forged = |source| BeaconError::Forged {
            url: self.url.clone(),
            source,
        };
        found.map_err(forged)?.ok_or_else(missing)
    }

    /// Remembered where they are timed: a node that had no specification in a bad moment is not anvil for good.
    async fn read_slots(&self) -> Result<Slots, BeaconError> {
        if let Some(slots) = self.slots.get() {
            return Ok(*slots);
        }
        let spec = self.get::<Answer<Spec>>("its specification", "eth/v1/config/spec", None);
        let Some(spec) = spec.await? else {
            return Ok(Slots::Numbered);
        };
        let genesis = self.get::<Answer<Genesis>>("its genesis", "eth/v1/beacon/genesis", None);
        let genesis = genesis.await?.map(|g| g.data.genesis_time);
        let number = |text: &str| text.parse::<u64>().ok();
        let genesis = genesis.as_deref().and_then(number);
        let seconds = number(&spec.data.seconds_per_slot).filter(|s| *s > 0);
        match (genesis, seconds) {
            (Some(genesis), Some(seconds)) => {
                let slots = Slots::Timed { genesis, seconds };
                Ok(*self.slots.get_or_init(|| slots))
            }
            _ => Err(self.refused("its genesis and slots", "no numbers".to_owned())),
        }
    }

    /// `None` where the endpoint says that there is no such thing.
    async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        query: Option<String>,
    ) -> Result<Option<T>, BeaconError> {
        let failed = |e: &dyn std::fmt::Display| self.refused(what, self.url.scrub(&e.to_string()));
        let mut url = self.url.secret().clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        if let Some(query) = query {
            // A key may stand in the query already.
            let query = url
                .query()
                .map_or(query.clone(), |old| format!("{old}&{query}"));
            url.set_query(Some(&query));
        }
        let response = self.client.get(url).send().await.map_err(|e| failed(&e))?;
        match response.status() {
            StatusCode::NOT_FOUND => return Ok(None),
            status if !status.is_success() => return Err(failed(&status)),
            _ => {}
        }
        let body = response.bytes().await.map_err(|e| failed(&e))?;
        // anvil answers a path that it does not know with nothing.
        if body.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|e| failed(&e))
    }

    fn refused(&self, what: &'static str, reason: String) -> BeaconError {
        let url = self.url.clone();
        BeaconError::Refused { url, what, reason }
    }
}

/// The blob `hash` of `blobs`, each of which is committed to: tens of milliseconds of work.
///
/// # Errors
/// It is not there, and one of them is no blob.
fn find(blobs: Vec<Bytes>, hash: B256) -> Result<Option<Blob>, BlobError> {
    let mut forged = None;
    for bytes in blobs {
        match Blob::expect(bytes.to_vec(), hash) {
            Ok(blob) => return Ok(Some(blob)),
            Err(BlobError::Other { .. }) => {}
            Err(source) => forged = Some(source),
        }
    }
    forged.map_or(Ok(None), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::{Path, State};
    use axum::http::Uri;
    use axum::routing::get;
    use serde_json::{Value, json};
    use std::collections::HashMap;

    const GENESIS: u64 = 1_600_000_000;

    /// What the stand-in has: blobs by slot.
    type Slotted = HashMap<u64, Vec<Blob>>;

    /// What every beacon node serves.
    fn router(blobs: Slotted) -> Router {
        let of_slot = async |Path(slot): Path<u64>, uri: Uri, State(blobs): State<Slotted>| {
            let query = uri.query().unwrap_or_default();
            assert!(query.starts_with("versioned_hashes=0x01"), "{query}");
            let all = blobs.get(&slot).into_iter().flatten();
            let data: Vec<Bytes> = all.map(Blob::to_bytes).collect();
            json!({ "data": data }).to_string()
        };
        let router = Router::new().route("/key/eth/v1/beacon/blobs/{slot}", get(of_slot));
        router.with_state(blobs)
    }

    async fn served(router: Router) -> Beacon {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let at = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Beacon::new(format!("http://{at}/key/").parse().expect("a URL"))
    }

    /// A beacon node with 12-second slots; without a specification (as anvil) unless `spec`.
    async fn node(blobs: Slotted, spec: bool) -> Beacon {
        let mut router = router(blobs);
        if spec {
            let answer = |data: Value| get(async move || json!({ "data": data }).to_string());
            let genesis = json!({ "genesis_time": GENESIS.to_string() });
            let spec = json!({ "SECONDS_PER_SLOT": "12" });
            router = router
                .route("/key/eth/v1/beacon/genesis", answer(genesis))
                .route("/key/eth/v1/config/spec", answer(spec));
        }
        served(router).await
    }

    fn blob(n: u8) -> Blob {
        Blob::of_words([[n; 32]]).expect("a blob")
    }

    fn block(number: u64, timestamp: u64) -> BlockRef {
        BlockRef {
            number,
            timestamp,
            hash: B256::ZERO,
        }
    }

    #[tokio::test]
    async fn slot_follows_from_the_time_or_is_the_number() {
        let blobs = Slotted::from([(7, vec![blob(1), blob(2)])]);
        let hash = blob(2).versioned_hash();
        let timed = node(blobs.clone(), true).await;
        let read = timed.blob(hash, &block(999, GENESIS + 7 * 12)).await;
        assert_eq!(read.expect("it is there"), blob(2));
        let numbered = node(blobs, false).await;
        let read = numbered.blob(hash, &block(7, GENESIS)).await;
        assert_eq!(read.expect("it is there"), blob(2));
    }

    /// A proxy that answers 404 once makes no anvil of a beacon node.
    #[tokio::test]
    async fn specification_that_was_missing_once_is_asked_for_again() {
        let blobs = Slotted::from([(7, vec![blob(1)])]);
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let spec = async move || {
            let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            let spec = json!({ "data": { "SECONDS_PER_SLOT": "12" } }).to_string();
            let status = if first { 404 } else { 200 };
            (
                axum::http::StatusCode::from_u16(status).expect("a status"),
                spec,
            )
        };
        let beacon = served(
            router(blobs)
                .route("/key/eth/v1/config/spec", get(spec))
                .route(
                    "/key/eth/v1/beacon/genesis",
                    get(async || {
                        json!({ "data": { "genesis_time": GENESIS.to_string() } }).to_string()
                    }),
                ),
        )
        .await;
        let hash = blob(1).versioned_hash();
        let at = block(999, GENESIS + 7 * 12);
        let read = beacon.blob(hash, &at).await;
        assert!(matches!(read, Err(BeaconError::Missing { .. })), "{read:?}");
        assert_eq!(beacon.blob(hash, &at).await.expect("it is there"), blob(1));
    }

    #[tokio::test]
    async fn blobs_that_are_missing_or_others_are_not_taken() {
        let beacon = node(Slotted::from([(7, vec![blob(1)])]), false).await;
        let hash = blob(2).versioned_hash();
        for number in [7, 8] {
            let read = beacon.blob(hash, &block(number, 0)).await;
            assert!(matches!(read, Err(BeaconError::Missing { .. })), "{read:?}");
        }
        let gone = Beacon::new("http://127.0.0.1:9/secret".parse().expect("a URL"));
        let read = gone.blob(hash, &block(7, 0)).await;
        let Err(error @ BeaconError::Refused { .. }) = read else {
            panic!("nobody listens there: {read:?}");
        };
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
