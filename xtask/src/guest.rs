//! `guest.lock`: what `guest.wasm` is. `vm/guest/build.sh` writes compiler and hash; this adds the program's id.

use anyhow::{Context, bail};
use assay_machine::lower::lower;
use std::path::Path;

/// Writes `program_id` into `guest.lock`, or fails where it differs.
pub fn run(check: bool) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm/guest");
    let wasm = std::fs::read(folder.join("guest.wasm")).context("vm/guest/guest.wasm")?;
    let id = lower(&wasm)
        .context("lowering the guest")?
        .image
        .program
        .id()
        .0;
    let path = folder.join("guest.lock");
    let text = std::fs::read_to_string(&path).context("vm/guest/guest.lock")?;
    let kept = text.lines().filter(|l| !l.starts_with("program_id"));
    let wanted: String =
        kept.map(|l| format!("{l}\n")).collect::<String>() + &format!("program_id = \"{id}\"\n");
    if check && wanted != text {
        bail!("vm/guest/guest.lock is stale: run `cargo run --release -p xtask -- guest`");
    }
    if !check {
        std::fs::write(&path, wanted)?;
    }
    Ok(())
}
