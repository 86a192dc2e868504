//! The payload of a request and the request ROM (`docs/encoding.md`, section 7).

use crate::hash::Hash;
use crate::params::MAX_TOKENS;
use crate::program::{ModelId, Tolerance};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// Most stop strings.
pub const MAX_STOPS: usize = 8;
/// Bytes of a stop string.
pub const STOP_BYTES: RangeInclusive<usize> = 1..=256;
/// Parts of a prompt.
pub const PARTS: RangeInclusive<usize> = 1..=64;
/// Temperatures, in thousandths.
pub const TEMPERATURES: RangeInclusive<u32> = 1..=10_000;
/// Most candidates that top-k may leave.
pub const MAX_TOP_K: u16 = 256;
/// Highest min-p, in thousandths.
pub const MAX_MIN_P: u16 = 1000;
/// Choices of a request.
pub const CHOICES: RangeInclusive<usize> = 2..=64;
/// Bytes of a choice.
pub const CHOICE_BYTES: RangeInclusive<usize> = 1..=256;

/// One piece of a prompt. Only template text may form control tokens, so user text can't spell them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// Text from the user.
    User(Vec<u8>),
    /// Text from a chat template.
    Template(Vec<u8>),
}

/// How the answer is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sampling {
    /// Each id is the best-scored one.
    Greedy,
    /// Each id is drawn by the request's seed.
    Drawn {
        /// In thousandths, one of [`TEMPERATURES`].
        temperature: u32,
        /// Only so many best-scored ids, at most [`MAX_TOP_K`]; 0 for all.
        top_k: u16,
        /// Only ids with this share of the best one's probability, in thousandths, at most [`MAX_MIN_P`]; 0 for all.
        min_p: u16,
    },
    /// The answer is the best-scored of these texts: [`CHOICES`] of them, all different, of [`CHOICE_BYTES`] each. No stop
    /// string goes with them.
    Choice(Vec<Vec<u8>>),
}

/// Why bytes are no payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// What a dApp asks: the decoded payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// Most ids to generate, 1 ..= [`crate::params::MAX_TOKENS`].
    pub max_tokens: u32,
    /// Stop strings, at most 8 of 1 ..= 256 bytes.
    pub stops: Vec<Vec<u8>>,
    /// The prompt, 1 ..= 64 parts.
    pub parts: Vec<Part>,
    /// How the answer is found.
    pub sampling: Sampling,
}

impl Payload {
    /// A greedy request of one user part and no stop string.
    pub fn greedy(prompt: &str, max_tokens: u32) -> Payload {
        Payload {
            max_tokens,
            stops: Vec::new(),
            parts: alloc::vec![Part::User(prompt.as_bytes().to_vec())],
            sampling: Sampling::Greedy,
        }
    }

    /// The payload's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (number, temperature) = match self.sampling {
            Sampling::Greedy => (0u8, 0),
            Sampling::Drawn { temperature, .. } => (1, temperature),
            Sampling::Choice(_) => (2, 0),
        };
        let mut out = alloc::vec![1u8, number];
        out.extend_from_slice(&self.max_tokens.to_le_bytes());
        out.extend_from_slice(&temperature.to_le_bytes());
        if let Sampling::Drawn { top_k, min_p, .. } = self.sampling {
            out.extend_from_slice(&top_k.to_le_bytes());
            out.extend_from_slice(&min_p.to_le_bytes());
        }
        out.push(self.stops.len() as u8);
        for stop in &self.stops {
            out.extend_from_slice(&(stop.len() as u16).to_le_bytes());
            out.extend_from_slice(stop);
        }
        out.extend_from_slice(&(self.parts.len() as u16).to_le_bytes());
        for part in &self.parts {
            let (kind, bytes) = match part {
                Part::User(b) => (0u8, b),
                Part::Template(b) => (1, b),
            };
            out.push(kind);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        if let Sampling::Choice(choices) = &self.sampling {
            out.push(choices.len() as u8);
            for choice in choices {
                out.extend_from_slice(&(choice.len() as u16).to_le_bytes());
                out.extend_from_slice(choice);
            }
        }
        out
    }

    /// Inverse of [`Payload::encode`].
    ///
    /// # Errors
    /// The program would answer `bad_request` for its form alone. Parts and choices may still not be UTF-8, or too long.
    pub fn decode(bytes: &[u8]) -> Result<Payload, Malformed> {
        let mut reader = Reader(bytes);
        let (version, number) = (reader.number(1)?, reader.number(1)?);
        require(version == 1, "its version is not 1")?;
        let (max_tokens, temperature) = (reader.number(4)?, reader.number(4)?);
        require(
            (1..=MAX_TOKENS).contains(&max_tokens),
            "1 to 4096 max tokens are accepted",
        )?;
        let mut sampling = reader.sampling(number, temperature)?;
        let count = reader.number(1)? as usize;
        require(count <= MAX_STOPS, "it has more than 8 stop strings")?;
        let stops = reader.texts(count, &STOP_BYTES, "a stop string has 1 to 256 bytes")?;
        let count = reader.number(2)? as usize;
        require(PARTS.contains(&count), "a prompt has 1 to 64 parts")?;
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            let (kind, len) = (reader.number(1)?, reader.number(4)? as usize);
            parts.push(match kind {
                0 => Part::User(reader.bytes(len)?.to_vec()),
                1 => Part::Template(reader.bytes(len)?.to_vec()),
                _ => return Err(Malformed("a part is user text (0) or template text (1)")),
            });
        }
        if let Sampling::Choice(choices) = &mut sampling {
            require(stops.is_empty(), "choices take no stop string")?;
            *choices = reader.choices()?;
        }
        require(reader.0.is_empty(), "something follows its end")?;
        Ok(Payload {
            max_tokens,
            stops,
            parts,
            sampling,
        })
    }
}

fn require(holds: bool, reason: &'static str) -> Result<(), Malformed> {
    holds.then_some(()).ok_or(Malformed(reason))
}

/// Reads from the front of a payload.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let cut = Malformed("it ends before its last field does");
        let (head, rest) = self.0.split_at_checked(len).ok_or(cut)?;
        self.0 = rest;
        Ok(head)
    }

    /// A little-endian number of up to four bytes.
    fn number(&mut self, bytes: usize) -> Result<u32, Malformed> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    /// `count` texts after their u16 lengths.
    fn texts(
        &mut self,
        count: usize,
        sizes: &RangeInclusive<usize>,
        reason: &'static str,
    ) -> Result<Vec<Vec<u8>>, Malformed> {
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            let len = self.number(2)? as usize;
            require(sizes.contains(&len), reason)?;
            texts.push(self.bytes(len)?.to_vec());
        }
        Ok(texts)
    }

    /// What a sampling number stands for, its choices still to come.
    fn sampling(&mut self, number: u32, temperature: u32) -> Result<Sampling, Malformed> {
        let cold = "a temperature is for drawn answers only (sampling 1)";
        match number {
            0 => require(temperature == 0, cold).map(|()| Sampling::Greedy),
            1 => {
                // Two bytes each.
                let (top_k, min_p) = (self.number(2)? as u16, self.number(2)? as u16);
                require(
                    TEMPERATURES.contains(&temperature),
                    "a temperature is 1 to 10000 thousandths",
                )?;
                require(top_k <= MAX_TOP_K, "top-k is 0 to 256")?;
                require(min_p <= MAX_MIN_P, "min-p is 0 to 1000 thousandths")?;
                Ok(Sampling::Drawn {
                    temperature,
                    top_k,
                    min_p,
                })
            }
            2 => require(temperature == 0, cold).map(|()| Sampling::Choice(Vec::new())),
            _ => Err(Malformed("its sampling is not 0, 1 or 2")),
        }
    }

    fn choices(&mut self) -> Result<Vec<Vec<u8>>, Malformed> {
        let count = self.number(1)? as usize;
        require(CHOICES.contains(&count), "there are 2 to 64 choices")?;
        let choices = self.texts(count, &CHOICE_BYTES, "a choice has 1 to 256 bytes")?;
        let twice = (1..count).any(|i| choices[..i].contains(&choices[i]));
        require(!twice, "two choices are the same")?;
        Ok(choices)
    }
}

/// What the contract writes before the payload in the request ROM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RomHeader {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Address of the inbox.
    pub inbox: [u8; 20],
    /// The request.
    pub request_id: Hash,
    /// The model asked.
    pub model: ModelId,
    /// Seed of the sampler.
    pub seed: Hash,
    /// The tolerance in force for this request.
    pub tolerance: Tolerance,
}

/// Bytes of an encoded [`RomHeader`].
pub const ROM_HEADER_BYTES: usize = 192;

impl RomHeader {
    /// Six 32-byte big-endian words.
    pub fn encode(&self) -> [u8; ROM_HEADER_BYTES] {
        let mut out = [0; ROM_HEADER_BYTES];
        out[24..32].copy_from_slice(&self.chain_id.to_be_bytes());
        out[44..64].copy_from_slice(&self.inbox);
        out[64..96].copy_from_slice(&self.request_id.0);
        out[96..128].copy_from_slice(&self.model.0.0);
        out[128..160].copy_from_slice(&self.seed.0);
        out[184..188].copy_from_slice(&self.tolerance.max_gap.to_be_bytes());
        out[188..192].copy_from_slice(&self.tolerance.max_flips.to_be_bytes());
        out
    }

    /// The request ROM's data: header, then payload.
    pub fn rom(&self, payload: &[u8]) -> Vec<u8> {
        [&self.encode()[..], payload].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn with(sampling: Sampling) -> Payload {
        Payload {
            stops: vec![],
            parts: vec![Part::Template(b"<s>".to_vec()), Part::User(b"hm?".to_vec())],
            sampling,
            ..Payload::greedy("", 5)
        }
    }

    fn drawn(temperature: u32, top_k: u16, min_p: u16) -> Sampling {
        Sampling::Drawn {
            temperature,
            top_k,
            min_p,
        }
    }

    fn choice(choices: &[&str]) -> Sampling {
        Sampling::Choice(choices.iter().map(|c| c.as_bytes().to_vec()).collect())
    }

    fn all() -> Vec<Payload> {
        let mut stopped = with(drawn(1, 0, 0));
        stopped.stops = vec![vec![0xff; 256], b"\n".to_vec()];
        vec![
            Payload::greedy("", 4096),
            with(Sampling::Greedy),
            stopped,
            with(drawn(10_000, 256, 1000)),
            with(choice(&[" yes", " no"])),
        ]
    }

    #[test]
    fn payloads_have_the_bytes_of_the_encoding() {
        let tail = b"\x00\x02\x00\x01\x03\x00\x00\x00<s>\x00\x03\x00\x00\x00hm?";
        let expect = |head: &[u8], end: &[u8]| [head, tail, end].concat();
        assert_eq!(
            with(Sampling::Greedy).encode(),
            expect(&[1, 0, 5, 0, 0, 0, 0, 0, 0, 0], b"")
        );
        assert_eq!(
            with(drawn(0x321, 0x102, 0x304)).encode(),
            expect(&[1, 1, 5, 0, 0, 0, 0x21, 3, 0, 0, 2, 1, 4, 3], b"")
        );
        assert_eq!(
            with(choice(&["a", "bc"])).encode(),
            expect(&[1, 2, 5, 0, 0, 0, 0, 0, 0, 0], b"\x02\x01\x00a\x02\x00bc")
        );
    }

    #[test]
    fn every_encoding_is_read_back_and_no_cut_or_longer_one_is() {
        for payload in all() {
            let bytes = payload.encode();
            assert_eq!(Payload::decode(&bytes), Ok(payload.clone()));
            for end in 0..bytes.len() {
                assert!(Payload::decode(&bytes[..end]).is_err(), "{payload:?} {end}");
            }
            assert!(Payload::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let refused = |payload: &Payload| Payload::decode(&payload.encode()).unwrap_err().0;
        let long = "x".repeat(257);
        let many: Vec<_> = (0..65).map(|i| alloc::format!("{i}")).collect();
        let many: Vec<&str> = many.iter().map(|s| &s[..]).collect();
        let cases = [
            (drawn(0, 0, 0), "a temperature is"),
            (drawn(10_001, 0, 0), "a temperature is"),
            (drawn(1, 257, 0), "top-k"),
            (drawn(1, 0, 1001), "min-p"),
            (choice(&[]), "2 to 64"),
            (choice(&["a"]), "2 to 64"),
            (choice(&many), "2 to 64"),
            (choice(&["a", ""]), "1 to 256"),
            (choice(&["a", &long]), "1 to 256"),
            (choice(&["a", "b", "a"]), "the same"),
        ];
        for (sampling, reason) in cases {
            let payload = with(sampling);
            assert!(refused(&payload).contains(reason), "{payload:?}");
        }
        let mut stopped = with(choice(&["a", "b"]));
        stopped.stops = vec![b".".to_vec()];
        assert!(refused(&stopped).contains("no stop string"));
        for number in [0u8, 2] {
            let mut warm = with(choice(&["a", "b"])).encode();
            (warm[1], warm[6]) = (number, 1);
            assert!(Payload::decode(&warm).unwrap_err().0.contains("drawn"));
        }
        let mut unknown = with(Sampling::Greedy).encode();
        unknown[1] = 3;
        assert!(
            Payload::decode(&unknown)
                .unwrap_err()
                .0
                .contains("0, 1 or 2")
        );
    }
}
