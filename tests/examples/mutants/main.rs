//! The mutation test of the step contracts (docs/mutants.md): `mutants CALLS CODE` runs every mutant of the folder CODE,
//! which contracts/scripts/mutants.mjs fills, on the calls of the folder CALLS, which the tests fill with `ASSAY_RECORD`,
//! and writes docs/mutants.md. It fails if a mutant lives that contracts/scripts/mutants/equivalent.json does not explain.

mod calls;
mod chain;
mod code;
mod report;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;
use trial::Trials;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(records), Some(folder)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: mutants CALLS CODE");
        return ExitCode::from(2);
    };
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |v| {
            v.parse().unwrap_or_else(|_| panic!("{name} is a number"))
        })
    };
    let calls = calls::read(&records);
    let (sites, dropped) = code::sites(&folder);
    let contracts = code::contracts(&folder);
    println!("{} calls, {} sites", calls.len(), sites.len());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let trials = Trials::new(&sites, &calls, number("ASSAY_MUTANT_CALLS", 40_000));
    trials.run(&contracts, number("ASSAY_JOBS", cores));
    let fates = trials.fates.into_inner().expect("no trial panicked");
    report::write(&sites, &dropped, &fates, calls.len())
}
