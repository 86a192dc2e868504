//! The executor's stake: what it should be, what it is, and depositing the difference.

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::Context;
use assay_bindings::{AssetStaking, Erc20Asset, Rollup, Staking};
use assay_dispute::watcher::{WatchError, view};
use assay_node::shell::Shell;
use assay_node::tx::{Call, TxManager};

alloy::sol! {
    /// What is needed of EIP-20.
    interface IERC20 {
        /// Lets `spender` draw `amount`.
        function approve(address spender, uint256 amount) external returns (bool);
    }
}

/// Gas that an account should be able to pay at start-up: defending a claim in one game.
const GAME_GAS: u64 = 2_000_000;

const WEI_PER_ETHER: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// What an executor has and needs, in wei, whatever the stake is held in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stake {
    /// Stake that backs nothing.
    pub free: U256,
    /// Stake in all.
    pub total: U256,
    /// What one claim locks at least.
    pub bond: U256,
    /// Units of the stake's asset that stand for one ether.
    pub per_ether: U256,
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
        let per_ether = view(
            &shell.chain,
            contracts.staking,
            "perEther",
            Staking::perEtherCall {},
        )
        .await?;
        // Others may slash an asset below what is leaving.
        let units = U256::from(account.staked).saturating_sub(U256::from(account.leaving));
        Ok(Stake {
            free,
            total: units * WEI_PER_ETHER / per_ether,
            bond: U256::from(bond),
            per_ether,
        })
    }

    /// What is missing to back `claims` claims.
    pub fn missing(&self, claims: u32) -> U256 {
        (self.bond * U256::from(claims)).saturating_sub(self.total)
    }

    /// Units of the asset that are worth `wei`, rounded up.
    fn units(&self, wei: U256) -> U256 {
        (wei * self.per_ether).div_ceil(WEI_PER_ETHER)
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
    let asset = asset_of(shell).await?;
    let ether = if asset.is_zero() { missing } else { U256::ZERO };
    let why = || {
        format!(
            "defending a claim costs up to {gas} wei of gas, and {ether} wei of stake are to be deposited"
        )
    };
    shell
        .chain
        .require_balance(account, gas + ether)
        .await
        .with_context(why)?;
    if missing.is_zero() {
        return Ok(stake);
    }
    if asset.is_zero() {
        let data = Staking::depositCall { executor: account }.abi_encode();
        let call = Call::new("deposit", shell.deployment.contracts.staking, data).value(missing);
        let receipt = tx.send(call).await.context("cannot deposit stake")?;
        tracing::info!(wei = %missing, tx = %receipt.transaction_hash, "deposited stake");
    } else {
        deposit_tokens(shell, tx, asset, stake.units(missing)).await?;
    }
    Ok(Stake::read(shell, account).await?)
}

/// The adapter of the asset that stake is held in; zero for ether.
async fn asset_of(shell: &Shell) -> Result<Address, WatchError> {
    let staking = shell.deployment.contracts.staking;
    view(&shell.chain, staking, "asset", Staking::assetCall {}).await
}

/// Puts `units` of the ERC-20 token behind the adapter `asset` up.
async fn deposit_tokens(
    shell: &Shell,
    tx: &TxManager,
    asset: Address,
    units: U256,
) -> anyhow::Result<()> {
    let token = view(&shell.chain, asset, "token", Erc20Asset::tokenCall {}).await;
    let token = token.context(
        "stake is held in something else than ether or a token here: put it up by its own ways, and leave --auto-stake out",
    )?;
    let allow = IERC20::approveCall {
        spender: asset,
        amount: units,
    };
    let call = Call::new("approve", token, allow.abi_encode());
    tx.send(call)
        .await
        .context("cannot let the token be drawn")?;
    let deposit = AssetStaking::depositCall {
        executor: tx.address(),
        amount: units,
    };
    let call = Call::new(
        "deposit",
        shell.deployment.contracts.staking,
        deposit.abi_encode(),
    );
    let why = || {
        format!("cannot deposit {units} units of the token {token}: does this account have them?")
    };
    let receipt = tx.send(call).await.with_context(why)?;
    tracing::info!(%units, %token, tx = %receipt.transaction_hash, "deposited stake");
    Ok(())
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
            per_ether: WEI_PER_ETHER,
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

    #[test]
    fn what_is_deposited_is_worth_what_is_missing() {
        // A token of six digits, of which 2,500 stand for an ether.
        let stake = Stake {
            free: U256::ZERO,
            total: U256::ZERO,
            bond: U256::from(10u64),
            per_ether: U256::from(2_500_000_000u64),
        };
        assert_eq!(stake.units(WEI_PER_ETHER), U256::from(2_500_000_000u64));
        assert_eq!(
            stake.units(U256::from(1u64)),
            U256::from(1u64),
            "rounded up"
        );
    }
}
