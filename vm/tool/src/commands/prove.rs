//! `prove`: the witness of one step, in a file of its own.

use super::Ended;
use crate::cli::ProveArgs;
use crate::print::Print;
use crate::program::Program;
use crate::seek::machine_at;
use crate::witness::WitnessFile;
use assay_machine::step::record;
use serde_json::json;

/// Writes the file.
pub fn run(args: &ProveArgs, print: &mut Print) -> anyhow::Result<Ended> {
    let program = Program::load(&args.program)?;
    let mut machine = machine_at(&program, args.engine, args.index)?;
    let before = machine.root();
    let witness = record(&mut machine, args.index);
    let after = machine.root();
    let image = &program.lowered.image;
    let file = WitnessFile::new(image, &program.roms, args.index, (before, after), &witness);
    file.write(&args.out)?;

    print.field("index", args.index)?;
    print.field("before", before.0)?;
    print.field("after", after.0)?;
    print.field(
        "witness",
        format!("{} bytes, in {}", witness.len(), args.out.display()),
    )?;
    print.object(&json!({
        "program_id": image.program.id().0.to_string(),
        "index": args.index,
        "before": before.0.to_string(),
        "after": after.0.to_string(),
        "witness_bytes": witness.len(),
        "file": args.out,
    }))?;
    Ok(Ended::Done)
}
