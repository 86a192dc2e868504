//! What an ask costs; mirrors `contracts/src/market/AskLaws.sol`.

use crate::abi::{Checkpoint, Offer, SignedAsk};
use alloy::primitives::U256;

/// Bytes of payload that a prompt price is for.
const UNIT: u64 = 1_000;
/// A hundredth of a per cent.
const BPS: u64 = 10_000;

/// What an executor asks, in the smallest unit of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prices {
    /// For 1,000 bytes of payload; below 2^96.
    pub prompt: u128,
    /// For a token of answer; below 2^96.
    pub token: u128,
}

impl Prices {
    /// Price of `payload_length` bytes and `tokens` of answer. The prompt's part is rounded up.
    // INVARIANT: prices have 96 bits and both counts 32, so nothing overflows.
    pub fn cost(self, payload_length: u32, tokens: u32) -> U256 {
        let prompt = U256::from(self.prompt) * U256::from(payload_length);
        prompt.div_ceil(U256::from(UNIT)) + U256::from(self.token) * U256::from(tokens)
    }
}

/// The prices in each struct that has some.
macro_rules! prices_of {
    ($($from:ty),*) => {$(
        impl From<&$from> for Prices {
            fn from(ask: &$from) -> Prices {
                Prices {
                    prompt: ask.promptPrice.to(),
                    token: ask.tokenPrice.to(),
                }
            }
        }
    )*};
}

prices_of!(Checkpoint, Offer, SignedAsk);

/// What a royalty of `bps` adds to `price`, rounded down.
pub fn royalty(price: U256, bps: u16) -> U256 {
    price * U256::from(bps) / U256::from(BPS)
}

/// `price`, or as much of it as `cap` pays once its royalty is paid too.
// INVARIANT: within + royalty(within, bps) <= cap.
pub fn within(price: U256, bps: u16, cap: u128) -> U256 {
    let most = U256::from(cap) * U256::from(BPS) / (U256::from(BPS) + U256::from(bps));
    price.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_is_rounded_up_and_tokens_are_exact() {
        let of = |prompt, token, bytes, tokens| Prices { prompt, token }.cost(bytes, tokens);
        assert_eq!(of(7, 0, 1, 9), U256::from(1));
        assert_eq!(of(1_000, 3, 29, 8), U256::from(29 + 24));
        assert_eq!(of(0, 0, u32::MAX, u32::MAX), U256::ZERO);
        let most = (1u128 << 96) - 1;
        assert!(of(most, most, u32::MAX, u32::MAX) < U256::from(1) << 129);
    }

    #[test]
    fn price_and_royalty_never_pass_the_cap() {
        for cap in [0u128, 1, 9, 10_000, 123_457, u128::MAX] {
            for bps in [0u16, 1, 333, 2_000] {
                for price in [0u64, 1, 10, 9_999, 1_000_000] {
                    let paid = within(U256::from(price), bps, cap);
                    assert!(paid + royalty(paid, bps) <= U256::from(cap));
                    assert!(paid <= U256::from(price));
                }
            }
        }
    }
}
