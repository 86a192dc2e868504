//! `--disrupt`: ends a process at its worst moment with SIGKILL, and starts it again; or has the sequencer leave the question
//! out, and ends it for good.
//!
//! Each moment is held still until the kill has fallen, by a process that is stopped or a chain that mines no block: where
//! it falls is no matter of luck.

use crate::accounts::Role;
use crate::network::Network;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::B256;
use alloy::providers::Provider;
use anyhow::{Context, ensure};
use assay_bindings::Inbox;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// `RequestState.Open`.
const OPEN: u8 = 1;
/// Longest wait for a moment to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time that a sequencer has for a question which it leaves out: some of its batches.
const LEFT_OUT: Duration = Duration::from_secs(4);
/// `--disrupt` by a sequencer that leaves the question out.
pub const CENSOR: &str = "censor";

/// Who is killed, and what is held still for that until the question is asked.
pub struct Disruption {
    who: String,
    executor: Role,
    /// The drafting process, stopped.
    drafter: Option<u32>,
}

impl Disruption {
    /// Before the question. `executor` is who will get it.
    pub fn prepare(net: &Network, who: &str, executor: Role) -> anyhow::Result<Disruption> {
        let drafter = match who {
            "llama" | "executor" => {
                let parent = net.process_id(executor).context("the executor runs")?;
                let child = child_of(parent).with_context(|| {
                    format!("--disrupt {who} needs the drafting process of --backend llama")
                })?;
                signal(child, "-STOP")?;
                Some(child)
            }
            _ => None,
        };
        Ok(Disruption {
            who: who.to_owned(),
            executor,
            drafter,
        })
    }

    /// Between question and answer.
    pub async fn strike(&self, net: &mut Network, id: B256) -> anyhow::Result<()> {
        match (self.who.as_str(), self.drafter) {
            ("llama", Some(drafter)) => self.kill_drafter(net, drafter, id).await,
            ("executor", Some(drafter)) => self.kill_signer(net, drafter, id).await,
            ("sequencer", _) => kill_poster(net).await,
            (CENSOR, _) => self.pass_deadline(net, id).await,
            _ => Ok(()),
        }
    }

    async fn kill_drafter(&self, net: &mut Network, drafter: u32, id: B256) -> anyhow::Result<()> {
        self.until_at_work(net, id).await?;
        // A moment for the draft to be asked for; the stopped process can't have answered it.
        tokio::time::sleep(Duration::from_millis(500)).await;
        say("the drafting process is killed while it owes a draft");
        signal(drafter, "-KILL")
    }

    /// The executor signs while there is no sequencer to hear of it, so the signature is in its journal and nowhere else.
    async fn kill_signer(&self, net: &mut Network, drafter: u32, id: B256) -> anyhow::Result<()> {
        self.until_at_work(net, id).await?;
        net.kill_service(Role::Sequencer).await;
        signal(drafter, "-CONT")?;
        // Published means signed and in the journal.
        let name = id.to_string();
        let signed = move |s: &Value| !s["answers"][&name].is_null();
        until(net, self.executor, "signed answer", signed).await?;
        net.kill_service(self.executor).await;
        let inbox = Inbox::new(net.deployment.contracts.inbox, &net.user);
        let state = inbox.status(id).call().await?.state;
        ensure!(state == OPEN, "the answer was posted before the kill");
        say("the executor is killed after it has signed and before anybody has the answer");
        net.start_again(Role::Sequencer).await?;
        net.start_again(self.executor).await
    }

    /// The sequencer knows the question and who would answer it, and does nothing. The chain's clock jumps past the inclusion
    /// deadline.
    async fn pass_deadline(&self, net: &mut Network, id: B256) -> anyhow::Result<()> {
        let able = |s: &Value| s["queued"] == 1 && s["executors"] == 1;
        until(net, Role::Sequencer, "question and executor", able).await?;
        tokio::time::sleep(LEFT_OUT).await;
        let status = Inbox::new(net.deployment.contracts.inbox, &net.user)
            .status(id)
            .call()
            .await?;
        ensure!(status.state == OPEN, "the question was not left out");
        let head = net.user.get_block(BlockNumberOrTag::Latest.into()).await?;
        let now = head.context("the chain has no block")?.header.timestamp;
        let rest = (status.deadline.to::<u64>() + 1).saturating_sub(now);
        say("the sequencer leaves the question out until its inclusion deadline has passed");
        net.user
            .raw_request::<_, Value>("evm_increaseTime".into(), (rest,))
            .await?;
        Ok(())
    }

    async fn until_at_work(&self, net: &mut Network, id: B256) -> anyhow::Result<()> {
        let name = json!(id.to_string());
        let listed = move |s: &Value| s["at_work"].as_array().is_some_and(|a| a.contains(&name));
        until(net, self.executor, "executor at work", listed).await
    }
}

/// Waits for what `who` says at /status.
async fn until(
    net: &mut Network,
    who: Role,
    what: &str,
    done: impl Fn(&Value) -> bool,
) -> anyhow::Result<()> {
    let started = Instant::now();
    while !done(&net.status(who).await) {
        net.check()?;
        ensure!(started.elapsed() < PATIENCE, "no {what} after a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

impl Drop for Disruption {
    /// A process that is stopped would not notice that its parent ends.
    fn drop(&mut self) {
        if let Some(drafter) = self.drafter {
            // It runs again or is gone already.
            let _ = signal(drafter, "-CONT");
        }
    }
}

/// The sequencer has sent a batch that no block has taken yet. The new process starts while it still waits: posting the
/// same again would be paid for twice.
async fn kill_poster(net: &mut Network) -> anyhow::Result<()> {
    mine_every(net, 0).await?;
    let (sequencer, started) = (Role::Sequencer.address()?, Instant::now());
    let sent = |tag: BlockNumberOrTag| {
        net.user
            .get_transaction_count(sequencer)
            .block_id(tag.into())
    };
    while sent(BlockNumberOrTag::Pending).await? == sent(BlockNumberOrTag::Latest).await? {
        ensure!(started.elapsed() < PATIENCE, "no batch after a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    net.kill_service(Role::Sequencer).await;
    say("the sequencer is killed while its batch waits for a block");
    let chain = net.user.clone();
    let mining = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        chain
            .raw_request::<_, Value>("evm_setIntervalMining".into(), json!([1]))
            .await
    });
    let again = net.start_again(Role::Sequencer).await;
    mining.await??;
    again
}

async fn mine_every(net: &Network, seconds: u64) -> anyhow::Result<()> {
    net.user
        .raw_request::<_, Value>("evm_setIntervalMining".into(), json!([seconds]))
        .await?;
    Ok(())
}

/// Tells who watches what was done to whom.
pub fn say(what: &str) {
    println!("          -- {what}");
}

fn signal(process: u32, name: &str) -> anyhow::Result<()> {
    let status = std::process::Command::new("kill")
        .args([name, &process.to_string()])
        .stderr(std::process::Stdio::null())
        .status()
        .context("running kill")?;
    ensure!(status.success(), "kill {name} {process} failed");
    Ok(())
}

/// A child of process `parent`.
fn child_of(parent: u32) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?;
    let ids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let parent_of = |id: u32| -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        status
            .lines()
            .find_map(|l| l.strip_prefix("PPid:")?.trim().parse().ok())
    };
    ids.into_iter().find(|&id| parent_of(id) == Some(parent))
}
