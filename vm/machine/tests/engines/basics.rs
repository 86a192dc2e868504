//! Control, memory, read-only inputs, traps, limits, traces.

use crate::harness::program;
use assay_machine::access::replay::FixedRoots;
use assay_machine::step::replay;
use assay_machine::trace::{Interpreter, ProgramTrace, Trace};
use assay_types::Status;

const EVERYTHING: &str = r#"(module
  (import "assay" "read" (func $read (param i32 i64 i32 i32)))
  (memory 2 5)
  (type $unary (func (param i32) (result i32)))
  (table 4 funcref)
  (elem (i32.const 1) $double $square)
  (global $round (mut i32) (i32.const 0))
  (global $sum (mut i64) (i64.const -1))
  (data (i32.const 70000) "some text that lies in memory from the start, long enough to cross leaves: 0123456789")
  (data $passive "passive bytes, copied later")
  (@custom "assay" "volatile_log2=16\na=38\nb=12\nmax_pages=4")
  (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
  (func $square (type $unary) (i32.mul (local.get 0) (local.get 0)))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func $pair (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func $classify (param i32) (result i32)
    (block $c (block $b (block $a
      (br_table $a $b $c (local.get 0)))
      (return (i32.const 100)))
      (return (i32.const 200)))
    (i32.const 300))
  (func $sum_bytes (param $at i32) (param $n i32) (result i32) (local $s i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $n)))
      (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $next)))
    (local.get $s))
  (func (export "step") (result i32) (local $r i32) (local $x i32)
    (local.set $r (global.get $round))
    (global.set $round (i32.add (local.get $r) (i32.const 1)))
    ;; dirt in the volatile region, across pages and leaves
    (i64.store offset=4091 (i32.mul (local.get $r) (i32.const 3)) (i64.const 0x1122334455667788))
    (i32.store16 (i32.const 65535) (i32.const 0xbeef))
    (call $read (i32.const 0) (i64.const 3) (i32.const 70250) (i32.const 20))
    (call $read (i32.const 2) (i64.const 100) (i32.const 80001) (i32.const 700))
    (if (i32.eq (local.get $r) (i32.const 0)) (then
      (memory.init $passive (i32.const 90001) (i32.const 2) (i32.const 20))
      (data.drop $passive)))
    (memory.copy (i32.const 70010) (i32.const 70000) (i32.const 300))
    (memory.copy (i32.const 70000) (i32.const 70007) (i32.const 300))
    (memory.fill (i32.const 95000) (local.get $r) (i32.const 513))
    (local.set $x (call_indirect (type $unary) (i32.const 7) (i32.add (i32.const 1) (i32.and (local.get $r) (i32.const 1)))))
    (i32.store (i32.const 100000) (local.get $x))
    (i32.store (i32.const 100004) (call $fib (i32.const 6)))
    (i32.store (i32.const 100008) (call $classify (local.get $r)))
    (i32.store (i32.const 100012) (call $sum_bytes (i32.const 70000) (i32.const 60)))
    (i32.store (i32.const 100016) (memory.grow (i32.const 1)))
    (call $pair (local.get $r) (i64.const 77))
    (i32.store (i32.const 100020))
    (global.set $sum (i64.add (global.get $sum)))
    (f32.store (i32.const 100024) (f32.div (f32.convert_i32_u (local.get $r)) (f32.const 3)))
    (f32.store (i32.const 100028) (f32.sqrt (f32.const -1)))
    (i64.store (i32.const 100032) (select (i64.const 1) (i64.const 2) (local.get $r)))
    (i32.store (i32.const 100040) (memory.size))
    (i32.mul (i32.const 6) (i32.eq (local.get $r) (i32.const 5)))))"#;

#[test]
fn everything_agrees_at_every_yield_and_halts_with_its_code() {
    assert_eq!(program(EVERYTHING).agree(8), Status::Halted(5));
}

#[test]
fn everything_replays_from_witnesses() {
    let p = program(EVERYTHING);
    p.replays(4096 + 1500);
}

#[test]
fn the_volatile_region_was_dirty_and_is_cleared_at_a_yield() {
    let p = program(EVERYTHING);
    let mut m = p.machine();
    m.run(0, 60);
    assert!(
        m.memory[..65536].iter().any(|b| *b != 0),
        "the step writes the volatile region"
    );
    m.run(60, 4096 - 60);
    assert_eq!(m.cpu.status, Status::Yielded);
    assert!(
        m.memory[..65536].iter().all(|b| *b == 0),
        "a yield clears it"
    );
    assert_eq!(m.memory[65536], 0xbe, "and only it");
}

/// Every way to write memory, each in pages of its own, and across the end of one: `{}` is the address.
const WRITES: [&str; 18] = [
    "(i32.store (i32.const {}) (local.get $r))",
    "(i32.store8 (i32.const {}) (local.get $r))",
    "(i32.store16 (i32.const {}) (i32.mul (local.get $r) (i32.const 257)))",
    "(i64.store offset={} (i32.const 0) (i64.extend_i32_u (local.get $r)))",
    "(i64.store8 (i32.const {}) (i64.extend_i32_u (local.get $r)))",
    "(i64.store16 (i32.const {}) (i64.mul (i64.extend_i32_u (local.get $r)) (i64.const 257)))",
    "(i64.store32 (i32.const {}) (i64.extend_i32_u (local.get $r)))",
    "(f32.store (i32.const {}) (f32.convert_i32_u (local.get $r)))",
    "(f64.store offset=1 (i32.sub (i32.const {}) (i32.const 1)) (f64.convert_i32_u (local.get $r)))",
    "(v128.store (i32.const {}) (i8x16.splat (local.get $r)))",
    "(v128.store8_lane 15 (i32.const {}) (i8x16.splat (local.get $r)))",
    "(v128.store16_lane 0 (i32.const {}) (i8x16.splat (local.get $r)))",
    "(v128.store32_lane 3 (i32.const {}) (i8x16.splat (local.get $r)))",
    "(v128.store64_lane 1 (i32.const {}) (i8x16.splat (local.get $r)))",
    "(memory.fill (i32.const {}) (local.get $r) (i32.const 3))",
    "(memory.copy (i32.const {}) (local.get $r) (i32.const 2))",
    "(memory.init $d (i32.const {}) (local.get $r) (i32.const 2))",
    "(call $read (i32.const 0) (i64.extend_i32_u (local.get $r)) (i32.const {}) (i32.const 2))",
];

#[test]
fn every_write_is_noted_in_its_own_page() {
    let mut bodies = Vec::new();
    // Every other 4 KiB page, from the second on; then over the ends of these pages.
    for end in [7, 4095] {
        let writes = WRITES.iter().enumerate();
        let body = writes.map(|(i, w)| w.replace("{}", &(8192 * (i + 1) + end).to_string()));
        bodies.push(body.collect::<String>());
    }
    for body in bodies {
        let wat = format!(
            r#"(module (import "assay" "read" (func $read (param i32 i64 i32 i32)))
            (memory 3 3) (global $r (mut i32) (i32.const 0)) (@custom "assay" "a=38\nb=12")
            (data (i32.const 0) "\09\07\05\03\01") (data $d "abcdefgh")
            (func (export "step") (result i32) (local $r i32)
              (global.set $r (local.tee $r (i32.add (global.get $r) (i32.const 1))))
              {body}
              (i32.eq (local.get $r) (i32.const 4))))"#
        );
        assert_eq!(program(&wat).agree(5), Status::Halted(0), "{body}");
    }
}

fn step_of(body: &str) -> String {
    format!(
        r#"(module (memory 1 1) (global $n (mut i32) (i32.const 0)) (@custom "assay" "a=40\nb=10")
        (func $deep (param i32) (result i32) (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))
        (func (export "step") (result i32) {body}))"#
    )
}

#[test]
fn traps_agree() {
    for body in [
        "(unreachable)",
        "(i32.div_s (i32.const 1) (global.get $n))",
        "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
        "(i32.load (i32.const 65533))",
        "(i32.load offset=4294967295 (i32.const 1))",
        "(memory.fill (i32.const 65000) (i32.const 1) (i32.const 537)) (i32.const 1)",
        "(i32.trunc_f32_s (f32.const 3e9))",
    ] {
        assert_eq!(program(&step_of(body)).agree(3), Status::Trapped, "{body}");
    }
}

#[test]
fn a_macro_step_too_long_traps_and_one_near_the_limit_does_not() {
    assert_eq!(
        program(&step_of("(loop (br 0)) (i32.const 0)")).agree_interpreting(2),
        Status::Trapped
    );
    // 800 or so of 1024 steps: over half, so the compiled engine must let the interpreter decide.
    let near = "(local $i i32) (loop (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 260))))
        (global.set $n (i32.add (global.get $n) (i32.const 1))) (i32.eq (global.get $n) (i32.const 3))";
    assert_eq!(
        program(&step_of(near)).agree_interpreting(5),
        Status::Halted(0)
    );
}

#[test]
fn stack_overflow_traps_at_the_same_depth() {
    let body = |depth: u32| {
        format!(
            r#"(module (@custom "assay" "stack_cells=4096") (func $deep (param i32) (result i32) (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))
            (func (export "main") (result i32) (call $deep (i32.const {depth}))))"#
        )
    };
    let halts = |depth| matches!(program(&body(depth)).agree(2), Status::Halted(d) if d == depth);
    let deepest = (1..1024)
        .rev()
        .find(|&d| halts(d))
        .expect("some depth fits");
    assert_eq!(program(&body(deepest + 1)).agree(2), Status::Trapped);
    assert!(deepest > 200, "{deepest} calls fit 4096 cells");
}

#[test]
fn a_trace_gives_the_same_roots_from_either_engine_and_provable_steps() {
    let p = program(EVERYTHING);
    let indices: Vec<u64> = [
        0,
        1,
        2,
        700,
        4095,
        4096,
        4097,
        5000,
        8191,
        8192,
        6 << 12,
        1 << 49,
        1 << 50,
    ]
    .to_vec();
    let a = ProgramTrace::new(Interpreter::new(p.machine()))
        .roots(&indices)
        .expect("infallible");
    let mut compiled = ProgramTrace::new(p.compiled());
    assert_eq!(a, compiled.roots(&indices).expect("result"));
    assert_eq!(a[12], assay_types::state::halted_root(5));
    let fixed = FixedRoots {
        code: p.lowered.image.program.code,
        segments: p.lowered.image.program.segments,
        roms: [0, 1, 2].map(|i| p.roms[i].root()),
    };
    for (at, &index) in indices.iter().enumerate().take(8) {
        let witness = compiled.witness(index).expect("result");
        let (before, after) =
            replay(&p.lowered.image.limits, &fixed, index, &witness).expect("replays");
        assert_eq!(before, a[at]);
        assert_eq!(after, compiled.roots(&[index + 1]).expect("result")[0]);
    }
}

#[test]
fn the_initial_state_is_the_programs() {
    let p = program(EVERYTHING);
    assert_eq!(p.machine().header(), p.lowered.image.program.initial());
}

#[test]
fn main_may_have_two_parameters_which_are_zero() {
    // The start function leaves its locals where the parameters of `main` are going to be.
    let program = program(
        r#"(module
            (global $g (mut i32) (i32.const 0))
            (func $dirt (local i64 i64 i64)
                (local.set 0 (i64.const -1)) (local.set 1 (i64.const -1)) (local.set 2 (i64.const -1))
                (global.set $g (i32.const 40)))
            (start $dirt)
            (func (export "main") (param i32 i32) (result i32)
                (i32.add (global.get $g) (i32.or (local.get 0) (local.get 1)))))"#,
    );
    assert_eq!(program.agree(2), Status::Halted(40));
    program.replays(30);
}
