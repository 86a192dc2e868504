//! Byte-level merging: a run is cut into words, each word into bytes; within a word, the adjacent pair of the lowest rank is
//! merged until there is none (ties: leftmost).

use crate::areas::Area;
use crate::arena::Arena;
use crate::error::Stop;
use crate::heap::{self, Pair};
use crate::host::Host;
use crate::layout::*;
use crate::merge::{NONE, Stage, Symbol, enter, next_item, push_id};
use crate::pairs::merge_of;
use crate::pre::Pre;
use crate::unicode::{decode, encode, spell};
use crate::vocab::{Class, find};

/// One piece of work on the run `first .. first + count`; returns the work done.
pub fn advance<H: Host>(host: &mut H, stage: u32, run: (u32, u32)) -> Result<u32, Stop> {
    let arena = &mut host.arena();
    match stage {
        s if s == Stage::Words as u32 => Ok(word(arena, run)),
        s if s == Stage::Symbols as u32 => Ok(symbols(arena, run)),
        s if s == Stage::Whole as u32 => whole(host, run),
        s if s == Stage::Seed as u32 => Ok(seed(host)),
        s if s == Stage::Merge as u32 => Ok(merge_best(host)),
        _ => emit(arena),
    }
}

/// Starts on the run's first word.
pub fn begin(arena: &mut Arena) {
    arena.put(WORD_AT, 0u32);
    arena.put(CUT_AT, 0u32);
    arena.put(CUT_STATE, 0u32);
    enter(arena, Stage::Words, 0);
}

/// Looks for the word's end.
fn word(arena: &mut Arena, (first, count): (u32, u32)) -> u32 {
    let at: u32 = arena.get(WORD_AT);
    if at == count {
        next_item(arena);
        return 20;
    }
    let (end, work) = crate::words::cut(arena, Pre::of(arena).cut, first, count);
    if let Some(end) = end {
        arena.put(WORD_END, end);
        arena.put(SYMBOL_COUNT, 0u32);
        arena.put(HEAP_COUNT, 0u32);
        enter(arena, Stage::Symbols, at);
    }
    work
}

/// The canonical bytes of the run's character at `at`, their number, and the bytes that it takes in the run.
fn char_at(arena: &Arena, (first, count): (u32, u32), at: u32) -> ([u8; 4], u32, u32) {
    let bytes = arena.bytes(Area::Escaped.at(arena) + first + at, (count - at).min(4));
    let (point, taken) = decode(bytes);
    let (bytes, len) = encode(point);
    (bytes, len, taken)
}

/// Turns the word's next character into symbols, one a byte.
fn symbols(arena: &mut Arena, run: (u32, u32)) -> u32 {
    let (at, end): (u32, u32) = (arena.get(MERGE_AT), arena.get(WORD_END));
    if at == end {
        let stage = if Pre::of(arena).ignore_merges {
            Stage::Whole
        } else {
            Stage::Seed
        };
        enter(arena, stage, 1);
        return 50;
    }
    let (bytes, len, taken) = char_at(arena, run, at);
    let i: u32 = arena.get(SYMBOL_COUNT);
    for j in 0..len {
        let is_last = at + taken == end && j + 1 == len;
        Symbol {
            // 0 where the vocabulary lacks the byte: NONE.
            at: arena
                .get::<u32>(BYTES + 4 * u32::from(bytes[j as usize]))
                .wrapping_sub(1),
            len: 1,
            previous: (i + j).wrapping_sub(1),
            next: if is_last { NONE } else { i + j + 1 },
        }
        .write(arena, i + j);
    }
    arena.put(SYMBOL_COUNT, i + len);
    arena.put(MERGE_AT, at + taken);
    200 + 150 * len
}

/// Takes the whole word where it is a token.
fn whole<H: Host>(host: &mut H, run: (u32, u32)) -> Result<u32, Stop> {
    let arena = host.arena();
    let (mut at, end): (u32, u32) = (arena.get(WORD_AT), arena.get(WORD_END));
    let longest: u32 = arena.get(LONGEST_NORMAL);
    let (mut text, mut len) = ([0u8; MAX_TOKEN_BYTES as usize + 2], 0);
    while at < end && len <= longest {
        let (bytes, count, taken) = char_at(&arena, run, at);
        for byte in &bytes[..count as usize] {
            let (spelled, more) = encode(spell(*byte));
            if len + more <= longest {
                text[len as usize..][..more as usize].copy_from_slice(&spelled[..more as usize]);
            }
            len += more;
        }
        at += taken;
    }
    let mut work = 200 + 60 * len;
    if len <= longest {
        let probe = find(host, Class::Normal, &text[..len as usize]);
        work += probe.work + 10 * len;
        if let Some(id) = probe.id {
            let mut arena = host.arena();
            push_id(&mut arena, id)?;
            next_word(&mut arena);
            return Ok(work);
        }
    }
    enter(&mut host.arena(), Stage::Seed, 1);
    Ok(work)
}

fn next_word(arena: &mut Arena) {
    arena.put(WORD_AT, arena.get::<u32>(WORD_END));
    enter(arena, Stage::Words, 0);
}

fn seed<H: Host>(host: &mut H) -> u32 {
    let mut arena = host.arena();
    let i: u32 = arena.get(MERGE_AT);
    if i >= arena.get(SYMBOL_COUNT) {
        enter(&mut arena, Stage::Merge, 0);
        return 20;
    }
    arena.put(MERGE_AT, i + 1);
    100 + consider(host, i - 1, i)
}

/// Puts the pair on the heap if it can be merged.
fn consider<H: Host>(host: &mut H, left: u32, right: u32) -> u32 {
    if left == NONE || right == NONE {
        return 10;
    }
    let arena = host.arena();
    let (a, b) = (Symbol::read(&arena, left), Symbol::read(&arena, right));
    let (merge, work) = merge_of(host, a.at, b.at);
    let Some(merge) = merge else {
        return 100 + work;
    };
    let pair = Pair {
        // Exact: ranks are below 2^24.
        score: -(merge.rank as f32),
        left,
        right,
        len: a.len + b.len,
    };
    100 + work + heap::push(&mut host.arena(), pair)
}
const _: () = assert!(MAX_MERGES <= 1 << 24);

fn merge_best<H: Host>(host: &mut H) -> u32 {
    let mut arena = host.arena();
    let Some((pair, work)) = heap::pop(&mut arena) else {
        enter(&mut arena, Stage::Emit, 0);
        return 20;
    };
    let (mut left, mut right) = (
        Symbol::read(&arena, pair.left),
        Symbol::read(&arena, pair.right),
    );
    // Symbols only grow, so a pair of which one side has changed since has another length.
    if left.len == 0 || right.len == 0 || left.len + right.len != pair.len {
        return work + 200;
    }
    // Neither side has changed, so the pair is still in the table.
    let (merge, more) = merge_of(host, left.at, right.at);
    left.at = merge.map_or(NONE, |m| m.into);
    left.len = pair.len;
    left.next = right.next;
    right.len = 0;
    let mut arena = host.arena();
    left.write(&mut arena, pair.left);
    right.write(&mut arena, pair.right);
    if right.next != NONE {
        let previous = Area::Symbols.at(&arena) + 16 * right.next + 8;
        arena.put(previous, pair.left);
    }
    work + more
        + 400
        + consider(host, left.previous, pair.left)
        + consider(host, pair.left, left.next)
}

/// Writes the id of the next symbol. A byte that the vocabulary lacks is left out, as llama.cpp does.
fn emit(arena: &mut Arena) -> Result<u32, Stop> {
    let symbol = Symbol::read(arena, arena.get(MERGE_AT));
    if symbol.at != NONE {
        push_id(arena, symbol.at)?;
    }
    if symbol.next == NONE {
        next_word(arena);
    } else {
        arena.put(MERGE_AT, symbol.next);
    }
    Ok(300)
}
