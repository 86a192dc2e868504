//! Child processes: started with their own log file, known by process id, ended with the devnet.

use anyhow::{Context, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// A running child.
pub struct Process {
    /// What people call it.
    pub name: String,
    /// Its log.
    pub log: PathBuf,
    child: Child,
    /// Largest resident size seen.
    peak_mib: f64,
}

impl Process {
    /// Starts `program`; standard output and error go to `log`.
    pub fn start(
        name: &str,
        program: &Path,
        args: &[String],
        log: PathBuf,
    ) -> anyhow::Result<Process> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("log file {}", log.display()))?;
        let child = Command::new(program)
            .args(args)
            // Services end when this closes: they never outlive a devnet that was killed.
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name} ({})", program.display()))?;
        Ok(Process {
            name: name.to_owned(),
            log,
            child,
            peak_mib: 0.0,
        })
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Fails with the end of its log if it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.measure();
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended ({status}); the end of {}:\n{}",
                self.name,
                self.log.display(),
                tail(&self.log)
            );
        }
        Ok(())
    }

    /// Notes its peak resident size.
    pub fn measure(&mut self) {
        if let Some(id) = self.child.id() {
            self.peak_mib = self.peak_mib.max(peak_mib(id));
        }
    }

    /// Peak resident size, MiB.
    pub fn peak_mib(&self) -> f64 {
        self.peak_mib
    }

    /// Asks it to end, without waiting: closing standard input is the services' signal.
    pub fn dismiss(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub async fn stop(&mut self) {
        self.measure();
        self.dismiss();
        if tokio::time::timeout(Duration::from_secs(4), self.child.wait())
            .await
            .is_err()
        {
            self.kill().await;
        }
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.measure();
        // It may have ended by itself, which is as good.
        let _ = self.child.kill().await;
    }
}

/// The last lines of a log.
pub fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Peak resident size of process `id`, MiB; 0 where the system does not tell.
pub fn peak_mib(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let kib: Option<f64> = status.lines().find_map(|l| {
        l.strip_prefix("VmHWM:")?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    kib.unwrap_or(0.0) / 1024.0
}

/// An error that says what to do if `port` is taken; 0 never is.
pub fn require_free(port: u16, flag: &str) -> anyhow::Result<()> {
    match std::net::TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(e) => bail!(
            "port {port} is taken ({e}): stop the other program, or pass another {flag} (0 takes a free one)"
        ),
    }
}
