//! Random instructions on random states: all four ways agree. `ASSAY_VECTORS` is the number of states, 4,000 by
//! default, and `ASSAY_SEED` says which.

use assay_machine::isa::{IMM_FORM, Instr, Op};
use assay_tests::handmade::Handmade;
use assay_tests::lockstep::Lockstep;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A number near something that an instruction compares with.
fn value(rng: &mut StdRng) -> u64 {
    let near = [
        0u64,
        1,
        128,
        4096,
        65536,
        1 << 17,
        1 << 20,
        1 << 31,
        1 << 32,
        1 << 40,
        1 << 63,
    ];
    match rng.random_range(0..5) {
        0 => rng.next_u64(),
        1 => rng.next_u64() & 0xffff_ffff,
        2 => rng.random_range(0..300),
        3 => near[rng.random_range(0..near.len())].wrapping_sub(rng.random_range(0..20)),
        _ => near[rng.random_range(0..near.len())].wrapping_add(rng.random_range(0..20)),
    }
}

fn slot(rng: &mut StdRng) -> u16 {
    match rng.random_range(0..8) {
        0 => rng.next_u32() as u16,
        1..5 => rng.random_range(0..10) * 4,
        _ => rng.random_range(0..40),
    }
}

fn instruction(rng: &mut StdRng) -> Instr {
    let op = Op::ALL[rng.random_range(0..Op::ALL.len())] as u16;
    let op = match rng.random_range(0..20) {
        0 => rng.next_u32() as u16,
        1..6 => op | IMM_FORM,
        _ => op,
    };
    let imm = match rng.random_range(0..5) {
        // A slot, as the third operand's, or a segment's place.
        4 => (value(rng) << 32) | (u64::from(slot(rng)) * [1, 128][rng.random_range(0..2usize)]),
        // Two halves, as segments and typed calls have.
        0 => value(rng) << 32 | value(rng) & 0xffff_ffff,
        1 => rng.random_range(0..64),
        _ => value(rng),
    };
    Instr {
        op,
        d: slot(rng),
        a: slot(rng),
        b: slot(rng),
        imm,
    }
}

#[test]
fn random_instructions_on_random_states_agree() {
    let n = std::env::var("ASSAY_VECTORS")
        .map_or(4_000, |v| v.parse().expect("ASSAY_VECTORS is a number"));
    let mut lockstep = Lockstep::default();
    let mut rng = StdRng::seed_from_u64(crate::smith::number("ASSAY_SEED", 0xf022));
    for _ in 0..n / 8 {
        // One program and eight states of it: trees are dearer than steps.
        let rng = &mut rng;
        let fp =
            [0, 4, 1, (1 << 17) - 4, (1 << 17) - 1, 1 << 17, u32::MAX][rng.random_range(0..7usize)];
        let fp = if rng.random_range(0..3) == 0 {
            fp
        } else {
            rng.random_range(0..64) * 4
        };
        let mut handmade = Handmade::new((0..8).map(|_| instruction(rng)).collect()).fp(fp);
        handmade.limits.pages = rng.random_range(0..=2);
        handmade.limits.max_pages = rng.random_range(handmade.limits.pages..=4);
        handmade
            .memory
            .truncate(handmade.limits.pages as usize * 65536);
        handmade.limits.volatile_log2 = [0, 7, 10, 16, 20, 31][rng.random_range(0..6usize)];
        handmade.limits.b = rng.random_range(0..=50);
        handmade.limits.stack_cells = value(rng).min(1 << 17) as u32;
        handmade.limits.entry = rng.next_u32();
        handmade.globals = (0..8192)
            .map(|i| if i % 7 == 0 { value(rng) } else { 0 })
            .collect();
        // Tables that one can use: sizes and bases that mean something, and flags that are not set.
        for table in 4096..5120 {
            let (size, base) = (value(rng), value(rng));
            handmade.globals[table] = match rng.random_range(0..4) {
                0 => size,
                1 => (base & 0xffff) << 32 | size & 0xffff,
                _ => rng.random_range(0..100) << 32 | rng.random_range(0..100),
            };
        }
        for flag in 5120..8192 {
            if rng.random_range(0..4) != 0 {
                handmade.globals[flag] = 0;
            }
        }
        handmade.table = (0..200).map(|_| value(rng)).collect();
        for _ in 0..60 {
            let cell = (u64::from(fp) + rng.random_range(0..40)) as u32;
            if cell < 1 << 17 && !handmade.cells.iter().any(|c| c.0 == cell) {
                let value = value(rng);
                handmade.cells.push((cell, value));
            }
        }
        let machine = handmade.machine();
        for pc in 0..8 {
            let mut direct = machine.clone();
            direct.cpu.pc = pc;
            let mut twin = direct.clone();
            for step in 0..3 {
                lockstep.step(&mut direct, &mut twin, value(rng) & ((1 << 50) - 1) | step);
            }
        }
    }
    let (_, gas, witness, _) = lockstep.summary();
    println!(
        "{} steps of {} opcodes: {gas} gas, {witness} bytes at most",
        lockstep.gas.len(),
        lockstep.costs.len()
    );
}
