//! `run`: a program to its end, on one of three engines.

use super::Ended;
use crate::cli::{Engine, RunArgs};
use crate::place::{Place, halt_code, status};
use crate::print::Print;
use crate::program::Program;
use crate::progress::Progress;
use crate::seek::{CHUNK, run_macro_steps};
use crate::walk::{END, Walk};
use anyhow::{anyhow, bail, ensure};
use assay_machine::step::record;
use assay_machine::trace::Engine as _;
use assay_prover::prover::{Prover, context};
use assay_types::{Header, StateRoot, Status};
use serde::Serialize;
use std::time::Instant;

/// Steps on the chain unless `--limit` says otherwise: some seconds.
const CHAIN_LIMIT: u64 = 10_000;

/// A root on the way.
#[derive(Serialize)]
struct Point {
    index: u64,
    root: String,
}

/// What the contract cost.
#[derive(Serialize)]
struct Gas {
    median: u64,
    most: u64,
    total: u64,
    longest_witness: usize,
}

#[derive(Serialize)]
struct Report {
    program_id: String,
    engine: &'static str,
    status: &'static str,
    /// With which code it halted.
    code: Option<u32>,
    /// Index of the state below: the first after which nothing changes, where the program ended.
    index: u64,
    root: String,
    /// Steps executed; compiled code does not count them.
    steps: Option<u64>,
    /// Macro steps begun.
    macro_steps: u64,
    seconds: f64,
    trap: Option<Trap>,
    gas: Option<Gas>,
    roots: Vec<Point>,
}

/// Where it trapped.
#[derive(Serialize)]
struct Trap {
    #[serde(flatten)]
    place: Place,
    /// The macro step did not end within its 2^B steps; the instruction was the next.
    out_of_steps: bool,
}

/// A run in progress: where its roots go.
struct Runner<'a> {
    program: &'a Program,
    args: &'a RunArgs,
    print: &'a mut Print,
    progress: Progress,
    roots: Vec<Point>,
}

/// How far a run came.
struct Finish {
    status: Status,
    index: u64,
    root: StateRoot,
    steps: Option<u64>,
    macro_steps: u64,
    trap: Option<Trap>,
    gas: Option<Gas>,
}

/// Runs, and prints how it ended.
pub fn run(args: &RunArgs, print: &mut Print) -> anyhow::Result<Ended> {
    let program = Program::load(&args.program)?;
    let mut runner = Runner {
        program: &program,
        args,
        print,
        progress: Progress::new("running"),
        roots: Vec::new(),
    };
    let started = Instant::now();
    let (engine, finish) = match args.engine {
        Engine::Interp => ("interp", runner.interpret()?),
        Engine::Wasmtime => ("wasmtime", runner.compiled()?),
        Engine::Chain => match runner.chain()? {
            Ok(finish) => ("chain", finish),
            Err(difference) => {
                drop(runner);
                print.error(&anyhow!("DISAGREEMENT: {difference}"))?;
                return Ok(Ended::Disagree);
            }
        },
    };
    let seconds = started.elapsed().as_secs_f64();
    let roots = std::mem::take(&mut runner.roots);
    drop(runner);
    let report = Report {
        program_id: program.lowered.image.program.id().0.to_string(),
        engine,
        status: status(finish.status),
        code: halt_code(finish.status),
        index: finish.index,
        root: finish.root.0.to_string(),
        steps: finish.steps,
        macro_steps: finish.macro_steps,
        seconds,
        trap: finish.trap,
        gas: finish.gas,
        roots,
    };
    print.object(&report)?;
    show(&report, print)?;
    match finish.status {
        Status::Halted(_) => Ok(Ended::Done),
        Status::Trapped => {
            let place = report
                .trap
                .as_ref()
                .map_or(String::new(), |t| t.place.to_string());
            eprintln!("error: the program trapped at {place}");
            Ok(Ended::Trapped)
        }
        Status::Running | Status::Yielded => {
            eprintln!("error: {}", unfinished(args, &report));
            Ok(Ended::Unfinished)
        }
    }
}

/// Why there is no end.
fn unfinished(args: &RunArgs, report: &Report) -> String {
    if report.index >= END {
        return "the trace ends, after 2^50 steps, before the program does".into();
    }
    let done = match args.engine {
        Engine::Wasmtime => format!("{} macro steps", report.macro_steps),
        Engine::Interp | Engine::Chain => format!("{} steps", report.steps.unwrap_or_default()),
    };
    let advice = match (args.engine, args.limit) {
        (Engine::Chain, None) => "on the chain that is the limit unless --limit sets another",
        _ => "raise --limit",
    };
    format!("the program had not ended after {done}: {advice}")
}

fn show(report: &Report, print: &mut Print) -> anyhow::Result<()> {
    match report.code {
        Some(code) => print.field("halted", format!("with {code}"))?,
        None => print.field("status", report.status)?,
    }
    if let Some(trap) = &report.trap {
        print.field("trapped at", &trap.place)?;
        if trap.out_of_steps {
            print.field("", "a macro step did not end within 2^B steps")?;
        }
    }
    print.field("index", report.index)?;
    print.field("root", &report.root)?;
    let steps = report
        .steps
        .map_or(String::new(), |s| format!("{s} steps in "));
    let engine = report.engine;
    let seconds = report.seconds;
    print.field(
        "executed",
        format!(
            "{steps}{} macro step(s), {seconds:.3} s ({engine})",
            report.macro_steps
        ),
    )?;
    if let Some(gas) = &report.gas {
        print.field(
            "gas a step",
            format!(
                "median {}, most {}; longest witness {} bytes",
                gas.median, gas.most, gas.longest_witness
            ),
        )?;
    }
    Ok(())
}

impl Runner<'_> {
    fn point(&mut self, index: u64, root: StateRoot) -> anyhow::Result<()> {
        let root = root.0.to_string();
        let line = format!("{index:>16}  {root}");
        self.progress.aside(|| self.print.line(line))?;
        self.roots.push(Point { index, root });
        Ok(())
    }

    fn interpret(&mut self) -> anyhow::Result<Finish> {
        let mut walk = Walk::new(self.program.machine(), 0);
        let limit = self.args.limit.unwrap_or(u64::MAX);
        let every = self.args.roots;
        let mut steps = 0;
        if every.is_some() {
            self.point(0, walk.machine.root())?;
        }
        while !walk.done() && steps < limit {
            let to_root = every.map_or(u64::MAX, |n| n - steps % n);
            steps += walk.advance(CHUNK.min(limit - steps).min(to_root));
            if every.is_some_and(|n| steps.is_multiple_of(n)) && !walk.done() {
                self.point(walk.index, walk.machine.root())?;
            }
            self.progress.say(format!("{steps} steps"));
        }
        Ok(self.finish(walk, steps))
    }

    /// The state that a walk came to.
    fn finish(&self, mut walk: Walk, steps: u64) -> Finish {
        let status = walk.machine.cpu.status;
        Finish {
            status,
            index: walk.index,
            root: walk.machine.root(),
            steps: Some(steps),
            macro_steps: walk.index.div_ceil(1 << self.program.b()),
            trap: (status == Status::Trapped).then(|| self.trap(&walk)),
            gas: None,
        }
    }

    fn trap(&self, walk: &Walk) -> Trap {
        Trap {
            place: Place::new(self.program, walk.machine.cpu.pc),
            out_of_steps: walk.out_of_steps(),
        }
    }

    fn compiled(&mut self) -> anyhow::Result<Finish> {
        let (program, b) = (self.program, self.program.b());
        if self.args.roots.is_some() && !program.yields() {
            let export = program.lowered.driver.export();
            bail!(
                "--roots with --engine wasmtime counts yields, and a program driven by {export} has none: use --engine interp"
            );
        }
        let most = END >> b;
        let limit = self.args.limit.unwrap_or(most).min(most);
        let mut engine = program.compiled()?;
        let end = match self.args.roots {
            None => run_macro_steps(&mut engine, limit, &self.progress)?,
            Some(n) => {
                let (mut y, mut end) = (0, None);
                while end.is_none() && y <= limit {
                    let root = engine.roots(&[y])?[0];
                    end = engine.finish(y)?;
                    if end.is_none() {
                        self.point(y << b, root)?;
                        self.progress.say(format!("{y} macro steps"));
                    }
                    y = y.saturating_add(n);
                }
                match end {
                    Some(end) => Some(end),
                    None => engine.finish(limit)?,
                }
            }
        };
        let Some((y, status)) = end else {
            return Ok(Finish {
                status: Status::Yielded,
                index: limit << b,
                root: engine.roots(&[limit])?[0],
                steps: None,
                macro_steps: limit,
                trap: None,
                gas: None,
            });
        };
        // Compiled code does not know where it trapped; the interpreter runs that macro step again.
        let trap = match status {
            Status::Trapped => {
                let start = engine.machine(y - 1)?;
                let mut walk = Walk::new(start, (y - 1) << b);
                while !walk.done() {
                    walk.advance(CHUNK);
                }
                ensure!(
                    walk.machine.cpu.status == status,
                    "the interpreter does not trap in macro step {}",
                    y - 1
                );
                Some(self.trap(&walk))
            }
            Status::Running | Status::Yielded | Status::Halted(_) => None,
        };
        Ok(Finish {
            status,
            index: y << b,
            root: Header::terminal(status).root(),
            steps: None,
            macro_steps: y,
            trap,
            gas: None,
        })
    }

    /// Every step by its witness; the interpreter goes along. A difference is not an error of the program's.
    fn chain(&mut self) -> anyhow::Result<Result<Finish, String>> {
        let limit = self.args.limit.unwrap_or(CHAIN_LIMIT);
        let mut walk = Walk::new(self.program.machine(), 0);
        let (ctx, _) = context(&self.program.lowered.image, &self.program.roms);
        let mut prover = Prover::new();
        let mut gas = Vec::new();
        let mut longest_witness = 0;
        let mut root = walk.machine.root();
        if self.args.roots.is_some() {
            self.point(0, root)?;
        }
        while (gas.len() as u64) < limit && walk.settle() {
            let index = walk.index;
            let witness = record(&mut walk.machine, index);
            let after = walk.machine.root();
            let (roots, outcome) = prover.step(&ctx, index, &witness);
            if roots != Some((root, after)) {
                let (before, says) = (root.0, &outcome.result);
                return Ok(Err(format!(
                    "step {index} from {before}: Rust comes to {}, the contract to {roots:?} ({says:?})",
                    after.0
                )));
            }
            walk.index += 1;
            root = after;
            gas.push(outcome.execution_gas);
            longest_witness = longest_witness.max(witness.len());
            let steps = gas.len() as u64;
            if self.args.roots.is_some_and(|n| steps.is_multiple_of(n)) && !walk.done() {
                self.point(walk.index, root)?;
            }
            if steps.is_multiple_of(64) {
                self.progress.say(format!("{steps} steps by the contract"));
            }
        }
        let mut finish = self.finish(walk, gas.len() as u64);
        gas.sort_unstable();
        finish.gas = Some(Gas {
            median: gas.get(gas.len() / 2).copied().unwrap_or(0),
            most: gas.last().copied().unwrap_or(0),
            total: gas.iter().sum(),
            longest_witness,
        });
        Ok(Ok(finish))
    }
}
