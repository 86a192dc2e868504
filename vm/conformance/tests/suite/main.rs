//! One named test a file of the suite; then what was counted is held to the table in `docs/conformance.md`.
//!
//! `ASSAY_BLESS=1` rewrites the table. `ASSAY_CONFORMANCE_BATCH=1` makes each assertion a macro step of its own, which
//! names the very one that fails; `ASSAY_CONFORMANCE_PROVE=0` leaves the witnesses out.

mod harness;

use assay_conformance::report::{Tally, sum, table};
use assay_conformance::run::{Options, file};
use assay_conformance::suite::{File, files};
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Tasks of a macro step, unless told otherwise.
const BATCH: usize = 32;
/// What stands before and after the table.
const MARKS: [&str; 2] = ["<!-- table -->\n", "<!-- end of table -->\n"];

type Tallies = Arc<Mutex<BTreeMap<String, Tally>>>;

fn main() {
    let arguments = Arguments::from_args();
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(value.parse::<usize>().expect("a number"))
    };
    let options = Options {
        batch: number("ASSAY_CONFORMANCE_BATCH").unwrap_or(BATCH),
        prove: number("ASSAY_CONFORMANCE_PROVE") != Some(0),
    };
    let tallies = Tallies::default();
    let files = files();
    let count = files.len();
    let trial = |file| trial(file, options, tallies.clone());
    let trials = files.into_iter().map(trial);
    let trials = trials.chain(harness::trials()).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let all = tallies.lock().expect("no test panics while it holds this");
    let whole = all.len() == count && options.batch == BATCH && options.prove;
    if whole && !conclusion.has_failed() {
        finish(&all);
    } else if !arguments.list {
        println!("{}", table(&all));
    }
    conclusion.exit();
}

fn trial(f: File, options: Options, tallies: Tallies) -> Trial {
    Trial::test(f.name.clone(), move || {
        let tally = file(&f, options);
        let shown = tally.failures.iter().take(20);
        let shown: Vec<String> = shown
            .map(|(line, what)| format!("line {line}: {what}"))
            .collect();
        let failures = tally.failures.len();
        tallies
            .lock()
            .expect("no test panics while it holds this")
            .insert(f.name, tally);
        match failures {
            0 => Ok(()),
            n => Err(Failed::from(format!("{n} failures\n{}", shown.join("\n")))),
        }
    })
}

fn path(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(name)
}

/// Writes what was measured, and compares the table with the committed one.
fn finish(all: &BTreeMap<String, Tally>) {
    let sum = sum(all);
    let json = serde_json::json!({
        "conformance.files": all.len(),
        "conformance.passed": sum.assertions(),
        "conformance.skipped": sum.skips(),
        "conformance.steps": sum.steps,
        "conformance.proven": sum.proven,
    });
    println!("{json:#}");
    std::fs::create_dir_all(path("target/bench")).expect("target/ is writable");
    let text = format!("{json:#}\n");
    std::fs::write(path("target/bench/conformance.json"), text).expect("target/ is writable");

    let document = path("docs/conformance.md");
    let text = std::fs::read_to_string(&document).expect("docs/conformance.md");
    let [start, end] = MARKS;
    let (head, rest) = text.split_once(start).expect("the table's first mark");
    let (_, tail) = rest.split_once(end).expect("the table's last mark");
    let wanted = format!("{head}{start}{}{end}{tail}", table(all));
    if text == wanted {
        return;
    }
    if std::env::var_os("ASSAY_BLESS").is_some() {
        std::fs::write(&document, wanted).expect("docs/conformance.md is writable");
        println!("docs/conformance.md has a new table");
    } else {
        println!("docs/conformance.md has another table; `make conformance` writes it anew");
        std::process::exit(101);
    }
}
