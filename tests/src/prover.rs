//! The deployed step contracts, asked for one step at a time.

use crate::artifacts::artifact;
use crate::evm::{Evm, Outcome};
use alloy::primitives::Address;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use assay_types::{Hash, StateRoot};

sol! {
    /// Mirrors contracts/src/machine/IOneStepProver.sol.
    #[derive(Debug)]
    struct StepContext {
        bytes32 codeRoot;
        bytes32 segmentsRoot;
        bytes32[3] romRoots;
        uint32 maxPages;
        uint8 volatileLog2;
        uint32 stackCells;
        uint8 b;
        uint32 entry;
    }

    #[derive(Debug)]
    function step(StepContext ctx, uint64 index, bytes witness) external view returns (bytes32 beforeRoot, bytes32 afterRoot);

    #[derive(Debug, PartialEq)]
    error BadHeader();
    #[derive(Debug, PartialEq)]
    error BadWitnessLength();
    #[derive(Debug, PartialEq)]
    error BadWitnessFold();
}

/// The families, in the order of the prover's constructor.
pub const FAMILIES: [&str; 10] = [
    "StepControl",
    "StepMemory",
    "StepInteger",
    "StepFloat32",
    "StepFloat64",
    "StepVector",
    "StepLanes",
    "StepVectorF32",
    "StepVectorF64",
    "StepTable",
];

/// An EVM with a deployed OneStepProver.
pub struct Prover {
    /// The EVM.
    pub evm: Evm,
    /// The families, as in [`FAMILIES`].
    pub families: [Address; 10],
    /// The OneStepProver.
    pub address: Address,
}

impl Default for Prover {
    fn default() -> Self {
        Prover::new()
    }
}

impl Prover {
    /// Deploys the committed bytecode.
    pub fn new() -> Prover {
        let mut evm = Evm::new();
        let families = FAMILIES.map(|name| evm.deploy(&artifact(name).creation, &[]));
        let address = evm.deploy(&artifact("OneStepProver").creation, &families.abi_encode());
        Prover {
            evm,
            families,
            address,
        }
    }

    /// The step at trace index `index`: roots before and after, and the call's outcome. No roots if it reverted.
    pub fn step(
        &mut self,
        ctx: &StepContext,
        index: u64,
        witness: &[u8],
    ) -> (Option<(StateRoot, StateRoot)>, Outcome) {
        let call = stepCall {
            ctx: ctx.clone(),
            index,
            witness: witness.to_vec().into(),
        };
        let outcome = self.evm.view(self.address, &call);
        let roots = outcome.result.as_ref().ok().map(|data| {
            let r = stepCall::abi_decode_returns(data).expect("returns two roots");
            (
                StateRoot(Hash(r.beforeRoot.0)),
                StateRoot(Hash(r.afterRoot.0)),
            )
        });
        (roots, outcome)
    }
}
