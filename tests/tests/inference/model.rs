//! Random tiny models: every architecture, tokenizer and tensor type, and numbers that no training gives.

use crate::choices::Choices;
use assay_inference::tensors::Format;
use assay_inference::testing::{Gguf, Random, RawTensor, Tiny, Value, encode};

/// A model's file before it is written.
pub struct Model {
    pub gguf: Gguf,
    pub alignment: u32,
    /// What it has, for counting.
    pub features: Vec<String>,
}

pub const ARCHITECTURES: [&str; 3] = ["llama", "qwen2", "qwen3"];

const PRES: [Option<&str>; 6] = [
    None,
    None,
    Some("llama-bpe"),
    Some("qwen2"),
    Some("gpt-2"),
    Some("default"),
];

/// A model that the program accepts; `hostile` ones may hold any numbers.
pub fn random(c: &mut Choices, hostile: bool) -> Model {
    let tiny = shape(c);
    let mut gguf = tiny.gguf();
    let mut features = vec![
        tiny.architecture.to_owned(),
        tiny.pre.unwrap_or("sentencepiece").to_owned(),
    ];
    formats(c, &mut gguf, &mut features);
    parameters(c, &tiny, &mut gguf, &mut features);
    tokenizer(c, &tiny, &mut gguf);
    biases(c, &tiny, &mut gguf);
    if hostile && c.chance(3) {
        let mut random = c.random();
        for _ in 0..=c.below(4) {
            spoil(c, &mut random, &mut gguf);
        }
    }
    if c.chance(4) {
        shuffle(&mut c.random(), &mut gguf.tensors);
    }
    let alignment = c.pick(&[32, 32, 8, 64, 4096]);
    if alignment != 32 || c.chance(4) {
        gguf.set("general.alignment", Value::U32(alignment));
    }
    Model {
        gguf,
        alignment,
        features,
    }
}

/// Dimensions, small: 256 columns are what the K types need.
fn shape(c: &mut Choices) -> Tiny {
    let (heads, kv_heads) = c.pick(&[(2, 1), (4, 2), (1, 1), (3, 3), (4, 1), (6, 2), (4, 4)]);
    let head = c.pick(&[16u32, 8, 64, 2, 6, 32, 18]);
    let fits = heads * head;
    let pre = c.pick(&PRES);
    Tiny {
        seed: c.number(3),
        dim: c.pick(&[fits, fits, 32, 256, 64, 20, 33, 1]),
        layers: c.pick(&[1, 2, 1, 3]),
        heads,
        kv_heads,
        ffn: c.pick(&[64, 32, 256, 40, 96, 7, 1]),
        context: c.pick(&[128, 512, 256, 1024, 512, 300, 40, 4]),
        format: Format::F32,
        tied: c.chance(3),
        architecture: c.pick(&ARCHITECTURES),
        head,
        rope_factors: (c.pick(&[1.0, 1.0, 4.0, 1.7]), None),
        window: 0,
        // What fills a vocabulary up is no byte-level text.
        vocab: c.pick(&[0, 0, 321, 333]) * u32::from(pre.is_none()),
        pre,
    }
}

/// A type of its own for each matrix, of those whose pieces fit.
fn formats(c: &mut Choices, gguf: &mut Gguf, features: &mut Vec<String>) {
    let mut random = c.random();
    let only = c.pick(&[None, Some(Format::Q8_0), Some(Format::Q4_K)]);
    for tensor in gguf.tensors.iter_mut().filter(|t| t.dims.len() == 2) {
        let columns = tensor.dims[0] as u32;
        let fits: Vec<Format> = Format::ALL
            .iter()
            .filter(|f| columns.is_multiple_of(f.piece().0))
            .copied()
            .collect();
        let any = fits[random.below(fits.len() as u64) as usize];
        let format = only.filter(|f| fits.contains(f)).unwrap_or(any);
        let numbers: Vec<f32> = tensor.data.chunks_exact(4).map(float).collect();
        tensor.data = encode(format, &numbers);
        tensor.kind = format as u32;
        let label = format.label().to_owned();
        if !features.contains(&label) {
            features.push(label);
        }
    }
}

fn float(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Parameters that may be left out or be at an edge.
fn parameters(c: &mut Choices, tiny: &Tiny, gguf: &mut Gguf, features: &mut Vec<String>) {
    let key = |key: &str| format!("{}.{key}", tiny.architecture);
    if tiny.heads == tiny.kv_heads && c.chance(2) {
        gguf.unset(&key("attention.head_count_kv"));
    }
    if tiny.dim == tiny.heads * tiny.head && c.chance(2) {
        gguf.unset(&key("attention.key_length"));
    }
    if c.chance(3) {
        gguf.unset(&key("attention.value_length"));
        gguf.unset(&key("rope.dimension_count"));
    }
    let epsilon = c.pick(&[1e-5, 1e-6, 0.0, 0.999, 1e-38, 1e-42]);
    gguf.set(
        &key("attention.layer_norm_rms_epsilon"),
        Value::F32(epsilon),
    );
    let base = c.pick(&[10_000.0, 500_000.0, 1.0, 1e12, 1.5]);
    gguf.set(&key("rope.freq_base"), Value::F32(base));
    match c.below(6) {
        4 => gguf.set(&key("rope.scaling.type"), Value::String(b"none".to_vec())),
        5 => gguf.set(&key("rope.scaling.type"), Value::String(b"linear".to_vec())),
        _ => gguf,
    };
    if c.chance(3) {
        let window = c.pick(&[1, 2, 5, 16, 17, 31, 64, tiny.context, u32::MAX, 0]);
        gguf.set(&key("attention.sliding_window"), Value::U32(window));
        if (1..32).contains(&window) {
            features.push("window".into());
        }
    }
    if tiny.architecture == "llama" && c.chance(3) {
        let first = c.pick(&[1.0f32, 1.3, 4096.0 - 0.25 * 32.0]);
        let factors = (0..tiny.head / 2).map(|i| first + 0.25 * i as f32);
        gguf.tensors.push(row("rope_freqs.weight", factors));
    }
}

/// Other first and last ids, other scores, other kinds, fewer merges.
fn tokenizer(c: &mut Choices, tiny: &Tiny, gguf: &mut Gguf) {
    for key in ["add_bos_token", "add_eos_token", "add_space_prefix"] {
        if c.chance(3) {
            let value = Value::Bool(c.chance(2));
            gguf.set(&format!("tokenizer.ggml.{key}"), value);
        }
    }
    for key in ["eos", "eot", "eom", "bos"] {
        if c.chance(5) {
            let id = Value::U32(c.below(310) as u32);
            gguf.set(&format!("tokenizer.ggml.{key}_token_id"), id);
        }
    }
    if c.chance(4) {
        let mut random = c.random();
        for (key, value) in &mut gguf.keys {
            match (key.as_str(), value) {
                ("tokenizer.ggml.scores", Value::Floats(scores)) => {
                    for score in &mut scores[263..] {
                        *score = (random.below(40) as f32 - 20.0) / 4.0;
                    }
                }
                ("tokenizer.ggml.merges", Value::Strings(merges)) => {
                    shuffle(&mut random, merges);
                    merges.truncate(random.below(merges.len() as u64 + 1) as usize);
                }
                _ => {}
            }
        }
    }
    if tiny.pre.is_some() && c.chance(3) {
        gguf.unset("tokenizer.ggml.scores");
    }
    if let Some((_, Value::Ints(kinds))) = gguf
        .keys
        .iter_mut()
        .find(|(key, _)| key == "tokenizer.ggml.token_type")
        && tiny.pre.is_none()
        && c.chance(4)
    {
        let mut random = c.random();
        for kind in &mut kinds[263..] {
            if random.below(6) == 0 {
                *kind = [1, 3, 4, 5][random.below(4) as usize];
            }
        }
    }
}

/// Some of qwen2's biases away, or some of any architecture's there.
fn biases(c: &mut Choices, tiny: &Tiny, gguf: &mut Gguf) {
    if !c.chance(3) {
        return;
    }
    let mut random = c.random();
    for layer in 0..tiny.layers {
        for (name, heads) in [
            ("q", tiny.heads),
            ("k", tiny.kv_heads),
            ("v", tiny.kv_heads),
        ] {
            let name = format!("blk.{layer}.attn_{name}.bias");
            let before = gguf.tensors.len();
            if random.below(2) == 0 {
                gguf.tensors.retain(|t| t.name != name);
                if gguf.tensors.len() == before {
                    let bias = (0..heads * tiny.head).map(|_| random.unit());
                    gguf.tensors.push(row(&name, bias));
                }
            }
        }
    }
}

fn row(name: &str, numbers: impl Iterator<Item = f32>) -> RawTensor {
    let numbers: Vec<f32> = numbers.collect();
    RawTensor {
        name: name.into(),
        dims: vec![numbers.len() as u64],
        kind: 0,
        data: encode(Format::F32, &numbers),
    }
}

pub fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.below(i as u64 + 1) as usize);
    }
}

/// Numbers in a tensor that quantizers never write: infinite, no number, subnormal, huge; in scales above all.
fn spoil(c: &mut Choices, random: &mut Random, gguf: &mut Gguf) {
    const HALVES: [u16; 10] = [
        0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x0001, 0x8001, 0x03ff, 0x8000, 0x5000, 0xd800,
    ];
    const FLOATS: [f32; 10] = [
        1e30,
        -1e30,
        f32::INFINITY,
        f32::NAN,
        1e-40,
        -0.0,
        65_520.0,
        3.4e38,
        300.0,
        -300.0,
    ];
    let which = c.below(gguf.tensors.len());
    let tensor = &mut gguf.tensors[which];
    let Some(format) = Format::from_gguf(tensor.kind) else {
        return;
    };
    // The parser reads these.
    if tensor.name == "rope_freqs.weight" {
        return;
    }
    let size = format.piece().1 as usize;
    let pieces = tensor.data.len() / size;
    let how = c.below(4);
    let one = c.below(10);
    let times = [1, 1, 4, pieces][c.below(4)];
    for _ in 0..times {
        let at = random.below(pieces as u64) as usize * size;
        let piece = &mut tensor.data[at..at + size];
        match (how, format) {
            (3, _) => piece.iter_mut().for_each(|b| *b = random.bits() as u8),
            (_, Format::F32) => piece.copy_from_slice(&FLOATS[one].to_le_bytes()),
            (_, Format::BF16) => piece.copy_from_slice(&FLOATS[one].to_le_bytes()[2..]),
            (_, Format::Q6_K) => piece[size - 2..].copy_from_slice(&HALVES[one].to_le_bytes()),
            (1, Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K) => {
                piece[2..4].copy_from_slice(&HALVES[one].to_le_bytes());
            }
            _ => piece[..2].copy_from_slice(&HALVES[one].to_le_bytes()),
        }
    }
}
