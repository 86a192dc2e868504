//! What the fuzzers found worth keeping, in `corpus/machine`: modules that reach opcodes and ends that no smaller set of them reaches,
//! broken modules of each refusal, witnesses of each verdict. `ASSAY_BLESS=1` chooses anew among `ASSAY_MODULES` seeds.

use crate::mutations::{samples, verdict};
use crate::smith::{MACRO_STEPS, broken, module, number};
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::lower::lower;
use assay_machine::machine::Machine;
use assay_machine::trace::{Engine, Interpreter};
use assay_prover::prover::Prover;
use assay_tests::lockstep::{Lockstep, Sample, describe, roms};
use assay_types::Status;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Longest module that is kept.
const MOST_BYTES: usize = 900;
/// Most modules that are kept.
const MOST_MODULES: usize = 40;
/// Steps of a module that are looked at.
const MOST_STEPS: u64 = 20_000;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/machine")
}

fn blessing() -> bool {
    std::env::var("ASSAY_BLESS").is_ok()
}

fn read(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("the folder");
    std::fs::write(path, bytes).expect("the corpus is written");
}

/// The table `name`, chosen anew first if that is wanted: words of each line.
fn table(name: &str, choose: impl FnOnce() -> String) -> Vec<(String, String)> {
    if blessing() {
        write(name, choose().as_bytes());
    }
    let text = String::from_utf8(read(name)).expect("it is text");
    let split = |line: &str| {
        let (a, b) = line.split_once(' ').expect("a name and what it reaches");
        (a.to_owned(), b.to_owned())
    };
    text.lines().map(split).collect()
}

/// What a module reaches: its opcodes in their forms, and how its last macro step ends.
fn reached(wasm: &[u8]) -> Option<(BTreeSet<String>, String)> {
    let lowered = lower(wasm).ok()?;
    let mut machine = Machine::new(lowered.image, roms());
    let b = machine.image.limits.b;
    let mut opcodes = BTreeSet::new();
    for y in 0..MACRO_STEPS {
        for i in 0..MOST_STEPS {
            opcodes.insert(describe(&machine));
            machine.run((y << b) + i, 1);
            if machine.cpu.status != Status::Running {
                break;
            }
        }
        if machine.cpu.status != Status::Yielded {
            break;
        }
    }
    let status = machine.cpu.status;
    (status != Status::Running).then(|| (opcodes, format!("{status:?}")))
}

/// The fewest small modules that reach most, each with its end and its number of opcodes.
fn choose_modules() -> String {
    let mut left: Vec<_> = (1..=number("ASSAY_MODULES", 4000))
        .filter_map(module)
        .filter(|wasm| wasm.len() <= MOST_BYTES)
        .filter_map(|wasm| reached(&wasm).map(|what| (wasm, what)))
        .collect();
    let (mut known, mut out) = (BTreeSet::new(), String::new());
    for i in 0..MOST_MODULES {
        let gain = |what: &(BTreeSet<String>, String)| {
            what.0.difference(&known).count() + 20 * usize::from(!known.contains(&what.1))
        };
        let Some(best) =
            (0..left.len()).max_by_key(|i| (gain(&left[*i].1), usize::MAX - left[*i].0.len()))
        else {
            break;
        };
        if gain(&left[best].1) == 0 {
            break;
        }
        let (wasm, (opcodes, end)) = left.swap_remove(best);
        let name = format!("module-{i:02}.wasm");
        write(&name, &wasm);
        out += &format!("{name} {end} {}\n", opcodes.len());
        known.extend(opcodes);
        known.insert(end);
    }
    out
}

/// Kept modules: interpreter and wasmtime at every yield, and steps by the recorder, the replay and the contract.
#[test]
fn kept_modules_agree_in_all_engines() {
    let kept = table("modules.txt", choose_modules);
    assert!(kept.len() >= 20, "{} modules", kept.len());
    let mut all = BTreeSet::new();
    let mut lockstep = Lockstep::default();
    for (name, want) in kept {
        let wasm = read(&name);
        let (opcodes, end) = reached(&wasm).expect("it lowers");
        assert_eq!(format!("{end} {}", opcodes.len()), want, "{name}");
        all.extend(opcodes);
        let lowered = Arc::new(lower(&wasm).expect("it lowers"));
        let yields: Vec<u64> = (0..=MACRO_STEPS).collect();
        let mut direct = Machine::new(lowered.image.clone(), roms());
        let mut interpreter = Interpreter::new(direct.clone());
        let compiled = Compiled::new(&wasm, lowered).expect("wasmtime takes it");
        let mut compiled = CompiledEngine::new(compiled, roms());
        let want = compiled.roots(&yields).expect("wasmtime has a result");
        assert_eq!(
            interpreter.roots(&yields).expect("infallible"),
            want,
            "{name}"
        );
        let mut recorded = direct.clone();
        for index in 0..40 {
            lockstep.step(&mut direct, &mut recorded, index);
            if direct.cpu.status != Status::Running {
                break;
            }
        }
    }
    println!("{} opcodes in their forms", all.len());
    assert!(all.len() > 150, "{}", all.len());
}

/// A refusal without the numbers in it.
fn kind_of(reason: &str) -> String {
    let letters = reason
        .chars()
        .filter(|c| !c.is_ascii_digit() && !c.is_control());
    letters.collect()
}

fn answer(wasm: &[u8]) -> String {
    match lower(wasm) {
        Ok(_) => "lowered".into(),
        Err(e) => kind_of(&e.reason),
    }
}

/// The shortest broken module of each refusal.
fn choose_broken() -> String {
    let mut shortest = BTreeMap::<String, Vec<u8>>::new();
    for seed in 1..=number("ASSAY_MODULES", 4000) / 4 {
        let Some(wasm) = module(seed).filter(|wasm| wasm.len() <= MOST_BYTES) else {
            continue;
        };
        let mut rng = StdRng::seed_from_u64(!seed);
        for _ in 0..40 {
            let broken = broken(&wasm, &mut rng);
            let best = shortest
                .entry(answer(&broken))
                .or_insert_with(|| broken.clone());
            if broken.len() < best.len() {
                *best = broken;
            }
        }
    }
    let mut out = String::new();
    for (i, (answer, wasm)) in shortest.into_iter().take(MOST_MODULES).enumerate() {
        let name = format!("broken-{i:02}.wasm");
        write(&name, &wasm);
        out += &format!("{name} {answer}\n");
    }
    out
}

#[test]
fn kept_broken_modules_are_answered_as_ever() {
    let kept = table("broken.txt", choose_broken);
    assert!(kept.len() >= 20, "{} modules", kept.len());
    for (name, want) in kept {
        let wasm = read(&name);
        assert_eq!(answer(&wasm), want, "{name}");
        if let Ok(lowered) = lower(&wasm) {
            assert!(Compiled::new(&wasm, Arc::new(lowered)).is_ok(), "{name}");
        }
    }
}

/// A changed witness of one of the samples.
fn touched(samples: &[Sample], seed: u64) -> (&Sample, Vec<u8>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let sample = &samples[rng.random_range(0..samples.len())];
    let mut witness = sample.witness.clone();
    for _ in 0..rng.random_range(0..3) {
        let at = rng.random_range(0..witness.len().max(1));
        match (rng.random_range(0..8), witness.get_mut(at)) {
            (0, _) => witness.truncate(at),
            (1, _) => witness.extend([0; 32]),
            (2..5, _) => {
                // In the header, where more than a fold can fail.
                let at = rng.random_range(0..witness.len().clamp(1, 145));
                if let Some(b) = witness.get_mut(at) {
                    *b ^= 1 << rng.random_range(0..8);
                }
            }
            (_, Some(b)) => *b ^= 1 << rng.random_range(0..8),
            _ => {}
        }
    }
    (sample, witness)
}

fn judged(prover: &mut Prover, samples: &[Sample], seed: u64) -> String {
    let (sample, witness) = touched(samples, seed);
    let place = format!("witness {seed}");
    format!(
        "{} {:?}",
        sample.index,
        verdict(prover, sample, &witness, &place)
    )
}

/// The first seed of each verdict on each step.
fn choose_witnesses(samples: &[Sample]) -> String {
    let (mut prover, mut known, mut out) = (Prover::new(), BTreeSet::new(), String::new());
    for seed in 1..4000 {
        let judged = judged(&mut prover, samples, seed);
        if known.insert(judged.clone()) {
            out += &format!("{seed} {judged}\n");
        }
    }
    out
}

/// Replay and contract judge kept witnesses alike, and as ever.
#[test]
fn kept_witnesses_have_their_verdicts() {
    let samples = samples();
    let kept = table("witnesses.txt", || choose_witnesses(&samples));
    let verdicts = ["Ok(())", "Err(Length)", "Err(Fold)", "Err(Header)"];
    let has = |verdict: &str| kept.iter().any(|(_, judged)| judged.ends_with(verdict));
    assert!(verdicts.into_iter().all(has));
    let mut prover = Prover::new();
    for (seed, want) in &kept {
        let seed = seed.parse().expect("a seed");
        assert_eq!(&judged(&mut prover, &samples, seed), want, "witness {seed}");
    }
}
