//! docs/mutants.md, and whether every survivor is explained.

use crate::code::{Site, array, read, text};
use crate::trial::Fate;
use assay_tests::artifacts::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::ExitCode;

/// The explanations of survivors, below the repository's root.
const EXPLAINED: &str = "contracts/scripts/mutants/equivalent.json";

/// A mutant that lives.
struct Survivor<'a> {
    site: &'a Site,
    original: &'a str,
    mutant: &'a str,
    calls: u64,
}

/// File, function, original and mutant: what an explanation is for, wherever the line moves.
type Key = (String, String, String, String);

/// Why mutants cannot be told from the code, and how many of that text there are.
fn explanations() -> BTreeMap<Key, (u64, String)> {
    let json = read(&root().join(EXPLAINED));
    let one = |e: &serde_json::Value| {
        let key = ["file", "unit", "original", "mutant"].map(|k| text(&e[k]));
        let count = e["count"].as_u64().unwrap_or(1);
        (key.into(), (count, text(&e["why"])))
    };
    array(&json).iter().map(one).collect()
}

/// One line of text, as a table takes it.
fn flat(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

/// Writes the report; fails if a mutant lives without an explanation, or an explanation is for none.
pub fn write(
    sites: &[Site],
    dropped: &[(u32, String)],
    fates: &BTreeMap<u32, Fate>,
    calls: usize,
) -> ExitCode {
    let lost: BTreeSet<u32> = dropped.iter().map(|d| d.0).collect();
    // By file: mutants, killed, living, never reached, not compiled.
    let mut files: BTreeMap<&str, [u64; 5]> = BTreeMap::new();
    let mut alive = Vec::new();
    for site in sites {
        for (number, (original, mutant)) in (site.id..).zip(&site.mutants) {
            let fate = fates.get(&number).cloned().unwrap_or_default();
            let column = match &fate {
                _ if lost.contains(&site.id) || !fate.tried && !fate.killed => 4,
                Fate { killed: true, .. } => 1,
                Fate { calls: 0, .. } => 3,
                _ => 2,
            };
            let row = files.entry(&site.file).or_default();
            row[0] += 1;
            row[column] += 1;
            if column != 1 {
                alive.push(Survivor {
                    site,
                    original,
                    mutant,
                    calls: fate.calls,
                });
            }
        }
    }
    let mut explained = explanations();
    let mut unexplained = 0;
    let mut lines = String::new();
    for s in &alive {
        let key = (
            s.site.file.clone(),
            s.site.unit.clone(),
            s.original.to_owned(),
            s.mutant.to_owned(),
        );
        let why = match explained.get_mut(&key) {
            Some((count, why)) if *count > 0 => {
                *count -= 1;
                why.clone()
            }
            _ => {
                unexplained += 1;
                println!(
                    "ALIVE {}:{} {}: {} -> {} ({} calls)",
                    s.site.file,
                    s.site.line,
                    s.site.unit,
                    flat(s.original),
                    flat(s.mutant),
                    s.calls
                );
                "**not explained**".into()
            }
        };
        writeln!(
            lines,
            "| {}:{} | `{}` | `{}` | {} | {why} |",
            s.site.file.trim_start_matches("src/"),
            s.site.line,
            flat(s.original),
            flat(s.mutant),
            s.calls
        )
        .expect("a string takes text");
    }
    let stale: Vec<_> = explained.iter().filter(|(_, e)| e.0 > 0).collect();
    for (key, _) in &stale {
        println!("STALE {key:?}");
    }
    let text = document(&files, &lines, calls);
    std::fs::write(root().join("docs/mutants.md"), text).expect("docs/ is writable");
    println!(
        "{} living, {unexplained} of them unexplained, {} stale explanations",
        alive.len(),
        stale.len()
    );
    if unexplained == 0 && stale.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn document(files: &BTreeMap<&str, [u64; 5]>, lines: &str, calls: usize) -> String {
    let mut out = format!(
        "# Mutation test of the step contracts

Written by `make mutants`; explanations are in `{EXPLAINED}`. Each operator, number, constant, condition, truncation and
exchangeable pair of operands or arguments in the sources of the step contracts is changed, one at a time. The calls that
the tests make ({calls} of them, refused witnesses among them) and that reach the place, at most 40,000 in each contract
that has it, are asked again until an answer differs: the mutant is killed. \"Calls\" counts the calls that a living mutant
answered as the contract does.

| file | mutants | killed | living | never reached | not compiled |
|------|--------:|-------:|-------:|--------------:|-------------:|
"
    );
    let mut total = [0; 5];
    for (file, row) in files {
        let file = file.trim_start_matches("src/");
        row.iter().zip(&mut total).for_each(|(n, sum)| *sum += n);
        let [all, killed, living, unreached, lost] = row;
        writeln!(
            out,
            "| {file} | {all} | {killed} | {living} | {unreached} | {lost} |"
        )
        .expect("a string takes text");
    }
    let [all, killed, living, unreached, lost] = total;
    writeln!(
        out,
        "| all | {all} | {killed} | {living} | {unreached} | {lost} |

## Living mutants

| place | original | mutant | calls | why it is no other contract |
|-------|----------|--------|------:|-----------------------------|
{lines}"
    )
    .expect("a string takes text");
    out
}
