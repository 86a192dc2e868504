//! What may be asked of a model on the devnet, and how long its answers can be challenged.

use crate::accounts::Role;
use anyhow::ensure;
use assay_bindings::deploy::Parameters;
use std::path::Path;

/// Longest challenge window, seconds.
pub const MOST_WINDOW: u64 = 3_600;

/// The window that a model needs for a question of `units` (bytes of payload and tokens of answer), seconds. A file that isn't there is somebody else's to complain about.
pub fn window(model: &Path, units: u64) -> anyhow::Result<u64> {
    let length = std::fs::metadata(model).map_or(0, |m| m.len());
    let needed = Parameters::devnet_for(Role::Sequencer.address()?, length, units).window;
    // Longer ones are refused, with words, by `parameters`.
    Ok(needed.min(MOST_WINDOW))
}

/// The deployment's parameters for a model of `length` bytes at `path`, questions of `units` and this window.
///
/// # Errors
/// The model is so large that nobody could re-check its answers within the window.
pub fn parameters(path: &Path, length: u64, units: u64, window: u64) -> anyhow::Result<Parameters> {
    let sequencer = Role::Sequencer.address()?;
    let least = Parameters::devnet_for(sequencer, length, units);
    let megabytes = length / 1_000_000;
    let raised = least.max_work > Parameters::devnet(sequencer).max_work;
    ensure!(
        !raised || least.window <= MOST_WINDOW,
        "model {} is too large for this devnet, or the question too long: re-checking a window's answers of {megabytes} MB takes {} s on a small \
         machine, and the longest window is {MOST_WINDOW} s; take a smaller model or ask less",
        path.display(),
        least.window / 2
    );
    ensure!(
        !raised || window >= least.window,
        "model {} has {megabytes} MB: re-checking a window's answers takes {} s on a small machine, so the challenge window \
         must be at least twice as long; pass --window {} (it is {window}), or leave --window out",
        path.display(),
        least.window.div_ceil(2),
        least.window
    );
    Ok(Parameters { window, ..least })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Scenario;
    use crate::scenario::REVIEW;
    use assay_types::request::Payload;

    fn check(length: u64, window: u64) -> Result<Parameters, String> {
        parameters(Path::new("m.gguf"), length, 0, window).map_err(|e| e.to_string())
    }

    #[test]
    fn small_models_go_with_any_window() {
        let parameters = check(2_800_000, 5).expect("fits");
        let devnet = Parameters::devnet(Role::Sequencer.address().expect("a key"));
        assert_eq!(
            parameters,
            Parameters {
                window: 5,
                ..devnet
            }
        );
    }

    #[test]
    fn large_model_can_be_asked_or_is_refused_with_what_to_do() {
        let length = 1_170_000_000;
        let error = check(length, 30).expect_err("30 s are not enough");
        assert!(
            error.contains("--window 936") && error.contains("1170 MB"),
            "{error}"
        );
        let parameters = check(length, 936).expect("fits");
        let prompt = format!("Review: {REVIEW}\nSentiment:");
        let question = Payload::greedy(&prompt, 8).encode().len() as u128 + 8;
        assert!(parameters.max_work >= 3 * question * u128::from(length));
        // A longer question raises both.
        let long = Scenario::asking("he in ".repeat(200), 300).units();
        assert!(long > 1_500);
        let asked = |window| super::parameters(Path::new("m.gguf"), length, long, window);
        assert!(asked(936).is_err(), "the window of short questions");
        let window =
            Parameters::devnet_for(Role::Sequencer.address().expect("a key"), length, long);
        let parameters = asked(window.window).expect("fits");
        assert!(parameters.max_work >= u128::from(long) * u128::from(length));
        let error = check(5_000_000_000, 3_600).expect_err("nobody could check it");
        assert!(
            error.contains("too large") && error.contains("smaller model"),
            "{error}"
        );
    }
}
