//! Faults of an answer and their codes, and how far a tolerance lets it stray.

use crate::bench::{Bench, answer, exact, parts, spell};
use assay_inference::error::Wrong;
use assay_inference::native::Verdict;
use assay_inference::tensors::Format;
use assay_inference::testing::{Tiny, ids, request};
use assay_inference::text::Taken;
use assay_types::Tolerance;
use assay_types::output::{ErrorCode, Output};
use assay_types::request::Payload;

#[test]
fn honest_outputs_are_right_in_every_format() {
    for format in [Format::Q8_0, Format::F16, Format::F32] {
        for (seed, tied) in [(1, false), (2, true), (3, false)] {
            let bench = Bench::new(
                Tiny {
                    seed,
                    format,
                    tied,
                    ..Tiny::default()
                }
                .model(),
            );
            for prompt in [
                "",
                "the cat",
                "hello hello hello hello in the call of a mill, 猫",
            ] {
                let output = bench.honest(&exact(&Payload::greedy(prompt, 40)));
                let (ids, text) = parts(&output);
                assert_eq!(text, spell(&ids));
            }
        }
    }
}

/// [S] One right answer: any other byte anywhere in the output is refused.
#[test]
fn every_other_output_is_refused() {
    let bench = Bench::new(
        Tiny {
            dim: 32,
            layers: 1,
            ..Tiny::default()
        }
        .model(),
    );
    let request = exact(&Payload::greedy("the cat", 12));
    let output = bench.honest(&request).encode();
    for at in 0..output.len() {
        for bit in [0, 3, 7] {
            let mut other = output.clone();
            other[at] ^= 1 << bit;
            assert_ne!(bench.code(&request, &other), 0, "byte {at} bit {bit}");
        }
    }
    for len in 0..output.len() {
        assert_ne!(bench.code(&request, &output[..len]), 0, "first {len} bytes");
    }
    for byte in [0, b'a'] {
        assert_ne!(bench.code(&request, &[&output[..], &[byte]].concat()), 0);
    }
}

#[test]
fn each_fault_has_its_code() {
    let bench = Bench::new(Tiny::default().model());
    let request = exact(&Payload::greedy("the cat", 12));
    let (ids, text) = parts(&bench.honest(&request));
    assert!(
        ids.len() == 12 && ids[11] != ids::EOS,
        "the answer should end by its length: {ids:?}"
    );
    let code = |output: &[u8]| bench.code(&request, output);
    // 1: no encoding.
    assert_eq!(code(&[]), 1);
    assert_eq!(code(&[0, 0, 0, 0]), 1);
    assert_eq!(code(&[0, 1, 0, 0, 0]), 1);
    assert_eq!(code(&[6, 0, 0, 0, 0]), 1);
    assert_eq!(code(&[2, 0, 0, 0, 0, b'x']), 1);
    assert_eq!(code(&[2, 1, 0, 0, 0, 9, 0, 0, 0]), 1);
    assert_eq!(code(&[255, 1, 0, 0, 0, 9, 0, 0, 0, 0]), 1);
    assert_eq!(code(&vec![0; 65_537]), 1);
    // 2: an error where none is due.
    for kind in [1, 2, 3, 4, 5, 255] {
        assert_eq!(code(&[kind, 0, 0, 0, 0]), 2);
    }
    assert_eq!(
        code(
            &Output::Error {
                code: ErrorCode::NonFinite,
                ids: ids[..3].to_vec()
            }
            .encode()
        ),
        2
    );
    assert_eq!(
        code(
            &Output::Error {
                code: ErrorCode::NonFinite,
                ids: ids.clone()
            }
            .encode()
        ),
        2
    );
    // 3: wrong tokens, with the text that they spell; at the start, in the middle, at the end, beyond the vocabulary.
    for at in [0, 5, 11] {
        let mut wrong = ids.clone();
        wrong[at] = ids::NORMAL + 3 + u32::from(wrong[at] == ids::NORMAL + 3);
        assert_eq!(code(&answer(&wrong, &spell(&wrong))), 3, "id {at}");
        wrong[at] = 328;
        assert_eq!(code(&answer(&wrong, &text)), 3);
        wrong[at] = u32::MAX;
        assert_eq!(code(&answer(&wrong, &text)), 3);
    }
    // 4: too short, too long, an end in the middle.
    for len in 0..12 {
        assert_eq!(
            code(&answer(&ids[..len], &spell(&ids[..len]))),
            4,
            "{len} ids"
        );
    }
    let longer = [&ids[..], &[ids[0]]].concat();
    assert_eq!(code(&answer(&longer, &spell(&longer))), 4);
    let mut early = ids.clone();
    early[4] = ids::EOS;
    assert_eq!(code(&answer(&early, &spell(&early))), 4);
    // 5: other text, with the right ids.
    for other in [
        &text[1..],
        &text[..text.len() - 1],
        &[&text[..], b" "].concat(),
        b"",
    ] {
        assert_eq!(code(&answer(&ids, other)), 5);
    }
}

#[test]
fn tolerance_allows_small_gaps_in_few_positions() {
    let bench = Bench::new(Tiny::default().model());
    let payload = Payload::greedy("the cat", 8);
    let prepared = bench.engine.prepare(&exact(&payload)).unwrap();
    let prompt = prepared.prompt();
    let with = |max_gap, max_flips| request(&payload, Tolerance { max_gap, max_flips });
    // Stray at one or two positions to another token, and go on as the rule says from there.
    let stray = |at: &[usize]| {
        let (mut session, mut answer, mut gaps) =
            (bench.engine.session(), prepared.answer(), vec![]);
        let mut pick = session.feed(&prompt, prompt.len() - 1).0[0];
        loop {
            let n = answer.ids().len();
            let mut id = pick.id;
            if at.contains(&n) {
                id = if pick.id == ids::NORMAL + 5 {
                    ids::NORMAL + 6
                } else {
                    ids::NORMAL + 5
                };
                let all = [&prompt[..], answer.ids(), &[id]].concat();
                let claimed = bench.engine.session().feed(&all, all.len() - 2).0[0];
                gaps.push(claimed.best - claimed.claimed);
            }
            if answer.take(id) != Taken::Open {
                return (answer.finish().encode(), gaps);
            }
            pick = session.feed(&[id], 0).0[0];
        }
    };
    let honest = bench.honest(&exact(&payload));
    assert_eq!(bench.code(&with(u32::MAX, 8), &honest.encode()), 0);
    for at in [&[0][..], &[3], &[7], &[2, 5]] {
        let (output, gaps) = stray(at);
        let widest = gaps.iter().fold(0.0f32, |m, g| m.max(*g));
        let (flips, enough) = (at.len() as u32, (widest * 1000.0).ceil() as u32 + 1);
        assert_eq!(bench.code(&with(enough, flips), &output), 0, "{gaps:?}");
        assert_eq!(bench.code(&with(u32::MAX, flips), &output), 0);
        assert_eq!(
            bench.code(&with((widest * 1000.0).floor() as u32 - 1, flips), &output),
            3
        );
        assert_eq!(bench.code(&with(enough, flips - 1), &output), 3);
        assert_eq!(bench.code(&with(0, u32::MAX), &output), 3);
        assert_eq!(bench.code(&with(0, 0), &output), 3);
    }
}

#[test]
fn verdicts_name_every_code() {
    assert_eq!(Verdict::try_from(0), Ok(Verdict::Right));
    assert_eq!(Verdict::try_from(4), Ok(Verdict::Wrong(Wrong::Length)));
    assert!(Verdict::try_from(6).is_err());
}
