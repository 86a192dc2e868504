//! All requests that are not over, and the laws by which they move. Pure: no chain, no clock, no disk.

use crate::entry::{Claim, Entry, HubOrder, Promise, Stage, Worth};
use crate::outputs::Unread;
use alloy::primitives::{Address, B256, Bytes, U256};
use std::collections::{BTreeMap, BTreeSet};

/// The live requests. Every change marks the request as changed, until [`Book::take_changed`].
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<B256, Entry>,
    changed: BTreeSet<B256>,
    next_order: u64,
}

impl Book {
    /// The request `id`, if it is live.
    pub fn get(&self, id: &B256) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// All live requests.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Requests without an executor, oldest first.
    pub fn queued(&self) -> Vec<&Entry> {
        let mut out: Vec<&Entry> = self
            .entries
            .values()
            .filter(|e| e.stage == Stage::Queued)
            .collect();
        out.sort_by_key(|e| e.order);
        out
    }

    /// Ids changed since the last call.
    pub fn take_changed(&mut self) -> Vec<B256> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    /// Adds a request unless it is known; a known one only learns what it did not know.
    pub fn add(&mut self, entry: Entry) {
        self.changed.insert(entry.id);
        if let Some(known) = self.entries.get_mut(&entry.id) {
            known.signed = known.signed.take().or(entry.signed);
            known.on_chain |= entry.on_chain;
            known.block = known.block.max(entry.block);
            return;
        }
        let order = match entry.order {
            0 => self.next_order + 1,
            order => order,
        };
        self.next_order = self.next_order.max(order);
        self.entries.insert(entry.id, Entry { order, ..entry });
    }

    /// Forgets a request.
    pub fn remove(&mut self, id: &B256) -> Option<Entry> {
        self.changed.insert(*id);
        self.entries.remove(id)
    }

    fn change(&mut self, id: &B256, f: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(id) {
            f(entry);
            self.changed.insert(*id);
        }
    }

    /// The inbox says Open (again).
    pub fn opened(&mut self, id: &B256, block: u64) {
        self.change(id, |e| {
            (e.on_chain, e.block) = (true, block);
            // An executor may be at work on a signed request that the same batch opens.
            if !e.stage.is_open() {
                e.stage = Stage::Queued;
                (e.tried, e.not_before_ms) = (Vec::new(), 0);
            }
        });
    }

    /// The hub holds an order for it.
    pub fn ordered(&mut self, id: &B256, order: HubOrder) {
        self.change(id, |e| e.hub_order = Some(order));
    }

    /// The orders of the blocks after `to` are gone.
    pub fn unordered_after(&mut self, to: u64) {
        let gone = |e: &&Entry| e.hub_order.as_ref().is_some_and(|held| held.block > to);
        let gone: Vec<B256> = self.entries.values().filter(gone).map(|e| e.id).collect();
        for id in gone {
            self.change(&id, |e| e.hub_order = None);
        }
    }

    /// What the listing that its order names earns, in hundredths of a per cent.
    pub fn royalty(&mut self, id: &B256, bps: u16) {
        // Not marked as changed: it is looked up again after a restart.
        let held = self.entries.get_mut(id).and_then(|e| e.hub_order.as_mut());
        if let Some(held) = held {
            held.royalty = Some(bps);
        }
    }

    /// A claim stands.
    pub fn claimed(&mut self, id: &B256, claim: Claim, block: u64) {
        self.change(id, |e| {
            (e.on_chain, e.block) = (true, block);
            (e.stage, e.message) = (Stage::Claimed(claim), String::new());
            // That was another claim, or another block's.
            e.unreadable = false;
        });
    }

    /// Claims whose outputs are in blobs that were not read yet, by transaction.
    pub fn unread(&self) -> BTreeMap<B256, Vec<Unread>> {
        let mut out: BTreeMap<B256, Vec<Unread>> = BTreeMap::new();
        for (transaction, claim) in self.entries.values().filter_map(Entry::unread) {
            out.entry(transaction).or_default().push(claim);
        }
        out
    }

    /// Whether the output of `id` is still looked for.
    pub fn awaits_output(&self, id: &B256) -> bool {
        self.get(id).is_some_and(|e| e.unread().is_some())
    }

    fn change_unread(&mut self, claim: &Unread, f: impl FnOnce(&mut Entry)) {
        let of = self.get(&claim.id).and_then(Entry::unread);
        // It may have been rejected, or read, meanwhile.
        if of.is_some_and(|(_, unread)| unread == *claim) {
            self.change(&claim.id, f);
        }
    }

    /// The output of a claim was read from its blob.
    pub fn output(&mut self, claim: &Unread, output: Bytes) {
        self.change_unread(claim, |e| {
            if let Stage::Claimed(claim) | Stage::Final(claim) = &mut e.stage {
                claim.output = output;
            }
            e.message = String::new();
        });
    }

    /// The output of a claim is not read, and will be tried again.
    pub fn note_unread(&mut self, claim: &Unread, reason: &str) {
        let message = format!("its output is in a blob that could not be read yet: {reason}");
        if self.get(&claim.id).is_some_and(|e| e.message != message) {
            self.change_unread(claim, |e| e.message = message);
        }
    }

    /// The output of a claim can't be read any more.
    pub fn unreadable(&mut self, claim: &Unread) {
        self.change_unread(claim, |e| {
            e.unreadable = true;
            e.message =
                "its output is nowhere to be read: the blob that it was in is kept no longer"
                    .to_owned();
        });
    }

    /// Its claim in segment `segment_id` lost a game.
    pub fn rejected(&mut self, id: &B256, segment_id: u64, executor: Address, block: u64) {
        self.change(id, |e| {
            // Told a second time after a restart.
            if !matches!(&e.stage, Stage::Claimed(claim) if claim.segment_id == segment_id) {
                return;
            }
            e.block = block;
            e.rejections += 1;
            e.excluded.push(executor);
            e.message = format!("the claim of {executor} was rejected");
            (e.stage, e.tried, e.not_before_ms) = (Stage::Queued, Vec::new(), 0);
        });
    }

    /// Its claim is final.
    pub fn finalized(&mut self, id: &B256, block: u64) {
        self.change(id, |e| {
            e.block = block;
            let claim = match &e.stage {
                Stage::Claimed(claim) | Stage::Final(claim) => claim.clone(),
                _ => Claim::default(),
            };
            (e.stage, e.message) = (Stage::Final(claim), String::new());
        });
    }

    /// Its money is back.
    pub fn refunded(&mut self, id: &B256, block: u64) {
        self.change(id, |e| (e.stage, e.block) = (Stage::Refunded, block));
    }

    /// The chain will not take it.
    pub fn dropped(&mut self, id: &B256, reason: &str) {
        self.change(id, |e| {
            (e.stage, e.message) = (Stage::Dropped, reason.to_owned())
        });
    }

    /// `executor` works on it.
    pub fn assigned(&mut self, id: &B256, executor: Address, deadline_ms: u64) {
        self.change(id, |e| {
            e.stage = Stage::Assigned {
                executor,
                deadline_ms,
            };
            e.attempts += 1;
            e.tried.push(executor);
            if !e.asked.contains(&executor) {
                e.asked.push(executor);
            }
            e.message = String::new();
        });
    }

    /// `executor` does not work on it any more.
    pub fn released(&mut self, id: &B256, executor: Address, reason: &str) {
        self.change(id, |e| {
            if e.is_assigned_to(executor) {
                (e.stage, e.message) = (Stage::Queued, reason.to_owned());
            }
        });
    }

    /// Everybody was tried: the next round starts at `not_before_ms`.
    pub fn next_round(&mut self, id: &B256, not_before_ms: u64) {
        self.change(id, |e| {
            (e.tried, e.not_before_ms) = (Vec::new(), not_before_ms)
        });
    }

    /// `executor` has signed an answer, if one of its is wanted. Returns who worked on it and need not any more.
    pub fn signed(&mut self, id: &B256, executor: Address, number: u64) -> Option<Address> {
        let mut relieved = None;
        self.change(id, |e| {
            if e.worth_of(executor) != Worth::Wanted {
                return;
            }
            if let Stage::Assigned { executor: who, .. } = e.stage
                && who != executor
            {
                relieved = Some(who);
            }
            (e.stage, e.message) = (Stage::Signed { executor, number }, String::new());
        });
        relieved
    }

    /// The segment `number` of `executor` will not bring its answer: back to the queue from `not_before_ms` on, where the
    /// others come first.
    pub fn unsigned(
        &mut self,
        id: &B256,
        executor: Address,
        number: u64,
        reason: &str,
        not_before_ms: u64,
    ) {
        self.change(id, |e| {
            if e.stage == (Stage::Signed { executor, number }) {
                (e.stage, e.message) = (Stage::Queued, reason.to_owned());
                (e.tried, e.not_before_ms) = (vec![executor], not_before_ms);
            }
        });
    }

    /// `executor` must not be asked about it again.
    pub fn exclude(&mut self, id: &B256, executor: Address) {
        self.change(id, |e| {
            if !e.excluded.contains(&executor) {
                e.excluded.push(executor);
            }
        });
    }

    /// An executor that was asked gives its word.
    pub fn promised(&mut self, id: &B256, promise: Promise) {
        self.change(id, |e| {
            e.promises.retain(|p| p.executor != promise.executor);
            e.promises.push(promise);
        });
    }

    /// Something worth saying about a request that waits.
    pub fn note(&mut self, id: &B256, message: &str) {
        if self.get(id).is_some_and(|e| e.message != message) {
            self.change(id, |e| e.message = message.to_owned());
        }
    }

    /// Blocks whose randomness queued requests wait for.
    pub fn unseeded(&self) -> BTreeSet<u64> {
        let queued = self.entries.values().filter(|e| e.stage == Stage::Queued);
        queued.filter_map(Entry::waits_for).collect()
    }

    /// The randomness of block `number` is recorded.
    pub fn seeded(&mut self, number: u64) {
        for id in self.waiting_for(number) {
            self.change(&id, |e| (e.seeded, e.message) = (true, String::new()));
        }
    }

    /// The randomness of block `number` can't be recorded any more; `false` if that was known.
    pub fn seed_lost(&mut self, number: u64) -> bool {
        let reason =
            format!("the randomness of block {number} can't be proven any more: refund it");
        let mut news = false;
        for id in self.waiting_for(number) {
            news |= self.get(&id).is_some_and(|e| e.message != reason);
            self.note(&id, &reason);
        }
        news
    }

    fn waiting_for(&self, number: u64) -> Vec<B256> {
        let waiting = |e: &&Entry| e.waits_for() == Some(number);
        let waiting = self.entries.values().filter(waiting);
        waiting.map(|e| e.id).collect()
    }

    /// What is recorded has to be looked up again.
    pub fn unseed(&mut self) {
        for entry in self.entries.values_mut() {
            entry.seeded = false;
        }
    }

    /// What the inbox says after a reorganization.
    pub fn reset(&mut self, id: &B256, on_chain: bool, stage: Stage, block: u64) {
        self.change(id, |e| {
            (e.on_chain, e.stage, e.block) = (on_chain, stage, block);
            e.unreadable = false;
        });
    }

    /// Assignments whose time is up at `now_ms`.
    pub fn overdue(&self, now_ms: u64) -> Vec<(B256, Address)> {
        let late = |e: &Entry| match e.stage {
            Stage::Assigned {
                executor,
                deadline_ms,
            } if deadline_ms <= now_ms => Some((e.id, executor)),
            _ => None,
        };
        self.entries.values().filter_map(late).collect()
    }

    /// Requests that `executor` works on.
    pub fn assigned_to(&self, executor: Address) -> Vec<B256> {
        self.entries
            .values()
            .filter(|e| e.is_assigned_to(executor))
            .map(|e| e.id)
            .collect()
    }

    /// Wei that `payer` owes for signed requests that no batch has brought yet.
    pub fn owed_by(&self, payer: Address) -> U256 {
        let mine = |e: &&Entry| e.signed.as_ref().is_some_and(|s| s.payer == payer);
        self.entries
            .values()
            .filter(|e| !e.on_chain && e.stage.is_open())
            .filter(mine)
            .map(Entry::due)
            .sum()
    }

    /// The signed request that holds `nonce` of `payer`.
    pub fn by_nonce(&self, payer: Address, nonce: u64) -> Option<&Entry> {
        let same = |e: &&Entry| {
            e.signed
                .as_ref()
                .is_some_and(|s| s.payer == payer && s.nonce == nonce)
        };
        self.entries.values().find(same)
    }

    /// Signed requests that wait.
    pub fn pending_signed(&self) -> usize {
        self.entries
            .values()
            .filter(|e| e.signed.is_some() && e.stage.is_open())
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_bindings::{Request, SignedRequest};

    fn id(n: u8) -> B256 {
        B256::repeat_byte(n)
    }

    fn who(n: u8) -> Address {
        Address::repeat_byte(n)
    }

    fn book() -> Book {
        let mut book = Book::default();
        for n in [3, 1, 2] {
            book.add(Entry::new(id(n), Request::default(), Default::default()));
        }
        book
    }

    #[test]
    fn requests_are_served_in_order_of_arrival() {
        let mut book = book();
        let order: Vec<B256> = book.queued().iter().map(|e| e.id).collect();
        assert_eq!(order, [id(3), id(1), id(2)]);
        assert_eq!(book.take_changed().len(), 3);
        assert!(book.take_changed().is_empty());
    }

    #[test]
    fn request_heard_of_twice_keeps_its_state() {
        let mut book = book();
        book.assigned(&id(1), who(1), 10);
        book.add(Entry {
            on_chain: true,
            ..Entry::new(id(1), Request::default(), Default::default())
        });
        let entry = book.get(&id(1)).expect("there");
        assert!(entry.on_chain && entry.is_assigned_to(who(1)));
        book.opened(&id(1), 5);
        assert!(
            book.get(&id(1)).expect("there").is_assigned_to(who(1)),
            "opening does not take work away"
        );
    }

    #[test]
    fn rejected_claim_reopens_without_its_executor() {
        let mut book = book();
        book.assigned(&id(1), who(1), 10);
        book.signed(&id(1), who(1), 0);
        book.claimed(
            &id(1),
            Claim {
                executor: who(1),
                ..Claim::default()
            },
            3,
        );
        book.rejected(&id(1), 0, who(1), 4);
        book.rejected(&id(1), 0, who(1), 4);
        book.opened(&id(1), 4);
        let entry = book.get(&id(1)).expect("there");
        assert_eq!((entry.stage.clone(), entry.rejections), (Stage::Queued, 1));
        assert_eq!(
            (entry.excluded.as_slice(), entry.tried.len()),
            (&[who(1)][..], 0)
        );
    }

    #[test]
    fn order_of_a_lost_block_is_gone_and_comes_again() {
        let mut book = book();
        let order = |block| HubOrder::new(Default::default(), block);
        book.ordered(&id(1), order(5));
        book.ordered(&id(2), order(6));
        book.ordered(&id(9), order(5));
        book.unordered_after(5);
        let held = |book: &Book, n| book.get(&id(n)).and_then(|e| e.hub_order.clone());
        assert_eq!((held(&book, 1), held(&book, 2)), (Some(order(5)), None));
        book.ordered(&id(2), order(7));
        assert_eq!(held(&book, 2), Some(order(7)));
        // Heard of twice, it keeps its order.
        book.add(Entry::new(id(2), Request::default(), Default::default()));
        assert_eq!(held(&book, 2), Some(order(7)));
    }

    #[test]
    fn only_the_holder_can_release_and_only_overdue_work_is_taken() {
        let mut book = book();
        book.assigned(&id(1), who(1), 10);
        assert!(book.overdue(9).is_empty());
        assert_eq!(book.overdue(10), [(id(1), who(1))]);
        book.released(&id(1), who(2), "not mine");
        assert!(book.get(&id(1)).expect("there").is_assigned_to(who(1)));
        book.released(&id(1), who(1), "late");
        assert_eq!(book.get(&id(1)).expect("there").stage, Stage::Queued);
    }

    #[test]
    fn answer_of_an_executor_that_was_not_asked_takes_nothing_from_the_one_that_was() {
        let mut book = book();
        book.assigned(&id(1), who(1), 10);
        assert_eq!(book.signed(&id(1), who(2), 0), None);
        assert!(book.get(&id(1)).expect("there").is_assigned_to(who(1)));
        book.released(&id(1), who(1), "late");
        book.assigned(&id(1), who(2), 20);
        // The first one's late answer is as good as any, and relieves the second.
        assert_eq!(book.signed(&id(1), who(1), 7), Some(who(2)));
        let signed = Stage::Signed {
            executor: who(1),
            number: 7,
        };
        assert_eq!(book.get(&id(1)).expect("there").stage, signed);
        assert_eq!(book.signed(&id(1), who(2), 0), None);
        assert_eq!(book.get(&id(1)).expect("there").stage, signed);
    }

    #[test]
    fn worth_of_an_answer_follows_from_who_was_asked() {
        let mut book = book();
        let worth = |book: &Book, n: u8| book.get(&id(1)).expect("there").worth_of(who(n));
        assert_eq!(worth(&book, 1), Worth::Wanted, "nobody's yet");
        book.assigned(&id(1), who(1), 10);
        assert_eq!(
            (worth(&book, 1), worth(&book, 2)),
            (Worth::Wanted, Worth::Foreign)
        );
        book.signed(&id(1), who(1), 0);
        assert_eq!(
            (worth(&book, 1), worth(&book, 2)),
            (Worth::Wanted, Worth::Foreign)
        );
        let claim = Claim {
            executor: who(1),
            ..Claim::default()
        };
        book.claimed(&id(1), claim, 3);
        assert_eq!(
            (worth(&book, 1), worth(&book, 2)),
            (Worth::Late, Worth::Foreign)
        );
        book.rejected(&id(1), 0, who(1), 4);
        book.opened(&id(1), 4);
        assert_eq!(
            (worth(&book, 1), worth(&book, 2)),
            (Worth::Excluded, Worth::Wanted)
        );
        assert_eq!(book.signed(&id(1), who(1), 1), None);
        assert_eq!(book.get(&id(1)).expect("there").stage, Stage::Queued);
    }

    #[test]
    fn answer_after_the_claim_changes_nothing() {
        let mut book = book();
        let claim = Claim {
            segment_id: 9,
            ..Claim::default()
        };
        book.claimed(&id(1), claim.clone(), 3);
        book.signed(&id(1), who(2), 1);
        assert_eq!(
            book.get(&id(1)).expect("there").stage,
            Stage::Claimed(claim)
        );
        book.unsigned(&id(1), who(2), 1, "x", 0);
        assert!(matches!(
            book.get(&id(1)).expect("there").stage,
            Stage::Claimed(_)
        ));
    }

    #[test]
    fn output_that_was_nowhere_is_looked_for_again_with_another_claim_or_block() {
        let mut book = book();
        let claim = |segment_id| Claim {
            segment_id,
            transaction: B256::repeat_byte(7),
            ..Claim::default()
        };
        let give_up = |book: &mut Book| {
            let unread: Vec<Unread> = book.unread().into_values().flatten().collect();
            unread.iter().for_each(|claim| book.unreadable(claim));
            assert!(!unread.is_empty() && !book.awaits_output(&id(1)));
        };
        book.claimed(&id(1), claim(4), 3);
        give_up(&mut book);
        book.rejected(&id(1), 4, who(1), 4);
        book.claimed(&id(1), claim(5), 6);
        assert!(book.awaits_output(&id(1)), "another claim's");
        give_up(&mut book);
        book.reset(&id(1), true, Stage::Claimed(claim(5)), 7);
        assert!(book.awaits_output(&id(1)), "mined again");
    }

    #[test]
    fn payer_owes_for_what_no_batch_has_brought() {
        let mut book = Book::default();
        for (n, fee) in [(1u8, 5u128), (2, 7)] {
            let mut request = Request {
                nonce: n.into(),
                ..Default::default()
            };
            (request.params.fee, request.params.callbackFee) = (fee, 1);
            let mut entry = Entry::new(id(n), request, Default::default());
            entry.signed = Some(SignedRequest {
                payer: who(1),
                nonce: n.into(),
                ..Default::default()
            });
            book.add(entry);
        }
        assert_eq!(book.owed_by(who(1)), U256::from(14));
        book.opened(&id(1), 1);
        assert_eq!(book.owed_by(who(1)), U256::from(8));
        assert_eq!(book.owed_by(who(2)), U256::ZERO);
        assert_eq!(book.by_nonce(who(1), 2).map(|e| e.id), Some(id(2)));
        assert_eq!(book.pending_signed(), 2);
    }
}
