//! The machine's speed beside that of other engines, in one run: the interpreter beside wasmi, the compiled engine beside
//! wasmtime alone, trees beside the plain `sha3` crate. Writes `target/bench/machine.json`; `docs/measurements.md` says
//! what the numbers mean.

mod engines;
mod hashing;
mod samples;

use anyhow::{Context, ensure};
use engines::{Compiled, Interpreter, Plain, Wasmi};
use samples::Samples;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measurements of each number; the median counts.
const ROUNDS: usize = 7;

/// The programs: names and bytes.
const PROGRAMS: [(&str, &[u8]); 4] = [
    ("mix", include_bytes!("../programs/mix.wasm")),
    ("sha256", include_bytes!("../programs/sha256.wasm")),
    ("nbody", include_bytes!("../programs/nbody.wasm")),
    ("matmul_i8", include_bytes!("../programs/matmul_i8.wasm")),
];

/// One program in all engines.
struct Contest {
    name: &'static str,
    interpreter: Interpreter,
    wasmi: Wasmi,
    compiled: Compiled,
    plain: Plain,
    samples: Samples,
}

impl Contest {
    fn new(name: &'static str, wasm: &[u8]) -> anyhow::Result<Contest> {
        let interpreter = Interpreter::new(wasm)?;
        Ok(Contest {
            name,
            wasmi: Wasmi::new(wasm)?,
            compiled: Compiled::new(wasm, interpreter.lowered())?,
            plain: Plain::new(wasm)?,
            interpreter,
            samples: Samples::default(),
        })
    }

    /// All engines come to one result, and the two of ours to the same roots at all yields.
    fn agree(&mut self) -> anyhow::Result<()> {
        let result = self.interpreter.run()?;
        for (engine, other) in [
            ("wasmi", self.wasmi.run()?),
            ("wasmtime", self.plain.run()?),
            (
                "the interpreter with roots",
                self.interpreter.run_with_roots()?,
            ),
            ("the compiled engine", self.compiled.run()?),
        ] {
            ensure!(
                other.result == result.result,
                "{}: {engine} gives {}, the interpreter {}",
                self.name,
                other.result,
                result.result
            );
        }
        ensure!(
            self.interpreter.yield_roots() == self.compiled.yield_roots()?,
            "{}: the engines' roots differ",
            self.name
        );
        Ok(())
    }

    /// One sample of each, one after another.
    fn sample(&mut self) -> anyhow::Result<()> {
        let samples = &mut self.samples;
        samples.add("interpreter", self.interpreter.run()?.seconds);
        samples.add("wasmi", self.wasmi.run()?.seconds);
        samples.add("roots", self.interpreter.run_with_roots()?.seconds);
        samples.add("plain", self.plain.run()?.seconds);
        samples.add("compiled", self.compiled.run()?.seconds);
        samples.add("record", self.interpreter.record()?);
        Ok(())
    }

    fn report(&self, numbers: &mut BTreeMap<String, f64>) {
        let of = |name: &str| self.samples.median(name);
        let steps = self.interpreter.steps() as f64;
        let yields = engines::YIELDS as f64;
        let mut number = |key: &str, value: f64| {
            numbers.insert(format!("machine.{key}.{}", self.name), value);
        };
        number("interp_vs_wasmi", of("wasmi") / of("interpreter"));
        number("interp_ns_per_step", of("interpreter") * 1e9 / steps);
        number("roots_overhead", of("roots") / of("interpreter") - 1.0);
        number("wasmtime_roots_vs_plain", of("compiled") / of("plain"));
        number("wasmtime_yields_per_s", yields / of("compiled"));
        number("record_us", of("record") * 1e6);
        println!("{} ({:.0} steps a yield)", self.name, steps / yields);
        self.samples.print();
    }
}

/// The greatest of the programs' numbers stands for all.
fn worst(numbers: &mut BTreeMap<String, f64>, key: &str) {
    let prefix = format!("machine.{key}.");
    let all = numbers.iter().filter(|(name, _)| name.starts_with(&prefix));
    let worst = all.map(|(_, value)| *value).fold(f64::MIN, f64::max);
    numbers.insert(format!("machine.{key}"), worst);
}

fn main() -> anyhow::Result<()> {
    let out = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/bench/machine.json"), PathBuf::from);
    let mut contests = PROGRAMS
        .into_iter()
        .map(|(name, wasm)| Contest::new(name, wasm).context(name))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for contest in &mut contests {
        contest.agree()?;
    }
    let mut trees = Samples::default();
    for _ in 0..ROUNDS {
        for contest in &mut contests {
            contest.sample().context(contest.name)?;
        }
        hashing::sample(&mut trees)?;
    }
    let mut numbers = BTreeMap::new();
    for contest in &contests {
        contest.report(&mut numbers);
    }
    println!("trees");
    trees.print();
    for key in ["roots_overhead", "wasmtime_roots_vs_plain"] {
        worst(&mut numbers, key);
    }
    let ratio = trees.median("sha3") / trees.median("tree");
    numbers.insert("machine.tree_hash_vs_sha3".into(), ratio);
    println!();
    for (name, value) in &numbers {
        println!("  {name:<44} {value:>10.3}");
    }
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&out, serde_json::to_string_pretty(&numbers)? + "\n")
        .with_context(|| format!("writing {}", out.display()))
}
