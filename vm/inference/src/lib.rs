//! The program P: checks a language model's answer by recomputing it, one macro step at a time.
//!
//! The core needs no std and no allocator: all state lives in an arena laid out in [`layout`]. `NUMERICS.md` gives every
//! operator's arithmetic. With feature `std` come the native machine and the engine that answers and checks quickly.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod areas;
pub mod arena;
pub mod attention;
pub mod blocks;
pub mod bpe;
pub mod choices;
pub mod draw;
pub mod error;
pub mod forward;
pub mod gguf;
pub mod heap;
pub mod host;
pub mod keys;
pub mod layout;
pub mod logits;
pub mod math;
pub mod matmul;
pub mod merge;
pub mod model;
pub mod noise;
pub mod ops;
pub mod pairs;
pub mod plan;
pub mod pre;
pub mod program;
pub mod quantize;
pub mod request;
pub mod rope;
pub mod sampler;
pub mod special;
pub mod split;
pub mod tensors;
pub mod text;
pub mod unicode;
pub mod unicode_table;
pub mod vocab;
pub mod words;

#[cfg(feature = "std")]
pub mod native;
#[cfg(feature = "testing")]
pub mod testing;
