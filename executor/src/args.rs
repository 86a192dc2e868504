//! The executor's flags.

use crate::ask::AskArgs;
use assay_dispute::library::Replay;
use assay_node::args::{ModelArgs, NodeArgs};
use assay_node::dangerous::ExecutorLies;
use assay_node::url::RpcUrl;
use clap::{Parser, ValueEnum, value_parser};
use std::num::NonZeroUsize;

/// Answers requests for the sequencer, signs the answers, stakes on them and defends them.
///
/// The program's exact rules generate each answer; or llama.cpp drafts it in a process of its own and they check every
/// token and correct the first that differs, so that the output is the one right output whatever llama.cpp computes. A
/// signed answer is on the disk before anybody hears of it: the executor may be stopped, killed and started again at any
/// time, but has to run while its claims can be challenged. Its account needs stake (see --auto-stake) and ETH for the gas of games.
#[derive(Parser, Clone, Debug)]
#[command(name = "executor", version)]
pub struct Args {
    /// Shared flags.
    #[command(flatten)]
    pub node: NodeArgs,

    /// Program and models.
    #[command(flatten)]
    pub model: ModelArgs,

    /// gRPC endpoint of the sequencer.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7400")]
    pub sequencer_url: RpcUrl,

    /// What finds the answers: llama.cpp under the program's rules, the rules alone, or the faster of both, which is
    /// measured for each model when it is loaded. All give the same bytes.
    #[arg(long, value_enum, default_value_t)]
    pub backend: BackendKind,

    /// Most tokens that llama.cpp drafts between two checks.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=1_024))]
    pub draft_tokens: u32,

    /// Tokens of llama.cpp's cache, at most the model's own context length. Longer answers are finished without drafts.
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = value_parser!(u32).range(64..=1_048_576))]
    pub draft_context: u32,

    /// Requests of a model that are answered at once: their tokens are worked on together. llama.cpp's cache is shared among them.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u32).range(1..=64))]
    pub parallel: u32,

    /// Threads of llama.cpp and of the program's rules (answers and games), each; 0 takes one for each core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u32).range(0..=1_024))]
    pub threads: u32,

    /// Layers that llama.cpp puts on a GPU, where it was built for one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub gpu_layers: u32,

    /// Requests that the sequencer may hand over at once; --parallel of a model are answered at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u32).range(1..=1_000))]
    pub capacity: u32,

    /// Seconds for which a signature is good.
    #[arg(long, value_name = "S", default_value_t = 3_600, value_parser = value_parser!(u64).range(60..=2_592_000))]
    pub segment_life: u64,

    /// Deposit stake at start-up if there is less than --stake-claims bonds of it.
    #[arg(long)]
    pub auto_stake: bool,

    /// Claims that the stake should back at one time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=65_536))]
    pub stake_claims: u32,

    /// What computes the roots of games: the program's native twin, or the program itself in wasmtime.
    #[arg(long, value_enum, default_value_t)]
    pub replay: Replay,

    /// Share of the answers that the program itself checks in wasmtime before they are signed, in percent.
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = value_parser!(u8).range(0..=100))]
    pub recheck_percent: u8,

    /// Blocks that must stand on the one whose randomness seeds a question before it is answered. An answer signed before a
    /// deeper reorganization would be false and lose its bond.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u64).range(0..=8_000))]
    pub seed_depth: u64,

    /// Put outputs into blobs (EIP-4844) where the request has no consumer and the output has 6 to 4101 bytes, on a rollup that
    /// takes them.
    #[arg(long)]
    pub outputs_in_blobs: bool,

    /// Milliseconds for which an answer waits for others to share its blob, a quarter at most of what is left of its deadlines.
    /// A blob costs the same however full it is. At most --capacity answers share one.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = value_parser!(u64).range(0..=60_000))]
    pub blob_wait_ms: u64,

    /// Leave requests alone that the sequencer let pass its deadline.
    #[arg(long)]
    pub no_direct_claims: bool,

    /// Promise each question's answer that this executor takes on, and lose this much of its free stake, in wei, where none comes
    /// (the deployment's cap at most). Whoever holds the promise can have it taken; see docs/stake.md. 0 promises nothing.
    #[arg(
        long,
        value_name = "WEI",
        default_value_t = 0,
        conflicts_with = "no_direct_claims"
    )]
    pub promise_wei: u128,

    /// Answer every request for a registered model that the program refuses with its due error, instead of refusing to start.
    #[arg(long)]
    pub answer_bad_model: bool,

    /// Prices.
    #[command(flatten)]
    pub ask: AskArgs,

    /// Lies, for tests.
    #[command(flatten)]
    pub lies: ExecutorLies,
}

/// What finds the answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum BackendKind {
    /// The faster of the others on this machine.
    #[default]
    Auto,
    /// llama.cpp drafts, the program's rules check.
    Llama,
    /// The program's rules generate.
    Exact,
}

impl Args {
    /// Threads to compute with.
    pub fn thread_count(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        usize::try_from(self.threads)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or_else(cores)
    }
}
