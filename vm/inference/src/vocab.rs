//! The vocabulary: its table and index are built in the arena; lookups from text to id, and pieces from id to text.

use crate::areas::{Area, slots};
use crate::arena::Arena;
use crate::error::{Reject, What};
use crate::host::{Host, Loaded, Rom};
use crate::keys::{Key, is_byte_level};
use crate::layout::*;
use crate::math::finite;
use crate::pairs;
use crate::program::Phase;
use crate::unicode::unspell_all;

/// Kind of a token, by GGUF's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// Text.
    Normal = 1,
    /// Stands for what can't be spelled; spells nothing.
    Unknown = 2,
    /// Control token; spells nothing.
    Control = 3,
    /// Text that only a template forms.
    UserDefined = 4,
    /// Never formed; spells nothing.
    Unused = 5,
    /// One byte.
    Byte = 6,
}

impl Kind {
    fn from_gguf(number: u32) -> Option<Kind> {
        use Kind::*;
        [Normal, Unknown, Control, UserDefined, Unused, Byte]
            .into_iter()
            .find(|k| *k as u32 == number)
    }
}

/// Which tokens a lookup may find. User text is looked up as [`Class::Normal`] only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Tokens that merging forms.
    Normal,
    /// Control, user-defined and unknown tokens, which a template spells out.
    Special,
}

fn class(kind: Kind) -> Option<Class> {
    match kind {
        Kind::Normal => Some(Class::Normal),
        Kind::Control | Kind::UserDefined | Kind::Unknown => Some(Class::Special),
        Kind::Unused | Kind::Byte => None,
    }
}

/// A vocabulary entry: `file offset, bytes | kind << 16, score, hash`.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// File offset of the text.
    pub at: u32,
    /// Bytes of text.
    pub len: u32,
    /// Kind.
    pub kind: Kind,
    /// Priority of merging into it.
    pub score: f32,
    /// Hash of class and text.
    pub hash: u32,
}

impl Token {
    /// Entry `id` of an indexed vocabulary.
    pub fn read(arena: &Arena, id: u32) -> Token {
        let words: &[u32] = arena.view(TOKENS + 16 * id, 4);
        // Only numbers that `Kind` knows were stored.
        let kind = Kind::from_gguf(words[1] >> 16).unwrap_or(Kind::Unused);
        Token {
            at: words[0],
            len: words[1] & 0xffff,
            kind,
            score: f32::from_bits(words[2]),
            hash: words[3],
        }
    }
}

/// FNV-1a of the class and the text, in steps so that prefixes share work.
#[derive(Clone, Copy)]
pub struct Hash(u32);

impl Hash {
    /// Of no bytes.
    pub fn new(class: Class) -> Hash {
        Hash(0x811c_9dc5 ^ class as u32)
    }

    /// With one more byte.
    pub fn push(self, byte: u8) -> Hash {
        Hash((self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }

    fn of(class: Class, text: &[u8]) -> Hash {
        text.iter().fold(Hash::new(class), |h, b| h.push(*b))
    }

    /// The hash, mixed so that its low bits depend on every byte's high bits.
    pub fn finish(self) -> u32 {
        let h = (self.0 ^ self.0 >> 15).wrapping_mul(0x2c1b_3c6d);
        h ^ h >> 13
    }
}

/// One macro step of building table and index.
pub fn index<H: Host>(host: &mut H) -> Result<(), Reject> {
    let mut arena = host.arena();
    let count: u32 = arena.get(Key::Tokens.at());
    let mask = slots(count) - 1;
    arena.put(INDEX_MASK, mask);
    let mut work = 0;
    while work < BUDGET {
        let mut arena = host.arena();
        let id: u32 = arena.get(INDEXED);
        if id < count {
            arena.put(INDEXED, id + 1);
            work += 2500 + add(host, id)?;
            if id + 1 == count {
                finish_index(host)?;
            }
        } else if is_byte_level(&host.arena())
            && let Some(more) = pairs::read_next(host)?
        {
            work += more;
        } else {
            host.arena().put(PHASE, Phase::Request as u32);
            return Ok(());
        }
    }
    Ok(())
}

/// Adds token `id`; returns the work done.
fn add<H: Host>(host: &mut H, id: u32) -> Result<u32, Reject> {
    let refuse = Reject::new(What::Token, id);
    let arena = host.arena();
    let (at, len) = (
        arena.get::<u32>(TOKENS + 16 * id),
        arena.get::<u32>(TOKENS + 16 * id + 4),
    );
    let (scores, kinds) = (
        arena.get::<u32>(Key::Scores.at() + 4),
        arena.get::<u32>(Key::Kinds.at() + 4),
    );
    let byte_level = is_byte_level(&arena);
    // Byte-level tokens may have scores, which mean nothing.
    let score = if byte_level {
        0
    } else {
        number(host, scores + 4 * id)
    };
    let kind = Kind::from_gguf(number(host, kinds + 4 * id)).ok_or(refuse)?;
    if !finite(f32::from_bits(score)) {
        return Err(refuse);
    }
    let mut text = [0u8; MAX_TOKEN_BYTES as usize];
    let text = &mut text[..len as usize];
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Model, u64::from(at), len);
    text.copy_from_slice(data);
    let mut hash = 0;
    if let Some(class) = class(kind) {
        hash = Hash::of(class, text).finish();
        let longest = if class == Class::Normal {
            LONGEST_NORMAL
        } else {
            LONGEST_SPECIAL
        };
        arena.put(longest, arena.get::<u32>(longest).max(len));
    }
    arena.view_mut(TOKENS + 16 * id + 4, 3).copy_from_slice(&[
        len | (kind as u32) << 16,
        score,
        hash,
    ]);
    let byte = match kind {
        Kind::Byte => Some(byte_value(text).ok_or(refuse)?).filter(|_| !byte_level),
        Kind::Normal if byte_level => {
            let mut bytes = [0; MAX_TOKEN_BYTES as usize];
            let count = unspell_all(text, &mut bytes).ok_or(refuse)?;
            (count == 1).then_some(bytes[0])
        }
        _ => None,
    };
    if let Some(byte) = byte {
        let slot = BYTES + 4 * u32::from(byte);
        if arena.get::<u32>(slot) == 0 {
            arena.put(slot, id + 1);
        }
    }
    // Reading the text as UTF-8 costs as much again as all else.
    let spelling = if byte_level { 40 * len } else { 0 };
    match (kind, class(kind)) {
        (_, Some(class)) if len > 0 => {
            if class == Class::Special {
                let at = SPECIAL_FIRST + u32::from(text[0] >> 3);
                arena.put(at, arena.get::<u8>(at) | 1 << (text[0] & 7));
            }
            let found = probe(host, class, text, hash);
            match found {
                // Of equal texts the lowest id counts.
                Probe {
                    id: Some(_), work, ..
                } => Ok(spelling + work),
                Probe {
                    empty: Some(slot),
                    work,
                    ..
                } => {
                    let mut arena = host.arena();
                    let index = Area::Index.at(&arena);
                    arena.put(index + 4 * slot, id + 1);
                    Ok(spelling + work)
                }
                _ => Err(refuse),
            }
        }
        _ => Ok(0),
    }
}

/// The u32 at a file offset within the header.
fn number<H: Host>(host: &mut H, at: u32) -> u32 {
    let data = host.load(Rom::Model, u64::from(at), 4).data;
    u32::from_le_bytes([data[0], data[1], data[2], data[3]])
}

/// The byte that `<0xHH>` names.
fn byte_value(text: &[u8]) -> Option<u8> {
    let &[b'<', b'0', b'x', high, low, b'>'] = text else {
        return None;
    };
    let digit = |c: u8| (c as char).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// After the last token: every byte must have one; of a byte-level vocabulary the merges follow.
fn finish_index<H: Host>(host: &mut H) -> Result<(), Reject> {
    let arena = host.arena();
    if is_byte_level(&arena) {
        pairs::begin(host);
        return Ok(());
    }
    let bytes: &[u32] = arena.view(BYTES, 256);
    if let Some(missing) = bytes.iter().position(|id| *id == 0) {
        return Err(Reject::new(What::ByteMissing, missing as u32));
    }
    Ok(())
}

/// What a probe of the index found.
#[derive(Clone, Copy, Default)]
pub struct Probe {
    /// The token of that class and text.
    pub id: Option<u32>,
    /// Else the slot where it would go, unless too many others are in its way: such a model is refused.
    pub empty: Option<u32>,
    /// Instructions spent, about.
    pub work: u32,
}

/// Looks `text` up; `hash` is [`Hash::finish`] of its class and bytes.
pub fn probe<H: Host>(host: &mut H, class: Class, text: &[u8], hash: u32) -> Probe {
    let arena = host.arena();
    let mask: u32 = arena.get(INDEX_MASK);
    let index = Area::Index.at(&arena);
    let mut found = Probe {
        work: 120,
        ..Probe::default()
    };
    let mut equal = 0;
    for i in 0..MAX_PROBES {
        let slot = hash.wrapping_add(i) & mask;
        let arena = host.arena();
        let Some(id) = arena.get::<u32>(index + 4 * slot).checked_sub(1) else {
            // More tokens of one hash than chance gives would make lookups costly.
            found.empty = (equal < MAX_EQUAL).then_some(slot);
            return found;
        };
        let token = Token::read(&arena, id);
        found.work += 160;
        if token.hash == hash
            && token.len as usize == text.len()
            && self::class(token.kind) == Some(class)
        {
            equal += 1;
            found.work += 400 + 10 * token.len;
            if host.load(Rom::Model, u64::from(token.at), token.len).data == text {
                found.id = Some(id);
                return found;
            }
        }
    }
    found
}

/// The token of that class and text.
pub fn find<H: Host>(host: &mut H, class: Class, text: &[u8]) -> Probe {
    probe(host, class, text, Hash::of(class, text).finish())
}

/// Whether `id` ends generation.
pub fn is_end(arena: &Arena, id: u32) -> bool {
    [Key::Eos, Key::Eot, Key::Eom]
        .into_iter()
        .any(|key| arena.get::<u32>(key.at()) == id)
}

/// Writes what token `id` spells to `out`; returns its length.
pub fn piece<H: Host>(host: &mut H, id: u32, out: &mut [u8; MAX_TOKEN_BYTES as usize]) -> u32 {
    let arena = host.arena();
    if is_end(&arena, id) {
        return 0;
    }
    let token = Token::read(&arena, id);
    let byte_level = is_byte_level(&arena);
    let text = host.load(Rom::Model, u64::from(token.at), token.len).data;
    match token.kind {
        Kind::Control | Kind::Unknown | Kind::Unused => 0,
        Kind::Byte => {
            out[0] = byte_value(text).unwrap_or_default();
            1
        }
        // As a template spells it.
        Kind::UserDefined => {
            out[..text.len()].copy_from_slice(text);
            token.len
        }
        // Only such texts were let in.
        Kind::Normal if byte_level => unspell_all(text, out).unwrap_or_default(),
        Kind::Normal => unescape(text, out),
    }
}

/// Copies `text` with each `▁` as a space; returns the length.
fn unescape(text: &[u8], out: &mut [u8]) -> u32 {
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        if text[from..].starts_with("▁".as_bytes()) {
            out[to] = b' ';
            from += 3;
        } else {
            out[to] = text[from];
            from += 1;
        }
        to += 1;
    }
    to as u32
}
