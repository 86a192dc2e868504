//! An in-process EVM: deploy, call, look at gas and logs. Limits are the mainnet's, none is raised.

use alloy::primitives::{Address, B256, Bytes, Log, TxKind, U256};
use alloy::sol_types::{SolCall, SolError};
use revm::context::result::{EVMError, ExecutionResult, ResultGas};
use revm::context::{BlockEnv, TxEnv};
use revm::context_interface::cfg::gas::calculate_initial_tx_gas_for_tx;
use revm::database::{CacheDB, EmptyDB};
use revm::handler::MainnetContext;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

/// Gas limit of a transaction unless it says otherwise: the protocol's cap (EIP-7825).
pub const GAS_LIMIT: u64 = 1 << 24;
/// Chain id of the EVM.
pub const CHAIN_ID: u64 = 31337;

/// A transaction to send.
#[derive(Clone, Debug, Default)]
pub struct Tx {
    /// Sender.
    pub from: Address,
    /// Callee; `None` creates a contract.
    pub to: Option<Address>,
    /// Calldata, or creation code with constructor arguments.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
    /// Wei a unit of gas costs; at least the block's base fee.
    pub gas_price: u128,
    /// Gas limit; 0 means [`GAS_LIMIT`].
    pub gas_limit: u64,
    /// Versioned hashes of the blobs that it carries.
    pub blobs: Vec<B256>,
}

/// What a transaction or view did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Return data, or what went wrong.
    pub result: Result<Bytes, Failure>,
    /// Events, none if it failed.
    pub logs: Vec<Log>,
    /// The contract that it created.
    pub created: Option<Address>,
    /// Gas of execution alone: without the 21,000, the calldata and, if any, the creation's price.
    pub execution_gas: u64,
    /// Gas of the whole transaction as the receipt has it: after refunds, at least EIP-7623's floor.
    pub tx_gas: u64,
}

/// Why a call did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It reverted with this data.
    Revert(Bytes),
    /// It stopped exceptionally: out of gas, bad opcode, code too large.
    Halt(String),
}

impl Failure {
    /// Whether it reverted with the custom error `E`.
    pub fn is<E: SolError>(&self) -> bool {
        matches!(self, Failure::Revert(data) if data.starts_with(&E::SELECTOR))
    }
}

impl Outcome {
    /// Return data; panics with `what` and the failure otherwise.
    #[track_caller]
    pub fn expect(&self, what: &str) -> &Bytes {
        match &self.result {
            Ok(data) => data,
            Err(failure) => panic!("{what}: {failure:?}"),
        }
    }

    /// Decoded return values of call `C`; panics otherwise.
    #[track_caller]
    pub fn decode<C: SolCall>(&self) -> C::Return {
        let data = self.expect(C::SIGNATURE);
        C::abi_decode_returns(data).expect("returns what its ABI says")
    }
}

/// The EVM and its state.
pub struct Evm {
    inner: MainnetEvm<MainnetContext<CacheDB<EmptyDB>>>,
}

/// A state of an [`Evm`].
#[derive(Clone)]
pub struct Snapshot {
    state: CacheDB<EmptyDB>,
    block: BlockEnv,
}

impl Default for Evm {
    fn default() -> Self {
        Evm::new()
    }
}

impl Evm {
    /// An empty chain at block 1, base fee 0.
    pub fn new() -> Evm {
        let context = Context::mainnet()
            .with_db(CacheDB::new(EmptyDB::new()))
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = CHAIN_ID;
                cfg.tx_chain_id_check = false;
                // Nonces belong to the tests' accounts, which are nobody's.
                cfg.disable_nonce_check = true;
            })
            .modify_block_chained(|block| {
                block.number = U256::from(1);
                block.timestamp = U256::from(1_700_000_000u64);
                block.gas_limit = 60_000_000;
                block.prevrandao = Some(B256::repeat_byte(0x11));
            });
        Evm {
            inner: context.build_mainnet(),
        }
    }

    /// The whole state and block, to come back to.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.inner.ctx.journaled_state.database.clone(),
            block: self.inner.ctx.block.clone(),
        }
    }

    /// Comes back to `snapshot`.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.inner.ctx.journaled_state.database = snapshot.state.clone();
        self.inner.ctx.block = snapshot.block.clone();
    }

    /// The block that transactions run in: number, timestamp, base fee, prevrandao.
    pub fn block(&mut self) -> &mut BlockEnv {
        &mut self.inner.ctx.block
    }

    /// Moves `seconds` and one block ahead.
    pub fn warp(&mut self, seconds: u64) {
        self.block().timestamp += U256::from(seconds);
        self.block().number += U256::from(1);
    }

    /// Timestamp of the block, in seconds.
    pub fn now(&mut self) -> u64 {
        self.block().timestamp.to()
    }

    /// Adds wei to an account.
    pub fn fund(&mut self, account: Address, wei: U256) {
        let db = &mut self.inner.ctx.journaled_state.database;
        let mut info = account_of(db, account).info.clone();
        info.balance += wei;
        db.insert_account_info(account, info);
    }

    /// Balance of an account, in wei.
    pub fn balance(&mut self, account: Address) -> U256 {
        account_of(&mut self.inner.ctx.journaled_state.database, account)
            .info
            .balance
    }

    /// Runtime code of a contract.
    pub fn code(&mut self, contract: Address) -> Bytes {
        let db = &mut self.inner.ctx.journaled_state.database;
        let hash = account_of(db, contract).info.code_hash;
        db.cache
            .contracts
            .get(&hash)
            .map(|code| code.original_bytes())
            .unwrap_or_default()
    }

    /// Runs a transaction; its effects stay. Panics if it is not valid (no balance for its value and gas).
    #[track_caller]
    pub fn send(&mut self, tx: Tx) -> Outcome {
        let (env, intrinsic) = environment(tx);
        let result = self
            .inner
            .transact_commit(env)
            .unwrap_or_else(|e| invalid(&e));
        outcome(result, intrinsic)
    }

    /// Runs a transaction; its effects are dropped.
    #[track_caller]
    pub fn try_send(&mut self, tx: Tx) -> Outcome {
        let (env, intrinsic) = environment(tx);
        let result = self
            .inner
            .transact(env)
            .unwrap_or_else(|e| invalid(&e))
            .result;
        outcome(result, intrinsic)
    }

    /// Deploys `creation ‖ arguments` (ABI-encoded); panics if that fails.
    #[track_caller]
    pub fn deploy(&mut self, creation: &Bytes, arguments: &[u8]) -> Address {
        let data = [&creation[..], arguments].concat().into();
        let outcome = self.send(Tx {
            data,
            ..Tx::default()
        });
        outcome.expect("deployment");
        outcome
            .created
            .expect("a creation that succeeds has an address")
    }

    /// Calls `to` without effects.
    #[track_caller]
    pub fn view<C: SolCall>(&mut self, to: Address, call: &C) -> Outcome {
        self.try_send(Tx {
            to: Some(to),
            data: call.abi_encode().into(),
            ..Tx::default()
        })
    }

    /// Calls `to` from `from`; its effects stay.
    #[track_caller]
    pub fn call<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        call: &C,
        value: U256,
    ) -> Outcome {
        self.send(Tx {
            from,
            to: Some(to),
            data: call.abi_encode().into(),
            value,
            ..Tx::default()
        })
    }
}

fn account_of(db: &mut CacheDB<EmptyDB>, account: Address) -> &mut revm::database::DbAccount {
    db.load_account(account)
        .expect("an empty database has no errors")
}

fn environment(tx: Tx) -> (TxEnv, u64) {
    let env = TxEnv {
        caller: tx.from,
        kind: tx.to.map_or(TxKind::Create, TxKind::Call),
        data: tx.data,
        value: tx.value,
        gas_price: tx.gas_price,
        gas_limit: if tx.gas_limit == 0 {
            GAS_LIMIT
        } else {
            tx.gas_limit
        },
        tx_type: if tx.blobs.is_empty() { 0 } else { 3 },
        max_fee_per_blob_gas: tx.blobs.len().min(1) as u128 * tx.gas_price.max(1),
        blob_hashes: tx.blobs,
        ..TxEnv::default()
    };
    let spec = revm::primitives::hardfork::SpecId::default();
    let intrinsic = calculate_initial_tx_gas_for_tx(&env, spec, None).initial_total_gas();
    (env, intrinsic)
}

#[track_caller]
fn invalid<E: std::fmt::Debug>(e: &EVMError<E>) -> ! {
    panic!("transaction refused: {e:?}")
}

fn outcome(result: ExecutionResult, intrinsic: u64) -> Outcome {
    let gas: ResultGas = *result.gas();
    let created = result.created_address();
    let (result, logs) = match result {
        ExecutionResult::Success { logs, output, .. } => (Ok(output.into_data()), logs),
        ExecutionResult::Revert { output, .. } => (Err(Failure::Revert(output)), Vec::new()),
        ExecutionResult::Halt { reason, .. } => {
            (Err(Failure::Halt(format!("{reason:?}"))), Vec::new())
        }
    };
    Outcome {
        result,
        logs,
        created,
        execution_gas: gas.total_gas_spent().saturating_sub(intrinsic),
        tx_gas: gas.tx_gas_used(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_gas_is_what_the_opcodes_cost() {
        // PUSH0 PUSH0 RETURN, deployed by the shortest creation code: 2 + 2 + 0 gas.
        let creation =
            Bytes::from_static(&[0x62, 0x5f, 0x5f, 0xf3, 0x5f, 0x52, 0x60, 3, 0x60, 29, 0xf3]);
        let mut evm = Evm::new();
        let contract = evm.deploy(&creation, &[]);
        assert_eq!(evm.code(contract)[..], [0x5f, 0x5f, 0xf3]);
        let outcome = evm.send(Tx {
            to: Some(contract),
            data: vec![1; 100].into(),
            ..Tx::default()
        });
        assert_eq!(outcome.execution_gas, 4);
        // EIP-7623: 21,000 + 40 for each non-zero byte.
        assert_eq!(outcome.tx_gas, 21_000 + 40 * 100);
    }
}
