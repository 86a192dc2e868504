//! Whole answers by the executor's backends beside bare llama.cpp, greedy, in turns: tokens a second after the first.

use crate::samples::Samples;
use crate::{Args, timed};
use anyhow::{Result, anyhow, ensure};
use assay_executor::backend::auto::measure;
use assay_executor::backend::draft::{DraftAndVerify, DraftError, Drafter, Nothing};
use assay_executor::backend::exact::Exact;
use assay_executor::backend::llama::child::{ChildConfig, LlamaChild};
use assay_executor::backend::{Backend, Stats};
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

/// Most requests in flight.
const MOST: usize = 8;

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
    let mut bare = Llama::load(Llama::backend()?, model, args.threads, args.gpu_layers)?;
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
        let (time, _) = answer(&mut exact, &first, &whole, args.serve)?;
        samples.add("exact", time);
        let rates = measure(&engine, &mut child, WIDTH)?;
        let (time, found) = answer(&mut drafting, &first, &whole, args.serve)?;
        samples.add("draft and verify", time);
        efficiency.push(f64::from(args.serve) / time / rates.drafted());
        stats.push(found);
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
    for (name, value) in [
        ("serve.exact_vs_llamacpp", ratio("exact")),
        ("serve.draft_verify_vs_llamacpp", ratio("draft and verify")),
        (
            "serve.draft_verify_efficiency",
            efficiency[efficiency.len() / 2],
        ),
        ("serve.acceptance", acceptance),
    ] {
        println!("  {name} {value:.2}");
        figures.insert(name.into(), json!(value));
    }
    Ok(())
}

/// Tokens a second of all requests together, 1, 2, 4 and 8 of them in flight, by the engine alone and under drafts.
pub fn together(args: &Args, model: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    if args.serve == 0 {
        return Ok(());
    }
    let engine = Engine::load(map_file(model)?, args.threads)?;
    let threads = u32::try_from(args.threads.get())?;
    let slots = LlamaChild::start_slots(ChildConfig {
        slots: MOST as u32,
        ..ChildConfig::new(model.to_owned(), CONTEXT, threads, args.gpu_layers)
    })?;
    let payload = Payload::greedy(&args.serve_prompt, args.serve);
    let request = request(&payload, Tolerance::default());
    let expected = Exact::new(engine.clone()).answer(&request).output;
    let mut sides = [
        (
            "exact",
            DraftAndVerify::each(&engine, vec![Nothing; MOST], 0),
        ),
        ("draft", DraftAndVerify::each(&engine, slots, WIDTH)),
    ];
    println!("served together, tokens a second of all:");
    for (name, backends) in &mut sides {
        for n in [1, 2, 4, MOST] {
            let mut rates = Vec::new();
            for _ in 0..args.rounds {
                let (time, answers) = timed(|| all_at_once(&mut backends[..n], &request));
                ensure!(
                    answers.iter().all(|output| *output == expected),
                    "another answer than the engine's own"
                );
                rates.push(n as f64 * f64::from(args.serve) / time);
            }
            rates.sort_by(f64::total_cmp);
            let rate = rates[rates.len() / 2];
            println!("  {name:<6} {n} in flight {rate:>9.1}");
            figures.insert(format!("serve.batch_{n}.{name}"), json!(rate));
        }
    }
    Ok(())
}

/// One answer of each backend, at once.
fn all_at_once(backends: &mut [Box<dyn Backend>], request: &[u8]) -> Vec<Vec<u8>> {
    std::thread::scope(|scope| {
        let answers: Vec<_> = backends
            .iter_mut()
            .map(|backend| scope.spawn(|| backend.answer(request).output))
            .collect();
        let joined = answers.into_iter().map(|answer| answer.join());
        joined
            .map(|output| output.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Seconds of the tokens after the first: of the whole answer less those of the first token alone, which reads the request
/// and the prompt. What the whole answer took beside.
fn answer(
    backend: &mut impl Backend,
    first: &[u8],
    whole: &[u8],
    tokens: u32,
) -> Result<(f64, Stats)> {
    let (alone, _) = timed(|| backend.answer(first));
    let (all, found) = timed(|| backend.answer(whole));
    let stats = found.stats;
    ensure!(stats.tokens == tokens + 1, "an answer cut short: {stats:?}");
    ensure!(stats.failed_drafts == 0, "a draft failed: {stats:?}");
    ensure!(
        all > alone,
        "one token took longer than {}: measure again",
        tokens + 1
    );
    Ok((all - alone, stats))
}
