//! anvil, for the devnet and for tests: found, checked, started on its own port, ended whichever way its starter ends.
//!
//! No service uses this. It stands here because every harness of the services needs it.

use crate::url::RpcUrl;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Version that the harnesses were made for.
const VERSION: &str = "1.7.";
/// Longest wait until it listens.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines kept for the message that reports its end.
const LAST_LINES: usize = 12;
/// What it prints before the address that it took.
const LISTENING: &str = "Listening on ";
/// Kills the process group `$1` once standard input closes. Only our end can close it, and a kill -9 closes it too.
const GUARD: &str = r#"read -r _; kill -s KILL -- "-$1""#;

/// Why there is no chain.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// It is nowhere.
    #[error(
        "anvil is missing: run `npm ci` in contracts/ (or `make devnet`, which does), or put anvil {VERSION}x on PATH"
    )]
    Missing,
    /// Only another version is there.
    #[error(
        "anvil {VERSION}x is needed, found only '{found}': run `npm ci` in contracts/, or `make devnet`"
    )]
    WrongVersion {
        /// What it calls itself.
        found: String,
    },
    /// A process or a file can't be had.
    #[error("{path}: {source}")]
    Io {
        /// The program, or the log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has ended.
    #[error("anvil ended; its last words:\n{words}")]
    Ended {
        /// The last lines that it printed.
        words: String,
    },
    /// It runs and does not listen.
    #[error("anvil does not listen; its last words:\n{words}")]
    Deaf {
        /// The last lines that it printed.
        words: String,
    },
}

/// A running anvil on 127.0.0.1. Dropping it ends it.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    guard: Child,
    port: u16,
    words: Arc<Mutex<VecDeque<String>>>,
}

/// anvil from PATH in a fitting version, else the one that `npm ci` puts into `contracts/` of the repository `root`.
pub fn find(root: &Path) -> Result<PathBuf, AnvilError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(std::env::split_paths(&path), root)
}

fn find_in(folders: impl Iterator<Item = PathBuf>, root: &Path) -> Result<PathBuf, AnvilError> {
    let npm = root.join("contracts/node_modules/.bin/anvil");
    let candidates = folders.map(|folder| folder.join("anvil")).chain([npm]);
    let mut other = None;
    for program in candidates.filter_map(|c| real_program(&c)) {
        let Ok(output) = Command::new(&program).arg("--version").output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains(&format!(" {VERSION}")) || text.contains(&format!("v{VERSION}")) {
            return Ok(program);
        }
        other = other.or(text.lines().next().map(str::to_owned));
    }
    Err(
        other.map_or(AnvilError::Missing, |found| AnvilError::WrongVersion {
            found,
        }),
    )
}

/// What npm links as `anvil` is a script that starts the program from the package beside its own, named after the
/// platform. The program itself is wanted: it starts sooner, and what is measured of the process is anvil's.
fn real_program(candidate: &Path) -> Option<PathBuf> {
    let file = candidate.canonicalize().ok()?;
    if file.extension().is_none_or(|e| e != "mjs") {
        return Some(candidate.to_owned());
    }
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let scope = file.parent()?.parent()?;
    let program = scope.join(format!("anvil-{system}-{processor}/bin/anvil"));
    program.exists().then_some(program)
}

impl Anvil {
    /// Starts it with these further `args` and waits until it listens on `port`; 0 takes a free one. What it prints goes
    /// to `log`.
    ///
    /// # Errors
    /// It is missing, or does not start; the message says what to do, or what it said.
    pub fn start(
        root: &Path,
        port: u16,
        args: &[&str],
        log: Option<&Path>,
    ) -> Result<Anvil, AnvilError> {
        let program = find(root)?;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| AnvilError::Io { path, source }
        };
        let log = log.map(|path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(io(path))
        });
        let log = log.transpose()?;
        let mut child = Command::new(&program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C is its starter's to answer, and whatever it starts is killed with it.
            .process_group(0)
            .spawn()
            .map_err(io(&program))?;
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "assay-guard", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let guard = match guard {
            Ok(guard) => guard,
            Err(error) => {
                end(&mut child);
                return Err(io(Path::new("/bin/sh"))(error));
            }
        };
        let (said, heard) = channel();
        let words = Arc::default();
        listen(child.stdout.take(), &words, log.as_ref(), said.clone());
        listen(child.stderr.take(), &words, log.as_ref(), said);
        let mut anvil = Anvil {
            child,
            guard,
            port,
            words,
        };
        match heard.recv_timeout(PATIENCE) {
            Ok(port) => anvil.port = port,
            Err(error) => {
                anvil.stop();
                let words = anvil.last_words();
                return Err(match error {
                    RecvTimeoutError::Timeout => AnvilError::Deaf { words },
                    RecvTimeoutError::Disconnected => AnvilError::Ended { words },
                });
            }
        }
        Ok(anvil)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its JSON-RPC endpoint.
    pub fn url(&self) -> RpcUrl {
        let url = format!("http://127.0.0.1:{}", self.port);
        url.parse().expect("a host and a port make a URL")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails with its last words if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> Result<(), AnvilError> {
        if let Ok(None) = self.child.try_wait() {
            return Ok(());
        }
        // Its id is free for others from here on: the guard must not outlive it.
        self.stop();
        let words = self.last_words();
        Err(AnvilError::Ended { words })
    }

    /// Ends it and all that it has started, and waits until that is done.
    pub fn stop(&mut self) {
        // The way of a kill -9 is the way of every end, so that each end tries it.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        end(&mut self.child);
    }

    fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from_iter(words.iter().cloned()).join("\n")
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.stop();
    }
}

fn end(child: &mut Child) {
    // Both fail only where it is gone already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads what it prints on a thread of its own: into the log, and the port to `said` once it listens.
fn listen(
    pipe: Option<impl Read + Send + 'static>,
    words: &Arc<Mutex<VecDeque<String>>>,
    log: Option<&File>,
    said: Sender<u16>,
) {
    let Some(pipe) = pipe else { return };
    let (words, log) = (words.clone(), log.and_then(|file| file.try_clone().ok()));
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(mut log) = log.as_ref() {
                // A full disk must not stop the chain.
                let _ = writeln!(log, "{line}");
            }
            let port = line
                .strip_prefix(LISTENING)
                .and_then(|address| address.rsplit(':').next()?.trim().parse().ok());
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() == LAST_LINES {
                words.pop_front();
            }
            words.push_back(line);
            if let Some(port) = port {
                // Nobody listens any more where the start was given up.
                let _ = said.send(port);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A program at `path` that calls itself anvil of `version`.
    fn program(path: &Path, version: &str) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(
            path,
            format!("#!/bin/sh\necho 'anvil Version: {version}'\n"),
        )
        .expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
    }

    /// What `npm ci` leaves; returns the program.
    fn npm(root: &Path, version: &str) -> PathBuf {
        let modules = root.join("contracts/node_modules");
        let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => "linux-amd64",
            ("linux", "aarch64") => "linux-arm64",
            ("macos", "x86_64") => "darwin-amd64",
            ("macos", "aarch64") => "darwin-arm64",
            other => panic!("npm has no anvil for {other:?}"),
        };
        let binary = modules.join(format!("@foundry-rs/anvil-{platform}/bin/anvil"));
        program(&binary, version);
        let script = modules.join("@foundry-rs/anvil/bin.mjs");
        program(&script, version);
        std::fs::create_dir_all(modules.join(".bin")).expect("made");
        symlink("../@foundry-rs/anvil/bin.mjs", modules.join(".bin/anvil")).expect("linked");
        binary.canonicalize().expect("there")
    }

    #[test]
    fn path_goes_first_and_npm_gives_the_program_never_its_script() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("there");
        let binary = npm(&root, "1.7.1-v1.7.1");
        let (own, old) = (root.join("own"), root.join("old"));
        program(&own.join("anvil"), "1.7.3-stable");
        program(&old.join("anvil"), "1.5.0-stable");
        let find = |folders: &[&PathBuf]| find_in(folders.iter().map(|f| (*f).clone()), &root);

        assert_eq!(find(&[&own]).expect("found"), own.join("anvil"));
        assert_eq!(find(&[&old, &own]).expect("found"), own.join("anvil"));
        assert_eq!(find(&[&old]).expect("found"), binary);
        assert_eq!(find(&[]).expect("found"), binary);
        // `make` puts npm's links on PATH.
        let links = root.join("contracts/node_modules/.bin");
        assert_eq!(find(&[&links, &own]).expect("found"), binary);
    }

    #[test]
    fn missing_or_other_version_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let find = |folder: &str| find_in([dir.path().join(folder)].into_iter(), dir.path());
        let error = find("none").expect_err("nothing there").to_string();
        assert!(
            error.contains("missing") && error.contains("npm ci"),
            "{error}"
        );
        program(&dir.path().join("old/anvil"), "1.5.0-stable");
        let error = find("old").expect_err("too old").to_string();
        assert!(
            error.contains("1.5.0") && error.contains("npm ci"),
            "{error}"
        );
    }
}
