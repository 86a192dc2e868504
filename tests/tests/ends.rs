//! A devnet that stays up does what its banner says, and nothing of a devnet outlives it: Ctrl-C, SIGTERM and kill -9 in the
//! middle of a run, and kill -9 of its executor.
//!
//! Needs the binaries (`cargo build --release --workspace`, which `make test` does) and anvil; a missing one fails.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One network at a time, as in the other end-to-end tests.
static MACHINE: Mutex<()> = Mutex::new(());

/// Every process inherits this variable from the devnet that started it, whatever its command line.
const MARK: &str = "ASSAY_TEST_MARK";

/// What runs in the middle of a run, as the command line names it.
const ALL: [&str; 7] = [
    "assay-devnet",
    "anvil",
    "assay-guard",
    "sequencer",
    "watchtower",
    "executor",
    "llama-worker",
];

struct Devnet {
    child: Child,
    mark: Vec<u8>,
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Devnet {
    fn start() -> Devnet {
        Devnet::start_with(&["run", "--once"])
    }

    fn start_with(args: &[&str]) -> Devnet {
        let alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let own = std::env::current_exe().expect("this test has a path");
        let folder = own.parent().and_then(Path::parent);
        let binary = folder.expect("target/release/deps/").join("assay-devnet");
        assert!(
            binary.exists(),
            "{} is missing: run cargo build --release --workspace",
            binary.display()
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(binary)
            .args(args)
            .arg("--data")
            .arg(folder.path().join("data"))
            .env(MARK, folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            // As a shell starts what a terminal's Ctrl-C is for.
            .process_group(0)
            .spawn()
            .expect("the devnet starts");
        let mark = format!("{MARK}={}", folder.path().display()).into_bytes();
        Devnet {
            child,
            mark,
            folder,
            _alone: alone,
        }
    }

    /// The command lines of its processes that still run, the devnet's own included.
    fn processes(&self) -> BTreeMap<u32, Vec<String>> {
        let marked = |id: &u32| {
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment.split(|b| *b == 0).any(|v| v == self.mark)
        };
        let command = |id: u32| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).ok()?;
            let words = line.split(|b| *b == 0);
            let words = words.map(|w| String::from_utf8_lossy(w).into_owned());
            Some((id, words.collect()))
        };
        let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
        entries
            .filter_map(|e| e.file_name().to_str()?.parse().ok())
            .filter(marked)
            .filter_map(command)
            .collect()
    }

    /// The process that goes by `name`: the file that it runs, or, where several share one, their further word for it.
    fn find(&self, name: &str) -> Option<u32> {
        let goes = |words: &[String]| {
            let file = words[0].rsplit('/').next();
            match name {
                "assay-guard" | "llama-worker" => words.iter().any(|w| w == name),
                _ => file == Some(name) && words.get(1).is_none_or(|w| w != "llama-worker"),
            }
        };
        let mut processes = self.processes().into_iter();
        processes.find_map(|(id, words)| goes(&words).then_some(id))
    }

    /// Waits until all of these run.
    fn until_run(&mut self, names: &[&str]) {
        let started = Instant::now();
        while !names.iter().all(|name| self.find(name).is_some()) {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && started.elapsed() < Duration::from_secs(90),
                "not all of {names:?} run ({ended:?}): {:?}\n{}",
                self.processes(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until its output says `words` at least `times` times.
    fn until_said(&mut self, words: &str, times: usize) {
        let started = Instant::now();
        while self.log().matches(words).count() < times {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && started.elapsed() < Duration::from_secs(120),
                "it does not say {words:?} ({ended:?}):\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs, in the repository, the line that the banner has below `title`; what it prints.
    fn paste(&self, title: &str) -> String {
        let log = self.log();
        let mut lines = log.lines().skip_while(|line| !line.starts_with(title));
        let line = lines.nth(1).unwrap_or_else(|| panic!("no {title}:\n{log}"));
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let output = Command::new("sh")
            .arg("-c")
            .arg(line)
            .current_dir(root)
            .output();
        let output = output.expect("a shell");
        let said = [output.stdout, output.stderr].map(|s| String::from_utf8_lossy(&s).into_owned());
        assert!(output.status.success(), "{line}\n{}", said.concat());
        said.concat()
    }

    /// Waits until it has ended.
    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "it does not end:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fails unless nothing of it runs within `limit`.
    fn assert_gone(&self, limit: Duration) {
        let started = Instant::now();
        while !self.processes().is_empty() {
            assert!(
                started.elapsed() < limit,
                "left behind: {:#?}\n{}",
                self.processes(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Devnet {
    /// A failed test leaves nothing behind either.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for id in self.processes().into_keys() {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
    }
}

/// Sends a signal to a process, or to a whole group where `target` begins with a dash.
fn signal(name: &str, target: &str) {
    let status = Command::new("kill")
        .args(["-s", name, "--", target])
        .status();
    assert!(status.expect("kill runs").success(), "kill {name} {target}");
}

/// An orderly end waits for its children; the drafting process, a grandchild, sees its parent's end a moment later.
const A_MOMENT: Duration = Duration::from_secs(3);
/// Services that are told by the end of their standard input finish what they are at.
const A_WHILE: Duration = Duration::from_secs(15);

#[test]
fn lines_of_the_banner_work_as_pasted() {
    let ports = ["--port", "0", "--grpc-port", "0", "--window", "5"];
    let mut devnet = Devnet::start_with(&[&["up", "--no-dispute"][..], &ports].concat());
    devnet.until_said("Ctrl-C ends everything", 1);
    let banner = devnet.log();
    for word in ["Accounts", "RPC", "gRPC", "Logs and data", "Clocks", "0x"] {
        assert!(banner.contains(word), "{word}:\n{banner}");
    }
    let before = banner.matches("callback").count();
    let sent = devnet.paste("Ask from a contract:");
    assert!(sent.contains("transactionHash"), "{sent}");
    devnet.until_said("callback", before + 1);
    let told = devnet.paste("Ask by gRPC:");
    assert!(told.contains("answer  \""), "{told}");
    // The third line is a devnet of its own: e2e runs it.
    assert!(banner.contains("run --once --cheat token:0 --flip random:7"));
    signal("INT", &format!("-{}", devnet.child.id()));
    assert_eq!(devnet.wait().code(), Some(0), "{}", devnet.log());
    let data = devnet.folder.path().join("data");
    let goodbye = format!("data and logs stay in {}", data.display());
    assert!(devnet.log().contains(&goodbye), "{}", devnet.log());
    assert!(data.exists());
    devnet.assert_gone(A_MOMENT);
}

#[test]
fn ctrl_c_in_mid_run_leaves_nothing() {
    let mut devnet = Devnet::start();
    devnet.until_run(&ALL);
    signal("INT", &format!("-{}", devnet.child.id()));
    assert_eq!(devnet.wait().code(), Some(1), "{}", devnet.log());
    assert!(devnet.log().contains("interrupted"), "{}", devnet.log());
    devnet.assert_gone(A_MOMENT);
}

#[test]
fn ctrl_c_while_the_contracts_are_deployed_leaves_nothing() {
    let mut devnet = Devnet::start();
    devnet.until_run(&["anvil", "assay-guard"]);
    assert_eq!(devnet.find("sequencer"), None, "it is too late");
    signal("INT", &format!("-{}", devnet.child.id()));
    assert_eq!(devnet.wait().code(), Some(1), "{}", devnet.log());
    devnet.assert_gone(A_MOMENT);
}

#[test]
fn sigterm_in_mid_run_leaves_nothing() {
    let mut devnet = Devnet::start();
    devnet.until_run(&ALL);
    signal("TERM", &devnet.child.id().to_string());
    assert_eq!(devnet.wait().code(), Some(1), "{}", devnet.log());
    assert!(devnet.log().contains("interrupted"), "{}", devnet.log());
    devnet.assert_gone(A_MOMENT);
}

#[test]
fn kill_of_the_devnet_leaves_nothing() {
    let mut devnet = Devnet::start();
    devnet.until_run(&ALL);
    signal("KILL", &devnet.child.id().to_string());
    assert_eq!(devnet.wait().code(), None, "it could say nothing");
    devnet.assert_gone(A_WHILE);
}

#[test]
fn kill_of_an_executor_takes_its_drafting_process_along() {
    let mut devnet = Devnet::start();
    devnet.until_run(&ALL);
    let drafting = devnet.find("llama-worker").expect("it runs");
    let executor = devnet.find("executor").expect("it runs");
    signal("KILL", &executor.to_string());
    let started = Instant::now();
    while devnet.processes().contains_key(&drafting) {
        assert!(
            started.elapsed() < A_WHILE,
            "left behind: {:#?}",
            devnet.processes()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // A devnet that has lost a service says so and ends what is left.
    assert_eq!(devnet.wait().code(), Some(1), "{}", devnet.log());
    assert!(devnet.log().contains("executor ended"), "{}", devnet.log());
    devnet.assert_gone(A_MOMENT);
}
