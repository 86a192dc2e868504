//! What happens to one request: checked, answered, signed, written down, offered.

mod handing;

use self::handing::Handing;
use crate::args::Args;
use crate::backend::Found;
use crate::book::{BookError, ClaimBook};
use crate::cheat::falsify;
use crate::check::{Checked, Unfit, check, check_wanted, entropy_of};
use crate::link;
use crate::metrics::Meters;
use crate::models::Models;
use crate::pack::{Pack, patience};
use crate::promise::{Outlook, Promiser};
use crate::segment::{Answered, Signatory, SignedSegment};
use crate::stake::Stake;
use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolValue;
use assay_bindings::hashes::work;
use assay_bindings::{Inbox, Request, Rollup};
use assay_dispute::court::{Court, Verdict};
use assay_dispute::inputs::Inputs;
use assay_dispute::library::Library;
use assay_dispute::watcher::{WatchError, view};
use assay_node::chain::ChainError;
use assay_node::dangerous::Cheat;
use assay_node::journal::JournalError;
use assay_node::seed::Seeds;
use assay_node::shell::Shell;
use assay_proto::v1::{Assignment, FromExecutor, Welcome, from_executor};
use assay_types::output::Output;
use assay_types::{Hash, ModelId};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Why a request gets no signed answer from here.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// It does not fit.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The book says no.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The chain can't be asked.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The chain can't be asked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A reorganization deeper than `--seed-depth` changed what its seed is made of.
    #[error(
        "it was answered under another seed before the chain was reorganized: that answer is false now, and a second one is never signed"
    )]
    OtherSeed,
    /// It is not wanted any more.
    #[error("withdrawn")]
    Withdrawn,
    /// The backend panicked.
    #[error("the backend failed: {0}")]
    Backend(#[from] tokio::task::JoinError),
    /// The program itself refuses the answer: a bug, here or in the native rules.
    #[error(
        "the program refuses the answer that was found ({0}): please report this with the request's id"
    )]
    Refuted(String),
}

/// What was found for an assignment.
enum Answer {
    /// A segment that was signed before.
    Signed(SignedSegment),
    /// An answer, and how long it may wait for others.
    Found(Box<Answered>, Handing, Duration),
}

/// Unix milliseconds, which assignments end in.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

/// How an answer was found.
pub struct Account {
    model: B256,
    backend: &'static str,
    found: Found,
    restarts: u64,
    time: Duration,
}

/// Everything that answering needs. Shared by all tasks.
pub struct Office {
    /// The service's shell.
    pub shell: Shell,
    /// The models served.
    pub models: Models,
    /// Who signs.
    pub signatory: Signatory,
    /// Counters.
    pub meters: Meters,
    book: Mutex<ClaimBook>,
    /// Assignments at work.
    at_work: Mutex<BTreeSet<B256>>,
    /// The present connection.
    out: Mutex<Option<mpsc::Sender<FromExecutor>>>,
    library: Arc<Library>,
    /// What the inbox knows of later blocks.
    pub seeds: Seeds,
    promiser: Option<Promiser>,
    recheck_percent: u8,
    segment_life: u64,
    /// Answers that wait to share a blob.
    pack: Mutex<Pack<Handing>>,
    blob_wait: Duration,
    /// Until when outputs are in calldata, as blobs are too dear for the sequencer.
    no_blobs: Mutex<Option<Instant>>,
    cheat: Option<Cheat>,
}

/// Longest re-check of one answer; one that takes longer says nothing.
const RECHECK: Duration = Duration::from_secs(120);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is consistent between statements, so a panic elsewhere changes nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Office {
    /// Opens for business.
    pub fn new(
        shell: Shell,
        args: &Args,
        models: Models,
        library: Arc<Library>,
        signatory: Signatory,
        book: ClaimBook,
        most_segment_work: U256,
    ) -> Office {
        let meters = Meters::new(&shell.metrics, shell.status.clone());
        let inbox = shell.deployment.contracts.inbox;
        let seeds = Seeds::new(shell.chain.clone(), inbox, args.seed_depth);
        Office {
            seeds,
            shell,
            models,
            signatory,
            meters,
            book: Mutex::new(book),
            at_work: Mutex::default(),
            out: Mutex::default(),
            library,
            promiser: None,
            recheck_percent: args.recheck_percent,
            segment_life: args.segment_life,
            pack: Mutex::new(Pack::new(args.capacity as usize, most_segment_work)),
            blob_wait: Duration::from_millis(args.blob_wait_ms),
            no_blobs: Mutex::default(),
            cheat: args.lies.dangerous_cheat,
        }
    }

    /// Promises answers from now on, if there is somebody who does.
    pub fn promising(self, promiser: Option<Promiser>) -> Office {
        Office { promiser, ..self }
    }

    /// Sends over this connection from now on, and offers every segment that has no final verdict.
    pub async fn connected(&self, out: mpsc::Sender<FromExecutor>) {
        *lock(&self.out) = Some(out.clone());
        let open: Vec<SignedSegment> = lock(&self.book).open_segments().cloned().collect();
        for segment in &open {
            tracing::info!(number = segment.number, "offering a signed segment again");
            // A connection that is gone is noticed where it is read.
            let _ = out
                .send(FromExecutor {
                    message: Some(link::offer(segment)),
                })
                .await;
        }
    }

    /// There is no connection.
    pub fn disconnected(&self) {
        *lock(&self.out) = None;
    }

    async fn send(&self, message: from_executor::Message) {
        let out = lock(&self.out).clone();
        if let Some(out) = out {
            let _ = out
                .send(FromExecutor {
                    message: Some(message),
                })
                .await;
        }
    }

    /// The request is no longer wanted.
    pub fn withdraw(&self, id: B256) {
        lock(&self.at_work).remove(&id);
        self.show_work();
    }

    /// Tells /status which requests are being answered.
    fn show_work(&self) {
        let at_work = lock(&self.at_work);
        self.shell.status.set("at_work", &*at_work);
    }

    /// Answers an assignment and offers the signed segment, or declines. `welcome` says how long a segment has to live.
    pub async fn work(self: Arc<Self>, assignment: Assignment, welcome: Welcome) {
        let Ok(id) = B256::try_from(&assignment.request_id[..]) else {
            return self
                .send(link::decline(
                    &assignment.request_id,
                    "the request's id is not 32 bytes".into(),
                ))
                .await;
        };
        if !lock(&self.at_work).insert(id) {
            return;
        }
        self.show_work();
        match self.answer(id, assignment, &welcome).await {
            Ok(Answer::Signed(segment)) => {
                self.put_away(&[id]);
                self.send(link::offer(&segment)).await;
            }
            Ok(Answer::Found(answered, handing, patience)) => {
                self.hand_in(*answered, handing, patience).await;
            }
            Err(error) => self.turn_down(id, &error).await,
        }
    }

    /// Nobody works on these any more.
    fn put_away(&self, ids: &[B256]) {
        lock(&self.at_work).retain(|id| !ids.contains(id));
        self.show_work();
    }

    async fn turn_down(&self, id: B256, error: &OfficeError) {
        self.put_away(&[id]);
        if matches!(error, OfficeError::Withdrawn) {
            tracing::info!(request = %id, "withdrawn while it was answered");
            return;
        }
        tracing::warn!(request = %id, %error, "declined");
        self.meters.declined.inc();
        self.send(link::decline(id.as_slice(), error.to_string()))
            .await;
    }

    async fn answer(
        &self,
        id: B256,
        a: Assignment,
        welcome: &Welcome,
    ) -> Result<Answer, OfficeError> {
        let checked = self.check(id, a.request.into(), a.payload.into()).await?;
        let now = self.shell.chain.head().await?.timestamp;
        let open = lock(&self.book).open_segment_of(id).cloned();
        let least = u64::from(welcome.min_segment_life);
        if let Some(segment) = open.filter(|s| s.expiry >= now + least) {
            return Ok(Answer::Signed(segment));
        }
        let (answered, account) = self.find(&checked).await?;
        if !lock(&self.at_work).contains(&id) {
            return Err(OfficeError::Withdrawn);
        }
        // Once the answer is in hand; a promise that can't be given is not worth an answer that can.
        if let Err(error) = self.promise(&checked).await {
            tracing::warn!(request = %id, %error, "not promised");
        }
        // What was answered before was offered before, and may have been refused for those that it was with.
        let shares = account.is_some() && self.blobs_now() && answered.fits_blob();
        let patience = match shares {
            false => Duration::ZERO,
            true => {
                let now = self.shell.chain.head().await?.timestamp;
                let inclusion = checked.request.params.inclusionDeadline;
                let left = inclusion.saturating_sub(now).saturating_mul(1_000);
                patience(
                    self.blob_wait,
                    [left, a.deadline_ms.saturating_sub(now_ms())],
                )
            }
        };
        let handing = Handing {
            account,
            welcome: *welcome,
        };
        Ok(Answer::Found(Box::new(answered), handing, patience))
    }

    /// Promises the answer, if this executor does and can keep it.
    async fn promise(&self, checked: &Checked) -> Result<(), OfficeError> {
        let Some(promiser) = &self.promiser else {
            return Ok(());
        };
        let outlook = self.outlook(checked).await?;
        let others = self.promised_at(outlook.now);
        let others = others.iter().filter(|id| **id != checked.id).count();
        let Some(promised) = promiser.promise(checked, &outlook, others as u64) else {
            tracing::info!(request = %checked.id, ?outlook, others, "not promised: it might not be claimed in time");
            return Ok(());
        };
        let promised = lock(&self.book)
            .promise(promised)
            .map_err(BookError::from)?;
        let message = promiser.sign(&promised).map_err(BookError::from)?;
        tracing::info!(request = %checked.id, deadline = promised.deadline, wei = promised.penalty, "promised");
        self.send(from_executor::Message::Promise(message)).await;
        Ok(())
    }

    /// Requests whose answers are promised and due at `now` or later.
    pub fn promised_at(&self, now: u64) -> BTreeSet<B256> {
        let book = lock(&self.book);
        let open = book.promises().filter(|p| p.deadline >= now);
        open.map(|p| p.request_id).collect()
    }

    async fn outlook(&self, checked: &Checked) -> Result<Outlook, OfficeError> {
        let (chain, contracts) = (&self.shell.chain, &self.shell.deployment.contracts);
        let stake = Stake::read(&self.shell, self.signatory.signer.address()).await?;
        let status = Inbox::statusCall { id: checked.id };
        let status = view(chain, contracts.inbox, "status", status).await?;
        let r = &checked.request;
        let most = U256::from(work(r.modelLength, r.payloadLength, r.maxTokens));
        let price = Rollup::presentFeeCall { work: most };
        let price = view(chain, contracts.rollup, "presentFee", price).await?;
        Ok(Outlook {
            claims: status.claims,
            now: chain.head().await?.timestamp,
            free: stake.free,
            bond: stake.bond,
            fee: price.direct,
        })
    }

    /// Checks a request against itself and the chain.
    ///
    /// # Errors
    /// It does not fit, or the chain can't be asked.
    pub async fn check(
        &self,
        id: B256,
        request: Bytes,
        payload: Bytes,
    ) -> Result<Checked, OfficeError> {
        let inbox = self.shell.deployment.contracts.inbox;
        let chain_id = self.shell.chain.id();
        let fitting = check(chain_id, inbox, &self.models, id, request, payload)?;
        check_wanted(&self.shell, &fitting).await?;
        let entropy = entropy_of(&self.seeds, &fitting).await?;
        Ok(fitting.seeded(chain_id, inbox, entropy))
    }

    /// The answer to a request, and how it was found unless it is the one given before.
    ///
    /// # Errors
    /// An earlier answer was refuted, or the backend failed.
    pub async fn find(
        &self,
        checked: &Checked,
    ) -> Result<(Answered, Option<Account>), OfficeError> {
        if let Some(earlier) = lock(&self.book).answer(checked.id)? {
            // INVARIANT: an answer goes out under the seed that it was found under, whatever became of the chain.
            if earlier
                .entropy
                .is_some_and(|entropy| entropy != checked.entropy)
            {
                return Err(OfficeError::OtherSeed);
            }
            return Ok((earlier.clone(), None));
        }
        let started = Instant::now();
        let (model, rom, cheat) = (checked.model.clone(), checked.rom.clone(), self.cheat);
        let finding = tokio::task::spawn_blocking(move || {
            let mut backend = model.backend();
            let before = backend.restarts();
            let mut found = backend.answer(&rom);
            let restarts = backend.restarts() - before;
            let truth = Output::decode(&found.output);
            if let (Some(cheat), Some(engine), Some(truth)) = (cheat, &model.engine, truth) {
                tracing::warn!(%cheat, "DANGEROUS: giving a false answer");
                found.output = falsify(engine, &rom, &truth, cheat).encode();
            }
            (backend.name(), found, restarts)
        });
        let (backend, found, restarts) = finding.await?;
        let time = started.elapsed();
        self.recheck(checked, &found.output).await?;
        let answered = Answered {
            request_id: checked.id,
            request: checked.encoded.clone(),
            payload: checked.payload.clone(),
            output: found.output.clone().into(),
            entropy: Some(checked.entropy),
        };
        let model = checked.model.entry.id;
        Ok((
            answered,
            Some(Account {
                model,
                backend,
                found,
                restarts,
                time,
            }),
        ))
    }

    /// Has the program itself look at a share of the answers.
    async fn recheck(&self, checked: &Checked, output: &[u8]) -> Result<(), OfficeError> {
        let drawn = u16::from(checked.id[31]) * 100 / 256 < u16::from(self.recheck_percent);
        if !drawn || self.cheat.is_some() {
            return Ok(());
        }
        let inputs = Inputs {
            model: ModelId(Hash(checked.model.entry.id.0)),
            request: checked.rom.clone(),
            output: output.to_vec(),
        };
        let library = self.library.clone();
        let confirming = move || library.confirm(&inputs, Instant::now() + RECHECK);
        match tokio::task::spawn_blocking(confirming).await? {
            Ok(Verdict::Right) => {
                tracing::info!(request = %checked.id, "the program agrees");
                Ok(())
            }
            Ok(Verdict::Wrong(reason)) => {
                self.shell.health.fail("recheck", &reason);
                Err(OfficeError::Refuted(reason))
            }
            Err(error) => {
                tracing::warn!(request = %checked.id, %error, "the program gives no second opinion");
                Ok(())
            }
        }
    }

    /// Publishes an answer. Invariant: it is in the journal, so whoever reads of it may rely on its being kept.
    fn publish(&self, id: B256, account: &Account) {
        let stats = &account.found.stats;
        tracing::info!(
            request = %id,
            backend = account.backend,
            tokens = stats.tokens,
            drafted = stats.drafted,
            accepted = stats.accepted,
            corrected = stats.corrected,
            verified = stats.verified,
            acceptance = stats.acceptance(),
            drafted_per_second = stats.drafted_per_second(),
            verified_per_second = stats.verified_per_second(),
            draft_ms = stats.draft_time.as_millis() as u64,
            verify_ms = stats.verify_time.as_millis() as u64,
            ms = account.time.as_millis() as u64,
            "answered"
        );
        self.meters.restarted(account.restarts);
        self.meters.book(
            id,
            account.model,
            account.backend,
            &account.found,
            account.time,
        );
    }

    /// Writes an answer down that is about to be claimed directly.
    ///
    /// # Errors
    /// The book says no.
    pub fn note_direct(
        &self,
        answered: &Answered,
        account: Option<&Account>,
    ) -> Result<Request, BookError> {
        lock(&self.book).note_direct(answered.clone())?;
        account
            .into_iter()
            .for_each(|account| self.publish(answered.request_id, account));
        // It was checked to decode before it was answered.
        Ok(Request::abi_decode(&answered.request).unwrap_or_default())
    }

    /// A segment needs no more offers.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&self, number: u64, why: &str) -> Result<(), JournalError> {
        lock(&self.book).close(number, why)
    }

    /// A claim on this request was lost.
    ///
    /// # Errors
    /// The disk's.
    pub fn lose(&self, id: B256) -> Result<(), JournalError> {
        lock(&self.book).lose(id)
    }

    /// What was answered to a request, refuted or not.
    pub fn answered(&self, id: B256) -> Option<Bytes> {
        let book = lock(&self.book);
        book.evidence(id).map(|a| a.output.clone())
    }

    /// Brings the book up to the chain: posted and expired segments need no more offers, spent numbers are skipped.
    ///
    /// # Errors
    /// The chain can't be asked, or the disk fails.
    pub async fn reconcile(&self) -> anyhow::Result<()> {
        let now = self.shell.chain.head().await?.timestamp;
        let open: Vec<(u64, u64)> = lock(&self.book)
            .open_segments()
            .map(|s| (s.number, s.expiry))
            .collect();
        for (number, expiry) in open {
            if self.is_spent(number).await? {
                self.close(number, "the chain has it")?;
            } else if expiry < now {
                self.close(number, "it expired")?;
            }
        }
        let first = lock(&self.book).next_number();
        let free = self.first_free(first).await?;
        lock(&self.book).skip_to(free);
        Ok(())
    }

    /// The first number at or after `from` after which the chain has spent none. Numbers are spent in order, so a
    /// doubling search finds it in a few calls even if the journal was lost.
    async fn first_free(&self, from: u64) -> Result<u64, WatchError> {
        if !self.is_spent(from).await? {
            return Ok(from);
        }
        let (mut spent, mut width) = (from, 1);
        while self.is_spent(spent + width).await? {
            spent += width;
            width *= 2;
        }
        // Invariant: `spent` is spent, `spent + width` is not.
        while width > 1 {
            width = width.div_ceil(2);
            if self.is_spent(spent + width).await? {
                spent += width;
            }
        }
        Ok(spent + 1)
    }

    async fn is_spent(&self, number: u64) -> Result<bool, WatchError> {
        let executor = self.signatory.signer.address();
        let call = Rollup::numberUsedCall { executor, number };
        view(&self.shell.chain, self.signatory.rollup, "numberUsed", call).await
    }
}
