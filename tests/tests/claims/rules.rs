//! One claim and the games about it by the rules alone: docs/encoding.md, section 8, and what docs/economics.md says of money.
//!
//! What a second claim on the same request adds is in [`crate::second`].
//!
//! Shares no code with the contract's mirror in `assay-dispute`. Roots are known by what they are worth, not by their bytes.

use crate::second::Before;

/// Wei in a gwei; tallies of gas are kept in gwei.
pub const GWEI: u128 = 1_000_000_000;

/// One of the two players of a game.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// Says that the claim is wrong; moves first.
    Challenger,
    /// Says that the program halts with 0.
    Executor,
}

impl Side {
    /// The opponent.
    pub fn other(self) -> Side {
        match self {
            Side::Challenger => Side::Executor,
            Side::Executor => Side::Challenger,
        }
    }
}

/// Who sends a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// The executor of the claim that the attempt is about.
    Executor,
    /// The challenger of this seat.
    Challenger(usize),
    /// Somebody who plays no game.
    Stranger(usize),
}

/// A root at some index, by its worth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Root {
    /// The honest run's.
    True,
    /// A state that stays as it is and is this side's lie; a false claim's last root is the executor's.
    Lie(Side),
}

/// What a deployment, and the claim, fix.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Trace length.
    pub length: u64,
    /// k.
    pub arity: u64,
    /// Seconds each player has in a game.
    pub allowance: u64,
    /// Seconds of the challenge window.
    pub window: u64,
    /// Seconds that the sequencer has, once a claim is lost, before executors may claim directly.
    pub reopen: u64,
    /// Whose a second claim is; `None` if there is none.
    pub second: Option<Second>,
    /// Whether the program halts with 0.
    pub claim_is_true: bool,
    /// Wei on the claim.
    pub claim_bond: u128,
    /// Wei of a challenger.
    pub challenger_bond: u128,
}

/// The executor of a second claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Second {
    /// The one that lost the first, with the same output.
    Same,
    /// Another one, with another output.
    Other,
}

/// How a game stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// The side to move is [`Game::turn`].
    Running,
    /// Over, by a proof or a clock.
    Won(Side),
    /// Over, because the claim fell to another game.
    Void,
}

/// One game.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Game {
    /// Running or how it ended.
    pub phase: Phase,
    /// Whose move it is, or would be.
    pub turn: Side,
    /// Index of the standing dissection's first root.
    pub start: u64,
    /// Steps in one of its pieces.
    pub stride: u64,
    /// Its roots, one more than pieces.
    pub roots: Vec<Root>,
    /// Seconds that challenger and executor have used in moves made.
    pub used: [u64; 2],
    /// When the last move was made.
    pub last_at: u64,
    /// Gwei of gas that challenger and executor have spent.
    pub spent: [u64; 2],
}

/// How the claim stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Claim {
    /// Neither lost nor final.
    Standing,
    /// It lost a game.
    Lost,
    /// Its answer is the result.
    Final,
}

/// Where the wei are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Money {
    /// Held by the game contract.
    pub held: u128,
    /// Burned so far, a final claim's work not counted.
    pub burned: u128,
    /// Taken from the stakes of the first claim's executor and of another that makes the second.
    pub slashed: [u128; 2],
    /// Locked of their stakes for claims on this request.
    pub locked: [u128; 2],
    /// Credits of the two challengers, then of those executors.
    pub credit: [u128; 4],
}

/// Everything. Times are seconds since the first claim was posted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Now.
    pub now: u64,
    /// When the claim was posted.
    pub posted_at: u64,
    /// When it was lost, if it was.
    pub lost_at: u64,
    /// What is left of a first claim, where this is the second.
    pub before: Option<Before>,
    /// The claim.
    pub claim: Claim,
    /// Games that are neither won nor void.
    pub open: u32,
    /// Gwei of gas of the challengers of all games that no challenger lost.
    pub gas: u64,
    /// Gwei set aside for them when the claim was lost.
    pub pool: u64,
    /// The game of each challenger, once it opened one.
    pub games: [Option<Game>; 2],
    /// Wei.
    pub money: Money,
}

/// What is wrong with a dissection besides its roots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// Nothing.
    None,
    /// The proof that shows the piece has a sibling more.
    LongProof,
}

/// Something that somebody sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// This seat's challenger opens a game; `short` of its bond by one wei or not.
    Open { seat: usize, short: bool },
    /// A dissection of piece `piece` in the game of `seat`, answering what stands in the game of `of`.
    Dissect {
        seat: usize,
        of: usize,
        by: Who,
        piece: u64,
        roots: Vec<Root>,
        flaw: Flaw,
    },
    /// The last dissection accepted in this game, from the same sender, byte for byte.
    Replay { seat: usize },
    /// A one-step proof for piece `piece`, whose witness shows the state `shown`.
    Prove {
        seat: usize,
        by: Who,
        piece: u64,
        shown: Root,
    },
    /// The end of a game whose player to move is out of time.
    TimeOut { seat: usize, by: Who },
    /// The end of a game on a lost claim.
    SettleVoid { seat: usize, by: Who },
    /// The end of the claim.
    Finalize { by: Who },
    /// The sequencer posts a batch of one signed segment with one result.
    Post(Signed),
    /// The second claim's executor claims the request without the sequencer.
    ClaimDirect,
    /// The same about the first claim and its games, while the second is there.
    OnFirst(Box<Attempt>),
    /// A dissection of piece 0 into `roots`, by the mover of claim `board`'s game, sent into the game on claim `game` under the
    /// key of claim `claim`; not all of them the same. Claims count from 0.
    Stray {
        seat: usize,
        game: usize,
        claim: usize,
        board: usize,
        roots: Vec<Root>,
    },
}

/// A signed segment that answers the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// That which was the first claim.
    First,
    /// That which is to be the second.
    Second,
    /// One more of the second's executor.
    Fresh,
}

/// Why something is refused. Where several rules are broken the first in the order of [`State::after`] counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Refusal {
    WrongBond,
    NotTheClaim,
    WindowClosed { at: u64 },
    GameExists,
    ClaimAlreadyLost,
    ClaimNotLost,
    GameNotRunning,
    ClockRanOut,
    ClockRunning { until: u64 },
    MustProve,
    TooLongToProve,
    WrongRootCount { expected: u64, given: u64 },
    NothingContested,
    NoSuchPiece { piece: u64, pieces: u64 },
    WrongProofLength,
    Stale,
    WrongBefore,
    StepAgrees,
    WindowOpen { until: u64 },
    Disputed { open: u32 },
    AlreadyFinal,
    NotYetDirect { from: u64 },
    NotOpen,
}

impl Game {
    fn opened(rules: &Rules, now: u64) -> Game {
        let last = if rules.claim_is_true {
            Root::True
        } else {
            Root::Lie(Side::Executor)
        };
        Game {
            phase: Phase::Running,
            turn: Side::Challenger,
            start: 0,
            stride: rules.length,
            roots: vec![Root::True, last],
            used: [0, 0],
            last_at: now,
            spent: [0, 0],
        }
    }

    /// Pieces of the standing dissection.
    pub fn pieces(&self) -> u64 {
        self.roots.len() as u64 - 1
    }

    /// Roots that the next dissection must have.
    pub fn width(&self, rules: &Rules) -> u64 {
        self.stride.min(rules.arity)
    }

    /// Second in which the player to move is out of time.
    pub fn deadline(&self, rules: &Rules) -> u64 {
        self.last_at + rules.allowance - self.used[self.turn as usize]
    }

    /// Piece that the last dissection answered, and how many there were; `None` if there was no dissection.
    pub fn answered(&self, rules: &Rules) -> Option<(u64, u64)> {
        let whole = self.stride * self.pieces();
        if self.stride == rules.length {
            None
        } else if whole == rules.length {
            Some((0, 1))
        } else {
            // Only the last dissection may be narrower than k.
            Some((self.start / whole % rules.arity, rules.arity))
        }
    }

    /// Whose wallet is `who` in this game of `seat`?
    fn side(&self, seat: usize, who: Who) -> Option<Side> {
        match who {
            Who::Executor => Some(Side::Executor),
            Who::Challenger(s) if s == seat => Some(Side::Challenger),
            Who::Challenger(_) | Who::Stranger(_) => None,
        }
    }

    pub fn running(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Won(_) | Phase::Void => Err(Refusal::GameNotRunning),
        }
    }

    pub fn in_time(&self, rules: &Rules, now: u64) -> Result<(), Refusal> {
        if now >= self.deadline(rules) {
            return Err(Refusal::ClockRanOut);
        }
        Ok(())
    }

    fn has(&self, piece: u64) -> Result<(), Refusal> {
        let pieces = self.pieces();
        if piece >= pieces {
            return Err(Refusal::NoSuchPiece { piece, pieces });
        }
        Ok(())
    }

    fn may_send(&self, seat: usize, by: Who) -> Result<(), Refusal> {
        if self.side(seat, by) == Some(self.turn) {
            Ok(())
        } else {
            Err(Refusal::Stale)
        }
    }
}

/// Voids a game that still runs; gives the gas of its challenger.
pub fn void(game: &mut Option<Game>) -> Result<u64, Refusal> {
    let game = game.as_mut().ok_or(Refusal::GameNotRunning)?;
    game.running()?;
    game.phase = Phase::Void;
    Ok(game.spent[Side::Challenger as usize])
}

/// Siblings that show piece `piece` of `pieces`: by levels, nothing where both ends' nodes are children of one node, one for a
/// node alone, else two.
pub fn siblings(piece: u64, pieces: u64) -> u64 {
    let (mut a, mut b, mut width, mut count) = (piece.max(1) - 1, piece, pieces, 0);
    while width > 1 {
        count += match (a == b, a / 2 == b / 2) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => 2,
        };
        (a, b, width) = (a / 2, b / 2, width / 2);
    }
    count
}

/// Wei of a `pool` for a challenger that spent `gwei` of `gas`: all of it, or pro rata where the pool is short.
pub fn share(pool: u64, gas: u64, gwei: u64) -> u128 {
    u128::from(pool) * GWEI * u128::from(gwei) / u128::from(gas).max(1)
}

impl State {
    /// Just posted, disputed by nobody.
    pub fn posted(rules: &Rules) -> State {
        let money = Money {
            locked: [rules.claim_bond, 0],
            ..Money::default()
        };
        State {
            now: 0,
            posted_at: 0,
            lost_at: 0,
            before: None,
            claim: Claim::Standing,
            open: 0,
            gas: 0,
            pool: 0,
            games: [None, None],
            money,
        }
    }

    /// What `attempt` makes of this. `counted` is the gas, in gwei, that the rules count for it, known once it was accepted.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub fn after(&self, rules: &Rules, attempt: &Attempt, counted: u64) -> Result<State, Refusal> {
        let mut next = self.clone();
        match attempt {
            Attempt::Open { seat, short } => next.open(rules, *seat, *short, counted)?,
            Attempt::Dissect { seat, .. } => {
                self.may_dissect(rules, attempt)?;
                next.dissect(*seat, attempt, counted);
            }
            Attempt::Replay { seat } => return Err(self.replayed(rules, *seat)),
            Attempt::Prove {
                seat,
                by,
                piece,
                shown,
            } => {
                let g = self.game_on_standing_claim(*seat)?;
                g.in_time(rules, self.now)?;
                if g.stride != 1 {
                    return Err(Refusal::TooLongToProve);
                }
                g.has(*piece)?;
                g.may_send(*seat, *by)?;
                let (left, right) = (g.roots[*piece as usize], g.roots[*piece as usize + 1]);
                // A step leads from the truth to the truth, and from a state that stays as it is to itself.
                match (*shown == left, *shown == right) {
                    (false, _) => return Err(Refusal::WrongBefore),
                    (true, true) => return Err(Refusal::StepAgrees),
                    (true, false) => next.finish(rules, *seat, g.turn, counted),
                }
            }
            Attempt::TimeOut { seat, .. } => {
                let g = self.game_on_standing_claim(*seat)?;
                let until = g.deadline(rules);
                if self.now < until {
                    return Err(Refusal::ClockRunning { until });
                }
                next.finish(rules, *seat, g.turn.other(), counted);
            }
            Attempt::SettleVoid { seat, .. } => next.settle_void(rules, *seat)?,
            Attempt::Finalize { .. } => next.finalize(rules)?,
            Attempt::Post(segment) => next.post(rules, *segment),
            Attempt::ClaimDirect => next.claim_direct(rules)?,
            Attempt::OnFirst(attempt) => next.on_first(rules, attempt)?,
            Attempt::Stray { .. } => return Err(self.strayed(rules, attempt)),
        }
        Ok(next)
    }

    /// Whose tally of gas, in which game, an accepted `attempt` adds to. Only players are repaid, and at the end the winner.
    pub fn tally(&self, attempt: &Attempt) -> Option<(usize, Side)> {
        match attempt {
            Attempt::Open { seat, .. } => Some((*seat, Side::Challenger)),
            Attempt::Dissect { seat, .. } | Attempt::Prove { seat, .. } => {
                Some((*seat, self.games[*seat].as_ref()?.turn))
            }
            Attempt::TimeOut { seat, by } => {
                let g = self.games[*seat].as_ref()?;
                let winner = g.turn.other();
                (g.side(*seat, *by) == Some(winner)).then_some((*seat, winner))
            }
            Attempt::Replay { .. }
            | Attempt::SettleVoid { .. }
            | Attempt::Finalize { .. }
            | Attempt::Post(_)
            | Attempt::ClaimDirect
            | Attempt::OnFirst(_)
            | Attempt::Stray { .. } => None,
        }
    }

    fn open(
        &mut self,
        rules: &Rules,
        seat: usize,
        short: bool,
        counted: u64,
    ) -> Result<(), Refusal> {
        if short {
            return Err(Refusal::WrongBond);
        }
        if self.claim == Claim::Lost {
            return Err(Refusal::NotTheClaim);
        }
        let at = self.closes(rules);
        if self.now >= at {
            return Err(Refusal::WindowClosed { at });
        }
        if self.games[seat].is_some() {
            return Err(Refusal::GameExists);
        }
        let mut game = Game::opened(rules, self.now);
        game.spent[Side::Challenger as usize] = counted;
        self.games[seat] = Some(game);
        self.open += 1;
        self.gas += counted;
        self.money.held += rules.challenger_bond;
        Ok(())
    }

    /// The game of `seat`, if its claim has lost nothing and it still runs.
    fn game_on_standing_claim(&self, seat: usize) -> Result<&Game, Refusal> {
        if self.claim == Claim::Lost {
            return Err(Refusal::ClaimAlreadyLost);
        }
        let game = self.games[seat].as_ref().ok_or(Refusal::GameNotRunning)?;
        game.running()?;
        Ok(game)
    }

    fn may_dissect(&self, rules: &Rules, attempt: &Attempt) -> Result<(), Refusal> {
        let Attempt::Dissect {
            seat,
            of,
            by,
            piece,
            roots,
            flaw,
        } = attempt
        else {
            unreachable!("called for dissections")
        };
        let g = self.game_on_standing_claim(*seat)?;
        g.in_time(rules, self.now)?;
        if g.stride == 1 {
            return Err(Refusal::MustProve);
        }
        let (expected, given) = (g.width(rules), roots.len() as u64);
        if given != expected {
            return Err(Refusal::WrongRootCount { expected, given });
        }
        // What is shown is what stands in the answered game.
        let shown = self.games[*of].as_ref().expect("a game to answer");
        // A piece that does not exist is shown with the last one's ends.
        let opened = (*piece).min(shown.pieces() - 1);
        if roots.last() == Some(&shown.roots[opened as usize + 1]) {
            return Err(Refusal::NothingContested);
        }
        g.has(*piece)?;
        let posted = siblings(opened, shown.pieces());
        let long = u64::from(*flaw == Flaw::LongProof);
        if posted + long != siblings(*piece, g.pieces()) {
            return Err(Refusal::WrongProofLength);
        }
        if of != seat {
            return Err(Refusal::Stale);
        }
        g.may_send(*seat, *by)
    }

    fn replayed(&self, rules: &Rules, seat: usize) -> Refusal {
        let g = match self.game_on_standing_claim(seat) {
            Ok(g) => g,
            Err(refusal) => return refusal,
        };
        let (piece, before) = g.answered(rules).expect("there was a dissection");
        let (expected, given) = (g.width(rules), g.pieces());
        if let Err(refusal) = g.in_time(rules, self.now) {
            refusal
        } else if g.stride == 1 {
            Refusal::MustProve
        } else if expected != given {
            Refusal::WrongRootCount { expected, given }
        } else if let Err(refusal) = g.has(piece) {
            refusal
        } else if siblings(piece, before) != siblings(piece, g.pieces()) {
            Refusal::WrongProofLength
        } else {
            Refusal::Stale
        }
    }

    fn dissect(&mut self, seat: usize, attempt: &Attempt, counted: u64) {
        let Attempt::Dissect { piece, roots, .. } = attempt else {
            unreachable!("called for dissections")
        };
        let now = self.now;
        let g = self.games[seat].as_mut().expect("it runs");
        let mover = g.turn;
        g.used[mover as usize] += now - g.last_at;
        g.last_at = now;
        g.spent[mover as usize] += counted;
        g.start += piece * g.stride;
        g.stride /= roots.len() as u64;
        let first = g.roots[*piece as usize];
        g.roots = std::iter::once(first)
            .chain(roots.iter().copied())
            .collect();
        g.turn = mover.other();
        if mover == Side::Challenger {
            self.gas += counted;
        }
    }

    /// A game ends with a winner. A challenger's win spends the claim's bond, an executor's the challenger's.
    fn finish(&mut self, rules: &Rules, seat: usize, winner: Side, counted: u64) {
        let g = self.games[seat].as_mut().expect("it ran");
        g.phase = Phase::Won(winner);
        g.spent[winner as usize] += counted;
        let [challenger, executor] = g.spent;
        self.open -= 1;
        if winner == Side::Executor {
            // The loser is not repaid by anybody, so it leaves the sum; the winner's gas comes out of half of its bond.
            self.gas -= challenger;
            let repaid = (rules.challenger_bond / 2).min(u128::from(executor) * GWEI);
            self.money.credit[2 + self.account(rules)] += repaid;
            self.burn(rules.challenger_bond - repaid);
            return;
        }
        self.gas += counted;
        self.claim = Claim::Lost;
        self.lost_at = self.now;
        let (quarter, account) = (rules.claim_bond / 4, self.account(rules));
        self.pool = self.gas.min((quarter / GWEI) as u64);
        self.money.slashed[account] += rules.claim_bond;
        self.money.locked[account] -= rules.claim_bond;
        self.money.held += rules.claim_bond;
        let share = share(self.pool, self.gas, challenger);
        self.money.credit[seat] += rules.challenger_bond + quarter + share;
        self.burn(rules.claim_bond - quarter - u128::from(self.pool) * GWEI);
    }

    fn burn(&mut self, wei: u128) {
        self.money.held -= wei;
        self.money.burned += wei;
    }

    fn settle_void(&mut self, rules: &Rules, seat: usize) -> Result<(), Refusal> {
        if self.claim != Claim::Lost {
            return Err(Refusal::ClaimNotLost);
        }
        let gas = void(&mut self.games[seat])?;
        self.open -= 1;
        self.money.credit[seat] += rules.challenger_bond + share(self.pool, self.gas, gas);
        Ok(())
    }

    fn finalize(&mut self, rules: &Rules) -> Result<(), Refusal> {
        if self.claim == Claim::Lost {
            return Err(Refusal::NotTheClaim);
        }
        let until = self.closes(rules);
        if self.now < until {
            return Err(Refusal::WindowOpen { until });
        }
        if self.open != 0 {
            return Err(Refusal::Disputed { open: self.open });
        }
        if self.claim == Claim::Final {
            return Err(Refusal::AlreadyFinal);
        }
        self.claim = Claim::Final;
        self.money.locked[self.account(rules)] -= rules.claim_bond;
        Ok(())
    }
}
