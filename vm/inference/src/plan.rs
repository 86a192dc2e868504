//! The plan: how many macro steps a request can take, and where the buffers that depend on the model lie.

use crate::areas::Area;
use crate::arena::Arena;
use crate::choices;
use crate::error::{Due, Stop};
use crate::host::{Host, Loaded, Rom};
use crate::layout::*;
use crate::math::sqrt;
use crate::model::Config;
use crate::ops::{CHUNK, Op};
use crate::program::Phase;
use crate::quantize::{BLOCK, BLOCK_BYTES, BLOCK_SCALES};
use crate::rope::turns;
use crate::sampler::{self, Sampling, kept_rows};
use crate::tensors::{Global, Tensor, global};
use crate::text::{TAKE_WORK, stop_work};

/// A buffer whose size depends on the model. `C` is [`CHUNK`], `W` the widest row, `B` its blocks, `P` the cache's positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Buffer {
    /// f32 C x dim: the residual stream.
    Stream,
    /// f32 C x W: what goes into the next matrix.
    Normed,
    /// i8 B x C x 32: the same, quantized.
    Quads,
    /// f32 B x C: its scales.
    Scales,
    /// f32 B x C: scales times sums of the integers.
    Sums,
    /// f32 C x query dim: queries.
    Query,
    /// f32 C x ffn: gate.
    Gate,
    /// f32 C x ffn: up.
    Up,
    /// f32 C x head: sines and cosines.
    Table,
    /// u64 head / 2: turns per position.
    Turns,
    /// f32 P: attention's scores, then weights.
    Scores,
    /// f32 layers x P x kv dim: keys.
    Keys,
    /// f32 layers x P x kv dim: values.
    Values,
    /// f32 C x vocabulary: logits, where they are kept.
    Logits,
}

impl Buffer {
    /// Every buffer, in the order in which they lie.
    pub const ALL: [Buffer; 14] = {
        use Buffer::*;
        [
            Stream, Normed, Quads, Scales, Sums, Query, Gate, Up, Table, Turns, Scores, Keys,
            Values, Logits,
        ]
    };

    /// Its offset.
    pub fn at(self, arena: &Arena) -> u32 {
        arena.get(BUFFERS + 4 * self as u32)
    }

    /// Its bytes, of which there may be too many for an arena.
    fn bytes(self, config: &Config, positions: u32, kept: u32) -> u64 {
        let [chunk, dim, ffn, head] = [CHUNK, config.dim, config.ffn, config.head].map(u64::from);
        let blocks = u64::from(config.widest()).div_ceil(BLOCK as u64);
        match self {
            Buffer::Stream => 4 * chunk * dim,
            Buffer::Query => 4 * chunk * u64::from(config.query_dim()),
            Buffer::Normed => 4 * chunk * u64::from(config.widest()),
            Buffer::Quads => blocks * BLOCK_BYTES as u64,
            Buffer::Scales | Buffer::Sums => 4 * blocks * BLOCK_SCALES as u64,
            Buffer::Gate | Buffer::Up => 4 * chunk * ffn,
            Buffer::Table => 4 * chunk * head,
            Buffer::Turns => 4 * head,
            Buffer::Scores => 4 * u64::from(positions),
            Buffer::Logits => 4 * u64::from(kept) * u64::from(config.vocab),
            Buffer::Keys | Buffer::Values => {
                4 * u64::from(config.layers) * u64::from(positions) * u64::from(config.kv_dim())
            }
        }
    }
}

/// The macro step that plans. Depends on request and model alone, never on the output.
pub fn plan<H: Host>(host: &mut H) -> Result<(), Stop> {
    let arena = host.arena();
    let config = Config::read(&arena);
    let is_choice = Sampling::read(&arena) == Sampling::Choice;
    let answer = if is_choice {
        choices::longest(&arena)
    } else {
        arena.get(TOKENS_WANTED)
    };
    let positions = config.context.min(arena.get::<u32>(PROMPT_COUNT) + answer);
    let kept = kept_rows(&arena);
    let planned = arena.get::<u64>(YIELDS) + most_steps(&arena, &config, positions);
    let size = Buffer::ALL
        .iter()
        .fold(u64::from(Area::Buffers.at(&arena)), |end, b| {
            aligned(end) + b.bytes(&config, positions, kept)
        });
    if planned > MAX_YIELDS || size > u64::from(ARENA_MAX) {
        return Err(Due::PlanTooLong.into());
    }
    // At most ARENA_MAX, so it fits.
    host.grow(size as u32);
    let mut arena = host.arena();
    let mut end = u64::from(Area::Buffers.at(&arena));
    for buffer in Buffer::ALL {
        let at = aligned(end);
        arena.put(BUFFERS + 4 * buffer as u32, at as u32);
        end = at + buffer.bytes(&config, positions, kept);
    }
    arena.put(PLANNED, planned);
    arena.put(CAPACITY, positions);
    arena.put(SCALE, 1.0 / sqrt(config.head as f32));
    arena.put(PHASE, Phase::Claim as u32);
    place_turns(host, &config);
    Ok(())
}

fn place_turns<H: Host>(host: &mut H, config: &Config) {
    let factors = Tensor::find(&host.arena(), global(Global::RopeFactors));
    let (at, len) = factors.map_or((0, 0), |t| (t.at, t.row_bytes()));
    let Loaded {
        data, mut arena, ..
    } = host.load(Rom::Model, at, len);
    let at = Buffer::Turns.at(&arena);
    turns(config, data, arena.view_mut(at, config.head / 2));
}

/// Buffers start at leaves.
fn aligned(at: u64) -> u64 {
    at.next_multiple_of(128)
}

/// At most as many macro steps are left, with `positions` computed.
fn most_steps(arena: &Arena, config: &Config, positions: u32) -> u64 {
    // One chunk more than needed where the last position is alone.
    let chunks = match Sampling::read(arena) {
        Sampling::Choice => choices::chunks(arena),
        Sampling::Greedy | Sampling::Drawn => u64::from(positions.div_ceil(CHUNK)) + 1,
    };
    let layers = 0..config.layers;
    let is_global = |op: &Op| matches!(op, Op::Embed | Op::Table | Op::OutputNorm | Op::Logits);
    let (global, layered): (u64, u64) = Op::ALL.iter().fold((0, 0), |(global, layered), op| {
        if is_global(op) {
            (global + op.most_steps(arena, config, 0, positions), layered)
        } else {
            (
                global,
                layered
                    + layers
                        .clone()
                        .map(|l| op.most_steps(arena, config, l, positions))
                        .sum::<u64>(),
            )
        }
    });
    let replay = u64::from(arena.get::<u32>(TOKENS_WANTED))
        * u64::from(TAKE_WORK + stop_work(arena))
        / u64::from(BUDGET);
    chunks * (global + layered + sampler::most_steps(arena, config.vocab)) + replay + 4
}
