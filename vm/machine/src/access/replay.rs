//! Replaying access: a step from its witness alone. The readable twin of the Solidity step.

use super::leaves::{ByLeaf, Kind, Leaf, Opener};
use crate::tree::ZERO;
use assay_types::hash::fold;
use assay_types::params::{
    CODE_DEPTH, GLOBALS_DEPTH, LEAF_BYTES, MEMORY_DEPTH, ROM_DEPTH, SEGMENTS_DEPTH, STACK_DEPTH,
    TABLE_DEPTH,
};
use assay_types::{Hash, Header, leaf_hash};
use thiserror::Error;

/// Why a witness is bad.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum BadWitness {
    /// It ends before the step does, or goes on after it.
    #[error("witness has the wrong length")]
    Length,
    /// An opening does not fold to its tree's root.
    #[error("witness opening does not fold to its root")]
    Fold,
    /// The header is not an encoding.
    #[error("witness header is not canonical")]
    Header,
}

/// Roots that belong to the claim, not to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedRoots {
    /// Flat code.
    pub code: Hash,
    /// Passive segments.
    pub segments: Hash,
    /// Request, output, model.
    pub roms: [Hash; 3],
}

/// Opens leaves from witness bytes and keeps the header's roots.
pub struct Replayer<'a> {
    rest: &'a [u8],
    openings: Vec<Vec<Hash>>,
    fixed: &'a FixedRoots,
    /// The header, whose roots follow the writes.
    pub header: Header,
}

impl<'a> Replayer<'a> {
    /// Access over `witness` (without its header).
    pub fn access(
        header: Header,
        fixed: &'a FixedRoots,
        witness: &'a [u8],
    ) -> ByLeaf<Replayer<'a>> {
        ByLeaf::new(Replayer {
            rest: witness,
            openings: Vec::new(),
            fixed,
            header,
        })
    }

    /// Whether the whole witness was used.
    pub fn finished(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], BadWitness> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(BadWitness::Length)?;
        self.rest = rest;
        Ok(head)
    }

    fn take_siblings(&mut self, n: u32) -> Result<Vec<Hash>, BadWitness> {
        let bytes = self.take(n as usize * 32)?;
        Ok(bytes
            .chunks_exact(32)
            .map(|c| Hash(c.try_into().expect("chunks of 32")))
            .collect())
    }

    fn root_of(&self, kind: Kind) -> (Hash, u32) {
        match kind {
            Kind::Code => (self.fixed.code, CODE_DEPTH),
            Kind::Stack => (self.header.stack, STACK_DEPTH),
            Kind::Globals => (self.header.globals, GLOBALS_DEPTH),
            Kind::Table => (self.header.table, TABLE_DEPTH),
            Kind::Memory => (self.header.memory, MEMORY_DEPTH),
            Kind::Segments => (self.fixed.segments, SEGMENTS_DEPTH),
            Kind::Rom(rom) => (self.fixed.roms[rom as usize], ROM_DEPTH),
        }
    }
}

impl Opener for Replayer<'_> {
    type Error = BadWitness;

    fn open(&mut self, kind: Kind, index: u64) -> Result<(Leaf, usize), BadWitness> {
        let (root, depth) = self.root_of(kind);
        let leaf: Leaf = self
            .take(LEAF_BYTES)?
            .try_into()
            .expect("took a leaf's bytes");
        let siblings = self.take_siblings(depth)?;
        if fold(leaf_hash(&leaf), index, &siblings) != root {
            return Err(BadWitness::Fold);
        }
        self.openings.push(siblings);
        Ok((leaf, self.openings.len() - 1))
    }

    fn write(
        &mut self,
        kind: Kind,
        index: u64,
        handle: usize,
        leaf: &Leaf,
    ) -> Result<(), BadWitness> {
        let root = fold(leaf_hash(leaf), index, &self.openings[handle]);
        match kind {
            Kind::Stack => self.header.stack = root,
            Kind::Globals => self.header.globals = root,
            Kind::Memory => self.header.memory = root,
            Kind::Table => self.header.table = root,
            Kind::Code | Kind::Segments | Kind::Rom(_) => {
                unreachable!("no step writes this tree")
            }
        }
        Ok(())
    }

    fn grow(&mut self, _: u32) -> Result<(), BadWitness> {
        Ok(())
    }

    fn reset(&mut self, volatile_log2: u8) -> Result<(), BadWitness> {
        self.header.stack = ZERO[STACK_DEPTH as usize];
        if volatile_log2 != 0 {
            let height = u32::from(volatile_log2) - 7;
            let old = Hash(self.take(32)?.try_into().expect("took 32 bytes"));
            let siblings = self.take_siblings(MEMORY_DEPTH - height)?;
            if fold(old, 0, &siblings) != self.header.memory {
                return Err(BadWitness::Fold);
            }
            self.header.memory = fold(ZERO[height as usize], 0, &siblings);
        }
        Ok(())
    }
}
