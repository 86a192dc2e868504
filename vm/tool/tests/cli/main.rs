//! The command itself, as a user runs it: every subcommand, every kind of bad input, and witness files that were tampered with.

mod bad_input;
mod commands;
mod fixtures;
mod tampering;
