//! A model both as the engine has it and as the program reads it, and outputs for it.

use assay_inference::native::{Bytes, Engine, NativeMachine, Verdict, bytes};
use assay_inference::tensors::Format;
use assay_inference::testing::{Gguf, Tiny, ids, request};
use assay_types::Tolerance;
use assay_types::output::Output;
use assay_types::request::Payload;
use std::num::NonZeroUsize;

/// A model both as the engine has it and as the program reads it.
pub struct Bench {
    pub model: Bytes,
    pub engine: Engine,
}

impl Bench {
    pub fn new(model: Bytes) -> Bench {
        let engine = Engine::load(model.clone(), NonZeroUsize::MIN).unwrap();
        Bench { model, engine }
    }

    pub fn of(gguf: &Gguf) -> Bench {
        Bench::new(bytes(gguf.bytes()))
    }

    /// The program's halt code, which the engine's verdict must equal; the steps stay within the plan.
    pub fn code(&self, request: &[u8], output: &[u8]) -> u32 {
        let mut machine = NativeMachine::new(
            bytes(request.to_vec()),
            bytes(output.to_vec()),
            self.model.clone(),
        );
        let (code, steps) = machine.run();
        if let Ok(prepared) = self.engine.prepare(request) {
            assert!(
                steps <= prepared.planned_steps(),
                "{steps} steps, {} planned",
                prepared.planned_steps()
            );
        }
        assert_eq!(
            Verdict::try_from(code),
            Ok(self.engine.check(request, output))
        );
        code
    }

    pub fn honest(&self, request: &[u8]) -> Output {
        let output = self.engine.answer_exact(request);
        assert_eq!(self.code(request, &output.encode()), 0, "{output:?}");
        output
    }
}

pub fn exact(payload: &Payload) -> Vec<u8> {
    request(payload, Tolerance::default())
}

pub fn parts(output: &Output) -> (Vec<u32>, Vec<u8>) {
    match output {
        Output::Answer { ids, text } => (ids.clone(), text.clone()),
        Output::Error { .. } => panic!("{output:?}"),
    }
}

pub fn answer(ids: &[u32], text: &[u8]) -> Vec<u8> {
    Output::Answer {
        ids: ids.to_vec(),
        text: text.to_vec(),
    }
    .encode()
}

/// What ids spell by the vocabulary's definition, without the stop rule.
pub fn spell(ids: &[u32]) -> Vec<u8> {
    let normal = assay_inference::testing::normal_tokens();
    let piece = |id: &u32| match *id {
        id if (ids::BYTE..ids::CALL).contains(&id) => vec![(id - ids::BYTE) as u8],
        ids::TOOL => b"[tool]".to_vec(),
        id if id >= ids::NORMAL => normal[(id - ids::NORMAL) as usize]
            .0
            .replace('▁', " ")
            .into_bytes(),
        _ => vec![],
    };
    ids.iter().flat_map(piece).collect()
}

/// A model in which a token's embedding is so large that its norm overflows; none for no such token.
pub fn poisoned(token: Option<u32>) -> Bench {
    let mut gguf = Tiny {
        format: Format::F32,
        ..Tiny::default()
    }
    .gguf();
    if let Some(token) = token {
        let at = token as usize * 64 * 4;
        gguf.tensor("token_embd.weight").data[at..at + 4].copy_from_slice(&1e30f32.to_le_bytes());
    }
    Bench::of(&gguf)
}
