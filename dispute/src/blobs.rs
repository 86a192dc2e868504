//! Blobs that claims refer to, kept whole as long as such a claim can be challenged: its opening shows elements of them.

use crate::clock::Timestamp;
use alloy::primitives::B256;
use assay_node::blob::Blob;
use assay_node::store::{Change, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blobs in a store, each once, however many claims refer to it. Clones are the same blobs.
#[derive(Clone)]
pub struct KeptBlobs {
    store: Arc<dyn Store>,
    window: u64,
    /// When the last window closes of the claims that refer to each.
    until: BTreeMap<B256, Timestamp>,
}

impl KeptBlobs {
    /// Those in `store`; `window` is in seconds.
    pub fn new(store: Arc<dyn Store>, window: u64) -> KeptBlobs {
        KeptBlobs {
            store,
            window,
            until: BTreeMap::new(),
        }
    }

    /// When a claim that was posted at `time` can't be challenged any more.
    pub fn closes(&self, time: Timestamp) -> Timestamp {
        time.saturating_add(self.window)
    }

    /// The blob `hash`, if it is kept.
    ///
    /// # Errors
    /// The store can't be read, or holds something else under that name.
    pub fn get(&self, hash: B256) -> Result<Option<Blob>, StoreError> {
        let damaged = |_| StoreError::Damaged {
            path: self.store.path().to_owned(),
            key: format!("blob {hash}"),
        };
        let bytes = self.store.get(&key_of(hash))?;
        bytes
            .map(|bytes| Blob::expect(bytes, hash).map_err(damaged))
            .transpose()
    }

    /// Keeps `blob`.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn put(&self, blob: &Blob) -> Result<(), StoreError> {
        self.store.put(&key_of(blob.versioned_hash()), blob.bytes())
    }

    /// Holds the blob `hash`, to which a claim of time `posted_at` refers, until its window is over.
    pub fn hold(&mut self, hash: B256, posted_at: Timestamp) {
        let closes = self.closes(posted_at);
        let until = self.until.entry(hash).or_default();
        *until = closes.max(*until);
    }

    /// Drops every blob on which no claim can be challenged at `now`.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn prune(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let over = |(_, until): &(&B256, &Timestamp)| **until <= now;
        let over: Vec<B256> = self.until.iter().filter(over).map(|(h, _)| *h).collect();
        if over.is_empty() {
            return Ok(());
        }
        let gone = over.iter().map(|hash| Change::Delete(key_of(*hash)));
        self.store.apply(gone.collect())?;
        over.iter().for_each(|hash| {
            self.until.remove(hash);
        });
        Ok(())
    }
}

/// `blob/ ‖ versioned hash`.
fn key_of(hash: B256) -> Vec<u8> {
    [b"blob/", &hash[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_node::store::SledStore;

    #[test]
    fn blob_is_kept_until_the_last_claim_on_it_can_not_be_challenged() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Arc::new(SledStore::open(dir.path()).expect("opens"));
        let mut kept = KeptBlobs::new(store.clone(), 100);
        let blob = Blob::of_elements(&[B256::with_last_byte(5)]).expect("a blob");
        let hash = blob.versioned_hash();
        assert_eq!(kept.get(hash).expect("readable"), None);
        kept.put(&blob).expect("written");
        for posted in [10, 50, 20] {
            kept.hold(hash, posted);
        }
        for now in [110, 149] {
            kept.prune(now).expect("written");
            assert_eq!(kept.get(hash).expect("readable"), Some(blob.clone()));
        }
        kept.prune(150).expect("written");
        assert_eq!(kept.get(hash).expect("readable"), None);
        store.put(&key_of(hash), &[0; 7]).expect("written");
        assert!(kept.get(hash).is_err(), "other bytes are not the blob");
    }
}
