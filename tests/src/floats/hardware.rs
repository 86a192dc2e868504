//! The operators by Rust's f32 and f64, which are the processor's.

use super::Reference;
use super::operator::{Operator, as_f32, family};
use assay_machine::isa::Op;
use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What the two formats have in common.
trait Hardware:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Into<f64>
{
    const SIGN: u64;
    const CANONICAL: u64;
    const NAN: Self;
    fn of(cell: u64) -> Self;
    fn bits(self) -> u64;
    fn ceil(self) -> Self;
    fn floor(self) -> Self;
    fn trunc(self) -> Self;
    fn nearest(self) -> Self;
    fn sqrt(self) -> Self;
    fn from_i64(a: i64) -> Self;
    fn from_u64(a: u64) -> Self;
}

macro_rules! hardware {
    ($float:ident, $bits:ident, $nan:literal) => {
        impl Hardware for $float {
            const SIGN: u64 = 1 << ($bits::BITS - 1);
            const CANONICAL: u64 = $nan;
            const NAN: $float = $float::NAN;
            fn of(cell: u64) -> $float {
                $float::from_bits(cell as $bits)
            }
            fn bits(self) -> u64 {
                u64::from(self.to_bits())
            }
            fn ceil(self) -> $float {
                self.ceil()
            }
            fn floor(self) -> $float {
                self.floor()
            }
            fn trunc(self) -> $float {
                self.trunc()
            }
            fn nearest(self) -> $float {
                self.round_ties_even()
            }
            fn sqrt(self) -> $float {
                self.sqrt()
            }
            fn from_i64(a: i64) -> $float {
                a as $float
            }
            fn from_u64(a: u64) -> $float {
                a as $float
            }
        }
    };
}
hardware!(f32, u32, 0x7fc0_0000);
hardware!(f64, u64, 0x7ff8_0000_0000_0000);

/// The reference of an operator, of one lane if it works on lanes.
pub fn reference(operator: Operator) -> Reference {
    let Some(number) = operator.number() else {
        return choice(operator.op);
    };
    match number {
        Op::F32DemoteF64 => |a, _| arithmetic(f64::from_bits(a) as f32),
        Op::F64PromoteF32 => |a, _| arithmetic(f64::from(f32::of(a))),
        op if family(op) == 4 => alike::<f32>(op),
        op => alike::<f64>(as_f32(op).expect("f64 has the operators of f32")),
    }
}

/// The operators that choose an operand whatever it is.
fn choice(op: Op) -> Reference {
    match op {
        Op::F32x4PMin => |a, b| Some(if f32::of(b) < f32::of(a) { b } else { a }),
        Op::F32x4PMax => |a, b| Some(if f32::of(a) < f32::of(b) { b } else { a }),
        Op::F64x2PMin => |a, b| Some(if f64::of(b) < f64::of(a) { b } else { a }),
        Op::F64x2PMax => |a, b| Some(if f64::of(a) < f64::of(b) { b } else { a }),
        op => panic!("{} has no reference", op.mnemonic()),
    }
}

/// The operators that both formats have, by their f32 opcode.
#[rustfmt::skip]
fn alike<F: Hardware>(op: Op) -> Reference {
    match op {
        Op::F32Eq => |a, b| flag(F::of(a) == F::of(b)),
        Op::F32Ne => |a, b| flag(F::of(a) != F::of(b)),
        Op::F32Lt => |a, b| flag(F::of(a) < F::of(b)),
        Op::F32Gt => |a, b| flag(F::of(a) > F::of(b)),
        Op::F32Le => |a, b| flag(F::of(a) <= F::of(b)),
        Op::F32Ge => |a, b| flag(F::of(a) >= F::of(b)),
        Op::F32Abs => |a, _| Some(a & (F::SIGN - 1)),
        Op::F32Neg => |a, _| Some((a ^ F::SIGN) & (2 * (F::SIGN - 1) + 1)),
        Op::F32Copysign => |a, b| Some(a & (F::SIGN - 1) | b & F::SIGN),
        Op::F32Ceil => |a, _| arithmetic(F::of(a).ceil()),
        Op::F32Floor => |a, _| arithmetic(F::of(a).floor()),
        Op::F32Trunc => |a, _| arithmetic(F::of(a).trunc()),
        Op::F32Nearest => |a, _| arithmetic(F::of(a).nearest()),
        Op::F32Sqrt => |a, _| arithmetic(F::of(a).sqrt()),
        Op::F32Add => |a, b| arithmetic(F::of(a) + F::of(b)),
        Op::F32Sub => |a, b| arithmetic(F::of(a) - F::of(b)),
        Op::F32Mul => |a, b| arithmetic(F::of(a) * F::of(b)),
        Op::F32Div => |a, b| arithmetic(F::of(a) / F::of(b)),
        Op::F32Min => |a, b| arithmetic(minimum(F::of(a), F::of(b))),
        Op::F32Max => |a, b| arithmetic(-minimum(-F::of(a), -F::of(b))),
        Op::I32TruncF32S => |a, _| truncated(F::of(a), I32).map(|v| u64::from(v as u32)),
        Op::I32TruncF32U => |a, _| truncated(F::of(a), U32).map(|v| v as u64),
        Op::I64TruncF32S => |a, _| truncated(F::of(a), I64).map(|v| v as u64),
        Op::I64TruncF32U => |a, _| truncated(F::of(a), U64).map(|v| v as u64),
        Op::I32TruncSatF32S => |a, _| Some(u64::from(saturated(F::of(a), i32::MIN.into(), i32::MAX.into()) as u32)),
        Op::I32TruncSatF32U => |a, _| Some(saturated(F::of(a), 0, u32::MAX.into()) as u64),
        Op::I64TruncSatF32S => |a, _| Some(saturated(F::of(a), i64::MIN.into(), i64::MAX.into()) as u64),
        Op::I64TruncSatF32U => |a, _| Some(saturated(F::of(a), 0, u64::MAX.into()) as u64),
        // i32 to f32 directly is the same number: what i64 holds exactly is rounded once.
        Op::F32ConvertI32S => |a, _| Some(F::from_i64((a as i32).into()).bits()),
        Op::F32ConvertI32U => |a, _| Some(F::from_i64((a as u32).into()).bits()),
        Op::F32ConvertI64S => |a, _| Some(F::from_i64(a as i64).bits()),
        Op::F32ConvertI64U => |a, _| Some(F::from_u64(a).bits()),
        op => panic!("{} has no reference", op.mnemonic()),
    }
}

fn flag(value: bool) -> Option<u64> {
    Some(u64::from(value))
}

/// A result of arithmetic: a NaN is the canonical one.
fn arithmetic<F: Hardware>(value: F) -> Option<u64> {
    let nan = value.partial_cmp(&value).is_none();
    Some(if nan { F::CANONICAL } else { value.bits() })
}

/// IEEE 754-2019 `minimum`, by cases.
fn minimum<F: Hardware>(a: F, b: F) -> F {
    match (a.partial_cmp(&b), a.bits() & F::SIGN != 0) {
        (None, _) => F::NAN,
        (Some(Ordering::Less), _) | (Some(Ordering::Equal), true) => a,
        _ => b,
    }
}

const I32: (f64, f64) = (-2_147_483_648.0, 2_147_483_647.0);
const U32: (f64, f64) = (0.0, 4_294_967_295.0);
/// The largest f64 below 2^63, 2^64.
const I64: (f64, f64) = (-9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0);
const U64: (f64, f64) = (0.0, 18_446_744_073_709_549_568.0);

/// Exact in f64, so that the range check is plain.
fn truncated<F: Hardware>(a: F, (low, high): (f64, f64)) -> Option<i128> {
    let t = a.into().trunc();
    (t >= low && t <= high).then_some(t as i128)
}

fn saturated<F: Hardware>(a: F, low: i128, high: i128) -> i128 {
    let x: f64 = a.into();
    if x.is_nan() {
        return 0;
    }
    // Beyond 2^100 every bound is passed; below, i128 is exact.
    let bounded = x.trunc().clamp(-(2f64.powi(100)), 2f64.powi(100));
    (bounded as i128).clamp(low, high)
}
