//! The executor's stake: what it should be, what it is, and depositing the difference.

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::Context;
use assay_bindings::{Rollup, Staking};
use assay_dispute::watcher::{WatchError, view};
use assay_node::shell::Shell;
use assay_node::tx::{Call, TxManager};

/// Gas that an account should be able to pay at start-up: defending a claim in one game.
const GAME_GAS: u64 = 2_000_000;

/// What an executor has and needs, in wei.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stake {
    /// Stake that backs nothing.
    pub free: U256,
    /// Stake in all.
    pub total: U256,
    /// What one claim locks at least.
    pub bond: U256,
}

impl Stake {
    /// Reads it from the chain.
    ///
    /// # Errors
    /// The chain can't be asked.
    pub async fn read(shell: &Shell, executor: Address) -> Result<Stake, WatchError> {
        let contracts = &shell.deployment.contracts;
        let free = Staking::freeStakeCall { executor };
        let free = view(&shell.chain, contracts.staking, "freeStake", free).await?;
        let account = Staking::accountsCall { executor };
        let account = view(&shell.chain, contracts.staking, "accounts", account).await?;
        let bond = view(
            &shell.chain,
            contracts.rollup,
            "claimBond",
            Rollup::claimBondCall {},
        )
        .await?;
        let total = U256::from(account.staked) - U256::from(account.leaving);
        Ok(Stake {
            free,
            total,
            bond: U256::from(bond),
        })
    }

    /// What is missing to back `claims` claims.
    pub fn missing(&self, claims: u32) -> U256 {
        (self.bond * U256::from(claims)).saturating_sub(self.total)
    }

    /// What is wrong, if not even one more claim is backed.
    pub fn complaint(&self) -> Option<String> {
        let (free, bond) = (self.free, self.bond);
        (free < bond).then(|| {
            format!("free stake of {free} wei, a claim locks {bond} wei: deposit more (--auto-stake does at start-up) or wait for claims to become final")
        })
    }
}

/// Makes sure that the account can pay for a game, and deposits what is missing if `deposit`.
///
/// # Errors
/// The account has too little, or the chain can't be asked.
pub async fn prepare(
    shell: &Shell,
    tx: &TxManager,
    claims: u32,
    deposit: bool,
) -> anyhow::Result<Stake> {
    let account = tx.address();
    let price = shell
        .chain
        .provider()
        .get_gas_price()
        .await
        .map_err(|e| shell.chain.error("eth_gasPrice", e))?;
    let gas = U256::from(price) * U256::from(GAME_GAS);
    let stake = Stake::read(shell, account).await?;
    let missing = if deposit {
        stake.missing(claims)
    } else {
        U256::ZERO
    };
    let why = || {
        format!(
            "defending a claim costs up to {gas} wei of gas, and {missing} wei of stake are to be deposited"
        )
    };
    shell
        .chain
        .require_balance(account, gas + missing)
        .await
        .with_context(why)?;
    if missing.is_zero() {
        return Ok(stake);
    }
    let data = Staking::depositCall { executor: account }.abi_encode();
    let call = Call::new("deposit", shell.deployment.contracts.staking, data).value(missing);
    let receipt = tx.send(call).await.context("cannot deposit stake")?;
    tracing::info!(wei = %missing, tx = %receipt.transaction_hash, "deposited stake");
    Ok(Stake::read(shell, account).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_stake_counts_towards_what_is_wanted_but_backs_no_new_claim() {
        let wei = U256::from;
        let stake = Stake {
            free: wei(5u64),
            total: wei(25u64),
            bond: wei(10u64),
        };
        assert_eq!(stake.missing(4), wei(15u64));
        assert_eq!(stake.missing(2), U256::ZERO);
        assert!(stake.complaint().is_some());
        assert!(
            Stake {
                free: wei(10u64),
                ..stake
            }
            .complaint()
            .is_none()
        );
    }
}
