//! The parent's side of the llama.cpp child: starts it, asks it, starts it again when it dies.
//!
//! A C++ abort, an out-of-memory kill or a hang costs one child, never the process that holds the keys.

use super::protocol::{Reply, Request};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Longest wait for one draft.
    pub draft_timeout: Duration,
}

impl ChildConfig {
    /// A child that is this very binary, with the default time limit.
    pub fn new(model: PathBuf, context: u32, threads: u32, gpu_layers: u32) -> ChildConfig {
        // The kernel's link stays good when the file is replaced under a running executor.
        let program = PathBuf::from("/proc/self/exe");
        ChildConfig {
            program,
            model,
            context,
            threads,
            gpu_layers,
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

/// A llama.cpp child that is restarted as needed.
#[derive(Debug)]
pub struct LlamaChild {
    config: ChildConfig,
    running: Option<Running>,
    /// Times that a dead child was replaced.
    pub restarts: u64,
}

#[derive(Debug)]
struct Running {
    child: Child,
    socket: UnixStream,
    output: Arc<Mutex<VecDeque<String>>>,
    vocab: u32,
    /// Ids in the child's cache.
    cached: Vec<u32>,
}

impl LlamaChild {
    /// Starts a child and waits until it has loaded the model.
    pub fn start(config: ChildConfig) -> Result<LlamaChild, ChildError> {
        let running = Running::start(&config)?;
        Ok(LlamaChild {
            config,
            running: Some(running),
            restarts: 0,
        })
    }

    /// Ids in llama.cpp's vocabulary; `None` while no child runs.
    pub fn vocab(&self) -> Option<u32> {
        self.running.as_ref().map(|r| r.vocab)
    }

    /// The child's process id; `None` while no child runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|r| r.child.id())
    }

    /// Up to `n` ids that llama.cpp would greedily put after `sequence` (not empty). Fewer, or none, where an
    /// end-of-generation id comes or its cache is full. A child that dies is replaced and asked again.
    pub fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, ChildError> {
        let mut wait = FIRST_WAIT;
        let mut attempt = 1;
        loop {
            let error = match self.try_draft(sequence, n) {
                Ok(ids) => return Ok(ids),
                Err(error) => error,
            };
            // Whatever state it is in, a child that failed once is not asked again.
            self.running = None;
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
        if self.running.is_none() {
            self.restarts += 1;
            self.running = Some(Running::start(&self.config)?);
        }
        let running = self.running.as_mut().expect("a child was started above");
        running.draft(sequence, n)
    }
}

impl Running {
    fn start(config: &ChildConfig) -> Result<Running, ChildError> {
        let died = |source| ChildError::Died {
            what: "could not be started",
            source,
            output: Vec::new(),
        };
        let (socket, theirs) = UnixStream::pair().map_err(died)?;
        let mut child = Command::new(&config.program)
            .arg0("executor")
            .arg("llama-worker")
            .arg("--model")
            .arg(&config.model)
            .args(["--context", &config.context.to_string()])
            .args(["--threads", &config.threads.to_string()])
            .args(["--gpu-layers", &config.gpu_layers.to_string()])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is the parent's to answer: it may still need a draft.
            .process_group(0)
            .spawn()
            .map_err(died)?;
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
        let mut running = Running {
            child,
            socket,
            output,
            vocab: 0,
            cached: Vec::new(),
        };
        running
            .socket
            .set_read_timeout(Some(LOAD_TIMEOUT))
            .map_err(died)?;
        match running.receive("while it loaded the model")? {
            Reply::Ready { vocab, context } => {
                running.vocab = vocab;
                tracing::info!(
                    pid = running.child.id(),
                    vocab,
                    context,
                    "llama.cpp's process is ready"
                );
            }
            Reply::Drafted(_) => {
                return Err(running.died("spoke out of turn", io::ErrorKind::InvalidData.into()));
            }
            Reply::Failed(reason) => {
                return Err(ChildError::Refused {
                    reason,
                    output: running.last_lines(),
                });
            }
        }
        running
            .socket
            .set_read_timeout(Some(config.draft_timeout))
            .map_err(died)?;
        running
            .socket
            .set_write_timeout(Some(config.draft_timeout))
            .map_err(died)?;
        Ok(running)
    }

    fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, ChildError> {
        let common = self
            .cached
            .iter()
            .zip(sequence)
            .take_while(|(a, b)| a == b)
            .count();
        // The last id is always decoded again: its logits are what the draft begins with.
        let keep = common.min(sequence.len().saturating_sub(1));
        let push = sequence[keep..].to_vec();
        let request = Request::Draft {
            keep: keep as u32,
            push,
            n,
        }; // a sequence is shorter than a context
        request
            .write(&mut self.socket)
            .map_err(|e| self.died("ended before a draft", e))?;
        match self.receive("while it drafted")? {
            Reply::Drafted(ids) => {
                self.cached = sequence.to_vec();
                match ids.split_last() {
                    Some((_, decoded)) => self.cached.extend_from_slice(decoded),
                    // It had no room, so it decoded nothing.
                    None => self.cached.truncate(keep),
                }
                Ok(ids)
            }
            Reply::Failed(reason) => Err(ChildError::Refused {
                reason,
                output: self.last_lines(),
            }),
            Reply::Ready { .. } => {
                Err(self.died("spoke out of turn", io::ErrorKind::InvalidData.into()))
            }
        }
    }

    fn receive(&mut self, what: &'static str) -> Result<Reply, ChildError> {
        Reply::read(&mut self.socket).map_err(|e| self.died(what, e))
    }

    /// Ends the child, for good, and says how it went.
    fn died(&mut self, what: &'static str, source: io::Error) -> ChildError {
        let timed_out = matches!(
            source.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        let source = if timed_out {
            io::Error::new(io::ErrorKind::TimedOut, "it hangs")
        } else {
            // Its end closes the socket a moment before it can be waited for.
            std::thread::sleep(Duration::from_millis(50));
            match self.child.try_wait() {
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
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the child is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
            let mut lines = keep.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LAST_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
}
