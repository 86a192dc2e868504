//! Every SIMD operator on lanes at the edges.

use crate::harness::program;
use assay_machine::isa::{Format, Op};
use assay_types::Status;
use std::collections::BTreeSet;
use std::fmt::Write;
use wasmparser::{Operator, Parser, Payload};

/// Vectors by halves, low first: integers' limits, floats' edges, NaNs of both widths, and some noise.
const VECTORS: [[u64; 2]; 14] = [
    [0, 0],
    [u64::MAX, u64::MAX],
    [0x8000_0000_0000_0000, 0x7fff_ffff_ffff_ffff],
    [0x8000_7fff_ff00_8001, 0x0001_8000_7fff_ffff],
    [0x807f_ff01_00fe_8180, 0x7f80_0102_0304_0506],
    [0x7fc0_0000_3f80_0000, 0xff80_0000_7f80_0000],
    [0x7f80_0001_ffc1_2345, 0x8000_0000_0000_0001],
    [0x7ff8_0000_0000_0000, 0x3ff0_0000_0000_0000],
    [0x7ff0_0000_0000_0001, 0xfff8_dead_beef_0001],
    [0x7ff0_0000_0000_0000, 0xbfe0_0000_0000_0000],
    [0x41df_ffff_ffc0_0000, 0xc1e0_0000_0020_0000],
    [0x4f00_0000_cf00_0000, 0x4f80_0000_4b00_0001],
    [0x380f_ffff_f000_0000, 0x47ef_ffff_f000_0000],
    [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
];

/// Address of the results.
const OUT: usize = 65536;

/// The scalar type of a lane, and the number of lanes, of a shape.
fn shape(name: &str) -> (&'static str, usize) {
    match name.split('.').next() {
        Some("i8x16") => ("i32", 16),
        Some("i16x8") => ("i32", 8),
        Some("i32x4") => ("i32", 4),
        Some("i64x2") => ("i64", 2),
        Some("f32x4") => ("f32", 4),
        Some("f64x2") => ("f64", 2),
        _ => panic!("{name} has no shape"),
    }
}

/// Expressions, each with its type, over vectors `$a`, `$b`, `$c`, the number `$n`, and the address of `$a` in `$p`.
fn expressions() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for op in Op::ALL
        .iter()
        .filter(|op| (6..10).contains(&(**op as u16 >> 8)))
    {
        let name = op.mnemonic();
        match op.format() {
            _ if matches!(op, Op::V128Move | Op::V128Select | Op::I8x16Shuffle) => {}
            Format::VecUnary => all.push(("v128", format!("({name} (local.get $a))"))),
            Format::VecBinary => {
                all.push(("v128", format!("({name} (local.get $a) (local.get $b))")));
            }
            Format::VecTernary => {
                let operands = "(local.get $a) (local.get $b) (local.get $c)";
                all.push(("v128", format!("({name} {operands})")));
            }
            Format::VecShift => {
                all.push(("v128", format!("({name} (local.get $a) (local.get $n))")));
                all.push(("v128", format!("({name} (local.get $a) (i32.const 0x101))")));
            }
            Format::VecTest => all.push(("i32", format!("({name} (local.get $a))"))),
            Format::VecLoad => all.push(("v128", format!("({name} offset=3 (local.get $p))"))),
            Format::VecSplat => lanes(&mut all, name),
            Format::VecExtract | Format::VecReplace => lanes(&mut all, name),
            // Its result is in memory: see `stores`.
            Format::VecStore => {}
            other => panic!("{name} has format {other:?}"),
        }
    }
    for name in [
        "f32x4.splat",
        "f32x4.extract_lane",
        "f32x4.replace_lane",
        "f64x2.splat",
        "f64x2.extract_lane",
        "f64x2.replace_lane",
    ] {
        lanes(&mut all, name);
    }
    for load in [
        "8x8_s", "8x8_u", "16x4_s", "16x4_u", "32x2_s", "32x2_u", "8_splat", "16_splat",
        "32_splat", "64_splat", "32_zero", "64_zero",
    ] {
        all.push(("v128", format!("(v128.load{load} offset=5 (local.get $p))")));
        all.push(("v128", format!("(v128.load{load} (i32.const 9))")));
    }
    for (bits, lanes) in [(8, 16), (16, 8), (32, 4), (64, 2)] {
        for lane in 0..lanes {
            let load = format!("v128.load{bits}_lane offset=7 {lane}");
            all.push(("v128", format!("({load} (local.get $p) (local.get $b))")));
            let computed = "(i32.add (local.get $p) (i32.const 1)) (v128.not (local.get $b))";
            all.push(("v128", format!("({load} {computed})")));
        }
    }
    for lanes in [
        "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "31 0 30 1 29 2 28 3 27 4 26 5 25 6 24 7",
        "16 17 18 19 20 21 22 23 8 8 8 8 31 31 31 31",
    ] {
        let operands = "(local.get $a) (local.get $b)";
        all.push(("v128", format!("(i8x16.shuffle {lanes} {operands})")));
        let operands = "(v128.not (local.get $a)) (v128.const i64x2 0x1122334455667788 -2)";
        all.push(("v128", format!("(i8x16.shuffle {lanes} {operands})")));
    }
    let select = "(select (local.get $a) (local.get $b) (i32.and (local.get $n) (i32.const 1)))";
    all.push(("v128", select.to_owned()));
    all.push(("v128", "(v128.const i32x4 1 -2 3 0x80000000)".to_owned()));
    all
}

/// Splat, or one expression a lane.
fn lanes(all: &mut Vec<(&'static str, String)>, name: &str) {
    let (scalar, lanes) = shape(name);
    let value = format!("({scalar}.load offset=1 (local.get $p))");
    if name.ends_with("splat") {
        return all.push(("v128", format!("({name} {value})")));
    }
    for lane in 0..lanes {
        if name.contains("extract") {
            all.push((scalar, format!("({name} {lane} (local.get $a))")));
        } else {
            all.push(("v128", format!("({name} {lane} (local.get $a) {value})")));
        }
    }
}

/// Stores of lanes and vectors to `$out` and what follows.
fn stores() -> Vec<String> {
    let mut all = vec!["(v128.store offset={} (local.get $out) (local.get $a))".to_owned()];
    for (bits, lanes) in [(8, 16), (16, 8), (32, 4), (64, 2)] {
        for lane in 0..lanes {
            let store = format!("v128.store{bits}_lane offset={{}} {lane}");
            all.push(format!("({store} (local.get $out) (local.get $a))"));
            let value = "(v128.xor (local.get $a) (local.get $b))";
            all.push(format!("({store} (local.get $out) {value})"));
        }
    }
    all
}

fn module() -> (String, usize) {
    let (mut body, mut at) = (String::new(), OUT);
    for (ty, expression) in expressions() {
        let _ = writeln!(
            body,
            "({ty}.store offset={at} (local.get $out) {expression})"
        );
        at += 16;
    }
    for store in stores() {
        let _ = writeln!(body, "{}", store.replace("{}", &at.to_string()));
        at += 16;
    }
    let n = VECTORS.len();
    let data = VECTORS.iter().flatten().flat_map(|half| half.to_le_bytes());
    let data: String = data.map(|b| format!("\\{b:02x}")).collect();
    let row = at - OUT;
    let pages = 1 + (row * n).div_ceil(65536);
    let wat = format!(
        r#"(module (memory {pages} {pages}) (global $i (mut i32) (i32.const 0)) (@custom "assay" "a=26\nb=24")
        (data (i32.const 0) "{data}")
        (func $all (param $p i32) (param $a v128) (param $n i32) (param $b v128) (param $out i32) (param $c v128)
          {body})
        (func (export "step") (result i32) (local $j i32) (local $out i32) (local $p i32)
          (loop $next
            (local.set $p (i32.shl (local.get $j) (i32.const 4)))
            (call $all (local.get $p) (v128.load (local.get $p)) (i32.mul (local.get $j) (i32.const 5))
              (v128.load (i32.shl (global.get $i) (i32.const 4))) (local.get $out)
              (v128.load (i32.sub (i32.const {}) (local.get $p))))
            (local.set $out (i32.add (local.get $out) (i32.const {row})))
            (br_if $next (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const {n}))))
          (global.set $i (i32.add (global.get $i) (i32.const 1)))
          (i32.eq (global.get $i) (i32.const {n}))))"#,
        16 * (n - 1)
    );
    (wat, n)
}

#[test]
fn every_operator_agrees_on_all_pairs_of_edges() {
    let (wat, n) = module();
    assert_eq!(program(&wat).agree(n as u64 + 1), Status::Halted(0));
}

#[test]
fn every_opcode_replays_from_its_witness() {
    let (wat, _) = module();
    let executed = program(&wat).replays(3000);
    let vectors = Op::ALL
        .iter()
        .filter(|op| (6..10).contains(&(**op as u16 >> 8)));
    let missing: Vec<_> = vectors.filter(|op| !executed.contains(op)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

macro_rules! simd_names {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        /// Names of all operators of the SIMD proposal, and the name of `operator` if it is one.
        fn simd(operator: &Operator<'_>) -> (BTreeSet<&'static str>, Option<&'static str>) {
            let all = [$((stringify!($proposal), stringify!($op)),)*];
            let name = match operator {
                $(Operator::$op { .. } if stringify!($proposal) == "simd" => Some(stringify!($op)),)*
                _ => None,
            };
            (all.into_iter().filter(|o| o.0 == "simd").map(|o| o.1).collect(), name)
        }
    };
}
wasmparser::for_each_operator!(simd_names);

#[test]
fn the_program_has_all_236_operators() {
    let (wat, _) = module();
    let wasm = wat::parse_str(&wat).expect("parses");
    let mut found = BTreeSet::new();
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::CodeSectionEntry(body) = payload.expect("parses") {
            let mut reader = body.get_operators_reader().expect("parses");
            while !reader.eof() {
                found.extend(simd(&reader.read().expect("parses")).1);
            }
        }
    }
    let (all, _) = simd(&Operator::Nop);
    assert_eq!(all.len(), 236);
    let missing: Vec<_> = all.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
