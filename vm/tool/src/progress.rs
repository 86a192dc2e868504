//! A spinner for whatever takes longer than two seconds, where somebody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Shown from two seconds on, gone when dropped.
pub struct Progress {
    bar: ProgressBar,
    /// Dropped first, which wakes the thread that would show the bar.
    waiting: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Nothing is shown yet.
    pub fn new(what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        let waiting = std::io::stderr().is_terminal().then(|| {
            let (sender, receiver) = channel();
            let shown = bar.clone();
            let thread = std::thread::spawn(move || {
                let waited = receiver.recv_timeout(Duration::from_secs(2));
                if waited == Err(RecvTimeoutError::Timeout) {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                    shown.enable_steady_tick(Duration::from_millis(100));
                }
            });
            (sender, thread)
        });
        Progress { bar, waiting }
    }

    /// How far it is.
    pub fn say(&self, text: String) {
        self.bar.set_message(text);
    }

    /// Lets `f` print without a spinner in its way.
    pub fn aside<T>(&self, f: impl FnOnce() -> T) -> T {
        self.bar.suspend(f)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.waiting.take() {
            drop(sender);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }
}
