//! Walks every state of the model that a cast can reach, the contracts beside it along every edge.

use crate::chain::{Chain, Moment, Prices};
use crate::players::Cast;
use crate::rules::{Claim, Game, Phase, Root, Rules, Side, State};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::mem::discriminant;

/// One family of claims.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// log2 of the trace length.
    pub trace_log2: u32,
    /// log2 of k.
    pub arity_log2: u32,
    /// Whether the program halts with 0.
    pub claim_is_true: bool,
    /// Who plays by the truth.
    pub cast: Cast,
    /// What gas costs.
    pub prices: Prices,
}

/// What a walk saw.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    /// States, times apart.
    pub states: u64,
    /// Accepted attempts.
    pub edges: u64,
    /// Refused attempts.
    pub refused: u64,
    /// States with nothing left to do.
    pub ends: u64,
    /// Those in which the claim is lost.
    pub lost: u64,
    /// Games won by a one-step proof, by a clock, and void ones, counted by edges.
    pub endings: [u64; 3],
    /// Refusals by their reason.
    pub reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds another walk's counts.
    pub fn add(&mut self, other: &Tally) {
        self.states += other.states;
        self.edges += other.edges;
        self.refused += other.refused;
        self.ends += other.ends;
        self.lost += other.lost;
        for (sum, more) in self.endings.iter_mut().zip(other.endings) {
            *sum += more;
        }
        for (reason, n) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += n;
        }
    }
}

/// What of a state decides all that can follow.
// Symmetry: the rules read no absolute time, so only what is left of window and clocks counts, and none of it once the claim is
// decided. Credits and wei are only ever added to; they are compared on every edge, before a state is found to be known. Two
// challengers of one cast are told apart by nothing but their addresses, which nothing orders, so their games may change places.
// A stranger leaves no trace at all: any number of them are the one that could call at any moment. And of a standing dissection
// only the worths of its pieces' ends count, as players choose pieces by nothing else (see `players::pieces`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    window: u64,
    claim: Claim,
    gas: u64,
    pool: u64,
    games: [Option<GameKey>; 2],
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct GameKey {
    phase: Phase,
    board: Option<Board>,
    /// Seconds left to the side to move, and used by the other.
    clock: Option<(u64, u64)>,
    spent: [u64; 2],
}

/// Whose move it is, steps in a piece, pieces, and every pair of worths at a piece's ends.
type Board = (Side, u64, u64, BTreeSet<(Root, Root)>);

fn board(game: &Game) -> Board {
    let ends = game.roots.windows(2).map(|ends| (ends[0], ends[1]));
    (game.turn, game.stride, game.pieces(), ends.collect())
}

fn key(family: &Family, rules: &Rules, state: &State) -> Key {
    let stands = state.claim == Claim::Standing;
    let game_key = |g: &Game| {
        let runs = g.phase == Phase::Running;
        let left = g.deadline(rules).saturating_sub(state.now);
        GameKey {
            phase: g.phase,
            board: (runs && stands).then(|| board(g)),
            clock: (runs && stands).then(|| (left, g.used[g.turn.other() as usize])),
            spent: if runs { g.spent } else { [0, 0] },
        }
    };
    let mut games = state.games.each_ref().map(|g| g.as_ref().map(game_key));
    if family.cast.challengers[0] == family.cast.challengers[1] {
        games.sort();
    }
    Key {
        window: if stands {
            rules.window.saturating_sub(state.now)
        } else {
            0
        },
        claim: state.claim,
        gas: state.gas,
        pool: state.pool,
        games,
    }
}

/// Walks all of `family`; panics where the contracts do anything else than the model, or a property fails.
pub fn walk(family: &Family) -> Tally {
    let (mut chain, rules, posted) = Chain::new(
        family.trace_log2,
        family.arity_log2,
        family.claim_is_true,
        family.prices,
    );
    let mut tally = Tally::default();
    let first = State::posted();
    let mut seen = HashSet::from([key(family, &rules, &first)]);
    let mut work: Vec<(State, Moment)> = vec![(first, posted)];
    while let Some((state, moment)) = work.pop() {
        tally.states += 1;
        let mut over = true;
        let mut next_states = Vec::new();
        chain.go(&moment);
        for attempt in family.cast.attempts(&rules, &state) {
            match state.after(&rules, &attempt, 0) {
                Err(why) => {
                    chain.refuses(&state, &moment, &attempt, why);
                    tally.refused += 1;
                    *tally.reasons.entry(name(&why)).or_default() += 1;
                }
                Ok(_) => {
                    let (counted, after) = chain.accepts(&state, &moment, &attempt);
                    let next = state.after(&rules, &attempt, counted);
                    let next = next.expect("the same rules accept it");
                    chain.compare(&next, &after);
                    check_step(&rules, &state, &next);
                    check(family, &rules, &next);
                    chain.go(&moment);
                    tally.edges += 1;
                    tally.count_ending(&state, &next, &attempt);
                    over = false;
                    next_states.push((next, after));
                }
            }
        }
        if family.cast.may_wait(&rules, &state) {
            let mut later = state.clone();
            later.now += 1;
            check_step(&rules, &state, &later);
            over = false;
            next_states.push((later, moment.clone()));
        }
        for (next, after) in next_states {
            if seen.insert(key(family, &rules, &next)) {
                work.push((next, after));
            }
        }
        if over {
            tally.ends += 1;
            tally.lost += u64::from(state.claim == Claim::Lost);
            check_end(family, &rules, &state);
            chain.pay_out(&state);
        }
    }
    let (least, most) = chain.count_error;
    println!(
        "N = {}, k = {}, {}, {:?}, {:?}: {} states, {} edges, {} refused, {} ends; counted gas is {least} to {most} over the receipt's",
        rules.length,
        rules.arity,
        if rules.claim_is_true {
            "true claim"
        } else {
            "false claim"
        },
        family.cast,
        family.prices,
        tally.states,
        tally.edges,
        tally.refused,
        tally.ends,
    );
    tally
}

fn name(why: &crate::rules::Refusal) -> String {
    let text = format!("{why:?}");
    text.split(' ').next().unwrap_or_default().to_owned()
}

impl Tally {
    fn count_ending(&mut self, before: &State, after: &State, attempt: &crate::rules::Attempt) {
        use crate::rules::Attempt;
        for (old, new) in before.games.iter().zip(&after.games) {
            let (Some(old), Some(new)) = (old, new) else {
                continue;
            };
            if discriminant(&old.phase) == discriminant(&new.phase) {
                continue;
            }
            let how = match (new.phase, attempt) {
                (Phase::Void, _) => 2,
                (_, Attempt::TimeOut { .. }) => 1,
                _ => 0,
            };
            self.endings[how] += 1;
        }
    }
}

/// What holds from any state to the next.
fn check_step(rules: &Rules, before: &State, after: &State) {
    assert!(
        before.claim == Claim::Standing || after.claim == before.claim,
        "a claim is decided once: {before:#?} {after:#?}"
    );
    for (old, new) in before.games.iter().zip(&after.games) {
        let Some(old) = old else { continue };
        let new = new.as_ref().expect("a game never disappears");
        if old.phase != Phase::Running {
            assert_eq!(old, new, "what is over is over");
            continue;
        }
        if new.phase != Phase::Running {
            continue;
        }
        for side in [Side::Challenger, Side::Executor] {
            let left = |g: &Game, now: u64| {
                let thinks = if g.turn == side { now - g.last_at } else { 0 };
                rules
                    .allowance
                    .saturating_sub(g.used[side as usize] + thinks)
            };
            assert!(
                left(new, after.now) <= left(old, before.now),
                "clocks only fall"
            );
        }
        assert!(new.spent[0] >= old.spent[0] && new.spent[1] >= old.spent[1]);
    }
}

/// What holds in every state.
fn check(family: &Family, rules: &Rules, state: &State) {
    let running = |g: &&Game| g.phase == Phase::Running;
    let games: Vec<&Game> = state.games.iter().flatten().collect();
    let open = games.iter().copied().filter(|g| running(g)).count();
    assert_eq!(state.open as usize, open);
    let money = &state.money;
    let bonds = open as u128 * rules.challenger_bond;
    assert!(
        money.held >= bonds + money.credit.iter().sum::<u128>(),
        "every debt is covered: {state:#?}"
    );
    let wins = games
        .iter()
        .filter(|g| g.phase == Phase::Won(Side::Challenger))
        .count();
    assert_eq!(
        wins,
        usize::from(state.claim == Claim::Lost),
        "a bond is spent once"
    );
    if state.claim == Claim::Lost {
        assert_eq!(money.slashed, rules.claim_bond);
        assert!(
            money.burned >= rules.claim_bond / 2,
            "half of a claim's bond burns"
        );
    }
    let losses = games
        .iter()
        .filter(|g| g.phase == Phase::Won(Side::Executor))
        .count();
    assert!(
        money.burned >= losses as u128 * rules.challenger_bond / 2,
        "half of a lost challenger's bond burns"
    );
    if family.cast.executor {
        assert_ne!(
            state.claim,
            Claim::Lost,
            "a true claim never loses: {state:#?}"
        );
    }
    for (seat, honest) in family.cast.challengers.into_iter().enumerate() {
        if !honest || rules.claim_is_true {
            continue;
        }
        assert_ne!(
            state.claim,
            Claim::Final,
            "a false claim never becomes final: {state:#?}"
        );
        if let Some(game) = &state.games[seat] {
            assert_ne!(
                game.phase,
                Phase::Won(Side::Executor),
                "an honest challenger never loses: {state:#?}"
            );
        }
    }
}

/// What holds where nothing is left to do.
fn check_end(family: &Family, rules: &Rules, state: &State) {
    assert_ne!(
        state.claim,
        Claim::Standing,
        "no claim is stuck: {state:#?}"
    );
    assert_eq!(state.open, 0, "no game is stuck: {state:#?}");
    let money = &state.money;
    if family.cast.executor {
        assert_eq!(state.claim, Claim::Final);
        assert_eq!(
            (money.slashed, money.unlocked),
            (0, rules.claim_bond),
            "its bond is whole"
        );
    }
    for (seat, honest) in family.cast.challengers.into_iter().enumerate() {
        if honest && !rules.claim_is_true {
            assert_eq!(state.claim, Claim::Lost);
            let quarter = match state.games[seat].as_ref().map(|g| g.phase) {
                Some(Phase::Won(Side::Challenger)) => rules.claim_bond / 4,
                Some(Phase::Void) | None => 0,
                other => panic!("{other:?}"),
            };
            let bond = state.games[seat]
                .as_ref()
                .map_or(0, |_| rules.challenger_bond);
            assert!(
                money.credit[seat] >= bond + quarter,
                "its bond is whole: {state:#?}"
            );
        }
    }
}
