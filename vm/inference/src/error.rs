//! Why the program stops: an error that is due, a wrong output, or a model that it refuses.

/// An error output that the request is due (`docs/encoding.md`, section 7); the lowest that applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Due {
    /// The model file is malformed or unsupported.
    BadModel = 1,
    /// The payload is malformed or a parameter is out of range.
    BadRequest = 2,
    /// A prompt part is not UTF-8.
    NotUtf8 = 3,
    /// The prompt leaves no room for one token.
    PromptTooLong = 4,
    /// Too many yields, or too much memory.
    PlanTooLong = 5,
    /// Arithmetic left the finite numbers.
    NonFinite = 255,
}

/// What is wrong with an output: the program's halt code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Wrong {
    /// Not an encoding of an output.
    NotCanonical = 1,
    /// An error where none or another is due, or an answer where an error is.
    Kind = 2,
    /// A token that the sampling rule doesn't give.
    Token = 3,
    /// Ends before or after the rules say.
    Length = 4,
    /// The text isn't what the ids spell.
    Text = 5,
}

/// What a model file has that the program refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The file ends within its header.
    Truncated,
    /// No GGUF magic.
    Magic,
    /// A GGUF version other than 3 (`detail`).
    Version,
    /// The header is beyond a limit of [`crate::layout`].
    HeaderTooBig,
    /// A metadata key that changes the arithmetic and isn't supported (span: the key).
    Key,
    /// A known key with another type (`detail`; span: the key).
    KeyType,
    /// A known key with a value out of range (span: the key).
    KeyValue,
    /// A known key twice (span: the key).
    KeyTwice,
    /// A required key is missing (`detail`: its row in [`crate::keys::KEYS`]).
    KeyMissing,
    /// An architecture other than those of [`crate::keys::ARCHITECTURES`] (span: its name).
    Architecture,
    /// A tokenizer other than `llama` and `gpt2` (span: its name).
    Tokenizer,
    /// A pre-tokenizer whose rules aren't known (span: its name).
    PreTokenizer,
    /// A parameter of an architecture before the architecture itself (span: the key).
    ArchitectureLate,
    /// A kind of rope scaling (span: its name).
    RopeScaling,
    /// A frequency's divisor out of range.
    RopeFactors,
    /// A tensor that isn't part of the architecture (span: its name).
    Tensor,
    /// A tensor twice (span: its name).
    TensorTwice,
    /// A tensor of a type other than [`crate::tensors::Format`]'s (`detail`; span: its name).
    TensorType,
    /// A tensor of another shape than the metadata says (span: its name).
    TensorShape,
    /// A tensor's bytes lie outside the file, or unaligned (span: its name).
    TensorRange,
    /// A required tensor is missing (`detail`: its slot in [`crate::tensors`]).
    TensorMissing,
    /// Dimensions that don't fit each other or exceed a limit.
    Dimensions,
    /// A vocabulary entry is malformed (`detail`: its id).
    Token,
    /// A byte has no byte token (`detail`: the byte).
    ByteMissing,
    /// A merge of or into what is no normal token, or malformed (`detail`: its rank).
    Merge,
}

/// A model that the program refuses, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reject {
    /// What is refused.
    pub what: What,
    /// File offset of the name that explains it.
    pub at: u64,
    /// Bytes of that name; 0 for none.
    pub len: u32,
    /// A number that explains it.
    pub detail: u32,
}

/// Why a macro step doesn't simply yield.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The output is the right one.
    Right,
    /// The output is wrong.
    Wrong(Wrong),
    /// The only right output is this error.
    Due(Due),
    /// The model is refused: [`Due::BadModel`], with the reason.
    Reject(Reject),
}

impl Reject {
    /// A reason without a name.
    pub fn new(what: What, detail: u32) -> Reject {
        Reject {
            what,
            at: 0,
            len: 0,
            detail,
        }
    }
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Stop {
        Stop::Reject(reject)
    }
}

impl From<Wrong> for Stop {
    fn from(wrong: Wrong) -> Stop {
        Stop::Wrong(wrong)
    }
}

impl From<Due> for Stop {
    fn from(due: Due) -> Stop {
        Stop::Due(due)
    }
}

/// Arithmetic left the finite numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NonFinite;

impl From<NonFinite> for Stop {
    fn from(_: NonFinite) -> Stop {
        Stop::Due(Due::NonFinite)
    }
}
