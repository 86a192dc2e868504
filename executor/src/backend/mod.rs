//! How answers are found.

pub mod llama;
