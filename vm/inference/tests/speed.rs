//! How fast a model of each type is fed, at each level (the best of three): `cargo test --release -p assay-inference --test speed -- --ignored --nocapture`.
//!
//! Only prints, for a person: times on a shared machine prove nothing.

use assay_inference::native::{Engine, Level};
use assay_inference::tensors::Format;
use assay_inference::testing::{Random, Tiny};
use std::num::NonZeroUsize;
use std::time::Instant;

#[test]
#[ignore = "measures"]
fn tokens_a_second() {
    let wanted = std::env::var("ASSAY_TYPES").unwrap_or("F32 F16 BF16 Q8_0".into());
    let all = Format::ALL.iter().copied();
    for format in all.filter(|f| wanted.split(' ').any(|name| name == f.label())) {
        // 80 million weights in a few layers: more than caches hold.
        let tiny = Tiny {
            layers: 3,
            vocab: 4000,
            ..Tiny::of_size("0.5b", format).unwrap()
        };
        let model = tiny.model();
        for level in Level::ALL.into_iter().filter(|level| level.is_here()) {
            let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            let engine = Engine::load_at(level, model.clone(), threads).unwrap();
            let mut random = Random(5);
            let ids: Vec<u32> = (0..64).map(|_| 263 + random.below(60) as u32).collect();
            let (mut prefill, mut decode) = (0f64, 0f64);
            for _ in 0..3 {
                let mut session = engine.session();
                let started = Instant::now();
                session.feed(&ids, 1).1.unwrap();
                prefill = prefill.max(ids.len() as f64 / started.elapsed().as_secs_f64());
                let started = Instant::now();
                for id in &ids[..8] {
                    session.feed(&[*id], 1).1.unwrap();
                }
                decode = decode.max(8.0 / started.elapsed().as_secs_f64());
            }
            println!(
                "{format:?} {level}: prefill {prefill:.1}, decode {decode:.1} tokens a second"
            );
        }
    }
}
