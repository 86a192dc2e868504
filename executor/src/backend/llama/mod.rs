//! llama.cpp in a child process, the default drafter.

pub mod child;
pub mod protocol;
pub mod worker;
