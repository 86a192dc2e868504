//! Tables at the edges: all four ways agree, and moves do what they say.

use assay_machine::isa::Op;
use assay_machine::machine::Machine;
use assay_tests::handmade::{Handmade, instr};
use assay_tests::lockstep::Lockstep;
use assay_types::Status;
use assay_types::params::{ELEM_DROPPED_BASE, MAX_ELEMS, MAX_TABLES, TABLE_ELEMENTS};

const INDEX: u64 = 5;
/// Two tables whose globals cells are in different leaves; a third in the leaf of the first.
const T: u16 = 0;
const U: u16 = 17;
const V: u16 = 3;
/// Where they begin and how long they are.
const TABLES: [(u16, u32, u32); 3] = [(T, 0, 50), (U, 64, 40), (V, 112, 20)];

/// A state with the three tables, their elements all different.
fn state(op: Op, d: u16, a: u16, b: u16, imm: u64) -> Handmade {
    let handmade = Handmade::new(vec![instr(op, d, a, b, imm)]).with(|h| {
        (h.memory, h.limits.pages) = (Vec::new(), 0);
        h.table = initial()[..132].to_vec();
    });
    let set =
        |h: Handmade, (number, base, size): (u16, u32, u32)| h.table(number.into(), size, base);
    TABLES.into_iter().fold(handmade, set)
}

/// Index in the tree of element `i` of a table.
fn place(table: u16, i: u64) -> usize {
    let mut tables = TABLES.iter();
    let found = tables.find(|t| t.0 == table).expect("one of the three");
    found.1 as usize + i as usize
}

fn after(lockstep: &mut Lockstep, handmade: Handmade) -> Machine {
    let mut machine = handmade.machine();
    let mut twin = machine.clone();
    lockstep.step(&mut machine, &mut twin, INDEX);
    machine
}

/// Runs a bulk operation to its end; the machine after it.
fn run(lockstep: &mut Lockstep, handmade: Handmade) -> Machine {
    let mut machine = handmade.machine();
    while machine.cpu.status == Status::Running && machine.cpu.pc == 0 {
        let mut twin = machine.clone();
        lockstep.step(&mut machine, &mut twin, INDEX);
    }
    machine
}

/// The elements before the step.
fn initial() -> Vec<u64> {
    let mut out: Vec<u64> = (0..132).map(|i| i << 32 | (1000 + i)).collect();
    out.resize(144, 0);
    out
}

/// The elements that the tables' part of the tree holds.
fn elements(machine: &Machine) -> Vec<u64> {
    (0..144)
        .map(|i| machine.table.get(i).copied().unwrap_or(0))
        .collect()
}

#[test]
fn copies_overlap_as_memmove_does_within_and_between_tables() {
    let mut lockstep = Lockstep::default();
    for (to, dst, from, src, len) in [
        (T, 0u64, T, 0u64, 50u64),
        (T, 1, T, 0, 49),
        (T, 0, T, 1, 49),
        (T, 16, T, 0, 32),
        (T, 0, T, 16, 32),
        (T, 15, T, 14, 1),
        (T, 10, U, 3, 37),
        (U, 3, T, 10, 37),
        (V, 0, T, 5, 20),
        (T, 30, V, 0, 20),
        (U, 40, T, 50, 0),
    ] {
        let handmade = state(Op::TableCopy, to, 4, from, 0).block(4, [dst, src, len, 9]);
        let mut want = initial();
        let first = place(from, src);
        want.copy_within(first..first + len as usize, place(to, dst));
        let end = run(&mut lockstep, handmade);
        assert_eq!(end.cpu.pc, 1);
        assert_eq!(elements(&end), want, "{to}:{dst} <- {from}:{src}, {len}");
    }
}

#[test]
fn fills_and_inits_write_what_they_say() {
    let mut lockstep = Lockstep::default();
    let before = initial();
    for (table, dst, len) in [
        (T, 0u64, 50u64),
        (U, 15, 2),
        (U, 39, 1),
        (V, 4, 16),
        (V, 20, 0),
    ] {
        let written = place(table, dst)..place(table, dst + len);
        let fill = state(Op::TableFill, 0, 4, table, 0).block(4, [dst, u64::MAX, len, 9]);
        let mut want = before.clone();
        want[written.clone()].fill(u64::MAX);
        assert_eq!(
            elements(&run(&mut lockstep, fill)),
            want,
            "fill {table}:{dst}, {len}"
        );

        // A segment of 60 cells that begins at byte 256.
        let imm = 60 << 32 | 256;
        let init = state(Op::TableInit, 9, 4, table, imm).block(4, [dst, 7, len, 9]);
        let cells: Vec<u64> = init.segments[256..]
            .chunks_exact(8)
            .map(|c| u64::from_le_bytes(c.try_into().expect("8 bytes")))
            .collect();
        let mut want = before.clone();
        want[written].copy_from_slice(&cells[7..7 + len as usize]);
        assert_eq!(
            elements(&run(&mut lockstep, init)),
            want,
            "init {table}:{dst}, {len}"
        );
    }
}

#[test]
fn accesses_end_at_the_size_and_at_the_tree() {
    let mut lockstep = Lockstep::default();
    let (last, most) = (TABLE_ELEMENTS - 1, u32::MAX);
    for (base, size, i, end) in [
        (64, 40, 39u64, Status::Running),
        (64, 40, 40, Status::Trapped),
        (64, 40, 1 << 32 | 5, Status::Running),
        (64, 0, 0, Status::Trapped),
        (last, 2, 0, Status::Running),
        (last, 2, 1, Status::Trapped),
        (most, most, 0, Status::Trapped),
        (most, most, 0xffff_fffe, Status::Trapped),
    ] {
        for op in [Op::TableGet, Op::TableSet, Op::CallIndirect] {
            let call = op == Op::CallIndirect;
            let (b, imm) = if call { (U, 7) } else { (34, U.into()) };
            let state = state(op, 20, 2, b, imm)
                .cell(2, i)
                .cell(34, 7 << 32 | 99)
                .table(U.into(), size, base)
                .with(|h| h.table = vec![7 << 32 | 5; 200]);
            // The tree's last element is null in these states, and a null is not called.
            let null = call && base == last;
            let end = if null { Status::Trapped } else { end };
            let got = after(&mut lockstep, state).cpu.status;
            assert_eq!(got, end, "{} {base} {size} {i:#x}", op.mnemonic());
        }
    }
    for (number, end) in [
        (0u64, Status::Running),
        (u64::from(MAX_TABLES) - 1, Status::Running),
        (MAX_TABLES.into(), Status::Trapped),
        (1 << 32, Status::Trapped),
    ] {
        let size = state(Op::TableSize, 20, 0, 0, number);
        assert_eq!(after(&mut lockstep, size).cpu.status, end, "table {number}");
    }
    let size = after(&mut lockstep, state(Op::TableSize, 20, 0, 0, U.into()));
    assert_eq!(size.stack.get(20), 40, "the base is no part of it");
}

#[test]
fn grow_takes_up_to_the_limit_and_leaves_a_fill_behind() {
    let mut lockstep = Lockstep::default();
    let most = u64::from(TABLE_ELEMENTS);
    for (size, n, limit, grows) in [
        (40u32, 0u64, 40u64, true),
        (40, 5, 45, true),
        (40, 6, 45, false),
        (40, 0, 39, false),
        (40, 1 << 32 | 5, 45, true),
        (40, u32::MAX.into(), u64::MAX, false),
        (u32::MAX, u32::MAX.into(), u64::MAX, false),
        (0, most, u64::MAX, true),
        (1, most, u64::MAX, false),
    ] {
        let grow = state(Op::TableGrow, 0, 4, U, limit)
            .block(4, [99, 7, n, 99])
            .table(U.into(), size, 64);
        let end = after(&mut lockstep, grow);
        let size = u64::from(size);
        let got = [4, 5, 6, 7].map(|i| end.stack.get(i));
        let want = if grows {
            [size, 7, n, size]
        } else {
            [0, 7, 0, u32::MAX.into()]
        };
        let new = if grows {
            size + (n & 0xffff_ffff)
        } else {
            size
        };
        assert_eq!(
            (end.cpu.pc, got),
            (1, want),
            "{size} + {n:#x} of {limit:#x}"
        );
        assert_eq!(end.globals[4096 + usize::from(U)], 64 << 32 | new);
    }
    // What the lowering makes of it: the fill that follows writes the new elements.
    let both = state(Op::TableGrow, 0, 4, U, 48)
        .block(4, [0, 77, 8, 0])
        .with(|h| h.code.push(instr(Op::TableFill, 0, 4, U, 0)));
    let mut machine = both.machine();
    while machine.cpu.pc < 2 {
        assert_eq!(machine.cpu.status, Status::Running);
        let mut twin = machine.clone();
        lockstep.step(&mut machine, &mut twin, INDEX);
    }
    assert!(machine.table[104..112].iter().all(|e| *e == 77));
    assert_eq!(
        (machine.table[103], machine.stack.get(7)),
        (103 << 32 | 1103, 40)
    );
}

#[test]
fn bulk_operations_out_of_bounds_trap_at_once() {
    let mut lockstep = Lockstep::default();
    let mut end = |op: Op, d: u16, b: u16, cells: [u64; 4], imm: u64| {
        // Table 40 leaves the tree, table 41 begins outside.
        let handmade = state(op, d, 4, b, imm)
            .block(4, cells)
            .global(ELEM_DROPPED_BASE + 8, 1 << 63)
            .table(40, 100, TABLE_ELEMENTS - 4)
            .table(41, u32::MAX, u32::MAX);
        let table = handmade.table.clone();
        let after = after(&mut lockstep, handmade);
        let kept = after.table[..132] == table[..];
        assert!(
            kept || after.cpu.status == Status::Running,
            "moved before the check"
        );
        after.cpu.status
    };
    let segment = 60u64 << 32 | 256;
    for (dst, len) in [(50u64, 1u64), (51, 0), (0, 51), (0xffff_ffff, 0xffff_ffff)] {
        assert_eq!(
            end(Op::TableFill, 0, T, [dst, 7, len, 0], 0),
            Status::Trapped
        );
        assert_eq!(
            end(Op::TableCopy, T, U, [dst, 0, len, 0], 0),
            Status::Trapped
        );
        assert_eq!(
            end(Op::TableCopy, U, T, [0, dst, len, 0], 0),
            Status::Trapped
        );
        assert_eq!(
            end(Op::TableInit, 9, T, [dst, 0, len, 0], segment),
            Status::Trapped
        );
    }
    for (table, dst, len) in [
        (40, 2u64, 3u64),
        (40, 5, 0),
        (41, 0, 0),
        (41, 0, 0xffff_ffff),
    ] {
        assert_eq!(
            end(Op::TableFill, 0, table, [dst, 7, len, 0], 0),
            Status::Trapped
        );
        assert_eq!(
            end(Op::TableCopy, table, T, [dst, 0, len, 0], 0),
            Status::Trapped
        );
        assert_eq!(
            end(Op::TableCopy, T, table, [0, dst, len, 0], 0),
            Status::Trapped
        );
        let init = end(Op::TableInit, 9, table, [dst, 0, len, 0], u64::MAX << 32);
        assert_eq!(init, Status::Trapped);
    }
    // At the tree's very end nothing fits, but nothing may be moved there; operands are 32 bits of their cells.
    let none = [4 | 7 << 32, 3 << 32, 9 << 32, 0];
    assert_eq!(end(Op::TableFill, 0, 40, none, 0), Status::Running);
    assert_eq!(end(Op::TableCopy, 40, T, none, 0), Status::Running);
    for (segment, src, len, status) in [
        (segment, 59u64, 1u64, Status::Running),
        (segment, 60, 1, Status::Trapped),
        (segment, 61, 0, Status::Trapped),
        (60 << 32 | 8, 0, 0, Status::Running),
        (60 << 32 | 8, 0, 1, Status::Trapped),
        (60 << 32 | 0xffff_ff80, 15, 1, Status::Running),
        (60 << 32 | 0xffff_ff80, 16, 1, Status::Trapped),
        (60 << 32 | 0xffff_ff80, 16, 0, Status::Running),
    ] {
        let got = end(Op::TableInit, 9, T, [0, src, len, 0], segment);
        assert_eq!(got, status, "{segment:#x} {src} {len}");
    }
    // A dropped segment is empty.
    assert_eq!(
        end(Op::TableInit, 8, T, [0, 0, 1, 0], segment),
        Status::Trapped
    );
    assert_eq!(
        end(Op::TableInit, 8, T, [0, 0, 0, 0], segment),
        Status::Running
    );
    for op in [Op::TableGrow, Op::TableFill, Op::TableCopy, Op::TableInit] {
        assert_eq!(end(op, T, MAX_TABLES as u16, [0; 4], 0), Status::Trapped);
    }
    assert_eq!(
        end(Op::TableCopy, MAX_TABLES as u16, T, [0; 4], 0),
        Status::Trapped
    );
    for (d, status) in [
        (MAX_ELEMS as u16 - 1, Status::Running),
        (MAX_ELEMS as u16, Status::Trapped),
    ] {
        assert_eq!(end(Op::TableInit, d, T, [0; 4], segment), status);
        assert_eq!(end(Op::ElemDrop, d, T, [0; 4], segment), status);
    }
}

/// Two tables that are one part of the tree, as no lowering makes them: places decide the order, not indices.
#[test]
fn tables_that_share_elements_copy_as_one() {
    let mut lockstep = Lockstep::default();
    for (dst, src) in [(0u64, 3u64), (3, 0), (9, 9), (8, 12), (12, 8)] {
        let shared = state(Op::TableCopy, U, 4, V, 0)
            .block(4, [dst, src, 20, 0])
            .table(U.into(), 50, 10)
            .table(V.into(), 50, 13);
        let mut want = initial();
        let first = 13 + src as usize;
        want.copy_within(first..first + 20, 10 + dst as usize);
        assert_eq!(elements(&run(&mut lockstep, shared)), want, "{dst} {src}");
    }
}

/// What no other test told from a contract that is wrong in one place (docs/mutants.md): dirt above the 32 bits of operands.
#[test]
fn bulk_operations_ignore_the_high_halves_of_their_cells() {
    let mut lockstep = Lockstep::default();
    const DIRT: u64 = 0xdead_beef << 32;
    for (op, d, cells, imm) in [
        (Op::TableFill, 0, [5, 7, 40, 0], 0),
        (Op::TableCopy, T, [9, 5, 40, 0], 0),
        (Op::TableCopy, T, [5, 9, 40, 0], 0),
        (Op::TableInit, 9, [5, 7, 40, 0], 60 << 32 | 256),
    ] {
        let clean = run(&mut lockstep, state(op, d, 4, T, imm).block(4, cells));
        assert_eq!(clean.cpu.pc, 1);
        for i in 0..4 {
            let mut dirty = cells;
            dirty[i] |= DIRT;
            let end = run(&mut lockstep, state(op, d, 4, T, imm).block(4, dirty));
            assert_eq!(end.cpu.pc, 1, "{} {dirty:x?}", op.mnemonic());
            // What a fill writes is a whole cell.
            if op != Op::TableFill || i != 1 {
                assert_eq!(
                    elements(&end),
                    elements(&clean),
                    "{} {dirty:x?}",
                    op.mnemonic()
                );
            }
        }
    }
}
