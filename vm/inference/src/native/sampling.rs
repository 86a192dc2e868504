//! Drawn ids and choices on the engine's own logits: the program's [`Draw`] and scores, whole rows at a time.

use super::engine::ids_at;
use super::host::NativeHost;
use super::pool::Pool;
use super::session::{Pick, Session};
use crate::choices::{add_shares, best, log_probability};
use crate::draw::{COUNTERS, Draw};
use crate::error::NonFinite;
use crate::layout::*;
use crate::sampler::{Rule, Sampling};
use rayon::prelude::*;

/// Logits of some positions, a row for each.
pub(super) struct Kept {
    rows: Vec<f32>,
    vocab: usize,
}

impl Kept {
    /// Rows of `vocab` logits.
    pub fn new(rows: Vec<f32>, vocab: u32) -> Kept {
        let vocab = vocab as usize;
        Kept { rows, vocab }
    }

    /// The best id of each position, and the score of the one that `claimed` names for it.
    pub fn picks(&self, claimed: impl Fn(usize) -> Option<u32>) -> Result<Vec<Pick>, NonFinite> {
        let rows = self.rows.chunks_exact(self.vocab).enumerate();
        rows.map(|(i, row)| {
            let (mut pick, claimed) = (Pick::START, claimed(i).unwrap_or(u32::MAX));
            (0..)
                .zip(row)
                .try_for_each(|(id, logit)| pick.see(id, *logit, claimed))?;
            Ok(pick)
        })
        .collect()
    }

    /// Draws the id after each position; the first of them has index `first` in the sequence.
    pub fn draw(&self, rule: &Rule, first: u32, picks: &mut [Pick], pool: &Pool) {
        pool.inside(|| {
            let rows = self.rows.par_chunks_exact(self.vocab);
            let all = picks.par_iter_mut().zip(rows).enumerate();
            all.for_each(|(i, (pick, row))| pick.id = draw(rule, first + i as u32, row, pick.best));
        });
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.vocab..][..self.vocab]
    }
}

/// The id at index `position` of a sequence, drawn from `row`.
fn draw(rule: &Rule, position: u32, row: &[f32], largest: f32) -> u32 {
    let vocab = row.len() as u32;
    let (mut draw, mut counters) = (Draw::new(rule, vocab), [0; COUNTERS as usize]);
    loop {
        draw.advance(rule, position, (row, largest), &mut counters);
        if let Some(id) = draw.drawn(vocab) {
            return id;
        }
    }
}

/// A choice's ids and text.
pub(super) struct Choice<'a> {
    pub ids: &'a [u32],
    pub text: &'a [u8],
}

/// The choices of a planned request.
pub(super) fn choices(host: &NativeHost) -> Vec<Choice<'_>> {
    let (ids, parts) = (ids_at(host), host.get::<u32>(PART_COUNT));
    let len = |part: u32| host.get::<u32>(PARTS + 8 * part + 4);
    let mut at = INPUT + (0..parts).map(len).sum::<u32>();
    let choice = |i: u32| {
        let words: &[u32] = host.view(CHOICES + 8 * i, 2);
        let text = host.view(at, len(parts + i));
        at += text.len() as u32;
        Choice {
            ids: host.view(ids + 4 * words[0], words[1]),
            text,
        }
    };
    (0..host.get(CHOICE_COUNT)).map(choice).collect()
}

/// How the request finds ids.
pub(super) fn sampling(host: &NativeHost) -> Sampling {
    // Only numbers that are known were stored.
    Sampling::from_number(host.get(SAMPLING)).unwrap_or(Sampling::Greedy)
}

/// How the request draws ids, if it does.
pub(super) fn rule(host: &NativeHost) -> Option<Rule> {
    let seed = host.view::<u64>(SEED, 4);
    (sampling(host) == Sampling::Drawn).then(|| Rule {
        temperature: host.get(TEMPERATURE),
        top_k: host.get(TOP_K),
        min_p: host.get(MIN_P),
        seed: [seed[0], seed[1], seed[2], seed[3]],
    })
}

/// The best choice of a planned request, by its number.
pub(super) fn choose(session: &mut Session, host: &NativeHost) -> Result<u32, NonFinite> {
    let choices: Vec<&[u32]> = choices(host).iter().map(|choice| choice.ids).collect();
    let prompt: &[u32] = host.view(ids_at(host), host.get(PROMPT_COUNT));
    let mut scores = vec![0.0; choices.len()];
    let last = prompt.len() - 1;
    let mut first = vec![None; choices.len()];
    session.each_row(prompt, last, |_, row, largest| {
        let sum = add_shares(0.0, row, largest);
        for (first, choice) in first.iter_mut().zip(&choices) {
            let id = choice.first();
            *first = id.map(|id| log_probability(row[*id as usize], sum, largest));
        }
    })?;
    for ((score, first), choice) in scores.iter_mut().zip(first).zip(&choices) {
        *score += first.unwrap_or(0.0);
        session.truncate(prompt.len());
        let fed = &choice[..choice.len().saturating_sub(1)];
        session.each_row(fed, 0, |i, row, largest| {
            let sum = add_shares(0.0, row, largest);
            *score += log_probability(row[choice[i + 1] as usize], sum, largest);
        })?;
    }
    Ok(best(scores.into_iter()))
}

impl Session {
    /// Feeds `ids`; shows `see` the index, the logits and the largest one of each position from `ids[from]` on.
    fn each_row(
        &mut self,
        ids: &[u32],
        from: usize,
        mut see: impl FnMut(usize, &[f32], f32),
    ) -> Result<(), NonFinite> {
        let size = crate::ops::CHUNK as usize;
        for (n, piece) in ids.chunks(size).enumerate() {
            let need = from.saturating_sub(n * size).min(piece.len());
            let kept = self.kept(piece, need)?;
            let picks = kept.picks(|_| None)?;
            for (i, pick) in picks.iter().enumerate() {
                see(n * size + need + i, kept.row(i), pick.best);
            }
        }
        Ok(())
    }
}
