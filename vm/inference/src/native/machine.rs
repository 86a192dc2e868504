//! The program run natively, macro step by macro step, with the very arena bytes that the guest has at each yield.

use super::bulk::Bulk;
use super::float::assert_mode;
use super::host::{Bytes, NativeHost};
use crate::error::Stop;
use crate::layout::{ARENA_ADDRESS, PAGE, PLANNED};
use crate::program::{self, Phase};

/// The program over one request, output and model. Cloning takes a snapshot.
#[derive(Clone)]
pub struct NativeMachine {
    host: NativeHost,
    result: Option<u32>,
    bulk: Option<Bulk>,
}

impl NativeMachine {
    /// Before the first macro step. Each argument is an input's data, without the length prefix.
    pub fn new(request: Bytes, output: Bytes, model: Bytes) -> NativeMachine {
        NativeMachine {
            host: NativeHost::new(request, output, model),
            result: None,
            bulk: None,
        }
    }

    /// From now on whole operators are computed with `bulk`, which is of the same model.
    pub(super) fn with_bulk(mut self, bulk: Bulk) -> NativeMachine {
        self.bulk = Some(bulk);
        self
    }

    /// Runs at most `most` macro steps, at least one unless `most` is 0, fewer where that suits; gives how many, and what the last gave. The arena is
    /// the same as after as many calls of [`NativeMachine::step`].
    pub fn advance(&mut self, most: u64) -> (u64, u32) {
        if most == 0 || self.result.is_some() {
            return (0, self.result.unwrap_or(0));
        }
        if self.keep_up()
            && let Some(bulk) = &mut self.bulk
            && let Some((steps, outcome)) = bulk.run(&mut self.host, most)
        {
            let result = match outcome {
                Ok(()) => 0,
                Err(stop) => 1 + program::verdict(&mut self.host, stop),
            };
            self.result = (result != 0).then_some(result);
            return (steps, result);
        }
        (1, self.step())
    }

    /// Whether the forward pass is due. The bulk learns where it stands.
    fn keep_up(&mut self) -> bool {
        let is_forward = program::phase(&mut self.host) == Phase::Forward as u32;
        if is_forward && let Some(bulk) = &mut self.bulk {
            bulk.forget(&mut self.host);
        }
        is_forward
    }

    /// Runs one macro step: 0 for a yield, 1 where the output is right, 1 + code where it is wrong. After that it stays.
    pub fn step(&mut self) -> u32 {
        if let Some(result) = self.result {
            return result;
        }
        assert_mode();
        self.keep_up();
        let result = program::step(&mut self.host);
        self.result = (result != 0).then_some(result);
        result
    }

    /// Runs to the end; returns the halt code and the number of macro steps.
    pub fn run(&mut self) -> (u32, u64) {
        let mut steps = 1;
        loop {
            match self.step() {
                0 => steps += 1,
                result => return (result - 1, steps),
            }
        }
    }

    /// Runs until `phase` is next; `Err` where the program ends before it.
    pub(super) fn run_until(&mut self, phase: Phase) -> Result<(), Stop> {
        assert_mode();
        while program::phase(&mut self.host) < phase as u32 {
            program::advance(&mut self.host)?;
        }
        Ok(())
    }

    /// Bound on the whole run's macro steps; 0 before it is planned.
    pub fn planned_steps(&self) -> u64 {
        if self.host.bytes().is_empty() {
            0
        } else {
            self.host.get(PLANNED)
        }
    }

    /// The arena: linear memory from [`ARENA_ADDRESS`] to its end.
    pub fn arena(&self) -> &[u8] {
        self.host.bytes()
    }

    /// Size of linear memory, in pages.
    pub fn pages(&self) -> u32 {
        // The arena is below 2 GiB, in whole pages.
        (ARENA_ADDRESS + self.arena().len() as u32) / PAGE
    }

    /// The host, for soiling scratch memory in tests and reading fields.
    pub fn host_mut(&mut self) -> &mut NativeHost {
        &mut self.host
    }

    /// The host, for reading fields.
    pub fn host(&self) -> &NativeHost {
        &self.host
    }
}
