//! The deployed step contracts, asked for one step at a time.

use crate::evm::{Evm, Outcome, Tx};
use crate::record::record;
use alloy::primitives::Address;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use assay_bindings::abi::OneStepProver;
use assay_bindings::deploy::families;
use assay_machine::access::replay::FixedRoots;
use assay_machine::image::{Image, Limits};
use assay_machine::rom::Rom;
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

/// Program part of a step's context.
pub fn context(image: &Image, roms: &[Rom; 3]) -> (StepContext, FixedRoots) {
    let fixed = FixedRoots {
        code: image.program.code,
        segments: image.program.segments,
        roms: [0, 1, 2].map(|i| roms[i].root()),
    };
    (step_context(&image.limits, &fixed), fixed)
}

/// The same, of a program that only its numbers and roots are known of.
pub fn step_context(limits: &Limits, fixed: &FixedRoots) -> StepContext {
    StepContext {
        codeRoot: fixed.code.0.into(),
        segmentsRoot: fixed.segments.0.into(),
        romRoots: fixed.roms.map(|r| r.0.into()),
        maxPages: limits.max_pages,
        volatileLog2: limits.volatile_log2,
        stackCells: limits.stack_cells,
        b: limits.b,
        entry: limits.entry,
    }
}

/// An EVM with a deployed OneStepProver.
pub struct Prover {
    /// The EVM.
    pub evm: Evm,
    /// The families, in the order of [`assay_bindings::deploy::families`].
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
        let families = families().map(|(_, code)| evm.deploy(code, &[]));
        let address = evm.deploy(&OneStepProver::BYTECODE, &families.abi_encode());
        Prover {
            evm,
            families,
            address,
        }
    }

    /// Calldata of [`Prover::step`].
    pub fn calldata(ctx: &StepContext, index: u64, witness: &[u8]) -> Vec<u8> {
        let call = stepCall {
            ctx: ctx.clone(),
            index,
            witness: witness.to_vec().into(),
        };
        call.abi_encode()
    }

    /// The step at trace index `index`: roots before and after, and the call's outcome. No roots if it reverted.
    pub fn step(
        &mut self,
        ctx: &StepContext,
        index: u64,
        witness: &[u8],
    ) -> (Option<(StateRoot, StateRoot)>, Outcome) {
        let calldata = Prover::calldata(ctx, index, witness);
        let outcome = self.evm.try_send(Tx {
            to: Some(self.address),
            data: calldata.clone().into(),
            ..Tx::default()
        });
        record("OneStepProver", &calldata, &outcome);
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
