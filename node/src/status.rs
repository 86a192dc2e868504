//! What a service is doing, as JSON at /status: counts and timings too structured for a metric.

use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A JSON object that the service keeps current. Clones are the same object.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<Mutex<Map<String, Value>>>);

impl StatusBoard {
    fn lock(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets `key`. A value that JSON can't hold becomes null.
    pub fn set(&self, key: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.lock().insert(key.to_owned(), value);
    }

    /// Sets `key.entry`, for maps that grow an entry at a time.
    pub fn set_entry(&self, key: &str, entry: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        let mut lock = self.lock();
        let slot = lock.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        slot[entry] = value;
    }

    /// The object as it is now.
    pub fn snapshot(&self) -> Value {
        Value::Object(self.lock().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_holds_what_was_set() {
        let board = StatusBoard::default();
        board.set("head", 7);
        board.set_entry("games", "0x01", ["move", "move"]);
        board.set_entry("games", "0x02", 1);
        assert_eq!(
            board.snapshot(),
            serde_json::json!({ "head": 7, "games": { "0x01": ["move", "move"], "0x02": 1 } })
        );
    }
}
