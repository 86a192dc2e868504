//! Random programs: blocks, branches and calls whose operands are of all widths.
//!
//! A count of fuel ends every loop and every recursion. Results are kept in memory, so a value in the wrong cells shows
//! in the next root.

mod generator;
mod types;

use crate::harness::program;
use assay_types::Status;
use generator::Generator;
use types::{default, list};

/// A program of six functions; its step calls the first ones and keeps what they give.
fn random_program(seed: u64) -> String {
    let g = Generator::new(seed, 6);
    let mut head = String::new();
    for (i, s) in g.signatures.iter().enumerate() {
        let (params, results) = (list("param", &s.params), list("result", &s.results));
        head += &format!("(type $t{i} (func {params} {results}))\n");
    }
    let mut calls = String::new();
    for (i, s) in g.signatures.iter().enumerate() {
        calls += &s.params.iter().map(|t| default(*t)).collect::<String>();
        calls += &format!("call $f{i}\n");
        for ty in s.results.iter().rev() {
            calls += &format!("call $keep_{}\n", ty.name());
        }
    }
    format!(
        r#"(module (memory 1 1) (global $fuel (mut i32) (i32.const 0)) (global $at (mut i32) (i32.const 0))
        (global $i32 (mut i32) (i32.const 3)) (global $i64 (mut i64) (i64.const -4)) (global $f32 (mut f32) (f32.const 1.5))
        (global $f64 (mut f64) (f64.const 2.25)) (global $v128 (mut v128) (v128.const i32x4 -1 2 -3 4))
        (global $funcref (mut funcref) (ref.null func)) (global $round (mut i32) (i32.const 0))
        (table 6 funcref) (elem (i32.const 0) $f0 $f1 $f2 $f3 $f4 $f5)
        (@custom "assay" "a=28\nb=22")
        {head}
        (func $next (result i32) (global.get $at)
          (global.set $at (i32.and (i32.add (global.get $at) (i32.const 16)) (i32.const 0xfff0))))
        (func $keep_i32 (param i32) (i32.store (call $next) (local.get 0)))
        (func $keep_i64 (param i64) (i64.store (call $next) (local.get 0)))
        (func $keep_f32 (param f32) (f32.store (call $next) (local.get 0)))
        (func $keep_f64 (param f64) (f64.store (call $next) (local.get 0)))
        (func $keep_v128 (param v128) (v128.store (call $next) (local.get 0)))
        (func $keep_funcref (param funcref) (global.set $funcref (local.get 0)))
        {}
        (func (export "step") (result i32)
          (global.set $fuel (i32.const 200))
          {calls}
          (global.set $round (i32.add (global.get $round) (i32.const 1)))
          (i32.eq (global.get $round) (i32.const 3))))"#,
        g.functions()
    )
}

#[test]
fn random_programs_agree() {
    for seed in 0..120 {
        let wat = random_program(seed);
        let status = std::panic::catch_unwind(|| program(&wat).agree(4));
        assert_eq!(status.ok(), Some(Status::Halted(0)), "seed {seed}:\n{wat}");
    }
}

#[test]
fn random_programs_replay() {
    for seed in 1000..1006 {
        program(&random_program(seed)).replays(500);
    }
}
