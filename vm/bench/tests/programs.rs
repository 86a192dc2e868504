//! The committed programs are what `programs/build.sh` made of the committed sources.

use sha2::{Digest, Sha256};
use std::path::Path;

fn hash(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("programs")
        .join(name);
    let bytes = std::fs::read(&path).expect("the file is there");
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[test]
fn the_lock_names_sources_and_programs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let lock = std::fs::read_to_string(folder.join("programs.lock")).expect("the lock is there");
    let lock: toml::Table = lock.parse().expect("TOML");
    let mut programs = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("ASCII");
        let Some((program, extension)) = name.rsplit_once('.') else {
            continue;
        };
        let key = match extension {
            "c" => "source",
            "wasm" => "wasm",
            _ => continue,
        };
        let locked = lock[program][key].as_str();
        assert_eq!(locked, Some(hash(name).as_str()), "{name}: run build.sh");
        programs += 1;
    }
    assert_eq!(programs, 2 * (lock.len() - 1), "one source, one program");
}
