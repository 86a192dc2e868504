//! Sessions of several requests, fed together: the weights are read from memory once for all that wait.
//!
//! There is no thread of its own. Whoever wants to feed queues up, and where nobody computes, computes for all that are queued.

use assay_inference::error::NonFinite;
use assay_inference::native::{Feed, Pick, Session, feed_many};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Where sessions of one engine meet.
#[derive(Default)]
pub struct Joint {
    state: Mutex<State>,
    /// A pass has ended.
    ended: Condvar,
    feeds: AtomicU64,
    passes: AtomicU64,
}

#[derive(Default)]
struct State {
    queue: Vec<Job>,
    /// Somebody computes.
    busy: bool,
}

/// Ends a pass, also one that panics.
struct Pass<'a>(&'a Joint);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).busy = false;
        self.0.ended.notify_all();
    }
}

/// A session whose ids wait.
struct Job {
    session: Session,
    ids: Vec<u32>,
    from: usize,
    done: Sender<Fed>,
}

struct Fed {
    session: Session,
    picks: Vec<Pick>,
    result: Result<(), NonFinite>,
}

impl Joint {
    /// Feeds up to now, and how often something was computed for them.
    pub fn feeds_and_passes(&self) -> (u64, u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&self.feeds), of(&self.passes))
    }

    fn feed(&self, session: Session, ids: &[u32], from: usize) -> Fed {
        self.feeds.fetch_add(1, Ordering::Relaxed);
        let (done, fed) = channel();
        let mut state = lock(&self.state);
        state.queue.push(Job {
            session,
            ids: ids.to_vec(),
            from,
            done,
        });
        // INVARIANT: while nobody computes, a job is queued or done. So none waits for a pass that nobody makes.
        loop {
            match fed.try_recv() {
                Ok(fed) => return fed,
                Err(TryRecvError::Disconnected) => panic!("the pass that had this job panicked"),
                Err(TryRecvError::Empty) => {}
            }
            if state.busy {
                state = self
                    .ended
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            let jobs = std::mem::take(&mut state.queue);
            drop(state);
            self.passes.fetch_add(1, Ordering::Relaxed);
            let pass = Pass(self);
            compute(jobs);
            drop(pass);
            state = lock(&self.state);
        }
    }
}

fn compute(mut jobs: Vec<Job>) {
    let mut feeds: Vec<Feed> = jobs
        .iter_mut()
        .map(|job| Feed {
            session: &mut job.session,
            ids: &job.ids,
            from: job.from,
        })
        .collect();
    let found = feed_many(&mut feeds);
    for (job, (picks, result)) in jobs.into_iter().zip(found) {
        // Nobody hears it only where its thread is gone.
        let _ = job.done.send(Fed {
            session: job.session,
            picks,
            result,
        });
    }
}

/// A session that is fed with others.
pub(super) struct Member {
    joint: Arc<Joint>,
    /// Away while it is fed.
    session: Option<Session>,
}

impl Member {
    pub fn new(joint: Arc<Joint>, session: Session) -> Member {
        Member {
            joint,
            session: Some(session),
        }
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("it is back from its feed")
    }

    /// Ids that are fed.
    pub fn len(&mut self) -> usize {
        self.session().len()
    }

    /// As [`Session::truncate`].
    pub fn truncate(&mut self, len: usize) {
        self.session().truncate(len);
    }

    /// As [`Session::feed`].
    pub fn feed(&mut self, ids: &[u32], from: usize) -> (Vec<Pick>, Result<(), NonFinite>) {
        if ids.is_empty() {
            return (Vec::new(), Ok(()));
        }
        let session = self.session.take().expect("it is back from its feed");
        let fed = self.joint.feed(session, ids, from);
        self.session = Some(fed.session);
        (fed.picks, fed.result)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
