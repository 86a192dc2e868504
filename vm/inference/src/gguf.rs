//! The GGUF v3 parser: header, metadata, tensor list, cut into macro steps. Strict: what isn't known to be
//! harmless is refused. Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use crate::areas::place_vocabulary;
use crate::arena::Arena;
use crate::error::{Reject, What};
use crate::host::{Host, Loaded, Rom};
use crate::keys::{self, KEYS, Key, OTHER, Want, finish_tokenizer, is_parameter};
use crate::layout::*;
use crate::model::Config;
use crate::program::Phase;
use crate::tensors::{self, Format};
use crate::tensors::{GLOBAL, Global, PER_LAYER, Tensor, global};

/// Bytes within which a metadata entry's head or a tensor's entry must fit.
const ENTRY: u64 = 4096;
/// Bytes of a string array that are looked at together.
const PIECE: u64 = 16_384;
/// Longest name that is looked at.
const MAX_NAME: u64 = 1024;

/// Reads numbers from the front of a slice.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: u64) -> Result<&'a [u8], Reject> {
        let truncated = Reject::new(What::Truncated, 0);
        let len = usize::try_from(len).map_err(|_| truncated)?;
        let bytes = self.data[self.at..].get(..len).ok_or(truncated)?;
        self.at += len;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reject> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N as u64)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32, Reject> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Reject> {
        self.array().map(u64::from_le_bytes)
    }

    /// A name and its span in the file, of which this slice starts at `base`.
    fn name(&mut self, base: u64) -> Result<(&'a [u8], Span), Reject> {
        let len = self.u64()?;
        let at = base + self.at as u64;
        if len > MAX_NAME {
            return Err(Reject {
                what: What::Key,
                at,
                len: 0,
                detail: 0,
            });
        }
        Ok((
            self.bytes(len)?,
            Span {
                at,
                len: len as u32,
            },
        ))
    }
}

/// A name in the file.
#[derive(Clone, Copy)]
struct Span {
    at: u64,
    len: u32,
}

impl Span {
    fn reject(self, what: What, detail: u32) -> Reject {
        Reject {
            what,
            at: self.at,
            len: self.len,
            detail,
        }
    }
}

/// Reads the fixed header.
pub fn header<H: Host>(host: &mut H) -> Result<(), Reject> {
    let len: u64 = host.arena().get(MODEL_LEN);
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Model, 0, len.min(24) as u32);
    let mut reader = Reader { data, at: 0 };
    if reader.bytes(4)? != b"GGUF" {
        return Err(Reject::new(What::Magic, 0));
    }
    let version = reader.u32()?;
    if version != 3 {
        return Err(Reject::new(What::Version, version));
    }
    let (tensors, keys) = (reader.u64()?, reader.u64()?);
    if tensors > u64::from(GLOBAL + PER_LAYER * MAX_LAYERS) || keys > MAX_KEYS {
        return Err(Reject::new(What::HeaderTooBig, 0));
    }
    arena.put(TENSOR_COUNT, tensors);
    arena.put(LEFT, keys);
    arena.put(POSITION, 24u64);
    arena.put(PHASE, Phase::Keys as u32);
    Ok(())
}

/// Where the parser goes next.
enum Next {
    Key,
    Strings,
}

/// One macro step of metadata.
pub fn keys<H: Host>(host: &mut H) -> Result<(), Reject> {
    let mut work = 0;
    while work < BUDGET {
        let mut arena = host.arena();
        let (at, left, len) = (
            arena.get::<u64>(POSITION),
            arena.get::<u64>(LEFT),
            arena.get::<u64>(MODEL_LEN),
        );
        if left == 0 {
            return finish_keys(&mut arena);
        }
        arena.put(LEFT, left - 1);
        let mut loaded = host.load(Rom::Model, at, (len - at).min(ENTRY) as u32);
        work += 4000;
        if let Next::Strings = key(&mut loaded, at, len)? {
            if loaded.arena.get::<u32>(IS_VOCAB) != 0 {
                let count = loaded.arena.get(Key::Tokens.at());
                let end = place_vocabulary(&mut loaded.arena, count);
                host.grow(end);
            }
            return Ok(());
        }
    }
    Ok(())
}

/// Parses one metadata entry at `at` and moves past it, or to its strings.
fn key(loaded: &mut Loaded, at: u64, len: u64) -> Result<Next, Reject> {
    let arena = &mut loaded.arena;
    let mut reader = Reader {
        data: loaded.data,
        at: 0,
    };
    let (name, span) = reader.name(at)?;
    let kind = reader.u32()?;
    if is_parameter(name) && arena.get::<u64>(SEEN) >> Key::Architecture as u32 & 1 == 0 {
        return Err(span.reject(What::ArchitectureLate, 0));
    }
    let known = keys::known(name, arena.get::<u32>(Key::Architecture.at()) as usize);
    if known.is_none() && is_parameter(name) {
        let is_rope = name.windows(10).any(|part| part == b".rope.scal");
        let what = if is_rope {
            What::RopeScaling
        } else {
            What::Key
        };
        return Err(span.reject(what, 0));
    }
    if let Some(i) = known {
        let seen = arena.get::<u64>(SEEN);
        if seen >> i & 1 != 0 {
            return Err(span.reject(What::KeyTwice, 0));
        }
        arena.put(SEEN, seen | 1 << i);
    }
    let want = known.map(|i| KEYS[i].1);
    let slot = known.map_or(0, |i| VALUES + 8 * i as u32);
    let wrong_type = span.reject(What::KeyType, kind);
    match kind {
        8 => {
            let size = reader.u64()?;
            let start = at + reader.at as u64;
            match want {
                Some(Want::OneOf(texts)) => {
                    // A pre-tokenizer is refused once it is known whether the tokenizer has one.
                    let found = match check_string(&mut reader, known, texts, size, start) {
                        Err(reject) if reject.what == What::PreTokenizer => OTHER | reject.len,
                        found => found?,
                    };
                    arena.put(slot, found);
                    // Within MAX_HEADER, or `go` refuses.
                    arena.put(slot + 4, start as u32);
                }
                Some(_) => return Err(wrong_type),
                None => {}
            }
            go(arena, start, size, len)?;
        }
        9 => {
            let (element, count) = (reader.u32()?, reader.u64()?);
            let start = at + reader.at as u64;
            if matches!(
                (want, element),
                (None, _)
                    | (Some(Want::Strings), 8)
                    | (Some(Want::Floats), 6)
                    | (Some(Want::Ints), 5)
            ) {
                if known.is_some() {
                    let most = if known == Some(Key::Merges as usize) {
                        MAX_MERGES
                    } else {
                        MAX_VOCAB
                    };
                    let count = u32::try_from(count).ok().filter(|n| *n <= most);
                    arena.put(slot, count.ok_or(span.reject(What::KeyValue, 0))?);
                    // Within MAX_HEADER, or `go` refuses.
                    arena.put(slot + 4, start as u32);
                }
            } else {
                return Err(wrong_type);
            }
            if element == 8 {
                arena.put(KEYS_LEFT, arena.get::<u64>(LEFT));
                arena.put(LEFT, count);
                let is_vocab = known == Some(Key::Tokens as usize);
                arena.put(IS_VOCAB, u32::from(is_vocab));
                arena.put(PHASE, Phase::Strings as u32);
                go(arena, start, 0, len)?;
                return Ok(Next::Strings);
            }
            let size = scalar_bytes(element)
                .and_then(|n| count.checked_mul(n))
                .ok_or(wrong_type)?;
            go(arena, start, size, len)?;
        }
        _ => {
            let size = scalar_bytes(kind).ok_or(wrong_type)?;
            let start = at + reader.at as u64;
            let value = reader.bytes(size)?;
            match (want, kind) {
                (None, _) => {}
                (Some(Want::U32), 4) | (Some(Want::F32), 6) => {
                    arena.put(
                        slot,
                        u32::from_le_bytes([value[0], value[1], value[2], value[3]]),
                    );
                }
                (Some(Want::Bool), 7) if value[0] <= 1 => arena.put(slot, u32::from(value[0])),
                (Some(Want::Bool), 7) => return Err(span.reject(What::KeyValue, 0)),
                _ => return Err(wrong_type),
            }
            go(arena, start, size, len)?;
        }
    }
    Ok(Next::Key)
}

/// Which of the supported strings a value is.
fn check_string(
    reader: &mut Reader,
    known: Option<usize>,
    texts: &[&[u8]],
    size: u64,
    start: u64,
) -> Result<u32, Reject> {
    if size > MAX_NAME {
        return Err(Reject {
            what: What::KeyValue,
            at: start,
            len: 0,
            detail: 0,
        });
    }
    let value = reader.bytes(size)?;
    if let Some(i) = texts.iter().position(|text| *text == value) {
        return Ok(i as u32);
    }
    let what = match known {
        Some(i) if i == Key::Architecture as usize => What::Architecture,
        Some(i) if i == Key::Tokenizer as usize => What::Tokenizer,
        Some(i) if i == Key::Pre as usize => What::PreTokenizer,
        _ => What::RopeScaling,
    };
    Err(Reject {
        what,
        at: start,
        len: size as u32,
        detail: 0,
    })
}

/// Moves to `start + size`, which must lie in the file and in the longest header.
fn go(arena: &mut Arena, start: u64, size: u64, len: u64) -> Result<(), Reject> {
    let end = start
        .checked_add(size)
        .filter(|end| *end <= len)
        .ok_or(Reject::new(What::Truncated, 0))?;
    if end > MAX_HEADER {
        return Err(Reject::new(What::HeaderTooBig, 0));
    }
    arena.put(POSITION, end);
    Ok(())
}

/// Bytes of a value of GGUF's type `kind`; none for strings and arrays.
fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// After the last key: required ones, defaults, dimensions.
fn finish_keys(arena: &mut Arena) -> Result<(), Reject> {
    let seen = arena.get::<u64>(SEEN);
    for (i, (_, _, required, default)) in KEYS.iter().enumerate() {
        if seen >> i & 1 == 0 {
            if *required {
                return Err(Reject::new(What::KeyMissing, i as u32));
            }
            arena.put(VALUES + 8 * i as u32, *default);
        }
    }
    finish_tokenizer(arena)?;
    Config::read(arena).check(arena)?;
    arena.put(LEFT, arena.get::<u64>(TENSOR_COUNT));
    arena.put(PHASE, Phase::Tensors as u32);
    Ok(())
}

/// One macro step through an array of strings; the vocabulary's go to its table.
pub fn strings<H: Host>(host: &mut H) -> Result<(), Reject> {
    let mut work = 0;
    while work < BUDGET {
        let mut arena = host.arena();
        let (at, len) = (arena.get::<u64>(POSITION), arena.get::<u64>(MODEL_LEN));
        if arena.get::<u64>(LEFT) == 0 {
            arena.put(LEFT, arena.get::<u64>(KEYS_LEFT));
            arena.put(PHASE, Phase::Keys as u32);
            return Ok(());
        }
        let mut loaded = host.load(Rom::Model, at, (len - at).min(PIECE) as u32);
        work += 500;
        work += some_strings(&mut loaded, at, len)?;
    }
    Ok(())
}

/// Walks the strings of one loaded piece; returns the work done.
fn some_strings(loaded: &mut Loaded, base: u64, len: u64) -> Result<u32, Reject> {
    let arena = &mut loaded.arena;
    let (mut at, mut left, mut work) = (base, arena.get::<u64>(LEFT), 0);
    let count: u32 = arena.get(Key::Tokens.at());
    let is_vocab = arena.get::<u32>(IS_VOCAB) != 0;
    while left > 0 {
        let start = (at - base) as usize;
        let Some(head) = loaded.data.get(start..start + 8) else {
            if len - at < 8 {
                return Err(Reject::new(What::Truncated, 0));
            }
            break;
        };
        let mut size = [0; 8];
        size.copy_from_slice(head);
        let size = u64::from_le_bytes(size);
        if is_vocab {
            let id = count - left as u32;
            if size > u64::from(MAX_TOKEN_BYTES) {
                return Err(Reject::new(What::Token, id));
            }
            arena
                .view_mut(TOKENS + 16 * id, 2)
                .copy_from_slice(&[at as u32 + 8, size as u32]);
        }
        go(arena, at + 8, size, len)?;
        at = arena.get(POSITION);
        left -= 1;
        work += 100;
        if at - base >= loaded.data.len() as u64 {
            break;
        }
    }
    arena.put(LEFT, left);
    Ok(work)
}

/// One macro step of the tensor list.
pub fn tensors<H: Host>(host: &mut H) -> Result<(), Reject> {
    let mut work = 0;
    while work < BUDGET {
        let mut arena = host.arena();
        let (at, left, len) = (
            arena.get::<u64>(POSITION),
            arena.get::<u64>(LEFT),
            arena.get::<u64>(MODEL_LEN),
        );
        if left == 0 {
            finish_tensors(&mut arena, at, len)?;
            return check_factors(host);
        }
        arena.put(LEFT, left - 1);
        let mut loaded = host.load(Rom::Model, at, (len - at).min(ENTRY) as u32);
        tensor(&mut loaded, at, len)?;
        work += 4000;
    }
    Ok(())
}

/// Parses one entry of the tensor list; its offset stays relative until the list's end is known.
fn tensor(loaded: &mut Loaded, at: u64, len: u64) -> Result<(), Reject> {
    let arena = &mut loaded.arena;
    let config = Config::read(arena);
    let mut reader = Reader {
        data: loaded.data,
        at: 0,
    };
    let (name, span) = reader.name(at)?;
    let slot = tensors::slot(name, config.layers)
        .filter(|slot| config.has(*slot))
        .ok_or(span.reject(What::Tensor, 0))?;
    if Tensor::find(arena, slot).is_some() {
        return Err(span.reject(What::TensorTwice, 0));
    }
    let (rows, columns) = config.shape(slot);
    let dimensions = reader.u32()?;
    let is_norm = !config.is_matrix(slot);
    let wrong_shape = span.reject(What::TensorShape, dimensions);
    if dimensions != if is_norm { 1 } else { 2 }
        || reader.u64()? != u64::from(columns)
        || (!is_norm && reader.u64()? != u64::from(rows))
    {
        return Err(wrong_shape);
    }
    let number = reader.u32()?;
    let format = Format::from_gguf(number)
        .filter(|f| config.allows(slot, *f))
        .ok_or(span.reject(What::TensorType, number))?;
    let offset = reader.u64()?;
    if !offset.is_multiple_of(u64::from(arena.get::<u32>(Key::Alignment.at()))) {
        return Err(span.reject(What::TensorRange, 0));
    }
    Tensor {
        format,
        columns,
        rows,
        at: offset,
    }
    .store(arena, slot);
    go(arena, at, reader.at as u64, len)
}

/// After the last tensor: required ones, and their bytes within the file.
fn finish_tensors(arena: &mut Arena, at: u64, len: u64) -> Result<(), Reject> {
    let config = Config::read(arena);
    let alignment = u64::from(arena.get::<u32>(Key::Alignment.at()));
    let start = at.next_multiple_of(alignment);
    for slot in 0..GLOBAL + PER_LAYER * config.layers {
        let Some(mut tensor) = Tensor::find(arena, slot) else {
            if !config.needs(slot) {
                continue;
            }
            return Err(Reject::new(What::TensorMissing, slot));
        };
        let bytes = u64::from(tensor.row_bytes()) * u64::from(tensor.rows);
        let first = start.checked_add(tensor.at);
        if first
            .and_then(|first| first.checked_add(bytes))
            .is_none_or(|end| end > len)
        {
            return Err(Reject::new(What::TensorRange, slot));
        }
        tensor.at += start;
        tensor.store(arena, slot);
    }
    arena.put(DATA_START, start);
    arena.put(PHASE, Phase::Vocab as u32);
    Ok(())
}

/// What frequencies are divided by must be numbers that a model of the architecture can have.
fn check_factors<H: Host>(host: &mut H) -> Result<(), Reject> {
    let Some(tensor) = Tensor::find(&host.arena(), global(Global::RopeFactors)) else {
        return Ok(());
    };
    let data = host.load(Rom::Model, tensor.at, tensor.row_bytes()).data;
    let fits = data.chunks_exact(4).all(|b| {
        let factor = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        (1.0..=MAX_ROPE_FACTOR).contains(&factor)
    });
    if fits {
        Ok(())
    } else {
        Err(Reject::new(What::RopeFactors, 0))
    }
}
