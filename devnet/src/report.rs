//! `report.json`: what one scenario did. `report.schema.json` says it in JSON Schema.

use crate::deploy::eth;
use crate::disrupt::CENSOR;
use crate::events::thousands;
use assay_types::request::Payload;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything about one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Version of this format.
    pub version: u32,
    /// Flags of the scenario.
    pub scenario: Scenario,
    /// Seconds from the start to the first answer on chain.
    pub warm_start_s: f64,
    /// Seconds from the start until all services were ready.
    pub start_up_s: f64,
    /// One entry a request.
    pub requests: Vec<RequestReport>,
    /// One entry a game.
    pub disputes: Vec<DisputeReport>,
    /// Peak resident size of each process, MiB.
    pub peak_memory_mib: BTreeMap<String, f64>,
    /// Whether the honest side ended whole.
    pub honest_side_whole: bool,
    /// Why not, or empty.
    pub failures: Vec<String>,
}

impl Report {
    /// The report of a scenario that ended in an error before its time.
    pub fn failed(scenario: &Scenario, error: &anyhow::Error) -> Report {
        Report {
            version: 1,
            scenario: scenario.clone(),
            warm_start_s: 0.0,
            start_up_s: 0.0,
            requests: Vec::new(),
            disputes: Vec::new(),
            peak_memory_mib: BTreeMap::new(),
            honest_side_whole: false,
            failures: vec![format!("{error:#}")],
        }
    }
}

/// Flags of the scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// `--cheat`.
    pub cheat: Option<String>,
    /// `--flip`.
    pub flip: Option<String>,
    /// `--lying-challenger`.
    pub lying_challenger: bool,
    /// `--disrupt`.
    pub disrupt: Option<String>,
    /// `--backend`.
    pub backend: String,
    /// `--prompt`; the sample dApp asks where there is none.
    pub prompt: Option<String>,
    /// `--max-tokens`, with a prompt.
    pub max_tokens: Option<u32>,
    /// `--skip-window`.
    pub skip_window: bool,
}

impl Scenario {
    /// Whether a liar gets the request first.
    pub fn lies(&self) -> bool {
        self.cheat.is_some() || self.flip.is_some()
    }

    /// A liar who flips a random bit of its trace, asked `prompt` for `max_tokens`; the window is not waited for.
    pub fn asking(prompt: String, max_tokens: u32) -> Scenario {
        Scenario {
            cheat: Some("token:0".to_owned()),
            flip: Some("random:7".to_owned()),
            lying_challenger: false,
            disrupt: None,
            backend: "exact".to_owned(),
            prompt: Some(prompt),
            max_tokens: Some(max_tokens),
            skip_window: true,
        }
    }

    /// Bytes of payload and tokens of answer of its own question; 0 for the sample dApp's.
    pub fn units(&self) -> u64 {
        let (Some(prompt), Some(tokens)) = (&self.prompt, self.max_tokens) else {
            return 0;
        };
        Payload::greedy(prompt, tokens).encode().len() as u64 + u64::from(tokens)
    }

    /// What happens, in one sentence.
    pub fn tale(&self) -> String {
        let mut tale = match (&self.cheat, &self.flip) {
            (None, None) if self.lying_challenger => {
                "an honest executor answers, and a lying challenger attacks the true answer"
                    .to_owned()
            }
            (None, None) => "a contract asks, an honest executor answers".to_owned(),
            (cheat, flip) => {
                let cheat = cheat.as_deref().unwrap_or("token:0");
                let flip = flip
                    .as_ref()
                    .map(|at| format!(", its trace false from {at} on"));
                let flip = flip.unwrap_or_default();
                format!("a liar answers first ({cheat}{flip}); a watchtower looks at every answer")
            }
        };
        if let Some(who) = &self.disrupt {
            tale.push_str(&match who.as_str() {
                CENSOR => "; the sequencer leaves the question out".to_owned(),
                who => format!("; kill -9 hits the {who}"),
            });
        }
        tale
    }
}

impl Report {
    /// What it comes to, for people.
    pub fn summary(&self) -> String {
        let mut lines = vec![match self.honest_side_whole {
            true => "-- the honest side ends whole".to_owned(),
            false => format!("-- FAILED: {}", self.failures.join("; ")),
        }];
        let mut line = |name: &str, text: String| lines.push(format!("   {name:<10}{text}"));
        for r in &self.requests {
            let (claims, callback) = (r.claims, &r.callback_result);
            line(
                "answer",
                format!(
                    "{:?} is {}; claims made: {claims}; callback: {callback}",
                    r.output_text, r.status
                ),
            );
        }
        for d in &self.disputes {
            let (gas, bytes) = (thousands(d.gas_total), thousands(d.calldata_bytes));
            let count = d.transactions.len();
            line(
                "dispute",
                format!(
                    "the {} won by {} after {count} transactions, {gas} gas, {bytes} bytes of calldata",
                    d.winner, d.by
                ),
            );
            if let (Some(index), Some(opcode), Some(gas), Some(bytes)) =
                (d.trace_index, &d.opcode, d.proof_gas, d.witness_bytes)
            {
                let (index, gas, bytes) = (thousands(index), thousands(gas), thousands(bytes));
                line(
                    "proof",
                    format!("step {index} ({opcode}), {gas} gas, a witness of {bytes} bytes"),
                );
            }
            let flows = d.bonds.iter().map(|(name, wei)| {
                let wei = wei.parse().unwrap_or_default();
                format!("{} {}", name.replace('_', " "), eth(wei))
            });
            line("bonds", flows.collect::<Vec<_>>().join(", "));
            line(
                "time",
                format!(
                    "{:.0} s of chain time; computing: challenger {:.2} s, executor {:.2} s",
                    d.wall_s, d.compute_challenger_s, d.compute_executor_s
                ),
            );
        }
        line(
            "start",
            format!("first answer on chain after {:.1} s", self.warm_start_s),
        );
        lines.join("\n")
    }
}

/// One request.
#[derive(Debug, Serialize)]
pub struct RequestReport {
    /// Its id.
    pub id: String,
    /// Its prompt's text.
    pub prompt: String,
    /// Text of the final output.
    pub output_text: String,
    /// Tokens drafted for the answer that stands.
    pub tokens_drafted: u64,
    /// Drafted tokens that were right.
    pub tokens_accepted: u64,
    /// Drafted tokens that were replaced.
    pub tokens_corrected: u64,
    /// `open`, `claimed` or `final`.
    pub status: String,
    /// Claims made on it.
    pub claims: u32,
    /// `done`, `failed` or `none`.
    pub callback_result: String,
}

/// One game.
#[derive(Debug, Serialize)]
pub struct DisputeReport {
    /// Its id.
    pub game: String,
    /// The request.
    pub request: String,
    /// `executor` or `challenger`.
    pub winner: String,
    /// `proof` or `timeout`.
    pub by: String,
    /// Moves of the challenger.
    pub moves_challenger: u32,
    /// Moves of the executor.
    pub moves_executor: u32,
    /// Transactions of the game: open, moves, ending.
    pub transactions: Vec<TransactionReport>,
    /// Gas of all of them.
    pub gas_total: u64,
    /// Bytes of their calldata.
    pub calldata_bytes: u64,
    /// Trace index of the step proven.
    pub trace_index: Option<u64>,
    /// Name of its opcode.
    pub opcode: Option<String>,
    /// Bytes of its witness.
    pub witness_bytes: Option<u64>,
    /// Gas of the proof's transaction.
    pub proof_gas: Option<u64>,
    /// Seconds of block time from open to end.
    pub wall_s: f64,
    /// Seconds of computing of the challenger.
    pub compute_challenger_s: f64,
    /// Seconds of computing of the executor.
    pub compute_executor_s: f64,
    /// Bond flows, wei.
    pub bonds: BTreeMap<String, String>,
}

/// One transaction of a game.
#[derive(Debug, Serialize)]
pub struct TransactionReport {
    /// `open`, `move`, `prove` or `timeout`.
    pub kind: String,
    /// Its hash.
    pub hash: String,
    /// Gas used.
    pub gas: u64,
    /// Bytes of calldata.
    pub calldata_bytes: u64,
}
