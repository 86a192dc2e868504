//! What contracts/scripts/mutants.mjs writes.

use alloy::primitives::hex;
use serde_json::Value;
use std::path::Path;

/// A place in the sources with its mutants, whose numbers are `id`, `id + 1`, ...
pub struct Site {
    /// First number.
    pub id: u32,
    /// Path below contracts/.
    pub file: String,
    /// Line.
    pub line: u64,
    /// Function.
    pub unit: String,
    /// What stands there and what each mutant has there.
    pub mutants: Vec<(String, String)>,
}

/// A contract with mutants.
pub struct Mutated {
    /// Its name.
    pub contract: String,
    /// Creation code.
    pub creation: Vec<u8>,
    /// Runtime code.
    pub runtime: Vec<u8>,
    /// First numbers of its sites.
    pub sites: Vec<u32>,
}

/// All sites, and the first numbers of those that no contract has, with the compiler's reason.
pub fn sites(folder: &Path) -> (Vec<Site>, Vec<(u32, String)>) {
    let json = read(&folder.join("mutants.json"));
    let sites = array(&json["sites"]).iter().map(|site| Site {
        id: number(&site["id"]) as u32,
        file: text(&site["file"]),
        line: number(&site["line"]),
        unit: text(&site["unit"]),
        mutants: array(&site["mutations"])
            .iter()
            .map(|m| (text(&m["original"]), text(&m["mutant"])))
            .collect(),
    });
    let dropped = array(&json["dropped"])
        .iter()
        .map(|d| (number(&d["id"]) as u32, text(&d["why"])));
    (sites.collect(), dropped.collect())
}

/// The mutated contracts of a folder, by name and round.
pub fn contracts(folder: &Path) -> Vec<Mutated> {
    let entries = std::fs::read_dir(folder).expect("a folder with mutated contracts");
    let mut paths: Vec<_> = entries
        .map(|e| e.expect("a readable folder").path())
        .filter(|p| {
            p.file_stem()
                .is_some_and(|s| s.to_string_lossy().contains('.'))
        })
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    let contract = |path: &std::path::PathBuf| {
        let json = read(path);
        let code = |key: &str| hex::decode(text(&json[key])).expect("bytecode is hex");
        Mutated {
            contract: text(&json["contract"]),
            creation: code("creation"),
            runtime: code("runtime"),
            sites: array(&json["sites"])
                .iter()
                .map(|s| number(s) as u32)
                .collect(),
        }
    };
    paths.iter().map(contract).collect()
}

/// A JSON file; panics, with the path, if it is missing or malformed.
pub fn read(path: &Path) -> Value {
    let fail = |e: &dyn std::fmt::Display| -> ! { panic!("{}: {e}", path.display()) };
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| fail(&e));
    serde_json::from_str(&text).unwrap_or_else(|e| fail(&e))
}

/// The value as an array.
pub fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

/// The value as text.
pub fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}
