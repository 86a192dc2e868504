//! The command line.

use assay_types::params::{ROM_MODEL, ROM_OUTPUT, ROM_REQUEST, TRACE_LOG2};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `run`: the program halted, with whatever code
  1  bad input: a file that is missing, malformed or refused
  2  a command line that makes no sense
  3  the program trapped
  4  the program did not end within --limit, or within the trace
  5  the witness is refused
  6  two implementations of the machine disagree: please report it

Numbers are decimal or 0x hex. With --json, standard output holds one JSON object, also for an error.";

/// Runs, disassembles and proves any program of Assay's machine: a WebAssembly file that exports `step`, `_start` or `main`.
#[derive(Parser, Debug)]
#[command(name = "assay-machine", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a program to its end.
    Run(RunArgs),
    /// Print what a program is lowered to: its id, its numbers and a disassembly.
    Lower(LowerArgs),
    /// Print the state at any index of a run.
    Trace(TraceArgs),
    /// Write the witness of one step to a file.
    Prove(ProveArgs),
    /// Run the step of a witness file in Rust and in the released bytecode of the contract, and print its gas.
    Check(CheckArgs),
    /// Measure how fast a program runs.
    Bench(BenchArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ProgramArgs {
    /// The program: WebAssembly, binary (.wasm) or text (.wat).
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// A file that the program can read by `assay.read`; NAME is request (0), output (1) or model (2). Left out, it is empty.
    #[arg(long = "rom", value_name = "NAME=FILE", value_parser = rom)]
    pub roms: Vec<RomArg>,
}

/// One `--rom`.
#[derive(Clone, Debug)]
pub struct RomArg {
    /// Number of the input.
    pub rom: u32,
    /// Its name.
    pub name: String,
    /// Where its bytes are.
    pub file: PathBuf,
}

/// What executes the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Engine {
    /// The interpreter: the reference.
    Interp,
    /// Compiled code; knows the state between two macro steps only.
    Wasmtime,
    /// Each step by its witness, in the released bytecode of the contract, in an EVM; and in Rust, compared. The padding
    /// between a yield and the next macro step, which changes nothing, is left out.
    Chain,
}

/// What finds a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Seeker {
    /// The interpreter all the way.
    Interp,
    /// Compiled code up to the last yield before the index, then the interpreter.
    Wasmtime,
}

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// What executes it.
    #[arg(long, value_name = "ENGINE", default_value = "interp")]
    pub engine: Engine,
    /// Print the state's root every N executed steps (interp, chain), or every N yields (wasmtime, programs with `step` only);
    /// a yield is the end of a macro step. The first state comes first, the last one is in the summary.
    #[arg(long, value_name = "every:N", value_parser = every)]
    pub roots: Option<u64>,
    /// Stop after so many executed steps (interp, chain) or macro steps (wasmtime). None by default; 10000 with chain, where each
    /// step is a call of the contract.
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit: Option<u64>,
}

#[derive(Args, Debug)]
pub struct LowerArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
}

#[derive(Args, Debug)]
pub struct TraceArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// The trace index, 0 to 2^50: so many steps have been made. The state 0 is the first.
    #[arg(value_parser = index)]
    pub index: u64,
    /// What finds the state.
    #[arg(long, value_name = "ENGINE", default_value = "wasmtime")]
    pub engine: Seeker,
}

#[derive(Args, Debug)]
pub struct ProveArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// The step: it leads from the state at this index to the next one.
    #[arg(value_parser = step_index)]
    pub index: u64,
    /// Where to write the witness; `check` needs nothing else.
    #[arg(long, short, value_name = "WITNESS", default_value = "witness.json")]
    pub out: PathBuf,
    /// What finds the state.
    #[arg(long, value_name = "ENGINE", default_value = "wasmtime")]
    pub engine: Seeker,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// A file that `prove` has written.
    #[arg(value_name = "WITNESS")]
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    pub program: ProgramArgs,
    /// Most seconds that the interpreter takes, without roots; the other measurements do the same macro steps.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
}

/// A number, decimal or 0x hex.
fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed
        .map_err(|_| "not a number of 64 bits: write it in decimal or as 0x and hex digits".into())
}

fn count(text: &str) -> Result<u64, String> {
    match number(text)? {
        0 => Err("0 is none: give at least 1".into()),
        n => Ok(n),
    }
}

fn every(text: &str) -> Result<u64, String> {
    match text.strip_prefix("every:") {
        Some(n) => count(n),
        None => Err("write every:N, as in every:1000".into()),
    }
}

fn index(text: &str) -> Result<u64, String> {
    bounded(text, 1 << TRACE_LOG2)
}

fn step_index(text: &str) -> Result<u64, String> {
    bounded(text, (1 << TRACE_LOG2) - 1)
}

fn bounded(text: &str, most: u64) -> Result<u64, String> {
    match number(text)? {
        i if i <= most => Ok(i),
        _ => Err(format!(
            "too large: a trace has 2^{TRACE_LOG2} steps, so the last one here is {most}"
        )),
    }
}

fn rom(text: &str) -> Result<RomArg, String> {
    let Some((name, file)) = text.split_once('=') else {
        return Err("write NAME=FILE, as in request=question.bin".into());
    };
    let rom = match name {
        "request" => ROM_REQUEST,
        "output" => ROM_OUTPUT,
        "model" => ROM_MODEL,
        _ => {
            return Err(format!(
                "there is no input {name:?}: NAME is request, output or model"
            ));
        }
    };
    Ok(RomArg {
        rom,
        name: name.into(),
        file: file.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers_are_decimal_or_hex_and_inside_the_trace() {
        assert_eq!(index("1125899906842624"), Ok(1 << 50));
        assert_eq!(index("0x4000000000000"), Ok(1 << 50));
        assert!(index("0x4000000000001").is_err());
        assert_eq!(step_index("0x3ffffffffffff"), Ok((1 << 50) - 1));
        assert!(step_index("0x4000000000000").is_err());
        for bad in [
            "",
            "-1",
            "1e3",
            "0x",
            "0xg",
            "18446744073709551616",
            "1_000",
        ] {
            assert!(index(bad).is_err(), "{bad:?}");
        }
        assert_eq!(every("every:0x10"), Ok(16));
        for bad in ["every:0", "every:", "16", "each:16"] {
            assert!(every(bad).is_err(), "{bad:?}");
        }
    }
}
