//! Parts of the arena whose size follows from the vocabulary or the prompt, placed once that is known.

use crate::arena::Arena;
use crate::keys::is_byte_level;
use crate::layout::{AREAS, TOKENS};

/// An area. `n` is the prompt's bytes; each of them gives one item, character or special token at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Area {
    /// Vocabulary index: id + 1, 0 for an empty slot.
    Index,
    /// Merges of a byte-level vocabulary: left, right, into; by rank.
    Pairs,
    /// Their index: rank + 1, 0 for an empty slot.
    PairIndex,
    /// Escaped text of the raw runs.
    Escaped,
    /// Items: `first, count` of escaped text, or `id, u32::MAX`.
    Items,
    /// Symbols of one run: offset, bytes, previous, next. Before that, marks of the input's bytes, u32 each.
    Symbols,
    /// Heap: score (f32), left, right, bytes.
    Heap,
    /// Ids: the prompt's, then the output's.
    Ids,
    /// The buffers that [`crate::plan`] places.
    Buffers,
}

impl Area {
    /// Its offset.
    pub fn at(self, arena: &Arena) -> u32 {
        arena.get(AREAS + 4 * self as u32)
    }
}

/// Places the index of a vocabulary of `count` entries; returns where the arena must reach.
pub fn place_vocabulary(arena: &mut Arena, count: u32) -> u32 {
    let index = aligned(TOKENS + 16 * count);
    arena.put(AREAS + 4 * Area::Index as u32, index);
    let end = aligned(index + 4 * slots(count));
    arena.put(AREAS + 4 * Area::Escaped as u32, end);
    end
}

/// Places the table of `count` merges behind the vocabulary's index; returns where the arena must reach.
pub fn place_merges(arena: &mut Arena, count: u32) -> u32 {
    let pairs = Area::Escaped.at(arena);
    arena.put(AREAS + 4 * Area::Pairs as u32, pairs);
    let index = aligned(pairs + 12 * count);
    arena.put(AREAS + 4 * Area::PairIndex as u32, index);
    let end = aligned(index + 4 * slots(count));
    arena.put(AREAS + 4 * Area::Escaped as u32, end);
    end
}

/// Slots of the index of `count` entries.
pub fn slots(count: u32) -> u32 {
    (2 * count).next_power_of_two()
}

/// Places what a prompt of `bytes` bytes and `wanted` answer ids need; returns where the arena must reach.
pub fn place_request(arena: &mut Arena, bytes: u32, wanted: u32) -> u32 {
    let n = bytes + 1;
    // Byte-level symbols are bytes, and a byte that is no character becomes the three of its replacement.
    let symbols = if is_byte_level(arena) { 3 * n } else { n };
    let areas = [
        // A space becomes three bytes, and so does the space in front of each run.
        (Area::Escaped, 3 * n),
        (Area::Items, 8 * n),
        (Area::Symbols, 16 * symbols),
        // Each merge takes one symbol away and adds two pairs at most.
        (Area::Heap, 16 * 3 * symbols),
        // A byte of escaped text may be an id, and a special token is one; then the first and the last. Choices' bytes and ids count
        // as the prompt's.
        (Area::Ids, 4 * (4 * n + 2 + wanted)),
    ];
    let mut end = Area::Escaped.at(arena);
    for (area, size) in areas {
        arena.put(AREAS + 4 * area as u32, end);
        end = aligned(end + size);
    }
    arena.put(AREAS + 4 * Area::Buffers as u32, end);
    end
}

/// Areas start at leaves.
fn aligned(at: u32) -> u32 {
    at.next_multiple_of(128)
}
