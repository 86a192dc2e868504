//! How well a model does in the exact engine beside llama.cpp, from the same file: cross-entropy, and who picks what.

use crate::llama::Llama;
use anyhow::{Context, Result, bail, ensure};
use assay_inference::native::{Engine, map_file};
use assay_inference::tensors::Format;
use llama_cpp_sys_2 as sys;
use serde_json::Value;
use std::ffi::CString;
use std::num::NonZeroUsize;
use std::path::Path;

/// Prompts that the devnet model's training was kept from, with their answers.
const PROMPTS: &str = include_str!("../../../devnet/model/held_out.jsonl");
/// Stories of the grammar that it was trained on (`stories.py`), drawn with another seed (20261126).
const STORIES: &str = include_str!("../tests/stories.jsonl");

/// Sums over some texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quality {
    /// Ids that were foretold: all but the first of each text.
    pub ids: usize,
    /// Nats by the exact engine, for all of them together.
    pub ours: f64,
    /// Nats by llama.cpp.
    pub theirs: f64,
    /// At how many of them both find the same id the likeliest.
    pub agree: usize,
}

impl Quality {
    /// By how much the exact engine's cross-entropy is off llama.cpp's, as a part of it.
    pub fn error(&self) -> f64 {
        (self.ours - self.theirs).abs() / self.theirs
    }

    /// The part of the ids at which the greedy picks agree.
    pub fn agreement(&self) -> f64 {
        self.agree as f64 / self.ids as f64
    }
}

/// Held-out texts of the devnet model.
pub fn texts() -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for line in PROMPTS.lines().chain(STORIES.lines()) {
        let line: Value = serde_json::from_str(line)?;
        let prompt = line["prompt"].as_str().context("a prompt")?;
        // Some prompts stand alone.
        if let Some(answer) = line["answer"].as_str() {
            texts.push(format!("{prompt}{answer}"));
        }
    }
    Ok(texts)
}

/// llama.cpp's name for files whose matrices are of a type; of the K mixtures the least, though `pure` makes them one.
fn file_type(format: Format) -> sys::llama_ftype {
    match format {
        Format::F32 => sys::LLAMA_FTYPE_ALL_F32,
        Format::F16 => sys::LLAMA_FTYPE_MOSTLY_F16,
        Format::BF16 => sys::LLAMA_FTYPE_MOSTLY_BF16,
        Format::Q4_0 => sys::LLAMA_FTYPE_MOSTLY_Q4_0,
        Format::Q4_1 => sys::LLAMA_FTYPE_MOSTLY_Q4_1,
        Format::Q5_0 => sys::LLAMA_FTYPE_MOSTLY_Q5_0,
        Format::Q5_1 => sys::LLAMA_FTYPE_MOSTLY_Q5_1,
        Format::Q8_0 => sys::LLAMA_FTYPE_MOSTLY_Q8_0,
        Format::Q4_K => sys::LLAMA_FTYPE_MOSTLY_Q4_K_S,
        Format::Q5_K => sys::LLAMA_FTYPE_MOSTLY_Q5_K_S,
        Format::Q6_K => sys::LLAMA_FTYPE_MOSTLY_Q6_K,
    }
}

/// Writes the model with every matrix in `format`, by llama.cpp's own quantizer.
pub fn requantize(from: &Path, format: Format, to: &Path) -> Result<()> {
    Llama::backend()?;
    let name = |path: &Path| -> Result<CString> {
        Ok(CString::new(path.to_str().context("a path in UTF-8")?)?)
    };
    let (from, to) = (name(from)?, name(to)?);
    // SAFETY: both names end in 0 and outlive the call; the parameters are the library's own but for plain numbers.
    let failed = unsafe {
        let mut params = sys::llama_model_quantize_default_params();
        params.nthread = 1;
        params.ftype = file_type(format);
        params.allow_requantize = true;
        params.pure_ = true;
        sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &params)
    };
    ensure!(failed == 0, "llama.cpp does not quantize to {format:?}");
    check_types(&to, format)
}

/// llama.cpp takes another type where rows don't fit: then a figure would be of a type that it does not name.
fn check_types(file: &CString, format: Format) -> Result<()> {
    let params = sys::gguf_init_params {
        no_alloc: true,
        ctx: std::ptr::null_mut(),
    };
    // SAFETY: the name ends in 0; the context is used before it is freed, with indices below its count.
    let kinds: Vec<(i64, sys::ggml_type)> = unsafe {
        let gguf = sys::gguf_init_from_file(file.as_ptr(), params);
        ensure!(!gguf.is_null(), "llama.cpp wrote no GGUF file");
        let tensors = 0..sys::gguf_get_n_tensors(gguf);
        let kinds = tensors
            .map(|i| {
                let rows = *sys::gguf_get_tensor_ne(gguf, i).add(1);
                (rows, sys::gguf_get_tensor_type(gguf, i))
            })
            .collect();
        sys::gguf_free(gguf);
        kinds
    };
    let matrices: Vec<_> = kinds.iter().filter(|(rows, _)| *rows > 1).collect();
    ensure!(!matrices.is_empty(), "the file has matrices");
    match matrices.iter().find(|(_, kind)| *kind != format as u32) {
        Some((_, kind)) => bail!("a matrix became type {kind} and not {format:?}"),
        None => Ok(()),
    }
}

/// Both engines read the texts, each from an empty cache, and foretell every id from those before it.
pub fn compare(model: &Path, texts: &[String], threads: NonZeroUsize) -> Result<Quality> {
    let mut llama = Llama::load(Llama::backend()?, model, threads, 0)?;
    let engine = Engine::load(map_file(model)?, threads)?;
    let mut quality = Quality::default();
    for text in texts {
        let ids = llama.ids(text)?;
        let theirs = llama.scores(&ids)?;
        let mut session = engine.session();
        for (pair, theirs) in ids.windows(2).zip(&theirs) {
            let ours = session
                .scores(pair[0])
                .map_err(|_| anyhow::anyhow!("the model left the finite numbers"))?;
            quality.ids += 1;
            quality.ours += nats(&ours, pair[1]);
            quality.theirs += nats(theirs, pair[1]);
            quality.agree += usize::from(best(&ours) == best(theirs));
        }
    }
    Ok(quality)
}

/// `-ln` of the probability that `scores` give `id`.
fn nats(scores: &[f32], id: u32) -> f64 {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
    let above = |x: f32| f64::from(x) - f64::from(largest);
    let sum: f64 = scores.iter().map(|x| above(*x).exp()).sum();
    sum.ln() - above(scores[id as usize])
}

/// The first of the best.
fn best(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best })
}
