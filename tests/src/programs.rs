//! WebAssembly programs that between them lower to nearly every opcode, in every form.

mod numeric;
mod vectors;
mod whole;

use assay_types::Status;

/// A program and how it has to end.
pub struct Program {
    /// What it is, for messages.
    pub name: String,
    /// WebAssembly text.
    pub text: String,
    /// Its last status.
    pub end: Status,
}

/// All programs.
pub fn all() -> Vec<Program> {
    let mut out = vec![
        Program {
            name: "numeric operators".into(),
            text: numeric::total(),
            end: Status::Halted(9),
        },
        Program {
            name: "vector operators".into(),
            text: vectors::operators(),
            end: Status::Halted(9),
        },
        Program {
            name: "vector accesses".into(),
            text: vectors::ACCESSES.into(),
            end: Status::Halted(4),
        },
    ];
    out.extend(numeric::trapping());
    out.extend(whole::programs());
    out
}
