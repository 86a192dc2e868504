//! The request ROM: six words from the contract, then the payload (`docs/encoding.md`, section 7).

use crate::areas::place_request;
use crate::arena::Arena;
use crate::choices::check_distinct;
use crate::error::Due;
use crate::host::{Host, Rom};
use crate::keys::Key;
use crate::layout::*;
use crate::program::Phase;
use crate::sampler::{Rule, Sampling};

/// Offset of the seed in the request header.
const SEED_AT: u32 = 128;
/// Offset of `max_gap` after the seed; `max_flips` follows. Both big-endian.
const TOLERANCE: usize = 56;
/// Largest payload: an output is 5 bytes at least.
const MAX_PAYLOAD: u64 = MAX_BYTES as u64 - 5;

/// Reads from the front of the payload; running out is a bad request.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Due> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Due::BadRequest)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self, bytes: usize) -> Result<u32, Due> {
        Ok(self
            .bytes(bytes)?
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | u32::from(*b)))
    }
}

/// The macro step that reads the request into the arena.
pub fn read<H: Host>(host: &mut H) -> Result<(), Due> {
    read_unchecked(host)?;
    check_utf8(&host.arena())?;
    place(host);
    Ok(())
}

/// The same, but for the parts' encoding.
pub fn read_unchecked<H: Host>(host: &mut H) -> Result<(), Due> {
    let len: u64 = host.arena().get(REQUEST_LEN);
    let payload = len
        .checked_sub(u64::from(REQUEST_HEADER))
        .filter(|n| *n <= MAX_PAYLOAD)
        .ok_or(Due::BadRequest)?;
    let header = host.load(Rom::Request, u64::from(SEED_AT), REQUEST_HEADER - SEED_AT);
    let word = |at: usize| {
        let bytes = header.data[at..at + 8].iter();
        bytes.fold(0u64, |n, b| n << 8 | u64::from(*b))
    };
    let (seed, tolerance) = ([0, 8, 16, 24].map(word), word(TOLERANCE));
    let mut loaded = host.load(Rom::Request, u64::from(REQUEST_HEADER), payload as u32);
    let arena = &mut loaded.arena;
    arena.put(MAX_GAP, (tolerance >> 32) as u32);
    arena.put(MAX_FLIPS, tolerance as u32);
    arena.view_mut(SEED, 4).copy_from_slice(&seed);
    arena.put(PAYLOAD_LEN, payload as u32);
    let prompt = parse(Reader(loaded.data), arena)?;
    let adds_none = [Key::AddBos, Key::AddEos]
        .into_iter()
        .all(|key| arena.get::<u32>(key.at()) == 0);
    if prompt == 0 && adds_none {
        return Err(Due::BadRequest);
    }
    Ok(())
}

/// Makes room for tokenizing what was read.
pub fn place<H: Host>(host: &mut H) {
    let mut arena = host.arena();
    arena.put(PHASE, Phase::Split as u32);
    let (bytes, wanted) = (arena.get(INPUT_LEN), arena.get(TOKENS_WANTED));
    let end = place_request(&mut arena, bytes, wanted);
    host.grow(end);
}

/// Reads the payload; gives the prompt's bytes.
fn parse(mut reader: Reader, arena: &mut Arena) -> Result<u32, Due> {
    let (version, sampling) = (reader.number(1)?, reader.number(1)?);
    let (wanted, temperature) = (reader.number(4)?, reader.number(4)?);
    let (top_k, min_p) = if sampling == Sampling::Drawn as u32 {
        (reader.number(2)?, reader.number(2)?)
    } else {
        (0, 0)
    };
    let stops = reader.number(1)?;
    let sampling = Rule::accept(arena, sampling, [temperature, top_k, min_p])?;
    let is_choice = sampling == Sampling::Choice;
    // A choice is answered whole.
    let most_stops = if is_choice { 0 } else { MAX_STOPS };
    if version != 1 || !(1..=MAX_TOKENS).contains(&wanted) || stops > most_stops {
        return Err(Due::BadRequest);
    }
    arena.put(TOKENS_WANTED, wanted);
    arena.put(STOP_COUNT, stops);
    for i in 0..stops {
        let len = reader.number(2)?;
        if !(1..=MAX_STOP_BYTES).contains(&len) {
            return Err(Due::BadRequest);
        }
        arena.put(STOPS + STOP_STRIDE * i, len);
        arena
            .bytes_mut(STOPS + STOP_STRIDE * i + 4, len)
            .copy_from_slice(reader.bytes(len as usize)?);
    }
    let parts = reader.number(2)?;
    if !(1..=MAX_PARTS).contains(&parts) {
        return Err(Due::BadRequest);
    }
    arena.put(PART_COUNT, parts);
    let mut end = 0;
    for i in 0..parts {
        let (kind, len) = (reader.number(1)?, reader.number(4)?);
        if kind > 1 {
            return Err(Due::BadRequest);
        }
        // `bytes` fails first where `len` is beyond the payload, so the sum stays within INPUT.
        let bytes = reader.bytes(len as usize)?;
        arena
            .view_mut(PARTS + 8 * i, 2)
            .copy_from_slice(&[kind, len]);
        arena.bytes_mut(INPUT + end, len).copy_from_slice(bytes);
        end += len;
    }
    let prompt = end;
    if is_choice {
        end = parse_choices(&mut reader, arena, parts, end)?;
    }
    arena.put(INPUT_LEN, end);
    arena.put(LAST_PART, parts);
    if reader.0.is_empty() {
        Ok(prompt)
    } else {
        Err(Due::BadRequest)
    }
}

/// Reads the choices, which follow the prompt's `parts` as user text from byte `end` of the input on; gives their end.
fn parse_choices(
    reader: &mut Reader,
    arena: &mut Arena,
    parts: u32,
    mut end: u32,
) -> Result<u32, Due> {
    let count = reader.number(1)?;
    if !(MIN_CHOICES..=MAX_CHOICES).contains(&count) {
        return Err(Due::BadRequest);
    }
    for i in parts..parts + count {
        let len = reader.number(2)?;
        if !(1..=MAX_CHOICE_BYTES).contains(&len) {
            return Err(Due::BadRequest);
        }
        let bytes = reader.bytes(len as usize)?;
        arena.view_mut(PARTS + 8 * i, 2).copy_from_slice(&[0, len]);
        arena.bytes_mut(INPUT + end, len).copy_from_slice(bytes);
        end += len;
    }
    arena.put(CHOICE_COUNT, count);
    check_distinct(arena)?;
    Ok(end)
}

/// Each part and each choice by itself must be UTF-8.
fn check_utf8(arena: &Arena) -> Result<(), Due> {
    let mut at = INPUT;
    for i in 0..arena.get::<u32>(PART_COUNT) + arena.get::<u32>(CHOICE_COUNT) {
        let len = arena.get(PARTS + 8 * i + 4);
        core::str::from_utf8(arena.bytes(at, len)).map_err(|_| Due::NotUtf8)?;
        at += len;
    }
    Ok(())
}
