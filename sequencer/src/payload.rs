//! A payload as the program reads it (`docs/encoding.md`, section 7). One that is malformed or not UTF-8 has an error for
//! its one right answer, which is charged for: the sequencer says so before that.

use assay_types::params::MAX_TOKENS;

/// Most stop strings.
const MAX_STOPS: usize = 8;
/// Longest stop string.
const MAX_STOP_BYTES: usize = 256;
/// Most parts of a prompt.
const MAX_PARTS: usize = 64;

/// Why a payload has no answer but an error, whatever the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Defect {
    /// It does not read.
    #[error("the payload is malformed ({0}): see docs/encoding.md, section 7")]
    Malformed(&'static str),
    /// A part of the prompt is no text.
    #[error(
        "part {part} of the prompt is not valid UTF-8 from byte {at} on: send the prompt as UTF-8 text"
    )]
    NotUtf8 {
        /// Which part, counted from 0.
        part: usize,
        /// Its first bad byte.
        at: usize,
    },
}

/// Reads a whole payload.
///
/// # Errors
/// The program would answer `bad_request` or `not_utf8`; the former wins, as there.
pub fn check(payload: &[u8]) -> Result<(), Defect> {
    let mut reader = Reader(payload);
    let (version, sampling) = (reader.number(1)?, reader.number(1)?);
    let (tokens, temperature) = (reader.number(4)?, reader.number(4)?);
    let stops = reader.number(1)?;
    reader.require(version == 1, "its version is not 1")?;
    reader.require(
        sampling == 0 && temperature == 0,
        "greedy sampling alone is known, with temperature 0",
    )?;
    let sized = (1..=MAX_TOKENS as usize).contains(&tokens);
    reader.require(sized, "1 to 4096 max tokens are accepted")?;
    reader.require(stops <= MAX_STOPS, "it has more than 8 stop strings")?;
    for _ in 0..stops {
        let len = reader.number(2)?;
        let sized = (1..=MAX_STOP_BYTES).contains(&len);
        reader.require(sized, "a stop string has 1 to 256 bytes")?;
        reader.bytes(len)?;
    }
    let count = reader.number(2)?;
    reader.require(
        (1..=MAX_PARTS).contains(&count),
        "a prompt has 1 to 64 parts",
    )?;
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let (kind, len) = (reader.number(1)?, reader.number(4)?);
        reader.require(kind <= 1, "a part is user text (0) or template text (1)")?;
        parts.push(reader.bytes(len)?);
    }
    reader.require(reader.0.is_empty(), "something follows its last part")?;
    for (part, bytes) in parts.into_iter().enumerate() {
        std::str::from_utf8(bytes).map_err(|e| Defect::NotUtf8 {
            part,
            at: e.valid_up_to(),
        })?;
    }
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Defect> {
        let cut = Defect::Malformed("it ends before its last part does");
        let (head, rest) = self.0.split_at_checked(len).ok_or(cut)?;
        self.0 = rest;
        Ok(head)
    }

    /// A little-endian number of up to four bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, Defect> {
        let bytes = self.bytes(bytes)?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    fn require(&self, holds: bool, reason: &'static str) -> Result<(), Defect> {
        holds.then_some(()).ok_or(Defect::Malformed(reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_types::request::{Part, Payload};

    fn sample() -> Payload {
        Payload {
            max_tokens: 5,
            stops: vec![b"\n".to_vec(), vec![0xff; 256]],
            parts: vec![
                Part::Template(b"<s>".to_vec()),
                Part::User("Grüße".as_bytes().to_vec()),
            ],
        }
    }

    #[test]
    fn every_payload_of_the_encoder_passes() {
        assert_eq!(check(&sample().encode()), Ok(()));
        assert_eq!(check(&Payload::greedy("", 4096).encode()), Ok(()));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_found_by_part_and_place() {
        let mut payload = sample();
        payload.parts[1] = Part::User(b"Gr\xfc\xdfe".to_vec());
        let defect = check(&payload.encode()).expect_err("Latin-1");
        assert_eq!(defect, Defect::NotUtf8 { part: 1, at: 2 });
        // Each part by itself: a character may not be spread over two.
        payload.parts = vec![Part::User(vec![0xc3]), Part::User(vec![0xbc])];
        let defect = check(&payload.encode()).expect_err("half a character");
        assert_eq!(defect, Defect::NotUtf8 { part: 0, at: 0 });
    }

    #[test]
    fn no_cut_and_no_other_number_passes() {
        let whole = sample().encode();
        for end in 0..whole.len() {
            let cut = check(&whole[..end]);
            assert!(matches!(cut, Err(Defect::Malformed(_))), "cut at {end}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(matches!(check(&longer), Err(Defect::Malformed(_))));
        // Version, sampling, temperature, stop count; stop length; part count; part kind.
        let (stops, parts) = (11, 11 + 3 + 258);
        for at in [0, 1, 6, 10, stops, parts, parts + 2] {
            let mut other = whole.clone();
            other[at] = other[at].wrapping_add(80);
            assert!(
                matches!(check(&other), Err(Defect::Malformed(_))),
                "byte {at}"
            );
        }
        for tokens in [0, 4097, u32::MAX] {
            let payload = Payload {
                max_tokens: tokens,
                ..sample()
            };
            assert!(matches!(
                check(&payload.encode()),
                Err(Defect::Malformed(_))
            ));
        }
    }
}
