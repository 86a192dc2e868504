//! Whole answers by the executor's backends beside bare llama.cpp, greedy, in turns: tokens a second after the first.

use crate::samples::Samples;
use crate::{Args, timed};
use anyhow::{Result, anyhow, ensure};
use assay_executor::backend::auto::measure;
use assay_executor::backend::draft::{DraftAndVerify, DraftError, Drafter};
use assay_executor::backend::exact::Exact;
use assay_executor::backend::llama::child::{ChildConfig, LlamaChild};
use assay_executor::backend::{Backend, Found, Stats};
use assay_inference::native::{Engine, map_file};
use assay_inference::testing::request;
use assay_inference_bench::llama::Llama;
use assay_types::Tolerance;
use assay_types::request::Payload;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens drafted at once, as the executor's default has it.
const WIDTH: u32 = 16;

/// Tokens of llama.cpp's cache.
const CONTEXT: u32 = 2048;

/// One child for the measurement of rates and for the backend.
#[derive(Clone)]
struct Shared(Arc<Mutex<LlamaChild>>);

impl Drafter for Shared {
    fn draft(&mut self, sequence: &[u32], n: u32) -> Result<Vec<u32>, DraftError> {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Drafter::draft(&mut *child, sequence, n)
    }

    fn name(&self) -> &'static str {
        "llama"
    }
}

/// Adds the figures of `model`.
pub fn serve(args: &Args, model: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    if args.serve == 0 {
        return Ok(());
    }
    let engine = Engine::load(map_file(model)?, args.threads)?;
    let threads = u32::try_from(args.threads.get())?;
    let config = ChildConfig::new(model.to_owned(), CONTEXT, threads, args.gpu_layers);
    let mut child = Shared(Arc::new(Mutex::new(LlamaChild::start(config)?)));
    let mut exact = Exact::new(engine.clone());
    let mut drafting = DraftAndVerify::new(engine.clone(), child.clone(), WIDTH);
    let mut bare = Llama::load_for(Llama::backend()?, model, args.threads, args.gpu_layers, 1)?;
    let of = |tokens| {
        let payload = Payload::greedy(&args.serve_prompt, tokens);
        request(&payload, Tolerance::default())
    };
    let (first, whole) = (of(1), of(args.serve + 1));
    let prepared = engine.prepare(&whole).map_err(|e| anyhow!("{e:?}"))?;
    let prompt = prepared.prompt();
    let (mut samples, mut efficiency, mut stats) = (Samples::default(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        samples.add("llama.cpp", bare.greedy(&prompt, args.serve)?);
        let (time, right) = answer(&mut exact, &first, &whole, args.serve)?;
        samples.add("exact", time);
        let rates = measure(&engine, &mut child, WIDTH)?;
        let (time, found) = answer(&mut drafting, &first, &whole, args.serve)?;
        samples.add("draft and verify", time);
        ensure!(found.output == right.output, "the drafted answer differs");
        efficiency.push(f64::from(args.serve) / time / rates.drafted());
        stats.push(found.stats);
    }
    println!(
        "serve: {} tokens after {} of prompt and one of output, {} threads",
        args.serve,
        prompt.len(),
        args.threads
    );
    samples.print();
    let sum = |of: fn(&Stats) -> u32| f64::from(stats.iter().map(of).sum::<u32>());
    let acceptance = sum(|s| s.accepted) / sum(|s| s.drafted);
    let ratio = |name| samples.median("llama.cpp") / samples.median(name);
    efficiency.sort_by(f64::total_cmp);
    let per_second = |name| f64::from(args.serve) / samples.median(name);
    for (name, value) in [
        ("serve.exact_vs_llamacpp", ratio("exact")),
        ("serve.draft_verify_vs_llamacpp", ratio("draft and verify")),
        (
            "serve.draft_verify_efficiency",
            efficiency[efficiency.len() / 2],
        ),
        ("serve.acceptance", acceptance),
        ("serve.exact_tokens_per_second", per_second("exact")),
        ("serve.llamacpp_tokens_per_second", per_second("llama.cpp")),
        (
            "serve.draft_verify_tokens_per_second",
            per_second("draft and verify"),
        ),
    ] {
        println!("  {name} {value:.2}");
        figures.insert(name.into(), json!(value));
    }
    Ok(())
}

/// Seconds of the tokens after the first: of the whole answer less those of the first token alone, which reads the request
/// and the prompt. The whole answer beside.
fn answer(
    backend: &mut impl Backend,
    first: &[u8],
    whole: &[u8],
    tokens: u32,
) -> Result<(f64, Found)> {
    let (alone, _) = timed(|| backend.answer(first));
    let (all, found) = timed(|| backend.answer(whole));
    let stats = &found.stats;
    ensure!(stats.tokens == tokens + 1, "an answer cut short: {stats:?}");
    ensure!(stats.failed_drafts == 0, "a draft failed: {stats:?}");
    ensure!(
        all > alone,
        "one token took longer than {}: measure again",
        tokens + 1
    );
    Ok((all - alone, found))
}
