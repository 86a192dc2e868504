//! Finds special tokens in a template part: the longest first, of equally long ones the lowest id, each from left to right, never
//! overlapping. (llama.cpp takes them one after another in that order and cuts each out of what is left.)
//!
//! For each place the longest token there is put on a heap. What comes off the heap is taken if its bytes are still free; else
//! the longest one that still fits there goes back. A token of n bytes stands in the way of n - 1 earlier places at most, and
//! of none twice, so all places together are looked at twice at most.

use crate::areas::Area;
use crate::arena::Arena;
use crate::heap::{self, Pair};
use crate::host::Host;
use crate::layout::*;
use crate::vocab::{Class, Hash, probe};

/// Mark of a byte within a token, not its first.
const INSIDE: u32 = u32::MAX;

/// Looks for tokens at the input byte `at` of a part that ends at `end`; returns the work done.
pub fn seek<H: Host>(host: &mut H, at: u32, end: u32) -> u32 {
    let Found { token, work } = longest(host, at, end);
    let Some((id, len)) = token else { return work };
    work + put_back(host, at, id, len)
}

fn put_back<H: Host>(host: &mut H, at: u32, id: u32, len: u32) -> u32 {
    let pair = Pair {
        score: len as f32,
        left: id,
        right: at,
        len,
    };
    heap::push(&mut host.arena(), pair)
}

/// Takes the next token off the heap; returns the work done, none after the last.
pub fn claim<H: Host>(host: &mut H) -> Option<u32> {
    let mut arena = host.arena();
    let (
        Pair {
            left: id,
            right: at,
            len,
            ..
        },
        mut work,
    ) = heap::pop(&mut arena)?;
    work += 100 + 8 * len;
    let marks: &mut [u32] = arena.view_mut(mark(&arena, at), len);
    match marks.iter().position(|m| *m != 0) {
        None => {
            marks.fill(INSIDE);
            marks[0] = len << ID_BITS | id;
        }
        // The place itself is within a token.
        Some(0) => {}
        Some(free) => {
            let Found { token, work: more } = longest(host, at, at + free as u32);
            work += more;
            if let Some((id, len)) = token {
                work += put_back(host, at, id, len);
            }
        }
    }
    Some(work)
}

const ID_BITS: u32 = 18;
const _: () = assert!(MAX_VOCAB <= 1 << ID_BITS && MAX_TOKEN_BYTES < 1 << (31 - ID_BITS));

/// Where the mark of the input byte `at` is. Symbols lie there later.
fn mark(arena: &Arena, at: u32) -> u32 {
    Area::Symbols.at(arena) + 4 * at
}

/// The token that starts at the input byte `at`, and its length.
pub fn claimed(arena: &Arena, at: u32) -> Option<(u32, u32)> {
    let mark: u32 = arena.get(mark(arena, at));
    // Bytes within a token are never asked for.
    (mark != 0).then_some((mark & ((1 << ID_BITS) - 1), mark >> ID_BITS))
}

struct Found {
    token: Option<(u32, u32)>,
    work: u32,
}

/// The longest special token that the input spells at `at`, with its length.
fn longest<H: Host>(host: &mut H, at: u32, end: u32) -> Found {
    let arena = host.arena();
    let mut found = Found {
        token: None,
        work: 100,
    };
    let first: u8 = arena.get(INPUT + at);
    if arena.get::<u8>(SPECIAL_FIRST + u32::from(first >> 3)) >> (first & 7) & 1 == 0 {
        return found;
    }
    let len = (end - at).min(arena.get(LONGEST_SPECIAL));
    let mut text = [0u8; MAX_TOKEN_BYTES as usize];
    text[..len as usize].copy_from_slice(arena.bytes(INPUT + at, len));
    let mut hash = Hash::new(Class::Special);
    for n in 1..=len {
        hash = hash.push(text[n as usize - 1]);
        let probe = probe(host, Class::Special, &text[..n as usize], hash.finish());
        found.work += 20 + probe.work;
        if let Some(id) = probe.id {
            found.token = Some((id, n));
        }
    }
    found
}
