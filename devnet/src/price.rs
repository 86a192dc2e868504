//! What a question costs: the work's burned price, and something for the executor.

use alloy::primitives::U256;
use alloy::providers::Provider;
use anyhow::{Context, ensure};
use assay_bindings::{Rollup, hashes};
use assay_node::deployment::{Deployment, ModelEntry};

/// Least wei offered for one question.
pub const LEAST: u128 = 1_000_000_000_000_000;

/// Wei to offer for `max_tokens` of answer to a payload of `payload` bytes: twice what it needs now, since the price may
/// rise until the answer is posted. An executor gets half of it at least.
pub async fn fee_for<P: Provider>(
    provider: &P,
    deployment: &Deployment,
    model: &ModelEntry,
    payload: usize,
    max_tokens: u32,
) -> anyhow::Result<u128> {
    let rollup = Rollup::new(deployment.contracts.rollup, provider);
    let work = U256::from(hashes::work(model.length, payload as u32, max_tokens));
    let (idle, now) = (
        rollup.leastFee(work).call().await?,
        rollup.presentFee(work).call().await?.batch,
    );
    ensure!(
        idle != U256::MAX,
        "{work} units of work are more than a window takes: shorten the prompt, ask for fewer tokens, or ask a smaller model"
    );
    ensure!(now != U256::MAX, "the window is full: ask again in a while");
    let needed = u128::try_from(idle.max(now)).context("the price is beyond all money")?;
    Ok(LEAST.max(2 * needed))
}
