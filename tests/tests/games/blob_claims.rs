//! Claims whose outputs are in real blobs, opened with real proofs on the committed bytecode in revm.

use crate::games_support::case::{Case, Disputed};
use crate::games_support::program::{PROGRAM, right_output};
use crate::games_support::{Court, account, as_tx};
use alloy::primitives::{B256, Bytes};
use alloy::sol_types::{SolCall, SolEvent};
use assay_bindings::blob_refs::{BlobRef, HEAD, MOST, PER_ELEMENT, lay_out};
use assay_bindings::convert::b256;
use assay_bindings::{DisputeGame, Rollup};
use assay_dispute::calls::opening;
use assay_dispute::game::Side;
use assay_dispute::ledger::{Claim, ClaimKey, ClaimStatus, RequestState};
use assay_dispute::purse::BLOB_GAS;
use assay_machine::rom::Rom;
use assay_node::blob::Blob;
use assay_prover::evm::Failure;
use assay_types::request::Payload;
use std::sync::Arc;

/// A blob with `output` behind another one, and as much else in it as one may have: every element's first byte is set, and what
/// stands behind the output's end.
fn hostile(output: &[u8]) -> (BlobRef, Arc<Blob>) {
    let other = [3; 200];
    let (refs, mut elements) = lay_out([&other[..], output]).expect("they fit");
    let place = refs[1];
    assert!(place.first() > 0, "an offset that can be forgotten");
    for element in &mut elements {
        element[0] = 0x5a;
    }
    let last = place.elements().last().expect("it has some");
    elements[last][31] = 0xee;
    let blob = Blob::of_elements(&elements).expect("below the order");
    assert_eq!(place.output(|i| blob.element(i))[..], *output);
    (place, Arc::new(blob))
}

fn in_blob(court: &mut Court, id: B256, output: &[u8]) -> ClaimKey {
    let (place, blob) = hostile(output);
    court.claim_in_blob(id, place, blob)
}

/// A claim about the small program; its output has four bytes behind the head.
fn claimed(honest: Side) -> Case {
    let program = Disputed {
        wasm: wat::parse_str(PROGRAM).expect("the program is WebAssembly"),
        model: b"no model".to_vec(),
        right: |request, _| right_output(request),
    };
    Case::claimed(&program, honest, 9, true, in_blob)
}

#[test]
fn true_output_in_a_blob_wins_its_game_and_is_final() {
    let mut case = claimed(Side::Executor);
    let report = case.play(&mut case.liar(1 << 26, 3, 0));
    assert_eq!(report.proven, None, "the liar runs out of time");
    case.court.evm.warp(600);
    let outcome = case.court.finalize(case.claim);
    assert!(
        outcome
            .logs
            .iter()
            .any(|log| Rollup::ClaimFinalized::decode_log(log).is_ok())
    );
    let claim = &case.court.ledger.claims[&case.claim];
    assert_eq!(claim.status, ClaimStatus::Final);
    let state = case.court.asked(claim.request_id).state;
    assert_eq!(state, RequestState::Final);
}

#[test]
fn false_output_in_a_blob_is_opened_and_loses() {
    let mut case = claimed(Side::Challenger);
    let at = case.executed[2].0 + 7;
    let report = case.play(&mut case.liar(at, 5, 200_000_000));
    assert!(report.proven.is_some(), "a proof ends it");
    let claim = &case.court.ledger.claims[&case.claim];
    assert_eq!(claim.status, ClaimStatus::Rejected);
    let state = case.court.asked(claim.request_id).state;
    assert_eq!(state, RequestState::Open, "asked again");
}

/// The game is on the very bytes: its root is that of the ROM that the watchtower runs.
#[test]
fn opened_game_is_on_the_output_in_the_blob() {
    let mut case = claimed(Side::Executor);
    let id = case.court.open(account("challenger"), case.claim);
    let root = case.court.play(id).context.outputRoot;
    let output = Rom::new(&case.court.inputs(case.claim).output);
    assert_eq!(root, b256(output.root()));
}

/// The longest output, at the blob's end: 133 proofs in one transaction of the size and gas that a chain takes.
#[test]
fn largest_output_in_a_blob_is_opened_in_one_transaction() {
    let bytes = |n: usize| -> Vec<u8> { (0..n).map(|i| (i % 251) as u8).collect() };
    let (most, rest) = (bytes(HEAD + MOST), bytes(HEAD + 106 * PER_ELEMENT));
    let mut outputs = vec![&most[..]; 29];
    outputs.extend([&rest[..], &most]);
    let (refs, elements) = lay_out(outputs).expect("they fit");
    assert_eq!(elements.len(), 4096, "to the last element");
    let blob = Blob::of_elements(&elements).expect("below the order");

    let mut court = claimed(Side::Executor).court;
    let id = court.ask(&Payload::greedy("!", 4).encode());
    let claim = court.claim_in_blob(id, refs[30], Arc::new(blob));
    let (call, from) = (court.opening(claim), account("challenger"));
    court.evm.fund(from, call.value);
    let outcome = court.evm.send(as_tx(from, &call));
    outcome.expect("opens");
    println!("{} bytes, {} gas", call.data.len(), outcome.tx_gas);
    assert!(call.data.len() < 16_000, "{} bytes", call.data.len());
    assert!(outcome.tx_gas < BLOB_GAS, "{} gas", outcome.tx_gas);
}

/// Another output, another element, another order: none is the claim.
#[test]
fn openings_that_show_anything_else_are_refused() {
    type Opening = DisputeGame::openFromBlobCall;
    type Change<'a> = (&'a str, &'a dyn Fn(&mut Opening));
    let mut court = claimed(Side::Executor).court;
    let id = court.ask(&Payload::greedy("!", 4).encode());
    let output: Vec<u8> = [0, 1, 0, 0, 0].into_iter().chain(0..90).collect();
    let claim = in_blob(&mut court, id, &output);
    let (good, from) = (court.opening(claim), account("challenger"));
    court.evm.fund(from, good.value);
    let flipped = |bytes: &Bytes, at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        Bytes::from(bytes)
    };
    let changes: [Change<'_>; 7] = [
        ("another byte", &|c| c.output = flipped(&c.output, 7)),
        ("another head", &|c| c.output = flipped(&c.output, 1)),
        ("another high byte", &|c| {
            c.opening.rest = flipped(&c.opening.rest, 0);
        }),
        ("the next element", &|c| c.opening.first += 1),
        ("no first", &|c| c.opening.first = 0),
        ("another blob", &|c| {
            c.opening.versionedHash = B256::repeat_byte(1);
        }),
        ("another order", &|c| {
            let mut openings = c.opening.openings.to_vec();
            openings[48..144].rotate_left(48);
            c.opening.openings = openings.into();
        }),
    ];
    for (what, change) in changes {
        let mut opening = Opening::abi_decode(&good.data).expect("an opening");
        change(&mut opening);
        let mut bad = good.clone();
        bad.data = opening.abi_encode().into();
        let result = court.evm.try_send(as_tx(from, &bad)).result;
        let refused = matches!(result, Err(Failure::Revert(_)));
        assert!(refused, "{what}: {result:?}");
    }
    court.evm.try_send(as_tx(from, &good)).expect("it passes");
}

/// Who shows the reference itself, as if it were the output in calldata, shows another claim.
#[test]
fn reference_in_the_place_of_its_output_is_refused() {
    let mut case = claimed(Side::Challenger);
    let (from, game) = (account("challenger"), case.court.addresses.game);
    let (ask, claim, shown) = case.court.shown(case.claim);
    let place = case.court.ledger.claims[&case.claim].in_blob;
    let place = place.expect("in a blob");
    let written = Claim {
        output: Some(
            [&place.blob[..], &place.reference.pack()[..]]
                .concat()
                .into(),
        ),
        ..claim.clone()
    };
    let bond = case.court.opening(case.claim).value;
    let call = opening(ask, &written, &shown, game, bond);
    case.court.evm.fund(from, bond);
    let result = case.court.evm.try_send(as_tx(from, &call)).result;
    assert!(matches!(result, Err(Failure::Revert(_))), "{result:?}");
}
