//! The model's dimensions, as the metadata gives them.

use crate::arena::Arena;
use crate::error::{Reject, What};
use crate::keys::{ABSENT, Key, is_byte_level};
use crate::layout::{MAX_CONTEXT, MAX_DIM, MAX_FFN, MAX_HEAD, MAX_HEADS, MAX_LAYERS, MAX_VOCAB};
use crate::math::finite;
use crate::tensors::{Format, GLOBAL, Global, InLayer, PER_LAYER, global};

/// Dimensions and parameters of a llama model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Config {
    /// Vocabulary entries.
    pub vocab: u32,
    /// Positions that the model was made for.
    pub context: u32,
    /// Width of the residual stream.
    pub dim: u32,
    /// Layers.
    pub layers: u32,
    /// Width of the feed-forward network.
    pub ffn: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads; divides `heads`.
    pub kv_heads: u32,
    /// Elements of a head, even.
    pub head: u32,
    /// Added to the mean square in norms.
    pub epsilon: f32,
    /// Base of the rotary frequencies.
    pub rope_base: f32,
}

impl Config {
    /// The dimensions, unchecked.
    pub fn read(arena: &Arena) -> Config {
        let value = |key: Key| arena.get::<u32>(key.at());
        let heads = value(Key::Heads);
        let kv_heads = value(Key::KvHeads);
        let dim = value(Key::Dim);
        Config {
            vocab: value(Key::Tokens),
            context: value(Key::Context),
            dim,
            layers: value(Key::Layers),
            ffn: value(Key::Ffn),
            heads,
            kv_heads: if kv_heads == ABSENT { heads } else { kv_heads },
            head: dim.checked_div(heads).unwrap_or_default(),
            epsilon: f32::from_bits(value(Key::Epsilon)),
            rope_base: f32::from_bits(value(Key::RopeBase)),
        }
    }

    /// Elements of a position's keys (and of its values).
    pub fn kv_dim(&self) -> u32 {
        self.kv_heads * self.head
    }

    /// Longest row of any matrix.
    pub fn widest(&self) -> u32 {
        self.dim.max(self.ffn)
    }

    /// Whether the dimensions fit each other and the limits.
    pub fn check(&self, arena: &Arena) -> Result<(), Reject> {
        let value = |key: Key| arena.get::<u32>(key.at());
        let absent_or = |key: Key, want: u32| value(key) == ABSENT || value(key) == want;
        let within = |n: u32, max: u32| (1..=max).contains(&n);
        let alignment = value(Key::Alignment);
        let fits = within(self.vocab, MAX_VOCAB)
            && within(self.context, MAX_CONTEXT)
            && within(self.dim, MAX_DIM)
            && within(self.layers, MAX_LAYERS)
            && within(self.ffn, MAX_FFN)
            && within(self.heads, MAX_HEADS)
            && within(self.kv_heads, self.heads)
            && self.heads.is_multiple_of(self.kv_heads)
            && self.dim.is_multiple_of(2 * self.heads)
            && self.head <= MAX_HEAD
            && absent_or(Key::VocabSize, self.vocab)
            && absent_or(Key::KeyLength, self.head)
            && absent_or(Key::ValueLength, self.head)
            && absent_or(Key::RopeDims, self.head)
            && value(Key::Experts) == 0
            && value(Key::ExpertsUsed) == 0
            && (value(Key::Scores) == self.vocab
                || (value(Key::Scores) == 0 && is_byte_level(arena)))
            && value(Key::Kinds) == self.vocab
            && alignment.is_power_of_two()
            && (8..=65_536).contains(&alignment)
            && finite(self.epsilon)
            && (0.0..1.0).contains(&self.epsilon)
            && (1.0..=1e12).contains(&self.rope_base);
        let ids = [Key::Bos, Key::Eos, Key::Eot, Key::Eom]
            .into_iter()
            .all(|k| value(k) == ABSENT || value(k) < self.vocab);
        let has = |add: Key, id: Key| value(add) == 0 || value(id) != ABSENT;
        let ends = has(Key::AddBos, Key::Bos) && has(Key::AddEos, Key::Eos);
        if fits && ids && ends {
            Ok(())
        } else {
            Err(Reject::new(What::Dimensions, 0))
        }
    }

    /// Rows and columns of the tensor in `slot`; one row for a norm.
    pub fn shape(&self, slot: u32) -> (u32, u32) {
        const EMBEDDING: u32 = global(Global::Embedding);
        const OUTPUT: u32 = global(Global::Output);
        if slot == EMBEDDING || slot == OUTPUT {
            return (self.vocab, self.dim);
        }
        if slot < GLOBAL {
            return (1, self.dim);
        }
        match (slot - GLOBAL) % PER_LAYER {
            i if i == InLayer::Query as u32 || i == InLayer::AttentionOut as u32 => {
                (self.dim, self.dim)
            }
            i if i == InLayer::Key as u32 || i == InLayer::Value as u32 => {
                (self.kv_dim(), self.dim)
            }
            i if i == InLayer::Gate as u32 || i == InLayer::Up as u32 => (self.ffn, self.dim),
            i if i == InLayer::Down as u32 => (self.dim, self.ffn),
            _ => (1, self.dim),
        }
    }

    /// Whether `format` can hold rows of the tensor in `slot`.
    pub fn allows(&self, slot: u32, format: Format) -> bool {
        let (rows, columns) = self.shape(slot);
        let is_norm =
            rows == 1 && slot != global(Global::Embedding) && slot != global(Global::Output);
        format == Format::F32 || (!is_norm && columns.is_multiple_of(format.piece().0))
    }
}
