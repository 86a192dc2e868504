//! Numbers as the bytes of each tensor type.

use crate::math::to_half;
use crate::tensors::Format;

/// Numbers as a tensor's bytes, quantized simply: whole pieces of the type. Not as close as ggml would have it.
pub fn encode(format: Format, numbers: &[f32]) -> Vec<u8> {
    let half = |x: f32| (to_half(x.abs()) | if x < 0.0 { 0x8000 } else { 0 }).to_le_bytes();
    let (elements, _) = format.piece();
    let pieces = numbers.chunks(elements as usize);
    match format {
        Format::F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Format::F16 => numbers.iter().flat_map(|x| half(*x)).collect(),
        Format::BF16 => numbers
            .iter()
            .flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes())
            .collect(),
        Format::Q8_0 => pieces.flat_map(|x| q8_piece(x, half)).collect(),
        Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 => {
            pieces.flat_map(|x| small_piece(format, x, half)).collect()
        }
        Format::Q4_K | Format::Q5_K => pieces.flat_map(|x| k_piece(format, x, half)).collect(),
        Format::Q6_K => pieces.flat_map(|x| six_piece(x, half)).collect(),
    }
}

fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0f32, |m, x| m.max(x.abs()))
}

fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

fn q8_piece(x: &[f32], half: impl Fn(f32) -> [u8; 2]) -> Vec<u8> {
    let scale = largest(x) / 127.0;
    let quants = x.iter().map(|x| (x * inverse(scale)).round() as i8 as u8);
    half(scale).into_iter().chain(quants).collect()
}

/// Lowest and highest of `x` and 0.
fn range(x: &[f32]) -> (f32, f32) {
    x.iter()
        .fold((0.0f32, 0.0f32), |(a, b), x| (a.min(*x), b.max(*x)))
}

fn small_piece(format: Format, x: &[f32], half: impl Fn(f32) -> [u8; 2]) -> Vec<u8> {
    let five = matches!(format, Format::Q5_0 | Format::Q5_1);
    let top = if five { 31.0 } else { 15.0 };
    let (low, high) = range(x);
    let (scale, zero) = if format.has_offset() {
        ((high - low) / top, -low)
    } else {
        let scale = largest(x) / (top / 2.0).floor();
        (scale, scale * (top / 2.0).ceil())
    };
    let q: Vec<u8> = x
        .iter()
        .map(|x| ((x + zero) * inverse(scale)).round().clamp(0.0, top) as u8)
        .collect();
    let mut out = half(scale).to_vec();
    if format.has_offset() {
        out.extend(half(low));
    }
    if five {
        let bits = (0..32).fold(0u32, |bits, i| bits | u32::from(q[i] >> 4) << i);
        out.extend(bits.to_le_bytes());
    }
    out.extend((0..16).map(|i| q[i] & 15 | q[i + 16] << 4));
    out
}

fn k_piece(format: Format, x: &[f32], half: impl Fn(f32) -> [u8; 2]) -> Vec<u8> {
    let top = if format == Format::Q5_K { 31.0 } else { 15.0 };
    let ranges: Vec<(f32, f32)> = x.chunks(32).map(range).collect();
    let scale = ranges.iter().fold(0.0f32, |m, (a, b)| m.max(b - a)) / top / 63.0;
    let offset = ranges.iter().fold(0.0f32, |m, (a, _)| m.max(-a)) / 63.0;
    let mut packed = [0u8; 12];
    let mut q = Vec::new();
    for (s, ((low, high), x)) in ranges.iter().zip(x.chunks(32)).enumerate() {
        let sc = ((high - low) / top * inverse(scale))
            .round()
            .clamp(0.0, 63.0) as u8;
        let m = (-low * inverse(offset)).round().clamp(0.0, 63.0) as u8;
        if s < 4 {
            packed[s] |= sc;
            packed[s + 4] |= m;
        } else {
            packed[s + 4] |= sc & 15 | m << 4;
            packed[s - 4] |= sc >> 4 << 6;
            packed[s] |= m >> 4 << 6;
        }
        let (step, zero) = (scale * f32::from(sc), offset * f32::from(m));
        q.extend(
            x.iter()
                .map(|x| ((x + zero) * inverse(step)).round().clamp(0.0, top) as u8),
        );
    }
    let mut out = [half(scale), half(offset)].concat();
    out.extend(packed);
    if format == Format::Q5_K {
        out.extend((0..32).map(|i| (0..8).fold(0, |bits, s| bits | (q[32 * s + i] >> 4) << s)));
    }
    out.extend((0..128).map(|i| {
        let (pair, i) = (i / 32, i % 32);
        q[64 * pair + i] & 15 | q[64 * pair + 32 + i] << 4
    }));
    out
}

fn six_piece(x: &[f32], half: impl Fn(f32) -> [u8; 2]) -> Vec<u8> {
    let scale = largest(x) / 31.0 / 127.0;
    let mut scales = Vec::new();
    let mut q = Vec::new();
    for (i, x) in x.chunks(16).enumerate() {
        // Scales of both signs: the integers take the other one.
        let sign = if i % 3 == 1 { -1.0 } else { 1.0 };
        let sc = (largest(x) / 31.0 * inverse(scale)).round().min(127.0) * sign;
        scales.push(sc as i8 as u8);
        let step = inverse(scale * sc);
        q.extend(
            x.iter()
                .map(|x| ((x * step).round().clamp(-32.0, 31.0) + 32.0) as u8),
        );
    }
    let at = |half: usize, quarter: usize, l: usize| q[128 * half + 32 * quarter + l];
    let mut out = Vec::new();
    for n in 0..2 {
        out.extend((0..64).map(|l| at(n, l / 32, l % 32) & 15 | at(n, 2 + l / 32, l % 32) << 4));
    }
    for n in 0..2 {
        out.extend((0..32).map(|l| (0..4).fold(0, |bits, k| bits | (at(n, k, l) >> 4) << (2 * k))));
    }
    out.extend(scales);
    out.extend(half(scale));
    out
}
