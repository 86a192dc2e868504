//! Calls that the tests made, with what the committed contracts answered.

use alloy::primitives::{Bytes, U256, keccak256};
use alloy::sol_types::SolCall;
use assay_tests::floats::solidity::runCall;
use std::path::Path;

/// Results of a harness in one call: fewer make a mutant's death cheap, more make calls rare.
const RESULTS: usize = 20;

/// What a contract answers: whether it returned, and the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Returned, not reverted.
    pub returned: bool,
    /// Return or revert data.
    pub data: Bytes,
}

/// A call and its right answer.
pub struct Call {
    /// The contract that is called: `OneStepProver` or a harness.
    pub contract: String,
    /// Calldata.
    pub data: Bytes,
    /// The committed contract's answer.
    pub answer: Answer,
}

/// All records of a folder (see `assay_prover::record`), in an order that depends on nothing but the calls.
pub fn read(folder: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    let entries = std::fs::read_dir(folder).expect("a folder with records");
    for path in entries.map(|e| e.expect("a readable folder").path()) {
        if path.extension().is_some_and(|e| e == "calls") {
            let text = std::fs::read(&path).expect("a readable record");
            let mut rest = &text[..];
            while !rest.is_empty() {
                calls.extend(split(record(&mut rest)));
            }
        }
    }
    calls.sort_by_cached_key(|call| keccak256([call.contract.as_bytes(), &call.data].concat()));
    calls.dedup_by(|a, b| a.contract == b.contract && a.data == b.data);
    calls
}

/// Takes the record at the beginning of `rest`.
fn record(rest: &mut &[u8]) -> Call {
    let mut field = || {
        let (length, tail) = rest.split_first_chunk().expect("a whole record");
        let (field, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        *rest = tail;
        field.to_vec()
    };
    let contract = String::from_utf8(field()).expect("a name");
    let data = field().into();
    let returned = field() == [1];
    let answer = Answer {
        returned,
        data: field().into(),
    };
    Call {
        contract,
        data,
        answer,
    }
}

/// A harness's call in pieces, anything else as it is.
fn split(call: Call) -> Vec<Call> {
    if !call.contract.ends_with("Harness") {
        return vec![call];
    }
    let asked = runCall::abi_decode(&call.data).expect("a harness's call");
    let results = runCall::abi_decode_returns(&call.answer.data).expect("a harness's results");
    let size = asked.operands.len() / (results.len() / 16);
    let pieces = asked
        .operands
        .chunks(size * RESULTS)
        .zip(results.chunks(16 * RESULTS));
    pieces
        .map(|(operands, results)| Call {
            contract: call.contract.clone(),
            data: piece(asked.op, operands).into(),
            answer: Answer {
                returned: true,
                data: alloy::sol_types::SolValue::abi_encode(&Bytes::copy_from_slice(results))
                    .into(),
            },
        })
        .collect()
}

fn piece(op: U256, operands: &[u8]) -> Vec<u8> {
    runCall {
        op,
        operands: operands.to_vec().into(),
    }
    .abi_encode()
}
