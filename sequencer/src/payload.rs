//! A payload as the program reads it (`docs/encoding.md`, section 7). One that is malformed or not UTF-8 has an error for
//! its one right answer, which is charged for: the sequencer says so before that.

use assay_types::request::{Part, Payload, Sampling};

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
    /// A choice is no text.
    #[error("choice {choice} is not valid UTF-8 from byte {at} on: send choices as UTF-8 text")]
    ChoiceNotUtf8 {
        /// Which choice, counted from 0.
        choice: usize,
        /// Its first bad byte.
        at: usize,
    },
}

/// Reads a whole payload.
///
/// # Errors
/// The program would answer `bad_request` or `not_utf8`; the former wins, as there.
pub fn check(payload: &[u8]) -> Result<(), Defect> {
    let payload = Payload::decode(payload).map_err(|e| Defect::Malformed(e.0))?;
    for (part, text) in payload.parts.iter().enumerate() {
        let (Part::User(bytes) | Part::Template(bytes)) = text;
        bad_byte(bytes).map_or(Ok(()), |at| Err(Defect::NotUtf8 { part, at }))?;
    }
    if let Sampling::Choice(choices) = &payload.sampling {
        for (choice, bytes) in choices.iter().enumerate() {
            bad_byte(bytes).map_or(Ok(()), |at| Err(Defect::ChoiceNotUtf8 { choice, at }))?;
        }
    }
    Ok(())
}

/// Where `bytes` stop being UTF-8.
fn bad_byte(bytes: &[u8]) -> Option<usize> {
    std::str::from_utf8(bytes).err().map(|e| e.valid_up_to())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Payload {
        Payload {
            max_tokens: 5,
            stops: vec![b"\n".to_vec(), vec![0xff; 256]],
            parts: vec![
                Part::Template(b"<s>".to_vec()),
                Part::User("Grüße".as_bytes().to_vec()),
            ],
            sampling: Sampling::Greedy,
        }
    }

    #[test]
    fn every_payload_of_the_encoder_passes() {
        assert_eq!(check(&sample().encode()), Ok(()));
        assert_eq!(check(&Payload::greedy("", 4096).encode()), Ok(()));
        assert_eq!(check(&choosing(&[b" yes", b" no"])), Ok(()));
    }

    fn choosing(choices: &[&[u8]]) -> Vec<u8> {
        let payload = Payload {
            sampling: Sampling::Choice(choices.iter().map(|c| c.to_vec()).collect()),
            ..Payload::greedy("?", 4)
        };
        payload.encode()
    }

    #[test]
    fn choices_are_text_and_all_different() {
        let defect = check(&choosing(&[b"yes", b"n\xf6"])).expect_err("Latin-1");
        assert_eq!(defect, Defect::ChoiceNotUtf8 { choice: 1, at: 1 });
        // The lower error wins.
        let defect = check(&choosing(&[b"\xf6", b"\xf6"])).expect_err("twice");
        assert!(matches!(defect, Defect::Malformed(_)));
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
