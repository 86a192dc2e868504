//! Where a machine stands, for people.

use crate::disassembly;
use crate::program::Program;
use assay_machine::isa::Instr;
use assay_types::Status;
use serde::Serialize;
use std::fmt;

/// An instruction of the program.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Its number.
    pub pc: u32,
    /// The function that it belongs to: its name, or what stands in for one.
    pub function: String,
    /// Index of that function; none for the entry stub.
    pub function_index: Option<u32>,
    /// The instruction.
    pub instruction: String,
}

impl Place {
    /// The instruction at `pc`; beyond the code every instruction is a trap.
    pub fn new(program: &Program, pc: u32) -> Place {
        let code = &program.lowered.image.code;
        let instr = code.get(pc as usize).copied().unwrap_or(Instr::default());
        let function = program.functions.at(pc);
        Place {
            pc,
            function: function.map_or("beyond the code".into(), |f| f.title()),
            function_index: function.and_then(|f| f.index),
            instruction: disassembly::text(&instr),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.instruction.split_whitespace().collect();
        write!(
            f,
            "pc {}, in {}: {}",
            self.pc,
            self.function,
            words.join(" ")
        )
    }
}

/// A status as one word.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Yielded => "yielded",
        Status::Halted(_) => "halted",
        Status::Trapped => "trapped",
    }
}

/// The code of a halted state.
pub fn halt_code(status: Status) -> Option<u32> {
    match status {
        Status::Halted(code) => Some(code),
        Status::Running | Status::Yielded | Status::Trapped => None,
    }
}
