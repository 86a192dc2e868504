//! An EVM with one mutated contract among the committed ones, and what it executes.

use crate::calls::{Answer, Call};
use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolValue;
use assay_bindings::abi::OneStepProver;
use assay_bindings::deploy::families;
use revm::context::TxEnv;
use revm::context::result::ExecutionResult;
use revm::database::{CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::{InputsTr, Jumps};
use revm::interpreter::{CallInputs, CallOutcome, Interpreter};
use revm::primitives::TxKind;
use revm::state::{AccountInfo, Bytecode};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, InspectEvm, Inspector, MainBuilder, MainContext,
    MainnetEvm,
};
use std::collections::BTreeMap;

/// Gas of a call. The dearest that is right takes a tenth; what takes more is a loop that a mutant does not leave.
const GAS: u64 = 4_000_000;
/// The block number that is no mutant's.
const NO_MUTANT: u64 = 1;
/// An opcode of the EVM.
const PUSH1: u8 = 0x60;
const PUSH3: u8 = 0x62;
const PUSH32: u8 = 0x7f;

/// Which contracts run, and which sites of the watched one.
#[derive(Default)]
pub struct Watch {
    /// The contract whose sites are watched.
    target: Address,
    /// By place in its code: one more than the index of the site whose number is pushed there.
    places: Vec<u32>,
    /// Sites that ran, each once.
    pub sites: Vec<u32>,
    /// By site: whether it is among them.
    ran: Vec<bool>,
    /// Contracts that were called.
    pub called: Vec<Address>,
}

impl<C> Inspector<C, EthInterpreter> for Watch {
    fn step(&mut self, interpreter: &mut Interpreter<EthInterpreter>, _: &mut C) {
        if interpreter.bytecode.opcode() != PUSH3
            || interpreter.input.target_address() != self.target
        {
            return;
        }
        if let Some(site) = self
            .places
            .get(interpreter.bytecode.pc())
            .and_then(|n| n.checked_sub(1))
            && !std::mem::replace(&mut self.ran[site as usize], true)
        {
            self.sites.push(site);
        }
    }

    fn call(&mut self, _: &mut C, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.called.push(inputs.target_address);
        None
    }
}

/// The committed step contracts, or with one of them exchanged.
pub struct Chain {
    evm: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>, Watch>,
    addresses: BTreeMap<String, Address>,
}

impl Chain {
    /// The committed contracts.
    pub fn new() -> Chain {
        let context = Context::mainnet()
            .with_db(CacheDB::new(EmptyDB::new()))
            .modify_cfg_chained(|cfg| {
                cfg.disable_nonce_check = true;
                cfg.tx_chain_id_check = false;
                // Mutants are larger than contracts may be.
                cfg.limit_contract_code_size = Some(usize::MAX);
                cfg.limit_contract_initcode_size = Some(usize::MAX);
                cfg.tx_gas_limit_cap = Some(u64::MAX);
            })
            .modify_block_chained(|block| {
                block.number = U256::from(NO_MUTANT);
                block.gas_limit = u64::MAX;
            });
        let mut chain = Chain {
            evm: context.build_mainnet_with_inspector(Watch::default()),
            addresses: BTreeMap::new(),
        };
        for (name, code) in families() {
            chain.deploy(name, code);
        }
        chain.deploy_prover(&OneStepProver::BYTECODE);
        chain
    }

    /// Where the contract `name` is.
    pub fn address(&self, name: &str) -> Address {
        self.addresses[name]
    }

    fn deploy(&mut self, name: &str, creation: &[u8]) {
        let tx = TxEnv {
            kind: TxKind::Create,
            data: creation.to_vec().into(),
            gas_limit: 1 << 30,
            ..TxEnv::default()
        };
        let result = self.evm.transact_commit(tx).expect("a valid transaction");
        let address = result
            .created_address()
            .unwrap_or_else(|| panic!("{name}: {result:?}"));
        self.addresses.insert(name.into(), address);
    }

    fn deploy_prover(&mut self, creation: &[u8]) {
        let families = families().map(|(name, _)| self.addresses[name]);
        self.deploy(
            "OneStepProver",
            &[creation, &families.abi_encode()].concat(),
        );
    }

    /// Puts a mutated contract, or a harness, in the place of `name`, and watches it: `index` gives the place among
    /// the sites of a number.
    pub fn exchange(
        &mut self,
        name: &str,
        creation: &[u8],
        runtime: &[u8],
        index: impl Fn(u32) -> Option<u32>,
    ) {
        match self.addresses.get(name) {
            // The prover's code has the families' addresses in it.
            None => self.deploy(name, creation),
            Some(_) if name == "OneStepProver" => self.deploy_prover(creation),
            // As it is called by the prover, at the address that the prover has.
            Some(&address) => {
                let code = Bytecode::new_raw(Bytes::copy_from_slice(runtime));
                let info = AccountInfo::from_bytecode(code);
                self.evm
                    .ctx
                    .journaled_state
                    .database
                    .insert_account_info(address, info);
            }
        }
        let watch = &mut self.evm.inspector;
        watch.target = self.addresses[name];
        watch.places = places(runtime, &index);
        let most = watch.places.iter().max().copied().unwrap_or(0);
        watch.ran = vec![false; most as usize];
    }

    /// The answer to `call`, with the mutant `number` or none; none as well if it does not end.
    pub fn ask(&mut self, call: &Call, number: Option<u32>) -> Option<Answer> {
        self.evm.ctx.block.number = U256::from(number.map_or(NO_MUTANT, u64::from));
        let tx = self.transaction(call);
        answer(self.evm.transact(tx).expect("a valid transaction").result)
    }

    /// The answer to `call` without a mutant, and what ran.
    pub fn watch(&mut self, call: &Call) -> (Option<Answer>, &Watch) {
        self.evm.ctx.block.number = U256::from(NO_MUTANT);
        let watch = &mut self.evm.inspector;
        watch.called.clear();
        for site in watch.sites.drain(..) {
            watch.ran[site as usize] = false;
        }
        let tx = self.transaction(call);
        let result = self.evm.inspect_one_tx(tx).expect("a valid transaction");
        self.evm.finalize();
        (answer(result), &self.evm.inspector)
    }

    fn transaction(&self, call: &Call) -> TxEnv {
        TxEnv {
            kind: TxKind::Call(self.addresses[&call.contract]),
            data: call.data.clone(),
            gas_limit: GAS,
            ..TxEnv::default()
        }
    }
}

fn answer(result: ExecutionResult) -> Option<Answer> {
    match result {
        ExecutionResult::Success { output, .. } => Some(Answer {
            returned: true,
            data: output.into_data(),
        }),
        ExecutionResult::Revert { output, .. } => Some(Answer {
            returned: false,
            data: output,
        }),
        ExecutionResult::Halt { .. } => None,
    }
}

/// By place in `code`: one more than the index of the number that a PUSH3 pushes there, or 0.
fn places(code: &[u8], index: &impl Fn(u32) -> Option<u32>) -> Vec<u32> {
    let mut out = vec![0; code.len()];
    let mut at = 0;
    while let Some(&opcode) = code.get(at) {
        if opcode == PUSH3
            && let Some(&[a, b, c]) = code[at + 1..].first_chunk()
            && let Some(i) = index(u32::from_be_bytes([0, a, b, c]))
        {
            out[at] = i + 1;
        }
        let pushed = (PUSH1..=PUSH32).contains(&opcode);
        at += 1 + if pushed {
            usize::from(opcode - PUSH1) + 1
        } else {
            0
        };
    }
    out
}
