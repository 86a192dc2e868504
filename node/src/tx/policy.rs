//! How patient the manager is and what it offers.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How patient the manager is and what it will pay.
#[derive(Clone, Copy, Debug)]
pub struct TxPolicy {
    /// Time between looks for a receipt.
    pub poll: Duration,
    /// Time until fees are raised and the transaction is sent again.
    pub bump_after: Duration,
    /// Time until [`TxError::NotMined`].
    pub give_up_after: Duration,
    /// Most wei for a unit of gas; fees are never raised over it.
    pub max_fee_per_gas: u128,
    /// Most wei for a unit of blob gas.
    pub max_fee_per_blob_gas: u128,
}

impl Default for TxPolicy {
    fn default() -> TxPolicy {
        TxPolicy {
            poll: Duration::from_millis(250),
            bump_after: Duration::from_secs(30),
            give_up_after: Duration::from_secs(300),
            max_fee_per_gas: 2_000_000_000_000,
            max_fee_per_blob_gas: 2_000_000_000_000,
        }
    }
}

/// What is offered for a unit of gas, in wei.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fees {
    /// Most wei for a unit of gas.
    pub max: u128,
    /// Wei of it for the block's maker.
    pub tip: u128,
    /// Most wei for a unit of blob gas; 0 where there is no blob.
    pub blob: u128,
}

/// Why a transaction with blobs can't be replaced: nodes want twice of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Capped {
    /// Blob gas.
    #[error(
        "it offers {fee} wei for a unit of blob gas, and twice that is over the limit of {cap}: raise the limit (of a \
         sequencer --max-blob-fee-gwei) and start again, or wait until blob gas costs less"
    )]
    Blob {
        /// What is offered.
        fee: u128,
        /// The most that may be.
        cap: u128,
    },
    /// Gas.
    #[error(
        "it offers {fee} wei for a unit of gas, and twice that is over the limit of {cap}: wait until gas costs less"
    )]
    Gas {
        /// What is offered.
        fee: u128,
        /// The most that may be.
        cap: u128,
    },
}

impl TxPolicy {
    /// The first offer where a unit of blob gas costs `fee`: twice that, for what blocks add until it is mined.
    // INVARIANT: it leaves room for a doubling, without which it can't be replaced; but where the price itself leaves none, it is
    // all that may be offered, since no later offer can be more.
    pub fn first_blob_fee(&self, fee: u128) -> u128 {
        let cap = self.max_fee_per_blob_gas;
        match fee <= cap / 2 {
            true => fee.saturating_mul(2).min(cap / 2).max(1),
            false => cap,
        }
    }
}

impl Fees {
    /// Nodes want at least 10 % more to replace a transaction, and twice of everything for one with a blob.
    ///
    /// # Errors
    /// It has blobs, and twice of everything is more than may be offered: a node would refuse it for less.
    pub fn bumped(self, policy: &TxPolicy) -> Result<Fees, Capped> {
        let cap = policy.max_fee_per_gas;
        if self.blob != 0 {
            let doubled = Fees {
                max: self.max.saturating_mul(2).max(1),
                tip: self.tip.saturating_mul(2).max(1),
                blob: self.blob.saturating_mul(2),
            };
            if doubled.blob > policy.max_fee_per_blob_gas {
                let (fee, cap) = (self.blob, policy.max_fee_per_blob_gas);
                return Err(Capped::Blob { fee, cap });
            }
            if doubled.max.max(doubled.tip) > cap {
                let fee = self.max.max(self.tip);
                return Err(Capped::Gas { fee, cap });
            }
            return Ok(doubled);
        }
        let raise = |fee: u128| (fee + fee / 4 + 1).min(cap);
        Ok(Fees {
            max: raise(self.max),
            tip: raise(self.tip),
            blob: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bumps_are_enough_to_replace_and_stop_at_the_cap() {
        let policy = TxPolicy {
            max_fee_per_gas: 10_000,
            max_fee_per_blob_gas: 10,
            ..TxPolicy::default()
        };
        let mut fees = Fees {
            max: 100,
            tip: 1,
            blob: 0,
        };
        for _ in 0..50 {
            let next = fees.bumped(&policy).expect("no blob");
            assert!(next.max == 10_000 || next.max * 10 >= fees.max * 11);
            assert!(next.tip == 10_000 || next.tip * 10 >= fees.tip * 11);
            assert!(next.max <= 10_000 && next.tip <= 10_000);
            fees = next;
        }
        assert_eq!((fees.max, fees.tip, fees.blob), (10_000, 10_000, 0));
    }

    fn with_blobs(max: u128, tip: u128, blob: u128) -> Fees {
        Fees { max, tip, blob }
    }

    #[test]
    fn bump_with_blobs_is_twice_of_everything_or_none() {
        let policy = TxPolicy {
            max_fee_per_gas: 400,
            max_fee_per_blob_gas: 12,
            ..TxPolicy::default()
        };
        let twice = with_blobs(100, 0, 3).bumped(&policy);
        assert_eq!(twice, Ok(with_blobs(200, 1, 6)));
        let to_the_caps = with_blobs(200, 1, 6).bumped(&policy);
        assert_eq!(to_the_caps, Ok(with_blobs(400, 2, 12)));
        // A unit over either cap, and the other far below.
        let dear = with_blobs(100, 1, 7).bumped(&policy);
        assert_eq!(dear, Err(Capped::Blob { fee: 7, cap: 12 }));
        let dear = with_blobs(201, 1, 1).bumped(&policy);
        assert_eq!(dear, Err(Capped::Gas { fee: 201, cap: 400 }));
    }

    #[test]
    fn first_offer_can_be_doubled_unless_the_price_itself_can_not() {
        let policy = |cap| TxPolicy {
            max_fee_per_blob_gas: cap,
            ..TxPolicy::default()
        };
        let offers = [0, 1, 20, 25, 30, 50].map(|fee| policy(100).first_blob_fee(fee));
        assert_eq!(offers, [1, 2, 40, 50, 50, 50]);
        let policies = [2, 3, 100, 101, 2_000_000_000_000].map(policy);
        for (policy, part) in policies.iter().flat_map(|p| (0..=100).map(move |n| (p, n))) {
            let cap = policy.max_fee_per_blob_gas;
            let fee = cap * part / 200;
            let first = policy.first_blob_fee(fee);
            assert!(first >= fee && first > 0);
            let next = with_blobs(1, 1, first).bumped(policy);
            assert_eq!(next, Ok(with_blobs(2, 2, 2 * first)), "{fee} of {cap}");
        }
        // Over half of it nothing can be doubled: all of it, and no bump.
        assert_eq!(policy(100).first_blob_fee(51), 100);
        assert_eq!(policy(100).first_blob_fee(1_000), 100);
        assert!(with_blobs(1, 1, 100).bumped(&policy(100)).is_err());
    }
}
