//! The llama.cpp child under kills, hangs and bad files.

use assay_executor::backend::llama::child::{ChildConfig, ChildError, LlamaChild};
use assay_inference::native::{Engine, map_file};
use assay_inference::testing::request;
use assay_types::Tolerance;
use assay_types::request::Payload;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

fn config() -> ChildConfig {
    let model = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../devnet/model/assay-stories.gguf"
    ));
    assert!(model.exists(), "{} is missing", model.display());
    let program = PathBuf::from(env!("CARGO_BIN_EXE_executor"));
    ChildConfig {
        program,
        ..ChildConfig::new(model, 4096, 1, 0)
    }
}

/// A begin-of-sequence id and some ids of the devnet model's vocabulary.
fn prompt() -> Vec<u32> {
    vec![1, 300, 301, 302, 303, 304]
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([name, &pid.to_string()])
        .status()
        .expect("kill runs");
    assert!(status.success(), "kill {name} {pid}");
}

#[test]
fn a_correction_redrafts_from_the_corrected_id() {
    let mut child = LlamaChild::start(config()).expect("the child starts");
    let draft = child.draft(&prompt(), 12).expect("a draft");
    assert!(!draft.is_empty() && draft.len() <= 12);
    let vocab = child.vocab().expect("it runs");
    assert!(draft.iter().all(|id| *id < vocab));

    let mut corrected = prompt();
    corrected.push(draft[0]);
    corrected.push((draft[1] + 1) % vocab);
    let after = child
        .draft(&corrected, 8)
        .expect("a draft after a correction");
    let mut fresh = LlamaChild::start(config()).expect("a second child starts");
    assert_eq!(
        after,
        fresh
            .draft(&corrected, 8)
            .expect("a draft by the second child")
    );
    assert_eq!(
        draft,
        child.draft(&prompt(), 12).expect("the first draft again")
    );
    assert_eq!(child.restarts, 0);
}

#[test]
fn a_killed_child_is_replaced_and_asked_again() {
    let mut child = LlamaChild::start(config()).expect("the child starts");
    let draft = child.draft(&prompt(), 8).expect("a draft");
    let first = child.pid().expect("it runs");
    signal(first, "-KILL");
    assert_eq!(child.draft(&prompt(), 8).expect("the same draft"), draft);
    assert_ne!(child.pid(), Some(first));
    assert_eq!(child.restarts, 1);
}

#[test]
fn a_child_killed_in_mid_draft_loses_nothing() {
    let mut child = LlamaChild::start(config()).expect("the child starts");
    let draft = child.draft(&prompt(), 200).expect("a draft");
    let pid = child.pid().expect("it runs");
    // Stopped, it takes the request and can't answer it: the kill falls in the middle of the draft.
    signal(pid, "-STOP");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        signal(pid, "-KILL");
    });
    let started = Instant::now();
    assert_eq!(child.draft(&prompt(), 200).expect("the same draft"), draft);
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "the first child answered"
    );
    assert_eq!(child.restarts, 1);
    killer.join().expect("the killer ran");
}

#[test]
fn a_child_that_hangs_is_replaced() {
    let config = ChildConfig {
        draft_timeout: Duration::from_millis(500),
        ..config()
    };
    let mut child = LlamaChild::start(config).expect("the child starts");
    let draft = child.draft(&prompt(), 4).expect("a draft");
    signal(child.pid().expect("it runs"), "-STOP");
    assert_eq!(child.draft(&prompt(), 4).expect("the same draft"), draft);
    assert_eq!(child.restarts, 1);
}

#[test]
fn ids_outside_the_vocabulary_are_refused_in_words() {
    let mut child = LlamaChild::start(config()).expect("the child starts");
    let error = child.draft(&[1, 1 << 30], 4).expect_err("no such id");
    assert!(
        matches!(&error, ChildError::Refused { reason, .. } if reason.contains("vocabulary")),
        "{error}"
    );
    assert!(
        child.draft(&prompt(), 4).is_ok(),
        "the next request is answered"
    );
}

#[test]
fn a_full_cache_ends_the_draft() {
    let mut child = LlamaChild::start(ChildConfig {
        context: 256,
        ..config()
    })
    .expect("the child starts");
    let mut sequence = prompt();
    sequence.resize(255, 300);
    let draft = child.draft(&sequence, 16).expect("a draft");
    assert!((1..=2).contains(&draft.len()), "{draft:?}");
    sequence.resize(300, 300);
    assert_eq!(
        child.draft(&sequence, 16).expect("no draft"),
        Vec::<u32>::new()
    );
}

#[test]
fn a_file_that_is_no_model_is_refused_with_llamas_reason() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), b"GGUF but not really").expect("written");
    let error = LlamaChild::start(ChildConfig {
        model: file.path().to_owned(),
        ..config()
    })
    .expect_err("no model");
    assert!(error.to_string().contains("can't load"), "{error}");
}

/// Real prompts, after which one continuation is much more likely than others; two begin alike.
fn sequences() -> Vec<Vec<u32>> {
    let file = map_file(&config().model).expect("the devnet model");
    let engine = Engine::load(file, NonZeroUsize::MIN).expect("a supported model");
    let review = "Review: This is the best kettle, it is great!\nSentiment:";
    let of = |prompt: &str| {
        let rom = request(&Payload::greedy(prompt, 4), Tolerance::default());
        engine.prepare(&rom).expect("a request").prompt()
    };
    let story = "Once upon a time there was a little fox.";
    vec![
        of("Once upon a time"),
        of(review),
        of(story),
        of(&story.repeat(4)),
    ]
}

fn slots(context: u32, slots: u32) -> Vec<LlamaChild> {
    LlamaChild::start_slots(ChildConfig {
        context,
        slots,
        ..config()
    })
    .expect("the child starts")
}

/// Each slot drafts after its sequence `rounds` times, all at once.
fn drafts(slots: &mut [LlamaChild], n: u32, rounds: usize) -> Vec<Vec<Vec<u32>>> {
    std::thread::scope(|scope| {
        let draft = |(slot, sequence): (_, Vec<u32>)| {
            let slot: &mut LlamaChild = slot;
            scope.spawn(move || {
                (0..rounds)
                    .map(|_| slot.draft(&sequence, n).expect("a draft"))
                    .collect()
            })
        };
        let threads: Vec<_> = slots.iter_mut().zip(sequences()).map(draft).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("drafted"))
            .collect()
    })
}

/// How much of `drafts` is what each slot drafts alone, 0 to 1. llama.cpp's last places depend on what it decodes beside, and once two
/// ids are as good as equal so do its drafts; one slot's scores taken for another's would leave nothing.
fn agreement(drafts: &[Vec<Vec<u32>>], alone: &[Vec<u32>]) -> f64 {
    let (mut alike, mut all) = (0, 0);
    for (drafts, alone) in drafts.iter().zip(alone) {
        for draft in drafts {
            alike += draft.iter().zip(alone).take_while(|(a, b)| a == b).count();
            all += alone.len();
        }
    }
    alike as f64 / all as f64
}

fn alone(n: u32) -> Vec<Vec<u32>> {
    let mut child = LlamaChild::start(config()).expect("the child starts");
    sequences()
        .iter()
        .map(|s| child.draft(s, n).expect("a draft"))
        .collect()
}

#[test]
fn slots_draft_together_what_each_drafts_alone() {
    let mut slots = slots(4096, 4);
    let found = agreement(&drafts(&mut slots, 24, 5), &alone(24));
    println!("{found}");
    assert!(found > 0.5, "{found}");
    assert!(slots.iter().all(|slot| slot.restarts == 0));
}

#[test]
fn slots_whose_child_is_killed_all_get_their_drafts_from_one_new_child() {
    let mut slots = slots(4096, 4);
    let alone = alone(24);
    let pid = slots[0].pid().expect("it runs");
    // Stopped, it has all their requests when it is killed.
    signal(pid, "-STOP");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        signal(pid, "-KILL");
    });
    let found = agreement(&drafts(&mut slots, 24, 1), &alone);
    assert!(found > 0.5, "{found}");
    assert_eq!(slots.iter().map(|slot| slot.restarts).sum::<u64>(), 1);
    killer.join().expect("the killer ran");
}

#[test]
fn slots_share_a_cache_that_is_too_small_for_all_of_them() {
    // What is left of one draft goes when the next one needs the room.
    let mut slots = slots(128, 4);
    let (sequences, alone) = (sequences(), alone(30));
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    assert!((80..128).contains(&tokens), "{tokens} tokens");
    for _ in 0..2 {
        for ((slot, sequence), expected) in slots.iter_mut().zip(&sequences).zip(&alone) {
            let draft = slot.draft(sequence, 30).expect("a draft");
            // Without room it would be empty.
            assert_eq!(draft.first(), expected.first());
        }
    }
    assert!(slots.iter().all(|slot| slot.restarts == 0));
}
