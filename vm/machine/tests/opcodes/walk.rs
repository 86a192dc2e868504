//! All opcodes on random states.

use crate::state::{A, B, C, D, State, imm_form, instr, step};
use assay_machine::isa::{Format, IMM_FORM, Instr, Op};
use assay_types::Status;
use assay_types::params::STACK_CELLS;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

/// Type id that most elements have.
const TYPE: u64 = 7;

/// A number near something that an instruction compares with.
fn wild(rng: &mut SmallRng) -> u64 {
    let near = [
        0u64,
        128,
        1 << 12,
        1 << 16,
        1 << 17,
        1 << 21,
        1 << 31,
        1 << 32,
    ];
    let near = near[rng.random_range(0..near.len())];
    match rng.random_range(0..4) {
        0 => rng.next_u64(),
        1 => rng.random_range(0..300),
        2 => near.wrapping_sub(rng.random_range(0..20)),
        _ => near.wrapping_add(rng.random_range(0..20)),
    }
}

/// An immediate with which the opcode can do its work.
fn fit(op: Op, rng: &mut SmallRng) -> u64 {
    match op {
        Op::MemoryInit | Op::TableInit => (128 * rng.random_range(0..4)) | 60 << 32,
        Op::CallIndirect => TYPE,
        Op::TableGet | Op::TableSet | Op::TableSize => rng.random_range(0..2),
        Op::TableGrow => rng.random_range(0..200),
        _ => rng.random_range(0..64),
    }
}

fn instruction(op: Op, rng: &mut SmallRng) -> Instr {
    let fits = rng.random_range(0..4) != 0;
    let slot = |rng: &mut SmallRng| match rng.random_range(0..16) {
        0 => rng.next_u32() as u16,
        1 => rng.random_range(0..80),
        _ => 4 * rng.random_range(1..20),
    };
    // Operand b of these numbers a table.
    let tables = matches!(op as u16 >> 8, 10) || op == Op::CallIndirect;
    let b = if tables && op != Op::TableSet && fits {
        rng.random_range(0..2)
    } else {
        slot(rng)
    };
    let d = if matches!(op, Op::TableCopy | Op::TableInit) && fits {
        rng.random_range(0..2)
    } else {
        slot(rng)
    };
    let imm = if fits { fit(op, rng) } else { wild(rng) };
    let ins = instr(op, d, slot(rng), b, imm);
    if op.has_imm_form() && rng.random() {
        imm_form(ins)
    } else {
        ins
    }
}

/// A state in which small numbers are likely, so that bulk operations have room.
fn state(op: Op, rng: &mut SmallRng) -> State {
    let mut state = State::new(vec![instruction(op, rng)])
        .table(0, 50, 0)
        .table(1, rng.random_range(0..100), rng.random_range(0..60))
        .table(2, wild(rng) as u32, wild(rng) as u32);
    state.fp = match rng.random_range(0..12) {
        0 => wild(rng) as u32,
        1 => rng.random_range(0..64),
        _ => 4 * rng.random_range(0..16),
    };
    state.table = (0..160)
        .map(|i| (i % 5 * 3) | (if i % 7 == 0 { i } else { TYPE }) << 32)
        .collect();
    state.globals[..64].fill_with(|| wild(rng));
    for cell in 0..100 {
        let value = match rng.random_range(0..4) {
            0 => wild(rng),
            1 => rng.random_range(0..3),
            _ => rng.random_range(0..20),
        };
        let cell = u64::from(state.fp) + cell;
        if cell < 1 << 17 {
            state.cells.push((cell as u32, value));
        }
    }
    state
}

#[test]
fn every_opcode_does_something_and_is_recorded_and_replayed() {
    let mut rng = SmallRng::seed_from_u64(0x09c0de);
    for &op in Op::ALL {
        let mut trapped = 0;
        let states = 20;
        for _ in 0..states {
            let mut machine = state(op, &mut rng).machine();
            step(&mut machine);
            trapped += u32::from(machine.cpu.status == Status::Trapped);
        }
        let traps = matches!(op, Op::Trap | Op::Unreachable);
        assert_eq!(
            trapped == states,
            traps,
            "{}: {trapped} of {states} states trap",
            op.mnemonic()
        );
    }
}

type Change = fn(&mut Instr);

/// The operands that are vectors, as changes to an instruction that make them odd.
fn odd_operands(op: Op) -> Vec<Change> {
    let d: Change = |i| i.d += 1;
    let a: Change = |i| i.a += 1;
    let b: Change = |i| i.b += 1;
    match op.format() {
        Format::VecUnary | Format::VecReplace | Format::VecShift => vec![d, a],
        Format::VecBinary => vec![d, a, b],
        Format::VecTernary => vec![d, a, b, |i| i.imm += 1],
        Format::VecSplat | Format::VecLoad => vec![d],
        Format::VecTest | Format::VecExtract => vec![a],
        Format::VecStore => vec![b],
        Format::Special if op == Op::V128Select => vec![d, a],
        _ => vec![],
    }
}

#[test]
fn a_vector_at_an_odd_cell_traps() {
    let mut operands = 0;
    for &op in Op::ALL {
        for odd in odd_operands(op) {
            // Operand a of a load or store is an address; cell C is the condition of a select.
            let even = instr(op, D, A, B, C.into());
            let mut ins = even;
            odd(&mut ins);
            let state = |ins, fp| {
                State::new(vec![ins])
                    .with(|s| s.fp = fp)
                    .cells(fp + u32::from(C), [1])
                    .step()
                    .cpu
                    .status
            };
            assert_eq!(state(even, 0), Status::Running, "{}", op.mnemonic());
            assert_eq!(state(ins, 0), Status::Trapped, "{}", op.mnemonic());
            // The cell counts, not the slot: with all slots odd, an odd frame base makes all cells even.
            assert_eq!(state(even, 1), Status::Trapped, "{}", op.mnemonic());
            operands += 1;
        }
        let cells = |f: Format| matches!(f, Format::VecShift | Format::VecReplace);
        if cells(op.format()) {
            let ins = instr(op, D, A, B + 1, 0);
            let status = State::new(vec![ins]).step().cpu.status;
            assert_eq!(status, Status::Running, "{}: b is a cell", op.mnemonic());
        }
    }
    assert!(operands > 400, "{operands}");
    let ins = instr(Op::V128And, D + 1, A + 1, B + 1, 0);
    let status = State::new(vec![ins]).with(|s| s.fp = 3).step().cpu.status;
    assert_eq!(status, Status::Running);
}

#[test]
fn a_select_reaches_only_the_chosen_vector() {
    for (condition, a, b, status) in [
        (1u64, A, B + 1, Status::Running),
        (1, A + 1, B, Status::Trapped),
        (1 << 32, A + 1, B, Status::Running),
        (0, A, B + 1, Status::Trapped),
    ] {
        let ins = instr(Op::V128Select, D, a, b, C.into());
        let state = State::new(vec![ins]).cells(C.into(), [condition]);
        let after = state.cells(A.into(), [1, 2]).cells(B.into(), [3, 4]).step();
        assert_eq!(after.cpu.status, status);
        if status == Status::Running {
            let chosen = if condition as u32 == 0 {
                [3, 4]
            } else {
                [1, 2]
            };
            let d = [D, D + 1].map(|i| after.stack.get(i.into()));
            assert_eq!(d, chosen);
        }
    }
}

#[test]
fn vectors_move_to_and_from_memory_across_leaves() {
    let base = State::new(vec![]).machine().memory;
    for address in [0usize, 1, 112, 113, 120, 127, 128, 65520] {
        let load = instr(Op::V128Load, D, A, 0, 3);
        let cell = (address as u64).wrapping_sub(3) & 0xffff_ffff | 9 << 40;
        let after = State::new(vec![load]).cells(A.into(), [cell]).step();
        // The cell's low half and the immediate's add to 33 bits.
        if address < 3 {
            assert_eq!(after.cpu.status, Status::Trapped);
            continue;
        }
        assert_eq!(after.stack.vector(D.into()), base[address..address + 16]);

        let store = instr(Op::V128Store, 0, A, B, 3);
        let state = State::new(vec![store]).cells(A.into(), [cell]);
        let after = state
            .cells(B.into(), [0x0807_0605_0403_0201, u64::MAX])
            .step();
        let mut want = base.clone();
        want[address..address + 8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        want[address + 8..address + 16].fill(0xff);
        assert!(after.memory == want, "store at {address}");
    }
    for address in [65521u64, 65535, 65536, 0xffff_ffff] {
        for op in [Op::V128Load, Op::V128Store] {
            let ins = instr(op, D, A, B, 0);
            let after = State::new(vec![ins]).cells(A.into(), [address]).step();
            assert_eq!(after.cpu.status, Status::Trapped, "{address}");
        }
    }
}

#[test]
fn a_yield_clears_what_a_vector_wrote() {
    let code = vec![
        instr(Op::V128Not, D, A, 0, 0),
        instr(Op::Finish, 0, 0, 0, 0),
    ];
    let mut machine = State::new(code).machine();
    step(&mut machine);
    assert_eq!(machine.stack.vector(D.into()), [0xff; 16]);
    step(&mut machine);
    assert_eq!(machine.cpu.status, Status::Yielded);
    assert!((0..STACK_CELLS).all(|cell| machine.stack.get(cell) == 0));
}

#[test]
fn unknown_opcodes_trap() {
    let mut unknown = 0;
    let known = |op: u16| {
        let plain = op & !IMM_FORM;
        let row = Op::ALL.iter().find(|known| **known as u16 == plain);
        row.is_some_and(|known| op == plain || known.has_imm_form())
    };
    for op in (0..=0x0bffu16).flat_map(|op| [op, op | IMM_FORM]) {
        let ins = Instr {
            op,
            ..instr(Op::Trap, D, A, B, 0)
        };
        assert_eq!(ins.opcode().is_some(), known(op), "{op:#06x}");
        unknown += u32::from(!known(op));
    }
    assert_eq!(Op::ALL.len() as u32 + unknown, 2 * 0x0c00 - imm_forms());
    for op in [0x0711u16, 0x07ff, 0x0a08, 0x0b00, 0x7fff, 0x8700, 0xffff] {
        let ins = Instr {
            op,
            ..Instr::default()
        };
        let after = State::new(vec![ins]).step();
        assert_eq!(after.cpu.status, Status::Trapped, "{op:#06x}");
    }
}

fn imm_forms() -> u32 {
    Op::ALL.iter().filter(|op| op.has_imm_form()).count() as u32
}
