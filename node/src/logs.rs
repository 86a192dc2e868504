//! Log lines on standard error, as text or JSON. Standard output is left to what a command is asked to print.
//!
//! No line holds an endpoint's credentials. Our own types print endpoints without them; libraries that print whole URLs
//! are silenced.

use crate::args::LogFormat;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Where alloy's transports log: a span around each request holds the endpoint's whole URL, and is printed with every
/// line that is written inside it. Each module path that begins like this is meant.
const TELLS_URLS: &str = "alloy_transport";

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
    // Only fails where another writer is in place already, which then stays.
    drop(subscriber(format, &filter, std::io::stderr)?.try_init());
    Ok(())
}

/// What writes the lines that `filter` lets through to `writer`.
pub fn subscriber(
    format: LogFormat,
    filter: &str,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Result<Box<dyn Subscriber + Send + Sync>, BadFilter> {
    let filter = EnvFilter::try_new(filter).map_err(|e| BadFilter {
        filter: filter.to_owned(),
        reason: e.to_string(),
    })?;
    // Beside the operator's filter, not a directive in it: a more precise directive would win over ours.
    let filter = filter.and(filter_fn(|of| !of.target().starts_with(TELLS_URLS)));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    Ok(match format {
        LogFormat::Text => Box::new(Registry::default().with(lines.with_filter(filter))),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            Box::new(Registry::default().with(lines.with_filter(filter)))
        }
    })
}
