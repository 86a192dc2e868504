//! What families 4, 5, 8 and 9 do alike: the operators of IEEE 754, matched once for cells and for lanes.

use super::float::Float;
use super::simd::{Lane, map, zip};
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;
use std::marker::PhantomData;

/// Where a family has its floats.
pub(super) trait Shape {
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
pub(super) struct Scalar<F>(PhantomData<F>);

impl<F: Float> Shape for Scalar<F> {
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
        x.set(f(a).canon().into())
    }

    #[inline(always)]
    fn binary<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(F, F) -> F) -> Flow<A> {
        let (a, b) = (F::of(x.a()?), F::of(x.b()?));
        x.set(f(a, b).canon().into())
    }
}

/// `N` floats in a vector.
pub(super) struct Lanes<F, const N: usize>(PhantomData<F>);

impl<F: Float<Bits: Lane<N>> + Lane<N>, const N: usize> Shape for Lanes<F, N> {
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

/// The operators that the four families number alike.
#[inline(always)]
pub(super) fn alike<A: Access, S: Shape>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
    macro_rules! numbers {
        ($($name:ident $op:ident)*) => { $(const $name: u16 = Op::$op as u16 & 0xff;)* };
    }
    numbers! {
        EQ F32Eq NE F32Ne LT F32Lt GT F32Gt LE F32Le GE F32Ge ABS F32Abs NEG F32Neg
        CEIL F32Ceil FLOOR F32Floor TRUNC F32Trunc NEAREST F32Nearest SQRT F32Sqrt
        ADD F32Add SUB F32Sub MUL F32Mul DIV F32Div MIN F32Min MAX F32Max
    }
    match op as u16 & 0xff {
        EQ => S::test(x, |a, b| a == b),
        NE => S::test(x, |a, b| a != b),
        LT => S::test(x, |a, b| a < b),
        GT => S::test(x, |a, b| a > b),
        LE => S::test(x, |a, b| a <= b),
        GE => S::test(x, |a, b| a >= b),
        ABS => S::bits(x, Float::abs),
        NEG => S::bits(x, Float::neg),
        CEIL => S::unary(x, Float::ceil),
        FLOOR => S::unary(x, Float::floor),
        TRUNC => S::unary(x, Float::trunc),
        NEAREST => S::unary(x, Float::nearest),
        SQRT => S::unary(x, Float::sqrt),
        ADD => S::binary(x, |a, b| a + b),
        SUB => S::binary(x, |a, b| a - b),
        MUL => S::binary(x, |a, b| a * b),
        DIV => S::binary(x, |a, b| a / b),
        MIN => S::binary(x, Float::min),
        MAX => S::binary(x, Float::max),
        // Unreachable: families match the rest themselves.
        _ => Err(Stop::Trap),
    }
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
