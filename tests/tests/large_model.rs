//! A model of 1.2 GB can be asked on a devnet that was made for it.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolConstructor;
use assay_bindings::deploy::{Parameters, plan};
use assay_bindings::{Inbox, ModelRegistry, ReviewJudge};
use assay_prover::evm::{Evm, Outcome, Tx};
use assay_types::hash::{fold, leaf_hash, zero_roots};
use assay_types::{Program, program};

const LENGTH: u64 = 1_200_000_000;
const REVIEW: &str = "This is the best kettle, it is great!";

/// Deploys with `parameters`, registers a model of which there is no more than its length, and has the sample dApp ask.
fn judge(parameters: &Parameters) -> Outcome {
    let (mut evm, deployer) = (Evm::new(), Address::repeat_byte(7));
    evm.fund(deployer, U256::from(10u64).pow(U256::from(20)));
    let (to, creations) = plan(deployer, 0, parameters);
    for creation in creations {
        let outcome = evm.send(Tx {
            from: deployer,
            data: creation.init_code,
            ..Tx::default()
        });
        outcome.expect(creation.name);
    }
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
    let call = ModelRegistry::registerProgramCall { p };
    evm.call(deployer, to.registry, &call, U256::ZERO)
        .expect("registered");
    let mut leaf = [0u8; 128];
    leaf[..8].copy_from_slice(&LENGTH.to_le_bytes());
    let root = fold(leaf_hash(&leaf), 0, &zero[..33]);
    let siblings: Vec<B256> = zero[..33].iter().map(|h| B256::new(h.0)).collect();
    let call = ModelRegistry::registerModelCall {
        modelRoot: B256::new(root.0),
        length: LENGTH,
        programId: B256::new(program.id().0.0),
        maxGap: 0,
        maxFlips: 0,
        leaf: leaf.to_vec().into(),
        siblings: siblings.try_into().expect("33 of them"),
        uri: String::new(),
    };
    evm.call(deployer, to.registry, &call, U256::ZERO)
        .expect("registered");
    let model = program::model_id(root, LENGTH, program.id(), Default::default());
    let arguments = ReviewJudge::constructorCall {
        inbox_: to.inbox,
        modelId_: B256::new(model.0.0),
        callbackFee_: 0,
        patience_: 60,
    };
    let dapp = evm.deploy(&ReviewJudge::BYTECODE, &arguments.abi_encode());
    let call = ReviewJudge::judgeCall {
        review: REVIEW.to_owned(),
    };
    let fee = U256::from(10u64).pow(U256::from(18));
    evm.call(deployer, dapp, &call, fee)
}

#[test]
fn model_of_more_than_a_gigabyte_can_be_asked_where_the_limits_were_made_for_it() {
    let sequencer = Address::repeat_byte(8);
    let refused = judge(&Parameters::devnet(sequencer));
    let failure = refused.result.expect_err("the limits are for small models");
    assert!(failure.is::<Inbox::Refused>(), "{failure:?}");

    judge(&Parameters::devnet_for(sequencer, LENGTH, 0)).expect("asked");
}
