//! Solidity's f32 against this machine's, operator by operator.
//!
//! Every operator: all pairs of edge values, then seeded directed-random vectors, 50,000 of them or `ASSAY_VECTORS`.
//! The expected values come from hardware operators here, not from `vm/machine`.

use alloy::primitives::Address;
use alloy::sol;
use assay_machine::isa::Op;
use assay_tests::artifacts::artifact;
use assay_tests::evm::Evm;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

sol! {
    function run(uint256 op, bytes vectors) external pure returns (bytes results);
}

/// Vectors in one EVM call: about 8M gas for the dearest operator.
const BATCH: usize = 2000;

/// An operator's result on two cells; `None` traps.
type Reference = fn(u64, u64) -> Option<u64>;

fn f(cell: u64) -> f32 {
    f32::from_bits(cell as u32)
}

/// A result of arithmetic: a NaN is the canonical one.
fn arithmetic(value: f32) -> Option<u64> {
    Some(u64::from(if value.is_nan() {
        0x7fc0_0000
    } else {
        value.to_bits()
    }))
}

fn flag(value: bool) -> Option<u64> {
    Some(u64::from(value))
}

fn bits(value: u32) -> Option<u64> {
    Some(u64::from(value))
}

/// IEEE 754-2019 `minimum`, by cases.
fn minimum(a: f32, b: f32) -> f32 {
    match (a.partial_cmp(&b), a.is_sign_negative()) {
        (None, _) => f32::NAN,
        (Some(std::cmp::Ordering::Less), _) | (Some(std::cmp::Ordering::Equal), true) => a,
        _ => b,
    }
}

fn maximum(a: f32, b: f32) -> f32 {
    -minimum(-a, -b)
}

/// Exact in f64, so that the range check is plain.
fn truncated(a: u64, low: f64, high: f64) -> Option<i128> {
    let t = f64::from(f(a)).trunc();
    (t >= low && t <= high).then_some(t as i128)
}

const I32: (f64, f64) = (-2_147_483_648.0, 2_147_483_647.0);
const U32: (f64, f64) = (0.0, 4_294_967_295.0);
/// The largest f32 below 2^63, 2^64.
const I64: (f64, f64) = (-9_223_372_036_854_775_808.0, 9_223_371_487_098_961_920.0);
const U64: (f64, f64) = (0.0, 18_446_742_974_197_923_840.0);

fn saturated(a: u64, low: i128, high: i128) -> Option<i128> {
    let x = f(a);
    if x.is_nan() {
        return Some(0);
    }
    // Beyond 2^100 every bound is passed; below, i128 is exact.
    let clamped = f64::from(x)
        .trunc()
        .clamp(-(2f64.powi(100)), 2f64.powi(100));
    Some((clamped as i128).clamp(low, high))
}

/// The operator's reference; `None` if it is not of the float family.
#[rustfmt::skip]
fn reference(op: Op) -> Option<Reference> {
    Some(match op {
        Op::F32Eq => |a, b| flag(f(a) == f(b)),
        Op::F32Ne => |a, b| flag(f(a) != f(b)),
        Op::F32Lt => |a, b| flag(f(a) < f(b)),
        Op::F32Gt => |a, b| flag(f(a) > f(b)),
        Op::F32Le => |a, b| flag(f(a) <= f(b)),
        Op::F32Ge => |a, b| flag(f(a) >= f(b)),
        Op::F32Abs => |a, _| bits(a as u32 & 0x7fff_ffff),
        Op::F32Neg => |a, _| bits(a as u32 ^ 0x8000_0000),
        Op::F32Copysign => |a, b| bits(a as u32 & 0x7fff_ffff | b as u32 & 0x8000_0000),
        Op::F32Ceil => |a, _| arithmetic(f(a).ceil()),
        Op::F32Floor => |a, _| arithmetic(f(a).floor()),
        Op::F32Trunc => |a, _| arithmetic(f(a).trunc()),
        Op::F32Nearest => |a, _| arithmetic(f(a).round_ties_even()),
        Op::F32Sqrt => |a, _| arithmetic(f(a).sqrt()),
        Op::F32Add => |a, b| arithmetic(f(a) + f(b)),
        Op::F32Sub => |a, b| arithmetic(f(a) - f(b)),
        Op::F32Mul => |a, b| arithmetic(f(a) * f(b)),
        Op::F32Div => |a, b| arithmetic(f(a) / f(b)),
        Op::F32Min => |a, b| arithmetic(minimum(f(a), f(b))),
        Op::F32Max => |a, b| arithmetic(maximum(f(a), f(b))),
        Op::I32TruncF32S => |a, _| truncated(a, I32.0, I32.1).map(|v| u64::from(v as u32)),
        Op::I32TruncF32U => |a, _| truncated(a, U32.0, U32.1).map(|v| v as u64),
        Op::I64TruncF32S => |a, _| truncated(a, I64.0, I64.1).map(|v| v as u64),
        Op::I64TruncF32U => |a, _| truncated(a, U64.0, U64.1).map(|v| v as u64),
        Op::I32TruncSatF32S => |a, _| saturated(a, i32::MIN.into(), i32::MAX.into()).map(|v| u64::from(v as u32)),
        Op::I32TruncSatF32U => |a, _| saturated(a, 0, u32::MAX.into()).map(|v| v as u64),
        Op::I64TruncSatF32S => |a, _| saturated(a, i64::MIN.into(), i64::MAX.into()).map(|v| v as u64),
        Op::I64TruncSatF32U => |a, _| saturated(a, 0, u64::MAX.into()).map(|v| v as u64),
        Op::F32ConvertI32S => |a, _| bits((a as i32 as f32).to_bits()),
        Op::F32ConvertI32U => |a, _| bits((a as u32 as f32).to_bits()),
        Op::F32ConvertI64S => |a, _| bits((a as i64 as f32).to_bits()),
        Op::F32ConvertI64U => |a, _| bits((a as f32).to_bits()),
        _ => return None,
    })
}

/// Bit patterns at which implementations go wrong; each also with its sign flipped.
fn edge_values() -> Vec<u64> {
    let magnitudes: [u32; 40] = [
        0,
        1,
        2,
        3,
        0x0040_0000, // half of the least normal
        0x007f_fffe,
        0x007f_ffff, // greatest subnormal
        0x0080_0000, // least normal
        0x0080_0001,
        0x0100_0000,
        0x0c00_0000, // 2^-103
        0x1f80_0000, // 2^-64: squares to a subnormal
        0x2000_0001,
        0x3380_0000, // 2^-24: half an ulp of 1
        0x3380_0001,
        0x3400_0000, // 2^-23: an ulp of 1
        0x3eff_ffff,
        0x3f00_0000, // 0.5
        0x3f00_0001,
        0x3f7f_ffff, // 1 less an ulp
        0x3f80_0000, // 1
        0x3f80_0001,
        0x3fc0_0000, // 1.5
        0x4020_0000, // 2.5
        0x4040_0000, // 3
        0x4060_0000, // 3.5
        0x4b00_0000, // 2^23
        0x4b00_0001,
        0x4b7f_ffff,
        0x4b80_0000, // 2^24
        0x4eff_ffff, // last below 2^31
        0x4f00_0000, // 2^31
        0x4f7f_ffff, // last below 2^32
        0x4f80_0000, // 2^32
        0x5eff_ffff, // last below 2^63
        0x5f00_0000, // 2^63
        0x5f80_0000, // 2^64
        0x7f7f_ffff, // greatest
        0x7f80_0000, // infinity
        0x7fc0_0000, // canonical NaN
    ];
    let nans = [0x7f80_0001u32, 0x7fff_ffff];
    let all = magnitudes.into_iter().chain(nans);
    all.flat_map(|m| [u64::from(m), u64::from(m | 0x8000_0000)])
        .collect()
}

/// Integers at which conversions round or saturate.
fn edge_integers() -> Vec<u64> {
    let mut out = vec![0, 1, u64::MAX];
    for bit in [8, 22, 23, 24, 25, 26, 31, 32, 33, 39, 40, 47, 62, 63] {
        let power = 1u64 << bit;
        let half_ulp = power >> 24;
        for step in [0, 1, half_ulp, half_ulp + 1, 3 * half_ulp] {
            out.extend([
                power + step,
                power.wrapping_sub(step),
                power.wrapping_neg().wrapping_sub(step),
            ]);
        }
    }
    out
}

/// A pair that is likelier than a uniform one to meet a carry, a tie, a cancellation or a border.
fn directed(rng: &mut SmallRng) -> (u64, u64) {
    let a = rng.next_u32();
    let near = |rng: &mut SmallRng, exponent: i32| {
        let e = (exponent + rng.random_range(-26..=26)).clamp(0, 255) as u32;
        rng.next_u32() & 0x807f_ffff | e << 23
    };
    let exponent = (a >> 23 & 0xff) as i32;
    let b = match rng.random_range(0..8) {
        0 => rng.next_u32(),
        1 => near(rng, exponent),
        // Cancellation down to a few bits.
        2 => (a ^ 0x8000_0000).wrapping_add(rng.random_range(0..8)),
        // The product, or the quotient, near the least normal, and near the greatest.
        3 => near(rng, 127 - exponent),
        4 => near(rng, 127 + exponent),
        5 => near(rng, 381 - exponent),
        // Short significands tie.
        6 => near(rng, exponent) & 0xffff_0000,
        _ => rng.next_u32() & 0x807f_ffff,
    };
    let a = match rng.random_range(0..6) {
        0 => a & 0xffff_f000,
        1 => a & 0x807f_ffff,
        // An exponent at which conversions and roundings do something.
        2 => a & 0x807f_ffff | rng.random_range(124..194u32) << 23,
        _ => a,
    };
    (u64::from(a), u64::from(b))
}

/// Numbers whose square roots come closest to the middle of two neighbours, where one bit of a remainder decides.
fn hard_squares() -> Vec<u64> {
    let mut out = Vec::new();
    // A middle is an odd q of 25 bits; its square is never an f32, but x * 2^shift may be next to it.
    for q in ((1u64 << 24) + 1..1 << 25).step_by(2) {
        let square = q * q;
        let shift = if square >= 1 << 49 { 26 } else { 25 };
        let below = square & ((1 << shift) - 1);
        let x = (square >> shift) + u64::from(below > 512);
        if below < 512 || below > (1 << shift) - 512 {
            let number = x as f64 * 2f64.powi(shift - 60);
            out.push(u64::from((number as f32).to_bits()));
        }
    }
    out
}

/// A 64-bit integer of any length with a run of ones or zeros in it.
fn directed_integer(rng: &mut SmallRng) -> u64 {
    let value = rng.next_u64() >> rng.random_range(0..64);
    let tail = (1u64 << rng.random_range(0..48)) - 1;
    match rng.random_range(0..4) {
        0 => value,
        1 => value | tail,
        2 => value & !tail,
        _ => (value & !tail).wrapping_neg(),
    }
}

fn from_integer(op: Op) -> bool {
    matches!(
        op,
        Op::F32ConvertI32S | Op::F32ConvertI32U | Op::F32ConvertI64S | Op::F32ConvertI64U
    )
}

fn vectors(op: Op, random: usize, rng: &mut SmallRng) -> Vec<(u64, u64)> {
    let mut out = Vec::new();
    if from_integer(op) {
        out.extend(edge_integers().into_iter().map(|a| (a, 0)));
        out.extend((0..random).map(|_| (directed_integer(rng), 0)));
    } else {
        let edges = edge_values();
        // High halves of cells are not zero everywhere: readers of 32-bit values take the low half.
        let dirty = 0xdead_beef_0000_0000;
        out.extend(
            edges
                .iter()
                .flat_map(|&a| edges.iter().map(move |&b| (a | dirty, b))),
        );
        if op == Op::F32Sqrt {
            out.extend(hard_squares().into_iter().map(|a| (a, 0)));
        }
        out.extend((0..random).map(|_| directed(rng)));
    }
    out
}

struct Solidity {
    evm: Evm,
    harness: Address,
}

impl Solidity {
    fn new() -> Solidity {
        let mut evm = Evm::new();
        let harness = evm.deploy(&artifact("Float32Harness").creation, &[]);
        Solidity { evm, harness }
    }

    /// Results of `op`, `None` where it traps, and the gas spent on them.
    fn run(&mut self, op: Op, vectors: &[(u64, u64)]) -> (Vec<Option<u64>>, u64) {
        let bytes: Vec<u8> = vectors
            .iter()
            .flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat())
            .collect();
        let op = alloy::primitives::U256::from(op as u16);
        let outcome = self.evm.view(
            self.harness,
            &runCall {
                op,
                vectors: bytes.into(),
            },
        );
        let results = outcome.decode::<runCall>();
        let word = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("8 bytes"));
        let results = results
            .chunks_exact(16)
            .map(|r| (word(&r[..8]) == 0).then(|| word(&r[8..])))
            .collect();
        (results, outcome.execution_gas)
    }
}

/// Compares one operator; panics at the first difference. Returns its vectors and its gas.
fn compare(solidity: &mut Solidity, op: Op, reference: Reference, random: usize) -> (usize, u64) {
    let mut rng = SmallRng::seed_from_u64(0xf32 ^ op as u64);
    let vectors = vectors(op, random, &mut rng);
    let mut spent = 0;
    for batch in vectors.chunks(BATCH) {
        let (results, gas) = solidity.run(op, batch);
        assert_eq!(results.len(), batch.len());
        spent += gas;
        for (&(a, b), &got) in batch.iter().zip(&results) {
            let want = reference(a, b);
            assert_eq!(
                got,
                want,
                "{}({a:#x}, {b:#x}): Solidity {got:x?}, hardware {want:x?}",
                op.mnemonic()
            );
        }
    }
    (vectors.len(), spent)
}

#[test]
fn every_float_operator_equals_the_hardware() {
    let random = std::env::var("ASSAY_VECTORS")
        .map_or(50_000, |v| v.parse().expect("ASSAY_VECTORS is a number"));
    assert!(edge_values().len() >= 60);
    let operators: Vec<Op> = Op::ALL
        .iter()
        .copied()
        .filter(|op| *op as u16 >> 8 == 4)
        .collect();
    let parts: Vec<Vec<Op>> = (0..2)
        .map(|i| operators.iter().copied().skip(i).step_by(2).collect())
        .collect();
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(move || {
                let mut solidity = Solidity::new();
                for op in part {
                    let reference = reference(op)
                        .unwrap_or_else(|| panic!("{} has no reference", op.mnemonic()));
                    let (n, gas) = compare(&mut solidity, op, reference, random);
                    println!(
                        "{:22} {n:8} vectors, {:5} gas each",
                        op.mnemonic(),
                        gas / n as u64
                    );
                }
            });
        }
    });
}

/// The comparison above is not vacuous: one wrong bit in a reference is found.
#[test]
#[should_panic(expected = "hardware")]
fn a_wrong_reference_is_noticed() {
    let wrong: Reference =
        |a, b| arithmetic(f(a) * f(b)).map(|v| v ^ u64::from(a as u32 == 0x3f80_0001));
    compare(&mut Solidity::new(), Op::F32Mul, wrong, 0);
}
