//! What every part of Assay must agree on: hashes, tags, tree shapes and canonical encodings.
//!
//! `no_std`; mirrors `docs/encoding.md`. Solidity's copies of [`params`] are generated from here.
#![no_std]

extern crate alloc;

pub mod game;
pub mod hash;
pub mod output;
pub mod params;
pub mod program;
pub mod request;
pub mod state;

pub use hash::{Hash, keccak256, leaf_hash, node_hash};
pub use program::{ModelId, Program, ProgramId, Tolerance};
pub use state::{Header, StateRoot, Status};
