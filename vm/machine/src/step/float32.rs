//! Family 4: f32 and its conversions. Mirrored by `StepFloat32.sol`.

use super::alike::{Scalar, alike, alike_forms};
use super::arm::arms;
use super::float::{Float, copysign, from_int, to_int};
use super::{Ctx, Flow};
use crate::access::Access;
use crate::isa::Op;

arms! {
    |x, op|
    fast cell {
        F32Copysign => copysign::<A, f32>(x),
        I32TruncF32S => to_int(x, f32::to_i32),
        I32TruncF32U => to_int(x, f32::to_u32),
        I64TruncF32S => to_int(x, f32::to_i64),
        I64TruncF32U => to_int(x, f32::to_u64),
        I32TruncSatF32S => to_int(x, |a: f32| Some(a.sat_i32())),
        I32TruncSatF32U => to_int(x, |a: f32| Some(a.sat_u32())),
        I64TruncSatF32S => to_int(x, |a: f32| Some(a.sat_i64())),
        I64TruncSatF32U => to_int(x, |a: f32| Some(a.sat_u64())),
        F32ConvertI32S => from_int(x, |a| f32::from_i32(a as u32)),
        F32ConvertI32U => from_int(x, |a| f32::from_u32(a as u32)),
        F32ConvertI64S => from_int(x, f32::from_i64),
        F32ConvertI64U => from_int(x, f32::from_u64),
    }
    reference {}
    rest (alike::<A, Scalar<f32>>(op, x), alike_forms::<Scalar<f32>>(op))
}
