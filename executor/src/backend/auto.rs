//! Which backend answers sooner here: the program's rules alone, or a drafter whose tokens they check. It is measured,
//! once, with the very model, when that is loaded; both give the same bytes.

use super::Backend;
use super::draft::{DraftAndVerify, DraftError, Drafter, Nothing, timed};
use assay_inference::native::{Engine, Session};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Ids before those that are measured.
const PREFIX: usize = 8;
/// Most ids generated one after another in a round, by each side.
const STEPS: u32 = 8;
/// Rounds that count at least; one before them warms everything up and doesn't.
const ROUNDS: usize = 3;
/// Rounds go on for as long: small models need more of them for a steady median.
const BUDGET: Duration = Duration::from_millis(500);

/// Tokens a second of one model on one machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rates {
    /// The program's rules, one token after another.
    pub exact: f64,
    /// The drafter, one token after another.
    pub draft: f64,
    /// The program's rules over drafted tokens, all at once.
    pub verify: f64,
}

/// What answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// The program's rules alone.
    Exact,
    /// The drafter under the program's rules.
    Draft,
}

impl Rates {
    /// Tokens a second of drafting and checking in turns, where every draft is right: the best that it can do.
    pub fn drafted(&self) -> f64 {
        1.0 / (1.0 / self.draft + 1.0 / self.verify)
    }

    /// The faster; the one without another process where they tie, or where a rate is no number.
    pub fn choice(&self) -> Choice {
        if self.drafted() > self.exact {
            Choice::Draft
        } else {
            Choice::Exact
        }
    }
}

/// Measures `engine` and `drafter`, in turns as they would work, over ids that are the same each time.
///
/// # Errors
/// There is no draft, or the ids lead the model out of the finite numbers.
pub fn measure(
    engine: &Engine,
    drafter: &mut impl Drafter,
    width: u32,
) -> Result<Rates, DraftError> {
    let vocab = engine.info().config.vocab;
    let ids: Vec<u32> = (0..PREFIX as u32 + width.max(STEPS))
        .map(|i| i * 7 % vocab)
        .collect();
    let (prefix, rest) = ids.split_at(PREFIX);
    let (steps, chunk) = (width.min(STEPS), &rest[..width as usize]);
    let mut session = engine.session();
    feed(&mut session, prefix)?;
    let (mut exact, mut draft, mut verify) = (Vec::new(), Vec::new(), Vec::new());
    let mut started = Instant::now();
    while exact.len() <= ROUNDS || started.elapsed() < BUDGET {
        let mut one_by_one = chunk[..steps as usize].chunks(1);
        let (fed, time) = timed(|| one_by_one.try_for_each(|id| feed(&mut session, id)));
        fed?;
        exact.push(rate(steps as usize, time));
        session.truncate(PREFIX);
        let (drafted, time) = timed(|| drafter.draft(prefix, steps));
        draft.push(rate(drafted?.len(), time));
        let (fed, time) = timed(|| feed(&mut session, chunk));
        fed?;
        verify.push(rate(chunk.len(), time));
        session.truncate(PREFIX);
        if exact.len() == 1 {
            started = Instant::now();
        }
    }
    Ok(Rates {
        exact: median(&mut exact[1..]),
        draft: median(&mut draft[1..]),
        verify: median(&mut verify[1..]),
    })
}

/// The faster of `engine` alone, for `parallel` requests, and `engine` with each of `drafters`, the first of which is measured; without
/// any, the engine alone.
pub fn faster<D: Drafter + 'static>(
    engine: &Engine,
    drafters: Result<Vec<D>, impl Display>,
    width: u32,
    parallel: u32,
) -> Vec<Box<dyn Backend>> {
    let exact = || DraftAndVerify::each(engine, vec![Nothing; parallel as usize], 0);
    let mut drafters = match drafters {
        Ok(drafters) => drafters,
        Err(error) => {
            tracing::warn!(%error, choice = ?Choice::Exact, "nothing can draft: the program's rules answer alone");
            return exact();
        }
    };
    let Some(first) = drafters.first_mut() else {
        return exact();
    };
    let rates = match measure(engine, first, width) {
        Ok(rates) => rates,
        Err(error) => {
            tracing::warn!(%error, choice = ?Choice::Exact, "no rates: the program's rules answer alone");
            return exact();
        }
    };
    let choice = rates.choice();
    tracing::info!(
        exact = rates.exact,
        draft = rates.draft,
        verify = rates.verify,
        draft_and_verify = rates.drafted(),
        ?choice,
        "measured, in tokens a second"
    );
    match choice {
        Choice::Exact => exact(),
        Choice::Draft => DraftAndVerify::each(engine, drafters, width),
    }
}

fn feed(session: &mut Session, ids: &[u32]) -> Result<(), DraftError> {
    let (_, fed) = session.feed(ids, 0);
    fed.map_err(|_| DraftError("the ids to measure with are not finite in this model".into()))
}

/// A draft that is empty, in a full cache, has rate 0: it is never worth its wait.
fn rate(ids: usize, time: Duration) -> f64 {
    ids as f64 / time.as_secs_f64().max(1e-9)
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(exact: f64, draft: f64, verify: f64) -> Choice {
        let rates = Rates {
            exact,
            draft,
            verify,
        };
        rates.choice()
    }

    #[test]
    fn the_faster_is_chosen() {
        // 1 / (1/30 + 1/60) = 20.
        assert_eq!(choice(19.9, 30.0, 60.0), Choice::Draft);
        assert_eq!(choice(20.1, 30.0, 60.0), Choice::Exact);
        // Neither a fast check alone nor a fast draft alone makes it worth while.
        assert_eq!(choice(20.0, 19.0, 1e9), Choice::Exact);
        assert_eq!(choice(20.0, 1e9, 19.0), Choice::Exact);
        assert_eq!(choice(20.0, 1e9, 21.0), Choice::Draft);
    }

    #[test]
    fn ties_and_rates_that_say_nothing_need_no_drafter() {
        assert_eq!(choice(25.0, 50.0, 50.0), Choice::Exact);
        assert_eq!(choice(20.0, 0.0, 60.0), Choice::Exact);
        assert_eq!(choice(20.0, f64::NAN, 60.0), Choice::Exact);
        assert_eq!(choice(0.0, 0.0, 0.0), Choice::Exact);
    }
}
