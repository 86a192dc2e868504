//! The shell that every Assay service shares: configuration, logs, health, keys, chain access, data that survives.

pub mod admin;
pub mod anvil;
pub mod args;
pub mod beacon;
pub mod blob;
pub mod chain;
pub mod config;
pub mod crc;
pub mod dangerous;
pub mod data_dir;
pub mod deployment;
pub mod follower;
pub mod health;
pub mod journal;
pub mod key;
pub mod logs;
pub mod metrics;
pub mod retry;
pub mod revert;
pub mod seed;
pub mod shell;
pub mod shutdown;
pub mod status;
pub mod store;
pub mod tx;
pub mod url;
