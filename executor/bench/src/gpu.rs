//! Drafts by llama.cpp on a GPU, beside the exact engine on the processor: each alone, and whole answers by both.

use crate::samples::Samples;
use crate::{Args, model, serve, timed};
use anyhow::{Result, ensure};
use assay_inference::native::{Engine, map_file};
use assay_inference_bench::llama::Llama;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Steps of llama.cpp in a sample.
const STEPS: u32 = 64;

/// Ids that the exact engine checks at once: one draft, and a prompt.
const CHECKED: [usize; 2] = [16, 256];

/// Adds `gpu.*` figures of a model of each type, or of the answers of a model that is given; they are those of
/// [`serve::serve`].
pub fn compare(args: &Args, figures: &mut Map<String, Value>) -> Result<()> {
    let devices = llama_cpp_2::list_llama_ggml_backend_devices();
    devices
        .iter()
        .for_each(|device| println!("device: {device:?}"));
    if let Some(path) = &args.serve_model {
        return answers(args, path, "given", figures);
    }
    for name in &args.types {
        let path = model(args, name)?;
        println!(
            "{} {name}, {} layers on the GPU",
            args.size, args.gpu_layers
        );
        let key = name.to_lowercase();
        drafts(args, &path, &key, figures)?;
        checks(args, &path, &key, figures)?;
        answers(args, &path, &key, figures)?;
    }
    Ok(())
}

/// llama.cpp alone, with more and more sequences in a context.
fn drafts(args: &Args, path: &Path, key: &str, figures: &mut Map<String, Value>) -> Result<()> {
    let prompt: Vec<u32> = (300..316).collect();
    for sequences in &args.gpu_sequences {
        let backend = Llama::backend()?;
        let mut llama = Llama::load_for(backend, path, args.threads, args.gpu_layers, *sequences)?;
        // The first time makes the kernels ready.
        llama.greedy_many(&prompt, *sequences, 8)?;
        let mut samples = Samples::default();
        for _ in 0..args.rounds {
            samples.add("steps", llama.greedy_many(&prompt, *sequences, STEPS)?);
        }
        let rate = f64::from(STEPS * sequences) / samples.median("steps");
        println!("  llama.cpp, {sequences:>3} sequences: {rate:>9.1} tokens/s");
        figures.insert(
            format!("gpu.draft_tokens_per_second.{key}.{sequences}"),
            json!(rate),
        );
    }
    Ok(())
}

/// The exact engine alone, on the processor.
fn checks(args: &Args, path: &Path, key: &str, figures: &mut Map<String, Value>) -> Result<()> {
    let engine = Engine::load(map_file(path)?, args.threads)?;
    let mut session = engine.session();
    let ids: Vec<u32> = (300..316).collect();
    ensure!(session.feed(&ids, 0).1.is_ok(), "the prompt is not finite");
    let mut samples = Samples::default();
    for _ in 0..args.rounds {
        for checked in CHECKED {
            let ids: Vec<u32> = (0..checked as u32).map(|i| 300 + i * 7 % 31_000).collect();
            let (time, fed) = timed(|| session.feed(&ids, 0).1);
            ensure!(fed.is_ok(), "the model left the finite numbers");
            samples.add(&format!("verify_{checked}"), time / checked as f64);
            session.truncate(16);
        }
        let (time, fed) = timed(|| ids.iter().try_for_each(|id| session.feed(&[*id], 0).1));
        ensure!(fed.is_ok(), "the model left the finite numbers");
        samples.add("decode", time / ids.len() as f64);
        session.truncate(16);
    }
    for name in ["decode", "verify_16", "verify_256"] {
        let rate = 1.0 / samples.median(name);
        println!("  exact, {name:<10} {rate:>9.1} tokens/s");
        figures.insert(
            format!("gpu.exact_tokens_per_second.{key}.{name}"),
            json!(rate),
        );
    }
    Ok(())
}

/// Whole answers, which have to be the same bytes.
fn answers(args: &Args, path: &Path, key: &str, figures: &mut Map<String, Value>) -> Result<()> {
    let mut found = Map::new();
    serve::serve(args, path, &mut found)?;
    for (name, value) in found {
        figures.insert(format!("gpu.{name}.{key}"), value);
    }
    Ok(())
}
