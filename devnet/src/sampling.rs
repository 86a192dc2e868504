//! How a question wants its answer found, as flags: greedily, drawn with a temperature, or out of a list.

use anyhow::ensure;
use assay_types::request::{CHOICE_BYTES, CHOICES, MAX_MIN_P, MAX_TOP_K, Sampling, TEMPERATURES};
use clap::Args;

/// Flags of a question's sampling; without any the answer is greedy.
#[derive(Args, Clone, Debug, Default)]
pub struct SamplingFlags {
    /// Draw each token at this temperature (0.001 to 10, at most three decimals) by the request's seed.
    #[arg(long, env = "ASSAY_TEMPERATURE", value_name = "T", value_parser = thousandths, conflicts_with = "choice")]
    temperature: Option<u32>,
    /// Draw only from the N best-scored tokens (1 to 256); 0 for all.
    #[arg(
        long,
        env = "ASSAY_TOP_K",
        value_name = "N",
        requires = "temperature",
        default_value_t = 0,
        hide_default_value = true
    )]
    top_k: u16,
    /// Draw only tokens with at least this share of the best one's probability (0 to 1, at most three decimals).
    #[arg(long, env = "ASSAY_MIN_P", value_name = "P", value_parser = thousandths, requires = "temperature")]
    min_p: Option<u32>,
    /// Answer with the best-scored of these texts: give the flag for each of them (2 to 64; `\n` stands for a new line).
    #[arg(long, value_name = "TEXT")]
    choice: Vec<String>,
}

impl SamplingFlags {
    /// What the flags say, in range.
    pub fn sampling(&self) -> anyhow::Result<Sampling> {
        if !self.choice.is_empty() {
            return choices(&self.choice);
        }
        let Some(temperature) = self.temperature else {
            return Ok(Sampling::Greedy);
        };
        ensure!(
            TEMPERATURES.contains(&temperature),
            "--temperature is 0.001 to 10; leave it out for the greedy answer"
        );
        ensure!(
            self.top_k <= MAX_TOP_K,
            "--top-k is at most {MAX_TOP_K}; leave it out for all tokens"
        );
        let min_p = u16::try_from(self.min_p.unwrap_or(0)).unwrap_or(u16::MAX);
        ensure!(min_p <= MAX_MIN_P, "--min-p is 0 to 1");
        Ok(Sampling::Drawn {
            temperature,
            top_k: self.top_k,
            min_p,
        })
    }
}

fn choices(texts: &[String]) -> anyhow::Result<Sampling> {
    let texts: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| text.replace("\\n", "\n").into_bytes())
        .collect();
    ensure!(
        CHOICES.contains(&texts.len()),
        "give --choice for each of 2 to 64 answers, not {}",
        texts.len()
    );
    for (i, text) in texts.iter().enumerate() {
        let shown = String::from_utf8_lossy(text);
        ensure!(
            CHOICE_BYTES.contains(&text.len()),
            "--choice {shown:?} has {} bytes, 1 to 256 are accepted",
            text.len()
        );
        ensure!(
            !texts[..i].contains(text),
            "--choice {shown:?} is given twice"
        );
    }
    Ok(Sampling::Choice(texts))
}

/// A decimal number of at most three places, in thousandths.
fn thousandths(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no number of at most three decimals, such as 0.8");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || part.len() > 3 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let number = format!("{whole}{part:0<3}");
    number.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        flags: SamplingFlags,
    }

    fn parse(args: &[&str]) -> Result<Sampling, String> {
        let cli = Cli::try_parse_from([&["ask"], args].concat()).map_err(|e| e.to_string())?;
        cli.flags.sampling().map_err(|e| e.to_string())
    }

    #[test]
    fn decimals_are_read_exactly() {
        let cases = [
            ("0.8", 800),
            ("1", 1000),
            ("0.001", 1),
            ("10.000", 10_000),
            ("2.", 2000),
        ];
        for (text, value) in cases {
            assert_eq!(thousandths(text), Ok(value), "{text}");
        }
        for text in [
            "",
            ".5",
            "0.0001",
            "-1",
            "1e3",
            "0,5",
            "99999999999",
            "1.+2",
        ] {
            assert!(thousandths(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_make_the_sampling_that_they_name() {
        assert_eq!(parse(&[]), Ok(Sampling::Greedy));
        let drawn = |temperature, top_k, min_p| {
            Ok(Sampling::Drawn {
                temperature,
                top_k,
                min_p,
            })
        };
        assert_eq!(parse(&["--temperature", "0.7"]), drawn(700, 0, 0));
        assert_eq!(
            parse(&["--temperature", "1", "--top-k", "40", "--min-p", "0.05"]),
            drawn(1000, 40, 50)
        );
        assert_eq!(
            parse(&["--choice", " yes", "--choice", "no\\n"]),
            Ok(Sampling::Choice(vec![b" yes".to_vec(), b"no\n".to_vec()]))
        );
    }

    #[test]
    fn what_can_not_be_asked_is_refused_in_words() {
        let cases: &[(&[&str], &str)] = &[
            (&["--temperature", "0"], "0.001 to 10"),
            (&["--temperature", "10.001"], "0.001 to 10"),
            (&["--temperature", "warm"], "no number"),
            (&["--top-k", "40"], "--temperature"),
            (&["--min-p", "0.1"], "--temperature"),
            (&["--temperature", "1", "--top-k", "257"], "at most 256"),
            (&["--temperature", "1", "--min-p", "1.001"], "0 to 1"),
            (&["--temperature", "1", "--choice", "a"], "cannot be used"),
            (&["--choice", "a"], "2 to 64"),
            (&["--choice", "a", "--choice", "a"], "twice"),
            (&["--choice", "a", "--choice", ""], "1 to 256"),
        ];
        for (args, words) in cases {
            let error = parse(args).unwrap_err();
            assert!(error.contains(words), "{args:?}: {error}");
        }
    }
}
