//! Calls, events, errors and structs, generated from `contracts/abi`.
//!
//! Each contract's module carries its own copy of the structs that cross its border; those of [`rollup`] are the ones
//! to use, and [`crate::convert`] turns them into the others.

/// Declares one module for each committed ABI.
macro_rules! contracts {
    ($($(#[$doc:meta])* $module:ident $name:ident $path:literal;)*) => {$(
        $(#[$doc])*
        #[allow(missing_docs, clippy::too_many_arguments, clippy::large_enum_variant)]
        pub mod $module {
            alloy::sol!(
                #[sol(rpc, all_derives)]
                $name,
                $path
            );
        }
        pub use $module::$name;
    )*};
}

contracts! {
    /// Programs and models that can be asked.
    model_registry ModelRegistry "../abi/ModelRegistry.json";
    /// Executors' stakes.
    staking Staking "../abi/Staking.json";
    /// Executors' stakes in another asset than ether.
    asset_staking AssetStaking "../abi/AssetStaking.json";
    /// Stake in an ERC-20 token.
    erc20_asset Erc20Asset "../abi/Erc20Asset.json";
    /// What a promised answer costs that does not come.
    liveness_penalty LivenessPenalty "../abi/LivenessPenalty.json";
    /// Where questions come in.
    inbox Inbox "../abi/Inbox.json";
    /// Batches, finality, delivery.
    rollup Rollup "../abi/Rollup.json";
    /// The same where outputs may be in blobs.
    blob_rollup BlobRollup "../abi/BlobRollup.json";
    /// The bisection game.
    dispute_game DisputeGame "../abi/DisputeGame.json";
    /// The bisection game with its roots in blobs.
    blob_dispute_game BlobDisputeGame "../abi/BlobDisputeGame.json";
    /// One step of the machine.
    one_step_prover OneStepProver "../abi/OneStepProver.json";
    /// Step family: control.
    step_control StepControl "../abi/StepControl.json";
    /// Step family: memory.
    step_memory StepMemory "../abi/StepMemory.json";
    /// Step family: integers.
    step_integer StepInteger "../abi/StepInteger.json";
    /// Step family: f32.
    step_float32 StepFloat32 "../abi/StepFloat32.json";
    /// Step family: f64.
    step_float64 StepFloat64 "../abi/StepFloat64.json";
    /// Step family: whole vectors.
    step_vector StepVector "../abi/StepVector.json";
    /// Step family: integer lanes.
    step_lanes StepLanes "../abi/StepLanes.json";
    /// Step family: f32 lanes.
    step_vector_f32 StepVectorF32 "../abi/StepVectorF32.json";
    /// Step family: f64 lanes.
    step_vector_f64 StepVectorF64 "../abi/StepVectorF64.json";
    /// Step family: tables.
    step_table StepTable "../abi/StepTable.json";
    /// Quotes, orders and what they pay: what a dApp talks to.
    inference_hub InferenceHub "../abi/InferenceHub.json";
    /// What executors ask.
    inference_market InferenceMarket "../abi/InferenceMarket.json";
    /// What models earn.
    model_catalog ModelCatalog "../abi/ModelCatalog.json";
    /// Questions that are asked again and again.
    subscriptions Subscriptions "../abi/Subscriptions.json";
    /// The sample dApp.
    review_judge ReviewJudge "../abi/ReviewJudge.json";
}

pub use blob_dispute_game::BlobDisputeGame::{BlobMove, BlobPiece, BlobProof};
pub use blob_rollup::BlobRollup::BlobSegment;
pub use dispute_game::DisputeGame::{BlobOpening, ClaimGames, GameContext, GameState, Move, Proof};
pub use inbox::Inbox::RequestStatus;
pub use inference_hub::InferenceHub::{Offer, Order, SignedAsk, Terms};
pub use inference_market::InferenceMarket::{AskTerms, Checkpoint};
pub use model_registry::ModelRegistry::{Model, Program};
pub use rollup::Rollup::{
    ClaimRef, Request, RequestParams, Result as SegmentResult, Segment, SignedRequest,
};
