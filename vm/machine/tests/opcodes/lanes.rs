//! Families 6 and 7 against WebAssembly's definitions, lane by lane and in plain integers.
//!
//! The operator and its shapes are read from the mnemonic, never from the opcode's number.

use crate::state::{A, B, C, D, State, imm_form, instr, set_cell, set_vector, step, vector};
use assay_machine::isa::{Format, Op};
use assay_machine::machine::Machine;
use assay_types::Status;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Operands of one case.
#[derive(Clone, Copy, Debug)]
struct Case {
    a: u128,
    b: u128,
    c: u128,
    /// What cell b holds.
    cell: u64,
    /// What cell a holds.
    cell_a: u64,
    imm: u64,
}

/// Lanes of `bits` bits as unsigned integers, lowest first.
fn lanes(v: u128, bits: u32) -> Vec<i128> {
    let lane = |i| (v >> (i * bits)) as i128 & ((1 << bits) - 1);
    (0..128 / bits).map(lane).collect()
}

/// The signed interpretation of an unsigned integer of `bits` bits.
fn signed(x: i128, bits: u32) -> i128 {
    if x < 1 << (bits - 1) {
        x
    } else {
        x - (1 << bits)
    }
}

/// The vector of integers mod `2^bits`.
fn join(lanes: impl IntoIterator<Item = i128>, bits: u32) -> u128 {
    let lane = |(i, x): (u32, i128)| (x.rem_euclid(1 << bits) as u128) << (i * bits);
    (0..).zip(lanes).map(lane).fold(0, |v, lane| v | lane)
}

fn clamp(x: i128, bits: u32, is_signed: bool) -> i128 {
    let (low, high) = match is_signed {
        true => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        false => (0, (1 << bits) - 1),
    };
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// Bits of a lane of a shape like `i16x8`.
fn width(shape: &str) -> Option<u32> {
    let (bits, lanes) = shape.strip_prefix('i')?.split_once('x')?;
    let (bits, lanes): (u32, u32) = (bits.parse().ok()?, lanes.parse().ok()?);
    (bits * lanes == 128).then_some(bits)
}

/// A vector or a cell (then with a zero high half): what the opcode makes of a case.
fn reference(op: Op, case: Case) -> u128 {
    let (shape, name) = op.mnemonic().split_once('.').expect("shape and operator");
    if shape == "v128" {
        return whole(name, case);
    }
    let bits = width(shape).expect("an integer shape");
    if let "shuffle" | "swizzle" = name {
        return permuted(name, case);
    }
    let is_signed = name.ends_with("_s");
    // `narrow_i16x8_s` works on another shape, which it says.
    let inner = name.split('_').find_map(width);
    match inner {
        None => same(name, bits, is_signed, case),
        Some(inner) => between(name, inner, bits, is_signed, case),
    }
}

fn whole(name: &str, Case { a, b, c, .. }: Case) -> u128 {
    match name {
        "not" => !a,
        "and" => a & b,
        "andnot" => a & !b,
        "or" => a | b,
        "xor" => a ^ b,
        "bitselect" => (a & c) | (b & !c),
        "any_true" => u128::from(a != 0),
        "move" => a,
        // The condition is the low half of what the third operand is.
        "select" => {
            if c as u32 != 0 {
                a
            } else {
                b
            }
        }
        _ => panic!("v128.{name} has no reference"),
    }
}

fn permuted(name: &str, Case { a, b, c, .. }: Case) -> u128 {
    let (from, with) = (lanes(a, 8), lanes(b, 8));
    let byte = |i: i128| match (name, i) {
        ("swizzle", 0..16) => from[i as usize],
        ("swizzle", _) => 0,
        _ => [&from[..], &with[..]].concat()[i as usize % 32],
    };
    let indices = lanes(if name == "swizzle" { b } else { c }, 8);
    join(indices.into_iter().map(byte), 8)
}

/// Operators of one shape.
fn same(name: &str, bits: u32, is_signed: bool, case: Case) -> u128 {
    let read = |v| {
        let all = lanes(v, bits).into_iter();
        all.map(|x| if is_signed { signed(x, bits) } else { x })
            .collect::<Vec<_>>()
    };
    let (a, b) = (read(case.a), read(case.b));
    let zip = |f: &dyn Fn(i128, i128) -> i128| join(a.iter().zip(&b).map(|(x, y)| f(*x, *y)), bits);
    let all_bits = (1i128 << bits) - 1;
    let compare = |f: &dyn Fn(i128, i128) -> bool| zip(&|x, y| if f(x, y) { all_bits } else { 0 });
    let map = |f: &dyn Fn(i128) -> i128| join(a.iter().map(|x| f(*x)), bits);
    let count = (case.cell & 0xffff_ffff) % u64::from(bits);
    let lane = (case.imm % u64::from(128 / bits)) as usize;
    match name.trim_end_matches("_s").trim_end_matches("_u") {
        "eq" => compare(&|x, y| x == y),
        "ne" => compare(&|x, y| x != y),
        "lt" => compare(&|x, y| x < y),
        "gt" => compare(&|x, y| x > y),
        "le" => compare(&|x, y| x <= y),
        "ge" => compare(&|x, y| x >= y),
        "abs" => map(&|x| signed(x, bits).abs()),
        "neg" => map(&|x| -x),
        "popcnt" => map(&|x| (0..bits).map(|i| x >> i & 1).sum()),
        "all_true" => u128::from(a.iter().all(|x| *x != 0)),
        "bitmask" => {
            let bit = |(i, x): (u32, &i128)| u128::from(signed(*x, bits) < 0) << i;
            (0..).zip(&a).map(bit).sum()
        }
        "add" => zip(&|x, y| x + y),
        "sub" => zip(&|x, y| x - y),
        // Two 64-bit lanes multiply to less than 2^127 only as halves.
        "mul" => zip(&|x, y| {
            let (high, low) = (y >> 32, y & 0xffff_ffff);
            (x * low) + (((x * high) % (1 << 64)) << 32)
        }),
        "add_sat" => zip(&|x, y| clamp(x + y, bits, is_signed)),
        "sub_sat" => zip(&|x, y| clamp(x - y, bits, is_signed)),
        "min" => zip(&|x, y| if x < y { x } else { y }),
        "max" => zip(&|x, y| if x < y { y } else { x }),
        "avgr" => zip(&|x, y| (x + y + 1) / 2),
        "q15mulr_sat" => zip(&|x, y| clamp((x * y + (1 << 14)).div_euclid(1 << 15), bits, true)),
        "shl" => map(&|x| x * (1 << count)),
        "shr" => map(&|x| x.div_euclid(1 << count)),
        "splat" => join(vec![i128::from(case.cell_a); 128 / bits as usize], bits),
        "extract_lane" => (a[lane].rem_euclid(1 << if bits < 64 { 32 } else { 64 })) as u128,
        "replace_lane" => {
            let mut all = a;
            all[lane] = case.cell.into();
            join(all, bits)
        }
        _ => panic!("{name} has no reference"),
    }
}

/// Operators from lanes of `inner` bits to lanes of `bits` bits.
fn between(name: &str, inner: u32, bits: u32, is_signed: bool, case: Case) -> u128 {
    // Narrowing reads signed lanes in both of its forms.
    let read = |v| {
        let all = lanes(v, inner).into_iter();
        all.map(|x| {
            if is_signed || name.starts_with("narrow") {
                signed(x, inner)
            } else {
                x
            }
        })
        .collect::<Vec<_>>()
    };
    let (a, b) = (read(case.a), read(case.b));
    let half = a.len() / 2;
    let part = if name.contains("_high_") {
        half..a.len()
    } else {
        0..half
    };
    let products: Vec<i128> = a.iter().zip(&b).map(|(x, y)| x * y).collect();
    let pairs = |all: &[i128]| join(all.chunks(2).map(|p| p[0] + p[1]), bits);
    match name.split('_').next().expect("not empty") {
        "narrow" => {
            let both = a.iter().chain(&b).map(|x| clamp(*x, bits, is_signed));
            join(both, bits)
        }
        "extend" => join(a[part].iter().copied(), bits),
        "extmul" => join(products[part].iter().copied(), bits),
        "extadd" => pairs(&a),
        "dot" => pairs(&products),
        _ => panic!("{name} has no reference"),
    }
}

/// A machine before `op`, in one of its forms.
fn machine(op: Op, imm_form_of: bool, imm: u64) -> Machine {
    let ins = instr(op, D, A, B, imm);
    let code = vec![if imm_form_of { imm_form(ins) } else { ins }];
    State::new(code).machine()
}

fn place(machine: &mut Machine, op: Op, case: Case) {
    set_vector(machine, A, case.a);
    set_vector(machine, B, case.b);
    set_vector(machine, C, case.c);
    if let Format::VecShift | Format::VecReplace = op.format() {
        set_cell(machine, B.into(), case.cell);
    }
    if let Format::VecSplat = op.format() {
        set_cell(machine, A.into(), case.cell_a);
    }
    machine.cpu.pc = 0;
}

fn result(machine: &Machine, op: Op) -> u128 {
    assert_eq!((machine.cpu.status, machine.cpu.pc), (Status::Running, 1));
    match op.format() {
        Format::VecTest | Format::VecExtract => machine.stack.get(D.into()).into(),
        _ => vector(machine, D),
    }
}

/// What the immediate has to be besides what a case says.
fn immediate(op: Op, case: Case) -> u64 {
    match op.format() {
        // The third operand's slot, and bits that are not read.
        Format::VecTernary | Format::Special => u64::from(C) | 0xabcd << 16,
        _ => case.imm,
    }
}

fn check(op: Op, case: Case, got: u128) {
    let want = reference(op, case);
    assert!(
        got == want,
        "{}: {case:x?}: {got:#x} is not {want:#x}",
        op.mnemonic()
    );
}

/// A vector of lanes of one width, most of them at an edge.
fn edges(rng: &mut SmallRng) -> u128 {
    let bits = [8, 16, 32, 64][rng.random_range(0..4)];
    let lane = |rng: &mut SmallRng| match rng.random_range(0..8) {
        0 => 0,
        1 => 1,
        2 => -1,
        3 => 1 << (bits - 1),
        4 => (1 << (bits - 1)) - 1,
        5 => rng.random_range(0..40),
        _ => i128::from(rng.random::<u64>()),
    };
    let all: Vec<i128> = (0..128 / bits).map(|_| lane(rng)).collect();
    join(all, bits)
}

fn random_case(rng: &mut SmallRng) -> Case {
    Case {
        a: edges(rng),
        b: edges(rng),
        c: edges(rng),
        cell: rng.random::<u64>() >> rng.random_range(0..64),
        cell_a: rng.random(),
        imm: rng.random::<u64>() >> rng.random_range(0..64),
    }
}

/// All pairs of bytes, sixteen at a time.
fn byte_pairs() -> impl Iterator<Item = (u128, u128)> {
    let sixteen = |f: fn(i128) -> i128, first: i128| join((first..first + 16).map(f), 8);
    (0..65536)
        .step_by(16)
        .map(move |first| (sixteen(|i| i % 256, first), sixteen(|i| i / 256, first)))
}

fn operators() -> impl Iterator<Item = Op> {
    let moves = |op: &Op| matches!(op, Op::V128Load | Op::V128Store);
    let families = |op: &Op| matches!(*op as u16 >> 8, 6 | 7);
    Op::ALL
        .iter()
        .copied()
        .filter(move |op| families(op) && !moves(op))
}

#[test]
fn every_operator_is_what_webassembly_says() {
    let mut rng = SmallRng::seed_from_u64(0x51);
    let mut count = 0;
    for op in operators() {
        for _ in 0..10 {
            let case = random_case(&mut rng);
            let mut machine = machine(op, false, immediate(op, case));
            for round in 0..150 {
                // The immediate is the machine's; the rest is new.
                let case = Case {
                    imm: case.imm,
                    ..random_case(&mut rng)
                };
                place(&mut machine, op, case);
                if round == 0 {
                    step(&mut machine);
                } else {
                    machine.run(1, 1);
                }
                check(op, case, result(&machine, op));
            }
        }
        count += 1;
    }
    assert_eq!(count, 13 - 2 + 146);
}

#[test]
fn every_pair_of_bytes_is_what_webassembly_says() {
    for op in operators() {
        let bytes = op.mnemonic().contains("i8x16");
        if !bytes || !matches!(op.format(), Format::VecUnary | Format::VecBinary) {
            continue;
        }
        let mut machine = machine(op, false, 0);
        for (a, b) in byte_pairs() {
            let case = Case {
                a,
                b,
                c: 0,
                cell: 0,
                cell_a: 0,
                imm: 0,
            };
            place(&mut machine, op, case);
            machine.run(1, 1);
            check(op, case, result(&machine, op));
        }
    }
}

#[test]
fn shifts_take_a_count_from_a_cell_or_the_immediate() {
    let mut rng = SmallRng::seed_from_u64(0x5417);
    for op in operators().filter(|op| op.format() == Format::VecShift) {
        assert!(op.has_imm_form());
        for count in [
            0u64,
            1,
            7,
            8,
            9,
            31,
            32,
            63,
            64,
            65,
            255,
            0xffff_ffff,
            1 << 32,
            0x1234_0000_0003,
        ] {
            let case = Case {
                cell: count,
                ..random_case(&mut rng)
            };
            for in_imm in [false, true] {
                let mut machine = machine(op, in_imm, count);
                place(&mut machine, op, case);
                if in_imm {
                    set_cell(&mut machine, B.into(), 0x55);
                }
                step(&mut machine);
                check(op, case, result(&machine, op));
            }
        }
    }
}

/// Destination and operands may be one vector, or share a leaf.
#[test]
fn operands_may_be_the_destination() {
    let mut rng = SmallRng::seed_from_u64(0xd);
    for op in operators().filter(|op| op.format() == Format::VecBinary) {
        let a = edges(&mut rng);
        let case = Case {
            a,
            b: a,
            c: 0,
            cell: 0,
            cell_a: 0,
            imm: 0,
        };
        let mut machine = State::new(vec![instr(op, A, A, A, 0)]).machine();
        set_vector(&mut machine, A, a);
        let one_leaf = step(&mut machine);
        check(op, case, vector(&machine, A));
        assert_eq!(one_leaf, 145 + 128 + 17 * 32 + 128 + 13 * 32);
    }
}
