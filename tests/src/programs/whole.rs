//! Memory, control, globals and tables.

use super::Program;
use assay_types::Status;

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
    (f64.store offset=30 (local.get $p) (f64.const -1.25))
    (i32.store8 offset=20 (local.get $p) (i32.const 0x1ff))
    (i32.store16 offset=21 (local.get $p) (i32.const 0x1fffe))
    (i64.store8 offset=23 (local.get $p) (i64.const 0x180))
    (i64.store16 offset=24 (local.get $p) (i64.const 0x18000))
    (i64.store32 offset=26 (local.get $p) (i64.const 0x180000001))
    (drop (i32.load (local.get $p)))
    (drop (i64.load offset=8 (local.get $p)))
    (drop (f32.load offset=16 (local.get $p)))
    (drop (f64.load offset=30 (local.get $p)))
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
    (call $accesses (i32.const 65498))
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

const TABLES: &str = r#"(module
  (type $unary (func (param i32) (result i32)))
  (table $t 10 40 funcref)
  (table $u 20 funcref)
  (table $x 3 5 externref)
  (elem $passive func $double $triple $double $triple $double $triple $double $triple $double $triple
    $double $triple $double $triple $double $triple $double $triple $double $triple)
  (elem $short func $triple)
  (elem (table $t) (i32.const 1) func $double)
  (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
  (func $triple (type $unary) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "main") (result i32) (local $f funcref)
    ;; the segment has two leaves, and so has the table
    (table.init $u $passive (i32.const 0) (i32.const 0) (i32.const 20))
    (table.init $u $passive (i32.const 13) (i32.const 2) (i32.const 5))
    (table.copy $t $u (i32.const 2) (i32.const 3) (i32.const 8))
    ;; overlapping upwards, downwards, onto itself, empty at the end
    (table.copy $u $u (i32.const 3) (i32.const 1) (i32.const 16))
    (table.copy $u $u (i32.const 1) (i32.const 3) (i32.const 16))
    (table.copy $u $u (i32.const 0) (i32.const 0) (i32.const 20))
    (table.copy $u $t (i32.const 20) (i32.const 10) (i32.const 0))
    (table.fill $u (i32.const 5) (ref.func $triple) (i32.const 14))
    (table.fill $u (i32.const 20) (ref.func $triple) (i32.const 0))
    (drop (table.grow $t (ref.null func) (i32.const 20)))
    (drop (table.grow $t (ref.func $double) (i32.const 11)))
    (drop (table.grow $t (ref.func $double) (i32.const -1)))
    (drop (table.grow $t (ref.func $double) (i32.const 10)))
    (drop (table.size $t))
    (drop (table.grow $x (ref.null extern) (i32.const 2)))
    (table.set $x (i32.const 4) (ref.null extern))
    (drop (ref.is_null (table.get $x (i32.const 4))))
    (local.set $f (table.get $u (i32.const 6)))
    (table.set $t (i32.const 29) (local.get $f))
    (drop (call_indirect $t (type $unary) (i32.const 4) (i32.const 29)))
    (drop (call_indirect $t (type $unary) (i32.const 4) (i32.const 39)))
    (elem.drop $passive)
    (elem.drop $short)
    (table.init $u $passive (i32.const 0) (i32.const 0) (i32.const 0))
    (i32.const 2)))"#;

/// One function, whose body is `text`, over two tables and a dropped segment.
fn on_tables(text: &str) -> String {
    format!(
        r#"(module (table $t 4 funcref) (table $u 4 funcref) (elem $dropped func $f) (elem $kept func $f)
            (func $f)
            (func (export "main") (result i32) (elem.drop $dropped) {text} (i32.const 6)))"#
    )
}

/// What the table operators do not do.
const TABLE_TRAPS: [&str; 9] = [
    "(drop (table.get $t (i32.const 4)))",
    "(table.set $t (i32.const -1) (ref.null func))",
    "(table.fill $t (i32.const 3) (ref.null func) (i32.const 2))",
    "(table.copy $t $u (i32.const 1) (i32.const 0) (i32.const 4))",
    "(table.copy $t $u (i32.const 0) (i32.const 5) (i32.const 0))",
    "(table.init $t $kept (i32.const 0) (i32.const 1) (i32.const 1))",
    "(table.init $t $dropped (i32.const 0) (i32.const 0) (i32.const 1))",
    "(call_indirect $u (i32.const 0))",
    "(call_indirect $u (i32.const 4))",
];

pub(super) fn programs() -> Vec<Program> {
    let program = |name: &str, text: &str, end: Status| Program {
        name: name.into(),
        text: text.into(),
        end,
    };
    let start = r#"(module (func (export "_start")))"#;
    let unreachable = r#"(module (func (export "main") (result i32) unreachable))"#;
    let mut out = vec![
        program("memory", MEMORY, Status::Halted(1)),
        program("control", CONTROL, Status::Halted(5)),
        program("tables", TABLES, Status::Halted(2)),
        program("start", start, Status::Halted(0)),
        program("unreachable", unreachable, Status::Trapped),
        program("tables, nothing", &on_tables(""), Status::Halted(6)),
    ];
    out.extend(TABLE_TRAPS.map(|text| program(text, &on_tables(text), Status::Trapped)));
    out
}
