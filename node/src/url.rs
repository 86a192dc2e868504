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

    /// `text` without URLs and without the words that this URL hides: libraries and nodes put them into messages.
    pub fn scrub(&self, text: &str) -> String {
        let words = self.0.query().unwrap_or_default().split(['&', '=']);
        let words = words.chain(self.0.path().split('/'));
        let words = words.chain([self.0.username(), self.0.password().unwrap_or_default()]);
        // Shorter ones are no keys, but words such as `v3`.
        let words = words.filter(|word| word.len() >= 6);
        words.fold(cut_urls(text), |text, word| text.replace(word, "..."))
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

/// Leaves scheme, host and port of each URL. A URL ends where no URL goes on; punctuation there is taken for the sentence's.
pub(crate) fn cut_urls(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>');
        let url = &piece[..piece.find(ends).unwrap_or(piece.len())];
        let url = url.trim_end_matches([')', ',', ':', ';', '.', '\'', '`']);
        let host = url.split(['/', '?', '#']).next().unwrap_or_default();
        // What has a user in it, or something odd where host and port should be, goes as a whole.
        let plain = !url.contains('@') && Url::parse(&format!("http://{host}")).is_ok();
        out.push_str("://");
        match plain {
            true if host == url => out.push_str(host),
            true => out.extend([host, "/..."]),
            false => out.push_str("..."),
        }
        out.push_str(&piece[url.len()..]);
    }
    out
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
    fn scrubbing_leaves_the_sentence_and_none_of_the_url() {
        let url: RpcUrl = "https://me:hunter2@node.example/v3/topsecret?key=a,b)cdef"
            .parse()
            .expect("a URL");
        for (text, expected) in [
            (
                "error for url (https://node.example/v3/topsecret?key=a,b)cdef): refused",
                "error for url (https://node.example/...): refused",
            ),
            (
                "\"https://me:hunter2@node.example/\", or http://[::1]:80.",
                "\"https://...\", or http://[::1]:80.",
            ),
            (
                "http://a:hun/ter2@b, http://me:hunter2",
                "http://..., http://...",
            ),
            (
                "project topsecret has no plan v3",
                "project ... has no plan v3",
            ),
            ("user me, password hunter2", "user me, password ..."),
            ("key 'a,b)cdef' is spent", "key '...' is spent"),
            ("nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(url.scrub(text), expected);
        }
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
