//! A lying player's trace: the true one up to an index, there one bit of the state flips, and it runs on from that.
//!
//! For tests and demonstrations. Wherever the false run ends, a lying executor says `Halted(0)`, which is what it claimed,
//! and a lying challenger something else.

use crate::trace::Trace;
use assay_machine::machine::Machine;
use assay_machine::step::record;
use assay_machine::trace::{Engine, ProgramTrace, is_terminal};
use assay_types::params::PAGE_BYTES;
use assay_types::{Hash, Header, StateRoot, Status, keccak256};

/// Steps that a liar interprets before it makes roots up.
const PATIENCE: u64 = 2_000_000_000;

/// The true trace below `at`; from there on a false one.
pub struct FlippedTrace<E: Engine> {
    truth: ProgramTrace<E>,
    at: u64,
    seed: u64,
    end: u64,
    patience: u64,
    stubborn: bool,
    ending: Status,
    /// The flipped state at `at`.
    first: Option<Machine>,
    now: Option<(u64, Machine)>,
}

impl<E: Engine> FlippedTrace<E> {
    /// Flips a bit that `seed` chooses in the state at `at` (at least 1: the first state is fixed). `trace_log2` is log2
    /// of the number of trace indices.
    pub fn new(truth: ProgramTrace<E>, at: u64, seed: u64, trace_log2: u32) -> FlippedTrace<E> {
        let (end, at) = (1 << trace_log2, at.max(1));
        FlippedTrace {
            truth,
            at,
            seed,
            end,
            patience: PATIENCE,
            stubborn: false,
            ending: Status::Halted(0),
            first: None,
            now: None,
        }
    }

    /// With another number of steps to interpret before roots are made up; 0 makes all of them up.
    pub fn with_patience(self, steps: u64) -> FlippedTrace<E> {
        FlippedTrace {
            patience: steps,
            ..self
        }
    }

    /// False at every index from the flip on. The flipped bit may be overwritten before anything depends on it, and then the
    /// false run is the true one again; this liar makes a root up instead, so that the flip is the one place where its trace
    /// goes wrong.
    pub fn stubborn(self) -> FlippedTrace<E> {
        FlippedTrace {
            stubborn: true,
            ..self
        }
    }

    /// With another end than `Halted(0)`.
    pub fn ending(self, ending: Status) -> FlippedTrace<E> {
        FlippedTrace { ending, ..self }
    }

    fn last(&self) -> StateRoot {
        Header::terminal(self.ending).root()
    }

    /// The false machine at `index >= at`, or nothing where the liar is out of patience.
    fn seek(&mut self, index: u64) -> Result<Option<&mut Machine>, E::Error> {
        let first = match self.first.take() {
            Some(first) => first,
            None => {
                let mut machine = self.truth.machine(self.at)?;
                flip(&mut machine, self.seed, self.ending);
                machine
            }
        };
        let (mut at, mut machine) = match self.now.take() {
            Some((at, machine)) if at <= index => (at, machine),
            _ => (self.at, first.clone()),
        };
        let steps = |machine: &Machine| machine.executed - first.executed;
        let stride = 1 << machine.image.limits.b.min(20);
        while at < index && !is_terminal(machine.cpu.status) && steps(&machine) <= self.patience {
            // Up to the next multiple of the stride, so that padding costs one look each.
            let next = index.min((at | (stride - 1)) + 1);
            machine.run(at, next - at);
            at = next;
        }
        // Steps only grow with the index, so the answer for an index is the same each time.
        let reached = steps(&machine) <= self.patience;
        self.first = Some(first);
        let (_, machine) = self.now.insert((at, machine));
        Ok(reached.then_some(machine))
    }

    fn false_root(&mut self, index: u64) -> Result<StateRoot, E::Error> {
        if index >= self.end {
            return Ok(self.last());
        }
        if self.patience == 0 {
            return Ok(made_up(self.seed, index));
        }
        let (seed, last) = (self.seed, self.last());
        Ok(match self.seek(index)? {
            None => made_up(seed, index),
            Some(machine) if is_terminal(machine.cpu.status) => last,
            Some(machine) => machine.root(),
        })
    }
}

impl<E: Engine> Trace for FlippedTrace<E> {
    type Error = E::Error;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, E::Error> {
        let (truth, lies) = indices.split_at(indices.partition_point(|&i| i < self.at));
        let mut roots = self.truth.roots(truth)?;
        let told = lies.iter().map(|&index| self.false_root(index));
        let mut told: Vec<StateRoot> = told.collect::<Result<_, _>>()?;
        if self.stubborn {
            let right = self.truth.roots(lies)?;
            let places = lies.iter().zip(&mut told).zip(&right);
            for ((&index, told), right) in places.filter(|((i, _), _)| **i < self.end) {
                if told == right {
                    *told = made_up(self.seed, index);
                }
            }
        }
        roots.extend(told);
        Ok(roots)
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, E::Error> {
        if index < self.at {
            return self.truth.witness(index);
        }
        let machine = self.seek(index)?.cloned();
        // A made-up root has no witness; nothing that is sent can help this player.
        Ok(machine
            .map(|mut machine| record(&mut machine, index))
            .unwrap_or_default())
    }
}

/// Flips one bit of a live state; a state that has ended becomes `ending`.
fn flip(machine: &mut Machine, seed: u64, ending: Status) {
    if is_terminal(machine.cpu.status) {
        machine.cpu.status = ending;
        return;
    }
    let draw = |salt: u8, below: u64| word(&keccak256(&[&seed.to_be_bytes(), &[salt]])) % below;
    let bytes = u64::from(machine.cpu.pages) * PAGE_BYTES;
    match draw(0, 4) {
        0 if bytes > 0 => machine.poke(draw(1, bytes) as u32, 1 << draw(2, 8)),
        1 => machine.poke_stack(draw(1, 32) as u32, 1 << draw(2, 64)),
        2 => machine.globals[draw(1, 8) as usize] ^= 1 << draw(2, 32),
        _ => machine.cpu.pc ^= 1 << draw(2, 12),
    }
}

fn made_up(seed: u64, index: u64) -> StateRoot {
    StateRoot(keccak256(&[
        b"made up",
        &seed.to_be_bytes(),
        &index.to_be_bytes(),
    ]))
}

fn word(hash: &Hash) -> u64 {
    hash.0
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The true first state, then roots that nobody ever computed: the trace of a challenger that only wants to be paid.
pub struct MadeUpTrace<T> {
    truth: T,
    seed: u64,
}

impl<T: Trace> MadeUpTrace<T> {
    /// Lies that follow from `seed`.
    pub fn new(truth: T, seed: u64) -> MadeUpTrace<T> {
        MadeUpTrace { truth, seed }
    }
}

impl<T: Trace> Trace for MadeUpTrace<T> {
    type Error = T::Error;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, T::Error> {
        let (first, lies) = indices.split_at(indices.partition_point(|&i| i == 0));
        let mut roots = self.truth.roots(first)?;
        roots.extend(lies.iter().map(|&i| made_up(self.seed, i)));
        Ok(roots)
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, T::Error> {
        self.truth.witness(index)
    }
}
