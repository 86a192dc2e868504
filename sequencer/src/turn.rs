//! Whose turn it is to post; mirrors `Rollup.sequencerAt`.

use alloy::primitives::Address;

/// Seconds before the end of a turn in which nothing is sent any more, or a quarter of it if that is less: a batch that is
/// mined after the border pays for being refused.
const CAUTION: u64 = 12;

/// The deployment's sequencers, in their order, and how long each one's turn is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turns {
    sequencers: Vec<Address>,
    length: u64,
}

impl Turns {
    /// `None` for a list or a length that no rollup is deployed with.
    pub fn new(sequencers: Vec<Address>, length: u64) -> Option<Turns> {
        (!sequencers.is_empty() && length != 0).then_some(Turns { sequencers, length })
    }

    /// All of them.
    pub fn sequencers(&self) -> &[Address] {
        &self.sequencers
    }

    /// Who posts at `time`, unix seconds.
    pub fn at(&self, time: u64) -> Address {
        self.sequencers[(time / self.length) as usize % self.sequencers.len()]
    }

    /// Most seconds that any of them waits until it may send.
    pub fn longest_wait(&self) -> u64 {
        match self.sequencers.len() as u64 {
            1 => 0,
            count => (count - 1)
                .saturating_mul(self.length)
                .saturating_add(self.caution()),
        }
    }

    fn caution(&self) -> u64 {
        CAUTION.min(self.length / 4)
    }

    /// Seconds from `now` until `account` may send a batch; 0 if it may now, `None` if it never may.
    pub fn wait(&self, account: Address, now: u64) -> Option<u64> {
        let index = self.sequencers.iter().position(|a| *a == account)?;
        if self.sequencers.len() == 1 {
            return Some(0);
        }
        // In 128 bits: no length is too long for a deployment.
        let (length, now) = (u128::from(self.length), u128::from(now));
        let round = length * self.sequencers.len() as u128;
        let begin = length * index as u128;
        let into = (now % round + round - begin) % round;
        let useful = self.length - self.caution();
        if into < u128::from(useful) {
            return Some(0);
        }
        Some(u64::try_from(round - into).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> Address {
        Address::repeat_byte(n)
    }

    fn turns(count: u8, length: u64) -> Turns {
        Turns::new((1..=count).map(account).collect(), length).expect("a list")
    }

    #[test]
    fn one_alone_never_waits() {
        let one = turns(1, 7);
        for now in [0, 6, 7, 1_700_000_000, u64::MAX] {
            assert_eq!(one.at(now), account(1));
            assert_eq!(one.wait(account(1), now), Some(0));
        }
        assert_eq!(one.longest_wait(), 0);
        assert_eq!(one.wait(account(2), 0), None, "not of the list");
    }

    #[test]
    fn each_has_its_turn_and_sends_nothing_near_its_end() {
        let three = turns(3, 100);
        for round in [0, 300, 1_700_000_100] {
            assert_eq!(three.at(round), account(1));
            assert_eq!(three.at(round + 99), account(1));
            assert_eq!(three.at(round + 100), account(2));
            assert_eq!(three.at(round + 299), account(3));
            assert_eq!(three.wait(account(1), round), Some(0));
            assert_eq!(three.wait(account(1), round + 87), Some(0));
            assert_eq!(three.wait(account(1), round + 88), Some(212));
            assert_eq!(three.wait(account(1), round + 299), Some(1));
            assert_eq!(three.wait(account(2), round), Some(100));
            assert_eq!(three.wait(account(3), round + 199), Some(1));
            assert_eq!(three.wait(account(3), round + 200), Some(0));
        }
    }

    #[test]
    fn whoever_may_send_is_the_one_whose_turn_it_is() {
        for length in [1, 3, 4, 60] {
            let two = turns(2, length);
            let mut sent = [false; 3];
            for now in 1_000..1_000 + 3 * length {
                for n in [1, 2] {
                    let wait = two.wait(account(n), now).expect("of the list");
                    assert!(wait > 0 || two.at(now) == account(n), "{length} {now}");
                    assert_eq!(two.wait(account(n), now + wait), Some(0));
                    sent[usize::from(n)] |= wait == 0;
                }
            }
            assert!(sent[1] && sent[2]);
            let waits = (0..2 * length).filter_map(|now| two.wait(account(1), now));
            assert_eq!(waits.max(), Some(two.longest_wait()), "{length}");
        }
    }

    #[test]
    fn longest_turns_do_not_overflow() {
        let two = turns(2, u64::MAX);
        assert_eq!(two.wait(account(1), 5), Some(0));
        assert_eq!(two.wait(account(2), 5), Some(u64::MAX - 5));
        assert_eq!(turns(16, u64::MAX).longest_wait(), u64::MAX);
        assert_eq!(Turns::new(vec![], 1), None);
        assert_eq!(Turns::new(vec![account(1)], 0), None);
    }
}
