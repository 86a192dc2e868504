//! A loaded model: prepares requests, answers them exactly, and checks outputs quickly, without roots.

use super::answer::Answer;
use super::bulk::Bulk;
use super::host::{Bytes, NativeHost, bytes};
use super::inspect::{ModelInfo, Unsupported};
use super::kernels::{Level, Matrix};
use super::machine::NativeMachine;
use super::pool::Pool;
use super::sampling::{choices, choose, rule, sampling};
use super::session::Session;
use crate::areas::Area;
use crate::choices::claimed;
use crate::error::{Due, NonFinite, Stop, Wrong};
use crate::forward::next_chunk;
use crate::host::{Host, Rom};
use crate::layout::*;
use crate::logits::{Picks, check};
use crate::model::Config;
use crate::program::{Phase, open, verdict};
use crate::request::{place, read_unchecked};
use crate::rope;
use crate::sampler::Sampling;
use crate::tensors::{GLOBAL, Global, PER_LAYER, Tensor, global};
use crate::text::Taken;
use crate::vocab::piece;
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Part, Payload};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use thiserror::Error;

/// Why a model can't be loaded.
pub type LoadError = Unsupported;

/// A model's bytes with everything that is looked up in them.
pub(super) struct Model {
    bytes: Bytes,
    tensors: Vec<Option<Tensor>>,
    /// Matrix of the logits.
    pub output: Tensor,
    pub config: Config,
    /// Turns per position of each rotated pair.
    pub turns: Vec<u64>,
    pub level: Level,
    pub pool: Pool,
    /// Matrices by slot, then the logits'; norms are raw.
    matrices: Vec<Matrix>,
    /// The program, about to read a request.
    ready: NativeMachine,
}

impl Model {
    /// The tensor in `slot`, which the parser made sure of.
    pub fn tensor(&self, slot: u32) -> &Tensor {
        self.tensors[slot as usize].as_ref().unwrap_or(&self.output)
    }

    /// The bytes of the one row in `slot`, where there is one.
    pub fn row(&self, slot: u32) -> Option<&[u8]> {
        let tensor = self.tensors[slot as usize].as_ref()?;
        Some(self.rows(tensor, 0..1))
    }

    /// The matrix in `slot`, ready to be multiplied.
    pub fn matrix(&self, slot: u32) -> (&Tensor, &Matrix) {
        (self.tensor(slot), &self.matrices[slot as usize])
    }

    /// The matrix of the logits.
    pub fn logits(&self) -> (&Tensor, &Matrix) {
        // `load` puts it last.
        (&self.output, &self.matrices[self.matrices.len() - 1])
    }

    /// The bytes of consecutive rows.
    pub fn rows(&self, tensor: &Tensor, range: Range<usize>) -> &[u8] {
        let row = tensor.row_bytes() as usize;
        // The parser checked that tensors lie in the file, which is in memory.
        &(*self.bytes).as_ref()[tensor.at as usize + range.start * row..][..range.len() * row]
    }
}

/// A model ready for requests. Cheap to clone; shared by threads.
#[derive(Clone)]
pub struct Engine {
    model: Arc<Model>,
}

/// A request that can be answered, tokenized and planned.
#[derive(Clone)]
pub struct Prepared {
    machine: NativeMachine,
}

/// Whether an output is the right one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The program would exit 0.
    Right,
    /// The program would exit with this code.
    Wrong(Wrong),
}

/// A verdict with a code that isn't known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the program has no halt code {0}")]
pub struct CheckError(pub u32);

impl TryFrom<u32> for Verdict {
    type Error = CheckError;

    fn try_from(code: u32) -> Result<Verdict, CheckError> {
        use Wrong::*;
        if code == 0 {
            return Ok(Verdict::Right);
        }
        let wrong = [NotCanonical, Kind, Token, Length, Text]
            .into_iter()
            .find(|w| *w as u32 == code);
        wrong.map(Verdict::Wrong).ok_or(CheckError(code))
    }
}

impl Engine {
    /// Loads a GGUF file; computing uses up to `threads` threads, which never change a byte.
    pub fn load(model: Bytes, threads: NonZeroUsize) -> Result<Engine, LoadError> {
        Engine::load_at(Level::best(), model, threads)
    }

    /// As [`Engine::load`], at a level that this processor has. Levels differ in time only.
    pub fn load_at(level: Level, model: Bytes, threads: NonZeroUsize) -> Result<Engine, LoadError> {
        assert!(level.is_here(), "this processor lacks {level}");
        let nothing = Output::Answer {
            ids: Vec::new(),
            text: Vec::new(),
        };
        let mut ready = NativeMachine::new(bytes([]), bytes(nothing.encode()), model.clone());
        match ready.run_until(Phase::Request) {
            Ok(()) => {}
            Err(Stop::Reject(reject)) => return Err(Unsupported::new(reject, (*model).as_ref())),
            // Before the request nothing else ends the program: the output above is canonical.
            Err(stop) => unreachable!("{stop:?}"),
        }
        let arena = ready.host_mut().arena();
        let config = Config::read(&arena);
        let tensors: Vec<Option<Tensor>> = (0..GLOBAL + PER_LAYER * config.layers)
            .map(|slot| Tensor::find(&arena, slot))
            .collect();
        let output = Tensor::output(&arena);
        let data = (*model).as_ref();
        let mut turns = vec![0; config.head as usize / 2];
        let factors = tensors[global(Global::RopeFactors) as usize];
        let factors = factors.map_or(&[][..], |t| {
            &data[t.at as usize..][..t.row_bytes() as usize]
        });
        rope::turns(&config, factors, &mut turns);
        let pool = Pool::new(threads);
        let pack = |tensor: &Tensor| {
            let bytes = tensor.row_bytes() as usize * tensor.rows as usize;
            Matrix::new(level, tensor, &data[tensor.at as usize..][..bytes], &pool)
        };
        // Of the global tensors only the logits' is a factor of a product; the embedding is looked up.
        let matrices = (0..)
            .zip(&tensors)
            .map(|(slot, tensor)| match tensor {
                Some(tensor) if slot >= GLOBAL && config.is_matrix(slot) => pack(tensor),
                _ => Matrix::Raw,
            })
            .chain([pack(&output)])
            .collect();
        Ok(Engine {
            model: Arc::new(Model {
                bytes: model,
                tensors,
                output,
                config,
                turns,
                level,
                pool,
                matrices,
                ready,
            }),
        })
    }

    /// The model's dimensions.
    pub fn info(&self) -> ModelInfo {
        ModelInfo {
            config: self.model.config,
            bytes: (*self.model.bytes).as_ref().len() as u64,
        }
    }

    /// The program over this model, before its first macro step; whole operators are computed with the engine's kernels.
    pub fn machine(&self, request: Bytes, output: Bytes) -> NativeMachine {
        NativeMachine::new(request, output, self.model.bytes.clone())
            .with_bulk(Bulk::new(self.model.clone()))
    }

    /// An empty session.
    pub fn session(&self) -> Session {
        Session::new(self.model.clone())
    }

    /// An empty session whose picks are those that the request demands.
    pub fn session_for(&self, prepared: &Prepared) -> Session {
        self.session().drawing(rule(prepared.machine.host()))
    }

    /// The one right output of a request whose answer is one of its choices; none for any other request.
    pub fn choose(&self, prepared: &Prepared) -> Option<Output> {
        let host = prepared.machine.host();
        if sampling(host) != Sampling::Choice {
            return None;
        }
        Some(match choose(&mut self.session(), host) {
            Ok(best) => {
                let best = &choices(host)[best as usize];
                Output::Answer {
                    ids: best.ids.to_vec(),
                    text: best.text.to_vec(),
                }
            }
            Err(NonFinite) => Output::Error {
                code: ErrorCode::NonFinite,
                ids: Vec::new(),
            },
        })
    }

    /// Reads, tokenizes and plans the request in a request ROM's data; `Err` is the error output that it is due.
    pub fn prepare(&self, request: &[u8]) -> Result<Prepared, ErrorCode> {
        let nothing = Output::Answer {
            ids: Vec::new(),
            text: Vec::new(),
        };
        let mut machine = self.with_inputs(request, &nothing.encode());
        // The output above is canonical, and the phases below don't look at it.
        match open(machine.host_mut()).and_then(|()| machine.run_until(Phase::Claim)) {
            Ok(()) => Ok(Prepared { machine }),
            Err(stop) => Err(code_of(stop)),
        }
    }

    /// The ids of a prompt's parts, which here need not be UTF-8.
    pub fn tokenize(&self, parts: Vec<Part>) -> Result<Vec<u32>, ErrorCode> {
        let payload = Payload {
            parts,
            ..Payload::greedy("", 1)
        };
        // Nothing of the contract's words matters to a tokenizer.
        let request = [vec![0; REQUEST_HEADER as usize], payload.encode()].concat();
        let mut machine = self.with_inputs(&request, &[]);
        let host = machine.host_mut();
        host.arena().put(REQUEST_LEN, request.len() as u64);
        let read = read_unchecked(host).map(|()| place(host));
        match read
            .map_err(Stop::from)
            .and_then(|()| machine.run_until(Phase::Plan))
        {
            Ok(()) => Ok(Prepared { machine }.prompt()),
            Err(stop) => Err(code_of(stop)),
        }
    }

    /// What token `id`, which must be below the vocabulary's size, spells in an answer.
    pub fn piece(&self, id: u32) -> Vec<u8> {
        let mut bytes = [0; MAX_TOKEN_BYTES as usize];
        let len = piece(&mut self.model.ready.host().clone(), id, &mut bytes);
        bytes[..len as usize].to_vec()
    }

    /// The one right output of a request ROM's data at tolerance (0, 0), found by generating it.
    pub fn answer_exact(&self, request: &[u8]) -> Output {
        let prepared = match self.prepare(request) {
            Ok(prepared) => prepared,
            Err(code) => {
                return Output::Error {
                    code,
                    ids: Vec::new(),
                };
            }
        };
        if let Some(output) = self.choose(&prepared) {
            return output;
        }
        let (mut session, mut answer) = (self.session_for(&prepared), prepared.answer());
        let (mut picks, mut fed) = session.feed(&prepared.prompt(), prepared.prompt().len() - 1);
        loop {
            // Feeding one id gives one pick, or fails.
            let (Ok(()), Some(pick)) = (fed, picks.pop()) else {
                return answer.fail(NonFinite);
            };
            match answer.take(pick.id) {
                Taken::Open => (picks, fed) = session.feed(&[pick.id], 0),
                Taken::Ended | Taken::Refused => return answer.finish(),
            }
        }
    }

    /// What the program would say of `output`, an output ROM's data.
    pub fn check(&self, request: &[u8], output: &[u8]) -> Verdict {
        let mut machine = self.with_inputs(request, output);
        let opened = open(machine.host_mut()).and_then(|()| machine.run_until(Phase::Forward));
        let stop = match opened {
            Ok(()) => match sampling(machine.host()) {
                Sampling::Choice => self.compute_choices(&mut machine),
                Sampling::Greedy | Sampling::Drawn => self.compute(&mut machine),
            },
            Err(stop) => stop,
        };
        match Verdict::try_from(verdict(machine.host_mut(), stop)) {
            Ok(verdict) => verdict,
            Err(code) => unreachable!("{code}"),
        }
    }

    fn with_inputs(&self, request: &[u8], output: &[u8]) -> NativeMachine {
        let mut machine = self.model.ready.clone();
        machine
            .host_mut()
            .set_inputs(bytes(request.to_vec()), bytes(output.to_vec()));
        machine
    }

    /// The forward phase of a request with choices; says how the program ends.
    fn compute_choices(&self, machine: &mut NativeMachine) -> Stop {
        let host = machine.host_mut();
        match choose(&mut self.session(), host) {
            Err(fault) => fault.into(),
            Ok(best) => claimed(&mut host.arena(), best),
        }
    }

    /// The forward phase, chunk by chunk on the engine's buffers; says how the program ends.
    fn compute(&self, machine: &mut NativeMachine) -> Stop {
        let mut session = self.session();
        loop {
            let host = machine.host_mut();
            let (at, len, need) = (
                host.get::<u32>(CHUNK_AT),
                host.get::<u32>(CHUNK_LEN),
                host.get::<u32>(NEED_FROM),
            );
            let ids = host.view::<u32>(ids_at(host) + 4 * at, len).to_vec();
            let claimed = Picks::load(&host.arena(), 0).claimed();
            let computed = session.kept(&ids, need as usize).and_then(|kept| {
                let picks = kept.picks(|i| claimed.get(i).copied())?;
                Ok((kept, picks))
            });
            let (kept, mut picks) = match computed {
                Ok(computed) => computed,
                Err(fault) => return fault.into(),
            };
            if let Some(rule) = rule(host) {
                kept.draw(&rule, at + need + 1, &mut picks, &self.model.pool);
            }
            let arena = &mut host.arena();
            (0..).zip(&picks).for_each(|(i, pick)| pick.write(arena, i));
            if need < len
                && let Err(stop) = check(host)
            {
                return stop;
            }
            if let Err(stop) = next_chunk(&mut host.arena()) {
                return stop;
            }
        }
    }
}

/// The error output that a request is due whose preparation stops so.
fn code_of(stop: Stop) -> ErrorCode {
    match stop {
        Stop::Due(Due::BadRequest) => ErrorCode::BadRequest,
        Stop::Due(Due::NotUtf8) => ErrorCode::NotUtf8,
        Stop::Due(Due::PromptTooLong) => ErrorCode::PromptTooLong,
        Stop::Due(Due::PlanTooLong) => ErrorCode::PlanTooLong,
        Stop::Due(Due::BadModel | Due::NonFinite)
        | Stop::Reject(_)
        | Stop::Right
        | Stop::Wrong(_) => unreachable!("{stop:?}"),
    }
}

/// Where the ids are in the arena.
pub(super) fn ids_at(host: &NativeHost) -> u32 {
    host.get(AREAS + 4 * Area::Ids as u32)
}

impl Prepared {
    /// The prompt's ids.
    pub fn prompt(&self) -> Vec<u32> {
        let host = self.machine.host();
        host.view::<u32>(ids_at(host), host.get(PROMPT_COUNT))
            .to_vec()
    }

    /// Most ids of an answer.
    pub fn max_tokens(&self) -> u32 {
        self.machine.host().get(TOKENS_WANTED)
    }

    /// Tolerance in force: `max_gap` in thousandths of a logit, `max_flips`.
    pub fn tolerance(&self) -> (u32, u32) {
        (
            self.machine.host().get(MAX_GAP),
            self.machine.host().get(MAX_FLIPS),
        )
    }

    /// Bound on the program's macro steps.
    pub fn planned_steps(&self) -> u64 {
        self.machine.host().get(PLANNED)
    }

    /// Bytes of the request.
    pub fn request(&self) -> &[u8] {
        self.machine.host().rom(Rom::Request)
    }

    /// An empty answer under the request's stop rule.
    pub fn answer(&self) -> Answer {
        Answer::new(self.machine.host().clone())
    }
}
