//! Runs a call in an EVM of our own on the chain's newest state, before anything is signed.
//!
//! The second opinion beside the node's `eth_call`: it does not trust the node's word about a revert, it tells the gas of
//! execution apart from that of calldata, and its revert data is never cut. State is fetched as the run touches it.

use crate::chain::{Chain, ChainError};
use crate::revert::ErrorBook;
use crate::tx::{Call, TxError};
use alloy::consensus::BlockHeader as _;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, TxKind, U256};
use alloy::providers::Provider;
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, HaltReason};
use revm::context::{BlockEnv, Context, TxEnv};
use revm::database::CacheDB;
use revm::database_interface::DBErrorMarker;
use revm::state::AccountInfo;
use revm::{DatabaseRef, ExecuteEvm, MainBuilder, MainContext};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

/// What a run did.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Returned bytes.
    pub output: Bytes,
    /// Gas of the whole transaction.
    pub gas_used: u64,
    /// Gas without the 21,000 and the calldata's price.
    pub execution_gas: u64,
    /// Logs that it would write.
    pub logs: Vec<Log>,
}

/// Simulates calls. Clones share the code that was fetched (which does not change).
#[derive(Clone, Debug)]
pub struct Simulator {
    chain: Chain,
    errors: ErrorBook,
    code: Arc<Mutex<HashMap<Address, Bytecode>>>,
}

impl Simulator {
    /// A simulator that names the errors in `errors`.
    pub fn new(chain: Chain, errors: ErrorBook) -> Simulator {
        Simulator {
            chain,
            errors,
            code: Arc::default(),
        }
    }

    /// Runs `call` as `from` on the state after the newest block.
    pub async fn run(&self, from: Address, call: &Call) -> Result<Simulation, TxError> {
        let fetched = self
            .chain
            .provider()
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await;
        let fetched = fetched.map_err(|e| self.chain.error("the latest block", e))?;
        let Some(block) = fetched else {
            return Err(self
                .chain
                .error("the latest block", alloy::transports::RpcError::NullResp)
                .into());
        };
        let header = &block.header;
        let env = BlockEnv {
            number: U256::from(header.number() + 1),
            beneficiary: header.beneficiary(),
            timestamp: U256::from(header.timestamp() + 1),
            gas_limit: header.gas_limit(),
            basefee: header.base_fee_per_gas().unwrap_or_default(),
            prevrandao: header.mix_hash().or(Some(B256::ZERO)),
            ..BlockEnv::default()
        };
        let remote = Remote {
            chain: self.chain.clone(),
            at: BlockId::Hash(header.hash.into()),
            code: self.code.clone(),
            runtime: Handle::current(),
        };
        let job = Job {
            from,
            call: call.clone(),
            env,
            chain_id: self.chain.id(),
        };
        let result = tokio::task::spawn_blocking(move || job.execute(remote)).await;
        let result =
            result.unwrap_or_else(|e| Err(Failure::Evm(format!("the simulator failed: {e}"))));
        self.judge(call, result)
    }

    fn judge(
        &self,
        call: &Call,
        result: Result<ExecutionResult, Failure>,
    ) -> Result<Simulation, TxError> {
        let label = call.label;
        match result {
            Ok(ExecutionResult::Success {
                gas, logs, output, ..
            }) => {
                let gas_used = gas.tx_gas_used();
                let execution_gas =
                    gas_used.saturating_sub(intrinsic_gas(&call.data, call.to.is_none()));
                Ok(Simulation {
                    output: output.into_data(),
                    gas_used,
                    execution_gas,
                    logs,
                })
            }
            Ok(ExecutionResult::Revert { output, .. }) => Err(TxError::WouldRevert {
                label,
                reason: self.errors.decode(&output),
            }),
            Ok(ExecutionResult::Halt { reason, .. }) => Err(TxError::WouldRevert {
                label,
                reason: halted(&reason),
            }),
            Err(Failure::Chain(error)) => Err(error.into()),
            Err(Failure::Evm(text)) => {
                let reason = crate::revert::RevertReason {
                    name: String::new(),
                    text,
                    data: Bytes::new(),
                };
                Err(TxError::WouldRevert { label, reason })
            }
        }
    }
}

/// 21,000 (53,000 for a creation) and 4 gas for a zero byte of calldata, 16 for another (EIP-2028).
pub fn intrinsic_gas(data: &[u8], create: bool) -> u64 {
    let bytes: u64 = data.iter().map(|b| if *b == 0 { 4 } else { 16 }).sum();
    bytes
        + if create {
            53_000 + 2 * (data.len() as u64).div_ceil(32)
        } else {
            21_000
        }
}

fn halted(reason: &HaltReason) -> crate::revert::RevertReason {
    crate::revert::RevertReason {
        name: "Halt".to_owned(),
        text: format!("{reason:?}"),
        data: Bytes::new(),
    }
}

#[derive(Debug)]
enum Failure {
    Chain(ChainError),
    Evm(String),
}

struct Job {
    from: Address,
    call: Call,
    env: BlockEnv,
    chain_id: u64,
}

impl Job {
    fn execute(self, remote: Remote) -> Result<ExecutionResult, Failure> {
        // EIP-7825's limit for one transaction; the state of a development chain may allow more, a real one won't.
        let gas_limit = self.call.gas.unwrap_or(self.env.gas_limit.min(1 << 24));
        let price = u128::from(self.env.basefee);
        let tx = TxEnv::builder()
            .caller(self.from)
            .kind(self.call.to.map_or(TxKind::Create, TxKind::Call))
            .data(self.call.data)
            .value(self.call.value)
            .gas_limit(gas_limit)
            .gas_price(price)
            .chain_id(Some(self.chain_id))
            .build()
            .map_err(|e| Failure::Evm(format!("{e:?}")))?;
        let mut evm = Context::mainnet()
            .with_db(CacheDB::new(remote))
            .with_block(self.env)
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = self.chain_id;
                cfg.disable_nonce_check = true;
            })
            .build_mainnet();
        match evm.transact(tx) {
            Ok(done) => Ok(done.result),
            Err(revm::context::result::EVMError::Database(Missing(error))) => {
                Err(Failure::Chain(error))
            }
            Err(other) => Err(Failure::Evm(other.to_string())),
        }
    }
}

/// State that could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Missing(ChainError);

impl DBErrorMarker for Missing {}

/// The chain's state at one block. Only used on blocking threads.
struct Remote {
    chain: Chain,
    at: BlockId,
    code: Arc<Mutex<HashMap<Address, Bytecode>>>,
    runtime: Handle,
}

impl Remote {
    fn code_of(&self, address: Address) -> Result<Bytecode, Missing> {
        if let Some(code) = self
            .code
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&address)
        {
            return Ok(code.clone());
        }
        let code = self.runtime.block_on(async {
            self.chain
                .provider()
                .get_code_at(address)
                .block_id(self.at)
                .await
        });
        let code =
            Bytecode::new_raw(code.map_err(|e| Missing(self.chain.error("eth_getCode", e)))?);
        // An account without code may get some; code that is there stays.
        if !code.is_empty() {
            self.code
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(address, code.clone());
        }
        Ok(code)
    }
}

impl DatabaseRef for Remote {
    type Error = Missing;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Missing> {
        let code = self.code_of(address)?;
        let provider = self.chain.provider();
        let (balance, nonce) = self.runtime.block_on(async {
            let balance = provider.get_balance(address).block_id(self.at).await;
            (
                balance,
                provider
                    .get_transaction_count(address)
                    .block_id(self.at)
                    .await,
            )
        });
        let balance = balance.map_err(|e| Missing(self.chain.error("eth_getBalance", e)))?;
        let nonce = nonce.map_err(|e| Missing(self.chain.error("eth_getTransactionCount", e)))?;
        let code_hash = if code.is_empty() {
            KECCAK256_EMPTY
        } else {
            code.hash_slow()
        };
        Ok(Some(AccountInfo {
            balance,
            nonce,
            code_hash,
            code: Some(code),
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, _: B256) -> Result<Bytecode, Missing> {
        // Every account is loaded with its code.
        Ok(Bytecode::default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Missing> {
        let provider = self.chain.provider();
        let value = self.runtime.block_on(async {
            provider
                .get_storage_at(address, index)
                .block_id(self.at)
                .await
        });
        value.map_err(|e| Missing(self.chain.error("eth_getStorageAt", e)))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Missing> {
        let block = self
            .runtime
            .block_on(self.chain.block(number))
            .map_err(Missing)?;
        Ok(block.map(|b| b.hash).unwrap_or_default())
    }
}
