//! The operators by `rustc_apfloat`, integers all the way; square roots by the integer root.

use super::Reference;
use super::format::{F32, F64, Format};
use super::operator::{Operator, as_f32, family};
use assay_machine::isa::Op;
use rustc_apfloat::ieee::{Double, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};
use std::cmp::Ordering;

/// What the two formats have in common.
trait Soft: Float {
    const FORMAT: Format;

    fn of(cell: u64) -> Self {
        Self::from_bits(u128::from(cell & Self::FORMAT.mask()))
    }
}

impl Soft for Single {
    const FORMAT: Format = F32;
}

impl Soft for Double {
    const FORMAT: Format = F64;
}

/// The reference of an operator, of one lane if it works on lanes.
pub fn reference(operator: Operator) -> Reference {
    let Some(number) = operator.number() else {
        return choice(operator.op);
    };
    match number {
        Op::F32DemoteF64 => |a, _| arithmetic(converted::<Double, Single>(Double::of(a))),
        Op::F64PromoteF32 => |a, _| arithmetic(converted::<Single, Double>(Single::of(a))),
        op if family(op) == 4 => alike::<Single>(op),
        op => alike::<Double>(as_f32(op).expect("f64 has the operators of f32")),
    }
}

/// The operators that choose an operand whatever it is.
fn choice(op: Op) -> Reference {
    match op {
        Op::F32x4PMin => |a, b| Some(if Single::of(b) < Single::of(a) { b } else { a }),
        Op::F32x4PMax => |a, b| Some(if Single::of(a) < Single::of(b) { b } else { a }),
        Op::F64x2PMin => |a, b| Some(if Double::of(b) < Double::of(a) { b } else { a }),
        Op::F64x2PMax => |a, b| Some(if Double::of(a) < Double::of(b) { b } else { a }),
        op => panic!("{} has no reference", op.mnemonic()),
    }
}

/// The operators that both formats have, by their f32 opcode.
#[rustfmt::skip]
fn alike<S: Soft>(op: Op) -> Reference {
    const EVEN: Round = Round::NearestTiesToEven;
    match op {
        Op::F32Eq => |a, b| compared::<S>(a, b, |o| o == Some(Ordering::Equal)),
        Op::F32Ne => |a, b| compared::<S>(a, b, |o| o != Some(Ordering::Equal)),
        Op::F32Lt => |a, b| compared::<S>(a, b, |o| o == Some(Ordering::Less)),
        Op::F32Gt => |a, b| compared::<S>(a, b, |o| o == Some(Ordering::Greater)),
        Op::F32Le => |a, b| compared::<S>(a, b, |o| matches!(o, Some(Ordering::Less | Ordering::Equal))),
        Op::F32Ge => |a, b| compared::<S>(a, b, |o| matches!(o, Some(Ordering::Greater | Ordering::Equal))),
        Op::F32Abs => |a, _| Some(S::of(a).abs().to_bits() as u64),
        Op::F32Neg => |a, _| Some((-S::of(a)).to_bits() as u64),
        Op::F32Copysign => |a, b| Some(S::of(a).copy_sign(S::of(b)).to_bits() as u64),
        Op::F32Ceil => |a, _| arithmetic(S::of(a).round_to_integral(Round::TowardPositive).value),
        Op::F32Floor => |a, _| arithmetic(S::of(a).round_to_integral(Round::TowardNegative).value),
        Op::F32Trunc => |a, _| arithmetic(S::of(a).round_to_integral(Round::TowardZero).value),
        Op::F32Nearest => |a, _| arithmetic(S::of(a).round_to_integral(EVEN).value),
        Op::F32Sqrt => |a, _| square_root(S::FORMAT, a),
        Op::F32Add => |a, b| arithmetic(S::of(a).add_r(S::of(b), EVEN).value),
        Op::F32Sub => |a, b| arithmetic(S::of(a).sub_r(S::of(b), EVEN).value),
        Op::F32Mul => |a, b| arithmetic(S::of(a).mul_r(S::of(b), EVEN).value),
        Op::F32Div => |a, b| arithmetic(S::of(a).div_r(S::of(b), EVEN).value),
        Op::F32Min => |a, b| arithmetic(S::of(a).minimum(S::of(b))),
        Op::F32Max => |a, b| arithmetic(S::of(a).maximum(S::of(b))),
        Op::I32TruncF32S => |a, _| in_range(signed::<S>(a, 32)),
        Op::I32TruncF32U => |a, _| in_range(unsigned::<S>(a, 32)),
        Op::I64TruncF32S => |a, _| in_range(signed::<S>(a, 64)),
        Op::I64TruncF32U => |a, _| in_range(unsigned::<S>(a, 64)),
        Op::I32TruncSatF32S => |a, _| Some(signed::<S>(a, 32).value),
        Op::I32TruncSatF32U => |a, _| Some(unsigned::<S>(a, 32).value),
        Op::I64TruncSatF32S => |a, _| Some(signed::<S>(a, 64).value),
        Op::I64TruncSatF32U => |a, _| Some(unsigned::<S>(a, 64).value),
        Op::F32ConvertI32S => |a, _| arithmetic(S::from_i128_r((a as i32).into(), EVEN).value),
        Op::F32ConvertI32U => |a, _| arithmetic(S::from_u128_r((a as u32).into(), EVEN).value),
        Op::F32ConvertI64S => |a, _| arithmetic(S::from_i128_r((a as i64).into(), EVEN).value),
        Op::F32ConvertI64U => |a, _| arithmetic(S::from_u128_r(a.into(), EVEN).value),
        op => panic!("{} has no reference", op.mnemonic()),
    }
}

fn compared<S: Soft>(a: u64, b: u64, is: fn(Option<Ordering>) -> bool) -> Option<u64> {
    Some(u64::from(is(S::of(a).partial_cmp(&S::of(b)))))
}

/// A result of arithmetic: a NaN is the canonical one.
fn arithmetic<S: Soft>(value: S) -> Option<u64> {
    let format = S::FORMAT;
    Some(if value.is_nan() {
        format.infinity() | format.hidden() >> 1
    } else {
        value.to_bits() as u64
    })
}

fn converted<S: FloatConvert<T>, T: Float>(value: S) -> T {
    value.convert_r(Round::NearestTiesToEven, &mut false).value
}

fn signed<S: Soft>(a: u64, bits: u32) -> StatusAnd<u64> {
    S::of(a)
        .to_i128_r(bits as usize, Round::TowardZero, &mut false)
        .map(|v| v as u64 & (u64::MAX >> (64 - bits)))
}

fn unsigned<S: Soft>(a: u64, bits: u32) -> StatusAnd<u64> {
    S::of(a)
        .to_u128_r(bits as usize, Round::TowardZero, &mut false)
        .map(|v| v as u64)
}

fn in_range(result: StatusAnd<u64>) -> Option<u64> {
    (!result.status.intersects(Status::INVALID_OP)).then_some(result.value)
}

/// The root's significand is the integer root of a radicand of exactly twice its bits; it has no ties.
fn square_root(format: Format, a: u64) -> Option<u64> {
    let a = a & format.mask();
    let magnitude = a & (format.sign() - 1);
    let nan = format.infinity() | format.hidden() >> 1;
    if magnitude > format.infinity() {
        return Some(nan);
    }
    if magnitude == 0 || a == format.infinity() {
        return Some(a);
    }
    if a & format.sign() != 0 {
        return Some(nan);
    }
    let p = format.fraction_bits as i32;
    let mut significand = u128::from(a & (format.hidden() - 1));
    let mut power = -(format.bias() + p - 1);
    if format.exponent_of(a) != 0 {
        significand |= u128::from(format.hidden());
        power = format.exponent_of(a) - format.bias() - p;
    }
    // 2p + 1 or 2p + 2 bits, and an even power.
    while significand >> (2 * p) == 0 || power % 2 != 0 {
        significand <<= 1;
        power -= 1;
    }
    let root = significand.isqrt();
    // Over the middle of root and root + 1 when root^2 + root + 1/4 is below.
    let up = significand - root * root > root;
    let biased = power / 2 + p + format.bias();
    Some(format.exponent(biased - 1) + root as u64 + u64::from(up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_squares_and_of_what_is_beside_them() {
        let root = |a: f64| f64::from_bits(square_root(F64, a.to_bits()).expect("total"));
        assert_eq!(root(9.0), 3.0);
        assert_eq!(root(2.0), std::f64::consts::SQRT_2);
        assert_eq!(root(1.0 + f64::EPSILON), 1.0);
        assert_eq!(root(1.0 - f64::EPSILON / 2.0), 1.0 - f64::EPSILON / 2.0);
        assert_eq!(root(f64::from_bits(1)), 2f64.powi(-537));
        let root =
            |a: f32| f32::from_bits(square_root(F32, a.to_bits().into()).expect("total") as u32);
        assert_eq!(root(0.25), 0.5);
        assert_eq!(root(f32::MAX), 18_446_743_000_000_000_000.0);
    }
}
