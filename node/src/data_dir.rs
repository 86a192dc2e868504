//! A service's folder: one process at a time, one service, one chain, one layout version.

use crate::journal::sync_parent;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Layout version of what the services keep.
pub const VERSION: u32 = 1;

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The disk refuses.
    #[error(
        "data folder {path}: {source}; check that it exists, is writable and has space, or pass another --data-dir"
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "data folder {path} is in use by another process ({holder}): stop that one or pass another --data-dir"
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Who, as far as known.
        holder: String,
    },
    /// It belongs to another service, chain or version.
    #[error(
        "data folder {path} was made for `{found}`, this is `{expected}`: pass another --data-dir, or delete the folder \
         if nothing in it is needed"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What its marker says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// The marker is missing from a folder that isn't empty, or is not readable.
    #[error(
        "data folder {path} is corrupted: {reason}. Restore {path} from a backup; files that end in .sled can be deleted \
         at any time, .journal files cannot be rebuilt"
    )]
    Corrupted {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// An open, locked data folder. The lock ends with the value (or the process).
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens or creates the folder for `service` on `chain` (any text without a line break that tells deployments apart).
    pub fn open(path: &Path, service: &str, chain: &str) -> Result<DataDir, DataDirError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Io { path, source }
        };
        std::fs::create_dir_all(path).map_err(io(path))?;
        let lock_path = path.join("LOCK");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = std::fs::read_to_string(&lock_path).unwrap_or_default();
                let holder = if holder.trim().is_empty() {
                    "unknown".to_owned()
                } else {
                    holder.trim().to_owned()
                };
                return Err(DataDirError::Locked {
                    path: path.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(DataDirError::Io {
                    path: lock_path,
                    source,
                });
            }
        }
        lock.set_len(0).map_err(io(&lock_path))?;
        write!(lock, "process {}", std::process::id()).map_err(io(&lock_path))?;

        let expected = format!("{service} version {VERSION} on {chain}");
        let marker = path.join("VERSION");
        match std::fs::read_to_string(&marker) {
            Ok(text) if text.trim_end() == expected => {}
            Ok(text) if text.trim().is_empty() => {
                return Err(DataDirError::Corrupted {
                    path: path.to_owned(),
                    reason: "VERSION is empty".into(),
                });
            }
            Ok(text) => {
                let found = text.trim_end().to_owned();
                return Err(DataDirError::Foreign {
                    path: path.to_owned(),
                    found,
                    expected,
                });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let strangers = strangers(path).map_err(io(path))?;
                if let Some(name) = strangers.first() {
                    let reason = format!("it holds {name} but no VERSION");
                    return Err(DataDirError::Corrupted {
                        path: path.to_owned(),
                        reason,
                    });
                }
                write_durably(&marker, expected.as_bytes()).map_err(io(&marker))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                return Err(DataDirError::Corrupted {
                    path: path.to_owned(),
                    reason: "VERSION is not text".into(),
                });
            }
            Err(source) => {
                return Err(DataDirError::Io {
                    path: marker,
                    source,
                });
            }
        }
        Ok(DataDir {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The path of `name` inside the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Names in the folder that this module did not put there.
fn strangers(path: &Path) -> std::io::Result<Vec<String>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !matches!(name.as_str(), "LOCK" | "VERSION.new") {
            out.push(name);
        }
    }
    out.sort();
    Ok(out)
}

/// Writes a whole file so that a crash leaves the old one or the new one.
pub fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_parent(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_process_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = DataDir::open(dir.path(), "sequencer", "chain 1").expect("opens");
        let error = DataDir::open(dir.path(), "sequencer", "chain 1")
            .expect_err("locked")
            .to_string();
        assert!(
            error.contains("--data-dir") && error.contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        DataDir::open(dir.path(), "sequencer", "chain 1").expect("free again");
    }

    #[test]
    fn folder_of_another_service_or_chain_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        DataDir::open(dir.path(), "sequencer", "chain 1").expect("opens");
        for (service, chain) in [("executor", "chain 1"), ("sequencer", "chain 2")] {
            let error = DataDir::open(dir.path(), service, chain).expect_err("foreign");
            assert!(matches!(error, DataDirError::Foreign { .. }), "{error}");
        }
    }

    #[test]
    fn lost_marker_is_corruption_that_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(dir.path(), "sequencer", "chain 1").expect("opens");
        std::fs::write(data.join("requests.journal"), "x").expect("written");
        drop(data);
        std::fs::remove_file(dir.path().join("VERSION")).expect("removed");
        let error = DataDir::open(dir.path(), "sequencer", "chain 1")
            .expect_err("corrupted")
            .to_string();
        assert!(
            error.contains("requests.journal") && error.contains("backup"),
            "{error}"
        );
    }
}
