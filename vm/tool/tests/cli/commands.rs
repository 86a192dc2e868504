//! What each subcommand answers.

use crate::fixtures::{COUNTS, Folder, repository};
use assay_machine::lower::lower;
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_types::state::{halted_root, trapped_root};
use serde_json::Value;

/// The root that the library's interpreter has at `index`, on empty inputs.
fn library_root(wat: &str, index: u64) -> String {
    let image = lower(&wat::parse_str(wat).expect("parses"))
        .expect("lowers")
        .image;
    let mut machine = Machine::new(image, [b"", b"", b""].map(|b: &[u8; 0]| Rom::new(b)));
    machine.run(0, index);
    machine.root().0.to_string()
}

#[test]
fn run_ends_alike_on_every_engine() {
    let folder = Folder::new();
    let interp = folder.json("run counts.wat");
    let chain = folder.json("run counts.wat --engine chain");
    let wasmtime = folder.json("run counts.wat --engine wasmtime");
    for run in [&interp, &chain, &wasmtime] {
        assert_eq!(
            (&run["status"], &run["code"]),
            (&"halted".into(), &4.into())
        );
        assert_eq!(run["root"], halted_root(4).0.to_string());
        assert_eq!(run["macro_steps"], 3);
        assert_eq!(run["program_id"], interp["program_id"]);
    }
    assert_eq!(interp["steps"], chain["steps"]);
    assert_eq!(interp["index"], chain["index"]);
    assert!(wasmtime["steps"].is_null() && wasmtime["index"] == 3 << 10);
    let end = interp["index"].as_u64().expect("a number");
    assert_eq!(library_root(COUNTS, end), halted_root(4).0.to_string());
    assert_ne!(library_root(COUNTS, end - 1), halted_root(4).0.to_string());
    let most = chain["gas"]["most"].as_u64().expect("gas");
    assert!((10_000..300_000).contains(&most), "{chain}");
    assert!(interp["gas"].is_null());

    let text = folder.run("run counts.wat").exits(0).stdout;
    assert!(text.contains("halted        with 4"), "{text}");
}

#[test]
fn run_prints_the_roots_of_the_trace() {
    let folder = Folder::new();
    let points = |run: &Value| -> Vec<(u64, String)> {
        let points = run["roots"].as_array().expect("roots");
        let point = |p: &Value| {
            let root = p["root"].as_str().expect("a root");
            (p["index"].as_u64().expect("an index"), root.to_owned())
        };
        points.iter().map(point).collect()
    };
    let interp = folder.json("run counts.wat --roots every:7");
    let chain = folder.json("run counts.wat --roots every:0x7 --engine chain");
    let steps = interp["steps"].as_u64().expect("steps");
    let roots = points(&interp);
    assert_eq!(roots, points(&chain));
    assert_eq!(roots.len() as u64, 1 + (steps - 1) / 7);
    for (index, root) in &roots {
        assert_eq!(*root, library_root(COUNTS, *index), "index {index}");
    }
    let wasmtime = folder.json("run counts.wat --roots every:2 --engine wasmtime");
    let want = [0, 2 << 10].map(|i| (i, library_root(COUNTS, i)));
    assert_eq!(points(&wasmtime), want);

    let text = folder.run("run counts.wat --roots every:7").exits(0).stdout;
    for (index, root) in roots {
        assert!(text.contains(&format!("{index}  {root}\n")), "{text}");
    }
}

#[test]
fn run_of_a_program_that_traps_says_where() {
    let folder = Folder::new();
    let lowered = folder.json("lower traps.wat");
    let functions = lowered["functions"].as_array().expect("functions");
    let divide = functions.iter().find(|f| f["name"] == "divide");
    let instructions = divide.expect("$divide")["instructions"].as_array();
    let division = instructions.expect("instructions").iter().find(|i| {
        let text = i["text"].as_str().expect("a text");
        text.starts_with("i32.div_u")
    });
    let pc = &division.expect("a division")["pc"];
    for engine in ["interp", "wasmtime", "chain"] {
        let ran = folder
            .run(&format!("--json run traps.wat --engine {engine}"))
            .exits(3);
        let run = ran.json();
        assert_eq!(
            (&run["status"], &run["root"]),
            (&"trapped".into(), &trapped_root().0.to_string().into())
        );
        assert_eq!(run["trap"]["pc"], *pc, "{engine}");
        assert_eq!(run["trap"]["function"], "divide", "{engine}");
        assert_eq!(run["trap"]["out_of_steps"], false);
        let where_ = format!("pc {pc}, in divide: i32.div_u");
        assert!(ran.stderr.contains(&where_), "{engine}: {ran:?}");
    }
    // 2^5 steps are not enough for a macro step.
    let few = crate::fixtures::COUNTS.replace("a=40\\nb=10", "a=45\\nb=5");
    folder.put("few.wat", few);
    for engine in ["interp", "wasmtime", "chain"] {
        let run = folder
            .run(&format!("--json run few.wat --engine {engine}"))
            .exits(3)
            .json();
        assert_eq!(run["trap"]["out_of_steps"], true, "{engine}: {run}");
        assert_eq!(run["macro_steps"], 1, "{engine}");
    }
}

#[test]
fn start_and_main_run_as_one_macro_step() {
    let folder = Folder::new();
    for (file, driver, code) in [("starts.wat", "_start", 0), ("reads.wat", "main", 0x63)] {
        let lowered = folder.json(&format!("lower {file}"));
        assert_eq!(lowered["driver"], driver);
        assert_eq!(
            (&lowered["limits"]["a"], &lowered["limits"]["b"]),
            (&0.into(), &50.into())
        );
        for engine in ["interp", "wasmtime", "chain"] {
            let line = format!("run {file} --rom request=request --engine {engine}");
            let run = folder.json(&line);
            assert_eq!(
                (&run["code"], &run["macro_steps"]),
                (&code.into(), &1.into()),
                "{line}"
            );
        }
    }
}

#[test]
fn run_stops_at_its_limit() {
    let folder = Folder::new();
    for (line, words) in [
        (
            "run forever.wat --limit 1000",
            "after 1000 steps: raise --limit",
        ),
        (
            "run forever.wat --limit 0x10 --engine chain",
            "after 16 steps: raise --limit",
        ),
        (
            "run counts.wat --limit 2 --engine wasmtime",
            "after 2 macro steps: raise --limit",
        ),
    ] {
        let ran = folder.run(line).exits(4);
        assert!(ran.stderr.contains(words), "{line}: {ran:?}");
        let json = folder.run(&format!("{line} --json")).exits(4).json();
        assert!(
            json["code"].is_null() && json["status"] != "halted",
            "{json}"
        );
    }
    let run = folder
        .run("--json run counts.wat --limit 2 --engine wasmtime")
        .json();
    assert_eq!(run["root"], library_root(COUNTS, 2 << 10));
    // Without --limit the contract stops by itself, and says so.
    let ran = folder.run("run forever.wat --engine chain").exits(4);
    assert!(
        ran.stderr
            .contains("after 10000 steps: on the chain that is the limit"),
        "{ran:?}"
    );
}

#[test]
fn lower_shows_the_lowered_program() {
    let folder = Folder::new();
    let lowered = lower(&wat::parse_str(COUNTS).expect("parses")).expect("lowers");
    let (image, json) = (&lowered.image, folder.json("lower counts.wat"));
    assert_eq!(json["program_id"], image.program.id().0.to_string());
    assert_eq!(
        json["roots"]["first_state"],
        image.program.initial().root().0.to_string()
    );
    assert_eq!(json["limits"]["volatile_log2"], 8);
    let functions = json["functions"].as_array().expect("functions");
    let names: Vec<_> = functions.iter().map(|f| f["name"].as_str()).collect();
    assert_eq!(names, [None, Some("work"), Some("step")]);
    let mut pc = 0;
    for function in functions {
        assert_eq!(function["pc"], pc);
        for instruction in function["instructions"].as_array().expect("instructions") {
            let bytes: String = image.code[pc]
                .encode()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(instruction["bytes"], format!("0x{bytes}"));
            assert_eq!(instruction["pc"], pc);
            pc += 1;
        }
    }
    assert_eq!(pc, image.code.len());

    let text = folder.run("lower counts.wat").exits(0).stdout;
    let branch = text
        .lines()
        .find(|l| l.contains("br_if"))
        .expect("a branch");
    let target = branch.rsplit("-> ").next().expect("a target");
    assert!(
        text.contains(&format!(">{target:>7}  ")),
        "the target is marked:\n{text}"
    );
    assert!(text.contains("function 0 work:"), "{text}");
    let call = text.lines().find(|l| l.contains("; work"));
    assert!(call.is_some_and(|l| l.contains("call")), "{text}");
}

#[test]
fn trace_knows_the_state_at_any_index() {
    let folder = Folder::new();
    let end = folder.json("run counts.wat")["index"]
        .as_u64()
        .expect("an index");
    let indices = [
        0,
        1,
        2,
        40,
        1000,
        1023,
        1024,
        1025,
        2048,
        2049,
        end - 1,
        end,
        end + 1,
        1 << 20,
        (1 << 50) - 1,
        1 << 50,
    ];
    for index in indices {
        let fast = folder.json(&format!("trace counts.wat {index}"));
        let slow = folder.json(&format!("trace counts.wat {index:#x} --engine interp"));
        assert_eq!(fast, slow, "index {index}");
        assert_eq!(fast["root"], library_root(COUNTS, index), "index {index}");
        assert_eq!(
            fast["next"].is_null(),
            fast["status"] != "running",
            "{fast}"
        );
    }
    let first = folder.json("trace counts.wat 1");
    assert_eq!(
        (&first["status"], &first["pc"]),
        (&"running".into(), &1.into())
    );
    assert_eq!(first["next"]["function"], "entry stub");
    let text = folder.run("trace counts.wat 1").exits(0).stdout;
    assert!(
        text.contains(first["root"].as_str().expect("a root")),
        "{text}"
    );
    assert!(text.contains("in entry stub: call"), "{text}");
}

#[test]
fn prove_writes_what_check_repeats() {
    let folder = Folder::new();
    let end = folder.json("run counts.wat")["index"]
        .as_u64()
        .expect("an index");
    let indices = [0, 1, 9, 200, 1023, 1024, 1025, end - 1, end, (1 << 50) - 1];
    for index in indices {
        let line = format!("prove counts.wat {index} --out w.json");
        let proven = folder.json(&line);
        let checked = folder.json("check w.json");
        assert_eq!(checked["ok"], true);
        for (name, at) in [("before", index), ("after", index + 1)] {
            assert_eq!(proven[name], library_root(COUNTS, at), "{name} {index}");
            assert_eq!(checked[name], proven[name], "{name} {index}");
        }
        assert_eq!(checked["index"], index);
        assert_eq!(checked["witness_bytes"], proven["witness_bytes"]);
        let gas = |name: &str| checked["gas"][name].as_u64().expect("gas");
        let bytes = checked["witness_bytes"].as_u64().expect("bytes");
        assert!(gas("execution") > 1000 && gas("transaction") > 21_000 + gas("execution"));
        // At 64 a byte of a calldata that is the witness, its context and some padding.
        let calldata = gas("transaction_at_64") - 21_000;
        assert_eq!(calldata % 64, 0, "the floor decides");
        assert!(
            (bytes + 400..bytes + 520).contains(&(calldata / 64)),
            "{checked}"
        );
        assert!(gas("transaction_at_64") > gas("transaction"));
    }
    // The file is enough: its program is gone.
    std::fs::remove_file(folder.path("counts.wat")).expect("it was there");
    let text = folder.run("check w.json").exits(0).stdout;
    assert!(text.contains("halted with 4: nothing changes"), "{text}");
    assert!(
        text.contains("Rust and the contract come to these roots"),
        "{text}"
    );
}

#[test]
fn a_step_that_reads_an_input_is_proven() {
    let folder = Folder::new();
    let lowered = folder.json("lower reads.wat");
    let steps = folder.json("run reads.wat --rom request=request")["steps"].as_u64();
    let mut reads = 0;
    for index in 0..steps.expect("steps") {
        folder.json(&format!(
            "prove reads.wat {index} -o w.json --rom request=request"
        ));
        let checked = folder.json("check w.json");
        let step = checked["step"].as_str().expect("a step");
        reads += u32::from(step.contains("rom_read"));
        assert_eq!(checked["program_id"], lowered["program_id"]);
    }
    // The check of the length, the bytes, and the step that finds nothing left.
    assert_eq!(reads, 2);
}

#[test]
fn bench_measures_the_whole_run() {
    let folder = Folder::new();
    let bench = folder.json("bench counts.wat --seconds 2");
    let steps = folder.json("run counts.wat")["steps"].clone();
    assert_eq!((&bench["ended"], &bench["steps"]), (&true.into(), &steps));
    let measurements = bench["measurements"].as_array().expect("measurements");
    let kinds: Vec<_> = measurements
        .iter()
        .map(|m| (m["engine"].as_str(), m["roots"].as_bool()))
        .collect();
    let kind = |engine, roots| (Some(engine), Some(roots));
    assert_eq!(
        kinds,
        [
            kind("interp", false),
            kind("interp", true),
            kind("wasmtime", false),
            kind("wasmtime", true)
        ]
    );
    for m in measurements {
        let (rate, ns) = (m["steps_per_second"].as_f64(), m["ns_per_step"].as_f64());
        let product = rate.expect("a rate") * ns.expect("a time");
        assert!((product / 1e9 - 1.0).abs() < 1e-6, "{m}");
        assert!(m["yields_per_second"].as_f64() > Some(0.0), "{m}");
    }
    let text = folder.run("bench starts.wat --seconds 1").exits(0).stdout;
    assert_eq!(
        text.lines().filter(|l| l.starts_with("wasmtime")).count(),
        2,
        "{text}"
    );
}

/// The three programs of `vm/machine/examples`, as README.md runs them.
#[test]
fn the_examples_run_from_their_files() {
    let folder = Folder::new();
    let file = |name: &str| {
        repository("vm/machine/examples")
            .join(name)
            .display()
            .to_string()
    };
    let auction = format!(
        "run {} --rom model={}",
        file("auction/auction.wasm"),
        file("auction/book.bin")
    );
    let with =
        |output: &str| folder.json(&format!("{auction} --rom output={output}"))["code"].clone();
    assert_eq!(with(&file("auction/cleared.bin")), 0);
    assert_eq!(with("request"), 1);
    for (name, macro_steps) in [("nbody/nbody.wasm", 16), ("life/life.wat", 24)] {
        folder.put("long", [7; 200]);
        let run = folder.json(&format!("run {} --rom request=long", file(name)));
        assert_eq!(
            (&run["code"], &run["macro_steps"]),
            (&1.into(), &macro_steps.into())
        );
    }
}
