//! What can't be proven is refused, with the reason and the byte offset.

use assay_machine::lower::{LowerError, lower};

const MAIN: &str = r#"(func (export "main") (result i32) (i32.const 0))"#;

/// The refusal of a module with these fields and a `main`, and the module.
fn refusal(fields: &str) -> (LowerError, Vec<u8>) {
    let wat = format!("(module {fields} {MAIN})");
    let wasm = wat::parse_str(&wat).unwrap_or_else(|e| panic!("{wat}: {e}"));
    match lower(&wasm) {
        Ok(_) => panic!("{wat} is accepted"),
        Err(error) => (error, wasm),
    }
}

/// The fields are refused for a reason with these words, at an offset where the module has these bytes.
fn refused(feature: &str, fields: &str, words: &str, bytes: &[u8]) {
    let (error, wasm) = refusal(fields);
    assert!(error.reason.contains(words), "{feature}: {error}");
    let there = &wasm[error.offset as usize..];
    let shown = &there[..there.len().min(8)];
    assert!(there.starts_with(bytes), "{feature}: {error}: {shown:02x?}");
    let offset = format!("{:#x}", error.offset);
    assert!(error.to_string().contains(&offset), "{feature}: {error}");
}

#[test]
fn the_module_around_the_refused_parts_is_accepted() {
    let wat = format!("(module (memory 1) (table 1 funcref) {MAIN})");
    assert!(lower(&wat::parse_str(&wat).expect("parses")).is_ok());
}

/// Feature, fields of a module, words of the reason, bytes at the offset.
type Row = (&'static str, &'static str, &'static str, &'static [u8]);

const INSTRUCTIONS: &[Row] = &[
    (
        "threads: a load",
        "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
        "threads",
        &[0xfe, 0x10],
    ),
    (
        "threads: a fence",
        "(func (atomic.fence))",
        "threads",
        &[0xfe, 0x03],
    ),
    (
        "relaxed SIMD",
        "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
        "relaxed SIMD",
        &[0xfd, 0x80, 0x02],
    ),
    (
        "exceptions: throw",
        "(tag $t) (func (throw $t))",
        "exceptions",
        &[0x01, 0x00, 0x00],
    ),
    (
        "exceptions: try_table",
        "(func (try_table (nop)))",
        "exceptions",
        &[0x1f],
    ),
    (
        "tail calls",
        "(func $f (return_call $f))",
        "tail calls",
        &[0x12],
    ),
    (
        "tail calls: indirect",
        "(table 1 funcref) (type $t (func)) (func (return_call_indirect (type $t) (i32.const 0)))",
        "tail calls",
        &[0x13],
    ),
    (
        "GC: an i31",
        "(func (drop (ref.i31 (i32.const 1))))",
        "RefI31 (proposal gc)",
        &[0xfb, 0x1c],
    ),
    (
        "GC: a cast",
        "(func (drop (ref.test funcref (ref.null func))))",
        "RefTestNullable (proposal gc)",
        &[0xfb, 0x15],
    ),
    (
        "GC: comparing",
        "(func (drop (ref.eq (ref.null eq) (ref.null eq))))",
        "eqref",
        &[0xd0, 0x6d],
    ),
    (
        "GC, in dead code",
        "(func (unreachable) (drop (ref.i31 (i32.const 1))))",
        "RefI31 (proposal gc)",
        &[0xfb, 0x1c],
    ),
    (
        "function references",
        "(elem declare func $f) (func $f (drop (ref.as_non_null (ref.func $f))))",
        "RefAsNonNull (proposal function_references)",
        &[0xd4],
    ),
    (
        "function references: a call",
        "(type $t (func)) (elem declare func $f) (func $f (call_ref $t (ref.func $f)))",
        "CallRef (proposal function_references)",
        &[0x14],
    ),
    (
        "function references: a typed null",
        "(type $t (func)) (func (drop (ref.null $t)))",
        "values of type",
        &[0xd0],
    ),
    (
        "a reference to the import",
        r#"(import "assay" "read" (func $read (param i32 i64 i32 i32))) (elem declare func $read) (func (drop (ref.func $read)))"#,
        "a reference to assay.read",
        &[0x00],
    ),
    (
        "a reference to the import, in code",
        r#"(import "assay" "read" (func $read (param i32 i64 i32 i32))) (export "r" (func $read)) (func (drop (ref.func $read)))"#,
        "a reference to assay.read",
        &[0xd2, 0x00],
    ),
    (
        "wide arithmetic",
        "(func (param i64) (drop (i64.mul_wide_s (local.get 0) (local.get 0))) (drop))",
        "wide arithmetic",
        &[0xfc, 0x15],
    ),
];

const TYPES: &[Row] = &[
    (
        "GC: a struct",
        "(type (struct (field i32)))",
        "gc proposal not supported",
        &[0x5f],
    ),
    (
        "GC: an array",
        "(type (array i8))",
        "gc proposal not supported",
        &[0x5e],
    ),
    (
        "GC: recursive types",
        "(rec (type (func)) (type (func)))",
        "gc proposal not supported",
        &[0x4e],
    ),
    (
        "GC: a type that may have subtypes",
        "(type (sub (func)))",
        "gc proposal not supported",
        &[0x50],
    ),
    (
        "GC: a parameter",
        "(func (param anyref))",
        "values of type anyref",
        &[0x60, 0x01, 0x6e],
    ),
    (
        "GC: a local",
        "(func (local i31ref))",
        "values of type i31ref",
        &[0x01, 0x6c],
    ),
    (
        "GC: a block",
        "(func (drop (block (result eqref) (unreachable))))",
        "values of type eqref",
        &[0x02, 0x6d],
    ),
    (
        "function references: a parameter",
        "(func (param (ref func)))",
        "values of type (ref func)",
        &[0x60, 0x01, 0x64],
    ),
    (
        "function references: a global",
        "(global (ref func) (ref.func $f)) (func $f)",
        "values of type (ref func)",
        &[0x64, 0x70],
    ),
    (
        "function references: a table",
        "(type $t (func)) (table 1 (ref null $t))",
        "values of type",
        &[0x63],
    ),
    (
        "function references: a select",
        "(type $t (func)) (func (drop (select (result (ref null $t)) (unreachable) (unreachable) (i32.const 1))))",
        "values of type",
        &[0x1c],
    ),
    (
        "exceptions: a reference",
        "(func (param exnref))",
        "exception",
        &[0x60, 0x01, 0x69],
    ),
    (
        "exceptions: a tag",
        "(tag (param i32))",
        "exceptions",
        &[0x01, 0x00, 0x00],
    ),
];

const MEMORIES: &[Row] = &[
    ("memory64", "(memory i64 1)", "memory64", &[0x04, 0x01]),
    (
        "memory64: a table",
        "(table i64 1 funcref)",
        "memory64",
        &[0x70, 0x04],
    ),
    (
        "multi-memory",
        "(memory 1) (memory 1)",
        "multiple memories",
        &[0x02, 0x00, 0x01],
    ),
    (
        "threads: a shared memory",
        "(memory 1 1 shared)",
        "threads",
        &[0x03, 0x01, 0x01],
    ),
    (
        "page sizes",
        "(memory 1 (pagesize 1))",
        "custom page sizes",
        &[0x08, 0x01],
    ),
    (
        "a memory larger than it may be",
        r#"(memory 3) (@custom "assay" "max_pages=2")"#,
        "above max_pages 2",
        &[0x00, 0x03],
    ),
    (
        "data in the volatile region",
        r#"(memory 1) (@custom "assay" "volatile_log2=7") (data (i32.const 127) "x")"#,
        "volatile region",
        &[0x00, 0x41, 0xff, 0x00],
    ),
    (
        "data outside the memory",
        r#"(memory 1) (data (i32.const 65535) "xy")"#,
        "does not fit linear memory",
        &[0x00, 0x41, 0xff, 0xff],
    ),
    (
        "elements outside the table",
        "(table 3 funcref) (elem (i32.const 2) $f $f) (func $f)",
        "does not fit its table",
        &[0x00, 0x41, 0x02],
    ),
    (
        "elements outside the table, wrapping",
        "(table 3 funcref) (elem (i32.const -1) $f) (func $f)",
        "does not fit its table",
        &[0x00, 0x41, 0x7f],
    ),
    (
        "too large a table",
        "(table 0x200001 funcref)",
        "2097152 elements in all",
        &[0x70],
    ),
    (
        "too large tables together",
        "(table 0x100000 funcref) (table 0x100001 funcref)",
        "2097152 elements in all",
        &[0x70, 0x00, 0x81],
    ),
    (
        "room to grow",
        "(table $t 0x1f0001 funcref) (func (drop (table.grow $t (ref.null func) (i32.const 1))))",
        "2097152 elements in all",
        &[0x70],
    ),
];

const IMPORTS: &[Row] = &[
    (
        "another function",
        r#"(import "env" "f" (func))"#,
        "import env.f: the only import is assay.read",
        b"\x03env",
    ),
    (
        "another type",
        r#"(import "assay" "read" (func (param i32 i32 i32 i32)))"#,
        "assay.read(i32, i64, i32, i32)",
        b"\x05assay",
    ),
    (
        "twice",
        r#"(import "assay" "read" (func (param i32 i64 i32 i32))) (import "assay" "read" (func (param i32 i64 i32 i32)))"#,
        "once",
        b"\x05assay",
    ),
    (
        "a memory",
        r#"(import "assay" "memory" (memory 1))"#,
        "import assay.memory",
        b"\x05assay",
    ),
    (
        "a table",
        r#"(import "assay" "table" (table 1 funcref))"#,
        "import assay.table",
        b"\x05assay",
    ),
    (
        "a global",
        r#"(import "assay" "global" (global i32))"#,
        "import assay.global",
        b"\x05assay",
    ),
];

#[test]
fn instructions_of_other_proposals_are_refused() {
    INSTRUCTIONS
        .iter()
        .for_each(|r| refused(r.0, r.1, r.2, r.3));
}

#[test]
fn types_that_no_cell_holds_are_refused() {
    TYPES.iter().for_each(|r| refused(r.0, r.1, r.2, r.3));
}

#[test]
fn memories_tables_and_segments_beyond_the_machine_are_refused() {
    MEMORIES.iter().for_each(|r| refused(r.0, r.1, r.2, r.3));
}

#[test]
fn imports_other_than_read_are_refused() {
    IMPORTS.iter().for_each(|r| refused(r.0, r.1, r.2, r.3));
}

#[test]
fn more_than_fits_the_trees_is_refused() {
    let globals = "(global v128 (v128.const i64x2 0 0))".repeat(2049);
    refused("globals", &globals, "over 4096 cells", &[0x7b]);
    let just = "(global v128 (v128.const i64x2 0 0))".repeat(2048);
    let wat = format!("(module {just} {MAIN})");
    assert!(lower(&wat::parse_str(&wat).expect("parses")).is_ok());
    let segments = format!("(table 1 funcref) {}", "(elem func)".repeat(1025));
    refused(
        "element segments",
        &segments,
        "1024 element segments",
        &[0x01],
    );
    refused(
        "data segments",
        &r#"(data "")"#.repeat(2049),
        "2048 data segments",
        &[0x01],
    );
    let locals = format!("(func (local {}))", "v128 ".repeat(32_766));
    refused("locals", &locals, "needs 65536 stack cells", &[0x01, 0xfe]);
}

#[test]
fn a_module_that_nothing_drives_is_refused() {
    let refused = |wat: &str, words: &str| {
        let wasm = wat::parse_str(wat).expect("parses");
        let error = lower(&wasm).err().map(|e| e.reason).unwrap_or_default();
        assert!(error.contains(words), "{wat}: {error:?}");
    };
    refused(
        r#"(module (func (export "other")))"#,
        "none of step, _start, main",
    );
    refused(r#"(module (func (export "step")))"#, "export step has type");
    refused(
        r#"(module (func (export "main") (param v128) (result i32) (i32.const 0)))"#,
        "export main has type",
    );
    refused(
        r#"(module (func (export "main") (param i32) (result i32) (i32.const 0)))"#,
        "export main has type",
    );
    refused(
        r#"(module (func (export "step") (param i32 i32) (result i32) (i32.const 0)))"#,
        "export step has type",
    );
    refused(
        r#"(module (func $s) (start $s) (func (export "step") (result i32) (i32.const 0)))"#,
        "a start function beside step",
    );
    let more = r#"(module (func (export "a") (param v128 f64)) (func (export "main") (result i32) (i32.const 0)) (func (export "b")))"#;
    assert!(lower(&wat::parse_str(more).expect("parses")).is_ok());
}
