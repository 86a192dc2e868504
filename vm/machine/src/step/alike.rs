//! What families 4, 5, 8 and 9 do alike: the operators of IEEE 754, matched once for cells and for lanes.

use super::arm::Arm;
use super::float::Float;
use super::simd::{Lane, map, zip};
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::fast::Forms;
use crate::isa::Op;
use std::marker::PhantomData;

/// Where a family has its floats.
pub(crate) trait Shape {
    /// Whether that is a cell, where operand `b` may be the immediate.
    const CELL: bool;
    /// Whether that is an f64 in a cell.
    const F64: bool;
    type Float: Float;
    /// Truth of `f`: 1 or 0 in a cell, all bits or none in a lane.
    fn test<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(Self::Float, Self::Float) -> bool)
    -> Flow<A>;
    /// `f` as it is.
    fn bits<A: Access>(
        x: &mut Ctx<'_, A>,
        f: impl Fn(Self::Float) -> <Self::Float as Float>::Bits,
    ) -> Flow<A>;
    /// `f` with canonical NaNs.
    fn unary<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(Self::Float) -> Self::Float) -> Flow<A>;
    /// `f` with canonical NaNs.
    fn binary<A: Access>(
        x: &mut Ctx<'_, A>,
        f: impl Fn(Self::Float, Self::Float) -> Self::Float,
    ) -> Flow<A>;
}

/// One float in a cell.
pub(crate) struct Scalar<F>(PhantomData<F>);

impl<F: Float> Shape for Scalar<F> {
    const CELL: bool = true;
    const F64: bool = size_of::<F::Bits>() == 8;
    type Float = F;

    #[inline(always)]
    fn test<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F, F) -> bool) -> Flow<A> {
        let (a, b) = (F::of(x.a()?), F::of(x.b()?));
        x.set(u64::from(f(a, b)))
    }

    #[inline(always)]
    fn bits<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F) -> F::Bits) -> Flow<A> {
        let a = F::of(x.a()?);
        x.set(f(a).into())
    }

    #[inline(always)]
    fn unary<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F) -> F) -> Flow<A> {
        let a = F::of(x.a()?);
        set_canonical(x, f(a))
    }

    #[inline(always)]
    fn binary<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F, F) -> F) -> Flow<A> {
        let (a, b) = (F::of(x.a()?), F::of(x.b()?));
        set_canonical(x, f(a, b))
    }
}

/// Writes cell `d`, the canonical NaN for any NaN: a rare result, to which the chain's handlers need not be equal.
#[inline(always)]
fn set_canonical<A: Access, F: Float>(x: &mut Ctx<'_, A>, result: F) -> Flow<A> {
    if A::REFERS && result.is_nan() {
        return Err(Stop::Trap);
    }
    x.set(result.canon().into())
}

/// `N` floats in a vector.
pub(super) struct Lanes<F, const N: usize>(PhantomData<F>);

impl<F: Float<Bits: Lane<N>> + Lane<N>, const N: usize> Shape for Lanes<F, N> {
    const CELL: bool = false;
    const F64: bool = false;
    type Float = F;

    #[inline(always)]
    fn test<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F, F) -> bool) -> Flow<A> {
        zip(x, |a, b| F::mask(f(a, b)))
    }

    #[inline(always)]
    fn bits<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F) -> F::Bits) -> Flow<A> {
        map(x, f)
    }

    #[inline(always)]
    fn unary<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F) -> F) -> Flow<A> {
        map(x, |a| f(a).canon())
    }

    #[inline(always)]
    fn binary<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F, F) -> F) -> Flow<A> {
        zip(x, |a, b| f(a, b).canon())
    }
}

/// Operator `NUMBER` of a shape.
pub(crate) struct Alike<S, const NUMBER: u16>(PhantomData<S>);

macro_rules! alike {
    (|$x:ident| $($number:ident $op:ident => $arm:expr,)*) => {
        $(const $number: u16 = Op::$op as u16 & 0xff;)*

        impl<S: Shape, const NUMBER: u16> Arm for Alike<S, NUMBER> {
            const IMM_FORM: bool = S::CELL
                && match NUMBER {
                    $($number => Op::$op.has_imm_form(),)*
                    _ => false,
                };
            const TAKES_F64: bool = S::F64;
            const GIVES_F64: bool = S::F64 && !matches!(NUMBER, EQ | NE | LT | GT | LE | GE);

            #[inline(always)]
            fn run<A: Access>($x: &mut Ctx<'_, A>) -> Flow<A> {
                match NUMBER {
                    $($number => $arm,)*
                    // Unreachable: families match the rest themselves.
                    _ => Err(Stop::Trap),
                }
            }
        }

        /// The operators that the four families number alike.
        #[inline(always)]
        pub(super) fn alike<A: Access, S: Shape>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
            match op as u16 & 0xff {
                $($number => Alike::<S, $number>::run(x),)*
                // Unreachable: families match the rest themselves.
                _ => Err(Stop::Trap),
            }
        }

        /// Their handlers.
        pub(super) fn alike_forms<S: Shape>(op: Op) -> Option<Forms> {
            match op as u16 & 0xff {
                $($number if S::CELL => Some(Forms::cell::<Alike<S, $number>>()),)*
                $($number => Some(Forms::other::<Alike<S, $number>>()),)*
                _ => None,
            }
        }
    };
}
alike! {
    |x|
    EQ F32Eq => S::test(x, |a, b| a == b),
    NE F32Ne => S::test(x, |a, b| a != b),
    LT F32Lt => S::test(x, |a, b| a < b),
    GT F32Gt => S::test(x, |a, b| a > b),
    LE F32Le => S::test(x, |a, b| a <= b),
    GE F32Ge => S::test(x, |a, b| a >= b),
    ABS F32Abs => S::bits(x, Float::abs),
    NEG F32Neg => S::bits(x, Float::neg),
    CEIL F32Ceil => S::unary(x, Float::ceil),
    FLOOR F32Floor => S::unary(x, Float::floor),
    TRUNC F32Trunc => S::unary(x, Float::trunc),
    NEAREST F32Nearest => S::unary(x, Float::nearest),
    SQRT F32Sqrt => S::unary(x, Float::sqrt),
    ADD F32Add => S::binary(x, |a, b| a + b),
    SUB F32Sub => S::binary(x, |a, b| a - b),
    MUL F32Mul => S::binary(x, |a, b| a * b),
    DIV F32Div => S::binary(x, |a, b| a / b),
    MIN F32Min => S::binary(x, Float::min),
    MAX F32Max => S::binary(x, Float::max),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`alike`] reads a number for a name.
    #[test]
    fn the_four_families_number_their_common_operators_alike() {
        let operator = |op: Op| {
            op.mnemonic()
                .split('.')
                .nth(1)
                .expect("a type and an operator")
        };
        for family in [5u16, 8, 9] {
            for number in 0..=0x12u16 {
                let named = |f: u16| Op::from_number(f << 8 | number).expect("a row");
                assert_eq!(operator(named(family)), operator(named(4)));
                assert_eq!(named(family).canonical_nan(), named(4).canonical_nan());
            }
        }
    }
}
