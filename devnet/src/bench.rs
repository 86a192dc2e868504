//! `make bench`: the measured numbers, each with the limit it has to keep and the command that gives it.

use crate::report::Report;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys, file and command of the measurements that tests leave in `target/bench/`.
const PARTS: [(&[&str], &str, &str); 3] = [
    (
        &["osp.gas_max", "osp.gas_median", "osp.witness_bytes_max"],
        "osp.json",
        "cargo test --release -p assay-tests --test machine lockstep::",
    ),
    (
        &[
            "machine.interp_vs_wasmi.mix",
            "machine.interp_vs_wasmi.sha256",
            "machine.interp_vs_wasmi.nbody",
            "machine.interp_vs_wasmi.matmul_i8",
            "machine.roots_overhead",
            "machine.wasmtime_roots_vs_plain",
            "machine.tree_hash_vs_sha3",
        ],
        "machine.json",
        "make bench-machine",
    ),
    (
        &["conformance.passed", "conformance.skipped"],
        "conformance.json",
        "cargo test --release -p assay-conformance",
    ),
];

/// What a number may be at least.
const LEAST: [(&str, f64); 5] = [
    ("machine.interp_vs_wasmi.mix", 1.0),
    ("machine.interp_vs_wasmi.sha256", 1.0),
    ("machine.interp_vs_wasmi.nbody", 1.0),
    ("machine.interp_vs_wasmi.matmul_i8", 1.0),
    ("machine.tree_hash_vs_sha3", 1.5),
];

/// What a number may be at most.
const LIMITS: [(&str, f64); 8] = [
    ("machine.roots_overhead", 0.1),
    ("machine.wasmtime_roots_vs_plain", 1.1),
    ("dispute.txs", 14.0),
    ("dispute.gas", 1_500_000.0),
    ("dispute.work_s", 60.0),
    ("osp.gas_max", 300_000.0),
    ("osp.witness_bytes_max", 4096.0),
    ("devnet.warm_start_s", 20.0),
];

/// A number and the command that gives it.
type Numbers = BTreeMap<String, (f64, String)>;

/// Writes `name: number` of a report and of the parts to `out`, prints them, and tells whether every limit is kept.
pub fn summarize(report: &Report, command: &str, root: &Path, out: &Path) -> anyhow::Result<bool> {
    let mut numbers = of_report(report, command)?;
    for (keys, file, command) in PARTS {
        read_part(
            &mut numbers,
            keys,
            &root.join("target/bench").join(file),
            command,
        )?;
    }
    let flat: BTreeMap<&String, f64> = numbers.iter().map(|(name, n)| (name, n.0)).collect();
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
    }
    std::fs::write(out, serde_json::to_string_pretty(&flat)? + "\n")
        .with_context(|| format!("writing {}", out.display()))?;
    let mut fine = true;
    println!();
    for (name, (value, command)) in &numbers {
        let (kept, note) = judge(name, *value);
        fine &= kept;
        println!("  {name:<33} {value:>14.2}  {note:<26}  {command}");
    }
    println!("\nwritten to {}", out.display());
    Ok(fine)
}

/// Whether a number keeps its limit, if it has one, and a note that says so.
fn judge(name: &str, value: f64) -> (bool, String) {
    let of = |table: &[(&str, f64)]| table.iter().find(|l| l.0 == name).map(|l| l.1);
    let (kept, limit, missed) = match (of(&LIMITS), of(&LEAST)) {
        (Some(most), _) => (value <= most, format!("limit {most}"), "EXCEEDED"),
        (_, Some(least)) => (value >= least, format!("at least {least}"), "MISSED"),
        _ => return (true, String::new()),
    };
    let note = if kept {
        limit
    } else {
        format!("{limit}, {missed}")
    };
    (kept, note)
}

fn of_report(report: &Report, command: &str) -> anyhow::Result<Numbers> {
    let dispute = report
        .disputes
        .first()
        .context("the scenario had no dispute")?;
    let proof = dispute
        .proof_gas
        .context("the dispute ended without a one-step proof")?;
    let work = dispute.compute_challenger_s + dispute.compute_executor_s;
    let numbers = [
        ("dispute.txs", dispute.transactions.len() as f64),
        ("dispute.gas", dispute.gas_total as f64),
        ("dispute.wall_s", dispute.wall_s),
        ("dispute.work_s", work),
        ("dispute.calldata_bytes", dispute.calldata_bytes as f64),
        ("osp.tx_gas", proof as f64),
        ("devnet.warm_start_s", report.warm_start_s),
    ];
    let named = |(name, value): (&str, f64)| (name.to_owned(), (value, command.to_owned()));
    Ok(numbers.into_iter().map(named).collect())
}

/// Adds what another command has measured; a missing number is an error that names the command.
fn read_part(
    numbers: &mut Numbers,
    keys: &[&str],
    path: &Path,
    command: &str,
) -> anyhow::Result<()> {
    let hint = || format!("run `{command}` first, as `make bench` does");
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} is missing: {}", path.display(), hint()))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    for key in keys {
        let Some(value) = json[*key].as_f64() else {
            bail!("{} has no number {key}: {}", path.display(), hint());
        };
        numbers.insert((*key).to_owned(), (value, command.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_from_above_and_from_below() {
        assert!(judge("osp.gas_max", 300_000.0).0);
        assert!(!judge("osp.gas_max", 300_001.0).0);
        assert!(judge("machine.tree_hash_vs_sha3", 1.5).0);
        assert!(!judge("machine.tree_hash_vs_sha3", 1.49).0);
        assert!(!judge("machine.roots_overhead", f64::NAN).0, "no number");
        assert!(judge("dispute.wall_s", 1e9).0, "no limit");
    }

    #[test]
    fn missing_part_or_key_is_an_error_that_names_the_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("osp.json");
        let mut numbers = Numbers::new();
        let keys = ["osp.gas_max"];
        let read = |numbers: &mut Numbers| read_part(numbers, &keys, &path, "cargo test x");
        let missing = read(&mut numbers).expect_err("no file");
        assert!(format!("{missing:#}").contains("cargo test x"));
        std::fs::write(&path, r#"{"osp.gas_median": 3}"#).expect("written");
        let lacking = read(&mut numbers).expect_err("no key");
        assert!(format!("{lacking:#}").contains("osp.gas_max"));
        std::fs::write(&path, r#"{"osp.gas_max": 3}"#).expect("written");
        read(&mut numbers).expect("complete");
        assert_eq!(numbers["osp.gas_max"].0, 3.0);
    }
}
