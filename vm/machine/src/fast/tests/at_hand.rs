//! Values that are at hand in registers, and instructions that are done together.

use super::*;
use crate::fast::pairs::{A, B, BOTH, C};
use crate::fast::runs;
use crate::isa::Format;

/// Slots few enough that most operands are what an instruction just before gave.
const FEW: [u16; 4] = [4, 6, 8, 10];

fn few(rng: &mut SmallRng) -> u16 {
    FEW[rng.random_range(0..FEW.len())]
}

/// An instruction of few slots.
fn close(op: Op, imm_form: bool, rng: &mut SmallRng) -> Instr {
    let mut ins = instruction(op, imm_form, rng);
    (ins.d, ins.a, ins.b) = (few(rng), few(rng), few(rng));
    if op == Op::Select {
        ins.imm = u64::from(few(rng)) | ins.imm << 16;
    }
    ins
}

/// Scalar code without traps that jumps into its middle: over every jump, into every place, from either side.
fn knot(len: u64, rng: &mut SmallRng) -> Vec<Instr> {
    let mut plain = handled();
    plain.retain(|(op, _)| {
        let family = *op as u16 >> 8;
        let integer = (2..4).contains(&family);
        let float = family == 5 && (*op as u16 & 0xff) < 0x13;
        let of_vector = matches!(op.format(), Format::VecTest | Format::VecExtract);
        integer
            || float
            || of_vector
            || *op == Op::V128Not
            || matches!(op, Op::Move | Op::Const | Op::Select)
    });
    let jump = |op, rng: &mut SmallRng| Instr {
        a: few(rng),
        ..instr(op, 0, rng.random_range(0..len))
    };
    let mut code = Vec::new();
    while (code.len() as u64) < len {
        code.push(match rng.random_range(0..10) {
            0 => jump(Op::BrIf, rng),
            1 => jump(Op::BrUnless, rng),
            2 if rng.random_bool(0.3) => jump(Op::Br, rng),
            3 if rng.random_bool(0.3) => Instr {
                imm: rng.random_range(0..5),
                ..jump(Op::BrTable, rng)
            },
            // Known addresses, so that loads and stores come between.
            4 => Instr {
                a: 12,
                b: few(rng),
                ..instr(
                    [Op::Load64, Op::Load32U, Op::Store64, Op::Store32][rng.random_range(0..4)],
                    few(rng),
                    rng.random_range(0..32),
                )
            },
            _ => {
                let (op, imm_form) = plain[rng.random_range(0..plain.len())];
                close(op, imm_form, rng)
            }
        });
    }
    code.push(instr(Op::Br, 0, 0));
    code
}

/// Wherever the chain starts, stops or jumps, what it has at hand is what the cells hold; cells change while it rests.
#[test]
fn what_is_at_hand_is_what_the_cells_hold() {
    let (mut steps, mut runs) = (0, 0);
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let code = knot([40, 300][seed as usize % 2], &mut rng);
        let len = code.len() as u32;
        let mut chained = machine(code, Vec::new());
        let mut referred = chained.clone();
        for _ in 0..40 {
            // A chain stops RUN steps before the end of what it is told to do, so these stop everywhere.
            let n = RUN as u64 + rng.random_range(0..60);
            if rng.random_bool(0.5) {
                let (cell, mask) = (u32::from(few(&mut rng)), wild(&mut rng));
                chained.poke_stack(cell, mask);
                referred.poke_stack(cell, mask);
            }
            let done = chain(&mut chained, n);
            (0..done).for_each(|_| refer(&mut referred));
            same(&chained, &referred, &|| format!("seed {seed}"));
            (steps, runs) = (steps + done, runs + u64::from(done > 0));
            // The reference goes on from where the chain has left, or both go on elsewhere.
            let away = rng.random_bool(0.2).then(|| rng.random_range(0..len));
            for m in [&mut chained, &mut referred] {
                refer(m);
                if m.cpu.status != Status::Running {
                    (m.cpu.status, m.cpu.pc) = (Status::Running, 0);
                }
                m.cpu.pc = away.unwrap_or(m.cpu.pc);
            }
        }
    }
    assert!(
        steps > 50_000 && runs > 5_000,
        "{steps} steps in {runs} runs"
    );
}

/// Instructions that are done together, each kind with all that they may take from each other, from one before and not.
#[test]
fn every_run_does_what_the_reference_does() {
    let mut rng = SmallRng::seed_from_u64(3);
    let mut code = Vec::new();
    for run in runs::RUNS.iter().chain(runs::BRANCHES) {
        for case in 0..60 {
            let start = code.len();
            // What gives the first its operand.
            let float = case % 2 == 0;
            code.push(match float {
                true => close(Op::F64Mul, false, &mut rng),
                false => close(Op::I32And, true, &mut rng),
            });
            for &(op, imm_form, taken) in *run {
                let mut ins = close(op, imm_form, &mut rng);
                let before = code[code.len() - 1].d;
                let third = ins.imm & !0xffff | u64::from(before);
                match taken {
                    A => ins.a = before,
                    B => ins.b = before,
                    BOTH => (ins.a, ins.b) = (before, before),
                    C => ins.imm = third,
                    _ if code.len() == start + 1 => match rng.random_range(0..3) {
                        0 => ins.a = before,
                        1 => ins.b = before,
                        _ => {}
                    },
                    _ => {}
                }
                if matches!(op, Op::BrIf | Op::BrUnless) {
                    ins.imm = start as u64 + 7;
                } else if !imm_form && taken != C && op != Op::Const && op != Op::Select {
                    // Small enough to be an address from most numbers.
                    ins.imm &= 0x7fff;
                }
                code.push(ins);
            }
            code.resize(start + 8, unreachable());
        }
    }
    cases(code, 8, 6, &mut rng);
}
