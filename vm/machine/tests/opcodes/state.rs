//! A machine that stands before one instruction.

use assay_machine::access::replay::FixedRoots;
use assay_machine::image::{Image, Limits};
use assay_machine::isa::{IMM_FORM, Instr, Op};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::step::{record, replay};
use assay_types::Status;
use assay_types::params::{MAX_WITNESS_BYTES, TABLE_SIZE_BASE};
use std::sync::Arc;

/// A trace index that is neither the first nor the last of its macro step.
pub const INDEX: u64 = 5;

/// Slots of the operands: all in different leaves, all of vectors.
pub const D: u16 = 4;
/// First operand.
pub const A: u16 = 20;
/// Second operand.
pub const B: u16 = 36;
/// Third operand.
pub const C: u16 = 52;

/// What a machine is made of.
pub struct State {
    /// Flat code.
    pub code: Vec<Instr>,
    /// Program numbers.
    pub limits: Limits,
    /// First elements.
    pub table: Vec<u64>,
    /// Passive segments.
    pub segments: Vec<u8>,
    /// Globals tree.
    pub globals: Vec<u64>,
    /// Stack cells that are not zero.
    pub cells: Vec<(u32, u64)>,
    /// Frame base.
    pub fp: u32,
}

/// An instruction.
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

impl State {
    /// A page of patterned memory, of three allowed.
    pub fn new(code: Vec<Instr>) -> State {
        State {
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
            table: Vec::new(),
            segments: (0..2000u32).map(|i| (i * 7 + 1) as u8).collect(),
            globals: vec![0; 8192],
            cells: Vec::new(),
            fp: 0,
        }
    }

    /// Sets stack cells in a row.
    pub fn cells<const N: usize>(mut self, first: u32, values: [u64; N]) -> State {
        self.cells.extend((first..).zip(values));
        self
    }

    /// Sets a table's globals cell.
    pub fn table(mut self, number: u32, size: u32, base: u32) -> State {
        self.globals[(TABLE_SIZE_BASE + number) as usize] = u64::from(size) | u64::from(base) << 32;
        self
    }

    /// Changes anything else.
    pub fn with(mut self, change: impl FnOnce(&mut State)) -> State {
        change(&mut self);
        self
    }

    /// The machine.
    pub fn machine(self) -> Machine {
        let memory = (0..self.limits.pages * 65536)
            .map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8)
            .collect();
        let image = Image::new(
            self.limits,
            self.code,
            self.table,
            self.segments,
            memory,
            self.globals,
        );
        let roms = [b"what is the answer?".as_slice(), b"42", &[7; 1000]].map(Rom::new);
        let mut machine = Machine::new(Arc::new(image), roms);
        machine.cpu.status = Status::Running;
        machine.cpu.fp = self.fp;
        for (index, value) in self.cells {
            set_cell(&mut machine, index, value);
        }
        machine
    }

    /// The machine after one step, executed in all ways.
    pub fn step(self) -> Machine {
        let mut machine = self.machine();
        step(&mut machine);
        machine
    }
}

/// Writes a cell of the stack from outside.
pub fn set_cell(machine: &mut Machine, index: u32, value: u64) {
    let old = machine.stack.get(index);
    machine.poke_stack(index, old ^ value);
}

/// Writes a vector from outside.
pub fn set_vector(machine: &mut Machine, index: u16, value: u128) {
    set_cell(machine, index.into(), value as u64);
    set_cell(machine, u32::from(index) + 1, (value >> 64) as u64);
}

/// A vector of the stack.
pub fn vector(machine: &Machine, index: u16) -> u128 {
    u128::from_le_bytes(machine.stack.vector(index.into()))
}

/// Executes one step directly, by recording, and by replaying what was recorded; the length of the witness.
pub fn step(machine: &mut Machine) -> usize {
    let image = machine.image.clone();
    let ins = image.code.get(machine.cpu.pc as usize).copied();
    let what = ins
        .and_then(|i| i.opcode())
        .map_or("no opcode", |(op, _)| op.mnemonic());
    let place = format!("{what}: {ins:?} at fp {:#x}", machine.cpu.fp);
    let fixed = FixedRoots {
        code: image.program.code,
        segments: image.program.segments,
        roms: [0, 1, 2].map(|i| machine.roms[i].root()),
    };
    let mut recorded = machine.clone();
    let before = machine.root();
    machine.run(INDEX, 1);
    let witness = record(&mut recorded, INDEX);
    let after = machine.header();
    assert_eq!(recorded.header(), after, "{place}: recorded and direct");
    assert_eq!(
        replay(&image.limits, &fixed, INDEX, &witness),
        Ok((before, after.root())),
        "{place}: replayed and direct; the state after is {after:?}"
    );
    assert!(
        witness.len() <= MAX_WITNESS_BYTES,
        "{place}: {} bytes",
        witness.len()
    );
    witness.len()
}
