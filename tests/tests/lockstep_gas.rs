//! What steps cost, committed: `tests/snapshots/osp_gas.txt`. `ASSAY_SNAPSHOT=write` writes it anew.

use assay_machine::isa::{Op, Op::*};
use assay_tests::artifacts::root;
use assay_tests::handmade::{Handmade, instr};
use assay_tests::lockstep::Lockstep;
use assay_types::Status;
use std::fmt::Write;

/// One instruction whose operands and result lie in three leaves of the stack.
fn wide(op: Op, a: u64, b: u64) -> Handmade {
    Handmade::new(vec![instr(op, 50, 2, 18, 0)])
        .cell(2, a)
        .cell(18, b)
}

fn bulk(op: Op, cells: [u64; 4], imm: u64) -> Handmade {
    Handmade::new(vec![instr(op, 0, 4, 0, imm)]).block(4, cells)
}

/// Steps that an engineer who changes a contract wants to see, named.
fn steps() -> Vec<(&'static str, Handmade)> {
    let f = |x: f32| u64::from(x.to_bits());
    let indirect = Handmade::new(vec![instr(CallIndirect, 20, 2, 0, 7)])
        .cell(2, 1)
        .with(|h| {
            h.globals = vec![0; 4097];
            h.globals[4096] = 2;
            h.table = vec![0, 7 << 32 | 1];
        });
    let finish = |volatile: u8| {
        Handmade::new(vec![instr(Finish, 0, 2, 0, 0)])
            .with(move |h| h.limits.volatile_log2 = volatile)
    };
    vec![
        ("const", Handmade::new(vec![instr(Const, 2, 0, 0, 7)])),
        (
            "i32.add, one leaf",
            Handmade::new(vec![instr(I32Add, 2, 3, 4, 0)]),
        ),
        ("i32.add, three leaves", wide(I32Add, 1, 2)),
        ("i64.div_s", wide(I64DivS, u64::MAX, 7)),
        ("i64.clz of 1", wide(I64Clz, 1, 0)),
        ("i64.popcnt of all ones", wide(I64Popcnt, u64::MAX, 0)),
        ("f32.add", wide(F32Add, f(1.5), f(1e-3))),
        ("f32.mul", wide(F32Mul, f(1.1), f(1e-40))),
        ("f32.div", wide(F32Div, f(1.0), f(3.0))),
        ("f32.sqrt", wide(F32Sqrt, f(2.0), 0)),
        ("load64 in one leaf", wide(Load64, 8, 0)),
        ("load64 across leaves", wide(Load64, 124, 0)),
        ("store64 in one leaf", wide(Store64, 8, 1)),
        ("store64 across leaves", wide(Store64, 124, 1)),
        ("call_indirect", indirect),
        ("memory_fill of a leaf", bulk(MemoryFill, [0, 7, 128, 0], 0)),
        (
            "memory_copy of a leaf",
            bulk(MemoryCopy, [0, 256, 128, 0], 0),
        ),
        (
            "memory_init of a leaf",
            bulk(MemoryInit, [0, 0, 128, 0], 128 << 32),
        ),
        ("rom_read, its check", bulk(RomRead, [2, 128, 0, 128], 0)),
        (
            "rom_read of a leaf",
            bulk(RomRead, [1 << 32 | 2, 128, 0, 128], 0),
        ),
        ("finish, nothing volatile", finish(0)),
        ("finish, 64 KiB volatile", finish(16)),
        (
            "a trap",
            Handmade::new(vec![instr(Unreachable, 0, 0, 0, 0)]),
        ),
    ]
}

#[test]
fn gas_of_typical_steps_is_the_committed() {
    let mut text = String::from(
        "Execution gas and witness bytes of one step; see tests/tests/lockstep_gas.rs.\n\n",
    );
    for (name, handmade) in steps() {
        let mut lockstep = Lockstep::default();
        let mut machine = handmade.machine();
        let mut twin = machine.clone();
        lockstep.step(&mut machine, &mut twin, 5);
        assert!(
            machine.cpu.status != Status::Trapped || name == "a trap",
            "{name} traps"
        );
        let (_, gas, witness, _) = lockstep.summary();
        writeln!(text, "{name:26} {gas:6} gas {witness:5} bytes").expect("a string takes text");
    }
    let path = root().join("tests/snapshots/osp_gas.txt");
    if std::env::var("ASSAY_SNAPSHOT").is_ok_and(|v| v == "write") {
        std::fs::write(&path, &text).expect("tests/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, committed,
        "run again with ASSAY_SNAPSHOT=write and look at the difference"
    );
}
