//! Access through a frame's window: cells by slot, nothing recorded.
//!
//! The frame base counts as 0 here, and the program's [`super::Code`] has no slot that reaches past the stack from where
//! the window is, so that the step function's own checks of cells hold by their types.

use super::{Acc, Cx};
use crate::access::{Access, Operand};
use crate::isa::Instr;
use crate::stack::{Frame, Vector};
use assay_types::params::LEAF_BYTES;
use std::convert::Infallible;

type R<T> = Result<T, Infallible>;

pub(super) struct Window<'w, 'c> {
    pub frame: &'w mut Frame,
    pub cx: &'w mut Cx<'c>,
    pub acc: Acc,
    /// The operand that is at hand in the accumulator.
    pub at_hand: Option<Operand>,
    /// Whether operands, and the result, are in the accumulator for f64s.
    pub takes_f64: bool,
    pub gives_f64: bool,
}

/// What only the reference does; no arm with a handler asks for it.
macro_rules! only_in_the_reference {
    ($($name:ident($($ty:ty),*) -> $result:ty;)*) => {$(
        #[cold]
        fn $name(&mut self, $(_: $ty),*) -> R<$result> {
            unreachable!(concat!(stringify!($name), " belongs to the reference"))
        }
    )*};
}

impl Access for Window<'_, '_> {
    const REFERS: bool = true;
    type Error = Infallible;

    #[inline(always)]
    fn cell(&mut self, index: u32) -> R<u64> {
        Ok(u64::from_le_bytes(self.frame[index as usize]))
    }

    #[inline(always)]
    fn operand(&mut self, which: Operand, index: u32) -> R<u64> {
        match self.at_hand {
            Some(at_hand) if at_hand == which && self.takes_f64 => Ok(self.acc.f64.to_bits()),
            Some(at_hand) if at_hand == which => Ok(self.acc.cell),
            _ => self.cell(index),
        }
    }

    #[inline(always)]
    fn set_cell(&mut self, index: u32, value: u64) -> R<()> {
        if self.gives_f64 {
            self.acc.f64 = f64::from_bits(value);
        } else {
            self.acc.cell = value;
        }
        self.frame[index as usize] = value.to_le_bytes();
        Ok(())
    }

    #[inline(always)]
    fn vector(&mut self, index: u32) -> R<Vector> {
        let (pairs, _) = self.frame.as_chunks::<2>();
        let mut out = [0; 16];
        out.copy_from_slice(pairs[index as usize / 2].as_flattened());
        Ok(out)
    }

    #[inline(always)]
    fn set_vector(&mut self, index: u32, value: Vector) -> R<()> {
        let (pairs, _) = self.frame.as_chunks_mut::<2>();
        pairs[index as usize / 2]
            .as_flattened_mut()
            .copy_from_slice(&value);
        Ok(())
    }

    #[inline(always)]
    fn global(&mut self, index: u32) -> R<u64> {
        Ok(self.cx.globals[index as usize])
    }

    #[inline(always)]
    fn set_global(&mut self, index: u32, value: u64) -> R<()> {
        self.cx.globals[index as usize] = value;
        Ok(())
    }

    #[inline(always)]
    fn memory_bytes(&self, _: u32) -> u64 {
        self.cx.memory.len() as u64
    }

    #[inline(always)]
    fn load<const N: usize>(&mut self, address: u64) -> R<[u8; N]> {
        let a = address as usize;
        let mut out = [0; N];
        out.copy_from_slice(&self.cx.memory[a..a + N]);
        Ok(out)
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, address: u64, bytes: [u8; N]) -> R<()> {
        let a = address as usize;
        self.cx.memory[a..a + N].copy_from_slice(&bytes);
        // There is a byte for every leaf: were one missing, a panic here would keep a place on the host's stack.
        let dirty = self.cx.dirty.get_mut(a / LEAF_BYTES..).unwrap_or_default();
        if let [leaf, rest @ ..] = dirty {
            *leaf = 1;
            if a % LEAF_BYTES > LEAF_BYTES - N
                && let [next, ..] = rest
            {
                *next = 1;
            }
        }
        Ok(())
    }

    only_in_the_reference! {
        instr(u32) -> Instr;
        element(u32) -> u64;
        set_element(u32, u64) -> ();
        fill_elements(u32, u64, u32) -> ();
        copy_elements(u32, u32, u32) -> ();
        init_elements(u32, u64, u32) -> ();
        fill(u64, u8, u32) -> ();
        copy(u64, u64, u32) -> ();
        copy_segment(u64, u64, u32) -> ();
        rom_length(u32) -> u64;
        copy_rom(u64, u32, u64, u32) -> ();
        grow(u32) -> ();
        reset(u8) -> ();
    }
}
