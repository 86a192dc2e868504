//! What an executor asks, and how well that suits a request. Pure.
//!
//! Rules (docs/market.md): an ask that the order carries counts; else the executor's ask on chain now, or its ask when the
//! order was made if that is cheaper; another token's ask is none. Whoever is paid its price by the cap comes first, the
//! cheapest before the others; then who asks nothing; then who asks more than the cap pays.

use crate::entry::{Entry, HubOrder};
use alloy::primitives::{Address, B256, U256};
use assay_bindings::abi::Checkpoint;
use assay_bindings::ask::{Prices, royalty, within};
use std::collections::BTreeMap;

/// An executor's asks on chain: for each model its last checkpoints, oldest first, and when they were read.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    by_model: BTreeMap<B256, (u64, Vec<Checkpoint>)>,
    version: u64,
}

impl Asks {
    /// They may have changed: the chain has to be asked again. Until then what was known counts.
    pub fn doubt(&mut self) {
        self.version += 1;
    }

    /// Goes up with every doubt.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the ask for `model` was read since the last doubt.
    pub fn is_known(&self, model: &B256) -> bool {
        let known = self.by_model.get(model);
        known.is_some_and(|(version, _)| *version == self.version)
    }

    /// What the chain said to a question of `version`.
    pub fn learn(&mut self, model: B256, version: u64, checkpoints: Vec<Checkpoint>) {
        self.by_model.insert(model, (version, checkpoints));
    }

    /// Prices of the ask for `model` in `token` that is in force at `time`; mirrors `InferenceMarket._at`.
    pub fn at(&self, model: &B256, token: Address, time: u64) -> Option<Prices> {
        let (_, history) = self.by_model.get(model)?;
        let begun = history.iter().rev().find(|c| c.from.to::<u64>() <= time)?;
        let holds = time <= begun.validUntil.to::<u64>() && begun.token == token;
        holds.then(|| begun.into())
    }
}

/// How an executor's price suits a request's asker. The least is asked first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Suit {
    /// The longest answer costs this, and the cap pays it and its royalty. Nothing, where there is no order.
    Pays(U256),
    /// It has no ask in the order's token: the hub owes it nothing.
    Unasked,
    /// The longest answer costs this, which is more than the cap pays.
    Above(U256),
}

/// How `executor`, with these asks on chain, suits the request at `now`, unix seconds by the chain's clock.
pub fn suit(entry: &Entry, executor: Address, asks: &Asks, now: u64) -> Suit {
    let Some(held) = &entry.hub_order else {
        return Suit::Pays(U256::ZERO);
    };
    let Some(price) = price(entry, held, executor, asks, now) else {
        return Suit::Unasked;
    };
    let bps = held.royalty();
    if within(price, bps, held.order.escrow) == price {
        Suit::Pays(price + royalty(price, bps))
    } else {
        Suit::Above(price + royalty(price, bps))
    }
}

/// What the longest answer of `executor` would be paid if the cap had no end; mirrors `InferenceHub._price`.
fn price(entry: &Entry, held: &HubOrder, executor: Address, asks: &Asks, now: u64) -> Option<U256> {
    let (order, request) = (&held.order, &entry.request);
    let cost = |prices: Prices| prices.cost(request.payloadLength, request.maxTokens);
    if let Some(offer) = order.offers.iter().find(|o| o.executor == executor) {
        return Some(cost(offer.into()));
    }
    let model = &request.params.modelId;
    let price = cost(asks.at(model, order.token, now)?);
    let earlier = asks.at(model, order.token, order.orderedAt.to());
    Some(earlier.map_or(price, |prices| cost(prices).min(price)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::aliases::{U40, U96};
    use assay_bindings::Request;
    use assay_bindings::abi::{Offer, Order};

    const MODEL: B256 = B256::repeat_byte(0xaa);
    const WHO: Address = Address::repeat_byte(1);
    const TOKEN: Address = Address::repeat_byte(0xee);

    fn checkpoint(from: u64, until: u64, token_price: u64) -> Checkpoint {
        Checkpoint {
            from: U40::from(from),
            validUntil: U40::from(until),
            tokenPrice: U96::from(token_price),
            ..Default::default()
        }
    }

    fn asks(history: &[Checkpoint]) -> Asks {
        let mut asks = Asks::default();
        asks.learn(MODEL, 0, history.to_vec());
        asks
    }

    /// A request for ten tokens with an order of time 100.
    fn ordered(cap: u128, offers: Vec<Offer>, token: Address) -> Entry {
        let mut request = Request {
            maxTokens: 10,
            ..Default::default()
        };
        request.params.modelId = MODEL;
        let order = Order {
            token,
            escrow: cap,
            orderedAt: U40::from(100),
            offers,
            ..Default::default()
        };
        let mut entry = Entry::new(B256::ZERO, request, Default::default());
        entry.hub_order = Some(HubOrder::new(order, 1));
        entry
    }

    fn pays(price: u64) -> Suit {
        Suit::Pays(U256::from(price))
    }

    #[test]
    fn ask_holds_from_its_beginning_to_its_end_or_the_next_ones_beginning() {
        let asks = asks(&[
            checkpoint(10, 1_000, 7),
            checkpoint(50, 60, 3),
            // Withdrawn.
            checkpoint(90, 0, 0),
        ]);
        let at = |time| asks.at(&MODEL, Address::ZERO, time).map(|p| p.token);
        assert_eq!(at(9), None);
        assert_eq!((at(10), at(49)), (Some(7), Some(7)));
        assert_eq!((at(50), at(60), at(61)), (Some(3), Some(3), None));
        assert_eq!(at(90), None);
        assert_eq!(asks.at(&B256::ZERO, Address::ZERO, 20), None);
        assert_eq!(asks.at(&MODEL, TOKEN, 20), None);
    }

    #[test]
    fn what_was_read_before_a_doubt_has_to_be_read_again_but_counts_until_then() {
        let mut asks = asks(&[checkpoint(10, 1_000, 7)]);
        assert!(asks.is_known(&MODEL) && !asks.is_known(&B256::ZERO));
        let asked = asks.version();
        asks.doubt();
        asks.learn(MODEL, asked, vec![checkpoint(10, 1_000, 8)]);
        assert!(!asks.is_known(&MODEL), "it was asked before the doubt");
        let price = asks.at(&MODEL, Address::ZERO, 20).map(|p| p.token);
        assert_eq!(price, Some(8));
        asks.learn(MODEL, asks.version(), Vec::new());
        assert!(asks.is_known(&MODEL));
        assert_eq!(asks.at(&MODEL, Address::ZERO, 20), None);
    }

    #[test]
    fn offer_in_the_order_counts_before_any_ask_and_the_first_one_of_several() {
        let offer = |token_price| Offer {
            executor: WHO,
            tokenPrice: U96::from(token_price),
            ..Default::default()
        };
        let cheap = asks(&[checkpoint(0, 1_000, 1)]);
        let entry = ordered(1_000, vec![offer(9), offer(2)], Address::ZERO);
        assert_eq!(suit(&entry, WHO, &cheap, 200), pays(90));
        assert_eq!(
            suit(&entry, Address::repeat_byte(2), &cheap, 200),
            pays(10),
            "another's offer is not its"
        );
    }

    #[test]
    fn raise_after_the_order_does_not_count_and_a_fall_does() {
        let entry = ordered(1_000, Vec::new(), Address::ZERO);
        let of = |history: &[Checkpoint], now| suit(&entry, WHO, &asks(history), now);
        let raised = [checkpoint(0, 1_000, 5), checkpoint(150, 1_000, 9)];
        let fallen = [checkpoint(0, 1_000, 5), checkpoint(150, 1_000, 2)];
        assert_eq!((of(&raised, 120), of(&raised, 200)), (pays(50), pays(50)));
        assert_eq!((of(&fallen, 120), of(&fallen, 200)), (pays(50), pays(20)));
        let late = [checkpoint(150, 1_000, 9)];
        assert_eq!((of(&late, 120), of(&late, 200)), (Suit::Unasked, pays(90)));
        let ended = [checkpoint(0, 150, 5)];
        assert_eq!(of(&ended, 200), Suit::Unasked, "over when it would claim");
    }

    #[test]
    fn cap_holds_the_royalty_too_and_another_tokens_ask_is_none() {
        let five = asks(&[checkpoint(0, 1_000, 5)]);
        let mut entry = ordered(54, Vec::new(), Address::ZERO);
        assert_eq!(suit(&entry, WHO, &five, 200), pays(50));
        let held = entry.hub_order.as_mut().expect("set");
        held.royalty = Some(1_000);
        assert_eq!(
            suit(&entry, WHO, &five, 200),
            Suit::Above(U256::from(55)),
            "50 and 5 of royalty"
        );
        let entry = ordered(54, Vec::new(), TOKEN);
        assert_eq!(suit(&entry, WHO, &five, 200), Suit::Unasked);
        let entry = Entry {
            hub_order: None,
            ..entry
        };
        assert_eq!(suit(&entry, WHO, &five, 200), pays(0), "no order");
    }

    #[test]
    fn who_is_paid_its_price_comes_before_who_asks_nothing_and_that_before_who_asks_too_much() {
        let order = [
            pays(1),
            pays(2),
            Suit::Unasked,
            Suit::Above(U256::from(1)),
            Suit::Above(U256::from(2)),
        ];
        assert!(order.is_sorted());
    }
}
