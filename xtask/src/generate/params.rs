//! `Params.sol`: the constants of `proto/types/src/params.rs`, with their docs.

use anyhow::{Context, bail};
use assay_types::params as p;

/// The Rust file, for the docs and to notice a constant that is missing below.
const SOURCE: &str = include_str!("../../../proto/types/src/params.rs");

macro_rules! table {
    ($($solidity:literal: $($name:ident)*;)*) => {
        [$($((stringify!($name), $solidity, p::$name as u64),)*)*]
    };
}

/// Text of `Params.sol`; fails if params.rs has a constant that the table here lacks.
pub fn solidity() -> anyhow::Result<String> {
    let table = table! {
        "uint8": TAG_LEAF TAG_NODE TAG_STATE TAG_PROGRAM TAG_MODEL TAG_RESULT;
        "uint32": MACHINE_VERSION STACK_CELLS CODE_INSTRUCTIONS TABLE_ELEMENTS GLOBALS_CELLS TABLE_SIZE_BASE
            MAX_TABLES ELEM_DROPPED_BASE MAX_ELEMS DATA_DROPPED_BASE MAX_DATAS ROM_REQUEST ROM_OUTPUT ROM_MODEL ROMS
            FRAME_ARGS FRAME_ALIGN MAX_REQUEST_OUTPUT_BYTES MAX_TOKENS;
        "uint64": ROM_BYTES PAGE_BYTES;
        "uint256": LEAF_BYTES LEAF_CELLS LEAF_INSTRUCTIONS MEMORY_DEPTH STACK_DEPTH GLOBALS_DEPTH TABLE_DEPTH
            CODE_DEPTH SEGMENTS_DEPTH ROM_DEPTH HEADER_BYTES TRACE_LOG2 GAME_ARITY MAX_WITNESS_BYTES;
    };
    let mut out = super::SOLIDITY_HEADER.to_string();
    out.push_str("\n// Constants of `proto/types/src/params.rs`.\n\n");
    let mut doc = Vec::new();
    for line in SOURCE.lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            doc.push(text);
        } else if let Some(rest) = line.strip_prefix("pub const ") {
            let name = rest
                .split(':')
                .next()
                .context("a constant without a type")?;
            let Some((_, kind, value)) = table.iter().find(|row| row.0 == name) else {
                bail!("params.rs has {name}: add it to xtask/src/generate/params.rs");
            };
            let value = value.to_string();
            out.push_str(&format!(
                "// {}\n{kind} constant {name} = {value};\n",
                doc.join(" ")
            ));
            doc.clear();
        } else {
            doc.clear();
        }
    }
    Ok(out)
}
