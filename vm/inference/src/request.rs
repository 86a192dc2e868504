//! The request ROM: six words from the contract, then the payload (`docs/encoding.md`, section 7).

use crate::areas::place_request;
use crate::arena::Arena;
use crate::error::Due;
use crate::host::{Host, Rom};
use crate::keys::Key;
use crate::layout::*;
use crate::program::Phase;

/// Offset of `max_gap` in the request header; `max_flips` follows. Both big-endian.
const TOLERANCE: u32 = 184;
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
    let header = host.load(Rom::Request, u64::from(TOLERANCE), 8);
    let (gap, flips) = header.data.split_at(4);
    let big_endian = |bytes: &[u8]| bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b));
    let (gap, flips) = (big_endian(gap), big_endian(flips));
    let mut loaded = host.load(Rom::Request, u64::from(REQUEST_HEADER), payload as u32);
    let arena = &mut loaded.arena;
    arena.put(MAX_GAP, gap);
    arena.put(MAX_FLIPS, flips);
    arena.put(PAYLOAD_LEN, payload as u32);
    parse(Reader(loaded.data), arena)?;
    let adds_none = [Key::AddBos, Key::AddEos]
        .into_iter()
        .all(|key| arena.get::<u32>(key.at()) == 0);
    if arena.get::<u32>(INPUT_LEN) == 0 && adds_none {
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

fn parse(mut reader: Reader, arena: &mut Arena) -> Result<(), Due> {
    let (version, sampling) = (reader.number(1)?, reader.number(1)?);
    let (wanted, temperature) = (reader.number(4)?, reader.number(4)?);
    let stops = reader.number(1)?;
    if version != 1
        || sampling != 0
        || temperature != 0
        || !(1..=MAX_TOKENS).contains(&wanted)
        || stops > MAX_STOPS
    {
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
    arena.put(INPUT_LEN, end);
    if reader.0.is_empty() {
        Ok(())
    } else {
        Err(Due::BadRequest)
    }
}

/// Each part by itself must be UTF-8.
fn check_utf8(arena: &Arena) -> Result<(), Due> {
    let mut at = INPUT;
    for i in 0..arena.get(PART_COUNT) {
        let len = arena.get(PARTS + 8 * i + 4);
        core::str::from_utf8(arena.bytes(at, len)).map_err(|_| Due::NotUtf8)?;
        at += len;
    }
    Ok(())
}
