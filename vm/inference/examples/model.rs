//! Writes a GGUF of a well-known shape with seeded random weights: `model SIZE TYPE FILE` (0.1b, 0.5b, 1.1b; Q8_0, Q4_K, ...).
//!
//! For measuring: how fast a model is does not depend on what its weights say.

use assay_inference::tensors::Format;
use assay_inference::testing::Tiny;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [size, name, file] = &args[..] else {
        eprintln!("usage: model SIZE TYPE FILE, e.g. model 1.1b Q8_0 model.gguf");
        return ExitCode::FAILURE;
    };
    let Some(format) = Format::ALL.iter().find(|f| f.label() == name) else {
        let names: Vec<&str> = Format::ALL.iter().map(|f| f.label()).collect();
        eprintln!("no type {name}; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    };
    let Some(tiny) = Tiny::of_size(size, *format) else {
        eprintln!("no size {size}; there are 0.1b, 0.5b and 1.1b");
        return ExitCode::FAILURE;
    };
    match std::fs::write(file, tiny.gguf().bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("can't write {file}: {error}");
            ExitCode::FAILURE
        }
    }
}
