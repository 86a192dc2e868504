//! The model's dimensions, as the metadata gives them.

use crate::arena::Arena;
use crate::error::{Reject, What};
use crate::keys::{ABSENT, Key, is_byte_level};
use crate::layout::{
    MAX_CONTEXT, MAX_DIM, MAX_FFN, MAX_HEAD, MAX_HEADS, MAX_LAYERS, MAX_ROPE_FACTOR, MAX_VOCAB,
};
use crate::math::finite;
use crate::tensors::{Format, GLOBAL, Global, InLayer, PER_LAYER, global};

/// What a model is made of beyond the common parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Architecture {
    /// Llama, Mistral, SmolLM2, TinyLlama: adjacent elements of a head are rotated together.
    Llama,
    /// Elements of the two halves of a head are rotated together.
    Qwen2,
    /// As qwen2, and the heads of queries and keys are normed.
    Qwen3,
}

/// Dimensions and parameters of a model.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Config {
    /// The architecture.
    pub architecture: Architecture,
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
    /// What all frequencies are divided by.
    pub rope_factor: f32,
    /// Positions that a token sees, itself and those before it; `u32::MAX` where it sees all.
    pub window: u32,
}

impl Config {
    /// The dimensions, unchecked.
    pub fn read(arena: &Arena) -> Config {
        let value = |key: Key| arena.get::<u32>(key.at());
        let heads = value(Key::Heads);
        let kv_heads = value(Key::KvHeads);
        let dim = value(Key::Dim);
        let head = match value(Key::KeyLength) {
            ABSENT => dim.checked_div(heads).unwrap_or_default(),
            head => head,
        };
        // Type `none` (0) has no factor.
        let rope_factor = match value(Key::RopeScaling) {
            0 => 1.0,
            _ => f32::from_bits(value(Key::RopeFactor)),
        };
        Config {
            architecture: match value(Key::Architecture) {
                0 => Architecture::Llama,
                1 => Architecture::Qwen2,
                _ => Architecture::Qwen3,
            },
            vocab: value(Key::Tokens),
            context: value(Key::Context),
            dim,
            layers: value(Key::Layers),
            ffn: value(Key::Ffn),
            heads,
            kv_heads: if kv_heads == ABSENT { heads } else { kv_heads },
            head,
            epsilon: f32::from_bits(value(Key::Epsilon)),
            rope_base: f32::from_bits(value(Key::RopeBase)),
            rope_factor,
            // 0 is how a file says that it has none.
            window: match value(Key::Window) {
                0 => u32::MAX,
                window => window,
            },
        }
    }

    /// The first position that the token at `position` sees.
    pub fn first_seen(&self, position: u32) -> u32 {
        (position + 1).saturating_sub(self.window)
    }

    /// Elements of a position's keys (and of its values).
    pub fn kv_dim(&self) -> u32 {
        self.kv_heads * self.head
    }

    /// Elements of a position's queries.
    pub fn query_dim(&self) -> u32 {
        self.heads * self.head
    }

    /// Longest row of any matrix.
    pub fn widest(&self) -> u32 {
        self.dim.max(self.ffn).max(self.query_dim())
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
            && within(self.head, MAX_HEAD)
            && self.head.is_multiple_of(2)
            && (value(Key::KeyLength) != ABSENT || self.dim == self.query_dim())
            && self.query_dim() <= MAX_DIM
            && absent_or(Key::VocabSize, self.vocab)
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
            && (1.0..=1e12).contains(&self.rope_base)
            && (1.0..=MAX_ROPE_FACTOR).contains(&self.rope_factor);
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
        if slot == global(Global::RopeFactors) {
            return (1, self.head / 2);
        }
        let Some(tensor) = self.in_layer(slot) else {
            return (1, self.dim);
        };
        match tensor {
            InLayer::Query => (self.query_dim(), self.dim),
            InLayer::Key | InLayer::Value => (self.kv_dim(), self.dim),
            InLayer::AttentionOut => (self.dim, self.query_dim()),
            InLayer::Gate | InLayer::Up => (self.ffn, self.dim),
            InLayer::Down => (self.dim, self.ffn),
            InLayer::AttentionNorm | InLayer::FfnNorm => (1, self.dim),
            InLayer::QueryBias => (1, self.query_dim()),
            InLayer::KeyBias | InLayer::ValueBias => (1, self.kv_dim()),
            InLayer::QueryNorm | InLayer::KeyNorm => (1, self.head),
        }
    }

    /// Which of a layer's tensors `slot` is, if it is one.
    fn in_layer(&self, slot: u32) -> Option<InLayer> {
        let i = slot.checked_sub(GLOBAL)? % PER_LAYER;
        InLayer::ALL.get(i as usize).copied()
    }

    /// Whether the tensor in `slot` is a matrix; if not it is one row of F32.
    pub fn is_matrix(&self, slot: u32) -> bool {
        use InLayer::*;
        match self.in_layer(slot) {
            Some(tensor) => matches!(
                tensor,
                Query | Key | Value | AttentionOut | Gate | Up | Down
            ),
            None => slot == global(Global::Embedding) || slot == global(Global::Output),
        }
    }

    /// Whether the architecture has the tensor in `slot`.
    pub fn has(&self, slot: u32) -> bool {
        match self.in_layer(slot) {
            Some(InLayer::QueryNorm | InLayer::KeyNorm) => self.architecture == Architecture::Qwen3,
            Some(_) => true,
            None => slot != global(Global::RopeFactors) || self.architecture == Architecture::Llama,
        }
    }

    /// Whether a model must have the tensor in `slot`.
    pub fn needs(&self, slot: u32) -> bool {
        let may_lack = match self.in_layer(slot) {
            Some(tensor) => matches!(
                tensor,
                InLayer::QueryBias | InLayer::KeyBias | InLayer::ValueBias
            ),
            None => slot == global(Global::Output) || slot == global(Global::RopeFactors),
        };
        self.has(slot) && !may_lack
    }

    /// Whether `format` can hold rows of the tensor in `slot`.
    pub fn allows(&self, slot: u32, format: Format) -> bool {
        let (_, columns) = self.shape(slot);
        format == Format::F32 || (self.is_matrix(slot) && columns.is_multiple_of(format.piece().0))
    }
}
