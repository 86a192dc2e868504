//! Several drafts at once: each step decodes one token of every sequence that drafts, and beside them parts of new prompts, in
//! one call of llama.cpp. A pass over the weights costs about the same for one token as for a few.
//!
//! All sequences share one cache. A slot's tokens stay in it when its draft is done, for the next one that begins alike; they go
//! when another slot needs the room.

use anyhow::{Context, ensure};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

/// Tokens decoded in one call.
pub const BATCH: u32 = 512;

/// Slots and what they draft.
pub struct Drafter<'m> {
    model: &'m LlamaModel,
    cache: LlamaContext<'m>,
    /// Tokens that the cache holds, of all slots.
    room: usize,
    slots: Vec<Slot>,
}

/// One sequence.
#[derive(Default)]
struct Slot {
    /// Ids in the cache.
    held: Vec<u32>,
    job: Option<Job>,
}

struct Job {
    /// Ids to decode, the next one last.
    waiting: Vec<u32>,
    drafted: Vec<u32>,
    /// Most ids to draft.
    n: usize,
}

/// A slot and its draft.
type Done = (u32, Vec<u32>);

impl<'m> Drafter<'m> {
    /// Over an empty cache of `room` tokens.
    ///
    /// # Errors
    /// The slots' numbers don't fit llama.cpp's.
    pub fn new(
        model: &'m LlamaModel,
        cache: LlamaContext<'m>,
        room: u32,
        slots: u32,
    ) -> anyhow::Result<Drafter<'m>> {
        i32::try_from(slots).context("too many slots")?;
        Ok(Drafter {
            model,
            cache,
            room: room as usize,
            slots: (0..slots).map(|_| Slot::default()).collect(),
        })
    }

    /// Whether nothing is drafted.
    pub fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| slot.job.is_none())
    }

    /// Takes a request in; gives its draft at once, an empty one, where the sequence does not fit the cache.
    ///
    /// # Errors
    /// The request makes no sense: nothing that the parent sends.
    pub fn begin(&mut self, slot: u32, sequence: Vec<u32>, n: u32) -> anyhow::Result<Vec<Done>> {
        let vocab = u32::try_from(self.model.n_vocab())?;
        let index = slot as usize;
        let known = self.slots.get(index).context("no such slot")?;
        ensure!(known.job.is_none(), "slot {slot} is not done yet");
        ensure!(!sequence.is_empty(), "asked to draft after nothing");
        if let Some(id) = sequence.iter().find(|id| **id >= vocab) {
            anyhow::bail!("token id {id} in a vocabulary of {vocab}");
        }
        // The last id is always decoded again: its logits are what the draft begins with.
        let alike = known.held.iter().zip(&sequence);
        let keep = alike.take_while(|(a, b)| a == b).count();
        let keep = keep.min(sequence.len() - 1);
        self.cut(index, keep)?;
        if !self.make_room(index, sequence.len() - keep)? {
            return Ok(vec![(slot, Vec::new())]);
        }
        let waiting = sequence[keep..].iter().rev().copied().collect();
        self.slots[index].job = Some(Job {
            waiting,
            drafted: Vec::new(),
            n: n as usize,
        });
        Ok(Vec::new())
    }

    /// Decodes a batch of what waits; gives the drafts that are done with it.
    ///
    /// # Errors
    /// llama.cpp can't decode.
    pub fn step(&mut self) -> anyhow::Result<Vec<Done>> {
        let mut batch = LlamaBatch::new(BATCH as usize, 1);
        let mut scored = Vec::new();
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        // Sequences that draft first: they wait for one token each, new prompts for many.
        let waits = |slot: &Slot| slot.job.as_ref().map_or(0, |job| job.waiting.len());
        order.sort_by_key(|&index| waits(&self.slots[index]));
        for index in order {
            let slot = &mut self.slots[index];
            let Some(job) = &mut slot.job else { continue };
            while batch.n_tokens() < BATCH as i32 {
                let Some(id) = job.waiting.pop() else { break };
                let (at, last) = (i32::try_from(slot.held.len())?, job.waiting.is_empty());
                if last {
                    scored.push((index, batch.n_tokens()));
                }
                batch.add(token(id)?, at, &[index as i32], last)?;
                slot.held.push(id);
            }
        }
        self.cache
            .decode(&mut batch)
            .context("llama.cpp can't decode")?;
        let mut done = Vec::new();
        for (index, row) in scored {
            let best = self.best(row);
            if let Some(ids) = self.take(index, best)? {
                done.push((index as u32, ids)); // slots were counted in a u32
            }
        }
        Ok(done)
    }

    /// Goes on after the best id behind all that was decoded; gives the draft where it is done.
    fn take(&mut self, index: usize, best: u32) -> anyhow::Result<Option<Vec<u32>>> {
        let ends = self.model.vocab().is_eog(token(best)?);
        let job = self.slots[index].job.as_mut().context("no job")?;
        if job.drafted.len() < job.n {
            job.drafted.push(best);
        }
        let done = ends || job.drafted.len() >= job.n;
        if !done && self.make_room(index, 1)? {
            let job = self.slots[index].job.as_mut().context("no job")?;
            job.waiting.push(best);
            return Ok(None);
        }
        Ok(self.slots[index].job.take().map(|job| job.drafted))
    }

    /// Whether `more` tokens of slot `index` fit the cache, once slots without a job have left it if need be.
    fn make_room(&mut self, index: usize, more: usize) -> anyhow::Result<bool> {
        let used = |slots: &[Slot]| -> usize {
            let waiting = |slot: &Slot| slot.job.as_ref().map_or(0, |job| job.waiting.len());
            slots
                .iter()
                .map(|slot| slot.held.len() + waiting(slot))
                .sum()
        };
        for other in 0..self.slots.len() {
            if used(&self.slots) + more <= self.room {
                return Ok(true);
            }
            if other != index && self.slots[other].job.is_none() {
                self.cut(other, 0)?;
            }
        }
        Ok(used(&self.slots) + more <= self.room)
    }

    /// Leaves the first `keep` tokens of a slot in the cache.
    fn cut(&mut self, index: usize, keep: usize) -> anyhow::Result<()> {
        let slot = &mut self.slots[index];
        if slot.held.len() > keep {
            slot.held.truncate(keep);
            let from = Some(u32::try_from(keep)?);
            self.cache.kv_cache_seq_rm(index as i32, from, None)?;
        }
        Ok(())
    }

    /// The id of the greatest logit in a batch's row, the lowest where several are.
    fn best(&self, row: i32) -> u32 {
        let logits = self.cache.get_logits_ith(row);
        let best = logits
            .iter()
            .enumerate()
            .fold(0, |best, (i, x)| if *x > logits[best] { i } else { best });
        best as u32 // a vocabulary's size is an i32
    }
}

fn token(id: u32) -> anyhow::Result<LlamaToken> {
    Ok(LlamaToken::new(i32::try_from(id)?))
}
