//! Pulls this account's credits out of the contracts when they are worth the gas.

use crate::responder::Responder;
use crate::watcher::{WatchError, view};
use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use assay_bindings::DisputeGame;
use assay_node::chain::Chain;
use assay_node::metrics::prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Gas of a withdrawal, at most.
const WITHDRAWAL_GAS: u64 = 60_000;
/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Looks after one account's credits.
pub struct Cashier {
    chain: Chain,
    responder: Arc<Responder>,
    banks: Vec<Address>,
    next: Instant,
    withdrawn: Gauge,
}

impl Cashier {
    /// Looks after what `responder`'s account has at the inbox and at the game; counts gwei in `withdrawn`.
    pub fn new(chain: Chain, responder: Arc<Responder>, withdrawn: Gauge) -> Cashier {
        let banks = vec![responder.contracts().inbox, responder.contracts().game];
        Cashier {
            chain,
            responder,
            banks,
            next: Instant::now(),
            withdrawn,
        }
    }

    /// Withdraws what is worth it, if it is time to look.
    ///
    /// # Errors
    /// The chain can't be reached. A withdrawal that fails is logged and tried again.
    pub async fn tick(&mut self) -> Result<(), WatchError> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + EVERY;
        let price = self.chain.provider().get_gas_price().await;
        let price = price.map_err(|e| self.chain.error("eth_gasPrice", e))?;
        let worth = U256::from(2 * price) * U256::from(WITHDRAWAL_GAS);
        for bank in self.banks.clone() {
            let account = self.responder.address();
            let credit = view(
                &self.chain,
                bank,
                "credit",
                DisputeGame::creditCall { account },
            )
            .await?;
            if credit <= worth {
                continue;
            }
            match self.responder.send(self.responder.withdrawal(bank)).await {
                Ok(receipt) => {
                    tracing::info!(wei = %credit, %bank, tx = %receipt.transaction_hash, "credit withdrawn");
                    let gwei = credit / U256::from(1_000_000_000u64);
                    self.withdrawn
                        .inc_by(i64::try_from(gwei).unwrap_or(i64::MAX));
                }
                Err(error) => tracing::warn!(%error, %bank, "credit was not withdrawn"),
            }
        }
        Ok(())
    }
}
