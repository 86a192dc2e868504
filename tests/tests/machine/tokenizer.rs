//! The guest's tokenizer: the native one's arena at every yield, and no macro step that is long, whatever vocabulary and prompt.

use assay_inference::layout::ARENA_ADDRESS;
use assay_inference::native::{Engine, NativeMachine, bytes};
use assay_inference::testing::train::{Recipe, corpus};
use assay_inference::testing::{Gguf, Random, Tiny, Value, request};
use assay_inference::vocab::{Class, Hash};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_twin::guest;
use assay_types::request::{Part, Payload};
use assay_types::{Status, Tolerance};
use std::num::NonZeroUsize;

/// Runs request and right output in the interpreter and natively, side by side; returns the longest macro step's micro steps and
/// the status at the end, or after `most` macro steps.
fn side_by_side(model: &[u8], payload: &Payload, most: u64) -> (u64, Status) {
    let rom = request(payload, Tolerance::default());
    let engine = Engine::load(bytes(model.to_vec()), NonZeroUsize::MIN).expect("a supported model");
    // A run that is cut short never looks at the output's text.
    let output = if most == u64::MAX {
        engine.answer_exact(&rom).encode()
    } else {
        vec![0; 5]
    };
    let mut native = NativeMachine::new(
        bytes(rom.clone()),
        bytes(output.clone()),
        bytes(model.to_vec()),
    );
    let roms = [&rom[..], &output, model].map(Rom::new);
    let mut machine = Machine::new(guest().image.clone(), roms);
    let b = machine.image.limits.b;
    let (mut longest, mut y) = (0, 0);
    while machine.cpu.status == Status::Yielded && y < most {
        let before = machine.executed;
        machine.run(y << b, 1 << b);
        longest = longest.max(machine.executed - before);
        y += 1;
        native.step();
        if machine.cpu.status == Status::Yielded {
            assert!(
                machine.memory[ARENA_ADDRESS as usize..] == *native.arena(),
                "the arenas differ at yield {y}"
            );
        }
    }
    (longest, machine.cpu.status)
}

fn parts(template: &str, user: &str) -> Payload {
    Payload {
        parts: vec![Part::Template(template.into()), Part::User(user.into())],
        ..Payload::greedy("", 4)
    }
}

#[test]
fn byte_level_requests_run_alike_in_guest_and_native() {
    for pre in ["llama-bpe", "qwen2", "gpt-2", "default"] {
        let tiny = Tiny {
            pre: Some(pre),
            layers: 1,
            ..Tiny::default()
        };
        let model = tiny.gguf().bytes();
        let payload = parts(
            "<|call|>the hello 12345 [tool]",
            " it's <|call|>\n\n  中文 é👍 x",
        );
        let (longest, status) = side_by_side(&model, &payload, u64::MAX);
        assert_eq!(status, Status::Halted(0), "{pre}: the answer is right");
        println!("{pre}: the longest macro step has {longest} steps");
    }
}

/// A vocabulary of which many entries lie where pairs of letters are looked for.
fn crowded(pre: Option<&'static str>) -> Gguf {
    let tiny = Tiny {
        pre,
        ..Tiny::default()
    };
    let mut gguf = tiny.gguf();
    let mut random = Random(21);
    let Some((_, Value::Strings(texts))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.tokens")
    else {
        panic!("a vocabulary")
    };
    let (count, mask) = (texts.len(), 1023);
    let target = slot(b"ab") & mask;
    for text in &mut texts[count - 30..] {
        *text = loop {
            let long: Vec<u8> = (0..200).map(|_| b'a' + random.below(26) as u8).collect();
            if (slot(&long) & mask).wrapping_sub(target) < 8 {
                break long;
            }
        };
    }
    if pre.is_some() {
        gguf.set("tokenizer.ggml.merges", Value::Strings(vec![]));
    }
    gguf
}

/// Where a normal token's search starts, before the index's size cuts it.
fn slot(text: &[u8]) -> u32 {
    text.iter()
        .fold(Hash::new(Class::Normal), |h, b| h.push(*b))
        .finish()
}

/// As many bytes of prompt as one request may have.
const LONG: usize = 65_000;

#[test]
fn no_prompt_makes_a_macro_step_long() {
    let mut most = 0;
    let mut check = |name: &str, model: &[u8], payload: &Payload| {
        let (longest, _) = side_by_side(model, payload, 120);
        println!("{name}: the longest of 120 macro steps has {longest} steps");
        most = most.max(longest);
    };
    let long = |unit: &str| unit.repeat(LONG / unit.len());
    let mut text = corpus();
    text.truncate(text.floor_char_boundary(LONG));
    for pre in [None, Some("llama-bpe"), Some("default")] {
        let model = Recipe::new(pre).gguf().bytes();
        let name = pre.unwrap_or("SentencePiece");
        for unit in ["a", " ", "中", "1", "ab#cde"] {
            check(
                &format!("{name}, {unit:?}"),
                &model,
                &parts("", &long(unit)),
            );
        }
        check(&format!("{name}, text"), &model, &parts("", &text));
        let payload = parts(&long("ab#cdefg<|sep|>"), "");
        check(&format!("{name}, special tokens"), &model, &payload);
    }
    // Special tokens that share long beginnings, at every place of a template.
    let mut gguf = Tiny::default().gguf();
    let Some((_, Value::Strings(texts))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.tokens")
    else {
        panic!("a vocabulary")
    };
    texts[259] = "#".repeat(255).into();
    let payload = parts(&long("#"), "");
    check("long special tokens", &gguf.bytes(), &payload);
    // Every lookup finds as many others in its way as a model may have.
    for pre in [None, Some("llama-bpe")] {
        let gguf = crowded(pre);
        check(
            "a crowded index",
            &gguf.bytes(),
            &parts("", &long("abcdefgh")),
        );
    }
    // A quarter of what a macro step may have, else honest runs could trap.
    assert!(most < 1 << 23, "{most} steps in a macro step");
}
