//! Key-value storage for what can be rebuilt from the chain. Deleting it costs time, never money.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Why the storage can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The files do not open.
    #[error("{path} cannot be opened ({reason}): delete that folder, it is rebuilt from the chain")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A read or write failed.
    #[error("storage {path}: {reason}")]
    Failed {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A value is not what was stored.
    #[error(
        "storage {path}: the value of {key} is damaged: delete that folder, it is rebuilt from the chain"
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// Which.
        key: String,
    },
}

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Sets a key.
    Put(Vec<u8>, Vec<u8>),
    /// Removes a key.
    Delete(Vec<u8>),
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Ordered key-value storage.
pub trait Store: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Applies all changes or none.
    fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError>;
    /// Every pair whose key starts with `prefix`, in key order.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError>;
    /// Hands what was applied to the operating system.
    fn flush(&self) -> Result<(), StoreError>;
    /// Where it lies, for messages.
    fn path(&self) -> &Path;

    /// Sets `key`.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.apply(vec![Change::Put(key.to_vec(), value.to_vec())])
    }

    /// Removes `key`.
    fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        self.apply(vec![Change::Delete(key.to_vec())])
    }
}

/// Reads a JSON value.
pub fn get_json<T: DeserializeOwned>(
    store: &dyn Store,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    let Some(bytes) = store.get(key)? else {
        return Ok(None);
    };
    let damaged = |_| StoreError::Damaged {
        path: store.path().to_owned(),
        key: String::from_utf8_lossy(key).into_owned(),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// Writes a JSON value.
pub fn put_json<T: Serialize>(store: &dyn Store, key: &[u8], value: &T) -> Result<(), StoreError> {
    let failed = |e: serde_json::Error| StoreError::Failed {
        path: store.path().to_owned(),
        reason: e.to_string(),
    };
    store.put(key, &serde_json::to_vec(value).map_err(failed)?)
}

/// A [`Store`] in a sled database.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    path: PathBuf,
}

impl SledStore {
    /// Opens or creates the database.
    pub fn open(path: &Path) -> Result<SledStore, StoreError> {
        let refused = |reason: String| StoreError::Open {
            path: path.to_owned(),
            reason,
        };
        // sled 0.34 panics on some damaged files; that must end in a message like any other damage.
        let opened = std::panic::catch_unwind(|| {
            sled::Config::new()
                .path(path)
                .cache_capacity(16 << 20)
                .open()
        });
        match opened {
            Ok(Ok(db)) => Ok(SledStore {
                db,
                path: path.to_owned(),
            }),
            Ok(Err(error)) => Err(refused(error.to_string())),
            Err(_) => Err(refused("its files are damaged".to_owned())),
        }
    }

    fn failed(&self, error: sled::Error) -> StoreError {
        StoreError::Failed {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.db.get(key).map_err(|e| self.failed(e))?;
        Ok(value.map(|v| v.to_vec()))
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                Change::Put(key, value) => batch.insert(key, value),
                Change::Delete(key) => batch.remove(key),
            }
        }
        self.db.apply_batch(batch).map_err(|e| self.failed(e))
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Pair>, StoreError> {
        let pairs = self.db.scan_prefix(prefix);
        pairs
            .map(|pair| {
                pair.map(|(k, v)| (k.to_vec(), v.to_vec()))
                    .map_err(|e| self.failed(e))
            })
            .collect()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(drop).map_err(|e| self.failed(e))
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_and_scan_in_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.sled");
        {
            let store = SledStore::open(&path).expect("opens");
            for i in [3u8, 1, 2] {
                store.put(&[b'k', i], &[i]).expect("put");
            }
            store.put(b"other", b"x").expect("put");
            store
                .apply(vec![
                    Change::Delete(vec![b'k', 2]),
                    Change::Put(vec![b'k', 4], vec![4]),
                ])
                .expect("applied");
            put_json(&store, b"json", &(1, "two")).expect("put");
            store.flush().expect("flushed");
        }
        let store = SledStore::open(&path).expect("opens again");
        let keys: Vec<u8> = store
            .scan(b"k")
            .expect("scanned")
            .into_iter()
            .map(|(k, _)| k[1])
            .collect();
        assert_eq!(keys, [1, 3, 4]);
        assert_eq!(
            get_json::<(u8, String)>(&store, b"json").expect("read"),
            Some((1, "two".to_owned()))
        );
        assert!(matches!(
            get_json::<u8>(&store, b"other"),
            Err(StoreError::Damaged { .. })
        ));
        assert_eq!(store.get(b"absent").expect("read"), None);
    }

    #[test]
    fn damaged_files_say_what_to_delete() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.sled");
        drop(SledStore::open(&path).expect("opens"));
        std::fs::write(path.join("conf"), [0xff; 64]).expect("damaged");
        let error = SledStore::open(&path).expect_err("damaged").to_string();
        assert!(
            error.contains("a.sled") && error.contains("delete"),
            "{error}"
        );
    }
}
