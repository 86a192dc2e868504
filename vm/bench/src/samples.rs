//! Times of some things measured again and again.

use cpu_time::ProcessTime;
use std::collections::BTreeMap;

/// Seconds of processor time that this process has had: other processes' work is not in it.
pub fn seconds() -> f64 {
    ProcessTime::now().as_duration().as_secs_f64()
}

/// Seconds, by what took them.
#[derive(Default)]
pub struct Samples(BTreeMap<&'static str, Vec<f64>>);

impl Samples {
    /// Adds a sample of `name`.
    pub fn add(&mut self, name: &'static str, seconds: f64) {
        let all = self.0.entry(name).or_default();
        let at = all.partition_point(|s| *s < seconds);
        all.insert(at, seconds);
    }

    /// The median of `name`'s samples; there is at least one.
    pub fn median(&self, name: &str) -> f64 {
        let all = &self.0[name];
        all[all.len() / 2]
    }

    /// A line for each name: median, and the spread from the least to the greatest in hundredths of it.
    pub fn print(&self) {
        for (name, all) in &self.0 {
            let median = self.median(name);
            let of = |s: Option<&f64>| s.map_or(0.0, |s| (s / median - 1.0) * 100.0);
            println!(
                "  {name:<12} {:>10.3} ms  {:+.0} % .. {:+.0} %",
                median * 1e3,
                of(all.first()),
                of(all.last())
            );
        }
    }
}
