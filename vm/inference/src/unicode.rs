//! Characters as byte-level tokenizers see them: lenient UTF-8, the class of a code point, and the spelling of bytes.

use crate::unicode_table::RANGES;

/// What a pre-tokenizer tells apart; the numbers are those of the generated table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Class {
    /// Marks, symbols, controls, separators that are no whitespace, and what is not assigned.
    Other = 0,
    /// `\p{L}`.
    Letter = 1,
    /// `\p{N}`.
    Number = 2,
    /// `\s`.
    Space = 3,
    /// `\p{P}`.
    Punctuation = 4,
}

impl Class {
    /// The class of a code point.
    pub fn of(point: u32) -> Class {
        if let Ok(byte @ ..0x80) = u8::try_from(point) {
            return match byte {
                b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
                b'0'..=b'9' => Class::Number,
                b' ' | 9..=13 => Class::Space,
                b'$' | b'+' | b'<'..=b'>' | b'^' | b'`' | b'|' | b'~' => Class::Other,
                33..=126 => Class::Punctuation,
                _ => Class::Other,
            };
        }
        // The first range starts at 0.
        let after = RANGES.partition_point(|range| range >> 3 <= point);
        match RANGES[after - 1] & 7 {
            1 => Class::Letter,
            2 => Class::Number,
            3 => Class::Space,
            4 => Class::Punctuation,
            _ => Class::Other,
        }
    }
}

/// Stands for a byte that begins no character.
pub const REPLACEMENT: u32 = 0xfffd;

/// The first character of `bytes`, which isn't empty, and its length. Overlong forms and surrogates count as characters, as
/// llama.cpp has it; where nothing decodes, one byte is a replacement character.
pub fn decode(bytes: &[u8]) -> (u32, u32) {
    let first = bytes[0];
    let (len, bits) = match first {
        ..0x80 => return (u32::from(first), 1),
        0xc0..=0xdf => (2, first & 0x1f),
        0xe0..=0xef => (3, first & 0x0f),
        0xf0..=0xf7 => (4, first & 0x07),
        _ => return (REPLACEMENT, 1),
    };
    let mut point = u32::from(bits);
    for i in 1..len {
        match bytes.get(i) {
            Some(byte @ 0x80..=0xbf) => point = point << 6 | u32::from(byte & 0x3f),
            _ => return (REPLACEMENT, 1),
        }
    }
    // llama.cpp fails above; no UTF-8 gets there.
    if point > 0x10_ffff {
        return (REPLACEMENT, 1);
    }
    (point, len as u32)
}

/// UTF-8 of a code point up to 0x10ffff, surrogates included, and its length.
pub fn encode(point: u32) -> ([u8; 4], u32) {
    let tail = |shift: u32| 0x80 | (point >> shift & 0x3f) as u8;
    match point {
        ..0x80 => ([point as u8, 0, 0, 0], 1),
        0x80..0x800 => ([0xc0 | (point >> 6) as u8, tail(0), 0, 0], 2),
        0x800..0x1_0000 => ([0xe0 | (point >> 12) as u8, tail(6), tail(0), 0], 3),
        _ => ([0xf0 | (point >> 18) as u8, tail(12), tail(6), tail(0)], 4),
    }
}

/// The code point that spells a byte in a byte-level vocabulary: printable Latin-1 spells itself, the 68 others get
/// 0x100 and up, in order.
pub fn spell(byte: u8) -> u32 {
    let byte = u32::from(byte);
    match byte {
        0..=0x20 => 0x100 + byte,
        0x7f..=0xa0 => 0x121 + byte - 0x7f,
        0xad => 0x143,
        _ => byte,
    }
}

/// The byte that a code point spells.
pub fn unspell(point: u32) -> Option<u8> {
    let byte = match point {
        0x100..=0x120 => point - 0x100,
        0x121..=0x142 => point - 0x121 + 0x7f,
        0x143 => 0xad,
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => point,
        _ => return None,
    };
    Some(byte as u8)
}

/// Writes the bytes that a byte-level text spells; none where it isn't one. `out` is as long as `text` at least.
pub fn unspell_all(text: &[u8], out: &mut [u8]) -> Option<u32> {
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        let (point, len) = decode(&text[from..]);
        // Another spelling of a code point is another text, which no prompt becomes.
        let (again, same) = encode(point);
        if len != same || text[from..][..len as usize] != again[..len as usize] {
            return None;
        }
        out[to] = unspell(point)?;
        from += len as usize;
        to += 1;
    }
    Some(to as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_has_the_classes_of_the_table() {
        for point in 0..0x80 {
            let after = RANGES.partition_point(|range| range >> 3 <= point);
            assert_eq!(Class::of(point) as u32, RANGES[after - 1] & 7, "{point:#x}");
        }
        assert!(RANGES[0] >> 3 == 0 && RANGES.is_sorted());
    }

    #[test]
    fn utf8_and_back() {
        for c in '\0'..=char::MAX {
            let (bytes, len) = encode(u32::from(c));
            assert_eq!(
                &bytes[..len as usize],
                c.encode_utf8(&mut [0; 4]).as_bytes()
            );
            assert_eq!(decode(&bytes[..len as usize]), (u32::from(c), len));
            if len > 1 {
                assert_eq!(decode(&bytes[..len as usize - 1]), (REPLACEMENT, 1));
            }
        }
        assert_eq!(decode(&[0xc0, 0x80]), (0, 2));
        assert_eq!(decode(&[0xed, 0xa0, 0x80]), (0xd800, 3));
        assert_eq!(decode(&[0xf4, 0x90, 0x80, 0x80]), (REPLACEMENT, 1));
    }

    #[test]
    fn every_byte_has_its_own_spelling() {
        for byte in 0..=255 {
            assert_eq!(unspell(spell(byte)), Some(byte));
        }
        let spelled = (0..0x1000).filter(|point| unspell(*point).is_some());
        assert_eq!(spelled.count(), 256);
        assert_eq!((spell(b' '), spell(b'\n')), (0x120, 0x10a));
    }
}
