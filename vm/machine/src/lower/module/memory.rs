//! Linear memory and data segments.

use super::Segment;
use crate::lower::constant::{Value, evaluate};
use crate::lower::{LowerError, refuse};
use assay_types::params::{DATA_DROPPED_BASE, LEAF_BYTES, MAX_DATAS, PAGE_BYTES};
use wasmparser::{Data, DataKind, MemoryType};

/// The memory's limits and the data segments.
#[derive(Default)]
pub(super) struct Memory<'a> {
    /// Byte offset, first size, maximum, in pages.
    limits: Option<(u64, u32, Option<u32>)>,
    /// Active segments: byte offset, address, bytes.
    active: Vec<(u64, u32, &'a [u8])>,
    pub segments: Vec<Segment>,
    /// The passive ones' bytes, each at a multiple of a leaf.
    pub passive: Vec<u8>,
}

impl<'a> Memory<'a> {
    pub fn declare(&mut self, offset: u64, ty: &MemoryType) -> Result<(), LowerError> {
        // The validator admits 32-bit memories only, so both fit.
        let pages = |p: u64| u32::try_from(p).or_else(|_| refuse(offset, "64-bit memory"));
        let maximum = ty.maximum.map(pages).transpose()?;
        self.limits = Some((offset, pages(ty.initial)?, maximum));
        Ok(())
    }

    /// First size, in pages.
    pub fn pages(&self) -> u32 {
        self.limits.map_or(0, |l| l.1)
    }

    /// Largest size that the module itself allows, in pages.
    pub fn declared(&self) -> u32 {
        self.limits.map_or(0, |l| l.2.unwrap_or(65536))
    }

    pub fn add_segment(
        &mut self,
        offset: u64,
        data: Data<'a>,
        globals: &[Value],
    ) -> Result<(), LowerError> {
        if self.segments.len() as u32 >= MAX_DATAS {
            return refuse(offset, format!("more than {MAX_DATAS} data segments"));
        }
        let segment = match data.kind {
            DataKind::Active { offset_expr, .. } => {
                // Validated: an i32.
                if let Value::Cell(at) = evaluate(&offset_expr, globals, 0)? {
                    self.active.push((offset, at as u32, data.data));
                }
                Segment::dropped()
            }
            DataKind::Passive => {
                let start = self.passive.len().next_multiple_of(LEAF_BYTES);
                self.passive.resize(start, 0);
                self.passive.extend_from_slice(data.data);
                Segment::place(offset, start as u64, data.data.len())?
            }
        };
        self.segments.push(segment);
        Ok(())
    }

    /// Linear memory after the active segments. It may not grow past `max_pages`.
    pub fn initial(&self, max_pages: u32, volatile_log2: u8) -> Result<Vec<u8>, LowerError> {
        let pages = self.pages();
        if pages > max_pages {
            return refuse(
                self.limits.map_or(0, |l| l.0),
                format!("the memory starts with {pages} pages, above max_pages {max_pages}"),
            );
        }
        let volatile = if volatile_log2 == 0 {
            0
        } else {
            1u64 << volatile_log2
        };
        let mut memory = Vec::new();
        for &(offset, at, bytes) in &self.active {
            let end = u64::from(at) + bytes.len() as u64;
            if end > u64::from(pages) * PAGE_BYTES {
                return refuse(offset, "a data segment does not fit linear memory");
            }
            if u64::from(at) < volatile && !bytes.is_empty() {
                return refuse(offset, "an active data segment lies in the volatile region");
            }
            if memory.len() < end as usize {
                memory.resize(end as usize, 0);
            }
            memory[at as usize..end as usize].copy_from_slice(bytes);
        }
        Ok(memory)
    }

    /// Sets the flags of active segments: they are dropped before the first state.
    pub fn write_flags(&self, tree: &mut [u64]) {
        for (i, segment) in self.segments.iter().enumerate() {
            tree[DATA_DROPPED_BASE as usize + i] = u64::from(segment.dropped);
        }
    }
}
