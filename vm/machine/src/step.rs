//! The step function: dispatch only; families do the work. Mirrored by `contracts/src/step/`.

mod alike;
mod arm;
mod block;
mod control;
mod float;
mod float32;
mod float64;
mod int;
mod integer;
mod lanes;
mod memory;
mod simd;
mod table;
mod vector;
mod vector_float;

pub(crate) use arm::Arm;

/// The arms that `fast` joins in pairs.
pub(crate) mod arms {
    use super::alike::{Alike, Scalar};
    pub(crate) use super::control::{Const, Move, Select};
    pub(crate) use super::integer::*;
    use super::lanes::Lone;
    pub(crate) use super::memory::{Load8U, Load16S32, Load32U, Load64, Store8, Store32, Store64};
    pub(crate) use super::vector::V128Load;
    use crate::isa::Op;

    macro_rules! floats {
        ($($name:ident $float:ident)*) => {
            $(pub(crate) type $name = Alike<Scalar<$float>, { Op::$name as u16 & 0xff }>;)*
        };
    }
    floats! { F32Add f32 F32Mul f32 F64Add f64 F64Sub f64 F64Mul f64 F64Div f64 F64Sqrt f64 }

    macro_rules! lanes {
        ($($name:ident)*) => { $(pub(crate) type $name = Lone<{ Op::$name as u16 }>;)* };
    }
    lanes! { I16x8ExtendLowI8x16S I16x8ExtendHighI8x16S I32x4DotI16x8S I32x4Add }
}

use crate::access::replay::{BadWitness, FixedRoots, Replayer};
use crate::access::{Access, Operand, Stop};
use crate::fast::Forms;
use crate::image::Limits;
use crate::isa::{Instr, Op};
use crate::machine::Machine;
use crate::stack::Vector;
use assay_types::params::{CODE_INSTRUCTIONS, HEADER_BYTES, STACK_CELLS};
use assay_types::{Header, StateRoot, Status};

/// The registers of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpu {
    /// Where the machine stands.
    pub status: Status,
    /// Next instruction.
    pub pc: u32,
    /// Frame base, in cells.
    pub fp: u32,
    /// Memory size, in pages.
    pub pages: u32,
}

/// The outcome of one instruction.
pub type Flow<A> = Result<(), Stop<<A as Access>::Error>>;

/// What an instruction sees.
pub(crate) struct Ctx<'a, A> {
    pub cpu: &'a mut Cpu,
    pub limits: &'a Limits,
    pub access: &'a mut A,
    pub ins: Instr,
    /// Operand `b` is the immediate.
    pub imm_form: bool,
}

impl<A: Access> Ctx<'_, A> {
    #[inline(always)]
    fn index(&self, slot: u16) -> Result<u32, Stop<A::Error>> {
        let index = u64::from(self.cpu.fp) + u64::from(slot);
        if index < u64::from(STACK_CELLS) {
            Ok(index as u32)
        } else {
            Err(Stop::Trap)
        }
    }

    #[inline(always)]
    pub fn get(&mut self, slot: u16) -> Result<u64, Stop<A::Error>> {
        let index = self.index(slot)?;
        Ok(self.access.cell(index)?)
    }

    #[inline(always)]
    fn operand(&mut self, which: Operand, slot: u16) -> Result<u64, Stop<A::Error>> {
        let index = self.index(slot)?;
        Ok(self.access.operand(which, index)?)
    }

    #[inline(always)]
    pub fn a(&mut self) -> Result<u64, Stop<A::Error>> {
        self.operand(Operand::A, self.ins.a)
    }

    /// Operand `b` of an opcode that has no immediate form.
    #[inline(always)]
    pub fn slot_b(&mut self) -> Result<u64, Stop<A::Error>> {
        self.operand(Operand::B, self.ins.b)
    }

    /// The third operand.
    #[inline(always)]
    pub fn c(&mut self) -> Result<u64, Stop<A::Error>> {
        self.operand(Operand::C, self.ins.imm as u16)
    }

    #[inline(always)]
    pub fn b(&mut self) -> Result<u64, Stop<A::Error>> {
        if self.imm_form {
            Ok(self.ins.imm)
        } else {
            self.slot_b()
        }
    }

    /// Writes cell `d` and goes to the next instruction.
    #[inline(always)]
    pub fn set(&mut self, value: u64) -> Flow<A> {
        let index = self.index(self.ins.d)?;
        self.access.set_cell(index, value)?;
        self.next()
    }

    /// First cell of a vector; an odd one traps, so that both its cells are in one leaf.
    #[inline(always)]
    fn vector_index(&self, slot: u16) -> Result<u32, Stop<A::Error>> {
        let index = self.index(slot)?;
        if index % 2 == 0 {
            Ok(index)
        } else {
            Err(Stop::Trap)
        }
    }

    #[inline(always)]
    pub fn vector(&mut self, slot: u16) -> Result<Vector, Stop<A::Error>> {
        let index = self.vector_index(slot)?;
        Ok(self.access.vector(index)?)
    }

    #[inline(always)]
    pub fn va(&mut self) -> Result<Vector, Stop<A::Error>> {
        self.vector(self.ins.a)
    }

    #[inline(always)]
    pub fn vb(&mut self) -> Result<Vector, Stop<A::Error>> {
        self.vector(self.ins.b)
    }

    /// Writes vector `d` and goes to the next instruction.
    #[inline(always)]
    pub fn set_vector(&mut self, value: Vector) -> Flow<A> {
        let index = self.vector_index(self.ins.d)?;
        self.access.set_vector(index, value)?;
        self.next()
    }

    #[inline(always)]
    pub fn next(&mut self) -> Flow<A> {
        self.cpu.pc += 1;
        Ok(())
    }
}

/// Executes one instruction of a Running machine.
#[inline(always)]
pub fn execute<A: Access>(cpu: &mut Cpu, limits: &Limits, access: &mut A) -> Flow<A> {
    if cpu.pc >= CODE_INSTRUCTIONS {
        return Err(Stop::Trap);
    }
    let ins = access.instr(cpu.pc)?;
    let (op, imm_form) = ins.opcode().ok_or(Stop::Trap)?;
    let mut ctx = Ctx {
        cpu,
        limits,
        access,
        ins,
        imm_form,
    };
    dispatch(op, &mut ctx)
}

#[inline(always)]
fn dispatch<A: Access>(op: Op, x: &mut Ctx<'_, A>) -> Flow<A> {
    match (op as u16) >> 8 {
        0 => control::execute(op, x),
        1 => memory::execute(op, x),
        2 | 3 => integer::execute(op, x),
        4 => float32::execute(op, x),
        5 => float64::execute(op, x),
        6 => vector::execute(op, x),
        7 => lanes::execute(op, x),
        8 => vector_float::lanes32::execute(op, x),
        9 => vector_float::lanes64::execute(op, x),
        _ => table::execute(op, x),
    }
}

/// The handlers of an opcode in `fast`; none where only the reference does it.
pub(crate) fn forms(op: Op) -> Option<Forms> {
    match (op as u16) >> 8 {
        0 => control::forms(op),
        1 => memory::forms(op),
        2 | 3 => integer::forms(op),
        4 => float32::forms(op),
        5 => float64::forms(op),
        6 => vector::forms(op),
        7 => lanes::forms(op),
        8 => vector_float::lanes32::forms(op),
        9 => vector_float::lanes64::forms(op),
        _ => None,
    }
}

/// One step at trace index `index`, recorded: the machine moves on, its witness is returned.
pub fn record(machine: &mut Machine, index: u64) -> Vec<u8> {
    use crate::access::record::Recorder;
    let mut witness = machine.header().encode().to_vec();
    if machine.cpu.status != Status::Running {
        machine.run(index, 1);
        return witness;
    }
    let (mut cpu, limits) = (machine.cpu, machine.image.limits);
    let mut access = Recorder::access(machine, &mut witness);
    match execute(&mut cpu, &limits, &mut access) {
        Ok(()) => {}
        Err(Stop::Trap) => cpu.status = Status::Trapped,
        Err(Stop::Access(never)) => match never {},
    }
    machine.cpu = cpu;
    machine.executed += 1;
    if cpu.status == Status::Running && is_last(index, limits.b) {
        machine.trap();
    }
    witness
}

/// The roots before and after the step at trace index `index`, from its witness alone.
pub fn replay(
    limits: &Limits,
    fixed: &FixedRoots,
    index: u64,
    witness: &[u8],
) -> Result<(StateRoot, StateRoot), BadWitness> {
    let (header, rest) = witness
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(BadWitness::Length)?;
    let before = Header::decode(header).ok_or(BadWitness::Header)?;
    let after = match before.status {
        Status::Running => replay_running(limits, fixed, index, before, rest)?,
        _ if !rest.is_empty() => return Err(BadWitness::Length),
        Status::Yielded if index & ((1 << limits.b) - 1) == 0 => Header {
            status: Status::Running,
            ..before
        },
        Status::Yielded | Status::Halted(_) | Status::Trapped => before,
    };
    Ok((before.root(), after.root()))
}

fn replay_running(
    limits: &Limits,
    fixed: &FixedRoots,
    index: u64,
    before: Header,
    rest: &[u8],
) -> Result<Header, BadWitness> {
    let mut cpu = Cpu {
        status: before.status,
        pc: before.pc,
        fp: before.fp,
        pages: before.pages,
    };
    let mut access = Replayer::access(before, fixed, rest);
    match execute(&mut cpu, limits, &mut access) {
        Ok(()) => {}
        Err(Stop::Trap) => cpu.status = Status::Trapped,
        Err(Stop::Access(bad)) => return Err(bad),
    }
    if !access.opener.finished() {
        return Err(BadWitness::Length);
    }
    let header = access.opener.header;
    Ok(match cpu.status {
        Status::Halted(_) | Status::Trapped => Header::terminal(cpu.status),
        Status::Running if is_last(index, limits.b) => Header::terminal(Status::Trapped),
        Status::Running | Status::Yielded => Header {
            status: cpu.status,
            pc: cpu.pc,
            fp: cpu.fp,
            pages: cpu.pages,
            ..header
        },
    })
}

/// Whether `index = -1 mod 2^b`.
fn is_last(index: u64, b: u8) -> bool {
    let mask = (1u64 << b) - 1;
    index & mask == mask
}
