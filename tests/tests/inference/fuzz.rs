//! `ASSAY_CASES` is the number of cases of each kind and `ASSAY_SEED` the first one's seed; a failure prints its seed and a simpler
//! case. Of `ASSAY_INTERPRET` cases one is interpreted too.

use crate::choices::{bytes_of, minimise};
use crate::compare::{Kind, run};
use std::collections::BTreeMap;

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| {
        v.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Runs cases; returns how many had each feature.
fn fuzz(kind: Kind, default: u64) -> BTreeMap<String, u64> {
    let (first, n) = (number("ASSAY_SEED", 1), number("ASSAY_CASES", default));
    let each = number("ASSAY_INTERPRET", 100);
    let (mut features, mut steps, mut longest) = (BTreeMap::new(), 0, 0);
    for seed in first..first + n {
        let case = bytes_of(seed);
        let interpret = seed % each == 0;
        match run(kind, &case, interpret) {
            Ok(seen) => {
                steps += seen.steps;
                longest = longest.max(seen.longest);
                for feature in seen.features {
                    *features.entry(feature).or_default() += 1;
                }
            }
            Err(message) => {
                let small = minimise(&case, 200, |case| run(kind, case, interpret).is_err());
                let said = run(kind, &small, interpret).err().unwrap_or_default();
                panic!(
                    "{kind:?}, ASSAY_SEED={seed}: {message}\nsimpler: {}\nwhich says: {said}",
                    hex(&small)
                );
            }
        }
    }
    println!("{n} cases, {steps} macro steps, the longest of {longest} steps: {features:?}");
    features
}

#[test]
fn random_files_have_one_verdict() {
    let features = fuzz(Kind::Files, 600);
    // Files that are refused late and files that are answered, or the cases are no good.
    assert!(features.contains_key("answer"), "{features:?}");
    assert!(features.len() > 12, "{features:?}");
}

#[test]
fn random_models_and_requests_agree_at_every_yield() {
    let features = fuzz(Kind::Models, 300);
    for feature in ["answer", "NonFinite", "code-0", "choice", "drawn", "Q6_K"] {
        assert!(features.contains_key(feature), "no {feature}: {features:?}");
    }
}
