//! How disputes grow: whole ones over random models of several sizes and answers of several lengths, each with what it may cost.

use crate::report::{Report, Scenario};
use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The size and the length that have limits: TinyLlama's shape, a page of text.
const LIMITED: (&str, u32) = ("1.1b", 256);
/// Most seconds that a side may compute.
const SIDE_S: f64 = 45.0;
/// Most transactions.
const TXS: usize = 14;
const MIB: f64 = 1_048_576.0;
/// What a process may take beside twice the model: 10^9 bytes.
const BESIDE: f64 = 1e9;

/// Flags of `bench-sizes`.
#[derive(clap::Args, Clone, Debug)]
pub struct Sizes {
    /// Where the models are: SIZE-TYPE.gguf, as `assay-inference-bench` writes them.
    #[arg(long, value_name = "DIR", default_value = "target/bench/models")]
    models: PathBuf,
    /// Sizes of the models.
    #[arg(long, value_delimiter = ',', default_value = "1.1b")]
    sizes: Vec<String>,
    /// Type of their matrices.
    #[arg(long = "type", value_name = "TYPE", default_value = "Q8_0")]
    format: String,
    /// Tokens of prompt and answer together, a quarter of them the answer.
    #[arg(long, value_delimiter = ',', default_value = "256", value_parser = clap::value_parser!(u32).range(16..=1024))]
    tokens: Vec<u32>,
    /// JSON file that the figures are added to.
    #[arg(
        long,
        env = "ASSAY_OUT",
        value_name = "FILE",
        default_value = "target/bench/summary.json"
    )]
    pub out: PathBuf,
}

/// One dispute to run.
pub struct Case {
    size: String,
    tokens: u32,
    /// What tells it from the others.
    pub name: String,
    /// The model's file.
    pub model: PathBuf,
    /// What happens.
    pub scenario: Scenario,
}

impl Sizes {
    /// The disputes, in the flags' order.
    ///
    /// # Errors
    /// A model is missing.
    pub fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let mut cases = Vec::new();
        for size in &self.sizes {
            let model = self.models.join(format!("{size}-{}.gguf", self.format));
            ensure!(
                model.is_file(),
                "there is no model {}: write it with `assay-inference-bench --size {size} --types {} --prefill 0 --replay 0 0 \
                 --serve 0`",
                model.display(),
                self.format
            );
            for &tokens in &self.tokens {
                cases.push(Case {
                    name: format!("{size}-{tokens}"),
                    size: size.clone(),
                    tokens,
                    model: model.clone(),
                    scenario: scenario(tokens),
                });
            }
        }
        Ok(cases)
    }
}

fn scenario(tokens: u32) -> Scenario {
    let answer = tokens / 4;
    // Words and spaces are tokens of random models: four tokens each time.
    let prompt = "he in ".repeat((tokens - answer) as usize / 4);
    Scenario::asking(prompt, answer)
}

/// What a dispute took.
struct Taken {
    challenger_s: f64,
    executor_s: f64,
    txs: usize,
    gas: u64,
    /// The larger side's peak.
    peak_mib: f64,
}

impl Taken {
    fn of(report: &Report) -> anyhow::Result<Taken> {
        let dispute = report.disputes.first().context("there was no dispute")?;
        ensure!(
            report.honest_side_whole && dispute.by == "proof",
            "the dispute ended by {}: {}",
            dispute.by,
            report.failures.join("; ")
        );
        let peak = |name: &str| report.peak_memory_mib.get(name).copied().unwrap_or(0.0);
        Ok(Taken {
            challenger_s: dispute.compute_challenger_s,
            executor_s: dispute.compute_executor_s,
            txs: dispute.transactions.len(),
            gas: dispute.gas_total,
            peak_mib: peak("watchtower").max(peak("liar")),
        })
    }

    /// Limits that are not kept, in words.
    fn missed(&self, model_bytes: u64) -> Vec<String> {
        let side = self.challenger_s.max(self.executor_s);
        let memory = (2.0 * model_bytes as f64 + BESIDE) / MIB;
        let kept = [
            (
                side <= SIDE_S,
                format!("a side computed {side:.1} s ({SIDE_S})"),
            ),
            (
                self.txs <= TXS,
                format!("{} transactions ({TXS})", self.txs),
            ),
            (
                self.peak_mib <= memory,
                format!("{:.0} MiB of memory ({memory:.0})", self.peak_mib),
            ),
        ];
        kept.into_iter()
            .filter(|(kept, _)| !kept)
            .map(|(_, what)| what)
            .collect()
    }
}

/// Prints a case's line, adds its figures, and says which limits it misses.
///
/// # Errors
/// The dispute did not end as it should.
pub fn book(
    case: &Case,
    report: &Report,
    figures: &mut Map<String, Value>,
) -> anyhow::Result<Vec<String>> {
    let taken = Taken::of(report)?;
    let length = std::fs::metadata(&case.model)?.len();
    println!(
        "{:<5} {:>5} tokens  model {:>5} MiB  challenger {:>6.2} s  executor {:>6.2} s  {:>2} transactions  {:>9} gas  peak {:>5.0} MiB",
        case.size,
        case.tokens,
        length >> 20,
        taken.challenger_s,
        taken.executor_s,
        taken.txs,
        taken.gas,
        taken.peak_mib
    );
    if (case.size.as_str(), case.tokens) != LIMITED {
        return Ok(Vec::new());
    }
    let side = taken.challenger_s.max(taken.executor_s);
    figures.insert("dispute_1b.side_s".into(), json!(side));
    figures.insert("dispute_1b.txs".into(), json!(taken.txs));
    figures.insert("memory.dispute_1b_mib".into(), json!(taken.peak_mib));
    Ok(taken.missed(length))
}

/// Adds `figures` to the JSON object in `out`.
pub fn add(out: &Path, figures: &Map<String, Value>) -> anyhow::Result<()> {
    let mut all: Map<String, Value> = match std::fs::read(out) {
        Ok(text) => serde_json::from_slice(&text).with_context(|| format!("{}", out.display()))?,
        Err(_) => Map::new(),
    };
    all.extend(figures.clone());
    std::fs::create_dir_all(out.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(out, serde_json::to_string_pretty(&all)? + "\n")
        .with_context(|| format!("writing {}", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_apart() {
        let taken = Taken {
            challenger_s: 45.0,
            executor_s: 44.0,
            txs: 14,
            gas: 0,
            peak_mib: 3_000.0,
        };
        assert!(taken.missed(1_200_000_000).is_empty());
        let missed = |change: fn(&mut Taken)| {
            let mut other = Taken { ..taken };
            change(&mut other);
            other.missed(1_200_000_000).join("")
        };
        assert!(missed(|t| t.executor_s = 45.1).contains("45.1 s"));
        assert!(missed(|t| t.txs = 15).contains("15 transactions"));
        assert!(missed(|t| t.peak_mib = 3_300.0).contains("3300 MiB of memory"));
    }

    #[test]
    fn quarter_of_the_tokens_is_the_answer() {
        let scenario = scenario(256);
        assert_eq!(scenario.max_tokens, Some(64));
        assert_eq!(scenario.prompt.map(|p| p.matches("he").count()), Some(48));
    }

    #[test]
    fn missing_model_is_named_with_the_command_that_writes_it() {
        let sizes = Sizes {
            models: PathBuf::from("/nowhere"),
            sizes: vec!["0.1b".to_owned()],
            format: "Q8_0".to_owned(),
            tokens: vec![64],
            out: PathBuf::new(),
        };
        let error = sizes.cases().err().expect("no model").to_string();
        assert!(
            error.contains("/nowhere/0.1b-Q8_0.gguf") && error.contains("--size 0.1b"),
            "{error}"
        );
    }
}
