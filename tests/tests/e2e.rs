//! The real binaries on a real chain: honest, each cheat, a lying challenger, kills at the worst moment.
//!
//! Needs the binaries (`cargo build --release --workspace`, which `make test` does) and anvil; a missing one fails.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One network at a time: two cores would make clocks run out that no user's would.
static MACHINE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn devnet() -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    let folder = own
        .parent()
        .and_then(Path::parent)
        .expect("target/release/deps/e2e");
    let binary = folder.join("assay-devnet");
    assert!(
        binary.exists(),
        "{} is missing: run cargo build --release --workspace",
        binary.display()
    );
    binary
}

fn run(args: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("report.json");
    let output = Command::new(devnet())
        .args([
            "run",
            "--once",
            "--window",
            "20",
            "--allowance",
            "60",
            "--json",
        ])
        .arg(&report)
        .arg("--data")
        .arg(folder.path().join("data"))
        .args(args)
        .output()
        .expect("the devnet starts");
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    (output, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn whole(args: &[&str]) -> Value {
    let _alone = alone();
    let (output, report) = run(args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{args:?} failed\n{out}\n{err}");
    conforms(&report, &schema(), "report");
    assert_eq!(report["honest_side_whole"], true, "{report:#}");
    assert_eq!(report["requests"][0]["status"], "final");
    assert_eq!(report["requests"][0]["callback_result"], "done");
    report
}

fn only_dispute(report: &Value) -> &Value {
    let disputes = report["disputes"].as_array().expect("disputes");
    assert_eq!(disputes.len(), 1, "{report:#}");
    &disputes[0]
}

#[test]
fn honest_answer_becomes_final_without_a_dispute() {
    let report = whole(&[]);
    assert_eq!(report["disputes"], Value::Array(vec![]));
    assert_eq!(report["requests"][0]["claims"], 1);
    assert!(
        report["requests"][0]["tokens_drafted"]
            .as_u64()
            .expect("a count")
            > 0,
        "llama.cpp drafted"
    );
}

#[test]
fn lie_in_a_token_ends_in_one_instruction_within_fourteen_transactions() {
    let report = whole(&["--cheat", "token:0", "--flip", "random:7"]);
    let dispute = only_dispute(&report);
    assert_eq!(
        (&dispute["winner"], &dispute["by"]),
        (&"challenger".into(), &"proof".into())
    );
    assert!(
        dispute["moves_challenger"].as_u64().expect("moves")
            + dispute["moves_executor"].as_u64().expect("moves")
            <= 10
    );
    assert!(
        dispute["transactions"]
            .as_array()
            .expect("transactions")
            .len()
            <= 14
    );
    assert!(
        dispute["gas_total"].as_u64().expect("gas") <= 1_500_000,
        "{dispute:#}"
    );
    assert!(dispute["witness_bytes"].as_u64().expect("witness") <= 4096);
    assert!(dispute["opcode"].is_string() && dispute["trace_index"].is_u64());
    assert_eq!(
        report["requests"][0]["claims"], 2,
        "the honest executor answered after the liar"
    );
}

#[test]
fn truncated_answer_is_slashed() {
    let report = whole(&["--cheat", "truncate", "--flip", "random:11"]);
    assert_eq!(only_dispute(&report)["winner"], "challenger");
}

#[test]
fn silent_liar_loses_by_timeout() {
    let report = whole(&["--cheat", "silent"]);
    let dispute = only_dispute(&report);
    assert_eq!(
        (&dispute["winner"], &dispute["by"]),
        (&"challenger".into(), &"timeout".into())
    );
}

#[test]
fn lying_challenger_loses_its_bond_to_the_executor() {
    let report = whole(&["--lying-challenger"]);
    let dispute = only_dispute(&report);
    assert_eq!(dispute["winner"], "executor");
    assert!(
        dispute["bonds"]["to_executor"]
            .as_str()
            .is_some_and(|wei| wei != "0"),
        "{dispute:#}"
    );
}

#[test]
fn watchtower_killed_in_mid_game_goes_on_and_wins() {
    let report = whole(&[
        "--cheat",
        "token:1",
        "--flip",
        "random:3",
        "--disrupt",
        "watchtower",
    ]);
    assert_eq!(only_dispute(&report)["winner"], "challenger");
}

#[test]
fn executor_killed_after_signing_loses_no_answer() {
    assert_eq!(
        whole(&["--disrupt", "executor"])["requests"][0]["claims"],
        1
    );
}

#[test]
fn sequencer_killed_in_mid_batch_posts_the_answer_once() {
    assert_eq!(
        whole(&["--disrupt", "sequencer"])["requests"][0]["claims"],
        1
    );
}

#[test]
fn drafting_process_killed_in_mid_request_is_replaced() {
    whole(&["--disrupt", "llama"]);
}

#[test]
fn bad_input_is_refused_with_what_to_do() {
    let _alone = alone();
    let refused = |args: &[&str], words: &[&str]| {
        let (output, _) = run(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?} should fail");
        assert!(words.iter().all(|w| err.contains(w)), "{args:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    };
    refused(
        &["--model", "/nonexistent.gguf"],
        &["/nonexistent.gguf", "--model"],
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let truncated = folder.path().join("truncated.gguf");
    std::fs::write(&truncated, b"GGUF\x03\0\0\0").expect("written");
    refused(
        &["--model", &truncated.display().to_string()],
        &["truncated.gguf"],
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    refused(&["--port", &port], &["taken", "--port"]);
}

/// The parts of JSON Schema that the report's schema uses.
fn conforms(value: &Value, schema: &Value, at: &str) {
    if let Some(properties) = schema["properties"].as_object() {
        let object = value
            .as_object()
            .unwrap_or_else(|| panic!("{at} is no object"));
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            assert!(object.contains_key(name), "{at}.{name} is missing");
        }
        for (name, value) in object {
            let inner = properties
                .get(name)
                .unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
            conforms(value, inner, &format!("{at}.{name}"));
        }
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at} is {value}");
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(item, &schema["items"], &format!("{at}[{i}]"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let fits = |t: &&str| match *t {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        _ => value.is_null(),
    };
    assert!(types.iter().any(fits), "{at} is {value}, not {types:?}");
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../devnet/report.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the schema is committed"))
        .expect("JSON")
}
