//! The binary, programs to run, and files to put them in.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `step`, three times, then Halted(4). 2^40 macro steps of 2^10 steps, so that padding is within reach.
pub const COUNTS: &str = r#"(module
    (@custom "assay" "a=40\nb=10\nvolatile_log2=8")
    (memory 1)
    (global $n (mut i32) (i32.const 0))
    (func $work (param $times i32) (local $i i32)
        (loop $again
            (i32.store (i32.mul (local.get $i) (i32.const 4)) (global.get $n))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (local.get $times)))))
    (func (export "step") (result i32)
        (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (call $work (i32.const 5))
        (select (i32.const 5) (i32.const 0) (i32.eq (global.get $n) (i32.const 3)))))"#;

/// Traps in its second macro step, in $divide.
pub const TRAPS: &str = r#"(module
    (global $n (mut i32) (i32.const 1))
    (func $divide (param i32) (result i32) (i32.div_u (i32.const 0) (local.get 0)))
    (func (export "step") (result i32)
        (drop (call $divide (global.get $n)))
        (global.set $n (i32.sub (global.get $n) (i32.const 1)))
        (i32.const 0)))"#;

/// A function without a name that traps, behind a `_start`.
pub const STARTS: &str =
    r#"(module (memory 1) (func (export "_start") (i32.store (i32.const 8) (i32.const 7))))"#;

/// Never ends.
pub const FOREVER: &str =
    r#"(module (func (export "main") (result i32) (loop $l (br $l)) (i32.const 0)))"#;

/// Halts with a byte of the request; has two parameters, as compilers make them.
pub const READS: &str = r#"(module
    (import "assay" "read" (func $read (param i32 i64 i32 i32)))
    (memory 1)
    (func (export "main") (param i32 i32) (result i32)
        (call $read (i32.const 0) (i64.const 10) (i32.const 64) (i32.const 1))
        (i32.load8_u (i32.const 64))))"#;

/// A folder with these programs and some inputs.
pub struct Folder(tempfile::TempDir);

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output, which is one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl Folder {
    pub fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        for (name, text) in [
            ("counts.wat", COUNTS),
            ("traps.wat", TRAPS),
            ("starts.wat", STARTS),
            ("forever.wat", FOREVER),
            ("reads.wat", READS),
            ("request", "abcdef"),
        ] {
            folder.put(name, text);
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("the folder is writable");
    }

    /// Runs the command in the folder; words are split at spaces.
    pub fn run(&self, line: &str) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_assay-machine"))
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("the binary starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran {
            code: output.status.code().expect("it ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs with `--json`; it ends well.
    #[track_caller]
    pub fn json(&self, line: &str) -> Value {
        self.run(&format!("--json {line}")).exits(0).json()
    }
}

/// A file of the repository.
pub fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}
