//! The guest in wasmtime, the guest in the interpreter and the native run are in the same state at every yield.

use assay_inference::native::{Engine as Inference, bytes};
use assay_inference::tensors::Format;
use assay_inference::testing::Tiny;
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Engine, Interpreter};
use assay_tests::longest::longest_macro_step;
use assay_twin::{GUEST_WASM, TwinEngine, guest};
use assay_types::output::{ErrorCode, Output};
use assay_types::params::STACK_CELLS;
use assay_types::request::{Part, Payload, RomHeader, Sampling};
use assay_types::{Hash, ModelId, Status, Tolerance};
use std::num::NonZeroUsize;
use std::path::Path;

fn model() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../devnet/model/assay-stories.gguf");
    std::fs::read(path).expect("the devnet model is committed")
}

fn request_rom(payload: &[u8]) -> Vec<u8> {
    let header = RomHeader {
        chain_id: 31337,
        inbox: [7; 20],
        request_id: Hash([1; 32]),
        model: ModelId(Hash([2; 32])),
        seed: Hash([3; 32]),
        tolerance: Tolerance::default(),
    };
    header.rom(payload)
}

/// Runs the three engines side by side over a whole request; returns the number of macro steps and the final status.
fn compare(request: &[u8], output: &[u8], model: &[u8]) -> (u64, Status) {
    let roms = [request, output, model].map(Rom::new);
    let mut twin = TwinEngine::new(roms.clone());
    let (steps, status) = twin.finish(1 << 20);
    // The same with the engine's kernels, where the model is one that it takes.
    let kernels = Inference::load(bytes(model.to_vec()), NonZeroUsize::new(2).expect("not 0"));
    if let Ok(kernels) = kernels {
        let mut fast = TwinEngine::with_kernels(kernels, roms.clone());
        assert_eq!(fast.finish(1 << 20), (steps, status));
        let some: Vec<u64> = (0..=steps).step_by(7).collect();
        let want = twin.roots(&some).expect("infallible");
        assert!(
            fast.roots(&some).expect("infallible") == want,
            "the kernels' run differs"
        );
    }
    let first = Machine::new(guest().image.clone(), roms.clone());
    let mut interpreter = Interpreter::new(first);
    let compiled = Compiled::new(GUEST_WASM, guest()).expect("the guest compiles");
    let mut compiled = CompiledEngine::new(compiled, roms);

    let yields: Vec<u64> = (0..=steps + 1).collect();
    let [a, b] = [
        interpreter.roots(&yields).expect("infallible"),
        twin.roots(&yields).expect("infallible"),
    ];
    let c = compiled.roots(&yields).expect("wasmtime has a result");
    for y in 0..yields.len() {
        assert_eq!(
            a[y], b[y],
            "the native run differs from the interpreter at yield {y} of {steps}"
        );
        assert_eq!(
            a[y], c[y],
            "wasmtime differs from the interpreter at yield {y} of {steps}"
        );
    }
    // The roots commit to globals and memory size; name them all the same, early, in the middle and at the last yield.
    for y in [1, steps / 2, steps - 1].into_iter().filter(|&y| y < steps) {
        let (a, b) = (
            interpreter.machine(y).expect("infallible"),
            twin.machine(y).expect("infallible"),
        );
        let c = compiled.machine(y).expect("wasmtime has a result");
        assert_eq!(
            (a.cpu, a.cpu),
            (b.cpu, c.cpu),
            "registers and memory size at yield {y}"
        );
        assert!(
            a.globals == b.globals && a.globals == c.globals,
            "globals differ at yield {y}"
        );
        assert!(
            a.memory == b.memory && a.memory == c.memory,
            "memory differs at yield {y}"
        );
    }
    (steps, status)
}

#[test]
fn three_engines_agree_at_every_yield_of_a_whole_request() {
    let model = model();
    let engine =
        Inference::load(bytes(model.clone()), NonZeroUsize::MIN).expect("the devnet model loads");
    for (prompt, max_tokens) in [
        ("Review: I love this kettle, it boils fast.\nSentiment:", 8),
        ("Story: Once upon a time", 24),
    ] {
        let request = request_rom(&Payload::greedy(prompt, max_tokens).encode());
        let output = engine.answer_exact(&request).encode();
        assert!(
            matches!(Output::decode(&output), Some(Output::Answer { .. })),
            "an answer is due"
        );
        let (steps, status) = compare(&request, &output, &model);
        assert_eq!(status, Status::Halted(0), "the honest output is right");
        println!("{prompt:?}: {steps} yields, equal in interpreter, wasmtime and native run");
    }
}

#[test]
fn three_engines_agree_on_draws_and_choices() {
    let model = model();
    let engine =
        Inference::load(bytes(model.clone()), NonZeroUsize::MIN).expect("the devnet model loads");
    let drawn = |temperature, top_k, min_p| Sampling::Drawn {
        temperature,
        top_k,
        min_p,
    };
    let listed = |texts: &[&str]| Sampling::Choice(texts.iter().map(|t| (*t).into()).collect());
    let review = "Review: I love this kettle, it boils fast.\nSentiment:";
    let cases = [
        ("Story: A fox", drawn(900, 0, 0)),
        ("Story: A fox", drawn(1500, 40, 20)),
        (
            review,
            listed(&[
                " negative",
                " positive",
                " neither of the two, or both of them at once",
            ]),
        ),
    ];
    for (prompt, sampling) in cases {
        let payload = Payload {
            sampling,
            ..Payload::greedy(prompt, 18)
        };
        let request = request_rom(&payload.encode());
        let output = engine.answer_exact(&request);
        let Output::Answer { mut ids, text } = output.clone() else {
            panic!("an answer is due")
        };
        let (steps, status) = compare(&request, &output.encode(), &model);
        assert_eq!(status, Status::Halted(0), "the honest output is right");
        println!("{prompt:?}: {steps} yields, equal in interpreter, wasmtime and native run");
        ids[0] ^= 1;
        let wrong = Output::Answer { ids, text }.encode();
        assert!(matches!(compare(&request, &wrong, &model).1, Status::Halted(code) if code != 0));
    }
}

#[test]
fn three_engines_agree_on_wrong_outputs_and_errors() {
    let model = model();
    let request = request_rom(&Payload::greedy("Story: A fox", 6).encode());
    let engine =
        Inference::load(bytes(model.clone()), NonZeroUsize::MIN).expect("the devnet model loads");
    let Output::Answer { mut ids, text } = engine.answer_exact(&request) else {
        panic!("an answer is due")
    };
    ids[2] ^= 1;
    let wrong = Output::Answer { ids, text }.encode();
    assert!(matches!(compare(&request, &wrong, &model).1, Status::Halted(code) if code != 0));

    let not_utf8 = Payload {
        max_tokens: 4,
        stops: vec![],
        parts: vec![Part::User(vec![0xff, 0xfe])],
        sampling: Sampling::Greedy,
    };
    let request = request_rom(&not_utf8.encode());
    let error = Output::Error {
        code: ErrorCode::NotUtf8,
        ids: vec![],
    }
    .encode();
    assert_eq!(compare(&request, &error, &model).1, Status::Halted(0));
    assert!(matches!(compare(&request, b"", &model).1, Status::Halted(code) if code != 0));

    let truncated = &model[..model.len() / 2];
    let error = Output::Error {
        code: ErrorCode::BadModel,
        ids: vec![],
    }
    .encode();
    assert_eq!(compare(&request, &error, truncated).1, Status::Halted(0));
}

/// Every tensor type in a llama model, and one of each other kind of model.
fn kinds_of_models() -> Vec<(String, Tiny)> {
    let tiny = Tiny {
        dim: 256,
        ffn: 256,
        ..Tiny::default()
    };
    let formats = Format::ALL.iter().map(|format| {
        let tiny = Tiny {
            seed: *format as u64,
            format: *format,
            ..tiny.clone()
        };
        (format.label().to_owned(), tiny)
    });
    let others = [
        (
            "qwen2",
            Tiny {
                architecture: "qwen2",
                format: Format::Q4_K,
                ..tiny.clone()
            },
        ),
        (
            "qwen3",
            Tiny {
                architecture: "qwen3",
                format: Format::Q6_K,
                head: 128,
                pre: Some("qwen2"),
                ..tiny.clone()
            },
        ),
        (
            "llama with a window",
            Tiny {
                window: 19,
                ..tiny.clone()
            },
        ),
        (
            "llama with divided frequencies",
            Tiny {
                rope_factors: (8.0, Some(1.5)),
                ..tiny.clone()
            },
        ),
    ];
    let others = others
        .into_iter()
        .map(|(name, tiny)| (name.to_owned(), tiny));
    formats.chain(others).collect()
}

#[test]
fn three_engines_agree_on_every_kind_of_model() {
    for (name, tiny) in kinds_of_models() {
        let model = tiny.gguf().bytes();
        let engine = Inference::load(bytes(model.clone()), NonZeroUsize::MIN).expect("it loads");
        // More than a chunk, and a last group that is not full.
        let prompt = "the hello cat in the mill ".repeat(2);
        let request = request_rom(&Payload::greedy(&prompt, 7).encode());
        let output = engine.answer_exact(&request).encode();
        let (steps, status) = compare(&request, &output, &model);
        assert_eq!(status, Status::Halted(0), "{name}");
        let longest = longest_macro_step([&request, &output, &model].map(|data| Rom::new(data)));
        println!("{name}: {steps} yields, the longest macro step has {longest} steps");
        assert!(longest < 1 << (guest().image.limits.b - 2));
    }
}

#[test]
fn the_volatile_region_is_dirty_before_a_yield_clears_it() {
    let model = model();
    let request = request_rom(&Payload::greedy("Story: A fox", 4).encode());
    let roms = [request.as_slice(), &[0, 0, 0, 0, 0], &model].map(Rom::new);
    let image = guest().image.clone();
    let volatile = 1usize << image.limits.volatile_log2;
    let mut machine = Machine::new(image.clone(), roms);
    let b = image.limits.b;
    let mut dirty = 0;
    for y in 0..8u64 {
        let before = machine.executed;
        let mut probe = machine.clone();
        machine.run(y << b, 1 << b);
        let micro = machine.executed - before;
        // One step before the end of the macro step.
        probe.run(y << b, micro - 1);
        dirty += u32::from(probe.memory[..volatile].iter().any(|b| *b != 0));
        assert!(
            machine.memory[..volatile].iter().all(|b| *b == 0),
            "yield {y} clears the region"
        );
        assert!(
            (0..STACK_CELLS).all(|i| machine.stack.get(i) == 0),
            "yield {y} clears the register stack"
        );
    }
    assert!(
        dirty > 0,
        "no macro step wrote the volatile region: the comparison would prove nothing"
    );
}
