//! A program and a model that the contracts know, of a few bytes.

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolCall;
use assay_bindings::ModelRegistry;
use assay_node::deployment::ModelEntry;
use assay_node::tx::{Call, TxManager};
use assay_types::hash::{fold, leaf_hash, zero_roots};
use assay_types::{Program, Tolerance, program};

/// Registers both; the contracts look at no more than their roots.
pub async fn register(user: &TxManager, registry: Address) -> ModelEntry {
    let zero = zero_roots();
    let program = Program {
        code: zero[17],
        segments: zero[25],
        table: zero[17],
        memory: zero[25],
        globals: zero[9],
        pages: 1,
        max_pages: 16,
        volatile_log2: 0,
        stack_cells: 1_024,
        a: 25,
        b: 25,
        entry: 1,
    };
    let p = (&program).into();
    let data = ModelRegistry::registerProgramCall { p }.abi_encode();
    let call = Call::new("registerProgram", registry, data);
    user.send(call).await.expect("registered");
    let length = 100u64;
    let mut leaf = [7u8; 128];
    leaf[..8].copy_from_slice(&length.to_le_bytes());
    leaf[108..].fill(0);
    let siblings: Vec<_> = zero[..33].to_vec();
    let root = fold(leaf_hash(&leaf), 0, &siblings);
    let words: Vec<B256> = siblings.iter().map(|h| B256::new(h.0)).collect();
    let call = ModelRegistry::registerModelCall {
        modelRoot: B256::new(root.0),
        length,
        programId: B256::new(program.id().0.0),
        maxGap: 0,
        maxFlips: 0,
        leaf: leaf.to_vec().into(),
        siblings: words.try_into().expect("33 of them"),
        uri: String::new(),
    };
    let call = Call::new("registerModel", registry, call.abi_encode());
    user.send(call).await.expect("registered");
    let id = program::model_id(root, length, program.id(), Tolerance::default());
    ModelEntry {
        id: B256::new(id.0.0),
        name: "test".to_owned(),
        program_id: B256::new(program.id().0.0),
        root: B256::new(root.0),
        length,
        max_gap: 0,
        max_flips: 0,
    }
}
