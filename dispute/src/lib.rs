//! The dispute game: a pure mirror and player, and the services that play it on a chain.
//!
//! `game`, `clock`, `action`, `solver` and `trace` are pure: no chain, no clock of their own, no I/O.

pub mod action;
pub mod clock;
pub mod game;
pub mod multiproof;
pub mod solver;
pub mod trace;
