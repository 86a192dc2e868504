//! Modules that nobody wrote: wasm-smith's. The interpreter against wasmtime by the roots at yields, their steps against
//! the replay and the contract, and the lowerer against modules with broken bytes.
//!
//! `ASSAY_MODULES` is the number of modules and `ASSAY_SEED` the first one's seed; a failure names its seed.

use arbitrary::Unstructured;
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::lower::{Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::trace::{Engine, Interpreter};
use assay_tests::lockstep::{Lockstep, roms};
use assay_types::Status;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{CodeSection, ExportKind, ExportSection, FunctionSection, TypeSection, ValType};
use wasm_smith::{Config, InstructionKind, InstructionKinds};
use wasmparser::{Parser, Payload};

/// Loops and calls that one macro step may take.
const FUEL: u32 = 600;
/// Macro steps of each module.
pub const MACRO_STEPS: u64 = 3;

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| {
        v.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

/// What the machine has, and nothing else.
fn config(rng: &mut StdRng) -> Config {
    use InstructionKind::*;
    let shape = wat::parse_str(r#"(module (func (export "run")))"#).expect("a module");
    let kinds = [
        Numeric, Vector, Reference, Parametric, Variable, Table, Memory, Control, Aggregate,
    ];
    // A module of every kind says a little about each; one of few kinds goes deeper.
    let chosen: Vec<InstructionKind> = match rng.random_range(0..3) {
        0 => kinds.into_iter().filter(|_| rng.random()).collect(),
        _ => kinds.to_vec(),
    };
    Config {
        exports: Some(shape),
        allowed_instructions: InstructionKinds::new(&chosen),
        allow_start_export: false,
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: 4 << 16,
        memory_max_size_required: true,
        max_tables: 3,
        max_table_elements: 40,
        table_max_size_required: rng.random(),
        max_funcs: 12,
        max_instructions: [30, 120, 400][rng.random_range(0..3usize)],
        simd_enabled: rng.random_range(0..3) != 0,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// The module of `seed`: its function `run` is called once a macro step, with new fuel, and the macro step yields.
pub fn module(seed: u64) -> Option<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bytes = vec![0; rng.random_range(500..12_000)];
    rng.fill_bytes(&mut bytes);
    let config = config(&mut rng);
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    let fuel = module.ensure_termination(FUEL).ok()?;
    Some(driven(&module.to_bytes(), fuel))
}

/// `wasm` with an exported `step` that fuels and calls `run` and then yields. Nothing else stays exported.
fn driven(wasm: &[u8], fuel: u32) -> Vec<u8> {
    let mut out = wasm_encoder::Module::new();
    let (mut types, mut functions, mut code) = (
        TypeSection::new(),
        FunctionSection::new(),
        CodeSection::new(),
    );
    let (mut run, mut defined) = (0, 0);
    let mut r = RoundtripReencoder;
    let payloads: Vec<Payload> = Parser::new(0)
        .parse_all(wasm)
        .collect::<Result<_, _>>()
        .expect("it is valid");
    let exports = payloads.iter().find_map(|p| match p {
        Payload::ExportSection(reader) => Some(reader.clone()),
        _ => None,
    });
    for export in exports.into_iter().flatten() {
        let export = export.expect("it is valid");
        if export.name == "run" {
            run = export.index;
        }
    }
    for payload in payloads {
        match payload {
            Payload::TypeSection(reader) => {
                r.parse_type_section(&mut types, reader).expect("valid");
                types.ty().function([], [ValType::I32]);
                out.section(&types);
            }
            Payload::FunctionSection(reader) => {
                defined = reader.count();
                r.parse_function_section(&mut functions, reader)
                    .expect("valid");
                functions.function(types.len() - 1);
                out.section(&functions);
            }
            Payload::TableSection(reader) => {
                let mut section = wasm_encoder::TableSection::new();
                r.parse_table_section(&mut section, reader).expect("valid");
                out.section(&section);
            }
            Payload::MemorySection(reader) => {
                let mut section = wasm_encoder::MemorySection::new();
                r.parse_memory_section(&mut section, reader).expect("valid");
                out.section(&section);
            }
            Payload::GlobalSection(reader) => {
                let mut section = wasm_encoder::GlobalSection::new();
                r.parse_global_section(&mut section, reader).expect("valid");
                out.section(&section);
            }
            Payload::ExportSection(_) => {
                let mut section = ExportSection::new();
                section.export("step", ExportKind::Func, defined);
                out.section(&section);
            }
            Payload::ElementSection(reader) => {
                let mut section = wasm_encoder::ElementSection::new();
                r.parse_element_section(&mut section, reader)
                    .expect("valid");
                out.section(&section);
            }
            Payload::DataCountSection { count, .. } => {
                out.section(&wasm_encoder::DataCountSection { count });
            }
            Payload::CodeSectionEntry(body) => {
                r.parse_function_body(&mut code, body).expect("valid");
                if code.len() == defined {
                    let mut step = wasm_encoder::Function::new([]);
                    step.instructions()
                        .i32_const(FUEL as i32)
                        .global_set(fuel)
                        .call(run)
                        .i32_const(0)
                        .end();
                    code.function(&step);
                    out.section(&code);
                }
            }
            Payload::DataSection(reader) => {
                let mut section = wasm_encoder::DataSection::new();
                r.parse_data_section(&mut section, reader).expect("valid");
                out.section(&section);
            }
            _ => {}
        }
    }
    out.finish()
}

/// A module that lowers.
struct Subject {
    seed: u64,
    wasm: Vec<u8>,
    lowered: Lowered,
}

/// The modules of this run that lower; the reasons of the others.
fn modules(n: u64) -> (Vec<Subject>, BTreeMap<String, u64>) {
    let first = number("ASSAY_SEED", 1);
    let (mut good, mut refused) = (Vec::new(), BTreeMap::new());
    for seed in first..first + n {
        let Some(wasm) = module(seed) else {
            *refused.entry("wasm-smith gives up".to_owned()).or_default() += 1;
            continue;
        };
        match lower(&wasm) {
            Ok(lowered) => good.push(Subject {
                seed,
                wasm,
                lowered,
            }),
            Err(e) => *refused.entry(e.reason).or_default() += 1,
        }
    }
    (good, refused)
}

#[test]
fn random_modules_have_the_roots_that_wasmtime_gives() {
    let (modules, refused) = modules(number("ASSAY_MODULES", 150));
    let mut ends = BTreeMap::new();
    let n = modules.len();
    for Subject {
        seed,
        wasm,
        lowered,
    } in modules
    {
        let lowered = Arc::new(lowered);
        let yields: Vec<u64> = (0..=MACRO_STEPS).collect();
        let first = Machine::new(lowered.image.clone(), roms());
        let mut interpreter = Interpreter::new(first);
        let compiled = Compiled::new(&wasm, lowered).unwrap_or_else(|e| {
            panic!("ASSAY_SEED={seed}: wasmtime refuses what was lowered: {e}")
        });
        let mut compiled = CompiledEngine::new(compiled, roms());
        let want = compiled
            .roots(&yields)
            .unwrap_or_else(|e| panic!("ASSAY_SEED={seed}: {e}"));
        let got = interpreter.roots(&yields).expect("infallible");
        assert_eq!(got, want, "ASSAY_SEED={seed}");
        let end = interpreter.machine(MACRO_STEPS).expect("infallible");
        *ends.entry(format!("{:?}", end.cpu.status)).or_insert(0u64) += 1;
    }
    println!("{n} modules lowered: {ends:?}; refused: {refused:#?}");
    assert!(ends.get("Yielded") > Some(&(n as u64 / 8)), "{ends:?}");
    assert!(ends.contains_key("Trapped"), "{ends:?}");
}

/// Steps from each part of a run: its first ones, and some from a place in the middle.
#[test]
fn steps_of_random_modules_agree_with_replay_and_contract() {
    let (modules, _) = modules(number("ASSAY_MODULES", 150) / 3);
    let mut lockstep = Lockstep::default();
    for Subject { seed, lowered, .. } in modules {
        let mut rng = StdRng::seed_from_u64(seed);
        println!("ASSAY_SEED={seed}");
        let mut direct = Machine::new(lowered.image, roms());
        let mut whole = direct.clone();
        whole.run(0, 1 << direct.image.limits.b);
        let skip = rng.random_range(0..whole.executed);
        let mut index = 0;
        for burst in 0..2 {
            let mut recorded = direct.clone();
            for _ in 0..60 {
                if direct.cpu.status != Status::Running && index > 0 {
                    break;
                }
                lockstep.step(&mut direct, &mut recorded, index);
                index += 1;
            }
            if burst == 0 && direct.cpu.status == Status::Running {
                direct.run(index, skip);
                index += skip;
            }
        }
    }
    println!(
        "{} steps of {} opcodes in their forms",
        lockstep.gas.len(),
        lockstep.costs.len()
    );
    assert!(lockstep.costs.len() > 100, "{}", lockstep.costs.len());
}

/// `wasm` with up to three changes of bytes.
pub fn broken(wasm: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut broken = wasm.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..broken.len());
        match rng.random_range(0..5) {
            0 => broken.truncate(at.max(8)),
            1 => broken[at] ^= 1 << rng.random_range(0..8),
            2 => broken[at] = rng.random(),
            3 => broken.insert(at, rng.random()),
            _ => {
                let from = rng.random_range(0..broken.len());
                let piece = broken[from..broken.len().min(from + 12)].to_vec();
                broken.splice(at..at, piece);
            }
        }
    }
    broken
}

/// Whatever bytes come, the lowerer answers; what it accepts, the compiled engine accepts too.
#[test]
fn broken_modules_are_refused_or_lowered() {
    let (modules, _) = modules(number("ASSAY_MODULES", 150) / 3);
    let (mut refused, mut lowered) = (0u64, 0u64);
    for Subject { seed, wasm, .. } in modules {
        let mut rng = StdRng::seed_from_u64(!seed);
        for case in 0..40 {
            let broken = broken(&wasm, &mut rng);
            match lower(&broken) {
                Err(e) => {
                    refused += 1;
                    assert!(!e.reason.is_empty());
                    assert!(e.offset <= broken.len() as u64 + 16, "{e}");
                }
                Ok(accepted) => {
                    lowered += 1;
                    if let Err(e) = Compiled::new(&broken, Arc::new(accepted)) {
                        panic!("ASSAY_SEED={seed}, case {case}: lowered, but {e}");
                    }
                }
            }
        }
    }
    println!("{refused} refused, {lowered} lowered");
    assert!(refused > 100 && lowered > 10, "{refused}, {lowered}");
}
