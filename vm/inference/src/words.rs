//! Cuts a run into words: each pre-tokenizer's regular expression as a state machine that looks at one character a step.
//!
//! A word is found in one pass over it, with two characters of lookahead; the machine's state lies in the arena, so that a
//! run of any length can be cut across macro steps. [`Cut::Default`] is four expressions applied one after another. Its first
//! cuts out punctuation, beyond which the second doesn't see; the others cut numbers only, so one machine does them all.

use crate::areas::Area;
use crate::arena::Arena;
use crate::layout::*;
use crate::pre::Cut;
use crate::unicode::{Class, decode};

/// What the machine is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
enum State {
    /// A word's first character.
    Start = 0,
    /// Letters.
    Letters = 1,
    /// Numbers, all of them.
    Numbers = 2,
    /// Numbers up to three.
    UpToThree = 3,
    /// Numbers up to three ASCII digits in a row.
    UpToDigits = 4,
    /// What is neither letter, number nor whitespace.
    Others = 5,
    /// Line ends after those.
    LineEnds = 6,
    /// Whitespace.
    Spaces = 7,
    /// Punctuation that stands alone.
    Alone = 8,
}

impl State {
    fn read(arena: &Arena) -> State {
        use State::*;
        let all = [
            Start, Letters, Numbers, UpToThree, UpToDigits, Others, LineEnds, Spaces, Alone,
        ];
        all[arena.get::<u32>(CUT_STATE) as usize]
    }
}

/// A character of the run, or what is beyond it.
#[derive(Clone, Copy)]
struct Char {
    point: u32,
    /// None beyond the run, and beyond the stretch that an earlier expression has cut out.
    class: Option<Class>,
    len: u32,
}

impl Char {
    fn is_other(self) -> bool {
        matches!(self.class, Some(Class::Other | Class::Punctuation))
    }

    fn is(self, class: Class) -> bool {
        self.class == Some(class)
    }

    fn is_line_end(self) -> bool {
        self.point == 10 || self.point == 13
    }
}

/// What [`Cut::Default`] takes for punctuation: `\p{P}` and most of ASCII's symbols.
fn is_alone(point: u32, class: Class) -> bool {
    class == Class::Punctuation
        || (point < 0x80 && class == Class::Other && b"$+<=>^~|".contains(&(point as u8)))
}

struct Run<'a> {
    bytes: &'a [u8],
    cut: Cut,
}

impl Run<'_> {
    /// The character at `at`, as the expressions see it that a stretch without punctuation is cut by.
    fn at(&self, at: u32) -> Char {
        let beyond = Char {
            point: u32::MAX,
            class: None,
            len: 0,
        };
        let Some(rest) = self
            .bytes
            .get(at as usize..)
            .filter(|rest| !rest.is_empty())
        else {
            return beyond;
        };
        let (point, len) = decode(&rest[..rest.len().min(4)]);
        let class = Class::of(point);
        if self.cut == Cut::Default && is_alone(point, class) {
            return beyond;
        }
        Char {
            point,
            class: Some(class),
            len,
        }
    }

    fn after(&self, at: u32, char: Char) -> Char {
        if char.class.is_none() {
            char
        } else {
            self.at(at + char.len)
        }
    }

    /// Bytes of punctuation that stands alone, at `at`; 0 for anything else.
    fn alone(&self, at: u32) -> u32 {
        let Some(rest) = self
            .bytes
            .get(at as usize..)
            .filter(|rest| !rest.is_empty())
        else {
            return 0;
        };
        let (point, len) = decode(&rest[..rest.len().min(4)]);
        if is_alone(point, Class::of(point)) {
            len
        } else {
            0
        }
    }

    /// Bytes of an English contraction at `at`, such as `'ll`.
    fn contraction(&self, at: u32, first: Char) -> Option<u32> {
        if first.point != u32::from(b'\'') {
            return None;
        }
        let fold = |c: Char| match (self.cut, c.point) {
            (Cut::Gpt2 | Cut::Default, point) => point,
            (_, point @ 0x41..=0x5a) => point + 32,
            (_, point) => point,
        };
        let second = self.after(at, first);
        let third = self.after(at + first.len, second);
        let [a, b] = [second, third].map(|c| u8::try_from(fold(c)).unwrap_or_default());
        match (a, b) {
            (b's' | b't' | b'm' | b'd', _) => Some(first.len + second.len),
            (b'r' | b'v', b'e') | (b'l', b'l') => Some(first.len + second.len + third.len),
            _ => None,
        }
    }

    /// Bytes of three ASCII digits at `at`.
    fn three_digits(&self, at: u32) -> Option<u32> {
        let mut end = at;
        for _ in 0..3 {
            let char = self.at(end);
            if !(0x30..=0x39).contains(&char.point) {
                return None;
            }
            end += char.len;
        }
        Some(end - at)
    }
}

/// What one character made of the word.
enum Next {
    /// Go on in this state at this place.
    Go(State, u32),
    /// The word ends here.
    End(u32),
}

/// Looks at one character of the run `first .. first + count` of escaped text; returns where the word ends once it is known,
/// counted from `first`, and the work done. The next word starts there.
pub fn cut(arena: &mut Arena, cut: Cut, first: u32, count: u32) -> (Option<u32>, u32) {
    let mut machine = Machine {
        state: State::read(arena),
        at: arena.get(CUT_AT),
        memory: Memory {
            seen: arena.get(CUT_SEEN),
            mark: arena.get(CUT_MARK),
        },
    };
    let run = Run {
        bytes: arena.bytes(Area::Escaped.at(arena) + first, count),
        cut,
    };
    let end = machine.look(&run);
    arena.put(CUT_STATE, machine.state as u32);
    arena.put(CUT_AT, machine.at);
    arena.put(CUT_SEEN, machine.memory.seen);
    arena.put(CUT_MARK, machine.memory.mark);
    (end, CUT_WORK)
}

/// Most instructions of looking at one character, about: four are decoded and classed.
const CUT_WORK: u32 = 1800;

/// All words of a run, for trainers and tests.
#[cfg(feature = "testing")]
pub fn words(bytes: &[u8], cut: Cut) -> Vec<&[u8]> {
    let run = Run { bytes, cut };
    let mut machine = Machine {
        state: State::Start,
        at: 0,
        memory: Memory { seen: 0, mark: 0 },
    };
    let (mut words, mut from) = (Vec::new(), 0);
    while from < bytes.len() {
        if let Some(end) = machine.look(&run) {
            words.push(&bytes[from..end as usize]);
            from = end as usize;
        }
    }
    words
}

/// Where the machine is.
struct Machine {
    state: State,
    at: u32,
    memory: Memory,
}

impl Machine {
    /// Looks at one character; returns the word's end once it is known.
    fn look(&mut self, run: &Run) -> Option<u32> {
        let next = match self.state {
            State::Start => start(run, self.at, &mut self.memory),
            state => go_on(run, state, self.at, &mut self.memory),
        };
        let (state, at, end) = match next {
            Next::Go(state, at) => (state, at, None),
            Next::End(end) => (State::Start, end, Some(end)),
        };
        (self.state, self.at) = (state, at);
        end
    }
}

/// What a state remembers of the characters before.
struct Memory {
    /// Numbers or whitespace so far.
    seen: u32,
    /// After the last line end within whitespace, or 0.
    mark: u32,
}

/// Decides what the word that starts at `at` is.
fn start(run: &Run, at: u32, memory: &mut Memory) -> Next {
    if run.cut == Cut::Default {
        let len = run.alone(at);
        if len > 0 {
            return Next::Go(State::Alone, at + len);
        }
    }
    let first = run.at(at);
    if let Some(len) = run.contraction(at, first) {
        return Next::End(at + len);
    }
    let second = run.after(at, first);
    let is_space = first.point == u32::from(b' ');
    *memory = Memory { seen: 0, mark: 0 };
    match run.cut {
        Cut::Gpt2 | Cut::Default => {
            let (decides, from) = if is_space {
                (second, at + first.len)
            } else {
                (first, at)
            };
            match decides.class {
                Some(Class::Letter) => Next::Go(State::Letters, from),
                // The third expression of the default takes numbers from the space before them.
                Some(Class::Number) if run.cut == Cut::Default && is_space => Next::End(from),
                Some(Class::Number) if run.cut == Cut::Default => match run.three_digits(at) {
                    Some(len) => Next::End(at + len),
                    None => Next::Go(State::UpToDigits, at + first.len),
                },
                Some(Class::Number) => Next::Go(State::Numbers, from),
                Some(Class::Other | Class::Punctuation) => Next::Go(State::Others, from),
                Some(Class::Space) | None => Next::Go(State::Spaces, at),
            }
        }
        Cut::Llama3 | Cut::Qwen2 => {
            let may_lead = !first.is_line_end() && !first.is(Class::Number);
            if may_lead && (first.is(Class::Letter) || second.is(Class::Letter)) {
                return Next::Go(State::Letters, at + first.len);
            }
            if first.is(Class::Number) {
                return if run.cut == Cut::Qwen2 {
                    Next::End(at + first.len)
                } else {
                    Next::Go(State::UpToThree, at)
                };
            }
            if is_space && second.is_other() {
                Next::Go(State::Others, at + first.len)
            } else if first.is_other() {
                Next::Go(State::Others, at)
            } else {
                Next::Go(State::Spaces, at)
            }
        }
    }
}

/// Goes on with the character at `at`.
fn go_on(run: &Run, state: State, at: u32, memory: &mut Memory) -> Next {
    let char = run.at(at);
    let further = at + char.len;
    let takes = |yes: bool| {
        if yes {
            Next::Go(state, further)
        } else {
            Next::End(at)
        }
    };
    match state {
        State::Start | State::Letters => takes(char.is(Class::Letter)),
        State::Numbers => takes(char.is(Class::Number)),
        State::UpToDigits => takes(char.is(Class::Number) && run.three_digits(at).is_none()),
        State::UpToThree => {
            memory.seen += 1;
            takes(char.is(Class::Number) && memory.seen <= 3)
        }
        State::Others if char.is_other() => Next::Go(state, further),
        State::Others if matches!(run.cut, Cut::Llama3 | Cut::Qwen2) => {
            Next::Go(State::LineEnds, at)
        }
        State::Others => Next::End(at),
        State::LineEnds => takes(char.is_line_end()),
        State::Alone => {
            let len = run.alone(at);
            if len > 0 {
                Next::Go(state, at + len)
            } else {
                Next::End(at)
            }
        }
        State::Spaces => spaces(run, char, at, memory),
    }
}

/// Whitespace up to its last line end, if there is one that counts; else all of it but the last, which belongs to the next word,
/// if there is one of each.
fn spaces(run: &Run, char: Char, at: u32, memory: &mut Memory) -> Next {
    let with_lines = matches!(run.cut, Cut::Llama3 | Cut::Qwen2);
    if char.is(Class::Space) {
        memory.seen += 1;
        if with_lines && char.is_line_end() {
            memory.mark = at + char.len;
        }
        return Next::Go(State::Spaces, at + char.len);
    }
    if memory.mark > 0 {
        return Next::End(memory.mark);
    }
    if memory.seen > 1 && char.class.is_some() {
        return Next::End(at - last_len(run, at));
    }
    Next::End(at)
}

/// Bytes of the whitespace character that ends at `at`.
fn last_len(run: &Run, at: u32) -> u32 {
    // Its own bytes decode to it; a shorter tail of them is no character.
    let from_back = |len: &u32| {
        let bytes = &run.bytes[(at - len) as usize..at as usize];
        decode(bytes).1 == *len
    };
    (1..=4.min(at)).rev().find(from_back).unwrap_or(1)
}
