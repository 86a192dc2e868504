//! Draft and verify: a fast drafter proposes ids, the program's rules take the right ones and correct the first wrong one.
//!
//! Nothing that the drafter says can change the output: an id is taken because the program's own scores pick it.

use super::exact::tokens;
use super::joint::{Joint, Member};
use super::{Backend, Found, Stats};
use assay_inference::error::NonFinite;
use assay_inference::native::{Engine, Pick, Prepared};
use assay_inference::text::Taken;
use assay_types::output::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Proposes ids.
pub trait Drafter: Send {
    /// Up to `n` ids that probably follow `sequence` (not empty); none is fine.
    ///
    /// # Errors
    /// There is no draft; the answer is found without one.
    fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, DraftError>;

    /// What logs call it.
    fn name(&self) -> &'static str;

    /// Times that it had to be started again.
    fn restarts(&self) -> u64 {
        0
    }
}

/// Why there is no draft, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DraftError(pub String);

/// A drafter under the program's rules.
pub struct DraftAndVerify<D> {
    engine: Engine,
    drafter: D,
    /// Most ids drafted at once.
    width: u32,
    joint: Arc<Joint>,
}

/// Drafts nothing: the program's rules go on alone, together with those of other requests.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Drafter for Nothing {
    fn draft(&mut self, _: &[u32], _: u32) -> Result<Vec<u32>, DraftError> {
        Ok(Vec::new())
    }

    fn name(&self) -> &'static str {
        "exact"
    }
}

impl<D: Drafter> DraftAndVerify<D> {
    /// Asks `drafter` for up to `width` ids at a time.
    pub fn new(engine: Engine, drafter: D, width: u32) -> DraftAndVerify<D> {
        DraftAndVerify {
            engine,
            drafter,
            width,
            joint: Arc::default(),
        }
    }

    /// Checks together with all that have this `joint`; they are of one engine.
    pub fn joined(self, joint: Arc<Joint>) -> DraftAndVerify<D> {
        DraftAndVerify { joint, ..self }
    }

    /// One for each of `drafters`, which check together.
    pub fn each(engine: &Engine, drafters: Vec<D>, width: u32) -> Vec<Box<dyn Backend>>
    where
        D: 'static,
    {
        let joint = Arc::new(Joint::default());
        let with = |drafter| -> Box<dyn Backend> {
            let backend = DraftAndVerify::new(engine.clone(), drafter, width);
            Box::new(backend.joined(joint.clone()))
        };
        drafters.into_iter().map(with).collect()
    }

    fn find(&mut self, request: &[u8], stats: &mut Stats) -> Output {
        let started = Instant::now();
        let prepared = self.engine.prepare(request);
        stats.verify_time += started.elapsed();
        match prepared {
            Ok(prepared) => self.find_prepared(&prepared, stats),
            Err(code) => Output::Error {
                code,
                ids: Vec::new(),
            },
        }
    }

    fn find_prepared(&mut self, prepared: &Prepared, stats: &mut Stats) -> Output {
        // A choice's score takes whole rows of logits, which no draft has.
        let (choice, time) = timed(|| self.engine.choose(prepared));
        if let Some(output) = choice {
            stats.verify_time += time;
            return output;
        }
        let session = self.engine.session_for(prepared);
        let mut session = Member::new(self.joint.clone(), session);
        let mut answer = prepared.answer();
        let mut sequence = prepared.prompt();
        loop {
            // Invariant: the session holds a proper prefix of the sequence, whose ids are all right.
            let room = self
                .engine
                .info()
                .config
                .context
                .saturating_sub(sequence.len() as u32);
            let left = prepared
                .max_tokens()
                .saturating_sub(answer.ids().len() as u32)
                .min(room);
            // Where the drafter failed once it is left alone until the next request: trying again takes seconds.
            let width = if stats.failed_drafts == 0 {
                self.width.min(left)
            } else {
                0
            };
            let held = session.len();
            let (draft, picks) = self.round(&mut session, &sequence, width, stats);
            if self.width > 0 {
                stats.verified += (session.len() - held) as u32; // below a context's length
            }
            let mut drafted = draft.iter();
            for pick in &picks {
                let proposed = drafted.next();
                let taken = answer.take(pick.id);
                match proposed {
                    Some(id) if *id == pick.id => {
                        stats.accepted += u32::from(taken != Taken::Refused)
                    }
                    Some(_) => stats.corrected += u32::from(taken != Taken::Refused),
                    None => {}
                }
                if taken != Taken::Open {
                    return answer.finish();
                }
                sequence.push(pick.id);
                if proposed != Some(&pick.id) {
                    break;
                }
            }
            // There is one pick more than there are drafted ids, unless a position went non-finite after those picks.
            let right = picks
                .iter()
                .zip(&draft)
                .take_while(|(pick, id)| pick.id == **id)
                .count();
            if right == picks.len() {
                return answer.fail(NonFinite);
            }
            session.truncate(sequence.len() - 1);
        }
    }

    /// Drafts after `sequence`, feeds what the session lacks of it and the draft; gives the draft and the picks of the
    /// position after the sequence and after each drafted id.
    fn round(
        &mut self,
        session: &mut Member,
        sequence: &[u32],
        width: u32,
        stats: &mut Stats,
    ) -> (Vec<u32>, Vec<Pick>) {
        let unfed = &sequence[session.len()..];
        let drafter = &mut self.drafter;
        let ask = move || match width {
            0 => Ok(Vec::new()),
            width => drafter.draft(sequence, width),
        };
        // A long prompt is fed here while the drafter reads it in its own process.
        let (draft, first) = if unfed.len() > 1 {
            std::thread::scope(|scope| {
                let draft = scope.spawn(move || timed(ask));
                let first = timed(|| session.feed(unfed, unfed.len() - 1));
                (
                    draft
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                    Some(first),
                )
            })
        } else {
            (timed(ask), None)
        };
        let draft = self.settle(draft, stats);
        let (mut picks, ids) = match first {
            Some(((picks, fed), time)) => {
                stats.verify_time += time;
                if fed.is_err() {
                    return (draft, picks);
                }
                (picks, draft.clone())
            }
            None => (Vec::new(), [unfed, &draft].concat()),
        };
        let ((more, _), time) = timed(|| session.feed(&ids, 0));
        stats.verify_time += time;
        picks.extend(more);
        (draft, picks)
    }

    /// Books a draft; a failed one is empty, and ids that the model does not have end it.
    fn settle(
        &self,
        (draft, time): (Result<Vec<u32>, DraftError>, Duration),
        stats: &mut Stats,
    ) -> Vec<u32> {
        stats.draft_time += time;
        let vocab = self.engine.info().config.vocab;
        let mut draft = draft.unwrap_or_else(|error| {
            stats.failed_drafts += 1;
            tracing::warn!(%error, "no draft: the program's rules go on alone");
            Vec::new()
        });
        stats.drafted += draft.len() as u32;
        let known = draft.iter().take_while(|id| **id < vocab).count();
        draft.truncate(known);
        draft
    }
}

impl<D: Drafter> Backend for DraftAndVerify<D> {
    fn answer(&mut self, request: &[u8]) -> Found {
        let mut stats = Stats::default();
        let output = self.find(request, &mut stats);
        stats.tokens = tokens(&output);
        Found {
            output: output.encode(),
            stats,
        }
    }

    fn name(&self) -> &'static str {
        self.drafter.name()
    }

    fn restarts(&self) -> u64 {
        self.drafter.restarts()
    }
}

pub(super) fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let value = f();
    (value, started.elapsed())
}
