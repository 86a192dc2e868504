//! Walks every state of the model that a cast can reach, the contracts beside it along every edge.

use crate::chain::{Chain, Moment, Prices};
use crate::players::Cast;
use crate::rules::{Attempt, Claim, Game, Phase, Refusal, Root, Rules, Second, Side, State};
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
    /// Who makes a second claim once the first is lost, and who plays by the truth then; `None` if nobody does.
    pub second: Option<(Second, Cast)>,
    /// What gas costs.
    pub prices: Prices,
}

impl Family {
    /// The cast of each round, the first one first.
    fn casts(&self) -> Vec<Cast> {
        let second = self.second.map(|(_, cast)| cast);
        [self.cast].into_iter().chain(second).collect()
    }

    /// Who plays now.
    fn cast(&self, state: &State) -> Cast {
        self.casts()[state.round()]
    }
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
    /// Those in which the claim is lost, and those in which a first claim was lost before.
    pub lost: [u64; 2],
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
        let sums = self.endings.iter_mut().chain(&mut self.lost);
        for (sum, more) in sums.zip(other.endings.into_iter().chain(other.lost)) {
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
// only the worths of its pieces' ends count, as players choose pieces by nothing else (see `players::pieces`). Of a first claim,
// once there is a second, it counts which of its games are void and not yet settled: their shares are sums that nothing reads. As
// long as the second is new it counts too whether a move in them would be good but for the claim.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    window: u64,
    claim: Claim,
    gas: u64,
    pool: u64,
    /// Seconds until the request, open again, can be claimed directly.
    direct: u64,
    second: bool,
    /// Of each challenger: how its game on the first claim stands, if this is the second, and its game on this one.
    games: [(Option<OldKey>, Option<GameKey>); 2],
}

/// How a game on the first claim stands, and whether a move in it would be good but for the claim.
type OldKey = (Phase, bool);

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
    let phase = |seat: usize| {
        let game = state.before.as_ref()?.games[seat].as_ref()?;
        let is_new = state.now == state.posted_at && state.claim == Claim::Standing;
        let moves = game.running().is_ok() && game.in_time(rules, state.now).is_ok();
        Some((game.phase, is_new && moves && game.stride > 1))
    };
    let mut games =
        [0, 1].map(|seat: usize| (phase(seat), state.games[seat].as_ref().map(game_key)));
    let alike = |cast: Cast| cast.challengers[0] == cast.challengers[1];
    if family.casts().into_iter().all(alike) {
        games.sort();
    }
    Key {
        window: if stands {
            state.closes(rules).saturating_sub(state.now)
        } else {
            0
        },
        claim: state.claim,
        gas: state.gas,
        pool: state.pool,
        direct: if state.awaits_second(rules) {
            state.direct_from(rules).saturating_sub(state.now)
        } else {
            0
        },
        second: state.before.is_some(),
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
        family.second.map(|(by, _)| by),
    );
    let mut tally = Tally::default();
    let first = State::posted(&rules);
    let mut seen = HashSet::from([key(family, &rules, &first)]);
    let mut work: Vec<(State, Moment)> = vec![(first, posted)];
    while let Some((state, moment)) = work.pop() {
        tally.states += 1;
        let mut over = true;
        let mut next_states = Vec::new();
        chain.go(&moment);
        let cast = family.cast(&state);
        for attempt in cast.attempts(&rules, &state) {
            match state.after(&rules, &attempt, 0) {
                // The first claim by itself is another family's.
                Err(_) if family.second.is_some() && alone(&state) => {}
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
                    // A batch may be posted that claims nothing.
                    over &= next == state;
                    next_states.push((next, after));
                }
            }
        }
        if cast.may_wait(&rules, &state) {
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
            tally.lost[0] += u64::from(state.claim == Claim::Lost);
            tally.lost[1] += u64::from(state.before.is_some());
            check_end(family, &rules, &state);
            chain.pay_out(&state);
        }
    }
    let (least, most) = chain.count_error;
    println!(
        "N = {}, k = {}, {}, {:?}, {:?}, {:?}: {} states, {} edges, {} refused, {} ends; counted gas is {least} to {most} over the receipt's",
        rules.length,
        rules.arity,
        if rules.claim_is_true {
            "true claim"
        } else {
            "false claim"
        },
        family.cast,
        family.second,
        family.prices,
        tally.states,
        tally.edges,
        tally.refused,
        tally.ends,
    );
    tally
}

/// Whether there has never been a lost claim.
fn alone(state: &State) -> bool {
    state.before.is_none() && state.claim != Claim::Lost
}

fn name(why: &Refusal) -> String {
    let text = format!("{why:?}");
    text.split(' ').next().unwrap_or_default().to_owned()
}

impl Tally {
    fn count_ending(&mut self, before: &State, after: &State, attempt: &Attempt) {
        let pairs = |round| before.games_of(round).iter().zip(after.games_of(round));
        for (old, new) in (0..=before.round()).flat_map(pairs) {
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
    let again = after.round() > before.round();
    assert!(
        !again || (before.claim, after.claim) == (Claim::Lost, Claim::Standing),
        "only what is lost is claimed again: {before:#?} {after:#?}"
    );
    assert!(
        again || before.claim == Claim::Standing || after.claim == before.claim,
        "a claim is decided once: {before:#?} {after:#?}"
    );
    if let (Some(old), Some(new)) = (&before.before, &after.before)
        && old != new
    {
        let mut same = after.clone();
        same.before.clone_from(&before.before);
        same.money = before.money;
        assert_eq!(&same, before, "settling an old game changes nothing else");
    }
    let pairs = |round| before.games_of(round).iter().zip(after.games_of(round));
    for (old, new) in (0..=before.round()).flat_map(pairs) {
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
    let count = |games: &[Option<Game>; 2], of: &dyn Fn(&Game) -> bool| {
        games.iter().flatten().filter(|g| of(g)).count()
    };
    let money = &state.money;
    let before = state.before.iter().map(|b| b.open);
    let opens: Vec<u32> = before.chain([state.open]).collect();
    let (mut lost, mut losses) = (0, 0);
    for ((games, is_lost), open) in state.claims().into_iter().zip(&opens) {
        assert_eq!(*open as usize, count(games, &|g| running(&g)));
        let wins = count(games, &|g| g.phase == Phase::Won(Side::Challenger));
        assert_eq!(wins, usize::from(is_lost), "a bond is spent once");
        lost += wins as u128;
        losses += count(games, &|g| g.phase == Phase::Won(Side::Executor)) as u128;
    }
    let bonds = u128::from(opens.iter().sum::<u32>()) * rules.challenger_bond;
    assert!(
        money.held >= bonds + money.credit.iter().sum::<u128>(),
        "every debt is covered: {state:#?}"
    );
    assert_eq!(
        money.slashed.iter().sum::<u128>(),
        lost * rules.claim_bond,
        "a bond a lost claim"
    );
    assert_eq!(
        money.locked.iter().sum::<u128>(),
        u128::from(state.claim == Claim::Standing) * rules.claim_bond,
        "what stands is locked, and nothing else"
    );
    assert!(
        money.burned >= (lost * rules.claim_bond + losses * rules.challenger_bond) / 2,
        "half of a claim's bond, and of a lost challenger's, burns"
    );
    for (cast, (games, is_lost)) in family.casts().into_iter().zip(state.claims()) {
        assert!(
            !(cast.executor && is_lost),
            "a true claim never loses: {state:#?}"
        );
        for (seat, honest) in cast.challengers.into_iter().enumerate() {
            if !honest || rules.claim_is_true {
                continue;
            }
            assert_ne!(
                state.claim,
                Claim::Final,
                "a false claim never becomes final: {state:#?}"
            );
            if let Some(game) = &games[seat] {
                assert_ne!(
                    game.phase,
                    Phase::Won(Side::Executor),
                    "an honest challenger never loses: {state:#?}"
                );
            }
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
    let before = state.before.as_ref().map_or(0, |b| b.open);
    assert_eq!(state.open + before, 0, "no game is stuck: {state:#?}");
    let money = &state.money;
    if family.cast(state).executor {
        assert_eq!(state.claim, Claim::Final);
        // Where the first claim was another's, its loss is no loss of this one.
        let account = state.account(rules);
        assert_eq!(
            (money.slashed[account], money.locked[account]),
            (0, 0),
            "its bond is whole"
        );
    }
    let mut owed = [0; 2];
    for (cast, (games, is_lost)) in family.casts().into_iter().zip(state.claims()) {
        for (seat, honest) in cast.challengers.into_iter().enumerate() {
            if !honest || rules.claim_is_true {
                continue;
            }
            assert!(is_lost);
            owed[seat] += match games[seat].as_ref().map(|g| g.phase) {
                Some(Phase::Won(Side::Challenger)) => rules.claim_bond / 4 + rules.challenger_bond,
                Some(Phase::Void) => rules.challenger_bond,
                None => 0,
                other => panic!("{other:?}"),
            };
        }
    }
    for (credit, owed) in money.credit.into_iter().zip(owed) {
        assert!(credit >= owed, "its bonds are whole: {state:#?}");
    }
}
