//! The contracts as Rust sees them: generated types, the hashes they sign and store, and how they are deployed.
//!
//! Generated from the committed `contracts/abi`; building this needs no Solidity compiler.

pub mod abi;
pub mod ask;
pub mod blob_refs;
pub mod convert;
pub mod deploy;
pub mod game;
pub mod hashes;
pub mod market;
pub mod presets;
pub mod results;
pub mod sign;
pub mod work;

pub use abi::{
    AssetStaking, BlobDisputeGame, BlobRollup, ClaimRef, DisputeGame, Erc20Asset, GameContext,
    Inbox, InferenceHub, InferenceMarket, LivenessPenalty, ModelCatalog, ModelRegistry, Request,
    RequestParams, ReviewJudge, Rollup, Segment, SegmentResult, SignedRequest, Staking,
    Subscriptions,
};
