//! A model is as good in the exact engine as in llama.cpp, whatever type its weights are of.

use assay_inference::tensors::Format;
use assay_inference_bench::quality::{compare, requantize, texts};
use std::num::NonZeroUsize;
use std::path::Path;

/// The devnet model, by llama.cpp's quantizer in each type; all its rows are multiples of 256, so the K types fit.
#[test]
fn every_type_is_as_good_as_in_llama_cpp() {
    let model = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../devnet/model/assay-stories.gguf"
    ));
    let dir = tempfile::tempdir().unwrap();
    let texts: Vec<String> = texts().unwrap().into_iter().step_by(12).collect();
    assert_eq!(texts.len(), 21);
    for format in Format::ALL {
        let file = dir.path().join(format.label());
        requantize(model, *format, &file).unwrap();
        let quality = compare(&file, &texts, NonZeroUsize::MIN).unwrap();
        let (error, agreement) = (quality.error(), quality.agreement());
        let per_id = quality.theirs / quality.ids as f64;
        println!(
            "{}: {} ids, {per_id:.4} nats each, off by {:.3} %, picks agree {:.2} %",
            format.label(),
            quality.ids,
            100.0 * error,
            100.0 * agreement
        );
        // A model that foretells nothing would be alike in both: this one has ln 1024 = 6.9 to lose.
        assert!(quality.ids > 1000 && per_id < 1.5, "{format:?}: {per_id}");
        assert!(error < 0.005, "{format:?}: {error}");
        assert!(agreement > 0.97, "{format:?}: {agreement}");
    }
}

#[test]
fn a_type_that_rows_do_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = assay_inference::testing::Tiny::default();
    let (from, to) = (dir.path().join("tiny"), dir.path().join("out"));
    assert_ne!(tiny.dim % 256, 0);
    std::fs::write(&from, tiny.gguf().bytes()).unwrap();
    requantize(&from, Format::Q5_0, &to).unwrap();
    let error = requantize(&from, Format::Q4_K, &to).unwrap_err();
    assert!(error.to_string().contains("not Q4_K"), "{error}");
}
