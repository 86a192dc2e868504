//! The floats of families 4, 5, 8 and 9, on the hardware.
//!
//! Rust's float operators round to nearest even, keep subnormals and never fuse. NaN payloads are not
//! specified, so every arithmetic result goes through [`Float::canon`], which gives bits: between floats, the compiler
//! may choose one NaN for another, and it removes a choice of the canonical one.

use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use std::ops::{Add, Div, Mul, Sub};

/// f32 or f64.
pub(crate) trait Float:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// Its bits, as an integer.
    type Bits: Copy + Into<u64>;
    /// Bounds of the integers, all exact: `below` ones are the least neighbours that are out of range.
    const BELOW_I32: Self;
    const BELOW_I64: Self;
    const BELOW_U: Self;
    const TWO_31: Self;
    const TWO_32: Self;
    const TWO_63: Self;
    const TWO_64: Self;

    /// The float in a cell.
    fn of(cell: u64) -> Self;
    fn is_nan(self) -> bool;
    /// Its bits as they are.
    fn bits(self) -> Self::Bits;
    /// Its bits, those of the canonical NaN for any NaN.
    fn canon(self) -> Self::Bits;
    /// All bits set, or none.
    fn mask(flag: bool) -> Self::Bits;
    fn abs(self) -> Self::Bits;
    fn neg(self) -> Self::Bits;
    fn copysign(self, sign: Self) -> Self::Bits;
    /// A NaN if one is, -0 < +0.
    fn min(self, other: Self) -> Self;
    /// A NaN if one is, -0 < +0.
    fn max(self, other: Self) -> Self;
    fn ceil(self) -> Self;
    fn floor(self) -> Self;
    fn trunc(self) -> Self;
    /// To the nearest integer, halves to even.
    fn nearest(self) -> Self;
    fn sqrt(self) -> Self;
    /// Truncates and saturates; NaN is 0. So do the next three.
    fn sat_i32(self) -> u32;
    fn sat_u32(self) -> u32;
    fn sat_i64(self) -> u64;
    fn sat_u64(self) -> u64;
    fn from_i32(a: u32) -> Self;
    fn from_u32(a: u32) -> Self;
    fn from_i64(a: u64) -> Self;
    fn from_u64(a: u64) -> Self;

    /// Whether it lies between two bounds that are excluded; NaN never does.
    #[inline(always)]
    fn between(self, low: Self, high: Self) -> bool {
        self > low && self < high
    }

    /// `None` if the integer part is no i32, or there is none. So do the next three for their types.
    #[inline(always)]
    fn to_i32(self) -> Option<u32> {
        self.between(Self::BELOW_I32, Self::TWO_31)
            .then_some(self.sat_i32())
    }

    #[inline(always)]
    fn to_u32(self) -> Option<u32> {
        self.between(Self::BELOW_U, Self::TWO_32)
            .then_some(self.sat_u32())
    }

    #[inline(always)]
    fn to_i64(self) -> Option<u64> {
        self.between(Self::BELOW_I64, Self::TWO_63)
            .then_some(self.sat_i64())
    }

    #[inline(always)]
    fn to_u64(self) -> Option<u64> {
        self.between(Self::BELOW_U, Self::TWO_64)
            .then_some(self.sat_u64())
    }
}

macro_rules! float {
    ($float:ident, $bits:ident, nan $nan:literal, below $below_i32:literal $below_i64:literal) => {
        impl Float for $float {
            type Bits = $bits;
            const BELOW_I32: $float = $below_i32;
            const BELOW_I64: $float = $below_i64;
            const BELOW_U: $float = -1.0;
            const TWO_31: $float = 2_147_483_648.0;
            const TWO_32: $float = 4_294_967_296.0;
            const TWO_63: $float = 9_223_372_036_854_775_808.0;
            const TWO_64: $float = 18_446_744_073_709_551_616.0;

            #[inline(always)]
            fn of(cell: u64) -> $float {
                $float::from_bits(cell as $bits)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $float::is_nan(self)
            }
            #[inline(always)]
            fn bits(self) -> $bits {
                self.to_bits()
            }
            #[inline(always)]
            fn canon(self) -> $bits {
                if self.is_nan() { $nan } else { self.to_bits() }
            }
            #[inline(always)]
            fn mask(flag: bool) -> $bits {
                $bits::from(flag).wrapping_neg()
            }
            #[inline(always)]
            fn abs(self) -> $bits {
                self.to_bits() & ($bits::MAX >> 1)
            }
            #[inline(always)]
            fn neg(self) -> $bits {
                self.to_bits() ^ !($bits::MAX >> 1)
            }
            #[inline(always)]
            fn copysign(self, sign: $float) -> $bits {
                Float::abs(self) | sign.to_bits() & !($bits::MAX >> 1)
            }
            #[inline(always)]
            fn min(self, other: $float) -> $float {
                if self.is_nan() || other.is_nan() {
                    $float::NAN
                } else if self == other {
                    $float::from_bits(self.to_bits() | other.to_bits())
                } else if self < other {
                    self
                } else {
                    other
                }
            }
            #[inline(always)]
            fn max(self, other: $float) -> $float {
                if self.is_nan() || other.is_nan() {
                    $float::NAN
                } else if self == other {
                    $float::from_bits(self.to_bits() & other.to_bits())
                } else if self > other {
                    self
                } else {
                    other
                }
            }
            #[inline(always)]
            fn ceil(self) -> $float {
                $float::ceil(self)
            }
            #[inline(always)]
            fn floor(self) -> $float {
                $float::floor(self)
            }
            #[inline(always)]
            fn trunc(self) -> $float {
                $float::trunc(self)
            }
            #[inline(always)]
            fn nearest(self) -> $float {
                $float::round_ties_even(self)
            }
            #[inline(always)]
            fn sqrt(self) -> $float {
                $float::sqrt(self)
            }
            // Rust's float-to-int casts saturate and send NaN to 0.
            #[inline(always)]
            fn sat_i32(self) -> u32 {
                self as i32 as u32
            }
            #[inline(always)]
            fn sat_u32(self) -> u32 {
                self as u32
            }
            #[inline(always)]
            fn sat_i64(self) -> u64 {
                self as i64 as u64
            }
            #[inline(always)]
            fn sat_u64(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn from_i32(a: u32) -> $float {
                a as i32 as $float
            }
            #[inline(always)]
            fn from_u32(a: u32) -> $float {
                a as $float
            }
            #[inline(always)]
            fn from_i64(a: u64) -> $float {
                a as i64 as $float
            }
            #[inline(always)]
            fn from_u64(a: u64) -> $float {
                a as $float
            }
        }
    };
}
float!(f32, u32, nan 0x7fc0_0000, below -2_147_483_904.0 -9_223_373_136_366_403_584.0);
float!(f64, u64, nan 0x7ff8_0000_0000_0000, below -2_147_483_649.0 -9_223_372_036_854_777_856.0);

/// copysign of two cells.
#[inline(always)]
pub(super) fn copysign<A: Access, F: Float>(x: &mut Ctx<'_, A>) -> Flow<A> {
    let (a, b) = (F::of(x.a()?), F::of(x.b()?));
    x.set(a.copysign(b).into())
}

/// f64 to f32.
#[inline(always)]
pub(super) fn demote(a: f64) -> u32 {
    (a as f32).canon()
}

/// f32 to f64.
#[inline(always)]
pub(super) fn promote(a: f32) -> u64 {
    f64::from(a).canon()
}

/// A conversion of a cell to an integer; `None` traps.
#[inline(always)]
pub(super) fn to_int<A: Access, F: Float, T: Into<u64>>(
    x: &mut Ctx<'_, A>,
    f: impl Fn(F) -> Option<T>,
) -> Flow<A> {
    let a = F::of(x.a()?);
    let value = f(a).ok_or(Stop::Trap)?;
    x.set(value.into())
}

/// A conversion of a cell from an integer.
#[inline(always)]
pub(super) fn from_int<A: Access, F: Float>(x: &mut Ctx<'_, A>, f: impl Fn(u64) -> F) -> Flow<A> {
    let a = x.a()?;
    x.set(f(a).bits().into())
}
