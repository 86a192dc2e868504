//! Answers drawn with a temperature: the one that the seed gives is right, by the program and by the engine.

use crate::bench::{Bench, answer, exact, parts, poisoned, spell};
use assay_inference::noise::{gumbel, threefry};
use assay_inference::testing::{Tiny, ids, request};
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Payload, Sampling};
use assay_types::{Hash, Tolerance};
use std::collections::BTreeSet;

fn drawn(prompt: &str, max_tokens: u32, [temperature, top_k, min_p]: [u16; 3]) -> Payload {
    Payload {
        sampling: Sampling::Drawn {
            temperature: temperature.into(),
            top_k,
            min_p,
        },
        ..Payload::greedy(prompt, max_tokens)
    }
}

/// The same request under another seed.
fn seeded(mut request: Vec<u8>, seed: [u8; 32]) -> Vec<u8> {
    request[128..160].copy_from_slice(&seed);
    request
}

#[test]
fn honest_draws_are_right_and_follow_the_seed() {
    let bench = Bench::new(Tiny::default().model());
    let rules = [
        [1000, 0, 0],
        [300, 5, 0],
        [2000, 0, 200],
        [10_000, 256, 1],
        [1, 0, 0],
    ];
    for rule in rules {
        let request = exact(&drawn("the cat", 24, rule));
        let mut answers = BTreeSet::new();
        for i in 0..6 {
            let mut seed = [3; 32];
            seed[7 * i % 32] ^= 1 << i;
            answers.insert(parts(&bench.honest(&seeded(request.clone(), seed))).0);
        }
        if rule[0] == 1 {
            // Next to no temperature: the noise is a thousandth of a logit or two.
            let greedy = bench.honest(&exact(&Payload::greedy("the cat", 24)));
            assert_eq!(answers.into_iter().collect::<Vec<_>>(), [parts(&greedy).0]);
        } else {
            assert!(answers.len() > 4, "{rule:?}: {answers:?}");
        }
    }
    // Masks that leave one candidate are greedy, however hot.
    let greedy = bench.honest(&exact(&Payload::greedy("the cat", 24)));
    for rule in [[10_000, 1, 0], [10_000, 0, 1000], [10_000, 7, 1000]] {
        assert_eq!(bench.honest(&exact(&drawn("the cat", 24, rule))), greedy);
    }
}

/// The drawn ids by the rule's own words, from the engine's scores.
#[test]
fn ids_are_the_best_of_score_over_temperature_and_noise() {
    let bench = Bench::new(Tiny::default().model());
    let request = seeded(
        exact(&drawn("hello", 20, [900, 0, 0])),
        std::array::from_fn(|i| 5 * i as u8),
    );
    let words: [u64; 4] = std::array::from_fn(|i| {
        let bytes: [u8; 8] = request[128 + 8 * i..136 + 8 * i].try_into().unwrap();
        u64::from_be_bytes(bytes)
    });
    let (ids, _) = parts(&bench.honest(&request));
    let prompt = bench.engine.prepare(&request).unwrap().prompt();
    let mut session = bench.engine.session();
    session
        .feed(&prompt[..prompt.len() - 1], prompt.len())
        .1
        .unwrap();
    let mut last = prompt[prompt.len() - 1];
    for (n, id) in ids.iter().enumerate() {
        let scores = session.scores(last).unwrap();
        let key = |id: usize| {
            let counter = [(prompt.len() + n) as u64, id as u64 / 4, 0, 0];
            f64::from(scores[id]) / 0.9 + gumbel(threefry(&words, counter)[id % 4])
        };
        let best = (0..scores.len())
            .max_by(|a, b| key(*a).partial_cmp(&key(*b)).unwrap())
            .unwrap();
        assert_eq!(*id as usize, best, "id {n}");
        last = *id;
    }
}

/// [S] One right answer, also for draws: no other output, no other seed, and no tolerance for whoever would pick an outcome.
#[test]
fn every_other_draw_is_refused() {
    let tiny = Tiny {
        dim: 32,
        layers: 1,
        ..Tiny::default()
    };
    let bench = Bench::new(tiny.model());
    let payload = drawn("the cat", 12, [1000, 40, 0]);
    let request = exact(&payload);
    let honest = bench.honest(&request).encode();
    for at in 0..honest.len() {
        for bit in [0, 3, 7] {
            let mut other = honest.clone();
            other[at] ^= 1 << bit;
            assert_ne!(bench.code(&request, &other), 0, "byte {at} bit {bit}");
        }
    }
    let (ids, _) = parts(&bench.honest(&request));
    for at in 0..ids.len() {
        let mut wrong = ids.clone();
        wrong[at] = ids::NORMAL + 3 + u32::from(wrong[at] == ids::NORMAL + 3);
        assert_eq!(bench.code(&request, &answer(&wrong, &spell(&wrong))), 3);
    }
    for byte in 0..32 {
        let mut seed = [3; 32];
        seed[byte] ^= 0x10;
        let code = bench.code(&seeded(request.clone(), seed), &honest);
        assert!(code == 3 || code == 4, "seed byte {byte}: {code}");
    }
    // The best-scored ids are as wrong, however much tolerance the header names.
    let greedy = bench.honest(&exact(&Payload::greedy("the cat", 12)));
    let tolerance = Tolerance {
        max_gap: u32::MAX,
        max_flips: u32::MAX,
    };
    let tolerant = self::request(&payload, tolerance);
    assert_eq!(bench.code(&tolerant, &honest), 0);
    assert_eq!(bench.code(&tolerant, &greedy.encode()), 3);
}

#[test]
fn stop_strings_and_lengths_end_draws_too() {
    let bench = Bench::new(Tiny::default().model());
    let free = drawn("the cat", 40, [1200, 0, 0]);
    let (ids, text) = parts(&bench.honest(&exact(&free)));
    assert_eq!(text, spell(&ids));
    let stopped = Payload {
        stops: vec![text[text.len() / 2..text.len() / 2 + 2].to_vec()],
        ..free.clone()
    };
    let (fewer, cut) = parts(&bench.honest(&exact(&stopped)));
    assert!(fewer.len() < ids.len() && ids.starts_with(&fewer) && text.starts_with(&cut));
    assert_eq!(
        bench.code(&exact(&free), &answer(&fewer, &spell(&fewer))),
        4
    );
}

/// The cut of a sequence into chunks changes no draw.
#[test]
fn sessions_draw_the_same_however_they_are_fed() {
    let bench = Bench::new(Tiny::default().model());
    let request = exact(&drawn("the cat is in the mill", 40, [1500, 30, 10]));
    let (ids, _) = parts(&bench.honest(&request));
    let prepared = bench.engine.prepare(&request).unwrap();
    let all = [&prepared.prompt()[..], &ids].concat();
    for cut in [1, 4, 15, 16, 40] {
        let mut session = bench.engine.session_for(&prepared);
        let picks: Vec<u32> = all
            .chunks(cut)
            .flat_map(|piece| session.feed(piece, 0).0)
            .map(|pick| pick.id)
            .collect();
        assert_eq!(picks[prepared.prompt().len() - 1..all.len() - 1], ids);
    }
}

/// [S] As for the best-scored ids: the one right error, at its very position.
#[test]
fn non_finite_draws_are_an_error_at_their_position() {
    let request = exact(&drawn("the cat", 12, [800, 50, 0]));
    let clean = poisoned(None);
    let (ids, _) = parts(&clean.honest(&request));
    let prompt = clean.engine.prepare(&request).unwrap().prompt();
    let mut tried = 0;
    for (n, id) in ids.iter().enumerate().take(ids.len() - 1) {
        if prompt.contains(id) || ids[..n].contains(id) {
            continue;
        }
        tried += 1;
        let bench = poisoned(Some(*id));
        let error = |ids: &[u32]| Output::Error {
            code: ErrorCode::NonFinite,
            ids: ids.to_vec(),
        };
        assert_eq!(bench.honest(&request), error(&ids[..=n]));
        for m in (0..ids.len()).filter(|m| *m != n + 1) {
            assert_eq!(bench.code(&request, &error(&ids[..m]).encode()), 2);
        }
        assert_eq!(bench.code(&request, &answer(&ids, &spell(&ids))), 2);
        let other = seeded(request.clone(), Hash([9; 32]).0);
        assert_ne!(bench.code(&other, &error(&ids[..=n]).encode()), 0);
    }
    assert!(tried > 4);
}

#[test]
fn what_is_out_of_range_is_a_bad_request() {
    let bench = Bench::new(Tiny::default().model());
    let good = drawn("the cat", 4, [1000, 40, 50]);
    bench.honest(&exact(&good));
    let bad = [[0, 0, 0], [10_001, 0, 0], [1000, 257, 0], [1000, 0, 1001]];
    for rule in bad {
        assert_eq!(
            bench.honest(&exact(&drawn("the cat", 4, rule))),
            Output::Error {
                code: ErrorCode::BadRequest,
                ids: vec![]
            },
            "{rule:?}"
        );
    }
    for sampling in [0, 3, 255] {
        let mut other = exact(&good);
        other[193] = sampling;
        assert!(matches!(
            bench.honest(&other),
            Output::Error {
                code: ErrorCode::BadRequest,
                ..
            }
        ));
    }
}
