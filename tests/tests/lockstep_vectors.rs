//! Vectors at the edges: every pair of edge lanes, every lane's number, odd cells, four leaves. All four ways agree.

use assay_machine::isa::{Format, Instr, Op};
use assay_machine::machine::Machine;
use assay_tests::handmade::{Handmade, imm_form, instr};
use assay_tests::lockstep::Lockstep;
use assay_types::Status;
use assay_types::params::STACK_CELLS;

/// A trace index that is neither the first nor the last of its macro step.
const INDEX: u64 = 5;
/// Slots of the operands and the result, all in one leaf: what is tested here are values.
const D: u16 = 8;
const A: u16 = 2;
const B: u16 = 4;
const C: u16 = 6;

/// Lanes of an operator's operands: the last shape that its name has, or halves for whole vectors.
fn lane_bits(op: Op) -> u32 {
    let shapes = [
        ("i8x16", 8),
        ("i16x8", 16),
        ("i32x4", 32),
        ("i64x2", 64),
        ("f32x4", 32),
        ("f64x2", 64),
    ];
    let text = op.mnemonic();
    let last = shapes.into_iter().max_by_key(|s| text.rfind(s.0));
    last.filter(|s| text.contains(s.0)).map_or(64, |s| s.1)
}

/// Lanes at which operators go wrong.
fn edges(op: Op) -> Vec<u64> {
    let text = op.mnemonic();
    let bits = lane_bits(op);
    if text.contains("f32x4") && !text.contains("convert") && bits == 32 {
        return edge_f32();
    }
    if text.contains("f64x2") && !text.contains("convert") && bits == 64 {
        return edge_f64();
    }
    let all = u64::MAX >> (64 - bits);
    let top = 1 << (bits - 1);
    let half = (1u64 << (bits / 2)) - 1;
    let patterns = [0x5aa5_0ff0_3cc3_9669, 0xa55a_f00f_c33c_6996].map(|p| p & all);
    let mut out = vec![
        0,
        1,
        2,
        3,
        all,
        all - 1,
        top,
        top - 1,
        top + 1,
        half,
        half + 1,
    ];
    out.extend([all - half, all - half - 1, half / 2, half / 2 + 1]);
    out.extend(patterns);
    out
}

fn edge_f32() -> Vec<u64> {
    let magnitudes = [
        0u32,
        1,
        0x007f_ffff,
        0x0080_0000,
        0x3eff_ffff,
        0x3f00_0000,
        0x3f80_0000,
        0x3fc0_0000,
        0x4020_0000,
        0x4b00_0001,
        0x4f00_0000,
        0x4f80_0000,
        0x7f7f_ffff,
        0x7f80_0000,
        0x7fc0_0000,
        0x7fa0_0001,
    ];
    let signed = magnitudes.into_iter().flat_map(|m| [m, m | 1 << 31]);
    signed.map(u64::from).collect()
}

fn edge_f64() -> Vec<u64> {
    let magnitudes = [
        0u64,
        1,
        0x000f_ffff_ffff_ffff,
        0x0010_0000_0000_0000,
        0x3690_0000_0000_0001, // just above half of the least f32
        0x3810_0000_0000_0000, // the least normal f32
        0x3fdf_ffff_ffff_ffff,
        0x3fe0_0000_0000_0000,
        0x3ff0_0000_0000_0000,
        0x3ff8_0000_0000_0000,
        0x4004_0000_0000_0000,
        0x41e0_0000_0000_0000, // 2^31
        0x41ef_ffff_ffff_ffff, // just below 2^32
        0x47ef_ffff_f000_0000, // a tie above the greatest f32
        0x7fef_ffff_ffff_ffff,
        0x7ff0_0000_0000_0000,
        0x7ff8_0000_0000_0000,
        0x7ff4_0000_0000_0001,
    ];
    magnitudes
        .into_iter()
        .flat_map(|m| [m, m | 1 << 63])
        .collect()
}

/// Vectors that between them have every pair of edge lanes at some place.
fn pairs(op: Op) -> Vec<(u128, u128)> {
    let (bits, edges) = (lane_bits(op), edges(op));
    let n = edges.len();
    let all: Vec<(u64, u64)> = (0..n * n).map(|i| (edges[i % n], edges[i / n])).collect();
    let join = |lanes: Vec<u64>| {
        let places = (0..128).step_by(bits as usize);
        let placed = places
            .zip(lanes)
            .map(|(place, lane)| u128::from(lane) << place);
        placed.fold(0, |v, lane| v | lane)
    };
    all.chunks((128 / bits) as usize)
        .map(|c| {
            let (a, b): (Vec<u64>, Vec<u64>) = c.iter().copied().unzip();
            (join(a), join(b))
        })
        .collect()
}

/// A machine and its twin, whose cells and pc can be set between steps: trees are dearer than steps.
struct Bench {
    lockstep: Lockstep,
    direct: Machine,
    twin: Machine,
}

impl Bench {
    fn new(code: Vec<Instr>) -> Bench {
        let none = |h: &mut Handmade| (h.memory, h.limits.pages) = (Vec::new(), 0);
        let direct = Handmade::new(code).with(none).machine();
        Bench {
            lockstep: Lockstep::default(),
            twin: direct.clone(),
            direct,
        }
    }

    fn set(&mut self, slot: u16, value: u128) {
        for (cell, half) in [(slot, value as u64), (slot + 1, (value >> 64) as u64)] {
            for machine in [&mut self.direct, &mut self.twin] {
                let old = machine.stack.get(cell.into());
                machine.poke_stack(cell.into(), old ^ half);
            }
        }
    }

    /// Executes instruction `pc`; it must not trap.
    fn step(&mut self, pc: usize) {
        for machine in [&mut self.direct, &mut self.twin] {
            (machine.cpu.status, machine.cpu.pc) = (Status::Running, pc as u32);
        }
        self.lockstep.step(&mut self.direct, &mut self.twin, INDEX);
        let op = self.direct.image.code[pc];
        assert_eq!(self.direct.cpu.status, Status::Running, "{op:?}");
    }
}

fn vectors() -> impl Iterator<Item = Op> {
    let vectors = |op: &Op| (6..=9).contains(&(*op as u16 >> 8));
    Op::ALL.iter().copied().filter(vectors)
}

/// The instructions that try an operator: one for each immediate that matters.
fn instructions(op: Op) -> Vec<Instr> {
    let plain = |imm: u64| instr(op, D, A, B, imm);
    match op.format() {
        Format::VecExtract | Format::VecReplace => {
            let lanes = u64::from(128 / lane_bits(op));
            let wrong = [lanes, lanes + 1, 255, 1 << 32 | 1, u64::MAX];
            (0..lanes).chain(wrong).map(plain).collect()
        }
        Format::VecShift => {
            let bits = u64::from(lane_bits(op));
            let counts = [
                0,
                1,
                bits / 2,
                bits - 1,
                bits,
                bits + 1,
                u32::MAX.into(),
                1 << 32,
            ];
            let forms = counts.map(|n| imm_form(plain(n)));
            forms.into_iter().chain([plain(0)]).collect()
        }
        Format::VecTernary | Format::Special => vec![plain(C.into())],
        _ => vec![plain(0)],
    }
}

#[test]
fn every_pair_of_edge_lanes_agrees() {
    let tried: Vec<Op> = vectors()
        .filter(|op| !matches!(op, Op::V128Load | Op::V128Store))
        .collect();
    let code = tried.iter().flat_map(|op| instructions(*op)).collect();
    let mut bench = Bench::new(code);
    let mut pc = 0;
    for op in tried {
        let pairs = pairs(op);
        for ins in instructions(op) {
            // The first vectors have every edge for operators of one vector.
            let two = matches!(op.format(), Format::VecBinary | Format::VecTernary);
            let enough = edges(op).len() * lane_bits(op) as usize / 128 + 8;
            let n = if two { pairs.len() } else { enough };
            for (i, &(a, b)) in pairs.iter().enumerate().take(n) {
                bench.set(A, a);
                bench.set(B, b);
                // As a mask it has each byte as an index; as a condition it is zero now and then.
                bench.set(
                    C,
                    if i % 4 == 0 {
                        0
                    } else {
                        a.rotate_left(i as u32) ^ b
                    },
                );
                bench.step(pc);
            }
            assert_eq!(bench.direct.image.code[pc], ins);
            pc += 1;
        }
    }
    let costs = &bench.lockstep.costs;
    let steps: u64 = costs.values().map(|c| c.steps).sum();
    println!("{steps} steps of {} kinds", costs.len());
    assert!(costs.values().all(|c| c.steps >= 8), "{costs:?}");
}

/// Counts of shifts are 32 bits of their cell; lanes that are replaced and splats are the low bits.
#[test]
fn cells_that_become_lanes_or_counts_are_cut() {
    let cut: Vec<Op> = vectors()
        .filter(|op| {
            matches!(
                op.format(),
                Format::VecShift | Format::VecReplace | Format::VecSplat
            )
        })
        .collect();
    let slot = |op: &Op| {
        if op.format() == Format::VecSplat {
            B
        } else {
            A
        }
    };
    let code = cut.iter().map(|op| instr(*op, D, slot(op), B, 1)).collect();
    let mut bench = Bench::new(code);
    for pc in 0..cut.len() {
        bench.set(A, 0x8877_6655_4433_2211_8123_4567_89ab_cdef);
        for cell in [0, 1, 7, 8, 9, 0xffff_ffff, 1 << 32, 0x1122_3344_5566_7788] {
            bench.set(B, cell);
            bench.step(pc);
        }
    }
}

/// Which of `d`, `a`, `b` and the third slot are vectors, in the order in which they are reached.
fn vector_slots(op: Op) -> &'static [usize] {
    match op.format() {
        Format::VecUnary => &[1, 0],
        Format::VecBinary => &[1, 2, 0],
        Format::VecTernary => &[1, 2, 3, 0],
        Format::VecShift | Format::VecReplace => &[1, 0],
        Format::VecSplat | Format::VecLoad => &[0],
        Format::VecTest | Format::VecExtract => &[1],
        Format::VecStore => &[2],
        // v128.select: the condition is not zero.
        _ => &[1, 0],
    }
}

/// Openings are as the step that stops there needs them, or the contract would revert.
#[test]
fn a_vector_at_an_odd_cell_traps_when_it_is_reached() {
    let mut lockstep = Lockstep::default();
    for op in vectors() {
        for odd in 0..16 {
            for fp in [0, 1] {
                let slots: [u16; 4] = [50, 2, 18, 34].map(|s| s - fp as u16);
                let slots: [u16; 4] = std::array::from_fn(|i| slots[i] + (odd >> i & 1));
                let [d, a, b, c] = slots;
                let handmade = Handmade::new(vec![instr(op, d, a, b, c.into())])
                    .fp(fp)
                    .cell(35 - (odd >> 3 & 1 ^ 1) as u32, 1);
                let mut machine = handmade.machine();
                let mut twin = machine.clone();
                lockstep.step(&mut machine, &mut twin, INDEX);
                let traps = vector_slots(op).iter().any(|i| odd >> i & 1 == 1);
                let what = format!("{} {slots:?} of frame {fp}", op.mnemonic());
                assert_eq!(machine.cpu.status == Status::Trapped, traps, "{what}");
            }
        }
    }
}

#[test]
fn the_last_pair_of_cells_is_a_vector_and_the_next_is_none() {
    let mut lockstep = Lockstep::default();
    let mut end = |fp: u32, d: u16, a: u16| {
        let mut machine = Handmade::new(vec![instr(Op::V128Move, d, a, 0, 0)])
            .fp(fp)
            .cell(STACK_CELLS - 2, 7)
            .machine();
        let mut twin = machine.clone();
        lockstep.step(&mut machine, &mut twin, INDEX);
        machine.cpu.status
    };
    assert_eq!(end(STACK_CELLS - 4, 2, 0), Status::Running);
    assert_eq!(end(STACK_CELLS - 4, 0, 2), Status::Running);
    for (fp, d, a) in [
        (STACK_CELLS - 4, 4, 0),
        (STACK_CELLS - 4, 0, 4),
        (STACK_CELLS - 1, 0, 1),
        (u32::MAX, 1, 1),
    ] {
        assert_eq!(end(fp, d, a), Status::Trapped, "{fp:#x} {d} {a}");
    }
}

/// Four slots in every arrangement of four leaves: each is opened once, and the result may be an operand.
#[test]
fn operands_of_one_to_four_leaves_are_opened_once() {
    let mut lockstep = Lockstep::default();
    let slots = [2u16, 14, 16, 34, 50];
    for i in 0..slots.len().pow(4) {
        let at = |k: u32| slots[i / slots.len().pow(k) % slots.len()];
        let [d, a, b, c] = [at(0), at(1), at(2), at(3)];
        for op in [Op::V128Bitselect, Op::I8x16Shuffle, Op::V128Select] {
            let mut handmade = Handmade::new(vec![instr(op, d, a, b, c.into())])
                .with(|h| (h.memory, h.limits.pages) = (Vec::new(), 0));
            for slot in slots {
                let value = u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                handmade = handmade
                    .cell(slot.into(), value)
                    .cell(u32::from(slot) + 1, !value);
            }
            let mut machine = handmade.machine();
            let mut twin = machine.clone();
            lockstep.step(&mut machine, &mut twin, INDEX);
            assert_eq!(machine.cpu.status, Status::Running);
        }
    }
    let most = lockstep.costs["v128.bitselect"].witness;
    assert_eq!(most, 145 + 128 + 17 * 32 + 4 * (128 + 13 * 32));
}

/// `StepLanes` names an operator by any of its opcodes: shapes number their operators alike.
#[test]
fn shapes_number_their_operators_alike() {
    let shapes = ["i8x16", "i16x8", "i32x4", "i64x2"];
    for op in Op::ALL.iter().filter(|op| **op as u16 >> 8 == 7) {
        let shape = shapes[usize::from(*op as u16 >> 6 & 3)];
        let operator = |op: Op| {
            let (shape, name) = op.mnemonic().split_once('.').expect("shape.operator");
            let from = shapes.map(|s| format!("_{s}"));
            let name = from.iter().fold(name.to_owned(), |n, s| n.replace(s, ""));
            // Lanes that fill what they are extracted to have no sign.
            (shape, name.replace("extract_lane_u", "extract_lane"))
        };
        assert_eq!(operator(*op).0, shape);
        let same = (0..4).filter_map(|i| Op::from_number(*op as u16 & !0xc0 | i << 6));
        for other in same {
            assert_eq!(operator(*op).1, operator(other).1);
        }
    }
}
