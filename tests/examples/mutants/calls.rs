//! Calls that the tests made, with what the committed contracts answered.

use alloy::primitives::{Bytes, U256, keccak256};
use alloy::sol_types::SolCall;
use assay_tests::floats::solidity::runCall;
use assay_types::params::{HEADER_BYTES, LEAF_INSTRUCTIONS};
use std::collections::BTreeMap;
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
    let mut of_kind: BTreeMap<_, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Call)> = calls
        .into_iter()
        .map(|call| {
            let rank = of_kind.entry(kind(&call)).or_default();
            *rank += 1;
            (*rank, call)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, call)| call).collect()
}

/// What calls have in common that come one after the other only when each other kind had its turn: a rare kind, a header
/// that is refused say, would otherwise come after thousands of sums.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    contract: String,
    /// Of the header.
    status: Option<u8>,
    /// Of the instruction, if it is one.
    family: Option<u8>,
    length: usize,
    returned: bool,
    error: Vec<u8>,
}

fn kind(call: &Call) -> Kind {
    // Selector, ten words of context, index, offset and length; then the header, pc in its bytes 5 to 8.
    const WITNESS: usize = 4 + 13 * 32;
    let status = call.data.get(WITNESS).copied();
    let family = || {
        let pc = call.data.get(WITNESS + 5..)?.first_chunk()?;
        let place = u32::from_be_bytes(*pc) as usize % LEAF_INSTRUCTIONS as usize;
        let high = call.data.get(WITNESS + HEADER_BYTES + place * 16 + 1)? & 0x7f;
        (high <= 10).then_some(high)
    };
    let Answer { returned, data } = &call.answer;
    Kind {
        contract: call.contract.clone(),
        status,
        family: family(),
        length: call.data.len(),
        returned: *returned,
        error: data[..if *returned { 0 } else { data.len().min(4) }].to_vec(),
    }
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
