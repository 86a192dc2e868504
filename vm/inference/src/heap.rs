//! A binary heap in the arena, of what is to be done next: the greatest score first, then the lowest numbers.

use crate::areas::Area;
use crate::arena::Arena;
use crate::layout::HEAP_COUNT;

/// Two adjacent symbols that spell a token; or a special token found in a template ([`crate::special`]).
#[derive(Clone, Copy)]
pub struct Pair {
    /// What goes first. Finite.
    pub score: f32,
    /// The symbol on the left; the token.
    pub left: u32,
    /// The symbol on the right; where the token is.
    pub right: u32,
    /// Bytes of both; of the token.
    pub len: u32,
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
        if self.score != other.score {
            return self.score > other.score;
        }
        (self.left, self.right) < (other.left, other.right)
    }
}

/// Adds `pair`; returns the work done.
pub fn push(arena: &mut Arena, pair: Pair) -> u32 {
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

/// Takes out what goes first, with the work done.
pub fn pop(arena: &mut Arena) -> Option<(Pair, u32)> {
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
        work += 160;
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
