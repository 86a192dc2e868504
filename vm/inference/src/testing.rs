//! Small GGUF files for tests: a writer for any file, and seeded random llama models that run in milliseconds.

mod encode;
pub mod train;

pub use encode::encode;

use crate::native::{Bytes, bytes};
use crate::tensors::Format;
use assay_types::request::{Payload, RomHeader};
use assay_types::{Hash, ModelId, Tolerance};
use train::spelled;

/// A metadata value.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    String(Vec<u8>),
    Strings(Vec<Vec<u8>>),
    Floats(Vec<f32>),
    Ints(Vec<i32>),
    /// Type number and the bytes after it.
    Raw(u32, Vec<u8>),
}

/// A tensor: name, dimensions (columns first), type number, bytes.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct RawTensor {
    pub name: String,
    pub dims: Vec<u64>,
    pub kind: u32,
    pub data: Vec<u8>,
}

/// A GGUF file to be written.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Gguf {
    /// Metadata, in order.
    pub keys: Vec<(String, Value)>,
    /// Tensors, in order.
    pub tensors: Vec<RawTensor>,
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        let string = |out: &mut Vec<u8>, s: &[u8]| {
            out.extend((s.len() as u64).to_le_bytes());
            out.extend(s);
        };
        let array = |out: &mut Vec<u8>, kind: u32, count: usize| {
            out.extend(9u32.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend((count as u64).to_le_bytes());
        };
        match self {
            Value::U32(v) => out.extend([4, *v].iter().flat_map(|n| n.to_le_bytes())),
            Value::F32(v) => out.extend([6, v.to_bits()].iter().flat_map(|n| n.to_le_bytes())),
            Value::Bool(v) => {
                out.extend(7u32.to_le_bytes());
                out.push(u8::from(*v));
            }
            Value::String(s) => {
                out.extend(8u32.to_le_bytes());
                string(out, s);
            }
            Value::Strings(all) => {
                array(out, 8, all.len());
                all.iter().for_each(|s| string(out, s));
            }
            Value::Floats(all) => {
                array(out, 6, all.len());
                out.extend(all.iter().flat_map(|v| v.to_le_bytes()));
            }
            Value::Ints(all) => {
                array(out, 5, all.len());
                out.extend(all.iter().flat_map(|v| v.to_le_bytes()));
            }
            Value::Raw(kind, bytes) => {
                out.extend(kind.to_le_bytes());
                out.extend(bytes);
            }
        }
    }
}

impl Gguf {
    /// Sets a key, or adds it.
    pub fn set(&mut self, key: &str, value: Value) -> &mut Gguf {
        match self.keys.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.keys.push((key.into(), value)),
        }
        self
    }

    /// Removes a key.
    pub fn unset(&mut self, key: &str) -> &mut Gguf {
        self.keys.retain(|(k, _)| k != key);
        self
    }

    /// The tensor of that name. Panics if there is none.
    pub fn tensor(&mut self, name: &str) -> &mut RawTensor {
        match self.tensors.iter_mut().find(|t| t.name == name) {
            Some(tensor) => tensor,
            None => panic!("no tensor {name}"),
        }
    }

    /// The file, with an alignment of 32.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            out.extend((key.len() as u64).to_le_bytes());
            out.extend(key.as_bytes());
            value.write(&mut out);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            out.extend((tensor.name.len() as u64).to_le_bytes());
            out.extend(tensor.name.as_bytes());
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset += tensor.data.len().next_multiple_of(32);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(&tensor.data);
        }
        out
    }
}

/// Dimensions of a random model.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub struct Tiny {
    pub seed: u64,
    pub dim: u32,
    pub layers: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub ffn: u32,
    pub context: u32,
    /// Type of every matrix.
    pub format: Format,
    /// Whether logits come from the embedding.
    pub tied: bool,
    /// `llama`, `qwen2` (has biases) or `qwen3` (has norms of heads).
    pub architecture: &'static str,
    /// Elements of a head; 0 for dim / heads.
    pub head: u32,
    /// What frequencies are divided by: all by the first, the pairs by numbers from the second on.
    pub rope_factors: (f32, Option<f32>),
    /// Positions that a token sees; 0 for all.
    pub window: u32,
    /// Vocabulary entries, at least: filled up with tokens that nobody spells.
    pub vocab: u32,
    /// Pre-tokenizer of a byte-level vocabulary; `None` for SentencePiece.
    pub pre: Option<&'static str>,
}

impl Default for Tiny {
    fn default() -> Tiny {
        Tiny {
            seed: 1,
            dim: 64,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            ffn: 96,
            context: 512,
            format: Format::Q8_0,
            tied: false,
            architecture: "llama",
            head: 0,
            rope_factors: (1.0, None),
            window: 0,
            vocab: 0,
            pre: None,
        }
    }
}

/// Ids of [`Tiny`]'s vocabulary.
pub mod ids {
    /// Unknown.
    pub const UNK: u32 = 0;
    /// Begins every prompt.
    pub const BOS: u32 = 1;
    /// Ends generation.
    pub const EOS: u32 = 2;
    /// First of the 256 byte tokens.
    pub const BYTE: u32 = 3;
    /// The control token `<|call|>`.
    pub const CALL: u32 = 259;
    /// The control token `<|call|>>`, which is longer.
    pub const CALL_LONG: u32 = 260;
    /// The user-defined token `[tool]`.
    pub const TOOL: u32 = 261;
    /// A control token of 256 bytes, all `#`.
    pub const LONG: u32 = 262;
    /// First of the normal tokens.
    pub const NORMAL: u32 = 263;
}

/// Normal tokens of [`Tiny`]'s vocabulary and their scores; `▁` stands for a space.
pub fn normal_tokens() -> Vec<(String, f32)> {
    let mut tokens: Vec<(String, f32)> = "▁abcdefghijklmnopqrstuvwxyz<|>é猫"
        .chars()
        .map(|c| (c.to_string(), -100.0))
        .collect();
    let merges = "▁t he ▁a in re ▁the er on at ▁c an ll en or ▁s ▁cat ▁w nd ▁m is ▁call <| |> <|c all ell llo hello ▁hello aa aaa ab ba";
    tokens.extend(
        merges
            .split(' ')
            .enumerate()
            .map(|(i, s)| (s.into(), -(i as f32 / 2.0).floor())),
    );
    tokens
}

/// Merges of [`Tiny`]'s byte-level vocabulary: every way to make a normal token of two that come before it.
pub fn merges() -> Vec<(Vec<u8>, Vec<u8>)> {
    let texts: Vec<Vec<u8>> = normal_tokens()
        .iter()
        .map(|(text, _)| text.replace('▁', " ").into_bytes())
        .collect();
    let mut merges = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        for cut in 1..text.len() {
            let (a, b) = text.split_at(cut);
            let is_known = |half: &[u8]| half.len() == 1 || texts[..i].iter().any(|t| t == half);
            if is_known(a) && is_known(b) {
                merges.push((a.to_vec(), b.to_vec()));
            }
        }
    }
    merges
}

impl Tiny {
    /// The shape of a well-known model: `0.1b`, `0.5b`, or `1.1b`, which is TinyLlama's.
    pub fn of_size(size: &str, format: Format) -> Option<Tiny> {
        let (dim, layers, heads, kv_heads, ffn) = match size {
            "0.1b" => (768, 12, 12, 4, 2048),
            "0.5b" => (1536, 16, 24, 4, 4096),
            "1.1b" => (2048, 22, 32, 4, 5632),
            _ => return None,
        };
        Some(Tiny {
            seed: 1,
            dim,
            layers,
            heads,
            kv_heads,
            ffn,
            context: 2048,
            format,
            tied: false,
            vocab: 32_000,
            ..Tiny::default()
        })
    }

    /// The model, ready to be changed.
    pub fn gguf(&self) -> Gguf {
        let mut gguf = Gguf::default();
        let Tiny {
            dim,
            layers,
            heads,
            kv_heads,
            ffn,
            context,
            ..
        } = *self;
        gguf.set(
            "general.architecture",
            Value::String(self.architecture.into()),
        );
        let key = |key: &str| format!("{}.{key}", self.architecture);
        let head = if self.head == 0 {
            dim / heads
        } else {
            self.head
        };
        gguf.set("general.name", Value::String(b"tiny".to_vec()));
        let numbers = [
            ("context_length", context),
            ("embedding_length", dim),
            ("block_count", layers),
            ("feed_forward_length", ffn),
            ("attention.head_count", heads),
            ("attention.head_count_kv", kv_heads),
            ("rope.dimension_count", head),
            ("attention.key_length", head),
            ("attention.value_length", head),
        ];
        for (name, value) in numbers {
            gguf.set(&key(name), Value::U32(value));
        }
        gguf.set(&key("attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
        gguf.set(&key("rope.freq_base"), Value::F32(10_000.0));
        if self.rope_factors.0 != 1.0 {
            gguf.set(&key("rope.scaling.factor"), Value::F32(self.rope_factors.0));
        }
        if self.window != 0 {
            gguf.set(&key("attention.sliding_window"), Value::U32(self.window));
        }
        let vocab = vocabulary(&mut gguf, self.pre, self.vocab);
        let mut random = Random(self.seed.wrapping_mul(2) | 1);
        let mut matrix = |gguf: &mut Gguf, name: &str, rows: u32, columns: u32| {
            let spread = 1.7 / (columns as f32).sqrt();
            let numbers: Vec<f32> = (0..u64::from(rows) * u64::from(columns))
                .map(|_| random.unit() * spread)
                .collect();
            gguf.tensors.push(RawTensor {
                name: name.into(),
                dims: vec![u64::from(columns), u64::from(rows)],
                kind: self.format as u32,
                data: encode(self.format, &numbers),
            });
        };
        let (query_dim, kv_dim) = (head * heads, head * kv_heads);
        matrix(&mut gguf, "token_embd.weight", vocab, dim);
        for layer in 0..layers {
            let shapes = [
                ("attn_q", query_dim, dim),
                ("attn_k", kv_dim, dim),
                ("attn_v", kv_dim, dim),
                ("attn_output", dim, query_dim),
            ];
            let more = [
                ("ffn_gate", ffn, dim),
                ("ffn_up", ffn, dim),
                ("ffn_down", dim, ffn),
            ];
            for (name, rows, columns) in shapes.into_iter().chain(more) {
                matrix(
                    &mut gguf,
                    &format!("blk.{layer}.{name}.weight"),
                    rows,
                    columns,
                );
            }
            ["attn_norm", "ffn_norm"]
                .iter()
                .for_each(|name| norm(&mut gguf, &format!("blk.{layer}.{name}.weight"), dim));
        }
        self.extras(&mut gguf, head);
        norm(&mut gguf, "output_norm.weight", dim);
        if !self.tied {
            matrix(&mut gguf, "output.weight", vocab, dim);
        }
        gguf
    }

    /// What only some architectures have.
    fn extras(&self, gguf: &mut Gguf, head: u32) {
        if let Some(first) = self.rope_factors.1 {
            let factors = (0..head / 2).map(|i| first + 0.37 * i as f32).collect();
            row(gguf, "rope_freqs.weight", factors);
        }
        for layer in 0..self.layers {
            let widths = [
                ("q", self.heads),
                ("k", self.kv_heads),
                ("v", self.kv_heads),
            ];
            for (name, heads) in widths {
                if self.architecture == "qwen2" {
                    let bias =
                        (0..heads * head).map(|i| ((i * 7 + layer) % 11) as f32 * 0.03 - 0.15);
                    row(
                        gguf,
                        &format!("blk.{layer}.attn_{name}.bias"),
                        bias.collect(),
                    );
                }
                if self.architecture == "qwen3" && name != "v" {
                    norm(gguf, &format!("blk.{layer}.attn_{name}_norm.weight"), head);
                }
            }
        }
    }

    /// The model's file.
    pub fn model(&self) -> Bytes {
        bytes(self.gguf().bytes())
    }
}

fn norm(gguf: &mut Gguf, name: &str, dim: u32) {
    let numbers = (0..dim).map(|i| 0.75 + (i % 5) as f32 * 0.125).collect();
    row(gguf, name, numbers);
}

fn row(gguf: &mut Gguf, name: &str, numbers: Vec<f32>) {
    let data = encode(Format::F32, &numbers);
    gguf.tensors.push(RawTensor {
        name: name.into(),
        dims: vec![numbers.len() as u64],
        kind: 0,
        data,
    });
}

/// Adds the tokenizer; returns the number of tokens. Both kinds have the same ids for the same texts.
fn vocabulary(gguf: &mut Gguf, pre: Option<&str>, least: u32) -> u32 {
    let mut tokens: Vec<(Vec<u8>, f32, i32)> = vec![
        (b"<unk>".to_vec(), 0.0, 2),
        (b"<s>".to_vec(), 0.0, 3),
        (b"</s>".to_vec(), 0.0, 3),
    ];
    tokens.extend((0..256).map(|b| (format!("<0x{b:02X}>").into_bytes(), 0.0, 6)));
    tokens.extend(
        [
            ("<|call|>".into(), 3),
            ("<|call|>>".into(), 3),
            ("[tool]".into(), 4),
            ("#".repeat(256), 3),
        ]
        .map(|(s, k): (String, _)| (s.into(), 0.0, k)),
    );
    tokens.extend(
        normal_tokens()
            .into_iter()
            .map(|(s, score)| (s.into_bytes(), score, 1)),
    );
    let filling = tokens.len() as u32..least;
    tokens.extend(filling.map(|i| (format!("\u{2581}#{i}").into_bytes(), -1e6, 1)));
    let count = tokens.len() as u32;
    gguf.set("tokenizer.ggml.model", Value::String(b"llama".to_vec()));
    if let Some(pre) = pre {
        for byte in 0..=255u8 {
            tokens[(ids::BYTE + u32::from(byte)) as usize] = (spelled(&[byte]), 0.0, 1);
        }
        for (i, (text, _)) in normal_tokens().iter().enumerate() {
            let text = text.replace('▁', " ");
            let token = match text.len() {
                // Its byte has a token already.
                1 => (format!("<unused{i}>").into_bytes(), 0.0, 5),
                _ => (spelled(text.as_bytes()), 0.0, 1),
            };
            tokens[ids::NORMAL as usize + i] = token;
        }
        gguf.set("tokenizer.ggml.model", Value::String(b"gpt2".to_vec()));
        gguf.set("tokenizer.ggml.pre", Value::String(pre.into()));
        let merges = merges()
            .into_iter()
            .map(|(a, b)| [spelled(&a), spelled(&b)].join(&b' '));
        gguf.set("tokenizer.ggml.merges", Value::Strings(merges.collect()));
    }
    gguf.set(
        "tokenizer.ggml.tokens",
        Value::Strings(tokens.iter().map(|t| t.0.clone()).collect()),
    );
    gguf.set(
        "tokenizer.ggml.scores",
        Value::Floats(tokens.iter().map(|t| t.1).collect()),
    );
    gguf.set(
        "tokenizer.ggml.token_type",
        Value::Ints(tokens.iter().map(|t| t.2).collect()),
    );
    gguf.set("tokenizer.ggml.bos_token_id", Value::U32(ids::BOS));
    gguf.set("tokenizer.ggml.eos_token_id", Value::U32(ids::EOS));
    gguf.set("tokenizer.ggml.unknown_token_id", Value::U32(ids::UNK));
    count
}

/// A small generator, the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// From -1 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// A request ROM's data for tests.
pub fn request(payload: &Payload, tolerance: Tolerance) -> Vec<u8> {
    let header = RomHeader {
        chain_id: 31_337,
        inbox: [0xa5; 20],
        request_id: Hash([1; 32]),
        model: ModelId(Hash([2; 32])),
        seed: Hash([3; 32]),
        tolerance,
    };
    header.rom(&payload.encode())
}
