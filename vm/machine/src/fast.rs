//! The interpreter at speed: the same arms of the step function, each compiled by itself and called in a chain.
//!
//! [`Code`] holds a handler an instruction, chosen when the program is made. A handler does its arm in a window of the
//! stack that is as long as slots are, so that no slot needs a check, and ends by calling the next one: a jump, where the
//! compiler makes it one. INVARIANT: a handler that can't do an instruction as the reference would changes nothing and
//! leaves, and [`crate::step::execute`] does it; traps are among these, and results that are NaN. So there is one step function, and a handler
//! needs to be right only where nothing is special.
//!
//! Steps are not counted one by one: between two jumps they are as many as instructions passed. The chain may leave at
//! jumps and at every [`RUN`]th instruction only, so it goes on only while that many steps are left.

mod control;
mod decode;
mod handlers;
mod pairs;
mod runs;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use decode::Code;
pub(crate) use handlers::Forms;

use crate::image::{GLOBAL_TREE_CELLS, Limits};
use crate::machine::Machine;
use crate::stack::Frame;
use crate::step::Cpu;
use assay_types::Status;
use assay_types::params::PAGE_BYTES;

/// Most steps between two places where the chain may leave.
pub(crate) const RUN: usize = 256;
/// Steps of one chain. Where the compiler makes calls of its jumps, they need that many stack frames of the host.
const CHAIN: u64 = 4096;

/// Does one instruction, then calls the next one's handler. `ip` is the code from the instruction on. All arguments are to
/// fit into registers.
type Handler = for<'c> fn(&'c [Ins], &mut Frame, &mut Cx<'c>, Acc) -> Exit;

/// The accumulator: what the last instructions gave that gave a cell, so that the next need not wait until a cell that has
/// just been written can be read. INVARIANT: where [`Code`] says that a slot's value is at hand, it is what the slot's
/// cell holds; the cell is always written too.
#[derive(Clone, Copy, Default)]
struct Acc {
    /// Of an instruction that gives no f64.
    cell: u64,
    f64: f64,
}

/// An instruction, and who does it.
#[derive(Clone, Copy)]
struct Ins {
    handler: Handler,
    imm: u64,
    d: u16,
    a: u16,
    b: u16,
    op: u16,
}

/// Why a chain ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exit {
    /// The instruction is one for the reference.
    Reference,
    /// The frame base has changed.
    Frame,
    /// Enough for one chain.
    Enough,
}

/// What handlers need beside the frame and linear memory.
struct Cx<'c> {
    code: &'c Code,
    /// The instructions of `code`.
    ins: &'c [Ins],
    limits: &'c Limits,
    globals: &'c mut [u64; GLOBAL_TREE_CELLS],
    table: &'c [u64],
    memory: &'c mut [u8],
    dirty: &'c mut [u8],
    /// Where the chain has left.
    at: &'c [Ins],
    fp: u32,
    /// Steps so far, and the length of the code that is left: each instruction takes from the one and adds to the other.
    base: u64,
    /// Steps after which the chain is to leave at its next chance.
    cap: u64,
}

impl<'c> Cx<'c> {
    /// The code from `pc` on; `None` where there is none.
    #[inline(always)]
    fn from(&self, pc: u32) -> Option<&'c [Ins]> {
        let pc = pc as usize;
        (pc < self.ins.len()).then(|| &self.ins[pc..])
    }

    /// Steps of this chain before the instruction at `ip`.
    #[inline(always)]
    fn executed(&self, ip: &[Ins]) -> u64 {
        self.base.wrapping_sub(ip.len() as u64)
    }
}

/// Executes at most `n` steps of a Running machine, fewer where the reference is due; returns how many.
pub(crate) fn run(code: &Code, limits: &Limits, cpu: &mut Cpu, m: &mut Machine, n: u64) -> u64 {
    let whole = m.memory.len() as u64 == u64::from(cpu.pages) * PAGE_BYTES;
    let Ok(globals) = <&mut [u64; GLOBAL_TREE_CELLS]>::try_from(m.globals.as_mut_slice()) else {
        return 0;
    };
    let Some(mut ip) = code
        .ins()
        .get(cpu.pc as usize..)
        .filter(|_| whole && cpu.status == Status::Running)
    else {
        return 0;
    };
    let mut cx = Cx {
        code,
        ins: code.ins(),
        limits,
        globals,
        table: &m.table,
        memory: &mut m.memory,
        dirty: &mut m.dirty,
        at: ip,
        fp: cpu.fp,
        base: 0,
        cap: 0,
    };
    let mut done = 0;
    // Every step from here on is at least RUN before the end.
    while let Some(spare) = (n - done).checked_sub(RUN as u64) {
        let Some(frame) = m.stack.frame(cx.fp, code.slots) else {
            break;
        };
        m.stack_top = m.stack_top.max(cx.fp + code.slots);
        cx.base = ip.len() as u64;
        cx.cap = spare.min(CHAIN);
        let acc = code.at_hand(ip, frame);
        let exit = handlers::next(ip, frame, &mut cx, acc);
        ip = cx.at;
        done += cx.executed(ip);
        if exit == Exit::Reference {
            break;
        }
    }
    cpu.pc = code.pc(ip);
    cpu.fp = cx.fp;
    done
}
