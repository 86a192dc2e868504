//! Values one and two cells wide in frames: locals, parameters, results, blocks, branches, calls, recursion.

use crate::harness::program;
use assay_types::Status;
use assay_types::params::STACK_CELLS;

/// A module whose step calls `$run` with the number of the macro step, 1 or 2. `$i`, `$l`, `$d` and `$v` keep an i32, an
/// i64, an f64 or a vector in memory, one after another.
fn twice(functions: &str) -> String {
    format!(
        r#"(module (memory 1 1) (global $r (mut i32) (i32.const 0)) (global $at (mut i32) (i32.const 0))
        (@custom "assay" "a=38\nb=12")
        (func $next (result i32) (global.get $at) (global.set $at (i32.add (global.get $at) (i32.const 16))))
        (func $i (param i32) (i32.store (call $next) (local.get 0)))
        (func $l (param i64) (i64.store (call $next) (local.get 0)))
        (func $d (param f64) (f64.store (call $next) (local.get 0)))
        (func $v (param v128) (v128.store (call $next) (local.get 0)))
        {functions}
        (func (export "step") (result i32)
          (global.set $r (i32.add (global.get $r) (i32.const 1)))
          (call $run (global.get $r))
          (i32.eq (global.get $r) (i32.const 2))))"#
    )
}

fn agrees(functions: &str) {
    let p = program(&twice(functions));
    assert_eq!(p.agree(3), Status::Halted(0));
    p.replays(200);
}

#[test]
fn parameters_locals_and_results_of_mixed_widths() {
    agrees(
        "(func $mix (param $a i32) (param $v v128) (param $b i64) (param $w v128) (param $c f64)
           (result v128 i32 v128 f64) (local $x v128) (local $i i32) (local $y v128)
           (local.set $x (i32x4.add (local.get $v) (local.get $w)))
           (local.set $i (i32.add (local.get $a) (i32.wrap_i64 (local.get $b))))
           (local.set $y (i64x2.splat (local.get $b)))
           (i32x4.sub (local.get $x) (local.get $y)) (local.get $i) (local.get $w) (local.get $c))
         (func $swap (param v128 i32 v128) (result v128 i32 v128) (local.get 2) (local.get 1) (local.get 0))
         (func $first (param v128 i32 v128) (result i32)
           (i32.add (local.get 1) (i32x4.extract_lane 2 (i32x4.sub (local.get 0) (local.get 2)))))
         (func $run (param $r i32)
           (call $mix (local.get $r) (v128.const i32x4 1 2 3 4) (i64.const 10) (i32x4.splat (local.get $r)) (f64.const 2.5))
           call $d call $v call $i call $v
           ;; arguments that are results, behind an odd number of cells
           (i32.add (local.get $r)
             (call $first (call $swap (v128.const i32x4 9 8 7 6) (i32.const 7) (v128.const i64x2 5 6))))
           call $i
           (call $swap (i32x4.splat (local.get $r)) (local.get $r) (v128.const i64x2 5 6))
           call $v call $i call $v)",
    );
}

#[test]
fn an_entry_that_reads_a_local_outlives_its_change() {
    agrees(
        "(func $run (param $r i32) (local $v v128) (local $w v128)
           (local.set $v (i32x4.splat (local.get $r)))
           (local.get $v)
           (local.set $v (v128.const i32x4 9 8 7 6))
           (local.set $w (i32x4.add (local.get $v)))
           (call $v (local.get $w))
           ;; tee of a constant, then of a vector whose halves are written apart
           (call $v (local.tee $v (v128.const i64x2 3 4)))
           (call $v (local.tee $w (v128.load64_zero (i32.const 8))))
           (call $v (i64x2.add (local.get $v) (local.tee $v (v128.load32_zero (i32.const 4)))))
           (call $v (i64x2.add (local.get $v) (local.get $w)))
           ;; a local to itself, and two exchanged
           (local.set $w (local.get $w))
           (local.get $w) (local.set $w (local.get $v)) (local.set $v)
           (call $v (local.get $v)) (call $v (local.get $w)))",
    );
}

#[test]
fn a_vector_written_in_two_halves_is_not_redirected() {
    // Were the second half's instruction taken for the whole value's, the first half would stay behind.
    agrees(
        "(global $g (mut v128) (v128.const i64x2 11 12))
         (func $halves (result v128) (v128.load64_zero (i32.const 0)))
         (func $global (result v128) (global.get $g))
         (func $run (param $r i32) (local $v v128)
           (i64.store (i32.const 0) (i64.const 77))
           (local.set $v (v128.load32_zero (i32.const 0))) (call $v (local.get $v))
           (local.set $v (global.get $g)) (call $v (local.get $v))
           (call $v (call $halves)) (call $v (call $global))
           (global.set $g (i64x2.add (global.get $g) (local.get $v))) (call $v (global.get $g)))",
    );
}

#[test]
fn blocks_that_take_and_leave_vectors() {
    agrees(
        "(func $run (param $r i32) (local $v v128) (local $i i32)
           (i32.const 5) (v128.const i32x4 1 2 3 4) (f64.const 1.5)
           (block $b (param v128 f64) (result f64 v128 i32)
             (local.set $i (i32.trunc_f64_s)) (local.set $v)
             (f64.const 8) (i32x4.add (local.get $v) (i32x4.splat (local.get $i))) (i32.const 3)
             (br_if $b (i32.eq (local.get $r) (i32.const 1)))
             (drop) (drop) (drop)
             (f64.const 9) (v128.not (local.get $v)) (i32.const 4))
           call $i call $v call $d call $i
           ;; a loop that carries a vector behind an odd number of cells
           (local.set $i (i32.const 3))
           (i64.const 1) (v128.const i64x2 1 1) (i32.const 77)
           (loop $l (param i64 v128 i32) (result i64 v128 i32)
             (drop) (local.set $v) (i64.add (i64.const 1))
             (i64x2.add (local.get $v) (local.get $v)) (local.get $i)
             (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
           call $i (local.set $v) call $l (call $v (local.get $v))
           ;; an if with both arms, and one without else
           (call $v (if (result v128) (i32.and (local.get $r) (i32.const 1))
             (then (local.get $v)) (else (v128.const i32x4 5 5 5 5))))
           (local.get $v)
           (if (param v128) (result v128) (i32.eqz (i32.and (local.get $r) (i32.const 1))) (then (v128.not)))
           call $v)",
    );
}

#[test]
fn branches_carry_vectors_down_past_what_they_drop() {
    agrees(
        "(func $pick (param $k i32) (result v128 i32 v128)
           (i32.const 9)
           (block $c (result v128 i32 v128)
             (i64.const 8)
             (block $b (param i64) (result v128 i32 v128)
               (i32.const 1)
               (block $a (result v128 i32 v128)
                 (f64.const 3) (f64.const 4)
                 (v128.const i32x4 1 2 3 4) (local.get $k) (i32x4.splat (local.get $k))
                 (br_table $a $b $c 3 $a (local.get $k)))
               (i32x4.add (v128.const i32x4 100 0 0 100))
               (br $b))
             (i32x4.add (v128.const i32x4 0 200 200 0)))
           (br 0))
         (func $run (param $r i32) (local $k i32)
           (loop $next
             (call $pick (local.get $k)) call $v call $i call $v
             (br_if $next (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 6)))))",
    );
}

#[test]
fn code_that_is_never_reached_has_no_effect() {
    agrees(
        "(func $run (param $r i32) (local $v v128)
           (block $b
             (br $b)
             (v128.const i64x2 1 2) (local.set $v)
             (loop $l (param) (result v128) (v128.const i64x2 0 0) (br_if $l (i32.const 1)))
             (call $v) (call $run (i32.const 3))
             (if (i32.const 1) (then (unreachable)) (else (br $b))))
           (call $v (local.get $v))
           (block (result v128 i32)
             (v128.const i32x4 4 3 2 1) (i32.const 6) (br 0)
             (drop) (i32.const 1) (drop) (i32.const 2))
           call $i call $v
           (if (i32.eq (local.get $r) (i32.const 7)) (then (return) (unreachable)))
           (call $i (local.get $r)))",
    );
}

#[test]
fn indirect_calls_pass_vectors_and_check_types() {
    let functions = |index: &str| {
        format!(
            "(type $t (func (param i32 v128) (result v128 i32))) (type $u (func (param v128 i32) (result v128 i32)))
             (type $same (func (param i32 v128) (result v128 i32)))
             (table 8 funcref) (elem (i32.const 1) $inc $other $dec)
             (func $inc (type $same) (i32x4.add (local.get 1) (i32x4.splat (local.get 0))) (i32.add (local.get 0) (i32.const 1)))
             (func $dec (type $t) (i32x4.sub (local.get 1) (i32x4.splat (local.get 0))) (i32.sub (local.get 0) (i32.const 1)))
             (func $other (type $u) (local.get 0) (local.get 1))
             (func $run (param $r i32)
               (i64.const 5)
               (call_indirect (type $t) (local.get $r) (v128.const i32x4 1 2 3 4) {index})
               call $i call $v call $l
               (call_indirect (type $u) (v128.const i32x4 1 2 3 4) (local.get $r) (i32.const 2))
               call $i call $v)"
        )
    };
    agrees(&functions("(i32.const 1)"));
    // 1 or 3: the index is computed, so its slot is in the way of the arguments.
    let computed =
        "(i32.sub (i32.const 3) (i32.shl (i32.and (local.get $r) (i32.const 1)) (i32.const 1)))";
    agrees(&functions(computed));
    for index in [
        "(i32.const 0)",
        "(i32.const 2)",
        "(i32.const 7)",
        "(i32.const 8)",
        "(i32.const -1)",
    ] {
        let p = program(&twice(&functions(index)));
        assert_eq!(p.agree(3), Status::Trapped, "{index}");
    }
}

#[test]
fn wide_frames_end_at_the_same_depth() {
    let body = |cells: u32, depth: u32| {
        format!(
            r#"(module (@custom "assay" "stack_cells={cells}")
            (func $deep (param $v v128) (param $n i32) (param $w v128) (result v128 i32) (local $x v128) (local $y i64)
              (if (result v128 i32) (local.get $n)
                (then
                  (i32.const 1)
                  (call $deep (i32x4.add (local.get $v) (local.get $w)) (i32.sub (local.get $n) (i32.const 1)) (local.get $w))
                  (local.set $n) (local.set $x) (local.get $n) (i32.add) (local.set $n)
                  (local.get $x) (local.get $n))
                (else (local.get $v) (i32.const 0))))
            (func (export "main") (result i32)
              (call $deep (v128.const i32x4 0 0 0 0) (i32.const {depth}) (v128.const i32x4 1 0 0 0))
              (drop) (i32x4.extract_lane 0)))"#
        )
    };
    // The second is the whole register stack.
    for cells in [8192, STACK_CELLS] {
        let status = |depth| program(&body(cells, depth)).agree(2);
        let (mut low, mut high) = (1, cells / 8);
        assert_eq!(
            (status(low), status(high)),
            (Status::Halted(1), Status::Trapped)
        );
        while high - low > 1 {
            let middle = (low + high) / 2;
            match status(middle) {
                Status::Trapped => high = middle,
                Status::Halted(d) if d == middle => low = middle,
                other => panic!("depth {middle}: {other:?}"),
            }
        }
        assert!(low > cells / 40, "{low} calls fit {cells} cells");
    }
}
