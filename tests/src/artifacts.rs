//! The committed contracts: creation and runtime bytecode of `contracts/abi`.

use alloy::primitives::Bytes;
use std::path::{Path, PathBuf};

/// A compiled contract.
pub struct Artifact {
    /// Creation code, without constructor arguments.
    pub creation: Bytes,
    /// Runtime code; immutables are zero in it.
    pub runtime: Bytes,
    /// Byte ranges `(start, length)` of the runtime code that the constructor fills with immutables.
    pub immutables: Vec<(usize, usize)>,
}

impl Artifact {
    /// The runtime code with every immutable zeroed, as the artifact has it.
    pub fn without_immutables(&self, deployed: &[u8]) -> Vec<u8> {
        let mut code = deployed.to_vec();
        for &(start, length) in &self.immutables {
            if let Some(range) = code.get_mut(start..start + length) {
                range.fill(0);
            }
        }
        code
    }
}

/// Root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where a test writes measurements: `target/bench/<name>`; the folder exists.
pub fn bench_file(name: &str) -> PathBuf {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    folder.join(name)
}

/// The committed contract `name`; panics, with the path, if it is missing or malformed.
pub fn artifact(name: &str) -> Artifact {
    let path = root().join("contracts/abi").join(format!("{name}.json"));
    let fail = |what: &str| -> ! { panic!("{}: {what}", path.display()) };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| fail(&e.to_string()));
    let json: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|e| fail(&e.to_string()));
    let code = |key: &str| -> Bytes {
        let hex = json[key].as_str().unwrap_or_else(|| fail("lacks bytecode"));
        hex.parse()
            .unwrap_or_else(|_| fail("has bytecode that is not hex"))
    };
    let references = json["immutableReferences"].as_object();
    let number = |v: &serde_json::Value| {
        v.as_u64()
            .unwrap_or_else(|| fail("has a bad immutable reference"))
    };
    let immutables = references
        .into_iter()
        .flat_map(|map| map.values())
        .flat_map(|list| list.as_array().into_iter().flatten())
        .map(|at| {
            (
                number(&at["start"]) as usize,
                number(&at["length"]) as usize,
            )
        })
        .collect();
    Artifact {
        creation: code("bytecode"),
        runtime: code("deployedBytecode"),
        immutables,
    }
}
