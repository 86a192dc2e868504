//! Splits the prompt into raw runs and special tokens, and escapes the runs.
//!
//! Special tokens are matched in template parts only, leftmost first, the longest at each place. Raw text joins across
//! parts. A run that begins the prompt or follows a special token gets a space in front where the model says so.

use crate::areas::Area;
use crate::arena::Arena;
use crate::choices::is_text_of_choice;
use crate::error::Stop;
use crate::host::Host;
use crate::keys::Key;
use crate::layout::*;
use crate::merge::push_id;
use crate::program::Phase;
use crate::vocab::{Class, Hash, probe};

/// Marks an item as a special token.
pub const SPECIAL: u32 = u32::MAX;

/// One macro step of splitting.
pub fn split<H: Host>(host: &mut H) -> Result<(), Stop> {
    let mut work = 0;
    while work < BUDGET {
        let mut arena = host.arena();
        let (at, end, part) = (
            arena.get::<u32>(SPLIT_AT),
            arena.get::<u32>(SPLIT_END),
            arena.get::<u32>(SPLIT_PART),
        );
        if at == end {
            if part == arena.get(LAST_PART) {
                return finish(&mut arena);
            }
            arena.put(SPLIT_PART, part + 1);
            arena.put(SPLIT_END, end + arena.get::<u32>(PARTS + 8 * part + 4));
            work += 50;
            continue;
        }
        let is_template = arena.get::<u32>(PARTS + 8 * (part - 1)) == 1;
        work += 150;
        if is_template {
            let special = longest_special(host, at, end);
            work += special.work;
            if let Some((id, len)) = special.token {
                push_item(host, id, SPECIAL);
                let mut arena = host.arena();
                arena.put(RUN_OPEN, 0u32);
                arena.put(SPLIT_AT, at + len);
                continue;
            }
        }
        push_byte(host, at);
    }
    Ok(())
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

struct Special {
    token: Option<(u32, u32)>,
    work: u32,
}

/// The longest special token that the input spells at `at`, with its length.
fn longest_special<H: Host>(host: &mut H, at: u32, end: u32) -> Special {
    let arena = host.arena();
    let mut found = Special {
        token: None,
        work: 20,
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
        let prefix = arena.get::<u32>(Key::AddSpace.at()) != 0 && !is_text_of_choice(&arena);
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

/// Adds one byte to the last run, a space as `▁`.
fn push_escaped<H: Host>(host: &mut H, byte: u8) {
    let mut arena = host.arena();
    let single = [byte];
    let bytes = if byte == b' ' {
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
