//! The liar's answers: refused by the program for the one reason that needs its arithmetic.

use assay_executor::cheat::falsify;
use assay_inference::error::Wrong;
use assay_inference::native::{Engine, Verdict, bytes};
use assay_node::dangerous::Cheat;
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Payload, RomHeader};
use assay_types::{Hash, ModelId, Tolerance};
use std::num::NonZeroUsize;

fn engine() -> Engine {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../devnet/model/assay-stories.gguf"
    );
    let file = std::fs::read(path).expect("the devnet model");
    Engine::load(bytes(file), NonZeroUsize::MIN).expect("a supported model")
}

fn rom(payload: &Payload) -> Vec<u8> {
    let header = RomHeader {
        chain_id: 1,
        inbox: [1; 20],
        request_id: Hash([2; 32]),
        model: ModelId(Hash([3; 32])),
        seed: Hash([4; 32]),
        tolerance: Tolerance::default(),
    };
    header.rom(&payload.encode())
}

fn ids(output: &Output) -> &[u32] {
    let Output::Answer { ids, .. } = output else {
        panic!("{output:?}")
    };
    ids
}

#[test]
fn a_false_token_passes_every_check_but_that_of_its_score() {
    let engine = engine();
    let stopped = Payload {
        stops: vec![b".".to_vec()],
        ..Payload::greedy("Once upon a time", 40)
    };
    for payload in [
        Payload::greedy("Once upon a time", 24),
        stopped,
        Payload::greedy("The", 1),
    ] {
        let rom = rom(&payload);
        let truth = engine.answer_exact(&rom);
        assert_eq!(engine.check(&rom, &truth.encode()), Verdict::Right);
        for n in [0, 3, 1000] {
            let lie = falsify(&engine, &rom, &truth, Cheat::Token(n));
            let at = (n as usize).min(ids(&truth).len() - 1);
            assert_eq!(ids(&lie)[..at], ids(&truth)[..at]);
            assert_ne!(ids(&lie)[at], ids(&truth)[at]);
            assert_eq!(
                engine.check(&rom, &lie.encode()),
                Verdict::Wrong(Wrong::Token),
                "token {n}"
            );
            assert_eq!(
                lie,
                falsify(&engine, &rom, &truth, Cheat::Token(n)),
                "a liar sticks to its story"
            );
        }
        let silent = falsify(&engine, &rom, &truth, Cheat::Silent);
        assert_eq!(silent, falsify(&engine, &rom, &truth, Cheat::Token(0)));
    }
}

#[test]
fn a_truncated_answer_is_refused_for_its_length_alone() {
    let engine = engine();
    let rom = rom(&Payload::greedy("Once upon a time", 24));
    let truth = engine.answer_exact(&rom);
    let lie = falsify(&engine, &rom, &truth, Cheat::Truncate);
    assert_eq!(ids(&lie), &ids(&truth)[..ids(&truth).len() - 1]);
    assert_eq!(
        engine.check(&rom, &lie.encode()),
        Verdict::Wrong(Wrong::Length)
    );
}

#[test]
fn an_answer_where_an_error_is_due_is_refused() {
    let engine = engine();
    let rom = rom(&Payload::greedy("Once", 0));
    let truth = engine.answer_exact(&rom);
    assert_eq!(
        truth,
        Output::Error {
            code: ErrorCode::BadRequest,
            ids: vec![]
        }
    );
    let lie = falsify(&engine, &rom, &truth, Cheat::Token(0));
    assert_eq!(
        engine.check(&rom, &lie.encode()),
        Verdict::Wrong(Wrong::Kind)
    );
}
