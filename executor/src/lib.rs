//! The executor: answers requests with llama.cpp, checks every token by the program's rules, signs and defends.

pub mod backend;
