//! Families 4, 5, 8 and 9 against this machine's hardware, operator by operator.

use crate::state::{A, B, D, State, instr, set_cell, set_vector, step, vector};
use assay_machine::isa::{Format, Op};
use assay_machine::machine::Machine;
use assay_types::Status;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cmp::Ordering;

/// A result in a cell; `None` traps.
type Scalar = Option<u64>;

/// The operators of one float type, on the bits of their operands.
macro_rules! hardware {
    ($module:ident $float:ident $bits:ident $nan:literal) => {
        mod $module {
            use super::*;

            fn of(cell: u64) -> $float {
                $float::from_bits(cell as $bits)
            }

            /// A result of arithmetic: a NaN is the canonical one.
            pub fn arithmetic(value: $float) -> Scalar {
                Some(match value.is_nan() {
                    true => $nan,
                    false => value.to_bits().into(),
                })
            }

            /// IEEE 754-2019 `minimum`, by cases.
            fn minimum(a: $float, b: $float) -> $float {
                match (a.partial_cmp(&b), a.is_sign_negative()) {
                    (None, _) => $float::NAN,
                    (Some(Ordering::Less), _) | (Some(Ordering::Equal), true) => a,
                    _ => b,
                }
            }

            fn truncated(a: u64, low: i128, high: i128) -> Scalar {
                let t = f64::from(of(a)).trunc();
                // Below 2^100 an i128 is exact.
                let fits = t.abs() < 2f64.powi(100) && (low..=high).contains(&(t as i128));
                fits.then_some(t as i128 as u64)
            }

            fn saturated(a: u64, low: i128, high: i128) -> Scalar {
                let t = f64::from(of(a)).trunc();
                let bound = 2f64.powi(100);
                let t = if t.is_nan() {
                    0.0
                } else {
                    t.clamp(-bound, bound)
                };
                Some((t as i128).clamp(low, high) as u64)
            }

            const SIGN: u64 = 1 << ($bits::BITS - 1);
            const I32: (i128, i128) = (i32::MIN as i128, i32::MAX as i128);
            const U32: (i128, i128) = (0, u32::MAX as i128);
            const I64: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
            const U64: (i128, i128) = (0, u64::MAX as i128);

            /// The operator of this name on cells.
            pub fn scalar(name: &str, a: u64, b: u64) -> Scalar {
                let (x, y) = (of(a), of(b));
                let flag = |flag: bool| Some(u64::from(flag));
                let low = |value: Scalar| value.map(|v| v & 0xffff_ffff);
                let bits = |value: u64| Some(value & ($bits::MAX as u64));
                match name {
                    "eq" => flag(x == y),
                    "ne" => flag(x != y),
                    "lt" => flag(x < y),
                    "gt" => flag(x > y),
                    "le" => flag(x <= y),
                    "ge" => flag(x >= y),
                    "abs" => bits(a & !SIGN),
                    "neg" => bits(a ^ SIGN),
                    "copysign" => bits(a & !SIGN | b & SIGN),
                    "ceil" => arithmetic(x.ceil()),
                    "floor" => arithmetic(x.floor()),
                    "trunc" => arithmetic(x.trunc()),
                    "nearest" => arithmetic(x.round_ties_even()),
                    "sqrt" => arithmetic(x.sqrt()),
                    "add" => arithmetic(x + y),
                    "sub" => arithmetic(x - y),
                    "mul" => arithmetic(x * y),
                    "div" => arithmetic(x / y),
                    "min" => arithmetic(minimum(x, y)),
                    "max" => arithmetic(-minimum(-x, -y)),
                    "pmin" => bits(if y < x { b } else { a }),
                    "pmax" => bits(if x < y { b } else { a }),
                    "i32_s" => low(truncated(a, I32.0, I32.1)),
                    "i32_u" => truncated(a, U32.0, U32.1),
                    "i64_s" => truncated(a, I64.0, I64.1),
                    "i64_u" => truncated(a, U64.0, U64.1),
                    "sat_i32_s" => low(saturated(a, I32.0, I32.1)),
                    "sat_i32_u" => saturated(a, U32.0, U32.1),
                    "sat_i64_s" => saturated(a, I64.0, I64.1),
                    "sat_i64_u" => saturated(a, U64.0, U64.1),
                    "from_i32_s" => arithmetic(a as i32 as $float),
                    "from_i32_u" => arithmetic(a as u32 as $float),
                    "from_i64_s" => arithmetic(a as i64 as $float),
                    "from_i64_u" => arithmetic(a as $float),
                    _ => panic!("{name} has no reference"),
                }
            }
        }
    };
}
hardware!(single f32 u32 0x7fc0_0000);
hardware!(double f64 u64 0x7ff8_0000_0000_0000);

/// The operator's name here, for what is `i32.trunc_f32_s` or `f32x4.convert_i32x4_s` there.
fn plain_name(op: Op) -> String {
    let (ty, name) = op.mnemonic().split_once('.').expect("type and operator");
    let sign = if name.contains("_u") { "u" } else { "s" };
    if name.starts_with("trunc_sat") {
        format!("sat_{}_{sign}", &ty[..3])
    } else if name.starts_with("trunc_f") {
        format!("{}_{sign}", &ty[..3])
    } else if name.starts_with("convert") {
        let from = if name.contains("i64") { "i64" } else { "i32" };
        format!("from_{from}_{sign}")
    } else {
        name.to_owned()
    }
}

fn demoted(a: u64) -> Scalar {
    single::arithmetic(f64::from_bits(a) as f32)
}

fn promoted(a: u64) -> Scalar {
    double::arithmetic(f32::from_bits(a as u32).into())
}

fn scalar_reference(op: Op, a: u64, b: u64) -> Scalar {
    match op {
        Op::F32DemoteF64 => demoted(a),
        Op::F64PromoteF32 => promoted(a),
        _ if op as u16 >> 8 == 4 => single::scalar(&plain_name(op), a, b),
        _ => double::scalar(&plain_name(op), a, b),
    }
}

/// The scalar on each lane.
fn vector_reference(op: Op, a: u128, b: u128) -> u128 {
    let name = plain_name(op);
    let singles = |v: u128| [0, 1, 2, 3].map(|i| u64::from((v >> (32 * i)) as u32));
    let doubles = |v: u128| [v as u64, (v >> 64) as u64];
    let join = |bits: u32, all: &[u64]| {
        (0..)
            .zip(all)
            .fold(0, |v, (i, x)| v | u128::from(*x) << (bits * i))
    };
    let compares = matches!(name.as_str(), "eq" | "ne" | "lt" | "gt" | "le" | "ge");
    let (a4, b4, a2, b2) = (singles(a), singles(b), doubles(a), doubles(b));
    let total = |x: Scalar| x.expect("no lane traps");
    match op {
        Op::F32x4DemoteF64x2Zero => join(32, &a2.map(|x| total(demoted(x)))),
        Op::F64x2PromoteLowF32x4 => join(64, &[a4[0], a4[1]].map(|x| total(promoted(x)))),
        Op::F64x2ConvertLowI32x4S | Op::F64x2ConvertLowI32x4U => join(
            64,
            &[a4[0], a4[1]].map(|x| total(double::scalar(&name, x, 0))),
        ),
        Op::I32x4TruncSatF64x2SZero | Op::I32x4TruncSatF64x2UZero => {
            join(32, &a2.map(|x| total(double::scalar(&name, x, 0))))
        }
        _ if op as u16 >> 8 == 8 => {
            let lane = |i: usize| total(single::scalar(&name, a4[i], b4[i]));
            let all = if compares { 0xffff_ffff } else { 1 };
            join(32, &[0, 1, 2, 3].map(|i| lane(i) * all))
        }
        _ => {
            let lane = |i: usize| total(double::scalar(&name, a2[i], b2[i]));
            let all = if compares { u64::MAX } else { 1 };
            join(64, &[0, 1].map(|i| lane(i) * all))
        }
    }
}

/// Bits at which implementations go wrong, of either sign.
fn edges32() -> Vec<u64> {
    let magnitudes = [
        0u32,
        1,
        2,
        0x0040_0000,
        0x007f_ffff,
        0x0080_0000,
        0x0080_0001,
        0x1f80_0000,
        0x3380_0000,
        0x3400_0000,
        0x3eff_ffff,
        0x3f00_0000,
        0x3f00_0001,
        0x3f7f_ffff,
        0x3f80_0000,
        0x3f80_0001,
        0x3fc0_0000,
        0x4020_0000,
        0x4060_0000,
        0x4b00_0000,
        0x4b00_0001,
        0x4b7f_ffff,
        0x4eff_ffff,
        0x4f00_0000,
        0x4f00_0001,
        0x4f7f_ffff,
        0x4f80_0000,
        0x5eff_ffff,
        0x5f00_0000,
        0x5f00_0001,
        0x5f7f_ffff,
        0x5f80_0000,
        0x7f7f_ffff,
        0x7f80_0000,
        0x7f80_0001,
        0x7fc0_0000,
        0x7fff_ffff,
    ];
    let both = |m: u32| [m.into(), (m | 0x8000_0000).into()];
    magnitudes.into_iter().flat_map(both).collect()
}

/// The same for f64, with the borders of f32 and of the integers.
fn edges64() -> Vec<u64> {
    let powers = [
        -1075, -1074, -1023, -1022, -150, -149, -127, -126, -54, -53, -52, -25, -24, -1, 0, 1,
    ]
    .into_iter()
    .chain([23, 24, 31, 32, 52, 53, 63, 64, 127, 128, 511, 1023]);
    let near = |power: i32| {
        let bits = 2f64.powi(power).to_bits();
        // Neighbours of the power, of its half steps in f32, and of its ties in f32.
        let tie = bits | 1 << 28;
        let f32_step = bits | 1 << 29;
        [
            bits.saturating_sub(1),
            bits,
            bits + 1,
            tie - 1,
            tie,
            tie + 1,
            f32_step | 1 << 28,
            bits | 1 << 51,
        ]
    };
    let integers = [
        2147483647.0,
        2147483648.5,
        2147483649.0,
        4294967295.5,
        2.5,
        3.5,
        0.49999999999999994,
    ];
    let specials = [
        0,
        0x7fef_ffff_ffff_ffff,
        0x47ef_ffff_e000_0000,
        0x47ef_ffff_f000_0000,
        0x47ef_ffff_efff_ffff,
    ];
    let nans = [
        0x7ff0_0000_0000_0000u64,
        0x7ff0_0000_0000_0001,
        0x7ff8_0000_0000_0000,
        0x7fff_ffff_ffff_ffff,
    ];
    let all = powers
        .flat_map(near)
        .chain(integers.map(f64::to_bits))
        .chain(specials)
        .chain(nans);
    all.flat_map(|m| [m, m | 1 << 63]).collect()
}

/// Bits whose exponents are near each other's, so that sums cancel and products meet borders.
fn directed(rng: &mut SmallRng, wide: bool) -> (u64, u64) {
    let (mantissa, greatest, bias) = if wide {
        (52, 0x7ff, 1023)
    } else {
        (23, 0xff, 127)
    };
    let make = |rng: &mut SmallRng, exponent: i32| {
        let short = if rng.random() {
            u64::MAX << (mantissa / 2)
        } else {
            u64::MAX
        };
        let fraction = rng.random::<u64>() & ((1 << mantissa) - 1) & short;
        let exponent = exponent.clamp(0, greatest) as u64;
        u64::from(rng.random::<bool>()) << (if wide { 63 } else { 31 })
            | exponent << mantissa
            | fraction
    };
    let first = match rng.random_range(0..3) {
        0 => rng.random_range(0..=greatest),
        // Where integers and roundings are.
        1 => bias + rng.random_range(-3..66),
        _ => rng.random_range(0..3),
    };
    let second = match rng.random_range(0..4) {
        0 => rng.random_range(0..=greatest),
        1 => first + rng.random_range(-mantissa..=mantissa),
        2 => bias - first + rng.random_range(-3..3),
        _ => 3 * bias - first + rng.random_range(-3..3),
    };
    (make(rng, first), make(rng, second))
}

/// Pairs of cells for an operator on f64 (`wide`) or f32: all pairs of edges, integers, then random ones.
fn pairs(op: Op, wide: bool, rng: &mut SmallRng) -> Vec<(u64, u64)> {
    let edges = if wide { edges64() } else { edges32() };
    // High halves of cells are not read for an f32.
    let dirt = if wide { 0 } else { 0xdead_beef_0000_0000 };
    let unary = matches!(op.format(), Format::Unary | Format::VecUnary);
    let others = if unary { &edges[..1] } else { &edges[..] };
    let mut out: Vec<(u64, u64)> = edges
        .iter()
        .flat_map(|&a| others.iter().map(move |&b| (a | dirt, b)))
        .collect();
    for bit in 0..64 {
        let power = 1u64 << bit;
        let steps = [
            0,
            1,
            power >> 24,
            (power >> 24) + 1,
            power >> 53,
            (power >> 53) + 1,
            3 * (power >> 24),
        ];
        out.extend(
            steps
                .iter()
                .flat_map(|s| [(power.wrapping_add(*s), 0), (power.wrapping_sub(*s), 0)]),
        );
        out.extend(
            steps
                .iter()
                .map(|s| (power.wrapping_add(*s).wrapping_neg(), 0)),
        );
    }
    out.extend((0..2000).map(|_| directed(rng, wide)));
    out
}

fn machine(op: Op) -> Machine {
    State::new(vec![instr(op, D, A, B, 0)]).machine()
}

fn run(machine: &mut Machine, in_all_ways: bool) -> Status {
    machine.cpu.pc = 0;
    machine.cpu.status = Status::Running;
    if in_all_ways {
        step(machine);
    } else {
        machine.run(1, 1);
    }
    machine.cpu.status
}

/// Whether the operand is an f64; else it is an f32 (or an integer).
fn reads_f64(op: Op) -> bool {
    match op {
        Op::F32DemoteF64 | Op::F32x4DemoteF64x2Zero => true,
        Op::F64PromoteF32 | Op::F64x2PromoteLowF32x4 => false,
        _ => matches!(op as u16 >> 8, 5 | 9),
    }
}

#[test]
fn every_scalar_equals_the_hardware() {
    let mut rng = SmallRng::seed_from_u64(0xf64);
    let scalars = Op::ALL
        .iter()
        .filter(|op| matches!(**op as u16 >> 8, 4 | 5));
    let mut traps = 0;
    for &op in scalars {
        let mut machine = machine(op);
        for (i, (a, b)) in pairs(op, reads_f64(op), &mut rng).into_iter().enumerate() {
            set_cell(&mut machine, A.into(), a);
            set_cell(&mut machine, B.into(), b);
            let status = run(&mut machine, i % 1009 == 0);
            let got = (status == Status::Running).then(|| machine.stack.get(D.into()));
            let want = scalar_reference(op, a, b);
            assert_eq!(
                got,
                want,
                "{}({a:#x}, {b:#x}): {got:x?}, not {want:x?}",
                op.mnemonic()
            );
            traps += u32::from(want.is_none());
        }
    }
    assert!(traps > 1000, "{traps}");
}

#[test]
fn every_lane_equals_the_hardware() {
    let mut rng = SmallRng::seed_from_u64(0x128);
    let vectors = Op::ALL
        .iter()
        .filter(|op| matches!(**op as u16 >> 8, 8 | 9));
    for &op in vectors {
        let mut machine = machine(op);
        let wide = reads_f64(op);
        let (bits, lanes) = if wide { (64, 2) } else { (32, 4) };
        let pairs = pairs(op, wide, &mut rng);
        for (i, chunk) in pairs.chunks(lanes).enumerate() {
            let join = |f: fn(&(u64, u64)) -> u64| {
                let lane = |x: &(u64, u64)| u128::from(f(x)) & ((1 << bits) - 1);
                (0..)
                    .zip(chunk)
                    .fold(0, |v, (i, x)| v | lane(x) << (bits * i))
            };
            let (a, b) = (join(|x| x.0), join(|x| x.1));
            set_vector(&mut machine, A, a);
            set_vector(&mut machine, B, b);
            assert_eq!(run(&mut machine, i % 1009 == 0), Status::Running);
            let (got, want) = (vector(&machine, D), vector_reference(op, a, b));
            assert!(
                got == want,
                "{}({a:#x}, {b:#x}): {got:#x}, not {want:#x}",
                op.mnemonic()
            );
        }
    }
}

/// Signs, ties and payloads that a mistake is likeliest in, as numbers anyone can check.
#[test]
fn a_few_results_by_hand() {
    let scalar = |op: Op, a: u64, b: u64| {
        let state = State::new(vec![instr(op, D, A, B, 0)]);
        let after = state.cells(A.into(), [a]).cells(B.into(), [b]).step();
        after.stack.get(D.into())
    };
    let (minus_0, nan) = (1u64 << 63, 0x7ff8_0000_0000_0000u64);
    assert_eq!(scalar(Op::F64Min, 0, minus_0), minus_0);
    assert_eq!(scalar(Op::F64Max, minus_0, 0), 0);
    assert_eq!(scalar(Op::F64Min, nan | 5 | minus_0, 0), nan);
    assert_eq!(scalar(Op::F64Neg, nan | 5, 0), nan | 5 | minus_0);
    assert_eq!(scalar(Op::F64Nearest, 2.5f64.to_bits(), 0), 2f64.to_bits());
    assert_eq!(scalar(Op::F64Nearest, (-0.5f64).to_bits(), 0), minus_0);
    assert_eq!(scalar(Op::F64PromoteF32, 0x7f80_0001, 0), nan);
    assert_eq!(scalar(Op::F32DemoteF64, nan | minus_0 | 1, 0), 0x7fc0_0000);
    assert_eq!(
        scalar(Op::F64Add, 0.1f64.to_bits(), 0.2f64.to_bits()),
        0x3fd3_3333_3333_3334
    );
    let lanes = |op: Op, a: [u64; 2], b: [u64; 2]| {
        let state = State::new(vec![instr(op, D, A, B, 0)]);
        let after = state.cells(A.into(), a).cells(B.into(), b).step();
        [D, D + 1].map(|i| after.stack.get(i.into()))
    };
    let payload = nan | 5 | minus_0;
    assert_eq!(
        lanes(Op::F64x2PMin, [payload, 0], [0, minus_0]),
        [payload, 0]
    );
    assert_eq!(lanes(Op::F64x2PMax, [0, 1], [payload, 2]), [0, 2]);
    assert_eq!(
        lanes(Op::F64x2Min, [payload, 0], [0, minus_0]),
        [nan, minus_0]
    );
    assert_eq!(
        lanes(Op::F64x2Abs, [payload, minus_0], [0, 0]),
        [nan | 5, 0]
    );
}
