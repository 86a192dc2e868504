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
use toy::enumerate::{ALLOWANCE, NoBoard, OPENED, Setup, Tally, play_all};
use toy::{HALTED_0, HALTED_1, Machine, Toy, root};

fn enumerate(arity_log2: u32, honest: Side) -> Tally {
    let mut total = Tally::default();
    for trace_log2 in 0..=6 {
        // The honest run halts within the trace: at its very end, in the middle, or at once.
        for period in [1, (1 << trace_log2) / 2 + 1, 1 << trace_log2] {
            let setup = Setup {
                trace_log2,
                arity_log2,
                honest,
                period,
                thorough: true,
            };
            let tally = play_all(&setup, Hash([7; 32]), NoBoard);
            println!("N = {}, {setup:?}: {tally:?}", 1 << trace_log2);
            assert_eq!(tally.longest, trace_log2.div_ceil(arity_log2));
            total.proofs += tally.proofs;
            total.timeouts += tally.timeouts;
            total.refused += tally.refused;
        }
    }
    total
}

#[test]
fn bisection_true_claim_never_loses() {
    let tally = enumerate(1, Side::Executor);
    assert!(tally.proofs > 1_000 && tally.timeouts > 1_000, "{tally:?}");
}

#[test]
fn bisection_false_claim_never_survives() {
    let tally = enumerate(1, Side::Challenger);
    assert!(tally.proofs > 1_000 && tally.timeouts > 1_000, "{tally:?}");
}

#[test]
fn dissection_by_four_true_claim_never_loses() {
    let tally = enumerate(2, Side::Executor);
    assert!(tally.proofs > 1_000 && tally.timeouts > 1_000, "{tally:?}");
}

#[test]
fn dissection_by_four_false_claim_never_survives() {
    let tally = enumerate(2, Side::Challenger);
    assert!(tally.proofs > 1_000 && tally.timeouts > 1_000, "{tally:?}");
}

#[test]
fn wrong_side_has_nothing_honest_to_do() {
    // The claim is true, so an honest trace contests nothing for the challenger; nor for an executor of a false one.
    let rules = Rules {
        arity_log2: 2,
        trace_log2: 4,
        allowance: ALLOWANCE,
    };
    let open = || Game::open(rules, root(0), root(HALTED_0), Hash::ZERO, OPENED);
    let mut truth = Toy(Machine {
        period: 9,
        end: HALTED_0,
    });
    assert_eq!(
        next_actions(&open(), &mut truth, Side::Challenger, OPENED),
        Ok(vec![Action::Concede])
    );

    let machine = Machine {
        period: 9,
        end: HALTED_1,
    };
    let mut truth = Toy(machine);
    let mut game = open();
    let roots: Vec<_> = [4, 8, 12, 16].map(|i| root(machine.at(i))).into();
    game.dissect(Side::Challenger, 0, &roots, OPENED)
        .expect("a legal first move");
    assert_eq!(
        next_actions(&game, &mut truth, Side::Executor, OPENED),
        Ok(vec![Action::Concede])
    );
}

#[test]
fn game_on_a_claim_lost_elsewhere_is_only_settled() {
    let rules = Rules {
        arity_log2: 1,
        trace_log2: 3,
        allowance: ALLOWANCE,
    };
    let machine = Machine {
        period: 5,
        end: HALTED_1,
    };
    let mut game = Game::open(rules, root(0), root(HALTED_0), Hash::ZERO, OPENED);
    assert_eq!(game.settle_void(), Err(IllegalMove::ClaimStands));
    game.lose_claim();
    let roots = [root(machine.at(4)), root(machine.at(8))];
    assert_eq!(
        game.dissect(Side::Challenger, 0, &roots, OPENED),
        Err(IllegalMove::ClaimLost)
    );
    assert_eq!(
        game.time_out(OPENED + ALLOWANCE),
        Err(IllegalMove::ClaimLost)
    );
    for now in [OPENED, OPENED + ALLOWANCE] {
        let mut truth = Toy(machine);
        assert_eq!(
            next_actions(&game, &mut truth, Side::Challenger, now),
            Ok(vec![Action::SettleVoid])
        );
        assert_eq!(
            next_actions(&game, &mut truth, Side::Executor, now),
            Ok(vec![])
        );
    }
    assert_eq!(game.settle_void(), Ok(()));
    assert_eq!(
        next_actions(&game, &mut Toy(machine), Side::Challenger, OPENED),
        Ok(vec![])
    );
}
