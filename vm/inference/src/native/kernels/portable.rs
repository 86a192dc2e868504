//! The program's own kernel, row by row from the file's bytes.

use super::Activations;
use crate::matmul::{Input, Outputs, rows, scratch_bytes};
use crate::native::host::raw;
use crate::tensors::Format;

/// Multiplies consecutive rows in `data`; `emit` gets each row's number and outputs.
pub(super) fn multiply(
    (format, columns): (Format, u32),
    data: &[u8],
    x: &Activations,
    emit: impl FnMut(usize, &Outputs),
) {
    let input = if format.is_float() {
        Input::Floats(&x.x, x.stride)
    } else {
        Input::Packed(x.packed())
    };
    let mut scratch = vec![0u64; scratch_bytes(columns).div_ceil(8) as usize];
    rows(
        (format, columns),
        data,
        input,
        x.tokens() as u32,
        raw(&mut scratch),
        emit,
    );
}
