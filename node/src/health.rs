//! What is well and what is not: conditions for /readyz, heartbeats for /livez.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared state of a service's health. Clones are the same health.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    conditions: BTreeMap<&'static str, Option<String>>,
    beats: BTreeMap<&'static str, (Instant, Duration)>,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held, and health must be readable even then.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service is not ready until `condition` is [`Health::ok`].
    pub fn expect(&self, condition: &'static str, reason: &str) {
        self.lock()
            .conditions
            .insert(condition, Some(reason.to_owned()));
    }

    /// `condition` holds.
    pub fn ok(&self, condition: &'static str) {
        self.lock().conditions.insert(condition, None);
    }

    /// `condition` does not hold, for this reason.
    pub fn fail(&self, condition: &'static str, reason: impl std::fmt::Display) {
        self.lock()
            .conditions
            .insert(condition, Some(reason.to_string()));
    }

    /// Sets `condition` from a result and hands the result on.
    pub fn watch<T, E: std::fmt::Display>(
        &self,
        condition: &'static str,
        result: Result<T, E>,
    ) -> Result<T, E> {
        match &result {
            Ok(_) => self.ok(condition),
            Err(error) => self.fail(condition, error),
        }
        result
    }

    /// `task` is alive; it must call again within `limit` or the process counts as stuck.
    pub fn beat(&self, task: &'static str, limit: Duration) {
        self.lock().beats.insert(task, (Instant::now(), limit));
    }

    /// `task` ended on purpose.
    pub fn retire(&self, task: &'static str) {
        self.lock().beats.remove(task);
    }

    /// Why the service is not ready; empty if it is.
    pub fn not_ready(&self) -> Vec<(&'static str, String)> {
        self.lock()
            .conditions
            .iter()
            .filter_map(|(name, why)| Some((*name, why.clone()?)))
            .collect()
    }

    /// Tasks that have not been heard of in time; empty if all is well.
    pub fn stuck(&self) -> Vec<&'static str> {
        let now = Instant::now();
        let late = |(at, limit): &(Instant, Duration)| now.duration_since(*at) > *limit;
        self.lock()
            .beats
            .iter()
            .filter(|(_, beat)| late(beat))
            .map(|(name, _)| *name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_condition_holds() {
        let health = Health::default();
        health.expect("chain", "not connected yet");
        health.ok("key");
        assert_eq!(
            health.not_ready(),
            [("chain", "not connected yet".to_owned())]
        );
        health.ok("chain");
        assert!(health.not_ready().is_empty());
        let failed: Result<(), &str> = health.watch("chain", Err("gone"));
        assert_eq!(failed, Err("gone"));
        assert_eq!(health.not_ready(), [("chain", "gone".to_owned())]);
    }

    #[test]
    fn silent_task_is_stuck() {
        let health = Health::default();
        health.beat("loop", Duration::from_secs(60));
        assert!(health.stuck().is_empty());
        health.beat("loop", Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(health.stuck(), ["loop"]);
        health.retire("loop");
        assert!(health.stuck().is_empty());
    }
}
