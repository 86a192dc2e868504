//! The parent's side of the llama.cpp child: starts it, asks it, starts it again when it dies.
//!
//! A C++ abort, an out-of-memory kill or a hang costs one child, never the process that holds the keys.

use super::protocol::{Reply, Request};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Attempts at one draft before it is given up.
const ATTEMPTS: u32 = 5;
/// Wait before the second attempt; doubled for each one after it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A model that isn't loaded by then never will be.
const LOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// A draft that isn't there by then comes from a child that hangs.
const DRAFT_TIMEOUT: Duration = Duration::from_secs(300);
/// Lines of the child's output kept for the message that reports its death.
const LAST_LINES: usize = 8;

/// How the child is started.
#[derive(Clone, Debug)]
pub struct ChildConfig {
    /// The executor's binary, which has the hidden subcommand.
    pub program: PathBuf,
    /// The GGUF file.
    pub model: PathBuf,
    /// Tokens of the cache.
    pub context: u32,
    /// Threads.
    pub threads: u32,
    /// Layers to put on a GPU, where llama.cpp was built for one.
    pub gpu_layers: u32,
    /// Sequences drafted at once; the cache is theirs together.
    pub slots: u32,
    /// Longest wait for one draft.
    pub draft_timeout: Duration,
}

impl ChildConfig {
    /// A child that is this very binary, with one slot and the default time limit.
    pub fn new(model: PathBuf, context: u32, threads: u32, gpu_layers: u32) -> ChildConfig {
        // The kernel's link stays good when the file is replaced under a running executor.
        let program = PathBuf::from("/proc/self/exe");
        ChildConfig {
            program,
            model,
            context,
            threads,
            gpu_layers,
            slots: 1,
            draft_timeout: DRAFT_TIMEOUT,
        }
    }
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The child could not be started or died.
    #[error("llama.cpp's process {what}: {source}{}", last_words(.output))]
    Died {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        source: io::Error,
        /// The last lines that it printed.
        output: Vec<String>,
    },
    /// llama.cpp says why not.
    #[error("llama.cpp: {reason}{}", last_words(.output))]
    Refused {
        /// Its reason.
        reason: String,
        /// The last lines that it printed.
        output: Vec<String>,
    },
}

fn last_words(output: &[String]) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!(" (its last words: {})", output.join(" | "))
    }
}

/// One slot of a llama.cpp child that is restarted as needed. Slots draft at the same time.
#[derive(Debug)]
pub struct LlamaChild {
    shared: Arc<Shared>,
    slot: u32,
    /// Times that this slot replaced a dead child.
    pub restarts: u64,
}

/// The child of several slots.
#[derive(Debug)]
struct Shared {
    config: ChildConfig,
    running: Mutex<Option<Arc<Running>>>,
}

#[derive(Debug)]
struct Running {
    child: Mutex<Child>,
    pid: u32,
    /// For writing; a thread reads.
    socket: Mutex<UnixStream>,
    waiting: Arc<Mutex<Waiting>>,
    output: Arc<Mutex<VecDeque<String>>>,
    vocab: u32,
}

/// Who waits for a draft.
#[derive(Debug, Default)]
struct Waiting {
    slots: BTreeMap<u32, Sender<Vec<u32>>>,
    /// Set once no reply comes any more; the reason where llama.cpp gave one.
    ended: Option<Option<String>>,
}

impl LlamaChild {
    /// Starts a child with one slot and waits until it has loaded the model.
    ///
    /// # Errors
    /// It can't be started or refuses the model.
    pub fn start(config: ChildConfig) -> Result<LlamaChild, ChildError> {
        let config = ChildConfig { slots: 1, ..config };
        LlamaChild::start_slots(config).map(|mut slots| slots.remove(0))
    }

    /// Starts a child and waits until it has loaded the model; gives its slots, at least one.
    ///
    /// # Errors
    /// It can't be started or refuses the model.
    pub fn start_slots(config: ChildConfig) -> Result<Vec<LlamaChild>, ChildError> {
        let running = Running::start(&config)?;
        let slots = config.slots.max(1);
        let shared = Arc::new(Shared {
            config,
            running: Mutex::new(Some(Arc::new(running))),
        });
        let handle = |slot| LlamaChild {
            shared: shared.clone(),
            slot,
            restarts: 0,
        };
        Ok((0..slots).map(handle).collect())
    }

    /// Ids in llama.cpp's vocabulary; `None` while no child runs.
    pub fn vocab(&self) -> Option<u32> {
        self.shared.now().as_ref().map(|r| r.vocab)
    }

    /// The child's process id; `None` while no child runs.
    pub fn pid(&self) -> Option<u32> {
        self.shared.now().as_ref().map(|r| r.pid)
    }

    /// Up to `n` ids that llama.cpp would greedily put after `sequence` (not empty). Fewer, or none, where an
    /// end-of-generation id comes or its cache is full. A child that dies is replaced and asked again.
    ///
    /// # Errors
    /// There is no draft after several attempts.
    pub fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, ChildError> {
        let mut wait = FIRST_WAIT;
        let mut attempt = 1;
        loop {
            let error = match self.try_draft(sequence, n) {
                Ok(ids) => return Ok(ids),
                Err(error) => error,
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            tracing::warn!(
                attempt,
                wait_ms = wait.as_millis() as u64,
                "replacing llama.cpp's process: {error}"
            );
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
            attempt += 1;
        }
    }

    fn try_draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, ChildError> {
        let running = {
            // Held while a child starts: the other slots wait for that one.
            let mut now = self.shared.now();
            match &*now {
                Some(running) => running.clone(),
                None => {
                    self.restarts += 1;
                    let running = Arc::new(Running::start(&self.shared.config)?);
                    *now = Some(running.clone());
                    running
                }
            }
        };
        let timeout = self.shared.config.draft_timeout;
        let drafted = running.draft(self.slot, sequence, n, timeout);
        if drafted.is_err() {
            self.shared.retire(&running);
        }
        drafted
    }
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, Option<Arc<Running>>> {
        lock(&self.running)
    }

    /// Whatever state it is in, a child that failed one slot is asked no more; the others find it dead and ask the next one.
    fn retire(&self, failed: &Arc<Running>) {
        failed.end();
        let mut now = self.now();
        if now
            .as_ref()
            .is_some_and(|running| Arc::ptr_eq(running, failed))
        {
            *now = None;
        }
    }
}

impl Running {
    fn start(config: &ChildConfig) -> Result<Running, ChildError> {
        let not_started = |source| ChildError::Died {
            what: "could not be started",
            source,
            output: Vec::new(),
        };
        let (socket, theirs) = UnixStream::pair().map_err(not_started)?;
        let mut child = Command::new(&config.program)
            .arg0("executor")
            .arg("llama-worker")
            .arg("--model")
            .arg(&config.model)
            .args(["--context", &config.context.to_string()])
            .args(["--threads", &config.threads.to_string()])
            .args(["--gpu-layers", &config.gpu_layers.to_string()])
            .args(["--slots", &config.slots.max(1).to_string()])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is the parent's to answer: it may still need a draft.
            .process_group(0)
            .spawn()
            .map_err(not_started)?;
        let output = Arc::new(Mutex::new(VecDeque::new()));
        child
            .stdout
            .take()
            .into_iter()
            .for_each(|pipe| log_lines(pipe, output.clone()));
        child
            .stderr
            .take()
            .into_iter()
            .for_each(|pipe| log_lines(pipe, output.clone()));
        let mut reading = socket.try_clone().map_err(not_started)?;
        let mut running = Running {
            pid: child.id(),
            child: Mutex::new(child),
            socket: Mutex::new(socket),
            waiting: Arc::default(),
            output,
            vocab: 0,
        };
        reading
            .set_read_timeout(Some(LOAD_TIMEOUT))
            .map_err(not_started)?;
        let what = "while it loaded the model";
        match Reply::read(&mut reading).map_err(|e| running.died(what, e))? {
            Reply::Ready { vocab, context } => {
                running.vocab = vocab;
                tracing::info!(
                    pid = running.pid,
                    vocab,
                    context,
                    slots = config.slots.max(1),
                    "llama.cpp's process is ready"
                );
            }
            Reply::Drafted { .. } => {
                return Err(running.died("spoke out of turn", io::ErrorKind::InvalidData.into()));
            }
            Reply::Failed(reason) => {
                return Err(ChildError::Refused {
                    reason,
                    output: running.last_lines(),
                });
            }
        }
        // A slot that waits has its own limit.
        reading.set_read_timeout(None).map_err(not_started)?;
        lock(&running.socket)
            .set_write_timeout(Some(config.draft_timeout))
            .map_err(not_started)?;
        let waiting = running.waiting.clone();
        std::thread::spawn(move || route(reading, &waiting));
        Ok(running)
    }

    fn draft(
        &self,
        slot: u32,
        sequence: &[u32],
        n: u32,
        timeout: Duration,
    ) -> Result<Vec<u32>, ChildError> {
        let (to, draft) = channel();
        {
            let mut waiting = lock(&self.waiting);
            if waiting.ended.is_none() {
                waiting.slots.insert(slot, to);
            }
        }
        let request = Request::Draft {
            slot,
            sequence: sequence.to_vec(),
            n,
        };
        request
            .write(&mut *lock(&self.socket))
            .map_err(|e| self.died("ended before a draft", e))?;
        match draft.recv_timeout(timeout) {
            Ok(ids) => Ok(ids),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.died("while it drafted", io::ErrorKind::TimedOut.into()))
            }
            Err(RecvTimeoutError::Disconnected) => match lock(&self.waiting).ended.clone() {
                Some(Some(reason)) => Err(ChildError::Refused {
                    reason,
                    output: self.last_lines(),
                }),
                _ => Err(self.died("while it drafted", io::ErrorKind::UnexpectedEof.into())),
            },
        }
    }

    /// Says how the child ended, which did or hangs.
    fn died(&self, what: &'static str, source: io::Error) -> ChildError {
        let timed_out = matches!(
            source.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        let source = if timed_out {
            io::Error::new(io::ErrorKind::TimedOut, "it hangs")
        } else {
            // Its end closes the socket a moment before it can be waited for.
            std::thread::sleep(Duration::from_millis(50));
            match lock(&self.child).try_wait() {
                Ok(Some(status)) => io::Error::other(format!("it ended with {status}")),
                Ok(None) | Err(_) => source,
            }
        };
        ChildError::Died {
            what,
            source,
            output: self.last_lines(),
        }
    }

    fn last_lines(&self) -> Vec<String> {
        lock(&self.output).iter().cloned().collect()
    }

    /// Ends the child, for good: who waits for it hears at once.
    fn end(&self) {
        let mut child = lock(&self.child);
        // Both fail only where the child is gone already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hands each draft to the slot that waits for it, until the child speaks no more.
fn route(mut from: UnixStream, waiting: &Mutex<Waiting>) {
    let reason = loop {
        match Reply::read(&mut from) {
            Ok(Reply::Drafted { slot, ids }) => {
                // A slot that has given up has retired the child.
                if let Some(to) = lock(waiting).slots.remove(&slot) {
                    let _ = to.send(ids);
                }
            }
            Ok(Reply::Failed(reason)) => break Some(reason),
            Ok(Reply::Ready { .. }) | Err(_) => break None,
        }
    };
    let mut waiting = lock(waiting);
    waiting.ended = Some(reason);
    waiting.slots.clear();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs what the child prints, line by line, and keeps the last lines.
fn log_lines(pipe: impl io::Read + Send + 'static, keep: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.trim_matches('.').is_empty() {
                continue;
            }
            tracing::debug!(target: "llama.cpp", "{line}");
            let mut lines = lock(&keep);
            if lines.len() == LAST_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
}
