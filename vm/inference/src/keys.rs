//! The metadata keys that the program knows: name, type and where the value goes.

use crate::arena::Arena;
use crate::error::{Reject, What};
use crate::layout::SEEN;
use crate::pre::Pre;

/// What a known key must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// A u32.
    U32,
    /// An f32.
    F32,
    /// A bool, 0 or 1.
    Bool,
    /// One of these strings: its place in the list is kept. Of any other its length, marked [`OTHER`], and its file offset are.
    OneOf(&'static [&'static [u8]]),
    /// An array of strings: its count and file offset are kept, the vocabulary's entries go to its table.
    Strings,
    /// An array of f32: its count and file offset are kept.
    Floats,
    /// An array of i32: its count and file offset are kept.
    Ints,
}

macro_rules! keys {
    ($($id:ident $name:literal $want:expr, $required:literal, $default:expr;)*) => {
        /// Index of a known key.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Key { $($id),* }

        /// Known keys: name (`*` stands for the architecture's), type, whether it must be there, and the value's bits if it isn't.
        pub const KEYS: &[(&str, Want, bool, u32)] = &[$(($name, $want, $required, $default)),*];
    };
}

/// The bits of a number that stands for an absent key.
pub const ABSENT: u32 = u32::MAX;

/// Marks a string that isn't one of the known ones.
pub const OTHER: u32 = 1 << 31;

/// Whether the tokenizer is byte-level BPE, not SentencePiece.
pub fn is_byte_level(arena: &Arena) -> bool {
    arena.get::<u32>(Key::Tokenizer.at()) == 1
}

/// The supported architectures; [`Key::Architecture`] is a place in this list.
pub const ARCHITECTURES: &[&[u8]] = &[b"llama", b"qwen2", b"qwen3"];

/// The known key that `name` is in a model of architecture `arch`.
pub fn known(name: &[u8], arch: usize) -> Option<usize> {
    let rest = name
        .strip_prefix(ARCHITECTURES[arch])
        .and_then(|rest| rest.strip_prefix(b"."));
    KEYS.iter()
        .position(|(key, ..)| match key.strip_prefix("*.") {
            Some(key) => rest == Some(key.as_bytes()),
            None => key.as_bytes() == name,
        })
}

/// Whether `name` is a parameter of a supported architecture.
pub fn is_parameter(name: &[u8]) -> bool {
    let is_of = |arch: &&[u8]| {
        name.strip_prefix(*arch)
            .is_some_and(|rest| rest.first() == Some(&b'.'))
    };
    ARCHITECTURES.iter().any(is_of)
}

keys! {
    Architecture "general.architecture" Want::OneOf(ARCHITECTURES), true, 0;
    Alignment "general.alignment" Want::U32, false, 32;
    VocabSize "*.vocab_size" Want::U32, false, ABSENT;
    Context "*.context_length" Want::U32, true, 0;
    Dim "*.embedding_length" Want::U32, true, 0;
    Layers "*.block_count" Want::U32, true, 0;
    Ffn "*.feed_forward_length" Want::U32, true, 0;
    Heads "*.attention.head_count" Want::U32, true, 0;
    KvHeads "*.attention.head_count_kv" Want::U32, false, ABSENT;
    KeyLength "*.attention.key_length" Want::U32, false, ABSENT;
    ValueLength "*.attention.value_length" Want::U32, false, ABSENT;
    Epsilon "*.attention.layer_norm_rms_epsilon" Want::F32, true, 0;
    RopeDims "*.rope.dimension_count" Want::U32, false, ABSENT;
    RopeBase "*.rope.freq_base" Want::F32, false, 0x461c_4000; // 10000.0
    RopeScaling "*.rope.scaling.type" Want::OneOf(&[b"none", b"linear"]), false, 1;
    RopeFactor "*.rope.scaling.factor" Want::F32, false, 0x3f80_0000; // 1.0
    RopeOriginal "*.rope.scaling.original_context_length" Want::U32, false, 0;
    Window "*.attention.sliding_window" Want::U32, false, ABSENT;
    Experts "*.expert_count" Want::U32, false, 0;
    ExpertsUsed "*.expert_used_count" Want::U32, false, 0;
    Tokenizer "tokenizer.ggml.model" Want::OneOf(&[b"llama", b"gpt2"]), true, 0;
    Pre "tokenizer.ggml.pre" Want::OneOf(crate::pre::NAMES), false, 0;
    Tokens "tokenizer.ggml.tokens" Want::Strings, true, 0;
    Merges "tokenizer.ggml.merges" Want::Strings, false, 0;
    Scores "tokenizer.ggml.scores" Want::Floats, false, 0;
    Kinds "tokenizer.ggml.token_type" Want::Ints, true, 0;
    Bos "tokenizer.ggml.bos_token_id" Want::U32, false, ABSENT;
    Eos "tokenizer.ggml.eos_token_id" Want::U32, false, ABSENT;
    Eot "tokenizer.ggml.eot_token_id" Want::U32, false, ABSENT;
    Eom "tokenizer.ggml.eom_token_id" Want::U32, false, ABSENT;
    AddBos "tokenizer.ggml.add_bos_token" Want::Bool, false, ABSENT;
    AddEos "tokenizer.ggml.add_eos_token" Want::Bool, false, 0;
    AddSpace "tokenizer.ggml.add_space_prefix" Want::Bool, false, 1;
}

/// What depends on the tokenizer: keys that only one kind needs, and defaults.
pub fn finish_tokenizer(arena: &mut Arena) -> Result<(), Reject> {
    let missing = |key: Key| Err(Reject::new(What::KeyMissing, key as u32));
    let has = |arena: &Arena, key: Key| arena.get::<u64>(SEEN) >> key as u32 & 1 != 0;
    let mut add_bos = true;
    if is_byte_level(arena) {
        let pre: u32 = arena.get(Key::Pre.at());
        if pre & OTHER != 0 {
            return Err(Reject {
                what: What::PreTokenizer,
                at: u64::from(arena.get::<u32>(Key::Pre.at() + 4)),
                len: pre & !OTHER,
                detail: 0,
            });
        }
        if !has(arena, Key::Merges) {
            return missing(Key::Merges);
        }
        add_bos = Pre::of(arena).add_bos;
    } else if !has(arena, Key::Scores) {
        return missing(Key::Scores);
    }
    if !has(arena, Key::AddBos) {
        arena.put(Key::AddBos.at(), u32::from(add_bos));
    }
    Ok(())
}

impl Key {
    /// Where the value is in the arena; 8 bytes each: the bits, and for arrays of numbers the file offset.
    pub const fn at(self) -> u32 {
        crate::layout::VALUES + 8 * self as u32
    }
}

const _: () = assert!(
    KEYS.len() <= 64 && crate::layout::VALUES + 8 * KEYS.len() as u32 <= crate::layout::TENSORS
);
