//! The operators of the forward pass, their order, and how much of each fits a macro step.

use crate::arena::Arena;
use crate::attention;
use crate::host::WINDOW_BYTES;
use crate::layout::BUDGET;
use crate::model::Config;
use crate::tensors::{InLayer, Tensor, in_layer};

/// Positions computed together.
pub const CHUNK: u32 = 32;
/// Tokens that share a vector (see [`crate::quantize`]).
pub const GROUP: u32 = 4;
/// Groups of a chunk.
pub const GROUPS: u32 = CHUNK / GROUP;

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident),*) => {
        /// An operator of the forward pass.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Op { $($(#[$doc])* $name),* }

        impl Op {
            /// Every operator, in order.
            pub const ALL: &[Op] = &[$(Op::$name),*];
        }
    };
}

ops! {
    /// Looks up the tokens' embeddings.
    Embed,
    /// Sines and cosines of the chunk's positions.
    Table,
    /// Norm before attention.
    AttentionNorm,
    /// Queries.
    Query,
    /// Keys, into the cache.
    Key,
    /// Values, into the cache.
    Value,
    /// Adds biases, norms heads, rotates queries and keys.
    Rotate,
    /// Attention.
    Attend,
    /// Quantizes attention's output.
    Attended,
    /// Projects it and adds it to the stream.
    AttentionOut,
    /// Norm before the feed-forward network.
    FfnNorm,
    /// Gate.
    Gate,
    /// Up projection.
    Up,
    /// `silu(gate) * up`.
    Activate,
    /// Down projection, added to the stream; ends a layer.
    Down,
    /// Norm of the positions whose logits are needed.
    OutputNorm,
    /// Logits, compared as they come; ends a chunk.
    Logits
}

/// What an operator walks over.
pub enum Walk {
    /// Everything in one macro step.
    Once,
    /// Tokens of the chunk, `.0` in a macro step.
    Tokens(u32),
    /// Rows of a matrix, `.1` in a macro step.
    Rows(Tensor, u32),
    /// Attention's own cursor.
    Attention,
}

impl Op {
    /// The operator of a stored number.
    pub fn from_number(number: u32) -> Op {
        Op::ALL[number as usize]
    }

    /// The matrix of a matrix product in `layer`; none for logits, whose matrix may be the embedding.
    pub fn matrix(self, layer: u32) -> Option<u32> {
        let tensor = match self {
            Op::Query => InLayer::Query,
            Op::Key => InLayer::Key,
            Op::Value => InLayer::Value,
            Op::AttentionOut => InLayer::AttentionOut,
            Op::Gate => InLayer::Gate,
            Op::Up => InLayer::Up,
            Op::Down => InLayer::Down,
            _ => return None,
        };
        Some(in_layer(layer, tensor))
    }

    /// Whether a product is added to what is there.
    pub fn adds(self) -> bool {
        matches!(self, Op::AttentionOut | Op::Down)
    }

    /// Tokens that it computes in a chunk of `len`, of which those from `need` on give logits.
    pub fn tokens(self, len: u32, need: u32) -> u32 {
        if self as u32 >= Op::OutputNorm as u32 {
            len - need
        } else {
            len
        }
    }

    /// How the operator is cut for a chunk of `tokens` positions.
    pub fn walk(self, arena: &Arena, config: &Config, layer: u32, tokens: u32) -> Walk {
        let per_token = match self {
            Op::Table => return Walk::Once,
            Op::Attend => return Walk::Attention,
            Op::Embed => 20 * config.dim,
            Op::AttentionNorm | Op::FfnNorm | Op::OutputNorm => 60 * config.dim,
            // Biases, norms of heads, rotations.
            Op::Rotate => 70 * (config.query_dim() + config.kv_dim()) + 10 * config.kv_dim(),
            Op::Attended => 40 * config.query_dim(),
            Op::Activate => 110 * config.ffn,
            _ => {
                let tensor = match self.matrix(layer) {
                    Some(slot) => Tensor::get(arena, slot),
                    None => Tensor::output(arena),
                };
                return Walk::Rows(tensor, rows_per_step(&tensor, tokens));
            }
        };
        Walk::Tokens((BUDGET / (per_token + 500)).max(1))
    }

    /// At most as many macro steps does a chunk of [`CHUNK`] positions, all below `positions`, take.
    pub fn most_steps(self, arena: &Arena, config: &Config, layer: u32, positions: u32) -> u64 {
        match self.walk(arena, config, layer, CHUNK) {
            Walk::Once => 1,
            Walk::Tokens(n) => u64::from(CHUNK.div_ceil(n)),
            Walk::Rows(tensor, n) => u64::from(tensor.rows.div_ceil(n)),
            Walk::Attention => attention::most_steps(config, positions),
        }
    }
}

/// Rows of a matrix that one macro step multiplies with `tokens` tokens.
fn rows_per_step(tensor: &Tensor, tokens: u32) -> u32 {
    let groups = tokens.div_ceil(GROUP);
    let per_row = if tensor.format.is_float() {
        tensor.columns * (tokens * 6 + 10)
    } else {
        // 64 instructions for a block and group; unpacking for each block.
        tensor.columns / 32 * (groups * 64 + UNPACK_WORK)
    };
    (BUDGET / (per_row + 500))
        .min(WINDOW_BYTES / tensor.row_bytes())
        .max(1)
}

/// Instructions that unpacking a block takes, about.
const UNPACK_WORK: u32 = 250;
