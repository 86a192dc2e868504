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

/// Rows of floats: plain numbers, subnormal ones, huge ones, any bits, a few of them or none infinite or NaN.
fn hostile_floats(format: Format, rows: u32, columns: u32, random: &mut Random) -> Vec<u8> {
    // Sign, exponent and mantissa of the type's numbers as they lie at the top of 32 bits.
    let exponent: u32 = match format {
        Format::F16 => 0x7c00_0000,
        _ => 0x7f80_0000,
    };
    let lowest = exponent & exponent.wrapping_neg();
    let mut data = Vec::new();
    for _ in 0..rows {
        let kind = random.below(5);
        for _ in 0..columns {
            let any = random.bits() as u32;
            let finite = if any & exponent == exponent {
                any ^ lowest
            } else {
                any
            };
            let bits = match kind {
                // Subnormal.
                0 => any & !exponent,
                // Of one size, so that sums don't follow the largest alone.
                1 => (any & !exponent) | (exponent >> 1 & exponent),
                // The largest.
                2 => any | (exponent ^ lowest),
                3 if random.below(256) == 0 => any | exponent,
                _ => finite,
            };
            match format {
                Format::F32 => data.extend(bits.to_le_bytes()),
                _ => data.extend(((bits >> 16) as u16).to_le_bytes()),
            }
        }
    }
    data
}

/// Two levels' outputs are the same; gives how many of them are no NaN.
fn compare(what: &str, want: &[u32], got: &[u32]) -> usize {
    assert_eq!(want.len(), got.len());
    let nan = |bits: u32| f32::from_bits(bits).is_nan();
    for (i, (a, b)) in want.iter().zip(got).enumerate() {
        // A NaN's payload is never seen: no NaN is ever kept.
        assert!(
            a == b || (nan(*a) && nan(*b)),
            "{what}, output {i}: {a:x} {b:x}"
        );
    }
    want.iter().filter(|bits| !nan(**bits)).count()
}

/// The levels beside the portable one that this processor has.
fn levels() -> Vec<Level> {
    let (here, others): (Vec<Level>, Vec<Level>) =
        Level::ALL[1..].iter().partition(|l| l.is_here());
    let x86 = |level: &Level| matches!(level, Level::Avx2 | Level::Avx512);
    for level in others
        .into_iter()
        .filter(|level| x86(level) == cfg!(target_arch = "x86_64"))
    {
        eprintln!("SKIPPED: this processor lacks {level}; its kernels were not tested");
    }
    here
}

#[test]
fn the_best_level_is_the_one_that_is_meant() {
    let best = Level::best();
    assert!(best.is_here());
    let mut better = Level::ALL.into_iter().skip_while(|l| *l != best).skip(1);
    assert!(
        better.all(|level| !level.is_here()),
        "{best} is not the best"
    );
    // Who tests a certain level says so: an emulated processor may lack what it was chosen for.
    if let Ok(name) = std::env::var("ASSAY_BEST_LEVEL") {
        assert_eq!(Level::best().to_string(), name);
    }
    if cfg!(target_arch = "aarch64") {
        assert!(Level::Neon.is_here());
    }
}

#[test]
fn every_level_gives_the_same_bits() {
    let mut random = Random(3);
    let pools = [1, 3].map(|n| Pool::new(NonZeroUsize::new(n).unwrap()));
    let mut compared = 0;
    let any_width = [(1, 40, 1), (9, 70, 7), (15, 35, 250), (4, 64, 33)];
    for (level, format) in levels()
        .into_iter()
        .flat_map(|level| Format::ALL.iter().map(move |format| (level, *format)))
    {
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
        ]
        .into_iter()
        .chain(any_width.into_iter().filter(|_| format.is_float()))
        {
            let tensor = Tensor {
                format,
                columns,
                rows,
                at: 0,
            };
            // Quantizing refuses what isn't finite; rows of these widths are never quantized.
            let wild = columns % 32 != 0;
            // The first token's integers are all 127, the last one's all -127: 16-bit sums are at their limits.
            let last = (tokens - 1) * columns;
            let x: Vec<f32> = (0..tokens * columns)
                .map(|i| match random.below(9) {
                    3 if wild && i % 5 == 0 => {
                        let any = f32::from_bits(random.bits() as u32);
                        [f32::INFINITY, f32::NAN, 1e-40, -0.0, f32::MAX, any]
                            [random.below(6) as usize]
                    }
                    _ if i < columns => 1.0,
                    _ if i >= last => -1.0,
                    0 => 0.0,
                    1 if i % 7 == 0 => 1e4,
                    2 => random.unit() * 1e-35,
                    _ => random.unit(),
                })
                .collect();
            let numbers: Vec<f32> = (0..rows * columns).map(|_| random.unit()).collect();
            let hostile = if format.is_float() {
                hostile_floats(format, rows, columns, &mut random)
            } else {
                hostile(format, rows, columns, &mut random)
            };
            for data in [encode(format, &numbers), hostile] {
                let want = product(Level::Portable, &tensor, &data, &x, &pools[0]);
                for pool in &pools {
                    let got = product(level, &tensor, &data, &x, pool);
                    let what = format!("{level} {format:?} {tokens} tokens of {columns}");
                    compared += compare(&what, &want, &got);
                }
            }
        }
    }
    assert!(compared > 10_000 || Level::best() == Level::Portable);
}

/// Each of the 65,536 numbers of 16 bits, infinities, NaN and subnormals too, alone in a row.
#[test]
fn every_short_float_is_widened_exactly() {
    let pool = Pool::new(NonZeroUsize::new(1).unwrap());
    let data: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let levels = levels();
    for format in [Format::F16, Format::BF16] {
        let tensor = Tensor {
            format,
            columns: 1,
            rows: 1 << 16,
            at: 0,
        };
        // Two to the 100th shows all that subnormals have left.
        for x in [
            vec![1.0],
            vec![-1.0; 2],
            vec![2f32.powi(100); 4],
            vec![1.0; 8],
        ] {
            let want = product(Level::Portable, &tensor, &data, &x, &pool);
            for &level in &levels {
                let got = product(level, &tensor, &data, &x, &pool);
                let same = compare(&format!("{level} {format:?}"), &want, &got);
                assert!(same > x.len() * 60_000);
            }
        }
    }
}
