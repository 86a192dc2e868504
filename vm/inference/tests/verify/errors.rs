//! Error outputs: each is the only right one where it is due.

use crate::bench::{Bench, answer, exact, parts, poisoned, spell};
use assay_inference::native::{NativeMachine, bytes};
use assay_inference::testing::{Tiny, Value, ids};
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Part, Payload};

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
        parts: vec![prompt.clone()],
        ..Payload::greedy("", max_tokens)
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

/// [S] Non-finite arithmetic ends in one error output, at its very position.
#[test]
fn non_finite_is_an_error_at_its_position() {
    let request = exact(&Payload::greedy("the cat", 12));
    let clean = poisoned(None);
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
        let bench = poisoned(Some(*id));
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
    let bench = poisoned(Some(prompt[1]));
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
