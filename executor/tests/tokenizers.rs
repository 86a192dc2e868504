//! The program's tokenizers give llama.cpp's ids, on trained vocabularies with each pre-tokenizer's setting.
//!
//! `ASSAY_TOKENIZER_STRINGS=100000 cargo test --release -p assay-executor --test tokenizers -- --nocapture` compares as many strings
//! a tokenizer, and every code point; without it 2,000 strings and one code point of 101.

use assay_inference::native::{Engine, bytes};
use assay_inference::testing::train::{Recipe, SPECIALS, corpus};
use assay_inference::testing::{Gguf, Random, Value};
use assay_types::output::ErrorCode;
use assay_types::request::Part;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| {
    let mut backend = LlamaBackend::init().expect("the first of this process");
    backend.void_logs();
    backend
});

/// Makes a prompt's part of some bytes.
type MakePart = fn(Vec<u8>) -> Part;

/// One vocabulary in both implementations.
struct Both {
    name: String,
    program: Engine,
    llama: LlamaModel,
    /// The same vocabulary with nothing in it that is special: what user text is to be.
    plain: LlamaModel,
    /// Ids of [`SPECIALS`]' texts.
    special: Vec<Option<u32>>,
    adds: (bool, bool),
    ends: (u32, u32),
}

fn llama(gguf: &Gguf) -> LlamaModel {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(&gguf.bytes()).expect("room for it");
    let params = LlamaModelParams::default().with_vocab_only(true);
    LlamaModel::load_from_file(&BACKEND, file.path(), &params).expect("llama.cpp loads it")
}

fn texts(gguf: &mut Gguf) -> &mut Vec<Vec<u8>> {
    match gguf
        .keys
        .iter_mut()
        .find(|k| k.0 == "tokenizer.ggml.tokens")
    {
        Some((_, Value::Strings(texts))) => texts,
        _ => panic!("a vocabulary"),
    }
}

impl Both {
    fn new(recipe: &Recipe) -> Both {
        let mut gguf = recipe.gguf();
        let program =
            Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).expect("the program loads it");
        let model = llama(&gguf);
        let ids = [model.vocab().bos(), model.vocab().eos()].map(|t| t.0 as u32);
        let adds = (
            model.vocab().should_add_bos(),
            model.vocab().should_add_eos(),
        );
        let find =
            |text: &str, gguf: &mut Gguf| texts(gguf).iter().position(|t| t == text.as_bytes());
        let special: Vec<Option<u32>> = SPECIALS
            .iter()
            .map(|(text, _)| find(text, &mut gguf).map(|id| id as u32))
            .collect();
        // No text has these spellings: a vocabulary's spaces are spelled otherwise.
        for (i, id) in special.iter().enumerate() {
            if let Some(id) = id {
                texts(&mut gguf)[*id as usize] = format!("no text {i}").into_bytes();
            }
        }
        Both {
            name: format!("{:?}", recipe.pre.unwrap_or("SentencePiece")),
            program,
            plain: llama(&gguf),
            llama: model,
            special,
            adds,
            ends: (ids[0], ids[1]),
        }
    }

    fn program(&self, parts: Vec<Part>) -> Vec<u32> {
        match self.program.tokenize(parts) {
            Ok(ids) => ids,
            // No ids at all.
            Err(ErrorCode::BadRequest) => Vec::new(),
            Err(code) => panic!("{code:?}"),
        }
    }

    /// Text in a template part, in a user part, and around a special token.
    fn compare(&self, text: &[u8]) {
        let shown = String::from_utf8_lossy(text);
        let name = &self.name;
        let template = self.program(vec![Part::Template(text.to_vec())]);
        assert_eq!(
            template,
            ids(&self.llama, text, true),
            "{name}, template part {shown:?} {text:?}"
        );
        let user = self.program(vec![Part::User(text.to_vec())]);
        let plain = ids(&self.plain, text, true);
        assert_eq!(user, plain, "{name}, user part {shown:?} {text:?}");
        // [S]
        let special = |id: &u32| self.special.contains(&Some(*id));
        let text_ids = &user[usize::from(self.adds.0)..user.len() - usize::from(self.adds.1)];
        assert!(
            !text_ids.iter().any(special),
            "{name}, {shown:?} forms a special token"
        );
    }

    /// Many strings in one prompt, a special token after each: in template parts, then in user parts.
    fn compare_many(&self, texts: &[Vec<u8>]) {
        let sep = Part::Template(b"<|sep|>".to_vec());
        let sep_id = self.special[2].expect("every recipe has it");
        let kinds: [(MakePart, &LlamaModel); 2] =
            [(Part::Template, &self.llama), (Part::User, &self.plain)];
        for (part, model) in kinds {
            let parts = texts
                .iter()
                .flat_map(|text| [part(text.clone()), sep.clone()]);
            let mut expected: Vec<u32> = self.adds.0.then_some(self.ends.0).into_iter().collect();
            for text in texts {
                expected.extend(ids(model, text, false));
                expected.push(sep_id);
            }
            expected.extend(self.adds.1.then_some(self.ends.1));
            if self.program(parts.collect()) != expected {
                texts.iter().for_each(|text| self.compare(text));
                panic!("{}: strings differ together only: {texts:?}", self.name);
            }
        }
    }

    /// User text between special tokens of a template, of which it may spell some itself.
    fn compare_mixed(&self, first: &[u8], second: &[u8]) {
        let (Some(begin), Some(sep)) = (self.special[0].or(self.special[3]), self.special[2])
        else {
            panic!("every recipe has them")
        };
        let begin_text = if self.special[0].is_some() {
            SPECIALS[0].0
        } else {
            SPECIALS[3].0
        };
        let template = |text: &str| Part::Template(text.as_bytes().to_vec());
        let parts = vec![
            template(begin_text),
            Part::User(first.to_vec()),
            template("<|sep|>"),
            Part::User(second.to_vec()),
        ];
        let mut expected: Vec<u32> = self.adds.0.then_some(self.ends.0).into_iter().collect();
        expected.push(begin);
        expected.extend(ids(&self.plain, first, false));
        expected.push(sep);
        expected.extend(ids(&self.plain, second, false));
        expected.extend(self.adds.1.then_some(self.ends.1));
        assert_eq!(
            self.program(parts),
            expected,
            "{}, {first:?} {second:?}",
            self.name
        );
    }

    /// What every token spells.
    fn compare_pieces(&self) {
        let mut spelling = 0;
        for id in 0..self.llama.n_vocab() {
            let piece = self.program.piece(id as u32);
            let expected = self
                .llama
                .vocab()
                .token_to_piece(LlamaToken(id), false, None);
            assert_eq!(piece, expected, "{}, token {id}", self.name);
            spelling += usize::from(!piece.is_empty());
        }
        assert!(spelling > 1000);
    }
}

/// llama.cpp's ids; special tokens are formed where the model has some.
fn ids(model: &LlamaModel, text: &[u8], ends: bool) -> Vec<u32> {
    let ids = model.vocab().tokenize(text, ends, true);
    ids.into_iter().map(|t| t.0 as u32).collect()
}

/// What strings are made of.
struct Strings {
    random: Random,
    corpus: Vec<u8>,
}

const WORDS: &str = "'s|'S|'t|'RE|'re|'Ve|'ll|'lL|'m|'D|'x|''s|123|4|56789|١٢٣|１２|²|Ⅷ|½|0x7f|a1b2| 1| 12345|\
    \n|\r\n|\r|\t| |  |   |\u{a0}|\u{3000}|\u{85}|\u{2028}|\u{200b}|\u{feff}|\u{0}|\u{1c}|.|..|!?|---|+=|<|>|`|``|~|^|_|$|€|£|«|»|—|‘|’|\
    hello|the|The| cat| don|I|é|e\u{301}|ñ|ß|Ж|дом| мир|中|文字| 漢字|かな|한국어|ไทย|नमस्ते|שלום|مرحبا|👍|🏽|👨\u{200d}👩\u{200d}👧|🇩🇪|❤\u{fe0f}|\
    \u{1f9ff}|\u{10ffff}|\u{e000}|\u{fffd}|\u{378}|\u{31350}|\u{2ebf0}|\u{1e030}|\u{10d40}|▁|Ġ|Ċ|Ā|{|}|(|)|;|//|/*|*/|==|!=|->|::|return|fn|let";

impl Strings {
    fn new(seed: u64) -> Strings {
        Strings {
            random: Random(seed),
            corpus: corpus().into_bytes(),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.below(end as u64) as usize
    }

    fn char(&mut self) -> char {
        // Most of what is assigned lies low.
        let end = [0x80, 0x250, 0x3000, 0x1_0000, 0x2_0000, 0x11_0000][self.below(6)];
        char::from_u32(self.below(end) as u32).unwrap_or(' ')
    }

    fn next(&mut self) -> Vec<u8> {
        let len = match self.below(40) {
            0 => self.below(1500),
            1..10 => self.below(8),
            _ => self.below(48),
        };
        let words: Vec<&str> = WORDS.split('|').collect();
        let mut text = String::new();
        match self.below(9) {
            0 => text.extend((0..len).map(|_| self.char())),
            1 => {
                let spaces = [
                    "  ", " ", " ", "\n", "\t", "\r", "\u{3000}", "\u{a0}", "a", "1", "!", "é",
                ];
                text.extend((0..len).map(|_| spaces[self.below(spaces.len())]));
            }
            2 => {
                let at = self.below(self.corpus.len() - len);
                return self.corpus[at..at + len].to_vec();
            }
            3 => {
                for _ in 0..len / 4 {
                    let special = SPECIALS[self.below(SPECIALS.len())].0;
                    let cut = (0..=special.len())
                        .filter(|i| special.is_char_boundary(*i))
                        .collect::<Vec<_>>();
                    // Whole ones, and pieces that overlap.
                    match self.below(4) {
                        0 => text.push_str(&special[..cut[self.below(cut.len())]]),
                        1 => text.push_str(&special[cut[self.below(cut.len())]..]),
                        _ => text.push_str(special),
                    }
                    if self.below(3) == 0 {
                        text.push_str(words[self.below(words.len())]);
                    }
                }
            }
            4 => {
                let few = ["a", "b", "#", "c", "d", "e", "f", "g", "é"];
                text.extend((0..len).map(|_| few[self.below(few.len())]));
            }
            5 => {
                let bytes = (0..len).map(|_| self.random.bits() as u8).collect();
                return decodable(bytes);
            }
            6 => {
                text.extend((0..len / 3).map(|_| words[self.below(words.len())]));
                let mut bytes = text.into_bytes();
                for _ in 0..=len / 8 {
                    if !bytes.is_empty() {
                        let at = self.below(bytes.len());
                        bytes[at] = [0x80, 0xbf, 0xc0, 0xe2, 0xed, 0xf0, 0xff, b' '][self.below(8)];
                        bytes.truncate(bytes.len() - self.below(2));
                    }
                }
                return decodable(bytes);
            }
            _ => text.extend((0..=len / 3).map(|_| words[self.below(words.len())])),
        }
        text.into_bytes()
    }
}

/// Without what llama.cpp throws at: four bytes beyond the last code point.
fn decodable(mut bytes: Vec<u8>) -> Vec<u8> {
    for i in 0..bytes.len() {
        let beyond = bytes[i] == 0xf4 && bytes.get(i + 1).is_some_and(|b| (0x90..0xc0).contains(b));
        if beyond || (0xf5..0xf8).contains(&bytes[i]) {
            bytes[i] = b'?';
        }
    }
    bytes
}

/// How many strings, and whether all code points.
fn extent() -> (usize, bool) {
    match std::env::var("ASSAY_TOKENIZER_STRINGS") {
        Ok(count) => (count.parse().expect("a number"), true),
        Err(_) => (2000, false),
    }
}

/// Strings in one prompt: two parts each, of 64.
const BATCH: usize = 32;

fn compare_all(recipe: &Recipe, seed: u64) {
    let both = Both::new(recipe);
    let (count, every) = extent();
    both.compare_pieces();
    let mut strings = Strings::new(seed);
    let mut total = 0;
    for first in (0..count).step_by(BATCH) {
        let batch: Vec<Vec<u8>> = (first..count.min(first + BATCH))
            .map(|_| strings.next())
            .collect();
        both.compare_many(&batch);
        // Some as whole prompts, and between special tokens that they may spell themselves.
        batch.iter().step_by(10).for_each(|text| both.compare(text));
        both.compare_mixed(&batch[0], &batch[batch.len() - 1]);
        total += batch.iter().map(Vec::len).sum::<usize>();
    }
    let points = compare_points(&both, if every { 1 } else { 101 });
    println!(
        "{}: {count} strings of {total} bytes and {points} code points alone and between letters: the same ids",
        both.name
    );
}

/// Code points by themselves, between letters, and before and after spaces and digits, many in one template: a special token
/// parts them.
fn compare_points(both: &Both, step: usize) -> usize {
    let points: Vec<char> = (0..=0x10_ffff)
        .filter_map(char::from_u32)
        .enumerate()
        .filter(|(i, c)| i % step == 0 || u32::from(*c) < 0x100)
        .map(|(_, c)| c)
        .collect();
    for chunk in points.chunks(500) {
        let text: String = chunk
            .iter()
            .map(|c| format!("{c}<|sep|>a{c}b<|sep|> {c} <|sep|>{c}{c}1<|sep|>"))
            .collect();
        let program = both.program(vec![Part::Template(text.clone().into_bytes())]);
        let expected = ids(&both.llama, text.as_bytes(), true);
        if program != expected {
            chunk
                .iter()
                .for_each(|c| both.compare(format!("{c}").as_bytes()));
            chunk
                .iter()
                .for_each(|c| both.compare(format!("a{c}b").as_bytes()));
            chunk
                .iter()
                .for_each(|c| both.compare(format!(" {c} ").as_bytes()));
            chunk
                .iter()
                .for_each(|c| both.compare(format!("{c}{c}1").as_bytes()));
            panic!("{}: {:?}.. differ together", both.name, chunk[0]);
        }
    }
    points.len()
}

fn lacking(pre: &'static str) -> Recipe {
    Recipe {
        missing: [b"~Q".to_vec(), (0xf1..=0xff).collect(), vec![0x80, 0xad]].concat(),
        ..Recipe::new(Some(pre))
    }
}

#[test]
fn sentence_piece_is_llama_cpps() {
    compare_all(&Recipe::new(None), 1);
}

#[test]
fn llama_bpe_is_llama_cpps() {
    compare_all(&Recipe::new(Some("llama-bpe")), 2);
}

#[test]
fn qwen2_is_llama_cpps() {
    compare_all(&Recipe::new(Some("qwen2")), 3);
}

#[test]
fn gpt_2_is_llama_cpps() {
    let recipe = Recipe {
        add: Some((true, true)),
        ..Recipe::new(Some("gpt-2"))
    };
    compare_all(&recipe, 4);
}

#[test]
fn default_is_llama_cpps() {
    compare_all(&Recipe::new(Some("default")), 5);
}

/// Bytes that the vocabulary lacks are left out.
#[test]
fn a_byte_level_vocabulary_may_lack_bytes() {
    for (pre, seed) in [("llama-bpe", 6), ("gpt-2", 7)] {
        compare_all(&lacking(pre), seed);
    }
}

/// A file that names no pre-tokenizer, and other names of the same rules.
#[test]
fn names_mean_what_they_mean_to_llama_cpp() {
    let (count, _) = extent();
    let mut gguf = Recipe::new(Some("gpt-2")).gguf();
    for name in assay_inference::pre::NAMES
        .iter()
        .map(|name| Some(*name))
        .chain([None])
    {
        match name {
            Some(name) => gguf.set("tokenizer.ggml.pre", Value::String(name.to_vec())),
            None => gguf.unset("tokenizer.ggml.pre"),
        };
        let program = Engine::load(bytes(gguf.bytes()), NonZeroUsize::MIN).expect("a known name");
        let model = llama(&gguf);
        let mut strings = Strings::new(8);
        for _ in 0..count / 20 {
            let text = strings.next();
            let ours = program
                .tokenize(vec![Part::Template(text.clone())])
                .unwrap_or_default();
            let shown = name.map(String::from_utf8_lossy);
            assert_eq!(ours, ids(&model, &text, true), "{shown:?}: {text:?}");
        }
    }
}

/// 64 KiB without a place to cut.
#[test]
fn the_longest_runs_are_llama_cpps() {
    let long = |unit: &str| unit.repeat(65_000 / unit.len()).into_bytes();
    let units = [
        "a", "the", " ", "\n", "ab", "1", "é", "中", "!", "\u{301}", "👍", "<|sep|>", "ab#c",
        "cdef",
    ];
    for pre in [None, Some("llama-bpe"), Some("qwen2"), Some("gpt-2")] {
        let both = Both::new(&Recipe::new(pre));
        for unit in units {
            let text = long(unit);
            let template = both.program(vec![Part::Template(text.clone())]);
            let user = both.program(vec![Part::User(text.clone())]);
            assert!(
                user == ids(&both.plain, &text, true),
                "{}: {unit:?}",
                both.name
            );
            // llama.cpp's way of cutting special tokens out takes time in the square of their number.
            let text = &text[..2000 / unit.len() * unit.len()];
            let template_start = both.program(vec![Part::Template(text.to_vec())]);
            assert_eq!(
                template_start,
                ids(&both.llama, text, true),
                "{}: {unit:?}",
                both.name
            );
            assert!(template.len() >= template_start.len());
        }
    }
}
