//! How long the macro steps of the inference program are.

use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_twin::guest;
use assay_types::Status;

/// The longest macro step of a run on request, output and model, in micro steps, by the interpreter.
pub fn longest_macro_step(roms: [Rom; 3]) -> u64 {
    let image = guest().image.clone();
    let b = image.limits.b;
    let mut machine = Machine::new(image, roms);
    let (mut longest, mut y) = (0, 0);
    while machine.cpu.status == Status::Yielded {
        let before = machine.executed;
        machine.run(y << b, 1 << b);
        longest = longest.max(machine.executed - before);
        y += 1;
    }
    longest
}
