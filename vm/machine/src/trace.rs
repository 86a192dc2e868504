//! State roots and witnesses at any trace index (`docs/encoding.md`, section 8).
//!
//! Points at multiples of `2^B` come from an [`Engine`]; below that one macro step is interpreted.

use crate::machine::Machine;
use crate::step::record;
use assay_types::{StateRoot, Status};
use std::convert::Infallible;

/// What a player of the game asks of a run.
pub trait Trace {
    /// Why there is no answer; never that the machine trapped.
    type Error;
    /// Roots at ascending trace indices.
    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Self::Error>;
    /// The witness of the step at `index`.
    fn witness(&mut self, index: u64) -> Result<Vec<u8>, Self::Error>;
}

/// States between macro steps. State y is the one at trace index `y * 2^B`.
pub trait Engine {
    /// Why the run has no result (host memory, native stack), as opposed to a trap.
    type Error;
    /// log2 of the micro steps in a macro step.
    fn b(&self) -> u8;
    /// Roots of the states `yields` (ascending).
    fn roots(&mut self, yields: &[u64]) -> Result<Vec<StateRoot>, Self::Error>;
    /// State `y`, as a machine that can be interpreted.
    fn machine(&mut self, y: u64) -> Result<Machine, Self::Error>;
}

/// The interpreter as an engine: slow, and the reference.
pub struct Interpreter {
    first: Machine,
    now: Machine,
    y: u64,
}

impl Interpreter {
    /// Starts at the machine's first state.
    pub fn new(first: Machine) -> Interpreter {
        Interpreter {
            now: first.clone(),
            first,
            y: 0,
        }
    }

    fn seek(&mut self, y: u64) {
        if y < self.y {
            self.now = self.first.clone();
            self.y = 0;
        }
        let b = self.first.image.limits.b;
        self.now.run(self.y << b, (y - self.y) << b);
        self.y = y;
    }
}

impl Engine for Interpreter {
    type Error = Infallible;

    fn b(&self) -> u8 {
        self.first.image.limits.b
    }

    fn roots(&mut self, yields: &[u64]) -> Result<Vec<StateRoot>, Infallible> {
        let root = |&y: &u64| {
            self.seek(y);
            self.now.root()
        };
        Ok(yields.iter().map(root).collect())
    }

    fn machine(&mut self, y: u64) -> Result<Machine, Infallible> {
        self.seek(y);
        Ok(self.now.clone())
    }
}

/// A whole run as a [`Trace`].
pub struct ProgramTrace<E> {
    engine: E,
    /// The start of the macro step last interpreted: its number and state.
    start: Option<(u64, Machine)>,
}

impl<E: Engine> ProgramTrace<E> {
    /// The run that `engine` computes.
    pub fn new(engine: E) -> ProgramTrace<E> {
        ProgramTrace {
            engine,
            start: None,
        }
    }

    /// The machine at trace index `index`.
    pub fn machine(&mut self, index: u64) -> Result<Machine, E::Error> {
        let b = self.engine.b();
        let y = index >> b;
        let mut machine = self.macro_start(y)?;
        machine.run(y << b, index - (y << b));
        Ok(machine)
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut E {
        &mut self.engine
    }

    fn macro_start(&mut self, y: u64) -> Result<Machine, E::Error> {
        match &self.start {
            Some((at, machine)) if *at == y => Ok(machine.clone()),
            _ => {
                let machine = self.engine.machine(y)?;
                self.start = Some((y, machine.clone()));
                Ok(machine)
            }
        }
    }
}

impl<E: Engine> Trace for ProgramTrace<E> {
    type Error = E::Error;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, E::Error> {
        let b = self.engine.b();
        let mask = (1u64 << b) - 1;
        let whole: Vec<u64> = indices
            .iter()
            .filter(|&&i| i & mask == 0)
            .map(|i| i >> b)
            .collect();
        let mut whole = self.engine.roots(&whole)?.into_iter();
        let mut running: Option<(u64, Machine)> = None;
        let mut roots = Vec::with_capacity(indices.len());
        for &index in indices {
            if index & mask == 0 {
                roots.push(whole.next().unwrap_or_default());
                continue;
            }
            let (mut at, mut machine) = match running.take() {
                Some((at, machine)) if at >> b == index >> b && at <= index => (at, machine),
                _ => ((index >> b) << b, self.macro_start(index >> b)?),
            };
            machine.run(at, index - at);
            at = index;
            roots.push(machine.root());
            running = Some((at, machine));
        }
        Ok(roots)
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, E::Error> {
        let mut machine = self.machine(index)?;
        Ok(record(&mut machine, index))
    }
}

/// Whether a machine with this status never changes again.
pub fn is_terminal(status: Status) -> bool {
    matches!(status, Status::Halted(_) | Status::Trapped)
}
