//! The module `spectest` that the suite imports from, in parts: only what can change is shared by a script's modules.

use crate::module::Module;

/// What nothing changes: its functions do nothing.
const CONSTANT: &str = r#"(module
  (global (export "global_i32") i32 (i32.const 666))
  (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6))
  (global (export "global_f64") f64 (f64.const 666.6))
  (func (export "print"))
  (func (export "print_i32") (param i32))
  (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32))
  (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32))
  (func (export "print_f64_f64") (param f64 f64)))"#;

const TABLE: &str = r#"(module (table (export "table") 10 20 funcref))"#;
const MEMORY: &str = r#"(module (memory (export "memory") 1 2))"#;

/// The parts, each with whether it is constant.
pub fn parts() -> [(Module, bool); 3] {
    [(CONSTANT, true), (TABLE, false), (MEMORY, false)].map(|(text, constant)| {
        let wasm = wat::parse_str(text).expect("the text above is a module");
        let module = Module::parse(&wasm).expect("the text above is a module");
        (module, constant)
    })
}
