//! `trace`: the state at an index.

use super::Ended;
use crate::cli::TraceArgs;
use crate::place::{Place, halt_code, status};
use crate::print::Print;
use crate::program::Program;
use crate::seek::machine_at;
use assay_types::Status;
use serde_json::json;

/// Prints the header and its root.
pub fn run(args: &TraceArgs, print: &mut Print) -> anyhow::Result<Ended> {
    let program = Program::load(&args.program)?;
    let mut machine = machine_at(&program, args.engine, args.index)?;
    let header = machine.header();
    let root = header.root().0;
    let runs = header.status == Status::Running;
    let next = runs.then(|| Place::new(&program, header.pc));

    print.field("index", args.index)?;
    print.field("root", root)?;
    match header.status {
        Status::Halted(code) => print.field("status", format!("halted with {code}"))?,
        other => print.field("status", status(other))?,
    }
    if let Some(place) = &next {
        print.field("next", place)?;
    }
    print.field("pc", header.pc)?;
    print.field("frame base", header.fp)?;
    print.field("pages", header.pages)?;
    for (name, root) in [
        ("memory", header.memory),
        ("stack", header.stack),
        ("globals", header.globals),
        ("table", header.table),
    ] {
        print.field(name, root)?;
    }
    print.object(&json!({
        "program_id": program.lowered.image.program.id().0.to_string(),
        "index": args.index,
        "root": root.to_string(),
        "status": status(header.status),
        "code": halt_code(header.status),
        "pc": header.pc,
        "frame_base": header.fp,
        "pages": header.pages,
        "memory": header.memory.to_string(),
        "stack": header.stack.to_string(),
        "globals": header.globals.to_string(),
        "table": header.table.to_string(),
        "next": next,
    }))?;
    Ok(Ended::Done)
}
