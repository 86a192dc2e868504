//! The exact engine beside llama.cpp, in turns, in one run: the same files, the same cores, the same number of threads.

mod gpu;
mod replay;
mod samples;
mod serve;

use anyhow::{Context, Result, bail, ensure};
use assay_executor::backend::llama::worker;
use assay_inference::native::{Engine, Level, map_file};
use assay_inference::tensors::Format;
use assay_inference::testing::Tiny;
use assay_inference_bench::llama::{Llama, system_info};
use assay_inference_bench::quality::{self, Quality};
use clap::Parser;
use samples::Samples;
use serde_json::{Map, Value, json};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Compares the exact engine with llama.cpp.
#[derive(Parser)]
struct Args {
    /// Shape of the random models: 0.1b, 0.5b or 1.1b (TinyLlama's).
    #[arg(long, default_value = "1.1b")]
    size: String,
    /// Types of their matrices.
    #[arg(long, value_delimiter = ',', default_value = "Q8_0,Q4_0,Q4_K")]
    types: Vec<String>,
    /// Threads of each side.
    #[arg(long, default_value_t = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))]
    threads: NonZeroUsize,
    /// Rounds; medians are quoted.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Tokens of a prefill; 0 leaves out prefill and decoding.
    #[arg(long, default_value_t = 256)]
    prefill: usize,
    /// Tokens decoded one by one.
    #[arg(long, default_value_t = 16)]
    decode: usize,
    /// Where models are kept.
    #[arg(long, default_value = "target/bench/models")]
    models: PathBuf,
    /// Tokens of a whole answer (prompt and output) that is traced, and of one that is run in wasmtime; 0 for none.
    #[arg(long, num_args = 2, default_values_t = [256, 64])]
    replay: Vec<usize>,
    /// Tokens of the answers of the executor's backends, of the first type; 0 for none.
    #[arg(long, default_value_t = 32)]
    serve: u32,
    /// Compares not speed but quality: this model in every type that is supported, on held-out text.
    #[arg(long, num_args = 0..=1, default_missing_value = "devnet/model/assay-stories.gguf")]
    quality: Option<PathBuf>,
    /// Model that answers them, instead of a random one, whose near ties hardly any draft gets right.
    #[arg(long)]
    serve_model: Option<PathBuf>,
    /// Their prompt; "he" and "in" are tokens of random models, spaces join them.
    #[arg(long, default_value = "he in he in")]
    serve_prompt: String,
    /// Compares with llama.cpp on a GPU, these many layers of the model there (99: all).
    #[arg(long, default_value_t = 0)]
    gpu_layers: u32,
    /// JSON file that the figures are added to.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    // The drafting child is this binary again.
    if let Some(code) = worker::run_if_asked() {
        return Ok(code);
    }
    bench(&Args::parse())?;
    Ok(ExitCode::SUCCESS)
}

fn bench(args: &Args) -> Result<()> {
    let info = system_info();
    println!("llama.cpp: {info}");
    for feature in ["AVX2 = 1", "REPACK = 1"] {
        ensure!(
            info.contains(feature),
            "llama.cpp was built without {feature}: a comparison would mean nothing"
        );
    }
    let mut figures = Map::new();
    match &args.quality {
        Some(model) => compare_quality(args, model, &mut figures)?,
        None if args.gpu_layers > 0 => {
            gpu::compare(args, &mut figures)?;
            serve_types(args, &mut figures)?;
        }
        None => compare_speed(args, &mut figures)?,
    }
    // The targets are those of one processor's work.
    let missed = match args.gpu_layers {
        0 => missed(&figures),
        _ => Vec::new(),
    };
    if let Some(out) = &args.out {
        let mut all = match std::fs::read(out) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(_) => Map::new(),
        };
        all.extend(figures);
        std::fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(out, serde_json::to_vec_pretty(&Value::Object(all))?)?;
    }
    ensure!(missed.is_empty(), "targets missed: {}", missed.join(", "));
    Ok(())
}

/// The figures that miss their targets. AVX-512 is beside the comparison: llama.cpp is built without it.
fn missed(figures: &Map<String, Value>) -> Vec<String> {
    let at_least = [
        ("infer.verify_vs_llamacpp.q8_0", 1.2),
        ("infer.verify_vs_llamacpp.q4_0", 1.2),
        ("infer.verify_vs_llamacpp.q4_k", 1.0),
        ("infer.decode_vs_llamacpp.q8_0", 1.0),
        ("infer.decode_vs_llamacpp.q4_0", 1.0),
        ("infer.decode_vs_llamacpp.q4_k", 1.0),
        ("serve.exact_vs_llamacpp", 1.0),
        ("serve.draft_verify_efficiency", 0.95),
    ];
    let at_most = [
        ("trace.vs_verify", 1.2),
        ("trace.later_vs_first", 0.2),
        ("wasm.vs_llamacpp_1t", 6.0),
    ];
    let value = |name: &str| figures.get(name).and_then(Value::as_f64);
    let low = at_least
        .into_iter()
        .filter(|(name, least)| value(name).is_some_and(|x| x < *least));
    let high = at_most
        .into_iter()
        .filter(|(name, most)| value(name).is_some_and(|x| x > *most));
    let text = |(name, limit): (&str, f64)| {
        format!("{name} {:.2} ({limit})", value(name).unwrap_or(f64::NAN))
    };
    let unlike = figures
        .iter()
        .filter(|(name, _)| name.starts_with("quality.xent_rel_err."))
        .filter(|(_, error)| error.as_f64().is_none_or(|error| error > 0.005))
        .map(|(name, error)| format!("{name} {error} (0.005)"));
    low.chain(high).map(text).chain(unlike).collect()
}

fn compare_speed(args: &Args, figures: &mut Map<String, Value>) -> Result<()> {
    for name in &args.types {
        compare(args, name, figures)?;
    }
    if let Some(name) = args.types.first() {
        let model = model(args, name)?;
        replay::trace(args, &model, figures)?;
        replay::wasm(args, &model, figures)?;
        let answers = args.serve_model.as_ref().unwrap_or(&model);
        serve::serve(args, answers, figures)?;
        serve::together(args, answers, figures)?;
    }
    Ok(())
}

/// Serving with drafts from the GPU, of every type.
fn serve_types(args: &Args, figures: &mut Map<String, Value>) -> Result<()> {
    for name in &args.types {
        let mut found = Map::new();
        let model = args
            .serve_model
            .clone()
            .map_or_else(|| model(args, name), Ok)?;
        serve::serve(args, &model, &mut found)?;
        serve::together(args, &model, &mut found)?;
        let keyed = |(key, value)| (format!("gpu.{key}.{}", name.to_lowercase()), value);
        figures.extend(found.into_iter().map(keyed));
    }
    Ok(())
}

fn compare_quality(args: &Args, model: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    let texts = quality::texts()?;
    std::fs::create_dir_all(&args.models)?;
    println!("type     ids     exact nats  llama.cpp nats  off by     picks agree");
    for format in Format::ALL {
        let file = args.models.join(format!("quality-{}.gguf", format.label()));
        quality::requantize(model, *format, &file)?;
        let found = quality::compare(&file, &texts, args.threads)?;
        std::fs::remove_file(&file)?;
        let (error, agreement) = (found.error(), found.agreement());
        let Quality {
            ids, ours, theirs, ..
        } = found;
        let per_id = |nats: f64| nats / ids as f64;
        println!(
            "{:<6} {ids:>6}     {:>9.5}   {:>9.5}      {:>7.4} %  {:>7.3} %",
            format.label(),
            per_id(ours),
            per_id(theirs),
            100.0 * error,
            100.0 * agreement
        );
        let name = format.label().to_lowercase();
        figures.insert(format!("quality.xent_rel_err.{name}"), json!(error));
        figures.insert(format!("quality.greedy_agreement.{name}"), json!(agreement));
    }
    Ok(())
}

/// The file of a random model, written at the first time.
fn model(args: &Args, name: &str) -> Result<PathBuf> {
    let format = Format::ALL
        .iter()
        .find(|f| f.label() == name)
        .with_context(|| format!("no type {name}"))?;
    let path = args.models.join(format!("{}-{name}.gguf", args.size));
    if !path.exists() {
        let Some(tiny) = Tiny::of_size(&args.size, *format) else {
            bail!("no size {}; there are 0.1b, 0.5b and 1.1b", args.size);
        };
        std::fs::create_dir_all(&args.models)?;
        // Not seen under its name before it is whole.
        let partial = path.with_extension("part");
        std::fs::write(&partial, tiny.gguf().bytes())?;
        std::fs::rename(&partial, &path)?;
    }
    Ok(path)
}

fn compare(args: &Args, name: &str, figures: &mut Map<String, Value>) -> Result<()> {
    if args.prefill == 0 {
        return Ok(());
    }
    let path = model(args, name)?;
    let ids: Vec<u32> = (0..args.prefill as u32)
        .map(|i| 300 + i * 7 % 31_000)
        .collect();
    let backend = Llama::backend()?;
    let mut llama = Llama::load(backend, &path, args.threads, 0)?;
    let file = map_file(&path)?;
    let mut engines = Vec::new();
    for level in Level::ALL
        .into_iter()
        .filter(|l| *l != Level::Portable && l.is_here())
    {
        engines.push((level, Engine::load_at(level, file.clone(), args.threads)?));
    }
    let mut samples = Samples::default();
    for _ in 0..args.rounds {
        let (prefill, decode) = llama.run(&ids, args.decode)?;
        samples.add("llama.cpp prefill", prefill);
        samples.add("llama.cpp decode", decode);
        for (level, engine) in &engines {
            let mut session = engine.session();
            let (prefill, result) = timed(|| session.feed(&ids, ids.len() - 1).1);
            ensure!(result.is_ok(), "the model left the finite numbers");
            let (decode, result) = timed(|| {
                ids[..args.decode]
                    .iter()
                    .try_for_each(|id| session.feed(&[*id], 0).1)
            });
            ensure!(result.is_ok(), "the model left the finite numbers");
            samples.add(&format!("{level} prefill"), prefill);
            samples.add(&format!("{level} decode"), decode);
        }
    }
    println!(
        "{} {name}, {} threads: prefill of {} tokens, {} tokens decoded after it",
        args.size, args.threads, args.prefill, args.decode
    );
    samples.print();
    for (level, _) in &engines {
        let ratio = |what: &str| {
            samples.median(&format!("llama.cpp {what}"))
                / samples.median(&format!("{level} {what}"))
        };
        let (verify, decode) = (ratio("prefill"), ratio("decode"));
        println!("  {level}: verify {verify:.2} x llama.cpp, decode {decode:.2} x");
        let name = name.to_lowercase();
        // The processor features that llama.cpp is built with count; those beyond are told beside.
        let suffix = match level {
            Level::Avx2 => "",
            Level::Avx512 => ".avx512",
            Level::Neon => ".neon",
            Level::Dotprod => ".dotprod",
            Level::Portable => ".portable",
        };
        figures.insert(
            format!("infer.verify_vs_llamacpp.{name}{suffix}"),
            json!(verify),
        );
        figures.insert(
            format!("infer.decode_vs_llamacpp.{name}{suffix}"),
            json!(decode),
        );
    }
    Ok(())
}

/// Seconds that `f` takes.
fn timed<T>(f: impl FnOnce() -> T) -> (f64, T) {
    let started = Instant::now();
    let value = f();
    (started.elapsed().as_secs_f64(), value)
}
