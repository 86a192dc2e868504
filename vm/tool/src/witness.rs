//! The witness file: everything that `check` needs to repeat one step, as JSON. `vm/tool/README.md` describes it.

use anyhow::{Context, bail, ensure};
use assay_machine::access::replay::FixedRoots;
use assay_machine::image::{Image, Limits};
use assay_machine::rom::Rom;
use assay_types::params::{MACHINE_VERSION, STACK_CELLS, TRACE_LOG2};
use assay_types::{Hash, Program, StateRoot};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name and version of the form.
const FORMAT: &str = "assay-witness-1";

/// A step with its witness and whatever else decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessFile {
    format: String,
    machine_version: u32,
    /// Of `program`.
    pub program_id: Hex32,
    program: ProgramFields,
    roms: RomRoots,
    /// Trace index of the state before.
    pub index: u64,
    /// Root of the state before.
    pub before: Hex32,
    /// Root of the state after.
    pub after: Hex32,
    witness: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramFields {
    code: Hex32,
    segments: Hex32,
    table: Hex32,
    memory: Hex32,
    globals: Hex32,
    pages: u32,
    max_pages: u32,
    volatile_log2: u8,
    stack_cells: u32,
    a: u8,
    b: u8,
    entry: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RomRoots {
    request: Hex32,
    output: Hex32,
    model: Hex32,
}

/// 32 bytes, written as 0x and 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex32(pub Hash);

impl TryFrom<String> for Hex32 {
    type Error = String;

    fn try_from(text: String) -> Result<Hex32, String> {
        let bytes = bytes(&text).ok().and_then(|b| b.try_into().ok());
        let bytes = bytes.ok_or_else(|| format!("{text:?} is not 0x and 64 hex digits"))?;
        Ok(Hex32(Hash(bytes)))
    }
}

impl From<Hex32> for String {
    fn from(hash: Hex32) -> String {
        hash.0.to_string()
    }
}

fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits = text
        .strip_prefix("0x")
        .context("it does not begin with 0x")?;
    Ok(hex::decode(digits)?)
}

impl WitnessFile {
    /// Of a step of `image` on `roms`.
    pub fn new(
        image: &Image,
        roms: &[Rom; 3],
        index: u64,
        (before, after): (StateRoot, StateRoot),
        witness: &[u8],
    ) -> WitnessFile {
        let p = &image.program;
        let [request, output, model] = [0, 1, 2].map(|i| Hex32(roms[i].root()));
        WitnessFile {
            format: FORMAT.into(),
            machine_version: MACHINE_VERSION,
            program_id: Hex32(p.id().0),
            program: ProgramFields {
                code: Hex32(p.code),
                segments: Hex32(p.segments),
                table: Hex32(p.table),
                memory: Hex32(p.memory),
                globals: Hex32(p.globals),
                pages: p.pages,
                max_pages: p.max_pages,
                volatile_log2: p.volatile_log2,
                stack_cells: p.stack_cells,
                a: p.a,
                b: p.b,
                entry: p.entry,
            },
            roms: RomRoots {
                request,
                output,
                model,
            },
            index,
            before: Hex32(before.0),
            after: Hex32(after.0),
            witness: format!("0x{}", hex::encode(witness)),
        }
    }

    /// Reads a file; its form is right then, nothing more.
    pub fn read(file: &Path) -> anyhow::Result<WitnessFile> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("witness {shown} cannot be read: `prove` writes one"))?;
        let parsed: WitnessFile = serde_json::from_str(&text)
            .with_context(|| format!("{shown} is no witness file: `prove` writes one"))?;
        parsed
            .check_form()
            .with_context(|| format!("{shown} is malformed"))?;
        Ok(parsed)
    }

    fn check_form(&self) -> anyhow::Result<()> {
        if self.format != FORMAT {
            bail!(
                "its form is {:?}; this command reads {FORMAT:?}",
                self.format
            );
        }
        let version = self.machine_version;
        ensure!(
            version == MACHINE_VERSION,
            "it is of machine version {version}; this command knows {MACHINE_VERSION}"
        );
        let p = &self.program;
        ensure!(
            p.b >= 1 && u32::from(p.a) + u32::from(p.b) == TRACE_LOG2,
            "a + b is not {TRACE_LOG2}"
        );
        ensure!(
            p.volatile_log2 == 0 || (7..=31).contains(&p.volatile_log2),
            "volatile_log2 is neither 0 nor 7 to 31"
        );
        ensure!(
            p.stack_cells <= STACK_CELLS,
            "stack_cells is over {STACK_CELLS}"
        );
        ensure!(
            p.pages <= p.max_pages && p.max_pages <= 65536,
            "pages and max_pages are no memory's"
        );
        ensure!(
            self.index < 1 << TRACE_LOG2,
            "index {} is not below 2^{TRACE_LOG2}",
            self.index
        );
        self.witness().map(|_| ())
    }

    /// Writes it.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text)
            .with_context(|| format!("cannot write {}: pass another --out", file.display()))
    }

    /// The witness.
    pub fn witness(&self) -> anyhow::Result<Vec<u8>> {
        bytes(&self.witness).context("its witness is not 0x and hex digits")
    }

    /// What its id commits to.
    pub fn program(&self) -> Program {
        let p = &self.program;
        Program {
            code: p.code.0,
            segments: p.segments.0,
            table: p.table.0,
            memory: p.memory.0,
            globals: p.globals.0,
            pages: p.pages,
            max_pages: p.max_pages,
            volatile_log2: p.volatile_log2,
            stack_cells: p.stack_cells,
            a: p.a,
            b: p.b,
            entry: p.entry,
        }
    }

    /// The program's numbers.
    pub fn limits(&self) -> Limits {
        let p = &self.program;
        Limits {
            pages: p.pages,
            max_pages: p.max_pages,
            volatile_log2: p.volatile_log2,
            stack_cells: p.stack_cells,
            a: p.a,
            b: p.b,
            entry: p.entry,
        }
    }

    /// Roots that no step changes.
    pub fn fixed(&self) -> FixedRoots {
        FixedRoots {
            code: self.program.code.0,
            segments: self.program.segments.0,
            roms: [self.roms.request.0, self.roms.output.0, self.roms.model.0],
        }
    }
}
