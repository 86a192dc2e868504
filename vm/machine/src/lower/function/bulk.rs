//! Memory and tables: what works on a block of operands, and single elements.

use super::{Lowerer, Op};
use wasmparser::Operator;

impl Lowerer<'_, '_> {
    /// True if `operator` is of linear memory as a whole, or of a table.
    pub(super) fn bulk_operator(&mut self, operator: &Operator<'_>) -> bool {
        // Indices of tables and segments fit 16 bits: fewer than 1024, 1024 and 2048, checked when parsed.
        match operator {
            Operator::MemorySize { .. } => {
                self.define(Op::MemorySize, 0, 0, 0);
            }
            Operator::MemoryGrow { .. } => {
                let a = self.pop_slot();
                self.define(Op::MemoryGrow, a, 0, 0);
            }
            Operator::MemoryFill { .. } => self.bulk(Op::MemoryFill, 3, 0, 0, 0),
            Operator::MemoryCopy { .. } => self.bulk(Op::MemoryCopy, 3, 0, 0, 0),
            Operator::MemoryInit { data_index, .. } => {
                let imm = self.module.datas[*data_index as usize].imm();
                self.bulk(Op::MemoryInit, 3, *data_index as u16, 0, imm);
            }
            Operator::DataDrop { data_index } => {
                self.emit(Op::DataDrop, *data_index as u16, 0, 0, 0);
            }
            Operator::TableGet { table } => {
                let a = self.pop_slot();
                self.define(Op::TableGet, a, 0, u64::from(*table));
            }
            Operator::TableSet { table } => {
                let (b, a) = (self.pop_slot(), self.pop_slot());
                self.emit(Op::TableSet, 0, a, b, u64::from(*table));
            }
            Operator::TableSize { table } => {
                self.define(Op::TableSize, 0, 0, u64::from(*table));
            }
            Operator::TableGrow { table } => self.table_grow(*table),
            Operator::TableFill { table } => self.bulk(Op::TableFill, 3, 0, *table as u16, 0),
            Operator::TableCopy {
                dst_table,
                src_table,
            } => self.bulk(Op::TableCopy, 3, *dst_table as u16, *src_table as u16, 0),
            Operator::TableInit { elem_index, table } => {
                let imm = self.module.elems[*elem_index as usize].imm();
                let (d, b) = (*elem_index as u16, *table as u16);
                self.bulk(Op::TableInit, 3, d, b, imm);
            }
            Operator::ElemDrop { elem_index } => {
                self.emit(Op::ElemDrop, *elem_index as u16, 0, 0, 0);
            }
            _ => return false,
        }
        true
    }

    /// Moves the top `n` entries to the first cells of a block; its first slot.
    fn block(&mut self, n: usize, first: u32) -> u16 {
        let base = self.callee_base(n);
        self.reach(base + 4);
        self.move_up(n, base + first);
        base as u16
    }

    /// A bulk operation on a block of `n` operands.
    pub(super) fn bulk(&mut self, op: Op, n: usize, d: u16, b: u16, imm: u64) {
        let block = self.block(n, 0);
        self.emit(op, d, block, b, imm);
    }

    /// `table_grow` reads value and number from cells 1 and 2 of its block and leaves dst, value, len for `table_fill`
    /// (len 0 where it fails), and its result in cell 3.
    fn table_grow(&mut self, table: u32) {
        let capacity = self.module.tables[table as usize].capacity;
        let block = self.block(2, 1);
        self.emit(Op::TableGrow, 0, block, table as u16, u64::from(capacity));
        self.emit(Op::TableFill, 0, block, table as u16, 0);
        self.define(Op::Move, block.wrapping_add(3), 0, 0);
    }
}
