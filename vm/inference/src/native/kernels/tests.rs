//! Each level gives the portable kernel's bits, for every type and number of tokens, on plain and on hostile numbers.

use super::*;
use crate::native::pool::Pool;
use crate::tensors::{Format, Tensor};
use crate::testing::{Random, encode};
use std::num::NonZeroUsize;

fn product(level: Level, tensor: &Tensor, data: &[u8], x: &[f32], pool: &Pool) -> Vec<u32> {
    let columns = tensor.columns as usize;
    let x = Activations::new(level, x.to_vec(), columns).unwrap();
    let rows = tensor.rows as usize;
    let x = x.factors();
    let mut out = vec![1.5; x.tokens * rows];
    let matrix = Matrix::new(level, tensor, data, pool);
    for adds in [false, true] {
        let out = Out::new(&mut out, rows, adds);
        matrix.multiply((tensor, data), 0..rows, &x, &out, pool);
    }
    // Some rows alone are the same.
    let (from, to) = (rows / 3, rows - rows / 5);
    let mut part = vec![0.0; x.tokens * (to - from)];
    let slots = Out::new(&mut part, to - from, false);
    matrix.multiply((tensor, data), from..to, &x, &slots, pool);
    let mut whole = vec![0.0; x.tokens * rows];
    let slots = Out::new(&mut whole, rows, false);
    matrix.multiply((tensor, data), 0..rows, &x, &slots, pool);
    for (part, whole) in part.chunks(to - from).zip(whole.chunks(rows)) {
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        assert_eq!(bits(part), bits(&whole[from..to]));
    }
    out.iter().map(|x| x.to_bits()).collect()
}

/// Any bytes are weights: every integer at its limit, scales infinite, NaN, subnormal and zero.
fn hostile(format: Format, rows: u32, columns: u32, random: &mut Random) -> Vec<u8> {
    let bytes = format.row_bytes(columns) * rows;
    let mut data: Vec<u8> = (0..bytes).map(|_| random.bits() as u8).collect();
    let (_, piece) = format.piece();
    for piece in data.chunks_exact_mut(piece as usize) {
        match random.below(6) {
            0 => piece.fill(0x80),
            1 => piece.fill(0xff),
            2 => piece.fill(0x7f),
            3 => piece.fill(0),
            _ => {}
        }
        // Mostly finite scales, else every output is NaN.
        let scales = match format {
            Format::Q6_K => 208..210,
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => 0..2,
            Format::F32 | Format::F16 | Format::BF16 => 0..0,
            _ => 0..4,
        };
        if random.below(64) > 0 {
            for half in piece[scales].chunks_exact_mut(2) {
                half[1] &= 0xbb;
            }
        }
    }
    data
}

#[test]
fn every_level_gives_the_same_bits() {
    let mut random = Random(3);
    let pools = [1, 3].map(|n| Pool::new(NonZeroUsize::new(n).unwrap()));
    let mut compared = 0;
    for level in [Level::Avx2, Level::Avx512] {
        if !level.is_here() {
            eprintln!("SKIPPED: this processor lacks {level}; its kernels were not tested");
            continue;
        }
        for format in Format::ALL.iter().copied() {
            for (tokens, rows, columns) in [
                (1, 1, 256),
                (1, 33, 512),
                (2, 40, 256),
                (3, 17, 256),
                (5, 16, 1024),
                (8, 31, 256),
                (13, 8, 768),
                (31, 50, 256),
                (32, 64, 512),
                (70, 24, 256),
            ] {
                let tensor = Tensor {
                    format,
                    columns,
                    rows,
                    at: 0,
                };
                // The first token's integers are all 127, the last one's all -127: 16-bit sums are at their limits.
                let last = (tokens - 1) * columns;
                let x: Vec<f32> = (0..tokens * columns)
                    .map(|i| match random.below(9) {
                        _ if i < columns => 1.0,
                        _ if i >= last => -1.0,
                        0 => 0.0,
                        1 if i % 7 == 0 => 1e4,
                        2 => random.unit() * 1e-35,
                        _ => random.unit(),
                    })
                    .collect();
                let numbers: Vec<f32> = (0..rows * columns).map(|_| random.unit()).collect();
                let plain = encode(format, &numbers);
                for data in [plain, hostile(format, rows, columns, &mut random)] {
                    let want = product(Level::Portable, &tensor, &data, &x, &pools[0]);
                    for pool in &pools {
                        let got = product(level, &tensor, &data, &x, pool);
                        for (i, (a, b)) in want.iter().zip(&got).enumerate() {
                            let nan = |bits: u32| f32::from_bits(bits).is_nan();
                            // A NaN's payload is never seen: no NaN is ever kept.
                            assert!(
                                a == b || (nan(*a) && nan(*b)),
                                "{level} {format:?} {tokens} tokens, output {i}: {a:x} {b:x}"
                            );
                            compared += usize::from(!nan(*a));
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 10_000 || Level::best() == Level::Portable);
}
