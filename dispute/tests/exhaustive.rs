//! True claims can't lose, false ones can't survive: every game of small traces, against an oracle.

#[allow(
    dead_code,
    reason = "shared with the run against the contract, which uses other parts"
)]
mod toy;

use assay_dispute::action::Action;
use assay_dispute::game::{Game, IllegalMove, Rules, Side};
use assay_dispute::solver::next_actions;
use assay_types::Hash;
use assay_types::state::halted_root;
use toy::counter::Counter;
use toy::enumerate::{ALLOWANCE, NoBoard, OPENED, Setup, Tally, opening, play_all};
use toy::{Honest, World};

fn enumerate(arity_log2: u32, honest: Side) {
    let mut total = Tally::default();
    for trace_log2 in 0..=6 {
        let length = 1u64 << trace_log2;
        // The honest run halts at once, in the middle, or at the very end; what follows is padding.
        for period in [1, length / 2 + 1, length] {
            let setup = Setup {
                trace_log2,
                arity_log2,
                honest,
                wrong_roots: 2,
                thorough: true,
                blobs: false,
            };
            let world = Counter {
                period,
                accepts: honest == Side::Executor,
            };
            let game = opening(&setup, &world, Hash([7; 32]), OPENED);
            let tally = play_all(&setup, &world, game, OPENED, NoBoard);
            println!(
                "N = {length}, halts at {period}, k = {}, {honest:?} honest: {tally:?}",
                1 << arity_log2
            );
            assert_eq!(tally.longest, trace_log2.div_ceil(arity_log2));
            total += tally;
        }
    }
    assert!(
        total.proofs > 1_000 && total.timeouts > 1_000 && total.refused > 1_000,
        "{total:?}"
    );
}

#[test]
fn bisection_true_claim_never_loses() {
    enumerate(1, Side::Executor);
}

#[test]
fn bisection_false_claim_never_survives() {
    enumerate(1, Side::Challenger);
}

#[test]
fn dissection_by_four_true_claim_never_loses() {
    enumerate(2, Side::Executor);
}

#[test]
fn dissection_by_four_false_claim_never_survives() {
    enumerate(2, Side::Challenger);
}

fn game(rules: Rules, world: &Counter) -> Game {
    Game::open(rules, world.truth(0), halted_root(0), Hash::ZERO, OPENED)
}

#[test]
fn wrong_side_has_nothing_honest_to_do() {
    // The claim is true, so an honest trace contests nothing for the challenger; nor for an executor of a false one.
    let rules = Rules {
        arity_log2: 2,
        trace_log2: 4,
        allowance: ALLOWANCE,
        blobs: false,
    };
    let world = Counter {
        period: 9,
        accepts: true,
    };
    let actions = next_actions(
        &game(rules, &world),
        &mut Honest(&world),
        Side::Challenger,
        OPENED,
    );
    assert_eq!(actions, Ok(vec![Action::Concede]));

    let world = Counter {
        period: 9,
        accepts: false,
    };
    let mut game = game(rules, &world);
    let roots: Vec<_> = [4, 8, 12, 16].map(|i| world.truth(i)).into();
    game.dissect(Side::Challenger, 0, &roots, OPENED)
        .expect("a legal first move");
    assert_eq!(
        next_actions(&game, &mut Honest(&world), Side::Executor, OPENED),
        Ok(vec![Action::Concede])
    );
}

#[test]
fn game_on_a_claim_lost_elsewhere_is_only_settled() {
    let rules = Rules {
        arity_log2: 1,
        trace_log2: 3,
        allowance: ALLOWANCE,
        blobs: false,
    };
    let world = Counter {
        period: 5,
        accepts: false,
    };
    let mut game = game(rules, &world);
    assert_eq!(game.settle_void(), Err(IllegalMove::ClaimStands));
    game.lose_claim();
    let roots = [world.truth(4), world.truth(8)];
    assert_eq!(
        game.dissect(Side::Challenger, 0, &roots, OPENED),
        Err(IllegalMove::ClaimLost)
    );
    assert_eq!(
        game.time_out(OPENED + ALLOWANCE),
        Err(IllegalMove::ClaimLost)
    );
    let mut trace = Honest(&world);
    for now in [OPENED, OPENED + ALLOWANCE] {
        assert_eq!(
            next_actions(&game, &mut trace, Side::Challenger, now),
            Ok(vec![Action::SettleVoid])
        );
        assert_eq!(
            next_actions(&game, &mut trace, Side::Executor, now),
            Ok(vec![])
        );
    }
    assert_eq!(game.settle_void(), Ok(()));
    assert_eq!(
        next_actions(&game, &mut trace, Side::Challenger, OPENED),
        Ok(vec![])
    );
}
