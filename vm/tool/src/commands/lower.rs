//! `lower`: what a program is lowered to.

use super::Ended;
use crate::cli::LowerArgs;
use crate::disassembly;
use crate::names::Function;
use crate::print::Print;
use crate::program::Program;
use assay_machine::image::Image;
use assay_machine::isa::Instr;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Prints id, numbers and disassembly.
pub fn run(args: &LowerArgs, print: &mut Print) -> anyhow::Result<Ended> {
    let program = Program::load(&args.program)?;
    let image = &program.lowered.image;
    let targets = targets(&image.code);
    print.object(&object(&program, &targets))?;
    head(&program, print)?;
    for function in program.functions.all() {
        print.line("")?;
        print.line(heading(function))?;
        for pc in function.pcs.clone() {
            print.line(line(&program, image, pc, &targets))?;
        }
    }
    Ok(Ended::Done)
}

fn head(program: &Program, print: &mut Print) -> anyhow::Result<()> {
    let image = &program.lowered.image;
    let l = &image.limits;
    let volatile = match l.volatile_log2 {
        0 => "none".into(),
        log2 => format!("the first 2^{log2} bytes"),
    };
    print.field("program", image.program.id().0)?;
    print.field("driven by", program.lowered.driver.export())?;
    print.field("macro steps", format!("2^{} of 2^{} steps each", l.a, l.b))?;
    print.field("pages", format!("{}, at most {}", l.pages, l.max_pages))?;
    print.field("volatile", volatile)?;
    print.field("stack cells", l.stack_cells)?;
    print.field("instructions", image.code.len())?;
    print.field("table", format!("{} cells", image.table.len()))?;
    print.field("segments", format!("{} bytes", image.segments.len()))?;
    print.field("memory", format!("{} bytes", image.memory.len()))
}

fn heading(function: &Function) -> String {
    match function.index {
        None => "entry stub:".into(),
        Some(index) => match &function.name {
            Some(name) => format!("function {index} {name}:"),
            None => format!("function {index}:"),
        },
    }
}

/// Every instruction that a branch, but no call, names.
fn targets(code: &[Instr]) -> BTreeSet<u32> {
    let branch = |i: &Instr| !disassembly::text(i).starts_with("call");
    let named = code.iter().filter(|i| branch(i));
    named.filter_map(disassembly::target).collect()
}

/// A line; `>` marks what a branch leads to, and a call says whom it calls.
fn line(program: &Program, image: &Image, pc: u32, targets: &BTreeSet<u32>) -> String {
    let instr = &image.code[pc as usize];
    let mark = if targets.contains(&pc) { '>' } else { ' ' };
    let callee = callee(program, instr).map_or(String::new(), |name| format!("  ; {name}"));
    format!("{mark}{pc:>7}  {}{callee}", disassembly::text(instr))
}

fn callee(program: &Program, instr: &Instr) -> Option<String> {
    let target = disassembly::target(instr)?;
    let function = program.functions.at(target)?;
    (function.pcs.start == target && function.index.is_some()).then(|| function.title())
}

fn object(program: &Program, targets: &BTreeSet<u32>) -> Value {
    let image = &program.lowered.image;
    let (p, l) = (&image.program, &image.limits);
    let instructions = |function: &Function| -> Vec<Value> {
        let instruction = |pc: u32| {
            let instr = &image.code[pc as usize];
            json!({
                "pc": pc,
                "bytes": format!("0x{}", hex::encode(instr.encode())),
                "text": disassembly::text(instr),
                "target": disassembly::target(instr),
                "is_target": targets.contains(&pc),
                "calls": callee(program, instr),
            })
        };
        function.pcs.clone().map(instruction).collect()
    };
    let functions: Vec<Value> = program
        .functions
        .all()
        .iter()
        .map(|function| {
            json!({
                "index": function.index,
                "name": function.name,
                "pc": function.pcs.start,
                "instructions": instructions(function),
            })
        })
        .collect();
    json!({
        "program_id": p.id().0.to_string(),
        "driver": program.lowered.driver.export(),
        "limits": {
            "pages": l.pages,
            "max_pages": l.max_pages,
            "volatile_log2": l.volatile_log2,
            "stack_cells": l.stack_cells,
            "a": l.a,
            "b": l.b,
            "entry": l.entry,
        },
        "roots": {
            "code": p.code.to_string(),
            "segments": p.segments.to_string(),
            "table": p.table.to_string(),
            "memory": p.memory.to_string(),
            "globals": p.globals.to_string(),
            "first_state": p.initial().root().0.to_string(),
        },
        "functions": functions,
    })
}
