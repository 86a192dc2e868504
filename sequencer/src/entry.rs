//! One request as the sequencer knows it.

use crate::outputs::Unread;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolValue;
use assay_bindings::abi::Order;
use assay_bindings::hashes::{seed_block, work};
use assay_bindings::{Request, SignedRequest};
use serde::{Deserialize, Serialize};

/// A claim of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Claim {
    /// Global segment number.
    pub segment_id: u64,
    /// Index in the segment.
    pub index: u16,
    /// Who claimed.
    pub executor: Address,
    /// Canonical output.
    pub output: Bytes,
    /// Transaction of the batch.
    pub transaction: B256,
}

/// An executor's word to have a request answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Promise {
    /// Who gave it.
    pub executor: Address,
    /// Unix seconds.
    pub deadline: u64,
    /// Wei.
    pub penalty: u128,
    /// 65 bytes r, s, v.
    pub signature: Bytes,
}

/// How far a request is. What stands in parentheses is lost on a restart, and begins anew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// Waits for an executor.
    Queued,
    /// An executor works on it (not persisted).
    Assigned {
        /// Who.
        executor: Address,
        /// Unix milliseconds until it goes to somebody else.
        deadline_ms: u64,
    },
    /// A signed answer waits for its batch (kept in the journal).
    Signed {
        /// Who signed.
        executor: Address,
        /// The executor's segment number.
        number: u64,
    },
    /// The answer is on chain.
    Claimed(Claim),
    /// The answer stands.
    Final(Claim),
    /// The money is back.
    Refunded,
    /// The chain will not take it.
    Dropped,
}

impl Stage {
    /// Whether an answer is still wanted.
    pub fn is_open(&self) -> bool {
        matches!(
            self,
            Stage::Queued | Stage::Assigned { .. } | Stage::Signed { .. }
        )
    }

    /// Whether nothing will change any more.
    pub fn is_over(&self) -> bool {
        matches!(self, Stage::Final(_) | Stage::Refunded | Stage::Dropped)
    }
}

/// What an executor's answer to a request is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Worth {
    /// It is wanted.
    Wanted,
    /// It was asked for once; by now it changes nothing.
    Late,
    /// The executor's claim of this request was rejected, or the chain can't take its answer.
    Excluded,
    /// It is somebody else's to answer.
    Foreign,
}

/// Most that a listing earns, `ModelCatalog.MAX_ROYALTY_BPS`.
const MOST_ROYALTY: u16 = 2_000;

/// What the hub holds for a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HubOrder {
    /// As the `Ordered` event has it.
    pub order: Order,
    /// Block of that event.
    pub block: u64,
    /// What its listing earned when last looked at, in hundredths of a per cent. It only falls.
    pub royalty: Option<u16>,
}

impl HubOrder {
    /// An order of `block`.
    pub fn new(order: Order, block: u64) -> HubOrder {
        let royalty = order.publisher.is_zero().then_some(0);
        HubOrder {
            order,
            block,
            royalty,
        }
    }

    /// The most that its listing can earn, in hundredths of a per cent.
    pub fn royalty(&self) -> u16 {
        self.royalty.unwrap_or(MOST_ROYALTY)
    }
}

/// A request and everything around it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `H(abi.encode(chain id, inbox, request))`.
    pub id: B256,
    /// The request.
    pub request: Request,
    /// docs/encoding.md, section 7.
    pub payload: Bytes,
    /// What the batch must post, for a request that was taken by gRPC.
    pub signed: Option<SignedRequest>,
    /// What its asker pays on top of the fee; `None` where it did not ask by the hub.
    pub hub_order: Option<HubOrder>,
    /// Whether the inbox knows it.
    pub on_chain: bool,
    /// How far it is.
    pub stage: Stage,
    /// Last block that changed it.
    pub block: u64,
    /// Order of arrival.
    pub order: u64,
    /// Executors that it was given to so far.
    pub attempts: u32,
    /// Executors tried in this round.
    pub tried: Vec<Address>,
    /// Executors that were ever asked: a late answer is as good as any.
    pub asked: Vec<Address>,
    /// Executors whose claim of it was rejected, or whose answer the contract can't take: never asked again.
    pub excluded: Vec<Address>,
    /// Promises of executors to have it answered, the newest of each.
    pub promises: Vec<Promise>,
    /// Claims rejected so far.
    pub rejections: u32,
    /// Unix milliseconds before which it isn't routed.
    pub not_before_ms: u64,
    /// The output of its claim is nowhere to be read any more (not persisted: it is looked for once more).
    pub unreadable: bool,
    /// Whether the block that its seed is bound to is recorded (not persisted: the chain is asked again).
    pub seeded: bool,
    /// Last thing worth saying about it.
    pub message: String,
}

impl Entry {
    /// A request that was just heard of.
    pub fn new(id: B256, request: Request, payload: Bytes) -> Entry {
        Entry {
            id,
            request,
            payload,
            signed: None,
            hub_order: None,
            on_chain: false,
            stage: Stage::Queued,
            block: 0,
            order: 0,
            attempts: 0,
            tried: Vec::new(),
            asked: Vec::new(),
            excluded: Vec::new(),
            promises: Vec::new(),
            rejections: 0,
            not_before_ms: 0,
            unreadable: false,
            seeded: false,
            message: String::new(),
        }
    }

    /// Its claim, if the output is in a blob that was not read yet.
    pub fn unread(&self) -> Option<(B256, Unread)> {
        let (Stage::Claimed(claim) | Stage::Final(claim)) = &self.stage else {
            return None;
        };
        // No transaction: the claim itself was never seen.
        let unread = claim.output.is_empty() && !claim.transaction.is_zero() && !self.unreadable;
        let claimed = Unread {
            id: self.id,
            segment_id: claim.segment_id,
            index: claim.index,
        };
        unread.then_some((claim.transaction, claimed))
    }

    /// The block without whose randomness nobody can answer it.
    pub fn waits_for(&self) -> Option<u64> {
        seed_block(&self.request).filter(|_| !self.seeded)
    }

    /// Wei that its payer's deposit must hold.
    pub fn due(&self) -> U256 {
        U256::from(self.request.params.fee) + U256::from(self.request.params.callbackFee)
    }

    /// Most work that an answer to it can be.
    pub fn most_work(&self) -> U256 {
        let r = &self.request;
        U256::from(work(r.modelLength, r.payloadLength, r.maxTokens))
    }

    /// Bytes of the signed request that a batch with its answer must carry.
    pub fn carried(&self) -> usize {
        let signed = self.signed.as_ref().filter(|_| !self.on_chain);
        signed.map_or(0, |s| s.payload.len() + s.userData.len() + 1_024)
    }

    /// What an answer of `executor` is worth now.
    // INVARIANT: what was given to one executor is not taken from it by another that was never asked.
    pub fn worth_of(&self, executor: Address) -> Worth {
        if self.excluded.contains(&executor) {
            return Worth::Excluded;
        }
        let asked = self.asked.contains(&executor);
        match &self.stage {
            Stage::Queued => Worth::Wanted,
            Stage::Assigned { executor: who, .. } if *who == executor || asked => Worth::Wanted,
            Stage::Signed { executor: who, .. } if *who == executor => Worth::Wanted,
            _ if asked => Worth::Late,
            _ => Worth::Foreign,
        }
    }

    /// Whether `executor` has it now.
    pub fn is_assigned_to(&self, executor: Address) -> bool {
        matches!(self.stage, Stage::Assigned { executor: e, .. } if e == executor)
    }

    /// For the store.
    pub fn encode(&self) -> Stored {
        Stored {
            request: self.request.abi_encode().into(),
            payload: self.payload.clone(),
            signed: self.signed.as_ref().map(|s| s.abi_encode().into()),
            hub_order: self
                .hub_order
                .as_ref()
                .map(|held| (held.order.abi_encode().into(), held.block)),
            on_chain: self.on_chain,
            stage: match &self.stage {
                Stage::Assigned { .. } | Stage::Signed { .. } => Stage::Queued,
                stage => stage.clone(),
            },
            block: self.block,
            order: self.order,
            asked: self.asked.clone(),
            excluded: self.excluded.clone(),
            promises: self.promises.clone(),
            rejections: self.rejections,
            message: self.message.clone(),
        }
    }

    /// Inverse of [`Entry::encode`], up to what a restart forgets; `None` where the value is damaged.
    pub fn decode(id: B256, stored: Stored) -> Option<Entry> {
        let request = Request::abi_decode(&stored.request).ok()?;
        let signed = stored
            .signed
            .map(|s| SignedRequest::abi_decode(&s))
            .transpose()
            .ok()?;
        let hub_order = stored
            .hub_order
            .map(|(order, block)| Order::abi_decode(&order).map(|o| HubOrder::new(o, block)))
            .transpose()
            .ok()?;
        Some(Entry {
            signed,
            hub_order,
            on_chain: stored.on_chain,
            stage: stored.stage,
            block: stored.block,
            order: stored.order,
            asked: stored.asked,
            excluded: stored.excluded,
            promises: stored.promises,
            rejections: stored.rejections,
            message: stored.message,
            ..Entry::new(id, request, stored.payload)
        })
    }
}

/// An [`Entry`] on the disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stored {
    request: Bytes,
    payload: Bytes,
    signed: Option<Bytes>,
    #[serde(default)]
    hub_order: Option<(Bytes, u64)>,
    on_chain: bool,
    stage: Stage,
    block: u64,
    order: u64,
    #[serde(default)]
    asked: Vec<Address>,
    excluded: Vec<Address>,
    #[serde(default)]
    promises: Vec<Promise>,
    rejections: u32,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_entry_reads_back_without_what_a_restart_forgets() {
        let request = Request {
            nonce: 7,
            payloadLength: 3,
            ..Default::default()
        };
        let mut entry = Entry::new(B256::repeat_byte(1), request.clone(), vec![1, 2, 3].into());
        entry.signed = Some(SignedRequest {
            nonce: 7,
            ..Default::default()
        });
        entry.stage = Stage::Assigned {
            executor: Address::repeat_byte(2),
            deadline_ms: 5,
        };
        entry.excluded = vec![Address::repeat_byte(3)];
        let order = Order {
            escrow: 9,
            ..Default::default()
        };
        entry.hub_order = Some(HubOrder::new(order, 4));
        let json = serde_json::to_string(&entry.encode()).expect("JSON");
        let stored: Stored = serde_json::from_str(&json).expect("JSON");
        let back = Entry::decode(entry.id, stored).expect("decodes");
        assert_eq!((back.request, back.signed), (request, entry.signed));
        assert_eq!((back.stage, back.excluded), (Stage::Queued, entry.excluded));
        assert_eq!(back.hub_order, entry.hub_order);
    }
}
