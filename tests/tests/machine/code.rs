//! What lockstep runs is what is committed: deployed code against `contracts/abi`, and the limits it has to keep.

use alloy::primitives::{Address, keccak256};
use assay_bindings::deploy::families;
use assay_prover::prover::Prover;
use assay_tests::artifacts::artifact;

/// EIP-170.
const MAX_CODE: usize = 24_576;

#[test]
fn deployed_step_contracts_are_the_committed_ones() {
    let mut prover = Prover::new();
    for ((name, _), address) in families().into_iter().zip(prover.families) {
        let artifact = artifact(name);
        assert!(
            artifact.immutables.is_empty(),
            "{name} depends on nothing but its calldata"
        );
        let code = prover.evm.code(address);
        assert_eq!(keccak256(&code), keccak256(&artifact.runtime), "{name}");
        assert!(code.len() < MAX_CODE, "{name} has {} bytes", code.len());
        println!("{name:16} {:5} bytes", code.len());
    }
    let artifact = artifact("OneStepProver");
    let code = prover.evm.code(prover.address);
    assert!(code.len() < MAX_CODE);
    assert_eq!(
        keccak256(artifact.without_immutables(&code)),
        keccak256(&artifact.runtime)
    );
    // Each immutable is a family, and each family is one.
    let mut found: Vec<Address> = artifact
        .immutables
        .iter()
        .map(|&(start, length)| {
            Address::from_word(code[start..start + length].try_into().expect("a word"))
        })
        .collect();
    found.sort();
    found.dedup();
    let mut families = prover.families.to_vec();
    families.sort();
    assert_eq!(found, families);
}
