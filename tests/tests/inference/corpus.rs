//! Cases that are kept: each reaches what none before it does, an outcome, a kind of model, a tensor type. `ASSAY_BLESS=1` finds them
//! anew among the first `ASSAY_CASES` seeds.

use crate::choices::{bytes_of, minimise};
use crate::compare::{Kind, run};
use crate::fuzz::{hex, number};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus/inference")
        .join(name)
}

fn line(case: &[u8], features: &BTreeSet<String>) -> String {
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    format!("{} {}\n", hex(case), features.join(" "))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    digits
        .map(|pair| byte(pair).expect("hexadecimal"))
        .collect()
}

/// Cases with features that none before them has, made simpler.
fn find(kind: Kind) -> String {
    let (mut known, mut out) = (BTreeSet::new(), String::new());
    for seed in 1..=number("ASSAY_CASES", 2000) {
        let case = bytes_of(seed);
        let seen = run(kind, &case, false).unwrap_or_else(|e| panic!("ASSAY_SEED={seed}: {e}"));
        if seen.features.is_subset(&known) {
            continue;
        }
        let same = |case: &[u8]| run(kind, case, false).is_ok_and(|s| s.features == seen.features);
        let small = minimise(&case, 40, same);
        out += &line(&small, &seen.features);
        known.extend(seen.features);
    }
    out
}

fn replay(kind: Kind, name: &str) {
    if std::env::var("ASSAY_BLESS").is_ok() {
        std::fs::write(path(name), find(kind)).expect("the corpus is written");
    }
    let text = std::fs::read_to_string(path(name)).expect("the corpus is committed");
    assert!(text.lines().count() > 10, "{name} is short");
    for (i, want) in text.lines().enumerate() {
        let (case, _) = want.split_once(' ').expect("a case and its features");
        let case = unhex(case);
        match run(kind, &case, i % 8 == 0) {
            Ok(seen) => assert_eq!(
                line(&case, &seen.features).trim_end(),
                want,
                "line {}",
                i + 1
            ),
            Err(message) => panic!("{name}, line {}: {message}", i + 1),
        }
    }
}

#[test]
fn kept_files_have_their_verdicts() {
    replay(Kind::Files, "files.txt");
}

#[test]
fn kept_models_have_their_outcomes() {
    replay(Kind::Models, "models.txt");
}
