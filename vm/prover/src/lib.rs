//! The deployed step contracts in an in-process EVM: the bytecode of `contracts/abi`, asked for one step at a time.

pub mod evm;
pub mod gas;
pub mod prover;
pub mod record;
