//! The real binaries on a real chain: honest, each cheat, a lying challenger, kills at the worst moment, a sequencer that leaves
//! the question out.
//!
//! Needs the binaries (`cargo build --release --workspace`, which `make test` does) and anvil; a missing one fails.

use assay_tests::binaries::binary;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn run(args: &[&str]) -> (Output, Value, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("report.json");
    let output = Command::new(binary("assay-devnet"))
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
    let report = serde_json::from_str(&text).unwrap_or(Value::Null);
    (output, report, folder)
}

/// Runs a scenario that must leave the honest side whole; the report, and the folder with data and logs.
fn whole(args: &[&str]) -> (Value, TempDir) {
    let (output, report, folder) = run(args);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{args:?} failed\n{out}\n{err}");
    conforms(&report, &schema(), "report");
    assert_eq!(report["honest_side_whole"], true, "{report:#}");
    assert_eq!(report["requests"][0]["status"], "final");
    assert_eq!(report["requests"][0]["callback_result"], "done");
    (report, folder)
}

/// The log of a service, both lives of it.
fn log(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join("data").join(format!("{name}.log"));
    let text = std::fs::read_to_string(path).expect("each service has a log");
    assert!(!text.contains("panicked at"), "{text}");
    text
}

/// Lines of a log that hold all of `words`.
fn lines(log: &str, words: &[&str]) -> usize {
    let holds = |line: &&str| words.iter().all(|word| line.contains(word));
    log.lines().filter(holds).count()
}

fn only_dispute(report: &Value) -> &Value {
    let disputes = report["disputes"].as_array().expect("disputes");
    assert_eq!(disputes.len(), 1, "{report:#}");
    &disputes[0]
}

#[test]
fn honest_answer_becomes_final_without_a_dispute() {
    let (report, _folder) = whole(&[]);
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
    let (report, _folder) = whole(&["--cheat", "token:0", "--flip", "random:7"]);
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
    // A step that is not executed has a witness of the header alone.
    assert!(dispute["witness_bytes"].as_u64().expect("witness") > 145);
    assert_eq!(
        report["requests"][0]["claims"], 2,
        "the honest executor answered after the liar"
    );
}

#[test]
fn lie_about_a_question_that_a_later_block_seeds_loses_by_the_contracts_own_inputs() {
    let (report, folder) = whole(&["--seed-delay", "3", "--cheat", "token:0"]);
    assert_eq!(only_dispute(&report)["winner"], "challenger");
    let sequencer = log(&folder, "sequencer");
    assert_eq!(
        lines(&sequencer, &["recorded the randomness of a block"]),
        1,
        "{sequencer}"
    );
    // Both players read what the contract reads, the seed in it.
    for player in ["watchtower", "liar"] {
        let log = log(&folder, player);
        assert_eq!(lines(&log, &["reads other inputs"]), 0, "{log}");
    }
}

#[test]
fn truncated_answer_is_slashed() {
    let (report, _folder) = whole(&["--cheat", "truncate", "--flip", "random:11"]);
    assert_eq!(only_dispute(&report)["winner"], "challenger");
}

#[test]
fn silent_liar_loses_by_timeout() {
    let (report, _folder) = whole(&["--cheat", "silent"]);
    let dispute = only_dispute(&report);
    assert_eq!(
        (&dispute["winner"], &dispute["by"]),
        (&"challenger".into(), &"timeout".into())
    );
}

#[test]
fn lying_challenger_loses_its_bond_to_the_executor() {
    let (report, _folder) = whole(&["--lying-challenger"]);
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
    let (report, folder) = whole(&[
        "--cheat",
        "token:1",
        "--flip",
        "random:3",
        "--disrupt",
        "watchtower",
    ]);
    let dispute = only_dispute(&report);
    assert_eq!(
        (&dispute["winner"], &dispute["by"]),
        (&"challenger".into(), &"proof".into())
    );
    let log = log(&folder, "watchtower");
    assert_eq!(lines(&log, &["ready to check"]), 2, "two lives\n{log}");
    assert_eq!(lines(&log, &["opening a game"]), 1, "{log}");
}

#[test]
fn executor_killed_after_signing_and_before_posting_keeps_its_word() {
    let (report, folder) = whole(&["--disrupt", "executor"]);
    assert_eq!(report["requests"][0]["claims"], 1);
    let log = log(&folder, "executor");
    assert_eq!(lines(&log, &["started", "chain=31337"]), 2, "{log}");
    // The sequencer was gone when the signature was made, so the first life gave it to nobody. The second finds it in
    // the journal: it computes and signs nothing anew.
    assert_eq!(lines(&log, &[": signed", "number="]), 1, "{log}");
    assert_eq!(lines(&log, &["answered", "tokens="]), 1, "{log}");
    let again = lines(&log, &["offering a signed segment again", "number=0"]);
    assert_eq!(again, 1, "{log}");
    let journal = folder.path().join("data/executor/claims.journal");
    let journal = std::fs::read(journal).expect("the journal");
    let journal = String::from_utf8_lossy(&journal);
    assert_eq!(journal.matches("\"signed\":").count(), 1, "{journal}");
}

#[test]
fn sequencer_killed_in_mid_batch_posts_the_answer_once() {
    let (report, folder) = whole(&["--disrupt", "sequencer"]);
    assert_eq!(report["requests"][0]["claims"], 1);
    let log = log(&folder, "sequencer");
    assert_eq!(lines(&log, &["started", "chain=31337"]), 2, "{log}");
    assert_eq!(lines(&log, &["posting a batch"]), 1, "{log}");
    assert_eq!(
        lines(&log, &["batch posted"]),
        0,
        "the first life heard nothing\n{log}"
    );
}

#[test]
fn drafting_process_killed_in_mid_request_is_replaced() {
    let (report, folder) = whole(&["--disrupt", "llama"]);
    assert_eq!(report["requests"][0]["claims"], 1);
    let log = log(&folder, "executor");
    assert_eq!(
        lines(&log, &["replacing llama.cpp's process", "while it drafted"]),
        1,
        "{log}"
    );
    assert_eq!(lines(&log, &["llama.cpp's process is ready"]), 2, "{log}");
    let drafted = report["requests"][0]["tokens_drafted"].as_u64();
    assert!(
        drafted.is_some_and(|n| n > 0),
        "the new one drafted\n{report:#}"
    );
}

/// The sequencer of this run had the question and an executor, and gave it nothing to answer and posted nothing.
fn assert_left_out(folder: &TempDir) {
    let sequencer = log(folder, "sequencer");
    assert_eq!(
        lines(&sequencer, &["leaves every request out"]),
        1,
        "one life\n{sequencer}"
    );
    assert_eq!(lines(&sequencer, &["posting a batch"]), 0, "{sequencer}");
    let executor = log(folder, "executor");
    assert_eq!(lines(&executor, &[": signed"]), 0, "{executor}");
}

#[test]
fn question_that_the_sequencer_leaves_out_is_claimed_by_the_executor_itself() {
    // Whole: the claim became final and its fee is the executor's.
    let (report, folder) = whole(&["--disrupt", "censor"]);
    assert_eq!(report["requests"][0]["claims"], 1);
    assert_eq!(report["disputes"], Value::Array(vec![]));
    assert_left_out(&folder);
    let log = log(&folder, "executor");
    assert_eq!(lines(&log, &["claimed directly", "tx="]), 1, "{log}");
    assert_eq!(lines(&log, &["answered", "tokens="]), 1, "{log}");
}

#[test]
fn lie_claimed_past_a_sequencer_that_is_gone_is_refuted_and_the_truth_claimed() {
    let (report, folder) = whole(&[
        "--cheat",
        "token:1",
        "--flip",
        "random:5",
        "--disrupt",
        "censor",
    ]);
    let dispute = only_dispute(&report);
    assert_eq!(
        (&dispute["winner"], &dispute["by"]),
        (&"challenger".into(), &"proof".into())
    );
    assert_eq!(report["requests"][0]["claims"], 2, "the lie and the truth");
    assert_left_out(&folder);
    for who in ["liar", "executor"] {
        let log = log(&folder, who);
        assert_eq!(lines(&log, &["claimed directly", "tx="]), 1, "{log}");
    }
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
    if let (Some(others), Some(object)) = (
        schema["additionalProperties"].as_object(),
        value.as_object(),
    ) {
        let others = Value::Object(others.clone());
        for (name, value) in object {
            conforms(value, &others, &format!("{at}.{name}"));
        }
    }
    if let Some(constant) = schema.get("const") {
        assert_eq!(value, constant, "{at}");
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
