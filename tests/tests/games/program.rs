//! Liars at hundreds of places of a real program's run, against the honest player, on the committed bytecode in revm.

use crate::games_support::case::{Case, Disputed, Summary};
use crate::games_support::program::{PROGRAM, ROUNDS, right_output};
use assay_dispute::game::Side;
use assay_dispute::trace::Trace;
use assay_machine::trace::{Interpreter, ProgramTrace};
use assay_types::params::TRACE_LOG2;
use assay_types::{StateRoot, Status};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Steps of a false run that a liar interprets: more than enough for any of these.
const PATIENCE: u64 = 200_000_000;

/// A claim about the small program.
fn claimed(honest: Side, arity_log2: u8) -> Case {
    let program = Disputed {
        wasm: wat::parse_str(PROGRAM).expect("the program is WebAssembly"),
        model: b"no model".to_vec(),
        right: |request, _| right_output(request),
    };
    let case = Case::new(&program, honest, arity_log2);
    assert_eq!(case.executed.len(), ROUNDS as usize);
    case
}

#[test]
fn lying_executor_loses_wherever_it_leaves_the_truth() {
    let mut case = claimed(Side::Challenger, 5);
    let mut rng = SmallRng::seed_from_u64(1);
    let mut places = case.special();
    places.extend((0..200).map(|_| ("an executed index", case.random_executed(&mut rng))));
    let mut summary = Summary::default();
    for (what, at) in places {
        let seed = rng.random();
        // Runs on from its flipped state to the end, and says Halted(0) there.
        let report = case.play(&mut case.liar(at, seed, PATIENCE));
        let proven = report
            .proven
            .unwrap_or_else(|| panic!("{what}, {at}: a proof ends it: {report:?}"));
        assert!(
            proven >= at - 1,
            "{what}, {at}: before it, both say the same, but {proven} was proven"
        );
        summary.add(&report);

        // Makes up every root from there on: the first false step is the one that is proven.
        let report = case.play(&mut case.liar(at, seed, 0));
        assert_eq!(report.proven, Some(at - 1), "{what}");
        summary.add(&report);
    }
    assert_eq!(summary.games, 2 * 211);
    summary.check();
}

#[test]
fn lying_challenger_loses_wherever_it_leaves_the_truth() {
    let mut case = claimed(Side::Executor, 5);
    let mut rng = SmallRng::seed_from_u64(2);
    let mut places = case.special();
    places.extend((0..200).map(|_| ("an executed index", case.random_executed(&mut rng))));
    let mut summary = Summary::default();
    for (what, at) in places {
        for patience in [PATIENCE, 0] {
            let report = case.play(&mut case.liar(at, rng.random(), patience));
            // With k = 32 it is the challenger who would have to prove.
            assert_eq!(
                (report.proven, report.moves),
                (None, 10),
                "{what}, {at}: it ends in the liar's timeout"
            );
            summary.add(&report);
        }
    }
    assert_eq!(summary.games, 2 * 211);
    summary.check();
}

#[test]
fn executor_proves_where_the_number_of_moves_is_odd() {
    // k = 64: nine moves, the last of which halves twice; then it is the executor's turn.
    let mut case = claimed(Side::Executor, 6);
    let mut rng = SmallRng::seed_from_u64(3);
    let mut places = case.special();
    places.extend((0..20).map(|_| ("an executed index", case.random_executed(&mut rng))));
    for (what, at) in places {
        let report = case.play(&mut case.liar(at, rng.random(), 0));
        assert_eq!(
            (report.proven, report.moves),
            (Some(at - 1), 9),
            "{what}, {at}"
        );
    }

    let mut case = claimed(Side::Challenger, 6);
    for (what, at) in case.special() {
        let report = case.play(&mut case.liar(at, rng.random(), 0));
        assert_eq!(
            (report.proven, report.moves),
            (None, 9),
            "{what}, {at}: the liar can't prove"
        );
    }
}

/// Has no true root but the first, and this ending.
struct AllDifferent(ProgramTrace<Interpreter>, Status);

impl Trace for AllDifferent {
    type Error = std::convert::Infallible;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Self::Error> {
        let truth = self.0.roots(indices)?;
        let lie = |(i, root): (&u64, StateRoot)| match *i {
            0 => root,
            i if i == 1 << TRACE_LOG2 => assay_types::Header::terminal(self.1).root(),
            i => StateRoot(assay_types::keccak256(&[&root.0.0, &i.to_be_bytes()])),
        };
        Ok(indices.iter().zip(truth).map(lie).collect())
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, Self::Error> {
        self.0.witness(index)
    }
}

#[test]
fn liar_with_no_true_root_loses_at_the_first_step() {
    for (honest, ending) in [
        (Side::Challenger, Status::Halted(0)),
        (Side::Executor, Status::Trapped),
    ] {
        let mut case = claimed(honest, 5);
        let truth = ProgramTrace::new(Interpreter::new(case.machine.clone()));
        let report = case.play(&mut AllDifferent(truth, ending));
        let expected = (honest == Side::Challenger).then_some(0);
        assert_eq!(
            report.proven, expected,
            "the first state is the one thing that is not disputed"
        );
    }
}
