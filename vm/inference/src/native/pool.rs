//! Threads that stay: work in numbered pieces that don't overlap, so that threads never change a byte.

use super::float::assert_mode;
use rayon::prelude::*;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Some threads, or the caller's alone. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Option<Arc<rayon::ThreadPool>>);

impl Pool {
    /// A pool of `threads` threads; where they can't be started, the caller's thread does everything.
    pub fn new(threads: NonZeroUsize) -> Pool {
        if threads.get() == 1 {
            return Pool(None);
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .thread_name(|i| format!("engine-{i}"))
            .start_handler(|_| assert_mode())
            .build();
        Pool(pool.ok().map(Arc::new))
    }

    /// Runs `f` where [`Pool::each`] costs least.
    pub fn inside<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(f),
            None => f(),
        }
    }

    /// `f` of each number below `count`, at least `least` of them at a time in one thread.
    pub fn each(&self, count: usize, least: usize, f: &(impl Fn(usize) + Sync + ?Sized)) {
        assert_mode();
        match &self.0 {
            Some(pool) if count > least => {
                let piece = count.div_ceil(8 * pool.current_num_threads()).max(least);
                let work = || {
                    (0..count.div_ceil(piece)).into_par_iter().for_each(|i| {
                        (i * piece..((i + 1) * piece).min(count)).for_each(f);
                    });
                };
                pool.install(work);
            }
            _ => (0..count).for_each(f),
        }
    }
}
