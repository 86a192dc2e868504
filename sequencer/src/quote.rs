//! Which signed asks are handed to an asker. Pure.
//!
//! Rules: those of connected executors with a bond free for the request that hold for a while yet, the cheapest longest answer
//! first; of equals the one connected first. An order carries eight, so no more are handed out.

use crate::book::Book;
use crate::route::burden;
use crate::sessions::Sessions;
use alloy::primitives::{Address, B256, U256};
use assay_bindings::abi::SignedAsk;
use assay_bindings::ask::Prices;

/// Signed asks that an order carries at most, `InferenceHub.MAX_ASKS`.
const MOST: usize = 8;
/// Seconds that an ask must hold for yet: the order has to be mined.
const LEAST_LIFE: u64 = 60;

/// What an asker wants to know the price of.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry {
    /// Of which model.
    pub model: B256,
    /// Bytes of the payload.
    pub payload_length: u32,
    /// Most tokens of answer.
    pub max_tokens: u32,
    /// What it pays in; zero for ether.
    pub token: Address,
    /// Bond that the claim will lock.
    pub bond: U256,
}

/// Asks with the price of the longest answer. `claim_bond` is the least bond of a claim; `now` the chain's time, unix seconds.
pub fn quote(
    book: &Book,
    sessions: &Sessions,
    inquiry: &Inquiry,
    claim_bond: U256,
    now: u64,
) -> Vec<(SignedAsk, U256)> {
    let suits = |ask: &&SignedAsk| {
        ask.modelId == inquiry.model
            && ask.token == inquiry.token
            && ask.validUntil.to::<u64>() >= now + LEAST_LIFE
    };
    let bond = inquiry.bond.max(claim_bond);
    let able = sessions
        .iter()
        .filter(|s| s.free_stake >= burden(book, s.executor, claim_bond).1 + bond);
    let mut found: Vec<(U256, u64, SignedAsk)> = able
        .flat_map(|s| {
            let asks = s.signed_asks.iter().filter(suits);
            asks.map(|ask| (cost(ask, inquiry), s.order, ask.clone()))
        })
        .collect();
    found.sort_by_key(|(price, order, _)| (*price, *order));
    found.truncate(MOST);
    found
        .into_iter()
        .map(|(price, _, ask)| (ask, price))
        .collect()
}

fn cost(ask: &SignedAsk, inquiry: &Inquiry) -> U256 {
    Prices::from(ask).cost(inquiry.payload_length, inquiry.max_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::Introduction;
    use alloy::primitives::aliases::{U40, U96};

    const MODEL: B256 = B256::repeat_byte(0xaa);
    const BOND: U256 = U256::from_limbs([100, 0, 0, 0]);

    fn join(sessions: &mut Sessions, n: u8, stake: u64, asks: Vec<SignedAsk>) {
        let (out, _) = tokio::sync::mpsc::channel(1);
        let who = Introduction {
            executor: Address::repeat_byte(n),
            models: vec![MODEL],
            capacity: 1,
            free_stake: U256::from(stake),
        };
        sessions.join(who, out);
        let session = sessions.get_mut(&Address::repeat_byte(n));
        session.expect("joined").signed_asks = asks;
    }

    fn ask(n: u8, token_price: u64, until: u64) -> SignedAsk {
        SignedAsk {
            executor: Address::repeat_byte(n),
            modelId: MODEL,
            tokenPrice: U96::from(token_price),
            validUntil: U40::from(until),
            ..Default::default()
        }
    }

    #[test]
    fn cheapest_asks_that_hold_and_are_backed_are_handed_out_eight_at_most() {
        let mut sessions = Sessions::default();
        let other = SignedAsk {
            token: Address::repeat_byte(9),
            ..ask(1, 1, 5_000)
        };
        join(&mut sessions, 1, 100, vec![ask(1, 7, 5_000), other]);
        join(&mut sessions, 2, 99, vec![ask(2, 1, 5_000)]);
        join(&mut sessions, 3, 100, vec![ask(3, 3, 5_000)]);
        join(&mut sessions, 4, 100, vec![ask(4, 2, 1_059)]);
        join(&mut sessions, 5, 100, vec![ask(5, 3, 1_060)]);
        let inquiry = Inquiry {
            model: MODEL,
            payload_length: 10,
            max_tokens: 10,
            token: Address::ZERO,
            bond: U256::ZERO,
        };
        let of = |sessions: &Sessions, inquiry: &Inquiry| -> Vec<(u8, u64)> {
            let asks = quote(&Book::default(), sessions, inquiry, BOND, 1_000);
            let brief = |(ask, price): &(SignedAsk, U256)| (ask.executor[0], price.to());
            asks.iter().map(brief).collect()
        };
        assert_eq!(of(&sessions, &inquiry), [(3, 30), (5, 30), (1, 70)]);
        let dearer = Inquiry {
            bond: U256::from(101),
            ..inquiry
        };
        assert_eq!(of(&sessions, &dearer), []);
        for n in 10..20 {
            join(&mut sessions, n, 100, vec![ask(n, 1, 5_000)]);
        }
        assert_eq!(of(&sessions, &inquiry).len(), MOST);
    }
}
