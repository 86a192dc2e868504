//! The law of routing by price, at random: whom the sequencer asks, and who is next when it fails.

use alloy::primitives::aliases::{U40, U96};
use alloy::primitives::{Address, B256, U256};
use assay_bindings::Request;
use assay_bindings::abi::{Checkpoint, Offer, Order};
use assay_bindings::work::{Share, WorkLaw};
use assay_sequencer::book::Book;
use assay_sequencer::entry::{Entry, HubOrder};
use assay_sequencer::route::{Decision, route};
use assay_sequencer::sessions::{Introduction, Sessions};

const MODEL: B256 = B256::repeat_byte(0xaa);
const BOND: u64 = 100;
const NOW: u64 = 1_000;
/// Of every request here.
const BYTES: u32 = 1_500;
const TOKENS: u32 = 10;

/// xorshift64*: the same cases every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// An executor as the test knows it.
#[derive(Clone, Debug)]
struct Executor {
    who: Address,
    stake: u64,
    /// Price of the longest answer by the ask that counts, in the order's token.
    price: Option<u64>,
}

impl Executor {
    /// Class and price, worked out without the code under test.
    fn rank(&self, cap: u64, bps: u64) -> (u8, u64) {
        match self.price {
            Some(price) if price <= cap * 10_000 / (10_000 + bps) => (0, price),
            None => (1, 0),
            Some(price) => (2, price),
        }
    }

    fn is_able(&self) -> bool {
        self.stake >= BOND
    }
}

struct Case {
    book: Book,
    sessions: Sessions,
    executors: Vec<Executor>,
    id: B256,
    cap: u64,
    bps: u64,
}

fn cost(prompt: u64, token: u64) -> u64 {
    (prompt * u64::from(BYTES)).div_ceil(1_000) + token * u64::from(TOKENS)
}

fn share() -> Share {
    let law = WorkLaw {
        per_window: U256::from(1_000_000),
        floor: U256::ZERO,
        doublings: 1,
    };
    law.batches(U256::from(400_000))
}

/// Executors with asks, offers or neither, in the order's token or another, with a bond free or not.
fn case(dice: &mut Dice, with_order: bool) -> Case {
    let (mut book, mut sessions) = (Book::default(), Sessions::default());
    let (mut executors, mut offers) = (Vec::new(), Vec::new());
    let ours = Address::repeat_byte(0xee);
    for n in 0..1 + dice.below(6) {
        let who = Address::repeat_byte(1 + dice.below(40) as u8 * 6 + n as u8);
        let stake = [0, BOND - 1, BOND, 900][dice.below(4) as usize];
        let (out, _) = tokio::sync::mpsc::channel(1);
        let introduction = Introduction {
            executor: who,
            models: vec![MODEL],
            capacity: 1,
            free_stake: U256::from(stake),
        };
        sessions.join(introduction, out);
        let mut prices = || (dice.below(60), dice.below(9));
        let (posted, offered) = (prices(), prices());
        let mut price = None;
        if dice.chance(70) {
            let mine = dice.chance(80);
            let ask = Checkpoint {
                from: U40::from(10),
                validUntil: U40::from(1u64 << 39),
                token: if mine { ours } else { Address::ZERO },
                promptPrice: U96::from(posted.0),
                tokenPrice: U96::from(posted.1),
                ..Default::default()
            };
            let session = sessions.get_mut(&who).expect("joined");
            session.asks.learn(MODEL, 0, vec![ask]);
            price = mine.then(|| cost(posted.0, posted.1));
        }
        if dice.chance(30) {
            price = Some(cost(offered.0, offered.1));
            offers.push(Offer {
                executor: who,
                promptPrice: U96::from(offered.0),
                tokenPrice: U96::from(offered.1),
            });
        }
        executors.push(Executor { who, stake, price });
    }
    let mut request = Request {
        payloadLength: BYTES,
        maxTokens: TOKENS,
        modelLength: 1,
        ..Default::default()
    };
    request.params.modelId = MODEL;
    let (id, cap, bps) = (
        B256::repeat_byte(7),
        dice.below(200),
        [0, 500, 2_000][dice.below(3) as usize],
    );
    let mut entry = Entry::new(id, request, Default::default());
    if with_order {
        let order = Order {
            token: ours,
            escrow: cap.into(),
            orderedAt: U40::from(500),
            publisher: Address::repeat_byte(9),
            offers,
            ..Default::default()
        };
        let mut held = HubOrder::new(order, 1);
        held.royalty = Some(bps as u16);
        entry.hub_order = Some(held);
    }
    book.add(entry);
    Case {
        book,
        sessions,
        executors,
        id,
        cap,
        bps,
    }
}

impl Case {
    /// Who is asked now.
    fn asked(&self) -> Option<Address> {
        let decisions = route(
            &self.book,
            &self.sessions,
            U256::from(BOND),
            &share(),
            0,
            NOW,
        );
        match decisions.as_slice() {
            [Decision::Assign(id, who)] if *id == self.id => Some(*who),
            [] | [Decision::NextRound(..)] => None,
            other => panic!("{other:?}"),
        }
    }

    /// Everybody who is asked, each failing.
    fn round(&mut self) -> Vec<Executor> {
        let mut out = Vec::new();
        while let Some(who) = self.asked() {
            let executor = self.executors.iter().find(|e| e.who == who);
            out.push(executor.expect("connected").clone());
            self.book.assigned(&self.id, who, 1);
            self.book.released(&self.id, who, "failed");
        }
        out
    }
}

#[test]
fn nobody_with_a_bond_free_is_cheaper_within_the_cap_than_who_is_asked() {
    let mut dice = Dice(1);
    let (mut classes, mut passed_over) = ([0; 3], 0);
    for n in 0..5_000 {
        let case = case(&mut dice, true);
        let rank = |e: &Executor| e.rank(case.cap, case.bps);
        let able: Vec<&Executor> = case.executors.iter().filter(|e| e.is_able()).collect();
        let Some(asked) = case.asked() else {
            assert!(able.is_empty(), "case {n}: {:?}", case.executors);
            continue;
        };
        let asked = able.iter().copied().find(|e| e.who == asked);
        let asked = rank(asked.expect("it has a bond free"));
        for other in able {
            assert!(
                asked <= rank(other),
                "case {n}: cap {}, {:?}",
                case.cap,
                case.executors
            );
        }
        classes[usize::from(asked.0)] += 1;
        passed_over += usize::from(case.executors.iter().any(|e| rank(e) < asked));
    }
    // Not vacuous: every kind was chosen, and cheaper ones without a bond were there.
    assert!(classes.iter().all(|n| *n > 100), "{classes:?}");
    assert!(passed_over > 500, "{passed_over}");
}

#[test]
fn who_fails_is_followed_by_the_next_best_until_everybody_was_asked_once() {
    let mut dice = Dice(2);
    let mut longest = 0;
    for n in 0..2_000 {
        let mut case = case(&mut dice, true);
        let (cap, bps) = (case.cap, case.bps);
        let able = case.executors.iter().filter(|e| e.is_able()).count();
        let round = case.round();
        assert_eq!(round.len(), able, "case {n}");
        let ranks: Vec<_> = round.iter().map(|e| e.rank(cap, bps)).collect();
        assert!(ranks.is_sorted(), "case {n}: {ranks:?}");
        longest = longest.max(able);
    }
    assert!(longest >= 5);
}

#[test]
fn without_an_order_prices_change_nothing() {
    let mut dice = Dice(3);
    for n in 0..1_000 {
        let mut case = case(&mut dice, false);
        let in_order = |e: &&Executor| e.is_able();
        let connected: Vec<Address> = case
            .executors
            .iter()
            .filter(in_order)
            .map(|e| e.who)
            .collect();
        let round: Vec<Address> = case.round().iter().map(|e| e.who).collect();
        assert_eq!(round, connected, "case {n}: in the order of connection");
    }
}
