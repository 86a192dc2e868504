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

/// A loaded model with an empty cache.
pub struct Llama {
    // Leaked: it lives as long as the bench, and the context borrows it.
    model: &'static LlamaModel,
    backend: &'static LlamaBackend,
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

    /// Loads a file, `gpu_layers` of its layers onto a GPU.
    pub fn load(
        backend: &'static LlamaBackend,
        path: &Path,
        threads: NonZeroUsize,
        gpu_layers: u32,
    ) -> Result<Llama> {
        let params = LlamaModelParams::default().with_n_gpu_layers(gpu_layers);
        let model: &'static LlamaModel = Box::leak(Box::new(LlamaModel::load_from_file(
            backend, path, &params,
        )?));
        let threads = i32::try_from(threads.get())?;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(2048))
            .with_n_batch(512)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        Ok(Llama {
            model,
            backend,
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

    /// Seconds of decoding `steps` ids of each of `n` sequences, one of each at a time, after one that doesn't count.
    pub fn run_together(&self, n: u32, steps: usize) -> Result<f64> {
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(n * 256))
            .with_n_batch(512)
            .with_n_seq_max(n);
        let mut context = self.model.new_context(self.backend, params)?;
        let mut decode = |at: usize| -> Result<()> {
            let mut batch = LlamaBatch::new(n as usize, 1);
            for sequence in 0..i32::try_from(n)? {
                let token = LlamaToken::new(300 + (7 * sequence + at as i32) % 31_000);
                batch.add(token, i32::try_from(at)?, &[sequence], true)?;
            }
            context.decode(&mut batch)?;
            std::hint::black_box(context.get_logits_ith(0));
            Ok(())
        };
        decode(0)?;
        let started = Instant::now();
        (1..=steps).try_for_each(decode)?;
        Ok(started.elapsed().as_secs_f64())
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

    fn best(&self) -> Result<u32> {
        let logits = self.context.get_logits();
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (id, _) = best.context("there are logits")?;
        Ok(u32::try_from(id)?)
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
