//! What a keeper may spend. Pure: no chain, no clock of its own.
//!
//! Rules: what is kept for games is never touched; a callback whose fee does not pay for it is made only where its operator
//! says so; and whatever nobody pays for has a budget by the hour, half of which callbacks may take.

use alloy::primitives::U256;
use std::collections::BTreeMap;

/// Gas of one game at the worst: the opening of the largest claim, its moves, its proof.
pub const GAME_GAS: u64 = 6_000_000;
/// Gas that it takes more to open the largest output in a blob: 133 elements at 60,000 each.
pub const BLOB_GAS: u64 = 8_000_000;
/// Seconds that a charge counts against the budget.
const HOUR: u64 = 3_600;

/// What an operator lets a keeper do.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Make callbacks whose fee does not pay for their gas.
    pub unpaid: bool,
    /// Gas in any hour for what nobody pays for.
    pub gas_per_hour: u64,
}

/// The account as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Funds {
    /// Wei in it.
    pub balance: U256,
    /// Wei for a unit of gas.
    pub price: u128,
    /// Wei that must stay in it.
    pub reserve: U256,
}

/// What a watchtower may have to play.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    /// Own games that are open: they cost gas.
    pub open: usize,
    /// Games that may have to be opened: they cost a bond and gas.
    pub potential: usize,
    /// Those of them whose outputs are in blobs: opening them costs more.
    pub in_blobs: usize,
}

impl Exposure {
    /// Wei to keep. The price may double until they are over.
    pub fn reserve(&self, bond: U256, price: u128) -> U256 {
        let price = U256::from(2 * price);
        let (gas, more) = (price * U256::from(GAME_GAS), price * U256::from(BLOB_GAS));
        let (open, potential) = (U256::from(self.open), U256::from(self.potential));
        (gas * open)
            .saturating_add((gas + bond) * potential)
            .saturating_add(more * U256::from(self.in_blobs))
    }
}

/// What a chore costs and brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// Makes a claim final; brings its executor's fee to the executor, and nothing to the keeper.
    Finalize {
        /// Gas at most.
        gas: u64,
    },
    /// Makes a callback.
    Callback {
        /// Gas at most, the consumer's whole allowance counted.
        gas: u64,
        /// Wei that its fee brings.
        fee: U256,
    },
}

/// Why a chore is not done now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum Objection {
    /// Money for games comes first.
    #[error("the account keeps what is left for games")]
    Reserve,
    /// Nobody pays.
    #[error("its callback fee does not pay for its gas")]
    Unpaid,
    /// The hour's gas is spent.
    #[error("the hour's gas for what nobody pays for is spent")]
    Budget,
}

/// What became of a chore.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing was sent.
    NotSent,
    /// It was mined and did its work, for this much gas.
    Done(u64),
    /// It was or may have been mined, and brought nothing.
    Lost,
}

/// Leave to send one chore.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(u64);

#[derive(Clone, Copy, Debug)]
struct Charge {
    at: u64,
    gas: u64,
    /// Wei that it may cost until it is known what it did cost.
    pending: U256,
    paid: bool,
}

/// The keeper's accounts.
#[derive(Debug)]
pub struct Purse {
    terms: Terms,
    charges: BTreeMap<Ticket, Charge>,
    next: u64,
}

impl Purse {
    /// Nothing spent yet.
    pub fn new(terms: Terms) -> Purse {
        Purse {
            terms,
            charges: BTreeMap::new(),
            next: 0,
        }
    }

    /// Leave to do a chore at `now` (seconds of any steady clock); its worst price is set aside until [`Purse::settle`].
    ///
    /// # Errors
    /// Why not now.
    // INVARIANT: balance - everything under way >= reserve, whatever the consumers do with their gas.
    pub fn admit(&mut self, offer: Offer, funds: &Funds, now: u64) -> Result<Ticket, Objection> {
        self.charges
            .retain(|_, c| !c.pending.is_zero() || c.at + HOUR > now);
        let (Offer::Finalize { gas } | Offer::Callback { gas, .. }) = offer;
        // A quarter more: the price moves by an eighth a block.
        let cost = U256::from(funds.price) * U256::from(gas) * U256::from(5) / U256::from(4);
        let pending: U256 = self.charges.values().map(|c| c.pending).sum();
        if funds.balance < funds.reserve.saturating_add(pending + cost) {
            return Err(Objection::Reserve);
        }
        let spent: u64 = self.charges.values().map(|c| c.gas).sum();
        let (paid, budget) = match offer {
            Offer::Finalize { .. } => (false, self.terms.gas_per_hour),
            Offer::Callback { fee, .. } if fee >= cost => (true, self.terms.gas_per_hour),
            Offer::Callback { .. } if !self.terms.unpaid => return Err(Objection::Unpaid),
            // Free callbacks must not keep claims from becoming final.
            Offer::Callback { .. } => (false, self.terms.gas_per_hour / 2),
        };
        // What is paid for is charged until it has paid: somebody may be quicker on purpose.
        if spent + gas > budget {
            return Err(Objection::Budget);
        }
        self.next += 1;
        let charge = Charge {
            at: now,
            gas,
            // Never zero while it is under way.
            pending: cost.max(U256::ONE),
            paid,
        };
        self.charges.insert(Ticket(self.next), charge);
        Ok(Ticket(self.next))
    }

    /// A chore has ended.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(charge) = self.charges.get_mut(&ticket) else {
            return;
        };
        charge.pending = U256::ZERO;
        match outcome {
            Outcome::NotSent => charge.gas = 0,
            Outcome::Done(_) if charge.paid => charge.gas = 0,
            Outcome::Done(gas) => charge.gas = gas,
            Outcome::Lost => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURLY: u64 = 10_000_000;

    fn purse(unpaid: bool) -> Purse {
        Purse::new(Terms {
            unpaid,
            gas_per_hour: HOURLY,
        })
    }

    fn funds(balance: u64, reserve: u64) -> Funds {
        Funds {
            balance: U256::from(balance),
            price: 10,
            reserve: U256::from(reserve),
        }
    }

    const RICH: u64 = u64::MAX;

    fn callback(gas: u64, fee: u64) -> Offer {
        let fee = U256::from(fee);
        Offer::Callback { gas, fee }
    }

    #[test]
    fn callback_is_made_where_its_fee_covers_its_gas_with_a_margin() {
        let mut purse = purse(false);
        let rich = funds(RICH, 0);
        // 1,000 gas at 10 wei, and a quarter.
        let enough = purse.admit(callback(1_000, 12_500), &rich, 0);
        assert!(enough.is_ok());
        let unpaid = Err(Objection::Unpaid);
        assert_eq!(purse.admit(callback(1_000, 12_499), &rich, 0), unpaid);
        assert_eq!(purse.admit(callback(1_000, 0), &rich, 0), unpaid);
    }

    #[test]
    fn hostile_consumer_takes_half_of_an_hour_s_gas_and_claims_still_become_final() {
        let hostile = callback(2_150_000, 0);
        assert_eq!(
            purse(false).admit(hostile, &funds(RICH, 0), 0),
            Err(Objection::Unpaid)
        );
        let mut purse = purse(true);
        let mut made = 0;
        for second in 0..3_600 {
            if let Ok(ticket) = purse.admit(hostile, &funds(RICH, 0), second) {
                purse.settle(ticket, Outcome::Done(2_150_000));
                made += 1;
            }
        }
        assert_eq!(made, 2);
        let finalize = Offer::Finalize { gas: 100_000 };
        for _ in 0..57 {
            let ticket = purse.admit(finalize, &funds(RICH, 0), 3_599);
            purse.settle(ticket.expect("there is gas for it"), Outcome::Done(100_000));
        }
        let over = Err(Objection::Budget);
        assert_eq!(purse.admit(finalize, &funds(RICH, 0), 3_599), over);
        // The first hour's charges lapse.
        assert!(purse.admit(finalize, &funds(RICH, 0), 3_600).is_ok());
    }

    #[test]
    fn what_pays_for_itself_is_not_charged_unless_it_brought_nothing() {
        let mut purse = purse(false);
        let paid = callback(4_000_000, 50_000_000);
        for _ in 0..100 {
            let ticket = purse.admit(paid, &funds(RICH, 0), 0).expect("paid for");
            purse.settle(ticket, Outcome::Done(3_000_000));
        }
        for _ in 0..2 {
            let ticket = purse.admit(paid, &funds(RICH, 0), 0).expect("paid for");
            purse.settle(ticket, Outcome::Lost);
        }
        assert_eq!(
            purse.admit(paid, &funds(RICH, 0), 0),
            Err(Objection::Budget)
        );
        let ticket = purse.admit(callback(1_000_000, 12_500_000), &funds(RICH, 0), 0);
        purse.settle(ticket.expect("room for it"), Outcome::NotSent);
        let ticket = purse.admit(callback(2_000_000, 25_000_000), &funds(RICH, 0), 0);
        assert!(ticket.is_ok(), "what was not sent costs nothing");
    }

    #[test]
    fn reserve_is_never_touched_by_anything_under_way() {
        let mut purse = purse(true);
        let finalize = Offer::Finalize { gas: 1_000 };
        let short = Err(Objection::Reserve);
        assert_eq!(purse.admit(finalize, &funds(112_499, 100_000), 0), short);
        let exact = funds(112_500, 100_000);
        let ticket = purse.admit(finalize, &exact, 0).expect("just enough");
        // The balance does not show yet what the first one costs.
        assert_eq!(purse.admit(finalize, &exact, 0), short);
        assert_eq!(purse.admit(callback(1_000, 99_999), &exact, 0), short);
        purse.settle(ticket, Outcome::NotSent);
        assert!(purse.admit(finalize, &exact, 0).is_ok());
        let all = Funds {
            reserve: U256::MAX,
            ..funds(RICH, 0)
        };
        assert_eq!(purse.admit(finalize, &all, 0), short);
    }

    #[test]
    fn reserve_holds_bonds_and_gas_of_what_may_be_played() {
        let bond = U256::from(1_000u64);
        let gas = 2 * 10 * GAME_GAS;
        let of = |open, potential, in_blobs| Exposure {
            open,
            potential,
            in_blobs,
        };
        let reserve = |open, potential| of(open, potential, 0).reserve(bond, 10);
        let more = U256::from(2 * 2 * 10 * BLOB_GAS);
        assert_eq!(of(2, 3, 2).reserve(bond, 10), reserve(2, 3) + more);
        assert_eq!(reserve(0, 0), U256::ZERO);
        assert_eq!(reserve(2, 0), U256::from(2 * gas));
        assert_eq!(reserve(2, 3), U256::from(5 * gas + 3_000));
    }
}
