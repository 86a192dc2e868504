//! The program: `step` runs one macro step and says whether to go on. Between steps everything is in the arena.

use crate::areas::Area;
use crate::error::{Due, Stop, Wrong};
use crate::forward::{self, start_chunk};
use crate::host::{Host, Loaded, Rom};
use crate::keys::Key;
use crate::layout::*;
use crate::sampler::Sampling;
use crate::text::{TAKE_WORK, Taken, may_refuse, stop_work, take};
use crate::{choices, gguf, merge, plan, request, sampler, split, vocab};

/// What the next macro step does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Phase {
    /// Looks at the output's head and the model's.
    Start = 0,
    /// Reads metadata.
    Keys = 1,
    /// Walks an array of strings.
    Strings = 2,
    /// Reads the tensor list.
    Tensors = 3,
    /// Indexes the vocabulary and its merges.
    Vocab = 4,
    /// Reads the request. What came before depends on the model alone.
    Request = 5,
    /// Splits the prompt.
    Split = 6,
    /// Tokenizes it.
    Merge = 7,
    /// Plans. What came before depends on model and request alone.
    Plan = 8,
    /// Reads the claimed ids.
    Claim = 9,
    /// Replays the stop rule and compares the text.
    Replay = 10,
    /// Computes.
    Forward = 11,
    /// Walks the logits of a chunk, unless they were compared as they came.
    Sample = 12,
}

/// Runs one macro step; `Err` says how the program ends.
pub fn advance<H: Host>(host: &mut H) -> Result<(), Stop> {
    let phase = phase(host);
    if phase != Phase::Start as u32 {
        let mut arena = host.arena();
        arena.put(YIELDS, arena.get::<u64>(YIELDS) + 1);
    }
    match phase {
        p if p == Phase::Start as u32 => start(host),
        p if p == Phase::Keys as u32 => Ok(gguf::keys(host)?),
        p if p == Phase::Strings as u32 => Ok(gguf::strings(host)?),
        p if p == Phase::Tensors as u32 => Ok(gguf::tensors(host)?),
        p if p == Phase::Vocab as u32 => Ok(vocab::index(host)?),
        p if p == Phase::Request as u32 => Ok(request::read(host)?),
        p if p == Phase::Split as u32 => split::split(host),
        p if p == Phase::Merge as u32 => merge::merge(host),
        p if p == Phase::Plan as u32 => plan::plan(host),
        p if p == Phase::Claim as u32 => claim(host),
        p if p == Phase::Replay as u32 => replay(host),
        p if p == Phase::Sample as u32 => sampler::step(host),
        _ => forward::step(host),
    }
}

/// The phase that the next macro step is in.
pub fn phase<H: Host>(host: &mut H) -> u32 {
    let arena = host.arena();
    // Nothing is there before the first step.
    if arena.0.is_empty() {
        0
    } else {
        arena.get(PHASE)
    }
}

/// What `step` returns: 0 to go on, 1 for a right output, 1 + code for a wrong one.
pub fn step<H: Host>(host: &mut H) -> u32 {
    match advance(host) {
        Ok(()) => 0,
        Err(stop) => 1 + verdict(host, stop),
    }
}

/// The halt code: 0 where the output is right.
pub fn verdict<H: Host>(host: &mut H, stop: Stop) -> u32 {
    let due = match stop {
        Stop::Right => return 0,
        Stop::Wrong(wrong) => return wrong as u32,
        Stop::Due(due) => due,
        Stop::Reject(_) => Due::BadModel,
    };
    let right = if due == Due::NonFinite {
        non_finite_claimed(host)
    } else {
        host.arena().get::<u32>(KIND) == due as u32
    };
    if right { 0 } else { Wrong::Kind as u32 }
}

/// Whether the output claims this very position: the last one fed, or the prompt.
fn non_finite_claimed<H: Host>(host: &mut H) -> bool {
    let arena = host.arena();
    let alone = arena.get::<u32>(COUNT) == 0 || arena.get::<u32>(CHUNK_AT) + 1 == arena.get(FED);
    arena.get::<u32>(KIND) == Due::NonFinite as u32 && alone
}

/// Reads the lengths and the output's head; the output must be an encoding.
pub fn open<H: Host>(host: &mut H) -> Result<(), Stop> {
    let (request, output) = (host.rom_len(Rom::Request), host.rom_len(Rom::Output));
    host.arena().put(REQUEST_LEN, request);
    if !(5..=u64::from(MAX_BYTES)).contains(&output) {
        return Err(Wrong::NotCanonical.into());
    }
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Output, 0, 5);
    let (kind, count) = (
        data[0],
        u32::from_le_bytes([data[1], data[2], data[3], data[4]]),
    );
    let fits = u64::from(count) * 4 + 5 <= output;
    let canonical = match kind {
        0 => fits,
        1..=5 => count == 0 && output == 5,
        255 => fits && output == 5 + 4 * u64::from(count),
        _ => false,
    };
    if !canonical {
        return Err(Wrong::NotCanonical.into());
    }
    arena.put(OUTPUT_LEN, output as u32);
    arena.put(KIND, u32::from(kind));
    arena.put(COUNT, count);
    Ok(())
}

fn start<H: Host>(host: &mut H) -> Result<(), Stop> {
    host.grow(TOKENS);
    open(host)?;
    let len = host.rom_len(Rom::Model);
    let mut arena = host.arena();
    arena.put(MODEL_LEN, len);
    arena.put(YIELDS, 1u64);
    Ok(gguf::header(host)?)
}

/// Which fault an output of this kind has when its ids end elsewhere than the rules say.
fn wrong_end(kind: u32) -> Stop {
    if kind == 0 {
        Wrong::Length.into()
    } else {
        Wrong::Kind.into()
    }
}

/// Puts the claimed ids behind the prompt's.
fn claim<H: Host>(host: &mut H) -> Result<(), Stop> {
    let arena = host.arena();
    let (kind, count, prompt) = (
        arena.get::<u32>(KIND),
        arena.get::<u32>(COUNT),
        arena.get::<u32>(PROMPT_COUNT),
    );
    if kind != 0 && kind != Due::NonFinite as u32 {
        return Err(Wrong::Kind.into());
    }
    if count > arena.get(TOKENS_WANTED) {
        return Err(wrong_end(kind));
    }
    let vocab: u32 = arena.get(Key::Tokens.at());
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Output, 5, 4 * count);
    let ids = Area::Ids.at(&arena);
    for (id, b) in arena
        .view_mut(ids + 4 * prompt, count)
        .iter_mut()
        .zip(data.chunks_exact(4))
    {
        *id = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        if *id >= vocab {
            return Err(Wrong::Token.into());
        }
    }
    if Sampling::read(&arena) == Sampling::Choice {
        return choices::claim(host);
    }
    arena.put(PHASE, Phase::Replay as u32);
    Ok(())
}

/// One macro step of replaying the stop rule; at the end, what is to be computed is known.
fn replay<H: Host>(host: &mut H) -> Result<(), Stop> {
    let arena = host.arena();
    let (kind, count, prompt) = (
        arena.get::<u32>(KIND),
        arena.get::<u32>(COUNT),
        arena.get::<u32>(PROMPT_COUNT),
    );
    let each = TAKE_WORK + stop_work(&arena);
    let mut work = 0;
    while work < BUDGET {
        let taken: u32 = host.arena().get(TAKEN);
        if taken == count {
            return finish_replay(host);
        }
        let arena = host.arena();
        let id = arena.get(Area::Ids.at(&arena) + 4 * (prompt + taken));
        let outcome = take(host, id);
        let is_last_of_answer = kind == 0 && taken + 1 == count;
        if outcome == Taken::Refused || (outcome == Taken::Ended && !is_last_of_answer) {
            return Err(wrong_end(kind));
        }
        work += each;
    }
    Ok(())
}

fn finish_replay<H: Host>(host: &mut H) -> Result<(), Stop> {
    let arena = host.arena();
    let (kind, count, prompt) = (
        arena.get::<u32>(KIND),
        arena.get::<u32>(COUNT),
        arena.get::<u32>(PROMPT_COUNT),
    );
    let ended = arena.get::<u32>(ENDED) != 0;
    let mut fed = prompt + count;
    if kind == 0 {
        if ended {
            // Nothing depends on the last id.
            fed -= 1;
        } else if !may_refuse(&arena) {
            return Err(Wrong::Length.into());
        }
        let len = arena.get::<u32>(OUTPUT_LEN) - 5 - 4 * count;
        if len != arena.get(TEXT_LEN) {
            return Err(Wrong::Text.into());
        }
        let Loaded { data, arena, .. } = host.load(Rom::Output, u64::from(5 + 4 * count), len);
        if arena.bytes(TEXT, len) != data {
            return Err(Wrong::Text.into());
        }
    }
    let mut arena = host.arena();
    arena.put(FED, fed);
    arena.put(ALONE, u32::from(kind != 0 && count > 0));
    start_chunk(&mut arena, 0);
    arena.put(PHASE, Phase::Forward as u32);
    Ok(())
}
