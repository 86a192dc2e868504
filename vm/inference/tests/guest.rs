//! The committed `guest.wasm`: its hash, its memory layout, and that nothing is in it that the machine of today can't run.

use sha2::{Digest, Sha256};
use wasmparser::{
    DataKind, ExternalKind, Operator, Parser, Payload, TypeRef, Validator, WasmFeatures,
};

const WASM: &[u8] = include_bytes!("../../guest/guest.wasm");
const LOCK: &str = include_str!("../../guest/guest.lock");
const MIB: u64 = 1 << 20;

#[test]
fn the_lock_names_this_file() {
    let lock: toml::Table = LOCK.parse().unwrap();
    let hash: String = Sha256::digest(WASM)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(lock["sha256"].as_str(), Some(hash.as_str()));
}

#[test]
fn the_machines_parameters_are_in_the_file() {
    let custom = Parser::new(0)
        .parse_all(WASM)
        .find_map(|payload| match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == "assay" => {
                Some(section.data().to_vec())
            }
            _ => None,
        });
    assert_eq!(
        custom.as_deref(),
        Some(&b"volatile_log2=20\na=25\nb=25\nmax_pages=32767"[..])
    );
}

#[test]
fn memory_is_laid_out_as_the_program_assumes() {
    let (mut imports, mut exports, mut data, mut stack_pointer) = (vec![], vec![], 0, None);
    for payload in Parser::new(0).parse_all(WASM) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    assert!(matches!(import.ty, TypeRef::Func(_)));
                    imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::ExportSection(section) => {
                exports.extend(
                    section
                        .into_iter()
                        .map(Result::unwrap)
                        .filter(|e| e.kind == ExternalKind::Func)
                        .map(|e| e.name),
                );
            }
            Payload::MemorySection(section) => {
                let memory = section.into_iter().next().unwrap().unwrap();
                assert_eq!((memory.initial, memory.maximum), (32, Some(32_767)));
            }
            Payload::GlobalSection(section) => {
                // The shadow stack's pointer is the only mutable global: a step leaves it as it found it.
                let mutable: Vec<_> = section
                    .into_iter()
                    .map(Result::unwrap)
                    .filter(|g| g.ty.mutable)
                    .collect();
                assert_eq!(mutable.len(), 1);
                let Operator::I32Const { value } =
                    mutable[0].init_expr.get_operators_reader().read().unwrap()
                else {
                    panic!()
                };
                stack_pointer = Some(value);
            }
            Payload::DataSection(section) => {
                for segment in section {
                    let segment = segment.unwrap();
                    let DataKind::Active { offset_expr, .. } = segment.kind else {
                        panic!("a passive segment")
                    };
                    let Operator::I32Const { value } =
                        offset_expr.get_operators_reader().read().unwrap()
                    else {
                        panic!()
                    };
                    // Constants lie above the volatile region and below the arena.
                    assert!(
                        value as u64 >= MIB && value as u64 + segment.data.len() as u64 <= 2 * MIB
                    );
                    data += segment.data.len();
                }
            }
            Payload::StartSection { .. } => panic!("a start function"),
            _ => {}
        }
    }
    assert_eq!(
        (imports, exports),
        (vec!["assay.read".to_string()], vec!["step"])
    );
    assert_eq!(stack_pointer, Some(512 << 10));
    assert!(data > 0);
}

#[test]
fn only_instructions_of_the_machine_are_used() {
    let features = WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::FLOATS
        | WasmFeatures::GC_TYPES;
    Validator::new_with_features(features)
        .validate_all(WASM)
        .unwrap();
    let mut instructions = 0;
    for payload in Parser::new(0).parse_all(WASM) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            instructions += body.get_operators_reader().unwrap().into_iter().count();
        }
    }
    assert!(instructions > 5000);
}
