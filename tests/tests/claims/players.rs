//! Who may do what: everything that hostile players and strangers try, the one thing that an honest player does, and how long
//! it may be kept from doing it.

use crate::rules::{Attempt, Claim, Flaw, Game, Phase, Root, Rules, Side, State, Who};
use crate::second;

/// Who plays by the truth. Everybody else tries everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cast {
    /// Whether the executor does. Only a true claim has such an executor.
    pub executor: bool,
    /// Whether the challenger of each seat does. It opens a game on a false claim only.
    pub challengers: [bool; 2],
}

impl Cast {
    /// Nobody plays by the truth.
    pub const HOSTILE: Cast = Cast {
        executor: false,
        challengers: [false, false],
    };

    fn is_honest(&self, seat: usize, side: Side) -> bool {
        match side {
            Side::Executor => self.executor,
            Side::Challenger => self.challengers[seat],
        }
    }

    /// Whether a second may pass. Nobody can keep an honest player from its move, or from opening its game, until it is too late;
    /// and once neither window nor clocks run, time changes nothing.
    pub fn may_wait(&self, rules: &Rules, state: &State) -> bool {
        if state.claim != Claim::Standing {
            // Until anybody may claim again.
            return state.awaits_second(rules) && state.now < state.direct_from(rules);
        }
        let (mut runs, mut keeps) = (state.now < state.closes(rules), true);
        for (seat, game) in state.games.iter().enumerate() {
            match game {
                Some(game) if game.phase == Phase::Running => {
                    let deadline = game.deadline(rules);
                    runs |= state.now < deadline;
                    keeps &= !self.is_honest(seat, game.turn) || state.now + 1 < deadline;
                }
                Some(_) => {}
                None => {
                    let accuses = self.challengers[seat] && !rules.claim_is_true;
                    keeps &= !accuses || state.now + 1 < state.closes(rules);
                }
            }
        }
        runs && keeps
    }

    /// Everything that is tried now.
    pub fn attempts(&self, rules: &Rules, state: &State) -> Vec<Attempt> {
        let mut out = vec![Attempt::Finalize {
            by: Who::Stranger(1),
        }];
        for seat in 0..2 {
            out.push(Attempt::Open { seat, short: true });
            // Again, from the same address, where there is a game already.
            let idle = self.challengers[seat] && rules.claim_is_true;
            if state.games[seat].is_some() || !idle {
                out.push(Attempt::Open { seat, short: false });
            }
            for by in [Who::Stranger(0), Who::Executor, Who::Challenger(seat)] {
                out.push(Attempt::TimeOut { seat, by });
            }
            for by in [Who::Stranger(1), Who::Challenger(seat)] {
                out.push(Attempt::SettleVoid { seat, by });
            }
            if let Some(game) = &state.games[seat] {
                self.play(rules, state, seat, game, &mut out);
            }
        }
        out.extend(second::attempts(rules, state));
        out
    }

    fn play(&self, rules: &Rules, state: &State, seat: usize, game: &Game, out: &mut Vec<Attempt>) {
        if game.answered(rules).is_some() {
            out.push(Attempt::Replay { seat });
        }
        let mover = player(seat, game.turn);
        let open = game.phase == Phase::Running && state.claim == Claim::Standing;
        let tries = if game.stride == 1 {
            proofs(game, seat, mover)
        } else {
            dissections(rules, game, seat, mover)
        };
        if !open {
            out.extend(tries.into_iter().take(1));
        } else if self.is_honest(seat, game.turn) {
            out.push(honest(rules, game, seat));
        } else {
            out.extend(tries);
        }
        self.break_rules(rules, state, seat, game, out);
    }

    /// What nobody may do, whoever sends it.
    fn break_rules(
        &self,
        rules: &Rules,
        state: &State,
        seat: usize,
        game: &Game,
        out: &mut Vec<Attempt>,
    ) {
        let (mover, pieces) = (player(seat, game.turn), game.pieces());
        let proof = |piece, by| Attempt::Prove {
            seat,
            by,
            piece,
            shown: game.roots[0],
        };
        let dissection = |by, piece, roots, flaw| Attempt::Dissect {
            seat,
            of: seat,
            by,
            piece,
            roots,
            flaw,
        };
        // Differs from whatever ends the first and the last piece, unless that is this very lie.
        let lies = |game: &Game, piece: u64, n: u64| {
            let end = game.roots[piece as usize + 1];
            let lie = if end == Root::Lie(game.turn) {
                Root::True
            } else {
                Root::Lie(game.turn)
            };
            vec![lie; n as usize]
        };
        for by in outsiders(seat, game.turn) {
            out.push(if game.stride == 1 {
                proof(0, by)
            } else {
                dissection(by, 0, lies(game, 0, game.width(rules)), Flaw::None)
            });
        }
        let width = game.width(rules).max(2);
        if game.stride == 1 {
            out.push(dissection(mover, 0, lies(game, 0, width), Flaw::None));
            out.push(proof(pieces, mover));
        } else {
            let last = pieces - 1;
            out.push(proof(0, mover));
            out.push(dissection(mover, 0, lies(game, 0, 2 * width), Flaw::None));
            out.push(dissection(
                mover,
                0,
                vec![game.roots[1]; width as usize],
                Flaw::None,
            ));
            out.push(dissection(
                mover,
                pieces,
                lies(game, last, width),
                Flaw::None,
            ));
            out.push(dissection(
                mover,
                last,
                lies(game, last, width),
                Flaw::LongProof,
            ));
        }
        // A move of the other game, as its player made or could make it, in this one.
        let of = 1 - seat;
        if let Some(other) = state.games[of].as_ref().filter(|g| g.stride > 1) {
            for piece in [0, other.pieces() - 1] {
                out.push(Attempt::Dissect {
                    seat,
                    of,
                    by: player(of, other.turn),
                    piece,
                    roots: lies(other, piece, other.width(rules)),
                    flaw: Flaw::None,
                });
            }
        }
    }
}

/// Who plays `side` in the game of `seat`.
pub fn player(seat: usize, side: Side) -> Who {
    match side {
        Side::Challenger => Who::Challenger(seat),
        Side::Executor => Who::Executor,
    }
}

/// Everybody but the player of `turn`.
fn outsiders(seat: usize, turn: Side) -> [Who; 3] {
    [
        player(seat, turn.other()),
        Who::Challenger(1 - seat),
        Who::Stranger(1),
    ]
}

/// The piece that starts in the truth and ends in a lie: split truly, or proven.
fn honest(rules: &Rules, game: &Game, seat: usize) -> Attempt {
    let by = player(seat, game.turn);
    let wrong = |ends: &[Root]| ends[0] == Root::True && ends[1] != Root::True;
    let piece = game.roots.windows(2).position(wrong);
    let piece = piece.expect("an honest player is never without a move") as u64;
    if game.stride == 1 {
        return Attempt::Prove {
            seat,
            by,
            piece,
            shown: Root::True,
        };
    }
    Attempt::Dissect {
        seat,
        of: seat,
        by,
        piece,
        roots: vec![Root::True; game.width(rules) as usize],
        flaw: Flaw::None,
    }
}

/// Pieces to choose from.
// Symmetry: what follows a choice depends on the worth of the piece's two ends alone; where the piece lies only shifts indices.
// That the contract finds the right index and proof for every piece is what toy_games.rs enumerates, one game at a time. So of
// pieces with ends of the same worth the first and the last stand for all.
fn pieces(game: &Game) -> Vec<u64> {
    let ends: Vec<&[Root]> = game.roots.windows(2).collect();
    let stands_out = |i: &usize| !ends[..*i].contains(&ends[*i]) || *i == ends.len() - 1;
    (0..ends.len())
        .filter(stands_out)
        .map(|i| i as u64)
        .collect()
}

/// Lists of `width` roots to choose from, each the truth or the mover's own lie. Another's lie at an inner place would only be a
/// third state that is not the truth.
// Symmetry: a list matters by the pairs of ends that it offers to the other side. All lists of up to four roots; beyond, those
// that leave the truth once for good, come back once, or lie at one place.
fn lists(width: usize, lie: Root) -> Vec<Vec<Root>> {
    let choose = |is_lie: &dyn Fn(usize) -> bool| -> Vec<Root> {
        (0..width)
            .map(|i| if is_lie(i) { lie } else { Root::True })
            .collect()
    };
    if width <= 4 {
        return (0..1usize << width)
            .map(|bits| choose(&|i| bits >> i & 1 == 1))
            .collect();
    }
    let mut out = vec![choose(&|_| false)];
    for at in 0..width {
        out.push(choose(&|i| i >= at));
        out.push(choose(&|i| i < at));
        out.push(choose(&|i| i == at));
    }
    out.sort();
    out.dedup();
    out
}

fn dissections(rules: &Rules, game: &Game, seat: usize, by: Who) -> Vec<Attempt> {
    let lists = lists(game.width(rules) as usize, Root::Lie(game.turn));
    let of_piece = |piece| {
        lists.iter().map(move |roots| Attempt::Dissect {
            seat,
            of: seat,
            by,
            piece,
            roots: roots.clone(),
            flaw: Flaw::None,
        })
    };
    pieces(game).into_iter().flat_map(of_piece).collect()
}

fn proofs(game: &Game, seat: usize, by: Who) -> Vec<Attempt> {
    let of_piece = |piece| {
        [
            Root::True,
            Root::Lie(Side::Challenger),
            Root::Lie(Side::Executor),
        ]
        .map(|shown| Attempt::Prove {
            seat,
            by,
            piece,
            shown,
        })
    };
    pieces(game).into_iter().flat_map(of_piece).collect()
}
