//! How much work a window takes and what it burns; mirrors `contracts/src/rollup/WorkMeter.sol`.
//!
//! Amounts of work are in model bytes x tokens, prices in wei for 2^20 of them.

use alloy::primitives::U256;

/// What a deployment fixes about work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkLaw {
    /// Most work in any stretch of one window; below 2^96.
    pub per_window: U256,
    /// Price in an idle window.
    pub floor: U256,
    /// How often the price doubles from an empty share to a full one, at least once.
    pub doublings: u8,
}

/// A part of the window's work, and how full it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    law: WorkLaw,
    cap: U256,
    level: U256,
}

impl WorkLaw {
    /// Batches' share with `left` work free, as `Rollup.workLeft` says.
    pub fn batches(self, left: U256) -> Share {
        Share::new(
            self,
            self.per_window / U256::from(2) - self.direct_cap(),
            left,
        )
    }

    /// Direct claims' share with `left` work free.
    pub fn direct(self, left: U256) -> Share {
        Share::new(self, self.direct_cap(), left)
    }

    fn direct_cap(self) -> U256 {
        self.per_window / U256::from(10)
    }

    /// Least fee with which the inbox takes a request of `work` at its max tokens. `None` where no share takes it.
    pub fn least_fee(self, work: U256) -> Option<U256> {
        let idle = self.direct(self.direct_cap());
        idle.burn(work).map(|burn| burn * U256::from(2))
    }
}

impl Share {
    fn new(law: WorkLaw, cap: U256, left: U256) -> Share {
        let level = cap.saturating_sub(left);
        Share { law, cap, level }
    }

    /// Wei that a claim of `work` burns; `None` if it does not fit.
    pub fn burn(&self, work: U256) -> Option<U256> {
        let after = self
            .level
            .checked_add(work)
            .filter(|after| *after <= self.cap)?;
        // No overflow: the rollup is deployed only if its whole share can be reckoned in 256 bits.
        let area = self.law.floor * (self.area(after) - self.area(self.level));
        let unit = (U256::from(2) * U256::from(self.law.doublings) * self.cap) << 20;
        Some(area.div_ceil(unit))
    }

    /// Least fee of a claim of `work` now, or as soon as it fits; `None` if it never does.
    pub fn fee(&self, work: U256) -> Option<U256> {
        let level = self.level.min(self.cap.checked_sub(work)?);
        let burn = Share { level, ..*self }.burn(work)?;
        Some(burn * U256::from(2))
    }

    /// Adds a claim of `work` that is paid by `fee`; `false`, and nothing changes, where the rollup would skip it.
    pub fn claim(&mut self, work: U256, fee: U256) -> bool {
        let fits = self
            .burn(work)
            .is_some_and(|burn| burn * U256::from(2) <= fee);
        if fits {
            self.level += work;
        }
        fits
    }

    /// Area below the price up to `level`, in units of `floor / (2 * doublings * cap)`.
    fn area(&self, level: U256) -> U256 {
        let (doubled, rest) = (level * U256::from(self.law.doublings)).div_rem(self.cap);
        let doubled = U256::from(1) << doubled;
        U256::from(3) * (doubled - U256::from(1)) * self.cap * self.cap
            + doubled * rest * (U256::from(2) * self.cap + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(n: u64) -> U256 {
        U256::from(n)
    }

    /// Four doublings over 4 * 2^20 units, from 8 wei on.
    fn share(level: u64) -> Share {
        let law = WorkLaw {
            per_window: wei(10 << 20),
            floor: wei(8),
            doublings: 4,
        };
        law.batches(wei((4 << 20) - level))
    }

    #[test]
    fn burn_is_the_area_below_the_price() {
        assert_eq!(share(0).burn(wei(4 << 20)), Some(wei(180)));
        assert_eq!(share(3 << 20).burn(wei(1 << 20)), Some(wei(96)));
        assert_eq!(share(0).burn(wei(1)), Some(wei(1)), "no work is free");
        assert_eq!(share(0).burn(wei(0)), Some(wei(0)));
        assert_eq!(share(1).burn(wei(4 << 20)), None);
        assert_eq!(share(1).burn(U256::MAX), None);
    }

    #[test]
    fn claim_is_taken_only_if_its_fee_is_twice_what_it_burns() {
        let mut s = share(3 << 20);
        assert!(!s.claim(wei(1 << 20), wei(191)));
        assert_eq!(s, share(3 << 20), "nothing has changed");
        assert!(s.claim(wei(1 << 20), wei(192)));
        assert!(!s.claim(wei(1), U256::MAX), "full");
    }

    #[test]
    fn fee_of_what_does_not_fit_yet_is_that_of_the_fullest_share_that_takes_it() {
        assert_eq!(share(0).fee(wei(1 << 20)), Some(wei(24)));
        assert_eq!(share(4 << 20).fee(wei(1 << 20)), Some(wei(192)));
        assert_eq!(share(0).fee(wei((4 << 20) + 1)), None);
    }

    #[test]
    fn least_fee_is_that_of_an_idle_direct_share() {
        // Its share is a quarter of the batches', so the price doubles four times as fast.
        let law = share(0).law;
        assert_eq!(law.least_fee(wei(1 << 20)), Some(wei(90)));
        assert_eq!(law.least_fee(wei((1 << 20) + 1)), None);
    }
}
