//! llama.cpp on a GPU beside the exact engine on the processor: what drafting there is worth.

use crate::samples::Samples;
use crate::{Args, model, timed};
use anyhow::{Result, ensure};
use assay_inference::native::{Engine, map_file};
use assay_inference_bench::llama::Llama;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Sequences decoded together.
const TOGETHER: [u32; 4] = [1, 4, 16, 64];
/// Tokens decoded of each of them.
const STEPS: usize = 32;

/// Adds the figures of every type.
pub fn compare(args: &Args, figures: &mut Map<String, Value>) -> Result<()> {
    ensure!(
        llama_cpp_sys_2_offloads(),
        "llama.cpp was built for no GPU: --features cuda builds it for one, scripts/gpu-build.sh its libraries for a binary \
         built with --features dynamic-link"
    );
    for name in &args.types {
        compare_type(args, name, &model(args, name)?, figures)?;
    }
    Ok(())
}

fn llama_cpp_sys_2_offloads() -> bool {
    // SAFETY: a question about how llama.cpp was built.
    unsafe { llama_cpp_sys_2::llama_supports_gpu_offload() }
}

fn compare_type(
    args: &Args,
    name: &str,
    path: &Path,
    figures: &mut Map<String, Value>,
) -> Result<()> {
    let ids: Vec<u32> = (0..args.prefill as u32)
        .map(|i| 300 + i * 7 % 31_000)
        .collect();
    let backend = Llama::backend()?;
    let mut llama = Llama::load(backend, path, args.threads, args.gpu_layers)?;
    let engine = Engine::load(map_file(path)?, args.threads)?;
    let mut samples = Samples::default();
    for _ in 0..args.rounds {
        let (prefill, decode) = llama.run(&ids, args.decode)?;
        samples.add("llama.cpp prefill", prefill);
        samples.add("llama.cpp decode", decode);
        for n in TOGETHER {
            samples.add(&together(n), llama.run_together(n, STEPS)?);
        }
        let mut session = engine.session();
        let (prefill, fed) = timed(|| session.feed(&ids, ids.len() - 1).1);
        ensure!(fed.is_ok(), "the model left the finite numbers");
        let (decode, fed) = timed(|| {
            ids[..args.decode]
                .iter()
                .try_for_each(|id| session.feed(&[*id], 0).1)
        });
        ensure!(fed.is_ok(), "the model left the finite numbers");
        samples.add("exact prefill", prefill);
        samples.add("exact decode", decode);
    }
    println!(
        "{} {name}: llama.cpp with {} layers on the GPU, the engine on {} threads; tokens a second",
        args.size, args.gpu_layers, args.threads
    );
    let mut say = |what: &str, tokens: f64| {
        let rate = tokens / samples.median(what);
        println!("  {what:<28} {rate:>9.1}");
        let key = format!(
            "gpu.{}.{}",
            what.replace("llama.cpp", "llamacpp").replace(' ', "_"),
            name.to_lowercase()
        );
        figures.insert(key, json!(rate));
    };
    for side in ["llama.cpp", "exact"] {
        say(&format!("{side} prefill"), args.prefill as f64);
        say(&format!("{side} decode"), args.decode as f64);
    }
    for n in TOGETHER {
        say(&together(n), f64::from(n) * STEPS as f64);
    }
    Ok(())
}

fn together(n: u32) -> String {
    format!("llama.cpp decode of {n}")
}
