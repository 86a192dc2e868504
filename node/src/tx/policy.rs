//! How patient the manager is and what it offers.

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
}

impl Default for TxPolicy {
    fn default() -> TxPolicy {
        TxPolicy {
            poll: Duration::from_millis(250),
            bump_after: Duration::from_secs(30),
            give_up_after: Duration::from_secs(300),
            max_fee_per_gas: 2_000_000_000_000,
        }
    }
}

/// What is offered for a unit of gas, in wei.
#[derive(Clone, Copy, Debug)]
pub struct Fees {
    /// Most wei for a unit of gas.
    pub max: u128,
    /// Wei of it for the block's maker.
    pub tip: u128,
}

impl Fees {
    /// Nodes want at least 10 % more to replace a transaction.
    pub fn bumped(self, cap: u128) -> Fees {
        let raise = |fee: u128| (fee + fee / 4 + 1).min(cap);
        Fees {
            max: raise(self.max),
            tip: raise(self.tip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bumps_are_enough_to_replace_and_stop_at_the_cap() {
        let mut fees = Fees { max: 100, tip: 1 };
        for _ in 0..50 {
            let next = fees.bumped(10_000);
            assert!(next.max == 10_000 || next.max * 10 >= fees.max * 11);
            assert!(next.tip == 10_000 || next.tip * 10 >= fees.tip * 11);
            assert!(next.max <= 10_000 && next.tip <= 10_000);
            fees = next;
        }
        assert_eq!((fees.max, fees.tip), (10_000, 10_000));
    }
}
