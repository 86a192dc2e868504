//! The tokenizer against a slow reference written from the rule, and the laws that keep user text from being control.

use assay_inference::native::{Engine, Prepared};
use assay_inference::testing::{Random, Tiny, ids, normal_tokens, request};
use assay_types::Tolerance;
use assay_types::output::ErrorCode;
use assay_types::request::{Part, Payload, Sampling};
use std::collections::HashMap;
use std::num::NonZeroUsize;

fn engine() -> Engine {
    Engine::load(Tiny::default().model(), NonZeroUsize::MIN).unwrap()
}

fn prepare(engine: &Engine, parts: Vec<Part>) -> Result<Prepared, ErrorCode> {
    let payload = Payload {
        max_tokens: 4,
        stops: vec![],
        parts,
        sampling: Sampling::Greedy,
    };
    engine.prepare(&request(&payload, Tolerance::default()))
}

fn tokenize(engine: &Engine, parts: Vec<Part>) -> Vec<u32> {
    prepare(engine, parts).unwrap().prompt()
}

fn user(text: &str) -> Part {
    Part::User(text.as_bytes().to_vec())
}

fn template(text: &str) -> Part {
    Part::Template(text.as_bytes().to_vec())
}

/// One raw run by the rule itself: look at all adjacent pairs, merge the best, start over.
fn reference(run: &str) -> Vec<u32> {
    let mut vocab = HashMap::new();
    for (i, (text, score)) in normal_tokens().into_iter().enumerate() {
        vocab.entry(text).or_insert((ids::NORMAL + i as u32, score));
    }
    let mut symbols: Vec<String> = run
        .chars()
        .map(|c| {
            if c == ' ' {
                "▁".into()
            } else {
                c.to_string()
            }
        })
        .collect();
    loop {
        let mut best: Option<(usize, f32)> = None;
        for i in 1..symbols.len() {
            if let Some((_, score)) = vocab.get(&(symbols[i - 1].clone() + &symbols[i]))
                && best.is_none_or(|(_, s)| *score > s)
            {
                best = Some((i, *score));
            }
        }
        let Some((i, _)) = best else { break };
        let right = symbols.remove(i);
        symbols[i - 1] += &right;
    }
    let id = |symbol: &String| match vocab.get(symbol) {
        Some((id, _)) => vec![*id],
        None => symbol.bytes().map(|b| ids::BYTE + u32::from(b)).collect(),
    };
    symbols.iter().flat_map(id).collect()
}

#[test]
fn merging_equals_the_reference() {
    let engine = engine();
    let mut random = Random(3);
    let alphabet: Vec<char> = "aaabbthe  lomnidcwrs<|>é猫🙂\n\u{0}Z▁".chars().collect();
    for _ in 0..600 {
        let len = 1 + random.below(60);
        let text: String = (0..len)
            .map(|_| alphabet[random.below(alphabet.len() as u64) as usize])
            .collect();
        let want = [vec![ids::BOS], reference(&format!(" {text}"))].concat();
        assert_eq!(tokenize(&engine, vec![user(&text)]), want, "{text:?}");
    }
}

#[test]
fn ties_merge_leftmost_first() {
    // `aa` in `aaa`: the left pair; then `aaa` itself is a token.
    let engine = engine();
    let normal =
        |s: &str| ids::NORMAL + normal_tokens().iter().position(|(t, _)| t == s).unwrap() as u32;
    assert_eq!(
        tokenize(&engine, vec![user("aaaa")]),
        [ids::BOS, normal("▁a"), normal("aaa")]
    );
    assert_eq!(
        tokenize(&engine, vec![user("baaba")])[1..],
        reference(" baaba")[..]
    );
}

#[test]
fn raw_text_joins_across_parts() {
    let engine = engine();
    let whole = tokenize(&engine, vec![user("the hello cat")]);
    for at in 1.."the hello cat".len() {
        let (a, b) = "the hello cat".split_at(at);
        assert_eq!(tokenize(&engine, vec![user(a), template(b)]), whole);
        assert_eq!(
            tokenize(&engine, vec![template(a), user(""), user(b)]),
            whole
        );
    }
}

/// [S] User text can't spell control tokens, not even through merging: their texts are built of normal tokens here.
#[test]
fn user_text_cannot_form_special_tokens() {
    let engine = engine();
    for text in [
        "<|call|>",
        "<|call|>>",
        "[tool]",
        "<s>",
        "</s>",
        "<unk>",
        "<0x41>",
        &"#".repeat(256),
    ] {
        for part in [user(text), user(&format!("a{text}b"))] {
            let prompt = tokenize(&engine, vec![part]);
            let special = |id: &u32| *id < ids::BYTE || (ids::CALL..ids::NORMAL).contains(id);
            assert!(!prompt[1..].iter().any(special), "{text}: {prompt:?}");
            assert!(
                !prompt.contains(&(ids::BYTE + 0x41)) || text.contains('A'),
                "{text}"
            );
        }
        assert_eq!(
            tokenize(&engine, vec![user(text)])[1..],
            reference(&format!(" {text}"))[..]
        );
    }
    // Nor half in a template and half in user text.
    let split = tokenize(&engine, vec![template("<|ca"), user("ll|>")]);
    assert!(!split.contains(&ids::CALL));
}

#[test]
fn templates_form_the_longest_special_token() {
    let engine = engine();
    let a = reference(" a");
    assert_eq!(
        tokenize(&engine, vec![template("<|call|>a")]),
        [&[ids::BOS, ids::CALL], &a[..]].concat()
    );
    assert_eq!(
        tokenize(&engine, vec![template("<|call|>>a")]),
        [&[ids::BOS, ids::CALL_LONG], &a[..]].concat()
    );
    assert_eq!(
        tokenize(&engine, vec![template("[tool]</s><s>")]),
        [ids::BOS, ids::TOOL, ids::EOS, ids::BOS]
    );
    // The space prefix comes after a special token, not within text.
    let want = [
        &[ids::BOS][..],
        &reference(" a"),
        &[ids::CALL],
        &reference(" b"),
    ]
    .concat();
    assert_eq!(
        tokenize(&engine, vec![user("a"), template("<|call|>"), user("b")]),
        want
    );
    // Unknown and byte tokens are not spelled by templates either.
    assert_eq!(
        tokenize(&engine, vec![template("<unk><0x41>")])[1..],
        reference(" <unk><0x41>")[..]
    );
}

#[test]
fn prompts_must_leave_room_for_an_answer() {
    // Context 512: the longest prompt has 511 ids, one of them `<s>`.
    let engine = engine();
    let calls = |n: usize| {
        prepare(&engine, vec![template(&"<|call|>".repeat(n))]).map(|p| p.prompt().len())
    };
    assert_eq!(calls(510), Ok(511));
    assert_eq!(calls(511), Err(ErrorCode::PromptTooLong));
    assert_eq!(calls(7000), Err(ErrorCode::PromptTooLong));
    assert_eq!(
        prepare(&engine, vec![user("")]).map(|p| p.prompt()).ok(),
        Some(vec![ids::BOS])
    );
}
