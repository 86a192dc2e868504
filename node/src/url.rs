//! An endpoint whose printed form holds no credentials.

use crate::config::InvalidValue;
use alloy::transports::http::reqwest::Url;
use std::fmt;
use std::str::FromStr;

/// A JSON-RPC or gRPC endpoint. `Display` and `Debug` show scheme, host and port only: user, password, path and query
/// are where providers put their keys.
#[derive(Clone, PartialEq, Eq)]
pub struct RpcUrl(Url);

impl RpcUrl {
    /// The whole URL, credentials included. For connecting, never for printing.
    pub fn secret(&self) -> &Url {
        &self.0
    }

    /// Whether the endpoint is on this machine (then no HTTP proxy stands before it).
    pub fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            Some("localhost" | "[::1]") => true,
            Some(host) => host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|ip| ip.is_loopback()),
            None => false,
        }
    }
}

impl FromStr for RpcUrl {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<RpcUrl, InvalidValue> {
        // The text itself is left out of the message: it may hold a key.
        let bad = || InvalidValue::new("(this URL)", "http://HOST:PORT or https://HOST/...");
        let url = Url::parse(s).map_err(|_| bad())?;
        match url.scheme() {
            "http" | "https" if url.host_str().is_some() => Ok(RpcUrl(url)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.0.scheme(),
            self.0.host_str().unwrap_or_default()
        )?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        let hides = self.0.path().len() > 1 || self.0.query().is_some();
        f.write_str(if hides { "/..." } else { "" })
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_hides_credentials() {
        let url: RpcUrl = "https://me:hunter2@node.example:8443/v3/topsecret?key=abc"
            .parse()
            .expect("a URL");
        for text in [format!("{url}"), format!("{url:?}")] {
            assert_eq!(text, "https://node.example:8443/...");
        }
    }

    #[test]
    fn errors_hide_credentials() {
        let error = "ws://me:hunter2@node.example"
            .parse::<RpcUrl>()
            .expect_err("not http")
            .to_string();
        assert!(
            !error.contains("hunter2") && error.contains("http://HOST:PORT"),
            "{error}"
        );
    }

    #[test]
    fn loopback_is_told_from_other_hosts() {
        for (text, expected) in [
            ("http://127.0.0.1:8545", true),
            ("http://localhost:1", true),
            ("http://[::1]:2", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(
                text.parse::<RpcUrl>().expect(text).is_loopback(),
                expected,
                "{text}"
            );
        }
    }
}
