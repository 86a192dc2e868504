//! Times of some things measured again and again.

use std::collections::BTreeMap;

/// Seconds, by what took them.
#[derive(Default)]
pub struct Samples(BTreeMap<String, Vec<f64>>);

impl Samples {
    /// Adds a sample of `name`.
    pub fn add(&mut self, name: &str, seconds: f64) {
        let all = self.0.entry(name.into()).or_default();
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
                "  {name:<22} {:>9.1} ms  {:+.0} % .. {:+.0} %",
                median * 1e3,
                of(all.first()),
                of(all.last())
            );
        }
    }
}
