//! The engine, the program, every thread count and every way to cut a sequence give the same bits.

use assay_inference::layout::{CHUNK_AT, COUNT, OP, PASS, PHASE, PICKS, PROMPT_COUNT};
use assay_inference::native::{
    Bytes, Engine, Feed, Level, NativeMachine, Pick, Session, bytes, feed_many,
};
use assay_inference::ops;
use assay_inference::program::Phase;
use assay_inference::tensors::Format;
use assay_inference::testing::{Random, Tiny, request};
use assay_types::Tolerance;
use assay_types::output::Output;
use assay_types::request::{Payload, Sampling};
use std::num::NonZeroUsize;

fn engine(tiny: &Tiny, threads: usize) -> Engine {
    Engine::load(tiny.model(), NonZeroUsize::new(threads).unwrap()).unwrap()
}

const CHUNK: usize = ops::CHUNK as usize;

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
    [
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
            ..tiny.clone()
        },
        Tiny {
            architecture: "qwen2",
            ..tiny.clone()
        },
        // Heads wider than the stream has room for.
        Tiny {
            architecture: "qwen3",
            head: 32,
            ..tiny.clone()
        },
        Tiny {
            rope_factors: (4.0, Some(1.0)),
            ..tiny.clone()
        },
        // Windows that begin within a group of keys, at one, and with the token itself.
        Tiny {
            window: 21,
            ..tiny.clone()
        },
        Tiny {
            architecture: "qwen3",
            window: 16,
            ..tiny.clone()
        },
        Tiny {
            architecture: "qwen2",
            window: 1,
            ..tiny.clone()
        },
    ]
    .into_iter()
    .chain(Format::ALL.iter().map(|format| Tiny {
        format: *format,
        dim: 256,
        ffn: 512,
        heads: 4,
        kv_heads: 2,
        seed: *format as u64,
        ..tiny.clone()
    }))
    .collect()
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

/// A position sees its window, which sees its own: with two layers of a window of 8, fourteen positions back and no farther.
#[test]
fn a_window_hides_what_lies_before_it() {
    let (window, layers) = (8, 2);
    let reach = ((window - 1) * layers) as usize;
    let picks = |window: u32, first: u32| {
        let tiny = Tiny {
            window,
            layers,
            ..Tiny::default()
        };
        let mut ids = sequence(60);
        ids[0] = first;
        let engine = engine(&tiny, 1);
        bits(&engine.session().feed(&ids, 0).0)
    };
    let (a, b) = (picks(window, 7), picks(window, 300));
    assert_eq!(a[reach + 1..], b[reach + 1..]);
    let differ = (0..=reach).filter(|i| a[*i] != b[*i]).count();
    assert!(differ > reach / 2, "only {differ} saw the first token");
    // A window longer than the sequence is none; nor is one that the file calls 0.
    let all = picks(0, 7);
    assert_eq!(picks(60, 7), all);
    assert_eq!(picks(u32::MAX, 7), all);
    assert_ne!(picks(59, 7), all);
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
    for format in [Format::Q8_0, Format::Q4_K, Format::Q6_K, Format::F16] {
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
    let drawn = Sampling::Drawn {
        temperature: 1100,
        top_k: 100,
        min_p: 5,
    };
    let samplings = [Sampling::Greedy, drawn.clone(), Sampling::Greedy, drawn];
    for (tiny, sampling) in shapes().into_iter().zip(samplings.into_iter().cycle()) {
        let engine = engine(&tiny, 2);
        let payload = Payload {
            sampling,
            ..Payload::greedy("the hello cat is in the mill", 30)
        };
        let request = request(&payload, Tolerance::default());
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
        let prepared = engine.prepare(&request).unwrap();
        let prompt = prepared.prompt();
        let host = machine.host();
        assert_eq!(
            (host.get::<u32>(PROMPT_COUNT), host.get::<u32>(COUNT)),
            (prompt.len() as u32, ids.len() as u32)
        );
        let all = [&prompt[..], ids].concat();
        let (picks, _) = engine.session_for(&prepared).feed(&all, prompt.len() - 1);
        // What the last chunk left in the arena; nothing is computed for the last id.
        let fed = prompt.len() + ids.len() - 1;
        let needed = (fed - (fed - 1) / CHUNK * CHUNK).min(ids.len());
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

/// Runs `model` step by step and in bulk, cut at random macro steps: the arena is the same wherever the second stops.
fn compare_with_bulk(model: Bytes, payload: &Payload, seed: u64) -> (u32, u64, bool) {
    let mut random = Random(seed);
    let mut bulked = false;
    let request = bytes(request(payload, Tolerance::default()));
    let mut end = None;
    for level in Level::ALL.into_iter().filter(|level| level.is_here()) {
        let threads = NonZeroUsize::new(1 + random.below(3) as usize).unwrap();
        let engine = Engine::load_at(level, model.clone(), threads).unwrap();
        let output = engine.answer_exact((*request).as_ref());
        let output = bytes(output.encode());
        let mut steps = NativeMachine::new(request.clone(), output.clone(), model.clone());
        let mut bulk = engine.machine(request.clone(), output);
        let (mut count, mut stops, mut result) = (0u64, 0, 0);
        while result == 0 {
            let most = match random.below(4) {
                0 => 1 + random.below(3),
                1 => 1 + random.below(40),
                _ => 1 << 20,
            };
            // A copy goes on like the machine itself.
            if random.below(16) == 0 {
                bulk = bulk.clone();
            }
            let (done, got) = bulk.advance(most);
            assert!((1..=most).contains(&done));
            for _ in 0..done {
                assert_eq!(result, 0, "the bulk went past the end");
                result = steps.step();
            }
            (count, stops) = (count + done, stops + 1);
            assert_eq!(got, result);
            assert!(bulk.pages() == steps.pages());
            let same = bulk.arena() == steps.arena();
            assert!(
                same || result != 0,
                "{level}: another arena after {count} steps"
            );
        }
        bulked |= stops < count;
        assert!(end.is_none_or(|end| end == (result, count)));
        end = Some((result, count));
    }
    let (result, count) = end.unwrap();
    (result, count, bulked)
}

#[test]
fn whole_operators_leave_the_bytes_of_their_steps() {
    let text = "the hello cat is in the mill and ";
    let mut bulked = false;
    for (i, tiny) in shapes().into_iter().enumerate() {
        let payload = Payload::greedy(&text.repeat(5), 12);
        let (result, count, in_bulk) = compare_with_bulk(tiny.model(), &payload, i as u64);
        assert_eq!(result, 1);
        assert!(count > 60, "{count}");
        bulked |= in_bulk;
    }
    // So many keys that attention is cut within heads, and between them.
    let payload = Payload::greedy(&text.repeat(25), 12);
    for seed in 0..6 {
        let tiny = Tiny {
            window: [0, 0, 0, 0, 100, 300][seed as usize],
            ..Tiny::default()
        };
        let (result, _, in_bulk) = compare_with_bulk(tiny.model(), &payload, seed);
        assert_eq!(result, 1);
        bulked &= in_bulk;
    }
    assert!(bulked, "nothing was done in bulk");
    // Kept logits are bytes of the arena too, and choices go back to where the prompt ended.
    let drawn = Sampling::Drawn {
        temperature: 800,
        top_k: 20,
        min_p: 50,
    };
    let choices = ["yes", "no, in the mill", "a cat"].map(|s| s.as_bytes().to_vec());
    for (seed, sampling) in [(5, drawn), (6, Sampling::Choice(choices.to_vec()))] {
        let payload = Payload {
            sampling,
            ..Payload::greedy(&text.repeat(5), 12)
        };
        let (result, ..) = compare_with_bulk(Tiny::default().model(), &payload, seed);
        assert_eq!(result, 1);
    }
}

/// A choice writes the positions after the prompt anew. The copy of keys and values that whole heads are computed with must follow
/// also where nothing of the choice's first chunk was done in bulk: cut within every head, or stepped.
#[test]
fn a_choice_done_by_steps_is_not_mixed_with_the_one_before() {
    let tiny = Tiny {
        format: Format::F32,
        dim: 512,
        heads: 1,
        kv_heads: 1,
        layers: 1,
        ffn: 64,
        context: 1024,
        ..Tiny::default()
    };
    let choices = ["no, in the mill", &"qxzwvjkp".repeat(8)].map(|s| s.as_bytes().to_vec());
    let payload = Payload {
        sampling: Sampling::Choice(choices.to_vec()),
        ..Payload::greedy(&"q".repeat(500), 100)
    };
    let request = request(&payload, Tolerance::default());
    let engine = engine(&tiny, 1);
    let output = bytes(engine.answer_exact(&request).encode());
    let request = bytes(request);
    for by_steps in [false, true] {
        let mut steps = NativeMachine::new(request.clone(), output.clone(), tiny.model());
        let mut bulk = engine.machine(request.clone(), output.clone());
        let (mut result, mut cut) = (0, 0);
        while result == 0 {
            let at = |field| match bulk.arena() {
                [] => 0,
                _ => bulk.host().get::<u32>(field),
            };
            let second = at(PASS) == 2 && at(CHUNK_AT) == at(PROMPT_COUNT);
            let attends = at(PHASE) == Phase::Forward as u32 && at(OP) == ops::Op::Attend as u32;
            let slowly = second && attends;
            cut += u32::from(slowly);
            let (done, got) = match (slowly, by_steps) {
                (true, true) => (1, bulk.step()),
                (true, false) => bulk.advance(1),
                _ => bulk.advance(u64::MAX),
            };
            for _ in 0..done {
                result = steps.step();
            }
            assert_eq!(got, result);
            assert!(bulk.arena() == steps.arena(), "after {cut} cuts");
        }
        assert_eq!(result, 1);
        assert!(cut > CHUNK as u32, "only {cut} cuts");
    }
}

#[test]
fn a_fault_in_bulk_is_found_at_its_step() {
    // An infinite scale in each kind of operator; the position that meets it comes late or at once.
    let mut found = 0;
    for (i, name) in [
        "blk.1.ffn_down.weight",
        "blk.1.attn_q.weight",
        "blk.0.attn_v.weight",
        "blk.1.ffn_gate.weight",
        "output.weight",
    ]
    .into_iter()
    .enumerate()
    {
        let mut gguf = Tiny::default().gguf();
        let data = &mut gguf.tensor(name).data;
        let block = data.len() / 34 / 2 * 34;
        data[block..block + 2].copy_from_slice(&0x7c00u16.to_le_bytes());
        let payload = Payload::greedy(&"a cat ".repeat(20), 10);
        let (result, ..) = compare_with_bulk(bytes(gguf.bytes()), &payload, i as u64);
        // The right output is the error.
        assert_eq!(result, 1);
        found += 1;
    }
    assert_eq!(found, 5);
}

/// Sessions that are fed together get what each gets alone, however their ids are cut and whatever the others do: also
/// where one of them leaves the finite numbers.
#[test]
fn sessions_fed_together_agree_with_each_alone() {
    let mut models: Vec<Bytes> = shapes().iter().map(Tiny::model).collect();
    // Id 5 leaves the finite numbers at once; every wanted row of logits leaves them at the end.
    for (name, row) in [("token_embd.weight", 5), ("output.weight", 300)] {
        let mut gguf = Tiny::default().gguf();
        let data = &mut gguf.tensor(name).data;
        let at = data.len() / 328 * row;
        data[at..at + 2].copy_from_slice(&0x7c00u16.to_le_bytes());
        models.push(bytes(gguf.bytes()));
    }
    let (mut random, mut faults) = (Random(11), 0);
    for model in models {
        let engine = Engine::load(model, NonZeroUsize::new(2).unwrap()).unwrap();
        for _ in 0..3 {
            let lens: Vec<usize> = (0..5).map(|_| 1 + random.below(150) as usize).collect();
            let ids: Vec<Vec<u32>> = lens
                .iter()
                .map(|len| (0..*len).map(|_| random.below(328) as u32).collect())
                .collect();
            let mut alone: Vec<_> = ids.iter().map(|_| engine.session()).collect();
            let mut together = alone.clone();
            let mut at = vec![0; ids.len()];
            while at.iter().zip(&lens).any(|(at, len)| at < len) {
                let pieces: Vec<(&[u32], usize)> = ids
                    .iter()
                    .zip(&mut at)
                    .map(|(ids, at)| {
                        let len = (random.below(90) as usize).min(ids.len() - *at);
                        *at += len;
                        let from = random.below(len as u64 + 1) as usize;
                        (&ids[*at - len..*at], from)
                    })
                    .collect();
                let mut feeds: Vec<Feed> = together
                    .iter_mut()
                    .zip(&pieces)
                    .map(|(session, (ids, from))| Feed {
                        session,
                        ids,
                        from: *from,
                    })
                    .collect();
                let found = feed_many(&mut feeds);
                for ((session, (ids, from)), (picks, fed)) in
                    alone.iter_mut().zip(&pieces).zip(found)
                {
                    let (expected, due) = session.feed(ids, *from);
                    assert_eq!(bits(&picks), bits(&expected));
                    assert_eq!(fed.is_ok(), due.is_ok());
                    faults += usize::from(due.is_err());
                }
                let len = |sessions: &[Session]| -> Vec<usize> {
                    sessions.iter().map(Session::len).collect()
                };
                assert_eq!(len(&together), len(&alone));
            }
        }
    }
    assert!(faults > 10, "{faults}");
}
