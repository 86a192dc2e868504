//! SentencePiece's merging: within a run, the adjacent pair that spells the best-scored normal token is merged until none is
//! left (ties: leftmost); symbols that are no token become byte tokens.

use crate::areas::Area;
use crate::arena::Arena;
use crate::choices;
use crate::error::{Due, Stop};
use crate::host::Host;
use crate::keys::Key;
use crate::layout::*;
use crate::split::SPECIAL;
use crate::vocab::{Class, Probe, Token, find};

/// No symbol.
const NONE: u32 = u32::MAX;

/// What is being done to the current item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stage {
    /// Nothing yet.
    Begin = 0,
    /// Cutting the run into characters.
    Symbols = 1,
    /// Looking at each adjacent pair.
    Seed = 2,
    /// Merging the best pair.
    Merge = 3,
    /// Writing ids.
    Emit = 4,
}

/// One macro step of merging.
pub fn merge<H: Host>(host: &mut H) -> Result<(), Stop> {
    let mut work = 0;
    while work < BUDGET {
        let arena = host.arena();
        let (item, stage) = (arena.get::<u32>(MERGE_ITEM), arena.get::<u32>(MERGE_STAGE));
        work += match stage {
            s if s == Stage::Begin as u32 => {
                if item == arena.get(ITEM_COUNT) {
                    choices::next_text(&mut host.arena());
                    return Ok(());
                }
                begin(&mut host.arena(), item)?
            }
            s if s == Stage::Symbols as u32 => symbol(&mut host.arena(), item),
            s if s == Stage::Seed as u32 => seed(host),
            s if s == Stage::Merge as u32 => merge_best(host),
            _ => emit(host)?,
        };
    }
    Ok(())
}

fn enter(arena: &mut Arena, stage: Stage, at: u32) {
    arena.put(MERGE_STAGE, stage as u32);
    arena.put(MERGE_AT, at);
}

fn begin(arena: &mut Arena, item: u32) -> Result<u32, Stop> {
    let (first, count) = item_at(arena, item);
    if count == SPECIAL {
        push_id(arena, first)?;
        arena.put(MERGE_ITEM, item + 1);
    } else {
        arena.put(SYMBOL_COUNT, 0u32);
        arena.put(HEAP_COUNT, 0u32);
        enter(arena, Stage::Symbols, 0);
    }
    Ok(150)
}

fn item_at(arena: &Arena, item: u32) -> (u32, u32) {
    let words: &[u32] = arena.view(Area::Items.at(arena) + 8 * item, 2);
    (words[0], words[1])
}

/// Appends one id to the text being tokenized: to the prompt, which must leave room for an answer, or to a choice.
pub fn push_id(arena: &mut Arena, id: u32) -> Result<(), Stop> {
    if choices::is_text_of_choice(arena) {
        return choices::push_id(arena, id);
    }
    let count: u32 = arena.get(PROMPT_COUNT);
    if count + 1 >= arena.get::<u32>(Key::Context.at()) {
        return Err(Due::PromptTooLong.into());
    }
    arena.put(Area::Ids.at(arena) + 4 * count, id);
    arena.put(PROMPT_COUNT, count + 1);
    Ok(())
}

/// A character or what it was merged into: escaped bytes `at .. at + len`; `len` is 0 once merged away.
struct Symbol {
    at: u32,
    len: u32,
    previous: u32,
    next: u32,
}

impl Symbol {
    fn read(arena: &Arena, i: u32) -> Symbol {
        let words: &[u32] = arena.view(Area::Symbols.at(arena) + 16 * i, 4);
        Symbol {
            at: words[0],
            len: words[1],
            previous: words[2],
            next: words[3],
        }
    }

    fn write(&self, arena: &mut Arena, i: u32) {
        arena
            .view_mut(Area::Symbols.at(arena) + 16 * i, 4)
            .copy_from_slice(&[self.at, self.len, self.previous, self.next]);
    }
}

/// Cuts off the next character.
fn symbol(arena: &mut Arena, item: u32) -> u32 {
    let (first, count) = item_at(arena, item);
    let done: u32 = arena.get(MERGE_AT);
    if done == count {
        enter(arena, Stage::Seed, 1);
        return 20;
    }
    let len = match arena.get::<u8>(Area::Escaped.at(arena) + first + done) {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    let len = len.min(count - done);
    let i: u32 = arena.get(SYMBOL_COUNT);
    let next = if done + len == count { NONE } else { i + 1 };
    Symbol {
        at: first + done,
        len,
        previous: i.wrapping_sub(1),
        next,
    }
    .write(arena, i);
    arena.put(SYMBOL_COUNT, i + 1);
    arena.put(MERGE_AT, done + len);
    300
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

/// Looks up the text of symbol `i`, and of `and` after it.
fn lookup<H: Host>(host: &mut H, i: u32, and: Option<u32>) -> (Probe, u32) {
    let arena = host.arena();
    let symbol = Symbol::read(&arena, i);
    let len = symbol.len + and.map_or(0, |j| Symbol::read(&arena, j).len);
    if len > arena.get(LONGEST_NORMAL) {
        return (
            Probe {
                work: 200,
                ..Probe::default()
            },
            len,
        );
    }
    let mut text = [0u8; MAX_TOKEN_BYTES as usize];
    let text = &mut text[..len as usize];
    text.copy_from_slice(arena.bytes(Area::Escaped.at(&arena) + symbol.at, len));
    let mut probe = find(host, Class::Normal, text);
    probe.work += 250 + 12 * len;
    (probe, len)
}

/// Puts the pair on the heap if it spells a token.
fn consider<H: Host>(host: &mut H, left: u32, right: u32) -> u32 {
    if left == NONE || right == NONE {
        return 10;
    }
    let (probe, len) = lookup(host, left, Some(right));
    let Some(id) = probe.id else {
        return probe.work;
    };
    let mut arena = host.arena();
    let score = Token::read(&arena, id).score;
    probe.work
        + heap_push(
            &mut arena,
            Pair {
                score,
                left,
                right,
                len,
            },
        )
}

fn merge_best<H: Host>(host: &mut H) -> u32 {
    let mut arena = host.arena();
    let Some((pair, work)) = heap_pop(&mut arena) else {
        enter(&mut arena, Stage::Emit, 0);
        return 20;
    };
    let (mut left, mut right) = (
        Symbol::read(&arena, pair.left),
        Symbol::read(&arena, pair.right),
    );
    // A pair of which one side has changed since is stale.
    if left.len == 0 || right.len == 0 || left.len + right.len != pair.len {
        return work + 200;
    }
    left.len = pair.len;
    left.next = right.next;
    right.len = 0;
    left.write(&mut arena, pair.left);
    right.write(&mut arena, pair.right);
    if right.next != NONE {
        let previous = Area::Symbols.at(&arena) + 16 * right.next + 8;
        arena.put(previous, pair.left);
    }
    work + 400 + consider(host, left.previous, pair.left) + consider(host, pair.left, left.next)
}

/// Writes the ids of the next symbol.
fn emit<H: Host>(host: &mut H) -> Result<u32, Stop> {
    let i: u32 = host.arena().get(MERGE_AT);
    let (probe, _) = lookup(host, i, None);
    let mut arena = host.arena();
    let symbol = Symbol::read(&arena, i);
    match probe.id {
        Some(id) => push_id(&mut arena, id)?,
        None => {
            for j in 0..symbol.len {
                let byte: u8 = arena.get(Area::Escaped.at(&arena) + symbol.at + j);
                let id = arena.get::<u32>(BYTES + 4 * u32::from(byte)) - 1;
                push_id(&mut arena, id)?;
            }
        }
    }
    if symbol.next == NONE {
        let item: u32 = arena.get(MERGE_ITEM);
        arena.put(MERGE_ITEM, item + 1);
        enter(&mut arena, Stage::Begin, 0);
    } else {
        arena.put(MERGE_AT, symbol.next);
    }
    Ok(300 + probe.work)
}

/// Two adjacent symbols that spell a token.
#[derive(Clone, Copy)]
struct Pair {
    score: f32,
    left: u32,
    right: u32,
    len: u32,
}

impl Pair {
    fn read(arena: &Arena, i: u32) -> Pair {
        let words: &[u32] = arena.view(Area::Heap.at(arena) + 16 * i, 4);
        Pair {
            score: f32::from_bits(words[0]),
            left: words[1],
            right: words[2],
            len: words[3],
        }
    }

    fn write(&self, arena: &mut Arena, i: u32) {
        arena
            .view_mut(Area::Heap.at(arena) + 16 * i, 4)
            .copy_from_slice(&[self.score.to_bits(), self.left, self.right, self.len]);
    }

    fn before(&self, other: &Pair) -> bool {
        self.score > other.score || (self.score == other.score && self.left < other.left)
    }
}

fn heap_push(arena: &mut Arena, pair: Pair) -> u32 {
    let mut i: u32 = arena.get(HEAP_COUNT);
    arena.put(HEAP_COUNT, i + 1);
    let mut work = 120;
    while i > 0 {
        let parent = Pair::read(arena, (i - 1) / 2);
        work += 80;
        if !pair.before(&parent) {
            break;
        }
        parent.write(arena, i);
        i = (i - 1) / 2;
    }
    pair.write(arena, i);
    work
}

fn heap_pop(arena: &mut Arena) -> Option<(Pair, u32)> {
    let count = arena.get::<u32>(HEAP_COUNT).checked_sub(1)?;
    arena.put(HEAP_COUNT, count);
    let (best, last) = (Pair::read(arena, 0), Pair::read(arena, count));
    let (mut i, mut work) = (0, 120);
    while 2 * i + 1 < count {
        let mut child = 2 * i + 1;
        if child + 1 < count && Pair::read(arena, child + 1).before(&Pair::read(arena, child)) {
            child += 1;
        }
        let candidate = Pair::read(arena, child);
        work += 150;
        if !candidate.before(&last) {
            break;
        }
        candidate.write(arena, i);
        i = child;
    }
    if count > 0 {
        last.write(arena, i);
    }
    Some((best, work))
}
