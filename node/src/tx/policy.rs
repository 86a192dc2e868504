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

impl Fees {
    /// Nodes want at least 10 % more to replace a transaction, and twice of everything for one with a blob.
    pub fn bumped(self, policy: &TxPolicy) -> Fees {
        let cap = policy.max_fee_per_gas;
        if self.blob != 0 {
            let double = |fee: u128| (2 * fee).clamp(1, cap);
            return Fees {
                max: double(self.max),
                tip: double(self.tip),
                blob: (2 * self.blob).min(policy.max_fee_per_blob_gas),
            };
        }
        let raise = |fee: u128| (fee + fee / 4 + 1).min(cap);
        Fees {
            max: raise(self.max),
            tip: raise(self.tip),
            blob: 0,
        }
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
            let next = fees.bumped(&policy);
            assert!(next.max == 10_000 || next.max * 10 >= fees.max * 11);
            assert!(next.tip == 10_000 || next.tip * 10 >= fees.tip * 11);
            assert!(next.max <= 10_000 && next.tip <= 10_000);
            fees = next;
        }
        assert_eq!((fees.max, fees.tip, fees.blob), (10_000, 10_000, 0));
        fees.max = 100;
        (fees.tip, fees.blob) = (0, 3);
        let doubled = Fees {
            max: 200,
            tip: 1,
            blob: 6,
        };
        assert_eq!(fees.bumped(&policy), doubled, "all of it, for a blob");
        let twice = fees.bumped(&policy).bumped(&policy);
        assert_eq!((twice.max, twice.blob), (400, 10), "each to its cap");
    }
}
