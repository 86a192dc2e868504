//! Every operator on numbers, on operands at which operators go wrong.

use super::Program;
use assay_machine::isa::{Format, Op};
use assay_types::Status;

pub(super) const I32: [&str; 6] = ["0", "1", "-1", "0x80000000", "0x7fffffff", "0x12345678"];
pub(super) const I64: [&str; 6] = [
    "0",
    "1",
    "-1",
    "0x8000000000000000",
    "0x7fffffffffffffff",
    "0x123456789abcdef0",
];
pub(super) const F32: [&str; 8] = [
    "0",
    "-0",
    "1.5",
    "-2.5",
    "inf",
    "nan:0x200000",
    "0x1p-140",
    "0x1.fffffep127",
];
pub(super) const F64: [&str; 8] = [
    "0",
    "-0",
    "1.5",
    "-2.5",
    "-inf",
    "nan:0x4000000000000",
    "0x1p-1050",
    "0x1.fffffffffffffp1023",
];

fn values(ty: &str) -> &'static [&'static str] {
    match ty {
        "i32" => &I32,
        "i64" => &I64,
        "f32" => &F32,
        _ => &F64,
    }
}

/// Types of a numeric operator's operands and result, from its name.
fn signature(op: Op) -> (&'static str, &'static str) {
    let types = ["i32", "i64", "f32", "f64"];
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

fn operators() -> impl Iterator<Item = Op> {
    let numeric = |op: &Op| (2..=5).contains(&(*op as u16 >> 8));
    Op::ALL.iter().copied().filter(numeric)
}

/// Whether some operands make it trap.
fn can_trap(op: Op) -> bool {
    let text = op.mnemonic();
    text.contains("div_") || text.contains("rem_") || text.contains(".trunc_f")
}

/// A function for each operator that never traps, in each form; `main` calls each with every operand.
pub(super) fn total() -> String {
    let (mut functions, mut calls) = (String::new(), String::new());
    for op in operators().filter(|op| !can_trap(*op)) {
        let (ty, result) = signature(op);
        let text = op.mnemonic();
        let values = values(ty);
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

/// A program for each trapping operator, form and case.
pub(super) fn trapping() -> Vec<Program> {
    let mut out = Vec::new();
    for op in operators().filter(|op| can_trap(*op)) {
        for (a, b, traps) in cases(op) {
            for imm in [false, true]
                .into_iter()
                .take(1 + usize::from(op.has_imm_form()))
            {
                out.push(Program {
                    name: format!("{} {a} {b:?}, imm {imm}", op.mnemonic()),
                    text: one(op, a, b, imm),
                    end: if traps {
                        Status::Trapped
                    } else {
                        Status::Halted(3)
                    },
                });
            }
        }
    }
    out
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
fn cases(op: Op) -> Vec<(&'static str, Option<&'static str>, bool)> {
    let text = op.mnemonic();
    if text.contains("trunc") {
        return truncations(text);
    }
    let least = if text.starts_with("i32") {
        "0x80000000"
    } else {
        "0x8000000000000000"
    };
    let overflow = text.contains("div_s");
    vec![
        ("7", Some("0"), true),
        ("0", Some("0"), true),
        (least, Some("-1"), overflow),
        ("-7", Some("3"), false),
        ("-7", Some("-3"), false),
        ("7", Some("-3"), false),
        (least, Some("7"), false),
    ]
}

fn truncations(text: &str) -> Vec<(&'static str, Option<&'static str>, bool)> {
    let (below, last, first_over) = match text {
        "i32.trunc_f32_s" => ("-0x1.000002p31", "0x1.fffffep30", "0x1p31"),
        "i32.trunc_f32_u" => ("-1", "0x1.fffffep31", "0x1p32"),
        "i64.trunc_f32_s" => ("-0x1.000002p63", "0x1.fffffep62", "0x1p63"),
        "i64.trunc_f32_u" => ("-1", "0x1.fffffep63", "0x1p64"),
        "i32.trunc_f64_s" => ("-2147483649", "2147483647.999999", "2147483648"),
        "i32.trunc_f64_u" => ("-1", "4294967295.999999", "4294967296"),
        "i64.trunc_f64_s" => ("-0x1.0000000000001p63", "0x1.fffffffffffffp62", "0x1p63"),
        _ => ("-1", "0x1.fffffffffffffp63", "0x1p64"),
    };
    let mut cases: Vec<(&'static str, Option<&'static str>, bool)> =
        ["nan", "inf", "-inf", below, first_over]
            .map(|a| (a, None, true))
            .to_vec();
    cases.extend(["-0x1.fffffep-1", "3.99", "-0", "0x1p-149", last].map(|a| (a, None, false)));
    cases
}
