//! The machine's own operators, many at a time: a straight line of one opcode over a stack full of operands.

use super::Pair;
use super::compare::Engine;
use super::operator::Operator;
use crate::handmade::{Handmade, instr};
use assay_machine::machine::Machine;
use assay_types::Status;

/// Cells of one instruction's operands and result: three vectors.
const CELLS: u32 = 6;

/// A machine that knows one operator.
pub struct Bulk {
    machine: Machine,
}

impl Bulk {
    /// Executes the first `n` instructions; says which trapped.
    fn run(&mut self, n: usize) -> Vec<bool> {
        let mut trapped = vec![false; n];
        let machine = &mut self.machine;
        machine.cpu.pc = 0;
        machine.cpu.status = Status::Running;
        while (machine.cpu.pc as usize) < n {
            machine.run(0, n as u64 - u64::from(machine.cpu.pc));
            if machine.cpu.status == Status::Trapped {
                // A trap leaves the pc where it was; the machine goes on behind it, as no real one does.
                trapped[machine.cpu.pc as usize] = true;
                machine.cpu.pc += 1;
                machine.cpu.status = Status::Running;
            }
        }
        trapped
    }
}

impl Engine for Bulk {
    const NAME: &'static str = "machine";
    /// Instructions whose operands a frame's slots reach.
    const BATCH: usize = (1 << 16) / CELLS as usize;

    fn new(operator: Operator) -> Bulk {
        let code = (0..Self::BATCH as u16)
            .map(|i| i * CELLS as u16)
            .map(|at| instr(operator.op, at + 4, at, at + 2, 0))
            .collect();
        Bulk {
            machine: Handmade::new(code).machine(),
        }
    }

    fn numbers(&mut self, pairs: &[Pair]) -> Vec<Option<u64>> {
        for (at, (a, b)) in cells().zip(pairs) {
            self.machine.stack.set(at, *a);
            self.machine.stack.set(at + 2, *b);
        }
        let trapped = self.run(pairs.len());
        cells()
            .zip(trapped)
            .map(|(at, trapped)| (!trapped).then(|| self.machine.stack.get(at + 4)))
            .collect()
    }

    fn vectors(&mut self, pairs: &[(u128, u128)]) -> Vec<u128> {
        for (at, (a, b)) in cells().zip(pairs) {
            self.machine.stack.set_vector(at, a.to_le_bytes());
            self.machine.stack.set_vector(at + 2, b.to_le_bytes());
        }
        let trapped = self.run(pairs.len());
        assert!(!trapped.contains(&true), "no operator on lanes traps");
        cells()
            .take(pairs.len())
            .map(|at| u128::from_le_bytes(self.machine.stack.vector(at + 4)))
            .collect()
    }
}

/// First cells of the instructions' operands.
fn cells() -> impl Iterator<Item = u32> {
    (0..).step_by(CELLS as usize)
}
