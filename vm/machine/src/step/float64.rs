//! Family 5: f64 and its conversions. Mirrored by `StepFloat64.sol`.

use super::alike::{Scalar, alike, alike_forms};
use super::arm::arms;
use super::float::{Float, copysign, demote, from_int, promote, to_int};
use super::{Ctx, Flow};
use crate::access::Access;
use crate::isa::Op;

arms! {
    |x, op|
    fast cell {
        F64Copysign => copysign::<A, f64>(x),
        I32TruncF64S => to_int(x, f64::to_i32),
        I32TruncF64U => to_int(x, f64::to_u32),
        I64TruncF64S => to_int(x, f64::to_i64),
        I64TruncF64U => to_int(x, f64::to_u64),
        I32TruncSatF64S => to_int(x, |a: f64| Some(a.sat_i32())),
        I32TruncSatF64U => to_int(x, |a: f64| Some(a.sat_u32())),
        I64TruncSatF64S => to_int(x, |a: f64| Some(a.sat_i64())),
        I64TruncSatF64U => to_int(x, |a: f64| Some(a.sat_u64())),
        F64ConvertI32S => from_int(x, |a| f64::from_i32(a as u32)),
        F64ConvertI32U => from_int(x, |a| f64::from_u32(a as u32)),
        F64ConvertI64S => from_int(x, f64::from_i64),
        F64ConvertI64U => from_int(x, f64::from_u64),
        F32DemoteF64 => to_int(x, |a| Some(demote(a))),
        F64PromoteF32 => to_int(x, |a| Some(promote(a))),
    }
    reference {}
    rest (alike::<A, Scalar<f64>>(op, x), alike_forms::<Scalar<f64>>(op))
}
