//! Plays every game of an honest side against every sequence of dishonest moves from a small alphabet.

use super::oracle::{Attempt, Oracle};
use super::{Honest, World};
use assay_dispute::action::Action;
use assay_dispute::game::{Game, Outcome, Rules, Side};
use assay_dispute::solver::next_actions;
use assay_types::game::low_248;
use assay_types::state::halted_root;
use assay_types::{Hash, StateRoot, keccak256};

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
    /// Roots that belong to nothing, out of which a liar chooses at each place.
    pub wrong_roots: u8,
    /// Whether the liar also tries to play with the clock and to break the rules.
    pub thorough: bool,
    /// Whether roots are posted in blobs. The world is then a [`super::Low`] one.
    pub blobs: bool,
}

impl Setup {
    fn posted(&self, root: StateRoot) -> StateRoot {
        if self.blobs { low_248(root) } else { root }
    }
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

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.proofs += other.proofs;
        self.timeouts += other.timeouts;
        self.refused += other.refused;
        self.longest = self.longest.max(other.longest);
    }
}

/// Seconds a side has: enough for the honest side to think one second a move.
pub const ALLOWANCE: u64 = 1000;
/// When every game opens, if no board says otherwise.
pub const OPENED: u64 = 1_700_000_000;

/// The game of `setup` about `world` as it opens at `now`.
pub fn opening<W: World>(setup: &Setup, world: &W, first_history: Hash, now: u64) -> Game {
    let rules = Rules {
        arity_log2: setup.arity_log2,
        trace_log2: setup.trace_log2,
        allowance: ALLOWANCE,
        blobs: setup.blobs,
    };
    Game::open(rules, world.truth(0), halted_root(0), first_history, now)
}

/// Plays all games of `setup` from `game` on and panics unless the honest side wins each of them.
pub fn play_all<W: World, B: Board>(
    setup: &Setup,
    world: &W,
    game: Game,
    now: u64,
    board: B,
) -> Tally {
    let length = 1 << setup.trace_log2;
    let truth = world.truth(length) == setup.posted(halted_root(0));
    assert_eq!(
        truth,
        setup.honest == Side::Executor,
        "a claim is true exactly where its executor is honest"
    );
    let oracle = Oracle {
        length,
        arity: 1 << setup.arity_log2,
        allowance: ALLOWANCE,
        claimed: setup.posted(halted_root(0)),
        world,
        opened: now,
        record: Vec::new(),
    };
    let mut enumeration = Enumeration {
        setup,
        world,
        tally: Tally::default(),
    };
    enumeration.explore(Node {
        game,
        oracle,
        board,
        now,
    });
    enumeration.tally
}

struct Node<'w, W, B> {
    game: Game,
    oracle: Oracle<'w, W>,
    board: B,
    now: u64,
}

impl<W, B: Clone> Clone for Node<'_, W, B> {
    fn clone(&self) -> Self {
        Node {
            game: self.game.clone(),
            oracle: self.oracle.clone(),
            board: self.board.clone(),
            now: self.now,
        }
    }
}

struct Enumeration<'a, W> {
    setup: &'a Setup,
    world: &'a W,
    tally: Tally,
}

impl<W: World> Enumeration<'_, W> {
    fn explore<B: Board>(&mut self, mut node: Node<'_, W, B>) {
        let honest = self.setup.honest;
        if let Some(winner) = node.oracle.winner() {
            assert_eq!(
                winner, honest,
                "the honest side lost: {:?}",
                node.oracle.record
            );
            match node.oracle.record.last() {
                Some((_, Attempt::TimeOut)) => self.tally.timeouts += 1,
                _ => self.tally.proofs += 1,
            }
            self.tally.longest = self.tally.longest.max(node.game.moves());
            return;
        }
        if node.game.turn() == honest {
            node.now += 1;
            let attempt = self.honest_attempt(&node);
            if self.setup.thorough {
                // The liar can't move for the honest side, nor claim a timeout that is not due.
                self.refuse(&mut node, as_sent_by(&attempt, honest.other()));
                self.refuse(&mut node, Attempt::TimeOut);
            }
            assert!(
                try_it(&mut node, &attempt),
                "an honest move was refused: {attempt:?}"
            );
            return self.explore(node);
        }
        self.time_out(node.clone());
        if self.setup.thorough {
            self.illegal(&mut node);
        }
        let delays: &[u64] = if self.setup.thorough {
            &[0, ALLOWANCE / 2, ALLOWANCE - 1]
        } else {
            &[0]
        };
        for delay in delays {
            let now = node.now + delay;
            if node.game.clock().expired(node.game.turn(), now) {
                continue;
            }
            for attempt in self.dishonest_attempts(&node) {
                let mut child = Node {
                    now,
                    ..node.clone()
                };
                if try_it(&mut child, &attempt) {
                    self.explore(child);
                } else {
                    self.tally.refused += 1;
                }
            }
        }
    }

    /// The honest side's one action, as something to send.
    fn honest_attempt<B: Board>(&self, node: &Node<'_, W, B>) -> Attempt {
        let by = self.setup.honest;
        let Ok(mut actions) = next_actions(&node.game, &mut Honest(self.world), by, node.now);
        assert_eq!(actions.len(), 1, "exactly one honest move: {actions:?}");
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
                Attempt::Prove {
                    by,
                    segment: segment.index,
                    index,
                    witness,
                }
            }
            other => panic!("an honest side never has to {other:?}"),
        }
    }

    /// The liar lets its clock run out: one second before, nothing is due; then the honest side ends the game.
    fn time_out<B: Board>(&mut self, mut node: Node<'_, W, B>) {
        let (turn, honest) = (node.game.turn(), self.setup.honest);
        let late = node.game.clock().deadline(turn);
        assert_eq!(
            late,
            node.now + ALLOWANCE - node.oracle.thought(turn, node.now)
        );
        let mut trace = Honest(self.world);
        assert_eq!(
            next_actions(&node.game, &mut trace, honest, late - 1),
            Ok(vec![])
        );
        assert_eq!(
            next_actions(&node.game, &mut trace, honest, late),
            Ok(vec![Action::ClaimTimeout])
        );
        assert_eq!(
            next_actions(&node.game, &mut trace, turn, late),
            Ok(vec![]),
            "a late side has nothing to send"
        );
        node.now = late - 1;
        self.refuse(&mut node, Attempt::TimeOut);
        node.now = late;
        let tries = if self.setup.thorough { usize::MAX } else { 1 };
        for attempt in self.dishonest_attempts(&node).into_iter().take(tries) {
            self.refuse(&mut node, attempt);
        }
        assert!(try_it(&mut node, &Attempt::TimeOut));
        self.explore(node);
    }

    /// Moves that break a rule whatever the roots are.
    fn illegal<B: Board>(&mut self, node: &mut Node<'_, W, B>) {
        let by = node.game.turn();
        let standing = node.game.standing();
        let (pieces, width) = (standing.pieces(), 1usize << node.game.next_width_log2());
        let (same_end, first, past) = (
            standing.roots()[1],
            standing.index(0),
            standing.index(pieces),
        );
        let fresh = |n: usize| vec![wrong(0); n];
        for roots in [
            fresh(width + 1),
            fresh(2 * width),
            fresh(width / 2),
            fresh(0),
        ] {
            self.refuse(
                node,
                Attempt::Dissect {
                    by,
                    segment: 0,
                    roots,
                },
            );
        }
        self.refuse(
            node,
            Attempt::Dissect {
                by,
                segment: pieces,
                roots: fresh(width),
            },
        );
        self.refuse(
            node,
            Attempt::Dissect {
                by,
                segment: 0,
                roots: vec![same_end; width],
            },
        );
        let (here, there) = (self.world.witness(first), self.world.witness(past));
        self.refuse(
            node,
            Attempt::Prove {
                by,
                segment: pieces,
                index: past,
                witness: there,
            },
        );
        if pieces > 1 {
            // The right step shown for the wrong piece.
            self.refuse(
                node,
                Attempt::Prove {
                    by,
                    segment: 1,
                    index: first,
                    witness: here,
                },
            );
        }
        self.refuse(node, Attempt::TimeOut);
    }

    /// All dissections (or proofs) of the liar whose roots are, at each place: the true one, a wrong one, or the end that
    /// stands, which may be another place's true one.
    fn dishonest_attempts<B: Board>(&self, node: &Node<'_, W, B>) -> Vec<Attempt> {
        let (by, points) = (node.game.turn(), node.oracle.points());
        let mut out = Vec::new();
        for (segment, ends) in (0u32..).zip(points.windows(2)) {
            let (from, to) = (ends[0], ends[1]);
            let length = to.0 - from.0;
            if length == 1 {
                let index = from.0;
                let mut witnesses = self.world.false_witnesses(index);
                witnesses.push(self.world.witness(index));
                out.extend(witnesses.into_iter().map(|witness| Attempt::Prove {
                    by,
                    segment,
                    index,
                    witness,
                }));
                continue;
            }
            let width = length.min(node.oracle.arity);
            let mut lists: Vec<Vec<StateRoot>> = vec![Vec::new()];
            for j in 1..=width {
                let truth = self.world.truth(from.0 + j * (length / width));
                let mut choices = vec![truth];
                choices.extend((0..self.setup.wrong_roots).map(wrong));
                if to.1 != truth {
                    choices.push(to.1);
                }
                lists = lists
                    .iter()
                    .flat_map(|l| choices.iter().map(|c| [&l[..], &[*c]].concat()))
                    .collect();
            }
            out.extend(
                lists
                    .into_iter()
                    .map(|roots| Attempt::Dissect { by, segment, roots }),
            );
        }
        out
    }

    fn refuse<B: Board>(&mut self, node: &mut Node<'_, W, B>, attempt: Attempt) {
        assert!(
            !try_it(node, &attempt),
            "accepted, but illegal: {attempt:?}"
        );
        self.tally.refused += 1;
    }
}

/// A root that belongs to no state, in either form.
fn wrong(i: u8) -> StateRoot {
    low_248(StateRoot(keccak256(&[b"wrong", &[i]])))
}

/// Tries `attempt` on the game, the oracle and the board, which must agree on it and on what follows.
fn try_it<W: World, B: Board>(node: &mut Node<'_, W, B>, attempt: &Attempt) -> bool {
    let expected = node.oracle.accepts(attempt, node.now);
    let before = node.game.clone();
    let accepted = match attempt {
        Attempt::Dissect { by, segment, roots } => {
            node.game.dissect(*by, *segment, roots, node.now).is_ok()
        }
        Attempt::TimeOut => node.game.time_out(node.now).is_ok(),
        Attempt::Prove {
            by,
            segment,
            index,
            witness,
        } => {
            let standing = before.standing();
            let start = standing.roots().get(*segment as usize);
            // The index is the game's, never the mover's; a witness of another state is refused by the step prover.
            let here = *segment < standing.pieces() && *index == standing.index(*segment);
            match node.oracle.world.run(*index, witness) {
                Some((shown, result)) if here && start == Some(&shown) => {
                    node.game.prove(*by, *segment, result, node.now).is_ok()
                }
                _ => false,
            }
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

/// The mirror's state against what the oracle reads from the record.
fn compare<W: World, B>(node: &Node<'_, W, B>) {
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

fn as_sent_by(attempt: &Attempt, by: Side) -> Attempt {
    let mut other = attempt.clone();
    match &mut other {
        Attempt::Dissect { by: sender, .. } | Attempt::Prove { by: sender, .. } => *sender = by,
        Attempt::TimeOut => {}
    }
    other
}
