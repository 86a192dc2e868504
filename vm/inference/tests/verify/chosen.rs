//! Answers out of a list: the best-scored choice is right, by the program and by the engine, and nothing else is.

use crate::bench::{Bench, answer, exact, parts, poisoned, spell};
use assay_inference::testing::{Tiny, ids, normal_tokens, request};
use assay_types::Tolerance;
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Part, Payload, Sampling};

fn choosing<T: AsRef<[u8]>>(prompt: &str, choices: &[T]) -> Payload {
    Payload {
        sampling: Sampling::Choice(choices.iter().map(|c| c.as_ref().to_vec()).collect()),
        ..Payload::greedy(prompt, 40)
    }
}

fn due(code: ErrorCode) -> Output {
    Output::Error { code, ids: vec![] }
}

/// Ids of a text by the vocabulary alone, where each is the only way to spell it.
fn id(text: &str) -> u32 {
    let at = normal_tokens().iter().position(|t| t.0 == text);
    ids::NORMAL + at.unwrap() as u32
}

/// The right answer to each choice being the only one that differs from what the model would never say.
fn choice_ids(bench: &Bench, prompt: &str, choice: &[u8]) -> Vec<u32> {
    // A choice scored alone beside one that is worse for being much longer.
    let long = b"zqzqzqzqzqzqzqzqzqzqzqzqzqzqzqzqzqzqzq".to_vec();
    let (ids, text) = parts(&bench.honest(&exact(&choosing(prompt, &[choice.to_vec(), long]))));
    assert_eq!(text, choice);
    ids
}

/// Sum of the log-probabilities of `ids` after `prompt`, computed in the open.
fn score(bench: &Bench, prompt: &[u32], ids: &[u32]) -> f64 {
    let mut session = bench.engine.session();
    let (last, before) = prompt.split_last().unwrap();
    session.feed(before, before.len()).1.unwrap();
    let mut last = *last;
    let mut sum = 0.0;
    for id in ids {
        let scores = session.scores(last).unwrap();
        let total: f64 = scores.iter().map(|s| f64::from(*s).exp()).sum();
        sum += f64::from(scores[*id as usize]) - total.ln();
        last = *id;
    }
    sum
}

#[test]
fn the_choice_with_the_best_log_probability_is_the_answer() {
    let texts: Vec<String> = [
        " the cat",
        "hello",
        " in",
        "z",
        " call the mill",
        "é猫",
        "on",
        "aab",
    ]
    .map(String::from)
    .into_iter()
    .chain([" hello the cat in the mill on the call and a cat".into()])
    .collect();
    let mut winners = std::collections::BTreeSet::new();
    for seed in 1..8 {
        let bench = Bench::new(
            Tiny {
                seed,
                ..Tiny::default()
            }
            .model(),
        );
        for prompt in [
            "the cat",
            "",
            "hello hello hello hello hello hello in the mill, 猫",
        ] {
            let request = exact(&choosing(prompt, &texts));
            let prepared = bench.engine.prepare(&request).unwrap();
            let honest = bench.honest(&request);
            let (ids, text) = parts(&honest);
            let won = texts.iter().position(|t| t.as_bytes() == text).unwrap();
            winners.insert(won);
            // Every other choice scores less, and is refused with its own ids and text.
            let best = score(&bench, &prepared.prompt(), &ids);
            for other in texts.iter().filter(|t| t.as_bytes() != text) {
                let other_ids = choice_ids(&bench, prompt, other.as_bytes());
                let less = score(&bench, &prepared.prompt(), &other_ids);
                assert!(less < best + 1e-5, "{other} {less} {best}");
                let output = answer(&other_ids, other.as_bytes());
                assert_eq!(bench.code(&request, &output), 3);
            }
        }
    }
    assert!(winners.len() > 2, "{winners:?}");
}

/// Longer choices span chunks; each is scored over the cache rows of the one before it.
#[test]
fn scores_do_not_depend_on_the_order_of_choices() {
    let bench = Bench::new(Tiny::default().model());
    let mut texts = vec![
        "hello the cat in the mill and the call of a cat on a wall".repeat(4),
        "zxq".repeat(30),
        " the".into(),
        "a".into(),
    ];
    let payload = |texts: &[String]| Payload {
        max_tokens: 200,
        ..choosing("the cat is", texts)
    };
    let first = bench.honest(&exact(&payload(&texts)));
    for _ in 0..3 {
        texts.rotate_left(1);
        assert_eq!(bench.honest(&exact(&payload(&texts))), first);
        let long = &texts[..]
            .iter()
            .filter(|t| t.len() > 80)
            .cloned()
            .collect::<Vec<_>>();
        bench.honest(&exact(&payload(long)));
    }
}

/// [S] One right answer: any other byte anywhere in the output is refused.
#[test]
fn every_other_answer_than_the_choice_is_refused() {
    let bench = Bench::new(Tiny::default().model());
    let request = exact(&choosing("the cat", &[" hello", " the cat", "in"]));
    let honest = bench.honest(&request).encode();
    for at in 0..honest.len() {
        for bit in [0, 3, 7] {
            let mut other = honest.clone();
            other[at] ^= 1 << bit;
            assert_ne!(bench.code(&request, &other), 0, "byte {at} bit {bit}");
        }
    }
    for len in 0..honest.len() {
        assert_ne!(bench.code(&request, &honest[..len]), 0, "first {len} bytes");
    }
    assert_ne!(bench.code(&request, &[&honest[..], b"a"].concat()), 0);
    let (ids, text) = parts(&bench.honest(&request));
    let code = |ids: &[u32], text: &[u8]| bench.code(&request, &answer(ids, text));
    assert_eq!(code(&ids, b"no choice"), 5);
    assert_eq!(code(&ids, &[b'a'; 300]), 5);
    assert_eq!(code(&ids[..ids.len() - 1], &text), 4);
    assert_eq!(code(&[&ids[..], &[5]].concat(), &text), 4);
    // The same text in other ids: byte by byte.
    let bytes: Vec<u32> = text.iter().map(|b| ids::BYTE + u32::from(*b)).collect();
    assert_ne!(code(&bytes, &text), 0);
    for kind in [1, 2, 3, 4, 5, 255] {
        assert_eq!(bench.code(&request, &[kind, 0, 0, 0, 0]), 2);
    }
    // What the model says without a list isn't an answer.
    let greedy = bench.honest(&exact(&Payload::greedy("the cat", 40)));
    assert_ne!(bench.code(&request, &greedy.encode()), 0);
}

/// [S] Decision 0006: a flip within `max_gap` passes without a list and never with one.
#[test]
fn tolerance_never_reaches_a_choice() {
    let bench = Bench::new(Tiny::default().model());
    let tolerance = Tolerance {
        max_gap: u32::MAX,
        max_flips: u32::MAX,
    };
    let single = [" the", " a", "in", "he"];
    let open = request(&Payload::greedy("the cat", 1), tolerance);
    let listed = request(&choosing("the cat", &single), tolerance);
    let right = bench.honest(&listed);
    let mut refused = 0;
    for text in single {
        let output = answer(
            &choice_ids(&bench, "the cat", text.as_bytes()),
            text.as_bytes(),
        );
        assert_eq!(bench.code(&open, &output), 0);
        let code = bench.code(&listed, &output);
        assert_eq!(code, if output == right.encode() { 0 } else { 3 });
        refused += u32::from(code == 3);
    }
    assert_eq!(refused, 3);
}

#[test]
fn choices_are_tokenized_by_themselves() {
    let bench = Bench::new(Tiny::default().model());
    let ids_of = |text: &str| choice_ids(&bench, "the cat", text.as_bytes());
    // Neither a first id nor a space in front; what the asker puts there counts.
    assert_eq!(ids_of("hello"), [id("hello")]);
    assert_eq!(ids_of(" hello"), [id("▁hello")]);
    assert_eq!(ids_of(" the cat"), [id("▁the"), id("▁cat")]);
    // Each alone: the second doesn't join the first.
    let request = exact(&choosing("the cat", &["hell", "o"]));
    bench.honest(&request);
    // Byte fallback.
    assert_eq!(ids_of("\n"), [ids::BYTE + 10]);
    // Ids after a prompt that ends in a special token are the same.
    let payload = Payload {
        parts: vec![Part::Template(b"<|call|>".to_vec())],
        ..choosing("", &["hello", "zqzqzqzqzqzqzqzqzqzqzqzq"])
    };
    assert_eq!(parts(&bench.honest(&exact(&payload))).0, [id("hello")]);
}

/// [S] A choice is user text: it forms no control token, whatever it spells.
#[test]
fn choices_can_not_spell_control_tokens() {
    let bench = Bench::new(Tiny::default().model());
    for text in ["<|call|>", "<s>", "</s>", "[tool]", "####"] {
        let ids = choice_ids(&bench, "the cat", text.as_bytes());
        assert_eq!(spell(&ids), text.as_bytes());
        let special = [
            ids::UNK,
            ids::BOS,
            ids::EOS,
            ids::CALL,
            ids::CALL_LONG,
            ids::TOOL,
        ];
        assert!(
            ids.iter().all(|id| !special.contains(id)),
            "{text}: {ids:?}"
        );
    }
}

/// Two texts of the same ids score the same: the lower index is right, whichever text that is.
#[test]
fn ties_go_to_the_lowest_index() {
    let bench = Bench::new(Tiny::default().model());
    for order in [[" the", "▁the"], ["▁the", " the"]] {
        let request = exact(&choosing("the cat", &order));
        let (ids, text) = parts(&bench.honest(&request));
        assert_eq!(text, order[0].as_bytes());
        assert_eq!(bench.code(&request, &answer(&ids, order[1].as_bytes())), 3);
    }
}

#[test]
fn each_error_is_the_only_right_one() {
    let bench = Bench::new(
        Tiny {
            context: 40,
            ..Tiny::default()
        }
        .model(),
    );
    let many: Vec<String> = (0..65).map(|i| format!("{i}")).collect();
    let long = "x".repeat(257);
    let stopped = Payload {
        stops: vec![b".".to_vec()],
        ..choosing("the cat", &["a", "b"])
    };
    let few = |max_tokens| Payload {
        max_tokens,
        ..choosing("the cat", &["a", "zzz"])
    };
    let fits = "z".repeat(37);
    let over = "z".repeat(38);
    let cases = [
        (
            choosing("the cat", &["a", "b", "a"]),
            Some(ErrorCode::BadRequest),
        ),
        (choosing("the cat", &["a", ""]), Some(ErrorCode::BadRequest)),
        (choosing("the cat", &["a"]), Some(ErrorCode::BadRequest)),
        (choosing("the cat", &many), Some(ErrorCode::BadRequest)),
        (
            choosing("the cat", &["a", &long]),
            Some(ErrorCode::BadRequest),
        ),
        (stopped, Some(ErrorCode::BadRequest)),
        (
            choosing("the cat", &[&b"a"[..], &[0xff]]),
            Some(ErrorCode::NotUtf8),
        ),
        (
            choosing("the cat", &[&[0xff][..], &[0xff]]),
            Some(ErrorCode::BadRequest),
        ),
        // The lowest that applies: the prompt is too long as well.
        (
            choosing(&"z".repeat(60), &[&b"a"[..], &[0xff]]),
            Some(ErrorCode::NotUtf8),
        ),
        (
            choosing(&"z".repeat(60), &["a", "b"]),
            Some(ErrorCode::PromptTooLong),
        ),
        (few(2), Some(ErrorCode::PromptTooLong)),
        (few(3), None),
        (
            choosing("the cat", &["a", &over]),
            Some(ErrorCode::PromptTooLong),
        ),
        (choosing("the cat", &["a", &fits]), None),
        (choosing("the cat", &many[..64]), None),
    ];
    for (i, (payload, code)) in cases.into_iter().enumerate() {
        let honest = bench.honest(&exact(&payload));
        match code {
            Some(code) => assert_eq!(honest, due(code), "case {i}"),
            None => assert!(
                matches!(honest, Output::Answer { .. }),
                "case {i}: {honest:?}"
            ),
        }
    }
    let mut warm = exact(&choosing("the cat", &["a", "b"]));
    warm[198] = 1;
    assert_eq!(bench.honest(&warm), due(ErrorCode::BadRequest));
    // Payload and output are 64 KiB at most, whichever choice wins.
    let filled = |left: usize| {
        let head = choosing("", &["a", "bb"]).encode().len();
        let fill = 65_536 - 5 - head - left;
        let special = [
            &b"#".repeat(fill / 256 * 256)[..],
            &b"<|call|>".repeat(fill % 256 / 8),
        ];
        Payload {
            parts: vec![Part::Template(
                [special.concat(), b"a".repeat(fill % 8)].concat(),
            )],
            ..choosing("", &["a", "bb"])
        }
    };
    let bench = Bench::new(Tiny::default().model());
    // "bb" is two ids of four bytes and two bytes of text.
    assert!(matches!(
        bench.honest(&exact(&filled(10))),
        Output::Answer { .. }
    ));
    assert_eq!(
        bench.honest(&exact(&filled(9))),
        due(ErrorCode::PromptTooLong)
    );
}

/// [S] Non-finite arithmetic anywhere, in the prompt or behind any choice, has one right output: the error without ids.
#[test]
fn non_finite_choices_are_one_error() {
    let request = exact(&choosing("the cat", &[" hello a", "in he", "on"]));
    let error = |ids: &[u32]| Output::Error {
        code: ErrorCode::NonFinite,
        ids: ids.to_vec(),
    };
    let clean = poisoned(None);
    let right = clean.honest(&request);
    assert_eq!(clean.code(&request, &error(&[]).encode()), 2);
    for token in ["▁hello", "in"] {
        let bench = poisoned(Some(id(token)));
        assert_eq!(bench.honest(&request), error(&[]));
        assert_eq!(bench.code(&request, &right.encode()), 2);
        assert_eq!(bench.code(&request, &error(&[id(token)]).encode()), 2);
    }
    let prompt = clean.engine.prepare(&request).unwrap().prompt();
    assert_eq!(poisoned(Some(prompt[1])).honest(&request), error(&[]));
    // Nothing is computed for a choice's last id.
    for token in ["▁a", "he", "on"] {
        assert_eq!(poisoned(Some(id(token))).honest(&request), right, "{token}");
    }
}
