//! Trains a small vocabulary on this repository's text and writes it as a GGUF file with the smallest of models.
//!
//! `cargo run --release -p assay-inference --example train_vocabulary -- llama-bpe vocabulary.gguf`; `llama` for SentencePiece.

use assay_inference::testing::train::{Recipe, cut_of};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: train_vocabulary llama|llama-bpe|qwen2|gpt-2|default FILE";
    let [name, file] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| usage)?;
    let pre: Option<&'static str> = match &*name {
        "llama" => None,
        _ if cut_of(&name).is_some() => Some(name.leak()),
        _ => return Err(usage.into()),
    };
    let bytes = Recipe::new(pre).gguf().bytes();
    std::fs::write(&file, &bytes)?;
    println!("{file}: {} bytes", bytes.len());
    Ok(())
}
