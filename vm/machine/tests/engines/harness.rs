//! One program in both engines, and its steps from witnesses.

use assay_machine::access::replay::FixedRoots;
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::isa::Op;
use assay_machine::lower::{Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::step::{record, replay};
use assay_machine::trace::{Engine, Interpreter};
use assay_types::Status;
use std::collections::BTreeSet;
use std::sync::Arc;

pub struct Program {
    wasm: Vec<u8>,
    pub lowered: Arc<Lowered>,
    pub roms: [Rom; 3],
}

/// The program that a WAT text spells.
pub fn program(wat: &str) -> Program {
    let wasm = wat::parse_str(wat).expect("the test's WAT parses");
    let lowered = Arc::new(lower(&wasm).expect("the test's module lowers"));
    let roms = [b"what is the answer?".as_slice(), b"42", &[7u8; 1000]].map(Rom::new);
    Program {
        wasm,
        lowered,
        roms,
    }
}

impl Program {
    pub fn machine(&self) -> Machine {
        Machine::new(self.lowered.image.clone(), self.roms.clone())
    }

    pub fn compiled(&self) -> CompiledEngine {
        let compiled = Compiled::new(&self.wasm, self.lowered.clone())
            .expect("the instrumented module compiles");
        CompiledEngine::new(compiled, self.roms.clone())
    }

    /// Roots at the first `n` yields are the same in both engines, and compiled code alone came to them; returns the
    /// final status.
    pub fn agree(&self, n: u64) -> Status {
        let (status, interpreted) = self.compare(n);
        assert!(!interpreted, "compiled code passed its bound of steps");
        status
    }

    /// As [`Program::agree`], where the compiled engine must leave a macro step to the interpreter.
    pub fn agree_interpreting(&self, n: u64) -> Status {
        let (status, interpreted) = self.compare(n);
        assert!(interpreted, "compiled code kept within its bound of steps");
        status
    }

    fn compare(&self, n: u64) -> (Status, bool) {
        let yields: Vec<u64> = (0..n).collect();
        let mut interpreter = Interpreter::new(self.machine());
        let mut compiled = self.compiled();
        let a = interpreter.roots(&yields).expect("infallible");
        let b = compiled
            .roots(&yields)
            .expect("the compiled run has a result");
        assert_eq!(a[0], self.lowered.image.program.initial().root());
        for y in 0..n as usize {
            if a[y] != b[y] {
                self.explain(y as u64);
            }
        }
        for y in 0..n {
            let mut machine = compiled.machine(y).expect("result");
            assert_eq!(machine.root(), a[y as usize], "the machine of state {y}");
        }
        let last = interpreter.machine(n - 1).expect("infallible").cpu.status;
        (last, compiled.interprets())
    }

    /// Panics with the first field in which the two engines' states differ.
    fn explain(&self, y: u64) {
        let mut a = Interpreter::new(self.machine())
            .machine(y)
            .expect("infallible");
        let mut b = self.compiled().machine(y).expect("result");
        assert_eq!(a.cpu, b.cpu, "registers of state {y}");
        let cell = a.globals.iter().zip(&b.globals).position(|(a, b)| a != b);
        assert_eq!(
            cell,
            None,
            "globals cell of state {y}: {:x?} and {:x?}",
            cell.map(|c| a.globals[c]),
            cell.map(|c| b.globals[c])
        );
        let element = (0..a.table.len().max(b.table.len()))
            .find(|&i| a.table.get(i).unwrap_or(&0) != b.table.get(i).unwrap_or(&0));
        assert_eq!(element, None, "table element of state {y}");
        let byte = a.memory.iter().zip(&b.memory).position(|(a, b)| a != b);
        assert_eq!(byte, None, "memory byte of state {y}");
        assert_eq!(a.header(), b.header(), "memories agree, so a tree is stale");
        panic!("state {y}: the states agree, so the compiled engine's own tree is stale");
    }

    /// The first `n` steps replay from their witnesses to the interpreter's roots; gives the opcodes executed.
    pub fn replays(&self, n: u64) -> BTreeSet<Op> {
        let image = &self.lowered.image;
        let fixed = FixedRoots {
            code: image.program.code,
            segments: image.program.segments,
            roms: [0, 1, 2].map(|i| self.roms[i].root()),
        };
        let (mut recorded, mut direct) = (self.machine(), self.machine());
        let mut executed = BTreeSet::new();
        for index in 0..n {
            if direct.cpu.status == Status::Running {
                let instr = image.code[direct.cpu.pc as usize];
                executed.extend(instr.opcode().map(|o| o.0));
            }
            let before = direct.root();
            direct.run(index, 1);
            let witness = record(&mut recorded, index);
            let roots =
                replay(&image.limits, &fixed, index, &witness).expect("an honest witness replays");
            assert_eq!(
                roots,
                (before, direct.root()),
                "step {index} at pc {}",
                direct.cpu.pc
            );
            assert_eq!(recorded.root(), direct.root());
            assert!(
                witness.len() <= assay_types::params::MAX_WITNESS_BYTES,
                "{} bytes at step {index}",
                witness.len()
            );
        }
        executed
    }
}
