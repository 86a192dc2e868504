//! Merges runs into tokens. Here is SentencePiece's way: within a run, the adjacent pair that spells the best-scored normal token
//! is merged until none is left (ties: leftmost); symbols that are no token become byte tokens. The other is in [`crate::bpe`].

use crate::areas::Area;
use crate::arena::Arena;
use crate::bpe;
use crate::choices;
use crate::error::{Due, Stop};
use crate::heap::{self, Pair};
use crate::host::Host;
use crate::keys::{Key, is_byte_level};
use crate::layout::*;
use crate::split::SPECIAL;
use crate::vocab::{Class, Probe, Token, find};

/// No symbol.
pub const NONE: u32 = u32::MAX;

/// What is being done to the current item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stage {
    /// Nothing yet.
    Begin = 0,
    /// Cutting the run, or a word of it, into symbols.
    Symbols = 1,
    /// Looking at each adjacent pair.
    Seed = 2,
    /// Merging the best pair.
    Merge = 3,
    /// Writing ids.
    Emit = 4,
    /// Byte-level: finding the end of the next word.
    Words = 5,
    /// Byte-level: looking the whole word up.
    Whole = 6,
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
                    return finish(&mut host.arena());
                }
                begin(&mut host.arena(), item)?
            }
            stage if is_byte_level(&arena) => {
                let run = item_at(&arena, item);
                30 + bpe::advance(host, stage, run)?
            }
            s if s == Stage::Symbols as u32 => symbol(&mut host.arena(), item),
            s if s == Stage::Seed as u32 => seed(host),
            s if s == Stage::Merge as u32 => merge_best(host),
            _ => emit(host)?,
        };
    }
    Ok(())
}

/// After the last item: the prompt's last id, where the model has one; then the next text.
fn finish(arena: &mut Arena) -> Result<(), Stop> {
    if !choices::is_text_of_choice(arena) {
        if arena.get::<u32>(Key::AddEos.at()) != 0 {
            let eos = arena.get(Key::Eos.at());
            push_id(arena, eos)?;
        }
        // A byte-level vocabulary may lack every byte of the text.
        if arena.get::<u32>(PROMPT_COUNT) == 0 {
            return Err(Due::BadRequest.into());
        }
    }
    Ok(choices::next_text(arena)?)
}

/// Enters a stage.
pub fn enter(arena: &mut Arena, stage: Stage, at: u32) {
    arena.put(MERGE_STAGE, stage as u32);
    arena.put(MERGE_AT, at);
}

fn begin(arena: &mut Arena, item: u32) -> Result<u32, Stop> {
    let (first, count) = item_at(arena, item);
    if count == SPECIAL {
        push_id(arena, first)?;
        arena.put(MERGE_ITEM, item + 1);
    } else if is_byte_level(arena) {
        bpe::begin(arena);
    } else {
        arena.put(SYMBOL_COUNT, 0u32);
        arena.put(HEAP_COUNT, 0u32);
        enter(arena, Stage::Symbols, 0);
    }
    Ok(150)
}

/// Goes to the next item.
pub fn next_item(arena: &mut Arena) {
    let item: u32 = arena.get(MERGE_ITEM);
    arena.put(MERGE_ITEM, item + 1);
    enter(arena, Stage::Begin, 0);
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

/// A character, or byte-level a byte, or what it was merged into.
pub struct Symbol {
    /// Where it starts in the escaped text; byte-level the token that it is, or [`NONE`].
    pub at: u32,
    /// Its bytes; 0 once it has been merged into another.
    pub len: u32,
    /// The symbol before it.
    pub previous: u32,
    /// The symbol after it.
    pub next: u32,
}

impl Symbol {
    /// Symbol `i`.
    pub fn read(arena: &Arena, i: u32) -> Symbol {
        let words: &[u32] = arena.view(Area::Symbols.at(arena) + 16 * i, 4);
        Symbol {
            at: words[0],
            len: words[1],
            previous: words[2],
            next: words[3],
        }
    }

    /// Stores it as symbol `i`.
    pub fn write(&self, arena: &mut Arena, i: u32) {
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
        + heap::push(
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
    let Some((pair, work)) = heap::pop(&mut arena) else {
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
        next_item(&mut arena);
    } else {
        arena.put(MERGE_AT, symbol.next);
    }
    Ok(300 + probe.work)
}
