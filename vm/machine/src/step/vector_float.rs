//! Families 8 and 9: lanes of f32 and f64. Mirrored by `StepVectorFloat.sol`.

use super::alike::{Lanes, alike, alike_forms};
use super::arm::arms;
use super::float::{Float, demote, promote};
use super::simd::{map, one, zip};
use super::{Ctx, Flow};
use crate::access::Access;
use crate::isa::Op;

pub(super) mod lanes32 {
    use super::*;

    arms! {
        |x, op|
        fast other {
            F32x4PMin => zip(x, pmin::<f32>),
            F32x4PMax => zip(x, pmax::<f32>),
            I32x4TruncSatF32x4S => map(x, f32::sat_i32),
            I32x4TruncSatF32x4U => map(x, f32::sat_u32),
            F32x4ConvertI32x4S => map(x, f32::from_i32),
            F32x4ConvertI32x4U => map(x, f32::from_u32),
        }
        reference {}
        rest (alike::<A, Lanes<f32, 4>>(op, x), alike_forms::<Lanes<f32, 4>>(op))
    }
}

pub(super) mod lanes64 {
    use super::*;

    arms! {
        |x, op|
        fast other {
            F64x2PMin => zip(x, pmin::<f64>),
            F64x2PMax => zip(x, pmax::<f64>),
            I32x4TruncSatF64x2SZero => one(x, |[a, b]: [f64; 2]| [a.sat_i32(), b.sat_i32(), 0, 0]),
            I32x4TruncSatF64x2UZero => one(x, |[a, b]: [f64; 2]| [a.sat_u32(), b.sat_u32(), 0, 0]),
            F64x2ConvertLowI32x4S => one(x, |[a, b, _, _]| [a, b].map(f64::from_i32)),
            F64x2ConvertLowI32x4U => one(x, |[a, b, _, _]| [a, b].map(f64::from_u32)),
            F32x4DemoteF64x2Zero => one(x, |[a, b]| [demote(a), demote(b), 0, 0]),
            F64x2PromoteLowF32x4 => one(x, |[a, b, _, _]| [promote(a), promote(b)]),
        }
        reference {}
        rest (alike::<A, Lanes<f64, 2>>(op, x), alike_forms::<Lanes<f64, 2>>(op))
    }
}

/// `b` if it is less, else `a`, whatever NaN that is.
#[inline(always)]
fn pmin<F: Float>(a: F, b: F) -> F::Bits {
    if b < a { b.bits() } else { a.bits() }
}

/// `b` if it is greater, else `a`, whatever NaN that is.
#[inline(always)]
fn pmax<F: Float>(a: F, b: F) -> F::Bits {
    if a < b { b.bits() } else { a.bits() }
}
