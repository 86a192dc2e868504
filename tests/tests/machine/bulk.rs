//! Bulk operations on memory, step by step: how far a step moves, where it traps, what it reads of its operands.

use crate::edges::{INDEX, after, one, status, step_at};
use assay_machine::isa::{Format, Op};
use assay_machine::machine::Machine;
use assay_tests::handmade::Handmade;
use assay_tests::lockstep::Lockstep;
use assay_types::Status;

/// Runs a bulk operation to its end; the machine after it.
fn run_bulk(lockstep: &mut Lockstep, handmade: Handmade) -> Machine {
    let mut machine = handmade.machine();
    let mut index = INDEX;
    while machine.cpu.status == Status::Running && machine.cpu.pc == 0 {
        machine = step_at(lockstep, machine, index);
        index += 1;
    }
    machine
}

#[test]
fn copies_overlap_as_memmove_does() {
    let mut lockstep = Lockstep::default();
    for (dst, src, len) in [
        (0u64, 0u64, 300u64),
        (1, 0, 300),
        (0, 1, 300),
        (128, 0, 256),
        (0, 128, 256),
        (200, 127, 129),
        (127, 200, 129),
        (1000, 5, 1),
        (65536 - 130, 0, 130),
        (0, 65536 - 130, 130),
        (65535, 65534, 1),
        (0, 0, 0),
    ] {
        let handmade = one(Op::MemoryCopy, 0, 4, 0, 0).block(4, [dst, src, len, 0]);
        let mut want = handmade.memory.clone();
        want.copy_within(src as usize..(src + len) as usize, dst as usize);
        let end = run_bulk(&mut lockstep, handmade);
        assert_eq!(end.cpu.pc, 1);
        assert!(end.memory == want, "copy {dst} <- {src}, {len}");
    }
}

#[test]
fn fills_inits_and_reads_move_what_they_say() {
    let mut lockstep = Lockstep::default();
    for (dst, len) in [
        (0u64, 128u64),
        (127, 1),
        (127, 2),
        (5, 400),
        (65536 - 3, 3),
        (65536, 0),
    ] {
        let handmade = one(Op::MemoryFill, 0, 4, 0, 0).block(4, [dst, 0x1a5, len, 0]);
        let mut want = handmade.memory.clone();
        want[dst as usize..(dst + len) as usize].fill(0xa5);
        assert!(
            run_bulk(&mut lockstep, handmade).memory == want,
            "fill {dst}, {len}"
        );
    }
    for (dst, src, len, offset, size) in [
        (10u64, 0u64, 200u64, 128u64, 300u64),
        (0, 299, 1, 256, 300),
        (127, 0, 0, 0, 0),
    ] {
        let handmade =
            one(Op::MemoryInit, 9, 4, 0, size << 32 | offset).block(4, [dst, src, len, 0]);
        let mut want = handmade.memory.clone();
        let from = (offset + src) as usize;
        want[dst as usize..(dst + len) as usize]
            .copy_from_slice(&handmade.segments[from..from + len as usize]);
        assert!(
            run_bulk(&mut lockstep, handmade).memory == want,
            "init {dst} <- {src}, {len}"
        );
    }
    for (rom, offset, dst, len) in [
        (0u64, 0u64, 3u64, 308u64),
        (1, 8, 127, 77),
        (2, 4990, 0, 18),
        (2, 5008, 65536, 0),
    ] {
        let handmade = one(Op::RomRead, 0, 4, 0, 0).block(4, [rom, offset, dst, len]);
        let mut want = handmade.memory.clone();
        let data = handmade.roms[rom as usize].data();
        let bytes = [&(data.len() as u64).to_le_bytes(), data].concat();
        want[dst as usize..(dst + len) as usize]
            .copy_from_slice(&bytes[offset as usize..(offset + len) as usize]);
        assert!(
            run_bulk(&mut lockstep, handmade).memory == want,
            "read {dst} <- {rom}:{offset}, {len}"
        );
    }
}

#[test]
fn bulk_operations_out_of_bounds_trap_at_once() {
    let mut lockstep = Lockstep::default();
    let mut end = |op: Op, cells: [u64; 4], imm: u64| {
        let handmade = one(op, 0, 4, 0, imm).block(4, cells);
        let before = handmade.memory.clone();
        let after = after(&mut lockstep, handmade);
        assert!(after.memory == before, "nothing moves before the check");
        after.cpu.status
    };
    for (dst, len) in [
        (65536u64, 1u64),
        (65537, 0),
        (0xffff_ffff, 0xffff_ffff),
        (1, 65536),
    ] {
        assert_eq!(end(Op::MemoryFill, [dst, 0, len, 0], 0), Status::Trapped);
        assert_eq!(end(Op::MemoryCopy, [dst, 0, len, 0], 0), Status::Trapped);
        assert_eq!(end(Op::MemoryCopy, [0, dst, len, 0], 0), Status::Trapped);
        assert_eq!(
            end(Op::MemoryInit, [dst, 0, len, 0], 0xffff_ffff << 32),
            Status::Trapped
        );
        assert_eq!(end(Op::RomRead, [0, 0, dst, len], 0), Status::Trapped);
        assert_eq!(end(Op::RomRead, [1 << 32, 0, dst, len], 0), Status::Trapped);
    }
    // Operands are 32 bits of their cells.
    assert_eq!(
        end(Op::MemoryCopy, [7 << 32, 9 << 32, 5 << 32, 0], 0),
        Status::Running
    );
    for (src, len, size) in [
        (0u64, 11u64, 10u64),
        (11, 0, 10),
        (0xffff_ffff, 0xffff_ffff, 0xffff_ffff),
        (1, 0, 0),
    ] {
        assert_eq!(
            end(Op::MemoryInit, [0, src, len, 0], size << 32),
            Status::Trapped,
            "{src} + {len} > {size}"
        );
    }
    assert_eq!(
        end(Op::MemoryInit, [0, 1, 1, 0], 10 << 32 | 0xffff_ffff),
        Status::Trapped,
        "past all segments"
    );
    for (rom, offset, len) in [
        (3u64, 0u64, 0u64),
        (0xffff_ffff, 0, 0),
        (0, 309, 0),
        (0, 308, 1),
        (0, u64::MAX, 1),
        (2, 1 << 40, 0),
    ] {
        assert_eq!(
            end(Op::RomRead, [rom, offset, 0, len], 0),
            Status::Trapped,
            "{rom}:{offset} + {len}"
        );
    }
}

/// [S] A read's bounds are checked in its first step: a forged `checked` bit reaches zeros, never another tree.
#[test]
fn a_forged_checked_bit_is_only_another_state() {
    let mut lockstep = Lockstep::default();
    let checked = 1u64 << 32;
    for (head, offset, len, status) in [
        (checked, 300u64, 200u64, Status::Running),
        (checked | 2, (1 << 40) - 1, 1, Status::Running),
        (checked | 2, (1 << 40) - 1, 2, Status::Trapped),
        (checked | 2, 1 << 40, 0, Status::Running),
        (checked | 2, (1 << 40) + 1, 0, Status::Trapped),
        (checked | 1, u64::MAX, 0xffff, Status::Trapped),
        (checked | 3, 0, 1, Status::Trapped),
        (0xffff_fffe_0000_0001, 8, 5, Status::Running),
        (0xffff_ffff_0000_0001, 8, 5, Status::Running),
    ] {
        let end = after(
            &mut lockstep,
            one(Op::RomRead, 0, 4, 0, 0).block(4, [head, offset, 50, len]),
        );
        assert_eq!(end.cpu.status, status, "{head:#x} {offset:#x} {len}");
    }
}

#[test]
fn misaligned_blocks_trap() {
    let mut lockstep = Lockstep::default();
    for &op in Op::ALL.iter().filter(|op| op.format() == Format::Block) {
        for a in [0, 4, 12, 16] {
            assert_eq!(
                status(&mut lockstep, one(op, 0, a, 0, 0)),
                Status::Running,
                "{} {a}",
                op.mnemonic()
            );
        }
        for a in [1, 2, 3, 5, 14, 15] {
            assert_eq!(
                status(&mut lockstep, one(op, 0, a, 0, 0)),
                Status::Trapped,
                "{} {a}",
                op.mnemonic()
            );
        }
        // The index is aligned, not the slot.
        assert_eq!(
            status(&mut lockstep, one(op, 0, 3, 0, 0).fp(1)),
            Status::Running
        );
    }
}

/// What no other test told from a contract that is wrong in one place (docs/mutants.md): dirt above the 32 bits of operands
/// while bulk operations make progress.
#[test]
fn bulk_operations_ignore_the_high_halves_of_their_cells() {
    let mut lockstep = Lockstep::default();
    // Without bit 32, which in a read's first cell says that its bounds are checked.
    const DIRT: u64 = 0xdead_beee << 32;
    for (op, cells, imm) in [
        (Op::MemoryFill, [5, 7, 300, 0], 0),
        (Op::MemoryCopy, [5, 600, 300, 0], 0),
        (Op::MemoryCopy, [100, 5, 300, 0], 0),
        (Op::MemoryInit, [5, 7, 300, 0], 400 << 32 | 128),
        (Op::RomRead, [2, 100, 5, 300], 0),
    ] {
        // The rom's offset is a whole cell.
        let whole = |i: usize| op == Op::RomRead && i == 1;
        let dirty = |i: usize| cells[i] | if whole(i) { 0 } else { DIRT };
        let clean = one(op, 0, 4, 0, imm).block(4, cells);
        let clean = run_bulk(&mut lockstep, clean);
        assert_eq!(clean.cpu.pc, 1);
        for i in 0..4 {
            let mut one_dirty = cells;
            one_dirty[i] = dirty(i);
            for cells in [one_dirty, [0, 1, 2, 3].map(dirty)] {
                let end = run_bulk(&mut lockstep, one(op, 0, 4, 0, imm).block(4, cells));
                assert_eq!(end.cpu.pc, 1, "{} {cells:x?}", op.mnemonic());
                assert!(end.memory == clean.memory, "{} {cells:x?}", op.mnemonic());
            }
        }
    }
}

/// As above: places that are the last ones, and a dropped segment.
#[test]
fn memory_init_ends_where_segments_end() {
    let mut lockstep = Lockstep::default();
    let init = |d: u16, cells, imm| one(Op::MemoryInit, d, 4, 0, imm).block(4, cells);
    let last = init(0, [0, 0, 1, 0], 9 << 32 | 0xffff_ffff);
    assert_eq!(status(&mut lockstep, last), Status::Running);
    for (len, end) in [(0, Status::Running), (1, Status::Trapped)] {
        let dropped =
            init(3, [0, 0, len, 0], 9 << 32).global(assay_types::params::DATA_DROPPED_BASE + 3, 1);
        assert_eq!(status(&mut lockstep, dropped), end, "{len}");
    }
}
