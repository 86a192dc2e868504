//! Program and model ids (`docs/encoding.md`, sections 3 and 7).

use crate::hash::{Hash, keccak256};
use crate::params::{MACHINE_VERSION, STACK_DEPTH, TAG_MODEL, TAG_PROGRAM};
use crate::state::{Header, Status};

/// Identity of a lowered program.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ProgramId(pub Hash);

/// Identity of a model together with the program that checks its answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ModelId(pub Hash);

/// Everything a program id commits to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Program {
    /// Root of the flat code.
    pub code: Hash,
    /// Root of the passive data segments.
    pub segments: Hash,
    /// First root of the tables.
    pub table: Hash,
    /// First root of linear memory.
    pub memory: Hash,
    /// First root of globals.
    pub globals: Hash,
    /// First memory size, in pages.
    pub pages: u32,
    /// Largest memory size, in pages.
    pub max_pages: u32,
    /// log2 of the volatile region's bytes; 0 for none.
    pub volatile_log2: u8,
    /// Register-stack cells a program may use.
    pub stack_cells: u32,
    /// log2 of the number of macro steps.
    pub a: u8,
    /// log2 of the number of micro steps in a macro step.
    pub b: u8,
    /// pc of the entry stub.
    pub entry: u32,
}

impl Program {
    /// The program's id.
    pub fn id(&self) -> ProgramId {
        ProgramId(keccak256(&[
            &[TAG_PROGRAM],
            &MACHINE_VERSION.to_be_bytes(),
            &self.code.0,
            &self.segments.0,
            &self.table.0,
            &self.memory.0,
            &self.globals.0,
            &self.pages.to_be_bytes(),
            &self.max_pages.to_be_bytes(),
            &[self.volatile_log2],
            &self.stack_cells.to_be_bytes(),
            &[self.a, self.b],
            &self.entry.to_be_bytes(),
        ]))
    }

    /// The first state: Yielded, about to enter.
    pub fn initial(&self) -> Header {
        Header {
            status: Status::Yielded,
            pc: self.entry,
            fp: 0,
            pages: self.pages,
            memory: self.memory,
            stack: crate::hash::zero_roots()[STACK_DEPTH as usize],
            globals: self.globals,
            table: self.table,
        }
    }
}

/// How far an answer may stray from the best-scoring token; `(0, 0)` is exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tolerance {
    /// Largest gap to the best score, in thousandths of a logit.
    pub max_gap: u32,
    /// Most positions that may have a gap.
    pub max_flips: u32,
}

/// `keccak(0x04 ‖ modelRoot ‖ length ‖ programId ‖ max_gap ‖ max_flips)`.
pub fn model_id(root: Hash, length: u64, program: ProgramId, ceiling: Tolerance) -> ModelId {
    ModelId(keccak256(&[
        &[TAG_MODEL],
        &root.0,
        &length.to_be_bytes(),
        &program.0.0,
        &ceiling.max_gap.to_be_bytes(),
        &ceiling.max_flips.to_be_bytes(),
    ]))
}
