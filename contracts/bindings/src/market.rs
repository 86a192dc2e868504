//! How the market above a rollup is deployed (docs/market.md): four contracts after the rollup's own.

use crate::abi::{InferenceHub, InferenceMarket, ModelCatalog, Subscriptions};
use crate::deploy::{Addresses, Creation};
use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolConstructor;

/// Where the market is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarketAddresses {
    /// Executors' asks: `InferenceMarket`.
    pub asks: Address,
    /// Listings.
    pub catalog: Address,
    /// Orders.
    pub hub: Address,
    /// Prepaid questions.
    pub subscriptions: Address,
}

impl MarketAddresses {
    /// Those of the market that `deployer` creates from `nonce` on.
    pub fn after(deployer: Address, nonce: u64) -> MarketAddresses {
        let at = |i: u64| deployer.create(nonce + i);
        MarketAddresses {
            asks: at(0),
            catalog: at(1),
            hub: at(2),
            subscriptions: at(3),
        }
    }
}

/// The creations of the market above the rollup at `to`. The rollup comes first: the hub asks its contracts whether they
/// belong together.
pub fn plan_market(to: &Addresses, notice: u32) -> [Creation; 4] {
    let asks = InferenceMarket::constructorCall {
        registry_: to.registry,
        notice_: notice,
    };
    let catalog = ModelCatalog::constructorCall {
        registry_: to.registry,
    };
    let hub = InferenceHub::constructorCall {
        inbox_: to.inbox,
        staking_: to.staking,
        registry_: to.registry,
        market_: to.market.asks,
        catalog_: to.market.catalog,
    };
    let subscriptions = Subscriptions::constructorCall { inbox_: to.inbox };
    let create = |name, address, code: &Bytes, arguments: Vec<u8>| Creation {
        name,
        address,
        init_code: [&code[..], &arguments[..]].concat().into(),
    };
    let m = &to.market;
    [
        create(
            "InferenceMarket",
            m.asks,
            &InferenceMarket::BYTECODE,
            asks.abi_encode(),
        ),
        create(
            "ModelCatalog",
            m.catalog,
            &ModelCatalog::BYTECODE,
            catalog.abi_encode(),
        ),
        create(
            "InferenceHub",
            m.hub,
            &InferenceHub::BYTECODE,
            hub.abi_encode(),
        ),
        create(
            "Subscriptions",
            m.subscriptions,
            &Subscriptions::BYTECODE,
            subscriptions.abi_encode(),
        ),
    ]
}
