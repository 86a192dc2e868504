//! Follows inbox, rollup and market: the chain's word on every request, segment and order.

use crate::chain_view::state;
use crate::core::{Core, Shared, now_ms, verdict};
use crate::entry::{Claim, Entry, HubOrder, Stage};
use crate::segment::Progress;
use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use assay_bindings::abi::blob_rollup::BlobRollup::BlobRollupEvents as RollupEvents;
use assay_bindings::abi::inbox::Inbox::InboxEvents;
use assay_bindings::abi::inference_hub::InferenceHub::InferenceHubEvents;
use assay_bindings::abi::inference_market::InferenceMarket::InferenceMarketEvents;
use assay_node::deployment::{Contracts, Market};
use assay_node::follower::{FollowError, Follower, Update};
use assay_proto::v1::{SegmentStanding, to_executor::Message};
use std::sync::Arc;
use std::time::Duration;

/// Names of the contract's reasons, by number.
const RESULT_ERRORS: [&str; 9] = [
    "none",
    "not open",
    "too little stake",
    "oversized",
    "the window is full",
    "the fee is too low for its work",
    "its seed is not recorded",
    "it names no bytes of a blob",
    "its consumer needs the bytes in calldata",
];
const SEGMENT_ERRORS: [&str; 7] = [
    "none",
    "empty",
    "too many results",
    "expired",
    "the number was used",
    "wrong signature",
    "no such blob",
];
const ADMIT_ERRORS: [&str; 11] = [
    "none",
    "wrong signature",
    "the nonce was used",
    "past its deadline",
    "its deadline is too far",
    "unknown model",
    "malformed payload",
    "bad parameters",
    "too much work",
    "the deposit cannot pay",
    "the fee is too low for its work",
];
const NO_STAKE: u8 = 2;
const OVERSIZED: u8 = 3;
const NO_SEED: u8 = 6;
const ADMIT_NONCE_USED: u8 = 2;

/// Follows until shutdown. Errors of the chain are waited out; an error of the store ends it.
pub async fn run(shared: Arc<Shared>, mut follower: Follower) -> anyhow::Result<()> {
    let shell = shared.shell.clone();
    let poll = shell.args.poll();
    let contracts = shared.view.contracts().clone();
    while !shell.shutdown.is_set() {
        shell
            .health
            .beat("follower", Duration::from_secs(120) + poll);
        let update = match shell.health.watch("chain", follower.next().await) {
            Ok(update) => update,
            Err(FollowError::Chain(error)) => {
                tracing::warn!(%error, "cannot follow the chain");
                shell.shutdown.sleep(poll.max(Duration::from_secs(1))).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match update {
            Update::Idle => {
                if !shell.shutdown.sleep(poll).await {
                    break;
                }
                continue;
            }
            Update::Logs { logs, through } => {
                shared.view.see(through);
                let mut core = shared.core();
                logs.iter()
                    .for_each(|log| core.apply(&contracts, log, &shared));
                core.persist_through(through.number, &shared);
            }
            Update::Rewind { to } => {
                tracing::warn!(to, "the chain was reorganized");
                rewind(&shared, to).await?;
            }
        }
        shared.settle();
        follower.commit()?;
        shared.counts.next_block.set(follower.position() as i64);
        shell.status.set("next_block", follower.position());
    }
    shell.health.retire("follower");
    Ok(())
}

impl Core {
    fn claimed(&mut self, id: &B256, claim: Claim, block: u64) {
        tracing::info!(request = %id, executor = %claim.executor, segment = claim.segment_id, "claimed");
        self.withdraw_others(id, claim.executor);
        self.book.claimed(id, claim, block);
    }

    fn persist_through(&mut self, head: u64, shared: &Shared) {
        match self.persist() {
            Ok(changed) => {
                changed.iter().for_each(|id| shared.announce(*id));
                self.seen_through(head);
                self.forget(head);
            }
            Err(error) => shared.shell.health.fail("store", error),
        }
    }

    /// Applies one log; applying it again changes nothing.
    pub fn apply(&mut self, contracts: &Contracts, log: &Log, shared: &Shared) {
        let block = log.block_number.unwrap_or_default();
        if log.address() == contracts.inbox {
            match InboxEvents::decode_log(&log.inner) {
                Ok(event) => self.inbox_event(event.data, block, shared),
                Err(error) => tracing::debug!(%error, "a log of the inbox that is not known"),
            }
        } else if log.address() == contracts.rollup {
            match RollupEvents::decode_log(&log.inner) {
                Ok(event) => self.rollup_event(
                    event.data,
                    block,
                    log.transaction_hash.unwrap_or_default(),
                    shared,
                ),
                Err(error) => tracing::debug!(%error, "a log of the rollup that is not known"),
            }
        } else if let Some(market) = &contracts.market {
            self.market_log(market, log, block);
        }
    }

    /// Orders are kept with their requests, which their transactions open first. Of asks only the executor is taken: the
    /// chain is asked for what holds when a request is routed.
    fn market_log(&mut self, market: &Market, log: &Log, block: u64) {
        if log.address() == market.hub {
            match InferenceHubEvents::decode_log(&log.inner) {
                Ok(event) => {
                    if let InferenceHubEvents::Ordered(e) = event.data {
                        self.book.ordered(&e.id, HubOrder::new(e.order, block));
                    }
                }
                Err(error) => tracing::debug!(%error, "a log of the hub that is not known"),
            }
        } else if log.address() == market.asks {
            match InferenceMarketEvents::decode_log(&log.inner) {
                Ok(event) => self.market_event(event.data),
                Err(error) => tracing::debug!(%error, "a log of the market that is not known"),
            }
        }
    }

    fn market_event(&mut self, event: InferenceMarketEvents) {
        match event {
            InferenceMarketEvents::AskPosted(e) => {
                if let Some(session) = self.sessions.get_mut(&e.executor) {
                    session.asks.doubt();
                }
            }
            InferenceMarketEvents::AsksCancelled(e) => {
                if let Some(session) = self.sessions.get_mut(&e.executor) {
                    let void = |nonce: u64| {
                        e.word == U256::from(nonce >> 8) && e.bits.bit((nonce & 0xff) as usize)
                    };
                    session.signed_asks.retain(|ask| !void(ask.nonce));
                }
            }
        }
    }

    fn inbox_event(&mut self, event: InboxEvents, block: u64, shared: &Shared) {
        match event {
            InboxEvents::Requested(e) => {
                let request = (&e.request).into();
                if self.book.get(&e.id).is_none() {
                    tracing::info!(request = %e.id, block, "requested on chain");
                    shared.counts.chain_requests.inc();
                }
                self.book.add(Entry {
                    on_chain: true,
                    block,
                    ..Entry::new(e.id, request, e.payload)
                });
            }
            InboxEvents::StateChanged(e) => match e.to {
                state::OPEN => self.book.opened(&e.id, block),
                state::FINAL => {
                    tracing::info!(request = %e.id, "final");
                    self.book.finalized(&e.id, block);
                }
                state::REFUNDED => {
                    self.withdraw_others(&e.id, Address::ZERO);
                    self.book.refunded(&e.id, block);
                }
                // Claimed: ResultClaimed says more.
                _ => {}
            },
            InboxEvents::SignedRequestSkipped(e) => {
                let Some(entry) = self.book.by_nonce(e.payer, e.nonce) else {
                    return;
                };
                let (id, on_chain) = (entry.id, entry.on_chain);
                // Its own admission in an earlier batch spends the nonce too.
                if on_chain || (e.reason == ADMIT_NONCE_USED && !entry.stage.is_open()) {
                    return;
                }
                let reason = name(&ADMIT_ERRORS, e.reason);
                tracing::warn!(request = %id, reason, "the inbox does not take it");
                self.withdraw_others(&id, Address::ZERO);
                self.book
                    .dropped(&id, &format!("the inbox does not take it: {reason}"));
            }
            _ => {}
        }
    }

    fn rollup_event(
        &mut self,
        event: RollupEvents,
        block: u64,
        transaction: B256,
        shared: &Shared,
    ) {
        match event {
            RollupEvents::ResultClaimed(e) => {
                let claim = Claim {
                    segment_id: e.segmentId,
                    index: e.index,
                    executor: e.executor,
                    output: e.output,
                    transaction,
                };
                self.claimed(&e.requestId, claim, block);
            }
            RollupEvents::ResultClaimedInBlob(e) => {
                // What others posted is read later, beside this.
                let output = self.own_output(&e.requestId, e.executor, e.blob);
                let claim = Claim {
                    segment_id: e.segmentId,
                    index: e.index,
                    executor: e.executor,
                    output: output.unwrap_or_default(),
                    transaction,
                };
                self.claimed(&e.requestId, claim, block);
            }
            RollupEvents::ResultSkipped(e) => {
                shared.counts.skipped.inc();
                self.skips
                    .entry(e.segmentId)
                    .or_default()
                    .push((e.requestId, e.reason));
            }
            RollupEvents::SegmentPosted(e) => {
                for (id, reason) in self.skips.remove(&e.segmentId).unwrap_or_default() {
                    self.skipped(&id, e.executor, e.number, reason);
                }
                self.seen_posted(e.executor, e.number, e.root);
                if let Some(held) = self.segments.get_mut(&(e.executor, e.number))
                    && held.seal.root == e.root
                {
                    held.progress = Progress::Posted {
                        block,
                        segment_id: e.segmentId,
                    };
                    let message = verdict(e.number, SegmentStanding::Posted, "", e.segmentId);
                    self.tell(e.executor, Message::Verdict(message));
                }
            }
            RollupEvents::SegmentSkipped(e) => {
                let posted = self
                    .segments
                    .get(&(e.executor, e.number))
                    .is_none_or(|held| {
                        // The same segment in two batches: the first one stands.
                        matches!(held.progress, Progress::Posted { .. })
                    });
                if !posted {
                    let reason = name(&SEGMENT_ERRORS, e.reason);
                    tracing::warn!(executor = %e.executor, number = e.number, reason, "the rollup skipped a segment");
                    self.refuse(
                        e.executor,
                        e.number,
                        &format!("the rollup skipped it: {reason}"),
                        0,
                    );
                }
            }
            RollupEvents::ClaimRejected(e) => {
                tracing::warn!(request = %e.requestId, executor = %e.executor, "a claim was rejected");
                shared.counts.rejections.inc();
                self.book
                    .rejected(&e.requestId, e.segmentId, e.executor, block);
            }
            _ => {}
        }
    }
}

impl Core {
    /// The rollup skipped what segment `number` of `executor` says on `id`.
    fn skipped(&mut self, id: &B256, executor: Address, number: u64, reason: u8) {
        let text = name(&RESULT_ERRORS, reason);
        tracing::warn!(request = %id, %executor, reason = text, "the rollup skipped a result");
        if reason == OVERSIZED {
            self.book.exclude(id, executor);
        }
        if reason == NO_SEED {
            self.book.unseed();
        }
        if reason == NO_STAKE
            && let Some(session) = self.sessions.get_mut(&executor)
        {
            // Until it is looked at again.
            session.free_stake = Default::default();
        }
        let text = format!("the rollup skipped the result of {executor}: {text}");
        self.book
            .unsigned(id, executor, number, &text, now_ms() + 1_000);
    }
}

fn name(names: &'static [&'static str], index: u8) -> &'static str {
    names
        .get(usize::from(index))
        .copied()
        .unwrap_or("unknown reason")
}

/// After a reorganization: requests and segments of the lost blocks are as the chain says now; their logs come again.
async fn rewind(shared: &Shared, to: u64) -> anyhow::Result<()> {
    let affected: Vec<Entry> = shared
        .core()
        .book
        .iter()
        .filter(|e| e.block > to)
        .cloned()
        .collect();
    for entry in affected {
        let status = shared.view.status(entry.id).await?;
        let mut core = shared.core();
        match status.state {
            state::NONE if entry.signed.is_some() => {
                core.book.reset(&entry.id, false, Stage::Queued, to)
            }
            state::NONE => drop(core.book.remove(&entry.id)),
            state::OPEN => core.book.reset(&entry.id, true, Stage::Queued, to),
            // The claim's logs are in the new blocks.
            _ => {}
        }
    }
    let mut core = shared.core();
    core.book.unseed();
    core.book.unordered_after(to);
    core.sessions.iter_mut().for_each(|s| s.asks.doubt());
    for held in core.segments.values_mut() {
        if matches!(held.progress, Progress::Posted { block, .. } if block > to) {
            held.progress = Progress::Pending;
        }
    }
    Ok(())
}
