//! Style as a test: who may import whom, mirrors, sizes, generated files.

use assay_tests::binaries::binary;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the repository")
        .to_owned()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(root())
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn tracked() -> Vec<String> {
    run("git", &["ls-files"])
        .lines()
        .map(str::to_owned)
        .collect()
}

/// What each crate may import of ours; the whole graph, so a new edge is a decision.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let services = [
        "types",
        "proto",
        "machine",
        "inference",
        "twin",
        "bindings",
        "node",
    ];
    let rows: &[(&str, &[&str])] = &[
        ("types", &[]),
        ("proto", &["types"]),
        ("machine", &["types"]),
        ("inference", &["types"]),
        ("twin", &["types", "machine", "inference"]),
        ("bindings", &["types"]),
        ("node", &["types", "bindings"]),
        ("prover", &["types", "machine", "bindings"]),
        ("conformance", &["types", "machine", "prover"]),
        ("machine-tool", &["types", "machine", "prover"]),
        ("dispute", &services),
        ("sequencer", &["types", "proto", "bindings", "node"]),
    ];
    let mut table: BTreeMap<_, BTreeSet<_>> = rows
        .iter()
        .map(|(k, v)| (*k, v.iter().copied().collect()))
        .collect();
    table.insert(
        "executor",
        services.into_iter().chain(["dispute"]).collect(),
    );
    table
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let metadata = run(
        "cargo",
        &[
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ],
    );
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let allowed = allowed();
    let mut seen = 0;
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"]
            .as_str()
            .expect("name")
            .trim_start_matches("assay-");
        let Some(allowed) = allowed.get(name) else {
            continue;
        };
        seen += 1;
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(imported) = dependency["name"]
                .as_str()
                .and_then(|n| n.strip_prefix("assay-"))
            else {
                continue;
            };
            if imported != "features" && dependency["kind"].is_null() {
                assert!(
                    allowed.contains(imported),
                    "assay-{name} imports assay-{imported}"
                );
            }
        }
    }
    assert_eq!(seen, allowed.len(), "every crate of the table exists");
}

#[test]
fn every_step_file_has_its_solidity_mirror() {
    for (rust, solidity) in [
        ("control", "StepControl"),
        ("memory", "StepMemory"),
        ("block", "StepBulk"),
        ("integer", "StepInteger"),
        ("float32", "StepFloat32"),
        ("float64", "StepFloat64"),
        ("vector", "StepVector"),
        ("lanes", "StepLanes"),
        ("vector_float", "StepVectorFloat"),
        ("table", "StepTable"),
    ] {
        let rust = format!("vm/machine/src/step/{rust}.rs");
        let solidity = format!("contracts/src/step/{solidity}.sol");
        assert!(root().join(&rust).exists(), "{rust}");
        let text = std::fs::read_to_string(root().join(&solidity)).expect(&solidity);
        assert!(
            text.contains(&format!("Mirrors {rust}")),
            "{solidity} does not say which file it mirrors"
        );
    }
}

/// Two libraries, one algorithm: what the tests of one format show of it holds for the other.
#[test]
fn the_float_libraries_differ_in_their_constants_alone() {
    let read = |name: &str| {
        let path = root().join(format!("contracts/src/step/{name}.sol"));
        std::fs::read_to_string(path).expect("the library is there")
    };
    let body = |text: &str| {
        let (_, body) = text.split_once("    function ").expect("a function");
        body.to_owned()
    };
    let (f32, f64) = (read("Float32"), read("Float64"));
    assert_eq!(body(&f32), body(&f64));
    assert!(body(&f32).len() > 8000, "the algorithm is in the body");
    let names = |text: &str| text.replace("64", "32");
    assert_eq!(
        body(&names(&read("Float32Operators"))),
        body(&names(&read("Float64Operators")))
    );
}

#[test]
fn generated_files_are_what_the_tables_say() {
    // The binary that `make test` built: cargo would build another, of its own features.
    let xtask = binary("xtask").display().to_string();
    for task in ["generate", "guest"] {
        run(&xtask, &[task, "--check"]);
    }
}

/// Whoever changes what the guest is built from has to build it again (`vm/guest/build.sh`).
#[test]
fn guest_was_built_from_these_sources() {
    let sources = run("sh", &["vm/guest/sources.sh"]);
    let lock = std::fs::read_to_string(root().join("vm/guest/guest.lock")).expect("guest.lock");
    let line = format!("sources = \"{}\"", sources.trim());
    assert!(
        lock.lines().any(|l| l == line),
        "guest.lock does not say {line}: run vm/guest/build.sh, then `cargo run --release -p xtask -- guest`"
    );
}

/// The same for the programs of `vm/machine/examples` (its `build.sh`), and their files are the ones that were built.
#[test]
fn examples_were_built_from_these_sources() {
    let lock = root().join("vm/machine/examples/examples.lock");
    let lock = std::fs::read_to_string(lock).expect("examples.lock");
    let sources = run("sh", &["vm/machine/examples/sources.sh"]);
    let sum = |file: &str| {
        let line = run("sha256sum", &[&format!("vm/machine/examples/{file}")]);
        line.split(' ').next().unwrap_or("").to_owned()
    };
    for (key, value) in [
        ("sources", sources.trim().to_owned()),
        ("auction", sum("auction/auction.wasm")),
        ("nbody", sum("nbody/nbody.wasm")),
    ] {
        let line = format!("{key} = \"{value}\"");
        assert!(
            lock.lines().any(|l| l == line),
            "examples.lock does not say {line}: run vm/machine/examples/build.sh"
        );
    }
}

#[test]
fn files_are_one_noun_and_blobs_are_small() {
    let mut long = Vec::new();
    for file in tracked() {
        let path = root().join(&file);
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        assert!(
            metadata.len() <= 6 << 20,
            "{file} has {} bytes",
            metadata.len()
        );
        if file.ends_with(".rs") || (file.ends_with(".sol") && !file.contains("generated")) {
            let lines = std::fs::read_to_string(&path)
                .expect("UTF-8 source")
                .lines()
                .count();
            if lines > 850 {
                long.push(format!("{file}: {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "too long for one noun: {long:?}");
}

#[test]
fn the_pure_core_of_the_game_knows_no_chain_and_no_clock() {
    for file in ["game", "clock", "action", "solver"] {
        let text = std::fs::read_to_string(root().join(format!("dispute/src/{file}.rs")))
            .expect("a file of the pure core");
        for word in ["alloy::", "tokio::", "SystemTime", "Instant::now"] {
            assert!(
                !text.contains(word),
                "dispute/src/{file}.rs mentions {word}"
            );
        }
    }
}

/// Names of all tests, and of those whose comment says `[S]`.
fn tests_and_soundness_tests() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut all, mut sound) = (BTreeSet::new(), BTreeSet::new());
    for file in tracked() {
        let solidity = file.ends_with(".t.sol");
        if !solidity && !file.ends_with(".rs") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else {
            continue;
        };
        // What stands between a comment or attribute and the function that it belongs to.
        let (mut says, mut is_test) = (false, false);
        for line in text.lines().map(str::trim) {
            let head = line.strip_prefix("async ").unwrap_or(line);
            let name = head
                .strip_prefix(if solidity { "function " } else { "fn " })
                .and_then(|rest| rest.split('(').next());
            match name {
                Some(name) => {
                    let prefixes = ["test", "invariant_"];
                    if is_test || (solidity && prefixes.iter().any(|p| name.starts_with(p))) {
                        all.insert(name.to_owned());
                        if says {
                            sound.insert(name.to_owned());
                        }
                    }
                    (says, is_test) = (false, false);
                }
                None if line.starts_with("///") => says |= line.contains("[S]"),
                None if line.starts_with("#[") => {
                    is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                }
                None => (says, is_test) = (false, false),
            }
        }
    }
    (all, sound)
}

#[test]
fn every_soundness_rule_names_tests_that_exist_and_none_is_left_out() {
    let text = std::fs::read_to_string(root().join("docs/soundness.md")).expect("the table");
    let rows: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .split_once(" | ")
        })
        .filter(|(rule, _)| *rule != "nobody can")
        .collect();
    assert!(rows.len() >= 50, "only {} rules were read", rows.len());
    let (all, sound) = tests_and_soundness_tests();
    let mut named = BTreeSet::new();
    for (rule, tests) in rows {
        let tests: Vec<&str> = tests.split(", ").map(|t| t.trim_matches('`')).collect();
        for test in tests {
            assert!(
                all.contains(test),
                "'{rule}' names {test}, which is no test"
            );
            named.insert(test.to_owned());
        }
    }
    let left_out: Vec<_> = sound.difference(&named).collect();
    assert!(
        left_out.is_empty(),
        "these tests say [S], and docs/soundness.md has no line for them: {left_out:?}"
    );
}

#[test]
fn forge_is_never_called_by_the_name_that_hides_its_failures() {
    for file in ["Makefile", "contracts/package.json", ".ci/run"] {
        let text = std::fs::read_to_string(root().join(file)).expect(file);
        for command in ["forge build", "forge test", "forge fmt"] {
            assert!(
                !text.contains(command),
                "{file}: scripts/forge.sh, not {command}"
            );
        }
    }
}
