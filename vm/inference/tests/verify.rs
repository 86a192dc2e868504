//! Verification: the one right output is accepted, every other is refused with the right code, by the program and by the
//! engine alike.

use assay_inference::error::Wrong;
use assay_inference::native::{Bytes, Engine, NativeMachine, Verdict, bytes};
use assay_inference::tensors::Format;
use assay_inference::testing::{Gguf, Random, Tiny, Value, ids, request};
use assay_inference::text::Taken;
use assay_types::Tolerance;
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Part, Payload};
use std::num::NonZeroUsize;

/// A model both as the engine has it and as the program reads it.
struct Bench {
    model: Bytes,
    engine: Engine,
}

impl Bench {
    fn new(model: Bytes) -> Bench {
        let engine = Engine::load(model.clone(), NonZeroUsize::MIN).unwrap();
        Bench { model, engine }
    }

    fn of(gguf: &Gguf) -> Bench {
        Bench::new(bytes(gguf.bytes()))
    }

    /// The program's halt code, which the engine's verdict must equal; the steps stay within the plan.
    fn code(&self, request: &[u8], output: &[u8]) -> u32 {
        let mut machine = NativeMachine::new(
            bytes(request.to_vec()),
            bytes(output.to_vec()),
            self.model.clone(),
        );
        let (code, steps) = machine.run();
        if let Ok(prepared) = self.engine.prepare(request) {
            assert!(
                steps <= prepared.planned_steps(),
                "{steps} steps, {} planned",
                prepared.planned_steps()
            );
        }
        assert_eq!(
            Verdict::try_from(code),
            Ok(self.engine.check(request, output))
        );
        code
    }

    fn honest(&self, request: &[u8]) -> Output {
        let output = self.engine.answer_exact(request);
        assert_eq!(self.code(request, &output.encode()), 0, "{output:?}");
        output
    }
}

fn exact(payload: &Payload) -> Vec<u8> {
    request(payload, Tolerance::default())
}

fn parts(output: &Output) -> (Vec<u32>, Vec<u8>) {
    match output {
        Output::Answer { ids, text } => (ids.clone(), text.clone()),
        Output::Error { .. } => panic!("{output:?}"),
    }
}

fn answer(ids: &[u32], text: &[u8]) -> Vec<u8> {
    Output::Answer {
        ids: ids.to_vec(),
        text: text.to_vec(),
    }
    .encode()
}

/// What ids spell by the vocabulary's definition, without the stop rule.
fn spell(ids: &[u32]) -> Vec<u8> {
    let normal = assay_inference::testing::normal_tokens();
    let piece = |id: &u32| match *id {
        id if (ids::BYTE..ids::CALL).contains(&id) => vec![(id - ids::BYTE) as u8],
        ids::TOOL => b"[tool]".to_vec(),
        id if id >= ids::NORMAL => normal[(id - ids::NORMAL) as usize]
            .0
            .replace('▁', " ")
            .into_bytes(),
        _ => vec![],
    };
    ids.iter().flat_map(piece).collect()
}

#[test]
fn honest_outputs_are_right_in_every_format() {
    for format in [Format::Q8, Format::F16, Format::F32] {
        for (seed, tied) in [(1, false), (2, true), (3, false)] {
            let bench = Bench::new(
                Tiny {
                    seed,
                    format,
                    tied,
                    ..Tiny::default()
                }
                .model(),
            );
            for prompt in [
                "",
                "the cat",
                "hello hello hello hello in the call of a mill, 猫",
            ] {
                let output = bench.honest(&exact(&Payload::greedy(prompt, 40)));
                let (ids, text) = parts(&output);
                assert_eq!(text, spell(&ids));
            }
        }
    }
}

/// [S] One right answer: any other byte anywhere in the output is refused.
#[test]
fn every_other_output_is_refused() {
    let bench = Bench::new(
        Tiny {
            dim: 32,
            layers: 1,
            ..Tiny::default()
        }
        .model(),
    );
    let request = exact(&Payload::greedy("the cat", 12));
    let output = bench.honest(&request).encode();
    for at in 0..output.len() {
        for bit in [0, 3, 7] {
            let mut other = output.clone();
            other[at] ^= 1 << bit;
            assert_ne!(bench.code(&request, &other), 0, "byte {at} bit {bit}");
        }
    }
    for len in 0..output.len() {
        assert_ne!(bench.code(&request, &output[..len]), 0, "first {len} bytes");
    }
    for byte in [0, b'a'] {
        assert_ne!(bench.code(&request, &[&output[..], &[byte]].concat()), 0);
    }
}

#[test]
fn each_fault_has_its_code() {
    let bench = Bench::new(Tiny::default().model());
    let request = exact(&Payload::greedy("the cat", 12));
    let (ids, text) = parts(&bench.honest(&request));
    assert!(
        ids.len() == 12 && ids[11] != ids::EOS,
        "the answer should end by its length: {ids:?}"
    );
    let code = |output: &[u8]| bench.code(&request, output);
    // 1: no encoding.
    assert_eq!(code(&[]), 1);
    assert_eq!(code(&[0, 0, 0, 0]), 1);
    assert_eq!(code(&[0, 1, 0, 0, 0]), 1);
    assert_eq!(code(&[6, 0, 0, 0, 0]), 1);
    assert_eq!(code(&[2, 0, 0, 0, 0, b'x']), 1);
    assert_eq!(code(&[2, 1, 0, 0, 0, 9, 0, 0, 0]), 1);
    assert_eq!(code(&[255, 1, 0, 0, 0, 9, 0, 0, 0, 0]), 1);
    assert_eq!(code(&vec![0; 65_537]), 1);
    // 2: an error where none is due.
    for kind in [1, 2, 3, 4, 5, 255] {
        assert_eq!(code(&[kind, 0, 0, 0, 0]), 2);
    }
    assert_eq!(
        code(
            &Output::Error {
                code: ErrorCode::NonFinite,
                ids: ids[..3].to_vec()
            }
            .encode()
        ),
        2
    );
    assert_eq!(
        code(
            &Output::Error {
                code: ErrorCode::NonFinite,
                ids: ids.clone()
            }
            .encode()
        ),
        2
    );
    // 3: wrong tokens, with the text that they spell; at the start, in the middle, at the end, beyond the vocabulary.
    for at in [0, 5, 11] {
        let mut wrong = ids.clone();
        wrong[at] = ids::NORMAL + 3 + u32::from(wrong[at] == ids::NORMAL + 3);
        assert_eq!(code(&answer(&wrong, &spell(&wrong))), 3, "id {at}");
        wrong[at] = 328;
        assert_eq!(code(&answer(&wrong, &text)), 3);
        wrong[at] = u32::MAX;
        assert_eq!(code(&answer(&wrong, &text)), 3);
    }
    // 4: too short, too long, an end in the middle.
    for len in 0..12 {
        assert_eq!(
            code(&answer(&ids[..len], &spell(&ids[..len]))),
            4,
            "{len} ids"
        );
    }
    let longer = [&ids[..], &[ids[0]]].concat();
    assert_eq!(code(&answer(&longer, &spell(&longer))), 4);
    let mut early = ids.clone();
    early[4] = ids::EOS;
    assert_eq!(code(&answer(&early, &spell(&early))), 4);
    // 5: other text, with the right ids.
    for other in [
        &text[1..],
        &text[..text.len() - 1],
        &[&text[..], b" "].concat(),
        b"",
    ] {
        assert_eq!(code(&answer(&ids, other)), 5);
    }
}

#[test]
fn each_error_output_is_the_only_right_one() {
    let bench = Bench::new(Tiny::default().model());
    let good = Payload::greedy("the cat", 4);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut payload = good.encode();
        change(&mut payload);
        let header = exact(&good)[..192].to_vec();
        [header, payload].concat()
    };
    let user = |bytes: &[u8]| Payload {
        parts: vec![Part::User(bytes.to_vec())],
        ..good.clone()
    };
    let long = |n: usize| Payload {
        parts: vec![Part::Template("<|call|>".repeat(n).into_bytes())],
        ..good.clone()
    };
    let cases: Vec<(Vec<u8>, ErrorCode)> = vec![
        (with(&|p| p[0] = 2), ErrorCode::BadRequest),
        (with(&|p| p[1] = 1), ErrorCode::BadRequest),
        (with(&|p| p[2..6].fill(0)), ErrorCode::BadRequest),
        (
            with(&|p| p[2..6].copy_from_slice(&4097u32.to_le_bytes())),
            ErrorCode::BadRequest,
        ),
        (with(&|p| p[6] = 1), ErrorCode::BadRequest),
        (with(&|p| p[10] = 1), ErrorCode::BadRequest),
        (with(&|p| p[11] = 0), ErrorCode::BadRequest),
        (with(&|p| p[13] = 2), ErrorCode::BadRequest),
        (with(&|p| p[14] += 1), ErrorCode::BadRequest),
        (with(&|p| p[17] = 0xff), ErrorCode::BadRequest),
        (with(&|p| p.push(0)), ErrorCode::BadRequest),
        (with(&|p| p.truncate(p.len() - 1)), ErrorCode::BadRequest),
        (with(&|p| p.clear()), ErrorCode::BadRequest),
        (vec![], ErrorCode::BadRequest),
        (vec![1; 191], ErrorCode::BadRequest),
        (exact(&user(&vec![b'a'; 65_520])), ErrorCode::BadRequest),
        (
            exact(&Payload {
                stops: vec![vec![]],
                ..good.clone()
            }),
            ErrorCode::BadRequest,
        ),
        (
            exact(&Payload {
                stops: vec![vec![b'x'; 257]],
                ..good.clone()
            }),
            ErrorCode::BadRequest,
        ),
        (
            exact(&Payload {
                stops: vec![vec![b'x']; 9],
                ..good.clone()
            }),
            ErrorCode::BadRequest,
        ),
        (
            exact(&Payload {
                parts: vec![],
                ..good.clone()
            }),
            ErrorCode::BadRequest,
        ),
        (
            exact(&Payload {
                parts: vec![Part::User(vec![]); 65],
                ..good.clone()
            }),
            ErrorCode::BadRequest,
        ),
        (exact(&user(&[0xff])), ErrorCode::NotUtf8),
        (exact(&user(&[0xed, 0xa0, 0x80])), ErrorCode::NotUtf8),
        (
            exact(&Payload {
                parts: vec![
                    Part::User("é".as_bytes()[..1].to_vec()),
                    Part::User("é".as_bytes()[1..].to_vec()),
                ],
                ..good.clone()
            }),
            ErrorCode::NotUtf8,
        ),
        // The lowest that applies: this one is too long as well.
        (exact(&user(&vec![0xff; 60_000])), ErrorCode::NotUtf8),
        (exact(&long(511)), ErrorCode::PromptTooLong),
        (exact(&user(&vec![b'Z'; 60_000])), ErrorCode::PromptTooLong),
    ];
    let all = [
        ErrorCode::BadModel,
        ErrorCode::BadRequest,
        ErrorCode::NotUtf8,
        ErrorCode::PromptTooLong,
        ErrorCode::PlanTooLong,
        ErrorCode::NonFinite,
    ];
    for (i, (request, due)) in cases.into_iter().enumerate() {
        assert_eq!(
            bench.honest(&request),
            Output::Error {
                code: due,
                ids: vec![]
            },
            "case {i}"
        );
        for code in all.into_iter().filter(|code| *code != due) {
            assert_eq!(
                bench.code(&request, &Output::Error { code, ids: vec![] }.encode()),
                2,
                "case {i}"
            );
        }
        assert_eq!(bench.code(&request, &answer(&[ids::EOS], b"")), 2);
        assert_eq!(bench.code(&request, &answer(&[], b"")), 2);
    }
    // Each byte the last that fits: 65,531 of payload are allowed, though too many for this context.
    assert_eq!(
        bench.honest(&exact(&user(&vec![b'a'; 65_531 - 18]))),
        Output::Error {
            code: ErrorCode::PromptTooLong,
            ids: vec![]
        }
    );
    assert_eq!(
        bench.honest(&exact(&user(&vec![b'a'; 65_532 - 18]))),
        Output::Error {
            code: ErrorCode::BadRequest,
            ids: vec![]
        }
    );
}

#[test]
fn a_bad_model_has_one_right_output() {
    let request = exact(&Payload::greedy("the cat", 4));
    let mut gguf = Tiny::default().gguf();
    gguf.set("general.architecture", Value::String(b"other".to_vec()));
    for model in [vec![], b"GGUF".to_vec(), gguf.bytes()] {
        let code = |output: Output| {
            NativeMachine::new(
                bytes(request.clone()),
                bytes(output.encode()),
                bytes(model.clone()),
            )
            .run()
            .0
        };
        assert_eq!(
            code(Output::Error {
                code: ErrorCode::BadModel,
                ids: vec![]
            }),
            0
        );
        assert_eq!(
            code(Output::Error {
                code: ErrorCode::BadRequest,
                ids: vec![]
            }),
            2
        );
        assert_eq!(
            code(Output::Answer {
                ids: vec![ids::EOS],
                text: vec![]
            }),
            2
        );
    }
}

#[test]
fn a_plan_with_too_much_memory_is_refused() {
    let tiny = Tiny {
        dim: 512,
        heads: 16,
        kv_heads: 16,
        ffn: 32,
        layers: 100,
        context: 1 << 20,
        ..Tiny::default()
    };
    let bench = Bench::new(tiny.model());
    // 4096 + 1500 positions of 100 layers of 2 x 512 f32 are more than 2 GiB; 32 answer tokens are not.
    let prompt = Part::Template("<|call|>".repeat(1500).into_bytes());
    let payload = |max_tokens| Payload {
        max_tokens,
        stops: vec![],
        parts: vec![prompt.clone()],
    };
    assert_eq!(
        bench.honest(&exact(&payload(4096))),
        Output::Error {
            code: ErrorCode::PlanTooLong,
            ids: vec![]
        }
    );
    assert_eq!(
        bench.code(&exact(&payload(4096)), &answer(&[ids::EOS], b"")),
        2
    );
    assert!(bench.engine.prepare(&exact(&payload(32))).is_ok());
}

#[test]
fn a_plan_with_too_many_yields_is_refused() {
    // Many thin layers: the cache is small, but attention over 60,000 positions takes many macro steps.
    let bench = Bench::new(
        Tiny {
            dim: 32,
            heads: 16,
            kv_heads: 1,
            ffn: 32,
            layers: 128,
            context: 1 << 20,
            ..Tiny::default()
        }
        .model(),
    );
    let payload = |n| Payload::greedy(&"Z".repeat(n), 2);
    let due = Output::Error {
        code: ErrorCode::PlanTooLong,
        ids: vec![],
    };
    assert_eq!(bench.honest(&exact(&payload(60_000))), due);
    let prepared = bench.engine.prepare(&exact(&payload(20))).unwrap();
    assert!(prepared.planned_steps() < 1 << 24);
    bench.honest(&exact(&payload(20)));
}

#[test]
fn stop_strings_end_the_text_before_the_match() {
    let bench = Bench::new(
        Tiny {
            seed: 7,
            ..Tiny::default()
        }
        .model(),
    );
    let free = Payload::greedy("the cat", 40);
    let (ids, text) = parts(&bench.honest(&exact(&free)));
    let mut random = Random(1);
    let mut cut = 0;
    for _ in 0..60 {
        let stops: Vec<Vec<u8>> = (0..1 + random.below(4))
            .map(|_| {
                let from = random.below(text.len() as u64 - 3) as usize;
                text[from..from + 1 + random.below(4.min((text.len() - from) as u64)) as usize]
                    .to_vec()
            })
            .collect();
        // By definition: the earliest end, then the longest.
        let (end, start) = (1..=text.len())
            .find_map(|end| {
                stops
                    .iter()
                    .filter(|s| text[..end].ends_with(s))
                    .map(|s| (end, end - s.len()))
                    .min()
            })
            .expect("each stop string is in the text");
        let count = (1..=ids.len())
            .find(|n| spell(&ids[..*n]).len() >= end)
            .unwrap();
        let request = exact(&Payload {
            stops,
            ..free.clone()
        });
        let honest = bench.honest(&request);
        assert_eq!(
            honest,
            Output::Answer {
                ids: ids[..count].to_vec(),
                text: text[..start].to_vec()
            }
        );
        // Going on past the stop is too late, and the match isn't part of the text.
        if count < ids.len() {
            assert_eq!(bench.code(&request, &answer(&ids, &text)), 4);
        }
        assert_eq!(
            bench.code(&request, &answer(&ids[..count], &text[..end])),
            5
        );
        cut += usize::from(count < ids.len());
    }
    assert!(cut > 20);
}

#[test]
fn answers_end_at_the_context_and_at_an_end_token() {
    // The context ends the answer.
    let bench = Bench::new(
        Tiny {
            context: 20,
            ..Tiny::default()
        }
        .model(),
    );
    let request = exact(&Payload::greedy("the cat", 40));
    let prompt = bench.engine.prepare(&request).unwrap().prompt().len();
    let (ids, _) = parts(&bench.honest(&request));
    assert_eq!(prompt + ids.len(), 20);
    assert_eq!(
        bench.code(
            &request,
            &answer(&ids[..ids.len() - 1], &spell(&ids[..ids.len() - 1]))
        ),
        4
    );
    // Make the third token of an answer the end token, which then spells nothing and is included.
    let mut gguf = Tiny::default().gguf();
    let request = exact(&Payload::greedy("the cat", 40));
    let (free, _) = parts(&Bench::of(&gguf).honest(&request));
    let end = free[2];
    let count = 1 + free.iter().position(|id| *id == end).unwrap();
    for key in ["eos", "eot", "eom"] {
        gguf.set(&format!("tokenizer.ggml.{key}_token_id"), Value::U32(end));
        let bench = Bench::of(&gguf);
        let text = spell(&free[..count - 1]);
        assert_eq!(
            bench.honest(&request),
            Output::Answer {
                ids: free[..count].to_vec(),
                text: text.clone()
            }
        );
        assert_eq!(
            bench.code(&request, &answer(&free[..count], &spell(&free[..count]))),
            if spell(&[end]).is_empty() { 0 } else { 5 }
        );
        assert_eq!(bench.code(&request, &answer(&free[..count - 1], &text)), 4);
        gguf.set("tokenizer.ggml.eos_token_id", Value::U32(ids::EOS))
            .unset("tokenizer.ggml.eot_token_id");
    }
}

/// [S] An id that would take request + output past 64 KiB isn't emitted and ends the answer.
#[test]
fn the_size_rule_ends_an_answer() {
    let bench = Bench::new(Tiny::default().model());
    // Special tokens of 256 bytes fill the payload with few ids.
    let payload = |fill: usize| Payload {
        max_tokens: 40,
        stops: vec![],
        parts: vec![Part::Template(
            [
                &b"#".repeat(256 * 255)[..],
                &b"<|call|>".repeat(fill / 8)[..],
                &b"a".repeat(fill % 8)[..],
            ]
            .concat(),
        )],
    };
    let mut lengths = std::collections::BTreeSet::new();
    for left in (0..40).step_by(3) {
        let fill = 65_536 - 5 - left - (payload(0).encode().len());
        let request = exact(&payload(fill));
        let output = bench.honest(&request);
        let (ids, text) = parts(&output);
        let size = |n: usize| request.len() - 192 + 5 + 4 * n + spell(&ids[..n]).len();
        assert!(size(ids.len()) <= 65_536);
        lengths.insert(ids.len());
        if ids.len() < 40 && ids.last() != Some(&ids::EOS) {
            // One id less is too early, unless that one was refused too.
            if !ids.is_empty() {
                let fewer = &ids[..ids.len() - 1];
                assert_eq!(bench.code(&request, &answer(fewer, &spell(fewer))), 4);
            }
            // One more is too late, whichever it is: even the right one.
            let mut session = bench.engine.session();
            let all = [&bench.engine.prepare(&request).unwrap().prompt()[..], &ids].concat();
            let next = session.feed(&all, all.len() - 1).0[0].id;
            let more = [&ids[..], &[next]].concat();
            let over = answer(&more, &spell(&more));
            assert!(request.len() - 192 + over.len() > 65_536);
            assert_eq!(bench.code(&request, &over), 4);
        }
        assert_eq!(text, spell(&ids));
    }
    assert!(lengths.contains(&0) && lengths.len() > 3, "{lengths:?}");
}

#[test]
fn tolerance_allows_small_gaps_in_few_positions() {
    let bench = Bench::new(Tiny::default().model());
    let payload = Payload::greedy("the cat", 8);
    let prepared = bench.engine.prepare(&exact(&payload)).unwrap();
    let prompt = prepared.prompt();
    let with = |max_gap, max_flips| request(&payload, Tolerance { max_gap, max_flips });
    // Stray at one or two positions to another token, and go on as the rule says from there.
    let stray = |at: &[usize]| {
        let (mut session, mut answer, mut gaps) =
            (bench.engine.session(), prepared.answer(), vec![]);
        let mut pick = session.feed(&prompt, prompt.len() - 1).0[0];
        loop {
            let n = answer.ids().len();
            let mut id = pick.id;
            if at.contains(&n) {
                id = if pick.id == ids::NORMAL + 5 {
                    ids::NORMAL + 6
                } else {
                    ids::NORMAL + 5
                };
                let all = [&prompt[..], answer.ids(), &[id]].concat();
                let claimed = bench.engine.session().feed(&all, all.len() - 2).0[0];
                gaps.push(claimed.best - claimed.claimed);
            }
            if answer.take(id) != Taken::Open {
                return (answer.finish().encode(), gaps);
            }
            pick = session.feed(&[id], 0).0[0];
        }
    };
    let honest = bench.honest(&exact(&payload));
    assert_eq!(bench.code(&with(u32::MAX, 8), &honest.encode()), 0);
    for at in [&[0][..], &[3], &[7], &[2, 5]] {
        let (output, gaps) = stray(at);
        let widest = gaps.iter().fold(0.0f32, |m, g| m.max(*g));
        let (flips, enough) = (at.len() as u32, (widest * 1000.0).ceil() as u32 + 1);
        assert_eq!(bench.code(&with(enough, flips), &output), 0, "{gaps:?}");
        assert_eq!(bench.code(&with(u32::MAX, flips), &output), 0);
        assert_eq!(
            bench.code(&with((widest * 1000.0).floor() as u32 - 1, flips), &output),
            3
        );
        assert_eq!(bench.code(&with(enough, flips - 1), &output), 3);
        assert_eq!(bench.code(&with(0, u32::MAX), &output), 3);
        assert_eq!(bench.code(&with(0, 0), &output), 3);
    }
}

/// A model in which a token's embedding is so large that its norm overflows.
fn poisoned(token: u32) -> Bench {
    let mut gguf = Tiny {
        format: Format::F32,
        ..Tiny::default()
    }
    .gguf();
    let at = token as usize * 64 * 4;
    gguf.tensor("token_embd.weight").data[at..at + 4].copy_from_slice(&1e30f32.to_le_bytes());
    Bench::of(&gguf)
}

/// [S] Non-finite arithmetic ends in one error output, at its very position.
#[test]
fn non_finite_is_an_error_at_its_position() {
    let request = exact(&Payload::greedy("the cat", 12));
    let clean = Bench::of(
        &Tiny {
            format: Format::F32,
            ..Tiny::default()
        }
        .gguf(),
    );
    let (ids, _) = parts(&clean.honest(&request));
    let prompt = clean.engine.prepare(&request).unwrap().prompt();
    let error = |ids: &[u32]| Output::Error {
        code: ErrorCode::NonFinite,
        ids: ids.to_vec(),
    };
    let mut tried = 0;
    for (n, id) in ids.iter().enumerate() {
        if prompt.contains(id) || ids[..n].contains(id) {
            continue;
        }
        tried += 1;
        let bench = poisoned(*id);
        let honest = bench.honest(&request);
        if n + 1 == ids.len() {
            // Nothing is computed for the last id.
            assert_eq!(parts(&honest).0, ids);
            continue;
        }
        assert_eq!(honest, error(&ids[..=n]));
        assert_eq!(bench.code(&request, &answer(&ids, &spell(&ids))), 2);
        for m in (0..ids.len()).filter(|m| *m != n + 1) {
            assert_eq!(
                bench.code(&request, &error(&ids[..m]).encode()),
                2,
                "{m} ids instead of {}",
                n + 1
            );
        }
        // The ids before it must be right.
        if n > 0 {
            let mut wrong = ids[..=n].to_vec();
            wrong[0] = ids::NORMAL + 3 + u32::from(wrong[0] == ids::NORMAL + 3);
            assert_eq!(bench.code(&request, &error(&wrong).encode()), 3);
        }
        // Another right error is none here.
        assert_eq!(
            bench.code(
                &request,
                &Output::Error {
                    code: ErrorCode::BadRequest,
                    ids: vec![]
                }
                .encode()
            ),
            2
        );
    }
    assert!(tried > 4);
    // In the prompt.
    let bench = poisoned(prompt[1]);
    assert_eq!(bench.honest(&request), error(&[]));
    assert_eq!(bench.code(&request, &answer(&ids, &spell(&ids))), 2);
    assert_eq!(bench.code(&request, &error(&ids[..1]).encode()), 2);
}

/// A non-finite weight anywhere ends the same way: in scales, norms, logits.
#[test]
fn non_finite_weights_never_pass() {
    let request = exact(&Payload::greedy("the cat", 4));
    let names = [
        "token_embd.weight",
        "blk.0.attn_q.weight",
        "blk.0.attn_k.weight",
        "blk.1.attn_v.weight",
        "blk.1.attn_output.weight",
    ];
    let more = [
        "blk.0.ffn_gate.weight",
        "blk.0.ffn_up.weight",
        "blk.1.ffn_down.weight",
        "output.weight",
        "blk.0.attn_norm.weight",
        "output_norm.weight",
    ];
    for name in names.into_iter().chain(more) {
        for bits in [0x7c00u16, 0x7e01, 0xfc00] {
            let mut gguf = Tiny::default().gguf();
            let tensor = gguf.tensor(name);
            let is_norm = tensor.kind == 0;
            // Every row's scale, so that every token meets one.
            let stride = if is_norm {
                tensor.data.len()
            } else {
                tensor.dims[0] as usize / 32 * 34
            };
            for row in tensor.data.chunks_mut(stride) {
                if is_norm {
                    row[..4].copy_from_slice(&(u32::from(bits) << 16 | 0x7f80_0000).to_le_bytes());
                } else {
                    row[..2].copy_from_slice(&bits.to_le_bytes());
                }
            }
            assert_eq!(
                Bench::of(&gguf).honest(&request),
                Output::Error {
                    code: ErrorCode::NonFinite,
                    ids: vec![]
                },
                "{name}"
            );
        }
    }
}

#[test]
fn verdicts_name_every_code() {
    assert_eq!(Verdict::try_from(0), Ok(Verdict::Right));
    assert_eq!(Verdict::try_from(4), Ok(Verdict::Wrong(Wrong::Length)));
    assert!(Verdict::try_from(6).is_err());
}
