//! The sequencer: takes requests, has executors answer them, posts the answers in batches.

pub mod admit;
pub mod ask;
pub mod book;
pub mod chain_view;
pub mod core;
pub mod entry;
pub mod flags;
pub mod follow;
pub mod grpc;
pub mod intake;
pub mod line;
pub mod market_view;
pub mod outputs;
pub mod payload;
pub mod post;
pub mod quote;
pub mod record;
pub mod route;
pub mod seeds;
pub mod segment;
pub mod service;
pub mod sessions;
pub mod turn;
pub mod wire;
pub mod work;
