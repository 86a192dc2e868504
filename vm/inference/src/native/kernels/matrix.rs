//! A matrix ready to be multiplied, and where its products go.

use super::floats::{self, FloatPanels};
use super::panels::{Panels, Shape};
use super::{Factors, Level, portable};
use crate::native::pool::Pool;
use crate::tensors::{Format, Tensor};
use std::marker::PhantomData;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

#[cfg(target_arch = "aarch64")]
use super::neon;

/// Weights as a level wants them.
pub(in crate::native) enum Matrix {
    /// In the file, for the program's own kernel.
    Raw,
    /// Repacked.
    Packed(Level, Panels),
    /// Repacked numbers.
    Floats(Level, FloatPanels),
}

impl Matrix {
    /// Repacks `data`, the rows of `tensor`.
    pub fn new(level: Level, tensor: &Tensor, data: &[u8], pool: &Pool) -> Matrix {
        let (format, columns) = (tensor.format, tensor.columns as usize);
        let spread = |count: usize, f: &(dyn Fn(usize) + Sync)| pool.each(count, 16, f);
        let shape = Shape::of(format);
        // What a level stores signed has no bias.
        let (height, unbiased) = match level {
            Level::Portable => return Matrix::Raw,
            Level::Avx2 => (8, format == Format::Q8_0),
            Level::Avx512 => (16, false),
            Level::Neon | Level::Dotprod => (8, shape.is_some_and(|shape| !shape.nibbles)),
        };
        let matrix = match shape {
            Some(mut shape) => {
                if unbiased {
                    shape.bias = 0;
                }
                Panels::new(format, shape, data, columns, height, &spread)
                    .map(|panels| Matrix::Packed(level, panels))
            }
            None => FloatPanels::new(format, data, columns, &spread)
                .map(|panels| Matrix::Floats(level, panels)),
        };
        // No memory for a copy: the file's own bytes do, slowly.
        matrix.unwrap_or(Matrix::Raw)
    }

    /// Multiplies `rows` of `tensor`, all of which lie in `data`, with the tokens of `x`; the first of them is row 0 of `out`.
    pub fn multiply(
        &self,
        (tensor, data): (&Tensor, &[u8]),
        rows: Range<usize>,
        x: &Factors,
        out: &Out,
        pool: &Pool,
    ) {
        match self {
            Matrix::Raw => {
                const PIECE: usize = 8;
                let row_bytes = tensor.row_bytes() as usize;
                pool.each(rows.len().div_ceil(PIECE), 1, &|i| {
                    let first = rows.start + i * PIECE;
                    let end = (first + PIECE).min(rows.end);
                    let data = &data[first * row_bytes..end * row_bytes];
                    let kind = (tensor.format, tensor.columns);
                    portable::multiply(kind, data, x, |row, token, outputs| {
                        out.row(first - rows.start + row, token, outputs);
                    });
                });
            }
            Matrix::Packed(level, panels) => {
                let first = rows.start / panels.height;
                let count = rows.end.div_ceil(panels.height) - first;
                pool.each(count, 4, &|i| {
                    multiply_panel(*level, panels, first + i, x, &rows, out);
                });
            }
            Matrix::Floats(level, panels) => {
                let first = rows.start / floats::HEIGHT;
                let count = rows.end.div_ceil(floats::HEIGHT) - first;
                pool.each(count, 1, &|i| {
                    multiply_floats(*level, panels, first + i, x, &rows, out);
                });
            }
        }
    }
}

/// One panel, of whose rows those in `rows` count.
fn multiply_panel(
    level: Level,
    panels: &Panels,
    i: usize,
    x: &Factors,
    rows: &Range<usize>,
    out: &Out,
) {
    let (tokens, panel, top) = (x.tokens, panels.panel(i), i * panels.height);
    macro_rules! tiles {
        ($level:ident, $tile:expr) => {{
            let mut tile = [[0.0; $level::HEIGHT]; $level::MOST];
            for first in (0..tokens).step_by($level::MOST) {
                let some = (tokens - first).min($level::MOST);
                // SAFETY: matrices are only packed for a level that this processor has.
                unsafe { $tile(panels.shape, panel, x, first, some, &mut tile) };
                out.tile((rows, top), first, &tile[..some]);
            }
        }};
    }
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => tiles!(avx512, avx512::tile),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => tiles!(avx2, avx2::tile),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => tiles!(neon, neon::tile::<false>),
        #[cfg(target_arch = "aarch64")]
        Level::Dotprod => tiles!(neon, neon::tile::<true>),
        _ => unreachable!("no panels without their level"),
    }
}

/// As [`multiply_panel`].
fn multiply_floats(
    level: Level,
    panels: &FloatPanels,
    i: usize,
    x: &Factors,
    rows: &Range<usize>,
    out: &Out,
) {
    let ((numbers, stride), panel) = (x.floats, panels.panel(i));
    let mut tile = [[0.0; floats::HEIGHT]; floats::MOST];
    for first in (0..x.tokens).step_by(floats::MOST) {
        let tile = &mut tile[..(x.tokens - first).min(floats::MOST)];
        let x = (&numbers[first * stride..], stride);
        // SAFETY: matrices are only packed for a level that this processor has.
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => floats::avx512(panel, x, tile),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => floats::avx2(panel, x, tile),
                #[cfg(target_arch = "aarch64")]
                Level::Neon | Level::Dotprod => floats::neon(panel, x, tile),
                _ => unreachable!("no panels without their level"),
            }
        }
        out.tile((rows, i * floats::HEIGHT), first, tile);
    }
}

/// Where products go: row `r` of token `t` is number `t * stride + r`. Threads write different rows.
pub(in crate::native) struct Out<'a> {
    to: *mut f32,
    len: usize,
    stride: usize,
    adds: bool,
    lives: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for an exclusive slice; those who share it write disjoint rows, see `Out::slot`.
unsafe impl Sync for Out<'_> {}

impl<'a> Out<'a> {
    /// Stores products in `to`, or adds them to what is there.
    pub fn new(to: &'a mut [f32], stride: usize, adds: bool) -> Out<'a> {
        Out {
            to: to.as_mut_ptr(),
            len: to.len(),
            stride,
            adds,
            lives: PhantomData,
        }
    }

    /// Some rows of one token.
    #[allow(clippy::mut_from_ref)]
    fn slot(&self, token: usize, rows: Range<usize>) -> &mut [f32] {
        let at = token * self.stride + rows.start;
        assert!(rows.end <= self.stride && at + rows.len() <= self.len);
        // SAFETY: within the slice. `Matrix::multiply` gives every row to one piece of work alone, and rows end before the stride, so no
        // two slots alive at once overlap.
        unsafe { std::slice::from_raw_parts_mut(self.to.add(at), rows.len()) }
    }

    /// The outputs of one row for tokens from `first` on.
    fn row(&self, row: usize, first: usize, outputs: &[f32]) {
        for (t, y) in outputs.iter().enumerate() {
            self.put(first + t, row..row + 1, &[*y]);
        }
    }

    /// The outputs of tokens from `first` on for rows from `top` on, of which those in `rows` count; the first of these is row 0 here.
    fn tile<const HEIGHT: usize>(
        &self,
        (rows, top): (&Range<usize>, usize),
        first: usize,
        tile: &[[f32; HEIGHT]],
    ) {
        let (from, to) = (rows.start.max(top), rows.end.min(top + HEIGHT));
        for (t, outputs) in tile.iter().enumerate() {
            let outputs = &outputs[from - top..to - top];
            self.put(first + t, from - rows.start..to - rows.start, outputs);
        }
    }

    fn put(&self, token: usize, rows: Range<usize>, outputs: &[f32]) {
        let slot = self.slot(token, rows);
        if self.adds {
            slot.iter_mut().zip(outputs).for_each(|(x, y)| *x += y);
        } else {
            slot.copy_from_slice(outputs);
        }
    }
}
