//! `check`: a witness file's step, in Rust and in the released bytecode of the contract.

use super::Ended;
use crate::cli::CheckArgs;
use crate::disassembly;
use crate::print::Print;
use crate::witness::WitnessFile;
use assay_machine::isa::Instr;
use assay_machine::step::replay;
use assay_prover::evm::Failure;
use assay_prover::gas::{Floor, transaction_gas};
use assay_prover::prover::{BadHeader, BadWitnessFold, BadWitnessLength, Prover, step_context};
use assay_types::params::{HEADER_BYTES, MAX_WITNESS_BYTES};
use assay_types::{Header, StateRoot, Status};
use serde::Serialize;

/// Roots before and after, or why there are none.
type Roots = Result<(StateRoot, StateRoot), String>;

#[derive(Serialize)]
struct Gas {
    execution: u64,
    transaction: u64,
    transaction_at_64: u64,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// Why it is refused.
    reason: Option<String>,
    program_id: String,
    index: u64,
    step: Option<String>,
    before: String,
    after: String,
    witness_bytes: usize,
    gas: Option<Gas>,
}

/// Prints roots and gas, or why the file is refused.
pub fn run(args: &CheckArgs, print: &mut Print) -> anyhow::Result<Ended> {
    let file = WitnessFile::read(&args.file)?;
    let witness = file.witness()?;
    let mut report = Report {
        ok: false,
        reason: None,
        program_id: file.program_id.0.to_string(),
        index: file.index,
        step: step(&witness),
        before: file.before.0.to_string(),
        after: file.after.0.to_string(),
        witness_bytes: witness.len(),
        gas: None,
    };
    let ended = match static_refusal(&file, &witness) {
        Some(reason) => {
            report.reason = Some(reason);
            Ended::Refused
        }
        None => execute(&file, &witness, &mut report),
    };
    report.ok = ended == Ended::Done;
    show(&report, ended, print)?;
    Ok(ended)
}

/// What is wrong with the file before anything is executed.
fn static_refusal(file: &WitnessFile, witness: &[u8]) -> Option<String> {
    let program = file.program();
    if program.id().0 != file.program_id.0 {
        return Some(format!(
            "program_id is not the id of the program's fields, which is {}",
            program.id().0
        ));
    }
    if file.index == 0 && program.initial().root().0 != file.before.0 {
        return Some("before is not the program's first state".into());
    }
    (witness.len() > MAX_WITNESS_BYTES)
        .then(|| format!("the witness is longer than any step's, {MAX_WITNESS_BYTES} bytes"))
}

/// Both implementations, and the file against them.
fn execute(file: &WitnessFile, witness: &[u8], report: &mut Report) -> Ended {
    let (limits, fixed) = (file.limits(), file.fixed());
    let replayed: Roots = replay(&limits, &fixed, file.index, witness).map_err(|e| e.to_string());
    let context = step_context(&limits, &fixed);
    let mut prover = Prover::new();
    let (roots, outcome) = prover.step(&context, file.index, witness);
    let onchain: Roots = roots.ok_or_else(|| failure(&outcome.result));
    if replayed.as_ref().ok() != onchain.as_ref().ok() {
        report.reason = Some(format!(
            "Rust and the contract disagree, which must never be: Rust says {replayed:?}, the contract {onchain:?}"
        ));
        return Ended::Disagree;
    }
    let (before, after) = match replayed {
        Ok(roots) => roots,
        Err(reason) => {
            let contract = onchain.err().unwrap_or_default();
            report.reason = Some(format!("{reason}; the contract reverts with {contract}"));
            return Ended::Refused;
        }
    };
    let calldata = Prover::calldata(&context, file.index, witness);
    report.gas = Some(Gas {
        execution: outcome.execution_gas,
        transaction: outcome.tx_gas,
        transaction_at_64: transaction_gas(&calldata, outcome.execution_gas, Floor::PLANNED),
    });
    for (name, said, is) in [
        ("before", file.before.0, before.0),
        ("after", file.after.0, after.0),
    ] {
        if said != is {
            report.reason = Some(format!(
                "{name} is {said} in the file, but the step's is {is}"
            ));
            return Ended::Refused;
        }
    }
    Ended::Done
}

fn failure<T>(result: &Result<T, Failure>) -> String {
    match result {
        Ok(_) => "no roots".into(),
        Err(f) if f.is::<BadHeader>() => "BadHeader".into(),
        Err(f) if f.is::<BadWitnessLength>() => "BadWitnessLength".into(),
        Err(f) if f.is::<BadWitnessFold>() => "BadWitnessFold".into(),
        Err(f) => format!("{f:?}"),
    }
}

/// What the step does, from the witness's header and its first leaf; nothing if that can't be read.
fn step(witness: &[u8]) -> Option<String> {
    let header = Header::decode(witness.first_chunk::<HEADER_BYTES>()?)?;
    match header.status {
        Status::Running => {
            let at = HEADER_BYTES + (header.pc % 8) as usize * 16;
            let bytes = witness.get(at..)?.first_chunk::<16>()?;
            let text = disassembly::text(&Instr::decode(bytes));
            let words: Vec<&str> = text.split_whitespace().collect();
            Some(format!("pc {}: {}", header.pc, words.join(" ")))
        }
        Status::Yielded => Some("resumes after a yield, or waits".into()),
        Status::Halted(code) => Some(format!("halted with {code}: nothing changes")),
        Status::Trapped => Some("trapped: nothing changes".into()),
    }
}

fn show(report: &Report, ended: Ended, print: &mut Print) -> anyhow::Result<()> {
    print.object(report)?;
    print.field("program", &report.program_id)?;
    print.field("index", report.index)?;
    if let Some(step) = &report.step {
        print.field("step", step)?;
    }
    print.field("before", &report.before)?;
    print.field("after", &report.after)?;
    print.field("witness", format!("{} bytes", report.witness_bytes))?;
    if let Some(gas) = &report.gas {
        print.field("gas", format!("{} executing", gas.execution))?;
        let floors = "calldata at 40 a byte at least; at 64 it would be";
        print.field(
            "",
            format!(
                "{} the transaction ({floors} {})",
                gas.transaction, gas.transaction_at_64
            ),
        )?;
    }
    match &report.reason {
        None => print.field("verdict", "Rust and the contract come to these roots"),
        Some(reason) => {
            let verdict = if ended == Ended::Disagree {
                "DISAGREEMENT"
            } else {
                "refused"
            };
            eprintln!("{verdict}: {reason}");
            print.field("verdict", verdict)
        }
    }
}
