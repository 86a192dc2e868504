//! Instances of modules, and what their imports are: the linker's half that decides.

use crate::module::{KINDS, Kind, Module, matches, size};
use crate::spectest;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A definition: the instance that made it, and which of its definitions of that kind it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Def {
    /// The instance.
    pub instance: usize,
    /// Its kind.
    pub kind: Kind,
    /// Number among that instance's own definitions of the kind.
    pub index: u32,
}

/// An instance.
pub struct Instance {
    /// Its module.
    pub module: Rc<Module>,
    /// Its index spaces, in the order of [`KINDS`].
    spaces: [Vec<Def>; 4],
    /// Whether nothing that runs can change it, so that every program may have a copy of its own.
    pub constant: bool,
}

impl Instance {
    /// What `index` names in it.
    pub fn def(&self, kind: Kind, index: u32) -> Def {
        self.spaces[kind as usize][index as usize]
    }

    /// What it exports as `name`.
    pub fn export(&self, name: &str) -> Option<Def> {
        let (_, kind, index) = self.module.exports.iter().find(|e| e.0 == name)?;
        Some(self.def(*kind, *index))
    }

    /// Instances that what it uses comes from; itself may be one.
    pub fn providers(&self) -> impl Iterator<Item = usize> {
        let uses = self.module.uses.iter();
        uses.map(|(kind, index)| self.def(*kind, *index).instance)
    }
}

/// A size that an import asks for beyond what the definition starts with: it may have grown when it is linked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grown {
    /// The table or memory.
    pub def: Def,
    /// Least size, in elements or pages.
    pub least: u64,
}

/// Why a module can't be linked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unlinkable {
    /// Its imports don't fit what there is.
    Types(String),
    /// It imports from a module that was skipped, for this reason.
    Skipped(String),
}

/// All instances of a script.
pub struct Store {
    /// The instances, in the order of their instantiation.
    pub instances: Vec<Instance>,
    registered: BTreeMap<String, Vec<Result<usize, String>>>,
}

impl Default for Store {
    fn default() -> Self {
        let mut store = Store {
            instances: Vec::new(),
            registered: BTreeMap::new(),
        };
        for (part, constant) in spectest::parts() {
            let spaces = KINDS.map(|kind| own(&part, kind, store.instances.len()));
            let module = Rc::new(part);
            store.instances.push(Instance {
                module,
                spaces,
                constant,
            });
        }
        let all = (0..store.instances.len()).map(Ok).collect();
        store.registered.insert("spectest".to_owned(), all);
        store
    }
}

impl Store {
    /// Makes what `instance` exports importable by `name`; or says why it was skipped.
    pub fn register(&mut self, name: &str, instance: Result<usize, String>) {
        self.registered.insert(name.to_owned(), vec![instance]);
    }

    /// Finds what `module` imports, in the order of its imports, and the sizes that only a run can tell.
    pub fn link(&self, module: &Module) -> Result<(Vec<Def>, Vec<Grown>), Unlinkable> {
        let (mut defs, mut grown) = (Vec::new(), Vec::new());
        for import in &module.imports {
            let name = format!("{}.{}", import.module, import.name);
            let mut found = None;
            for instance in self.registered.get(&import.module).into_iter().flatten() {
                match instance {
                    Ok(i) => found = found.or(self.instances[*i].export(&import.name)),
                    Err(reason) => return Err(Unlinkable::Skipped(reason.clone())),
                }
            }
            let Some(def) = found else {
                return Err(Unlinkable::Types(format!("{name}: unknown import")));
            };
            let actual = self.ty(def);
            if !matches(&import.ty, actual) {
                return Err(Unlinkable::Types(format!(
                    "{name}: incompatible import type"
                )));
            }
            let least = size(&import.ty);
            if least > size(actual) {
                grown.push(Grown { def, least });
            }
            defs.push(def);
        }
        Ok((defs, grown))
    }

    /// Adds an instance whose imports are `imports`; returns its number.
    pub fn add(&mut self, module: Rc<Module>, imports: &[Def]) -> usize {
        let this = self.instances.len();
        let spaces = KINDS.map(|kind| {
            let imported = imports.iter().copied().filter(|d| d.kind == kind);
            imported.chain(own(&module, kind, this)).collect()
        });
        self.instances.push(Instance {
            module,
            spaces,
            constant: false,
        });
        this
    }

    /// The type that something was defined with.
    pub fn ty(&self, def: Def) -> &crate::module::Extern {
        let module = &self.instances[def.instance].module;
        let mut all = module.definitions(def.kind);
        all.nth(def.index as usize)
            .expect("a definition's number is its place in its module")
    }
}

/// What `module` defines itself, as instance `this`.
fn own(module: &Module, kind: Kind, this: usize) -> Vec<Def> {
    let count = module.definitions(kind).count() as u32;
    let def = |index| Def {
        instance: this,
        kind,
        index,
    };
    (0..count).map(def).collect()
}
