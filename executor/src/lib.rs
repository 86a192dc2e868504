//! The executor: answers requests by the program's rules, alone or over llama.cpp's drafts, signs and defends.

pub mod args;
pub mod ask;
pub mod backend;
pub mod book;
pub mod cheat;
pub mod check;
pub mod direct;
pub mod link;
pub mod metrics;
pub mod models;
pub mod office;
pub mod pack;
pub mod promise;
pub mod segment;
pub mod service;
pub mod stake;
