//! The parser: every file has a defined result, the same each time, and a refusal names what is refused.

use assay_inference::error::What;
use assay_inference::native::{Unsupported, bytes, inspect};
use assay_inference::tensors::Format;
use assay_inference::testing::{Gguf, Random, RawTensor, Tiny, Value};

fn refused(gguf: &Gguf) -> Unsupported {
    inspect(bytes(gguf.bytes())).expect_err("the file should be refused")
}

/// Refusing a change means nothing unless the unchanged file is accepted.
fn changed(change: impl FnOnce(&mut Gguf)) -> Unsupported {
    let mut gguf = Tiny::default().gguf();
    assert!(inspect(bytes(gguf.bytes())).is_ok());
    change(&mut gguf);
    refused(&gguf)
}

#[test]
fn every_format_is_read() {
    for format in Format::ALL {
        let tiny = Tiny {
            format: *format,
            tied: true,
            dim: 256,
            heads: 16,
            kv_heads: 8,
            ffn: 512,
            ..Tiny::default()
        };
        let info = inspect(tiny.model()).unwrap();
        assert_eq!(
            (info.config.dim, info.config.kv_heads, info.config.head),
            (256, 8, 16)
        );
    }
}

#[test]
fn refusals_name_what_is_unsupported() {
    type Change = fn(&mut Gguf);
    let text = |s: &str| Value::String(s.as_bytes().to_vec());
    let cases: Vec<(Change, What, &str)> = vec![
        (
            |g| {
                g.set("general.architecture", Value::String(b"mamba".to_vec()));
            },
            What::Architecture,
            "`mamba`",
        ),
        (
            |g| {
                let first = g.keys.remove(0);
                g.keys.push(first);
            },
            What::ArchitectureLate,
            "before `general.architecture`",
        ),
        (
            |g| {
                g.set("qwen2.context_length", Value::U32(8));
            },
            What::Key,
            "qwen2.context_length",
        ),
        (
            |g| {
                let mut row = g.tensor("output_norm.weight").clone();
                row.name = "blk.0.attn_q_norm.weight".into();
                g.tensors.push(row);
            },
            What::Tensor,
            "attn_q_norm",
        ),
        (
            |g| {
                let factors = [1.0f32, 2.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0];
                g.tensors.push(RawTensor {
                    name: "rope_freqs.weight".into(),
                    dims: vec![8],
                    kind: 0,
                    data: factors.iter().flat_map(|x| x.to_le_bytes()).collect(),
                });
            },
            What::RopeFactors,
            "rope_freqs.weight",
        ),
        (
            |g| {
                g.set("tokenizer.ggml.model", Value::String(b"bert".to_vec()));
            },
            What::Tokenizer,
            "`bert`",
        ),
        (
            |g| {
                g.set("tokenizer.ggml.model", Value::String(b"gpt2".to_vec()));
            },
            What::KeyMissing,
            "`tokenizer.ggml.merges` is missing",
        ),
        (
            |g| {
                g.unset("tokenizer.ggml.scores");
            },
            What::KeyMissing,
            "`tokenizer.ggml.scores` is missing",
        ),
        (
            |g| {
                g.set("llama.rope.scaling.type", Value::String(b"yarn".to_vec()));
            },
            What::RopeScaling,
            "`yarn`",
        ),
        (
            |g| {
                g.set("llama.rope.scaling.attn_factor", Value::F32(4.0));
            },
            What::RopeScaling,
            "llama.rope.scaling.attn_factor",
        ),
        (
            |g| {
                g.set("llama.embedding_length", Value::F32(64.0));
            },
            What::KeyType,
            "llama.embedding_length",
        ),
        (
            |g| {
                g.set("tokenizer.ggml.add_bos_token", Value::Raw(7, vec![2]));
            },
            What::KeyValue,
            "add_bos_token",
        ),
        (
            |g| g.keys.push(("llama.block_count".into(), Value::U32(2))),
            What::KeyTwice,
            "llama.block_count",
        ),
        (
            |g| {
                g.unset("llama.context_length");
            },
            What::KeyMissing,
            "*.context_length",
        ),
        (
            |g| {
                g.set("llama.attention.head_count_kv", Value::U32(3));
            },
            What::Dimensions,
            "dimensions",
        ),
        (
            |g| {
                g.set("llama.rope.dimension_count", Value::U32(8));
            },
            What::Dimensions,
            "dimensions",
        ),
        (
            |g| {
                g.set("llama.expert_count", Value::U32(8));
            },
            What::Dimensions,
            "dimensions",
        ),
        (
            |g| {
                g.set(
                    "llama.attention.layer_norm_rms_epsilon",
                    Value::F32(f32::NAN),
                );
            },
            What::Dimensions,
            "dimensions",
        ),
        (
            |g| {
                g.set("tokenizer.ggml.add_eos_token", Value::Bool(true))
                    .unset("tokenizer.ggml.eos_token_id");
            },
            What::Dimensions,
            "dimensions",
        ),
        (
            |g| g.tensor("blk.0.attn_q.weight").kind = 12,
            What::TensorType,
            "`blk.0.attn_q.weight` has unsupported type Q4_K",
        ),
        (
            |g| g.tensor("blk.0.attn_norm.weight").kind = 1,
            What::TensorType,
            "`blk.0.attn_norm.weight` has unsupported type F16",
        ),
        (
            |g| g.tensor("blk.1.ffn_up.weight").dims = vec![64, 95],
            What::TensorShape,
            "blk.1.ffn_up.weight",
        ),
        (
            |g| g.tensor("output_norm.weight").dims = vec![64, 1],
            What::TensorShape,
            "output_norm.weight",
        ),
        (
            |g| g.tensor("blk.1.ffn_up.weight").name = "blk.1.ffn_up.bias".into(),
            What::Tensor,
            "blk.1.ffn_up.bias",
        ),
        (
            |g| g.tensor("blk.1.ffn_up.weight").name = "blk.2.ffn_up.weight".into(),
            What::Tensor,
            "blk.2.ffn_up.weight",
        ),
        (
            |g| g.tensor("blk.1.ffn_up.weight").name = "blk.01.ffn_up.weight".into(),
            What::Tensor,
            "blk.01.ffn_up.weight",
        ),
        (
            |g| g.tensor("blk.1.ffn_up.weight").name = "blk.0.ffn_up.weight".into(),
            What::TensorTwice,
            "blk.0.ffn_up.weight",
        ),
        (
            |g| {
                g.tensors.remove(1);
            },
            What::TensorMissing,
            "`blk.0.attn_q.weight` is missing",
        ),
        (
            |g| {
                g.tensors.last_mut().unwrap().data.pop();
            },
            What::TensorRange,
            "before the data of tensor `output.weight`",
        ),
        (|g| change_kind(g, 7, 1), What::ByteMissing, "<0x04>"),
        (|g| change_kind(g, 7, 9), What::Token, "entry 7"),
        (|g| change_kind(g, 270, 6), What::Token, "entry 270"),
        (
            |g| change_score(g, 270, f32::INFINITY),
            What::Token,
            "entry 270",
        ),
        (
            |g| change_text(g, 270, vec![b'x'; 257]),
            What::Token,
            "entry 270",
        ),
    ];
    assert!(
        inspect(bytes(
            Tiny::default()
                .gguf()
                .set("llama.rope.scaling.type", text("none"))
                .bytes()
        ))
        .is_ok()
    );
    for (i, (change, what, words)) in cases.into_iter().enumerate() {
        let error = changed(change);
        assert_eq!(error.reject.what, what, "case {i}: {error}");
        assert!(error.to_string().contains(words), "case {i}: {error}");
    }
}

#[test]
fn byte_level_refusals_name_what_is_unsupported() {
    let tiny = Tiny {
        pre: Some("qwen2"),
        ..Tiny::default()
    };
    assert!(inspect(tiny.model()).is_ok());
    let merges = |text: &str| Value::Strings(vec!["a a".into(), text.into()]);
    let cases: Vec<(&str, Option<Value>, What, &str)> = vec![
        (
            "pre",
            Some(Value::String(b"gpt-4o".to_vec())),
            What::PreTokenizer,
            "`gpt-4o`",
        ),
        (
            "pre",
            Some(Value::U32(1)),
            What::KeyType,
            "tokenizer.ggml.pre",
        ),
        ("merges", None, What::KeyMissing, "tokenizer.ggml.merges"),
        (
            "merges",
            Some(Value::Ints(vec![1])),
            What::KeyType,
            "tokenizer.ggml.merges",
        ),
        ("merges", Some(merges("ab")), What::Merge, "merge 1"),
        ("merges", Some(merges("")), What::Merge, "merge 1"),
        ("merges", Some(merges(" a")), What::Merge, "merge 1"),
        ("merges", Some(merges("a ")), What::Merge, "merge 1"),
        ("merges", Some(merges("a  b")), What::Merge, "merge 1"),
        ("merges", Some(merges("a b c")), What::Merge, "merge 1"),
        // A half that is no token, a result that is none, a half and a result that are special.
        ("merges", Some(merges("a zz")), What::Merge, "merge 1"),
        ("merges", Some(merges("z z")), What::Merge, "merge 1"),
        ("merges", Some(merges("# #")), What::Merge, "merge 1"),
        ("merges", Some(merges("[tool ]")), What::Merge, "merge 1"),
        (
            "merges",
            Some(merges(&format!("a {}", "b".repeat(600)))),
            What::Merge,
            "merge 1",
        ),
        (
            "scores",
            Some(Value::Floats(vec![1.0])),
            What::Dimensions,
            "dimensions",
        ),
    ];
    for (key, value, what, words) in cases {
        let mut gguf = tiny.gguf();
        let key = format!("tokenizer.ggml.{key}");
        match value.clone() {
            Some(value) => gguf.set(&key, value),
            None => gguf.unset(&key),
        };
        let error = refused(&gguf);
        assert_eq!(error.reject.what, what, "{key} {value:?}: {error}");
        assert!(
            error.to_string().contains(words),
            "{key} {value:?}: {error}"
        );
    }
    // Text that isn't spelled byte by byte: of a normal token, not of a special one.
    for (text, ok) in [("a b", false), ("猫", false), ("Ġa", true)] {
        let mut gguf = tiny.gguf();
        change_text(&mut gguf, 300, text.into());
        gguf.set("tokenizer.ggml.merges", merges("a a"));
        assert_eq!(inspect(bytes(gguf.bytes())).is_ok(), ok, "{text}");
        change_kind(&mut gguf, 300, 3);
        assert!(inspect(bytes(gguf.bytes())).is_ok(), "{text}");
    }
    // Scores may be there, and a pre-tokenizer means nothing to SentencePiece.
    let mut gguf = tiny.gguf();
    gguf.set("tokenizer.ggml.scores", Value::Floats(vec![f32::NAN; 328]));
    assert!(inspect(bytes(gguf.bytes())).is_ok());
    let mut gguf = Tiny::default().gguf();
    gguf.set("tokenizer.ggml.pre", Value::String(b"gpt-4o".to_vec()));
    assert!(inspect(bytes(gguf.bytes())).is_ok());
}

fn change_kind(gguf: &mut Gguf, id: usize, kind: i32) {
    let Some((_, Value::Ints(kinds))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.token_type")
    else {
        panic!()
    };
    kinds[id] = kind;
}

fn change_score(gguf: &mut Gguf, id: usize, score: f32) {
    let Some((_, Value::Floats(scores))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.scores")
    else {
        panic!()
    };
    scores[id] = score;
}

fn change_text(gguf: &mut Gguf, id: usize, text: Vec<u8>) {
    let Some((_, Value::Strings(texts))) = gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.tokens")
    else {
        panic!()
    };
    texts[id] = text;
}

#[test]
fn colliding_hashes_are_refused_not_slow() {
    // A vocabulary whose entries all share one hash would make each lookup walk them all. FNV-1a collides on pairs of
    // blocks that are easy to find for one byte class: equal texts don't count, so search for real collisions.
    let mut seen = std::collections::HashMap::new();
    let mut random = Random(5);
    let mut colliding = Vec::new();
    while colliding.is_empty() {
        let text: Vec<u8> = (0..6).map(|_| random.below(256) as u8).collect();
        let hash = text.iter().fold(0x811c_9dc5u32, |h, b| {
            (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
        });
        if let Some(other) = seen.insert(hash, text.clone())
            && other != text
        {
            colliding.push((other, text));
        }
    }
    // FNV-1a has no finish before the mix: whatever follows two colliding texts collides too, and so does what precedes.
    let (a, b) = colliding.remove(0);
    let mut gguf = Tiny::default().gguf();
    let tail = |text: &[u8], n: usize| [text, &vec![b'q'; n]].concat();
    (0..3).for_each(|n| {
        change_text(&mut gguf, 270 + 2 * n, tail(&a, n));
        change_text(&mut gguf, 271 + 2 * n, tail(&b, n));
    });
    assert!(inspect(bytes(gguf.bytes())).is_ok(), "pairs are chance");
    // Four texts of one hash: two colliding blocks after one another, each in two ways, where the first block's state agrees.
    let second = |start: u32| {
        let mut seen = std::collections::HashMap::new();
        let mut random = Random(9);
        loop {
            let text: Vec<u8> = (0..6).map(|_| random.below(256) as u8).collect();
            let hash = text
                .iter()
                .fold(start, |h, b| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193));
            if let Some(other) = seen.insert(hash, text.clone())
                && other != text
            {
                return (other, text);
            }
        }
    };
    let state = a.iter().fold(0x811c_9dc5u32, |h, byte| {
        (h ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let (c, d) = second(state);
    for (i, (x, y)) in [(&a, &c), (&a, &d), (&b, &c), (&b, &d)]
        .into_iter()
        .enumerate()
    {
        change_text(&mut gguf, 280 + i, [&x[..], &y[..]].concat());
    }
    assert_eq!(refused(&gguf).reject.what, What::Token);
}

#[test]
fn truncated_files_are_refused() {
    let file = Tiny {
        layers: 1,
        pre: Some("qwen2"),
        ..Tiny::default()
    }
    .gguf()
    .bytes();
    assert!(inspect(bytes(file.clone())).is_ok());
    for len in (0..file.len())
        .step_by(7)
        .chain(0..200)
        .chain(file.len() - 100..file.len())
    {
        let result = inspect(bytes(file[..len].to_vec()));
        assert!(result.is_err(), "{len} of {} bytes", file.len());
    }
}

#[test]
fn mutated_files_have_one_result() {
    for pre in [None, Some("llama-bpe")] {
        let tiny = Tiny {
            layers: 1,
            pre,
            ..Tiny::default()
        };
        mutate(&tiny.gguf().bytes());
    }
}

fn mutate(file: &[u8]) {
    let mut random = Random(11);
    let header = file.len() as u64 / 3;
    let (mut good, mut bad) = (0, 0);
    for _ in 0..2000 {
        let mut mutated = file.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(header) as usize;
            mutated[at] = match random.below(4) {
                0 => 0xff,
                1 => 0,
                2 => mutated[at] ^ (1 << random.below(8)),
                _ => random.bits() as u8,
            };
        }
        let first = inspect(bytes(mutated.clone()));
        assert_eq!(first, inspect(bytes(mutated)));
        *if first.is_ok() { &mut good } else { &mut bad } += 1;
    }
    assert!(good > 100 && bad > 100, "{good} accepted, {bad} refused");
}

#[test]
fn huge_counts_and_lengths_do_not_overflow() {
    let gguf = Tiny::default().gguf();
    for (what, at) in [("tensors", 8), ("keys", 16), ("first key's length", 24)] {
        for value in [u64::MAX, u64::MAX - 8, 1 << 63, 1 << 32, (1 << 32) + 1] {
            let mut file = gguf.bytes();
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert!(inspect(bytes(file)).is_err(), "{what} {value}");
        }
    }
    for count in [u64::MAX, u64::MAX / 4 + 1, 1 << 61, 1 << 40] {
        for element in [0u32, 5, 8, 9, 12] {
            let array = [&element.to_le_bytes()[..], &count.to_le_bytes()].concat();
            let error = changed(|g| {
                g.keys
                    .insert(0, ("general.tags".into(), Value::Raw(9, array)))
            });
            assert!(
                matches!(error.reject.what, What::Truncated | What::KeyType),
                "{error}"
            );
        }
    }
}
