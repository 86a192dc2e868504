//! Recording access: runs a step on the machine and writes down each opening.

use super::Access;
use super::leaves::{ByLeaf, Kind, Leaf, Opener};
use crate::image::cells_leaf;
use crate::machine::Machine;
use crate::tree::leaf_at;
use assay_types::Hash;
use std::convert::Infallible;

/// Openings of one step, appended to `witness`. The machine's trees are up to date on entry and stay so.
pub struct Recorder<'a> {
    machine: &'a mut Machine,
    witness: &'a mut Vec<u8>,
}

impl<'a> Recorder<'a> {
    /// Access that records into `witness`.
    pub fn access(machine: &'a mut Machine, witness: &'a mut Vec<u8>) -> ByLeaf<Recorder<'a>> {
        machine.update_trees();
        ByLeaf::new(Recorder { machine, witness })
    }

    fn push(&mut self, leaf: &[u8], siblings: &[Hash]) {
        self.witness.extend_from_slice(leaf);
        siblings
            .iter()
            .for_each(|s| self.witness.extend_from_slice(&s.0));
    }
}

impl Opener for Recorder<'_> {
    type Error = Infallible;

    fn open(&mut self, kind: Kind, index: u64) -> Result<(Leaf, usize), Infallible> {
        let m = &*self.machine;
        let (leaf, siblings) = match kind {
            Kind::Code => (
                m.image.code_leaf(index),
                m.image.code_tree.siblings(0, index),
            ),
            Kind::Stack => (m.stack.leaf(index), m.trees.stack.siblings(0, index)),
            Kind::Globals => (
                cells_leaf(&m.globals, index),
                m.trees.globals.siblings(0, index),
            ),
            Kind::Table => (
                cells_leaf(&m.table, index),
                m.trees.table.siblings(0, index),
            ),
            Kind::Memory => (leaf_at(&m.memory, index), m.trees.memory.siblings(0, index)),
            Kind::Segments => (
                leaf_at(&m.image.segments, index),
                m.image.segments_tree.siblings(0, index),
            ),
            Kind::Rom(rom) => (
                m.roms[rom as usize].leaf(index),
                m.roms[rom as usize].siblings(index),
            ),
        };
        self.push(&leaf, &siblings);
        Ok((leaf, 0))
    }

    fn write(&mut self, kind: Kind, index: u64, _: usize, leaf: &Leaf) -> Result<(), Infallible> {
        let m = &mut *self.machine;
        match kind {
            Kind::Memory => {
                for (at, chunk) in (index * 128..).step_by(8).zip(leaf.chunks_exact(8)) {
                    m.store(at, <[u8; 8]>::try_from(chunk).expect("chunks of 8"))?;
                }
            }
            Kind::Stack | Kind::Globals | Kind::Table => {
                for (at, chunk) in (index as u32 * 16..).zip(leaf.chunks_exact(8)) {
                    let value = u64::from_le_bytes(chunk.try_into().expect("chunks of 8"));
                    match kind {
                        Kind::Stack => m.set_cell(at, value)?,
                        Kind::Globals => m.set_global(at, value)?,
                        _ => m.set_element(at, value)?,
                    }
                }
            }
            Kind::Code | Kind::Segments | Kind::Rom(_) => {
                unreachable!("no step writes this tree")
            }
        }
        m.update_trees();
        Ok(())
    }

    fn grow(&mut self, pages: u32) -> Result<(), Infallible> {
        self.machine.resize_memory(pages);
        Ok(())
    }

    fn reset(&mut self, volatile_log2: u8) -> Result<(), Infallible> {
        if volatile_log2 != 0 {
            let height = u32::from(volatile_log2) - 7;
            let subtree = self.machine.trees.memory.node(height, 0);
            let siblings = self.machine.trees.memory.siblings(height, 0);
            self.push(&subtree.0, &siblings);
        }
        self.machine.clear_volatile(volatile_log2);
        self.machine.update_trees();
        Ok(())
    }
}
