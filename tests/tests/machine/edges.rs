//! States that lowered programs do not reach or rarely reach: all four ways agree, and every one has an after state.

use assay_machine::isa::{Format, IMM_FORM, Instr, Op};
use assay_machine::machine::Machine;
use assay_tests::handmade::{Handmade, imm_form, instr};
use assay_tests::lockstep::{Lockstep, roms};
use assay_types::Status;
use assay_types::params::{CODE_INSTRUCTIONS, STACK_CELLS};

/// A trace index that is neither the first nor the last of its macro step.
pub const INDEX: u64 = 5;
const TOP: u32 = STACK_CELLS - 1;

/// Executes one step in all ways; the state after it.
pub fn after(lockstep: &mut Lockstep, handmade: Handmade) -> Machine {
    step_at(lockstep, handmade.machine(), INDEX)
}

pub fn step_at(lockstep: &mut Lockstep, mut machine: Machine, index: u64) -> Machine {
    let mut twin = machine.clone();
    lockstep.step(&mut machine, &mut twin, index);
    machine
}

pub fn status(lockstep: &mut Lockstep, handmade: Handmade) -> Status {
    after(lockstep, handmade).cpu.status
}

pub fn one(op: Op, d: u16, a: u16, b: u16, imm: u64) -> Handmade {
    Handmade::new(vec![instr(op, d, a, b, imm)])
}

#[test]
fn malformed_code_traps_or_steps_but_never_reverts() {
    let mut lockstep = Lockstep::default();
    let mut words: Vec<u16> = (0..=0xffffu16)
        .filter(|w| w & 0x7f00 < 0x0c00 || w % 97 == 0)
        .collect();
    words.push(0xffff);
    let code: Vec<Instr> = words
        .iter()
        .map(|&op| Instr {
            op,
            d: 4,
            a: 8,
            b: 12,
            imm: 0,
        })
        .collect();
    let machine = Handmade::new(code)
        .with(|h| (h.memory, h.limits.pages) = (Vec::new(), 0))
        .machine();
    let mut unknown = 0;
    for (pc, word) in words.iter().enumerate() {
        let mut machine = machine.clone();
        machine.cpu.pc = pc as u32;
        let known = machine.image.code[pc].opcode().is_some();
        let after = step_at(&mut lockstep, machine, INDEX);
        assert!(
            known || after.cpu.status == Status::Trapped,
            "opcode {word:#06x}"
        );
        unknown += u32::from(!known);
    }
    assert!(unknown > 2000, "{unknown}");
}

#[test]
fn imm_bit_on_an_opcode_without_that_form_traps() {
    let mut lockstep = Lockstep::default();
    for &op in Op::ALL.iter().filter(|op| !op.has_imm_form()) {
        let ins = Instr {
            op: op as u16 | IMM_FORM,
            ..Instr::default()
        };
        assert_eq!(
            status(&mut lockstep, Handmade::new(vec![ins])),
            Status::Trapped,
            "{}",
            op.mnemonic()
        );
    }
}

#[test]
fn pc_out_of_range_traps_with_the_header_alone() {
    let mut lockstep = Lockstep::default();
    for pc in [CODE_INSTRUCTIONS, CODE_INSTRUCTIONS + 1, u32::MAX] {
        let end = status(&mut lockstep, one(Op::Br, 0, 0, 0, 0).with(|h| h.pc = pc));
        assert_eq!(end, Status::Trapped);
    }
    assert_eq!(lockstep.costs["no code"].witness, 145);
    // The last instruction is code like any other: zeros, so a trap, but an opened one.
    status(
        &mut lockstep,
        one(Op::Br, 0, 0, 0, 0).with(|h| h.pc = CODE_INSTRUCTIONS - 1),
    );
    assert_eq!(lockstep.costs["no code"].witness, 145 + 128 + 17 * 32);
}

#[test]
fn slots_past_the_stack_trap_when_they_are_reached() {
    let mut lockstep = Lockstep::default();
    for &op in Op::ALL {
        for (d, a, b) in [
            (0, 1, 1),
            (1, 0, 1),
            (1, 1, 0),
            (1, 1, 1),
            (0, 0, 0),
            (0xffff, 0xffff, 0xffff),
        ] {
            for fp in [TOP, TOP + 1, u32::MAX] {
                let plain = instr(op, d, a, b, 1);
                let forms = if op.has_imm_form() {
                    vec![plain, imm_form(plain)]
                } else {
                    vec![plain]
                };
                for ins in forms {
                    after(&mut lockstep, Handmade::new(vec![ins]).fp(fp));
                }
            }
        }
    }
    // The last cell is one; the next is none.
    assert_eq!(
        status(&mut lockstep, one(Op::Const, 0, 0, 0, 7).fp(TOP)),
        Status::Running
    );
    assert_eq!(
        status(&mut lockstep, one(Op::Const, 1, 0, 0, 7).fp(TOP)),
        Status::Trapped
    );
}

#[test]
fn operands_in_one_two_and_three_leaves_are_opened_once() {
    let mut lockstep = Lockstep::default();
    let slots = [0u16, 1, 15, 16, 31, 32];
    for d in slots {
        for a in slots {
            for b in slots {
                let add = one(Op::I64Add, d, a, b, 0)
                    .cell(u32::from(a), 5)
                    .cell(u32::from(b), 9);
                after(&mut lockstep, add.fp(0));
                let select =
                    one(Op::Select, d, a, b, 0xffff_ffff_0000_0011).cell(17, u64::from(a & 1));
                after(&mut lockstep, select.fp(0));
            }
        }
    }
}

#[test]
fn a_step_writes_the_operand_that_it_reads() {
    let mut lockstep = Lockstep::default();
    let end = after(&mut lockstep, one(Op::I64Add, 3, 3, 3, 0).cell(3, 21));
    assert_eq!(end.stack.get(3), 42);
}

#[test]
fn calls_past_the_stack_trap() {
    let mut lockstep = Lockstep::default();
    for (fp, d, end) in [
        (TOP - 3, 0, Status::Running),
        (TOP, 0, Status::Running),
        (TOP, 1, Status::Trapped),
        (TOP - 3, 4, Status::Trapped),
        (u32::MAX, 0xffff, Status::Trapped),
    ] {
        assert_eq!(
            status(&mut lockstep, one(Op::Call, d, 0, 0, 1).fp(fp)),
            end,
            "fp {fp:#x}, d {d}"
        );
    }
    // The target's high half is not part of it; an odd frame is a frame.
    let end = after(&mut lockstep, one(Op::Call, 5, 0, 0, 0xffff_ffff_0000_0009));
    assert_eq!((end.cpu.pc, end.cpu.fp, end.stack.get(5)), (9, 5, 1));
}

#[test]
fn call_indirect_traps_on_every_bad_element() {
    let mut lockstep = Lockstep::default();
    let good = 7u64 << 32 | 3;
    let call = |b: u16, imm: u64, i: u64, table: u64| {
        one(Op::CallIndirect, 8, 0, b, imm).cell(0, i).with(|h| {
            h.globals = vec![0; 4096 + 1024];
            h.globals[4096 + usize::from(b).min(1023)] = table;
            h.table = vec![0, good, 3, 7 << 32, good];
        })
    };
    let mut end = |h: Handmade| status(&mut lockstep, h);
    assert_eq!(end(call(0, 7, 1, 5)), Status::Running);
    assert_eq!(end(call(1023, 7, 1, 3 << 32 | 2)), Status::Running);
    assert_eq!(end(call(1024, 7, 1, 5)), Status::Trapped, "table number");
    assert_eq!(end(call(0, 7, 5, 5)), Status::Trapped, "index at the size");
    assert_eq!(
        end(call(0, 7, u32::MAX.into(), 5)),
        Status::Trapped,
        "index beyond it"
    );
    assert_eq!(end(call(0, 7, 0, 5)), Status::Trapped, "null");
    assert_eq!(end(call(0, 7, 2, 5)), Status::Trapped, "another type");
    assert_eq!(
        end(call(0, 7, 3, 5)),
        Status::Trapped,
        "pc 0 of the right type"
    );
    assert_eq!(
        end(call(0, 7, 1, ((1 << 21) - 1) << 32 | 5)),
        Status::Trapped,
        "element past the tree"
    );
    assert_eq!(
        end(call(0, 7, u32::MAX.into(), u64::MAX)),
        Status::Trapped,
        "both at most"
    );
    assert_eq!(
        end(call(0, 7, 0xdead_0000_0001, 5)),
        Status::Running,
        "the index is 32 bits of its cell"
    );
    assert_eq!(
        end(call(0, 0xdead_0000_0007, 1, 5)),
        Status::Running,
        "the type is 32 bits of the immediate"
    );
    assert_eq!(
        end(call(0, 7, 1, 5).fp(TOP - 4).cell(TOP - 4, 1)),
        Status::Trapped,
        "frame past the stack"
    );
}

#[test]
fn jumps_and_returns_take_any_target() {
    let mut lockstep = Lockstep::default();
    let end = after(&mut lockstep, one(Op::Br, 0, 0, 0, u64::MAX));
    assert_eq!(end.cpu.pc, u32::MAX);
    let end = after(
        &mut lockstep,
        one(Op::Return, 0, 0, 0, 0).cell(0, 0xdead_beef_8765_4321),
    );
    assert_eq!((end.cpu.pc, end.cpu.fp), (0x8765_4321, 0xdead_beef));
    for (skip, imm, pc) in [
        (3u64, 9, 4),
        (9, 3, 4),
        (u64::MAX, 3, 4),
        (0xffff_fffe, u64::MAX, u32::MAX),
    ] {
        assert_eq!(
            after(&mut lockstep, one(Op::BrTable, 0, 0, 0, imm).cell(0, skip))
                .cpu
                .pc,
            pc
        );
    }
    let past = one(Op::BrTable, 0, 0, 0, u64::MAX).cell(0, 0xffff_ffff);
    assert_eq!(
        status(&mut lockstep, past),
        Status::Trapped,
        "a pc of 33 bits"
    );
    for op in [Op::BrIf, Op::BrUnless] {
        for condition in [0, 1, 1 << 32, 1 << 31] {
            after(&mut lockstep, one(op, 0, 0, 0, 77).cell(0, condition));
        }
    }
}

#[test]
fn a_stack_that_is_full_traps() {
    let mut lockstep = Lockstep::default();
    for (fp, imm, end) in [
        (4, 96, Status::Running),
        (4, 97, Status::Trapped),
        (101, 0, Status::Trapped),
        (4, u64::MAX, Status::Trapped),
        (u32::MAX, u64::MAX, Status::Trapped),
    ] {
        let enter = one(Op::Enter, 0, 0, 0, imm)
            .fp(fp)
            .with(|h| h.limits.stack_cells = 100);
        assert_eq!(status(&mut lockstep, enter), end, "{fp} + {imm}");
    }
    let recursion = r#"(module (@custom "assay" "stack_cells=400")
        (func $f (param i32) (result i32) (i32.add (i32.const 1) (call $f (local.get 0))))
        (func (export "main") (result i32) (call $f (i32.const 0))))"#;
    assert_eq!(lockstep.run_wat(recursion, roms(), 10_000), Status::Trapped);
}

#[test]
fn globals_and_flags_end_where_they_end() {
    let mut lockstep = Lockstep::default();
    for (imm, end) in [
        (0, Status::Running),
        (4095, Status::Running),
        (4096, Status::Trapped),
        (u64::MAX, Status::Trapped),
    ] {
        assert_eq!(status(&mut lockstep, one(Op::GlobalGet, 3, 0, 0, imm)), end);
        assert_eq!(
            status(
                &mut lockstep,
                one(Op::GlobalSet, 0, 3, 0, imm).cell(3, u64::MAX)
            ),
            end
        );
    }
    for (d, end) in [
        (0, Status::Running),
        (2047, Status::Running),
        (2048, Status::Trapped),
        (0xffff, Status::Trapped),
    ] {
        assert_eq!(status(&mut lockstep, one(Op::DataDrop, d, 0, 0, 0)), end);
        let init = one(Op::MemoryInit, d, 4, 0, 100 << 32).block(4, [0, 0, 1, 0]);
        assert_eq!(status(&mut lockstep, init), end);
    }
}

#[test]
fn accesses_at_the_end_of_memory_are_exact() {
    let mut lockstep = Lockstep::default();
    let sizes = |op: Op| match op {
        Op::Load8U | Op::Load8S32 | Op::Load8S64 | Op::Store8 => 1u64,
        Op::Load16U | Op::Load16S32 | Op::Load16S64 | Op::Store16 => 2,
        Op::Load32U | Op::Load32S64 | Op::Store32 => 4,
        Op::V128Load | Op::V128Store => 16,
        _ => 8,
    };
    let accesses = |op: &&Op| {
        matches!(
            op.format(),
            Format::Load | Format::Store | Format::VecLoad | Format::VecStore
        )
    };
    for &op in Op::ALL.iter().filter(accesses) {
        let n = sizes(op);
        for (base, offset, end) in [
            (65536 - n, 0, Status::Running),
            (0, 65536 - n, Status::Running),
            (65537 - n, 0, Status::Trapped),
            (1, 65536 - n, Status::Trapped),
            (0xffff_ffff, 0xffff_ffff, Status::Trapped),
            (0xffff_ffff, 1, Status::Trapped),
            (0x1_0000_0003, 0x1_0000_0001, Status::Running),
        ] {
            let access = one(op, 2, 1, 4, offset)
                .cell(1, base)
                .cell(4, 0x8877_6655_4433_2211)
                .cell(5, 0x1122_3344_5566_7788);
            assert_eq!(
                status(&mut lockstep, access),
                end,
                "{} {base:#x} + {offset:#x}",
                op.mnemonic()
            );
        }
        // Across each place in a leaf, and with no memory at all.
        for base in 240..=264 {
            after(
                &mut lockstep,
                one(op, 2, 1, 4, 0)
                    .cell(1, base)
                    .cell(4, 0x8877_6655_4433_2211)
                    .cell(5, 0x1122_3344_5566_7788),
            );
        }
        let none = one(op, 2, 1, 4, 0).with(|h| (h.memory, h.limits.pages) = (Vec::new(), 0));
        assert_eq!(status(&mut lockstep, none), Status::Trapped);
    }
}

#[test]
fn memory_grow_stops_at_the_limit() {
    let mut lockstep = Lockstep::default();
    for (delta, result, pages) in [
        (0, 1, 1),
        (2, 1, 3),
        (3, 0xffff_ffff, 1),
        (0xffff_ffff, 0xffff_ffff, 1),
        (1 << 32, 1, 1),
        (u64::MAX, 0xffff_ffff, 1),
    ] {
        let end = after(
            &mut lockstep,
            one(Op::MemoryGrow, 2, 1, 0, 0).cell(1, delta),
        );
        assert_eq!(
            (end.stack.get(2), end.cpu.pages),
            (result, pages),
            "{delta:#x}"
        );
    }
    // The memory grows even where the cell for the result is none: the trap then forgets it.
    assert_eq!(
        status(
            &mut lockstep,
            one(Op::MemoryGrow, 1, 0, 0, 0).fp(TOP).cell(TOP, 1)
        ),
        Status::Trapped
    );
}

#[test]
fn finish_yields_clear_what_is_volatile_and_nothing_else() {
    let mut lockstep = Lockstep::default();
    for volatile_log2 in [0u8, 7, 8, 12, 16, 17, 25, 31] {
        let end = after(
            &mut lockstep,
            one(Op::Finish, 0, 4, 0, 0)
                .cell(4, 7 << 32)
                .cell(TOP, 1)
                .with(|h| {
                    h.limits.volatile_log2 = volatile_log2;
                    h.limits.entry = 77;
                }),
        );
        assert_eq!(
            (end.cpu.status, end.cpu.pc, end.cpu.fp),
            (Status::Yielded, 77, 0)
        );
        let cleared = if volatile_log2 == 0 {
            0
        } else {
            65536.min(1usize << volatile_log2)
        };
        assert!(end.memory[..cleared].iter().all(|b| *b == 0));
        assert!(
            cleared == 65536 || end.memory[cleared..] == Handmade::new(vec![]).memory[cleared..]
        );
    }
    for (value, code) in [
        (1u64, 0u32),
        (6, 5),
        (0xffff_ffff, 0xffff_fffe),
        (0xdead_0000_0001, 0),
    ] {
        assert_eq!(
            status(&mut lockstep, one(Op::Finish, 0, 4, 0, 0).cell(4, value)),
            Status::Halted(code)
        );
    }
    let halt = imm_form(instr(Op::Halt, 0, 0, 0, 0xffff_ffff_0000_0003));
    assert_eq!(
        status(&mut lockstep, Handmade::new(vec![halt])),
        Status::Halted(3)
    );
}

/// [S] No state at a multiple of 2^B is Running.
#[test]
fn the_last_index_of_a_macro_step_traps_what_still_runs() {
    let mut lockstep = Lockstep::default();
    for last in [(1u64 << 20) - 1, (1 << 50) - 1] {
        let mut end =
            |h: Handmade, index: u64| step_at(&mut lockstep, h.machine(), index).cpu.status;
        for index in [last - 1, last + 1] {
            assert_eq!(end(one(Op::Br, 0, 0, 0, 3), index), Status::Running);
        }
        assert_eq!(end(one(Op::Br, 0, 0, 0, 3), last), Status::Trapped);
        assert_eq!(
            end(
                one(Op::MemoryFill, 0, 4, 0, 0).block(4, [0, 0, 999, 0]),
                last
            ),
            Status::Trapped
        );
        assert_eq!(end(one(Op::Finish, 0, 0, 0, 0), last), Status::Yielded);
        assert_eq!(end(one(Op::Halt, 0, 0, 0, 0), last), Status::Halted(0));
        assert_eq!(end(one(Op::Unreachable, 0, 0, 0, 0), last), Status::Trapped);
    }
    // One macro step in all: B = 50; and macro steps of a single step: B = 0.
    for (b, index) in [(50, (1u64 << 50) - 1), (0, 0), (0, 7)] {
        let machine = one(Op::Br, 0, 0, 0, 3).with(|h| h.limits.b = b).machine();
        assert_eq!(
            step_at(&mut lockstep, machine, index).cpu.status,
            Status::Trapped
        );
    }
}

/// [S] Yields resume on multiples of 2^B and nowhere else; ends stay ends.
#[test]
fn states_that_do_not_run_change_only_at_a_resume() {
    let mut lockstep = Lockstep::default();
    let indices = [
        0,
        1,
        (1 << 20) - 1,
        1 << 20,
        (1 << 20) + 1,
        (1 << 50) - (1 << 20),
        (1 << 50) - 1,
    ];
    for status in [
        Status::Yielded,
        Status::Halted(0),
        Status::Halted(u32::MAX),
        Status::Trapped,
    ] {
        for index in indices {
            let mut machine = one(Op::Br, 0, 0, 0, 3).fp(8).machine();
            machine.cpu.status = status;
            let end = step_at(&mut lockstep, machine, index);
            let resumes = status == Status::Yielded && index % (1 << 20) == 0;
            assert_eq!(
                end.cpu.status,
                if resumes { Status::Running } else { status },
                "{index:#x}"
            );
        }
    }
}

/// What no other test told from a contract that is wrong in one place (docs/mutants.md): operands that only one wrong
/// constant notices.
#[test]
fn numbers_that_one_constant_decides() {
    let mut lockstep = Lockstep::default();
    // The difference has a one, fifteen zeros where the binary logarithm looks last, and a one.
    let near = 0x3ff0_0000_0000_0000 + (1 << 36) + 1;
    let sub = one(Op::F64Sub, 8, 0, 4, 0)
        .cell(0, near)
        .cell(4, 0x3ff0_0000_0000_0000);
    let want = f64::from_bits(near) - 1.0;
    assert_eq!(after(&mut lockstep, sub).stack.get(8), want.to_bits());
    // 127 * 129 + 2^14 is one less than 2^15.
    let multiply = one(Op::I16x8Q15MulrSatS, 8, 0, 4, 0)
        .vector(0, 127)
        .vector(4, 129);
    assert_eq!(after(&mut lockstep, multiply).stack.get(8), 0);
}
