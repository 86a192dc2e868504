//! Where values lie in cells: parameters, locals, results, the operand stack, and globals are all laid out so.
//!
//! A value lies at the first cell that its alignment allows after the one before it. So positions are monotone in the
//! start: lay the same types out from `s` and from `t >= s`, and each value's cells from `t` begin at or above those
//! from `s` (`place` and `+` keep `<=`, by induction over the values). Every group of moves in this compiler goes
//! between two layouts of the same types, and relies on it:
//!
//! - destinations laid out from a lower start: moved in ascending order, value i is written at or below its source, so
//!   below every source still to be read;
//! - destinations laid out from a higher start: moved in descending order, it is written at or above its source, so
//!   above every source still to be read.

use wasmparser::ValType;

/// Cells that a value of type `ty` takes.
pub(super) fn width(ty: ValType) -> u32 {
    match ty {
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::Ref(_) => 1,
        ValType::V128 => 2,
    }
}

/// First cell, at or after `start`, of a value `width` cells wide: a vector's is even.
pub(super) fn place(start: u32, width: u32) -> u32 {
    start.next_multiple_of(width)
}

/// Widths of values of these types.
pub(super) fn widths(types: &[ValType]) -> Vec<u32> {
    types.iter().map(|t| width(*t)).collect()
}

/// First cells of values of these widths, in order from `start` on, and the end of the last.
pub(super) fn lay_out(start: u32, widths: &[u32]) -> (Vec<u32>, u32) {
    let mut end = start;
    let places = widths.iter().map(|&width| {
        let at = place(end, width);
        end = at + width;
        at
    });
    (places.collect(), end)
}

#[cfg(test)]
mod tests {
    use super::lay_out;

    #[test]
    fn vectors_lie_at_even_cells_and_leave_a_hole_at_most() {
        assert_eq!(lay_out(2, &[1, 2, 1, 1, 2]), (vec![2, 4, 6, 7, 8], 10));
        assert_eq!(lay_out(3, &[2, 1]), (vec![4, 6], 7));
        assert_eq!(lay_out(5, &[]), (vec![], 5));
    }

    #[test]
    fn a_later_start_puts_no_value_earlier() {
        for mask in 0..64u32 {
            let widths: Vec<u32> = (0..6).map(|bit| 1 + (mask >> bit & 1)).collect();
            for start in 0..8 {
                let (low, high) = (lay_out(start, &widths), lay_out(start + 1, &widths));
                assert!(low.0.iter().zip(&high.0).all(|(a, b)| a <= b));
                assert!(low.1 <= high.1);
            }
        }
    }
}
