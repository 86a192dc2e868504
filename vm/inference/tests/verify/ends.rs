//! Where an answer ends, and what text it then has.

use crate::bench::{Bench, answer, exact, parts, spell};
use assay_inference::testing::{Random, Tiny, Value, ids};
use assay_types::output::Output;
use assay_types::request::{Part, Payload};

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
        parts: vec![Part::Template(
            [
                &b"#".repeat(256 * 255)[..],
                &b"<|call|>".repeat(fill / 8)[..],
                &b"a".repeat(fill % 8)[..],
            ]
            .concat(),
        )],
        ..Payload::greedy("", 40)
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
