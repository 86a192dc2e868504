//! Flags that make a service lie on purpose, for tests and demonstrations of disputes.

use crate::config::InvalidValue;
use clap::Args;
use std::fmt;
use std::str::FromStr;

/// How an executor falsifies its answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cheat {
    /// The token at this position of the output (counted from 0) is another one.
    Token(u32),
    /// The answer stops one token early.
    Truncate,
    /// Signs a false answer, then never plays a game.
    Silent,
}

impl FromStr for Cheat {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Cheat, InvalidValue> {
        match s {
            "truncate" => Ok(Cheat::Truncate),
            "silent" => Ok(Cheat::Silent),
            _ => s
                .strip_prefix("token:")
                .and_then(|n| n.parse().ok())
                .map(Cheat::Token)
                .ok_or_else(|| InvalidValue::new(s, "token:N, truncate or silent")),
        }
    }
}

impl fmt::Display for Cheat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cheat::Token(n) => write!(f, "token:{n}"),
            Cheat::Truncate => f.write_str("truncate"),
            Cheat::Silent => f.write_str("silent"),
        }
    }
}

/// Where a lying player's trace leaves the true one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flip {
    /// At trace index `yield * 2^B + micro`, both below 2^25 as in the inference program.
    At {
        /// The macro step.
        yield_index: u64,
        /// The step inside it.
        micro: u64,
    },
    /// At an executed index drawn from this seed (from the clock if there is none).
    Random(Option<u64>),
}

impl FromStr for Flip {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Flip, InvalidValue> {
        let bad = || {
            InvalidValue::new(
                s,
                "YIELD,MICRO (each below 33554432) or random or random:SEED",
            )
        };
        if s == "random" {
            return Ok(Flip::Random(None));
        }
        if let Some(seed) = s.strip_prefix("random:") {
            return seed
                .parse()
                .map(|seed| Flip::Random(Some(seed)))
                .map_err(|_| bad());
        }
        let (yield_index, micro) = s.split_once(',').ok_or_else(bad)?;
        let number = |text: &str| text.trim().parse().ok().filter(|n: &u64| *n < 1 << 25);
        match (number(yield_index), number(micro)) {
            (Some(yield_index), Some(micro)) => Ok(Flip::At { yield_index, micro }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flip::At { yield_index, micro } => write!(f, "{yield_index},{micro}"),
            Flip::Random(None) => f.write_str("random"),
            Flip::Random(Some(seed)) => write!(f, "random:{seed}"),
        }
    }
}

/// How an executor lies.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ExecutorLies {
    /// DANGEROUS: sign false answers (token:N, truncate, silent). The bond will be lost.
    #[arg(long, value_name = "HOW")]
    pub dangerous_cheat: Option<Cheat>,

    /// DANGEROUS: defend with a trace that goes wrong at YIELD,MICRO (or random, random:SEED).
    #[arg(long, value_name = "WHERE")]
    pub dangerous_flip: Option<Flip>,
}

/// How a watchtower lies.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct WatchtowerLies {
    /// DANGEROUS: challenge true claims too. The bond will be lost.
    #[arg(long)]
    pub dangerous_lying_challenger: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_back_what_they_print() {
        for text in ["token:7", "truncate", "silent"] {
            assert_eq!(text.parse::<Cheat>().expect(text).to_string(), text);
        }
        for text in ["3,99", "random", "random:42"] {
            assert_eq!(text.parse::<Flip>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn bad_values_say_what_is_accepted() {
        let message = "token:x"
            .parse::<Cheat>()
            .expect_err("not a number")
            .to_string();
        assert!(message.contains("token:N"), "{message}");
        for text in [
            "5",
            "3,",
            "33554432,0",
            "0,33554432",
            "99999999999999999999,0",
        ] {
            let message = text.parse::<Flip>().expect_err(text).to_string();
            assert!(message.contains("YIELD,MICRO"), "{message}");
        }
        assert!("33554431,33554431".parse::<Flip>().is_ok());
    }
}
