//! Loops of all lengths, whose steps compiled code counts some iterations at a time, and stores that it notes together.

use crate::harness::program;
use assay_types::Status;

/// Loops with a start and a bound in `$i` and `$n`, each keeping what it has passed in `$s`.
const LOOPS: [&str; 7] = [
    // Left at the end.
    "(loop $l (call_like) (br_if $l (i32.lt_u (local.get $i) (local.get $n))))",
    // Left at the start, to a block around it.
    "(block $out (loop $l (br_if $out (i32.ge_u (local.get $i) (local.get $n))) (call_like) (br $l)))",
    // Left from within, without and with a condition.
    "(block $out (loop $l
       (if (i32.gt_u (local.get $i) (local.get $n)) (then (local.set $s (i32.add (local.get $s) (i32.const 100))) (br $out)))
       (call_like) (br_if $out (i32.eq (local.get $i) (i32.const 5))) (br $l)))",
    // Goes on from within, and leaves by its end otherwise.
    "(loop $l (call_like)
       (if (i32.and (local.get $i) (i32.const 1)) (then (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
         (else (br_if $l (i32.le_u (local.get $i) (local.get $n))))))",
    // Gives a value.
    "(local.set $s (i32.add (loop $l (result i32) (call_like) (br_if $l (i32.lt_u (local.get $i) (local.get $n))) (local.get $s))
       (i32.const 3)))",
    // Through a table, to the start and to a block inside.
    "(loop $l (call_like) (block $end (block $b
       (br_table $b $l $end (i32.lt_u (local.get $i) (local.get $n))))))",
    // Two, one in the other, left both at once.
    "(block $out (loop $o (loop $l (call_like) (br_if $out (i32.eq (local.get $s) (i32.const 77)))
       (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
       (local.set $i (i32.sub (local.get $i) (i32.const 1)))
       (br_if $o (i32.lt_u (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 100)))))",
];

/// What each iteration does: a store whose place depends on it, and a sum of what it has seen.
const BODY: &str = "(i32.store8 offset=1000 (i32.mul (local.get $i) (i32.const 37)) (local.get $s))
    (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 3)) (local.get $i)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))";

/// `steps` calls of a step that does `body` `times` times with $n from 0 on, and keeps $s.
fn looping(body: &str, times: u32, steps: u32, b: u32) -> String {
    let body = body.replace("(call_like)", BODY);
    let one = format!(
        "(local.set $i (i32.const 0)) {body}
         (i32.store offset=3000 (i32.and (i32.shl (local.get $n) (i32.const 2)) (i32.const 0xfff)) (local.get $s))"
    );
    let all: String = (0..times)
        .map(|n| format!("(local.set $n (i32.add (global.get $r) (i32.const {n}))) {one}"))
        .collect();
    format!(
        r#"(module (memory 1 1) (global $r (mut i32) (i32.const 0)) (@custom "assay" "a={}\nb={b}")
        (func (export "step") (result i32) (local $i i32) (local $n i32) (local $s i32)
          {all}
          (global.set $r (i32.add (global.get $r) (i32.const 1)))
          (i32.eq (global.get $r) (i32.const {steps}))))"#,
        50 - b
    )
}

#[test]
fn loops_of_all_lengths_and_ways_out_agree() {
    for body in LOOPS {
        let wat = looping(body, 14, 3, 16);
        assert_eq!(program(&wat).agree(5), Status::Halted(0), "{body}");
    }
}

/// Short loops take less than half of a macro step, and would take more were iterations counted that are not done.
#[test]
fn iterations_that_are_not_done_are_not_counted() {
    let ways = [
        "(loop $l (call_like) (br_if $l (i32.eqz (local.get $i))))",
        "(block $out (loop $l (br_if $out (local.get $i)) (call_like) (br $l)))",
        "(block $out (loop $l (call_like) (if (local.get $i) (then (br $out))) (br $l)))",
    ];
    for body in ways {
        // 60 or so of about 15 steps.
        let wat = looping(body, 60, 2, 12);
        assert_eq!(program(&wat).agree(4), Status::Halted(0), "{body}");
        let wat = looping(body, 180, 2, 12);
        program(&wat).agree_interpreting(2);
    }
}

/// Stores from one local at offsets that lie in one block of the map, in two, and further apart; the local changes between
/// them, a branch leaves between them, and what was read before a change keeps its old value.
#[test]
fn neighbouring_stores_are_noted_whatever_lies_between() {
    let stores = |at: &[u32]| -> String {
        let all = at.iter().enumerate();
        all.map(|(i, at)| {
            format!(
                "(i32.store offset={at} (local.get $p) (i32.add (local.get $v) (i32.const {i})))"
            )
        })
        .collect()
    };
    let bodies = [
        stores(&[0, 4, 8, 300]),
        stores(&[508, 0, 252]),
        stores(&[0, 509, 2000, 2511, 1000]),
        stores(&[60000, 4, 30000, 8, 61000]),
        format!("{} (local.set $p (i32.add (local.get $p) (i32.const 700))) {}", stores(&[0, 16]), stores(&[0, 16])),
        format!(
            "{} (i32.store (local.tee $p (i32.add (local.get $p) (i32.const 1400))) (local.get $v)) {}",
            stores(&[100]),
            stores(&[1024])
        ),
        format!(
            "(block $out {} (br_if $out (i32.and (local.get $v) (i32.const 1))) {})",
            stores(&[0, 400]),
            stores(&[2048, 2100])
        ),
        // The address was read before the local changed.
        "(i32.store (local.get $p) (local.tee $p (i32.add (local.get $p) (i32.const 4096))))
         (i32.store offset=8 (local.get $p) (local.get $v))"
            .into(),
        "(i32.store (i32.const 5000) (local.get $v)) (i32.store offset=3 (i32.const 5119) (local.get $v))
         (v128.store (i32.const 5624) (i32x4.splat (local.get $v)))"
            .into(),
    ];
    for body in bodies {
        for start in [0, 1, 509, 511, 4000] {
            let wat = format!(
                r#"(module (memory 2 2) (global $r (mut i32) (i32.const 0)) (@custom "assay" "a=38\nb=12")
                (func (export "step") (result i32) (local $p i32) (local $v i32)
                  (global.set $r (i32.add (global.get $r) (i32.const 1)))
                  (local.set $v (i32.mul (global.get $r) (i32.const 0x01010103)))
                  (local.set $p (i32.const {start}))
                  {body}
                  (i32.eq (global.get $r) (i32.const 4))))"#
            );
            assert_eq!(
                program(&wat).agree(5),
                Status::Halted(0),
                "from {start}: {body}"
            );
        }
    }
}

/// Globals' leaves are rehashed where they have changed, and only there.
#[test]
fn globals_far_apart_keep_their_roots() {
    let globals: String = (0..70)
        .map(|i| format!("(global $g{i} (mut i64) (i64.const {i}))"))
        .collect();
    let sets: String = [3, 17, 69]
        .iter()
        .map(|i| format!("(if (i64.eq (global.get $g0) (i64.const {i})) (then (global.set $g{i} (i64.const -1))))"))
        .collect();
    let wat = format!(
        r#"(module {globals} (@custom "assay" "a=38\nb=12")
        (func (export "step") (result i32)
          (global.set $g0 (i64.add (global.get $g0) (i64.const 1)))
          {sets}
          (i64.eq (global.get $g0) (i64.const 71))))"#
    );
    assert_eq!(program(&wat).agree(73), Status::Halted(0));
}
