//! Blocks of quantized weights: 32 integers, a scale, and for some types an offset. Weight k is `scale * q[k] + offset`.
//!
//! All of ggml's types are cut into such blocks. In a K type the scale is itself a product, and Q6_K's two scales of 16
//! elements go into the integers.

use crate::math::from_half;
use crate::quantize::BLOCK;
use crate::tensors::Format;

/// A block's integers.
pub type Integers = [i16; BLOCK];

/// Block `b` of a row of a quantized type: fills `q`, gives scale and offset (0 where the type has none).
#[inline(always)]
pub fn unpack(format: Format, row: &[u8], b: usize, q: &mut Integers) -> (f32, f32) {
    let (elements, bytes) = format.piece();
    let per_piece = elements as usize / BLOCK;
    let piece = &row[b / per_piece * bytes as usize..][..bytes as usize];
    match format {
        Format::Q8_0 => {
            for (q, w) in q.iter_mut().zip(&piece[2..34]) {
                *q = i16::from(*w as i8);
            }
            (half(piece, 0), 0.0)
        }
        Format::Q4_0 => {
            nibbles(&piece[2..18], q, 8);
            (half(piece, 0), 0.0)
        }
        Format::Q4_1 => {
            nibbles(&piece[4..20], q, 0);
            (half(piece, 0), half(piece, 2))
        }
        Format::Q5_0 => {
            nibbles(&piece[6..22], q, 16);
            fifth_bits(&piece[2..6], q);
            (half(piece, 0), 0.0)
        }
        Format::Q5_1 => {
            nibbles(&piece[8..24], q, 0);
            fifth_bits(&piece[4..8], q);
            (half(piece, 0), half(piece, 2))
        }
        Format::Q4_K => {
            k_nibbles(&piece[16..144], b % 8, q);
            k_factors(piece, b % 8)
        }
        Format::Q5_K => {
            k_nibbles(&piece[48..176], b % 8, q);
            for (q, high) in q.iter_mut().zip(&piece[16..48]) {
                *q |= i16::from(high >> (b % 8) & 1) << 4;
            }
            k_factors(piece, b % 8)
        }
        Format::Q6_K => {
            six_bits(piece, b % 8, q);
            (half(piece, 208), 0.0)
        }
        Format::F32 | Format::F16 | Format::BF16 => unreachable!("floats have no blocks"),
    }
}

#[inline(always)]
fn half(piece: &[u8], at: usize) -> f32 {
    from_half(u16::from_le_bytes([piece[at], piece[at + 1]]))
}

/// 16 bytes: the low halves are elements 0 to 15, the high halves the others. `less` is taken away.
#[inline(always)]
fn nibbles(bytes: &[u8], q: &mut Integers, less: i16) {
    let (low, high) = q.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = i16::from(byte & 15) - less;
        *high = i16::from(byte >> 4) - less;
    }
}

/// A bit for each element, worth 16.
#[inline(always)]
fn fifth_bits(bytes: &[u8], q: &mut Integers) {
    let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    for (i, q) in q.iter_mut().enumerate() {
        *q += ((bits >> i & 1) << 4) as i16;
    }
}

/// Block `s` of a K type's nibbles: blocks 2i and 2i + 1 share 32 bytes.
#[inline(always)]
fn k_nibbles(bytes: &[u8], s: usize, q: &mut Integers) {
    for (q, byte) in q.iter_mut().zip(&bytes[32 * (s / 2)..][..32]) {
        *q = i16::from(byte >> (4 * (s % 2)) & 15);
    }
}

/// Scale and offset of block `s` of a Q4_K or Q5_K piece; six bits each in twelve bytes.
#[inline(always)]
fn k_factors(piece: &[u8], s: usize) -> (f32, f32) {
    let (scale, offset) = k_integers(&piece[4..16], s);
    (
        half(piece, 0) * f32::from(scale),
        -(half(piece, 2) * f32::from(offset)),
    )
}

/// The six-bit scale and offset of block `s`.
#[inline(always)]
pub(crate) fn k_integers(packed: &[u8], s: usize) -> (u8, u8) {
    if s < 4 {
        (packed[s] & 63, packed[s + 4] & 63)
    } else {
        (
            packed[s + 4] & 15 | packed[s - 4] >> 6 << 4,
            packed[s + 4] >> 4 | packed[s] >> 6 << 4,
        )
    }
}

/// Block `s` of a Q6_K piece: six bits less 32, times the scale of its 16 elements. Within 32 * 128.
#[inline(always)]
fn six_bits(piece: &[u8], s: usize, q: &mut Integers) {
    let (half, quarter) = (s / 4, s % 4);
    let low = &piece[64 * half + 32 * (quarter % 2)..][..32];
    let high = &piece[128 + 32 * half..][..32];
    for (i, q) in q.iter_mut().enumerate() {
        let bits = low[i] >> (4 * (quarter / 2)) & 15 | (high[i] >> (2 * quarter) & 3) << 4;
        let scale = piece[192 + 8 * half + 2 * quarter + i / 16] as i8;
        *q = (i16::from(bits) - 32) * i16::from(scale);
    }
}
