//! One case in all engines: the file's verdict, the answer, and every state at a yield.

use crate::ask;
use crate::choices::Choices;
use crate::file::write;
use crate::{model, twist};
use assay_inference::error::What;
use assay_inference::native::{Engine as Inference, Level, Verdict, bytes, inspect};
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Engine, Interpreter, is_terminal};
use assay_tests::longest::longest_macro_step;
use assay_twin::{GUEST_WASM, TwinEngine, guest};
use assay_types::Status;
use assay_types::output::{ErrorCode, Output};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

/// Macro steps within which each case ends.
const LIMIT: u64 = 20_000;

static COMPILED: LazyLock<Compiled> =
    LazyLock::new(|| Compiled::new(GUEST_WASM, guest()).expect("the guest compiles"));

/// What is random about a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The file, under a plain request.
    Files,
    /// A model that loads, the request and the claimed output.
    Models,
}

/// What a case came to.
#[derive(Default)]
pub struct Seen {
    /// What is new about it if nothing before had it.
    pub features: BTreeSet<String>,
    pub steps: u64,
    /// Micro steps of the longest macro step, where the interpreter ran.
    pub longest: u64,
}

macro_rules! hold {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

/// Runs a case; `Err` says what differs, or how the program's native side panicked.
pub fn run(kind: Kind, case: &[u8], interpret: bool) -> Result<Seen, String> {
    let result = catch_unwind(AssertUnwindSafe(|| run_case(kind, case, interpret)));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

fn run_case(kind: Kind, case: &[u8], interpret: bool) -> Result<Seen, String> {
    let c = &mut Choices::new(case);
    let mut seen = Seen::default();
    let mut asked = "plain";
    let (model, request) = match kind {
        Kind::Files => {
            let payload = assay_types::request::Payload::greedy("the cat", 2);
            let request = assay_inference::testing::request(&payload, Default::default());
            (twist::random(c), request)
        }
        Kind::Models => {
            let (request, sampling) = ask::request(c);
            let model = model::random(c, true);
            seen.features.extend(model.features.iter().cloned());
            seen.features.insert(model.features[..2].join("-"));
            seen.features.insert(sampling.into());
            asked = sampling;
            (write(&model).bytes, request)
        }
    };
    let levels: Vec<Level> = Level::ALL.into_iter().filter(|l| l.is_here()).collect();
    let level = levels[levels.len() - 1 - c.below(levels.len())];
    let threads = NonZeroUsize::MIN.saturating_add(c.below(2));

    let loaded = Inference::load_at(level, bytes(model.clone()), threads);
    let (inspected, honest) = match &loaded {
        Ok(engine) => (None, engine.answer_exact(&request)),
        Err(refused) => {
            seen.features.insert(label(refused.reject.what));
            let (code, ids) = (ErrorCode::BadModel, Vec::new());
            (Some(refused.reject), Output::Error { code, ids })
        }
    };
    hold!(
        inspect(bytes(model.clone())).err().map(|e| e.reject) == inspected,
        "the inspection differs from the load"
    );
    hold!(
        kind == Kind::Files || loaded.is_ok(),
        "a model that should load: {}",
        loaded.err().map(|e| e.to_string()).unwrap_or_default()
    );
    if loaded.is_ok() {
        let end = match &honest {
            Output::Answer { .. } => "answer".to_owned(),
            Output::Error { code, ids } => {
                format!("{code:?}{}", if ids.is_empty() { "" } else { "-later" })
            }
        };
        seen.features.insert(format!("{asked}-{end}"));
        seen.features.insert(end);
    }
    let output = ask::claim(c, &honest);
    let is_honest = output == honest.encode();

    let roms = [&request, &output, &model].map(|data| Rom::new(data));
    let mut twin = TwinEngine::new(roms.clone());
    let mut want = vec![twin.roots(&[0]).expect("infallible")[0]];
    while !is_terminal(twin.position().1) {
        hold!(
            want.len() as u64 <= LIMIT,
            "no end after {LIMIT} macro steps"
        );
        let y = want.len() as u64;
        want.extend(twin.roots(&[y]).expect("infallible"));
    }
    let (steps, status) = twin.position();
    seen.steps = steps;
    let Status::Halted(code) = status else {
        return Err(format!("the native run ends {status:?}"));
    };
    seen.features.insert(format!("code-{code}"));
    hold!(
        !is_honest || code == 0,
        "the engine's output is wrong: code {code}"
    );
    match &loaded {
        Ok(engine) => {
            let verdict = engine.check(&request, &output);
            hold!(
                Verdict::try_from(code) == Ok(verdict),
                "the program's code is {code}, the engine's verdict {verdict:?}"
            );
            if let Ok(prepared) = engine.prepare(&request) {
                let planned = prepared.planned_steps();
                hold!(steps <= planned, "{steps} macro steps, {planned} planned");
            }
            // Whole operators at once, stopped at some of the yields.
            let mut random = c.random();
            let some: Vec<u64> = (0..=steps).filter(|_| random.below(3) == 0).collect();
            let mut fast = TwinEngine::with_kernels(engine.clone(), roms.clone());
            let got = fast.roots(&some).expect("infallible");
            for (y, got) in some.iter().zip(got) {
                hold!(
                    got == want[*y as usize],
                    "{level}: the kernels' run differs at yield {y} of {steps}"
                );
            }
            hold!(
                fast.finish(LIMIT) == (steps, status),
                "the kernels' run ends otherwise"
            );
        }
        Err(_) => hold!(is_honest == (code == 0), "a refused model's code is {code}"),
    }

    let yields: Vec<u64> = (0..=steps + 1).collect();
    // A state after the end is the end's.
    want.push(want[steps as usize]);
    let mut compiled = CompiledEngine::new(COMPILED.clone(), roms.clone());
    let got = compiled.roots(&yields).map_err(|e| e.to_string())?;
    let differs = (0..yields.len()).find(|y| got[*y] != want[*y]);
    hold!(
        differs.is_none(),
        "wasmtime differs from the native run at yield {differs:?} of {steps}"
    );
    hold!(!compiled.interprets(), "a macro step is beyond its bound");
    if interpret {
        let mut interpreter = Interpreter::new(Machine::new(guest().image.clone(), roms.clone()));
        let got = interpreter.roots(&yields).expect("infallible");
        let differs = (0..yields.len()).find(|y| got[*y] != want[*y]);
        hold!(
            differs.is_none(),
            "the interpreter differs at yield {differs:?} of {steps}"
        );
        seen.longest = longest_macro_step(roms);
        let most = 1 << (guest().image.limits.b - 2);
        hold!(
            seen.longest < most,
            "a macro step of {} steps",
            seen.longest
        );
    }
    Ok(seen)
}

fn label(what: What) -> String {
    format!("{what:?}")
}
