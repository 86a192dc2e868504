//! The real binaries, started as a user starts them, and what they say when they end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a process to end by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A binary of this build.
///
/// # Panics
/// It is missing: nothing builds it for these tests.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    let folder = own.parent().and_then(Path::parent);
    let path = folder.expect("target/release/deps/TEST").join(name);
    assert!(
        path.exists(),
        "{} is missing: run cargo build --release --workspace",
        path.display()
    );
    path
}

/// A process with its output in a file; it ends with the value.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command`; standard output and error go to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Running {
        let file = File::create(log).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("one file twice"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        let log = log.to_owned();
        Running { child, log }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).expect("the log is there");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it has said `words`; it must not end before that.
    pub fn until_said(&mut self, words: &str) {
        let started = Instant::now();
        while !self.said().contains(words) {
            let ended = self.child.try_wait().expect("a child");
            let said = self.said();
            assert!(
                ended.is_none() || said.contains(words),
                "ended ({ended:?}) without {words:?}:\n{said}"
            );
            assert!(started.elapsed() < PATIENCE, "no {words:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails if it has ended or panicked.
    pub fn must_live(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        let said = self.said();
        assert!(ended.is_none(), "{ended:?}\n{said}");
        assert!(!said.contains("panicked at"), "{said}");
    }

    /// Waits for its end; what it said.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return (status, self.said());
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it does not end:\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; there is nothing else to clean up.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command`, which must end with code 1 (2 where the command line itself is wrong), without a panic, and say all of
/// `words`. Returns what it said.
pub fn refused(case: &str, command: &mut Command, words: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let running = Running::start(command, &folder.path().join("log"));
    let (status, said) = running.ended();
    assert!(
        matches!(status.code(), Some(1 | 2)),
        "{case}: {status}\n{said}"
    );
    assert!(!said.contains("panicked at"), "{case}: {said}");
    for word in words {
        assert!(said.contains(word), "{case}: no {word:?} in\n{said}");
    }
    said
}
