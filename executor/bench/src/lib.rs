//! The exact engine beside llama.cpp on the same files: how fast (the binary), and how alike.

pub mod llama;
pub mod quality;
