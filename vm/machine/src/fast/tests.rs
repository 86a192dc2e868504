//! The chain against the reference: every opcode and every pair of the commoner ones, and random walks through code.

mod at_hand;

use super::{RUN, run};
use crate::image::{Image, Limits};
use crate::isa::{IMM_FORM, Instr, Op};
use crate::machine::Machine;
use crate::rom::Rom;
use crate::step::{execute, forms};
use assay_types::Status;
use assay_types::params::{STACK_CELLS, TABLE_SIZE_BASE};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::sync::Arc;

/// Type id of the table's elements.
const TYPE: u64 = 7;
/// Slots that instructions mostly name.
const SLOTS: u16 = 48;

fn machine(code: Vec<Instr>, table: Vec<u64>) -> Machine {
    let limits = Limits {
        pages: 1,
        max_pages: 2,
        volatile_log2: 0,
        stack_cells: STACK_CELLS,
        a: 20,
        b: 30,
        entry: 0,
    };
    let mut globals = vec![5; 100];
    globals.resize(TABLE_SIZE_BASE as usize, 0);
    globals.push(table.len() as u64);
    let memory = (0..65536u32).map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8);
    let image = Image::new(limits, code, table, vec![3; 500], memory.collect(), globals);
    let mut machine = Machine::new(Arc::new(image), [b"".as_slice(); 3].map(Rom::new));
    machine.cpu.status = Status::Running;
    machine
}

/// One step by the reference.
fn refer(m: &mut Machine) {
    let (mut cpu, limits) = (m.cpu, m.image.limits);
    if execute(&mut cpu, &limits, m).is_err() {
        cpu.status = Status::Trapped;
    }
    m.cpu = cpu;
}

/// The chain from here, at most `n` steps; how many.
fn chain(m: &mut Machine, n: u64) -> u64 {
    let image = m.image.clone();
    let mut cpu = m.cpu;
    let done = run(&image.fast, &image.limits, &mut cpu, m, n);
    m.cpu = cpu;
    done
}

/// Panics where the two differ: registers, every cell that may have been written, memory, globals, table.
fn same(chained: &Machine, referred: &Machine, place: &dyn Fn() -> String) {
    assert_eq!(chained.cpu, referred.cpu, "{}", place());
    let top = chained.stack_top.max(referred.stack_top) as usize;
    let cells = |m: &Machine| m.stack.first(top).to_vec();
    if chained.stack.first(top) != referred.stack.first(top) {
        assert_eq!(cells(chained), cells(referred), "{}", place());
    }
    assert!(chained.stack_top >= referred.stack_top, "{}", place());
    assert!(chained.memory == referred.memory, "memory: {}", place());
    assert!(chained.dirty == referred.dirty, "dirty: {}", place());
    assert!(chained.globals == referred.globals, "globals: {}", place());
    assert!(chained.table == referred.table, "table: {}", place());
}

fn slot(rng: &mut SmallRng) -> u16 {
    match rng.random_range(0..8) {
        0 => rng.random_range(0..SLOTS),
        _ => 2 * rng.random_range(1..SLOTS / 2),
    }
}

fn instruction(op: Op, imm_form: bool, rng: &mut SmallRng) -> Instr {
    let imm = match rng.random_range(0..4) {
        0 => u64::from(slot(rng)),
        1 => rng.random_range(0..64),
        2 => rng.random_range(0..1 << 16),
        _ => rng.next_u64(),
    };
    let third = [
        Op::Select,
        Op::V128Select,
        Op::V128Bitselect,
        Op::I8x16Shuffle,
    ];
    let imm = if third.contains(&op) {
        u64::from(slot(rng)) | imm << 16
    } else {
        imm
    };
    Instr {
        op: op as u16 | if imm_form { IMM_FORM } else { 0 },
        d: slot(rng),
        a: slot(rng),
        b: slot(rng),
        imm,
    }
}

/// Numbers at which operators change their ways.
fn wild(rng: &mut SmallRng) -> u64 {
    const FLOATS: [f64; 8] = [
        0.0,
        -0.0,
        1.5,
        -1e300,
        f64::NAN,
        f64::INFINITY,
        4e9,
        -2147483648.5,
    ];
    let float = FLOATS[rng.random_range(0..FLOATS.len())];
    let near = 1u64 << [0, 7, 16, 31, 32, 63][rng.random_range(0..6)];
    match rng.random_range(0..7) {
        0 => rng.next_u64(),
        1 => rng.random_range(0..200),
        2 => rng.random_range(0..65536),
        3 => near.wrapping_sub(rng.random_range(0..3)),
        4 => near.wrapping_neg().wrapping_add(rng.random_range(0..3)),
        5 => float.to_bits(),
        _ => u64::from((float as f32).to_bits()) | rng.next_u64() << 32,
    }
}

/// All opcodes in all forms that have handlers.
fn handled() -> Vec<(Op, bool)> {
    let all = Op::ALL.iter().filter(|op| forms(**op).is_some());
    all.flat_map(|op| [(*op, false), (*op, true)])
        .filter(|(op, imm_form)| !imm_form || op.has_imm_form())
        .collect()
}

/// Runs the code's cases, each a few instructions from a multiple of `len` on, the last of them `unreachable`.
fn cases(code: Vec<Instr>, len: usize, rounds: usize, rng: &mut SmallRng) {
    let count = code.len() / len;
    let mut chained = machine(code, Vec::new());
    let mut referred = chained.clone();
    let mut nans = 0;
    for case in (0..count).flat_map(|case| std::iter::repeat_n(case, rounds)) {
        let fp = *[0, 0, 4, 6, 130]
            .get(rng.random_range(0..5))
            .expect("one of five");
        for _ in 0..12 {
            let (cell, value) = (fp + u32::from(slot(rng)), wild(rng));
            let mask = chained.stack.get(cell) ^ value;
            chained.poke_stack(cell, mask);
            referred.poke_stack(cell, mask);
        }
        for m in [&mut chained, &mut referred] {
            m.cpu.pc = (len * case) as u32;
            m.cpu.fp = fp;
        }
        let done = chain(&mut chained, 300);
        (0..done).for_each(|_| refer(&mut referred));
        let code = &chained.image.code[len * case..len * (case + 1)];
        same(&chained, &referred, &|| {
            format!("{done} steps of {code:x?}")
        });
        // Where the chain has left, only the reference can go on: it traps, or its result is a NaN.
        let left = code[done as usize].opcode().expect("a known opcode").0;
        refer(&mut referred);
        let trapped = referred.cpu.status == Status::Trapped;
        assert!(
            trapped || left.canonical_nan(),
            "left after {done} steps of {code:x?}"
        );
        // Both go on alike.
        if !trapped {
            refer(&mut chained);
            nans += 1;
        }
        referred.cpu = chained.cpu;
    }
    assert!(
        nans < count,
        "{nans} results were NaN: too many to have tested much"
    );
}

fn unreachable() -> Instr {
    instr(Op::Unreachable, 0, 0)
}

fn instr(op: Op, d: u16, imm: u64) -> Instr {
    Instr {
        op: op as u16,
        d,
        imm,
        ..Instr::default()
    }
}

#[test]
fn every_opcode_with_a_handler_does_what_the_reference_does() {
    let mut rng = SmallRng::seed_from_u64(1);
    let handled = handled();
    assert!(handled.len() > 440, "{}", handled.len());
    let mut code = Vec::new();
    for (op, imm_form) in handled {
        for _ in 0..6 {
            code.push(instruction(op, imm_form, &mut rng));
            code.extend([unreachable(); 3]);
        }
    }
    cases(code, 4, 12, &mut rng);
}

/// Two instructions in a row, where the second often takes what the first gives.
#[test]
fn every_pair_of_scalar_opcodes_does_what_the_reference_does() {
    let mut rng = SmallRng::seed_from_u64(2);
    let branches = [Op::Br, Op::BrIf, Op::BrUnless].map(|op| (op, false));
    // Families 7 to 9 have no pairs but those of these.
    let lanes = [
        Op::I16x8ExtendLowI8x16S,
        Op::I16x8ExtendHighI8x16S,
        Op::I32x4DotI16x8S,
        Op::I32x4Add,
    ];
    let mut pairable = handled();
    pairable.retain(|(op, _)| (*op as u16) < 0x0700 || lanes.contains(op));
    let mut code = Vec::new();
    for &(first, imm_form) in &pairable {
        for &(second, second_form) in pairable.iter().chain(&branches) {
            let first = instruction(first, imm_form, &mut rng);
            let mut second = instruction(second, second_form, &mut rng);
            match rng.random_range(0..4) {
                0 => second.a = first.d,
                1 => second.b = first.d,
                2 => (second.a, second.b) = (first.d, first.d),
                _ => {}
            }
            if second.op & !IMM_FORM <= Op::BrUnless as u16 && second.op >= Op::Br as u16 {
                second.imm = code.len() as u64 + 3;
            }
            code.extend([first, second, unreachable(), unreachable()]);
        }
    }
    cases(code, 4, 3, &mut rng);
}

/// Code that jumps, calls and returns between other instructions, and keeps its addresses small.
fn maze(len: u16, rng: &mut SmallRng) -> Vec<Instr> {
    let plain = handled();
    let mut code = vec![instr(Op::Enter, 0, 64)];
    while code.len() < usize::from(len) {
        let target = rng.random_range(0..u64::from(len));
        let even = 2 * rng.random_range(4..SLOTS / 2);
        let mut ins = match rng.random_range(0..16) {
            0 => instr(Op::Br, 0, target),
            1..=3 => instr([Op::BrIf, Op::BrUnless][rng.random_range(0..2)], 0, target),
            4 => instr(Op::BrTable, 0, rng.random_range(0..4)),
            5 => instr(Op::Call, 4 * rng.random_range(0..20), target),
            6 => instr(Op::CallIndirect, 4 * rng.random_range(0..20), TYPE),
            7 => instr(Op::Return, 0, 0),
            8 | 9 => {
                // Small numbers to address with.
                code.push(Instr {
                    a: slot(rng),
                    ..instr(Op::I32And, even, 0x7fff)
                });
                code.last_mut().expect("just pushed").op |= IMM_FORM;
                let mut access = instr(
                    [Op::Load32U, Op::Store8, Op::V128Load, Op::Store64][rng.random_range(0..4)],
                    8,
                    40,
                );
                (access.a, access.b) = (even, slot(rng));
                code.push(access);
                continue;
            }
            10 => instr(Op::MemoryGrow, even, 0),
            _ => {
                let (op, imm_form) = plain[rng.random_range(0..plain.len())];
                let mut ins = instruction(op, imm_form, rng);
                // Not the link, and even where a vector might be.
                ins.d = even;
                (ins.a, ins.b) = (2 * (ins.a / 2), 2 * (ins.b / 2));
                code.push(ins);
                continue;
            }
        };
        (ins.a, ins.b) = (slot(rng), 0);
        code.push(ins);
    }
    code
}

/// The chain and the reference take turns at random, on one machine; on the other the reference is alone.
#[test]
fn walks_that_stop_anywhere_agree_with_the_reference() {
    let (mut steps, mut chained_steps, mut frames) = (0, 0, 0);
    for seed in 0..64 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let code = maze(if seed % 4 == 0 { 700 } else { 60 }, &mut rng);
        let table = (0..4)
            .map(|_| rng.random_range(0..60) | TYPE << 32)
            .collect();
        let mut chained = machine(code, table);
        if seed % 8 == 1 {
            // Deep enough that the code's slots reach past the stack.
            chained.cpu.fp = STACK_CELLS - 100;
        }
        let mut referred = chained.clone();
        let mut at = 1;
        for _ in 0..20 {
            // A link that leads anywhere, and new numbers.
            let link = rng.random_range(0..60) | u64::from(4 * rng.random_range(0..50u32)) << 32;
            for (slot, value) in [
                (0, link),
                (slot(&mut rng), wild(&mut rng)),
                (slot(&mut rng), 1),
            ] {
                let cell = (chained.cpu.fp + u32::from(slot)).min(STACK_CELLS - 1);
                let mask = chained.stack.get(cell) ^ value;
                chained.poke_stack(cell, mask);
                referred.poke_stack(cell, mask);
            }
            let n = rng.random_range(1..1500);
            let before = chained.executed;
            let mut probe = chained.clone();
            chained_steps += chain(&mut probe, n);
            chained.run(at, n);
            (at..at + n).for_each(|i| referred.run(i, 1));
            at += n;
            steps += chained.executed - before;
            frames += u64::from(chained.cpu.fp > 0);
            same(&chained, &referred, &|| {
                format!("seed {seed}, before step {at}")
            });
            assert_eq!(chained.executed, referred.executed, "seed {seed}");
            assert_eq!(chained.root(), referred.root(), "seed {seed}");
            if chained.cpu.status != Status::Running {
                // On with the same numbers elsewhere.
                let pc = rng.random_range(0..60);
                for m in [&mut chained, &mut referred] {
                    m.cpu.status = Status::Running;
                    m.cpu.pc = pc;
                    m.cpu.fp = 0;
                }
            }
        }
    }
    assert!(steps > 30_000, "{steps} steps");
    assert!(chained_steps > 10_000, "{chained_steps} steps in chains");
    assert!(frames > 100, "{frames} times in a frame of its own");
}

/// A run of exactly one more step each time, over straight code longer than a chain, stops where it is told to.
#[test]
fn a_run_stops_at_every_index() {
    let mut code: Vec<Instr> = (0..1000)
        .map(|i| instr(Op::Const, 4 + i % 50, i.into()))
        .collect();
    code.push(instr(Op::Br, 0, 3));
    let start = machine(code, Vec::new());
    let mut referred = start.clone();
    for n in 0..2200 {
        let mut chained = start.clone();
        chained.run(1, n);
        same(&chained, &referred, &|| format!("after {n} steps"));
        assert_eq!(chained.executed, n);
        refer(&mut referred);
    }
}
