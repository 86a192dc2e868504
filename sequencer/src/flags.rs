//! The sequencer's flags.

use assay_node::args::NodeArgs;
use clap::{Parser, value_parser};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes that the largest request and its answer take in a batch: 64 KiB between them, user data, and what goes around.
const LARGEST_ANSWER: usize = 65_536 + 4_096 + 4_096;

/// Takes requests from the chain and by gRPC, has executors answer them, and posts the answers in batches.
#[derive(Parser, Clone, Debug)]
#[command(name = "sequencer", version)]
pub struct Flags {
    /// What every service has.
    #[command(flatten)]
    pub node: NodeArgs,

    /// Address of the gRPC service; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7400")]
    pub grpc_addr: SocketAddr,

    /// Milliseconds between batches.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = value_parser!(u64).range(50..=3_600_000))]
    pub batch_interval_ms: u64,

    /// Seconds until a request that an executor has not answered goes to the next one.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = value_parser!(u64).range(1..=86_400))]
    pub work_timeout: u64,

    /// Blocks that must stand on the one whose randomness seeds a question before that is recorded.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u64).range(0..=8_000))]
    pub seed_depth: u64,

    /// File of another private key that pays for recording that randomness; without it the account that posts does, and records
    /// nothing while a batch of its waits to be mined beside which nodes take no such transaction.
    #[arg(long, value_name = "FILE")]
    pub seed_key_file: Option<PathBuf>,

    /// Least fee, in wei, of a request taken by gRPC.
    #[arg(long, value_name = "WEI", default_value_t = 0)]
    pub min_fee_wei: u128,

    /// Largest payload and user data of a request taken by gRPC, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 32_768, value_parser = value_parser!(u32).range(64..=65_536))]
    pub max_request_bytes: u32,

    /// Most bytes of calldata of one batch (nodes refuse transactions over 128 KiB).
    #[arg(long, value_name = "BYTES", default_value_t = 98_304, value_parser = value_parser!(u32).range(4_096..))]
    pub max_batch_bytes: u32,

    /// Most gwei that this sequencer pays for a unit of blob gas, of which a blob has 131,072. While it costs more, segments in
    /// blobs are refused, and their executors offer the outputs in calldata. A batch that was sent before waits until it costs
    /// less, and so does everything behind it: every later batch, in calldata too, and without --seed-key-file the randomness that
    /// this sequencer records.
    /// Once a batch offers more than half of this it is not replaced; a higher limit and a start of the service replace it.
    #[arg(long, value_name = "GWEI", default_value_t = 100, value_parser = value_parser!(u64).range(1..=2_000))]
    pub max_blob_fee_gwei: u64,

    /// Most requests taken by gRPC that wait for an answer at one time.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_pending: usize,

    /// Most seconds that a segment of an executor may live.
    #[arg(long, value_name = "S", default_value_t = 14_400, value_parser = value_parser!(u32).range(120..=2_592_000))]
    pub max_segment_life: u32,

    /// Most segments of one executor that wait for a batch at one time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u32).range(1..=65_536))]
    pub max_waiting_segments: u32,

    /// DANGEROUS: leave every request out, for tests. Whoever asks waits until its inclusion deadline has passed.
    #[arg(long)]
    pub dangerous_censor: bool,
}

impl Flags {
    /// Time between batches.
    pub fn batch_interval(&self) -> Duration {
        Duration::from_millis(self.batch_interval_ms)
    }

    /// Most wei for a unit of blob gas.
    pub fn max_blob_fee(&self) -> u128 {
        u128::from(self.max_blob_fee_gwei) * 1_000_000_000
    }

    /// Most bytes that a segment may take in a batch: any single answer fits, also where batches are kept small.
    pub fn max_segment_bytes(&self) -> usize {
        (self.max_batch_bytes as usize).max(LARGEST_ANSWER)
    }
}
