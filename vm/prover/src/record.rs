//! Keeps what the tests ask the contracts and what they answer, for the mutation test (docs/mutants.md).
//!
//! With `ASSAY_RECORD` set to a folder, each call that goes through [`record`] is appended to one file of the process in
//! it. A record is four fields, each a u32 LE length and its bytes: the contract's name, calldata, `1` or `0` for a call
//! that returned or reverted, return data. No field count precedes them: a file ends after a record.

use crate::evm::{Failure, Outcome};
use alloy::primitives::{B256, keccak256};
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

struct Recorder {
    file: File,
    seen: HashSet<B256>,
}

static RECORDER: LazyLock<Option<Mutex<Recorder>>> = LazyLock::new(|| {
    let folder = std::env::var_os("ASSAY_RECORD")?;
    let path = Path::new(&folder).join(format!("{}.calls", std::process::id()));
    let file =
        File::create(&path).unwrap_or_else(|e| panic!("ASSAY_RECORD: {}: {e}", path.display()));
    Some(Mutex::new(Recorder {
        file,
        seen: HashSet::new(),
    }))
});

/// Appends a call of the contract `name`, if it is a new one and `ASSAY_RECORD` asks for it.
pub fn record(name: &str, calldata: &[u8], outcome: &Outcome) {
    let Some(recorder) = &*RECORDER else {
        return;
    };
    let (returned, data) = match &outcome.result {
        Ok(data) => (1u8, data),
        Err(Failure::Revert(data)) => (0, data),
        // Out of gas, say: nothing that the contract answers.
        Err(Failure::Halt(_)) => return,
    };
    let mut recorder = recorder
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if !recorder
        .seen
        .insert(keccak256([name.as_bytes(), calldata].concat()))
    {
        return;
    }
    let fields = [name.as_bytes(), calldata, &[returned], data];
    let text: Vec<u8> = fields
        .iter()
        .flat_map(|field| [&(field.len() as u32).to_le_bytes(), *field].concat())
        .collect();
    recorder
        .file
        .write_all(&text)
        .expect("ASSAY_RECORD is a folder with room");
}
