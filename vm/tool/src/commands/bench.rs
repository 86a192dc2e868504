//! `bench`: how fast a program runs.

use super::Ended;
use crate::cli::BenchArgs;
use crate::print::Print;
use crate::program::Program;
use crate::progress::Progress;
use crate::seek::CHUNK;
use crate::walk::END;
use anyhow::ensure;
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::trace::{Engine, is_terminal};
use assay_types::Status;
use serde::Serialize;
use std::time::{Duration, Instant};

/// A measurement is repeated until it took so long in all, to be worth a number.
const LEAST: Duration = Duration::from_millis(300);
/// But not more often than this.
const MOST_RUNS: u32 = 10_000;
/// Seconds of a run whose start (a thread, for compiled code) is a part worth a word.
const SHORT: f64 = 0.01;

/// One engine's run of the same work.
#[derive(Serialize)]
struct Measurement {
    engine: &'static str,
    /// Whether the root of each yield was computed.
    roots: bool,
    seconds: f64,
    steps_per_second: f64,
    ns_per_step: f64,
    yields_per_second: f64,
}

#[derive(Serialize)]
struct Report {
    program_id: String,
    /// Whether the program ended within --seconds; else its first macro steps were measured.
    ended: bool,
    steps: u64,
    macro_steps: u64,
    measurements: Vec<Measurement>,
}

/// What is measured: so many macro steps, which execute so many steps.
#[derive(Clone, Copy, Default)]
struct Work {
    macro_steps: u64,
    steps: u64,
}

/// Measures four ways.
pub fn run(args: &BenchArgs, print: &mut Print) -> anyhow::Result<Ended> {
    let program = Program::load(&args.program)?;
    let progress = Progress::new("measuring the interpreter");
    let (work, ended) = size(&program, Duration::from_secs(args.seconds));
    ensure!(
        work.macro_steps > 0,
        "no macro step ended within {} s: raise --seconds",
        args.seconds
    );
    let mut measurements = Vec::new();
    for roots in [false, true] {
        let once = || Ok(interpret(&program, work, roots));
        measurements.push(measure("interp", roots, work, once)?);
    }
    progress.say("measuring compiled code".into());
    let compiled = program.compile()?;
    for roots in [false, true] {
        let once = || run_compiled(&program, &compiled, work, roots);
        measurements.push(measure("wasmtime", roots, work, once)?);
    }
    drop(progress);
    let report = Report {
        program_id: program.lowered.image.program.id().0.to_string(),
        ended,
        steps: work.steps,
        macro_steps: work.macro_steps,
        measurements,
    };
    print.object(&report)?;
    show(&report, print)?;
    Ok(Ended::Done)
}

/// The macro steps that the interpreter does in `time`, and whether the program ends with them.
fn size(program: &Program, time: Duration) -> (Work, bool) {
    let (started, b) = (Instant::now(), program.b());
    let mut machine = program.machine();
    let mut work = Work::default();
    for y in 0..END >> b {
        let (mut index, end) = (y << b, (y + 1) << b);
        while index < end {
            if started.elapsed() > time {
                return (work, false);
            }
            let n = CHUNK.min(end - index);
            machine.run(index, n);
            index = match machine.cpu.status {
                Status::Running => index + n,
                Status::Yielded | Status::Halted(_) | Status::Trapped => end,
            };
        }
        work = Work {
            macro_steps: y + 1,
            steps: machine.executed,
        };
        if is_terminal(machine.cpu.status) {
            return (work, true);
        }
    }
    (work, false)
}

fn interpret(program: &Program, work: Work, roots: bool) -> Duration {
    let (mut machine, b) = (program.machine(), program.b());
    let started = Instant::now();
    for y in 0..work.macro_steps {
        machine.run(y << b, 1 << b);
        if roots {
            std::hint::black_box(machine.root());
        }
    }
    started.elapsed()
}

fn run_compiled(
    program: &Program,
    compiled: &Compiled,
    work: Work,
    roots: bool,
) -> anyhow::Result<Duration> {
    let mut engine = CompiledEngine::new(compiled.clone(), program.roms.clone());
    // Makes the instance, which is no part of a run.
    engine.finish(0)?;
    let started = Instant::now();
    if roots {
        let mut y = 0;
        while y < work.macro_steps {
            let end = work.macro_steps.min(y + 4096);
            let yields: Vec<u64> = (y + 1..=end).collect();
            std::hint::black_box(engine.roots(&yields)?);
            y = end;
        }
    } else {
        engine.finish(work.macro_steps)?;
    }
    Ok(started.elapsed())
}

/// The mean of as many runs as make a number worth reading.
fn measure(
    engine: &'static str,
    roots: bool,
    work: Work,
    mut once: impl FnMut() -> anyhow::Result<Duration>,
) -> anyhow::Result<Measurement> {
    let (mut total, mut runs) = (Duration::ZERO, 0);
    while total < LEAST && runs < MOST_RUNS {
        total += once()?;
        runs += 1;
    }
    let seconds = total.as_secs_f64() / f64::from(runs);
    Ok(Measurement {
        engine,
        roots,
        seconds,
        steps_per_second: work.steps as f64 / seconds,
        ns_per_step: 1e9 * seconds / work.steps as f64,
        yields_per_second: work.macro_steps as f64 / seconds,
    })
}

fn show(report: &Report, print: &mut Print) -> anyhow::Result<()> {
    let part = if report.ended {
        "the whole run"
    } else {
        "the first part of the run"
    };
    let (steps, macro_steps) = (report.steps, report.macro_steps);
    print.field(
        "measured",
        format!("{part}: {steps} steps in {macro_steps} macro step(s)"),
    )?;
    print.line("engine    roots          steps/s     ns/step  macro steps/s")?;
    for m in &report.measurements {
        let roots = if m.roots { "each yield" } else { "none" };
        print.line(format!(
            "{:<9} {roots:<10} {:>11.0} {:>11.3} {:>14.1}",
            m.engine, m.steps_per_second, m.ns_per_step, m.yields_per_second
        ))?;
    }
    if report.measurements.iter().any(|m| m.seconds < SHORT) {
        print.line("a run this short measures its start more than its steps: see a longer one")?;
    }
    Ok(())
}
