//! Family 4: f32 and its conversions, on the hardware. Mirrored by `StepFloat32.sol`.
//!
//! Rust's f32 operators round to nearest even, keep subnormals and never fuse. NaN payloads are not
//! specified, so every arithmetic result goes through [`canon`].

use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;

/// The canonical NaN.
const NAN: u32 = 0x7fc0_0000;
const SIGN: u32 = 0x8000_0000;

#[inline(always)]
fn canon(value: f32) -> u64 {
    u64::from(if value.is_nan() { NAN } else { value.to_bits() })
}

#[inline(always)]
fn float(cell: u64) -> f32 {
    f32::from_bits(cell as u32)
}

#[inline(always)]
fn compare<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(f32, f32) -> bool) -> Flow<A> {
    let (a, b) = (float(x.a()?), float(x.b()?));
    x.set(u64::from(f(a, b)))
}

#[inline(always)]
fn un<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(f32) -> f32) -> Flow<A> {
    let a = float(x.a()?);
    x.set(canon(f(a)))
}

#[inline(always)]
fn bits<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u32) -> u32) -> Flow<A> {
    let a = x.a()? as u32;
    x.set(u64::from(f(a)))
}

#[inline(always)]
fn bin<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(f32, f32) -> f32) -> Flow<A> {
    let (a, b) = (float(x.a()?), float(x.b()?));
    x.set(canon(f(a, b)))
}

/// A conversion to an integer; `None` traps.
#[inline(always)]
fn convert<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(f32) -> Option<u64>) -> Flow<A> {
    let a = float(x.a()?);
    let value = f(a).ok_or(Stop::Trap)?;
    x.set(value)
}

/// WebAssembly's min: NaN wins, -0 < +0.
#[inline(always)]
fn min(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() {
        f32::NAN
    } else if a == b {
        f32::from_bits(a.to_bits() | b.to_bits())
    } else if a < b {
        a
    } else {
        b
    }
}

/// WebAssembly's max: NaN wins, -0 < +0.
#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() {
        f32::NAN
    } else if a == b {
        f32::from_bits(a.to_bits() & b.to_bits())
    } else if a > b {
        a
    } else {
        b
    }
}

/// `Some(a)` if `low < a < high` (exclusive bounds that f32 holds exactly); NaN is outside.
#[inline(always)]
fn within(a: f32, low: f32, high: f32) -> Option<f32> {
    (a > low && a < high).then_some(a)
}

const TWO_31: f32 = 2_147_483_648.0;
const TWO_32: f32 = 4_294_967_296.0;
const TWO_63: f32 = 9_223_372_036_854_775_808.0;
const TWO_64: f32 = 18_446_744_073_709_551_616.0;

#[inline(always)]
pub(super) fn execute<A: Access>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
    match op {
        Op::F32Eq => compare(x, |a, b| a == b),
        Op::F32Ne => compare(x, |a, b| a != b),
        Op::F32Lt => compare(x, |a, b| a < b),
        Op::F32Gt => compare(x, |a, b| a > b),
        Op::F32Le => compare(x, |a, b| a <= b),
        Op::F32Ge => compare(x, |a, b| a >= b),
        Op::F32Abs => bits(x, |a| a & !SIGN),
        Op::F32Neg => bits(x, |a| a ^ SIGN),
        Op::F32Ceil => un(x, f32::ceil),
        Op::F32Floor => un(x, f32::floor),
        Op::F32Trunc => un(x, f32::trunc),
        Op::F32Nearest => un(x, f32::round_ties_even),
        Op::F32Sqrt => un(x, f32::sqrt),
        Op::F32Add => bin(x, |a, b| a + b),
        Op::F32Sub => bin(x, |a, b| a - b),
        Op::F32Mul => bin(x, |a, b| a * b),
        Op::F32Div => bin(x, |a, b| a / b),
        Op::F32Min => bin(x, min),
        Op::F32Max => bin(x, max),
        Op::F32Copysign => {
            let (a, b) = (x.a()? as u32, x.b()? as u32);
            x.set(u64::from(a & !SIGN | b & SIGN))
        }
        // -2^31 itself is in range; the next f32 below is not, so the range includes it.
        Op::I32TruncF32S => convert(x, |a| {
            (-TWO_31..TWO_31)
                .contains(&a)
                .then_some(u64::from(a as i32 as u32))
        }),
        Op::I32TruncF32U => convert(x, |a| within(a, -1.0, TWO_32).map(|a| u64::from(a as u32))),
        Op::I64TruncF32S => convert(x, |a| {
            (-TWO_63..TWO_63).contains(&a).then_some(a as i64 as u64)
        }),
        Op::I64TruncF32U => convert(x, |a| within(a, -1.0, TWO_64).map(|a| a as u64)),
        // Rust's float-to-int casts saturate and send NaN to 0.
        Op::I32TruncSatF32S => convert(x, |a| Some(u64::from(a as i32 as u32))),
        Op::I32TruncSatF32U => convert(x, |a| Some(u64::from(a as u32))),
        Op::I64TruncSatF32S => convert(x, |a| Some(a as i64 as u64)),
        Op::I64TruncSatF32U => convert(x, |a| Some(a as u64)),
        Op::F32ConvertI32S => from_int(x, |a| a as i32 as f32),
        Op::F32ConvertI32U => from_int(x, |a| a as u32 as f32),
        Op::F32ConvertI64S => from_int(x, |a| a as i64 as f32),
        Op::F32ConvertI64U => from_int(x, |a| a as f32),
        // Unreachable: the caller sends family 4 only.
        _ => Err(Stop::Trap),
    }
}

#[inline(always)]
fn from_int<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u64) -> f32) -> Flow<A> {
    let a = x.a()?;
    x.set(canon(f(a)))
}
