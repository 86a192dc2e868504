//! The tensor table: which tensors the architecture has, and where each lies in the file.

use crate::arena::Arena;
use crate::layout::TENSORS;
use crate::model::Config;

/// Tensors outside layers.
pub const GLOBAL: u32 = 4;
/// Tensors in a layer.
pub const PER_LAYER: u32 = 14;

/// A tensor outside layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Global {
    /// `token_embd.weight`: vocabulary x dim.
    Embedding,
    /// `output_norm.weight`: dim.
    Norm,
    /// `output.weight`: vocabulary x dim; the embedding serves where it is missing.
    Output,
    /// `rope_freqs.weight`: what each rotated pair's frequency is divided by; may be missing.
    RopeFactors,
}

/// A tensor of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum InLayer {
    /// `attn_norm`: dim.
    AttentionNorm,
    /// `attn_q`: query dim x dim.
    Query,
    /// `attn_k`: kv dim x dim.
    Key,
    /// `attn_v`: kv dim x dim.
    Value,
    /// `attn_output`: dim x query dim.
    AttentionOut,
    /// `ffn_norm`: dim.
    FfnNorm,
    /// `ffn_gate`: ffn x dim.
    Gate,
    /// `ffn_up`: ffn x dim.
    Up,
    /// `ffn_down`: dim x ffn.
    Down,
    /// `attn_q.bias`: query dim; may be missing, as the other two.
    QueryBias,
    /// `attn_k.bias`: kv dim.
    KeyBias,
    /// `attn_v.bias`: kv dim.
    ValueBias,
    /// `attn_q_norm`: head; qwen3's alone, as the keys'.
    QueryNorm,
    /// `attn_k_norm`: head.
    KeyNorm,
}

impl InLayer {
    /// Every tensor of a layer, in the order of their slots.
    pub const ALL: [InLayer; PER_LAYER as usize] = {
        use InLayer::*;
        [
            AttentionNorm,
            Query,
            Key,
            Value,
            AttentionOut,
            FfnNorm,
            Gate,
            Up,
            Down,
            QueryBias,
            KeyBias,
            ValueBias,
            QueryNorm,
            KeyNorm,
        ]
    };
}

const GLOBAL_NAMES: [&[u8]; GLOBAL as usize] = [
    b"token_embd.weight",
    b"output_norm.weight",
    b"output.weight",
    b"rope_freqs.weight",
];
const LAYER_NAMES: [&[u8]; PER_LAYER as usize] = [
    b"attn_norm.weight",
    b"attn_q.weight",
    b"attn_k.weight",
    b"attn_v.weight",
    b"attn_output.weight",
    b"ffn_norm.weight",
    b"ffn_gate.weight",
    b"ffn_up.weight",
    b"ffn_down.weight",
    b"attn_q.bias",
    b"attn_k.bias",
    b"attn_v.bias",
    b"attn_q_norm.weight",
    b"attn_k_norm.weight",
];

/// Slot of a tensor outside layers.
pub const fn global(tensor: Global) -> u32 {
    tensor as u32
}

/// Slot of a tensor of layer `layer`.
pub const fn in_layer(layer: u32, tensor: InLayer) -> u32 {
    GLOBAL + PER_LAYER * layer + tensor as u32
}

/// The slot that `name` has in a model of `layers` layers.
pub fn slot(name: &[u8], layers: u32) -> Option<u32> {
    if let Some(i) = GLOBAL_NAMES.iter().position(|n| *n == name) {
        return Some(i as u32);
    }
    let rest = name.strip_prefix(b"blk.")?;
    let dot = rest.iter().position(|b| *b == b'.')?;
    let (digits, rest) = (&rest[..dot], &rest[dot + 1..]);
    // One spelling per layer: no leading zero, three digits at most.
    if digits.is_empty()
        || digits.len() > 3
        || (digits[0] == b'0' && digits.len() > 1)
        || !digits.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let layer = digits.iter().fold(0, |n, d| 10 * n + u32::from(d - b'0'));
    let i = LAYER_NAMES.iter().position(|n| *n == rest)? as u32;
    (layer < layers).then_some(GLOBAL + PER_LAYER * layer + i)
}

/// The name of a slot, as its layer (if any) and the rest.
pub fn slot_name(slot: u32) -> (Option<u32>, &'static str) {
    let (layer, name) = match slot.checked_sub(GLOBAL) {
        None => (None, GLOBAL_NAMES[slot as usize]),
        Some(i) => (Some(i / PER_LAYER), LAYER_NAMES[(i % PER_LAYER) as usize]),
    };
    (layer, core::str::from_utf8(name).unwrap_or_default())
}

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $label:literal, $elements:literal in $bytes:literal;)*) => {
        /// Element type of a tensor, by GGUF's number.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Format { $($(#[$doc])* $name = $number),* }

        impl Format {
            /// Every supported type.
            pub const ALL: &[Format] = &[$(Format::$name),*];

            /// The format of GGUF's type number.
            pub fn from_gguf(number: u32) -> Option<Format> {
                match number {
                    $($number => Some(Format::$name),)*
                    _ => None,
                }
            }

            /// ggml's name of it.
            pub fn label(self) -> &'static str {
                match self { $(Format::$name => $label),* }
            }

            /// Elements and bytes of the smallest piece that stands alone.
            pub const fn piece(self) -> (u32, u32) {
                match self { $(Format::$name => ($elements, $bytes)),* }
            }
        }
    };
}

formats! {
    /// IEEE binary32.
    F32 = 0, "F32", 1 in 4;
    /// IEEE binary16.
    F16 = 1, "F16", 1 in 2;
    /// The upper half of binary32.
    BF16 = 30, "BF16", 1 in 2;
    /// 4 bits less 8, one scale.
    Q4_0 = 2, "Q4_0", 32 in 18;
    /// 4 bits, one scale, one offset.
    Q4_1 = 3, "Q4_1", 32 in 20;
    /// 5 bits less 16, one scale.
    Q5_0 = 6, "Q5_0", 32 in 22;
    /// 5 bits, one scale, one offset.
    Q5_1 = 7, "Q5_1", 32 in 24;
    /// int8, one scale.
    Q8_0 = 8, "Q8_0", 32 in 34;
    /// 4 bits; scales and offsets of 32 elements, themselves quantized.
    Q4_K = 12, "Q4_K", 256 in 144;
    /// 5 bits, else as Q4_K.
    Q5_K = 13, "Q5_K", 256 in 176;
    /// 6 bits less 32; scales of 16 elements, themselves quantized.
    Q6_K = 14, "Q6_K", 256 in 210;
}

impl Format {
    /// Bytes of a row of `columns` elements, whole pieces.
    pub const fn row_bytes(self, columns: u32) -> u32 {
        let (elements, bytes) = self.piece();
        columns / elements * bytes
    }

    /// Whether it holds floats, which are multiplied as such, and not integers in blocks of 32.
    pub const fn is_float(self) -> bool {
        matches!(self, Format::F32 | Format::F16 | Format::BF16)
    }

    /// Whether weights have an offset beside their scale.
    pub const fn has_offset(self) -> bool {
        matches!(
            self,
            Format::Q4_1 | Format::Q5_1 | Format::Q4_K | Format::Q5_K
        )
    }
}

/// Where a tensor lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tensor {
    /// Element type.
    pub format: Format,
    /// Elements in a row.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// File offset of the first row.
    pub at: u64,
}

impl Tensor {
    /// Bytes of one row.
    pub fn row_bytes(&self) -> u32 {
        self.format.row_bytes(self.columns)
    }

    /// Stores it in `slot`: `1 + type, 0, offset u64`. Its shape follows from the metadata.
    pub fn store(&self, arena: &mut Arena, slot: u32) {
        let at = TENSORS + 16 * slot;
        arena.put(at, 1 + self.format as u32);
        arena.put(at + 8, self.at);
    }

    /// The tensor in `slot`, if there is one.
    pub fn find(arena: &Arena, slot: u32) -> Option<Tensor> {
        let at = TENSORS + 16 * slot;
        let format = Format::from_gguf(arena.get::<u32>(at).checked_sub(1)?)?;
        let (rows, columns) = Config::read(arena).shape(slot);
        Some(Tensor {
            format,
            columns,
            rows,
            at: arena.get(at + 8),
        })
    }

    /// A tensor that the parser made sure of.
    pub fn get(arena: &Arena, slot: u32) -> Tensor {
        match Tensor::find(arena, slot) {
            Some(tensor) => tensor,
            None => panic!("the parser refuses models without this tensor"),
        }
    }

    /// The matrix that gives logits: the output's, else the embedding.
    pub fn output(arena: &Arena) -> Tensor {
        Tensor::find(arena, global(Global::Output))
            .unwrap_or_else(|| Tensor::get(arena, global(Global::Embedding)))
    }
}
