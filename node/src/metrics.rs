//! Prometheus metrics. A service registers its own beside the ones of the shell.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, PoisonError};

pub use prometheus_client;

/// The registry of a process. Clones are the same registry.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// An empty registry whose names all start with `assay_<service>_`.
    pub fn new(service: &str) -> Metrics {
        Metrics(Arc::new(Mutex::new(Registry::with_prefix(format!(
            "assay_{service}"
        )))))
    }

    /// A counter; `help` without a full stop.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.with(|registry| registry.register(name, help, counter.clone()));
        counter
    }

    /// A gauge; `help` without a full stop.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.with(|registry| registry.register(name, help, gauge.clone()));
        gauge
    }

    /// Registers anything else (families with labels, histograms).
    pub fn with<R>(&self, f: impl FnOnce(&mut Registry) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The OpenMetrics text of everything registered.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        self.with(|registry| encode(&mut out, registry))
            .map(|()| out)
            .unwrap_or_default()
    }
}

/// Peak resident memory of a process in KiB (`VmHWM`), where the system tells.
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_holds_every_metric_with_its_prefix() {
        let metrics = Metrics::new("sequencer");
        metrics.counter("requests", "Requests taken").inc_by(3);
        metrics.gauge("open", "Requests without an answer").set(-2);
        let text = metrics.render();
        assert!(text.contains("assay_sequencer_requests_total 3"), "{text}");
        assert!(text.contains("assay_sequencer_open -2"), "{text}");
    }

    #[test]
    fn peak_memory_of_this_process_is_known() {
        assert!(peak_memory_kib(std::process::id()).is_some_and(|kib| kib > 100));
    }
}
