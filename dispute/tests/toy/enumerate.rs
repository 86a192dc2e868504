//! Plays every game of an honest side against every sequence of dishonest moves from a small alphabet.

use super::oracle::{Attempt, Oracle};
use super::{HALTED_0, HALTED_1, Machine, Toy, root};
use assay_dispute::action::Action;
use assay_dispute::game::{Game, Outcome, Rules, Side};
use assay_dispute::solver::next_actions;
use assay_types::{Hash, StateRoot};

/// Another implementation of the game that sees every attempt. Cloned at each fork.
pub trait Board: Clone {
    /// `attempt` was tried on `before` at `now`; it must have been `accepted`, and the game must now be `after`.
    fn attempt(&mut self, before: &Game, attempt: &Attempt, now: u64, accepted: bool, after: &Game);
}

/// No other implementation.
#[derive(Clone)]
pub struct NoBoard;

impl Board for NoBoard {
    fn attempt(&mut self, _: &Game, _: &Attempt, _: u64, _: bool, _: &Game) {}
}

/// One family of games.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// log2 of the trace length.
    pub trace_log2: u32,
    /// log2 of k.
    pub arity_log2: u32,
    /// Who plays by its true trace.
    pub honest: Side,
    /// Step at which the honest run halts; later ones are padding.
    pub period: u64,
    /// Whether the liar also tries to play with the clock and to break the rules.
    pub thorough: bool,
}

/// What an enumeration saw.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Games that ended by the honest side's one-step proof.
    pub proofs: u64,
    /// Games that ended by the liar's timeout.
    pub timeouts: u64,
    /// Attempts that had to be refused, and were.
    pub refused: u64,
    /// Most dissections in one game.
    pub longest: u32,
}

/// Seconds a side has: enough for the honest side to think one second a move.
pub const ALLOWANCE: u64 = 1000;
/// When every game opens.
pub const OPENED: u64 = 1_700_000_000;
/// Roots that belong to no honest state.
const WRONG: [u64; 2] = [5_000_000, 6_000_001];

#[derive(Clone)]
struct Node<B> {
    game: Game,
    oracle: Oracle,
    board: B,
    now: u64,
}

/// The machine of `setup`: it refuses the claim exactly when the challenger is the honest one.
pub fn machine(setup: &Setup) -> Machine {
    Machine {
        period: setup.period,
        end: if setup.honest == Side::Executor {
            HALTED_0
        } else {
            HALTED_1
        },
    }
}

/// The game of `setup` as it opens.
pub fn opening(setup: &Setup, first_history: Hash) -> Game {
    let rules = Rules {
        arity_log2: setup.arity_log2,
        trace_log2: setup.trace_log2,
        allowance: ALLOWANCE,
    };
    Game::open(rules, root(0), root(HALTED_0), first_history, OPENED)
}

/// Plays all games of `setup` and panics unless the honest side wins each of them.
pub fn play_all<B: Board>(setup: &Setup, first_history: Hash, board: B) -> Tally {
    let oracle = Oracle {
        length: 1 << setup.trace_log2,
        arity: 1 << setup.arity_log2,
        allowance: ALLOWANCE,
        claimed: root(HALTED_0),
        machine: machine(setup),
        opened: OPENED,
        record: Vec::new(),
    };
    let mut tally = Tally::default();
    let node = Node {
        game: opening(setup, first_history),
        oracle,
        board,
        now: OPENED,
    };
    explore(setup, node, &mut tally);
    tally
}

fn explore<B: Board>(setup: &Setup, mut node: Node<B>, tally: &mut Tally) {
    if let Some(winner) = node.oracle.winner() {
        assert_eq!(
            winner, setup.honest,
            "the honest side lost: {:?}",
            node.oracle.record
        );
        match node.oracle.record.last() {
            Some((_, Attempt::TimeOut)) => tally.timeouts += 1,
            _ => tally.proofs += 1,
        }
        tally.longest = tally.longest.max(node.game.moves());
        return;
    }
    if node.game.turn() == setup.honest {
        node.now += 1;
        let attempt = honest_attempt(setup, &node);
        if setup.thorough {
            // The liar can't move for the honest side, nor claim a timeout that is not due.
            refuse(&mut node, as_sent_by(&attempt, setup.honest.other()), tally);
            refuse(&mut node, Attempt::TimeOut, tally);
        }
        assert!(
            try_it(&mut node, &attempt),
            "an honest move was refused: {attempt:?}"
        );
        return explore(setup, node, tally);
    }
    time_out(setup, node.clone(), tally);
    if setup.thorough {
        illegal(&mut node, tally);
    }
    for delay in if setup.thorough {
        vec![0, ALLOWANCE / 2, ALLOWANCE - 1]
    } else {
        vec![0]
    } {
        let now = node.now + delay;
        if node.game.clock().expired(node.game.turn(), now) {
            continue;
        }
        for attempt in dishonest_attempts(&node) {
            let mut child = Node {
                now,
                ..node.clone()
            };
            if try_it(&mut child, &attempt) {
                explore(setup, child, tally);
            } else {
                tally.refused += 1;
            }
        }
    }
}

/// The honest side's one action, as something to send.
fn honest_attempt<B: Board>(setup: &Setup, node: &Node<B>) -> Attempt {
    let mut trace = Toy(machine(setup));
    let Ok(mut actions) = next_actions(&node.game, &mut trace, setup.honest, node.now);
    assert_eq!(actions.len(), 1, "exactly one honest move: {actions:?}");
    let by = setup.honest;
    match actions.remove(0) {
        Action::Dissect {
            history,
            segment,
            roots,
        } => {
            assert_eq!(history, node.game.history());
            Attempt::Dissect {
                by,
                segment: segment.index,
                roots,
            }
        }
        Action::Prove {
            history,
            segment,
            index,
            witness,
        } => {
            assert_eq!(history, node.game.history());
            assert_eq!(index, node.oracle.points()[segment.index as usize].0);
            let state = u64::from_le_bytes(witness.try_into().expect("a toy witness is one u64"));
            Attempt::Prove {
                by,
                segment: segment.index,
                state,
            }
        }
        other => panic!("an honest side never has to {other:?}"),
    }
}

/// The liar lets its clock run out: one second before, nothing is due; then the honest side ends the game.
fn time_out<B: Board>(setup: &Setup, mut node: Node<B>, tally: &mut Tally) {
    let turn = node.game.turn();
    let late = node.game.clock().deadline(turn);
    assert_eq!(
        late,
        node.now + ALLOWANCE - node.oracle.thought(turn, node.now)
    );
    let mut trace = Toy(machine(setup));
    assert_eq!(
        next_actions(&node.game, &mut trace, setup.honest, late - 1),
        Ok(vec![])
    );
    assert_eq!(
        next_actions(&node.game, &mut trace, setup.honest, late),
        Ok(vec![Action::ClaimTimeout])
    );
    assert_eq!(
        next_actions(&node.game, &mut trace, turn, late),
        Ok(vec![]),
        "a late side has nothing to send"
    );
    node.now = late - 1;
    refuse(&mut node, Attempt::TimeOut, tally);
    node.now = late;
    for attempt in dishonest_attempts(&node)
        .into_iter()
        .take(if setup.thorough { usize::MAX } else { 1 })
    {
        refuse(&mut node, attempt, tally);
    }
    assert!(try_it(&mut node, &Attempt::TimeOut));
    explore(setup, node, tally);
}

/// Tries `attempt` on the game, the oracle and the board, which must agree on it and on what follows.
fn try_it<B: Board>(node: &mut Node<B>, attempt: &Attempt) -> bool {
    let expected = node.oracle.accepts(attempt, node.now);
    let before = node.game.clone();
    let accepted = match attempt {
        Attempt::Dissect { by, segment, roots } => {
            node.game.dissect(*by, *segment, roots, node.now).is_ok()
        }
        Attempt::TimeOut => node.game.time_out(node.now).is_ok(),
        Attempt::Prove { by, segment, state } => {
            let start = before.standing().roots().get(*segment as usize);
            let result = root(node.oracle.machine.step(*state));
            // A witness that does not hash to the start is refused by the step prover, before the game sees a result.
            start == Some(&root(*state)) && node.game.prove(*by, *segment, result, node.now).is_ok()
        }
    };
    assert_eq!(
        accepted, expected,
        "oracle and game disagree on {attempt:?} after {:?}",
        node.oracle.record
    );
    if accepted {
        node.oracle.record.push((node.now, attempt.clone()));
        compare(node);
    } else {
        assert_eq!(node.game, before, "a refused move changed the game");
    }
    node.board
        .attempt(&before, attempt, node.now, accepted, &node.game);
    accepted
}

fn refuse<B: Board>(node: &mut Node<B>, attempt: Attempt, tally: &mut Tally) {
    assert!(
        !try_it(node, &attempt),
        "accepted, but illegal: {attempt:?}"
    );
    tally.refused += 1;
}

/// The mirror's state against what the oracle reads from the record.
fn compare<B: Board>(node: &Node<B>) {
    let (game, oracle) = (&node.game, &node.oracle);
    assert_eq!(game.outcome(), oracle.winner().map(Outcome::Won));
    if game.outcome().is_none() {
        let points: Vec<(u64, StateRoot)> = game
            .standing()
            .indices()
            .into_iter()
            .zip(game.standing().roots().iter().copied())
            .collect();
        assert_eq!(points, oracle.points());
        assert_eq!(game.turn(), oracle.turn());
        for side in [Side::Challenger, Side::Executor] {
            assert_eq!(
                game.clock().elapsed(side, game.turn(), node.now + 7),
                oracle.thought(side, node.now + 7)
            );
        }
    }
}

/// Moves that break a rule whatever the roots are.
fn illegal<B: Board>(node: &mut Node<B>, tally: &mut Tally) {
    let by = node.game.turn();
    let (pieces, width) = (
        node.game.standing().pieces(),
        1usize << node.game.next_width_log2(),
    );
    let fresh = |n: usize| vec![root(WRONG[0]); n];
    for roots in [
        fresh(width + 1),
        fresh(2 * width),
        fresh(width / 2),
        fresh(0),
    ] {
        refuse(
            node,
            Attempt::Dissect {
                by,
                segment: 0,
                roots,
            },
            tally,
        );
    }
    refuse(
        node,
        Attempt::Dissect {
            by,
            segment: pieces,
            roots: fresh(width),
        },
        tally,
    );
    let same_end = node.game.standing().roots()[1];
    refuse(
        node,
        Attempt::Dissect {
            by,
            segment: 0,
            roots: vec![same_end; width],
        },
        tally,
    );
    refuse(
        node,
        Attempt::Prove {
            by,
            segment: pieces,
            state: 0,
        },
        tally,
    );
    refuse(node, Attempt::TimeOut, tally);
}

/// All dissections (or proofs) of the liar whose roots are, at each place: the true one, two wrong ones, or the end
/// that stands, which is another place's true one.
fn dishonest_attempts<B: Board>(node: &Node<B>) -> Vec<Attempt> {
    let (by, points) = (node.game.turn(), node.oracle.points());
    let mut out = Vec::new();
    for segment in 0..points.len() - 1 {
        let (from, to) = (points[segment], points[segment + 1]);
        let length = to.0 - from.0;
        let named = segment as u32;
        if length == 1 {
            let states = [
                node.oracle.machine.at(from.0),
                WRONG[0],
                WRONG[1],
                HALTED_0,
                HALTED_1,
            ];
            out.extend(states.map(|state| Attempt::Prove {
                by,
                segment: named,
                state,
            }));
            continue;
        }
        let width = length.min(node.oracle.arity);
        let mut lists: Vec<Vec<StateRoot>> = vec![Vec::new()];
        for j in 1..=width {
            let truth = root(node.oracle.machine.at(from.0 + j * (length / width)));
            let mut choices = vec![truth, root(WRONG[0]), root(WRONG[1])];
            if to.1 != truth {
                choices.push(to.1);
            }
            lists = lists
                .iter()
                .flat_map(|l| choices.iter().map(|c| [&l[..], &[*c]].concat()))
                .collect();
        }
        out.extend(lists.into_iter().map(|roots| Attempt::Dissect {
            by,
            segment: named,
            roots,
        }));
    }
    out
}

fn as_sent_by(attempt: &Attempt, by: Side) -> Attempt {
    let mut other = attempt.clone();
    match &mut other {
        Attempt::Dissect { by: sender, .. } | Attempt::Prove { by: sender, .. } => *sender = by,
        Attempt::TimeOut => {}
    }
    other
}
