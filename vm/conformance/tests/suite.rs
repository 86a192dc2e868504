//! One named test a file of the suite.

use assay_conformance::report::{Tally, table};
use assay_conformance::run::{Options, file};
use assay_conformance::suite::files;
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

fn main() {
    let arguments = Arguments::from_args();
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|v| v.parse::<usize>().ok())
    };
    let options = Options {
        batch: number("ASSAY_CONFORMANCE_BATCH").unwrap_or(32),
        prove: number("ASSAY_CONFORMANCE_PROVE").unwrap_or(1) != 0,
    };
    let tallies: Arc<Mutex<BTreeMap<String, Tally>>> = Arc::default();
    let trial = |f: assay_conformance::suite::File| {
        let tallies = tallies.clone();
        Trial::test(f.name.clone(), move || {
            let tally = file(&f, options);
            let failures = tally.failures.clone();
            if let Ok(mut all) = tallies.lock() {
                all.insert(f.name, tally);
            }
            let shown: Vec<String> = failures
                .iter()
                .take(20)
                .map(|(line, what)| format!("line {line}: {what}"))
                .collect();
            match failures.len() {
                0 => Ok(()),
                n => Err(Failed::from(format!("{n} failures\n{}", shown.join("\n")))),
            }
        })
    };
    let trials = files().into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Ok(all) = tallies.lock() {
        println!("{}", table(&all));
    }
    conclusion.exit();
}
