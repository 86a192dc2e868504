//! A program and its inputs, from files.

use crate::cli::ProgramArgs;
use crate::names::Functions;
use anyhow::{Context, bail, ensure};
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::lower::{Driver, Lowered, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_types::params::ROMS;
use std::path::Path;
use std::sync::Arc;

/// A lowered program with its inputs.
pub struct Program {
    /// The module.
    pub wasm: Vec<u8>,
    /// What it is lowered to.
    pub lowered: Arc<Lowered>,
    /// Who owns which instruction.
    pub functions: Functions,
    /// Request, output, model.
    pub roms: [Rom; 3],
}

impl Program {
    /// Reads and lowers.
    pub fn load(args: &ProgramArgs) -> anyhow::Result<Program> {
        let wasm = module(&args.file)?;
        let lowered = lower(&wasm).with_context(|| {
            let file = args.file.display();
            format!("{file} is refused (vm/tool/README.md says what runs)")
        })?;
        let mut data: [Option<Vec<u8>>; ROMS as usize] = [const { None }; ROMS as usize];
        for arg in &args.roms {
            let place = &mut data[arg.rom as usize];
            ensure!(
                place.is_none(),
                "--rom {}=... is given twice: keep one",
                arg.name
            );
            let bytes = std::fs::read(&arg.file).with_context(|| {
                format!("--rom {}={}: cannot be read", arg.name, arg.file.display())
            })?;
            *place = Some(bytes);
        }
        Ok(Program {
            functions: Functions::new(&wasm, &lowered),
            lowered: Arc::new(lowered),
            roms: data.map(|bytes| Rom::new(&bytes.unwrap_or_default())),
            wasm,
        })
    }

    /// The first state, to be interpreted.
    pub fn machine(&self) -> Machine {
        Machine::new(self.lowered.image.clone(), self.roms.clone())
    }

    /// The program compiled.
    pub fn compile(&self) -> anyhow::Result<Compiled> {
        Ok(Compiled::new(&self.wasm, self.lowered.clone())?)
    }

    /// A run in compiled code.
    pub fn compiled(&self) -> anyhow::Result<CompiledEngine> {
        Ok(CompiledEngine::new(self.compile()?, self.roms.clone()))
    }

    /// log2 of the micro steps in a macro step.
    pub fn b(&self) -> u8 {
        self.lowered.image.limits.b
    }

    /// Whether it comes back after a macro step.
    pub fn yields(&self) -> bool {
        self.lowered.driver == Driver::Step
    }
}

/// The file's bytes as a binary module.
fn module(file: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = file.display();
    let bytes = std::fs::read(file)
        .with_context(|| format!("program {shown} cannot be read: pass a .wasm or .wat file"))?;
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    let is_text = file.extension().is_some_and(|e| e == "wat");
    match std::str::from_utf8(&bytes) {
        Ok(text) if is_text || text.trim_start().starts_with(['(', ';']) => {
            wat::parse_str(text).with_context(|| format!("{shown} is no WebAssembly text"))
        }
        Ok(_) | Err(_) => bail!(
            "{shown} is no WebAssembly: it begins neither with the bytes 00 61 73 6d nor with a parenthesis"
        ),
    }
}
