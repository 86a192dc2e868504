//! Tables and element segments.

use super::Segment;
use crate::lower::accept::check_type;
use crate::lower::constant::{Value, check_reference, evaluate};
use crate::lower::{LowerError, Table, refuse};
use assay_types::params::{
    ELEM_DROPPED_BASE, LEAF_BYTES, LEAF_CELLS, MAX_ELEMS, MAX_TABLES, TABLE_ELEMENTS,
    TABLE_SIZE_BASE,
};
use wasmparser::{ConstExpr, Element, ElementItems, ElementKind, TableInit, ValType};

/// Elements that a table may grow by.
const GROWTH: u32 = 65_536;

/// A table as the module declares it.
struct Declared {
    offset: u64,
    size: u32,
    maximum: u32,
    /// What each element starts as.
    first: Value,
    /// Some `table.grow` names it.
    grown: bool,
}

/// Elements that instantiation writes.
struct Active {
    table: u32,
    start: u32,
    values: Vec<Value>,
}

/// All tables and element segments.
#[derive(Default)]
pub(super) struct Tables {
    declared: Vec<Declared>,
    active: Vec<Active>,
    /// Of each segment: its byte offset in the module, and, if it is passive, its elements.
    segments: Vec<(u64, Option<Vec<Value>>)>,
}

impl Tables {
    pub fn declare(
        &mut self,
        offset: u64,
        table: &wasmparser::Table<'_>,
        globals: &[Value],
        imported: u32,
    ) -> Result<(), LowerError> {
        check_type(ValType::Ref(table.ty.element_type), offset)?;
        let size = u32::try_from(table.ty.initial).unwrap_or(u32::MAX);
        if self.declared.len() as u32 >= MAX_TABLES || size > TABLE_ELEMENTS {
            return too_many(offset);
        }
        let first = match &table.init {
            TableInit::RefNull => Value::Cell(0),
            TableInit::Expr(expr) => evaluate(expr, globals, imported)?,
        };
        let maximum = table.ty.maximum.unwrap_or(u64::MAX);
        self.declared.push(Declared {
            offset,
            size,
            maximum: u32::try_from(maximum).unwrap_or(u32::MAX),
            first,
            grown: false,
        });
        Ok(())
    }

    /// Notes that some instruction grows table `index`.
    pub fn grow(&mut self, index: u32) {
        self.declared[index as usize].grown = true;
    }

    pub fn add_segment(
        &mut self,
        offset: u64,
        element: Element<'_>,
        globals: &[Value],
        imported: u32,
    ) -> Result<(), LowerError> {
        if self.segments.len() as u32 >= MAX_ELEMS {
            return refuse(offset, format!("more than {MAX_ELEMS} element segments"));
        }
        let values = elements(offset, element.items, globals, imported)?;
        let passive = match element.kind {
            ElementKind::Active {
                table_index,
                offset_expr,
            } => {
                self.activate(
                    offset,
                    table_index.unwrap_or(0),
                    &offset_expr,
                    globals,
                    values,
                )?;
                None
            }
            ElementKind::Passive => Some(values),
            ElementKind::Declared => None,
        };
        self.segments.push((offset, passive));
        Ok(())
    }

    fn activate(
        &mut self,
        offset: u64,
        table: u32,
        start: &ConstExpr<'_>,
        globals: &[Value],
        values: Vec<Value>,
    ) -> Result<(), LowerError> {
        // Validated: an i32.
        let Value::Cell(start) = evaluate(start, globals, 0)? else {
            return Ok(());
        };
        if start + values.len() as u64 > u64::from(self.declared[table as usize].size) {
            return refuse(offset, "an element segment does not fit its table");
        }
        self.active.push(Active {
            table,
            start: start as u32,
            values,
        });
        Ok(())
    }

    /// Where each table lies: one after another, each as long as it can become, in whole leaves.
    pub fn places(&self) -> Result<Vec<Table>, LowerError> {
        let mut base = 0;
        let place = |t: &Declared| {
            let room = t.maximum.min(t.size.saturating_add(GROWTH));
            let capacity = if t.grown { room } else { t.size };
            if base + u64::from(capacity) > u64::from(TABLE_ELEMENTS) {
                return too_many(t.offset);
            }
            let table = Table {
                base: base as u32,
                capacity,
            };
            base += u64::from(capacity.next_multiple_of(LEAF_CELLS));
            Ok(table)
        };
        self.declared.iter().map(place).collect()
    }

    /// Where each element segment lies, if the first may start at byte `start` of the segments.
    pub fn segments(&self, start: usize) -> Result<Vec<Segment>, LowerError> {
        let mut end = start as u64;
        let place = |(offset, passive): &(u64, Option<Vec<Value>>)| {
            let Some(values) = passive else {
                return Ok(Segment::dropped());
            };
            let at = end.next_multiple_of(LEAF_BYTES as u64);
            end = at + 8 * values.len() as u64;
            Segment::place(*offset, at, values.len())
        };
        self.segments.iter().map(place).collect()
    }

    /// Appends the passive segments' elements to the segments' bytes.
    pub fn write_segments(&self, bytes: &mut Vec<u8>, function: &impl Fn(u32) -> u64) {
        for values in self.segments.iter().filter_map(|s| s.1.as_ref()) {
            bytes.resize(bytes.len().next_multiple_of(LEAF_BYTES), 0);
            for cell in values.iter().flat_map(|v| v.cells(function)) {
                bytes.extend_from_slice(&cell.to_le_bytes());
            }
        }
    }

    /// The first elements of all tables, up to the last table's.
    pub fn cells(&self, places: &[Table], function: &impl Fn(u32) -> u64) -> Vec<u64> {
        let mut cells = Vec::new();
        for (table, place) in self.declared.iter().zip(places) {
            let end = (place.base + table.size) as usize;
            cells.resize(place.base as usize, 0);
            cells.resize(end, table.first.cells(function)[0]);
        }
        for active in &self.active {
            let at = (places[active.table as usize].base + active.start) as usize;
            let values = active.values.iter().flat_map(|v| v.cells(function));
            cells[at..].iter_mut().zip(values).for_each(|(c, v)| *c = v);
        }
        cells
    }

    /// Writes sizes and bases, and the flags of the segments that instantiation drops.
    pub fn write_globals(&self, places: &[Table], tree: &mut [u64]) {
        for (i, (table, place)) in self.declared.iter().zip(places).enumerate() {
            tree[TABLE_SIZE_BASE as usize + i] = place.cell(table.size);
        }
        for (i, (_, passive)) in self.segments.iter().enumerate() {
            tree[ELEM_DROPPED_BASE as usize + i] = u64::from(passive.is_none());
        }
    }
}

fn too_many<T>(offset: u64) -> Result<T, LowerError> {
    refuse(
        offset,
        format!("more than {MAX_TABLES} tables or {TABLE_ELEMENTS} elements in all"),
    )
}

fn elements(
    offset: u64,
    items: ElementItems<'_>,
    globals: &[Value],
    imported: u32,
) -> Result<Vec<Value>, LowerError> {
    match items {
        ElementItems::Functions(items) => {
            let value = |item: wasmparser::Result<(usize, u32)>| {
                let (at, function) = item?;
                check_reference(function, imported, at as u64)?;
                Ok(Value::Function(function))
            };
            items.into_iter_with_offsets().map(value).collect()
        }
        ElementItems::Expressions(ty, items) => {
            check_type(ValType::Ref(ty), offset)?;
            items
                .into_iter()
                .map(|e| evaluate(&e?, globals, imported))
                .collect()
        }
    }
}
