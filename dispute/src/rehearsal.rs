//! Runs a transaction in process, in revm, on the chain's newest state. Nothing is sent that does not succeed here.
//!
//! State is read over JSON-RPC, at one block, as the run touches it.

use crate::clock::next_block_time;
use crate::service::unix_now;
use alloy::consensus::BlockHeader as _;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, KECCAK256_EMPTY, TxKind, U256, keccak256};
use alloy::providers::{DynProvider, Provider};
use assay_node::chain::{Chain, ChainError};
use assay_node::tx::Call;
use revm::context::TxEnv;
use revm::context::result::{EVMError, ExecutionResult};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::database::CacheDB;
use revm::database_interface::{DBErrorMarker, DatabaseRef};
use revm::state::{AccountInfo, Bytecode};
use revm::{Context, ExecuteEvm, MainBuilder, MainContext};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

/// Most gas that one transaction may use on a chain with EIP-7825.
const GAS_CAP: u64 = 1 << 24;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// It reverts; the revert data.
    #[error("it would revert with {0}")]
    Reverts(Bytes),
    /// It stops for another reason, such as too little gas.
    #[error("it would fail: {0}")]
    Fails(String),
    /// The chain can't be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The task was cancelled, which only the end of the process does.
    #[error("the rehearsal was cancelled")]
    Cancelled,
}

/// What a successful run would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rehearsed {
    /// Gas that the transaction uses, refunds and the calldata floor counted.
    pub gas_used: u64,
    /// Gas that it needs on the way, before refunds.
    pub gas_needed: u64,
    /// What it returns.
    pub output: Bytes,
}

/// Runs calls against the chain's newest state. Clones share the code that was read.
#[derive(Clone, Debug)]
pub struct Stage {
    chain: Chain,
    codes: Arc<Mutex<HashMap<Address, Bytecode>>>,
}

impl Stage {
    /// A stage over `chain`.
    pub fn new(chain: Chain) -> Stage {
        Stage {
            chain,
            codes: Arc::default(),
        }
    }

    /// Runs `call` from `from` as the next block would.
    ///
    /// # Errors
    /// It would not succeed, or the chain can't be read.
    pub async fn rehearse(&self, from: Address, call: &Call) -> Result<Rehearsed, RehearsalError> {
        let latest = self
            .chain
            .provider()
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await;
        let latest = latest.map_err(|e| self.chain.error("eth_getBlockByNumber", e))?;
        let header = latest
            .ok_or_else(|| {
                self.chain
                    .error("the latest block", alloy::transports::RpcError::NullResp)
            })?
            .header;
        let state = RemoteState {
            provider: self.chain.provider().clone(),
            at: BlockId::hash(header.hash),
            codes: self.codes.clone(),
            runtime: Handle::current(),
        };
        let block = NextBlock {
            number: header.number() + 1,
            timestamp: next_block_time(header.timestamp(), unix_now()),
            gas_limit: header.gas_limit(),
            basefee: header.base_fee_per_gas().unwrap_or(0),
            beneficiary: header.beneficiary(),
            prevrandao: header.mix_hash().unwrap_or_default(),
            chain_id: self.chain.id(),
            excess_blob_gas: header.excess_blob_gas().unwrap_or(0),
        };
        let call = call.clone();
        // revm asks for state synchronously, so it must not run on a worker of the runtime that answers it.
        let run = tokio::task::spawn_blocking(move || transact(state, block, from, &call));
        match run.await.map_err(|_| RehearsalError::Cancelled)? {
            Ok(result) => judge(result),
            Err(EVMError::Database(StateError(error))) => {
                Err(self.chain.error("state", error).into())
            }
            Err(other) => Err(RehearsalError::Fails(other.to_string())),
        }
    }
}

struct NextBlock {
    number: u64,
    timestamp: u64,
    gas_limit: u64,
    basefee: u64,
    beneficiary: Address,
    prevrandao: B256,
    chain_id: u64,
    excess_blob_gas: u64,
}

/// EIP-7691. The fraction sets the blob fee, which is part of what a game repays and of no decision.
const BLOB_FEE_FRACTION: u64 = 5_007_716;

fn transact(
    state: RemoteState,
    block: NextBlock,
    from: Address,
    call: &Call,
) -> Result<ExecutionResult, EVMError<StateError>> {
    let blob_fee = BlobExcessGasAndPrice::new(block.excess_blob_gas, BLOB_FEE_FRACTION);
    let blobs: Vec<B256> = call.blobs.iter().map(|b| b.versioned_hash()).collect();
    let tx = TxEnv {
        caller: from,
        gas_limit: call.gas.unwrap_or(GAS_CAP.min(block.gas_limit)),
        gas_price: u128::from(block.basefee),
        kind: call.to.map_or(TxKind::Create, TxKind::Call),
        value: call.value,
        data: call.data.clone(),
        chain_id: Some(block.chain_id),
        gas_priority_fee: Some(0),
        tx_type: if blobs.is_empty() { 2 } else { 3 },
        max_fee_per_blob_gas: if blobs.is_empty() {
            0
        } else {
            blob_fee.blob_gasprice
        },
        blob_hashes: blobs,
        ..TxEnv::default()
    };
    let mut evm = Context::mainnet()
        .with_db(CacheDB::new(state))
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = block.chain_id;
            // The manager hands the nonce out when it sends.
            cfg.disable_nonce_check = true;
        })
        .modify_block_chained(|env| {
            env.number = U256::from(block.number);
            env.timestamp = U256::from(block.timestamp);
            env.gas_limit = block.gas_limit;
            env.basefee = block.basefee;
            env.beneficiary = block.beneficiary;
            env.prevrandao = Some(block.prevrandao);
            env.blob_excess_gas_and_price = Some(blob_fee);
        })
        .build_mainnet();
    Ok(evm.transact(tx)?.result)
}

fn judge(result: ExecutionResult) -> Result<Rehearsed, RehearsalError> {
    let (gas_used, spent) = (result.tx_gas_used(), result.gas().total_gas_spent());
    let gas_needed = gas_used.max(spent);
    match result {
        ExecutionResult::Success { output, .. } => Ok(Rehearsed {
            gas_used,
            gas_needed,
            output: output.into_data(),
        }),
        ExecutionResult::Revert { output, .. } => Err(RehearsalError::Reverts(output)),
        ExecutionResult::Halt { reason, .. } => Err(RehearsalError::Fails(format!("{reason:?}"))),
    }
}

/// A read of the state that failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct StateError(alloy::transports::TransportError);

impl DBErrorMarker for StateError {}

/// The chain's state at one block.
struct RemoteState {
    provider: DynProvider,
    at: BlockId,
    codes: Arc<Mutex<HashMap<Address, Bytecode>>>,
    runtime: Handle,
}

impl RemoteState {
    async fn code(&self, address: Address) -> Result<Bytecode, StateError> {
        let known = self
            .codes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&address)
            .cloned();
        if let Some(code) = known {
            return Ok(code);
        }
        let code = self
            .provider
            .get_code_at(address)
            .block_id(self.at)
            .await
            .map_err(StateError)?;
        let code = Bytecode::new_raw(code);
        // The absence of code can change; code, on a chain without SELFDESTRUCT's old meaning, can't.
        if !code.is_empty() {
            self.codes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(address, code.clone());
        }
        Ok(code)
    }
}

impl DatabaseRef for RemoteState {
    type Error = StateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.runtime.block_on(async {
            let balance = self.provider.get_balance(address).block_id(self.at);
            let nonce = self
                .provider
                .get_transaction_count(address)
                .block_id(self.at);
            let (balance, nonce, code) = tokio::join!(
                balance.into_future(),
                nonce.into_future(),
                self.code(address)
            );
            let (balance, nonce, code) = (
                balance.map_err(StateError)?,
                nonce.map_err(StateError)?,
                code?,
            );
            let hash = if code.is_empty() {
                KECCAK256_EMPTY
            } else {
                keccak256(code.original_byte_slice())
            };
            Ok(Some(AccountInfo::new(balance, nonce, hash, code)))
        })
    }

    fn code_by_hash_ref(&self, _: B256) -> Result<Bytecode, StateError> {
        // Every account comes with its code.
        Ok(Bytecode::default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, StateError> {
        let read = self
            .provider
            .get_storage_at(address, index)
            .block_id(self.at);
        self.runtime
            .block_on(read.into_future())
            .map_err(StateError)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StateError> {
        let block = self.provider.get_block_by_number(number.into());
        let block = self
            .runtime
            .block_on(block.into_future())
            .map_err(StateError)?;
        Ok(block.map(|b| b.header.hash).unwrap_or_default())
    }
}
