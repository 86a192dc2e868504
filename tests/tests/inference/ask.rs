//! Random requests, right ones and wrong ones, and random claims of what their output is.

use crate::choices::Choices;
use assay_types::output::Output;
use assay_types::request::{Part, Payload, RomHeader, Sampling};
use assay_types::{Hash, ModelId, Tolerance};

/// What prompts, stop strings and choices are made of: text that vocabularies have, and text that is hard to cut.
const PIECES: [&[u8]; 28] = [
    b"the ",
    b" cat",
    b"hello",
    b" in",
    b"a",
    b"<|call|>",
    b"<s>",
    b"[tool]",
    b"\xe2\x96\x81the",
    "é猫".as_bytes(),
    b"  \n\n ",
    b"'s 're'LL",
    b"1234567",
    b"\r\n",
    b"<0x0A>",
    b"####",
    b"...!?",
    "\u{301}e\u{301}\u{200d}".as_bytes(),
    "\u{1f468}\u{200d}\u{1f469}".as_bytes(),
    b"",
    b"\0",
    b"zqx",
    b"\t\t",
    "\u{3000}\u{a0}".as_bytes(),
    b"\xff",
    b"\xe2\x96",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
];
/// How many of [`PIECES`] are UTF-8.
const GOOD: usize = 24;

fn text(c: &mut Choices, most: usize) -> Vec<u8> {
    let pieces = if c.chance(24) { PIECES.len() } else { GOOD };
    let mut out = Vec::new();
    for _ in 0..=c.below(most) {
        if c.chance(12) {
            let any = char::from_u32(c.number(3) as u32 % 0x11_0000);
            out.extend(any.unwrap_or('x').to_string().into_bytes());
        } else {
            out.extend(PIECES[c.below(pieces)]);
        }
    }
    if c.chance(10) {
        out = out.repeat(1 + c.below(12));
    }
    out
}

fn sampling(c: &mut Choices, bad: bool) -> Sampling {
    let sampling = c.below(4);
    match sampling {
        0 | 1 => Sampling::Greedy,
        2 if !bad => Sampling::Drawn {
            temperature: c.pick(&[1000, 1, 300, 10_000, 700, 1500]),
            top_k: c.pick(&[0, 1, 5, 40, 256, 0, 2]),
            min_p: c.pick(&[0, 1, 50, 500, 1000, 0]),
        },
        2 => Sampling::Drawn {
            temperature: c.pick(&[1000, 1, 300, 10_000, 0, 10_001, 700, 1500]),
            top_k: c.pick(&[0, 1, 5, 40, 256, 257, 0, 2]),
            min_p: c.pick(&[0, 1, 50, 500, 1000, 1001, 0, 0]),
        },
        _ => {
            let count = if bad {
                c.pick(&[2, 1, 65])
            } else {
                c.pick(&[2, 3, 5, 2, 3, 64])
            };
            let one = |c: &mut Choices, i: usize| match count {
                // Mostly all different, and none empty.
                0..6 if c.below(16) != 15 => [format!("{i}").into_bytes(), text(c, 3)].concat(),
                0..6 => text(c, 3),
                _ => format!("{i}").into_bytes(),
            };
            Sampling::Choice((0..count).map(|i| one(c, i)).collect())
        }
    }
}

fn payload(c: &mut Choices) -> Payload {
    // Whether something may be out of range.
    let bad = c.chance(8);
    let sampling = sampling(c, bad);
    let parts = match c.below(24) {
        22 if bad => 65,
        23 if bad => 0,
        n => 1 + n / 8,
    };
    let part = |c: &mut Choices| {
        let text = text(c, if parts == 65 { 1 } else { 12 });
        if c.chance(3) {
            Part::Template(text)
        } else {
            Part::User(text)
        }
    };
    let choosing = matches!(sampling, Sampling::Choice(_));
    let stops = if choosing {
        usize::from(bad && c.chance(4))
    } else {
        c.below(12).saturating_sub(8)
    };
    Payload {
        max_tokens: if bad {
            c.pick(&[6, 4096, 4097, 0, 7])
        } else {
            c.pick(&[6, 1, 2, 12, 3, 20, 40, 8, 6, 4, 5, 4096])
        },
        stops: (0..stops).map(|_| text(c, 2)).collect(),
        parts: (0..parts).map(|_| part(c)).collect(),
        sampling,
    }
}

/// A request's bytes, as the program reads them, and how it wants its answer.
pub fn request(c: &mut Choices) -> (Vec<u8>, &'static str) {
    let payload = payload(c);
    let header = RomHeader {
        chain_id: 31_337,
        inbox: [7; 20],
        request_id: Hash([1; 32]),
        model: ModelId(Hash([2; 32])),
        seed: Hash([c.number(1) as u8; 32]),
        tolerance: Tolerance {
            max_gap: c.pick(&[0, 0, 0, 50, 1000, u32::MAX]),
            max_flips: c.pick(&[0, 0, 0, 1, 3, u32::MAX]),
        },
    };
    let mut rom = header.rom(&payload.encode());
    if c.chance(10) {
        for _ in 0..=c.below(3) {
            spoil(c, &mut rom, 180);
        }
    }
    let kind = match payload.sampling {
        Sampling::Greedy => "greedy",
        Sampling::Drawn { .. } => "drawn",
        Sampling::Choice(_) => "choice",
    };
    (rom, kind)
}

/// One change of bytes, at or after `from` where there is such a byte.
pub fn spoil(c: &mut Choices, data: &mut Vec<u8>, from: usize) {
    let from = from.min(data.len());
    let at = from + c.below((data.len() - from).max(1));
    let byte = c.number(1) as u8;
    match (c.below(5), data.get_mut(at)) {
        (0, Some(b)) => *b ^= 1 << (byte % 8),
        (1, Some(b)) => *b = byte,
        (2, _) => data.truncate(at),
        (3, _) => data.insert(at.min(data.len()), byte),
        _ => {
            let end = data.len().min(from + usize::from(byte % 16));
            let piece = data[from..end].to_vec();
            data.splice(at.min(data.len())..at.min(data.len()), piece);
        }
    }
}

/// What is claimed where `honest` is right; half of the time just that.
pub fn claim(c: &mut Choices, honest: &Output) -> Vec<u8> {
    let mut out = honest.encode();
    if c.below(2) == 0 {
        return out;
    }
    match c.below(6) {
        0 => {
            let at = out.len().saturating_sub(1).min(5 + 4 * c.below(8));
            out[at] ^= 1 + c.number(1) as u8 % 4;
        }
        1 => out = vec![c.pick(&[1, 2, 3, 4, 5, 255, 6]), 0, 0, 0, 0],
        // The same ids as an error, or without the last one.
        2 => out[0] = c.pick(&[255, 0]),
        3 => {
            if let Output::Answer { ids, text } = honest {
                let ids = ids[..ids.len().saturating_sub(1)].to_vec();
                let text = text.clone();
                out = Output::Answer { ids, text }.encode();
            }
        }
        4 => out = (0..c.below(24)).map(|_| c.number(1) as u8).collect(),
        _ => spoil(c, &mut out, 0),
    }
    out
}
