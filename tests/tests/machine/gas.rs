//! What steps cost, committed: `tests/snapshots/osp_gas.txt`. `ASSAY_SNAPSHOT=write` writes it anew.

use assay_machine::isa::{Op, Op::*};
use assay_prover::gas::{Floor, transaction_gas};
use assay_prover::prover::Prover;
use assay_tests::artifacts::{bench_file, root};
use assay_tests::dearest::dearest;
use assay_tests::handmade::{Handmade, instr};
use assay_tests::lockstep::{Lockstep, MAX_GAS, forms, name};
use assay_types::Status;
use assay_types::params::MAX_WITNESS_BYTES;
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

/// What one step costs.
struct Cost {
    /// Of execution alone.
    gas: u64,
    /// Bytes of the witness.
    witness: usize,
    /// Of the whole transaction.
    today: u64,
    /// The same under the calldata floor that is planned.
    planned: u64,
}

/// Steps the state once.
fn cost(what: &str, handmade: Handmade, traps: bool) -> Cost {
    let mut lockstep = Lockstep::default();
    let mut machine = handmade.machine();
    let mut twin = machine.clone();
    lockstep.step(&mut machine, &mut twin, 5);
    assert_eq!(machine.cpu.status == Status::Trapped, traps, "{what}");
    let (_, gas, witness, today) = lockstep.summary();
    let sample = lockstep.samples.values().next().expect("one step was made");
    let calldata = Prover::calldata(&sample.ctx, sample.index, &sample.witness);
    let at = |floor| transaction_gas(&calldata, gas, floor);
    assert_eq!(at(Floor::TODAY), today, "{what}: the EVM's receipt");
    Cost {
        gas,
        witness,
        today,
        planned: at(Floor::PLANNED),
    }
}

/// Compares with the committed text, or writes it.
fn compare(file: &str, text: &str) {
    let path = root().join("tests/snapshots").join(file);
    if std::env::var("ASSAY_SNAPSHOT").is_ok_and(|v| v == "write") {
        std::fs::write(&path, text).expect("tests/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, committed,
        "run again with ASSAY_SNAPSHOT=write and look at the difference"
    );
}

#[test]
fn gas_of_typical_steps_is_the_committed() {
    let mut text = String::from(
        "Execution gas and witness bytes of one step; see tests/tests/machine/gas.rs.\n\n",
    );
    for (what, handmade) in steps() {
        let Cost { gas, witness, .. } = cost(what, handmade, what == "a trap");
        writeln!(text, "{what:26} {gas:6} gas {witness:5} bytes").expect("a string takes text");
    }
    compare("osp_gas.txt", &text);
}

/// Most execution gas of half of the opcodes.
const MEDIAN_LIMIT: u64 = 120_000;

#[test]
fn gas_of_each_opcode_at_its_dearest_is_the_committed() {
    let mut text = String::from(
        "Each opcode at its dearest (tests/src/dearest.rs): execution gas, witness bytes, and gas of the whole transaction with\n\
         calldata at 40 a byte at least (EIP-7623, today) and at 64 (EIP-7976, planned).\n\n",
    );
    let mut all = Vec::new();
    for (op, imm) in forms() {
        let what = name(op, imm);
        let traps = matches!(op, Trap | Unreachable);
        let cost = cost(&what, dearest(op, imm), traps);
        let Cost {
            gas,
            witness,
            today,
            planned,
        } = cost;
        writeln!(
            text,
            "{what:30} {gas:6} gas {witness:5} bytes {today:7} at 40 {planned:7} at 64"
        )
        .expect("a string takes text");
        assert!(gas <= 120_000, "{what}: {gas} gas");
        all.push(cost);
    }
    let most = |f: fn(&Cost) -> u64| all.iter().map(f).max().unwrap_or(0);
    let longest = most(|c| c.witness as u64);
    let mut gas: Vec<u64> = all.iter().map(|c| c.gas).collect();
    gas.sort_unstable();
    let (median, worst) = (gas[gas.len() / 2], most(|c| c.gas));
    let (today, planned) = (most(|c| c.today), most(|c| c.planned));
    println!(
        "{} kinds: gas median {median}, most {worst}; {longest} bytes at most; transactions {today} at most, {planned} at 64 a byte",
        all.len()
    );
    assert!(median <= MEDIAN_LIMIT && worst <= MAX_GAS);
    assert!(longest <= MAX_WITNESS_BYTES as u64);
    let json = serde_json::json!({
        "osp.opcode_gas_median": median,
        "osp.opcode_gas_max": worst,
        "osp.opcode_witness_bytes_max": longest,
        "osp.opcode_tx_gas_max": today,
        "osp.opcode_tx_gas_max_at_64": planned,
    });
    let pretty = serde_json::to_string_pretty(&json).expect("plain numbers");
    std::fs::write(bench_file("osp_opcodes.json"), pretty + "\n").expect("target/ is writable");
    compare("osp_gas_opcodes.txt", &text);
}
