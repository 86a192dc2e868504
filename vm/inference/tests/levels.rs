//! What small models of every type say is the same on every processor: at each level, digests of scores and answers are the committed ones.
//!
//! The kernels' own tests hold each level to the portable code of the same compilation, `agree.rs` its arenas; this holds compilations to each
//! other. With `ASSAY_BLESS=1` the digests are written anew.

use assay_inference::native::{Engine, Level};
use assay_inference::tensors::Format;
use assay_inference::testing::{Random, Tiny, request};
use assay_types::Tolerance;
use assay_types::request::{Payload, Sampling};
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/levels.txt");

fn short(hash: Sha256) -> String {
    hash.finalize()[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The file's digest, then that of its scores and answers.
fn digests(level: Level, tiny: &Tiny) -> [String; 2] {
    let model = tiny.model();
    let file = Sha256::new_with_prefix((*model).as_ref());
    let engine = Engine::load_at(level, model, NonZeroUsize::MIN).unwrap();
    let mut said = Sha256::new();
    let mut random = Random(21);
    let ids: Vec<u32> = (0..20).map(|_| random.below(328) as u32).collect();
    // Pieces of which tiles of every width come. Few: an emulated processor has to do them too.
    let mut session = engine.session();
    for some in [
        &ids[..11],
        &ids[11..16],
        &ids[16..18],
        &ids[18..19],
        &ids[19..],
    ] {
        let (picks, result) = session.feed(some, 0);
        result.unwrap();
        assert_eq!(picks.len(), some.len());
        for pick in picks {
            said.update(pick.best.to_bits().to_le_bytes());
            said.update(pick.id.to_le_bytes());
        }
    }
    let drawn = Sampling::Drawn {
        temperature: 1100,
        top_k: 100,
        min_p: 5,
    };
    let choices = ["yes", "no"].map(|s| s.as_bytes().to_vec());
    for sampling in [Sampling::Greedy, drawn, Sampling::Choice(choices.to_vec())] {
        let payload = Payload {
            sampling,
            ..Payload::greedy("a cat", 5)
        };
        let request = request(&payload, Tolerance::default());
        said.update(engine.answer_exact(&request).encode());
    }
    [short(file), short(said)]
}

#[test]
fn every_processor_says_the_same() {
    let architectures = ["llama", "qwen2", "qwen3"].into_iter().cycle();
    let mut text = String::new();
    for (format, architecture) in Format::ALL.iter().zip(architectures) {
        let tiny = Tiny {
            format: *format,
            architecture,
            dim: 256,
            ffn: 256,
            layers: 1,
            heads: 4,
            kv_heads: 2,
            seed: 40 + *format as u64,
            ..Tiny::default()
        };
        let all: Vec<_> = Level::ALL
            .into_iter()
            .filter(|level| level.is_here())
            .map(|level| (level, digests(level, &tiny)))
            .collect();
        for (level, digests) in &all {
            assert_eq!(digests, &all[0].1, "{level} {format:?}");
        }
        let [file, said] = &all[0].1;
        text += &format!("{} {architecture} {file} {said}\n", format.label());
    }
    if std::env::var("ASSAY_BLESS").is_ok() {
        std::fs::write(FILE, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(FILE).unwrap());
}
