//! llama.cpp, fed as the engine is.

use anyhow::{Context, Result, anyhow};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use std::ffi::CStr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

/// What it was built with.
pub fn system_info() -> String {
    // SAFETY: llama.cpp gives a string that lasts as long as the process.
    let text = unsafe { CStr::from_ptr(llama_cpp_sys_2::llama_print_system_info()) };
    text.to_string_lossy().into_owned()
}

/// Tokens of the cache, a sequence.
const SEQUENCE: u32 = 2048;

/// A loaded model with an empty cache.
pub struct Llama {
    // Leaked: it lives as long as the bench, and the context borrows it.
    model: &'static LlamaModel,
    context: LlamaContext<'static>,
}

impl Llama {
    /// llama.cpp itself, once a process.
    pub fn backend() -> Result<&'static LlamaBackend> {
        static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
        let backend = BACKEND.get_or_init(|| {
            let mut backend = LlamaBackend::init().map_err(|e| e.to_string())?;
            backend.void_logs();
            Ok(backend)
        });
        backend.as_ref().map_err(|e| anyhow!("{e}"))
    }

    /// Loads a file.
    pub fn load(
        backend: &'static LlamaBackend,
        path: &Path,
        threads: NonZeroUsize,
    ) -> Result<Llama> {
        Llama::load_for(backend, path, threads, 0, 1)
    }

    /// Loads a file, with some layers on a GPU, for some sequences at once.
    pub fn load_for(
        backend: &'static LlamaBackend,
        path: &Path,
        threads: NonZeroUsize,
        gpu_layers: u32,
        sequences: u32,
    ) -> Result<Llama> {
        let params = LlamaModelParams::default().with_n_gpu_layers(gpu_layers);
        let model: &'static LlamaModel = Box::leak(Box::new(LlamaModel::load_from_file(
            backend, path, &params,
        )?));
        let threads = i32::try_from(threads.get())?;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(SEQUENCE * sequences))
            .with_n_batch(512)
            .with_n_seq_max(sequences)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        Ok(Llama {
            model,
            context: model.new_context(backend, params)?,
        })
    }

    /// The ids of a whole text, from the beginning-of-text token to the end-of-text token.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let vocab = self.model.vocab();
        let mut ids = vocab.tokenize(text.as_bytes(), true, false);
        if !vocab.should_add_eos() {
            ids.push(vocab.eos());
        }
        Ok(ids
            .into_iter()
            .map(|id| u32::try_from(id.0))
            .collect::<Result<_, _>>()?)
    }

    /// The logits after each of `ids`, which fit a batch, from an empty cache.
    pub fn scores(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.context.clear_kv_cache();
        self.decode(ids, 0, true)?;
        let rows = 0..i32::try_from(ids.len())?;
        Ok(rows
            .map(|i| self.context.get_logits_ith(i).to_vec())
            .collect())
    }

    /// Seconds of a prefill of `ids`, and of decoding its first `count` one by one after it.
    pub fn run(&mut self, ids: &[u32], count: usize) -> Result<(f64, f64)> {
        self.context.clear_kv_cache();
        let started = Instant::now();
        self.feed(ids, 0)?;
        let prefill = started.elapsed().as_secs_f64();
        let started = Instant::now();
        for (i, id) in ids[..count].iter().enumerate() {
            self.feed(&[*id], ids.len() + i)?;
        }
        Ok((prefill, started.elapsed().as_secs_f64()))
    }

    /// Seconds of `count` ids, each the greatest logit's, after a prompt and the first id, which don't count.
    pub fn greedy(&mut self, prompt: &[u32], count: u32) -> Result<f64> {
        self.context.clear_kv_cache();
        self.feed(prompt, 0)?;
        let mut id = self.best()?;
        let started = Instant::now();
        for i in 0..count as usize {
            self.feed(&[id], prompt.len() + i)?;
            id = self.best()?;
        }
        Ok(started.elapsed().as_secs_f64())
    }

    /// Seconds of `count` steps, each of which decodes the greatest logit's id in every one of `sequences` sequences at
    /// once. Their prompts differ in the last id, and don't count.
    pub fn greedy_many(&mut self, prompt: &[u32], sequences: u32, count: u32) -> Result<f64> {
        self.context.clear_kv_cache();
        let (mut ids, len) = (Vec::new(), i32::try_from(prompt.len())?);
        let mut batch = LlamaBatch::new(prompt.len().max(sequences as usize), 1);
        for sequence in 0..i32::try_from(sequences)? {
            batch.clear();
            for (at, id) in (0..).zip(prompt) {
                let last = at + 1 == len;
                let id = i32::try_from(*id)? + if last { sequence } else { 0 };
                batch.add(LlamaToken::new(id), at, &[sequence], last)?;
            }
            self.context.decode(&mut batch)?;
            ids.push(best(self.context.get_logits())?);
        }
        let started = Instant::now();
        for step in 0..i32::try_from(count)? {
            batch.clear();
            for (sequence, id) in (0..).zip(&ids) {
                let id = LlamaToken::new(i32::try_from(*id)?);
                batch.add(id, len + step, &[sequence], true)?;
            }
            self.context.decode(&mut batch)?;
            for (row, id) in (0..).zip(&mut ids) {
                *id = best(self.context.get_logits_ith(row))?;
            }
        }
        Ok(started.elapsed().as_secs_f64())
    }

    fn best(&self) -> Result<u32> {
        best(self.context.get_logits())
    }

    fn feed(&mut self, ids: &[u32], at: usize) -> Result<()> {
        self.decode(ids, at, false)?;
        // The logits are there once they are asked for.
        std::hint::black_box(self.context.get_logits());
        Ok(())
    }

    /// Computes `ids` from position `at` on; keeps the logits of all, or of the last.
    fn decode(&mut self, ids: &[u32], at: usize, all: bool) -> Result<()> {
        let mut batch = LlamaBatch::new(ids.len(), 1);
        for (i, id) in ids.iter().enumerate() {
            let token = LlamaToken::new(i32::try_from(*id)?);
            batch.add(
                token,
                i32::try_from(at + i)?,
                &[0],
                all || i + 1 == ids.len(),
            )?;
        }
        self.context.decode(&mut batch)?;
        Ok(())
    }
}

fn best(logits: &[f32]) -> Result<u32> {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    let (id, _) = best.context("there are logits")?;
    Ok(u32::try_from(id)?)
}
