//! A second claim on a request whose first claim was lost, beside what is left of the first: the rules, and what is tried.
//!
//! docs/encoding.md, sections 8 and 9: the request is open again and whole, the first claim's games are void.

use crate::players::player;
use crate::rules::{
    Attempt, Claim, Game, Refusal, Root, Rules, Second, Signed, State, Who, share, siblings, void,
};

/// What is left of a lost first claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Before {
    /// Its games that are neither won nor void.
    pub open: u32,
    /// Gwei of gas of the challengers of all its games that no challenger lost.
    pub gas: u64,
    /// Gwei set aside for them.
    pub pool: u64,
    /// The game of each challenger, if it opened one.
    pub games: [Option<Game>; 2],
    /// When it was lost.
    pub lost_at: u64,
    /// Whether the second claim was made without the sequencer, so that its signed segment can still be posted.
    pub direct: bool,
}

impl State {
    /// Which claim the present one is, from 0.
    pub fn round(&self) -> usize {
        usize::from(self.before.is_some())
    }

    /// The games on claim `round`, which was made.
    pub fn games_of(&self, round: usize) -> &[Option<Game>; 2] {
        match &self.before {
            Some(before) if round == 0 => &before.games,
            _ => &self.games,
        }
    }

    /// Every claim that was made, the first one first: its games, and whether it is lost.
    pub fn claims(&self) -> Vec<(&[Option<Game>; 2], bool)> {
        let before = self.before.iter().map(|b| (&b.games, true));
        let present = (&self.games, self.claim == Claim::Lost);
        before.chain([present]).collect()
    }

    /// Second from which the present claim can't be disputed any more.
    pub fn closes(&self, rules: &Rules) -> u64 {
        self.posted_at + rules.window
    }

    /// Place of the present claim's executor among the executors' money.
    pub fn account(&self, rules: &Rules) -> usize {
        usize::from(self.before.is_some() && rules.second == Some(Second::Other))
    }

    /// Whether the request waits for the second claim.
    pub fn awaits_second(&self, rules: &Rules) -> bool {
        rules.second.is_some() && self.before.is_none() && self.claim == Claim::Lost
    }

    /// First second in which the request, lost and not claimed again, can be claimed directly.
    pub fn direct_from(&self, rules: &Rules) -> u64 {
        self.lost_at + rules.reopen + 1
    }

    // The sequencer's transaction is never refused: a result that can't be a claim is skipped.
    pub(crate) fn post(&mut self, rules: &Rules, segment: Signed) {
        // A segment's number is spent with the claim that it made, even if that is lost.
        if segment == Signed::Second && self.awaits_second(rules) {
            self.claim_again(rules, false);
        }
    }

    pub(crate) fn claim_direct(&mut self, rules: &Rules) -> Result<(), Refusal> {
        if self.claim != Claim::Lost {
            return Err(Refusal::NotOpen);
        }
        let from = self.direct_from(rules);
        if self.now < from {
            return Err(Refusal::NotYetDirect { from });
        }
        self.claim_again(rules, true);
        Ok(())
    }

    fn claim_again(&mut self, rules: &Rules, direct: bool) {
        self.before = Some(Before {
            open: self.open,
            gas: self.gas,
            pool: self.pool,
            games: std::mem::take(&mut self.games),
            lost_at: self.lost_at,
            direct,
        });
        (self.claim, self.posted_at) = (Claim::Standing, self.now);
        (self.open, self.gas, self.pool) = (0, 0, 0);
        self.money.locked[self.account(rules)] += rules.claim_bond;
    }

    /// Of a lost claim nothing is possible but to void its games.
    pub(crate) fn on_first(&mut self, rules: &Rules, attempt: &Attempt) -> Result<(), Refusal> {
        match attempt {
            Attempt::Open { short: true, .. } => Err(Refusal::WrongBond),
            Attempt::Open { .. } | Attempt::Finalize { .. } => Err(Refusal::NotTheClaim),
            Attempt::Dissect { .. }
            | Attempt::Replay { .. }
            | Attempt::Prove { .. }
            | Attempt::TimeOut { .. } => Err(Refusal::ClaimAlreadyLost),
            Attempt::SettleVoid { seat, .. } => {
                let before = self.before.as_mut().expect("a first claim");
                let gas = void(&mut before.games[*seat])?;
                before.open -= 1;
                let share = share(before.pool, before.gas, gas);
                self.money.credit[*seat] += rules.challenger_bond + share;
                Ok(())
            }
            Attempt::Post(_)
            | Attempt::ClaimDirect
            | Attempt::OnFirst(_)
            | Attempt::Stray { .. } => {
                unreachable!("not about one claim")
            }
        }
    }

    /// Why a move is refused whose parts are of two claims.
    pub(crate) fn strayed(&self, rules: &Rules, attempt: &Attempt) -> Refusal {
        let Attempt::Stray {
            seat,
            game,
            claim,
            board,
            roots,
        } = attempt
        else {
            unreachable!("called for strays")
        };
        if *claim == 0 || self.claim == Claim::Lost {
            return Refusal::ClaimAlreadyLost;
        }
        let Some(g) = &self.games_of(*game)[*seat] else {
            return Refusal::GameNotRunning;
        };
        let shown = self.games_of(*board)[*seat].as_ref().expect("a board");
        let (expected, given) = (g.width(rules), roots.len() as u64);
        if let Err(refusal) = g.running().and_then(|()| g.in_time(rules, self.now)) {
            refusal
        } else if g.stride == 1 {
            Refusal::MustProve
        } else if expected != given {
            Refusal::WrongRootCount { expected, given }
        } else if siblings(0, shown.pieces()) != siblings(0, g.pieces()) {
            Refusal::WrongProofLength
        } else {
            Refusal::Stale
        }
    }
}

/// Everything that is tried because there may be two claims.
pub fn attempts(rules: &Rules, state: &State) -> Vec<Attempt> {
    let mut out = Vec::new();
    let Some(before) = &state.before else {
        if state.awaits_second(rules) {
            out.extend([Signed::First, Signed::Second].map(Attempt::Post));
            out.push(Attempt::ClaimDirect);
        }
        return out;
    };
    out.push(Attempt::ClaimDirect);
    if state.claim != Claim::Lost {
        out.push(Attempt::Post(Signed::Fresh));
    }
    // Numbers that are spent are so at any moment; these are the ones when it could matter.
    if state.claim != Claim::Standing || state.now == state.posted_at {
        out.push(Attempt::Post(Signed::First));
        // A third claim is left out.
        if state.claim != Claim::Lost || !before.direct {
            out.push(Attempt::Post(Signed::Second));
        }
    }
    let by = Who::Stranger(1);
    let mut on_first = vec![Attempt::Finalize { by }];
    for seat in 0..2 {
        on_first.extend([true, false].map(|short| Attempt::Open { seat, short }));
        on_first.extend([by, Who::Executor].map(|by| Attempt::TimeOut { seat, by }));
        on_first.extend([by, Who::Challenger(seat)].map(|by| Attempt::SettleVoid { seat, by }));
        if let Some(game) = &before.games[seat] {
            if game.answered(rules).is_some() {
                on_first.push(Attempt::Replay { seat });
            }
            on_first.push(next(rules, seat, game));
        }
        stray(rules, state, seat, &mut out);
    }
    out.extend(on_first.into_iter().map(|a| Attempt::OnFirst(Box::new(a))));
    out
}

/// Roots for a dissection of a game's first piece that contests it.
fn contesting(rules: &Rules, game: &Game) -> Vec<Root> {
    let lie = Root::Lie(game.turn);
    let root = if game.roots[1] == lie {
        Root::True
    } else {
        lie
    };
    vec![root; game.width(rules) as usize]
}

/// What the mover of `game` could do if its claim stood.
fn next(rules: &Rules, seat: usize, game: &Game) -> Attempt {
    let by = player(seat, game.turn);
    if game.stride == 1 {
        let shown = game.roots[0];
        return Attempt::Prove {
            seat,
            by,
            piece: 0,
            shown,
        };
    }
    Attempt::Dissect {
        seat,
        of: seat,
        by,
        piece: 0,
        roots: contesting(rules, game),
        flaw: crate::rules::Flaw::None,
    }
}

/// Moves whose game, claim and board are not of one claim.
fn stray(rules: &Rules, state: &State, seat: usize, out: &mut Vec<Attempt>) {
    for (game, claim, board) in [(0, 1, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1)] {
        if let Some(shown) = &state.games_of(board)[seat] {
            out.push(Attempt::Stray {
                seat,
                game,
                claim,
                board,
                roots: contesting(rules, shown),
            });
        }
    }
}
