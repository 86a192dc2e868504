//! The smallest real programs: a few instructions, every state of whose run is known.

use assay_machine::access::replay::FixedRoots;
use assay_machine::image::{Image, Limits};
use assay_machine::isa::{IMM_FORM, Instr, Op};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::step::record;
use assay_types::StateRoot;
use assay_types::params::STACK_CELLS;
use std::sync::Arc;

/// A program of one macro step of `2^trace_log2` micro steps that has halted with `code` at index `halts` (at least 2).
pub fn program(trace_log2: u8, halts: u64, code: u64) -> Image {
    // Index 0 enters; then constants are loaded; the last instruction halts. Instruction 0 traps, as in every program.
    let constants = (0..halts - 2).map(|i| Instr {
        op: Op::Const as u16,
        d: 2 + i as u16,
        imm: i + 1,
        ..Instr::default()
    });
    let halt = Instr {
        op: Op::Halt as u16 | IMM_FORM,
        imm: code,
        ..Instr::default()
    };
    let code = std::iter::once(Instr::default())
        .chain(constants)
        .chain([halt])
        .collect();
    let limits = Limits {
        pages: 0,
        max_pages: 0,
        volatile_log2: 0,
        stack_cells: STACK_CELLS,
        a: 0,
        b: trace_log2,
        entry: 1,
    };
    Image::new(limits, code, vec![], vec![], vec![], vec![])
}

/// Every state of a program's run.
pub struct Run {
    /// Root at each index.
    pub states: Vec<StateRoot>,
    /// Witness of the step at each index, and of what a mover would show after the end.
    pub witnesses: Vec<Vec<u8>>,
    /// The program's limits.
    pub limits: Limits,
    /// What a step depends on besides the state.
    pub fixed: FixedRoots,
}

impl Run {
    /// Runs `image` on `roms` to its end.
    pub fn new(image: Arc<Image>, roms: [Rom; 3]) -> Run {
        let (limits, length) = (image.limits, 1u64 << image.limits.b);
        let fixed = FixedRoots {
            code: image.program.code,
            segments: image.program.segments,
            roms: roms.each_ref().map(Rom::root),
        };
        let mut machine = Machine::new(image, roms);
        let (mut states, mut witnesses) = (vec![machine.root()], Vec::new());
        for index in 0..length {
            witnesses.push(record(&mut machine, index));
            states.push(machine.root());
        }
        // What a mover would show after the end.
        witnesses.push(record(&mut machine, length));
        Run {
            states,
            witnesses,
            limits,
            fixed,
        }
    }
}
