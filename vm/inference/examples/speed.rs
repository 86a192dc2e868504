//! How fast the engine is on a file: `speed FILE THREADS [LEVEL]`: milliseconds a token in prefill and in decoding.

use assay_inference::native::{Engine, Level, bytes};
use std::num::NonZeroUsize;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let model = std::fs::read(&args[0]).expect("the file");
    let threads = args[1].parse::<NonZeroUsize>().expect("threads");
    let level = args.get(2).map_or(Level::best(), |i| {
        Level::ALL[i.parse::<usize>().expect("level")]
    });
    let started = Instant::now();
    let engine = Engine::load_at(level, bytes(model), threads).expect("a model");
    println!(
        "{level}: loaded in {:.2} s",
        started.elapsed().as_secs_f64()
    );
    let ids: Vec<u32> = (0..256).map(|i| 300 + i * 7).collect();
    for _ in 0..3 {
        let mut session = engine.session();
        let started = Instant::now();
        session.feed(&ids, 255).1.expect("finite");
        let prefill = started.elapsed().as_secs_f64();
        let started = Instant::now();
        for id in &ids[..16] {
            session.feed(&[*id], 0).1.expect("finite");
        }
        let decode = started.elapsed().as_secs_f64();
        println!(
            "prefill {:.1} tok/s, decode {:.1} tok/s",
            256.0 / prefill,
            16.0 / decode
        );
    }
}
