//! The stop rule: takes an answer's ids one by one, keeps the text, says when the answer is over (`docs/encoding.md`, section 7).
//! The program replays a claimed answer with it; whoever generates one asks it after every id.

use crate::arena::Arena;
use crate::host::Host;
use crate::keys::Key;
use crate::layout::*;
use crate::vocab::{is_end, piece};

/// What taking an id does to the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// The answer goes on.
    Open,
    /// The id is the answer's last.
    Ended,
    /// The id would make request and output too long: it isn't part of the answer, which ended before it.
    Refused,
}

/// Takes the next id, which must be below the vocabulary's size; changes nothing where it is refused.
pub fn take<H: Host>(host: &mut H, id: u32) -> Taken {
    let (mark, outcome) = weigh(host, id);
    if outcome != Taken::Refused {
        let mut arena = host.arena();
        arena.put(TAKEN, mark.taken);
        arena.put(SPELLED, mark.spelled);
        arena.put(TEXT_LEN, mark.text);
        arena.put(ENDED, u32::from(outcome == Taken::Ended));
    }
    outcome
}

/// What [`take`] would say; nothing is taken (bytes past the text in the arena may change).
pub fn would_refuse<H: Host>(host: &mut H, id: u32) -> bool {
    weigh(host, id).1 == Taken::Refused
}

struct Mark {
    taken: u32,
    spelled: u32,
    text: u32,
}

fn weigh<H: Host>(host: &mut H, id: u32) -> (Mark, Taken) {
    let mut bytes = [0; MAX_TOKEN_BYTES as usize];
    let len = piece(host, id, &mut bytes);
    let mut arena = host.arena();
    let old: u32 = arena.get(SPELLED);
    let taken = arena.get::<u32>(TAKEN) + 1;
    arena
        .bytes_mut(TEXT + old, len)
        .copy_from_slice(&bytes[..len as usize]);
    let cut = find_stop(&arena, old, old + len);
    let text = cut.unwrap_or(old + len);
    let mark = Mark {
        taken,
        spelled: old + len,
        text,
    };
    if arena.get::<u32>(PAYLOAD_LEN) + 5 + 4 * taken + text > MAX_BYTES {
        return (mark, Taken::Refused);
    }
    let ended = cut.is_some()
        || is_end(&arena, id)
        || taken == arena.get(TOKENS_WANTED)
        || arena.get::<u32>(PROMPT_COUNT) + taken == arena.get(Key::Context.at());
    (mark, if ended { Taken::Ended } else { Taken::Open })
}

/// Where the text ends if a stop string ends in bytes `old + 1 ..= new`: the earliest end wins, then the longest string.
fn find_stop(arena: &Arena, old: u32, new: u32) -> Option<u32> {
    for end in old + 1..=new {
        let text = arena.bytes(TEXT, end);
        let mut longest = 0;
        for i in 0..arena.get(STOP_COUNT) {
            let at = STOPS + STOP_STRIDE * i;
            let len: u32 = arena.get(at);
            if len > longest && text.ends_with(arena.bytes(at + 4, len)) {
                longest = len;
            }
        }
        if longest > 0 {
            return Some(end - longest);
        }
    }
    None
}

/// Most instructions of one [`take`], about.
pub const TAKE_WORK: u32 = 5000;

/// Most instructions that stop strings add to one [`take`]: those of each compared at each byte of a piece.
pub fn stop_work(arena: &Arena) -> u32 {
    let stops: u32 = (0..arena.get(STOP_COUNT))
        .map(|i| 30 + 7 * arena.get::<u32>(STOPS + STOP_STRIDE * i))
        .sum();
    MAX_TOKEN_BYTES * stops
}

/// Whether some id of the vocabulary could be too long to take.
pub fn may_refuse(arena: &Arena) -> bool {
    let size = arena.get::<u32>(PAYLOAD_LEN)
        + 5
        + 4 * (arena.get::<u32>(TAKEN) + 1)
        + arena.get::<u32>(SPELLED);
    size + MAX_TOKEN_BYTES > MAX_BYTES
}
