//! What a dispute needs of a whole answer: roots on the way by the native twin, and the program in wasmtime.

use crate::{Args, timed};
use anyhow::{Context, Result, ensure};
use assay_inference::native::{Engine, Verdict, map_file};
use assay_inference::testing::request;
use assay_inference_bench::llama::Llama;
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::rom::Rom;
use assay_machine::trace::Engine as _;
use assay_twin::{GUEST_WASM, TwinEngine, guest};
use assay_types::request::Payload;
use assay_types::{Status, Tolerance};
use serde_json::{Map, Value, json};
use std::num::NonZeroUsize;
use std::path::Path;

/// An answer of about `tokens` tokens, a quarter of them the output.
fn answer(engine: &Engine, tokens: usize) -> Result<(Vec<u8>, Vec<u8>)> {
    let output = tokens / 4;
    // "he" and "in" are tokens; spaces join them.
    let prompt = "he in ".repeat((tokens - output) / 4);
    let payload = Payload::greedy(&prompt, u32::try_from(output)?);
    let request = request(&payload, Tolerance::default());
    let prepared = engine
        .prepare(&request)
        .map_err(|e| anyhow::anyhow!("{e:?}"))?;
    println!(
        "  {} tokens of prompt, {output} of output at most",
        prepared.prompt().len()
    );
    let output = engine.answer_exact(&request).encode();
    Ok((request, output))
}

/// 31 roots over a whole run beside a check of it, and 31 more within one piece.
pub fn trace(args: &Args, model: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    if args.replay[0] == 0 {
        return Ok(());
    }
    let data = map_file(model)?;
    let (hashing, rom) = timed(|| Rom::shared(data.clone()));
    println!("trace: the model's tree takes {hashing:.1} s");
    let engine = Engine::load(data, args.threads)?;
    let (request, output) = answer(&engine, args.replay[0])?;
    let roms = [Rom::new(&request), Rom::new(&output), rom];
    let twin = || TwinEngine::with_kernels(engine.clone(), roms.clone());
    let (end, status) = twin().finish(u64::MAX >> 26);
    ensure!(
        status == Status::Halted(0),
        "the engine's own answer is right"
    );
    let points = |from: u64, to: u64| -> Vec<u64> {
        (1..=31).map(|i| from + (to - from) * i / 32).collect()
    };
    let whole = points(0, end);
    let (mut checks, mut firsts, mut laters) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let (seconds, verdict) = timed(|| engine.check(&request, &output));
        ensure!(
            verdict == Verdict::Right,
            "the engine's own answer is right"
        );
        checks.push(seconds);
        let mut twin = twin();
        firsts.push(timed(|| twin.roots(&whole)).0);
        laters.push(timed(|| twin.roots(&points(whole[20], whole[21]))).0);
    }
    let median = |all: &mut Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let [check, first, later] = [&mut checks, &mut firsts, &mut laters].map(median);
    println!(
        "  {end} yields; check {check:.2} s, 31 roots {first:.2} s ({:.2} x), 31 more in one piece {later:.2} s ({:.2} x of the first)",
        first / check,
        later / first
    );
    figures.insert("trace.vs_verify".into(), json!(first / check));
    figures.insert("trace.later_vs_first".into(), json!(later / first));
    Ok(())
}

/// The committed guest in wasmtime beside llama.cpp's prefill of as many tokens, one thread each.
pub fn wasm(args: &Args, model: &Path, figures: &mut Map<String, Value>) -> Result<()> {
    if args.replay[1] == 0 {
        return Ok(());
    }
    println!("wasmtime:");
    let data = map_file(model)?;
    let engine = Engine::load(data.clone(), args.threads)?;
    let (request, output) = answer(&engine, args.replay[1])?;
    let prompt = engine
        .prepare(&request)
        .map_err(|e| anyhow::anyhow!("{e:?}"))?
        .prompt();
    let fed = prompt.len() + args.replay[1] / 4 - 1;
    let ids: Vec<u32> = (0..fed).map(|i| prompt[i % prompt.len()]).collect();
    drop(engine);
    let compiled = Compiled::new(GUEST_WASM, guest()).context("the guest compiles")?;
    let roms = [Rom::new(&request), Rom::new(&output), Rom::shared(data)];
    let mut llama = Llama::load(Llama::backend()?, model, NonZeroUsize::MIN, 0)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut engine = CompiledEngine::new(compiled.clone(), roms.clone());
        let (seconds, end) = timed(|| engine.finish(u64::MAX >> 26));
        let (_, status) = end
            .map_err(|e| anyhow::anyhow!("{e}"))?
            .context("the run ends")?;
        ensure!(
            status == Status::Halted(0),
            "the engine's own answer is right"
        );
        ours.push(seconds);
        theirs.push(llama.run(&ids, 0)?.0);
    }
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    println!(
        "  {fed} positions: guest in wasmtime {:.1} s, llama.cpp prefill {:.1} s, {:.2} x",
        ours[1],
        theirs[1],
        ours[1] / theirs[1]
    );
    figures.insert("wasm.vs_llamacpp_1t".into(), json!(ours[1] / theirs[1]));
    Ok(())
}
