//! What is counted, and the table that it becomes.

use crate::suite::LEFT_OUT;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a command of a script counts as when it holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// A module is instantiated.
    Module,
    /// An action without an assertion returns.
    Action,
    /// `assert_return`.
    Return,
    /// `assert_trap`.
    Trap,
    /// `assert_exhaustion`.
    Exhaustion,
    /// `assert_invalid`, refused by the machine's lowerer.
    Invalid,
    /// `assert_malformed`, refused by the machine's lowerer.
    Malformed,
    /// `assert_malformed` or `assert_invalid`, refused by the text parser, which is no part of the machine.
    Text,
    /// `assert_unlinkable`.
    Unlinkable,
}

const VERDICTS: [(Verdict, &str); 9] = [
    (Verdict::Module, "modules"),
    (Verdict::Action, "actions"),
    (Verdict::Return, "return"),
    (Verdict::Trap, "trap"),
    (Verdict::Exhaustion, "exhaustion"),
    (Verdict::Invalid, "invalid"),
    (Verdict::Malformed, "malformed"),
    (Verdict::Text, "text"),
    (Verdict::Unlinkable, "unlinkable"),
];

/// What happened in a file, or in a program.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    passed: BTreeMap<Verdict, u64>,
    skipped: BTreeMap<String, u64>,
    /// Lines and what is wrong there.
    pub failures: Vec<(usize, String)>,
    /// Steps that the machine executed.
    pub steps: u64,
    /// Steps that replay and contract judged.
    pub proven: u64,
}

impl Tally {
    /// Counts a command that holds.
    pub fn pass(&mut self, verdict: Verdict) {
        *self.passed.entry(verdict).or_default() += 1;
    }

    /// Counts a command that can't be looked at.
    pub fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    /// Notes a command that doesn't hold.
    pub fn fail(&mut self, line: usize, what: impl Into<String>) {
        self.failures.push((line, what.into()));
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Tally) {
        for (verdict, n) in &other.passed {
            *self.passed.entry(*verdict).or_default() += n;
        }
        for (reason, n) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += n;
        }
        self.failures.extend(other.failures.iter().cloned());
        self.steps += other.steps;
        self.proven += other.proven;
    }

    fn passed(&self, verdict: Verdict) -> u64 {
        self.passed.get(&verdict).copied().unwrap_or(0)
    }

    /// Assertions that hold.
    pub fn assertions(&self) -> u64 {
        let is_assertion = |v: &&Verdict| !matches!(v, Verdict::Module | Verdict::Action);
        let kinds = VERDICTS.iter().map(|v| &v.0).filter(is_assertion);
        kinds.map(|v| self.passed(*v)).sum()
    }

    /// Commands that were skipped.
    pub fn skips(&self) -> u64 {
        self.skipped.values().sum()
    }

    fn row(&self, name: &str) -> String {
        let mut row = format!("| {name} |");
        for (verdict, _) in VERDICTS {
            let n = self.passed(verdict);
            let _ = match n {
                0 => write!(row, " |"),
                n => write!(row, " {n} |"),
            };
        }
        let skips = self.skips();
        let _ = writeln!(row, " {skips} | {} | {} |", self.steps, self.proven);
        row
    }
}

/// What happened in all files.
pub fn sum(files: &BTreeMap<String, Tally>) -> Tally {
    let mut sum = Tally::default();
    files.values().for_each(|tally| sum.add(tally));
    sum
}

/// The table of all files, with their sum and the reasons of what was skipped.
pub fn table(files: &BTreeMap<String, Tally>) -> String {
    let mut out = String::from("| file |");
    for (_, name) in VERDICTS {
        let _ = write!(out, " {name} |");
    }
    out.push_str(" skipped | steps | proven |\n|---|");
    for _ in 0..VERDICTS.len() + 3 {
        out.push_str("---:|");
    }
    out.push('\n');
    for (name, tally) in files {
        out.push_str(&tally.row(name));
    }
    out.push_str(&sum(files).row("**all**"));
    out.push_str("\n| file | skipped | reason |\n|---|---:|---|\n");
    for (name, tally) in files {
        for (reason, n) in &tally.skipped {
            let _ = writeln!(out, "| {name} | {n} | {reason} |");
        }
    }
    out.push_str("\n| folder left out | why |\n|---|---|\n");
    for (folder, why) in LEFT_OUT {
        let _ = writeln!(out, "| {folder} | {why} |");
    }
    out
}
