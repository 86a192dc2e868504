//! Family 6: whole vectors. Mirrored by `StepVector.sol`.

use super::arm::arms;
use super::memory::{address, in_memory};
use super::simd::{Lane, map, two, zip};
use super::{Ctx, Flow};
use crate::access::{Access, Stop};
use crate::isa::Op;
use crate::stack::Vector;
use std::array::from_fn;

const BYTES: u64 = 16;

// Nothing else comes here.
arms! {
    |x, op|
    fast other {
        V128Move => {
            let value = x.va()?;
            x.set_vector(value)
        },
        V128Select => {
            let condition = x.get(x.ins.imm as u16)? as u32;
            let value = if condition != 0 { x.va()? } else { x.vb()? };
            x.set_vector(value)
        },
        V128Load => {
            let address = address(x)?;
            in_memory(x, address, BYTES)?;
            let value = x.access.load(address)?;
            x.set_vector(value)
        },
        V128Store => {
            let address = address(x)?;
            let value = x.vb()?;
            in_memory(x, address, BYTES)?;
            x.access.store(address, value)?;
            x.next()
        },
        V128Not => map(x, |a: u64| !a),
        V128And => zip(x, |a: u64, b: u64| a & b),
        V128AndNot => zip(x, |a: u64, b: u64| a & !b),
        V128Or => zip(x, |a: u64, b: u64| a | b),
        V128Xor => zip(x, |a: u64, b: u64| a ^ b),
        V128Bitselect => three(x, |a, b, c| {
            let (a, b, c) = (u64::split(a), u64::split(b), u64::split(c));
            u64::join(from_fn(|i| a[i] & c[i] | b[i] & !c[i]))
        }),
        V128AnyTrue => {
            let a = u64::split(x.va()?);
            x.set(u64::from(a != [0, 0]))
        },
        I8x16Swizzle => two(x, |a: [u8; 16], b: [u8; 16]| {
            b.map(|i| a.get(i as usize).copied().unwrap_or(0))
        }),
        I8x16Shuffle => three(x, |a, b, mask| {
            let both = [a, b];
            mask.map(|i| both.as_flattened()[i as usize % 32])
        }),
    }
    reference {}
    rest (Err(Stop::Trap), None)
}

/// Vector `d = f(a, b, c)`.
#[inline(always)]
fn three<A: Access>(x: &mut Ctx<'_, A>, f: impl Fn(Vector, Vector, Vector) -> Vector) -> Flow<A> {
    let (a, b) = (x.va()?, x.vb()?);
    let c = x.vector(x.ins.imm as u16)?;
    x.set_vector(f(a, b, c))
}
