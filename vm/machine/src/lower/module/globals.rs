//! The module's globals, laid out in the first cells of the globals tree.

use crate::lower::accept::check_type;
use crate::lower::constant::{Value, evaluate};
use crate::lower::layout::{place, width};
use crate::lower::{LowerError, refuse};
use assay_types::params::GLOBALS_CELLS;
use wasmparser::Global;

/// All globals: first value and first cell of each.
#[derive(Default)]
pub(super) struct Globals {
    pub values: Vec<Value>,
    pub cells: Vec<u32>,
    widths: Vec<u32>,
    end: u32,
}

impl Globals {
    pub fn add(
        &mut self,
        offset: u64,
        global: &Global<'_>,
        imported: u32,
    ) -> Result<(), LowerError> {
        check_type(global.ty.content_type, offset)?;
        let width = width(global.ty.content_type);
        let cell = place(self.end, width);
        self.end = cell + width;
        if self.end > GLOBALS_CELLS {
            return refuse(offset, format!("globals need over {GLOBALS_CELLS} cells"));
        }
        self.values
            .push(evaluate(&global.init_expr, &self.values, imported)?);
        self.cells.push(cell);
        self.widths.push(width);
        Ok(())
    }

    /// First cell of a global, and its width.
    pub fn place(&self, index: u32) -> (u32, u32) {
        (self.cells[index as usize], self.widths[index as usize])
    }

    /// Writes the first values to the globals tree's cells.
    pub fn write(&self, tree: &mut [u64], function: &impl Fn(u32) -> u64) {
        for (value, &cell) in self.values.iter().zip(&self.cells) {
            for (i, half) in value.cells(function).into_iter().enumerate() {
                tree[cell as usize + i] = half;
            }
        }
    }
}
