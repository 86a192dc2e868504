//! Each architecture computes what llama.cpp computes, up to the arithmetic's precision.

use assay_inference::native::{Engine, bytes};
use assay_inference::tensors::Format;
use assay_inference::testing::Tiny;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

/// llama.cpp is set up once a process.
static BACKEND: LazyLock<LlamaBackend> = LazyLock::new(|| {
    let mut backend = LlamaBackend::init().expect("llama.cpp starts");
    backend.void_logs();
    backend
});

/// The logits after each of `ids`.
fn llama(backend: &LlamaBackend, model: &[u8], ids: &[u32]) -> Vec<Vec<f32>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tiny.gguf");
    std::fs::write(&path, model).unwrap();
    let params = LlamaModelParams::default().with_n_gpu_layers(0);
    let model = LlamaModel::load_from_file(backend, &path, &params).unwrap();
    let params = LlamaContextParams::default()
        .with_n_threads(1)
        .with_type_k(KvCacheType::F32)
        .with_type_v(KvCacheType::F32);
    let mut context = model.new_context(backend, params).unwrap();
    let mut batch = LlamaBatch::new(ids.len(), 1);
    for (i, id) in ids.iter().enumerate() {
        batch
            .add(LlamaToken::new(*id as i32), i as i32, &[0], true)
            .unwrap();
    }
    context.decode(&mut batch).unwrap();
    (0..ids.len())
        .map(|i| context.get_logits_ith(i as i32).to_vec())
        .collect()
}

/// llama.cpp has no window in these architectures. Rotations are relative, so in a model of one layer a token that sees 16
/// positions scores as the last of these 16 does alone.
#[test]
fn a_window_scores_as_llama_cpp_that_is_given_no_more() {
    let backend = &*BACKEND;
    let ids: Vec<u32> = (0..48).map(|i| 3 + i * 37 % 300).collect();
    for architecture in ["llama", "qwen2", "qwen3"] {
        for window in [1, 16, 21] {
            let tiny = Tiny {
                architecture,
                format: Format::F32,
                dim: 128,
                layers: 1,
                window: window as u32,
                ..Tiny::default()
            };
            let model = tiny.gguf().bytes();
            let engine = Engine::load(bytes(model.clone()), NonZeroUsize::MIN).unwrap();
            let mut session = engine.session();
            let ours: Vec<_> = ids.iter().map(|id| session.scores(*id).unwrap()).collect();
            for at in [0, 15, 20, 21, 22, 30, 47] {
                let first = (at + 1usize).saturating_sub(window);
                let apart = |first: usize| {
                    let theirs = llama(backend, &model, &ids[first..=at]);
                    let theirs = theirs.last().unwrap();
                    let spread = theirs.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                    let pairs = ours[at].iter().zip(theirs);
                    pairs.fold(0.0f32, |m, (a, b)| m.max((a - b).abs() / spread))
                };
                let case = format!("{architecture}, window {window}, position {at}");
                assert!(apart(first) < 2e-3, "{case}: {}", apart(first));
                if first > 0 {
                    let more = apart(first - 1);
                    assert!(more > 2e-3, "{case}: one more is {more} off");
                }
            }
        }
    }
}

#[test]
fn every_architecture_scores_as_llama_cpp() {
    let backend = &*BACKEND;
    let tiny = Tiny {
        format: Format::F32,
        dim: 128,
        layers: 3,
        ..Tiny::default()
    };
    let models = [
        ("llama", tiny.clone()),
        (
            "tied",
            Tiny {
                tied: true,
                ..tiny.clone()
            },
        ),
        (
            "wide heads",
            Tiny {
                head: 64,
                ..tiny.clone()
            },
        ),
        (
            "linear scaling",
            Tiny {
                rope_factors: (4.0, None),
                ..tiny.clone()
            },
        ),
        (
            "divided frequencies",
            Tiny {
                rope_factors: (1.0, Some(1.25)),
                ..tiny.clone()
            },
        ),
        (
            "qwen2",
            Tiny {
                architecture: "qwen2",
                ..tiny.clone()
            },
        ),
        (
            "qwen3",
            Tiny {
                architecture: "qwen3",
                head: 64,
                ..tiny.clone()
            },
        ),
    ];
    let ids: Vec<u32> = (0..70).map(|i| 3 + i * 37 % 300).collect();
    for (name, tiny) in models {
        let model = tiny.gguf().bytes();
        let theirs = llama(backend, &model, &ids);
        let engine = Engine::load(bytes(model), NonZeroUsize::MIN).unwrap();
        let mut session = engine.session();
        let (mut worst, mut agree) = (0.0f32, 0);
        for (id, theirs) in ids.iter().zip(&theirs) {
            let ours = session.scores(*id).unwrap();
            let spread = theirs.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            for (a, b) in ours.iter().zip(theirs) {
                worst = worst.max((a - b).abs() / spread);
            }
            let best = |x: &[f32]| {
                x.iter()
                    .enumerate()
                    .fold(0, |best, (i, y)| if *y > x[best] { i } else { best })
            };
            agree += usize::from(best(&ours) == best(theirs));
        }
        println!(
            "{name}: largest difference {worst:.2e} of the largest score, {agree} of 70 picks"
        );
        // A pair rotated the wrong way, or a bias left out, differs by a tenth and more.
        assert!(worst < 2e-3, "{name}: {worst}");
        assert!(agree >= 68, "{name}: {agree}");
    }
}
