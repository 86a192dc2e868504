//! Every opcode, in every form, from lowered programs: the interpreter, the replay and the contract agree on each step.

use assay_machine::isa::{Format, Op};
use assay_tests::artifacts::bench_file;
use assay_tests::handmade::Handmade;
use assay_tests::lockstep::{Lockstep, name, roms};
use assay_types::Status;

/// Operands at which operators go wrong.
const I32: [&str; 6] = ["0", "1", "-1", "0x80000000", "0x7fffffff", "0x12345678"];
const I64: [&str; 6] = [
    "0",
    "1",
    "-1",
    "0x8000000000000000",
    "0x7fffffffffffffff",
    "0x123456789abcdef0",
];
const F32: [&str; 8] = [
    "0",
    "-0",
    "1.5",
    "-2.5",
    "inf",
    "nan:0x200000",
    "0x1p-140",
    "0x1.fffffep127",
];

fn operands(ty: &str) -> &'static [&'static str] {
    match ty {
        "i32" => &I32,
        "i64" => &I64,
        _ => &F32,
    }
}

/// Types of a numeric operator's operands and result, from its name.
fn signature(op: Op) -> (&'static str, &'static str) {
    let types = ["i32", "i64", "f32"];
    let text = op.mnemonic();
    let result = types
        .into_iter()
        .find(|t| text.starts_with(t))
        .expect("a numeric operator");
    let operand = types
        .into_iter()
        .find(|t| text[3..].contains(t))
        .unwrap_or(result);
    let compares = matches!(
        text[4..].split('_').next(),
        Some("eqz" | "eq" | "ne" | "lt" | "gt" | "le" | "ge")
    );
    (operand, if compares { "i32" } else { result })
}

fn numeric() -> impl Iterator<Item = Op> {
    Op::ALL.iter().copied().filter(|op| *op as u16 >= 0x0200)
}

/// Whether some operands make it trap.
fn can_trap(op: Op) -> bool {
    let text = op.mnemonic();
    text.contains("div_")
        || text.contains("rem_")
        || (text.contains("trunc_f32") && !text.contains("sat"))
}

/// A function for each operator and form; `main` calls each with every operand.
fn numeric_program() -> String {
    let (mut functions, mut calls) = (String::new(), String::new());
    for op in numeric().filter(|op| !can_trap(*op)) {
        let (ty, result) = signature(op);
        let text = op.mnemonic();
        let values = operands(ty);
        if op.format() == Format::Unary {
            functions +=
                &format!("(func ${text} (param {ty}) (result {result}) ({text} (local.get 0)))\n");
            calls.extend(
                values
                    .iter()
                    .map(|a| format!("(drop (call ${text} ({ty}.const {a})))\n")),
            );
            continue;
        }
        functions += &format!(
            "(func ${text} (param {ty} {ty}) (result {result}) ({text} (local.get 0) (local.get 1)))\n"
        );
        for (i, a) in values.iter().enumerate() {
            let b = values[(i * 5 + 1) % values.len()];
            let c = values[(i * 3 + 2) % values.len()];
            calls += &format!("(drop (call ${text} ({ty}.const {a}) ({ty}.const {b})))\n");
            calls += &format!("(drop (call ${text} ({ty}.const {a}) ({ty}.const {c})))\n");
        }
        if op.has_imm_form() {
            for (i, b) in values.iter().enumerate() {
                functions += &format!(
                    "(func ${text}.{i} (param {ty}) (result {result}) ({text} (local.get 0) ({ty}.const {b})))\n"
                );
                let a = values[(i * 5 + 3) % values.len()];
                calls += &format!("(drop (call ${text}.{i} ({ty}.const {a})))\n");
            }
        }
    }
    format!(r#"(module {functions} (func (export "main") (result i32) {calls} (i32.const 9)))"#)
}

/// A program that gives one trapping operator these operands, in plain or in imm form.
fn one(op: Op, a: &str, b: Option<&str>, imm: bool) -> String {
    let (ty, _) = signature(op);
    let text = op.mnemonic();
    let second = match b {
        Some(b) if imm => format!("({ty}.const {b})"),
        Some(_) => "(local.get $b)".into(),
        None => String::new(),
    };
    let set_b = b.map_or(String::new(), |b| {
        format!("(local.set $b ({ty}.const {b}))")
    });
    format!(
        r#"(module (func (export "main") (result i32) (local $a {ty}) (local $b {ty})
            (local.set $a ({ty}.const {a})) {set_b}
            (drop ({text} (local.get $a) {second})) (i32.const 3)))"#
    )
}

/// Operands and whether the operator traps on them.
fn trapping_cases(op: Op) -> Vec<(&'static str, Option<&'static str>, bool)> {
    let text = op.mnemonic();
    let least = if text.starts_with("i32") {
        "0x80000000"
    } else {
        "0x8000000000000000"
    };
    if text.contains("div_") || text.contains("rem_") {
        let overflow = text.contains("div_s");
        return vec![
            ("7", Some("0"), true),
            ("0", Some("0"), true),
            (least, Some("-1"), overflow),
            ("-7", Some("3"), false),
            ("-7", Some("-3"), false),
            ("7", Some("-3"), false),
            (least, Some("7"), false),
        ];
    }
    let (below, last, first_over) = match text {
        "i32.trunc_f32_s" => ("-0x1.000002p31", "0x1.fffffep30", "0x1p31"),
        "i32.trunc_f32_u" => ("-1", "0x1.fffffep31", "0x1p32"),
        "i64.trunc_f32_s" => ("-0x1.000002p63", "0x1.fffffep62", "0x1p63"),
        _ => ("-1", "0x1.fffffep63", "0x1p64"),
    };
    let mut cases: Vec<(&'static str, Option<&'static str>, bool)> =
        ["nan", "inf", "-inf", below, first_over]
            .map(|a| (a, None, true))
            .to_vec();
    cases.extend(["-0x1.fffffep-1", "3.99", "-0", "0x1p-149", last].map(|a| (a, None, false)));
    cases
}

const MEMORY: &str = r#"(module
  (import "assay" "read" (func $read (param i32 i64 i32 i32)))
  (memory 1 3)
  (data (i32.const 100) "some bytes to begin with, crossing a leaf's end at 128")
  (data $one "a passive segment that is longer than one leaf, so that copying it takes several steps: 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.")
  (data $two "second")
  (func $accesses (param $p i32)
    (i32.store (local.get $p) (i32.const 0x8badf00d))
    (i64.store offset=8 (local.get $p) (i64.const 0x8182838485868788))
    (f32.store offset=16 (local.get $p) (f32.const -1.25))
    (i32.store8 offset=20 (local.get $p) (i32.const 0x1ff))
    (i32.store16 offset=21 (local.get $p) (i32.const 0x1fffe))
    (i64.store8 offset=23 (local.get $p) (i64.const 0x180))
    (i64.store16 offset=24 (local.get $p) (i64.const 0x18000))
    (i64.store32 offset=26 (local.get $p) (i64.const 0x180000001))
    (drop (i32.load (local.get $p)))
    (drop (i64.load offset=8 (local.get $p)))
    (drop (f32.load offset=16 (local.get $p)))
    (drop (i32.load8_u offset=20 (local.get $p)))
    (drop (i32.load8_s offset=20 (local.get $p)))
    (drop (i32.load16_u offset=21 (local.get $p)))
    (drop (i32.load16_s offset=21 (local.get $p)))
    (drop (i64.load8_u offset=23 (local.get $p)))
    (drop (i64.load8_s offset=23 (local.get $p)))
    (drop (i64.load16_u offset=24 (local.get $p)))
    (drop (i64.load16_s offset=24 (local.get $p)))
    (drop (i64.load32_u offset=26 (local.get $p)))
    (drop (i64.load32_s offset=26 (local.get $p))))
  (func (export "main") (result i32) (local $i i32)
    (call $accesses (i32.const 0))
    ;; every access crosses a leaf's end for some of these
    (local.set $i (i32.const 96))
    (loop $next
      (call $accesses (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 128))))
    (call $accesses (i32.const 65506))
    (drop (memory.size))
    (drop (memory.grow (i32.const 1)))
    ;; across a page's end
    (call $accesses (i32.const 65520))
    (drop (memory.grow (i32.const 2)))
    (drop (memory.grow (i32.const -1)))
    (drop (memory.grow (i32.const 0)))
    (drop (memory.grow (i32.const 1)))
    (drop (memory.size))
    (memory.fill (i32.const 1000) (i32.const 0x1ab) (i32.const 300))
    (memory.fill (i32.const 1024) (i32.const 0) (i32.const 128))
    (memory.fill (i32.const 196608) (i32.const 1) (i32.const 0))
    (memory.fill (i32.const 196607) (i32.const 1) (i32.const 1))
    ;; apart, overlapping upwards, overlapping downwards, onto itself, empty at the end
    (memory.copy (i32.const 2000) (i32.const 100) (i32.const 200))
    (memory.copy (i32.const 110) (i32.const 100) (i32.const 300))
    (memory.copy (i32.const 100) (i32.const 113) (i32.const 300))
    (memory.copy (i32.const 100) (i32.const 100) (i32.const 130))
    (memory.copy (i32.const 131) (i32.const 130) (i32.const 3))
    (memory.copy (i32.const 196608) (i32.const 196608) (i32.const 0))
    (memory.init $one (i32.const 3000) (i32.const 0) (i32.const 140))
    (memory.init $one (i32.const 3100) (i32.const 100) (i32.const 50))
    (memory.init $two (i32.const 130) (i32.const 1) (i32.const 5))
    (memory.init $two (i32.const 0) (i32.const 6) (i32.const 0))
    (data.drop $one)
    (memory.init $one (i32.const 0) (i32.const 0) (i32.const 0))
    (call $read (i32.const 0) (i64.const 0) (i32.const 5001) (i32.const 308))
    (call $read (i32.const 1) (i64.const 8) (i32.const 6000) (i32.const 77))
    (call $read (i32.const 2) (i64.const 4900) (i32.const 127) (i32.const 100))
    (call $read (i32.const 1) (i64.const 85) (i32.const 0) (i32.const 0))
    (i32.const 1)))"#;

const CONTROL: &str = r#"(module
  (@custom "assay" "volatile_log2=9\na=40\nb=10")
  (type $unary (func (param i32) (result i32)))
  (memory 1)
  (table 4 funcref)
  (elem (i32.const 1) $double $triple $pair_first)
  (global $n (mut i32) (i32.const 0))
  (global $m (mut i64) (i64.const 5))
  (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
  (func $triple (type $unary) (i32.mul (local.get 0) (i32.const 3)))
  (func $pair_first (param i32 i32) (result i32) (local.get 0))
  (func $pair (param i32) (result i32 i64) (local.get 0) (i64.const 7))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func $classify (param i32) (result i32)
    (block $c (block $b (block $a (br_table $a $b $c (local.get 0)))
      (return (i32.const 10))) (return (i32.const 11))) (i32.const 12))
  (func (export "step") (result i32) (local $x i32)
    (i32.store (i32.const 4) (i32.const 77))
    (i32.store (i32.const 510) (i32.const 0x01020304))
    (drop (call $fib (i32.const 5)))
    (loop $again
      (drop (call $classify (local.get $x)))
      (local.set $x (i32.add (local.get $x) (i32.const 1)))
      (br_if $again (i32.ne (local.get $x) (i32.const 5))))
    (drop (call_indirect (type $unary) (i32.const 4) (i32.add (i32.const 1) (i32.and (global.get $n) (i32.const 1)))))
    (call $pair (global.get $n))
    (global.set $m)
    (drop)
    (drop (select (local.get $x) (global.get $n) (global.get $n)))
    (drop (select (i32.const 1) (i32.const 2) (i32.eqz (global.get $n))))
    (block $out (br_if $out (global.get $n)) (local.set $x (i32.const 1)))
    (block $out (br_if $out (i32.eqz (global.get $n))) (local.set $x (i32.const 2)))
    (if (global.get $n) (then (local.set $x (i32.const 3))))
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.mul (i32.const 6) (i32.eq (global.get $n) (i32.const 3)))))"#;

#[test]
fn every_opcode_gives_one_root_in_interpreter_replay_and_contract() {
    let mut lockstep = Lockstep::default();
    assert_eq!(
        lockstep.run_wat(&numeric_program(), roms(), 1 << 20),
        Status::Halted(9)
    );
    for op in numeric().filter(|op| can_trap(*op)) {
        for (a, b, traps) in trapping_cases(op) {
            for imm in [false, true]
                .into_iter()
                .take(1 + usize::from(op.has_imm_form()))
            {
                let end = lockstep.run_wat(&one(op, a, b, imm), roms(), 100);
                let want = if traps {
                    Status::Trapped
                } else {
                    Status::Halted(3)
                };
                assert_eq!(end, want, "{} {a} {b:?}", op.mnemonic());
            }
        }
    }
    assert_eq!(lockstep.run_wat(MEMORY, roms(), 1 << 20), Status::Halted(1));
    assert_eq!(
        lockstep.run_wat(CONTROL, roms(), 1 << 20),
        Status::Halted(5)
    );
    let start = r#"(module (func (export "_start")))"#;
    assert_eq!(lockstep.run_wat(start, roms(), 100), Status::Halted(0));
    let unreachable = r#"(module (func (export "main") (result i32) unreachable))"#;
    assert_eq!(lockstep.run_wat(unreachable, roms(), 100), Status::Trapped);
    // No lowered program reaches opcode 0; zeros beyond the code are it.
    let mut machine = Handmade::new(Vec::new()).machine();
    machine.image = Handmade::new(vec![Default::default()]).machine().image;
    lockstep.step(&mut machine.clone(), &mut machine, 1);

    for &op in Op::ALL {
        for imm in [false, true]
            .into_iter()
            .take(1 + usize::from(op.has_imm_form()))
        {
            assert!(
                lockstep.costs.contains_key(&name(op, imm)),
                "{} never ran",
                name(op, imm)
            );
        }
    }
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
