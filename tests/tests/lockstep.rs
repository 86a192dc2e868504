//! Every opcode, in every form, from lowered programs and where none reaches it from made-up states: the interpreter, the
//! replay and the contract agree on each step.

use assay_machine::isa::Op;
use assay_tests::artifacts::bench_file;
use assay_tests::dearest::dearest;
use assay_tests::lockstep::{Lockstep, forms, name, roms};
use assay_tests::programs;

/// Opcodes that no lowering makes.
const HANDMADE: [Op; 1] = [Op::Trap];

#[test]
fn every_opcode_gives_one_root_in_interpreter_replay_and_contract() {
    let mut lockstep = Lockstep::default();
    for program in programs::all() {
        let end = lockstep.run_wat(&program.text, roms(), 1 << 20);
        assert_eq!(end, program.end, "{}", program.name);
    }
    let unrun = |lockstep: &Lockstep| {
        let names: Vec<String> = forms().map(|(op, imm)| name(op, imm)).collect();
        let never = |name: &String| !lockstep.costs.contains_key(name);
        names.into_iter().filter(never).collect::<Vec<_>>()
    };
    let handmade = HANDMADE.map(|op| name(op, false));
    assert_eq!(unrun(&lockstep), handmade, "opcodes that no program ran");
    // What each costs at most, and those that are left.
    for (op, imm) in forms() {
        let mut machine = dearest(op, imm).machine();
        lockstep.step(&mut machine.clone(), &mut machine, 1);
    }
    assert!(unrun(&lockstep).is_empty());
    report(&lockstep);
}

/// Prints the costs and writes `target/bench/osp.json`.
fn report(lockstep: &Lockstep) {
    for (name, cost) in &lockstep.costs {
        println!(
            "{name:22} {:6} steps, {:6} gas, {:5} bytes at most",
            cost.steps, cost.gas, cost.witness
        );
    }
    let (median, most, witness, tx) = lockstep.summary();
    let steps = lockstep.gas.len();
    println!(
        "{steps} steps: gas median {median}, most {most}, transaction {tx}; witness {witness} bytes at most"
    );
    assert!(median <= 120_000, "median gas {median}");
    let json = serde_json::json!({
        "osp.steps": steps,
        "osp.gas_median": median,
        "osp.gas_max": most,
        "osp.tx_gas_max": tx,
        "osp.witness_bytes_max": witness,
    });
    let text = serde_json::to_string_pretty(&json).expect("plain numbers");
    std::fs::write(bench_file("osp.json"), text + "\n").expect("target/ is writable");
}

/// `StepInteger` computes an i64 operator by its i32 twin's number.
#[test]
fn i64_opcodes_are_their_i32_twins_in_the_same_order() {
    let twins = Op::ALL
        .iter()
        .filter(|op| op.mnemonic().starts_with("i32.") && **op as u16 <= Op::I32Rotr as u16);
    let mut n = 0;
    for &op in twins {
        let twin = Op::from_number(op as u16 - Op::I32Eqz as u16 + Op::I64Eqz as u16)
            .expect("an i64 twin");
        assert_eq!(op.mnemonic()[4..], twin.mnemonic()[4..]);
        n += 1;
    }
    assert_eq!(n, 29);
    assert!(
        Op::I64ExtendI32S as u16 > Op::I64Rotr as u16 && Op::I32WrapI64 as u16 > Op::I32Rotr as u16
    );
}
