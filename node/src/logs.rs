//! Log lines on standard error, as text or JSON. Standard output is left to what a command is asked to print.

use crate::args::LogFormat;
use tracing_subscriber::EnvFilter;

/// A log filter that can't be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level {filter} is not a log filter (try info, debug, or info,assay_node=debug): {reason}"
)]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Installs the process's log writer. `RUST_LOG`, if set, wins over `level`. A second call in a process does nothing.
pub fn init(format: LogFormat, level: &str) -> Result<(), BadFilter> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|e| BadFilter {
        filter,
        reason: e.to_string(),
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let installed = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // Only fails where another writer is in place already, which then stays.
    drop(installed);
    Ok(())
}
