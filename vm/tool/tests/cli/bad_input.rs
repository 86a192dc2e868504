//! Every kind of bad input gets an error that says what to do, and an exit code.

use crate::fixtures::Folder;

/// Puts a module with these fields and a `main` into a file.
fn module(folder: &Folder, fields: &str) {
    let text = format!(r#"(module {fields} (func (export "main") (result i32) (i32.const 0)))"#);
    folder.put("module.wat", text);
}

/// The line fails with this exit code and these words; with --json standard output says so too.
#[track_caller]
fn fails(folder: &Folder, line: &str, code: i32, words: &[&str]) {
    let ran = folder.run(line).exits(code);
    assert!(ran.stdout.is_empty(), "{line}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{line}: {ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{line}: no {word:?} in {ran:?}");
    }
    if code == 1 {
        let json = folder.run(&format!("--json {line}")).exits(1).json();
        let error = json["error"].as_str().expect("an error");
        assert!(words.iter().all(|w| error.contains(w)), "{line}: {json}");
    }
}

#[test]
fn files_that_are_no_programs_are_refused() {
    let folder = Folder::new();
    folder.put(
        "bad.wat",
        "(module (func (export \"main\") (result i32) (i32.cons 0)))",
    );
    folder.put("text.txt", "hello");
    folder.put("bytes.bin", [0xff, 0xfe, 0]);
    folder.put("cut.wasm", [0, b'a', b's', b'm', 1, 0]);
    folder.put("version.wasm", [0, b'a', b's', b'm', 9, 0, 0, 0]);
    folder.put("empty.wasm", "");
    for (file, words) in [
        (
            "missing.wasm",
            &["missing.wasm cannot be read", ".wasm or .wat"][..],
        ),
        (".", &["cannot be read"]),
        ("bad.wat", &["bad.wat is no WebAssembly text", "i32.cons"]),
        ("text.txt", &["text.txt is no WebAssembly", "00 61 73 6d"]),
        ("bytes.bin", &["is no WebAssembly"]),
        ("empty.wasm", &["is no WebAssembly"]),
        ("cut.wasm", &["refused", "at byte"]),
        ("version.wasm", &["refused", "version", "at byte"]),
    ] {
        for command in ["run", "lower", "bench"] {
            fails(&folder, &format!("{command} {file}"), 1, words);
        }
        for command in ["trace", "prove"] {
            fails(&folder, &format!("{command} {file} 1"), 1, words);
        }
    }
}

#[test]
fn programs_that_the_machine_does_not_run_are_refused_with_reason_and_offset() {
    let folder = Folder::new();
    for (fields, reason) in [
        ("(memory 1 1 shared)", "threads"),
        (
            "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
            "threads",
        ),
        (
            "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))",
            "relaxed SIMD",
        ),
        ("(tag)", "exceptions"),
        ("(func $f (return_call $f))", "tail calls"),
        ("(type (struct (field i32)))", "gc"),
        ("(memory i64 1)", "memory64"),
        ("(memory 1) (memory 1)", "multi"),
        (
            r#"(import "env" "print" (func (param i32)))"#,
            "import env.print: the only import is assay.read",
        ),
        (
            r#"(import "assay" "read" (func (param i32)))"#,
            "import assay.read: the only import is assay.read(i32, i64, i32, i32)",
        ),
        (
            r#"(import "env" "memory" (memory 1))"#,
            "import env.memory: the only import is the function assay.read",
        ),
        (r#"(@custom "assay" "a=20\nb=20")"#, "a + b is not 50"),
        (r#"(@custom "assay" "b=51")"#, "b = 51 is outside 1..=50"),
        (
            r#"(@custom "assay" "volatile_log2=3")"#,
            "volatile_log2 is 0 or at least 7",
        ),
        (r#"(@custom "assay" "colour=blue")"#, "is not key=number"),
    ] {
        module(&folder, fields);
        fails(
            &folder,
            "run module.wat",
            1,
            &["module.wat is refused", reason, "at byte 0x"],
        );
    }
    folder.put("module.wat", "(module (func (export \"go\")))");
    fails(
        &folder,
        "lower module.wat",
        1,
        &["exports none of step, _start, main"],
    );
    folder.put(
        "module.wat",
        "(module (func (export \"step\") (param i32 i32) (result i32) (i32.const 0)))",
    );
    fails(&folder, "lower module.wat", 1, &["export step has type"]);
    folder.put(
        "module.wat",
        "(module (func (export \"main\") (param i32) (result i32) (i32.const 0)))",
    );
    fails(&folder, "lower module.wat", 1, &["export main has type"]);
}

#[test]
fn command_lines_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    for (line, words) in [
        (
            "run counts.wat --rom image=request",
            &["image", "request, output or model"][..],
        ),
        ("run counts.wat --rom request", &["NAME=FILE"]),
        (
            "run counts.wat --engine gpu",
            &["interp", "wasmtime", "chain"],
        ),
        ("run counts.wat --roots 7", &["every:N"]),
        ("run counts.wat --roots every:0", &["at least 1"]),
        ("run counts.wat --roots every:x", &["decimal", "0x"]),
        ("run counts.wat --limit 0", &["at least 1"]),
        (
            "trace counts.wat 1125899906842625",
            &["too large", "2^50", "1125899906842624"],
        ),
        ("trace counts.wat 0x4000000000001", &["too large"]),
        ("trace counts.wat -1", &["-1"]),
        ("trace counts.wat ten", &["decimal", "0x"]),
        ("trace counts.wat 99999999999999999999", &["64 bits"]),
        (
            "prove counts.wat 0x4000000000000",
            &["too large", "1125899906842623"],
        ),
        ("trace counts.wat 1 --engine chain", &["interp", "wasmtime"]),
        ("trace counts.wat", &["<INDEX>"]),
        ("bench counts.wat --seconds 0", &["1..=3600"]),
        ("run", &["FILE.wasm"]),
        ("walk counts.wat", &["walk"]),
    ] {
        fails(&folder, line, 2, words);
    }
}

#[test]
fn inputs_and_outputs_that_cannot_be_opened_are_told() {
    let folder = Folder::new();
    for (line, words) in [
        (
            "run counts.wat --rom model=nothing",
            &["--rom model=nothing", "cannot be read"][..],
        ),
        (
            "run counts.wat --rom model=request --rom model=request",
            &["--rom model=... is given twice"],
        ),
        (
            "prove counts.wat 5 --out no/such/folder.json",
            &["cannot write", "--out"],
        ),
        (
            "check nothing.json",
            &["nothing.json cannot be read", "prove"],
        ),
        (
            "run reads.wat --engine wasmtime --roots every:1",
            &["main has none", "--engine interp"],
        ),
        (
            "bench forever.wat --seconds 1",
            &["no macro step ended", "--seconds"],
        ),
    ] {
        fails(&folder, line, 1, words);
    }
}

#[test]
fn help_documents_exit_codes_and_numbers() {
    let folder = Folder::new();
    let help = folder.run("--help").exits(0).stdout;
    for words in [
        "Exit codes:",
        "3  the program trapped",
        "5  the witness is refused",
        "0x hex",
    ] {
        assert!(help.contains(words), "{help}");
    }
    let help = folder.run("run --help").exits(0).stdout;
    assert!(help.contains("every N yields"), "{help}");
    assert!(
        help.contains("request (0), output (1) or model (2)"),
        "{help}"
    );
}
