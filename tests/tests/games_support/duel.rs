//! One game between an honest side and a liar, on the contract.

use super::Court;
use alloy::primitives::B256;
use alloy::sol_types::SolEvent;
use assay_bindings::DisputeGame;
use assay_dispute::action::Action;
use assay_dispute::game::{Outcome, Side};
use assay_dispute::solver::next_actions;
use assay_dispute::trace::Trace;
use std::fmt::Debug;

/// What a game came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Dissections posted.
    pub moves: u32,
    /// Trace index of the one-step proof that ended it; `None` if a clock did.
    pub proven: Option<u64>,
    /// Gas of all its transactions but the opening, as receipts have it.
    pub gas: u64,
    /// Transactions but the opening.
    pub transactions: u32,
    /// Bytes of the proof's witness.
    pub witness: usize,
    /// Execution gas of the proof.
    pub proof_gas: u64,
}

/// Plays game `id` to its end. The liar plays as well as its trace lets it; where the contract refuses its move, or it has
/// none, it lets its clock run out. Panics unless the honest side wins.
pub fn duel<H, L>(
    court: &mut Court,
    id: B256,
    honest: (Side, &mut H),
    liar: &mut L,
    allowance: u64,
) -> Report
where
    H: Trace<Error: Debug>,
    L: Trace<Error: Debug>,
{
    let (side, truth) = honest;
    let mut report = Report::default();
    loop {
        court.evm.warp(1);
        let (play, now) = (court.play(id).clone(), court.evm.now());
        if let Some(outcome) = play.game.outcome() {
            assert_eq!(
                outcome,
                Outcome::Won(side),
                "the honest side lost: {report:?}"
            );
            return report;
        }
        report.moves = play.game.moves();
        if play.game.turn() == side || play.game.expired(now) {
            let actions =
                next_actions(&play.game, truth, side, now).expect("an honest trace has no errors");
            let [action] = &actions[..] else {
                panic!("exactly one honest action: {actions:?}")
            };
            let outcome = court.act(id, side, action);
            outcome.expect("an honest action is accepted");
            report.gas += outcome.tx_gas;
            report.transactions += 1;
            if let Action::Prove { witness, .. } = action {
                report.witness = witness.len();
                report.proof_gas = outcome.execution_gas;
            }
            let proven = outcome
                .logs
                .iter()
                .find_map(|log| DisputeGame::StepProven::decode_log(log).ok());
            report.proven = report.proven.or(proven.map(|p| p.index.to()));
            continue;
        }
        let actions = next_actions(&play.game, liar, side.other(), now)
            .expect("a liar's trace has no errors");
        let moved = actions
            .iter()
            .filter(|a| **a != Action::Concede)
            .any(|action| {
                let outcome = court.act(id, side.other(), action);
                report.gas += outcome.tx_gas;
                report.transactions += 1;
                assert!(
                    outcome.result.is_ok() || matches!(action, Action::Prove { .. }),
                    "a liar's dissections follow the rules: {:?}",
                    outcome.result
                );
                outcome.result.is_ok()
            });
        if !moved {
            court.evm.warp(allowance);
        }
    }
}
