//! Every f32 and f64 operator on operands at the edges.

use crate::harness::program;
use assay_machine::isa::{Format, Op};
use assay_types::Status;
use std::fmt::Write;

/// Zeros, subnormals, halves and ties, integers' limits, extremes, infinities, NaNs quiet and signalling.
const EDGES: [f64; 30] = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1.401298464324817e-45,
    2.2250738585072014e-308,
    1.1754943508222875e-38,
    0.5,
    -0.5,
    0.49999999999999994,
    1.0,
    -1.5,
    2.5,
    3.000000000000001,
    -7.75,
    8388609.5,
    4503599627370497.5,
    2147483647.0,
    2147483648.0,
    -2147483649.0,
    4294967295.5,
    9223372036854775807.0,
    -9223372036854777856.0,
    18446744073709551615.0,
    3.4028234663852886e38,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Bits of the operands, as f64 or as f32.
fn operands(double: bool) -> Vec<u64> {
    let mut bits: Vec<u64> = EDGES
        .iter()
        .map(|x| {
            if double {
                x.to_bits()
            } else {
                u64::from((*x as f32).to_bits())
            }
        })
        .collect();
    bits.extend(if double {
        [
            0x7ff0_0000_0000_0001,
            0xfff8_0000_0000_0000,
            0x7ff8_0000_dead_beef,
            0x7ff7_ffff_e000_0000,
        ]
    } else {
        [0x7f80_0001, 0xffc0_0000, 0x7fc0_beef, 0x7fbf_ffff]
    });
    bits
}

/// Type of the operands and type of the result of a scalar float opcode.
fn types(op: Op) -> (&'static str, &'static str) {
    let name = op.mnemonic();
    let result = match name {
        n if n.starts_with("i32") => "i32",
        n if n.starts_with("i64") => "i64",
        n if [".eq", ".ne", ".lt", ".gt", ".le", ".ge"]
            .iter()
            .any(|c| n.ends_with(c)) =>
        {
            "i32"
        }
        n if n.starts_with("f32") => "f32",
        _ => "f64",
    };
    // What a conversion is from stands after an underscore.
    let from = name
        .split('_')
        .find(|part| ["i32", "i64", "f32", "f64"].contains(part));
    let operand = from.unwrap_or(&name[..3]);
    (operand, result)
}

fn is_trapping(op: Op) -> bool {
    let name = op.mnemonic();
    name.contains(".trunc_f")
}

fn float_ops() -> impl Iterator<Item = Op> {
    let family = |op: &&Op| matches!(**op as u16 >> 8, 4 | 5);
    Op::ALL.iter().filter(family).copied()
}

#[test]
fn operand_types_are_read_from_the_names() {
    assert_eq!(types(Op::F64Lt), ("f64", "i32"));
    assert_eq!(types(Op::I32TruncSatF64U), ("f64", "i32"));
    assert_eq!(types(Op::I64TruncF32S), ("f32", "i64"));
    assert_eq!(types(Op::F64ConvertI64U), ("i64", "f64"));
    assert_eq!(types(Op::F32DemoteF64), ("f64", "f32"));
    assert_eq!(types(Op::F64PromoteF32), ("f32", "f64"));
    assert_eq!(types(Op::F64Copysign), ("f64", "f64"));
}

/// A program that applies each operator to every operand, or pair of operands, a row of pairs a macro step.
#[test]
fn every_operator_agrees_on_all_pairs_of_edges() {
    let (singles, doubles) = (operands(false), operands(true));
    let n = doubles.len();
    let data = |bits: &[u64]| -> String {
        let bytes = bits.iter().flat_map(|b| b.to_le_bytes());
        bytes.fold(String::new(), |mut s, b| {
            let _ = write!(s, "\\{b:02x}");
            s
        })
    };
    let (mut body, mut ops) = (String::new(), 0);
    for op in float_ops().filter(|op| !is_trapping(*op)) {
        let (operand, result) = types(op);
        // Reads f32s and f64s from their own lists; integers are the same bits.
        let list = if operand.ends_with("32") { 0 } else { 8 * n };
        let load = |index: &str| {
            format!("({operand}.load offset={list} (i32.shl (local.get ${index}) (i32.const 3)))")
        };
        let operands = match op.format() {
            Format::Unary => load("j"),
            _ => format!("{} {}", load("i"), load("j")),
        };
        let _ = writeln!(
            body,
            "({result}.store offset={} (local.get $out) ({} {operands}))",
            65536 + 8 * ops,
            op.mnemonic()
        );
        ops += 1;
    }
    let wat = format!(
        r#"(module (memory 3 3) (global $i (mut i32) (i32.const 0)) (@custom "assay" "a=26\nb=24")
        (data (i32.const 0) "{}{}")
        (func (export "step") (result i32) (local $i i32) (local $j i32) (local $out i32)
          (local.set $i (global.get $i))
          (loop $next
            {body}
            (local.set $out (i32.add (local.get $out) (i32.const {})))
            (br_if $next (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const {n}))))
          (global.set $i (i32.add (local.get $i) (i32.const 1)))
          (i32.eq (local.get $i) (i32.const {}))))"#,
        data(&singles),
        data(&doubles),
        8 * ops,
        n - 1
    );
    assert_eq!(ops, 58);
    assert!(ops * n * 8 < 65536 * 2, "the results fit the memory");
    assert_eq!(program(&wat).agree(n as u64 + 1), Status::Halted(0));
}

#[test]
fn truncations_trap_at_the_same_operands() {
    let mut outcomes = [0, 0];
    for op in float_ops().filter(|op| is_trapping(*op)) {
        let (operand, result) = types(op);
        let limits: [f64; 14] = [
            -1.0,
            -0.9999999,
            2147483647.0,
            2147483648.0,
            2147483647.9999998,
            -2147483648.0,
            -2147483648.9999995,
            -2147483649.0,
            4294967295.0,
            4294967296.0,
            9223372036854774784.0,
            9223372036854775808.0,
            -9223372036854775808.0,
            18446744073709551616.0,
        ];
        for x in limits.into_iter().chain([f64::NAN, f64::NEG_INFINITY]) {
            let x = match (operand, x) {
                (_, x) if x.is_nan() => "nan".to_owned(),
                (_, x) if x.is_infinite() => "-inf".to_owned(),
                ("f32", x) => format!("{:?}", x as f32),
                (_, x) => format!("{x:?}"),
            };
            let wat = format!(
                r#"(module (memory 1 1) (global $n (mut i32) (i32.const 0)) (@custom "assay" "a=40\nb=10")
                (func (export "step") (result i32)
                  ({result}.store (i32.const 8) ({} ({operand}.const {x})))
                  (global.set $n (i32.add (global.get $n) (i32.const 1)))
                  (i32.eq (global.get $n) (i32.const 2))))"#,
                op.mnemonic()
            );
            match program(&wat).agree(3) {
                Status::Trapped => outcomes[0] += 1,
                Status::Halted(0) => outcomes[1] += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(outcomes.iter().all(|&n| n > 30), "{outcomes:?}");
}

#[test]
fn reinterpreted_bits_and_constants_keep_their_payloads() {
    let wat = r#"(module (memory 1 1) (global $n (mut i32) (i32.const 0)) (@custom "assay" "a=40\nb=10")
      (global $g (mut f64) (f64.const nan:0x4000000000001))
      (func $id (param f64 i32 f64) (result f64 f64) (local.get 2) (local.get 0))
      (func (export "step") (result i32) (local $x f64) (local $y f64)
        (i64.store (i32.const 0) (i64.reinterpret_f64 (f64.const -nan:0x123456789abcd)))
        (f64.store (i32.const 8) (f64.reinterpret_i64 (i64.const 0x7ff0000000000001)))
        (i32.store (i32.const 16) (i32.reinterpret_f32 (f32.const nan:0x200001)))
        (f64.store (i32.const 24) (global.get $g))
        (global.set $g (f64.reinterpret_i64 (i64.const 0xfff0000000000003)))
        (local.set $x (f64.load (i32.const 24)))
        (call $id (f64.neg (local.get $x)) (i32.const 1) (f64.const 0x1.fffffffffffffp+1023))
        (local.set $x) (local.set $y)
        (f64.store (i32.const 32) (local.get $y))
        (f64.store (i32.const 40) (local.get $x))
        (f64.store (i32.const 48) (select (f64.const 1) (f64.const 2) (i32.const 0)))
        (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (i32.eq (global.get $n) (i32.const 2))))"#;
    let p = program(wat);
    assert_eq!(p.agree(3), Status::Halted(0));
    p.replays(60);
}
