//! States and code that no lowering makes.

use crate::lockstep::roms;
use assay_machine::image::{Image, Limits};
use assay_machine::isa::{IMM_FORM, Instr, Op};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_types::Status;
use assay_types::params::TABLE_SIZE_BASE;
use std::sync::Arc;

/// A Running state about to execute `code[0]`, unless `pc` says otherwise.
pub struct Handmade {
    /// Flat code.
    pub code: Vec<Instr>,
    /// Program numbers.
    pub limits: Limits,
    /// Linear memory; zeros up to `limits.pages`.
    pub memory: Vec<u8>,
    /// Globals tree.
    pub globals: Vec<u64>,
    /// Table tree, as the program has it at first; steps write to the machine's own.
    pub table: Vec<u64>,
    /// Passive segments, of data and of elements.
    pub segments: Vec<u8>,
    /// Read-only inputs.
    pub roms: [Rom; 3],
    /// Stack cells that are not zero.
    pub cells: Vec<(u32, u64)>,
    /// Next instruction.
    pub pc: u32,
    /// Frame base.
    pub fp: u32,
}

/// An instruction of an opcode.
pub fn instr(op: Op, d: u16, a: u16, b: u16, imm: u64) -> Instr {
    Instr {
        op: op as u16,
        d,
        a,
        b,
        imm,
    }
}

/// The same in imm form.
pub fn imm_form(ins: Instr) -> Instr {
    Instr {
        op: ins.op | IMM_FORM,
        ..ins
    }
}

impl Handmade {
    /// One page of patterned memory, of three allowed, an empty stack, 2^20 steps a macro step.
    pub fn new(code: Vec<Instr>) -> Handmade {
        Handmade {
            code,
            limits: Limits {
                pages: 1,
                max_pages: 3,
                volatile_log2: 0,
                stack_cells: 1 << 17,
                a: 30,
                b: 20,
                entry: 0,
            },
            memory: (0..65536u32)
                .map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8)
                .collect(),
            globals: Vec::new(),
            table: Vec::new(),
            segments: (0..1000u32).map(|i| (i * 7 + 1) as u8).collect(),
            roms: roms(),
            cells: Vec::new(),
            pc: 0,
            fp: 0,
        }
    }

    /// Sets a stack cell.
    pub fn cell(mut self, index: u32, value: u64) -> Handmade {
        self.cells.push((index, value));
        self
    }

    /// Sets four stack cells in a row.
    pub fn block(self, first: u32, values: [u64; 4]) -> Handmade {
        (first..)
            .zip(values)
            .fold(self, |h, (index, value)| h.cell(index, value))
    }

    /// Sets the two stack cells of a vector, low half first.
    pub fn vector(self, first: u32, value: u128) -> Handmade {
        self.cell(first, value as u64)
            .cell(first + 1, (value >> 64) as u64)
    }

    /// Sets a cell of the globals tree.
    pub fn global(mut self, index: u32, value: u64) -> Handmade {
        let index = index as usize;
        self.globals.resize(self.globals.len().max(index + 1), 0);
        self.globals[index] = value;
        self
    }

    /// Makes table `number` the elements `base .. base + size` of the table tree, in it or not.
    pub fn table(self, number: u32, size: u32, base: u32) -> Handmade {
        self.global(
            TABLE_SIZE_BASE + number,
            u64::from(size) | u64::from(base) << 32,
        )
    }

    /// Sets the frame base.
    pub fn fp(mut self, fp: u32) -> Handmade {
        self.fp = fp;
        self
    }

    /// Changes anything else.
    pub fn with(mut self, change: impl FnOnce(&mut Handmade)) -> Handmade {
        change(&mut self);
        self
    }

    /// The machine in that state.
    pub fn machine(self) -> Machine {
        let image = Image::new(
            self.limits,
            self.code,
            self.table,
            self.segments,
            self.memory,
            self.globals,
        );
        let mut machine = Machine::new(Arc::new(image), self.roms);
        machine.cpu.status = Status::Running;
        machine.cpu.pc = self.pc;
        machine.cpu.fp = self.fp;
        for (index, value) in self.cells {
            let old = machine.stack.get(index);
            machine.poke_stack(index, old ^ value);
        }
        machine
    }
}
