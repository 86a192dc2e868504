//! The service's private key: from a file or the environment, never printed.

use crate::args::NodeArgs;
use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use std::fmt;
use std::path::{Path, PathBuf};

/// A private key that can't be had. No message holds key material.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Neither a file nor a variable was named.
    #[error(
        "no private key: pass --key-file FILE or --key-env NAME (a variable that holds the key)"
    )]
    Missing,
    /// The file can't be read.
    #[error("cannot read the private key file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "the private key file {path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The variable is not set.
    #[error("the variable {name} that --key-env names is not set")]
    NoVariable {
        /// The variable.
        name: String,
    },
    /// What was found is no key.
    #[error("{place} does not hold a private key: expected 64 hex digits, 0x allowed")]
    Malformed {
        /// Where it was found.
        place: String,
    },
}

/// A private key. `Debug` shows the address alone.
#[derive(Clone)]
pub struct Key(PrivateKeySigner);

impl Key {
    /// The key that the flags name.
    pub fn load(args: &NodeArgs) -> Result<Key, KeyError> {
        match (&args.key_file, &args.key_env) {
            (Some(path), _) => Key::from_file(path),
            (None, Some(name)) => Key::from_env(name),
            (None, None) => Err(KeyError::Missing),
        }
    }

    /// Reads a file of one line of hex digits, which nobody else may read.
    pub fn from_file(path: &Path) -> Result<Key, KeyError> {
        use std::os::unix::fs::PermissionsExt;
        let read = |source| KeyError::Read {
            path: path.to_owned(),
            source,
        };
        let mode = std::fs::metadata(path).map_err(read)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Key::parse(&text, &path.display().to_string())
    }

    /// Reads the variable `name`.
    pub fn from_env(name: &str) -> Result<Key, KeyError> {
        let text = std::env::var(name).map_err(|_| KeyError::NoVariable {
            name: name.to_owned(),
        })?;
        Key::parse(&text, &format!("the variable {name}"))
    }

    /// Reads hex digits; `place` is named in the error.
    pub fn parse(text: &str, place: &str) -> Result<Key, KeyError> {
        text.trim()
            .parse()
            .map(Key)
            .map_err(|_| KeyError::Malformed {
                place: place.to_owned(),
            })
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// The signer, for alloy.
    pub fn signer(&self) -> &PrivateKeySigner {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.address())
    }
}

/// Writes a key file that only its owner may read.
pub fn write_key_file(path: &Path, hex: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(hex.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    // The first account of the mnemonic that every development chain ships.
    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn key_comes_from_a_private_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        write_key_file(&path, KEY).expect("written");
        let key = Key::from_file(&path).expect("read");
        assert_eq!(
            key.address().to_string(),
            "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
        );
        assert_eq!(
            format!("{key:?}"),
            "Key(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)"
        );

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        let error = Key::from_file(&path).expect_err("exposed").to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn no_error_shows_the_key() {
        let error = Key::parse(&KEY[..60], "the file k").expect_err("too short");
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(
                text.contains("the file k") && !text.contains(&KEY[4..20]),
                "{text}"
            );
        }
    }

    #[test]
    fn missing_key_says_what_to_pass() {
        assert!(KeyError::Missing.to_string().contains("--key-file"));
        let error = Key::from_env("ASSAY_TEST_NO_SUCH_VARIABLE")
            .expect_err("not set")
            .to_string();
        assert!(error.contains("ASSAY_TEST_NO_SUCH_VARIABLE"), "{error}");
    }
}
