//! The sequencer's state behind one lock: book, sessions, segments, journal, store.

use crate::book::Book;
use crate::chain_view::ChainView;
use crate::entry::{Entry, Stage, Stored};
use crate::flags::Flags;
use crate::market_view::MarketView;
use crate::record::Record;
use crate::route::{Decision, route};
use crate::segment::{Held, Offer, Progress, Seal};
use crate::sessions::Sessions;
use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolValue;
use assay_bindings::SignedRequest;
use assay_bindings::work::Share;
use assay_node::journal::{Journal, JournalError};
use assay_node::metrics::Metrics;
use assay_node::metrics::prometheus_client::metrics::counter::Counter;
use assay_node::metrics::prometheus_client::metrics::gauge::Gauge;
use assay_node::shell::Shell;
use assay_node::store::{Store, StoreError, get_json, put_json};
use assay_proto::v1::{self, SegmentStanding, to_executor::Message};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, broadcast};

/// Bytes that the journal may grow over twice what is alive in it before it is rewritten.
const JOURNAL_SLACK: u64 = 4 << 20;

/// Blocks after which a posted segment and an ended request are forgotten in memory.
pub const DEEP: u64 = 128;

/// Counts for /metrics.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Requests heard of on chain.
    pub chain_requests: Counter,
    /// Requests taken by gRPC.
    pub signed_requests: Counter,
    /// Requests given to an executor.
    pub assignments: Counter,
    /// Assignments that came to nothing.
    pub failures: Counter,
    /// Segments taken from executors.
    pub segments: Counter,
    /// Batches mined.
    pub batches: Counter,
    /// Gas of all batches.
    pub batch_gas: Counter,
    /// Attempts to post that failed.
    pub post_failures: Counter,
    /// Claims that lost a game.
    pub rejections: Counter,
    /// Results that the contract skipped.
    pub skipped: Counter,
    /// Requests that wait for an executor.
    pub queued: Gauge,
    /// Segments that wait for a batch.
    pub pending_segments: Gauge,
    /// Executors connected.
    pub executors: Gauge,
    /// Whether batches are posted now.
    pub turn: Gauge,
    /// Next block to look at.
    pub next_block: Gauge,
}

impl Counts {
    /// Registers everything.
    pub fn new(m: &Metrics) -> Counts {
        Counts {
            chain_requests: m.counter("chain_requests", "Requests heard of on chain"),
            signed_requests: m.counter("signed_requests", "Requests taken by gRPC"),
            assignments: m.counter("assignments", "Requests given to an executor"),
            failures: m.counter("assignment_failures", "Assignments that came to nothing"),
            segments: m.counter("segments", "Segments taken from executors"),
            batches: m.counter("batches", "Batches mined"),
            batch_gas: m.counter("batch_gas", "Gas of all batches"),
            post_failures: m.counter("post_failures", "Attempts to post a batch that failed"),
            rejections: m.counter("rejections", "Claims that lost a game"),
            skipped: m.counter("skipped_results", "Results that the contract skipped"),
            queued: m.gauge("queued_requests", "Requests that wait for an executor"),
            pending_segments: m.gauge("pending_segments", "Segments that wait for a batch"),
            executors: m.gauge("executors", "Executors connected"),
            turn: m.gauge(
                "turn",
                "1 while it is this sequencer's turn to post, else 0",
            ),
            next_block: m.gauge("next_block", "Next block to look at"),
        }
    }
}

/// Segments in blobs that an earlier run posted, until their events are seen: this is the nearest that their
/// outputs are.
#[derive(Default)]
struct Posted {
    offers: BTreeMap<(Address, u64), (Offer, Seal)>,
    /// The last block that may have those events.
    until: u64,
}

/// What the lock guards.
pub struct Core {
    /// Live requests.
    pub book: Book,
    /// Connected executors.
    pub sessions: Sessions,
    /// Segments by executor and number.
    pub segments: BTreeMap<(Address, u64), Held>,
    /// Results that the rollup skipped, by segment id, until the segment's own event says whose they were.
    pub skips: BTreeMap<u64, Vec<(B256, u8)>>,
    posted: Posted,
    journal: Journal<Record>,
    /// Bytes of the journal when it was rewritten last.
    journal_alive: u64,
    arrivals: u64,
    store: Arc<dyn Store>,
    counts: Counts,
}

/// Everything that the sequencer's tasks share.
pub struct Shared {
    core: Mutex<Core>,
    /// The contracts.
    pub view: ChainView,
    /// Those of the market, if there is one.
    pub market: Option<MarketView>,
    /// The flags.
    pub flags: Flags,
    /// The shell.
    pub shell: Shell,
    /// Counts.
    pub counts: Counts,
    /// Rings when there may be something to route.
    pub routing: Notify,
    /// Rings when there is something to post.
    pub posting: Notify,
    changes: broadcast::Sender<B256>,
}

/// Unix milliseconds.
pub fn now_ms() -> u64 {
    // A clock before 1970 is no clock.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

fn request_key(id: &B256) -> Vec<u8> {
    [b"request/", &id[..]].concat()
}

impl Core {
    /// An empty state over an open journal and store.
    pub fn new(journal: Journal<Record>, store: Arc<dyn Store>, counts: Counts) -> Core {
        let (book, sessions) = (Book::default(), Sessions::default());
        Core {
            book,
            sessions,
            segments: BTreeMap::new(),
            skips: BTreeMap::new(),
            posted: Posted::default(),
            journal_alive: journal.bytes(),
            journal,
            arrivals: 0,
            store,
            counts,
        }
    }

    /// Reads what the store holds of requests that are not over.
    pub fn load(&mut self) -> Result<(), StoreError> {
        for (key, value) in self.store.scan(b"request/")? {
            let damaged = || StoreError::Damaged {
                path: self.store.path().to_owned(),
                key: hex(&key),
            };
            let id = B256::try_from(&key[b"request/".len()..]).map_err(|_| damaged())?;
            let stored: Stored = serde_json::from_slice(&value).map_err(|_| damaged())?;
            let entry = Entry::decode(id, stored).ok_or_else(damaged)?;
            if !entry.stage.is_over() || entry.unread().is_some() {
                self.book.add(entry);
            }
        }
        Ok(())
    }

    /// Whether the signed request `id` was accepted before.
    pub fn knows_signed(&self, id: &B256) -> bool {
        self.find(id)
            .is_some_and(|e| e.signed.is_some() || e.on_chain)
    }

    /// The request, live or over.
    pub fn find(&self, id: &B256) -> Option<Entry> {
        if let Some(entry) = self.book.get(id) {
            return Some(entry.clone());
        }
        let stored = get_json::<Stored>(&*self.store, &request_key(id)).ok()??;
        Entry::decode(*id, stored)
    }

    /// Takes a signed request: journal first.
    pub fn accept(&mut self, entry: Entry, signed: &SignedRequest) -> Result<(), JournalError> {
        self.journal.append(&Record::Accepted {
            signed: signed.abi_encode().into(),
        })?;
        self.counts.signed_requests.inc();
        self.book.add(entry);
        self.trim()
    }

    /// Takes a checked segment: journal first. A number that is known keeps its first content.
    pub fn take(&mut self, offer: Offer, seal: Seal) -> Result<(), JournalError> {
        let key = (offer.executor, offer.number);
        if !self.segments.contains_key(&key) {
            self.journal.append(&Record::Segment(offer.clone()))?;
            self.counts.segments.inc();
            self.restore_segment(offer, seal);
            self.trim()?;
        }
        Ok(())
    }

    /// Puts a journaled segment back in line.
    pub fn restore_segment(&mut self, offer: Offer, seal: Seal) {
        for (id, _) in &offer.results {
            if let Some(relieved) = self.book.signed(id, offer.executor, offer.number) {
                self.withdraw(id, relieved);
            }
        }
        self.arrivals += 1;
        let held = Held {
            progress: Progress::Pending,
            arrival: self.arrivals,
            suspect: false,
            strikes: 0,
            not_before_ms: 0,
            seal,
            offer,
        };
        self.segments
            .insert((held.offer.executor, held.offer.number), held);
    }

    /// Keeps the outputs of a segment in a blob that an earlier run posted, in block `head` at the latest.
    pub fn keep_posted(&mut self, offer: Offer, seal: Seal, head: u64) {
        self.posted.until = head;
        let key = (offer.executor, offer.number);
        self.posted.offers.insert(key, (offer, seal));
    }

    /// The output of a claim in `blob` whose segment was posted from here, by this run or an earlier one.
    pub fn own_output(&self, id: &B256, executor: Address, blob: B256) -> Option<Bytes> {
        let held = self.segments.values();
        let held = held.filter(|held| held.seal.blob == Some(blob));
        let posted = self.posted.offers.values();
        let posted = posted.filter(|(_, seal)| seal.blob == Some(blob));
        held.map(|held| &held.offer)
            .chain(posted.map(|(offer, _)| offer))
            .filter(|offer| offer.executor == executor)
            .find_map(|offer| offer.results.iter().find(|(of, _)| of == id))
            .map(|(_, output)| output.clone())
    }

    /// The event of a segment of `executor` was seen. A direct claim has no number of its own: the root tells it apart.
    pub fn seen_posted(&mut self, executor: Address, number: u64, root: B256) {
        let offers = &mut self.posted.offers;
        if offers
            .get(&(executor, number))
            .is_some_and(|(_, seal)| seal.root == root)
        {
            offers.remove(&(executor, number));
        }
    }

    /// Every event of the blocks through `head` was seen.
    pub fn seen_through(&mut self, head: u64) {
        if head >= self.posted.until {
            self.posted.offers.clear();
        }
    }

    fn withdraw(&self, id: &B256, executor: Address) {
        let request_id = id.to_vec();
        self.tell(executor, Message::Withdrawal(v1::Withdrawal { request_id }));
    }

    /// Tells whoever works on `id`, unless it is `but`, that it isn't wanted any more.
    pub fn withdraw_others(&self, id: &B256, but: Address) {
        let Some(entry) = self.book.get(id) else {
            return;
        };
        let Stage::Assigned { executor, .. } = entry.stage else {
            return;
        };
        if executor != but {
            self.withdraw(id, executor);
        }
    }

    /// Sends a message to `executor` if it is connected.
    pub fn tell(&self, executor: Address, message: Message) {
        if let Some(session) = self.sessions.get(&executor)
            && !session.send(message)
        {
            tracing::warn!(%executor, "its connection does not take messages");
        }
    }

    /// Removes a segment that will not be posted; its open requests go back to the queue.
    pub fn refuse(&mut self, executor: Address, number: u64, reason: &str, not_before_ms: u64) {
        let message = verdict(number, SegmentStanding::Refused, reason, 0);
        self.drop_segment(executor, message, not_before_ms);
    }

    /// Removes the segments in blobs that wait: a blob costs too much now. Their executors have a moment to offer the outputs in
    /// calldata.
    pub fn refuse_blobs(&mut self, reason: &str, not_before_ms: u64) {
        let waits = |held: &&Held| held.offer.in_blob && held.progress == Progress::Pending;
        let waiting = self.segments.values().filter(waits);
        let waiting: Vec<_> = waiting
            .map(|held| (held.offer.executor, held.offer.number))
            .collect();
        for (executor, number) in waiting {
            tracing::warn!(%executor, number, reason, "a segment in a blob is not posted");
            let message = v1::SegmentVerdict {
                blob_refused: true,
                ..verdict(number, SegmentStanding::Refused, reason, 0)
            };
            self.drop_segment(executor, message, not_before_ms);
        }
    }

    fn drop_segment(&mut self, executor: Address, said: v1::SegmentVerdict, not_before_ms: u64) {
        let (number, reason) = (said.number, said.reason.clone());
        let Some(held) = self.segments.remove(&(executor, number)) else {
            return;
        };
        for (id, _) in &held.offer.results {
            self.book
                .unsigned(id, executor, number, &reason, not_before_ms);
        }
        self.tell(executor, Message::Verdict(said));
    }

    /// Gives work to executors, as far as its fee covers it at the fill of `share`; none while that is not known.
    pub fn route(
        &mut self,
        claim_bond: alloy::primitives::U256,
        share: Option<&Share>,
        timeout_ms: u64,
        now_ms: u64,
        chain_now: u64,
    ) {
        for (id, executor) in self.book.overdue(now_ms) {
            tracing::warn!(request = %id, %executor, "no answer in time");
            self.fail(&id, executor, "no answer in time", now_ms + 5_000);
            self.withdraw(&id, executor);
        }
        let (book, sessions) = (&self.book, &self.sessions);
        let decisions =
            share.map(|share| route(book, sessions, claim_bond, share, now_ms, chain_now));
        for decision in decisions.into_iter().flatten() {
            match decision {
                Decision::NextRound(id, at) => self.book.next_round(&id, at),
                Decision::TooDear(id, reason) => self.book.note(&id, &reason),
                Decision::Assign(id, executor) => self.assign(&id, executor, now_ms + timeout_ms),
            }
        }
        self.counts.queued.set(self.book.queued().len() as i64);
        self.counts.executors.set(self.sessions.len() as i64);
    }

    fn assign(&mut self, id: &B256, executor: Address, deadline_ms: u64) {
        let (Some(entry), Some(session)) = (self.book.get(id), self.sessions.get(&executor)) else {
            return;
        };
        let assignment = v1::Assignment {
            request_id: id.to_vec(),
            request: entry.request.abi_encode(),
            payload: entry.payload.to_vec(),
            deadline_ms,
        };
        if session.send(Message::Assignment(assignment)) {
            tracing::info!(request = %id, %executor, "assigned");
            self.counts.assignments.inc();
            self.book.assigned(id, executor, deadline_ms);
        }
    }

    /// An assignment came to nothing; its executor rests until `rest_until_ms`.
    pub fn fail(&mut self, id: &B256, executor: Address, reason: &str, rest_until_ms: u64) {
        self.counts.failures.inc();
        self.book.released(id, executor, reason);
        if let Some(session) = self.sessions.get_mut(&executor) {
            session.resting_until_ms = rest_until_ms;
        }
    }

    /// Everything that the journal must keep over a restart.
    pub fn live_records(&self) -> Vec<Record> {
        let waiting = self
            .book
            .iter()
            .filter(|e| e.stage.is_open() && !e.on_chain);
        let signed = waiting.filter_map(|e| e.signed.as_ref());
        let accepted = signed.map(|s| Record::Accepted {
            signed: s.abi_encode().into(),
        });
        let segments = self
            .segments
            .values()
            .filter(|held| !matches!(held.progress, Progress::Posted { .. }));
        let posted = self.posted.offers.values().map(|(offer, _)| offer);
        let segments = segments.map(|held| &held.offer).chain(posted);
        accepted
            .chain(segments.map(|offer| Record::Segment(offer.clone())))
            .collect()
    }

    /// Rewrites the journal to what is alive.
    pub fn compact(&mut self) -> Result<(), JournalError> {
        let live = self.live_records();
        self.journal.rewrite(&live)?;
        self.journal_alive = self.journal.bytes();
        Ok(())
    }

    // INVARIANT: the journal has at most twice the bytes of what was alive when it was rewritten last, and the slack.
    fn trim(&mut self) -> Result<(), JournalError> {
        if self.journal.bytes() <= 2 * self.journal_alive + JOURNAL_SLACK {
            return Ok(());
        }
        self.compact()
    }

    /// Forgets what ended more than [`DEEP`] blocks before `head`. The store keeps the requests.
    pub fn forget(&mut self, head: u64) {
        self.segments.retain(
            |_, held| !matches!(held.progress, Progress::Posted { block, .. } if block + DEEP < head),
        );
        let over: Vec<B256> = self
            .book
            .iter()
            .filter(|e| e.stage.is_over() && e.block + DEEP < head && e.unread().is_none())
            .map(|e| e.id)
            .collect();
        for id in over {
            // It was persisted when it ended.
            self.book.remove(&id);
        }
        self.book.take_changed();
    }

    /// Writes changed requests to the store; returns their ids.
    pub fn persist(&mut self) -> Result<Vec<B256>, StoreError> {
        let changed = self.book.take_changed();
        for id in &changed {
            match self.book.get(id) {
                Some(entry) => put_json(&*self.store, &request_key(id), &entry.encode())?,
                None => self.store.delete(&request_key(id))?,
            }
        }
        let pending = self
            .segments
            .values()
            .filter(|held| held.progress == Progress::Pending)
            .count();
        self.counts.pending_segments.set(pending as i64);
        Ok(changed)
    }
}

/// A verdict message.
pub fn verdict(
    number: u64,
    standing: SegmentStanding,
    reason: &str,
    segment_id: u64,
) -> v1::SegmentVerdict {
    v1::SegmentVerdict {
        number,
        standing: standing.into(),
        reason: reason.to_owned(),
        segment_id,
        blob_refused: false,
    }
}

fn hex(bytes: &[u8]) -> String {
    Bytes::copy_from_slice(bytes).to_string()
}

impl Shared {
    /// Ties everything together.
    pub fn new(
        core: Core,
        view: ChainView,
        market: Option<MarketView>,
        flags: Flags,
        shell: Shell,
    ) -> Shared {
        let (changes, _) = broadcast::channel(1_024);
        let counts = core.counts.clone();
        let (routing, posting) = (Notify::new(), Notify::new());
        Shared {
            core: Mutex::new(core),
            view,
            market,
            flags,
            shell,
            counts,
            routing,
            posting,
            changes,
        }
    }

    /// Locks the state. Nothing waits for the network while it is held.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        // A panic under the lock leaves maps whose entries are each valid; the chain corrects the rest.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a change: writes it down, tells those who watch, and has work routed.
    pub fn settle(&self) {
        let changed = self.core().persist();
        match self.shell.health.watch("store", changed) {
            Ok(changed) => changed.into_iter().for_each(|id| self.announce(id)),
            Err(error) => tracing::error!(%error, "cannot write to the store"),
        }
        self.routing.notify_one();
    }

    /// Tells those who watch `id` that it changed.
    pub fn announce(&self, id: B256) {
        // Nobody may be watching.
        drop(self.changes.send(id));
    }

    /// Ids of requests as they change.
    pub fn changes(&self) -> broadcast::Receiver<B256> {
        self.changes.subscribe()
    }
}
