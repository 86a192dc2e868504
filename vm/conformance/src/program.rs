//! A program for a group of instances: the merged module, and an exported `step` that does one macro step's tasks.
//!
//! `step() -> i32` looks at the global `call`, which counts macro steps: it does the tasks of that number, stores their
//! results in globals, adds 1 to `call`, and returns 0, which is a yield.

use crate::merge::{Failed, Merged, val_type};
use crate::module::{Extern, Kind};
use crate::plan::{Ends, Event, Task};
use crate::store::{Def, Store};
use crate::value::Value;
use std::collections::BTreeMap;
use wasm_encoder::{
    BlockType, ConstExpr, CustomSection, DataCountSection, ExportKind, ExportSection, Function,
    GlobalType, HeapType, Ieee32, Ieee64, Instruction, RefType, ValType,
};

/// log2 of the micro steps of a macro step, and of the macro steps.
const B: u32 = 26;
const A: u32 = 24;
/// Cells of the register stack: deep enough for the suite's deepest recursion that returns, and so shallow that every
/// step of one that doesn't can be proven.
const STACK_CELLS: u32 = 16_384;

/// The tasks of a macro step, each with the globals that hold its results.
#[derive(Debug)]
pub struct Macro {
    /// The tasks.
    pub tasks: Vec<(Event, Vec<u32>)>,
    /// Whether its task has to trap; it is the only one then.
    pub traps: bool,
}

/// A program.
pub struct Program {
    /// The merged module.
    pub wasm: Vec<u8>,
    /// Its macro steps.
    pub macros: Vec<Macro>,
    /// The global that counts macro steps.
    pub call: u32,
    /// Globals of the externrefs that the script names, by its numbers.
    pub externs: BTreeMap<u32, u32>,
    /// Number of functions, tables and globals.
    pub counts: [u32; 3],
    /// Its memory.
    pub memory: Option<Def>,
    /// Globals that hold vectors.
    vectors: Vec<u32>,
    /// Index of each table that an event asks the size of.
    pub tables: BTreeMap<Def, u32>,
}

impl Program {
    /// Whether a global that holds a result is a vector.
    pub fn is_vector(&self, global: u32) -> bool {
        self.vectors.contains(&global)
    }
}

/// Globals that are added.
#[derive(Default)]
struct Added {
    first: u32,
    types: Vec<ValType>,
    results: BTreeMap<(u8, usize), u32>,
    externs: BTreeMap<u32, u32>,
}

impl Added {
    fn global(&mut self, ty: ValType) -> u32 {
        self.types.push(ty);
        self.first + self.types.len() as u32 - 1
    }

    /// The global for a macro step's `n`th result of a type.
    fn result(&mut self, ty: ValType, n: usize) -> u32 {
        let key = (tag(ty), n);
        if let Some(&global) = self.results.get(&key) {
            return global;
        }
        let global = self.global(ty);
        self.results.insert(key, global);
        global
    }

    fn vectors(&self) -> Vec<u32> {
        let vectors = self
            .results
            .iter()
            .filter(|((t, _), _)| *t == tag(ValType::V128));
        vectors.map(|(_, global)| *global).collect()
    }

    fn external(&mut self, n: u32) -> u32 {
        if let Some(&global) = self.externs.get(&n) {
            return global;
        }
        let global = self.global(ValType::Ref(RefType::EXTERNREF));
        self.externs.insert(n, global);
        global
    }
}

fn tag(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => 0,
        ValType::I64 => 1,
        ValType::F32 => 2,
        ValType::F64 => 3,
        ValType::V128 => 4,
        ValType::Ref(ty) if ty == RefType::FUNCREF => 5,
        ValType::Ref(_) => 6,
    }
}

/// Groups events into macro steps of at most `batch` tasks. A task that traps is alone, and so is one before which the
/// state is looked at.
fn group(events: Vec<Event>, batch: usize) -> Vec<Macro> {
    let mut macros: Vec<Macro> = Vec::new();
    for event in events {
        let traps = matches!(event.end, Ends::Traps);
        let joins = macros
            .last()
            .is_some_and(|m| !m.traps && m.tasks.len() < batch);
        if traps || !event.grown.is_empty() || !joins {
            macros.push(Macro {
                tasks: Vec::new(),
                traps,
            });
        }
        let last = macros.last_mut().expect("one was pushed, or was there");
        last.tasks.push((event, Vec::new()));
    }
    macros
}

/// Builds the program that does `events` on the instances `members`.
pub fn build(
    store: &Store,
    members: &[usize],
    memory: Option<Def>,
    events: Vec<Event>,
    batch: usize,
) -> Result<Program, Failed> {
    let mut merged = Merged::new(store, members, memory)?;
    let mut added = Added {
        first: merged.count(Kind::Global),
        ..Added::default()
    };
    let call = added.global(ValType::I32);
    let mut tables = BTreeMap::new();
    let mut macros = group(events, batch);
    let mut step = Function::new([]);
    open(&mut step, macros.len() as u32, call);
    for (number, m) in macros.iter_mut().enumerate() {
        let mut counts = BTreeMap::new();
        for (event, results) in &mut m.tasks {
            for grown in event.grown.iter().filter(|g| g.def.kind == Kind::Table) {
                tables.insert(grown.def, merged.index(grown.def));
            }
            let types = task(store, &merged, &mut added, &event.task, &mut step)?;
            for ty in types {
                let n: &mut usize = counts.entry(tag(ty)).or_default();
                results.push(added.result(ty, *n));
                *n += 1;
            }
            for &global in results.iter().rev() {
                step.instruction(&Instruction::GlobalSet(global));
            }
        }
        step.instructions()
            .i32_const(number as i32 + 1)
            .global_set(call)
            .i32_const(0)
            .return_()
            .end();
    }
    step.instructions().unreachable().end();
    let ty = merged.type_count();
    merged.types.ty().function([], [ValType::I32]);
    merged.functions.function(ty);
    merged.code.function(&step);
    let counts = [
        merged.count(Kind::Func) + 1,
        merged.count(Kind::Table),
        added.first + added.types.len() as u32,
    ];
    Ok(Program {
        memory,
        wasm: write(merged, &added, counts),
        macros,
        call,
        vectors: added.vectors(),
        externs: added.externs,
        counts,
        tables,
    })
}

/// Opens a block for each macro step, and goes to the one that `call` names.
fn open(step: &mut Function, macros: u32, call: u32) {
    for _ in 0..=macros {
        step.instructions().block(BlockType::Empty);
    }
    let targets: Vec<u32> = (0..macros).collect();
    step.instructions()
        .global_get(call)
        .br_table(targets, macros)
        .end();
}

/// Writes the instructions of a task; returns the types of what they leave.
fn task(
    store: &Store,
    merged: &Merged<'_>,
    added: &mut Added,
    task: &Task,
    step: &mut Function,
) -> Result<Vec<ValType>, Failed> {
    match task {
        Task::Unlinkable => Ok(Vec::new()),
        Task::Instantiate(instance) => {
            for instruction in &merged.inits[instance] {
                step.instruction(instruction);
            }
            Ok(Vec::new())
        }
        Task::Read(def) => {
            step.instruction(&Instruction::GlobalGet(merged.index(*def)));
            let Extern::Global(ty) = store.ty(*def) else {
                unreachable!("a script reads globals only");
            };
            Ok(vec![val_type(ty.content_type)?])
        }
        Task::Call(def, args) => {
            for arg in args {
                step.instruction(&push(*arg, added));
            }
            step.instruction(&Instruction::Call(merged.index(*def)));
            let Extern::Func(ty) = store.ty(*def) else {
                unreachable!("a script calls functions only");
            };
            ty.results().iter().map(|t| val_type(*t)).collect()
        }
    }
}

fn push(value: Value, added: &mut Added) -> Instruction<'static> {
    match value {
        Value::I32(v) => Instruction::I32Const(v as i32),
        Value::I64(v) => Instruction::I64Const(v as i64),
        Value::F32(bits) => Instruction::F32Const(Ieee32::new(bits)),
        Value::F64(bits) => Instruction::F64Const(Ieee64::new(bits)),
        Value::V128(v) => Instruction::V128Const(v as i128),
        Value::NullFunc => Instruction::RefNull(HeapType::FUNC),
        Value::NullExtern => Instruction::RefNull(HeapType::EXTERN),
        Value::Extern(n) => Instruction::GlobalGet(added.external(n)),
    }
}

/// What a global starts from.
fn zero(ty: ValType) -> ConstExpr {
    match ty {
        ValType::I32 => ConstExpr::i32_const(0),
        ValType::I64 => ConstExpr::i64_const(0),
        ValType::F32 => ConstExpr::f32_const(Ieee32::new(0)),
        ValType::F64 => ConstExpr::f64_const(Ieee64::new(0)),
        ValType::V128 => ConstExpr::v128_const(0),
        ValType::Ref(ty) => ConstExpr::ref_null(ty.heap_type),
    }
}

fn write(mut merged: Merged<'_>, added: &Added, counts: [u32; 3]) -> Vec<u8> {
    for &ty in &added.types {
        let ty = (ty, zero(ty));
        let global = GlobalType {
            val_type: ty.0,
            mutable: true,
            shared: false,
        };
        merged.globals.global(global, &ty.1);
    }
    let mut exports = ExportSection::new();
    exports.export("step", ExportKind::Func, counts[0] - 1);
    if merged.has_memory {
        exports.export("memory", ExportKind::Memory, 0);
    }
    let kinds = [ExportKind::Func, ExportKind::Table, ExportKind::Global];
    for ((kind, count), prefix) in kinds.into_iter().zip(counts).zip(["f", "t", "g"]) {
        for i in 0..count {
            exports.export(&format!("{prefix}{i}"), kind, i);
        }
    }
    let settings = format!("a={A}\nb={B}\nstack_cells={STACK_CELLS}\n");
    let mut module = wasm_encoder::Module::new();
    module
        .section(&merged.types)
        .section(&merged.functions)
        .section(&merged.tables)
        .section(&merged.memories)
        .section(&merged.globals)
        .section(&exports)
        .section(&merged.elements)
        .section(&DataCountSection {
            count: merged.data_count,
        })
        .section(&merged.code)
        .section(&merged.datas)
        .section(&CustomSection {
            name: "assay".into(),
            data: settings.as_bytes().into(),
        });
    module.finish()
}
