//! Games about the real program on the real model: a wrong token, and liars at places of a whole request's run.

#[allow(dead_code, reason = "shared with games.rs, which uses other parts")]
mod games_support;

use alloy::primitives::B256;
use assay_dispute::flipped::FlippedTrace;
use assay_dispute::game::Side;
use assay_dispute::ledger::ClaimKey;
use assay_dispute::library::{Library, Replay};
use assay_dispute::lies;
use assay_dispute::memo::Memo;
use assay_dispute::trace::Trace;
use assay_inference::native::{Engine as Inference, bytes};
use assay_machine::rom::Rom;
use assay_machine::trace::ProgramTrace;
use assay_node::deployment::ModelEntry;
use assay_tests::artifacts::root;
use assay_twin::{TwinEngine, guest};
use assay_types::output::Output;
use assay_types::params::{MAX_WITNESS_BYTES, TRACE_LOG2};
use assay_types::request::Payload;
use assay_types::{Header, Status};
use games_support::duel::{Report, duel};
use games_support::{Court, Moment, account};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

const ALLOWANCE: u64 = 120;
/// Steps of a false run that a liar interprets before it makes roots up.
const PATIENCE: u64 = 20_000_000;

struct Case {
    court: Court,
    posted: Moment,
    claim: ClaimKey,
    roms: [Rom; 3],
    honest: Side,
    truth: Memo<ProgramTrace<TwinEngine>>,
    /// Macro steps of the run.
    end: u64,
}

impl Case {
    fn new(honest: Side) -> Case {
        let path = root().join("devnet/model/assay-stories.gguf");
        let file = std::fs::read(path).expect("the devnet model is committed");
        let model = Rom::new(&file);
        let mut court = Court::new(&guest().image, &model, 5, ALLOWANCE);
        let id = court.ask(&Payload::greedy("Story: A fox", 4).encode());
        let before = court.moment();
        let probe = court.claim(id, &[0; 5]);
        let request = court.inputs(probe).request;
        court.go_back(&before);
        let engine =
            Inference::load(bytes(file), NonZeroUsize::MIN).expect("the devnet model loads");
        let Output::Answer { mut ids, text } = engine.answer_exact(&request) else {
            panic!("an answer is due")
        };
        if honest == Side::Challenger {
            ids[2] ^= 1;
        }
        let claim = court.claim(id, &Output::Answer { ids, text }.encode());
        let inputs = court.inputs(claim);
        let roms = [Rom::new(&inputs.request), Rom::new(&inputs.output), model];
        let (end, status) = TwinEngine::new(roms.clone()).finish(1 << 20);
        // The honest run ends as the claim's truth says: otherwise nothing below shows anything.
        assert_eq!(
            status == Status::Halted(0),
            honest == Side::Executor,
            "{status:?}"
        );
        let mut truth = Memo::new(ProgramTrace::new(TwinEngine::new(roms.clone())));
        let last = truth.roots(&[1 << TRACE_LOG2]).expect("infallible")[0];
        assert_eq!(last, Header::terminal(status).root());
        let posted = court.moment();
        Case {
            court,
            posted,
            claim,
            roms,
            honest,
            truth,
            end,
        }
    }

    /// Steps that macro step `y` executes.
    fn steps(&self, y: u64) -> u64 {
        let b = guest().image.limits.b;
        let mut trace = ProgramTrace::new(TwinEngine::new(self.roms.clone()));
        let mut machine = trace.machine(y << b).expect("infallible");
        let before = machine.executed;
        machine.run(y << b, 1 << b);
        machine.executed - before
    }

    /// An index after an executed step.
    fn executed(&self, rng: &mut SmallRng) -> u64 {
        let y = rng.random_range(0..self.end);
        (y << guest().image.limits.b) + rng.random_range(1..=self.steps(y))
    }

    fn play(&mut self, at: u64, seed: u64, patience: u64) -> Report {
        self.court.go_back(&self.posted);
        let id = self.court.open(account("challenger"), self.claim);
        let truth = ProgramTrace::new(TwinEngine::new(self.roms.clone()));
        let ending = match self.honest {
            Side::Executor => Status::Halted(1),
            Side::Challenger => Status::Halted(0),
        };
        let liar = FlippedTrace::new(truth, at, seed, TRACE_LOG2);
        let mut liar = liar.with_patience(patience).ending(ending);
        let honest = (self.honest, &mut self.truth);
        let report = duel(&mut self.court, id, honest, &mut liar, ALLOWANCE);
        println!("lie from {at} on, patience {patience}: {report:?}");
        assert!(report.moves <= 10 && report.transactions < 14 && report.gas < 1_500_000);
        assert!(report.witness <= MAX_WITNESS_BYTES);
        report
    }

    /// First index, a yield, a resume, padding, after the halt, the end.
    fn special(&self) -> Vec<u64> {
        let (b, y) = (guest().image.limits.b, self.end / 2);
        let start = y << b;
        let padding = start + self.steps(y) + 1000;
        vec![
            1,
            start,
            start + 1,
            padding,
            (self.end + 9) << b,
            1 << TRACE_LOG2,
        ]
    }
}

#[test]
fn lying_executor_loses_on_the_real_program() {
    let mut case = Case::new(Side::Challenger);
    let mut rng = SmallRng::seed_from_u64(4);
    let mut places = case.special();
    places.extend((0..200).map(|_| case.executed(&mut rng)));
    for at in places {
        let report = case.play(at, rng.random(), 0);
        assert_eq!(
            report.proven,
            Some(at - 1),
            "the first false step is the one that is proven"
        );
    }
    for _ in 0..20 {
        let at = case.executed(&mut rng);
        let report = case.play(at, rng.random(), PATIENCE);
        assert!(
            report.proven.is_some_and(|proven| proven >= at - 1),
            "{at}: {report:?}"
        );
    }
}

#[test]
fn lying_challenger_loses_on_the_real_program() {
    let mut case = Case::new(Side::Executor);
    let mut rng = SmallRng::seed_from_u64(5);
    for patience in [0; 20].into_iter().chain([PATIENCE; 5]) {
        let at = case.executed(&mut rng);
        let report = case.play(at, rng.random(), patience);
        assert_eq!(
            (report.proven, report.moves),
            (None, 10),
            "{at}: it ends in the liar's timeout"
        );
    }
}

/// `--flip random:SEED` chooses its place on the run of the liar's own claim.
#[test]
fn random_lie_begins_after_an_executed_step_and_is_alive_there() {
    let mut case = Case::new(Side::Challenger);
    let inputs = case.court.inputs(case.claim);
    let model = &case.roms[2];
    let entry = ModelEntry {
        id: B256::new(inputs.model.0.0),
        name: "assay-stories.gguf".to_owned(),
        program_id: B256::new(guest().image.program.id().0.0),
        root: B256::new(model.root().0),
        length: model.data_len(),
        max_gap: 0,
        max_flips: 0,
    };
    let (program, file) = (
        root().join("vm/guest/guest.wasm"),
        root().join("devnet/model/assay-stories.gguf"),
    );
    let library = Library::load(&program, &[file], &[entry], Replay::Native);
    let library = library.expect("program and model are committed");
    let mut macro_steps = BTreeSet::new();
    let seeds = 2 * case.end;
    for seed in 0..seeds {
        let at = lies::executed(&library, &inputs, Some(seed)).expect("the run ends");
        let truth = case.truth.roots(&[at - 1, at]).expect("infallible");
        // Padding, which is most of the trace, repeats its root.
        assert_ne!(
            truth[0],
            truth[1],
            "seed {seed}: step {} is executed",
            at - 1
        );
        let run = ProgramTrace::new(TwinEngine::new(case.roms.clone()));
        let mut liar = FlippedTrace::new(run, at, seed, TRACE_LOG2);
        let told = liar.roots(&[at - 1, at]).expect("infallible");
        assert_eq!(told[0], truth[0], "seed {seed}: true up to {}", at - 1);
        assert_ne!(told[1], truth[1], "seed {seed}: false at {at}");
        macro_steps.insert(at >> guest().image.limits.b);
    }
    // Two seeds a macro step reach 1 - 1/e^2 of them on average; a choice that clings to a part of the run does not.
    assert!(
        macro_steps.len() as u64 * 2 > case.end,
        "spread over {} macro steps: {macro_steps:?}",
        case.end
    );
}
