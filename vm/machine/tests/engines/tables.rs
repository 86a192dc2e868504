//! Tables, references, segments, and what globals and tables start from.

use crate::harness::program;
use assay_machine::isa::Op;
use assay_types::Status;
use assay_types::params::{DATA_DROPPED_BASE, ELEM_DROPPED_BASE, TABLE_ELEMENTS, TABLE_SIZE_BASE};

/// A module whose step runs `body` three times; `$r` is the number of the macro step, from 1 on, and `$p` an address.
fn thrice(declarations: &str, body: &str) -> String {
    format!(
        r#"(module (memory 1 1) (global $r (mut i32) (i32.const 0)) (@custom "assay" "a=34\nb=16")
        (type $f (func (result i32)))
        {declarations}
        (func $one (type $f) (i32.const 1)) (func $two (type $f) (i32.const 2)) (func $three (type $f) (i32.const 3))
        (func $other (param i64))
        (func (export "step") (result i32) (local $r i32) (local $i i32)
          (global.set $r (local.tee $r (i32.add (global.get $r) (i32.const 1))))
          {body}
          (i32.eq (local.get $r) (i32.const 3))))"#
    )
}

fn agrees(declarations: &str, body: &str) {
    let p = program(&thrice(declarations, body));
    assert_eq!(p.agree(4), Status::Halted(0), "{declarations} {body}");
    p.replays(100);
}

fn traps(declarations: &str, body: &str) {
    let p = program(&thrice(declarations, body));
    assert_eq!(p.agree(4), Status::Trapped, "{declarations} {body}");
}

#[test]
fn elements_are_read_written_and_called() {
    agrees(
        "(table $t 3 funcref) (table $u 40 funcref) (elem (table $u) (i32.const 20) func $one $two) (elem declare func $three $other)
         (func $call (param i32) (result i32) (call_indirect $u (type $f) (local.get 0)))",
        "(table.set $u (i32.const 33) (table.get $u (i32.add (i32.const 19) (i32.and (local.get $r) (i32.const 1)))))
         (i32.store (i32.const 0) (ref.is_null (table.get $u (i32.const 33))))
         (table.set $u (i32.const 17) (ref.func $three))
         (i32.store (i32.const 4) (call $call (i32.const 17)))
         (i32.store (i32.const 8) (call $call (i32.const 21)))
         (table.set $u (i32.const 21) (table.get $u (i32.const 20)))
         (table.set $t (i32.const 2) (table.get $u (i32.const 21)))
         (i32.store (i32.const 12) (call_indirect $t (type $f) (i32.const 2)))
         (i32.store (i32.const 16) (i32.add (table.size $t) (i32.shl (table.size $u) (i32.const 8))))
         (table.set $t (i32.const 2) (ref.null func))
         (table.set $t (i32.sub (local.get $r) (i32.const 1)) (ref.func $other))",
    );
}

#[test]
fn growth_fills_what_is_new_and_ends_at_the_maximum() {
    let p = program(&thrice(
        "(table $a 5 funcref) (table $t 10 100 funcref) (table $u 20 funcref) (elem (table $u) (i32.const 0) func $one) (elem declare func $two)",
        "(i32.store (i32.const 0) (table.grow $t (ref.func $one) (i32.const 29)))
         (i32.store (i32.const 4) (call_indirect $t (type $f) (i32.add (i32.const 37) (local.get $r))))
         (i32.store (i32.const 8) (table.grow $t (ref.null func) (i32.const 0)))
         (i32.store (i32.const 12) (table.grow $t (ref.func $two) (i32.const 91)))
         (i32.store (i32.const 16) (table.grow $t (ref.func $two) (i32.const -1)))
         (i32.store (i32.const 20) (table.size $t))",
    ));
    let tables = &p.lowered.tables;
    let places: Vec<_> = tables.iter().map(|t| (t.base, t.capacity)).collect();
    assert_eq!(places, [(0, 5), (16, 100), (128, 20)]);
    let mut machine = p.machine();
    machine.run(0, 3 << 16);
    let words: Vec<u8> = machine.memory[..24].iter().step_by(4).copied().collect();
    assert_eq!(words, [68, 1, 97, 255, 255, 97]);
    assert_eq!(machine.globals[TABLE_SIZE_BASE as usize + 1], 97 | 16 << 32);
    assert_eq!(p.agree(4), Status::Halted(0));
    p.replays(200);
}

#[test]
fn only_tables_that_grow_have_room_to() {
    let places = |declarations: &str, body: &str| {
        let p = program(&thrice(declarations, body));
        let places: Vec<_> = p
            .lowered
            .tables
            .iter()
            .map(|t| (t.base, t.capacity))
            .collect();
        places
    };
    let grow = "(drop (table.grow $t (ref.null func) (i32.const 1)))";
    let tables = "(table $t 7 funcref) (table $u 1 90000 funcref)";
    assert_eq!(places(tables, ""), [(0, 7), (16, 1)]);
    assert_eq!(places(tables, grow), [(0, 7 + 65536), (65552, 1)]);
    // Dead code counts: what a module may do is not a matter of control flow.
    let dead = format!("(if (i32.const 0) (then (return (i32.const 9)) {grow}))");
    assert_eq!(places(tables, &dead), [(0, 7 + 65536), (65552, 1)]);
    let most = format!("(table $t {} funcref)", TABLE_ELEMENTS);
    assert_eq!(places(&most, ""), [(0, TABLE_ELEMENTS)]);
}

#[test]
fn fills_copies_and_initial_elements_move_leaf_by_leaf() {
    agrees(
        "(table $t 80 funcref) (table $u 60 funcref)
         (elem (table $t) (i32.const 3) func $one $two $three)
         (elem $p funcref (ref.func $three) (ref.null func) (ref.func $two) (ref.func $one) (ref.func $two) (ref.func $other)
           (ref.func $two) (ref.func $two) (ref.func $one) (ref.func $one) (ref.null func) (ref.func $three)
           (ref.func $two) (ref.func $one) (ref.func $one) (ref.func $three) (ref.func $one) (ref.func $three) (ref.func $two))
         (elem $q func $two $one)",
        "(table.fill $u (i32.const 13) (ref.func $two) (i32.const 40))
         (table.copy $t $t (i32.const 10) (i32.const 3) (i32.const 50))
         (table.copy $t $t (i32.const 2) (i32.const 7) (i32.const 40))
         (table.copy $u $t (i32.const 1) (i32.const 9) (i32.const 37))
         (table.copy $t $u (i32.const 40) (i32.const 3) (i32.const 37))
         (table.copy $t $u (i32.const 80) (i32.const 60) (i32.const 0))
         (if (i32.lt_u (local.get $r) (i32.const 3)) (then
           (table.init $u $p (i32.const 27) (i32.const 1) (i32.const 18))
           (table.init $t $q (i32.add (local.get $r) (i32.const 60)) (i32.const 0) (i32.const 2))))
         (if (i32.eq (local.get $r) (i32.const 2)) (then (elem.drop $p) (elem.drop $p)))
         (table.init $u $p (i32.const 60) (i32.const 0) (i32.const 0))
         (loop $n
           (i32.store8 (i32.add (local.get $i) (i32.const 64)) (ref.is_null (table.get $t (local.get $i))))
           (br_if $n (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 80))))",
    );
}

#[test]
fn table_operations_trap_alike_out_of_bounds() {
    let tables = "(table $t 10 funcref) (table $u 20 funcref) (elem $p func $one $two $three) (elem $a (table $t) (i32.const 0) func $one)
        (elem $d declare func $two)";
    for body in [
        "(drop (table.get $t (i32.const 10)))",
        "(drop (table.get $t (i32.const -1)))",
        "(table.set $t (i32.const 10) (ref.null func))",
        "(table.fill $t (i32.const 8) (ref.null func) (i32.const 3))",
        "(table.fill $t (i32.const 11) (ref.null func) (i32.const 0))",
        "(table.fill $t (i32.const 1) (ref.null func) (i32.const -1))",
        "(table.copy $t $u (i32.const 1) (i32.const 0) (i32.const 10))",
        "(table.copy $u $t (i32.const 0) (i32.const 5) (i32.const 6))",
        "(table.copy $u $t (i32.const 21) (i32.const 0) (i32.const 0))",
        "(table.init $t $p (i32.const 0) (i32.const 1) (i32.const 3))",
        "(table.init $t $p (i32.const 8) (i32.const 0) (i32.const 3))",
        "(elem.drop $p) (table.init $t $p (i32.const 0) (i32.const 0) (i32.const 1))",
        // Active and declared segments are dropped before the first state.
        "(table.init $t $a (i32.const 0) (i32.const 0) (i32.const 1))",
        "(table.init $t $d (i32.const 0) (i32.const 0) (i32.const 1))",
        "(drop (call_indirect $u (type $f) (i32.const 3)))",
    ] {
        traps(tables, body);
    }
    agrees(
        tables,
        "(table.init $t $a (i32.const 10) (i32.const 0) (i32.const 0)) (table.init $t $d (i32.const 0) (i32.const 0) (i32.const 0))
         (elem.drop $a) (elem.drop $d)",
    );
}

#[test]
fn every_write_to_a_table_is_noted() {
    let tables = "(table $t 90 funcref) (table $u 40 funcref) (elem $p func $one $two $three $one)
        (elem (table $u) (i32.const 0) func $three $two $one $other) (elem declare func $one)";
    for body in [
        "(table.set $t (local.get $r) (ref.func $one))",
        "(table.fill $t (local.get $r) (ref.func $one) (i32.const 2))",
        "(table.copy $t $u (i32.const 50) (local.get $r) (i32.const 1))",
        "(table.init $t $p (i32.const 70) (local.get $r) (i32.const 1))",
        "(drop (table.grow $t (ref.func $one) (i32.const 3)))",
    ] {
        agrees(tables, body);
    }
}

#[test]
fn references_are_values() {
    agrees(
        "(global $g (mut funcref) (ref.func $two)) (global $n funcref (ref.null func)) (global $x (mut externref) (ref.null extern))
         (table $t 4 funcref) (table $e 3 externref) (elem declare func $one $three)
         (func $choose (param funcref i32 externref) (result externref funcref)
           (local.get 2) (select (result funcref) (local.get 0) (ref.func $three) (local.get 1)))
         (func $null (param externref) (result i32) (ref.is_null (local.get 0)))",
        "(table.set $t (i32.const 0) (global.get $g))
         (i32.store (i32.const 0) (call_indirect $t (type $f) (i32.const 0)))
         (global.set $g (select (result funcref) (ref.func $one) (global.get $n) (i32.and (local.get $r) (i32.const 1))))
         (i32.store (i32.const 4) (ref.is_null (global.get $g)))
         (call $choose (global.get $g) (i32.sub (local.get $r) (i32.const 2)) (global.get $x))
         (global.set $g) (global.set $x)
         (i32.store (i32.const 8) (call $null (global.get $x)))
         (table.set $e (i32.const 1) (global.get $x))
         (i32.store (i32.const 12) (table.grow $e (table.get $e (i32.const 2)) (i32.const 5)))
         (table.fill $e (i32.const 0) (ref.null extern) (table.size $e))
         (if (ref.is_null (global.get $g)) (then (global.set $g (ref.func $one))))",
    );
}

#[test]
fn constant_expressions_reckon_and_refer() {
    let p = program(&thrice(
        "(global $a i32 (i32.const 7)) (global $b i32 (i32.add (global.get $a) (i32.mul (i32.const -3) (i32.const 0x60000000))))
         (global $v (mut v128) (v128.const i64x2 0x1122334455667788 -1))
         (global $c i64 (i64.sub (i64.const 1) (i64.mul (i64.const 0x100000001) (i64.const 0x100000003))))
         (global $w v128 (v128.const i32x4 1 2 3 4)) (global $copy v128 (global.get $w))
         (global $d f64 (f64.const -0.5)) (global $three funcref (ref.func $three)) (global $again funcref (global.get $three))
         (table $t 9 funcref (ref.func $two))
         (elem (table $t) (offset (i32.sub (global.get $a) (i32.const 5))) funcref (global.get $again) (ref.null func))
         (elem (table $t) (i32.const 3) func $one $other)
         (data (offset (i32.add (global.get $a) (i32.const 1000))) \"placed\")",
        "(i32.store (i32.const 0) (call_indirect $t (type $f) (local.get $r)))
         (i64.store (i32.const 8) (i64.add (global.get $c) (i64.extend_i32_u (global.get $b))))
         (f64.store (i32.const 16) (global.get $d))
         (v128.store (i32.const 32) (i32x4.add (global.get $v) (global.get $copy)))
         (global.set $v (v128.not (global.get $v)))",
    ));
    // Vectors take two cells, the first at an even one.
    assert_eq!(p.lowered.globals, [0, 1, 2, 4, 6, 8, 10, 12, 13, 14]);
    let image = &p.lowered.image;
    assert_eq!(
        image.globals[2],
        7u64.wrapping_sub(0x1_2000_0000) & 0xffff_ffff
    );
    assert_eq!(image.globals[4..6], [0x1122_3344_5566_7788, u64::MAX]);
    assert_eq!(image.globals[6], 1u64.wrapping_sub(0x4_0000_0003));
    assert_eq!(image.globals[10..12], [2 << 32 | 1, 4 << 32 | 3]);
    assert_eq!(image.globals[13], image.globals[14]);
    assert_eq!(&image.memory[1007..], b"placed");
    // $two, $two, then the first segment, over it the second, then $two again.
    let (two, table) = (image.table[0], &image.table);
    assert_eq!([table[1], table[5], table[8]], [two; 3]);
    assert_eq!(table[2], image.globals[13]);
    assert!(table[3] != 0 && table[3] != two && table[4] >> 32 != two >> 32);
    assert_eq!(table.len(), 9);
    assert_eq!(p.agree(4), Status::Halted(0));
    p.replays(60);
}

#[test]
fn segments_lie_behind_each_other_in_whole_leaves() {
    let p = program(&thrice(
        "(table $t 9 funcref) (elem $p func $one $two) (elem (table $t) (i32.const 0) func $three) (elem $q funcref (ref.null func) (ref.func $one))
         (data $d \"0123456789\") (data (i32.const 5) \"active\") (data $e \"abc\")",
        "(memory.init $d (i32.const 100) (i32.const 1) (i32.const 9)) (memory.init $e (i32.const 200) (i32.const 0) (i32.const 3))
         (table.init $t $q (i32.const 4) (i32.const 0) (i32.const 2)) (table.init $t $p (i32.const 7) (i32.const 0) (i32.const 2))
         (if (i32.eq (local.get $r) (i32.const 3)) (then (data.drop $d) (elem.drop $q)))",
    ));
    let image = &p.lowered.image;
    let cell =
        |at: usize| u64::from_le_bytes(image.segments[at..at + 8].try_into().expect("8 bytes"));
    assert_eq!(&image.segments[..10], b"0123456789");
    assert_eq!(&image.segments[128..131], b"abc");
    assert!(cell(256) != 0 && cell(264) != 0);
    assert_eq!((cell(384), cell(392)), (0, cell(256)));
    assert_eq!(image.segments.len(), 400);
    let flags = |base: u32| &image.globals[base as usize..base as usize + 3];
    assert_eq!(flags(ELEM_DROPPED_BASE), [0, 1, 0]);
    assert_eq!(flags(DATA_DROPPED_BASE), [0, 1, 0]);
    assert_eq!(p.agree(4), Status::Halted(0));
    let executed = p.replays(80);
    assert!(executed.contains(&Op::TableInit) && executed.contains(&Op::MemoryInit));
}

#[test]
fn a_start_function_and_an_entry_that_runs_once_see_tables() {
    let wat = r#"(module (table $t 2 4 funcref) (elem declare func $f) (start $s)
      (func $f (result i32) (i32.const 41))
      (func $s (table.set $t (i32.const 1) (ref.func $f)))
      (func (export "main") (result i32)
        (i32.add (table.grow $t (ref.null func) (i32.const 3)) (i32.add (i32.const 1) (call_indirect $t (result i32) (i32.const 1))))
        (i32.add (i32.const 1))))"#;
    assert_eq!(program(wat).agree(2), Status::Halted(42));
}
