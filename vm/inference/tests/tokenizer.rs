//! The tokenizer against a slow reference written from the rule, and the laws that keep user text from being control.

use assay_inference::native::{Engine, Prepared, bytes};
use assay_inference::pre::Cut;
use assay_inference::testing::{Random, Tiny, Value, ids, merges, normal_tokens, request};
use assay_inference::words::words;
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
    // The unknown token is spelled by templates; byte tokens are not.
    assert_eq!(
        tokenize(&engine, vec![template("<unk><0x41>")])[1..],
        [&[ids::UNK], &reference(" <0x41>")[..]].concat()
    );
}

/// The order in which llama.cpp cuts special tokens out of text: not from left to right.
#[test]
fn longer_special_tokens_come_first() {
    let mut gguf = Tiny::default().gguf();
    let Some((_, Value::Strings(texts))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.tokens")
    else {
        panic!()
    };
    let [call, call_long, tool, long] = [ids::CALL, ids::CALL_LONG, ids::TOOL, ids::LONG];
    for (id, text) in [
        (call, "abc"),
        (call_long, "cdea"),
        (tool, "eabcd"),
        (long, "dea"),
    ] {
        texts[id as usize] = text.into();
    }
    let engine = Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).unwrap();
    let form = |text: &str| -> Vec<u32> {
        let special = |id: &u32| (call..=long).contains(id);
        tokenize(&engine, vec![template(text)])
            .into_iter()
            .filter(special)
            .collect()
    };
    assert_eq!(form("abc"), [call]);
    assert_eq!(form("abcdea"), [call_long]);
    // In `abcdeabcd` the longest takes the end, the next doesn't fit, then of two equally long ones both do.
    assert_eq!(form("abcdeabcd"), [call, tool]);
    // Of equally long ones that overlap, the lower id: `abc` before `dea`, wherever it stands.
    assert_eq!(form("deabc"), [call]);
    assert_eq!(form("abcdeabcdeabc"), [call, tool, call]);
    assert_eq!(form("dea"), [long]);
}

fn byte_level(pre: &'static str) -> Engine {
    let tiny = Tiny {
        pre: Some(pre),
        ..Tiny::default()
    };
    Engine::load(tiny.model(), NonZeroUsize::MIN).unwrap()
}

/// One word by the rule itself: merge the adjacent pair of the lowest rank, the leftmost of equals, and start over.
fn reference_word(word: &[u8], ignore_merges: bool) -> Vec<u32> {
    let texts: Vec<Vec<u8>> = normal_tokens()
        .iter()
        .map(|(t, _)| t.replace('▁', " ").into_bytes())
        .collect();
    let id = |text: &[u8]| match text {
        [byte] => ids::BYTE + u32::from(*byte),
        _ => ids::NORMAL + texts.iter().position(|t| t == text).unwrap() as u32,
    };
    if ignore_merges && texts.iter().any(|t| t == word) {
        return vec![id(word)];
    }
    let ranks = merges();
    let mut symbols: Vec<Vec<u8>> = word.iter().map(|b| vec![*b]).collect();
    loop {
        let rank = |i: &usize| {
            let pair = (&symbols[*i], &symbols[i + 1]);
            ranks.iter().position(|(a, b)| (a, b) == pair)
        };
        let pairs = 0..symbols.len().saturating_sub(1);
        let Some(i) = pairs.filter(|i| rank(i).is_some()).min_by_key(rank) else {
            break;
        };
        let right = symbols.remove(i + 1);
        symbols[i].extend(right);
    }
    symbols.iter().map(|s| id(s)).collect()
}

#[test]
fn byte_level_merging_equals_the_reference() {
    let mut random = Random(4);
    let alphabet: Vec<char> = "aaabbthe  lomnidcwrs<|>é猫🙂\n\u{0}Z▁'1234"
        .chars()
        .collect();
    for (pre, cut) in [
        ("llama-bpe", Cut::Llama3),
        ("qwen2", Cut::Qwen2),
        ("gpt-2", Cut::Gpt2),
        ("default", Cut::Default),
    ] {
        let engine = byte_level(pre);
        for _ in 0..300 {
            let len = 1 + random.below(60);
            let text: String = (0..len)
                .map(|_| alphabet[random.below(alphabet.len() as u64) as usize])
                .collect();
            let is_llama = cut == Cut::Llama3;
            let words = words(text.as_bytes(), cut).into_iter();
            let want: Vec<u32> = is_llama
                .then_some(ids::BOS)
                .into_iter()
                .chain(words.flat_map(|word| reference_word(word, is_llama)))
                .collect();
            assert_eq!(tokenize(&engine, vec![user(&text)]), want, "{pre} {text:?}");
            let spelled: Vec<u8> = want.iter().flat_map(|id| engine.piece(*id)).collect();
            assert_eq!(spelled, text.as_bytes(), "pieces are the bytes again");
        }
    }
}

#[test]
fn a_merge_counts_where_it_comes_first() {
    let tiny = Tiny {
        pre: Some("gpt-2"),
        ..Tiny::default()
    };
    let normal =
        |s: &str| ids::NORMAL + normal_tokens().iter().position(|(t, _)| t == s).unwrap() as u32;
    let (a, b) = (ids::BYTE + u32::from(b'a'), ids::BYTE + u32::from(b'b'));
    for (merges, want) in [
        (["a a", "a b", "a a"], [normal("aa"), b]),
        (["a b", "a a", "a b"], [a, normal("ab")]),
    ] {
        let mut gguf = tiny.gguf();
        let merges = merges.map(|m| m.as_bytes().to_vec()).to_vec();
        gguf.set("tokenizer.ggml.merges", Value::Strings(merges));
        let engine = Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).unwrap();
        assert_eq!(tokenize(&engine, vec![user("aab")]), want);
    }
}

#[test]
fn words_are_cut_as_the_expressions_say() {
    let cases: [(&str, [&str; 4]); 12] = [
        // Default, GPT-2, Llama 3, Qwen 2
        (
            "Hello world",
            [
                "Hello| world",
                "Hello| world",
                "Hello| world",
                "Hello| world",
            ],
        ),
        (
            "it's IT'S",
            [
                "it|'|s| IT|'|S",
                "it|'s| IT|'|S",
                "it|'s| IT|'S",
                "it|'s| IT|'S",
            ],
        ),
        ("a  b", ["a| | b", "a| | b", "a| | b", "a| | b"]),
        ("a   ", ["a|   ", "a|   ", "a|   ", "a|   "]),
        (
            "a \n\n b",
            ["a| \n\n| b", "a| \n\n| b", "a| \n\n| b", "a| \n\n| b"],
        ),
        ("a\n\nb", ["a|\n|\n|b", "a|\n|\n|b", "a|\n\n|b", "a|\n\n|b"]),
        (
            "x 12345",
            ["x| |123|45", "x| 12345", "x| |123|45", "x| |1|2|3|4|5"],
        ),
        (
            "１12345",
            ["１|123|45", "１12345", "１12|345", "１|1|2|3|4|5"],
        ),
        (
            "if(x){\n\n",
            [
                "if|(|x|){|\n\n",
                "if|(|x|){|\n\n",
                "if|(x|){\n\n",
                "if|(x|){\n\n",
            ],
        ),
        (
            " $x+`y",
            [" |$|x|+|`|y", " $|x|+`|y", " $|x|+`|y", " $|x|+`|y"],
        ),
        ("\tdef", ["\t|def", "\t|def", "\tdef", "\tdef"]),
        (
            "e\u{301}é\u{a0}中",
            [
                "e|\u{301}|é|\u{a0}|中",
                "e|\u{301}|é|\u{a0}|中",
                "e|\u{301}é|\u{a0}中",
                "e|\u{301}é|\u{a0}中",
            ],
        ),
    ];
    for (text, wants) in cases {
        for (cut, want) in [Cut::Default, Cut::Gpt2, Cut::Llama3, Cut::Qwen2]
            .into_iter()
            .zip(wants)
        {
            let words: Vec<&str> = words(text.as_bytes(), cut)
                .into_iter()
                .map(|w| str::from_utf8(w).unwrap())
                .collect();
            assert_eq!(words.join("|"), want, "{cut:?} {text:?}");
        }
    }
}

/// [S] As for SentencePiece: merging and whole words find normal tokens only.
#[test]
fn byte_level_user_text_cannot_form_special_tokens() {
    for pre in ["llama-bpe", "qwen2", "gpt-2", "default"] {
        let engine = byte_level(pre);
        let bos = usize::from(pre == "llama-bpe");
        for text in [
            "<|call|>",
            "<|call|>>",
            "[tool]",
            "<s>",
            "</s>",
            "<unk>",
            &"#".repeat(256),
        ] {
            for part in [
                user(text),
                user(&format!("a{text}b")),
                user(&format!(" {text} ")),
            ] {
                let prompt = tokenize(&engine, vec![part]);
                let special = |id: &u32| *id < ids::BYTE || (ids::CALL..ids::NORMAL).contains(id);
                assert!(
                    !prompt[bos..].iter().any(special),
                    "{pre} {text}: {prompt:?}"
                );
            }
            assert_eq!(
                tokenize(&engine, vec![template(text)]).len(),
                bos + 1,
                "{pre} {text}"
            );
        }
        let split = tokenize(&engine, vec![template("<|ca"), user("ll|>")]);
        assert!(!split.contains(&ids::CALL));
        let want = [
            tokenize(&engine, vec![user("a")]),
            vec![ids::CALL],
            tokenize(&engine, vec![user("b")])[bos..].to_vec(),
        ];
        assert_eq!(
            tokenize(&engine, vec![user("a"), template("<|call|>"), user("b")]),
            want.concat()
        );
    }
}

#[test]
fn prompts_may_end_with_eos() {
    for pre in [None, Some("gpt-2")] {
        let tiny = Tiny {
            pre,
            ..Tiny::default()
        };
        let mut gguf = tiny.gguf();
        let plain = tokenize(
            &Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).unwrap(),
            vec![user("a")],
        );
        gguf.set("tokenizer.ggml.add_eos_token", Value::Bool(true));
        let engine = Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).unwrap();
        assert_eq!(
            tokenize(&engine, vec![user("a")]),
            [plain, vec![ids::EOS]].concat()
        );
        let alone = prepare(&engine, vec![user("")]).map(|p| p.prompt());
        let bos = pre.is_none().then_some(ids::BOS);
        assert_eq!(alone, Ok(bos.into_iter().chain([ids::EOS]).collect()));
    }
}

/// A vocabulary without a byte gives it no id; a prompt of nothing else has none.
#[test]
fn a_prompt_of_no_ids_is_a_bad_request() {
    let tiny = Tiny {
        pre: Some("gpt-2"),
        ..Tiny::default()
    };
    let mut gguf = tiny.gguf();
    let Some((_, Value::Ints(kinds))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.token_type")
    else {
        panic!()
    };
    kinds[(ids::BYTE + u32::from(b'Z')) as usize] = 5;
    let engine = Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).unwrap();
    assert_eq!(
        tokenize(&engine, vec![user("ZaZ")]),
        [ids::BYTE + u32::from(b'a')]
    );
    for text in ["Z", "ZZZ", ""] {
        assert_eq!(
            prepare(&engine, vec![user(text)]).map(|p| p.prompt()),
            Err(ErrorCode::BadRequest),
            "{text}"
        );
    }
    let bad = vec![Part::User(vec![b'Z', 0xff])];
    assert_eq!(
        prepare(&engine, bad).map(|p| p.prompt()),
        Err(ErrorCode::NotUtf8)
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
