//! The program's own kernel, row by row from the file's bytes.

use super::Factors;
use crate::matmul::{Input, rows, scratch_bytes};
use crate::native::host::raw;
use crate::ops::CHUNK;
use crate::quantize::{BLOCK, Packed};
use crate::tensors::Format;

/// Multiplies consecutive rows in `data`; `emit` gets a row's number, a token's, and the outputs of that token and those after it.
pub(super) fn multiply(
    (format, columns): (Format, u32),
    data: &[u8],
    x: &Factors,
    mut emit: impl FnMut(usize, usize, &[f32]),
) {
    let mut scratch = vec![0u64; scratch_bytes(columns).div_ceil(8) as usize];
    let ((floats, stride), blocks) = (x.floats, columns as usize / BLOCK);
    for first in (0..x.tokens).step_by(CHUNK as usize) {
        let some = (x.tokens - first).min(CHUNK as usize);
        let input = if format.is_float() {
            Input::Floats(&floats[first * stride..], stride)
        } else {
            // A chunk is whole groups, and these follow each other.
            let (all, cells) = (x.packed, first * blocks);
            Input::Packed(Packed {
                quads: &all.quads[cells * BLOCK..],
                scales: &all.scales[cells..],
                sums: &all.sums[cells..],
            })
        };
        rows(
            (format, columns),
            data,
            input,
            some as u32,
            raw(&mut scratch),
            |row, outputs| emit(row, first, &outputs[..some]),
        );
    }
}
