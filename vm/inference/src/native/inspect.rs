//! What a model file is, or why it isn't supported, in words.

use super::host::{Bytes, bytes};
use super::machine::NativeMachine;
use crate::error::{Reject, Stop, What};
use crate::keys::KEYS;
use crate::layout::{MAX_ROPE_FACTOR, MAX_TOKEN_BYTES};
use crate::model::Config;
use crate::program::Phase;
use crate::tensors::slot_name;
use assay_types::output::Output;
use thiserror::Error;

/// Dimensions of a supported model.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelInfo {
    /// Dimensions and parameters.
    pub config: Config,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why a model isn't supported.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{message}")]
pub struct Unsupported {
    /// The program's reason.
    pub reject: Reject,
    message: String,
}

/// Reads the header of a GGUF file as the program does.
pub fn inspect(model: Bytes) -> Result<ModelInfo, Unsupported> {
    let nothing = Output::Answer {
        ids: Vec::new(),
        text: Vec::new(),
    };
    let mut machine = NativeMachine::new(bytes([]), bytes(nothing.encode()), model.clone());
    match machine.run_until(Phase::Request) {
        Ok(()) => {
            let arena = crate::host::Host::arena(machine.host_mut());
            Ok(ModelInfo {
                config: Config::read(&arena),
                bytes: (*model).as_ref().len() as u64,
            })
        }
        Err(Stop::Reject(reject)) => Err(Unsupported {
            reject,
            message: describe(reject, (*model).as_ref()),
        }),
        // Before the request nothing else ends the program: the output above is canonical.
        Err(stop) => unreachable!("{stop:?}"),
    }
}

impl Unsupported {
    /// The error for `reject` of `model`.
    pub(super) fn new(reject: Reject, model: &[u8]) -> Unsupported {
        Unsupported {
            reject,
            message: describe(reject, model),
        }
    }
}

fn describe(reject: Reject, model: &[u8]) -> String {
    let name = usize::try_from(reject.at)
        .ok()
        .and_then(|at| model.get(at..)?.get(..reject.len as usize));
    let name = String::from_utf8_lossy(name.unwrap_or_default());
    let detail = reject.detail;
    match reject.what {
        What::Truncated => {
            "the GGUF file is truncated or malformed: its header runs past its end".into()
        }
        What::Magic => "not a GGUF file (its first bytes aren't `GGUF`)".into(),
        What::Version => format!("GGUF version {detail} is unsupported; only version 3 is"),
        What::HeaderTooBig => {
            "the GGUF header is larger than supported (64 MiB, 65,536 keys, 1,796 tensors)".into()
        }
        What::Key if name.is_empty() => "a metadata key is longer than supported".into(),
        What::Key => {
            format!("metadata key `{name}` is unsupported: it changes the model's arithmetic")
        }
        What::KeyType => {
            format!("metadata key `{name}` has an unsupported type (GGUF type {detail})")
        }
        What::KeyValue if name.is_empty() => "a metadata string is longer than supported".into(),
        What::KeyValue => format!("metadata key `{name}` has a value out of range"),
        What::KeyTwice => format!("metadata key `{name}` appears twice"),
        What::KeyMissing => format!(
            "metadata key `{}` is missing (* stands for the architecture)",
            KEYS[detail as usize].0
        ),
        What::Architecture => {
            format!("architecture `{name}` is unsupported; `llama`, `qwen2` and `qwen3` are")
        }
        What::ArchitectureLate => format!(
            "metadata key `{name}` comes before `general.architecture`: the file was not written as converters write it"
        ),
        What::RopeFactors => {
            format!("tensor `rope_freqs.weight` holds a number outside 1 to {MAX_ROPE_FACTOR}")
        }
        What::Tokenizer => {
            format!(
                "tokenizer model `{name}` is unsupported; `llama` (SentencePiece) and `gpt2` (byte-level BPE) are"
            )
        }
        What::PreTokenizer => format!(
            "pre-tokenizer `{name}` is unsupported: its rules for cutting text into words are not those of `llama-bpe`, `qwen2`, `gpt-2` or `default`"
        ),
        What::RopeScaling => format!(
            "this rope scaling is unsupported; `none`, `linear` and `rope_freqs.weight` are (found `{name}`)"
        ),
        What::Tensor => {
            format!(
                "tensor `{name}` isn't part of a plain model of this architecture and is unsupported"
            )
        }
        What::TensorTwice => format!("tensor `{name}` appears twice"),
        What::TensorType => format!(
            "tensor `{name}` has unsupported type {}; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K are supported (norms: F32)",
            type_name(detail)
        ),
        What::TensorShape => {
            format!("tensor `{name}` doesn't have the shape that the metadata gives")
        }
        What::TensorRange if name.is_empty() => format!(
            "the file ends before the data of tensor `{}`",
            full_name(detail)
        ),
        What::TensorRange => format!("tensor `{name}` isn't aligned"),
        What::TensorMissing => format!("tensor `{}` is missing", full_name(detail)),
        What::Dimensions => {
            "the model's dimensions don't fit each other or exceed the supported limits".into()
        }
        What::Token => format!(
            "vocabulary entry {detail} is malformed or unsupported (longer than {MAX_TOKEN_BYTES} bytes, of an unknown type, with a score that isn't finite, a byte token not named <0xHH>, or byte-level text with other characters than the 256 that stand for bytes)"
        ),
        What::ByteMissing => {
            format!("the vocabulary has no byte token <0x{detail:02X}>; byte fallback is required")
        }
        What::Merge => format!(
            "merge {detail} is malformed or unsupported (its two halves and what they make together must be normal tokens of the vocabulary)"
        ),
    }
}

fn full_name(slot: u32) -> String {
    match slot_name(slot) {
        (None, name) => name.into(),
        (Some(layer), name) => format!("blk.{layer}.{name}"),
    }
}

/// Names of ggml's tensor types, for messages.
fn type_name(number: u32) -> String {
    let name = match number {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        6 => "Q5_0",
        7 => "Q5_1",
        8 => "Q8_0",
        10 => "Q2_K",
        11 => "Q3_K",
        12 => "Q4_K",
        13 => "Q5_K",
        14 => "Q6_K",
        30 => "BF16",
        39 => "MXFP4",
        _ => return number.to_string(),
    };
    name.into()
}
