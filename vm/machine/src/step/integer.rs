//! Families 2 and 3: i32 and i64. Mirrored by `StepInteger.sol`.

use super::arm::arms;
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;

#[inline(always)]
fn un<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u64) -> u64) -> Flow<A> {
    let a = x.a()?;
    x.set(f(a))
}

#[inline(always)]
fn un32<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u32) -> u32) -> Flow<A> {
    un(x, |a| u64::from(f(a as u32)))
}

#[inline(always)]
fn bin32<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u32, u32) -> u32) -> Flow<A> {
    let (a, b) = (x.a()? as u32, x.b()? as u32);
    x.set(u64::from(f(a, b)))
}

#[inline(always)]
fn bin64<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u64, u64) -> u64) -> Flow<A> {
    let (a, b) = (x.a()?, x.b()?);
    x.set(f(a, b))
}

/// A division: `None` traps.
#[inline(always)]
fn div32<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u32, u32) -> Option<u32>) -> Flow<A> {
    let (a, b) = (x.a()? as u32, x.b()? as u32);
    let value = f(a, b).ok_or(Stop::Trap)?;
    x.set(u64::from(value))
}

#[inline(always)]
fn div64<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(u64, u64) -> Option<u64>) -> Flow<A> {
    let (a, b) = (x.a()?, x.b()?);
    let value = f(a, b).ok_or(Stop::Trap)?;
    x.set(value)
}

/// Remainder of a signed division: `MIN % -1` is 0, by zero traps.
macro_rules! rem_s {
    ($a:expr, $b:expr) => {
        if $b == 0 {
            None
        } else {
            Some($a.wrapping_rem($b))
        }
    };
}

// Nothing else comes here.
arms! {
    |x, op|
    fast cell {
        I32Eqz => un32(x, |a| u32::from(a == 0)),
        I32Eq => bin32(x, |a, b| u32::from(a == b)),
        I32Ne => bin32(x, |a, b| u32::from(a != b)),
        I32LtS => bin32(x, |a, b| u32::from((a as i32) < b as i32)),
        I32LtU => bin32(x, |a, b| u32::from(a < b)),
        I32GtS => bin32(x, |a, b| u32::from(a as i32 > b as i32)),
        I32GtU => bin32(x, |a, b| u32::from(a > b)),
        I32LeS => bin32(x, |a, b| u32::from(a as i32 <= b as i32)),
        I32LeU => bin32(x, |a, b| u32::from(a <= b)),
        I32GeS => bin32(x, |a, b| u32::from(a as i32 >= b as i32)),
        I32GeU => bin32(x, |a, b| u32::from(a >= b)),
        I32Clz => un32(x, u32::leading_zeros),
        I32Ctz => un32(x, u32::trailing_zeros),
        I32Popcnt => un32(x, u32::count_ones),
        I32Add => bin32(x, u32::wrapping_add),
        I32Sub => bin32(x, u32::wrapping_sub),
        I32Mul => bin32(x, u32::wrapping_mul),
        I32DivS => div32(x, |a, b| (a as i32).checked_div(b as i32).map(|v| v as u32)),
        I32DivU => div32(x, u32::checked_div),
        I32RemS => div32(x, |a, b| rem_s!((a as i32), b as i32).map(|v| v as u32)),
        I32RemU => div32(x, u32::checked_rem),
        I32And => bin32(x, |a, b| a & b),
        I32Or => bin32(x, |a, b| a | b),
        I32Xor => bin32(x, |a, b| a ^ b),
        I32Shl => bin32(x, u32::wrapping_shl),
        I32ShrS => bin32(x, |a, b| (a as i32).wrapping_shr(b) as u32),
        I32ShrU => bin32(x, u32::wrapping_shr),
        I32Rotl => bin32(x, |a, b| a.rotate_left(b & 31)),
        I32Rotr => bin32(x, |a, b| a.rotate_right(b & 31)),
        I32WrapI64 => un(x, |a| u64::from(a as u32)),
        I32Extend8S => un32(x, |a| a as i8 as u32),
        I32Extend16S => un32(x, |a| a as i16 as u32),
        I64Eqz => un(x, |a| u64::from(a == 0)),
        I64Eq => bin64(x, |a, b| u64::from(a == b)),
        I64Ne => bin64(x, |a, b| u64::from(a != b)),
        I64LtS => bin64(x, |a, b| u64::from((a as i64) < b as i64)),
        I64LtU => bin64(x, |a, b| u64::from(a < b)),
        I64GtS => bin64(x, |a, b| u64::from(a as i64 > b as i64)),
        I64GtU => bin64(x, |a, b| u64::from(a > b)),
        I64LeS => bin64(x, |a, b| u64::from(a as i64 <= b as i64)),
        I64LeU => bin64(x, |a, b| u64::from(a <= b)),
        I64GeS => bin64(x, |a, b| u64::from(a as i64 >= b as i64)),
        I64GeU => bin64(x, |a, b| u64::from(a >= b)),
        I64Clz => un(x, |a| u64::from(a.leading_zeros())),
        I64Ctz => un(x, |a| u64::from(a.trailing_zeros())),
        I64Popcnt => un(x, |a| u64::from(a.count_ones())),
        I64Add => bin64(x, u64::wrapping_add),
        I64Sub => bin64(x, u64::wrapping_sub),
        I64Mul => bin64(x, u64::wrapping_mul),
        I64DivS => div64(x, |a, b| (a as i64).checked_div(b as i64).map(|v| v as u64)),
        I64DivU => div64(x, u64::checked_div),
        I64RemS => div64(x, |a, b| rem_s!((a as i64), b as i64).map(|v| v as u64)),
        I64RemU => div64(x, u64::checked_rem),
        I64And => bin64(x, |a, b| a & b),
        I64Or => bin64(x, |a, b| a | b),
        I64Xor => bin64(x, |a, b| a ^ b),
        I64Shl => bin64(x, |a, b| a.wrapping_shl(b as u32)),
        I64ShrS => bin64(x, |a, b| (a as i64).wrapping_shr(b as u32) as u64),
        I64ShrU => bin64(x, |a, b| a.wrapping_shr(b as u32)),
        I64Rotl => bin64(x, |a, b| a.rotate_left(b as u32 & 63)),
        I64Rotr => bin64(x, |a, b| a.rotate_right(b as u32 & 63)),
        I64ExtendI32S => un(x, |a| a as i32 as u64),
        I64ExtendI32U => un(x, |a| u64::from(a as u32)),
        I64Extend8S => un(x, |a| a as i8 as u64),
        I64Extend16S => un(x, |a| a as i16 as u64),
        I64Extend32S => un(x, |a| a as i32 as u64),
    }
    reference {}
    rest (Err(Stop::Trap), None)
}
