//! The arena: one byte buffer with everything that survives a yield, read and written at `u32` offsets.
//!
//! Integers are little-endian; views cast in place, so a big-endian host is refused at compile time.

use core::ops::Range;

#[cfg(target_endian = "big")]
compile_error!("arena views are little-endian");

/// A fixed-size number that any bytes of its size spell.
///
/// # Safety
/// Every bit pattern is a value, and there is no padding.
pub unsafe trait Plain: Copy {}
// SAFETY: primitive numbers have neither padding nor invalid patterns.
unsafe impl Plain for u8 {}
unsafe impl Plain for i8 {}
unsafe impl Plain for i16 {}
unsafe impl Plain for u32 {}
unsafe impl Plain for f32 {}
unsafe impl Plain for u64 {}
unsafe impl Plain for i64 {}

/// `bytes` as numbers. Panics unless aligned and of a whole length.
pub fn view<T: Plain>(bytes: &[u8]) -> &[T] {
    // SAFETY: `Plain` makes any bytes valid numbers; the parts that don't fit are refused below.
    let (head, body, tail) = unsafe { bytes.align_to::<T>() };
    assert!(head.is_empty() && tail.is_empty());
    body
}

/// `bytes` as writable numbers. Panics unless aligned and of a whole length.
pub fn view_mut<T: Plain>(bytes: &mut [u8]) -> &mut [T] {
    // SAFETY: as in `view`, and any number written leaves valid bytes.
    let (head, body, tail) = unsafe { bytes.align_to_mut::<T>() };
    assert!(head.is_empty() && tail.is_empty());
    body
}

/// `count` numbers of 4 or 8 bytes at `at`, as a byte range for [`Arena::split`].
pub fn span<T: Plain>(at: u32, count: u32) -> Range<usize> {
    let at = at as usize;
    at..at + count as usize * size_of::<T>()
}

/// The arena's bytes, 16-aligned.
pub struct Arena<'a>(pub &'a mut [u8]);

impl Arena<'_> {
    /// Bytes `at .. at + len`.
    pub fn bytes(&self, at: u32, len: u32) -> &[u8] {
        &self.0[at as usize..][..len as usize]
    }

    /// Writable bytes `at .. at + len`.
    pub fn bytes_mut(&mut self, at: u32, len: u32) -> &mut [u8] {
        &mut self.0[at as usize..][..len as usize]
    }

    /// `count` numbers at `at`.
    pub fn view<T: Plain>(&self, at: u32, count: u32) -> &[T] {
        view(&self.0[span::<T>(at, count)])
    }

    /// `count` writable numbers at `at`.
    pub fn view_mut<T: Plain>(&mut self, at: u32, count: u32) -> &mut [T] {
        view_mut(&mut self.0[span::<T>(at, count)])
    }

    /// Disjoint writable ranges at once. Panics where two overlap.
    pub fn split<const N: usize>(&mut self, ranges: [Range<usize>; N]) -> [&mut [u8]; N] {
        match self.0.get_disjoint_mut(ranges) {
            Ok(parts) => parts,
            Err(_) => panic!("arena ranges overlap"),
        }
    }

    /// The number at `at`.
    pub fn get<T: Plain>(&self, at: u32) -> T {
        self.view(at, 1)[0]
    }

    /// Stores the number at `at`.
    pub fn put<T: Plain>(&mut self, at: u32, value: T) {
        self.view_mut(at, 1)[0] = value;
    }
}
