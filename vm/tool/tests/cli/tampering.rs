//! Witness files that say something else than what `prove` wrote.

use crate::fixtures::Folder;
use assay_types::{Hash, Program};
use serde_json::{Value, json};

/// Bytes of a witness before its first opening.
const HEADER: usize = 145;

/// The file, as JSON.
struct File<'a> {
    folder: &'a Folder,
    honest: Value,
}

impl<'a> File<'a> {
    fn prove(folder: &'a Folder, line: &str) -> File<'a> {
        folder.json(&format!("prove {line} --out honest.json"));
        folder.run("check honest.json").exits(0);
        let text = std::fs::read_to_string(folder.path("honest.json")).expect("written");
        File {
            folder,
            honest: serde_json::from_str(&text).expect("JSON"),
        }
    }

    /// Checks the file after `change`: exit code and, in text and in JSON, these words.
    #[track_caller]
    fn refused(&self, what: &str, code: i32, words: &str, change: impl Fn(&mut Value)) {
        let mut file = self.honest.clone();
        change(&mut file);
        assert_ne!(file, self.honest, "{what}: nothing is changed");
        self.folder.put("tampered.json", file.to_string());
        let ran = self.folder.run("check tampered.json");
        assert_eq!(ran.code, code, "{what}: {ran:?}");
        assert!(ran.stderr.contains(words), "{what}: {ran:?}");
        let json = self.folder.run("--json check tampered.json").json();
        let told = if code == 1 {
            &json["error"]
        } else {
            &json["reason"]
        };
        assert!(
            told.as_str().is_some_and(|t| t.contains(words)),
            "{what}: {json}"
        );
        assert_ne!(json["ok"], true, "{what}");
    }

    fn witness(&self) -> Vec<u8> {
        bytes(&self.honest["witness"])
    }

    /// The witness with one bit of the byte at `at` flipped.
    #[track_caller]
    fn flipped(&self, what: &str, at: usize, words: &str) {
        self.refused(what, 5, words, |file| {
            let mut witness = self.witness();
            witness[at] ^= 4;
            file["witness"] = hex(&witness);
        });
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a string");
    hex::decode(text.trim_start_matches("0x")).expect("hex")
}

fn hex(bytes: &[u8]) -> Value {
    format!("0x{}", hex::encode(bytes)).into()
}

/// Another hash than `value`.
fn other(value: &Value) -> Value {
    let mut hash = bytes(value);
    hash[31] ^= 1;
    hex(&hash)
}

/// The id of the program that the file tells of.
fn id(file: &Value) -> Value {
    let p = &file["program"];
    let hash = |name: &str| Hash(bytes(&p[name]).try_into().expect("32 bytes"));
    let number = |name: &str| p[name].as_u64().expect("a number");
    let program = Program {
        code: hash("code"),
        segments: hash("segments"),
        table: hash("table"),
        memory: hash("memory"),
        globals: hash("globals"),
        pages: number("pages") as u32,
        max_pages: number("max_pages") as u32,
        volatile_log2: number("volatile_log2") as u8,
        stack_cells: number("stack_cells") as u32,
        a: number("a") as u8,
        b: number("b") as u8,
        entry: number("entry") as u32,
    };
    program.id().0.to_string().into()
}

#[test]
fn a_tampered_witness_is_refused_wherever_it_is_touched() {
    let folder = Folder::new();
    // A step that loads from memory, after the first store.
    let file = File::prove(&folder, "counts.wat 20");
    let n = file.witness().len();
    file.flipped("status", 0, "header is not canonical");
    file.flipped("halt code", 4, "header is not canonical");
    file.flipped("pc", 6, "does not fold");
    file.flipped("stack root", 60, "does not fold");
    file.flipped("code leaf", HEADER + 3, "does not fold");
    file.flipped("first sibling", HEADER + 128, "does not fold");
    file.flipped("last sibling", n - 1, "does not fold");
    // Not opened by this step, and still a part of both roots.
    file.flipped("table root", HEADER - 1, "before is");
    for (what, end) in [
        ("a sibling less", n - 32),
        ("a byte less", n - 1),
        ("the header alone", HEADER),
        ("nothing", 0),
    ] {
        let words = "wrong length";
        file.refused(what, 5, words, |f| {
            f["witness"] = hex(&file.witness()[..end])
        });
    }
    let longer = |by: usize| hex(&[file.witness(), vec![0; by]].concat());
    file.refused("a byte more", 5, "wrong length", |f| {
        f["witness"] = longer(1)
    });
    file.refused("too long", 5, "longer than any", |f| {
        f["witness"] = longer(4096)
    });
    // Every reason above is the contract's too.
    file.refused("both", 5, "reverts with BadWitnessFold", |f| {
        let mut witness = file.witness();
        witness[n - 1] ^= 1;
        f["witness"] = hex(&witness);
    });
}

#[test]
fn a_tampered_claim_is_refused() {
    let folder = Folder::new();
    let file = File::prove(&folder, "counts.wat 20");
    for name in ["before", "after"] {
        let words = format!("{name} is ");
        file.refused(name, 5, &words, |f| f[name] = other(&f[name]));
    }
    file.refused("program id", 5, "program_id is not", |f| {
        f["program_id"] = other(&f["program_id"])
    });
    for name in ["code", "segments", "table", "memory", "globals"] {
        let words = "program_id is not";
        file.refused(name, 5, words, |f| {
            f["program"][name] = other(&f["program"][name])
        });
    }
    for name in ["entry", "b", "stack_cells"] {
        let words = if name == "b" {
            "a + b is not 50"
        } else {
            "program_id is not"
        };
        let code = if name == "b" { 1 } else { 5 };
        file.refused(name, code, words, |f| {
            f["program"][name] = (f["program"][name].as_u64().expect("a number") - 1).into();
        });
    }
    // Another program, with its right id: its code is not what the witness opens.
    file.refused("another program", 5, "does not fold", |f| {
        f["program"]["code"] = other(&f["program"]["code"]);
        f["program_id"] = id(f);
    });
    // The last step of a macro step is where the index decides.
    file.refused("another index", 5, "after is", |f| f["index"] = 1023.into());

    let first = File::prove(&folder, "counts.wat 0");
    first.refused("first state", 5, "not the program's first state", |f| {
        f["before"] = other(&f["before"])
    });

    let reading = (0..40).find_map(|index| {
        let line = format!("reads.wat {index} --rom request=request");
        let file = File::prove(&folder, &line);
        let step = folder.json("check honest.json")["step"].to_string();
        step.contains("rom_read").then_some(file)
    });
    let reading = reading.expect("it reads the request");
    reading.refused("request", 5, "does not fold", |f| {
        f["roms"]["request"] = other(&f["roms"]["request"]);
    });
}

#[test]
fn a_malformed_file_is_bad_input() {
    let folder = Folder::new();
    let file = File::prove(&folder, "counts.wat 20");
    let refused =
        |what: &str, words: &str, change: &dyn Fn(&mut Value)| file.refused(what, 1, words, change);
    refused("format", "its form is", &|f| {
        f["format"] = "assay-witness-9".into()
    });
    refused("machine version", "machine version 1", &|f| {
        f["machine_version"] = 1.into()
    });
    refused("index", "not below 2^50", &|f| {
        f["index"] = (1u64 << 50).into()
    });
    refused("negative index", "no witness file", &|f| {
        f["index"] = (-1).into()
    });
    refused("witness", "not 0x and hex digits", &|f| {
        f["witness"] = "0x0g".into()
    });
    refused("witness without 0x", "not 0x and hex digits", &|f| {
        f["witness"] = "00".into()
    });
    refused("root", "64 hex digits", &|f| f["before"] = "0x12".into());
    refused("pages", "no memory's", &|f| {
        f["program"]["pages"] = 70_000.into()
    });
    refused("stack", "stack_cells is over", &|f| {
        f["program"]["stack_cells"] = 131_076.into()
    });
    refused("volatile", "volatile_log2 is neither", &|f| {
        f["program"]["volatile_log2"] = 3.into()
    });
    refused("unknown field", "unknown field", &|f| f["more"] = 1.into());
    refused("missing field", "missing field", &|f| {
        f.as_object_mut().expect("an object").remove("after");
    });
    refused("another JSON", "no witness file", &|f| *f = json!([1, 2]));
    for (what, bytes) in [
        ("no JSON", &b"{"[..]),
        ("nothing", b""),
        ("no text", &[0xff, 0xfe]),
    ] {
        folder.put("bad.json", bytes);
        let ran = folder.run("check bad.json").exits(1);
        assert!(ran.stderr.contains("`prove` writes one"), "{what}: {ran:?}");
    }
}
