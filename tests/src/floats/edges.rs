//! Numbers and integers at which implementations go wrong.

use super::format::{F32, F64, Format};

/// At least 200 numbers of a format, each with both signs: subnormals, powers of two with their neighbours, halves, limits
/// of the integer types and of the other format, NaNs.
pub fn numbers(format: Format) -> Vec<u64> {
    let mut magnitudes = subnormals(format);
    magnitudes.extend(powers(format));
    magnitudes.extend(fractions(format));
    magnitudes.extend(limits(format));
    if format == F64 {
        magnitudes.extend(borders_of_f32());
    }
    let (infinity, quiet) = (format.infinity(), format.hidden() >> 1);
    let payloads = [0, 1, quiet - 1, quiet, quiet + 1, format.hidden() - 1];
    magnitudes.extend(payloads.map(|payload| infinity | payload));
    both_signs(format, magnitudes)
}

fn both_signs(format: Format, magnitudes: Vec<u64>) -> Vec<u64> {
    let mut out: Vec<u64> = magnitudes
        .into_iter()
        .flat_map(|m| [m, m | format.sign()])
        .collect();
    out.sort_unstable();
    out.dedup();
    out
}

fn subnormals(format: Format) -> Vec<u64> {
    let least = format.hidden();
    vec![
        0,
        1,
        2,
        3,
        5,
        least / 4 - 1,
        least / 2 - 1,
        least / 2,
        least / 2 + 1,
        least - 2,
        least - 1,
        2 * least - 1,
    ]
}

/// Powers of two at which something happens, and the numbers on either side.
fn powers(format: Format) -> Vec<u64> {
    let (p, bias) = (format.fraction_bits as i32, format.bias());
    // Its square is the least subnormal, or half of it.
    let root = -(bias + p - 1) / 2;
    let small = [
        -bias + 1,
        -bias + 2,
        -bias + p,
        root - 1,
        root,
        -p - 2,
        -p - 1,
        -p,
    ];
    let near_one = [-2, -1, 0, 1, 2, 3, p - 1, p, p + 1, p + 2];
    // From 2^256 on nothing is left of an integer in the EVM's words.
    let integers = [8, 16, 29, 30, 31, 32, 33, 62, 63, 64, 65, 255, 256, 257];
    let large = [bias / 2, bias / 2 + 1, bias - p, bias - 1, bias];
    small
        .into_iter()
        .chain(near_one)
        .chain(integers)
        .chain(large)
        .map(|power| format.power(power))
        .flat_map(|n| [n - 1, n, n + 1])
        .collect()
}

/// Halves, and fractions of one kind of bit.
fn fractions(format: Format) -> Vec<u64> {
    let (one, hidden) = (format.power(0), format.hidden());
    let patterns = [
        one | (hidden / 2),
        one | (hidden / 4 * 3),
        one | ((hidden - 1) / 3),
        one | ((hidden - 1) / 3 * 2),
        // 2.5, 3, 3.5, 4.5, 5, 6, 7
        format.power(1) | (hidden / 4),
        format.power(1) | (hidden / 2),
        format.power(1) | (hidden / 4 * 3),
        format.power(2) | (hidden / 8),
        format.power(2) | (hidden / 4),
        format.power(2) | (hidden / 2),
        format.power(2) | (hidden / 4 * 3),
        // The last number with a half, and one with a quarter.
        format.power(format.fraction_bits as i32 - 1) | 1,
        format.power(format.fraction_bits as i32 - 2) | 1,
        // Short and long significands of small numbers.
        format.exponent(2) | (hidden / 3),
        format.exponent(1) | 3,
        format.exponent(format.exponents() - 2) | (hidden / 3),
    ];
    patterns.to_vec()
}

/// The integer types' limits, with what is a half and a whole beyond them, as near as the format has them.
fn limits(format: Format) -> Vec<u64> {
    [31, 32, 63, 64]
        .into_iter()
        .flat_map(|bits| {
            let limit = 2f64.powi(bits);
            [-1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0].map(|beyond| limit + beyond)
        })
        .map(|limit| match format {
            F32 => u64::from((limit as f32).to_bits()),
            _ => limit.to_bits(),
        })
        .collect()
}

/// Where f64 is narrowed to another f32: each at a tie and beside it.
fn borders_of_f32() -> Vec<u64> {
    let f32s = [
        0u32,
        1,
        2,
        0x003f_ffff,
        0x007f_fffe,
        0x007f_ffff,
        0x0080_0000,
        0x0080_0001,
        0x3f7f_ffff,
        0x3f80_0000,
        0x3f80_0001,
        0x7f7f_fffe,
        0x7f7f_ffff,
    ];
    f32s.into_iter()
        .flat_map(|bits| {
            let here = f64::from(f32::from_bits(bits));
            let next = match bits {
                0x7f7f_ffff => 2f64.powi(128),
                _ => f64::from(f32::from_bits(bits + 1)),
            };
            // Exact: one more bit than f32 has.
            let tie = ((here + next) / 2.0).to_bits();
            [here.to_bits(), tie - 1, tie, tie + 1]
        })
        .collect()
}

/// Integers at which conversions to either format round, or change their sign.
pub fn integers() -> Vec<u64> {
    let mut out = vec![0, 1, u64::MAX];
    for bit in 0..64 {
        let power = 1u64 << bit;
        // Half a last bit of the floats from this power on.
        for half in [
            power >> (F32.fraction_bits + 1),
            power >> (F64.fraction_bits + 1),
        ] {
            for step in [0, 1, half, half + 1, half.wrapping_sub(1), 3 * half] {
                let (above, below) = (power.wrapping_add(step), power.wrapping_sub(step));
                out.extend([above, below, above.wrapping_neg(), below.wrapping_neg()]);
            }
        }
    }
    // Limits of i32 and u32 lie in cells whose high half is anything.
    out.extend([0x8000_0000, 0x7fff_ffff, 0xffff_ffff].map(|n| n | 0xdead_beef << 32));
    out.sort_unstable();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_edges_and_none_is_outside_its_format() {
        for format in [F32, F64] {
            let edges = numbers(format);
            assert!(edges.len() >= 200, "{}", edges.len());
            assert!(edges.iter().all(|n| n & !format.mask() == 0));
        }
        assert!(integers().len() >= 200);
    }
}
