//! Every backend gives the bytes that the program's rules alone give, whatever is drafted.

use assay_executor::backend::auto::{Choice, Rates, faster, measure};
use assay_executor::backend::draft::{DraftAndVerify, DraftError, Drafter, Nothing};
use assay_executor::backend::exact::Exact;
use assay_executor::backend::joint::Joint;
use assay_executor::backend::llama::child::{ChildConfig, LlamaChild};
use assay_executor::backend::{Backend, Found, Stats};
use assay_inference::native::{Engine, bytes};
use assay_types::output::{ErrorCode, Output};
use assay_types::request::{Part, Payload, RomHeader, Sampling};
use assay_types::{Hash, ModelId, Tolerance};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn model() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../devnet/model/assay-stories.gguf"
    ))
}

fn engine() -> Engine {
    let file = std::fs::read(model()).expect("the devnet model");
    Engine::load(bytes(file), NonZeroUsize::new(2).expect("not zero")).expect("a supported model")
}

fn llama() -> LlamaChild {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_executor"));
    LlamaChild::start(ChildConfig {
        program,
        ..ChildConfig::new(model(), 4096, 1, 0)
    })
    .expect("the child starts")
}

fn rom(payload: &[u8]) -> Vec<u8> {
    let header = RomHeader {
        chain_id: 31337,
        inbox: [1; 20],
        request_id: Hash([2; 32]),
        model: ModelId(Hash([3; 32])),
        seed: Hash([4; 32]),
        tolerance: Tolerance::default(),
    };
    header.rom(payload)
}

fn prompts() -> Vec<Payload> {
    let plain = |prompt: &str, n| Payload::greedy(prompt, n);
    let stopped = |prompt: &str, n, stop: &str| Payload {
        stops: vec![stop.into()],
        ..Payload::greedy(prompt, n)
    };
    vec![
        plain("Once upon a time", 40),
        plain("Once upon a time there was a little fox.", 120),
        plain(
            "review: the food was cold and the staff was rude.\nanswer:",
            8,
        ),
        plain("The", 1),
        plain("unseen words, ünïcode 🦊 and\tbytes", 24),
        stopped("Once upon a time", 60, "."),
        stopped("Once upon a time", 60, " the"),
        plain(
            &"a long prompt about a small boat on the sea. ".repeat(20),
            16,
        ),
    ]
}

fn exact(engine: &Engine, payload: &[u8]) -> Found {
    Exact::new(engine.clone()).answer(&rom(payload))
}

#[test]
fn llama_drafts_give_the_exact_bytes() {
    let engine = engine();
    let mut backend = DraftAndVerify::new(engine.clone(), llama(), 16);
    let mut sum = Stats::default();
    for payload in prompts() {
        let payload = payload.encode();
        let expected = exact(&engine, &payload);
        assert!(
            matches!(Output::decode(&expected.output), Some(Output::Answer { ids, .. }) if !ids.is_empty())
        );
        let found = backend.answer(&rom(&payload));
        assert_eq!(
            found.output,
            expected.output,
            "{:?}",
            String::from_utf8_lossy(&payload)
        );
        assert_eq!(found.stats.failed_drafts, 0);
        let prompt = engine.prepare(&rom(&payload)).expect("a right request");
        let stats = &found.stats;
        let least = prompt.prompt().len() as u32 + stats.drafted;
        assert!(
            (least..=least + stats.tokens).contains(&stats.verified),
            "{stats:?}"
        );
        sum.tokens += found.stats.tokens;
        sum.drafted += found.stats.drafted;
        sum.accepted += found.stats.accepted;
        sum.corrected += found.stats.corrected;
        sum.draft_time += found.stats.draft_time;
        sum.verify_time += found.stats.verify_time;
    }
    println!("{sum:?}");
    assert!(
        sum.accepted * 10 >= sum.tokens * 8,
        "llama.cpp drafts most of an answer right: {sum:?}"
    );
}

/// The drafter knows neither temperature nor list: the session's picks decide, and a choice takes no draft at all.
#[test]
fn draws_and_choices_are_exact_whatever_is_drafted() {
    let engine = engine();
    let mut backend = DraftAndVerify::new(engine.clone(), llama(), 16);
    let drawn = |temperature, top_k| Payload {
        sampling: Sampling::Drawn {
            temperature,
            top_k,
            min_p: 0,
        },
        ..Payload::greedy("Once upon a time", 40)
    };
    let choices = ["positive", "negative", " on a hill far away"].map(Vec::from);
    let listed = Payload {
        sampling: Sampling::Choice(choices.to_vec()),
        ..Payload::greedy("review: it broke at once.\nanswer:", 8)
    };
    let greedy = exact(&engine, &drawn(1, 1).encode()).output;
    for (payload, drafts) in [
        (drawn(800, 0), true),
        (drawn(1500, 40), true),
        (listed, false),
    ] {
        let payload = payload.encode();
        let expected = exact(&engine, &payload);
        assert!(
            matches!(Output::decode(&expected.output), Some(Output::Answer { ids, .. }) if !ids.is_empty())
        );
        assert_ne!(expected.output, greedy);
        let found = backend.answer(&rom(&payload));
        assert_eq!(found.output, expected.output);
        assert_eq!(found.stats.drafted > 0, drafts);
    }
}

/// Proposes what a function makes of the right ids.
struct Noisy<F> {
    inner: LlamaChild,
    spoil: F,
}

impl<F: FnMut(Vec<u32>) -> Result<Vec<u32>, DraftError> + Send> Drafter for Noisy<F> {
    fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, DraftError> {
        (self.spoil)(Drafter::draft(&mut self.inner, sequence, n)?)
    }

    fn name(&self) -> &'static str {
        "noisy"
    }
}

fn assert_exact_under(spoil: impl FnMut(Vec<u32>) -> Result<Vec<u32>, DraftError> + Send) -> Stats {
    let engine = engine();
    let mut backend = DraftAndVerify::new(
        engine.clone(),
        Noisy {
            inner: llama(),
            spoil,
        },
        8,
    );
    let mut sum = Stats::default();
    for payload in prompts().iter().map(Payload::encode) {
        let found = backend.answer(&rom(&payload));
        assert_eq!(
            found.output,
            exact(&engine, &payload).output,
            "{:?}",
            String::from_utf8_lossy(&payload)
        );
        assert!(found.stats.accepted + found.stats.corrected <= found.stats.tokens);
        sum.accepted += found.stats.accepted;
        sum.corrected += found.stats.corrected;
        sum.failed_drafts += found.stats.failed_drafts;
    }
    sum
}

#[test]
fn wrong_drafts_are_corrected_and_llama_goes_on_from_there() {
    let mut count = 0u32;
    let sum = assert_exact_under(move |mut ids| {
        for id in &mut ids {
            count += 1;
            if count.is_multiple_of(5) {
                *id = (*id + 7) % 512;
            }
        }
        Ok(ids)
    });
    assert!(
        sum.corrected > 10 && sum.accepted > sum.corrected,
        "{sum:?}"
    );
}

#[test]
fn ids_outside_the_vocabulary_and_overlong_drafts_change_nothing() {
    assert_exact_under(|mut ids| {
        ids.push(u32::MAX);
        ids.extend([5; 40]);
        Ok(ids)
    });
    assert_exact_under(|ids| Ok(ids.into_iter().flat_map(|id| [id, 1 << 20]).collect()));
    assert_exact_under(|ids| Ok(ids.into_iter().chain([3; 40]).collect()));
}

#[test]
fn an_answer_is_found_without_any_draft() {
    assert_exact_under(|_| Ok(Vec::new()));
    let sum = assert_exact_under(|_| Err(DraftError("no".into())));
    assert_eq!(
        sum.failed_drafts as usize,
        prompts().len(),
        "one try a request"
    );
}

#[test]
fn requests_that_cannot_be_answered_get_their_error_from_every_backend() {
    let engine = engine();
    let mut drafting = DraftAndVerify::new(engine.clone(), llama(), 16);
    let not_utf8 = Payload {
        parts: vec![Part::User(vec![0xff, 0xfe])],
        ..Payload::greedy("", 4)
    };
    let long = Payload::greedy(&"many words ".repeat(4000), 4);
    let mut truncated = Payload::greedy("Once", 4).encode();
    truncated.pop();
    let cases = [
        (not_utf8.encode(), ErrorCode::NotUtf8),
        (long.encode(), ErrorCode::PromptTooLong),
        (truncated, ErrorCode::BadRequest),
        (Payload::greedy("Once", 0).encode(), ErrorCode::BadRequest),
        (vec![], ErrorCode::BadRequest),
    ];
    for (payload, code) in cases {
        let expected = Output::Error { code, ids: vec![] }.encode();
        assert_eq!(exact(&engine, &payload).output, expected);
        assert_eq!(drafting.answer(&rom(&payload)).output, expected);
    }
}

/// Drafts some ids, as late as it is told.
struct Slow(Duration);

impl Drafter for Slow {
    fn draft(&mut self, _: &[u32], n: u32) -> Result<Vec<u32>, DraftError> {
        std::thread::sleep(self.0);
        Ok((1..=n).collect())
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}

/// What `faster` makes of one drafter.
fn one<D: Drafter + 'static>(
    engine: &Engine,
    drafter: Result<D, impl std::fmt::Display>,
) -> Box<dyn Backend> {
    let mut backends = faster(engine, drafter.map(|drafter| vec![drafter]), 16, 1);
    assert_eq!(backends.len(), 1);
    backends.remove(0)
}

fn auto(wait: Duration) -> (Rates, Box<dyn Backend>) {
    let engine = engine();
    let rates = measure(&engine, &mut Slow(wait), 16).expect("rates");
    (rates, one(&engine, Ok::<_, DraftError>(Slow(wait))))
}

#[test]
fn auto_measures_and_takes_the_faster() {
    let (rates, backend) = auto(Duration::from_millis(400));
    println!("{rates:?}");
    assert!(rates.exact > 0.0 && rates.verify > 0.0);
    assert!(rates.draft <= 20.0, "eight ids in 400 ms at best");
    assert_eq!((backend.name(), rates.choice()), ("exact", Choice::Exact));
    let (rates, backend) = auto(Duration::ZERO);
    println!("{rates:?}");
    assert!(rates.draft > 10.0 * rates.exact, "{rates:?}");
    assert_eq!((backend.name(), rates.choice()), ("slow", Choice::Draft));
}

#[test]
fn auto_gives_the_exact_bytes_with_llama_and_without() {
    let engine = engine();
    let rates = measure(&engine, &mut llama(), 16).expect("rates");
    println!("{rates:?}");
    assert!(rates.draft > 0.0 && rates.drafted() < rates.draft.min(rates.verify));
    let no_model = ChildConfig {
        program: PathBuf::from(env!("CARGO_BIN_EXE_executor")),
        ..ChildConfig::new(PathBuf::from("/dev/null"), 4096, 1, 0)
    };
    let mut alone = one(&engine, LlamaChild::start(no_model));
    assert_eq!(alone.name(), "exact");
    let mut either = one(&engine, Ok::<_, DraftError>(llama()));
    for payload in prompts().iter().map(Payload::encode) {
        let expected = exact(&engine, &payload).output;
        assert_eq!(alone.answer(&rom(&payload)).output, expected);
        assert_eq!(either.answer(&rom(&payload)).output, expected);
    }
}

#[test]
fn auto_does_without_a_drafter_that_fails() {
    let engine = engine();
    let failing = Noisy {
        inner: llama(),
        spoil: |_| Err(DraftError("no".into())),
    };
    let backend = one(&engine, Ok::<_, DraftError>(failing));
    assert_eq!(backend.name(), "exact");
}

/// All prompts, twice, by as many threads as there are backends; how many drafted ids were right.
fn all_at_once(engine: &Engine, backends: Vec<Box<dyn Backend>>) -> u32 {
    let payloads: Vec<Vec<u8>> = prompts().iter().map(Payload::encode).collect();
    let expected: Vec<Vec<u8>> = payloads.iter().map(|p| exact(engine, p).output).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let answer = |mut backend: Box<dyn Backend>| {
            let (next, payloads, expected) = (&next, &payloads, &expected);
            scope.spawn(move || {
                let mut accepted = 0;
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= 2 * payloads.len() {
                        return accepted;
                    }
                    let i = i % payloads.len();
                    let found = backend.answer(&rom(&payloads[i]));
                    assert_eq!(found.output, expected[i], "request {i}");
                    assert_eq!(found.stats.failed_drafts, 0);
                    accepted += found.stats.accepted;
                }
            })
        };
        let threads: Vec<_> = backends.into_iter().map(answer).collect();
        threads.into_iter().map(|t| t.join().expect("right")).sum()
    })
}

#[test]
fn requests_in_flight_together_get_the_exact_bytes() {
    let engine = engine();
    let slots = LlamaChild::start_slots(ChildConfig {
        program: PathBuf::from(env!("CARGO_BIN_EXE_executor")),
        slots: 3,
        ..ChildConfig::new(model(), 4096, 1, 0)
    });
    let backends = DraftAndVerify::each(&engine, slots.expect("the child starts"), 8);
    let accepted = all_at_once(&engine, backends);
    assert!(accepted > 100, "llama.cpp drafts: {accepted}");
}

#[test]
fn requests_without_drafts_are_computed_together_and_get_the_exact_bytes() {
    let engine = engine();
    let joint = Arc::new(Joint::default());
    let backend = || -> Box<dyn Backend> {
        let alone = DraftAndVerify::new(engine.clone(), Nothing, 0);
        Box::new(alone.joined(joint.clone()))
    };
    assert_eq!(all_at_once(&engine, (0..4).map(|_| backend()).collect()), 0);
    let (feeds, passes) = joint.feeds_and_passes();
    println!("{feeds} feeds in {passes} passes");
    // While one pass is computed, others queue for the next.
    assert!(
        0 < passes && passes < feeds,
        "{feeds} feeds, {passes} passes"
    );
}
