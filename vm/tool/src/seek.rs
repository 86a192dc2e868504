//! The state at an index.

use crate::cli::Seeker;
use crate::program::Program;
use crate::progress::Progress;
use crate::walk::Walk;
use assay_machine::compiled::CompiledEngine;
use assay_machine::machine::Machine;
use assay_machine::trace::Engine;
use assay_types::Status;
use std::time::{Duration, Instant};

/// Steps interpreted between two looks at the clock.
pub const CHUNK: u64 = 1 << 22;

/// The machine at `index`.
pub fn machine_at(program: &Program, by: Seeker, index: u64) -> anyhow::Result<Machine> {
    let progress = Progress::new("looking for the state");
    let y = index >> program.b();
    let start = if by == Seeker::Interp || y == 0 {
        Walk::new(program.machine(), 0)
    } else {
        let mut engine = program.compiled()?;
        run_macro_steps(&mut engine, y, &progress)?;
        Walk::new(engine.machine(y)?, y << program.b())
    };
    Ok(interpret_to(start, index, &progress))
}

/// Runs compiled code until `limit` macro steps are done or the program has ended: then how many it took, and how.
pub fn run_macro_steps(
    engine: &mut CompiledEngine,
    limit: u64,
    progress: &Progress,
) -> anyhow::Result<Option<(u64, Status)>> {
    let (mut y, mut chunk) = (0, 1);
    while y < limit {
        let started = Instant::now();
        y = limit.min(y + chunk);
        if let Some(end) = engine.finish(y)? {
            return Ok(Some(end));
        }
        progress.say(format!("{y} macro steps"));
        if started.elapsed() < Duration::from_millis(200) {
            chunk *= 2;
        }
    }
    Ok(None)
}

fn interpret_to(mut walk: Walk, index: u64, progress: &Progress) -> Machine {
    while walk.index < index && !walk.done() {
        let n = CHUNK.min(index - walk.index);
        walk.machine.run(walk.index, n);
        walk.index += n;
        // Padding is passed in one stride.
        if walk.machine.cpu.status == Status::Yielded {
            walk.settle();
        }
        progress.say(format!("step {}", walk.index));
    }
    walk.machine
}
