//! A run executed step by step, without the padding between a yield and the next macro step.

use assay_machine::machine::Machine;
use assay_machine::trace::is_terminal;
use assay_types::Status;
use assay_types::params::TRACE_LOG2;

/// First index after the last step.
pub const END: u64 = 1 << TRACE_LOG2;

/// A machine and the trace index of its state.
pub struct Walk {
    /// The machine.
    pub machine: Machine,
    /// Its state's index.
    pub index: u64,
}

impl Walk {
    /// Starts at `index`, whose state `machine` has.
    pub fn new(machine: Machine, index: u64) -> Walk {
        Walk { machine, index }
    }

    /// Whether no step will change anything.
    pub fn done(&self) -> bool {
        is_terminal(self.machine.cpu.status) || self.index >= END
    }

    /// Moves over padding, which changes nothing, to a step that executes; whether there is one.
    pub fn settle(&mut self) -> bool {
        let mask = self.mask();
        if self.machine.cpu.status == Status::Yielded {
            self.index = (self.index + mask) & !mask;
        }
        !self.done()
    }

    /// Executes at most `n` steps; the number executed, less than `n` only at the end.
    pub fn advance(&mut self, n: u64) -> u64 {
        let mut left = n;
        while left > 0 && self.settle() {
            let to_macro_end = (self.index | self.mask()) + 1 - self.index;
            let before = self.machine.executed;
            self.machine.run(self.index, left.min(to_macro_end));
            let ran = self.machine.executed - before;
            self.index += ran;
            left -= ran;
        }
        n - left
    }

    /// Whether the machine trapped because its macro step did not end in time.
    pub fn out_of_steps(&self) -> bool {
        self.machine.cpu.status == Status::Trapped && self.index & self.mask() == 0
    }

    fn mask(&self) -> u64 {
        (1 << self.machine.image.limits.b) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_machine::lower::lower;
    use assay_machine::rom::Rom;

    /// Three macro steps, then Halted(4).
    const COUNTS: &str = r#"(module (global $n (mut i32) (i32.const 0))
        (func (export "step") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (select (i32.const 5) (i32.const 0) (i32.eq (global.get $n) (i32.const 3)))))"#;

    fn first() -> Machine {
        let wasm = wat::parse_str(COUNTS).expect("parses");
        let image = lower(&wasm).expect("lowers").image;
        Machine::new(image, [b"", b"", b""].map(|b: &[u8; 0]| Rom::new(b)))
    }

    #[test]
    fn each_stride_comes_to_the_states_of_the_trace() {
        let mut whole = Walk::new(first(), 0);
        let steps = whole.advance(u64::MAX);
        assert_eq!(whole.machine.cpu.status, Status::Halted(4));
        assert_eq!(steps, whole.machine.executed);
        for stride in 1..=steps {
            let mut walk = Walk::new(first(), 0);
            let mut executed = 0;
            while !walk.done() {
                executed += walk.advance(stride);
                let mut straight = first();
                straight.run(0, walk.index);
                assert_eq!(
                    straight.root(),
                    walk.machine.root(),
                    "stride {stride}, {}",
                    walk.index
                );
            }
            assert_eq!((executed, walk.index), (steps, whole.index));
        }
    }
}
