//! Splits the prompt into raw runs and special tokens, and escapes the runs.
//!
//! Special tokens are formed in template parts only ([`crate::special`]). Raw text joins across parts. Where a model's spaces are
//! `▁`, they become that; a run that begins the prompt or follows a special token gets a space in front where the model says so.

use crate::areas::Area;
use crate::arena::Arena;
use crate::choices::is_text_of_choice;
use crate::error::Stop;
use crate::host::Host;
use crate::keys::{Key, is_byte_level};
use crate::layout::*;
use crate::merge::push_id;
use crate::program::Phase;
use crate::special::{claim, claimed, seek};

/// Marks an item as a special token.
pub const SPECIAL: u32 = u32::MAX;

/// What is being done to the current part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
enum Stage {
    /// Copying its text, and the tokens found, to items.
    Copy = 0,
    /// Looking at each place for special tokens.
    Seek = 1,
    /// Choosing between those that overlap.
    Claim = 2,
}

/// One macro step of splitting.
pub fn split<H: Host>(host: &mut H) -> Result<(), Stop> {
    let mut work = 0;
    while work < BUDGET {
        let arena = host.arena();
        let (at, end, stage) = (
            arena.get::<u32>(SPLIT_AT),
            arena.get::<u32>(SPLIT_END),
            arena.get::<u32>(SPLIT_STAGE),
        );
        work += 150;
        match stage {
            s if s == Stage::Seek as u32 => {
                let place: u32 = arena.get(SEEK_AT);
                if place == end {
                    host.arena().put(SPLIT_STAGE, Stage::Claim as u32);
                } else {
                    work += seek(host, place, end);
                    host.arena().put(SEEK_AT, place + 1);
                }
            }
            s if s == Stage::Claim as u32 => match claim(host) {
                Some(more) => work += more,
                None => host.arena().put(SPLIT_STAGE, Stage::Copy as u32),
            },
            _ if at < end => copy(host, at),
            _ if arena.get::<u32>(SPLIT_PART) == arena.get(LAST_PART) => {
                return finish(&mut host.arena());
            }
            _ => next_part(&mut host.arena()),
        }
    }
    Ok(())
}

fn next_part(arena: &mut Arena) {
    let (part, end): (u32, u32) = (arena.get(SPLIT_PART), arena.get(SPLIT_END));
    let (kind, len): (u32, u32) = (arena.get(PARTS + 8 * part), arena.get(PARTS + 8 * part + 4));
    arena.put(SPLIT_PART, part + 1);
    arena.put(SPLIT_END, end + len);
    // [S] Only here do special tokens come to be looked for: of a user part no byte is ever marked.
    if kind == 1 {
        arena.put(SEEK_AT, end);
        arena.put(SPLIT_STAGE, Stage::Seek as u32);
    }
}

/// Makes an item of the token that starts at the input byte `at`, or adds that byte to the open run.
fn copy<H: Host>(host: &mut H, at: u32) {
    let arena = host.arena();
    // Marks are of the prompt alone: where they lie, the prompt's merging has left other things.
    let token = if is_text_of_choice(&arena) {
        None
    } else {
        claimed(&arena, at)
    };
    match token {
        Some((id, len)) => {
            push_item(host, id, SPECIAL);
            let mut arena = host.arena();
            arena.put(RUN_OPEN, 0u32);
            arena.put(SPLIT_AT, at + len);
        }
        None => push_byte(host, at),
    }
}

/// After the last part: the prompt's first id, where the model has one.
fn finish(arena: &mut Arena) -> Result<(), Stop> {
    arena.put(PHASE, Phase::Merge as u32);
    if arena.get::<u32>(Key::AddBos.at()) != 0 && !is_text_of_choice(arena) {
        let bos = arena.get(Key::Bos.at());
        push_id(arena, bos)?;
    }
    Ok(())
}

fn push_item<H: Host>(host: &mut H, first: u32, count: u32) {
    let mut arena = host.arena();
    let items: u32 = arena.get(ITEM_COUNT);
    let at = Area::Items.at(&arena);
    arena
        .view_mut(at + 8 * items, 2)
        .copy_from_slice(&[first, count]);
    arena.put(ITEM_COUNT, items + 1);
}

/// Adds the input byte at `at` to the open run, opening one if there is none.
fn push_byte<H: Host>(host: &mut H, at: u32) {
    let mut arena = host.arena();
    if arena.get::<u32>(RUN_OPEN) == 0 {
        arena.put(RUN_OPEN, 1u32);
        let first = arena.get(ESCAPED_LEN);
        let prefix = arena.get::<u32>(Key::AddSpace.at()) != 0
            && !is_byte_level(&arena)
            && !is_text_of_choice(&arena);
        push_item(host, first, 0);
        if prefix {
            push_escaped(host, b' ');
        }
    }
    let mut arena = host.arena();
    let byte = arena.get(INPUT + at);
    arena.put(SPLIT_AT, at + 1);
    push_escaped(host, byte);
}

/// Adds one byte to the last run, a space as `▁` where the model has it so.
fn push_escaped<H: Host>(host: &mut H, byte: u8) {
    let mut arena = host.arena();
    let single = [byte];
    let bytes = if byte == b' ' && !is_byte_level(&arena) {
        "▁".as_bytes()
    } else {
        &single
    };
    let len: u32 = arena.get(ESCAPED_LEN);
    let at = Area::Escaped.at(&arena);
    arena
        .bytes_mut(at + len, bytes.len() as u32)
        .copy_from_slice(bytes);
    arena.put(ESCAPED_LEN, len + bytes.len() as u32);
    let count = Area::Items.at(&arena) + 8 * (arena.get::<u32>(ITEM_COUNT) - 1) + 4;
    arena.put(count, arena.get::<u32>(count) + bytes.len() as u32);
}
