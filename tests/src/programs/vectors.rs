//! Every operator on vectors, on operands at which operators go wrong; and the accesses to memory.

use super::numeric::{F32, F64, I32, I64};
use assay_machine::isa::{Format, Op};

const I8: [&str; 6] = ["0", "1", "-1", "-128", "127", "0x5a"];
const I16: [&str; 6] = ["0", "1", "-1", "-32768", "32767", "0x1234"];

/// Name of a shape, its lanes, the type of a lane outside of vectors, and edge values.
type Shape = (&'static str, usize, &'static str, &'static [&'static str]);
const SHAPES: [Shape; 6] = [
    ("i8x16", 16, "i32", &I8),
    ("i16x8", 8, "i32", &I16),
    ("i32x4", 4, "i32", &I32),
    ("i64x2", 2, "i64", &I64),
    ("f32x4", 4, "f32", &F32),
    ("f64x2", 2, "f64", &F64),
];

/// The shape of an operator's operands: the last one that its name has. Whole vectors are of halves.
fn shape(text: &str) -> Shape {
    let last = SHAPES.into_iter().max_by_key(|s| text.rfind(s.0));
    last.filter(|s| text.contains(s.0)).unwrap_or(SHAPES[3])
}

/// A constant vector whose lanes are edge values from the k-th on, `step` apart.
fn constant((name, lanes, _, values): Shape, k: usize, step: usize) -> String {
    let lane = |i: usize| values[(k + i * step) % values.len()];
    let lanes: Vec<&str> = (0..lanes).map(lane).collect();
    format!("(v128.const {name} {})", lanes.join(" "))
}

/// Functions that apply one operator, and calls of them.
struct Text {
    functions: String,
    calls: String,
}

impl Text {
    /// A function `$name` of these parameters and what it does with them.
    fn function(&mut self, name: &str, parameters: &str, result: &str, body: &str) {
        self.functions +=
            &format!("(func ${name} (param {parameters}) (result {result}) {body})\n");
    }

    fn call(&mut self, name: &str, arguments: &str) {
        self.calls += &format!("(drop (call ${name} {arguments}))\n");
    }
}

/// A function for each operator, in each form; `main` calls each with several operands.
pub(super) fn operators() -> String {
    let mut text = Text {
        functions: String::new(),
        calls: String::new(),
    };
    let vectors = |op: &&Op| (6..=9).contains(&(**op as u16 >> 8));
    Op::ALL
        .iter()
        .filter(vectors)
        .for_each(|op| operator(*op, &mut text));
    let Text { functions, calls } = text;
    format!(
        r#"(module {functions} (func (export "main") (result i32) (local $v v128) {calls} (i32.const 9)))"#
    )
}

fn operator(op: Op, text: &mut Text) {
    let name = op.mnemonic();
    let shape = shape(name);
    let (_, lanes, ty, values) = shape;
    let (x, y) = ("(local.get 0)", "(local.get 1)");
    match op.format() {
        Format::VecUnary if op == Op::V128Move => {
            text.calls += &format!("(local.set $v {})\n", constant(shape, 0, 1));
            text.function(
                "move",
                "v128 v128",
                "v128",
                "(local.set 0 (local.get 1)) (local.get 0)",
            );
            text.call("move", "(local.get $v) (local.get $v)");
        }
        Format::VecUnary => {
            text.function(name, "v128", "v128", &format!("({name} {x})"));
            (0..values.len()).for_each(|k| text.call(name, &constant(shape, k, 1)));
        }
        Format::VecTest => {
            text.function(name, "v128", "i32", &format!("({name} {x})"));
            (0..values.len()).for_each(|k| text.call(name, &constant(shape, k, 1)));
            (0..values.len()).for_each(|k| text.call(name, &constant(shape, k, values.len())));
        }
        Format::VecBinary => {
            text.function(name, "v128 v128", "v128", &format!("({name} {x} {y})"));
            for k in 0..values.len() {
                let pair = [constant(shape, k, 1), constant(shape, 5 * k + 2, 5)];
                text.call(name, &pair.join(" "));
            }
        }
        Format::VecTernary => ternary(op, text),
        Format::VecShift => {
            text.function(name, "v128 i32", "v128", &format!("({name} {x} {y})"));
            for (i, n) in ["0", "1", "7", "63", "64", "-1"].into_iter().enumerate() {
                let immediate = format!("{name}.{i}");
                text.function(
                    &immediate,
                    "v128",
                    "v128",
                    &format!("({name} {x} (i32.const {n}))"),
                );
                text.call(&immediate, &constant(shape, i, 1));
                text.call(name, &format!("{} (i32.const {n})", constant(shape, i, 1)));
            }
        }
        Format::VecSplat => {
            text.function(name, ty, "v128", &format!("({name} {x})"));
            values
                .iter()
                .for_each(|v| text.call(name, &format!("({ty}.const {v})")));
        }
        Format::VecExtract => {
            for lane in 0..lanes {
                let function = format!("{name}.{lane}");
                text.function(&function, "v128", ty, &format!("({name} {lane} {x})"));
                text.call(&function, &constant(shape, lane, 1));
            }
        }
        Format::VecReplace => {
            for lane in 0..lanes {
                let function = format!("{name}.{lane}");
                let parameters = format!("v128 {ty}");
                text.function(
                    &function,
                    &parameters,
                    "v128",
                    &format!("({name} {lane} {x} {y})"),
                );
                let value = values[lane % values.len()];
                let arguments = format!("{} ({ty}.const {value})", constant(shape, 3, 1));
                text.call(&function, &arguments);
            }
        }
        Format::Special => {
            let body = "(select (result v128) (local.get 0) (local.get 1) (local.get 2))";
            text.function("select", "v128 v128 i32", "v128", body);
            for condition in ["0", "1", "-1"] {
                let pair = [constant(shape, 0, 1), constant(shape, 1, 1)].join(" ");
                text.call("select", &format!("{pair} (i32.const {condition})"));
            }
        }
        // Accesses are in the program below.
        _ => assert!(matches!(op, Op::V128Load | Op::V128Store)),
    }
}

fn ternary(op: Op, text: &mut Text) {
    let [a, b, c] = [0, 1, 2].map(|k| constant(SHAPES[0], k, 5));
    if op == Op::V128Bitselect {
        let body = "(v128.bitselect (local.get 0) (local.get 1) (local.get 2))";
        text.function("bitselect", "v128 v128 v128", "v128", body);
        text.call("bitselect", &[a, b, c].join(" "));
        return;
    }
    for (i, step) in [1usize, 2, 3, 7, 16, 31].into_iter().enumerate() {
        let function = format!("shuffle.{i}");
        let mask: Vec<String> = (0..16).map(|j| (j * step % 32).to_string()).collect();
        let body = format!(
            "(i8x16.shuffle {} (local.get 0) (local.get 1))",
            mask.join(" ")
        );
        text.function(&function, "v128 v128", "v128", &body);
        text.call(&function, &[a.as_str(), b.as_str()].join(" "));
    }
}

/// Loads and stores of vectors and parts of them, across each place of a leaf's end.
pub(super) const ACCESSES: &str = r#"(module
  (memory 1)
  (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (data (i32.const 90) "bytes with many a bit set and unset, \80\ff\00\7f\81\fe, before and behind a leaf's end at 128")
  (func $accesses (param $p i32) (local $v v128)
    (local.set $v (v128.load (local.get $p)))
    (v128.store offset=32 (local.get $p) (local.get $v))
    (global.set $v (v128.not (global.get $v)))
    (v128.store offset=48 align=1 (local.get $p) (global.get $v))
    (drop (v128.load8x8_s (local.get $p)))
    (drop (v128.load8x8_u (local.get $p)))
    (drop (v128.load16x4_s (local.get $p)))
    (drop (v128.load16x4_u (local.get $p)))
    (drop (v128.load32x2_s (local.get $p)))
    (drop (v128.load32x2_u (local.get $p)))
    (drop (v128.load8_splat (local.get $p)))
    (drop (v128.load16_splat (local.get $p)))
    (drop (v128.load32_splat (local.get $p)))
    (drop (v128.load64_splat (local.get $p)))
    (drop (v128.load32_zero (local.get $p)))
    (drop (v128.load64_zero (local.get $p)))
    (local.set $v (v128.load8_lane 15 (local.get $p) (local.get $v)))
    (local.set $v (v128.load16_lane 6 (local.get $p) (local.get $v)))
    (local.set $v (v128.load32_lane 2 (local.get $p) (local.get $v)))
    (local.set $v (v128.load64_lane 1 (local.get $p) (local.get $v)))
    (v128.store8_lane offset=64 14 (local.get $p) (local.get $v))
    (v128.store16_lane offset=65 7 (local.get $p) (local.get $v))
    (v128.store32_lane offset=67 3 (local.get $p) (local.get $v))
    (v128.store64_lane offset=71 0 (local.get $p) (local.get $v)))
  (func (export "main") (result i32) (local $i i32)
    (local.set $i (i32.const 100))
    (loop $next
      (call $accesses (local.get $i))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 129))))
    (call $accesses (i32.const 65457))
    (i32.const 4)))"#;
