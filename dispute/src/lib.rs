//! The dispute game: a pure mirror and player, and the services that play it on a chain.
//!
//! `action`, `clock`, `docket`, `game`, `multiproof`, `purse`, `solver` and `trace` are pure: no chain, no clock of their own, no I/O.

pub mod action;
pub mod ask;
pub mod audit;
pub mod blobs;
pub mod calls;
pub mod cashier;
pub mod claim_ref;
pub mod clock;
pub mod court;
pub mod defender;
pub mod docket;
pub mod flipped;
pub mod game;
pub mod inputs;
pub mod keeper;
pub mod ledger;
pub mod library;
pub mod lies;
pub mod memo;
pub mod multiproof;
pub mod player;
pub mod purse;
pub mod reader;
pub mod record;
pub mod rehearsal;
pub mod responder;
pub mod service;
pub mod solver;
pub mod trace;
pub mod watcher;
pub mod watchtower;
