//! Family 7: integer lanes. Mirrored by `StepLanes.sol`.
//!
//! Bits 6 and 7 of an opcode's number are its shape, bits 0 to 5 its operator, the same in every shape.

use super::arm::Arm;
use super::int::{Int, Narrow};
use super::simd::{Lane, map, one, two, zip};
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::fast::Forms;
use crate::isa::Op;
use std::array::from_fn;

macro_rules! numbers {
    ($($name:ident $op:ident)*) => { $(const $name: u16 = number(Op::$op);)* };
}
numbers! {
    EQ I16x8Eq NE I16x8Ne LT_S I16x8LtS LT_U I16x8LtU GT_S I16x8GtS GT_U I16x8GtU
    LE_S I16x8LeS LE_U I16x8LeU GE_S I16x8GeS GE_U I16x8GeU
    ABS I16x8Abs NEG I16x8Neg POPCNT I8x16Popcnt ALL_TRUE I16x8AllTrue BITMASK I16x8Bitmask
    ADD I16x8Add SUB I16x8Sub MUL I16x8Mul
    ADD_SAT_S I16x8AddSatS ADD_SAT_U I16x8AddSatU SUB_SAT_S I16x8SubSatS SUB_SAT_U I16x8SubSatU
    MIN_S I16x8MinS MIN_U I16x8MinU MAX_S I16x8MaxS MAX_U I16x8MaxU AVGR_U I16x8AvgrU
    SHL I16x8Shl SHR_S I16x8ShrS SHR_U I16x8ShrU
    NARROW_S I16x8NarrowI32x4S NARROW_U I16x8NarrowI32x4U
    EXTEND_LOW_S I16x8ExtendLowI8x16S EXTEND_HIGH_S I16x8ExtendHighI8x16S
    EXTEND_LOW_U I16x8ExtendLowI8x16U EXTEND_HIGH_U I16x8ExtendHighI8x16U
    EXTMUL_LOW_S I16x8ExtMulLowI8x16S EXTMUL_HIGH_S I16x8ExtMulHighI8x16S
    EXTMUL_LOW_U I16x8ExtMulLowI8x16U EXTMUL_HIGH_U I16x8ExtMulHighI8x16U
    EXTADD_PAIRWISE_S I16x8ExtAddPairwiseI8x16S EXTADD_PAIRWISE_U I16x8ExtAddPairwiseI8x16U
    Q15MULR_SAT_S I16x8Q15MulrSatS DOT_S I32x4DotI16x8S
    SPLAT I16x8Splat EXTRACT_S I16x8ExtractLaneS EXTRACT_U I16x8ExtractLaneU REPLACE I16x8ReplaceLane
}

/// The operator's number.
const fn number(op: Op) -> u16 {
    op as u16 & 0x3f
}

/// Any operator: one function for all of them.
#[inline(never)]
pub(super) fn execute<A: Access>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
    operate(op, x)
}

/// Operator `OP`, compiled by itself.
pub(crate) enum Lone<const OP: u16> {}

impl<const OP: u16> Arm for Lone<OP> {
    const IMM_FORM: bool = false;

    #[inline(always)]
    fn run<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
        match const { Op::from_number(OP) } {
            Some(op) => operate(op, x),
            None => Err(Stop::Trap),
        }
    }
}

/// Whatever operator the instruction names.
enum Any {}

impl Arm for Any {
    const IMM_FORM: bool = true;

    #[inline(always)]
    fn run<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A> {
        let (op, _) = x.ins.opcode().ok_or(Stop::Trap)?;
        execute(op, x)
    }
}

/// The handlers of an opcode of this family: those of the commonest are their own.
pub(super) fn forms(op: Op) -> Option<Forms> {
    macro_rules! lone {
        ($($name:ident)*) => {
            match op {
                $(Op::$name => Forms::other::<Lone<{ Op::$name as u16 }>>(),)*
                _ => Forms::outlined::<Any>(),
            }
        };
    }
    Some(lone! {
        I8x16Add I16x8Add I32x4Add I16x8Sub I32x4Sub I16x8Mul I32x4Mul I64x2Add
        I16x8ExtendLowI8x16S I16x8ExtendHighI8x16S I16x8ExtendLowI8x16U I16x8ExtendHighI8x16U
        I16x8ExtMulLowI8x16S I16x8ExtMulHighI8x16S I32x4ExtendLowI16x8S I32x4ExtendHighI16x8S
        I32x4ExtAddPairwiseI16x8S I32x4DotI16x8S I32x4Splat I32x4ExtractLane
    })
}

#[inline(always)]
fn operate<A: Access>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
    let operator = number(op);
    match op as u16 >> 6 & 3 {
        0 => match operator {
            NARROW_S | NARROW_U | AVGR_U => narrow::<A, u8, 16, 8>(operator, x),
            _ => same::<A, u8, 16>(operator, x),
        },
        1 => match operator {
            NARROW_S | NARROW_U | AVGR_U => narrow::<A, u16, 8, 4>(operator, x),
            EXTEND_LOW_S..=EXTADD_PAIRWISE_U => widen::<A, u8, 16, 8>(operator, x),
            Q15MULR_SAT_S => zip(x, q15mulr_sat_s),
            _ => same::<A, u16, 8>(operator, x),
        },
        2 => match operator {
            EXTEND_LOW_S..=EXTADD_PAIRWISE_U => widen::<A, u16, 8, 4>(operator, x),
            DOT_S => two(x, |a: [u16; 8], b: [u16; 8]| {
                let product = |i: usize| a[i].widen_s().mul(b[i].widen_s());
                from_fn(|i| product(2 * i).add(product(2 * i + 1)))
            }),
            _ => same::<A, u32, 4>(operator, x),
        },
        _ => match operator {
            EXTEND_LOW_S..=EXTADD_PAIRWISE_U => widen::<A, u32, 4, 2>(operator, x),
            _ => same::<A, u64, 2>(operator, x),
        },
    }
}

/// Operators whose operands and result have lanes of one width. A shape that lacks one has no opcode for it.
#[inline(always)]
fn same<A: Access, T: Int + Lane<N>, const N: usize>(operator: u16, x: &mut Ctx<'_, A>) -> Flow<A> {
    let lane = x.ins.imm as usize % N;
    match operator {
        EQ => zip(x, |a: T, b: T| T::mask(a == b)),
        NE => zip(x, |a: T, b: T| T::mask(a != b)),
        LT_S => zip(x, |a: T, b: T| T::mask(a.signed() < b.signed())),
        LT_U => zip(x, |a: T, b: T| T::mask(a < b)),
        GT_S => zip(x, |a: T, b: T| T::mask(a.signed() > b.signed())),
        GT_U => zip(x, |a: T, b: T| T::mask(a > b)),
        LE_S => zip(x, |a: T, b: T| T::mask(a.signed() <= b.signed())),
        LE_U => zip(x, |a: T, b: T| T::mask(a <= b)),
        GE_S => zip(x, |a: T, b: T| T::mask(a.signed() >= b.signed())),
        GE_U => zip(x, |a: T, b: T| T::mask(a >= b)),
        ABS => map(x, T::abs),
        NEG => map(x, T::neg),
        POPCNT => map(x, T::popcnt),
        ALL_TRUE => test(x, |a: [T; N]| u64::from(a.iter().all(|a| *a != T::of(0)))),
        BITMASK => test(x, |a: [T; N]| {
            (0..N).fold(0, |mask, i| mask | (a[i].cell() >> (T::BITS - 1)) << i)
        }),
        ADD => zip(x, T::add),
        SUB => zip(x, T::sub),
        MUL => zip(x, T::mul),
        ADD_SAT_S => zip(x, T::add_sat_s),
        ADD_SAT_U => zip(x, T::add_sat_u),
        SUB_SAT_S => zip(x, T::sub_sat_s),
        SUB_SAT_U => zip(x, T::sub_sat_u),
        MIN_S => zip(x, T::min_s),
        MIN_U => zip(x, |a: T, b: T| a.min(b)),
        MAX_S => zip(x, T::max_s),
        MAX_U => zip(x, |a: T, b: T| a.max(b)),
        SHL => shift(x, T::shl),
        SHR_S => shift(x, T::shr_s),
        SHR_U => shift(x, T::shr_u),
        SPLAT => {
            let value = T::of(x.a()?);
            x.set_vector(T::join([value; N]))
        }
        EXTRACT_S => test(x, |a: [T; N]| a[lane].sign_extended()),
        EXTRACT_U => test(x, |a: [T; N]| a[lane].cell()),
        REPLACE => {
            let mut lanes = T::split(x.va()?);
            lanes[lane] = T::of(x.b()?);
            x.set_vector(T::join(lanes))
        }
        // Unreachable: the caller matches the rest.
        _ => Err(Stop::Trap),
    }
}

/// Operators that need lanes twice as wide in between: from `N` lanes to `N` lanes, of which `M` make a wide vector.
#[inline(always)]
fn narrow<A: Access, T, const N: usize, const M: usize>(
    operator: u16,
    x: &mut Ctx<'_, A>,
) -> Flow<A>
where
    T: Narrow<Wide: Lane<M>> + Lane<N>,
{
    let both = |f: fn(T::Wide) -> T| {
        move |a: [T::Wide; M], b: [T::Wide; M]| from_fn(|i| f(if i < M { a[i] } else { b[i - M] }))
    };
    match operator {
        NARROW_S => two(x, both(T::narrow_s)),
        NARROW_U => two(x, both(T::narrow_u)),
        AVGR_U => zip(x, T::avgr_u),
        // Unreachable: the caller sends these only.
        _ => Err(Stop::Trap),
    }
}

/// Operators from `N` lanes to `M` lanes twice as wide.
#[inline(always)]
fn widen<A: Access, T, const N: usize, const M: usize>(operator: u16, x: &mut Ctx<'_, A>) -> Flow<A>
where
    T: Narrow<Wide: Lane<M>> + Lane<N>,
{
    let (s, u) = (T::widen_s, T::widen_u);
    match operator {
        EXTEND_LOW_S => one(x, |a: [T; N]| from_fn(|i| s(a[i]))),
        EXTEND_HIGH_S => one(x, |a: [T; N]| from_fn(|i| s(a[M + i]))),
        EXTEND_LOW_U => one(x, |a: [T; N]| from_fn(|i| u(a[i]))),
        EXTEND_HIGH_U => one(x, |a: [T; N]| from_fn(|i| u(a[M + i]))),
        EXTMUL_LOW_S => two(x, |a: [T; N], b| from_fn(|i| s(a[i]).mul(s(b[i])))),
        EXTMUL_HIGH_S => two(x, |a: [T; N], b| from_fn(|i| s(a[M + i]).mul(s(b[M + i])))),
        EXTMUL_LOW_U => two(x, |a: [T; N], b| from_fn(|i| u(a[i]).mul(u(b[i])))),
        EXTMUL_HIGH_U => two(x, |a: [T; N], b| from_fn(|i| u(a[M + i]).mul(u(b[M + i])))),
        EXTADD_PAIRWISE_S => one(x, |a: [T; N]| from_fn(|i| s(a[2 * i]).add(s(a[2 * i + 1])))),
        EXTADD_PAIRWISE_U => one(x, |a: [T; N]| from_fn(|i| u(a[2 * i]).add(u(a[2 * i + 1])))),
        // Unreachable: the caller sends these only.
        _ => Err(Stop::Trap),
    }
}

/// Product of two numbers with 15 bits of fraction, rounded and saturated.
#[inline(always)]
fn q15mulr_sat_s(a: u16, b: u16) -> u16 {
    let product = i32::from(a as i16) * i32::from(b as i16);
    u16::narrow_s(((product + 0x4000) >> 15) as u32)
}

/// Cell `d = f(lanes of a)`.
#[inline(always)]
fn test<A: Access, T: Lane<N>, const N: usize>(
    x: &mut Ctx<'_, A>,
    f: impl FnOnce([T; N]) -> u64,
) -> Flow<A> {
    let a = T::split(x.va()?);
    x.set(f(a))
}

/// Every lane of vector `a` shifted by cell `b`.
#[inline(always)]
fn shift<A: Access, T: Int + Lane<N>, const N: usize>(
    x: &mut Ctx<'_, A>,
    f: impl Fn(T, u32) -> T,
) -> Flow<A> {
    let a = T::split(x.va()?);
    let count = x.b()? as u32 % T::BITS;
    x.set_vector(T::join(a.map(|a| f(a, count))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `i16x8.extend_low_i8x16_s` is `extend_low_s`: what is left where no shape is said.
    fn operator(op: Op) -> String {
        let (_, name) = op
            .mnemonic()
            .split_once('.')
            .expect("a shape and an operator");
        let parts = name
            .split('_')
            .filter(|p| !p.contains('x') || p.starts_with("ext"));
        parts.collect::<Vec<_>>().join("_")
    }

    #[test]
    fn shapes_number_their_operators_alike() {
        let lanes = Op::ALL.iter().filter(|op| **op as u16 >> 8 == 7);
        let mut names = std::collections::BTreeMap::new();
        for &op in lanes {
            let shape = op.mnemonic().split('.').next().expect("a shape");
            let shapes = ["i8x16", "i16x8", "i32x4", "i64x2"];
            assert_eq!(shape, shapes[(op as u16 >> 6 & 3) as usize]);
            // A lane that fills its cell or its i32 is extracted without a sign.
            let name = operator(op).replace("extract_lane_u", "extract_lane");
            let known = names.entry(number(op)).or_insert(name.clone());
            assert_eq!(*known, name);
        }
        assert_eq!(names.len(), 48, "no two operators have one number");
    }
}
