//! The engine, the program, every thread count and every way to cut a sequence give the same bits.

use assay_inference::layout::{COUNT, PICKS, PROMPT_COUNT};
use assay_inference::native::{Engine, NativeMachine, Pick, bytes};
use assay_inference::tensors::Format;
use assay_inference::testing::{Random, Tiny, request};
use assay_types::Tolerance;
use assay_types::output::Output;
use assay_types::request::Payload;
use std::num::NonZeroUsize;

fn engine(tiny: &Tiny, threads: usize) -> Engine {
    Engine::load(tiny.model(), NonZeroUsize::new(threads).unwrap()).unwrap()
}

fn bits(picks: &[Pick]) -> Vec<(u32, u32, u32)> {
    picks
        .iter()
        .map(|p| (p.best.to_bits(), p.id, p.claimed.to_bits()))
        .collect()
}

fn sequence(len: usize) -> Vec<u32> {
    let mut random = Random(8);
    (0..len).map(|_| random.below(328) as u32).collect()
}

fn shapes() -> Vec<Tiny> {
    let tiny = Tiny::default();
    vec![
        tiny.clone(),
        Tiny {
            format: Format::F16,
            dim: 48,
            heads: 3,
            kv_heads: 3,
            ffn: 40,
            ..tiny.clone()
        },
        Tiny {
            format: Format::F32,
            dim: 80,
            heads: 2,
            kv_heads: 1,
            layers: 3,
            ..tiny.clone()
        },
        Tiny {
            dim: 96,
            heads: 1,
            kv_heads: 1,
            ffn: 320,
            tied: true,
            ..tiny.clone()
        },
        Tiny {
            pre: Some("llama-bpe"),
            ..tiny
        },
    ]
}

#[test]
fn chunks_do_not_change_a_bit() {
    for tiny in shapes() {
        let engine = engine(&tiny, 1);
        let ids = sequence(50);
        let (whole, fed) = engine.session().feed(&ids, 0);
        assert_eq!((whole.len(), fed), (50, Ok(())));
        for cut in [1, 2, 3, 7, 16, 33] {
            let mut session = engine.session();
            let pieces: Vec<Pick> = ids
                .chunks(cut)
                .flat_map(|piece| session.feed(piece, 0).0)
                .collect();
            for (a, b) in whole.iter().zip(&pieces) {
                assert_eq!((a.best.to_bits(), a.id), (b.best.to_bits(), b.id));
            }
        }
        // Rolling back and feeding again is as if nothing had been.
        let mut session = engine.session();
        session.feed(&ids[..40], 40).1.unwrap();
        session.truncate(20);
        session.feed(&[5, 6, 7], 3).1.unwrap();
        session.truncate(20);
        assert_eq!(bits(&session.feed(&ids[20..], 0).0), bits(&whole[20..]));
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    // Wide enough that four threads share every product.
    let tiny = Tiny {
        dim: 512,
        heads: 8,
        kv_heads: 4,
        ffn: 1024,
        ..Tiny::default()
    };
    for format in [Format::Q8, Format::F16] {
        let tiny = Tiny {
            format,
            ..tiny.clone()
        };
        let ids = sequence(40);
        let one = bits(&engine(&tiny, 1).session().feed(&ids, 0).0);
        for threads in [2, 3, 4, 7] {
            assert_eq!(
                bits(&engine(&tiny, threads).session().feed(&ids, 0).0),
                one,
                "{threads} threads"
            );
        }
    }
}

/// The program's scores are the engine's, bit for bit, and dirty scratch memory never matters.
#[test]
fn the_program_scores_like_the_engine() {
    for tiny in shapes() {
        let engine = engine(&tiny, 2);
        let request = request(
            &Payload::greedy("the hello cat is in the mill", 30),
            Tolerance::default(),
        );
        let output = engine.answer_exact(&request);
        let Output::Answer { ids, .. } = &output else {
            panic!("{output:?}")
        };
        let new =
            || NativeMachine::new(bytes(request.clone()), bytes(output.encode()), tiny.model());
        let (mut machine, mut soiled) = (new(), new());
        loop {
            soiled.host_mut().soil_scratch(0xa5);
            let result = machine.step();
            assert_eq!(soiled.step(), result);
            assert_eq!(machine.pages(), soiled.pages());
            assert!(machine.arena() == soiled.arena());
            if result != 0 {
                assert_eq!(result, 1);
                break;
            }
        }
        let prompt = engine.prepare(&request).unwrap().prompt();
        let host = machine.host();
        assert_eq!(
            (host.get::<u32>(PROMPT_COUNT), host.get::<u32>(COUNT)),
            (prompt.len() as u32, ids.len() as u32)
        );
        let all = [&prompt[..], ids].concat();
        let (picks, _) = engine.session().feed(&all, prompt.len() - 1);
        // What the last chunk left in the arena; nothing is computed for the last id.
        let fed = prompt.len() + ids.len() - 1;
        let needed = (fed - (fed - 1) / 15 * 15).min(ids.len());
        for i in 0..needed {
            let pick = picks[ids.len() - needed + i];
            let words = host.view::<u32>(PICKS + 12 * i as u32, 3);
            assert_eq!(
                words,
                [pick.best.to_bits(), pick.id, pick.claimed.to_bits()],
                "position {i} of {needed}"
            );
        }
    }
}
