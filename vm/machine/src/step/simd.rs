//! Vectors as arrays of lanes: plain code over fixed sizes, which the compiler turns into vector instructions.

use super::{Ctx, Flow};
use crate::access::Access;
use crate::stack::Vector;
use std::array::from_fn;

/// A number of which a vector holds `N`.
pub(super) trait Lane<const N: usize>: Copy {
    /// The lanes, lowest first.
    fn split(vector: Vector) -> [Self; N];
    /// Inverse of [`Lane::split`].
    fn join(lanes: [Self; N]) -> Vector;
}

macro_rules! lane {
    ($($number:ident $n:literal)*) => {$(
        impl Lane<$n> for $number {
            #[inline(always)]
            fn split(vector: Vector) -> [$number; $n] {
                let (bytes, _) = vector.as_chunks();
                from_fn(|i| $number::from_le_bytes(bytes[i]))
            }

            #[inline(always)]
            fn join(lanes: [$number; $n]) -> Vector {
                let mut vector = [0; 16];
                let (bytes, _) = vector.as_chunks_mut();
                for (bytes, lane) in bytes.iter_mut().zip(lanes) {
                    *bytes = lane.to_le_bytes();
                }
                vector
            }
        }
    )*};
}
lane!(u8 16 u16 8 u32 4 u64 2 f32 4 f64 2);

/// Vector `d = f(lanes of a)`.
#[inline(always)]
pub(super) fn one<A: Access, T: Lane<N>, const N: usize, U: Lane<M>, const M: usize>(
    x: &mut Ctx<'_, A>,
    f: impl FnOnce([T; N]) -> [U; M],
) -> Flow<A> {
    let a = T::split(x.va()?);
    x.set_vector(U::join(f(a)))
}

/// Vector `d = f(lanes of a, lanes of b)`.
#[inline(always)]
pub(super) fn two<A: Access, T: Lane<N>, const N: usize, U: Lane<M>, const M: usize>(
    x: &mut Ctx<'_, A>,
    f: impl FnOnce([T; N], [T; N]) -> [U; M],
) -> Flow<A> {
    let (a, b) = (T::split(x.va()?), T::split(x.vb()?));
    x.set_vector(U::join(f(a, b)))
}

/// Each lane of vector `d` is `f` of its lane of `a`.
#[inline(always)]
pub(super) fn map<A: Access, T: Lane<N>, U: Lane<N>, const N: usize>(
    x: &mut Ctx<'_, A>,
    f: impl Fn(T) -> U,
) -> Flow<A> {
    let a = T::split(x.va()?);
    x.set_vector(U::join(from_fn(|i| f(a[i]))))
}

/// Each lane of vector `d` is `f` of its lanes of `a` and `b`.
#[inline(always)]
pub(super) fn zip<A: Access, T: Lane<N>, U: Lane<N>, const N: usize>(
    x: &mut Ctx<'_, A>,
    f: impl Fn(T, T) -> U,
) -> Flow<A> {
    let (a, b) = (T::split(x.va()?), T::split(x.vb()?));
    x.set_vector(U::join(from_fn(|i| f(a[i], b[i]))))
}
