//! Family 10 and `call_indirect` against a plain model of tables, also where no lowering puts them.

use crate::state::{State, instr, step};
use assay_machine::image::cell_bytes;
use assay_machine::isa::Op;
use assay_machine::machine::Machine;
use assay_machine::tree::Tree;
use assay_types::Status;
use assay_types::params::{
    DATA_DROPPED_BASE, ELEM_DROPPED_BASE, TABLE_DEPTH, TABLE_ELEMENTS, TABLE_SIZE_BASE,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Where blocks are.
const BLOCK: u16 = 8;
/// The sizes of openings.
const CODE: usize = 128 + 17 * 32;
const STACK: usize = 128 + 13 * 32;
const GLOBALS: usize = 128 + 9 * 32;
const TABLE: usize = 128 + 17 * 32;
const SEGMENTS: usize = 128 + 25 * 32;

fn elements(n: u64) -> Vec<u64> {
    (0..n).map(|i| (i + 1) << 32 | (1000 + i)).collect()
}

/// Tables 0 and 1 of 60 and 40 elements at 0 and 64; table 2 lies across both, unaligned; table 16 is table 0 with a
/// globals cell in another leaf.
fn state(op: Op, d: u16, a: u16, b: u16, imm: u64) -> State {
    State::new(vec![instr(op, d, a, b, imm)])
        .with(|s| s.table = elements(104))
        .table(0, 60, 0)
        .table(1, 40, 64)
        .table(2, 90, 13)
        .table(16, 60, 0)
}

fn block(op: Op, d: u16, b: u16, imm: u64, cells: [u64; 4]) -> State {
    state(op, d, BLOCK, b, imm).cells(BLOCK.into(), cells)
}

/// Runs to the next instruction, or to a trap.
fn run(mut machine: Machine) -> Machine {
    while machine.cpu.status == Status::Running && machine.cpu.pc == 0 {
        step(&mut machine);
    }
    // The tree that followed the writes is the tree of what is there.
    let root = Tree::build(TABLE_DEPTH, &cell_bytes(&machine.table)).root();
    if machine.cpu.status == Status::Running {
        assert_eq!(machine.header().table, root);
    }
    machine
}

fn trapped(state: State) -> bool {
    let machine = state.machine();
    let before = machine.table.clone();
    let after = run(machine);
    let traps = after.cpu.status == Status::Trapped;
    assert!(
        !traps || after.table == before,
        "nothing moves before a trap"
    );
    traps
}

fn base_and_size(table: u16) -> (usize, u64) {
    match table {
        0 | 16 => (0, 60),
        1 => (64, 40),
        _ => (13, 90),
    }
}

#[test]
fn get_set_and_size_reach_their_table() {
    for (table, i) in [(0u16, 0u64), (0, 59), (1, 0), (1, 39), (2, 0), (2, 89)] {
        let (base, size) = base_and_size(table);
        let imm = u64::from(table);
        let index = i | 7 << 32;
        let get = state(Op::TableGet, 4, 20, 0, imm).cells(20, [index]);
        let after = get.step();
        assert_eq!(after.stack.get(4), elements(104)[base + i as usize]);
        let set = state(Op::TableSet, 0, 20, 21, imm).cells(20, [index, 0xfeed_0000_0001]);
        let after = run(set.machine());
        let mut want = elements(112);
        want[104..].fill(0);
        want[base + i as usize] = 0xfeed_0000_0001;
        assert_eq!(after.table, want);
        let after = state(Op::TableSize, 4, 0, 0, imm).step();
        assert_eq!(after.stack.get(4), size);
    }
    for (table, i) in [
        (0u64, 60u64),
        (1, 40),
        (2, 0xffff_ffff),
        (3, 0),
        (1024, 0),
        (1 << 32, 0),
    ] {
        for op in [Op::TableGet, Op::TableSet] {
            let state = state(op, 4, 20, 21, table).cells(20, [i, 1]);
            assert!(trapped(state), "{} {table} {i}", op.mnemonic());
        }
    }
    for (number, traps) in [
        (1023u64, false),
        (1024, true),
        (1 << 16, true),
        (1 << 32, true),
    ] {
        assert_eq!(trapped(state(Op::TableSize, 4, 0, 0, number)), traps);
    }
}

/// Every bulk move equals a move in a plain vector, whatever its operands, one leaf at a time.
#[test]
fn bulk_moves_are_moves() {
    let mut rng = SmallRng::seed_from_u64(0x7ab1e);
    let mut steps = 0;
    for _ in 0..300 {
        let tables = [0u16, 1, 2, 16];
        let (t, u) = (
            tables[rng.random_range(0..4)],
            tables[rng.random_range(0..4)],
        );
        let ((to, size), (from, source)) = (base_and_size(t), base_and_size(u));
        let len = rng.random_range(0..=size.min(source));
        let (dst, src) = (
            rng.random_range(0..=size - len),
            rng.random_range(0..=source - len),
        );
        let (d, s, n) = (to + dst as usize, from + src as usize, len as usize);
        let dirt = 0xabcd_u64 << 32;

        let mut want = elements(112);
        want[104..].fill(0);
        let mut filled = want.clone();
        let mut inited = want.clone();
        want.copy_within(s..s + n, d);
        let cells = [dst | dirt, src | dirt, len | dirt, 0];
        let machine = run(block(Op::TableCopy, t, u, 0, cells).machine());
        assert_eq!(machine.table, want, "copy {t}:{dst} <- {u}:{src}, {len}");
        steps += machine.executed;

        filled[d..d + n].fill(77 << 32);
        let machine = run(block(Op::TableFill, 0, t, 0, [dst, 77 << 32, len, 0]).machine());
        assert_eq!(machine.table, filled, "fill {t}:{dst}, {len}");

        let imm = 256 | source << 32;
        let state = block(Op::TableInit, 3, t, imm, [dst, src, len, 0]);
        for (i, out) in inited[d..d + n].iter_mut().enumerate() {
            let at = 256 + 8 * (src as usize + i);
            *out = u64::from_le_bytes(state.segments[at..at + 8].try_into().expect("8 bytes"));
        }
        let machine = run(state.machine());
        assert_eq!(machine.table, inited, "init {t}:{dst} <- {src}, {len}");
    }
    assert!(steps > 1000, "moves take several steps: {steps}");
}

#[test]
fn bounds_are_checked_before_anything_moves() {
    let full = u64::from(u32::MAX);
    for (dst, src, len, traps) in [
        (0u64, 0u64, 40u64, false),
        (60, 40, 0, false),
        (60, 40, 1 << 32, false),
        (20, 0, 40, false),
        (21, 0, 40, true),
        (61, 0, 0, true),
        (0, 41, 0, true),
        (0, 1, 40, true),
        (full, 0, 1, true),
        (0, full, 1, true),
        (0, 0, full, true),
        (full, full, full, true),
    ] {
        let cells = [dst, src, len, 0];
        let what = format!("{dst} {src} {len}");
        assert_eq!(
            trapped(block(Op::TableCopy, 0, 1, 0, cells)),
            traps,
            "{what}"
        );
        let init = block(Op::TableInit, 0, 0, 40 << 32, cells);
        assert_eq!(trapped(init), traps, "{what}");
        let fills = dst + (len & full) > 60;
        assert_eq!(
            trapped(block(Op::TableFill, 0, 0, 0, cells)),
            fills,
            "{what}"
        );
    }
    for op in [Op::TableCopy, Op::TableFill, Op::TableInit, Op::TableGrow] {
        for (d, b) in [(0, 1024), (1024, 0), (0xffff, 0xffff)] {
            let uses_d = matches!(op, Op::TableCopy | Op::TableInit);
            let state = block(op, d, b, 0, [0; 4]);
            assert_eq!(
                trapped(state),
                b >= 1024 || uses_d,
                "{} {d} {b}",
                op.mnemonic()
            );
        }
        for a in [8, 9, 10, 11] {
            let state = state(op, 0, a, 0, 0);
            assert_eq!(trapped(state), a != 8, "{}", op.mnemonic());
        }
    }
}

/// [S] Globals cells that no lowering makes reach the tree's end and no further.
#[test]
fn tables_past_the_tree_trap() {
    let end = TABLE_ELEMENTS;
    let made_up = |op: Op, size: u32, base: u32, cells: [u64; 4]| {
        let imm = match op {
            Op::TableInit => u64::from(u32::MAX) << 32,
            Op::TableGrow => u64::MAX,
            _ => 1,
        };
        let b = if op == Op::TableSet { BLOCK + 1 } else { 1 };
        block(op, 1, b, imm, cells).table(1, size, base)
    };
    let huge = u32::MAX;
    for (size, base, i, traps) in [
        (huge, 0, end - 1, false),
        (huge, 0, end, true),
        (huge, end - 1, 0, false),
        (huge, end - 1, 1, true),
        (huge, end, 0, true),
        (huge, huge, huge - 1, true),
        (huge, 5, huge, true),
    ] {
        for op in [Op::TableGet, Op::TableSet] {
            let state = made_up(op, size, base, [i.into(), 9, 0, 0]);
            assert_eq!(trapped(state), traps, "{} {base} {i}", op.mnemonic());
        }
    }
    for (base, start, len, traps) in [
        (end - 20, 0u32, 20u32, false),
        (end - 20, 20, 0, false),
        (end - 20, 0, 21, true),
        (end - 20, 21, 0, true),
        (0, end, 0, false),
        (0, end, 1, true),
        (huge, 0, 0, true),
        (huge, huge - 1, 1, true),
    ] {
        let cells = [start.into(), start.into(), len.into(), 0];
        for op in [Op::TableFill, Op::TableCopy] {
            let state = made_up(op, huge, base, cells);
            assert_eq!(
                trapped(state),
                traps,
                "{} {base} {start} {len}",
                op.mnemonic()
            );
        }
        let init = made_up(Op::TableInit, huge, base, [start.into(), 0, len.into(), 0]);
        assert_eq!(trapped(init), traps, "init {base} {start} {len}");
    }
    // Copies reach elements that were never there: they are zero.
    let far = block(Op::TableCopy, 0, 1, 0, [3, 7, 30, 0]).table(1, huge, 1000);
    let mut want = elements(112);
    want[104..].fill(0);
    want[3..33].fill(0);
    assert_eq!(run(far.machine()).table, want);
    let near = block(Op::TableCopy, 1, 0, 0, [7, 3, 30, 0]).table(1, huge, 1000);
    let after = run(near.machine());
    assert_eq!(after.table.len(), 1040);
    assert_eq!(after.table[1007..1037], elements(33)[3..]);
}

#[test]
fn growth_leaves_the_block_for_a_fill() {
    let grown = |n: u64, imm: u64, size: u32| {
        let cells = [5, 6, n, 8];
        let after = block(Op::TableGrow, 0, 1, imm, cells)
            .table(1, size, 64)
            .step();
        assert_eq!((after.cpu.status, after.cpu.pc), (Status::Running, 1));
        let cell = after.globals[TABLE_SIZE_BASE as usize + 1];
        assert_eq!(cell >> 32, 64, "the base stays");
        let block = [0, 1, 2, 3].map(|i| after.stack.get(u32::from(BLOCK) + i));
        (cell & 0xffff_ffff, block)
    };
    let refused = u64::from(u32::MAX);
    let end = u64::from(TABLE_ELEMENTS);
    let dirt = 3 << 32;
    assert_eq!(grown(2, 42, 40), (42, [40, 6, 2, 40]));
    assert_eq!(grown(dirt | 2, 42, 40), (42, [40, 6, dirt | 2, 40]));
    assert_eq!(grown(3, 42, 40), (40, [0, 6, 0, refused]));
    assert_eq!(grown(0, 40, 40), (40, [40, 6, 0, 40]));
    assert_eq!(grown(0, 39, 40), (40, [0, 6, 0, refused]));
    assert_eq!(grown(refused, u64::MAX, 40), (40, [0, 6, 0, refused]));
    assert_eq!(grown(end - 40, u64::MAX, 40), (end, [40, 6, end - 40, 40]));
    assert_eq!(grown(end - 39, u64::MAX, 40), (40, [0, 6, 0, refused]));
    assert_eq!(grown(0, u64::MAX, u32::MAX), (refused, [0, 6, 0, refused]));

    // With the fill that follows it, as lowered code has it.
    let mut machine = block(Op::TableGrow, 0, 1, 60, [0, 99, 20, 0]).machine();
    let code = vec![machine.image.code[0], instr(Op::TableFill, 0, BLOCK, 1, 0)];
    machine = block(Op::TableGrow, 0, 1, 60, [0, 99, 20, 0])
        .with(|s| s.code = code)
        .machine();
    while machine.cpu.pc < 2 {
        step(&mut machine);
    }
    assert_eq!(machine.stack.get(u32::from(BLOCK) + 3), 40);
    assert_eq!(machine.table[64 + 40..64 + 60], [99; 20]);
    assert_eq!(machine.table[..104], elements(104));
}

#[test]
fn dropped_segments_are_empty() {
    let dropped = |flag: u32| move |s: &mut State| s.globals[flag as usize] = 1 << 40;
    let init = |cells, d, flag| block(Op::TableInit, d, 0, 40 << 32, cells).with(dropped(flag));
    assert!(trapped(init([0, 0, 1, 0], 2, ELEM_DROPPED_BASE + 2)));
    assert!(trapped(init([0, 1, 0, 0], 2, ELEM_DROPPED_BASE + 2)));
    assert!(!trapped(init([0, 0, 0, 0], 2, ELEM_DROPPED_BASE + 2)));
    assert!(!trapped(init([0, 0, 1, 0], 2, ELEM_DROPPED_BASE + 3)));
    assert!(!trapped(init([0, 0, 1, 0], 2, DATA_DROPPED_BASE + 2)));
    for (d, traps) in [(0u16, false), (1023, false), (1024, true)] {
        let after = run(state(Op::ElemDrop, d, 0, 0, 0).machine());
        assert_eq!(after.cpu.status == Status::Trapped, traps);
        if !traps {
            assert_eq!(
                after.globals[ELEM_DROPPED_BASE as usize + usize::from(d)],
                1
            );
        }
    }
}

#[test]
fn segments_begin_at_a_leaf_and_end_in_their_tree() {
    let last = (1u64 << 32) - 128;
    for (start, src, len, traps) in [
        (128u64, 0u64, 5u64, false),
        (64, 0, 5, true),
        (1, 0, 5, true),
        (64, 0, 0, false),
        (last, 15, 1, false),
        (last, 16, 0, false),
        (last, 16, 1, true),
        (0, (1 << 29) - 1, 1, false),
        (0, 1 << 29, 1, true),
    ] {
        let imm = start | u64::from(u32::MAX) << 32;
        let state = block(Op::TableInit, 0, 0, imm, [0, src, len, 0]);
        assert_eq!(trapped(state), traps, "{start:#x} {src:#x} {len}");
    }
}

#[test]
fn indirect_calls_go_through_the_globals_cell() {
    let call = |table: u16, i: u64, ty: u64| {
        let state = state(Op::CallIndirect, 32, 20, table, ty | 0xbad << 32).cells(20, [i]);
        let after = state.step();
        (after.cpu.status == Status::Running).then_some((after.cpu.pc, after.cpu.fp))
    };
    // Element k is pc 1000 + k of type k + 1.
    assert_eq!(call(0, 0, 1), Some((1000, 32)));
    assert_eq!(call(1, 39, 104), Some((1103, 32)));
    assert_eq!(call(2, 1 << 32, 14), Some((1013, 32)));
    assert_eq!(call(0, 0, 2), None, "another type");
    assert_eq!(call(0, 60, 61), None, "past the size");
    assert_eq!(call(1023, 0, 1), None, "an empty table");
    assert_eq!(call(1024, 0, 1), None, "no table");
    let null = state(Op::CallIndirect, 32, 20, 0, 5).with(|s| s.table[0] = 5 << 32);
    assert!(trapped(null), "a null of the right type");
    let past = state(Op::CallIndirect, 32, 20, 1, 0).table(1, u32::MAX, TABLE_ELEMENTS - 1);
    assert!(trapped(past.cells(20, [1])));
}

/// [S] The order and number of a table step's openings, which bound its witness.
#[test]
fn globals_leaves_are_opened_once_and_table_leaves_each_time() {
    let length = |state: State| step(&mut state.machine());
    let head = 145 + CODE + STACK;
    let copy = |d, b| block(Op::TableCopy, d, b, 0, [0, 0, 5, 0]);
    assert_eq!(length(copy(0, 0)), head + GLOBALS + 2 * TABLE);
    assert_eq!(length(copy(0, 1)), head + GLOBALS + 2 * TABLE);
    assert_eq!(length(copy(16, 0)), head + 2 * GLOBALS + 2 * TABLE);
    let init = block(Op::TableInit, 0, 0, 40 << 32, [0, 0, 5, 0]);
    assert_eq!(length(init), head + 2 * GLOBALS + SEGMENTS + TABLE);
    let grow = block(Op::TableGrow, 0, 0, 100, [0, 0, 5, 0]);
    assert_eq!(length(grow), head + GLOBALS);
    let fill = block(Op::TableFill, 0, 0, 0, [0, 0, 5, 0]);
    assert_eq!(length(fill), head + GLOBALS + TABLE);
    let set = state(Op::TableSet, 0, 20, 21, 0);
    assert_eq!(length(set), head + GLOBALS + TABLE);
    let get = state(Op::TableGet, 16, 20, 0, 0);
    assert_eq!(length(get), head + GLOBALS + TABLE);
}

#[test]
fn a_yield_keeps_the_tables_and_a_machine_starts_there() {
    let code = vec![
        instr(Op::TableSet, 0, 20, 21, 1),
        instr(Op::Finish, 0, 22, 0, 0),
    ];
    let state = state(Op::Trap, 0, 0, 0, 0).with(|s| s.code = code);
    let mut machine = state.cells(20, [3, 0xbeef]).machine();
    step(&mut machine);
    step(&mut machine);
    assert_eq!(machine.cpu.status, Status::Yielded);
    assert_eq!(machine.table[67], 0xbeef);

    let yielded = machine.clone();
    let at_yield = |table: &[u64]| {
        let (image, roms) = (yielded.image.clone(), yielded.roms.clone());
        let (memory, globals) = (yielded.memory.clone(), yielded.globals.clone());
        Machine::at_yield(image, roms, memory, globals, table).root()
    };
    let mut table = machine.table.clone();
    table.truncate(104);
    let root = machine.clone().root();
    assert_eq!(at_yield(&table), root);
    table.resize(5000, 0);
    assert_eq!(at_yield(&table), root);
    table[4999] = 1;
    let longer = at_yield(&table);
    assert_ne!(longer, root);
    machine.poke_table(4999, 1);
    assert_eq!(machine.clone().root(), longer);
    // A table that is shorter than the image's is zero from its end on.
    let root = at_yield(&machine.table[..80]);
    for index in (80..112).chain([4999]) {
        machine.poke_table(index, machine.table[index as usize]);
    }
    assert_eq!(machine.root(), root);
}
