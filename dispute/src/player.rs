//! Plays every game of one account: works out the next move off the runtime, sends it, and starts again from the ledger.
//!
//! Nothing is remembered that a restart could lose: what to do next follows from the chain alone.

use crate::action::Action;
use crate::calls::call_for;
use crate::clock::{Timestamp, next_block_time};
use crate::court::{BoxTrace, CourtError};
use crate::game::{Outcome, Side};
use crate::inputs::Inputs;
use crate::ledger::{Ledger, Play};
use crate::memo::Memo;
use crate::record::{GameRecords, Sent};
use crate::responder::Responder;
use crate::solver::{next_actions, without_trace};
use alloy::primitives::{Address, B256};
use assay_node::chain::BlockRef;
use assay_types::Hash;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Wait after a move was mined until it counts as lost to a reorganization.
const SETTLE: Duration = Duration::from_secs(30);
/// Wait after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// Makes the trace that a side plays with; the honest one asks a court.
pub type Script = Arc<dyn Fn(&Inputs, Side) -> Result<BoxTrace, CourtError> + Send + Sync>;

type SharedTrace = Arc<Mutex<Option<Memo<BoxTrace>>>>;

/// What was done last in a game, so that it is not done twice before the ledger knows of it.
struct Done {
    position: Position,
    again_at: Instant,
}

/// Everything that a move depends on.
type Position = (Hash, bool, bool);

/// Plays for one account.
pub struct Player {
    chain_id: u64,
    sides: Vec<Side>,
    responder: Arc<Responder>,
    script: Script,
    records: GameRecords,
    /// By what the program reads: a reorganization may put another claim under the same key.
    traces: BTreeMap<(Hash, Side), SharedTrace>,
    /// What each game's program reads.
    reads: BTreeMap<B256, Hash>,
    busy: BTreeSet<B256>,
    done: HashMap<B256, Done>,
    tasks: JoinSet<Finished>,
    /// Traces are computed by all cores already: a few at a time.
    cores: Arc<Semaphore>,
}

struct Finished {
    game: B256,
    done: Done,
}

struct Job {
    play: Play,
    side: Side,
    task: Task,
    responder: Arc<Responder>,
    records: GameRecords,
    position: Position,
}

/// How a job knows what to do.
enum Task {
    /// The game alone says so.
    Known(Vec<Action>),
    /// By the program's trace.
    Solve {
        now: Timestamp,
        inputs: Inputs,
        trace: SharedTrace,
        script: Script,
        cores: Arc<Semaphore>,
    },
}

impl Player {
    /// Plays those games in which `responder`'s account has one of `sides`.
    pub fn new(
        chain_id: u64,
        sides: &[Side],
        responder: Arc<Responder>,
        script: Script,
        records: GameRecords,
    ) -> Player {
        Player {
            chain_id,
            sides: sides.to_vec(),
            responder,
            script,
            records,
            traces: BTreeMap::new(),
            reads: BTreeMap::new(),
            busy: BTreeSet::new(),
            done: HashMap::new(),
            tasks: JoinSet::new(),
            cores: Arc::new(Semaphore::new(2)),
        }
    }

    /// Starts whatever there is to do at `head`; never waits. `wall` is the wall clock in unix seconds.
    pub fn tick(&mut self, ledger: &Ledger, head: BlockRef, wall: Timestamp) {
        self.collect();
        let mut due: Vec<(Timestamp, &Play, Side, Timestamp)> = Vec::new();
        let me = self.responder.address();
        for play in ledger.games.values() {
            let Some(side) = mine(play, me, &self.sides) else {
                continue;
            };
            if let Some(outcome) = play.game.outcome() {
                self.finish(play, side, outcome);
                continue;
            }
            let turn = play.game.turn();
            // One's own clock is the chain's; the other's may have run out with no block to say so.
            let now = if turn == side {
                head.timestamp
            } else {
                next_block_time(head.timestamp, wall)
            };
            let idle = !play.game.claim_lost() && turn != side && !play.game.expired(now);
            let lost = play.game.claim_lost() && side == Side::Executor;
            if !(idle || lost || self.waits(play, now)) {
                due.push((play.game.clock().deadline(turn), play, side, now));
            }
        }
        due.sort_by_key(|(deadline, play, _, _)| (*deadline, play.id));
        for (_, play, side, now) in due {
            self.start(ledger, play, side, now);
        }
    }

    /// Games in which something is being done now.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }

    fn waits(&self, play: &Play, now: Timestamp) -> bool {
        let done = self.done.get(&play.id);
        let same =
            done.is_some_and(|d| d.position == position(play, now) && Instant::now() < d.again_at);
        same || self.busy.contains(&play.id)
    }

    fn start(&mut self, ledger: &Ledger, play: &Play, side: Side, now: Timestamp) {
        // A clock that ran out, and a void game, need nothing that may not be read yet.
        let task = match without_trace(&play.game, side, now) {
            Some(actions) => Some(Task::Known(actions)),
            None => self.solving(ledger, play, side, now),
        };
        let Some(task) = task else { return };
        let job = Job {
            task,
            responder: self.responder.clone(),
            records: self.records.clone(),
            position: position(play, now),
            play: play.clone(),
            side,
        };
        self.busy.insert(play.id);
        self.tasks.spawn(job.run());
    }

    fn solving(
        &mut self,
        ledger: &Ledger,
        play: &Play,
        side: Side,
        now: Timestamp,
    ) -> Option<Task> {
        let key = play.claim();
        let inbox = self.responder.contracts().inbox;
        let Some(inputs) = ledger.claims.get(&key).and_then(|claim| {
            let ask = ledger.asks.get(&claim.request_id)?;
            Inputs::of(self.chain_id, inbox, ask, claim)
        }) else {
            let read = ledger.claims.get(&key).map(|claim| claim.output.is_some());
            match read {
                Some(false) => {
                    tracing::warn!(game = %play.id, claim = %key, "a game on a claim whose output, in a blob, is not read yet: it waits");
                }
                _ => {
                    tracing::error!(game = %play.id, claim = %key, "a game on a claim that no event announced");
                }
            }
            return None;
        };
        if !inputs.are_of(&play.context) {
            // A mirror that is wrong loses games: whoever runs this must hear of it.
            tracing::error!(game = %play.id, claim = %key, "the contract reads other inputs than this service: please report this");
        }
        let identity = inputs.identity();
        self.reads.insert(play.id, identity);
        Some(Task::Solve {
            trace: self.traces.entry((identity, side)).or_default().clone(),
            inputs,
            script: self.script.clone(),
            cores: self.cores.clone(),
            now,
        })
    }

    fn collect(&mut self) {
        while let Some(joined) = self.tasks.try_join_next() {
            match joined {
                Ok(Finished { game, done }) => {
                    self.busy.remove(&game);
                    self.done.insert(game, done);
                }
                // A task that panicked left its game in `busy`: nothing is known about the others' either.
                Err(error) => {
                    tracing::error!(%error, "a player's task failed; its games are looked at again");
                    self.busy.clear();
                }
            }
        }
    }

    fn finish(&mut self, play: &Play, side: Side, outcome: Outcome) {
        self.done.remove(&play.id);
        if self.records.finish(play, side, outcome) {
            match outcome {
                Outcome::Won(winner) if winner == side => tracing::info!(game = %play.id, "won"),
                Outcome::Won(_) => tracing::error!(game = %play.id, "lost"),
                Outcome::Void => {
                    tracing::info!(game = %play.id, "void: the claim lost another game")
                }
            }
            if let Some(read) = self.reads.remove(&play.id)
                && !self.reads.values().any(|other| *other == read)
            {
                self.traces.remove(&(read, side));
            }
        }
    }
}

/// The side that `me` plays, if it is one of `sides`. Who plays itself moves for both.
fn mine(play: &Play, me: Address, sides: &[Side]) -> Option<Side> {
    let turn = play.game.turn();
    [turn, turn.other()]
        .into_iter()
        .find(|side| sides.contains(side) && play.player(*side) == me)
}

fn position(play: &Play, now: Timestamp) -> Position {
    (
        play.game.history(),
        play.game.claim_lost(),
        play.game.expired(now),
    )
}

impl Job {
    async fn run(self) -> Finished {
        let (game, position) = (self.play.id, self.position);
        let wait = match self.play().await {
            Ok(()) => SETTLE,
            Err(error) => {
                tracing::warn!(%game, "{error:#}");
                RETRY
            }
        };
        Finished {
            game,
            done: Done {
                position,
                again_at: Instant::now() + wait,
            },
        }
    }

    async fn play(self) -> anyhow::Result<()> {
        let started = Instant::now();
        let actions = self.task.solve(&self.play, self.side).await?;
        let computed = started.elapsed();
        for action in &actions {
            self.act(action, computed).await?;
        }
        Ok(())
    }

    async fn act(&self, action: &Action, computed: Duration) -> anyhow::Result<()> {
        let game = self.play.id;
        let Some(call) = call_for(
            &self.play,
            self.side,
            action,
            self.responder.contracts().game,
        )?
        else {
            tracing::error!(%game, "nothing can be contested: this side's claim is wrong, its clock will run out");
            return Ok(());
        };
        let (label, calldata) = (call.label, call.data.len());
        tracing::info!(%game, step = self.play.game.moves() + 1, action = %describe(action), "{label}");
        let sending = Instant::now();
        let receipt = self.responder.send(call).await?;
        let sent = Sent {
            kind: label,
            transaction: receipt.transaction_hash,
            gas_used: receipt.gas_used,
            calldata_bytes: calldata,
            compute_seconds: computed.as_secs_f64(),
            wall_seconds: (computed + sending.elapsed()).as_secs_f64(),
        };
        self.records.sent(&self.play, self.side, sent, action);
        Ok(())
    }
}

impl Task {
    async fn solve(&self, play: &Play, side: Side) -> anyhow::Result<Vec<Action>> {
        let (now, inputs, trace, script, cores) = match self {
            Task::Known(actions) => return Ok(actions.clone()),
            Task::Solve {
                now,
                inputs,
                trace,
                script,
                cores,
            } => (
                *now,
                inputs.clone(),
                trace.clone(),
                script.clone(),
                cores.clone(),
            ),
        };
        let _permit = cores.acquire_owned().await?;
        let game = play.game.clone();
        let solving = tokio::task::spawn_blocking(move || {
            let mut slot = trace.lock().unwrap_or_else(PoisonError::into_inner);
            let trace = match slot.take() {
                Some(trace) => slot.insert(trace),
                None => slot.insert(Memo::new(script(&inputs, side)?)),
            };
            next_actions(&game, trace, side, now)
        });
        Ok(solving.await??)
    }
}

fn describe(action: &Action) -> String {
    match action {
        Action::Dissect { segment, roots, .. } => {
            format!("piece {} into {}", segment.index, roots.len())
        }
        Action::Prove { index, witness, .. } => {
            format!("index {index}, {} bytes of witness", witness.len())
        }
        Action::ClaimTimeout => "the other side's clock ran out".to_owned(),
        Action::SettleVoid => "the claim lost another game".to_owned(),
        Action::Concede => "nothing".to_owned(),
    }
}
