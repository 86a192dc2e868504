//! Which function an instruction belongs to, and what that function is called.

use assay_machine::lower::Lowered;
use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{ExternalKind, KnownCustom, Name, Parser, Payload};

/// One function of the flat code.
#[derive(Clone, Debug)]
pub struct Function {
    /// Index in the module, imports counted; `None` for the entry stub.
    pub index: Option<u32>,
    /// From the name section, else from the exports.
    pub name: Option<String>,
    /// Its instructions.
    pub pcs: Range<u32>,
}

impl Function {
    /// `name`, or what stands in for it.
    pub fn title(&self) -> String {
        match (self.index, &self.name) {
            (None, _) => "entry stub".into(),
            (Some(_), Some(name)) => name.clone(),
            (Some(index), None) => format!("function {index}"),
        }
    }
}

/// All functions, ascending.
pub struct Functions(Vec<Function>);

impl Functions {
    /// The functions of `lowered`, with the names that `wasm` gives them.
    pub fn new(wasm: &[u8], lowered: &Lowered) -> Functions {
        let names = names(wasm);
        let end = lowered.image.code.len() as u32;
        let starts: Vec<u32> = lowered
            .functions
            .iter()
            .map(|f| f.reference as u32)
            .collect();
        // Instruction 0 is the trap that null function pointers lead to; the stub follows.
        let mut functions = vec![Function {
            index: None,
            name: None,
            pcs: 0..starts.first().copied().unwrap_or(end),
        }];
        for (i, &start) in starts.iter().enumerate() {
            let index = lowered.imported + i as u32;
            functions.push(Function {
                index: Some(index),
                name: names.get(&index).cloned(),
                pcs: start..starts.get(i + 1).copied().unwrap_or(end),
            });
        }
        Functions(functions)
    }

    /// All of them.
    pub fn all(&self) -> &[Function] {
        &self.0
    }

    /// The function that the instruction at `pc` belongs to.
    pub fn at(&self, pc: u32) -> Option<&Function> {
        self.0.iter().find(|f| f.pcs.contains(&pc))
    }
}

/// Names are for people: a name section that can't be read has none.
fn names(wasm: &[u8]) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        match payload {
            Payload::ExportSection(reader) => {
                for export in reader.into_iter().map_while(Result::ok) {
                    if export.kind == ExternalKind::Func {
                        let name = names.entry(export.index);
                        name.or_insert_with(|| export.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(reader) = section.as_known() else {
                    continue;
                };
                for part in reader.into_iter().map_while(Result::ok) {
                    if let Name::Function(map) = part {
                        let map = map.into_iter().map_while(Result::ok);
                        names.extend(map.map(|n| (n.index, n.name.to_owned())));
                    }
                }
            }
            _ => {}
        }
    }
    names
}
