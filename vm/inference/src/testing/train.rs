//! Small vocabularies trained on this repository's text, one for each tokenizer and pre-tokenizer: what real ones look like, with
//! every oddity that a vocabulary can have. `examples/train_vocabulary.rs` writes them to files.

use super::{Gguf, RawTensor, Tiny, Value, encode, norm};
use crate::pre::{Cut, NAMES, PRES};
use crate::tensors::Format;
use crate::unicode::{encode as utf8, spell};
use crate::words::words;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// Text beside the repository's own, which is nearly all English.
pub const SAMPLES: &str = include_str!("samples.txt");

/// Files that the trainer reads, from the workspace's root.
const FILES: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/encoding.md",
    "vm/inference/NUMERICS.md",
    "vm/inference/src/vocab.rs",
    "contracts/src/interfaces/Types.sol",
];

/// A vocabulary to train.
#[derive(Clone, PartialEq, Debug)]
pub struct Recipe {
    /// Name of the pre-tokenizer; `None` for SentencePiece.
    pub pre: Option<&'static str>,
    /// Merges to learn.
    pub merges: usize,
    /// Bytes that a byte-level vocabulary is to lack.
    pub missing: Vec<u8>,
    /// Prompts begin and end with these: `bos` where it isn't the default, and `eos`.
    pub add: Option<(bool, bool)>,
}

/// Special tokens of every trained vocabulary: text and GGUF's type. The first two are `bos` and `eos`.
pub const SPECIALS: [(&str, i32); 11] = [
    ("<|begin|>", 3),
    ("<|stop|>", 3),
    ("<|sep|>", 3),
    ("<|sep|>>", 3),
    ("<unk>", 2),
    ("[tool]", 4),
    ("  \n", 4),
    // Found where others are: which one is formed is a matter of order.
    ("ab#c", 3),
    ("#cde", 3),
    ("cdefg", 4),
    ("éa", 3),
];

/// The text that vocabularies are trained on.
pub fn corpus() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = FILES
        .map(|file| std::fs::read_to_string(root.join(file)).expect("a file of the repository"));
    files.concat() + &SAMPLES.repeat(8)
}

/// What training gives: the texts of tokens, and which two became which.
struct Learned {
    pieces: Vec<Vec<u8>>,
    merges: Vec<(usize, usize)>,
}

/// Learns the most frequent pairs of the counted words, each a list of first pieces; of equally frequent ones the first.
fn learn(mut words: Vec<(Vec<usize>, u64)>, pieces: Vec<Vec<u8>>, count: usize) -> Learned {
    let mut learned = Learned {
        pieces,
        merges: Vec::new(),
    };
    let mut known: HashMap<Vec<u8>, usize> = learned
        .pieces
        .iter()
        .cloned()
        .enumerate()
        .map(|(i, p)| (p, i))
        .collect();
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut places: HashMap<(usize, usize), BTreeSet<usize>> = HashMap::new();
    for (i, (word, n)) in words.iter().enumerate() {
        for pair in word.windows(2).map(|p| (p[0], p[1])) {
            *counts.entry(pair).or_default() += n;
            places.entry(pair).or_default().insert(i);
        }
    }
    let mut done = BTreeSet::new();
    while learned.merges.len() < count {
        let fresh = counts
            .iter()
            .filter(|(pair, n)| **n > 1 && !done.contains(*pair));
        let Some((pair, _)) = fresh.max_by_key(|(pair, n)| (**n, std::cmp::Reverse(**pair))) else {
            break;
        };
        let pair = *pair;
        done.insert(pair);
        let text = [&learned.pieces[pair.0][..], &learned.pieces[pair.1]].concat();
        let into = *known.entry(text.clone()).or_insert(learned.pieces.len());
        if into == learned.pieces.len() {
            learned.pieces.push(text);
        }
        learned.merges.push(pair);
        for i in places.get(&pair).cloned().unwrap_or_default() {
            let (word, n) = &mut words[i];
            for old in word.windows(2).map(|p| (p[0], p[1])) {
                *counts.entry(old).or_default() -= *n;
            }
            let mut j = 0;
            while j + 1 < word.len() {
                if (word[j], word[j + 1]) == pair {
                    word[j] = into;
                    word.remove(j + 1);
                }
                j += 1;
            }
            for new in word.windows(2).map(|p| (p[0], p[1])) {
                *counts.entry(new).or_default() += *n;
                places.entry(new).or_default().insert(i);
            }
        }
    }
    learned
}

fn counted<'a>(words: impl Iterator<Item = &'a [u8]>) -> BTreeMap<&'a [u8], u64> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

impl Recipe {
    /// A vocabulary of some thousand entries.
    pub fn new(pre: Option<&'static str>) -> Recipe {
        Recipe {
            pre,
            merges: 2400,
            missing: Vec::new(),
            add: None,
        }
    }

    /// The smallest model with that vocabulary.
    pub fn gguf(&self) -> Gguf {
        let tiny = Tiny {
            dim: 32,
            layers: 1,
            heads: 1,
            kv_heads: 1,
            ffn: 32,
            context: 1 << 20,
            tied: true,
            ..Tiny::default()
        };
        let mut gguf = tiny.gguf();
        let count = match self.pre {
            Some(pre) => self.byte_level(&mut gguf, pre),
            None => self.sentence_piece(&mut gguf),
        };
        if let Some((bos, eos)) = self.add {
            gguf.set("tokenizer.ggml.add_bos_token", Value::Bool(bos));
            gguf.set("tokenizer.ggml.add_eos_token", Value::Bool(eos));
        }
        *gguf.tensor("token_embd.weight") = RawTensor {
            name: "token_embd.weight".into(),
            dims: vec![32, u64::from(count)],
            kind: Format::Q8_0 as u32,
            data: encode(Format::Q8_0, &vec![0.0; 32 * count as usize]),
        };
        norm(&mut gguf, "output_norm.weight", 32);
        gguf.tensors.dedup_by(|a, b| a.name == b.name);
        gguf
    }

    fn sentence_piece(&self, gguf: &mut Gguf) -> u32 {
        let text = corpus().replace(' ', "▁");
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut index = HashMap::new();
        for c in text.chars().filter(|c| *c != '\n' && *c != '\t') {
            index.entry(c).or_insert_with(|| {
                pieces.push(c.to_string().into_bytes());
                pieces.len() - 1
            });
        }
        // Words begin at a space; tokens may hold several, as those of real vocabularies do.
        let lines = text
            .split(['\n', '\t'])
            .flat_map(|line| line.split_inclusive('▁'));
        let words = counted(lines.map(str::as_bytes))
            .into_iter()
            .filter_map(|(word, n)| {
                let word = str::from_utf8(word).ok()?;
                Some((word.chars().map(|c| index[&c]).collect(), n))
            });
        let learned = learn(words.collect(), pieces, self.merges);
        let mut tokens: Vec<(Vec<u8>, f32, i32)> = vec![
            (b"<unk>".to_vec(), 0.0, 2),
            (b"<s>".to_vec(), 0.0, 3),
            (b"</s>".to_vec(), 0.0, 3),
        ];
        tokens.extend((0..256).map(|b| (format!("<0x{b:02X}>").into_bytes(), 0.0, 6)));
        // Some scores are equal: then the leftmost pair goes first.
        let scores = learned
            .pieces
            .iter()
            .enumerate()
            .map(|(i, _)| -((i / 3) as f32));
        tokens.extend(
            learned
                .pieces
                .iter()
                .cloned()
                .zip(scores)
                .map(|(text, score)| (text, score, 1)),
        );
        let specials = SPECIALS.iter().filter(|(text, _)| *text != "<unk>");
        tokens.extend(specials.map(|(text, kind)| (text.as_bytes().to_vec(), 0.0, *kind)));
        gguf.set(
            "tokenizer.ggml.scores",
            Value::Floats(tokens.iter().map(|t| t.1).collect()),
        );
        set_tokens(
            gguf,
            tokens
                .into_iter()
                .map(|(text, _, kind)| (text, kind))
                .collect(),
        )
    }

    fn byte_level(&self, gguf: &mut Gguf, pre: &str) -> u32 {
        let text = corpus();
        let at = NAMES
            .iter()
            .position(|name| *name == pre.as_bytes())
            .expect("a known name");
        let bytes: Vec<u8> = (0..=255).filter(|b| !self.missing.contains(b)).collect();
        let index = |b: &u8| bytes.iter().position(|known| known == b);
        let counts = counted(words(text.as_bytes(), PRES[at].cut).into_iter());
        let words = counts.iter().filter_map(|(word, n)| {
            let word: Option<Vec<usize>> = word.iter().map(index).collect();
            Some((word?, *n))
        });
        let learned = learn(
            words.collect(),
            bytes.iter().map(|b| vec![*b]).collect(),
            self.merges,
        );
        let mut merges: Vec<Vec<u8>> = learned
            .merges
            .iter()
            .map(|(a, b)| [spelled(&learned.pieces[*a]), spelled(&learned.pieces[*b])].join(&b' '))
            .collect();
        // Pairs that come again count where they came first; other ways to a token have their own ranks.
        let again: Vec<Vec<u8>> = merges.iter().step_by(7).cloned().collect();
        merges.splice(merges.len() / 2..merges.len() / 2, again);
        let known: BTreeSet<&Vec<u8>> = learned.pieces.iter().collect();
        for piece in learned.pieces.iter().filter(|p| p.len() > 2).step_by(3) {
            for cut in 1..piece.len() {
                let (a, b) = piece.split_at(cut);
                if known.contains(&a.to_vec()) && known.contains(&b.to_vec()) {
                    merges.push([spelled(a), spelled(b)].join(&b' '));
                }
            }
        }
        // Words that no merge leads to: only `ignore_merges` forms them.
        let whole = counts.iter().filter(|(word, n)| {
            **n > 1 && word.len() > 4 && word.len() < 100 && !known.contains(&word.to_vec())
        });
        let mut tokens: Vec<(Vec<u8>, i32)> = whole
            .take(300)
            .map(|(word, _)| (spelled(word), 1))
            .collect();
        tokens.extend(learned.pieces.iter().map(|piece| (spelled(piece), 1)));
        let specials = SPECIALS
            .iter()
            .map(|(text, kind)| (text.as_bytes().to_vec(), *kind));
        let first = tokens.len() as u32;
        tokens.extend(specials);
        gguf.unset("tokenizer.ggml.scores");
        gguf.set("tokenizer.ggml.model", Value::String(b"gpt2".to_vec()));
        gguf.set("tokenizer.ggml.pre", Value::String(pre.into()));
        gguf.set("tokenizer.ggml.merges", Value::Strings(merges));
        gguf.set("tokenizer.ggml.bos_token_id", Value::U32(first));
        gguf.set("tokenizer.ggml.eos_token_id", Value::U32(first + 1));
        gguf.set("tokenizer.ggml.unknown_token_id", Value::U32(first + 4));
        set_tokens(gguf, tokens)
    }
}

fn set_tokens(gguf: &mut Gguf, tokens: Vec<(Vec<u8>, i32)>) -> u32 {
    let count = tokens.len() as u32;
    let (texts, kinds): (Vec<_>, Vec<_>) = tokens.into_iter().unzip();
    gguf.set("tokenizer.ggml.tokens", Value::Strings(texts));
    gguf.set("tokenizer.ggml.token_type", Value::Ints(kinds));
    count
}

/// Bytes as a byte-level vocabulary spells them.
pub fn spelled(bytes: &[u8]) -> Vec<u8> {
    let chars = bytes.iter().map(|b| utf8(spell(*b)));
    chars
        .flat_map(|(text, len)| text.into_iter().take(len as usize))
        .collect()
}

/// The way a pre-tokenizer cuts.
pub fn cut_of(pre: &str) -> Option<Cut> {
    let at = NAMES.iter().position(|name| *name == pre.as_bytes())?;
    Some(PRES[at].cut)
}
