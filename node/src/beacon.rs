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
use std::time::Duration;
use tokio::sync::OnceCell;

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
    /// The endpoint answers and has no such blob: nodes drop them after 18 days.
    #[error("{url} has no blob {hash} (block {block})")]
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
    slots: OnceCell<Slots>,
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
            slots: OnceCell::new(),
        }
    }

    /// The blob `hash` that a transaction of `block` carried.
    ///
    /// # Errors
    /// The endpoint does not answer, does not have it, or hands out another one.
    pub async fn blob(&self, hash: B256, block: &BlockRef) -> Result<Blob, BeaconError> {
        let slots = *self.slots.get_or_try_init(|| self.read_slots()).await?;
        let path = format!("eth/v1/beacon/blobs/{}", slots.of(block));
        let query = Some(format!("versioned_hashes={hash}"));
        let missing = || BeaconError::Missing {
            url: self.url.clone(),
            hash,
            block: block.number,
        };
        let answer: Option<Answer<Vec<Bytes>>> = self.get("blobs", &path, query).await?;
        // Some endpoints hand out all blobs of a block, whatever is asked for.
        let (mut forged, blobs) = (None, answer.ok_or_else(missing)?.data);
        for bytes in blobs {
            match Blob::expect(bytes.to_vec(), hash) {
                Ok(blob) => return Ok(blob),
                Err(BlobError::Other { .. }) => {}
                Err(source) => forged = Some(source),
            }
        }
        let url = self.url.clone();
        Err(forged.map_or_else(missing, |source| BeaconError::Forged { url, source }))
    }

    async fn read_slots(&self) -> Result<Slots, BeaconError> {
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
            (Some(genesis), Some(seconds)) => Ok(Slots::Timed { genesis, seconds }),
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
