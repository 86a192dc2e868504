//! Weights repacked: a panel holds the same blocks of several rows beside each other, so that a vector goes across rows.
//!
//! A panel of `R` rows is, block by block: quads of four elements of each row (`R * 4` bytes each). Types of at most four bits
//! have quads `j` and `j + 4` in one, as low and high halves. Scales and offsets lie apart, as the file's own bytes.

use crate::blocks::{Integers, k_integers, unpack};
use crate::quantize::BLOCK;
use crate::tensors::Format;

/// 64 aligned bytes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub [u8; 64]);

/// Zeroed lines in large pages where the system gives them: a model is read from end to end for every chunk.
pub(super) struct Lines(memmap2::MmapMut);

impl Lines {
    pub(super) fn new(count: usize) -> std::io::Result<Lines> {
        // A map can't be empty.
        let map = memmap2::MmapMut::map_anon((count * 64).max(1))?;
        #[cfg(target_os = "linux")]
        // A wish: without large pages everything is the same, only slower.
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Lines(map))
    }

    pub(super) fn get(&self) -> &[Line] {
        // SAFETY: any bytes are lines; a map begins at a page, and what doesn't fit a whole line stays out.
        unsafe { self.0.align_to::<Line>().1 }
    }

    pub(super) fn get_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above.
        unsafe { self.0.align_to_mut::<Line>().1 }
    }
}

/// How a type's factors are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Factors {
    /// A binary16 scale for each row.
    Scale,
    /// Binary16 scales, then binary16 offsets.
    ScaleOffset,
    /// For each 256 elements binary16 scales and offsets; for each block integer scales, then integer offsets (u8).
    Nested,
    /// For each 256 elements binary16 scales; for each block integer scales of the first half, then of the second (i8).
    Halves,
}

// The kinds of [`Factors`] by number, for kernels compiled apart for each.
pub(super) const SCALE: u8 = 0;
pub(super) const SCALE_OFFSET: u8 = 1;
pub(super) const NESTED: u8 = 2;
pub(super) const HALVES: u8 = 3;

/// The first of a panel's numbers or of its factors' from some place on.
#[inline(always)]
pub(super) fn chunk<T, const N: usize>(numbers: &[T]) -> &[T; N] {
    match numbers.first_chunk() {
        Some(chunk) => chunk,
        None => panic!("panels and their factors are whole"),
    }
}

/// How a type is repacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Whether two quads share a byte.
    pub nibbles: bool,
    /// What the stored integers are above the true ones.
    pub bias: i32,
    /// Bits of a stored integer.
    pub bits: u32,
    pub factors: Factors,
}

impl Shape {
    /// Of a quantized type; none for floats.
    pub fn of(format: Format) -> Option<Shape> {
        let shape = |nibbles, bias, bits, factors| {
            Some(Shape {
                nibbles,
                bias,
                bits,
                factors,
            })
        };
        match format {
            Format::F32 | Format::F16 | Format::BF16 => None,
            Format::Q4_0 => shape(true, 8, 4, Factors::Scale),
            Format::Q4_1 => shape(true, 0, 4, Factors::ScaleOffset),
            Format::Q5_0 => shape(false, 16, 5, Factors::Scale),
            Format::Q5_1 => shape(false, 0, 5, Factors::ScaleOffset),
            Format::Q8_0 => shape(false, 128, 8, Factors::Scale),
            Format::Q4_K => shape(true, 0, 4, Factors::Nested),
            Format::Q5_K => shape(false, 0, 5, Factors::Nested),
            Format::Q6_K => shape(false, 32, 6, Factors::Halves),
        }
    }

    /// Lines of integers in a block of a panel of `rows` rows.
    pub fn lines(&self, rows: usize) -> usize {
        rows * BLOCK / if self.nibbles { 128 } else { 64 }
    }

    /// Bytes of factors of a panel of `rows` rows and `blocks` blocks.
    pub fn factor_bytes(&self, rows: usize, blocks: usize) -> usize {
        rows * match self.factors {
            Factors::Scale => 2 * blocks,
            Factors::ScaleOffset => 4 * blocks,
            Factors::Nested => 2 * blocks + 4 * (blocks / 8),
            Factors::Halves => 2 * blocks + 2 * (blocks / 8),
        }
    }
}

/// A repacked matrix.
pub(in crate::native) struct Panels {
    pub(super) shape: Shape,
    /// Rows of a panel: 8 or 16.
    pub(super) height: usize,
    blocks: usize,
    lines: Lines,
    factors: Vec<u8>,
}

/// One panel.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub lines: &'a [Line],
    pub factors: &'a [u8],
    pub blocks: usize,
}

impl Panels {
    /// Repacks rows of `columns` elements; the last panel is filled up with zeros.
    pub(super) fn new(
        format: Format,
        shape: Shape,
        data: &[u8],
        columns: usize,
        height: usize,
        spread: &(impl Fn(usize, &(dyn Fn(usize) + Sync)) + Sync),
    ) -> std::io::Result<Panels> {
        let blocks = columns / BLOCK;
        let row_bytes = format.row_bytes(columns as u32) as usize;
        let rows: Vec<&[u8]> = data.chunks_exact(row_bytes).collect();
        let count = rows.len().div_ceil(height);
        let (lines, bytes) = (
            shape.lines(height) * blocks,
            shape.factor_bytes(height, blocks),
        );
        let mut panels = Panels {
            shape,
            height,
            blocks,
            lines: Lines::new(lines * count)?,
            factors: vec![0; bytes * count],
        };
        let parts: Vec<_> = panels
            .lines
            .get_mut()
            .chunks_mut(lines)
            .zip(panels.factors.chunks_mut(bytes))
            .zip(rows.chunks(height))
            .map(std::sync::Mutex::new)
            .collect();
        spread(count, &|i| {
            if let Ok(mut part) = parts[i].lock() {
                let ((lines, factors), rows) = &mut *part;
                fill(format, shape, height, rows, (lines, factors));
            }
        });
        drop(parts);
        Ok(panels)
    }

    /// Panel `i`.
    pub(super) fn panel(&self, i: usize) -> Panel<'_> {
        let lines = self.shape.lines(self.height) * self.blocks;
        let bytes = self.shape.factor_bytes(self.height, self.blocks);
        Panel {
            lines: &self.lines.get()[i * lines..][..lines],
            factors: &self.factors[i * bytes..][..bytes],
            blocks: self.blocks,
        }
    }
}

/// Fills one panel.
fn fill(
    format: Format,
    shape: Shape,
    height: usize,
    rows: &[&[u8]],
    (lines, factors): (&mut [Line], &mut [u8]),
) {
    let mut q: Integers = [0; BLOCK];
    let (per_block, per_line) = (shape.lines(height), 64 / (4 * height));
    for (r, row) in rows.iter().enumerate() {
        for (b, lines) in lines.chunks_exact_mut(per_block).enumerate() {
            stored(format, shape, row, b, &mut q);
            for (quad, q) in q.chunks_exact(4).enumerate() {
                let (quad, shift) = if shape.nibbles {
                    (quad % 4, 4 * (quad / 4))
                } else {
                    (quad, 0)
                };
                let at = quad % per_line * 4 * height + 4 * r;
                let bytes = &mut lines[quad / per_line].0[at..at + 4];
                for (byte, q) in bytes.iter_mut().zip(q) {
                    *byte |= (*q as u8) << shift;
                }
            }
        }
        keep_factors(format, shape, height, (r, row), factors);
    }
}

/// The integers of a block with the bias, as they are stored.
fn stored(format: Format, shape: Shape, row: &[u8], b: usize, q: &mut Integers) {
    if shape.factors == Factors::Halves {
        // Here the scales stay apart: unpacked with scales of 1, as another block would have them.
        let piece = &row[b / 8 * 210..][..210];
        let mut plain = [1u8; 210];
        plain[..192].copy_from_slice(&piece[..192]);
        unpack(format, &plain, b % 8, q);
    } else {
        unpack(format, row, b, q);
    }
    q.iter_mut().for_each(|q| *q += shape.bias as i16);
}

fn keep_factors(
    format: Format,
    shape: Shape,
    height: usize,
    (r, row): (usize, &[u8]),
    out: &mut [u8],
) {
    let (_, bytes) = format.piece();
    let pieces = row.chunks_exact(bytes as usize);
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    match shape.factors {
        Factors::Scale => {
            pieces
                .enumerate()
                .for_each(|(b, piece)| put(2 * (height * b + r), &piece[..2]));
        }
        Factors::ScaleOffset => pieces.enumerate().for_each(|(b, piece)| {
            put(4 * height * b + 2 * r, &piece[..2]);
            put(4 * height * b + 2 * (height + r), &piece[2..4]);
        }),
        Factors::Nested => pieces.enumerate().for_each(|(i, piece)| {
            let base = 20 * height * i;
            put(base + 2 * r, &piece[..2]);
            put(base + 2 * (height + r), &piece[2..4]);
            for s in 0..8 {
                let (scale, offset) = k_integers(&piece[4..16], s);
                put(base + height * (4 + 2 * s) + r, &[scale]);
                put(base + height * (5 + 2 * s) + r, &[offset]);
            }
        }),
        Factors::Halves => pieces.enumerate().for_each(|(i, piece)| {
            let base = 18 * height * i;
            put(base + 2 * r, &piece[208..210]);
            for s in 0..8 {
                put(base + height * (2 + 2 * s) + r, &[piece[192 + 2 * s]]);
                put(base + height * (3 + 2 * s) + r, &[piece[193 + 2 * s]]);
            }
        }),
    }
}
