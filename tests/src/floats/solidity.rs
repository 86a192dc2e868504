//! The contracts' operators in an EVM, many in one call.

use super::Pair;
use super::compare::Engine;
use super::operator::{Operator, family};
use crate::artifacts::artifact;
use alloy::primitives::{Address, U256};
use alloy::sol;
use alloy::sol_types::SolCall;
use assay_machine::isa::Op;
use assay_prover::evm::Evm;
use assay_prover::record::record;

sol! {
    /// Mirrors contracts/test/step/FloatHarness.sol.
    function run(uint256 op, bytes operands) external pure returns (bytes results);
}

/// The first calls of an operator, some thousands of edge values: with the steps enough for the mutation test.
const RECORDED_CALLS: usize = 6;

/// A harness in an EVM of its own.
pub struct Solidity {
    evm: Evm,
    harness: Address,
    name: &'static str,
    op: Op,
    calls: usize,
    /// Gas of all calls so far, without the transactions' own.
    pub gas: u64,
}

impl Solidity {
    /// The results, of 16 bytes each.
    fn call(&mut self, operands: Vec<u8>) -> Vec<[u8; 16]> {
        let call = runCall {
            op: U256::from(self.op as u16),
            operands: operands.into(),
        };
        let outcome = self.evm.view(self.harness, &call);
        if self.calls < RECORDED_CALLS {
            record(self.name, &call.abi_encode(), &outcome);
        }
        self.calls += 1;
        self.gas += outcome.execution_gas;
        let results = outcome.decode::<runCall>();
        let (results, rest) = results.as_chunks();
        assert!(rest.is_empty());
        results.to_vec()
    }
}

impl Engine for Solidity {
    const NAME: &'static str = "Solidity";
    /// About 7M gas for the dearest operator on four lanes.
    const BATCH: usize = 1000;

    fn new(operator: Operator) -> Solidity {
        let name = match family(operator.op) {
            4 => "Float32Harness",
            5 => "Float64Harness",
            8 => "VectorF32Harness",
            _ => "VectorF64Harness",
        };
        let mut evm = Evm::new();
        let harness = evm.deploy(&artifact(name).creation, &[]);
        Solidity {
            evm,
            harness,
            name,
            op: operator.op,
            calls: 0,
            gas: 0,
        }
    }

    fn numbers(&mut self, pairs: &[Pair]) -> Vec<Option<u64>> {
        let operands = pairs
            .iter()
            .flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()])
            .flatten()
            .collect();
        let results = self.call(operands).into_iter().map(u128::from_le_bytes);
        results
            .map(|r| (r as u64 == 0).then_some((r >> 64) as u64))
            .collect()
    }

    fn vectors(&mut self, pairs: &[(u128, u128)]) -> Vec<u128> {
        let operands = pairs
            .iter()
            .flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()])
            .flatten()
            .collect();
        let results = self.call(operands);
        results.into_iter().map(u128::from_le_bytes).collect()
    }
}
