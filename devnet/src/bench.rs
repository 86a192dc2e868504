//! `make bench`: the numbers of one dispute, each with the command that gives it.

use crate::report::Report;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes `name: number` of a report to `out`, prints them, and names limits that are passed.
pub fn summarize(report: &Report, command: &str, out: &Path) -> anyhow::Result<bool> {
    let dispute = report
        .disputes
        .first()
        .context("the scenario had no dispute")?;
    let mut numbers: BTreeMap<&str, f64> = BTreeMap::new();
    numbers.insert("dispute.txs", dispute.transactions.len() as f64);
    numbers.insert("dispute.gas", dispute.gas_total as f64);
    numbers.insert("dispute.wall_s", dispute.wall_s);
    numbers.insert(
        "dispute.work_s",
        dispute.compute_challenger_s + dispute.compute_executor_s,
    );
    numbers.insert("dispute.calldata_bytes", dispute.calldata_bytes as f64);
    numbers.insert("osp.tx_gas", dispute.proof_gas.unwrap_or(0) as f64);
    numbers.insert("devnet.warm_start_s", report.warm_start_s);
    let text = std::fs::read_to_string("target/bench/osp.json").unwrap_or_default();
    let osp: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    for key in ["osp.gas_max", "osp.gas_median", "osp.witness_bytes_max"] {
        if let Some(value) = osp[key].as_f64() {
            numbers.insert(key, value);
        }
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(out, serde_json::to_string_pretty(&numbers)? + "\n")
        .with_context(|| format!("{}", out.display()))?;
    let limits = [
        ("dispute.txs", 14.0),
        ("dispute.gas", 1_500_000.0),
        ("dispute.work_s", 60.0),
        ("osp.gas_max", 300_000.0),
        ("osp.witness_bytes_max", 4096.0),
        ("devnet.warm_start_s", 20.0),
    ];
    println!("\n{command}\n");
    let mut fine = true;
    for (name, value) in &numbers {
        let limit = limits.iter().find(|l| l.0 == *name).map(|l| l.1);
        let over = limit.is_some_and(|l| *value > l);
        fine &= !over;
        let note = limit.map_or(String::new(), |l| {
            format!("  (limit {l}{})", if over { ", PASSED" } else { "" })
        });
        println!("  {name:<24} {value:>14.2}{note}");
    }
    println!(
        "\nwritten to {}; osp.* come from `cargo test --release -p assay-tests --test lockstep`",
        out.display()
    );
    Ok(fine)
}
